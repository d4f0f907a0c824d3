//! Streams: the same violations as in a whole text, however it is cut, and nothing let out early.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use proptest::prelude::*;
use zos_rules::{Action, Room, RoomRules, RuleKind, RuleSpec, Ruleset, StreamViolation, Term, Violation};

fn rules(terms: &[(&str, Action)]) -> RoomRules {
    let rule = |(term, action): &(&str, Action)| RuleSpec {
        action: *action,
        ..RuleSpec::new("rule", RuleKind::Term(Term::new(term).unwrap()))
    };
    let room = Room { name: "room".to_owned(), rules: terms.iter().map(rule).collect() };
    Arc::new(Ruleset::compile(&[room]).unwrap()).room("room").unwrap()
}

const TERMS: [&str; 14] = [
    "Ann",
    "Ann Lee",
    "Lee",
    "Project Falcon",
    "Falcon",
    "a b a b c",
    "Вода",
    "プロ",
    "C++",
    "4711",
    "ß",
    "in a",
    "I Falcon",
    "Coca-Cola",
];

fn sample() -> RoomRules {
    rules(&TERMS.map(|term| (term, Action::Deny)))
}

fn whole(rules: &RoomRules, text: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    rules.scan(text, &mut found);
    found
}

fn sorted(mut found: Vec<StreamViolation>) -> Vec<Violation> {
    found.sort_by_key(|v| (v.span.start, v.span.end, v.rule));
    found
        .into_iter()
        .map(|v| Violation {
            rule: v.rule,
            span: v.span.start as usize..v.span.end as usize,
            evasion: v.evasion,
            detector: v.detector,
            is_whole: v.is_whole,
        })
        .collect()
}

/// What a caller has received after each piece, one visible `|` per piece.
fn delivered(rules: &RoomRules, pieces: &[&str]) -> String {
    let text = pieces.concat();
    let mut scanner = rules.stream();
    let (mut found, mut sent, mut out) = (Vec::new(), 0, String::new());
    for piece in pieces {
        scanner.push(piece, &mut found);
        out.push_str(&text[sent..scanner.safe() as usize]);
        out.push('|');
        sent = scanner.safe() as usize;
    }
    scanner.finish(&mut found);
    out.push_str(&text[sent..scanner.safe() as usize]);
    out
}

#[test]
fn a_term_is_held_until_the_next_visible_character_decides() {
    let rules = rules(&[("Ann", Action::Deny), ("Project Falcon", Action::Deny)]);
    assert_eq!(delivered(&rules, &["I saw Ann", "ual", " i"]), "I saw |Annual| i|");
    assert_eq!(delivered(&rules, &["I saw Ann", "\u{200B}", ".", " x"]), "I saw ||||");
    assert_eq!(delivered(&rules, &["I saw Ann"]), "I saw |");
    assert_eq!(delivered(&rules, &["Joann", "a"]), "Joann|a|");
    assert_eq!(delivered(&rules, &["the proj", "ect", " fa", "x"]), "the |||project fax|");
    assert_eq!(delivered(&rules, &["the pro", "cess goes on"]), "the |process goes on|");
}

#[test]
fn rules_that_do_not_block_report_and_hold_nothing() {
    let rules = rules(&[("Ann", Action::Warn), ("Bob", Action::Deny)]);
    let mut scanner = rules.stream_for(|rule| rule.action != Action::Warn);
    let mut found = Vec::new();
    scanner.push("An", &mut found);
    assert_eq!(scanner.safe(), 2);
    scanner.push("n met Bo", &mut found);
    assert_eq!((scanner.safe(), found.len()), (8, 1));
    scanner.push("b.", &mut found);
    assert_eq!((scanner.safe(), scanner.pushed(), found.len()), (8, 12, 2));
    let mut open = rules.stream_for(|_| false);
    open.push("Bob and Ann.", &mut found);
    assert_eq!((open.safe(), found.len()), (12, 4));
}

