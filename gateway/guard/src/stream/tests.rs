use super::*;
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;
use zos_core::RoomPolicy;
use zos_rules::{Room, RuleKind, RuleSpec, Ruleset, Term};
use zos_wire::face::Face;
use zos_wire::sse::Framer;

mod orders;
mod repeats;

const TERM: &str = "Project Falcon";
const LIMIT_BYTES: usize = 1 << 20;

pub(super) fn policy(terms: &[(&str, Effect)]) -> Policy {
    let rules = terms
        .iter()
        .enumerate()
        .map(|(index, (term, effect))| {
            let mut rule =
                RuleSpec::new(format!("deny/{}", index + 1), RuleKind::Term(Term::new(term).unwrap()));
            rule.action =
                if *effect == Effect::Report { zos_rules::Action::Warn } else { zos_rules::Action::Deny };
            rule
        })
        .collect();
    let ruleset = Arc::new(Ruleset::compile(&[Room { name: "acme".into(), rules }]).unwrap());
    let effects = terms.iter().map(|(_, effect)| *effect).collect();
    Policy::new(
        Arc::new(RoomPolicy {
            rules: ruleset.room("acme").unwrap(),
            effects,
            places: Vec::new(),
            labels: Vec::new(),
            restore_to: Vec::new(),
        }),
        false,
    )
}

use zos_core::Effect;

/// What the caller received, and how the stream stopped, for bytes that arrive in these chunks.
fn run(face: Face, policy: &Policy, chunks: &[&[u8]]) -> (Vec<u8>, Result<(), Stop>) {
    let mut framer = Framer::new(1 << 20);
    let mut guard = Guard::new(Dialect::of(face).unwrap(), policy.clone(), None, LIMIT_BYTES);
    let mut out = Vec::new();
    let now = Instant::now();
    let outcome = (|| {
        for chunk in chunks {
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
    (out.concat(), outcome)
}

/// A whole stream of one face that says these pieces.
fn stream(face: Face, pieces: &[String]) -> Vec<u8> {
    let mut bytes = String::new();
    let mut send = |name: &str, data: serde_json::Value| {
        if !name.is_empty() {
            bytes.push_str(&format!("event: {name}\n"));
        }
        bytes.push_str(&format!("data: {data}\n\n"));
    };
    match face.name() {
        "messages" => {
            send(
                "message_start",
                json!({"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 3}}}),
            );
            send(
                "content_block_start",
                json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            );
            for piece in pieces {
                send(
                    "content_block_delta",
                    json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}),
                );
            }
            send("content_block_stop", json!({"type": "content_block_stop", "index": 0}));
            send(
                "message_delta",
                json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}),
            );
            send("message_stop", json!({"type": "message_stop"}));
        }
        "responses" => {
            send(
                "response.created",
                json!({"type": "response.created", "response": {"id": "r", "status": "in_progress"}}),
            );
            for piece in pieces {
                send(
                    "response.output_text.delta",
                    json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "item_id": "i", "delta": piece}),
                );
            }
            send(
                "response.output_item.done",
                json!({"type": "response.output_item.done", "output_index": 0}),
            );
            send(
                "response.completed",
                json!({"type": "response.completed", "response": {"id": "r", "usage": {"input_tokens": 1}}}),
            );
        }
        _ => {
            for piece in pieces {
                send("", json!({"id": "c", "choices": [{"index": 0, "delta": {"content": piece}}]}));
            }
            send("", json!({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}));
            bytes.push_str(": keep-alive\n\ndata: [DONE]\n\n");
        }
    }
    bytes.into_bytes()
}

/// All text that a client would show of what it received.
fn shown(bytes: &[u8]) -> String {
    let mut shown = String::new();
    for line in std::str::from_utf8(bytes).unwrap().lines() {
        let Some(Ok(value)) = line.strip_prefix("data: ").map(serde_json::from_str::<serde_json::Value>)
        else {
            continue;
        };
        for text in [
            &value["delta"]["text"],
            &value["choices"][0]["delta"]["content"],
            &value["delta"],
            &value["delta"]["thinking"],
        ] {
            shown.push_str(text.as_str().unwrap_or_default());
        }
    }
    shown
}

fn faces() -> impl Strategy<Value = Face> {
    prop_oneof![Just(Face::Messages), Just(Face::ChatCompletions), Just(Face::Responses)]
}

