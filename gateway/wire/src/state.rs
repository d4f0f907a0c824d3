//! Ids of what a provider keeps: earlier answers, stored conversations, containers, files, sealed items.
//!
//! Such an id in a request brings text into the call that nobody can inspect here. [`used`] reads the ids that
//! a request refers to, [`made`] those that an answer gives out; who keeps them apart by room stands above.
//! Sealed items (`encrypted_content`, redacted thinking) are their own ids: only the provider can read them.

use crate::face::{Face, KeptIds, Store};
use crate::json::Value;
use crate::spelling::letters;
use std::borrow::Cow;

/// One id that a request refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateId<'a> {
    /// Name of the field that it stands in.
    pub field: &'static str,
    /// The id as the provider gave it.
    pub id: Cow<'a, str>,
}

/// Keys of a body itself under which ids stand, letters alone, and the field's name. [`letters`] tells how they are read.
const OF_THE_BODY: &[(&[u8], &str)] = &[
    (b"previousresponseid", "previous_response_id"),
    (b"previousinteractionid", "previous_interaction_id"),
    (b"conversation", "conversation"),
    (b"conversationid", "conversation_id"),
    (b"prompt", "prompt"),
    (b"cachedcontent", "cached_content"),
];

/// Keys under which ids stand at any depth.
const ANYWHERE: &[(&[u8], &str)] = &[
    (b"fileid", "file_id"),
    (b"fileids", "file_ids"),
    (b"vectorstoreid", "vector_store_id"),
    (b"vectorstoreids", "vector_store_ids"),
    (b"encryptedcontent", "encrypted_content"),
    (b"container", "container"),
    (b"containerid", "container_id"),
];

/// Blocks whose `input` holds arguments of a tool: nobody looks up what is called an id there.
const CALLS: &[&str] = &["tool_use", "server_tool_use", "mcp_tool_use"];

/// Ids that a request refers to: those of the body, and then those that stand deeper. A key counts in every
/// spelling, and an id in every kind of value.
pub fn used<'a>(body: &'a Value<'a>) -> Vec<StateId<'a>> {
    let mut found = Vec::new();
    of_body(body, &mut found);
    nested(body, &mut found);
    found
}

fn of_body<'a>(body: &'a Value<'a>, found: &mut Vec<StateId<'a>>) {
    for (key, value) in body.members() {
        let letters = letters(&key.text());
        if let Some((name, field)) = OF_THE_BODY.iter().find(|(name, _)| *name == letters.as_slice()) {
            // A prompt that is no object is a text.
            if *name != b"prompt" || matches!(value, Value::Object { .. }) {
                ids(value, field, found);
            }
        }
        match letters.as_slice() {
            b"input" => items(value, found),
            // Some proxies put its members beside those of the body.
            b"extrabody" => of_body(value, found),
            _ => {}
        }
    }
}

/// The ids of a value: a string is one, a list holds several, and an object has one under `id`.
fn ids<'a>(value: &'a Value<'a>, field: &'static str, found: &mut Vec<StateId<'a>>) {
    match value {
        Value::String(text) => {
            let id = text.text();
            if !id.is_empty() {
                found.push(StateId { field, id });
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| ids(element, field, found)),
        Value::Object { .. } => {
            let named = value.members().iter().filter(|(key, _)| letters(&key.text()).as_slice() == b"id");
            named.for_each(|(_, id)| ids(id, field, found));
        }
        Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}

/// Items of an input that are only named: a reference at any depth, or an item of an id and nothing else.
fn items<'a>(value: &'a Value<'a>, found: &mut Vec<StateId<'a>>) {
    for item in value.elements() {
        let is_bare = || item.members().iter().all(|(key, _)| key.is("id") || key.is("type"));
        match item.get("id") {
            Some(id) if is_reference(item) || is_bare() => ids(id, "item_reference", found),
            _ => {
                items(item, found);
                item.members().iter().for_each(|(_, member)| references(member, found));
            }
        }
    }
}

