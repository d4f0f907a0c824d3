use super::*;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use zos_core::RoomPolicy;
use zos_rules::{Action, Room, RuleKind, RuleSpec, Ruleset, Term};

mod conversation;

const TERM: &str = "Kestrel Harbor";

/// A sentence that only says the term, in letters and blanks: what used to pass as base64.
const SENTENCE: &str =
    "We call it Kestrel Harbor and nobody outside of this house may hear about it before May";

fn policy_of(effect: Effect, terms: &[&str]) -> Policy {
    let rule = |text: &&str| {
        let mut rule = RuleSpec::new("deny/1", RuleKind::Term(Term::new(text).unwrap()));
        rule.action = if effect == Effect::Redact { Action::Redact } else { Action::Deny };
        rule
    };
    let rules = terms.iter().map(rule).collect();
    let ruleset = Arc::new(Ruleset::compile(&[Room { name: "acme".into(), rules }]).unwrap());
    let room = RoomPolicy {
        rules: ruleset.room("acme").unwrap(),
        effects: vec![effect; terms.len()],
        places: Vec::new(),
        labels: vec!["term".into(); terms.len()],
        restore_to: Vec::new(),
    };
    Policy::new(Arc::new(room), false)
}

fn found_in(policy: &Policy, body: &serde_json::Value) -> Findings {
    let mut findings = Findings::default();
    let text = body.to_string();
    tree(policy, &json::parse(&text).unwrap(), &[], &mut findings);
    findings
}

