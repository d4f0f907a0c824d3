//! Shapes of OpenAI responses.

use super::*;

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
