//! The two readers of encodings find the same, and a whole text costs a bounded number of decoded bytes.

use std::sync::{Arc, LazyLock};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;

use crate::rule::{Room, RuleKind, RuleSpec, Term};
use crate::{Pattern, RoomRules, Ruleset, work};

fn rules(kinds: Vec<RuleKind>) -> RoomRules {
    let specs = kinds.into_iter().map(|kind| RuleSpec::new("rule", kind)).collect();
    let room = Room { name: "room".to_owned(), rules: specs };
    Arc::new(Ruleset::compile(&[room]).unwrap()).room("room").unwrap()
}

fn words(words: &[&str]) -> Vec<RuleKind> {
    words.iter().map(|word| RuleKind::Term(Term::new(word).unwrap())).collect()
}

static LATIN: LazyLock<RoomRules> =
    LazyLock::new(|| rules(words(&["Kestrel", "ab cd", "Osprey Nest", "effig", "4711", "%abc", "a-b c-d"])));

static FOREIGN: LazyLock<RoomRules> =
    LazyLock::new(|| rules(words(&["Kestrel", "Überraschung", "Сокол", "隼が飛ぶ"])));

static PATTERNS: LazyLock<RoomRules> = LazyLock::new(|| {
    let pattern = |source: &str| RuleKind::Pattern(Pattern::new(source, None).unwrap());
    rules([words(&["Kestrel"]), vec![pattern("[0-9]{3}"), pattern(r"\bkey-[a-z]{4}\b")]].concat())
});

static PACKS: LazyLock<RoomRules> = LazyLock::new(|| {
    let packs = crate::PackName::ALL.map(|pack| RuleKind::Pack(pack.into()));
    rules([words(&["Kestrel"]), packs.to_vec()].concat())
});

/// Rule, first byte and end of everything that is found.
type Places = Vec<(usize, u64, u64)>;

fn whole(rules: &RoomRules, text: &str) -> Places {
    let mut found = Vec::new();
    rules.scan(text, &mut found);
    let mut places: Places =
        found.into_iter().map(|v| (v.rule, v.span.start as u64, v.span.end as u64)).collect();
    places.sort_unstable();
    places
}

