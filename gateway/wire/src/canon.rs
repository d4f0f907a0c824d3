//! Places of a request where a context's canon goes in front of the caller's own system text, in the forms that APIs have
//! for it.
//!
//! Every byte of the caller's, its own system text included, stays as it came. No edit touches a string of the caller, so
//! that they go together with edits inside its strings. Nothing here decides whether a canon is delivered.

use crate::json::{Edit, Str, Value};
use crate::problem::{Code, Problem};
use serde_json::json;
use zos_core::Canon;

/// How many cache breakpoints the Anthropic API takes in one request.
const BREAKPOINTS_MAX: usize = 4;

/// Anthropic: blocks in front of `system`, which becomes a list where it was a text.
pub(crate) fn blocks_in_system(body: &str, value: &Value<'_>, canon: &Canon) -> Result<Vec<Edit>, Problem> {
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
pub(crate) fn message_in_front(body: &str, value: &Value<'_>, canon: &Canon) -> Result<Vec<Edit>, Problem> {
    let Some((key, Value::Array(own))) = member(value, "messages")? else {
        return Err(no_place("`messages` is not a list"));
    };
    let first_role = own.first().and_then(|message| message.get("role")).and_then(Value::as_str);
    let role = if first_role.is_some_and(|role| role.is("developer")) { "developer" } else { "system" };
    Ok(first_element(body, key, own, &json!({"role": role, "content": canon.text}).to_string()))
}

/// OpenAI responses: in front of `instructions`, which unlike input items are not carried over from call
/// to call, so the canon never stands twice in a conversation.
pub(crate) fn text_in_instructions(
    body: &str,
    value: &Value<'_>,
    canon: &Canon,
) -> Result<Vec<Edit>, Problem> {
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
