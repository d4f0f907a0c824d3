//! Blocks that come in another order than that of their indexes.

use super::*;

/// A piece of a block's text in each dialect that joins blocks by index.
fn piece(face: Face, index: u64, words: &str) -> Value {
    match face {
        Face::Responses => {
            json!({"type": "response.output_text.delta", "output_index": index, "content_index": 0, "delta": words})
        }
        _ => {
            json!({"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": words}})
        }
    }
}

/// The pieces as a stream: index and words of each.
fn stream(face: Face, pieces: &[(u64, &str)]) -> Vec<Value> {
    let over = match face {
        Face::Responses => json!({"type": "response.completed", "response": {"id": "r"}}),
        _ => json!({"type": "message_stop"}),
    };
    pieces.iter().map(|(index, words)| piece(face, *index, words)).chain([over]).collect()
}

#[test]
fn a_term_over_blocks_is_stopped_whatever_order_they_come_in() {
    for face in [Face::Messages, Face::Responses] {
        for (name, pieces) in [
            ("backwards", vec![(1, SECOND), (0, FIRST)]),
            ("backwards, far apart", vec![(9, SECOND), (0, "well, "), (2, FIRST)]),
            ("the first goes on", vec![(0, "see the "), (1, SECOND), (0, "Amber Lan")]),
            ("both go on", vec![(1, "te"), (0, "see the Amber"), (1, "rn t"), (0, " Lan"), (1, "onight")]),
            ("the later one grows", vec![(1, "t"), (0, "Amber Lan"), (1, "ern "), (1, "tonight")]),
            ("three blocks", vec![(2, "ern tonight"), (0, "Amber Lan"), (1, "t")]),
            ("the middle comes last", vec![(0, "Amber "), (2, "tern"), (1, "Lan")]),
            ("letters", vec![(3, "antern"), (1, "mber "), (0, "A"), (2, "L")]),
            ("behind a long block", vec![(1, SECOND), (0, &*"and on ".repeat(900)), (0, "Amber Lan")]),
        ] {
            let bytes = written(&stream(face, &pieces));
            let whole = run(face, bytes.as_bytes(), bytes.len());
            assert_eq!(whole.1, Err(Stop::Refused), "{face:?} {name}");
            for text in accumulated(face, &whole.0) {
                assert!(!text.contains(TERM), "{face:?} {name}: a client reads {text:?}");
            }
            for size in [1, 3, 64] {
                assert_eq!(run(face, bytes.as_bytes(), size), whole, "{face:?} {name}: depends on the cut");
            }
        }
    }
}

#[test]
fn blocks_in_any_order_pass_where_no_client_reads_a_term() {
    for face in [Face::Messages, Face::Responses] {
        for pieces in [
            vec![(1, "tern tonight"), (0, "see the Amber Lamp, ")],
            vec![(1, "Lantern"), (0, "it is Amber. ")],
            vec![(2, "a"), (0, "b"), (1, "c"), (0, "d"), (2, "Amber"), (1, "e")],
            vec![(0, "Amber "), (2, "Lantern"), (1, "or ")],
        ] {
            let bytes = written(&stream(face, &pieces));
            let (out, outcome) = run(face, bytes.as_bytes(), 5);
            assert_eq!((outcome, out.as_str()), (Ok(()), bytes.as_str()), "{face:?} {pieces:?}");
        }
    }
}
