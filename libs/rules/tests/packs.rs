//! Patterns and packs: what they find, what they leave alone, whole and streamed.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use proptest::prelude::*;
use zos_rules::{PackName, Pattern, Room, RoomRules, RuleKind, RuleSpec, Ruleset, Term};

fn rules(kinds: Vec<RuleKind>) -> RoomRules {
    let rules = kinds.into_iter().map(|kind| RuleSpec::new("rule", kind)).collect();
    Arc::new(Ruleset::compile(&[Room { name: "room".to_owned(), rules }]).unwrap()).room("room").unwrap()
}

fn pattern(source: &str, max_len: Option<usize>) -> RuleKind {
    RuleKind::Pattern(Pattern::new(source, max_len).unwrap())
}

type Spans = Vec<(usize, std::ops::Range<usize>)>;

fn whole(rules: &RoomRules, text: &str) -> Spans {
    let mut found = Vec::new();
    rules.scan(text, &mut found);
    found.into_iter().map(|violation| (violation.rule, violation.span)).collect()
}

/// Scans in pieces of `size` characters; checks that nothing of a violation was let out.
fn streamed(rules: &RoomRules, text: &str, size: usize) -> Spans {
    let chars: Vec<char> = text.chars().collect();
    let (mut scanner, mut found, mut safe) = (rules.stream(), Vec::new(), Vec::new());
    for piece in chars.chunks(size) {
        scanner.push(&piece.iter().collect::<String>(), &mut found);
        safe.push(scanner.safe());
    }
    scanner.finish(&mut found);
    found.sort_by_key(|v| (v.span.start, v.span.end, v.rule));
    if let Some(first) = found.first() {
        assert!(safe.iter().all(|safe| *safe <= first.span.start), "{text:?}");
        assert_eq!(scanner.safe(), first.span.start);
    } else {
        assert_eq!(scanner.safe(), text.len() as u64);
    }
    found.into_iter().map(|v| (v.rule, v.span.start as usize..v.span.end as usize)).collect()
}

#[test]
fn a_pattern_finds_its_longest_matches_one_after_the_other() {
    let rules = rules(vec![pattern(r"ACME-[0-9]{2,6}", None), pattern(r"\bid[a-z]*\b", Some(8))]);
    assert_eq!(whole(&rules, "ACME-123456789 xACME-12"), [(0, 0..11), (0, 16..23)]);
    assert_eq!(whole(&rules, "id idea, identity identityless aid"), [(1, 0..2), (1, 3..7), (1, 9..17)]);
    for size in 1..5 {
        assert_eq!(streamed(&rules, "ACME-123456789 xACME-12", size), [(0, 0..11), (0, 16..23)]);
    }
}

#[test]
fn a_pattern_is_held_only_while_it_may_still_match() {
    let rules = rules(vec![pattern(r"ACME-[0-9]{6}", None)]);
    let (mut scanner, mut found) = (rules.stream(), Vec::new());
    for (piece, safe) in [("see AC", 4), ("ME", 4), ("-12", 4), ("x A", 13), ("B", 15), (" ACME-123456", 16)]
    {
        scanner.push(piece, &mut found);
        assert_eq!(scanner.safe(), safe, "{piece}");
    }
    scanner.finish(&mut found);
    assert_eq!((found.len(), scanner.safe()), (1, 16));
}

#[test]
fn nothing_matches_across_a_boundary() {
    let rules = rules(vec![pattern(r"ab", None)]);
    let (mut scanner, mut found) = (rules.stream(), Vec::new());
    scanner.push("a", &mut found);
    scanner.boundary(&mut found);
    scanner.push("b", &mut found);
    scanner.finish(&mut found);
    assert_eq!(found, []);
}

/// Runs one pack over its corpus.
#[track_caller]
fn check(pack: PackName, find: &str, ignore: &str) {
    let rules = rules(vec![RuleKind::Pack(pack)]);
    let missed: Vec<&str> = find.lines().filter(|line| whole(&rules, line).is_empty()).collect();
    let wrong: Vec<&str> = ignore.lines().filter(|line| !whole(&rules, line).is_empty()).collect();
    assert!(missed.is_empty() && wrong.is_empty(), "missed: {missed:#?}\nfound wrongly: {wrong:#?}");
    for line in find.lines().chain(ignore.lines()) {
        assert_eq!(streamed(&rules, line, 1), whole(&rules, line), "{line}");
        let inside = format!("Note: {line} and so on.");
        assert_eq!(whole(&rules, &inside).is_empty(), whole(&rules, line).is_empty(), "{inside}");
    }
}

macro_rules! pack {
    ($name:ident, $pack:expr, $folder:literal) => {
        #[test]
        fn $name() {
            check(
                $pack,
                include_str!(concat!("../corpus/", $folder, "/find.txt")),
                include_str!(concat!("../corpus/", $folder, "/ignore.txt")),
            );
        }
    };
}

pack!(secrets_are_found_and_look_alikes_are_not, PackName::Secrets, "secrets");
pack!(payment_details_are_found_and_look_alikes_are_not, PackName::Payment, "payment");
pack!(personal_details_are_found_and_look_alikes_are_not, PackName::Pii, "pii");
pack!(health_identifiers_are_found_and_look_alikes_are_not, PackName::Health, "health");

fn everything() -> &'static RoomRules {
    static RULES: std::sync::OnceLock<RoomRules> = std::sync::OnceLock::new();
    RULES.get_or_init(|| {
        let mut kinds: Vec<RuleKind> = PackName::ALL.map(RuleKind::Pack).to_vec();
        kinds.push(pattern("a[ab]*c", Some(6)));
        kinds.push(RuleKind::Term(Term::new("Falcon").unwrap()));
        rules(kinds)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_chunking_gives_the_violations_of_the_whole(
        pieces in proptest::collection::vec(prop_oneof![
            3 => "[abc]{0,9}",
            2 => proptest::sample::select(include_str!("../corpus/pii/find.txt").lines().collect::<Vec<_>>()).prop_map(str::to_owned),
            2 => proptest::sample::select(include_str!("../corpus/secrets/find.txt").lines().collect::<Vec<_>>()).prop_map(str::to_owned),
            // Text without digits and signs is passed over.
            1 => "[A-Za-z ]{50,200}",
            1 => "[a-z .]{1,90}[0-9@~:=]",
            2 => proptest::sample::select(vec!["Falcon", " ", "é", "@", "a.de", "4111 1111 ", "ssn ", "-", "sk-", "漢"]).prop_map(str::to_owned),
            1 => any::<char>().prop_map(String::from),
        ], 0..8),
        size in 1usize..9,
    ) {
        let text = pieces.concat();
        let found = whole(everything(), &text);
        prop_assert_eq!(streamed(everything(), &text, size), found.clone());
        for (_, span) in found {
            prop_assert!(text.get(span).is_some());
        }
    }
}
