//! Values of another kind than the API has there: a list for an object, an object for a list, one in the other. Whatever
//! stands at any place of an event, a term that is split over two events is stopped.

use super::Guard;
use super::tests::{masked, policy};
use crate::policy::Policy;
use crate::redact::Masks;
use serde_json::{Value, json};
use std::time::Instant;
use zos_core::Effect;
use zos_wire::face::Face;
use zos_wire::faces::Dialect;
use zos_wire::sse::Framer;

const TERM: &str = "Copper Thistle";
const FIRST: &str = "near the Copper Thi";
const SECOND: &str = "stle by night";

/// Ways in which words stand where something else is expected.
const KINDS: &[fn(&str) -> Value] = &[
    |words| json!(words),
    |words| json!([words]),
    |words| json!([[words]]),
    |words| json!({ "0": words }),
    |words| json!({"0": {"text": words}}),
    |words| json!([[{"delta": {"content": words}}]]),
    |words| json!({"0": {"index": 0, "delta": {"content": words}}}),
    |words| json!({"delta": [{"content": [{"text": words}]}]}),
    |words| json!({"x": [{"y": [[{"z": words}]]}]}),
];

/// What reaches the caller of these events.
fn run(face: Face, events: &[Value]) -> String {
    run_with(face, events, policy(&[(TERM, Effect::Block)]), None)
}

fn run_with(face: Face, events: &[Value], policy: Policy, masks: Option<Masks>) -> String {
    let mut framer = Framer::new(1 << 20);
    for event in events {
        framer.push(format!("data: {event}\n\n").as_bytes());
    }
    let mut guard = Guard::new(Dialect::of(face), policy, masks, 1 << 20);
    let mut out = Vec::new();
    while let Some(frame) = framer.next_frame().unwrap() {
        if guard.take(&frame, Instant::now(), &mut out).is_err() {
            break;
        }
    }
    String::from_utf8(out.concat()).unwrap()
}

fn ways(value: &Value, way: &str, all: &mut Vec<String>) {
    match value {
        Value::Array(elements) => {
            for (at, inner) in elements.iter().enumerate() {
                all.push(format!("{way}/{at}"));
                ways(inner, &format!("{way}/{at}"), all);
            }
        }
        Value::Object(members) => {
            // An event of another type is another event.
            for (key, inner) in members.iter().filter(|(key, _)| *key != "type") {
                all.push(format!("{way}/{key}"));
                ways(inner, &format!("{way}/{key}"), all);
            }
        }
        _ => {}
    }
}

#[test]
fn a_term_is_stopped_whatever_kind_of_value_its_halves_stand_in() {
    let events = [
        (
            Face::ChatCompletions,
            json!({"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "a",
                   "tool_calls": [{"index": 0, "id": "t", "function": {"name": "f", "arguments": "{}"}}]},
                   "logprobs": {"content": [{"token": "a", "top_logprobs": [{"token": "b"}]}]}, "finish_reason": null}]}),
        ),
        (
            Face::Messages,
            json!({"type": "message_start", "message": {"id": "m", "role": "assistant", "model": "c",
                   "content": [{"type": "text", "text": "a"}], "usage": {"input_tokens": 1}}}),
        ),
        (
            Face::Messages,
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}}),
        ),
        (
            Face::Messages,
            json!({"type": "message_delta", "delta": {"stop_reason": null}, "usage": {"output_tokens": 1}}),
        ),
        (
            Face::Responses,
            json!({"type": "response.in_progress", "response": {"id": "r", "output": [{"type": "message",
                   "content": [{"type": "output_text", "text": "a"}]}], "metadata": {"k": "v"}}}),
        ),
        (
            Face::Responses,
            json!({"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "content_index": 0,
                   "delta": "a", "logprobs": [{"token": "a"}]}),
        ),
        (
            Face::Responses,
            json!({"type": "response.output_item.added", "output_index": 0, "item": {"id": "i", "type": "message",
                   "content": [{"type": "output_text", "text": "a"}]}}),
        ),
    ];
    for (face, event) in &events {
        let mut all = Vec::new();
        ways(event, "", &mut all);
        assert!(all.len() >= 3, "{event}");
        for way in all {
            for kind in KINDS {
                let with = |words: &str| {
                    let mut event = event.clone();
                    *event.pointer_mut(&way).unwrap() = kind(words);
                    event
                };
                let shape = kind("");
                let out = run(*face, &[with(FIRST), with(SECOND)]);
                assert!(!(out.contains(FIRST) && out.contains(SECOND)), "{face:?} {way} {shape}: {out}");
                let out = run(*face, &[with(&format!("a {TERM} b"))]);
                assert!(!out.contains(TERM), "{face:?} {way} {shape}: {out}");
            }
        }
    }
}

/// What repeats a text token by token falls with it, whatever list or object it comes in.
#[test]
fn words_that_were_replaced_are_in_no_echo_of_any_kind() {
    let kinds: &[fn(&str) -> Value] = &[
        |token| json!({"content": [{"token": token, "bytes": token.as_bytes(), "top_logprobs": []}]}),
        |token| json!([{"token": token}]),
        |token| json!(token),
        |token| json!([token]),
        |token| json!([[token], {"token": token}]),
        |token| json!([7, [[token]], null]),
        |token| json!({"content": [token], "top_logprobs": token}),
        |token| json!({"content": {"0": {"token": token}}}),
    ];
    for kind in kinds {
        let chunk = |token: &str| {
            json!({"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": token},
                   "logprobs": kind(token), "finish_reason": null}]})
        };
        let delta = |token: &str| {
            json!({"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "content_index": 0,
                   "delta": token, "logprobs": kind(token)})
        };
        for (face, events) in [
            (Face::ChatCompletions, ["so ", "Lee", " Corp", " says"].map(chunk)),
            (Face::Responses, ["so ", "Lee", " Corp", " says"].map(delta)),
        ] {
            let (policy, masks) = masked();
            let out = run_with(face, &events, policy, Some(masks));
            assert!(
                out.contains("says") && !out.contains("Corp") && !out.contains("[32,67,111,114,112]"),
                "{out}"
            );
            let events = out.split_inclusive("\n\n").filter_map(|event| event.trim().strip_prefix("data: "));
            assert!(events.clone().count() == 4, "{out}");
            events.for_each(|data| assert!(serde_json::from_str::<Value>(data).is_ok(), "{data}"));
        }
    }
}