fn references<'a>(value: &'a Value<'a>, found: &mut Vec<StateId<'a>>) {
    if let Some(id) = value.get("id").filter(|_| is_reference(value)) {
        ids(id, "item_reference", found);
    }
    value.elements().iter().for_each(|element| references(element, found));
    value.members().iter().for_each(|(_, member)| references(member, found));
}

fn is_reference(item: &Value<'_>) -> bool {
    item.get("type").and_then(Value::as_str).is_some_and(|kind| kind.is("item_reference"))
}

/// Ids that may stand at any depth.
fn nested<'a>(value: &'a Value<'a>, found: &mut Vec<StateId<'a>>) {
    for element in value.elements() {
        nested(element, found);
    }
    let kind = value.get("type").and_then(Value::as_str);
    let is = |name: &str| kind.is_some_and(|kind| kind.is(name));
    for (key, member) in value.members() {
        let letters = letters(&key.text());
        if let Some((_, field)) = ANYWHERE.iter().find(|(name, _)| *name == letters.as_slice()) {
            ids(member, field, found);
        }
        match letters.as_slice() {
            b"data" if is("redacted_thinking") => ids(member, "redacted_thinking", found),
            b"skillid" if is("custom") => ids(member, "skill_id", found),
            // An earlier answer in sound; sound that a request brings along has no id.
            b"audio" if member.get("id").is_some() => ids(member, "audio", found),
            b"input" if CALLS.iter().any(|name| is(name)) => continue,
            _ => {}
        }
        nested(member, found);
    }
}

/// Whether an answer of a face may give out ids of what the provider keeps.
pub fn keeps(face: Face, answer: &[u8]) -> bool {
    match face.facts().keeps.ids {
        KeptIds::None => false,
        KeptIds::Sounds => memchr::memmem::find(answer, b"\"audio\"").is_some(),
        KeptIds::Parts | KeptIds::Every => true,
    }
}

/// Ids that an answer, or one event of it, gives out. An id is told as often as it stands there.
pub fn made(face: Face, value: &Value<'_>, take: &mut impl FnMut(&str)) {
    // Nearly every event is a piece of text and gives out nothing.
    let kind = value.get("type").and_then(Value::as_str);
    match face.facts().keeps.ids {
        KeptIds::None => {}
        KeptIds::Sounds => sounds(value, take),
        KeptIds::Parts | KeptIds::Every if kind.is_some_and(|kind| kind.raw().ends_with(".delta")) => {}
        KeptIds::Parts | KeptIds::Every => gather(face, value, take),
    }
}

/// Ids of answers in sound, to which a later message of the chat API may refer.
fn sounds(value: &Value<'_>, take: &mut impl FnMut(&str)) {
    let choices = value.get("choices").map(Value::elements).unwrap_or_default();
    for said in choices.iter().filter_map(|choice| choice.get("delta").or_else(|| choice.get("message"))) {
        if let Some(id) = said.get("audio").and_then(|audio| audio.get("id")).and_then(Value::as_str) {
            take(&id.text());
        }
    }
}

fn gather(face: Face, value: &Value<'_>, take: &mut impl FnMut(&str)) {
    for element in value.elements() {
        gather(face, element, take);
    }
    let is = |name: &str| value.get("type").and_then(Value::as_str).is_some_and(|kind| kind.is(name));
    for (key, member) in value.members() {
        let key = key.text();
        let is_id = match key.as_ref() {
            "id" => face.facts().keeps.ids == KeptIds::Every,
            "file_id" | "container_id" | "conversation" | "container" | "encrypted_content" => true,
            "data" => is("redacted_thinking"),
            _ => false,
        };
        match member.as_str() {
            Some(id) if is_id => take(&id.text()),
            Some(_) => {}
            None => {
                if let Some(id) = member.get("id").and_then(Value::as_str).filter(|_| is_id) {
                    take(&id.text());
                }
                gather(face, member, take);
            }
        }
    }
}

