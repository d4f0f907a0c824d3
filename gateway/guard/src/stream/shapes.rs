//! One table of shapes in which a provider may split a term, for every dialect: what completes it must not
//! reach a caller, however the bytes arrive. And the same for every string of the recorded streams.

use super::Guard;
use super::client::accumulated;
use super::tests::policy;
use serde_json::{Value, json};
use std::time::Instant;
use zos_core::Effect;
use zos_wire::face::Face;
use zos_wire::faces::Dialect;
use zos_wire::sse::{Framer, Stop};

const TERM: &str = "Amber Lantern";
const FIRST: &str = "see the Amber Lan";
const SECOND: &str = "tern tonight";
const LIMIT_BYTES: usize = 1 << 20;

/// What a caller receives of these bytes, `size` of them at a time.
fn run(face: Face, bytes: &[u8], size: usize) -> (String, Result<(), Stop>) {
    let mut framer = Framer::new(LIMIT_BYTES);
    let mut guard =
        Guard::new(Dialect::of(face).unwrap(), policy(&[(TERM, Effect::Block)]), None, LIMIT_BYTES);
    let (mut out, now) = (Vec::new(), Instant::now());
    let outcome = (|| {
        for chunk in bytes.chunks(size) {
            framer.push(chunk);
            while let Some(frame) = framer.next_frame().unwrap() {
                guard.take(&frame, now, &mut out)?;
            }
        }
        if let Some(frame) = framer.finish() {
            guard.take(&frame, now, &mut out)?;
        }
        guard.finish(&mut out)
    })();
    (String::from_utf8(out.concat()).unwrap(), outcome)
}

fn written(events: &[Value]) -> String {
    let line = |event: &Value| match event {
        Value::String(raw) => raw.clone(),
        event => match event["type"].as_str() {
            Some(kind) => format!("event: {kind}\ndata: {event}\n\n"),
            None => format!("data: {event}\n\n"),
        },
    };
    events.iter().map(line).collect()
}

/// Neither the second half behind the first nor the term itself is delivered.
fn check(face: Face, name: &str, events: &[Value]) {
    let bytes = written(events);
    let whole = run(face, bytes.as_bytes(), bytes.len());
    assert!(whole.1.is_err() || !whole.0.contains(SECOND), "{face:?} {name}: passed: {}", whole.0);
    assert!(!whole.0.contains(SECOND), "{face:?} {name}: delivered: {}", whole.0);
    for text in accumulated(face, &whole.0) {
        assert!(!text.contains(TERM), "{face:?} {name}: a client reads {text:?}");
    }
    for size in [1, 3, 64] {
        assert_eq!(run(face, bytes.as_bytes(), size), whole, "{face:?} {name}: depends on the cut");
    }
}

fn chunk(choice: Value) -> Value {
    let mut choice = choice;
    if choice.get("index").is_none() {
        choice["index"] = json!(0);
    }
    json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})
}

fn done() -> Value {
    Value::String("data: [DONE]\n\n".to_owned())
}

