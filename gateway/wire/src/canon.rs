//! Puts a context's canon in front of the caller's own system text, in the words of each API.
//!
//! One place of the body changes; every other byte, the caller's own system text included, stays as it
//! came. Nothing here decides whether a canon is delivered.

use crate::face::Face;
use crate::json::{Str, Value};
use crate::problem::{Code, Problem};
use serde_json::json;
use std::ops::Range;
use zos_core::Canon;

/// How many cache breakpoints the Anthropic API takes in one request.
const BREAKPOINTS_MAX: usize = 4;

/// An edit of a body: the bytes that are replaced, empty where something is only put in, and what stands there then.
pub type Edit = (Range<usize>, String);

/// The edits that put the canon into a request; `None` for a face that has no system text. None of them touches a string
/// of the caller, so that they go together with edits inside its strings.
///
/// # Errors
/// If the request has no place for it: then the provider could not read it either, or would read something
/// else than we do.
pub fn edits(face: Face, body: &str, value: &Value<'_>, canon: &Canon) -> Result<Option<Vec<Edit>>, Problem> {
    match face {
        Face::Messages | Face::CountTokens => system(body, value, canon).map(Some),
        Face::ChatCompletions => messages(body, value, canon).map(Some),
        Face::Responses => instructions(body, value, canon).map(Some),
        Face::Embeddings => Ok(None),
    }
}

/// Anthropic: blocks in front of `system`, which becomes a list where it was a text.
fn system(body: &str, value: &Value<'_>, canon: &Canon) -> Result<Vec<Edit>, Problem> {
    let blocks = blocks(value, canon);
    Ok(match member(value, "system")? {
        None => first_member(body, value, &format!("\"system\":[{blocks}]")),
        Some((key, Value::Null)) => {
            let start = value_start(body, key);
            vec![(start..start + "null".len(), format!("[{blocks}]"))]
        }
        Some((_, Value::String(own))) => {
            let (start, end) = (own.start() - 1, own.start() + own.raw().len() + 1);
            let before = format!("[{blocks},{{\"type\":\"text\",\"text\":");
            vec![(start..start, before), (end..end, "}]".to_owned())]
        }
        Some((key, Value::Array(own))) => first_element(body, key, own, &blocks),
        Some(_) => return Err(no_place("`system` is neither a text nor a list of blocks")),
    })
}

/// The stable segment and the volatile one, with a cache breakpoint between them while the caller leaves
/// one of the four.
fn blocks(value: &Value<'_>, canon: &Canon) -> String {
    let (mut count, mut has_hour) = (0, false);
    breakpoints(value, &mut count, &mut has_hour);
    let mut blocks = Vec::new();
    if !canon.stable().is_empty() {
        let mut block = json!({"type": "text", "text": canon.stable()});
        if count < BREAKPOINTS_MAX {
            // The API refuses a breakpoint of an hour after one of five minutes.
            block["cache_control"] = if has_hour {
                json!({"type": "ephemeral", "ttl": "1h"})
            } else {
                json!({"type": "ephemeral"})
            };
        }
        blocks.push(block.to_string());
    }
    if !canon.volatile().is_empty() {
        blocks.push(json!({"type": "text", "text": canon.volatile()}).to_string());
    }
    blocks.join(",")
}

/// Counts the caller's own breakpoints. What only looks like one is counted too: then ours is left out.
fn breakpoints(value: &Value<'_>, count: &mut usize, has_hour: &mut bool) {
    for element in value.elements() {
        breakpoints(element, count, has_hour);
    }
    for (key, member) in value.members() {
        if key.is("cache_control") && !matches!(member, Value::Null) {
            *count += 1;
            *has_hour |= member.get("ttl").and_then(Value::as_str).is_some_and(|ttl| ttl.is("1h"));
        }
        breakpoints(member, count, has_hour);
    }
}

/// OpenAI chat: a leading message, of the role that the caller's own first one has.
fn messages(body: &str, value: &Value<'_>, canon: &Canon) -> Result<Vec<Edit>, Problem> {
    let Some((key, Value::Array(own))) = member(value, "messages")? else {
        return Err(no_place("`messages` is not a list"));
    };
    let first_role = own.first().and_then(|message| message.get("role")).and_then(Value::as_str);
    let role = if first_role.is_some_and(|role| role.is("developer")) { "developer" } else { "system" };
    Ok(first_element(body, key, own, &json!({"role": role, "content": canon.text}).to_string()))
}

