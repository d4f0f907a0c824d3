//! An answer that goes on from a prefilled turn: a term may begin there.

use super::*;
use crate::findings::Findings;
use crate::stream::said::together;
use zos_wire::json as wire;

/// The first words of an answer, in each dialect's own way, with the face and whether a client shows them as text.
fn answers(words: &str) -> Vec<(Face, Vec<Value>)> {
    let chunk = |delta: Value| json!({"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta}]});
    let done = || Value::String("data: [DONE]\n\n".to_owned());
    let block = |index: u64, text: &str| json!({"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": text}});
    let delta = |index: u64, text: &str| json!({"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}});
    let over = || json!({"type": "message_stop"});
    let said = |text: &str| json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": text});
    vec![
        (
            Face::ChatCompletions,
            vec![chunk(json!({"role": "assistant"})), chunk(json!({"content": words})), done()],
        ),
        (Face::ChatCompletions, vec![chunk(json!({"reasoning_content": words})), done()]),
        (Face::ChatCompletions, vec![chunk(json!({"content": [{"type": "text", "text": words}]})), done()]),
        (Face::Messages, vec![block(0, ""), delta(0, words), over()]),
        (Face::Messages, vec![block(0, words), over()]),
        (
            Face::Messages,
            vec![
                json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "so. "}}),
                delta(1, words),
                over(),
            ],
        ),
        (Face::Responses, vec![said(words), json!({"type": "response.completed", "response": {"id": "r"}})]),
    ]
}

#[test]
fn a_term_over_a_prefilled_turn_and_the_answer_is_stopped_wherever_it_is_cut() {
    for cut in 1..TERM.len() {
        let (first, second) = TERM.split_at(cut);
        for (face, events) in answers(&format!("{second} is what we say")) {
            let bytes = written(&events);
            let opening = format!("We call it {first}");
            let whole = run_behind(&opening, face, bytes.as_bytes(), bytes.len());
            assert_eq!(whole.1, Err(Stop::Refused), "{face:?} {first:?}");
            assert!(!whole.0.contains(&format!("{second} is")), "{face:?} {first:?}: {}", whole.0);
            assert_eq!(
                run_behind(&opening, face, bytes.as_bytes(), 1),
                whole,
                "{face:?}: depends on the cut"
            );
        }
        // A letter at a time.
        let letters: Vec<Value> = second
            .chars()
            .map(|c| json!({"choices": [{"index": 0, "delta": {"content": c.to_string()}}]}))
            .collect();
        let (out, outcome) =
            run_behind(first, Face::ChatCompletions, written(&letters).as_bytes(), usize::MAX);
        assert!(outcome.is_err() && out.is_empty(), "nothing of it leaves: {out}");
    }
}

#[test]
fn what_stands_in_the_prefilled_turn_or_only_touches_stops_nothing() {
    for (opening, words) in [
        ("the Amber Lantern", " is lit"),
        ("the Amber Lantern", ""),
        ("the Amber", "Jack is a fish"),
        ("the Amber.", "Lantern light"),
        ("the Amber Lan", "guage"),
        ("", "Lantern"),
        ("yes", "and no"),
    ] {
        for (face, events) in answers(words) {
            let bytes = written(&events);
            let (out, outcome) = run_behind(opening, face, bytes.as_bytes(), 7);
            assert_eq!((outcome, out.as_str()), (Ok(()), bytes.as_str()), "{face:?} {opening:?} {words:?}");
        }
    }
}

#[test]
fn a_plain_answer_is_read_on_from_the_prefilled_turn() {
    let policy = policy(&[(TERM, Effect::Block)]);
    let found = |face: Face, opening: &str, answer: &Value| {
        let text = answer.to_string();
        let value = wire::parse(&text).unwrap();
        let mut findings = Findings::default();
        together(&policy, &Dialect::of(face).read_whole(&text, &value), opening, &mut findings);
        findings.are_blocked(&policy)
    };
    let answers = |words: &str| {
        [
            (
                Face::ChatCompletions,
                json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": words}}]}),
            ),
            (Face::Messages, json!({"role": "assistant", "content": [{"type": "text", "text": words}]})),
            (
                Face::Responses,
                json!({"output": [{"type": "message", "content": [{"type": "output_text", "text": words}]}]}),
            ),
        ]
    };
    for cut in 1..TERM.len() {
        let (first, second) = TERM.split_at(cut);
        for (face, answer) in answers(&format!("{second} it is")) {
            assert!(found(face, &format!("see {first}"), &answer), "{first:?} {answer}");
            assert!(!found(face, "", &answer), "{answer}");
        }
    }
    for (opening, words) in
        [("the Amber Lantern", " is lit"), ("Amber.", "Lantern"), ("the Amber Lan", "guage")]
    {
        for (face, answer) in answers(words) {
            assert!(!found(face, opening, &answer), "{opening:?} {answer}");
        }
    }
}
