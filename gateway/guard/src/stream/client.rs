//! What the clients of the three APIs put together of the events of a stream, as their SDKs do it: the oracle
//! of the tests. It does not check anything and reads only what it knows.

use super::arguments::{ArgumentsReader, Part};
use serde_json::Value;
use std::collections::BTreeMap;
use zos_wire::face::Face;

/// Every text that a client accumulates: of choices, blocks, items and calls, and the answer as it is shown.
#[must_use]
pub fn accumulated(face: Face, stream: &str) -> Vec<String> {
    by_name(face, stream).into_values().collect()
}

/// The same by what a client calls them, so that those of two streams can be compared.
#[must_use]
pub fn by_name(face: Face, stream: &str) -> BTreeMap<String, String> {
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    let mut by_index: BTreeMap<(u64, u64), String> = BTreeMap::new();
    for event in stream.split("\n\n") {
        let data: Vec<&str> = event.lines().filter_map(|line| line.strip_prefix("data:")).collect();
        let Ok(value) = serde_json::from_str::<Value>(&data.join("\n")) else { continue };
        match face.name() {
            "messages" => messages(&value, &mut texts),
            "responses" => responses(&value, &mut texts),
            _ => chat(&value, &mut texts),
        }
        if let Some(words) = shown(face, &value).as_str() {
            let number = |key: &str| value[key].as_u64();
            let place = (number("index").or(number("output_index")), number("content_index"));
            by_index.entry((place.0.unwrap_or(0), place.1.unwrap_or(0))).or_default().push_str(words);
        }
    }
    texts.insert("by index".to_owned(), by_index.into_values().collect());
    let is_call = |key: &str| ["call", "json", "arguments", "input"].iter().any(|word| key.contains(word));
    let read = |(key, text): (String, String)| {
        let text = if is_call(&key) { decoded(&text) } else { text };
        (key, text)
    };
    texts.into_iter().map(read).collect()
}

/// What an event adds to the answer as it is shown, block by block.
fn shown(face: Face, value: &Value) -> &Value {
    let kind = value["type"].as_str().unwrap_or_default();
    match face.name() {
        "messages" if kind == "content_block_start" => &value["content_block"]["text"],
        "messages" if kind == "content_block_delta" => &value["delta"]["text"],
        "responses" if kind == "response.output_text.delta" => &value["delta"],
        _ => &Value::Null,
    }
}

/// The arguments of a call as a tool gets them: what its strings hold, each apart from the next.
fn decoded(arguments: &str) -> String {
    let (mut reader, mut text) = (ArgumentsReader::new(), String::new());
    let mut take = |part: Part<'_>| match part {
        Part::Text(words) => text.push_str(words),
        Part::Boundary => text.push('\u{0}'),
    };
    reader.push(arguments, &mut take);
    reader.finish(&mut take);
    text
}

fn push(texts: &mut BTreeMap<String, String>, key: String, words: &Value) {
    match words {
        Value::String(words) => texts.entry(key).or_default().push_str(words),
        Value::Array(parts) => {
            for part in parts {
                let text = if part.is_string() { part } else { &part["text"] };
                push(texts, key.clone(), text);
            }
        }
        _ => {}
    }
}

fn chat(value: &Value, texts: &mut BTreeMap<String, String>) {
    for choice in value["choices"].as_array().into_iter().flatten() {
        let (index, delta) = (&choice["index"], &choice["delta"]);
        for key in ["content", "reasoning_content", "reasoning", "refusal"] {
            push(texts, format!("{index} {key}"), &delta[key]);
            // Many clients read the first choice that they are given, whichever it is.
            push(texts, format!("first {key}"), &delta[key]);
        }
        push(texts, format!("{index} text"), &choice["text"]);
        push(texts, "first text".to_owned(), &choice["text"]);
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            push(texts, format!("{index} call {}", call["index"]), &call["function"]["arguments"]);
        }
    }
}

fn messages(value: &Value, texts: &mut BTreeMap<String, String>) {
    for said in [&value["content_block"], &value["delta"]] {
        for key in ["text", "thinking", "partial_json"] {
            push(texts, format!("{} {key}", value["index"]), &said[key]);
        }
        push(texts, "shown".to_owned(), &said["text"]);
    }
}

fn responses(value: &Value, texts: &mut BTreeMap<String, String>) {
    let kind = value["type"].as_str().unwrap_or_default();
    let place =
        format!("{kind} {} {} {}", value["output_index"], value["content_index"], value["summary_index"]);
    push(texts, place, &value["delta"]);
    if kind == "response.output_text.delta" {
        push(texts, "shown".to_owned(), &value["delta"]);
    }
    for item in value["response"]["output"].as_array().into_iter().flatten() {
        push(texts, "completed".to_owned(), &item["content"]);
    }
}