fn streamed(rules: &RoomRules, text: &str) -> Places {
    let (mut scanner, mut found) = (rules.stream(), Vec::new());
    scanner.push(text, &mut found);
    scanner.finish(&mut found);
    let mut places: Places = found.into_iter().map(|v| (v.rule, v.span.start, v.span.end)).collect();
    places.sort_unstable();
    places
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Encoded pieces of text and noise, beside each other, broken over lines, and one inside another.
fn texts() -> impl Strategy<Value = String> {
    let said = proptest::sample::select(vec![
        "the kestrel",
        "Kestrel!",
        "k e s t r e l",
        "KESTREL",
        "k3strel",
        "ke\u{1b}[1mstrel",
        "ke\u{3}strel",
        "k%65strel",
        "\\x6bestrel",
        "ab cd",
        "abcd",
        "ab-cd",
        "a\u{FB00}",
        "e\u{FB03}g",
        "e\u{FB00}ig",
        "osprey\nnest",
        "Osprey  Nest",
        "os<b>prey nest",
        "4711",
        "x4711y",
        "%abc",
        "a-b c-d",
        "Überraschung",
        "uberraschung",
        "сокол",
        "隼が飛ぶ",
        "кestrel",
        "key-abcd",
        "123",
        "12",
        "+1 415 555 0132",
        "jane@acme.org",
        "4111 1111 1111 1111",
        "ａｂ ｃｄ",
        "k\u{AD}estrel",
        "“ke” + “strel”",
        "\u{E006B}",
    ])
    .prop_map(|text| text.as_bytes().to_vec());
    let piece = prop_oneof![
        6 => said,
        2 => proptest::collection::vec(any::<u8>(), 0..24),
        1 => Just(b" kes".to_vec()),
        1 => Just(b"trel ".to_vec()),
    ];
    let bytes = || proptest::collection::vec(piece.clone(), 0..5).prop_map(|pieces| pieces.concat());
    let digits = move || {
        (bytes(), 0..6u8, 0..4usize).prop_map(|(bytes, way, lost)| {
            let text = match way {
                0..=2 => BASE64_STANDARD.encode(bytes),
                3 => hex(&bytes),
                4 => BASE64_STANDARD.encode(BASE64_STANDARD.encode(bytes)),
                _ => BASE64_STANDARD.encode(hex(&bytes)),
            };
            text[lost.min(text.len())..].to_owned()
        })
    };
    let broken = (digits(), 4..80usize, proptest::sample::select(vec!["\n", "\r\n", "\n    ", " "]))
        .prop_map(|(digits, width, between)| {
            let lines: Vec<&str> = (0..digits.len())
                .step_by(width)
                .map(|at| &digits[at..(at + width).min(digits.len())])
                .collect();
            lines.join(between)
        });
    let other = proptest::sample::select(vec![
        " ",
        "\n",
        "=",
        "==\n",
        "word",
        "notwithstanding",
        "Approximately",
        "/",
        "a",
        "A1",
        "é",
        "data:,",
    ]);
    let part = prop_oneof![4 => digits(), 2 => broken, 3 => other.prop_map(str::to_owned)];
    proptest::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn whole_texts_and_streams_find_the_same_in_encodings(text in texts()) {
        for rules in [&LATIN, &FOREIGN, &PATTERNS] {
            prop_assert_eq!(whole(rules, &text), streamed(rules, &text), "{}", text);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn packs_find_the_same_in_encodings(text in texts()) {
        prop_assert_eq!(whole(&PACKS, &text), streamed(&PACKS, &text), "{}", text);
    }
}

#[test]
fn long_words_hold_nothing_and_encoded_terms_are_found_at_any_alignment() {
    for word in ["Notwithstanding", "Approximately", "AmericanExpress", "HouseOfCommons"] {
        assert_eq!(whole(&LATIN, word), []);
    }
    for (rules, said) in [
        (&LATIN, "It was a kestrel"),
        (&LATIN, "It was osprey nest"),
        (&FOREIGN, "It was ÜBERRASCHUNG"),
        (&FOREIGN, "It was сокол!"),
    ] {
        for before in ["", "x", "xy", "xyz"] {
            let run = before.to_owned() + BASE64_STANDARD.encode(said).trim_end_matches('=');
            assert_eq!(whole(rules, &run).len(), 1, "{said} as {run}");
        }
    }
}

/// Each digit is decoded once for each alignment: four times six bits in base64, twice four in hexadecimal
/// digits, which are base64 as well, and once more over lines. What is decoded inside is less each time.
#[test]
fn no_text_is_decoded_more_than_a_bounded_number_of_times() {
    let noise: Vec<u8> = (0..6_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let base64 = BASE64_STANDARD.encode(&noise);
    let lines: String =
        base64.as_bytes().chunks(76).flat_map(|line| [line, b"\r\n"].concat()).map(char::from).collect();
    let prose = "It was a bright cold day in April, and the clocks were striking thirteen. ".repeat(80);
    let texts = [
        base64.clone(),
        lines,
        hex(&noise),
        BASE64_STANDARD.encode(&prose),
        BASE64_STANDARD.encode(BASE64_STANDARD.encode(&prose)),
        hex(base64.as_bytes()),
        "A".repeat(8_000),
        "deadbeef".repeat(1_000),
        "AAAAAAAAAAAAA\n".repeat(600),
        "AAAAAAAAAAAAA ".repeat(600),
        prose,
    ];
    for rules in [&LATIN, &FOREIGN, &PACKS] {
        for text in &texts {
            for part in [&text[..text.len() / 4], text] {
                work::reset();
                rules.scan(part, &mut Vec::new());
                let (decoded, bytes) = (work::decoded(), part.len() as u64);
                assert!(decoded <= 5 * bytes, "{decoded} bytes decoded of {bytes}: {}…", &part[..40]);
            }
        }
    }
}
