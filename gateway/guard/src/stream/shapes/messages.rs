//! Shapes of Anthropic messages.

use super::*;

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