#[test]
fn a_boundary_ends_words_on_both_sides() {
    let rules = rules(&[("Ann", Action::Deny), ("Ann Lee", Action::Deny)]);
    let (mut scanner, mut found) = (rules.stream(), Vec::new());
    scanner.push("joAnn ", &mut found);
    scanner.boundary(&mut found);
    scanner.push("ann", &mut found);
    scanner.boundary(&mut found);
    scanner.push("ual Ann", &mut found);
    scanner.boundary(&mut found);
    scanner.push(" Lee", &mut found);
    scanner.finish(&mut found);
    let spans: Vec<_> = found.iter().map(|violation| violation.span.clone()).collect();
    assert_eq!(spans, [6..9, 13..16]);
}

#[test]
fn a_clone_goes_its_own_way() {
    let (mut first, mut found) = (sample().stream(), Vec::new());
    first.push("Project Fal", &mut found);
    let mut second = first.clone();
    first.push("mouth.", &mut found);
    assert!(found.is_empty());
    second.push("con.", &mut found);
    assert_eq!(found.len(), 2);
}

#[test]
fn held_text_is_bounded() {
    let (mut scanner, mut found) = (sample().stream(), Vec::new());
    scanner.push("Fal", &mut found);
    for _ in 0..10_000 {
        scanner.push("\u{200D}", &mut found);
        assert!(found.len() == 1 || scanner.pushed() - scanner.safe() < 8192);
    }
    assert_eq!((found.len(), scanner.safe()), (1, 0));
}

/// Text that is likely to hold terms, parts of terms and disguises.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => proptest::sample::select(TERMS.to_vec()).prop_map(str::to_owned),
        4 => proptest::sample::select(vec![
            " ", "\n", "\n> ", " - ", "s", "'s", "ual", "a ", "b ", "Fal", "con", "Fаl", "\u{200B}", "\u{301}", "ä",
            "вo", "🇦", "\u{E0061}", "ﬀ", "한", "が", "7", "_", "*", "**", "<b>", "</b>", ".", "-", "-\n", "F a l c o n",
            "&#70;", "%46", "\\u0046", "\\x61", "&", "%", "\\", "RmFsY29u", "46616c636f6e", "UHJvamVjdCBGYWxjb24", "VGhlIEZhbGNvbiBmbGllcw==", "466c792046616c636f6e21", "aGkgRmFsY29uIQ", "0L7QtNCw", "0LLQvtC00LAg", "F.a.l.c.o.n", "Pro",
            "jectFalcon", "%2546", "%25", "\\\\u0046", "&amp;#70;", "U0dr", "SGkgRmFsY29uIQ==", "U0drZ1JtRnNZMjl1SVE9PQ==", "RiU2MWxjb24geA==", "526d467359323975",
            "\r\n", "\n  ", "VGhlIHF1aWNrIGJyb3duIHN0", "b3J5IG9mIFByb2plY3QgRmFs", "Y29uIGFuZCBpdHMgd2luZ3M=", "A", "AB", "project_falcon", "F4lc0n", "l e e", "=", "/", "get", "ID", "％46", "1 ", "1", "0", "$", "@", "!", "4l", "c0n", "Coca", "Cola", "coca ", "co", "la",
            "\u{1B}[1m", "\u{9B}m", "\u{1B}]8;;x\u{7}", "\u{1B}\\", "\u{1B}", "\u{7}", "\\033[0m", "\\u001b[m", "\\n", "\\t", "\\\\n", "C:\\",
            "\\46 ", "\\106", "\\x{46}", "%u0046", "\\u0078", "&#120;", "\\ud800", "%0a", "\u{E0046}", "\u{E0061}\u{E006E}", "\u{E0020}", "\u{E0136}", "\n12\t",
            "\nx.rs:3:", "\nweb | ", "\n3→", "\" + \"", "'", "🔥", "\u{FFFD}", "ᴀɴɴ", "⠁",
        ]).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => "[a-z ]{0,6}",
    ];
    // Whole texts are read in blocks: what is looked for must be found across their borders too.
    let lead =
        proptest::sample::select(vec!["", "some plain words, ", "Abcdefg-hijk_lmno+pqrstu0", "x", "é-"]);
    (lead, 0usize..140, proptest::collection::vec(piece, 0..14)).prop_map(|(lead, len, pieces)| {
        let lead: String = lead.chars().cycle().take(if lead.is_empty() { 0 } else { len }).collect();
        lead + &pieces.concat()
    })
}

