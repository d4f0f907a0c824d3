//! What must hold for any bytes, one function for each reader of foreign bytes. The fuzz targets call them
//! with what the fuzzer invents; a test of the house calls them with the committed corpus.
//!
//! The first bytes of an input choose (a face, how the rest is cut); the rest is what is read.

use serde::de::IgnoredAny;
use std::sync::{Arc, LazyLock};
use zos_core::Environment;
use zos_core::context::parse_context;
use zos_core::fleet::parse_fleet;
use zos_guard::fuzzing;
use zos_rules::{
    Evasions, PackName, Pattern, Room, RoomRules, RuleKind, RuleSpec, Ruleset, StreamViolation, Term, Violation,
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

/// Terms and a pattern, behind every disguise.
static DEEP: LazyLock<Arc<Ruleset>> = LazyLock::new(|| {
    let mut rules = TERMS.map(term).to_vec();
    let pattern = Pattern::new(r"ACME-\d{6}", None).expect("a pattern");
    rules.push(RuleSpec::new("pattern", RuleKind::Pattern(pattern)));
    room(rules.into_iter().map(|rule| RuleSpec { evasions: Evasions::ALL, ..rule }).collect())
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
/// byte for byte up to its terminator; no string of what is let out holds a term inside, and nothing that a
/// client puts together of it holds one at all.
pub fn stream(data: &[u8]) {
    let [face, seed, bytes @ ..] = data else { return };
    let face = usize::from(*face);
    let whole = fuzzing::guarded(face, &WORDS, &[bytes]);
    let cut = fuzzing::guarded(face, &WORDS, &cut(*seed, bytes));
    assert_eq!(cut.1, whole.1, "the verdict depends on how the stream is cut");
    assert_eq!(cut.0, whole.0, "what is let out depends on how the stream is cut");
    // A marker that ends nothing in an API is left out.
    if whole.1.is_ok() && !bytes.windows(6).any(|window| window == b"[DONE]") {
        assert!(bytes.starts_with(&whole.0), "an allowed stream was changed");
    }
    let rules = PLAIN.room("acme").expect("the room is there");
    for string in fuzzing::event_strings(&whole.0) {
        let mut found = Vec::new();
        rules.scan(&string, &mut found);
        // At its ends the string may go on in the next event and be another word: `falcon` + `ry`.
        let is_whole = |violation: &Violation| violation.span.start > 0 && violation.span.end < string.len();
        assert!(!found.iter().any(is_whole), "let out: {string:?}");
    }
    for text in fuzzing::accumulated(face, &whole.0) {
        let mut found = Vec::new();
        rules.scan(&text, &mut found);
        // At its end a text that was cut may have gone on.
        let is_over = |violation: &Violation| whole.1.is_ok() || violation.span.end < text.len();
        assert!(!found.iter().any(is_over), "a client reads {text:?}");
    }
}

/// The translation between wire formats: a request goes up as a JSON object with the routed model and without
/// a term that the caller's own did not hold; an answer comes down as one, and a refusal as a refusal; a stream
/// is the same however it is cut, has one open block at a time, ends only where the provider ended it, and no
/// term passes the guard behind it.
pub fn translate(data: &[u8]) {
    let [pair, seed, kind, bytes @ ..] = data else { return };
    let index = usize::from(*pair) % 4;
    let translation = fuzzing::Translation::of(index);
    match kind % 4 {
        0 => translate_request(translation, bytes),
        1 => translate_answer(index, bytes),
        2 => drop(object(&translation.failure(bytes))),
        _ => translate_stream(index, *seed, bytes),
    }
}

fn object(bytes: &[u8]) -> serde_json::Value {
    let value: serde_json::Value = serde_json::from_slice(bytes).expect("what is written is JSON");
    assert!(value.is_object(), "{value}");
    value
}

fn translate_request(translation: fuzzing::Translation, bytes: &[u8]) {
    let Ok(written) = translation.request(bytes) else { return };
    let told = object(&written);
    assert_eq!(told["model"], "there");
    let (asked, sent) = (String::from_utf8_lossy(bytes), String::from_utf8_lossy(&written));
    if !fuzzing::is_denied(&WORDS, &asked) {
        assert!(!fuzzing::is_denied(&WORDS, &sent), "carried over, a term has come to be: {sent}");
    }
}

fn translate_answer(index: usize, bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(written) = fuzzing::Translation::of(index).answer(text) else { return };
    let told = object(&written);
    let Ok(said) = serde_json::from_str::<serde_json::Value>(text) else { return };
    let was_refused = match index {
        0 | 2 => said["choices"][0]["finish_reason"] == "content_filter",
        _ => said["stop_reason"] == "refusal",
    };
    let is_refused = match index {
        0 => told["stop_reason"] == "refusal",
        1 => told["choices"][0]["finish_reason"] == "content_filter",
        _ => told["status"] == "incomplete" || told["output"].to_string().contains("\"refusal\""),
    };
    assert!(is_refused || !was_refused, "a refusal was lost: {told}");
}

fn translate_stream(index: usize, seed: u8, bytes: &[u8]) {
    let translation = fuzzing::Translation::of(index);
    let pieces = cut(seed, bytes);
    let whole = translation.stream(None, &[bytes]);
    assert_eq!(translation.stream(None, &pieces), whole, "it depends on how the stream is cut");
    let events = fuzzing::events(&whole.0);
    let is_ended = events.iter().any(|(name, data)| match index {
        0 => name == "message_stop",
        1 => data == "[DONE]",
        _ => ["response.completed", "response.incomplete"].contains(&name.as_str()),
    });
    let is_chat = matches!(index, 0 | 2);
    let terminator: &[u8] = if is_chat { b"[DONE]" } else { b"message_stop" };
    let may_end = bytes.windows(terminator.len()).any(|window| window == terminator)
        // It may be written with escapes.
        || (!is_chat && bytes.contains(&b'\\'));
    assert!(may_end || !is_ended, "it ends where the provider did not");
    let mut open = None;
    let mut blocks = 0;
    for (name, data) in &events {
        if data == "[DONE]" {
            continue;
        }
        let data = object(data.as_bytes());
        match name.as_str() {
            "content_block_start" => {
                assert_eq!((open, data["index"].as_u64()), (None, Some(blocks)), "one block at a time");
                (open, blocks) = (Some(blocks), blocks + 1);
            }
            "content_block_delta" => assert_eq!(data["index"].as_u64(), open, "of a block that is not open"),
            "content_block_stop" => assert_eq!(data["index"].as_u64(), open.take()),
            "message_stop" => assert_eq!(open, None, "it ends with an open block"),
            _ => {}
        }
    }
    // What is written is what the guard reads.
    let guarded = translation.stream(Some(&WORDS), &pieces);
    assert_eq!(translation.stream(Some(&WORDS), &[bytes]), guarded, "it depends on how the stream is cut");
    if let Err(why) = &guarded.1 {
        assert!(whole.1.is_err() || !why.contains("guard: Unreadable"), "{why}");
    }
    let rules = PLAIN.room("acme").expect("the room is there");
    for string in fuzzing::event_strings(&guarded.0) {
        let mut found = Vec::new();
        rules.scan(&string, &mut found);
        let is_whole = |violation: &Violation| violation.span.start > 0 && violation.span.end < string.len();
        assert!(!found.iter().any(is_whole), "let out: {string:?}");
    }
}

/// What a string may be declared to be: keys, types and media types, to choose from by index.
const KEYS: [&str; 10] = [
    "data",
    "blob",
    "signature",
    "encrypted_content",
    "file_data",
    "b64_json",
    "file_id",
    "image_url",
    "embedding",
    "text",
];
const TYPES: [&str; 6] = ["base64", "image", "redacted_thinking", "input_audio", "text", "document"];
const MEDIA: [&str; 6] = [
    "image/png",
    "application/pdf",
    "text/plain",
    "text/plain;charset=utf-16",
    "audio/wav;charset=utf-7",
    "",
];

/// Terms that are too long to be chance in encoded bytes.
static LONG: LazyLock<Arc<Ruleset>> =
    LazyLock::new(|| room(["Falcon", "Project Falcon", "Kestrel"].map(term).to_vec()));

/// Declarations: whatever a string is called, and whatever stands beside it, it is denied where it is denied as the
/// text that it is.
pub fn declared(data: &[u8]) {
    let [choice, head, bytes @ ..] = data else { return };
    let choice = usize::from(*choice);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let media = MEDIA[choice / KEYS.len() % MEDIA.len()];
    let said = match head % 4 {
        0 => text.to_owned(),
        1 => format!("data:{media};base64,{text}"),
        2 => format!("data:{media},{text}"),
        _ => format!(" DATA:{text}"),
    };
    let is_denied = fuzzing::is_denied(&LONG, &serde_json::json!({"text": text}).to_string());
    for kind in TYPES {
        let mut object = serde_json::json!({"type": kind, "media_type": media});
        object[KEYS[choice % KEYS.len()]] = said.clone().into();
        for place in [serde_json::json!({"source": object}), serde_json::json!({"content": [object]})] {
            let is_denied_there = fuzzing::is_denied(&LONG, &place.to_string());
            assert!(is_denied_there || !is_denied, "taken away by what it is called: {place}");
        }
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
    same_in_pieces(&ALL.room("acme").expect("the room is there"), *seed, text);
}

/// The decoders: the same of any bytes, encoded in one of the ways that they read, with every disguise looked for.
pub fn disguises(data: &[u8]) {
    let [way, seed, bytes @ ..] = data else { return };
    let numbers = |between: &str, show: fn(&u8) -> String| bytes.iter().map(show).collect::<Vec<_>>().join(between);
    let text = match way % 7 {
        0 => String::from_utf8_lossy(bytes).into_owned(),
        1 => base64(bytes),
        2 => base64(base64(bytes).as_bytes()),
        3 => {
            let digits = base64(bytes);
            let lines = digits.as_bytes().chunks(usize::from(way / 7) + 8);
            lines.flat_map(|line| [line, b"\n"].concat()).map(char::from).collect()
        }
        4 => numbers("", |byte| format!("{byte:02x}")),
        5 => numbers(", ", |byte| format!("0x{byte:02x}")),
        _ => numbers(" ", u8::to_string),
    };
    same_in_pieces(&DEEP.room("acme").expect("the room is there"), *seed, &text);
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |bytes: &[u8]| {
        let value = (0..3).fold(0, |value, at| value << 8 | usize::from(bytes.get(at).copied().unwrap_or(0)));
        let digits = [18, 12, 6, 0].map(|shift| char::from(DIGITS[value >> shift & 63]));
        digits.into_iter().take(bytes.len() + 1).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

fn same_in_pieces(rules: &RoomRules, seed: u8, text: &str) {
    let mut expected: Vec<Violation> = Vec::new();
    rules.scan(text, &mut expected);
    let first = expected.iter().map(|violation| violation.span.start).min().unwrap_or(text.len()) as u64;
    let (mut scanner, mut found) = (rules.stream(), Vec::new());
    for piece in cut_text(seed, text) {
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