#[test]
fn no_shape_of_a_chat_stream_carries_a_split_term() {
    let delta = |delta: Value, reason: Value| chunk(json!({"delta": delta, "finish_reason": reason}));
    let between = || chunk(json!({"delta": {}}));
    let both = |shape: &dyn Fn(&str) -> Value| vec![shape(FIRST), between(), shape(SECOND), done()];
    let call = |index: Value, arguments: &str| {
        delta(
            json!({"tool_calls": [{"index": index, "function": {"name": "f", "arguments": arguments}}]}),
            Value::Null,
        )
    };
    let shapes: Vec<(&str, Vec<Value>)> = vec![
        ("content", both(&|s| delta(json!({"content": s}), Value::Null))),
        ("an empty reason", both(&|s| delta(json!({"content": s}), json!("")))),
        ("the word null as reason", both(&|s| delta(json!({"content": s}), json!("null")))),
        ("a reason each time", both(&|s| delta(json!({"content": s}), json!("stop")))),
        ("thinking with an empty reason", both(&|s| delta(json!({"reasoning_content": s}), json!("")))),
        ("a refusal that ends early", both(&|s| delta(json!({"refusal": s}), json!("stop")))),
        (
            "arguments that end early",
            vec![
                chunk(
                    json!({"delta": {"tool_calls": [{"index": 0, "function": {"arguments": format!("{{\"q\":\"{FIRST}")}}]}, "finish_reason": "tool_calls"}),
                ),
                chunk(
                    json!({"delta": {"tool_calls": [{"index": 0, "function": {"arguments": SECOND}}]}, "finish_reason": null}),
                ),
                done(),
            ],
        ),
        (
            "the marker in the middle",
            vec![
                delta(json!({"content": FIRST}), Value::Null),
                done(),
                delta(json!({"content": SECOND}), Value::Null),
            ],
        ),
        ("a list of parts", both(&|s| delta(json!({"content": [{"type": "text", "text": s}]}), Value::Null))),
        ("a list of strings", both(&|s| delta(json!({"content": [s]}), Value::Null))),
        (
            "two parts of one list",
            vec![
                delta(
                    json!({"content": [{"type": "text", "text": FIRST}, {"type": "text", "text": SECOND}]}),
                    Value::Null,
                ),
                done(),
            ],
        ),
        (
            "text, then a list",
            vec![
                delta(json!({"content": FIRST}), Value::Null),
                delta(json!({"content": [{"text": SECOND}]}), Value::Null),
                done(),
            ],
        ),
        ("text beside the delta", both(&|s| chunk(json!({"text": s})))),
        ("a message", both(&|s| chunk(json!({"message": {"content": s}})))),
        (
            "a message, then a delta",
            vec![
                chunk(json!({"message": {"content": FIRST}})),
                delta(json!({"content": SECOND}), Value::Null),
                done(),
            ],
        ),
        ("a delta that is text", both(&|s| chunk(json!({"delta": s})))),
        ("role", both(&|s| delta(json!({"role": s}), Value::Null))),
        ("id of a call", both(&|s| delta(json!({"tool_calls": [{"index": 0, "id": s}]}), Value::Null))),
        (
            "name of a call",
            both(&|s| delta(json!({"tool_calls": [{"index": 0, "function": {"name": s}}]}), Value::Null)),
        ),
        (
            "an unknown member of a call",
            both(&|s| delta(json!({"tool_calls": [{"index": 0, "note": {"of": s}}]}), Value::Null)),
        ),
        (
            "parameters",
            both(&|s| {
                delta(json!({"tool_calls": [{"index": 0, "function": {"parameters": s}}]}), Value::Null)
            }),
        ),
        ("an unknown field", both(&|s| delta(json!({"musing": [{"deep": s}]}), Value::Null))),
        ("an unknown field of the choice", both(&|s| chunk(json!({"aside": {"is": s}})))),
        ("an unknown field of the chunk", both(&|s| json!({"choices": [], "aside": s}))),
        ("tokens", both(&|s| chunk(json!({"delta": {}, "logprobs": {"content": [{"token": s}]}})))),
        (
            "tokens of one event",
            vec![
                chunk(json!({"delta": {}, "logprobs": {"content": [{"token": FIRST}, {"token": SECOND}]}})),
                done(),
            ],
        ),
        (
            "index that counts up",
            vec![
                chunk(json!({"index": 0, "delta": {"content": FIRST}})),
                chunk(json!({"index": 1, "delta": {"content": SECOND}})),
                done(),
            ],
        ),
        (
            "calls with one index after another",
            vec![call(json!(0), &format!("{{\"q\":\"{FIRST}")), call(json!(1), SECOND), done()],
        ),
        (
            "two fields",
            vec![
                delta(json!({"reasoning": FIRST}), Value::Null),
                delta(json!({"content": SECOND}), Value::Null),
                done(),
            ],
        ),
        (
            "a key twice",
            vec![
                Value::String(format!(
                    "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"x\",\"content\":\"{FIRST}\"}}}}]}}\n\n"
                )),
                Value::String(format!(
                    "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"y\",\"content\":\"{SECOND}\"}}}}]}}\n\n"
                )),
                done(),
            ],
        ),
        ("keys", both(&|s| json!({"choices": [], "aside": {s: 1}}))),
    ];
    for (name, events) in &shapes {
        check(Face::ChatCompletions, name, events);
    }
    for index in [json!(1.5), json!("1"), json!(-1), json!(null), json!(true), json!([1]), json!(1e30)] {
        for make in [
            &|index: &Value, s: &str| chunk(json!({"index": index, "delta": {"content": s}})) as Value,
            &(|index: &Value, s: &str| call(index.clone(), s)) as &dyn Fn(&Value, &str) -> Value,
        ] {
            let events = [make(&index, FIRST), make(&json!(0), "zz"), make(&index, SECOND), done()];
            check(Face::ChatCompletions, &format!("index {index}"), &events);
        }
    }
}

