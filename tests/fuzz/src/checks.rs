//! What must hold for any bytes, one function for each reader of foreign bytes. The fuzz targets call them
//! with what the fuzzer invents; a test of the house calls them with the committed corpus.
//!
//! The first bytes of an input choose (a face, how the rest is cut); the rest is what is read.

use serde::de::IgnoredAny;
use std::sync::{Arc, LazyLock};
use zos_core::Environment;
use zos_core::context::parse_context;
use zos_core::fleet::parse_fleet;
use zos_gateway::fuzzing;
use zos_rules::{
    Evasions, PackName, Pattern, Room, RuleKind, RuleSpec, Ruleset, StreamViolation, Term, Violation,
};

/// Terms that share beginnings, hold separators, and are short or in other scripts.
const TERMS: [&str; 8] = ["Falcon", "Project Falcon", "Ann", "a b a b c", "Вода", "C++", "4711", "プロ"];

fn room(rules: Vec<RuleSpec>) -> Arc<Ruleset> {
    Arc::new(Ruleset::compile(&[Room { name: "acme".to_owned(), rules }]).expect("the rules are few"))
}

fn term(text: &str) -> RuleSpec {
    RuleSpec::new("deny", RuleKind::Term(Term::new(text).expect("it has letters")))
}

/// Terms alone: for streams and for whole texts.
static WORDS: LazyLock<Arc<Ruleset>> = LazyLock::new(|| room(TERMS.map(term).to_vec()));

/// The same terms as they are written, to look for them in what was let out.
static PLAIN: LazyLock<Arc<Ruleset>> =
    LazyLock::new(|| room(TERMS.map(|text| RuleSpec { evasions: Evasions::NONE, ..term(text) }).to_vec()));

/// Terms, a pattern and every pack.
static ALL: LazyLock<Arc<Ruleset>> = LazyLock::new(|| {
    let mut rules = TERMS.map(term).to_vec();
    let pattern = Pattern::new(r"ACME-\d{6}", None).expect("a pattern");
    rules.push(RuleSpec::new("pattern", RuleKind::Pattern(pattern)));
    rules.extend(PackName::ALL.map(|pack| RuleSpec::new("pack", RuleKind::Pack(pack.into()))));
    room(rules)
});