fn cut_at(bytes: &[u8], mut cuts: Vec<usize>) -> Vec<&[u8]> {
    cuts.iter_mut().for_each(|cut| *cut %= bytes.len() + 1);
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

#[test]
fn an_event_waits_only_while_its_text_may_begin_a_term() {
    let policy = policy(&[(TERM, Effect::Block)]);
    let mut guard = Guard::new(Dialect::of(Face::ChatCompletions).unwrap(), policy, None, LIMIT_BYTES);
    let frame = |text: &str| Frame {
        raw: format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"content": text}}]})).into(),
    };
    let mut sent = |text: &str| {
        let mut out = Vec::new();
        guard.take(&frame(text), Instant::now(), &mut out).unwrap();
        out.len()
    };
    assert_eq!(sent("All fine."), 1);
    assert_eq!(sent(" The Proj"), 0);
    assert_eq!(sent("ect"), 0);
    assert_eq!(sent(" manager"), 3);
}

#[test]
fn nothing_of_a_term_is_delivered_and_the_start_before_it_is() {
    let policy = policy(&[(TERM, Effect::Block)]);
    for face in [Face::Messages, Face::ChatCompletions, Face::Responses] {
        let pieces = ["Hello, the pro", "ject ", "FAL", "con is late."].map(String::from);
        let (bytes, outcome) = run(face, &policy, &[&stream(face, &pieces)]);
        assert_eq!(outcome, Err(Stop::Refused), "{face:?}");
        assert_eq!(shown(&bytes), "Hello, the ", "{face:?}");
    }
}

#[test]
fn a_term_over_two_text_blocks_is_found() {
    let policy = policy(&[(TERM, Effect::Block)]);
    let block = |index: u64, text: &str| {
        [
            json!({"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}}),
            json!({"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}}),
            json!({"type": "content_block_stop", "index": index}),
        ]
        .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()))
        .concat()
    };
    let tool = format!(
        "event: content_block_start\ndata: {}\n\n",
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t", "name": "x", "input": {}}})
    );
    let bytes = block(0, "It is Project ") + &tool + &block(2, "Falcon again");
    let (out, outcome) = run(Face::Messages, &policy, &[bytes.as_bytes()]);
    assert_eq!(outcome, Err(Stop::Refused));
    assert_eq!(shown(&out), "It is ");
    let fine = block(0, "It is Project ") + &tool + &block(2, "Management");
    let (out, outcome) = run(Face::Messages, &policy, &[fine.as_bytes()]);
    assert_eq!((out, outcome), (fine.into_bytes(), Ok(())));
}

#[test]
fn escapes_in_tool_arguments_hide_nothing() {
    let policy = policy(&[(TERM, Effect::Block)]);
    let call = |arguments: &str| {
        format!(
            "data: {}\n\n",
            json!({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": arguments}}]}}]})
        )
    };
    let bytes: String = [r#"{"q": "Pro"#, r"ject \u0", "046alc", r#"on"}"#].map(call).concat();
    let (out, outcome) = run(Face::ChatCompletions, &policy, &[bytes.as_bytes()]);
    assert_eq!(outcome, Err(Stop::Refused));
    assert!(!String::from_utf8(out).unwrap().contains("Pro"));
}

#[test]
fn what_cannot_be_read_is_not_forwarded() {
    let policy = policy(&[(TERM, Effect::Block)]);
    for bad in [
        &b"data: {not json}\n\n"[..],
        b"data: \"Project Falcon\"\n\n",
        b"data: {\"a\":\"\xff\"}\n\n",
        b": Project Falcon\n\n",
        b"data: {\"new_field\": [\"project  falcon\"]}\n\n",
    ] {
        let (out, outcome) = run(Face::ChatCompletions, &policy, &[bad]);
        assert!(outcome.is_err() && out.is_empty(), "{bad:?}");
    }
}

#[test]
fn neither_a_ping_nor_the_name_of_an_event_carries_a_term_out() {
    let policy = policy(&[(TERM, Effect::Block)]);
    for (face, bad) in [
        (Face::Messages, "event: ping\ndata: {\"type\":\"ping\",\"note\":\"Project Falcon\"}\n\n"),
        (
            Face::Messages,
            "event: ping\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Project Falcon\"}}\n\n",
        ),
        (Face::Messages, "event: Project Falcon\ndata: {\"type\":\"ping\"}\n\n"),
        (Face::Messages, "event: Project Falcon\n\n"),
        (Face::ChatCompletions, "event: Project Falcon\ndata: [DONE]\n\n"),
    ] {
        let (out, outcome) = run(face, &policy, &[bad.as_bytes()]);
        assert_eq!((out.as_slice(), outcome), (&b""[..], Err(Stop::Refused)), "{bad:?}");
    }
}

#[test]
fn a_keep_alive_passes_text_that_has_waited_long() {
    let mut guard = Guard::new(
        Dialect::of(Face::ChatCompletions).unwrap(),
        policy(&[(TERM, Effect::Block)]),
        None,
        LIMIT_BYTES,
    );
    let start = Instant::now();
    let mut out = Vec::new();
    let text = format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"content": "Project"}}]}));
    guard.take(&Frame { raw: text.into() }, start, &mut out).unwrap();
    guard.take(&Frame { raw: Bytes::from_static(b": ping\n\n") }, start, &mut out).unwrap();
    assert!(out.is_empty());
    guard
        .take(&Frame { raw: Bytes::from_static(b": ping 2\n\n") }, start + Duration::from_secs(2), &mut out)
        .unwrap();
    assert_eq!(out.concat(), b": ping 2\n\n");
}

