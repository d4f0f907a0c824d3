//! Shapes of OpenAI chat completions.

use super::*;

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
fn tokens_spelled_in_bytes_are_read() {
    let bytes = |s: &str| json!({"index": 0, "delta": {}, "logprobs": {"content": [{"token": "?", "bytes": s.as_bytes()}]}});
    let events = [chunk(bytes(FIRST)), chunk(bytes(SECOND)), done()];
    let bytes = written(&events);
    let (out, outcome) = run(Face::ChatCompletions, bytes.as_bytes(), 9);
    assert_eq!(outcome, Err(Stop::Refused));
    assert!(!out.contains(&format!("{:?}", SECOND.as_bytes()).replace(' ', "")), "{out}");
}

#[test]
fn a_word_that_an_event_says_twice_passes_where_it_only_begins_with_a_term() {
    // As routers of many providers say reasoning.
    let event = |words: &str| {
        let details = json!([{"type": "reasoning.text", "text": words, "index": 0}]);
        json!({"choices": [{"index": 0, "delta": {"content": "", "reasoning": words, "reasoning_details": details}}]})
    };
    let events =
        [event("an"), event(" amber lantern"), event("ist "), event("speaks"), json!("data: [DONE]\n\n")];
    let bytes = written(&events);
    let (out, outcome) = run(Face::ChatCompletions, bytes.as_bytes(), 7);
    assert_eq!((outcome, out), (Ok(()), bytes));
}