#[test]
fn no_shape_of_a_messages_stream_carries_a_split_term() {
    let start = |index: u64, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let text = || json!({"type": "text", "text": ""});
    let delta =
        |index: Value, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let said = |index: u64, s: &str| delta(json!(index), json!({"type": "text_delta", "text": s}));
    let stop = |index: u64| json!({"type": "content_block_stop", "index": index});
    let ended = || json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}});
    let over = || json!({"type": "message_stop"});
    let begun = || json!({"type": "message_start", "message": {"id": "m", "content": [], "usage": {"input_tokens": 3}}});
    let tool = |index| start(index, json!({"type": "tool_use", "id": "t", "name": "f", "input": {}}));
    let input =
        |index: u64, s: &str| delta(json!(index), json!({"type": "input_json_delta", "partial_json": s}));
    let think = |index: u64, s: &str| delta(json!(index), json!({"type": "thinking_delta", "thinking": s}));
    let both = |shape: &dyn Fn(&str) -> Value| {
        vec![
            begun(),
            start(0, text()),
            shape(FIRST),
            json!({"type": "ping"}),
            shape(SECOND),
            stop(0),
            ended(),
            over(),
        ]
    };
    let quoted = format!("{{\"q\":\"{FIRST}");
    let shapes: Vec<(&str, Vec<Value>)> = vec![
        ("text", both(&|s| said(0, s))),
        (
            "behind the end of its block",
            vec![
                begun(),
                start(0, text()),
                said(0, "ab "),
                stop(0),
                said(0, FIRST),
                said(0, SECOND),
                ended(),
                over(),
            ],
        ),
        (
            "over blocks",
            vec![
                begun(),
                start(0, text()),
                said(0, FIRST),
                stop(0),
                start(1, text()),
                said(1, SECOND),
                stop(1),
                ended(),
                over(),
            ],
        ),
        (
            "over blocks without stop",
            vec![
                begun(),
                start(0, text()),
                said(0, FIRST),
                start(1, text()),
                said(1, SECOND),
                ended(),
                over(),
            ],
        ),
        (
            "in the start of a block",
            vec![
                begun(),
                start(0, text()),
                said(0, FIRST),
                start(1, json!({"type": "text", "text": SECOND})),
                ended(),
                over(),
            ],
        ),
        (
            "behind the end of the message",
            vec![begun(), start(0, text()), said(0, FIRST), ended(), said(0, SECOND), over()],
        ),
        (
            "in a block behind the end of the message",
            vec![
                begun(),
                start(0, text()),
                said(0, FIRST),
                stop(0),
                ended(),
                start(1, text()),
                said(1, SECOND),
                over(),
            ],
        ),
        (
            "thinking behind its end",
            vec![
                begun(),
                start(0, json!({"type": "thinking", "thinking": ""})),
                think(0, FIRST),
                stop(0),
                think(0, SECOND),
                ended(),
                over(),
            ],
        ),
        (
            "thinking over blocks",
            vec![
                begun(),
                think(0, FIRST),
                stop(0),
                start(1, text()),
                said(1, "so. "),
                think(2, SECOND),
                ended(),
                over(),
            ],
        ),
        (
            "thinking, then text",
            vec![begun(), think(0, FIRST), stop(0), start(1, text()), said(1, SECOND), ended(), over()],
        ),
        (
            "arguments behind their end",
            vec![begun(), tool(0), input(0, &quoted), stop(0), input(0, SECOND), ended(), over()],
        ),
        (
            "arguments over blocks",
            vec![begun(), tool(0), input(0, &quoted), stop(0), tool(1), input(1, SECOND), ended(), over()],
        ),
        (
            "a nested member",
            both(&|s| delta(json!(0), json!({"type": "citations_delta", "citation": {"cited_text": s}}))),
        ),
        ("an unknown member", both(&|s| delta(json!(0), json!({"type": "own_delta", "own": {"text": s}})))),
        ("a list", both(&|s| delta(json!(0), json!({"type": "own_delta", "items": [s]})))),
        ("a signature", both(&|s| delta(json!(0), json!({"type": "signature_delta", "signature": s})))),
        ("a name", both(&|s| delta(json!(0), json!({"type": "own_delta", "name": s})))),
        ("an unknown event", both(&|s| json!({"type": "own_event", "index": 0, "words": s}))),
        ("a ping that says something", both(&|s| json!({"type": "ping", "words": s}))),
        (
            "a ping by type",
            both(&|s| {
                Value::String(format!(
                    "event: content_block_delta\ndata: {}\n\n",
                    json!({"type": "ping", "index": 0, "delta": {"text": s}})
                ))
            }),
        ),
        (
            "no type",
            both(&|s| {
                Value::String(format!(
                    "event: content_block_delta\ndata: {}\n\n",
                    json!({"index": 0, "delta": {"text": s}})
                ))
            }),
        ),
        (
            "arguments that are an object",
            both(&|s| delta(json!(0), json!({"type": "input_json_delta", "partial_json": {"q": s}}))),
        ),
    ];
    for (name, events) in &shapes {
        check(Face::Messages, name, events);
    }
    for index in [json!(1.5), json!("1"), json!(-1), json!(null), json!(true), json!([1])] {
        let said = |index: &Value, s: &str| delta(index.clone(), json!({"type": "text_delta", "text": s}));
        let events =
            [begun(), said(&index, FIRST), said(&json!(0), "zz"), said(&index, SECOND), ended(), over()];
        check(Face::Messages, &format!("index {index}"), &events);
    }
}

