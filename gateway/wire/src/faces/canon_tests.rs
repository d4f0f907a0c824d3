//! The canon in front of requests, on every face.

use super::*;
use crate::json::{parse, replace};
use proptest::prelude::*;
use serde_json::json;
use zos_core::Canon;

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
    let edits = face.put_canon(body, &value, &canon("C \"q\"\n", "")).map_err(|problem| problem.message)?;
    Ok(edits.map_or(body.to_owned(), |edits| replace(body, &edits)))
}

#[test]
fn each_api_gets_the_canon_in_its_own_words() {
    let block = r#"{"type":"text","text":"C \"q\"\n","cache_control":{"type":"ephemeral"}}"#;
    for (body, system) in [
        (r#"{ "model":"m","messages":[]}"#, String::new()),
        (r#" {"system" : null,"model":"m"}"#, format!(r#" {{"system" : [{block}],"model":"m"}}"#)),
        (r#"{"system":"","a":1}"#, format!(r#"{{"system":[{block},{{"type":"text","text":""}}],"a":1}}"#)),
        (
            r#"{"a":1,"system" :	"own \u0041\ud83d\ude00" }"#,
            format!(r#"{{"a":1,"system" :	[{block},{{"type":"text","text":"own \u0041\ud83d\ude00"}}] }}"#),
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
    for face in FACES.iter().filter(|face| !face.has_instructions()) {
        assert_eq!(put(*face, r#"{"input":"x"}"#).unwrap(), r#"{"input":"x"}"#);
    }
}

#[test]
fn the_seam_has_a_breakpoint_while_the_caller_leaves_one() {
    let own = |count: usize, control: &str| {
        let block = format!(r#"{{"type":"text","text":"x","cache_control":{control}}}"#);
        format!(r#"{{"messages":[{{"content":[{}]}}]}}"#, vec![block; count].join(","))
    };
    let put = |body: &str| {
        let value = parse(body).unwrap();
        let edits = Face::Messages.put_canon(body, &value, &canon("S\n\n", "V\n")).unwrap().unwrap();
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
        let name = match face.name() {
            "chat_completions" => "messages",
            "responses" => "instructions",
            _ => "system",
        };
        let list = format!("[ {{\"role\":\"user\",\"text\":{text}}}]");
        let value = match (face.name(), shape) {
            ("chat_completions", _) | (_, 1) => Some(list),
            (_, 0) => None,
            (_, 2) => Some("null".to_owned()),
            _ => Some(text),
        };
        let member = value.map(|value| format!("\"{name}\" : {value} "));
        let model = Some("\"model\":\"the-model\"".to_owned());
        let members = if before { [member, model] } else { [model, member] };
        let body = format!("{{ {} }}", members.into_iter().flatten().collect::<Vec<_>>().join(" ,"));
        let parsed = parse(&body).unwrap();
        let edits = face.put_canon(&body, &parsed, &canon("S\n\n", "V\n")).unwrap().unwrap();
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
