//! Every face, ending, client and form: whoever reads the ending sees our sentence once, in a form that ends.

use super::*;
use crate::clients::{CLIENTS, Client, UNKNOWN};
use crate::json;
use crate::problem::{Code, Shape};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use zos_meter::Usage;

/// What an SDK reads of an ending: words in each of its texts, errors that it raises, whether it looks like an end.
#[derive(Debug, Default)]
struct Read {
    texts: Vec<String>,
    errors: Vec<String>,
    is_ended: bool,
    calls: usize,
    marks: Vec<Json>,
}

fn read(ending: &[u8]) -> Read {
    let mut read = Read::default();
    let text = std::str::from_utf8(ending).unwrap();
    assert!(text.ends_with("\n\n"), "an event that is not closed: {text:?}");
    for data in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
        if data == "[DONE]" {
            read.is_ended = true;
            continue;
        }
        let data: Json = serde_json::from_str(data).unwrap();
        read.marks.extend(data.get("zos").cloned());
        for choice in data["choices"].as_array().into_iter().flatten() {
            let said = choice["delta"]["content"].as_str().or(choice["text"].as_str()).unwrap_or_default();
            if !said.is_empty() {
                read.texts.push(said.to_owned());
            }
            read.calls += usize::from(choice["delta"].get("tool_calls").is_some());
        }
        let delta = data["delta"].as_str().or(data["delta"]["text"].as_str());
        read.texts.extend(delta.map(str::to_owned));
        read.errors.extend(data["error"]["message"].as_str().map(str::to_owned));
        let kind = data["type"].as_str().unwrap_or_default();
        read.is_ended |= ["message_stop", "response.failed", "response.incomplete"].contains(&kind);
        if kind == "response.failed" {
            assert_eq!(data["response"]["error"]["message"], data["error"]["message"], "for either reader");
            assert!(data["response"]["usage"]["total_tokens"].is_u64());
        }
        read.calls += usize::from(
            data["content_block"]["type"] == "tool_use" || data["item"]["type"] == "function_call",
        );
    }
    read
}

/// The beginning of an answer as a provider sends it, so that the ending has something open.
fn beginning(face: Face, choices: u64) -> Vec<(&'static str, Json)> {
    if face == Face::Messages {
        return vec![
            ("message_start", json!({"type": "message_start", "message": {"id": "m"}})),
            (
                "content_block_start",
                json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            ),
        ];
    }
    if face == Face::Responses {
        return vec![
            (
                "response.created",
                json!({"type": "response.created", "response": {"id": "r", "output": []}, "sequence_number": 0}),
            ),
            (
                "response.output_item.added",
                json!({"type": "response.output_item.added", "output_index": 0, "item": {"id": "i", "type": "message"}, "sequence_number": 1}),
            ),
        ];
    }
    (0..choices)
        .map(|index| ("", json!({"id": "c", "created": 1, "model": "m", "choices": [{"index": index, "delta": {"content": "a"}, "text": "a"}]})))
        .collect()
}

fn clients() -> impl Strategy<Value = &'static Client> {
    proptest::sample::select(CLIENTS.iter().chain([&UNKNOWN]).collect::<Vec<_>>())
}

fn streaming() -> impl Strategy<Value = Face> {
    proptest::sample::select(FACES.iter().copied().filter(|face| face.streams()).collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn every_reader_sees_the_sentence_once_and_half_of_no_call(
        face in streaming(),
        client in clients(),
        is_best: bool,
        in_call: bool,
        begins: bool,
        choices in 1_u64..4,
        words in "[A-Za-z\"\\\\<é ]{1,30}",
        counts in any::<[u32; 3]>(),
    ) {
        let form = if is_best { Form::Best(client) } else { Form::Reference };
        let problem = Problem::new(Code::FirewallResponse, format!("Because {words}.")).told(face.shape(), form);
        let mut dialect = Dialect::of(face).unwrap();
        let mut places = Places::default();
        for (name, event) in beginning(face, choices).into_iter().filter(|_| begins) {
            let text = event.to_string();
            let value = json::parse(&text).unwrap();
            let _ = dialect.read(&mut places, name, &text, &value);
            let delivery = dialect.delivery(name, &value);
            dialect.delivered(&delivery);
        }
        let [input, output, cache_read] = counts.map(u64::from);
        let usage = Usage { input, output, cache_read, ..Usage::default() };
        let cut = Cut { problem: &problem, request_id: "req-1", in_call, usage };
        let ending = dialect.cut(&cut, form);
        let read = read(&ending);
        prop_assert_eq!(read.calls, 0);
        prop_assert!(read.is_ended || !read.errors.is_empty(), "{:?}", read);
        prop_assert!(read.errors.len() <= 1);
        prop_assert_eq!(read.marks.len(), 1);
        prop_assert_eq!(&read.marks[0]["code"], Code::FirewallResponse.as_str());
        prop_assert_eq!(&read.marks[0]["request_id"], "req-1");
        let sentence = problem.sentence();
        let in_texts = read.texts.iter().filter(|text| text.contains(&sentence)).count();
        let in_errors = read.errors.iter().filter(|error| error.contains(&sentence)).count();
        if is_best {
            // One text for each choice, of which a reader takes one.
            let texts = if face.shape() == Shape::OpenAi && face != Face::Responses && begins { choices as usize } else { 1 };
            prop_assert!((in_texts, in_errors) == (texts, 0) || (in_texts, in_errors) == (0, 1), "{:?}", read);
        }
        if in_call {
            prop_assert_eq!((in_texts, in_errors), (0, 1), "inside a call it is an error");
            prop_assert!(!read.is_ended || face == Face::Responses);
        }
        // Ours alone, where the provider's words may not be said.
        prop_assert!(!dialect.without_words().cut(&cut, form).is_empty());
    }
}