/// A room that redacts and asks, and a call whose caller said `Ann Lee` and `say "x"`.
pub(super) fn masked() -> (Policy, Masks) {
    let mut rules: Vec<RuleSpec> = ["Ann Lee", "Falcon", "Kestrel", "Lee Corp"]
        .iter()
        .enumerate()
        .map(|(index, term)| {
            RuleSpec::new(format!("deny/{}", index + 1), RuleKind::Term(Term::new(term).unwrap()))
        })
        .collect();
    rules[0].action = zos_rules::Action::Redact;
    rules[1].action = zos_rules::Action::Redact;
    rules[3].action = zos_rules::Action::Redact;
    let ruleset = Arc::new(Ruleset::compile(&[Room { name: "acme".into(), rules }]).unwrap());
    let policy = Policy::new(
        Arc::new(RoomPolicy {
            rules: ruleset.room("acme").unwrap(),
            effects: vec![Effect::Redact, Effect::Redact, Effect::Block, Effect::Redact],
            places: Vec::new(),
            labels: ["person", "term", "term", "firm"].map(String::from).to_vec(),
            restore_to: Vec::new(),
        }),
        false,
    );
    let masks = crate::redact::Sessions::default().open("acme", None, &http::HeaderMap::new());
    for text in ["Ann Lee", "ann \"lee\""] {
        masks.mask(&policy, 0, text, crate::redact::sessions::Speaker::Caller).unwrap();
    }
    (policy, masks)
}

/// What a client shows of a stream that says these pieces.
fn heard(face: Face, pieces: &[String], cuts: Option<Vec<usize>>) -> (String, Result<(), Stop>) {
    let (policy, masks) = masked();
    let bytes = stream(face, pieces);
    let chunks: Vec<&[u8]> = match cuts {
        Some(cuts) => cut_at(&bytes, cuts),
        None => bytes.chunks(1).collect(),
    };
    let mut framer = Framer::new(1 << 20);
    let mut guard = Guard::new(Dialect::of(face).unwrap(), policy, Some(masks), LIMIT_BYTES);
    let (mut out, now) = (Vec::new(), Instant::now());
    let outcome = (|| {
        for chunk in chunks {
            framer.push(chunk);
            while let Some(frame) = framer.next_frame().unwrap() {
                guard.take(&frame, now, &mut out)?;
            }
        }
        guard.finish(&mut out)
    })();
    (shown(&out.concat()), outcome)
}

#[test]
fn overlapping_matches_of_unknown_terms_are_one() {
    let ruleset = |terms: &[&str]| {
        let rule = |text: &&str| {
            let mut rule = RuleSpec::new(format!("x/{text}"), RuleKind::Term(Term::new(text).unwrap()));
            rule.action = zos_rules::Action::Redact;
            rule
        };
        Arc::new(
            Ruleset::compile(&[Room { name: "a".into(), rules: terms.iter().map(rule).collect() }]).unwrap(),
        )
    };
    let rules = ruleset(&["Ann Lee", "Lee Corp", "Corp House"]).room("a").unwrap();
    let room = RoomPolicy {
        rules,
        effects: vec![Effect::Redact; 3],
        places: Vec::new(),
        labels: Vec::new(),
        restore_to: Vec::new(),
    };
    let policy = Policy::new(Arc::new(room), false);
    let said = "By Ann Lee Corp House, or Ann Lee Corps, Ann";
    for size in [1, 2, 3, 7, 100] {
        let letters: Vec<char> = said.chars().collect();
        let pieces: Vec<String> = letters.chunks(size).map(|piece| piece.iter().collect()).collect();
        let masks = crate::redact::Sessions::default().open("a", None, &http::HeaderMap::new());
        let mut guard =
            Guard::new(Dialect::of(Face::Messages).unwrap(), policy.clone(), Some(masks), LIMIT_BYTES);
        let mut framer = Framer::new(1 << 20);
        framer.push(&stream(Face::Messages, &pieces));
        let mut out = Vec::new();
        while let Some(frame) = framer.next_frame().unwrap() {
            guard.take(&frame, Instant::now(), &mut out).unwrap();
        }
        assert_eq!(shown(&out.concat()), "By ⟦text-1⟧, or ⟦text-1b⟧, Ann", "{size}");
        assert!(guard.has_replaced);
    }
}