/// Requests of real clients, in the three dialects.
fn transcripts() -> Vec<(String, serde_json::Value)> {
    fn walk(folder: &Path, found: &mut Vec<(String, serde_json::Value)>) {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                walk(&entry, found);
            } else if matches!(entry.file_name().unwrap().to_str(), Some("request.json" | "request.out.json"))
            {
                let text = std::fs::read_to_string(&entry).unwrap();
                found.push((entry.display().to_string(), serde_json::from_str(&text).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/tests/golden"), &mut found);
    assert!(found.len() > 20, "the transcripts are not where they were");
    found
}

/// How many leaves a body has: strings, numbers, and keys.
fn leaves(value: &mut serde_json::Value, visit: &mut impl FnMut(&mut serde_json::Value)) {
    match value {
        serde_json::Value::Array(elements) => elements.iter_mut().for_each(|element| leaves(element, visit)),
        serde_json::Value::Object(members) => members.values_mut().for_each(|member| leaves(member, visit)),
        leaf => visit(leaf),
    }
}

/// The body with another value in the place of one leaf; `None` where there is no such leaf.
fn with_leaf(body: &serde_json::Value, at: usize, new: &serde_json::Value) -> Option<serde_json::Value> {
    let (mut body, mut count) = (body.clone(), 0);
    leaves(&mut body, &mut |leaf| {
        if count == at {
            leaf.clone_from(new);
        }
        count += 1;
    });
    (at < count).then_some(body)
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// The sentence as it may be written where a declaration is believed.
fn forms() -> Vec<String> {
    let latin: Vec<u8> = format!("Zoë: {SENTENCE}").chars().map(|c| c as u8).collect();
    let lines: Vec<&str> = SENTENCE.split(' ').collect();
    vec![
        SENTENCE.to_owned(),
        lines.join("\n"),
        TERM.to_owned(),
        STANDARD.encode(SENTENCE),
        URL_SAFE_NO_PAD.encode(SENTENCE),
        format!("data:;base64,{SENTENCE}"),
        format!(" DATA:image/png;base64,{SENTENCE}"),
        format!("data:application/pdf,{SENTENCE}"),
        format!("data:text/plain;base64,{}", STANDARD.encode(&latin)),
        format!("data:text/plain;base64,{}", STANDARD.encode(wide(SENTENCE))),
        format!("data:text/plain,{}", SENTENCE.replace('r', "%72").replace(' ', "%20")),
        json!({"data": SENTENCE}).to_string(),
    ]
}

const KEYS: &[&str] = &[
    "b64_json",
    "blob",
    "content",
    "data",
    "embedding",
    "encrypted_content",
    "encrypted_index",
    "file_data",
    "file_id",
    "image_url",
    "input_audio",
    "partial_image_b64",
    "result",
    "signature",
    "text",
    "thought_signature",
    "unheard_of",
    "url",
];

const TYPES: &[&str] = &[
    "base64",
    "document",
    "file",
    "image",
    "image_generation_call",
    "input_audio",
    "input_file",
    "input_image",
    "redacted_thinking",
    "text",
    "thinking",
    "tool_result",
    "url",
];

const MEDIA: &[&str] =
    &["", "application/octet-stream", "application/pdf", "audio/wav", "image/png", "text/plain", "video/mp4"];

#[test]
fn no_place_of_a_real_request_hides_a_term_and_nothing_is_found_where_there_is_none() {
    let policy = policy_of(Effect::Block, &[TERM]);
    for (name, body) in transcripts() {
        assert!(!found_in(&policy, &body).are_blocked(&policy), "{name}");
        for form in [
            SENTENCE.to_owned(),
            format!("data:;base64,{SENTENCE}"),
            format!("data:text/plain;base64,{}", STANDARD.encode(wide(SENTENCE))),
        ] {
            for at in 0.. {
                let Some(hiding) = with_leaf(&body, at, &json!(form)) else { break };
                assert!(found_in(&policy, &hiding).are_blocked(&policy), "{name}: leaf {at} as {form}");
                let key = with_leaf(&body, at, &json!({ SENTENCE: 1 })).unwrap();
                assert!(found_in(&policy, &key).are_blocked(&policy), "{name}: key at leaf {at}");
            }
        }
    }
}

#[test]
fn a_number_is_found_at_every_place_in_every_spelling() {
    let policy = policy_of(Effect::Block, &["5260114987"]);
    let (_, body) = transcripts()
        .into_iter()
        .find(|(name, _)| name.contains("messages-chat/tools/request.json"))
        .unwrap();
    for spelling in ["5260114987", "-5260114987", "5260114987.0", "5.260114987e9", "52601149870E-1"] {
        for at in 0.. {
            let number: serde_json::Value = json!("here goes a number");
            let Some(hiding) = with_leaf(&body, at, &number) else { break };
            let text = hiding.to_string().replace("\"here goes a number\"", spelling);
            let mut findings = Findings::default();
            tree(&policy, &json::parse(&text).unwrap(), &[], &mut findings);
            assert!(findings.are_blocked(&policy), "{spelling} at leaf {at}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// Whatever a string is called, and whatever the things beside it say that it is, it is read.
    #[test]
    fn no_declaration_takes_a_string_away(
        transcript: prop::sample::Index,
        leaf: prop::sample::Index,
        form in prop::sample::select(forms()),
        key in prop::sample::select(KEYS),
        kind in prop::sample::select(TYPES),
        media in prop::sample::select(MEDIA),
        parent in prop::option::of(prop::sample::select(&["source", "input_audio", "image_url", "file", "input"][..])),
        is_argument: bool,
    ) {
        let policy = policy_of(Effect::Block, &[TERM]);
        let (name, body) = transcript.get(&transcripts()).clone();
        let mut object = json!({"type": kind, "media_type": media, "format": "wav", key: form});
        if media.is_empty() {
            object.as_object_mut().unwrap().remove("media_type");
        }
        let object = match parent {
            Some(parent) => json!({ parent: object }),
            None => object,
        };
        let object = if is_argument { json!(object.to_string()) } else { object };
        let mut count = 0;
        leaves(&mut body.clone(), &mut |_| count += 1);
        let hiding = with_leaf(&body, leaf.index(count), &object).unwrap();
        prop_assert!(found_in(&policy, &hiding).are_blocked(&policy), "{}: {}", name, object);
    }
}

/// What may not be read, in the three dialects: the bytes are text all the same, but who reads them is no text reader.
#[test]
fn an_attachment_is_one_by_its_declaration_though_its_bytes_are_text() {
    let policy = policy_of(Effect::Block, &[TERM]);
    let user = |content: serde_json::Value| json!({"messages": [{"role": "user", "content": [content]}]});
    let pdf = STANDARD.encode("%PDF-1.4\n[(Kes)-1(trel Har)-1(bor)] TJ");
    let source = json!({"type": "base64", "media_type": "application/pdf", "data": pdf});
    for (place, body) in [
        ("pdf:messages[0].content[0].source.data", user(json!({"type": "document", "source": source}))),
        (
            "pdf:messages[0].content[0].content[0].source.data",
            user(json!({"type": "tool_result", "content": [{"type": "document", "source": source}]})),
        ),
        (
            "image:messages[0].content[0].source.data",
            user(
                json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": pdf}}),
            ),
        ),
        (
            "pdf:messages[0].content[0].file.file_data",
            user(
                json!({"type": "file", "file": {"filename": "a.pdf", "file_data": format!("data:application/pdf;base64,{pdf}")}}),
            ),
        ),
        (
            "file:messages[0].content[0].file.file_id",
            user(json!({"type": "file", "file": {"file_id": "file-1"}})),
        ),
        (
            "audio:messages[0].content[0].input_audio.data",
            user(json!({"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}})),
        ),
        (
            "pdf:messages[0].content[0].image_url.url",
            user(json!({"type": "image_url", "image_url": {"url": "data:application/pdf,%25PDF-1.4"}})),
        ),
        (
            "file:input[0].content[0].file_data",
            json!({"input": [{"role": "user", "content": [{"type": "input_file", "file_data": pdf}]}]}),
        ),
        (
            "image:input[0].content[0].image_url",
            json!({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:image/svg+xml,<svg/>"}]}]}),
        ),
    ] {
        let findings = found_in(&policy, &body);
        assert_eq!(findings.uninspected, [place], "{body}");
        assert!(findings.has_attachment, "{body}");
    }
    for read in [
        user(json!({"type": "text", "text": format!("data: {pdf}")})),
        user(
            json!({"type": "document", "source": {"type": "base64", "media_type": "text/plain", "data": STANDARD.encode("hello")}}),
        ),
        user(
            json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hello"}}),
        ),
        user(json!({"type": "thinking", "thinking": "x", "signature": "short"})),
    ] {
        let findings = found_in(&policy, &read);
        assert!(findings.uninspected.is_empty() && !findings.has_attachment, "{read}");
    }
}

#[test]
fn numbers_of_a_list_are_read_one_by_one_however_many_there_are() {
    let policy = policy_of(Effect::Block, &["5260114987", "526 110", "0.0175"]);
    let of = |filler: &str, at: usize, hidden: &str| {
        let numbers = (0..5000).map(|index| if index == at { hidden } else { filler });
        let text = format!("{{\"embedding\":[{}]}}", numbers.collect::<Vec<_>>().join(","));
        let mut findings = Findings::default();
        tree(&policy, &json::parse(&text).unwrap(), &[], &mut findings);
        findings.are_blocked(&policy)
    };
    for filler in ["0.25", "-1.5e-7", "12345678"] {
        for hidden in ["5260114987", "-5260114987.0", "5.260114987e9", "0.0175"] {
            assert!(
                [0, 7, 4095, 4096, 4999].iter().all(|at| of(filler, *at, hidden)),
                "{hidden} among {filler}"
            );
        }
        assert!(!of(filler, 0, "5"), "{filler}");
    }
    assert!(!of("110", 3, "526"), "two numbers are not one");
}

fn noise(count: u64) -> Vec<u8> {
    (1..=count).map(|number| (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 31) as u8).collect()
}

#[test]
fn an_opaque_blob_is_named_and_no_attachment_and_words_in_it_are_found() {
    let policy = policy_of(Effect::Block, &["Kestrel", "Ann"]);
    let thinking = |signature: String| json!({"content": [{"type": "thinking", "thinking": "x", "signature": signature}]});
    let packed = STANDARD.encode(noise(3000));
    let findings = found_in(&policy, &thinking(packed.clone()));
    assert_eq!(findings.uninspected, ["opaque:content[0].signature"]);
    assert!(!findings.has_attachment && findings.found.is_empty());
    assert!(findings.binary_bytes > 3000, "they are no text to count");
    let (head, tail) = packed.split_at(1600);
    assert!(found_in(&policy, &thinking(format!("{head}/Kestrel/abc{tail}"))).are_blocked(&policy));
    assert!(
        !found_in(&policy, &thinking(format!("{head}/Ann/abc{tail}"))).are_blocked(&policy),
        "chance writes three letters"
    );
    assert!(found_in(&policy, &thinking("Ann".to_owned())).are_blocked(&policy));
    let between = [noise(600).as_slice(), b"\0Kestrel\0", &noise(600)].concat();
    assert!(
        found_in(&policy, &thinking(STANDARD.encode(between))).are_blocked(&policy),
        "a word between noise"
    );
    let large = STANDARD.encode(noise(90_000));
    let (head, tail) = large.split_at(60_000);
    for image in [large.clone(), format!("{head}/Kestrel/abc{tail}")] {
        let body = json!({"source": {"type": "base64", "media_type": "image/png", "data": image}});
        assert_eq!(found_in(&policy, &body).are_blocked(&policy), image != large);
    }
}

#[test]
fn what_is_found_in_a_document_is_replaced_in_its_encoding_or_not_at_all() {
    let policy = policy_of(Effect::Redact, &[TERM]);
    let document = |data: String| {
        let text =
            json!({"source": {"type": "base64", "media_type": "text/plain", "data": data}}).to_string();
        let mut findings = Findings::default();
        tree(&policy, &json::parse(&text).unwrap(), &[], &mut findings);
        let mut mask = |_, _: &str| Ok::<_, std::convert::Infallible>("<1>".to_owned());
        let edits = crate::redact::spots::edits(&text, &findings.spots, &|_, _| true, &mut mask).unwrap();
        (findings, json::replace(&text, &edits))
    };
    let (findings, text) = document(STANDARD.encode(SENTENCE));
    assert!(text.contains(&STANDARD.encode(SENTENCE.replace(TERM, "<1>"))), "{text}");
    assert!(findings.not_replaceable(&policy).is_none());
    assert_eq!(findings.found[0].count, 1, "what is found in both readings is one find");
    // An encoding that does not give every other byte back is refused instead.
    for bytes in [wide(SENTENCE), format!("Zoë: {SENTENCE}").chars().map(|c| c as u8).collect()] {
        assert!(document(STANDARD.encode(bytes)).0.not_replaceable(&policy).is_some());
    }
    // Words that are no base64 are words, and are replaced as such.
    let (findings, text) = document(SENTENCE.to_owned());
    assert!(findings.not_replaceable(&policy).is_none() && !text.contains(TERM), "{text}");
}

/// Characters that no reader shows: halves of a pair, and code points that stand for none.
fn unseen() -> Vec<String> {
    let surrogates = ["\\ud800", "\\udbff", "\\udc00", "\\udfff", "\\udfff\\ud800", "\\ud800\\ud800"];
    let noncharacters = ["\\ufdd0", "\\ufdef", "\\uffff", "\\ufffe", "\\ud83f\\udfff", "\\udbff\\udffe"];
    let raw = ["\u{fdd0}", "\u{ffff}", "\u{1fffe}", "\u{10ffff}"];
    surrogates.iter().chain(&noncharacters).chain(&raw).map(ToString::to_string).collect()
}

#[test]
fn what_nobody_sees_hides_no_term_wherever_it_is_glued_to_it() {
    for effect in [Effect::Block, Effect::Redact] {
        let policy = policy_of(effect, &[TERM]);
        for glue in unseen() {
            for at in 0..=TERM.len() {
                // As it is written in JSON: escapes stand for what no UTF-8 can hold.
                let spelled = format!("{}{glue}{}", &TERM[..at], &TERM[at..]);
                for text in [
                    format!(r#"{{"messages":[{{"role":"user","content":"about {spelled} now"}}]}}"#),
                    format!(r#"{{"input":[{{"type":"input_text","text":"about {spelled}"}}]}}"#),
                    format!(r#"{{"aside":{{"{spelled}":1}}}}"#),
                ] {
                    let mut findings = Findings::default();
                    tree(&policy, &json::parse(&text).unwrap(), &[], &mut findings);
                    assert_eq!(findings.found.len(), 1, "{text}");
                    if effect == Effect::Block {
                        assert!(findings.are_blocked(&policy), "{text}");
                        continue;
                    }
                    if findings.not_replaceable(&policy).is_some() {
                        continue;
                    }
                    let mut mask = |_, _: &str| Ok::<_, std::convert::Infallible>("<1>".to_owned());
                    let edits = crate::redact::spots::edits(&text, &findings.spots, &|_, _| true, &mut mask);
                    let left = json::replace(&text, &edits.unwrap());
                    assert!(
                        left.contains("<1>") && !left.contains("Kestrel") && !left.contains("Harbor"),
                        "{left}"
                    );
                    assert!(json::parse(&left).is_ok(), "{left}");
                }
            }
        }
    }
}
