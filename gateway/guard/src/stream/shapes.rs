//! One table of shapes in which a provider may split a term, for every dialect: what completes it must not
//! reach a caller, however the bytes arrive. And the same for every string of the recorded streams.

mod chat;
mod messages;
mod opening;
mod order;
mod recorded;
mod responses;
mod unseen;

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
    run_behind("", face, bytes, size)
}

/// The same for an answer that goes on from a text of the request.
fn run_behind(opening: &str, face: Face, bytes: &[u8], size: usize) -> (String, Result<(), Stop>) {
    let mut framer = Framer::new(LIMIT_BYTES);
    let mut guard = Guard::new(Dialect::of(face), policy(&[(TERM, Effect::Block)]), None, LIMIT_BYTES)
        .going_on_from(opening);
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