#[test]
fn matches_that_overlap_are_replaced_as_one_however_they_arrive() {
    let said = "So Falcon! Lee Corp, FALCON, Ann Lee Corp. Then ⟦person-1⟧ and ⟦person-1b⟧";
    let expected = "So ⟦term-1⟧! ⟦firm-1⟧, ⟦term-1b⟧, Ann ⟦firm-1⟧. Then Ann Lee and ann \"lee\"";
    for face in [Face::Messages, Face::ChatCompletions, Face::Responses] {
        for size in [1, 2, 3, 5, 100] {
            let letters: Vec<char> = said.chars().collect();
            let pieces: Vec<String> = letters.chunks(size).map(|piece| piece.iter().collect()).collect();
            let (text, outcome) = heard(face, &pieces, None);
            // A term that the caller said may be read; what it overlaps is replaced.
            assert_eq!((text.as_str(), outcome), (expected, Ok(())), "{face:?} {size}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_same_words_are_heard_however_they_are_split(
        face in faces(),
        words in prop::collection::vec(
            "(⟦person-1⟧|⟦Person 1b⟧|⟦person-|⟦|⟧|-1⟧|Ann Lee|Falcon|fal|con|Kestrel|Lee Corp|[a-z]{1,3}| |é|\"|\\\\|1)", 0..12),
        splits in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        cuts in prop::collection::vec(any::<usize>(), 0..6),
    ) {
        let said = words.concat();
        let mut places: Vec<usize> = splits.iter().map(|split| match said.len() {
            0 => 0,
            len => said.floor_char_boundary(split.index(len)),
        }).collect();
        places.extend([0, said.len()]);
        places.sort_unstable();
        let pieces: Vec<String> = places.windows(2).map(|pair| said[pair[0]..pair[1]].to_owned()).collect();
        let letters: Vec<String> = said.chars().map(String::from).collect();
        let whole = heard(face, std::slice::from_ref(&said), None);
        prop_assert_eq!(&heard(face, &pieces, Some(cuts)), &whole);
        prop_assert_eq!(&heard(face, &letters, None), &whole);
        let (mut left, (policy, _)) = (Findings::default(), masked());
        inspect::text(&policy, &whole.0, "heard", &mut left);
        prop_assert!(!left.are_blocked(&policy), "{}", whole.0);
    }

    #[test]
    fn an_allowed_answer_arrives_byte_for_byte_however_it_is_cut(
        face in faces(),
        pieces in prop::collection::vec("(Project|Pro|Falco|ject| |F|[a-z]{1,3}|é|\u{200b}|\n|😀){0,3}", 0..8),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let policy = policy(&[(TERM, Effect::Block), ("confidential", Effect::Report)]);
        let bytes = stream(face, &pieces);
        let whole = run(face, &policy, &[&bytes]);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(&run(face, &policy, &cut_at(&bytes, cuts)), &whole);
        prop_assert_eq!(&run(face, &policy, &single), &whole);
        if whole.1.is_ok() {
            prop_assert_eq!(whole.0, bytes);
        } else {
            prop_assert!(shown(&whole.0).len() < shown(&bytes).len());
        }
    }

    #[test]
    fn a_term_is_never_delivered_however_it_is_split(
        face in faces(),
        before in "[a-z ,.]{0,20}",
        gap in "( |\n|  |\u{a0})",
        splits in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        cuts in prop::collection::vec(any::<usize>(), 0..6),
    ) {
        let policy = policy(&[(TERM, Effect::Block)]);
        let text = format!("{before} Project{gap}Falcon is late");
        let mut places: Vec<usize> = splits.iter().map(|split| text.floor_char_boundary(split.index(text.len()))).collect();
        places.extend([0, text.len()]);
        places.sort_unstable();
        let pieces: Vec<String> = places.windows(2).map(|pair| text[pair[0]..pair[1]].to_owned()).collect();
        let bytes = stream(face, &pieces);
        let (out, outcome) = run(face, &policy, &cut_at(&bytes, cuts));
        prop_assert_eq!(outcome, Err(Stop::Refused));
        prop_assert!(text.starts_with(&shown(&out)));
        prop_assert!(shown(&out).len() <= before.len() + 1, "{}", shown(&out));
    }
}