/// OpenAI responses: in front of `instructions`, which unlike input items are not carried over from call
/// to call, so the canon never stands twice in a conversation.
fn instructions(body: &str, value: &Value<'_>, canon: &Canon) -> Result<Vec<Edit>, Problem> {
    let quoted = serde_json::Value::from(canon.text.as_str()).to_string();
    Ok(match member(value, "instructions")? {
        None => first_member(body, value, &format!("\"instructions\":{quoted}")),
        Some((key, Value::Null)) => {
            let start = value_start(body, key);
            vec![(start..start + "null".len(), quoted)]
        }
        Some((_, Value::String(own))) => {
            let text = format!("{}\\n", &quoted[1..quoted.len() - 1]);
            vec![(own.start()..own.start(), text)]
        }
        Some((key, Value::Array(own))) => {
            let item = json!({"type": "message", "role": "developer", "content": canon.text});
            first_element(body, key, own, &item.to_string())
        }
        Some(_) => return Err(no_place("`instructions` is not a text")),
    })
}

/// The member of that name; which stands twice is refused, for we and the provider might read different
/// ones.
fn member<'v, 'a>(value: &'v Value<'a>, name: &str) -> Result<Option<(&'v Str<'a>, &'v Value<'a>)>, Problem> {
    let mut found = value.members().iter().filter(|(key, _)| key.is(name));
    let first = found.next();
    if found.next().is_some() {
        let message = format!("The request body names `{name}` more than once.");
        return Err(Problem::new(Code::InvalidRequest, message));
    }
    Ok(first.map(|(key, value)| (key, value)))
}

fn no_place(what: &str) -> Problem {
    let message = format!("This context puts its canon in front of every call, and {what}.");
    Problem::new(Code::InvalidRequest, message)
        .hint("Send what the API documents, or set `canon: {deliver: none}`.")
}

/// Where the value of a key begins. The text is known to be JSON.
fn value_start(body: &str, key: &Str<'_>) -> usize {
    let after_key = key.start() + key.raw().len() + 1;
    let white = |from: usize| from + body[from..].bytes().take_while(u8::is_ascii_whitespace).count();
    white(white(after_key) + 1)
}

/// A new member in front of all others of the body.
fn first_member(body: &str, value: &Value<'_>, member: &str) -> Vec<Edit> {
    let start = body.find('{').map_or(0, |brace| brace + 1);
    let comma = if value.members().is_empty() { "" } else { "," };
    vec![(start..start, format!("{member}{comma}"))]
}

