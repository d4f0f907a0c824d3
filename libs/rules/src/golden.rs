//! Finds of all packs in a corpus that is generated, compared with finds that are stored.
//!
//! The corpus has samples of every expression of every pack, drawn from the expression itself, between words that
//! the checks ask for; numbers in all forms in which lists, tables and logs have them; and both glued together. A
//! change that is meant to be about speed leaves `tests/golden/finds.txt` as it is. After a change of what is found,
//! `WRITE_GOLDEN=1 cargo nextest run -p zos-rules golden` writes it anew, and the difference is to be read.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use regex_syntax::hir::{Class, Hir, HirKind};

use crate::pattern::runs::{Check, Runs, Watches};
use crate::{Pack, PackName, Pattern, Room, RoomRules, RuleKind, RuleSpec, Ruleset, Term, Violation};

/// The same numbers on every machine (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut number = self.0;
        number = (number ^ number >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        number = (number ^ number >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        number ^ number >> 31
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    fn digits(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(b'0' + self.below(10) as u8)).collect()
    }
}

/// Words that checks look for before a find, and ones that nothing looks for.
const WORDS: [&str; 56] = [
    "ssn ",
    "card ",
    "iban ",
    "konto ",
    "routing ",
    "sort code ",
    "steuer-id ",
    "bsn ",
    "pesel: ",
    "insz ",
    "personnummer ",
    "cpr ",
    "nif ",
    "nhs number ",
    "fnr ",
    "ppsn ",
    "svnr ",
    "cnp ",
    "egn ",
    "oib ",
    "isikukood ",
    "amka ",
    "matricule ",
    "passport no ",
    "tel. ",
    "phone: ",
    "mobile +",
    "fax 0",
    "call 0",
    "T: ",
    "mrn ",
    "patient id ",
    "member id ",
    "policy number ",
    "account no ",
    "born ",
    "dob: ",
    "zip ",
    "serial number ",
    "mysql ",
    "docker login ",
    "the ",
    "and so on ",
    "\n",
    ", ",
    "\"",
    "=",
    ": ",
    "x",
    "-",
    "/",
    "é",
    "漢",
    "",
    "",
    " ",
];

const AFTER: [&str; 16] =
    [" ", ".", ",", "\n", "\"", ";", ")", " and", "x", "-", "/", "é", "漢", "", "\t", " the rest of it"];

/// A text that an expression matches, looks apart.
fn sample(hir: &Hir, numbers: &mut Numbers, text: &mut Vec<u8>) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.extend(&literal.0),
        HirKind::Class(Class::Unicode(class)) => {
            let ranges = class.ranges();
            // Most classes of all scripts are meant for ASCII.
            let range = ranges[if numbers.below(4) > 0 { 0 } else { numbers.below(ranges.len()) }];
            let range = if ranges.iter().all(|range| range.end().is_ascii()) {
                ranges[numbers.below(ranges.len())]
            } else {
                range
            };
            let (first, last) = (u32::from(range.start()), u32::from(range.end()));
            let code = first + numbers.below((last - first + 1) as usize) as u32;
            text.extend(char::from_u32(code).unwrap_or('é').encode_utf8(&mut [0; 4]).bytes());
        }
        HirKind::Class(Class::Bytes(class)) => {
            let range = class.ranges()[numbers.below(class.ranges().len())];
            text.push(range.start() + numbers.below(usize::from(range.end() - range.start()) + 1) as u8);
        }
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(repetition.min + 6).min(repetition.min + 12);
            let count = repetition.min + numbers.below((most - repetition.min + 1) as usize) as u32;
            (0..count).for_each(|_| sample(&repetition.sub, numbers, text));
        }
        HirKind::Capture(capture) => sample(&capture.sub, numbers, text),
        HirKind::Concat(parts) => parts.iter().for_each(|part| sample(part, numbers, text)),
        HirKind::Alternation(parts) => sample(&parts[numbers.below(parts.len())], numbers, text),
    }
}