/// Cuts `data` into pieces of 1 to 16 bytes by a seed, the same ones each time.
fn cut(mut seed: u8, data: &[u8]) -> Vec<&[u8]> {
    let (mut rest, mut pieces) = (data, Vec::new());
    while !rest.is_empty() {
        seed = seed.wrapping_mul(181).wrapping_add(73);
        let (piece, after) = rest.split_at((1 + usize::from(seed >> 4)).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// [`cut`], at the boundaries of characters.
fn cut_text(seed: u8, text: &str) -> Vec<&str> {
    let (mut start, mut end, mut pieces) = (0, 0, Vec::new());
    for piece in cut(seed, text.as_bytes()) {
        end += piece.len();
        let boundary = text.ceil_char_boundary(end);
        if boundary > start {
            pieces.push(&text[start..boundary]);
            start = boundary;
        }
    }
    pieces
}

/// The framer and the guard: the same bytes and verdict however a stream is cut; an allowed stream arrives
/// byte for byte; no string of what is let out holds a term inside.
pub fn stream(data: &[u8]) {
    let [face, seed, bytes @ ..] = data else { return };
    let face = usize::from(*face);
    let whole = fuzzing::guarded(face, &WORDS, &[bytes]);
    let cut = fuzzing::guarded(face, &WORDS, &cut(*seed, bytes));
    assert_eq!(cut.1, whole.1, "the verdict depends on how the stream is cut");
    assert_eq!(cut.0, whole.0, "what is let out depends on how the stream is cut");
    if whole.1.is_ok() {
        assert_eq!(whole.0, bytes, "an allowed stream was changed");
    }
    let rules = PLAIN.room("acme").expect("the room is there");
    for string in fuzzing::event_strings(&whole.0) {
        let mut found = Vec::new();
        rules.scan(&string, &mut found);
        // At its ends the string may go on in the next event and be another word: `falcon` + `ry`.
        let is_whole = |violation: &Violation| violation.span.start > 0 && violation.span.end < string.len();
        assert!(!found.iter().any(is_whole), "let out: {string:?}");
    }
}

/// The JSON reader: takes what serde_json takes and nothing else, and reads the same strings.
pub fn json(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let ours = fuzzing::json_strings(text);
    let valid = serde_json::from_str::<IgnoredAny>(text);
    match &ours {
        Ok(_) => assert!(valid.is_ok(), "taken though {valid:?}"),
        // Depth is the one thing in which we are stricter.
        Err(error) => assert!(valid.is_err() || error.contains("nested"), "refused with {error}"),
    }
    // Keys may stand twice and lone surrogates are read, so only a text without either can be compared.
    let (Ok(strings), Ok(value)) = (ours, serde_json::from_str::<serde_json::Value>(text)) else { return };
    let mut theirs = Vec::new();
    collect(&value, &mut theirs);
    for string in theirs {
        assert!(strings.contains(&string), "{string:?} was read differently");
    }
}

fn collect(value: &serde_json::Value, strings: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => strings.push(text.clone()),
        serde_json::Value::Array(elements) => elements.iter().for_each(|element| collect(element, strings)),
        serde_json::Value::Object(members) => {
            for (key, value) in members {
                strings.push(key.clone());
                collect(value, strings);
            }
        }
        _ => {}
    }
}

/// The reader of tool arguments: the same texts however they are cut, and on valid JSON the strings of the
/// JSON reader.
pub fn arguments(data: &[u8]) {
    let [seed, bytes @ ..] = data else { return };
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let whole = fuzzing::arguments(&[text]);
    assert_eq!(fuzzing::arguments(&cut_text(*seed, text)), whole, "it depends on the cut");
    if let Ok(strings) = fuzzing::json_strings(text) {
        // Texts alternate: outside of strings, inside, outside, …
        let inside: Vec<String> = whole.into_iter().skip(1).step_by(2).collect();
        assert_eq!(inside, strings, "the two readers decode differently");
    }
}

/// The rules: a stream finds what a whole text holds, however it is cut, and `safe` never passes it.
pub fn rules(data: &[u8]) {
    let [seed, bytes @ ..] = data else { return };
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let rules = ALL.room("acme").expect("the room is there");
    let mut expected: Vec<Violation> = Vec::new();
    rules.scan(text, &mut expected);
    let first = expected.iter().map(|violation| violation.span.start).min().unwrap_or(text.len()) as u64;
    let (mut scanner, mut found) = (rules.stream(), Vec::new());
    for piece in cut_text(*seed, text) {
        scanner.push(piece, &mut found);
        assert!(scanner.safe() <= first, "{} let out, the first violation is at {first}", scanner.safe());
    }
    scanner.finish(&mut found);
    assert_eq!(scanner.safe(), first);
    let key = |rule: usize, start: u64, end: u64| (rule, start, end);
    let mut streamed: Vec<_> =
        found.iter().map(|StreamViolation { rule, span, .. }| key(*rule, span.start, span.end)).collect();
    let mut whole: Vec<_> = expected
        .iter()
        .map(|Violation { rule, span, .. }| key(*rule, span.start as u64, span.end as u64))
        .collect();
    streamed.sort_unstable();
    whole.sort_unstable();
    assert_eq!(streamed, whole, "stream and whole text disagree");
}

/// The files of contexts: no panic, and every problem says where.
pub fn context(data: &[u8]) {
    let parsed = parse_context(&"acme".parse().expect("a name"), data);
    assert!(parsed.context.is_some() || !parsed.problems.is_empty(), "refused without a word");
    for problem in parsed.problems {
        assert!(problem.to_string().starts_with("contexts/acme.yml"), "{problem}");
    }
}

/// The file of the fleet: no panic, and every problem says where.
pub fn fleet(data: &[u8]) {
    let parsed = parse_fleet(Some(data), &Environment::default());
    assert!(parsed.fleet.is_some() || !parsed.problems.is_empty(), "refused without a word");
    for problem in parsed.problems {
        assert!(problem.to_string().starts_with("routing/fleet.yml"), "{problem}");
    }
}

/// The log: whatever stands in its newest segment, opening refuses it or goes on in order; then every line
/// can be read, and the newest page is the end of the whole.
pub fn audit(data: &[u8]) {
    let home = tempfile::tempdir().expect("the temporary folder can be written");
    let dir = home.path().join("audit");
    std::fs::create_dir(&dir).expect("it is new");
    std::fs::write(dir.join("2026-03-01.000.jsonl"), data).expect("it is new");
    // Readers take a log as they find it.
    let _ = zos_audit::read_all(&dir).map(|lines| lines.count());
    let _ = zos_audit::recent(&dir, &zos_audit::Filter::default(), None, 10);
    let options = zos_audit::Options { clock: Arc::new(|| 1_772_409_600_000), ..Default::default() };
    let Ok(log) = zos_audit::Log::open(&dir, options) else { return };
    log.append(zos_audit::Record::default()).expect("an opened log takes a record");
    drop(log);
    // The writer checks only the end of what it found; older lines may still be damaged.
    let lines: Result<Vec<_>, _> = zos_audit::read_all(&dir).expect("the folder is there").collect();
    if let Ok(lines) = lines {
        let page = zos_audit::recent(&dir, &zos_audit::Filter::default(), None, 1).expect("a readable log");
        assert_eq!(page.records.first(), lines.last().map(|entry| &entry.record));
    }
}