#[test]
fn no_shape_of_a_responses_stream_carries_a_split_term() {
    let begun = || json!({"type": "response.created", "response": {"id": "r", "output": []}});
    let over = || json!({"type": "response.completed", "response": {"id": "r", "output": [], "usage": {"input_tokens": 1, "output_tokens": 2}}});
    let said = |item: u64, part: u64, s: &str| json!({"type": "response.output_text.delta", "item_id": "i", "output_index": item, "content_index": part, "delta": s});
    let event = |kind: &str, key: &str, s: &str| json!({"type": kind, "output_index": 0, key: s});
    let item_done = |item: u64| json!({"type": "response.output_item.done", "output_index": item, "item": {"type": "message"}});
    let both = |shape: &dyn Fn(&str) -> Value| {
        vec![begun(), shape(FIRST), json!({"type": "keepalive"}), shape(SECOND), over()]
    };
    let quoted = format!("{{\"q\":\"{FIRST}");
    let shapes: Vec<(&str, Vec<Value>)> = vec![
        ("text", both(&|s| said(0, 0, s))),
        ("over parts", vec![begun(), said(0, 0, FIRST), said(0, 1, SECOND), over()]),
        ("over items", vec![begun(), said(0, 0, FIRST), said(1, 0, SECOND), over()]),
        (
            "over items that are done",
            vec![begun(), said(0, 0, FIRST), item_done(0), said(1, 0, SECOND), over()],
        ),
        (
            "behind the end of its item",
            vec![begun(), said(0, 0, FIRST), item_done(0), said(0, 0, SECOND), over()],
        ),
        (
            "behind the end of the answer",
            vec![
                begun(),
                said(0, 0, FIRST),
                json!({"type": "response.incomplete", "response": {}}),
                said(0, 0, SECOND),
                over(),
            ],
        ),
        (
            "in a part that is added",
            vec![
                begun(),
                said(0, 0, FIRST),
                json!({"type": "response.content_part.added", "output_index": 0, "content_index": 1, "part": {"type": "output_text", "text": SECOND}}),
                over(),
            ],
        ),
        (
            "in what is said at once",
            vec![
                begun(),
                event("response.output_text.done", "text", FIRST),
                json!({"type": "response.output_text.done", "output_index": 1, "text": SECOND}),
                over(),
            ],
        ),
        (
            "in the completed answer",
            vec![
                begun(),
                json!({"type": "response.completed", "response": {"output": [{"content": [{"type": "output_text", "text": FIRST}]}, {"content": [{"type": "output_text", "text": SECOND}]}]}}),
            ],
        ),
        ("an event that is called otherwise", both(&|s| event("response.output_text.piece", "delta", s))),
        (
            "an event of another family",
            vec![
                begun(),
                event("response.a.delta", "delta", FIRST),
                event("response.b.delta", "delta", SECOND),
                over(),
            ],
        ),
        ("another member", both(&|s| event("response.output_text.delta", "words", s))),
        (
            "a delta that is an object",
            both(&|s| json!({"type": "response.output_text.delta", "output_index": 0, "delta": {"text": s}})),
        ),
        (
            "the id of an item",
            both(
                &|s| json!({"type": "response.output_text.delta", "output_index": 0, "item_id": s, "delta": ""}),
            ),
        ),
        (
            "padding",
            both(
                &|s| json!({"type": "response.output_text.delta", "output_index": 0, "obfuscation": s, "delta": ""}),
            ),
        ),
        ("reasoning", both(&|s| event("response.reasoning_text.delta", "delta", s))),
        (
            "arguments of two calls",
            vec![
                begun(),
                event("response.function_call_arguments.delta", "delta", &quoted),
                json!({"type": "response.function_call_arguments.delta", "output_index": 1, "delta": SECOND}),
                over(),
            ],
        ),
        (
            "tokens",
            both(
                &|s| json!({"type": "response.output_text.delta", "output_index": 0, "delta": "", "logprobs": [{"token": s}]}),
            ),
        ),
        (
            "no type",
            both(&|s| {
                Value::String(format!(
                    "event: response.output_text.delta\ndata: {}\n\n",
                    json!({"output_index": 0, "content_index": 0, "delta": s})
                ))
            }),
        ),
        (
            "two names",
            both(&|s| {
                Value::String(format!(
                    "event: response.output_text.delta\ndata: {}\n\n",
                    json!({"type": "response.in_progress", "output_index": 0, "delta": s})
                ))
            }),
        ),
    ];
    for (name, events) in &shapes {
        check(Face::Responses, name, events);
    }
    for index in [json!(1.5), json!("1"), json!(-1), json!(null), json!(true)] {
        let said = |index: &Value, s: &str| json!({"type": "response.output_text.delta", "output_index": index, "delta": s});
        let events = [begun(), said(&index, FIRST), said(&json!(0), "zz"), said(&index, SECOND), over()];
        check(Face::Responses, &format!("index {index}"), &events);
    }
}