/// The edit that keeps the provider from storing an answer; `None` where the request says so already or its
/// API has no such choice.
pub fn store_nothing(face: Face, body: &str, value: &Value<'_>) -> Option<(std::ops::Range<usize>, String)> {
    let stores_by_default = match face.facts().keeps.store {
        Store::ByDefault => true,
        Store::OnRequest => false,
        Store::Never => return None,
    };
    match value.get("store") {
        Some(Value::Bool(false)) => None,
        None if !stores_by_default => None,
        None => {
            let open = body.find('{')?;
            let comma = if value.members().is_empty() { "" } else { "," };
            Some((open + 1..open + 1, format!("\"store\":false{comma}")))
        }
        Some(_) => {
            let (key, _) = value.members().iter().find(|(key, _)| key.is("store"))?;
            let after = key.start() + key.raw().len() + 1;
            let colon = after + body.get(after..)?.find(':')?;
            let start = colon + 1 + body.get(colon + 1..)?.find(|c: char| !c.is_ascii_whitespace())?;
            let rest = body.get(start..)?;
            // Only a literal is replaced; anything else the provider refuses by itself.
            let literal = ["true", "null"].into_iter().find(|literal| rest.starts_with(literal))?;
            Some((start..start + literal.len(), "false".to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{self, parse};

    #[test]
    fn every_way_to_refer_to_what_is_kept_is_read() {
        for (body, expected) in [
            (r#"{"previous_response_id":"resp_1"}"#, vec!["resp_1"]),
            (r#"{"previous_response_id":null,"conversation":null,"prompt":"a text"}"#, vec![]),
            (r#"{"conversation":"conv_1"}"#, vec!["conv_1"]),
            (r#"{"conversation":{"id":"conv_\u0031"}}"#, vec!["conv_1"]),
            (r#"{"prompt":{"id":"pmpt_1","version":"2"}}"#, vec!["pmpt_1"]),
            (
                r#"{"input":[{"type":"item_reference","id":"msg_1"},{"id":"rs_1"},{"type":"message","id":"m","role":"user","content":"x"}]}"#,
                vec!["msg_1", "rs_1"],
            ),
            (r#"{"input":[{"type":"compaction","encrypted_content":"AAAA"}]}"#, vec!["AAAA"]),
            (r#"{"messages":[{"content":[{"type":"redacted_thinking","data":"BBBB"}]}]}"#, vec!["BBBB"]),
            (
                r#"{"messages":[{"content":[{"type":"document","source":{"type":"file","file_id":"file_1"}}]}],"container":"cntr_1"}"#,
                vec!["file_1", "cntr_1"],
            ),
            (
                r#"{"container":{"id":"cntr_2","skills":[{"type":"custom","skill_id":"s"},{"type":"anthropic","skill_id":"pdf"}]}}"#,
                vec!["cntr_2", "s"],
            ),
            (
                r#"{"tools":[{"type":"file_search","vector_store_ids":["vs_1"]},{"type":"code_interpreter","container":{"type":"auto","file_ids":["f2"]}}]}"#,
                vec!["vs_1", "f2"],
            ),
            (r#"{"messages":[{"content":"previous_response_id: resp_1"}]}"#, vec![]),
            (r#"{"messages":[{"role":"assistant","audio":{"id":"audio_1"}}]}"#, vec!["audio_1"]),
            (r#"{"messages":[{"content":[{"type":"input_audio","input_audio":{"data":"AAAA"}}]}]}"#, vec![]),
            // In other kinds of values and at other depths.
            (r#"{"previous_response_id":["resp_1",{"id":["resp_2"]}]}"#, vec!["resp_1", "resp_2"]),
            (r#"{"conversation":[{"ID":"conv_1"}],"conversation_id":"conv_2"}"#, vec!["conv_1", "conv_2"]),
            (r#"{"extra_body":{"previous_response_id":"resp_1"}}"#, vec!["resp_1"]),
            (
                r#"{"input":[{"content":[{"type":"item_reference","id":"msg_1"}]},[{"id":"rs_1"}]]}"#,
                vec!["msg_1", "rs_1"],
            ),
            (
                r#"{"tools":[{"type":"code_interpreter","container":["cntr_1"],"container_id":"cntr_2"}]}"#,
                vec!["cntr_1", "cntr_2"],
            ),
            // Arguments of a tool are not looked up.
            (
                r#"{"messages":[{"content":[{"type":"tool_use","id":"t","input":{"file_id":"1a2b"}}]}]}"#,
                vec![],
            ),
            (r#"{"messages":[{"content":[{"type":"text","input":{"file_id":"1a2b"}}]}]}"#, vec!["1a2b"]),
        ] {
            let value = parse(body).unwrap();
            let ids: Vec<_> = used(&value).into_iter().map(|id| id.id.into_owned()).collect();
            assert_eq!(ids, expected, "{body}");
        }
    }

    #[test]
    fn a_reference_counts_in_every_spelling_of_its_key() {
        for (_, field) in OF_THE_BODY.iter().chain(ANYWHERE) {
            let spellings =
                [field.to_string(), field.to_uppercase(), field.replace('_', ""), field.replace('_', "-")];
            for key in spellings {
                let body = format!(r#"{{"{key}":{{"id":"kept_1"}}}}"#);
                let value = parse(&body).unwrap();
                let ids: Vec<_> = used(&value).into_iter().map(|id| (id.field, id.id.into_owned())).collect();
                assert_eq!(ids, [(*field, "kept_1".to_owned())], "{body}");
            }
        }
    }

    #[test]
    fn an_answer_gives_out_what_a_request_may_refer_to() {
        let ids = |face, text: &str| {
            let mut ids = Vec::new();
            made(face, &parse(text).unwrap(), &mut |id| ids.push(id.to_owned()));
            ids
        };
        assert_eq!(
            ids(
                Face::Responses,
                r#"{"type":"response.completed","response":{"id":"resp_1","conversation":{"id":"conv_1"},"output":[{"type":"reasoning","id":"rs_1","encrypted_content":"AAAA"}]}}"#
            ),
            ["resp_1", "conv_1", "conv_1", "rs_1", "AAAA"]
        );
        assert_eq!(
            ids(
                Face::Responses,
                r#"{"type":"response.output_text.delta","item_id":"m","delta":"x","id":"no"}"#
            ),
            [""; 0]
        );
        assert_eq!(
            ids(
                Face::Messages,
                r#"{"id":"msg_1","content":[{"type":"redacted_thinking","data":"BBBB"}],"container":{"id":"cntr_1"}}"#
            ),
            ["BBBB", "cntr_1"]
        );
        assert_eq!(ids(Face::ChatCompletions, r#"{"id":"chatcmpl-1"}"#), [""; 0]);
        for said in ["delta", "message"] {
            let answer = format!(
                r#"{{"id":"c","choices":[{{"index":0,"{said}":{{"audio":{{"id":"audio_1","data":"AA"}}}}}}]}}"#
            );
            assert_eq!(ids(Face::ChatCompletions, &answer), ["audio_1"]);
        }
    }

    #[test]
    fn a_request_is_kept_from_being_stored_by_one_edit() {
        for (face, body, expected) in [
            (Face::Responses, r#"{"model":"m"}"#, Some(r#"{"store":false,"model":"m"}"#)),
            (Face::Responses, "{}", Some(r#"{"store":false}"#)),
            (Face::Responses, r#"{"a":"store","store" : true}"#, Some(r#"{"a":"store","store" : false}"#)),
            (Face::Responses, r#"{"store":false}"#, None),
            (Face::ChatCompletions, r#"{"model":"m"}"#, None),
            (Face::ChatCompletions, r#"{"store":true}"#, Some(r#"{"store":false}"#)),
            (Face::Messages, r#"{"model":"m"}"#, None),
        ] {
            let edit = store_nothing(face, body, &parse(body).unwrap());
            let changed = edit.map(|edit| json::replace(body, &[edit]));
            assert_eq!(changed.as_deref(), expected, "{body}");
        }
    }
}
