//! Blocks and choices that come in another order than that of their indexes, and by turns.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A piece of the text of a block, or of a choice where there are no blocks.
fn piece(face: Face, index: u64, words: &str) -> Value {
    match face.name() {
        "responses" => {
            json!({"type": "response.output_text.delta", "output_index": index, "content_index": 0, "delta": words})
        }
        "chat_completions" => {
            json!({"choices": [{"index": index, "delta": {"content": words}, "finish_reason": null}]})
        }
        "completions" => json!({"choices": [{"index": index, "text": words, "finish_reason": null}]}),
        _ => {
            json!({"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": words}})
        }
    }
}

/// The pieces as a stream: index and words of each.
fn stream(face: Face, pieces: &[(u64, &str)]) -> Vec<Value> {
    let over = match face.name() {
        "responses" => json!({"type": "response.completed", "response": {"id": "r"}}),
        "chat_completions" | "completions" => json!("data: [DONE]\n\n"),
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
            ("whole before an earlier block comes", vec![(1, "A"), (2, "mber Lantern"), (0, "x"), (0, ". ")]),
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

#[test]
fn a_word_that_ends_where_another_block_speaks_is_one_for_who_appends_what_arrives() {
    for face in [Face::Messages, Face::Responses, Face::ChatCompletions, Face::Completions] {
        for (name, pieces) in [
            (
                "it ends at a seam and its block goes on",
                vec![(0, "the amber lantern"), (1, ". "), (0, "x are")],
            ),
            (
                "it begins at a seam in a block that goes on",
                vec![(0, "the x"), (1, "so. "), (0, "amber lantern ")],
            ),
            (
                "it is all that it goes on with",
                vec![(0, "a"), (1, ". "), (0, "amber lantern"), (1, ", b"), (0, "x")],
            ),
            ("it goes on from there", vec![(0, "x am"), (1, ". "), (0, "amber lan"), (1, "tern")]),
            ("behind what was open", vec![(0, "amber "), (1, "amber lantern"), (2, ". "), (1, "x")]),
            ("a block says nothing", vec![(0, "amber lantern"), (1, ""), (1, ". "), (0, "x")]),
        ] {
            let bytes = written(&stream(face, &pieces));
            let whole = run(face, bytes.as_bytes(), bytes.len());
            assert_eq!(whole.1, Err(Stop::Refused), "{face:?} {name}");
            for text in accumulated(face, &whole.0) {
                assert!(
                    !text.to_lowercase().contains("amber lantern"),
                    "{face:?} {name}: a client reads {text:?}"
                );
            }
            for size in [1, 3, 64] {
                assert_eq!(run(face, bytes.as_bytes(), size), whole, "{face:?} {name}: depends on the cut");
            }
        }
    }
}

#[test]
fn what_is_beside_a_seam_is_replaced_and_not_cut_off_and_counts_once() {
    let pieces = [(0, "to Falcon"), (1, ", "), (0, "ry and Falcon. "), (1, "Falcon")];
    for face in [Face::Messages, Face::Responses, Face::ChatCompletions] {
        let (policy, masks) = super::super::tests::masked();
        let mut guard = Guard::new(Dialect::of(face).unwrap(), policy, Some(masks), LIMIT_BYTES);
        let (mut framer, mut out) = (Framer::new(LIMIT_BYTES), Vec::new());
        framer.push(written(&stream(face, &pieces)).as_bytes());
        while let Some(frame) = framer.next_frame().unwrap() {
            guard.take(&frame, Instant::now(), &mut out).unwrap();
        }
        guard.finish(&mut out).unwrap();
        let out = String::from_utf8(out.concat()).unwrap();
        assert!(!out.contains("Falcon") && out.contains("to ⟦term-1⟧"), "{face:?}: {out}");
        assert_eq!(guard.findings.found.iter().map(|found| found.count).sum::<u32>(), 3, "{face:?}");
    }
}

/// The orders in which clients put texts together, told from what was delivered: each text by itself, all by index
/// where the API has blocks, and all as they arrived.
fn readings(face: Face, pieces: &[(u64, &str)]) -> Vec<Vec<String>> {
    let mut by_index: BTreeMap<u64, String> = BTreeMap::new();
    let mut arrived: Vec<(u64, String)> = Vec::new();
    for (index, words) in pieces.iter().filter(|(_, words)| !words.is_empty()) {
        by_index.entry(*index).or_default().push_str(words);
        match arrived.last_mut().filter(|(last, _)| last == index) {
            Some((_, stretch)) => stretch.push_str(words),
            None => arrived.push((*index, (*words).to_owned())),
        }
    }
    let mut all: Vec<Vec<String>> = by_index.values().map(|text| vec![text.clone()]).collect();
    if matches!(face.name(), "messages" | "responses") {
        all.push(by_index.into_values().collect());
    }
    all.push(arrived.into_iter().map(|(_, stretch)| stretch).collect());
    all
}

/// Whether a client could take something for the term at any moment, from any seam on.
fn is_present(face: Face, pieces: &[(u64, &str)]) -> bool {
    let policy = policy(&[(TERM, Effect::Block)]);
    (1..=pieces.len()).any(|count| {
        readings(face, &pieces[..count]).iter().any(|texts| {
            (0..texts.len()).any(|from| {
                let mut found = Vec::new();
                policy.rules().scan(&texts[from..].concat(), &mut found);
                !found.is_empty()
            })
        })
    })
}

fn any_face() -> impl Strategy<Value = Face> {
    prop::sample::select(&[Face::Messages, Face::Responses, Face::ChatCompletions, Face::Completions][..])
}

/// Parts of terms and words that go on from them, to be said by up to four blocks.
fn any_pieces() -> impl Strategy<Value = Vec<(u64, &'static str)>> {
    let words = [
        "Amber Lan",
        "Amber Lantern",
        "Amber ",
        "Amber",
        " Lantern",
        "Lantern",
        "Lan",
        "tern",
        "A",
        "mber ",
        " ",
        "x",
        "s",
        ". ",
        "",
        "amber\nlantern",
        "amber lantern",
        "Lantern s",
    ];
    prop::collection::vec((0_u64..4, prop::sample::select(words.to_vec())), 1..10)
}

fn verify(face: Face, pieces: &[(u64, &str)], size: usize) -> Result<(), TestCaseError> {
    let bytes = written(&stream(face, pieces));
    let whole = run(face, bytes.as_bytes(), bytes.len());
    prop_assert_eq!(&run(face, bytes.as_bytes(), size), &whole);
    let (out, outcome) = whole;
    let policy = policy(&[(TERM, Effect::Block)]);
    for text in accumulated(face, &out) {
        let mut found = Vec::new();
        policy.rules().scan(&text, &mut found);
        // At its end a text that was cut may have gone on; words that only touch are judged by where they stand.
        found.retain(|one| one.evasion.is_none() && (outcome.is_ok() || one.span.end < text.len()));
        prop_assert!(found.is_empty(), "a client reads {:?} of {:?}", text, pieces);
    }
    if outcome.is_ok() {
        prop_assert_eq!(out, bytes);
    } else {
        prop_assert!(is_present(face, pieces), "refused without reason: {:?}", pieces);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever blocks go on in whatever order: no client puts the term together, nothing is refused in which none
    /// could, and the cut does not matter.
    #[test]
    fn no_order_of_blocks_carries_a_term(face in any_face(), pieces in any_pieces(), size in 1_usize..200) {
        verify(face, &pieces, size)?;
    }

    /// The same with a term in it for certain, cut anywhere, its parts given to any blocks, and others between them.
    #[test]
    fn a_term_dealt_out_to_blocks_is_not_delivered(
        face in any_face(),
        cuts in prop::collection::vec(0..TERM.len() + 1, 0..4),
        blocks in prop::collection::vec(0_u64..4, 5),
        others in prop::collection::vec((0_usize..12, 0_u64..4, prop::sample::select(&["x", "s", ". ", " ", "A", "am"][..])), 0..5),
        size in 1_usize..200,
    ) {
        let mut cuts = cuts;
        cuts.extend([0, TERM.len()]);
        cuts.sort_unstable();
        let parts = cuts.windows(2).map(|pair| &TERM[pair[0]..pair[1]]);
        let mut pieces: Vec<(u64, &str)> = blocks.into_iter().zip(parts).collect();
        for (at, block, words) in others {
            pieces.insert(at.min(pieces.len()), (block, words));
        }
        verify(face, &pieces, size)?;
    }
}