#[test]
fn tokens_spelled_in_bytes_are_read() {
    let bytes = |s: &str| json!({"index": 0, "delta": {}, "logprobs": {"content": [{"token": "?", "bytes": s.as_bytes()}]}});
    let events = [chunk(bytes(FIRST)), chunk(bytes(SECOND)), done()];
    let bytes = written(&events);
    let (out, outcome) = run(Face::ChatCompletions, bytes.as_bytes(), 9);
    assert_eq!(outcome, Err(Stop::Refused));
    assert!(!out.contains(&format!("{:?}", SECOND.as_bytes()).replace(' ', "")), "{out}");
}

#[test]
fn a_whole_answer_stays_whole_whatever_comes_behind_it() {
    for (face, end) in [
        (Face::ChatCompletions, "data: [DONE]\n\n".to_owned()),
        (Face::Messages, written(&[json!({"type": "message_stop"})])),
        (Face::Responses, written(&[json!({"type": "response.completed", "response": {"id": "r"}})])),
    ] {
        for behind in [
            "data: [DONE]\n\n",
            ": bye\n\n",
            "data: {broken\n\n",
            "data: {\"a\":\"Amber Lantern\"}\n\n",
            "half",
        ] {
            let (out, outcome) = run(face, format!("{end}{behind}").as_bytes(), 5);
            assert_eq!((out, outcome), (end.clone(), Ok(())), "{face:?} {behind:?}");
        }
    }
    let early = "data: [DONE]\n\n".to_owned() + &written(&[json!({"type": "message_stop"})]);
    let (out, outcome) = run(Face::Messages, early.as_bytes(), 5);
    assert!(outcome.is_ok() && !out.contains("DONE"), "it ends nothing there: {out}");
}

