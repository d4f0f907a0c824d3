//! Patterns and packs: what they find, what they leave alone, whole and streamed.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use proptest::prelude::*;
use zos_rules::{
    Evasion, Evasions, Pack, PackName, Pattern, Room, RoomRules, RuleKind, RuleSpec, Ruleset, Term, Violation,
};

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

/// The text of a line of a corpus, and the type that must find it where it says so.
fn line_of(line: &str) -> (Option<&str>, &str) {
    line.split_once('\t').map_or((None, line), |(kind, text)| (Some(kind), text))
}

/// Runs one pack over its corpus.
#[track_caller]
fn check(pack: PackName, find: &str, ignore: &str) {
    assert!(find.lines().count() >= 60 && ignore.lines().count() >= 60, "the corpus is too small");
    let rules = rules(vec![RuleKind::Pack(pack.into())]);
    let is_missed = |line: &&str| {
        let (kind, text) = line_of(line);
        let found = explained(&rules, text);
        let wanted = kind.map(|kind| format!("{}/{kind}", pack.name()));
        !found.iter().any(|(detector, ..)| wanted.as_ref().is_none_or(|wanted| wanted == detector))
    };
    let missed: Vec<&str> = find.lines().filter(is_missed).collect();
    let wrong: Vec<_> = ignore
        .lines()
        .filter(|line| !whole(&rules, line).is_empty())
        .map(|line| (line, explained(&rules, line)))
        .collect();
    assert!(missed.is_empty() && wrong.is_empty(), "missed: {missed:#?}\nfound wrongly: {wrong:#?}");
    for line in find.lines().chain(ignore.lines()).map(|line| line_of(line).1) {
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

/// What is found in a text, as detector, text and disguise.
fn explained(rules: &RoomRules, text: &str) -> Vec<(String, String, Option<Evasion>)> {
    let mut found = Vec::new();
    rules.scan(text, &mut found);
    let detector = |violation: &Violation| violation.detector.as_deref().unwrap_or_default().to_owned();
    found.into_iter().map(|v| (detector(&v), text[v.span].to_owned(), v.evasion)).collect()
}

#[test]
fn a_violation_says_which_detector_found_it() {
    let rules = rules(vec![RuleKind::Pack(PackName::Secrets.into()), pattern("ACME-[0-9]{6}", None)]);
    let found = explained(&rules, "ghp_gLKOmxgJTeKdNnFRIBXuDL7DxtpYlSXpfKtH and ACME-123456");
    assert_eq!(found[0].0, "secrets/github-token");
    assert_eq!((found[1].0.as_str(), found[1].1.as_str()), ("", "ACME-123456"));
}

#[test]
fn a_pack_looks_for_what_is_chosen_of_it() {
    let pack = Pack::builtin(PackName::Pii).only(&["phone"]).unwrap();
    let rules = rules(vec![RuleKind::Pack(pack)]);
    let found = explained(&rules, "maria@acme-corp.io, +49 30 901820, SSN 536-90-4399");
    assert_eq!(found, [("pii/phone-international".to_owned(), "+49 30 901820".to_owned(), None)]);
}

#[test]
fn what_a_pack_looks_for_is_found_in_disguise() {
    let rules = rules(vec![
        RuleKind::Pack(PackName::Secrets.into()),
        RuleKind::Pack(PackName::Pii.into()),
        RuleKind::Pack(PackName::Payment.into()),
        pattern("ACME-[0-9]{6}", None),
    ]);
    for (text, detector, span, evasion) in [
        ("to maria%40acme-corp.io now", "pii/email", "maria%40acme-corp.io", Some(Evasion::Percent)),
        ("to maria%2540acme-corp.io now", "pii/email", "maria%2540acme-corp.io", Some(Evasion::Percent)),
        ("to maria&#64;acme-corp.io now", "pii/email", "maria&#64;acme-corp.io", Some(Evasion::Entities)),
        ("to maria\\u0040acme-corp.io now", "pii/email", "maria\\u0040acme-corp.io", Some(Evasion::Escapes)),
        ("to %6d%61ria@acme-corp.io now", "pii/email", "%6d%61ria@acme-corp.io", Some(Evasion::Percent)),
        ("pay 4111\u{200B} 1111 1111 1111", "payment/card", "4111\u{200B} 1111 1111 1111", None),
        ("pay ４１１１ 1111 1111 1111", "payment/card", "４１１１ 1111 1111 1111", None),
        ("call +49\u{A0}30\u{202F}901820", "pii/phone-international", "+49\u{A0}30\u{202F}901820", None),
        ("call 415–867–5309", "pii/phone-us", "415–867–5309", None),
        ("see ACME%2D123456", "", "ACME%2D123456", Some(Evasion::Percent)),
        ("see QUNNRS0xMjM0NTY=", "", "QUNNRS0xMjM0NTY", Some(Evasion::Base64)),
        ("see 41434d452d313233343536", "", "41434d452d313233343536", Some(Evasion::Hex)),
        (
            "Z2hwX2dMS09teGdKVGVLZE5uRlJJQlh1REw3RHh0cFlsU1hwZkt0SA==",
            "secrets/github-token",
            "Z2hwX2dMS09teGdKVGVLZE5uRlJJQlh1REw3RHh0cFlsU1hwZkt0SA==",
            Some(Evasion::Base64),
        ),
        (
            "WjJod1gyZE1TMDl0ZUdkS1ZHVkxaRTV1UmxKSlFsaDFSRXczUkhoMGNGbHNVMWh3Wmt0MFNBPT0=",
            "secrets/github-token",
            "WjJod1gyZE1TMDl0ZUdkS1ZHVkxaRTV1UmxKSlFsaDFSRXczUkhoMGNGbHNVMWh3Wmt0MFNBPT0=",
            Some(Evasion::Base64),
        ),
    ] {
        let found = explained(&rules, text);
        let is_expected = |(by, bytes, how): &(String, String, Option<Evasion>)| {
            by == detector && how == &evasion && span.trim_end_matches('=').starts_with(bytes)
        };
        assert!(found.iter().any(is_expected), "{text}: {found:?}");
    }
    let off = RuleSpec { evasions: Evasions::NONE, ..RuleSpec::new("rule", pattern("ACME-[0-9]{6}", None)) };
    let rules = Arc::new(Ruleset::compile(&[Room { name: "room".to_owned(), rules: vec![off] }]).unwrap());
    let rules = rules.room("room").unwrap();
    assert_eq!(whole(&rules, "ACME%2D123456 QUNNRS0xMjM0NTY="), []);
    assert_eq!(whole(&rules, "ACME\u{AD}-123456").len(), 1, "what cannot be seen is no disguise");
}

#[test]
fn examples_are_told_and_act_where_they_count() {
    for (pack, lines) in [
        (PackName::Pii, include_str!("../corpus/pii/examples.txt")),
        (PackName::Secrets, include_str!("../corpus/secrets/examples.txt")),
        (PackName::Health, include_str!("../corpus/health/examples.txt")),
    ] {
        let ignoring = rules(vec![RuleKind::Pack(pack.into())]);
        let counting = rules(vec![RuleKind::Pack(Pack::builtin(pack).counting_examples())]);
        for line in lines.lines() {
            let (mut found, mut examples) = (Vec::new(), Vec::new());
            ignoring.scan_with_examples(line, &mut found, &mut examples);
            assert!(found.is_empty() && !examples.is_empty(), "{line}: {found:?} {examples:?}");
            assert_eq!(streamed(&ignoring, line, 1), [], "{line}");
            let (mut counted, mut left) = (Vec::new(), Vec::new());
            counting.scan_with_examples(line, &mut counted, &mut left);
            let spans = |list: &[Violation]| list.iter().map(|one| one.span.clone()).collect::<Vec<_>>();
            assert_eq!((spans(&counted), left.len()), (spans(&examples), 0), "{line}");
        }
    }
}

/// A key of so many lines, each behind what `prefix` makes of its number, and ended or not.
fn key(kind: &str, headers: &str, lines: usize, prefix: &dyn Fn(usize) -> String, end: &str) -> String {
    let line =
        |number: usize| format!("{:x<8}Qk9PbVdxT3pGVHlIbUpLc0xlWnJ5Q3hOd0FpRXVTZ0tqWDdiMlA{:04}", "", number);
    let body: Vec<String> = (1..=lines).map(line).collect();
    let all = format!("-----BEGIN {kind}-----\n{headers}{}\n{end}", body.join("\n"));
    let lines = all.split('\n').enumerate().map(|(number, line)| format!("{}{line}", prefix(number + 1)));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_private_key_is_found_whole_or_said_to_go_on() {
    let rules = rules(vec![RuleKind::Pack(Pack::builtin(PackName::Secrets).only(&["private-key"]).unwrap())]);
    let prefixes: [&dyn Fn(usize) -> String; 9] = [
        &|_| String::new(),
        &|number| format!("{number:6}\t"),
        &|number| format!("{number:6}→"),
        &|_| "> ".to_owned(),
        &|_| "# ".to_owned(),
        &|number| format!("certs/server.key-{number}-"),
        &|_| "web-1  | 2026-12-01T00:00:00.000000001Z ".to_owned(),
        &|_| "  \"".to_owned(),
        &|_| "\r".to_owned(),
    ];
    for (kind, headers) in [
        (
            "RSA PRIVATE KEY",
            "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A1B2C3D4E5F60718293A4B5C6D7E8F9\n\n",
        ),
        ("PGP PRIVATE KEY BLOCK", "Version: GnuPG v2\nComment: of the build server\n\n"),
        ("OPENSSH PRIVATE KEY", ""),
    ] {
        for prefix in prefixes {
            for lines in [1, 12, 110, 400] {
                let ended = key(kind, headers, lines, prefix, &format!("-----END {kind}-----"));
                let text = format!("see {ended} and Project X");
                let mut found = Vec::new();
                rules.scan(&text, &mut found);
                let start = text.find("-----BEGIN").unwrap();
                let end = text.find(" and Project").unwrap();
                assert_eq!(found.len(), 1, "{kind} {lines}");
                assert_eq!((found[0].span.clone(), found[0].is_whole), (start..end, true), "{kind} {lines}");

                let cut = key(kind, headers, lines, prefix, "");
                found.clear();
                rules.scan(&cut, &mut found);
                assert!(found.iter().all(|found| !found.is_whole) && !found.is_empty(), "{kind} {lines}");
                if lines < 13 {
                    assert_eq!(streamed(&rules, &text, 3), whole(&rules, &text));
                    assert_eq!(streamed(&rules, &cut, 7), whole(&rules, &cut));
                }
            }
        }
    }
}

#[test]
fn a_key_in_one_line_and_in_base64_is_found_whole() {
    use base64::Engine as _;
    let rules = rules(vec![RuleKind::Pack(Pack::builtin(PackName::Secrets).only(&["private-key"]).unwrap())]);
    let pem = key("PRIVATE KEY", "", 20, &|_| String::new(), "-----END PRIVATE KEY-----\n");
    let literal = format!("k = \"{}\" + x", pem.replace('\n', "\\n"));
    let encoded = base64::engine::general_purpose::STANDARD.encode(&pem);
    for text in [literal, encoded] {
        let mut found = Vec::new();
        rules.scan(&text, &mut found);
        assert!(!found.is_empty() && found.iter().all(|found| found.is_whole), "{text}");
        let last = text.find("END PRIVATE").unwrap_or(text.len() - 12);
        assert!(found.iter().any(|found| found.span.end > last), "{text}");
    }
}

#[test]
fn what_stands_side_by_side_is_found_apart() {
    let rules = rules(vec![RuleKind::Pack(PackName::Payment.into()), RuleKind::Pack(PackName::Pii.into())]);
    for (one, other) in [
        ("4836209915906001", "5148829369122886"),
        ("4836 2099 1590 6001", "3470 933302 92506"),
        ("401-55-8123", "219-44-8210"),
        ("212-736-5000", "312-736-5000"),
        ("kim@werk.io", "lee@werk.io"),
    ] {
        for between in [",", ";", "\t", "|", ", ", "\",\"", "\n", ":"] {
            let text = format!("{one}{between}{other}");
            let found: Vec<String> =
                whole(&rules, &text).into_iter().map(|(_, span)| text[span].to_owned()).collect();
            assert!(
                found.contains(&one.to_owned()) && found.contains(&other.to_owned()),
                "{text}: {found:?}"
            );
        }
    }
}

fn everything() -> &'static RoomRules {
    static RULES: std::sync::OnceLock<RoomRules> = std::sync::OnceLock::new();
    RULES.get_or_init(|| {
        let mut kinds: Vec<RuleKind> = PackName::ALL.map(|pack| RuleKind::Pack(pack.into())).to_vec();
        kinds.push(pattern("a[ab]*c", Some(6)));
        kinds.push(RuleKind::Term(Term::new("Falcon").unwrap()));
        rules(kinds)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_chunking_gives_the_violations_of_the_whole(
        pieces in proptest::collection::vec(prop_oneof![
            3 => "[abc]{0,9}",
            2 => proptest::sample::select(include_str!("../corpus/pii/find.txt").lines().collect::<Vec<_>>()).prop_map(str::to_owned),
            2 => proptest::sample::select(include_str!("../corpus/secrets/find.txt").lines().collect::<Vec<_>>()).prop_map(str::to_owned),
            1 => proptest::sample::select(include_str!("../corpus/payment/find.txt").lines().collect::<Vec<_>>()).prop_map(str::to_owned),
            1 => proptest::sample::select(vec!["-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49", "kim@example.com", "password: "]).prop_map(str::to_owned),
            // Text without digits and signs is passed over.
            1 => "[A-Za-z ]{50,200}",
            1 => "[a-z .]{1,90}[0-9@~:=]",
            2 => proptest::sample::select(vec!["Falcon", " ", "é", "@", "a.de", "4111 1111 ", "ssn ", "-", "sk-", "漢", "%40", "%2540", "&#64;", "\\u0040", "\\\\", "%", "&", "\u{200B}", "\u{A0}", "１", "４", "–", "\u{1}", "\n",
                "YUBi", "bWFyaWEuZ29uemFsZXpAYWNtZS1jb3JwLmlv", "YldGeWFXRXVaMjl1ZW1Gc1pYcEFZV050WlM1cGJ3PT0=", "6d6172696140612e6465", "4111 1111 1111 1111"]).prop_map(str::to_owned),
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