#[test]
fn terms_and_encodings_are_found_at_every_place_of_a_block() {
    let rules = rules(&[("Falcon", Action::Deny), ("in a", Action::Deny)]);
    for hidden in
        ["Falcon", "F a l c o n", "fаlcon", "in\na", "&#70;alcon", "aGkgRmFsY29uIQ", "466c792046616c636f6e21"]
    {
        for (filler, gap) in [("x", " "), (" ", ""), ("-", " "), ("A1", "."), ("漢", " ")] {
            for len in 0..150 {
                let lead: String = filler.chars().cycle().take(len).collect();
                let text = [lead.as_str(), gap, hidden, gap].concat();
                let found = whole(&rules, &text);
                let start = lead.len() + gap.len();
                let inside = |v: &Violation| v.span.start >= start && v.span.end <= start + hidden.len();
                assert!(found.len() == 1 && inside(&found[0]), "{text:?}: {found:?}");
                let (mut scanner, mut streamed) = (rules.stream(), Vec::new());
                scanner.push(&text, &mut streamed);
                scanner.finish(&mut streamed);
                assert_eq!(sorted(streamed), found, "{text:?}");
            }
        }
    }
}

#[test]
fn an_encoding_may_be_longer_than_many_blocks() {
    let rules = rules(&[("Falcon", Action::Deny)]);
    // Three bytes are four digits, so the term stands at the beginning of a group.
    for (first, len) in [("A", 0), ("aaaa", 20), ("aaaa", 70), ("aaaA", 70), ("aaaa", 200)] {
        for lead in 0..70 {
            let text = format!("{} {}ICBGYWxjb24g", ".".repeat(lead), first.repeat(len));
            let found = whole(&rules, &text);
            assert_eq!(found.len(), 1, "{text}");
            let (mut scanner, mut streamed) = (rules.stream(), Vec::new());
            scanner.push(&text, &mut streamed);
            scanner.finish(&mut streamed);
            assert_eq!(sorted(streamed), found);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_chunking_gives_the_violations_of_the_whole(text in texts(), sizes in proptest::collection::vec(1usize..7, 1..40)) {
        let rules = sample();
        let expected = whole(&rules, &text);
        let chars: Vec<char> = text.chars().collect();
        let (mut scanner, mut found, mut safe) = (rules.stream(), Vec::new(), Vec::new());
        let (mut at, mut sizes) = (0, sizes.iter().cycle());
        while at < chars.len() {
            let end = (at + sizes.next().unwrap()).min(chars.len());
            let piece: String = chars[at..end].iter().collect();
            scanner.push(&piece, &mut found);
            safe.push((scanner.safe(), found.len()));
            at = end;
        }
        scanner.finish(&mut found);
        let ends_safe = scanner.safe();
        prop_assert_eq!(scanner.pushed() as usize, text.len());
        let first = expected.iter().map(|v| v.span.start as u64).min().unwrap_or(text.len() as u64);
        prop_assert_eq!(ends_safe, first);
        let mut last = 0;
        for (safe, _) in safe {
            prop_assert!(safe <= first, "let out {safe}, first violation at {first}");
            prop_assert!(safe >= last && text.is_char_boundary(safe as usize));
            last = safe;
        }
        prop_assert_eq!(sorted(found), expected);
    }

    #[test]
    fn spans_are_on_character_boundaries_and_nothing_panics(text in "[\\s\\S]{0,60}") {
        for violation in whole(&sample(), &text) {
            prop_assert!(text.get(violation.span.clone()).is_some());
        }
    }
}
