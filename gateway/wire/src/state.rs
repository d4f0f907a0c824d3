//! Ids of what a provider keeps: earlier answers, stored conversations, containers, files, sealed items.
//!
//! Such an id in a request brings text into the call that nobody can inspect here. [`used`] reads the ids that
//! a request refers to, [`made`] those that an answer gives out; who keeps them apart by room stands above.
//! Sealed items (`encrypted_content`, redacted thinking) are their own ids: only the provider can read them.

use crate::face::{Face, KeptIds, Store};
use crate::json::Value;
use std::borrow::Cow;

/// One id that a request refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateId<'a> {
    /// Name of the field that it stands in.
    pub field: &'static str,
    /// The id as the provider gave it.
    pub id: Cow<'a, str>,
}

/// Ids that a request refers to, in the order of the body.
pub fn used<'a>(body: &'a Value<'a>) -> Vec<StateId<'a>> {
    let mut found = Vec::new();
    for (key, value) in body.members() {
        let field = match key.text().as_ref() {
            "previous_response_id" => "previous_response_id",
            "previous_interaction_id" => "previous_interaction_id",
            "conversation" => "conversation",
            "prompt" if value.as_str().is_some() => continue,
            "prompt" => "prompt",
            "cachedContent" | "cached_content" => "cached_content",
            "input" => {
                value.elements().iter().for_each(|item| reference(item, &mut found));
                continue;
            }
            _ => continue,
        };
        push(&mut found, field, value);
        if let Some(id) = value.get("id") {
            push(&mut found, field, id);
        }
    }
    nested(body, &mut found);
    found
}

fn push<'a>(found: &mut Vec<StateId<'a>>, field: &'static str, value: &'a Value<'a>) {
    if let Some(id) = value.as_str().map(|text| text.text()).filter(|id| !id.is_empty()) {
        found.push(StateId { field, id });
    }
}

/// An item that is only named: `{"type": "item_reference", "id": …}`, or an id and nothing else.
fn reference<'a>(item: &'a Value<'a>, found: &mut Vec<StateId<'a>>) {
    let kind = item.get("type").and_then(Value::as_str);
    let is_bare = || item.members().iter().all(|(key, _)| key.is("id") || key.is("type"));
    if let Some(id) = item.get("id")
        && (kind.is_some_and(|kind| kind.is("item_reference")) || is_bare())
    {
        push(found, "item_reference", id);
    }
}

/// Ids that may stand at any depth.
fn nested<'a>(value: &'a Value<'a>, found: &mut Vec<StateId<'a>>) {
    for element in value.elements() {
        nested(element, found);
    }
    let is = |name: &str| value.get("type").and_then(Value::as_str).is_some_and(|kind| kind.is(name));
    for (key, member) in value.members() {
        match key.text().as_ref() {
            "file_id" => push(found, "file_id", member),
            "file_ids" => member.elements().iter().for_each(|id| push(found, "file_ids", id)),
            "vector_store_ids" => {
                member.elements().iter().for_each(|id| push(found, "vector_store_ids", id));
            }
            "encrypted_content" => push(found, "encrypted_content", member),
            "data" if is("redacted_thinking") => push(found, "redacted_thinking", member),
            "skill_id" if is("custom") => push(found, "skill_id", member),
            "container" => {
                push(found, "container", member);
                if let Some(id) = member.get("id") {
                    push(found, "container", id);
                }
            }
            _ => {}
        }
        nested(member, found);
    }
}

/// Whether answers of a face may give out ids of what the provider keeps.
pub fn keeps(face: Face) -> bool {
    face.endpoint().keeps().ids != KeptIds::None
}

/// Ids that an answer, or one event of it, gives out. An id is told as often as it stands there.
pub fn made(face: Face, value: &Value<'_>, take: &mut impl FnMut(&str)) {
    // Nearly every event is a piece of text and gives out nothing.
    let kind = value.get("type").and_then(Value::as_str);
    if !keeps(face) || kind.is_some_and(|kind| kind.raw().ends_with(".delta")) {
        return;
    }
    gather(face, value, take);
}

fn gather(face: Face, value: &Value<'_>, take: &mut impl FnMut(&str)) {
    for element in value.elements() {
        gather(face, element, take);
    }
    let is = |name: &str| value.get("type").and_then(Value::as_str).is_some_and(|kind| kind.is(name));
    for (key, member) in value.members() {
        let key = key.text();
        let is_id = match key.as_ref() {
            "id" => face.endpoint().keeps().ids == KeptIds::Every,
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
    let stores_by_default = match face.endpoint().keeps().store {
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
        ] {
            let value = parse(body).unwrap();
            let ids: Vec<_> = used(&value).into_iter().map(|id| id.id.into_owned()).collect();
            assert_eq!(ids, expected, "{body}");
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