/// Numbers as lists, tables, logs, addresses and dates have them.
fn number(numbers: &mut Numbers) -> String {
    let groups = |numbers: &mut Numbers, counts: &[usize], separators: &[&str]| {
        let separator = separators[numbers.below(separators.len())].to_owned();
        counts.iter().map(|count| numbers.digits(*count)).collect::<Vec<_>>().join(&separator)
    };
    match numbers.below(15) {
        0 => format!("{}.{}", numbers.below(1000), numbers.digits(6)),
        1 => format!("-0.{}e-{}", numbers.digits(16), numbers.below(20)),
        2 => format!(
            "{}.{}.{}.{}",
            numbers.below(300),
            numbers.below(300),
            numbers.below(300),
            numbers.below(300)
        ),
        3 => format!(
            "20{}-0{}-1{}T1{}:{}:{}.{}Z",
            numbers.digits(2),
            1 + numbers.below(9),
            numbers.below(10),
            numbers.below(10),
            numbers.digits(2),
            numbers.digits(2),
            numbers.digits(3)
        ),
        4 => {
            let count = 3 + numbers.below(18);
            numbers.digits(count)
        }
        5 => groups(numbers, &[4, 4, 4, 4], &["", " ", "-", "."]),
        6 => groups(numbers, &[3, 2, 4], &["", " ", "-"]),
        7 => groups(numbers, &[3, 3, 4], &[" ", "-", ".", ") "]),
        8 => format!("+{}", groups(numbers, &[2, 3, 4, 4], &[" ", "-", ""])),
        9 => groups(numbers, &[2, 2, 4], &[".", "/", "-"]),
        10 => groups(numbers, &[6, 4], &["-", "+", "/", " "]),
        11 => (0..8)
            .map(|_| format!("{}", numbers.below(256)))
            .collect::<Vec<_>>()
            .join(numbers.pick(&[",", ", ", "\t", ";"])),
        12 => card(numbers),
        13 => account(numbers),
        _ => format!("{:016x}", numbers.next()),
    }
}

/// A card number of sixteen digits with a Luhn digit.
fn card(numbers: &mut Numbers) -> String {
    let body = format!("4{}", numbers.digits(14));
    let last = (0..10).map(|digit| format!("{body}{digit}"));
    let whole = last.into_iter().find(|number| crate::checks::luhn(&crate::checks::digits(number)));
    let whole = whole.unwrap();
    let separator = numbers.pick(&["", " ", "-"]);
    [&whole[..4], &whole[4..8], &whole[8..12], &whole[12..]].join(separator)
}

/// A German account number (IBAN) with its check digits.
fn account(numbers: &mut Numbers) -> String {
    let body = numbers.digits(18);
    let rest = crate::checks::remainder(crate::checks::digits(&format!("{body}131400")), 97);
    format!("DE{:02}{body}", 98 - rest)
}

/// The texts of the corpus, each with a name. `times` is how many samples each expression has.
fn corpus(times: usize) -> Vec<(String, String)> {
    let mut numbers = Numbers(times as u64);
    let mut texts = Vec::new();
    let mut glued = String::new();
    for pack in PackName::ALL {
        for detector in crate::detectors::sources(pack) {
            let hir = regex_syntax::parse(detector.1).unwrap();
            let mut text = String::new();
            for _ in 0..times {
                let mut bytes = Vec::new();
                sample(&hir, &mut numbers, &mut bytes);
                let matched = String::from_utf8(bytes).unwrap();
                let (before, after) = (numbers.pick(&WORDS).to_owned(), numbers.pick(&AFTER));
                write!(text, "{before}{matched}{after}\n\n").unwrap();
                if numbers.below(3) == 0 {
                    write!(glued, "{before}{matched}{after}{}", numbers.pick(&["", " ", "\n", ","])).unwrap();
                }
                if numbers.below(3) == 0 {
                    let cut =
                        (0..=numbers.below(matched.len() + 1)).rev().find(|at| matched.is_char_boundary(*at));
                    glued.push_str(&matched[..cut.unwrap_or(0)]);
                }
            }
            texts.push((format!("{}/{}", pack.name(), detector.0), text));
        }
    }
    texts.push(("glued".to_owned(), glued));
    let mut listed = String::new();
    for _ in 0..300 * times {
        let (before, after) = (numbers.pick(&WORDS).to_owned(), numbers.pick(&AFTER));
        write!(listed, "{before}{}{after}", number(&mut numbers)).unwrap();
    }
    texts.push(("numbers".to_owned(), listed));
    let rows = (0..100 * times).map(|_| (0..6).map(|_| number(&mut numbers)).collect::<Vec<_>>().join(","));
    texts.push(("rows".to_owned(), rows.collect::<Vec<_>>().join("\n")));
    texts
}

