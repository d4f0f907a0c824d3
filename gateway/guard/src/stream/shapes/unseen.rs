//! A term with something glued into it that nobody sees: halves of surrogate pairs, code points that stand for none.

use super::*;

const GLUE: &[&str] = &[
    "\\ud800",
    "\\udfff",
    "\\udc00\\ud800",
    "\\ufdd0",
    "\\uffff",
    "\\ud83f\\udfff",
    "\u{10ffff}",
    "\u{fdef}",
];

/// Streams that say this, which is written as in JSON, in pieces.
fn streams(pieces: &[String]) -> Vec<(Face, String)> {
    let event = |kind: &str, data: String| format!("event: {kind}\ndata: {data}\n\n");
    let all = |each: &dyn Fn(&String) -> String| pieces.iter().map(each).collect::<String>();
    let over = event("message_stop", r#"{"type":"message_stop"}"#.to_owned());
    let completed =
        event("response.completed", r#"{"type":"response.completed","response":{"id":"r"}}"#.to_owned());
    vec![
        (
            Face::ChatCompletions,
            all(&|piece| {
                format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{piece}\"}}}}]}}\n\n")
            }) + "data: [DONE]\n\n",
        ),
        (
            Face::Messages,
            all(&|piece| {
                event(
                    "content_block_delta",
                    format!(
                        r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{piece}"}}}}"#
                    ),
                )
            }) + &over,
        ),
        (
            Face::Responses,
            all(&|piece| {
                event(
                    "response.output_text.delta",
                    format!(
                        r#"{{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"{piece}"}}"#
                    ),
                )
            }) + &completed,
        ),
    ]
}

#[test]
fn what_nobody_sees_hides_no_term_in_a_stream() {
    for glue in GLUE {
        for at in 1..TERM.len() {
            let (first, second) = TERM.split_at(at);
            for pieces in [
                vec![format!("see {first}{glue}{second} now")],
                vec![format!("see {first}{glue}"), format!("{second} now")],
                vec![format!("see {first}"), (*glue).to_owned(), format!("{second} now")],
            ] {
                for (face, stream) in streams(&pieces) {
                    let whole = run(face, stream.as_bytes(), stream.len());
                    assert_eq!(whole.1, Err(Stop::Refused), "{face:?} {pieces:?}");
                    assert!(!whole.0.contains(&format!("{second} now")), "{face:?} {pieces:?}: {}", whole.0);
                    assert_eq!(
                        run(face, stream.as_bytes(), 2),
                        whole,
                        "{face:?} {pieces:?}: depends on the cut"
                    );
                }
            }
        }
    }
}