/// The recorded streams with the API that each is of.
fn transcripts() -> Vec<(Face, String, String)> {
    let face = |name: &str| match name {
        "messages" => Face::Messages,
        "responses" => Face::Responses,
        _ => Face::ChatCompletions,
    };
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/tests/golden");
    let mut found = Vec::new();
    for pair in std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap()) {
        let name = pair.file_name().into_string().unwrap();
        let Some((client, provider)) = name.split_once('-') else { continue };
        for case in std::fs::read_dir(pair.path()).unwrap().map(|entry| entry.unwrap()) {
            for (file, api) in [("stream.sse", provider), ("stream.out.sse", client)] {
                if let Ok(text) = std::fs::read_to_string(case.path().join(file)) {
                    found.push((face(api), format!("{name}/{:?}/{file}", case.file_name()), text));
                }
            }
        }
    }
    assert!(found.len() > 10, "the transcripts are where they were");
    found
}

/// The ways to all strings of a value.
fn strings(value: &Value, way: &str, ways: &mut Vec<String>) {
    match value {
        Value::String(_) => ways.push(way.to_owned()),
        Value::Array(elements) => {
            for (at, element) in elements.iter().enumerate() {
                strings(element, &format!("{way}/{at}"), ways);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                strings(member, &format!("{way}/{}", key.replace('~', "~0").replace('/', "~1")), ways);
            }
        }
        _ => {}
    }
}

#[test]
fn a_term_in_any_string_of_a_recorded_stream_is_stopped_and_nothing_is_without_it() {
    for (face, name, text) in transcripts() {
        let (out, outcome) = run(face, text.as_bytes(), 11);
        assert_eq!(outcome, Ok(()), "{name}");
        assert!(text.starts_with(&out), "{name}");
        let events: Vec<&str> = text.split_inclusive("\n\n").collect();
        for (at, event) in events.iter().enumerate() {
            let Some((head, data)) = event.split_once("data: ") else { continue };
            let Ok(value) = serde_json::from_str::<Value>(data.trim_end()) else { continue };
            let mut ways = Vec::new();
            strings(&value, "", &mut ways);
            for way in ways {
                let with = |words: &str| {
                    let mut value = value.clone();
                    *value.pointer_mut(&way).unwrap() = json!(words);
                    format!("{head}data: {value}\n\n")
                };
                let whole =
                    [&events[..at].concat(), &with(&format!("x {TERM} y")), &events[at + 1..].concat()]
                        .map(String::as_str)
                        .concat();
                let (out, _) = run(face, whole.as_bytes(), whole.len());
                assert!(!out.contains(TERM), "{name} {way}: {out}");
                let split = [&events[..at].concat(), &with(FIRST), &with(SECOND), &events[at + 1..].concat()]
                    .map(String::as_str)
                    .concat();
                let (out, _) = run(face, split.as_bytes(), split.len());
                assert!(!(out.contains(FIRST) && out.contains(SECOND)), "{name} {way}: {out}");
                for text in accumulated(face, &out) {
                    assert!(!text.contains(TERM), "{name} {way}: a client reads {text:?}");
                }
            }
        }
    }
}