/// A new element in front of all others of a list.
fn first_element(body: &str, key: &Str<'_>, own: &[Value<'_>], element: &str) -> Vec<Edit> {
    let start = value_start(body, key) + 1;
    let comma = if own.is_empty() { "" } else { "," };
    vec![(start..start, format!("{element}{comma}"))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{parse, replace};
    use proptest::prelude::*;

    fn canon(stable: &str, volatile: &str) -> Canon {
        let text = format!("{stable}{volatile}");
        Canon {
            digest: Canon::digest_of(&text),
            stable_bytes: stable.len(),
            tokens: 1,
            lines: Vec::new(),
            layers: Vec::new(),
            budget: None,
            text,
        }
    }

    fn put(face: Face, body: &str) -> Result<String, String> {
        let value = parse(body).unwrap();
        let edits = edits(face, body, &value, &canon("C \"q\"\n", "")).map_err(|problem| problem.message)?;
        Ok(edits.map_or(body.to_owned(), |edits| replace(body, &edits)))
    }

    #[test]
    fn each_api_gets_the_canon_in_its_own_words() {
        let block = r#"{"type":"text","text":"C \"q\"\n","cache_control":{"type":"ephemeral"}}"#;
        for (body, system) in [
            (r#"{ "model":"m","messages":[]}"#, String::new()),
            (r#" {"system" : null,"model":"m"}"#, format!(r#" {{"system" : [{block}],"model":"m"}}"#)),
            (
                r#"{"system":"","a":1}"#,
                format!(r#"{{"system":[{block},{{"type":"text","text":""}}],"a":1}}"#),
            ),
            (
                r#"{"a":1,"system" :	"own \u0041\ud83d\ude00" }"#,
                format!(
                    r#"{{"a":1,"system" :	[{block},{{"type":"text","text":"own \u0041\ud83d\ude00"}}] }}"#
                ),
            ),
            (r#"{"system":[ ]}"#, format!(r#"{{"system":[{block} ]}}"#)),
            (
                r#"{"system": [ {"type":"text","text":"own"}]}"#,
                format!(r#"{{"system": [{block}, {{"type":"text","text":"own"}}]}}"#),
            ),
        ] {
            let expected = match system.is_empty() {
                true => format!(r#"{{"system":[{block}], "model":"m","messages":[]}}"#),
                false => system,
            };
            assert_eq!(put(Face::Messages, body).unwrap(), expected);
            assert_eq!(put(Face::CountTokens, body).unwrap(), expected);
        }
        let text = r#""C \"q\"\n""#;
        for (body, expected) in [
            (r#"{"messages":[]}"#, format!(r#"{{"messages":[{{"role":"system","content":{text}}}]}}"#)),
            (
                r#"{"messages" : [{"role":"user"}]}"#,
                format!(r#"{{"messages" : [{{"role":"system","content":{text}}},{{"role":"user"}}]}}"#),
            ),
            (
                r#"{"messages":[{"role":"developer"}]}"#,
                format!(r#"{{"messages":[{{"role":"developer","content":{text}}},{{"role":"developer"}}]}}"#),
            ),
        ] {
            assert_eq!(put(Face::ChatCompletions, body).unwrap(), expected);
        }
        for (body, expected) in [
            (r#"{"input":"x"}"#, format!(r#"{{"instructions":{text},"input":"x"}}"#)),
            (r#"{"instructions":null}"#, format!(r#"{{"instructions":{text}}}"#)),
            (r#"{"instructions":"own \u0041"}"#, r#"{"instructions":"C \"q\"\n\nown \u0041"}"#.to_owned()),
        ] {
            assert_eq!(put(Face::Responses, body).unwrap(), expected);
        }
        assert_eq!(put(Face::Embeddings, r#"{"input":"x"}"#).unwrap(), r#"{"input":"x"}"#);
    }

    #[test]
    fn the_seam_has_a_breakpoint_while_the_caller_leaves_one() {
        let own = |count: usize, control: &str| {
            let block = format!(r#"{{"type":"text","text":"x","cache_control":{control}}}"#);
            format!(r#"{{"messages":[{{"content":[{}]}}]}}"#, vec![block; count].join(","))
        };
        let put = |body: &str| {
            let value = parse(body).unwrap();
            let edits = edits(Face::Messages, body, &value, &canon("S\n\n", "V\n")).unwrap().unwrap();
            serde_json::from_str::<serde_json::Value>(&replace(body, &edits)).unwrap()["system"].clone()
        };
        let system = put(&own(3, r#"{"type":"ephemeral"}"#));
        assert_eq!(
            system,
            json!([{"type": "text", "text": "S\n\n", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "V\n"}])
        );
        assert_eq!(put(&own(4, r#"{"type":"ephemeral"}"#))[0], json!({"type": "text", "text": "S\n\n"}));
        assert_eq!(put(&own(1, r#"{"type":"ephemeral","ttl":"1h"}"#))[0]["cache_control"]["ttl"], "1h");
    }

    #[test]
    fn a_request_without_a_place_for_it_is_refused() {
        for (face, body, word) in [
            (Face::Messages, r#"{"system":7}"#, "`system`"),
            (Face::Messages, r#"{"system":"a","system":"b"}"#, "more than once"),
            (Face::ChatCompletions, r#"{"messages":{}}"#, "`messages`"),
            (Face::ChatCompletions, "{}", "`messages`"),
            (Face::Responses, r#"{"instructions":{}}"#, "`instructions`"),
        ] {
            assert!(put(face, body).unwrap_err().contains(word), "{body}");
        }
    }

    proptest! {
        /// Without the canon the body is the caller's again, and what stood elsewhere is found again.
        #[test]
        fn nothing_else_changes(
            own in "[a-z\"\\\\é\n]{0,8}",
            shape in 0..5_usize,
            before: bool,
            face in prop_oneof![Just(Face::Messages), Just(Face::ChatCompletions), Just(Face::Responses)],
        ) {
            let text = json!(own).to_string();
            let name = match face {
                Face::ChatCompletions => "messages",
                Face::Responses => "instructions",
                _ => "system",
            };
            let list = format!("[ {{\"role\":\"user\",\"text\":{text}}}]");
            let value = match (face, shape) {
                (Face::ChatCompletions, _) | (_, 1) => Some(list),
                (_, 0) => None,
                (_, 2) => Some("null".to_owned()),
                _ => Some(text),
            };
            let member = value.map(|value| format!("\"{name}\" : {value} "));
            let model = Some("\"model\":\"the-model\"".to_owned());
            let members = if before { [member, model] } else { [model, member] };
            let body = format!("{{ {} }}", members.into_iter().flatten().collect::<Vec<_>>().join(" ,"));
            let parsed = parse(&body).unwrap();
            let edits = edits(face, &body, &parsed, &canon("S\n\n", "V\n")).unwrap().unwrap();
            let changed = replace(&body, &edits);
            prop_assert!(serde_json::from_str::<serde_json::Value>(&changed).is_ok(), "{changed}");
            let (mut back, mut at, mut grown) = (String::new(), 0, 0);
            for (range, text) in &edits {
                // Only a null is replaced; everything else is put in between, and in no string but at its start.
                prop_assert!(range.is_empty() || &body[range.clone()] == "null", "{changed}");
                let start = range.start + grown;
                back.push_str(&changed[at..start]);
                back.push_str(&body[range.clone()]);
                at = start + text.len();
                grown += text.len() - range.len();
            }
            back.push_str(&changed[at..]);
            prop_assert_eq!(back, body.as_str());
        }
    }
}