fn everything() -> RoomRules {
    let mut kinds: Vec<RuleKind> = PackName::ALL.map(|pack| RuleKind::Pack(Pack::builtin(pack))).to_vec();
    kinds.push(RuleKind::Pattern(Pattern::new("[a-f]{2}[0-9]{1,9}x?", None).unwrap()));
    kinds.push(RuleKind::Term(Term::new("the rest").unwrap()));
    let rules = kinds.into_iter().map(|kind| RuleSpec::new("rule", kind)).collect();
    Arc::new(Ruleset::compile(&[Room { name: "room".to_owned(), rules }]).unwrap()).room("room").unwrap()
}

/// One line for each find: where, what, its bytes.
fn finds(rules: &RoomRules, times: usize) -> String {
    let mut lines = String::new();
    for (name, text) in corpus(times) {
        let (mut found, mut examples) = (Vec::new(), Vec::new());
        rules.scan_with_examples(&text, &mut found, &mut examples);
        let mut tell = |mark: &str, found: &Violation| {
            let by = found.detector.as_deref().unwrap_or("-");
            let (rule, span, whole) = (found.rule, found.span.clone(), found.is_whole);
            let evasion = found.evasion.map_or("plain", |evasion| evasion.name());
            let bytes = &text[span.clone()];
            writeln!(lines, "{name} {span:?} {mark} {rule} {by} {whole} {evasion} {bytes:?}").unwrap();
        };
        found.iter().for_each(|found| tell("found", found));
        examples.iter().for_each(|found| tell("example", found));
    }
    lines
}

/// For each text, how many matches the expressions have before any check, and a hash of them.
fn matches(times: usize) -> String {
    let mut watches: Vec<_> =
        PackName::ALL.iter().flat_map(|pack| Pack::builtin(*pack).watches(0).collect::<Vec<_>>()).collect();
    for watch in &mut watches {
        watch.check = Check::None;
        (watch.block, watch.cue) = (None, None);
    }
    let watches = Watches::new(watches);
    let mut lines = String::new();
    for (name, text) in corpus(times) {
        let (mut runs, mut matched) = (Runs::default(), Vec::new());
        runs.read(&watches, &text, 0, 0, &mut matched);
        runs.end(&watches, &text, 0, &mut matched);
        matched.sort_by_key(|(watch, span)| (span.start, span.end, *watch));
        let mut hash = 0xCBF2_9CE4_8422_2325u64;
        for byte in format!("{matched:?}").bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
        writeln!(lines, "{name} {} matches {hash:016x}", matched.len()).unwrap();
    }
    lines
}

#[test]
fn what_is_found_in_a_golden_corpus_stays_the_same() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/finds.txt");
    let found = finds(&everything(), 2) + &matches(6);
    if std::env::var_os("WRITE_GOLDEN").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap();
    let differs = found.lines().zip(stored.lines()).find(|(found, stored)| found != stored);
    assert_eq!(differs, None, "found, stored");
    assert_eq!(found.lines().count(), stored.lines().count());
    let packs = PackName::ALL.map(|pack| stored.matches(&format!(" {}/", pack.name())).count());
    assert!(packs.iter().all(|finds| *finds > 40), "{packs:?}: the corpus says too little");
}
