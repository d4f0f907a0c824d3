//! Deep disguises: what hardly anybody writes by chance and a model reads all the same. Many terms are hidden by
//! each of them in text of many kinds, and texts that hide nothing are left alone.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Write as _;
use std::sync::{Arc, LazyLock};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;
use zos_rules::{Evasion, Evasions, Room, RoomRules, RuleKind, RuleSpec, Ruleset, StreamViolation, Term};

const TERMS: [&str; 16] = [
    "Osprey",
    "Blue Kestrel",
    "Wolfgang Amann",
    "Operation Nightfall",
    "Brennan Trust",
    "Quillon",
    "Maple-Ridge",
    "Acquisition Target",
    "Tannhauser Gate",
    "Sigrid Lindqvist",
    "Vermilion",
    "Project Halcyon",
    "Ostrava plant",
    "Zephyr Compound 7",
    "Harbour View Clinic",
    "codename basalt",
];

fn compile(terms: &[&str], evasions: Evasions) -> RoomRules {
    let rule = |term: &&str| RuleSpec {
        evasions,
        ..RuleSpec::new("rule", RuleKind::Term(Term::new(term).unwrap()))
    };
    let room = Room { name: "room".to_owned(), rules: terms.iter().map(rule).collect() };
    Arc::new(Ruleset::compile(&[room]).unwrap()).room("room").unwrap()
}

static DEEP: LazyLock<RoomRules> = LazyLock::new(|| compile(&TERMS, Evasions::ALL));
static ORDINARY: LazyLock<RoomRules> = LazyLock::new(|| compile(&TERMS, Evasions::default()));

/// Rule, first byte, end and disguise of everything that is found.
type Finds = Vec<(usize, usize, usize, Option<Evasion>)>;

fn whole(rules: &RoomRules, text: &str) -> Finds {
    let mut found = Vec::new();
    rules.scan(text, &mut found);
    let mut finds: Finds = found.into_iter().map(|v| (v.rule, v.span.start, v.span.end, v.evasion)).collect();
    finds.sort_unstable();
    finds
}

/// The finds of a stream in pieces, after a look that it lets nothing of them out early.
fn streamed<'t>(rules: &RoomRules, pieces: impl Iterator<Item = &'t str>, first: usize) -> Finds {
    let (mut scanner, mut found) = (rules.stream(), Vec::new());
    let mut safe = 0;
    for piece in pieces {
        scanner.push(piece, &mut found);
        assert!(scanner.safe() <= first as u64, "let out {}, {first} is in what is found", scanner.safe());
        assert!(scanner.safe() >= safe, "taken back from {safe} to {}", scanner.safe());
        safe = scanner.safe();
    }
    scanner.finish(&mut found);
    let key = |v: StreamViolation| (v.rule, v.span.start as usize, v.span.end as usize, v.evasion);
    let mut finds: Finds = found.into_iter().map(key).collect();
    finds.sort_unstable();
    finds
}

fn first(finds: &Finds, text: &str) -> usize {
    finds.iter().map(|find| find.1).min().unwrap_or(text.len())
}

fn characters(text: &str) -> impl Iterator<Item = &str> {
    text.char_indices().map(|(at, c)| &text[at..at + c.len_utf8()])
}

fn joined(text: &str, between: &str, show: impl Fn(u8) -> String) -> String {
    text.bytes().map(show).collect::<Vec<_>>().join(between)
}

fn base32(text: &str) -> String {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits = joined(text, "", |byte| format!("{byte:08b}"));
    let digit = |part: &[u8]| {
        let part = std::str::from_utf8(part).unwrap();
        char::from(DIGITS[usize::from_str_radix(&format!("{part:0<5}"), 2).unwrap()])
    };
    let digits: String = bits.as_bytes().chunks(5).map(digit).collect();
    let padding = digits.len().div_ceil(8) * 8 - digits.len();
    digits + &"=".repeat(padding)
}

/// Base64 of what gzip makes of a letter that holds a text.
fn compressed(text: &str) -> String {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    write!(encoder, "Dear all, this is about {text}, which moved to the third week of May.").unwrap();
    BASE64_STANDARD.encode(encoder.finish().unwrap())
}

fn in_lines(digits: &str) -> String {
    digits.as_bytes().chunks(60).flat_map(|line| [line, b"\n"].concat()).map(char::from).collect()
}

fn rot13(text: &str) -> String {
    let rotate = |c: char| match c {
        'a'..='m' | 'A'..='M' => char::from(c as u8 + 13),
        'n'..='z' | 'N'..='Z' => char::from(c as u8 - 13),
        c => c,
    };
    text.chars().map(rotate).collect()
}

fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

fn utf7(text: &str, every: usize) -> String {
    let shifted = |part: &str| {
        let units: Vec<u8> = part.encode_utf16().flat_map(u16::to_be_bytes).collect();
        format!("+{}-", BASE64_STANDARD.encode(units).trim_end_matches('='))
    };
    text.char_indices()
        .map(|(at, c)| if at % every == 0 { shifted(c.encode_utf8(&mut [0; 4])) } else { c.to_string() })
        .collect()
}

fn selectors(text: &str) -> String {
    text.bytes().map(|byte| char::from_u32(0xE0100 - 16 + u32::from(byte)).unwrap()).collect()
}

fn alphabet(text: &str, letters: &str) -> String {
    let letters: Vec<char> = letters.chars().collect();
    let show = |c: char| match c.to_ascii_lowercase() {
        letter @ 'a'..='z' => letters[letter as usize - 'a' as usize],
        c => c,
    };
    text.chars().map(show).collect()
}

/// A disguise: its name, how it writes a term, and the evasion that it is found as.
type Disguise = (&'static str, fn(&str) -> String, Evasion);

/// Every deep disguise, in the ways in which tools and people write it.
const DISGUISES: [Disguise; 28] = [
    ("hex in pairs", |t| joined(t, " ", |b| format!("{b:02x}")), Evasion::Codes),
    ("hex in capitals", |t| joined(t, ":", |b| format!("{b:02X}")), Evasion::Codes),
    ("hex with prefixes", |t| joined(t, ", ", |b| format!("0x{b:02x}")), Evasion::Codes),
    ("hex over lines", |t| joined(t, "\n", |b| format!("{b:02x}")), Evasion::Codes),
    (
        "hex in fours",
        |t| {
            t.as_bytes()
                .chunks(2)
                .map(|p| p.iter().map(|b| format!("{b:02x}")).collect::<String>())
                .collect::<Vec<_>>()
                .join(" ")
        },
        Evasion::Codes,
    ),
    ("code points", |t| joined(t, " ", |b| format!("U+{b:04X}")), Evasion::Codes),
    ("decimal", |t| joined(t, " ", |b| b.to_string()), Evasion::Codes),
    ("decimal list", |t| format!("[{}]", joined(t, ", ", |b| b.to_string())), Evasion::Codes),
    ("decimal with hyphens", |t| joined(t, "-", |b| b.to_string()), Evasion::Codes),
    ("octal", |t| joined(t, " ", |b| format!("{b:03o}")), Evasion::Codes),
    ("octal with prefixes", |t| joined(t, " ", |b| format!("0o{b:03o}")), Evasion::Codes),
    ("binary", |t| joined(t, " ", |b| format!("{b:08b}")), Evasion::Codes),
    ("base32", base32, Evasion::Base32),
    ("base32 in small letters", |t| base32(t).to_lowercase(), Evasion::Base32),
    ("quoted-printable", |t| joined(t, "", |b| format!("={b:02X}")), Evasion::QuotedPrintable),
    (
        "quoted-printable blanks",
        |t| format!("{}=2E", t.replace(' ', "=20").replacen(|c: char| c.is_ascii_lowercase(), "=65", 0)),
        Evasion::QuotedPrintable,
    ),
    ("quoted-printable line", |t| format!("{}=\r\n{}", &t[..3], &t[3..]), Evasion::QuotedPrintable),
    ("utf-7 of each", |t| utf7(t, 1), Evasion::Utf7),
    ("utf-7 of some", |t| utf7(t, 3), Evasion::Utf7),
    ("rot13", rot13, Evasion::Rot13),
    ("rot13 in capitals", |t| rot13(t).to_uppercase(), Evasion::Rot13),
    ("reversed", reversed, Evasion::Reversed),
    ("words reversed", |t| t.split(' ').map(reversed).collect::<Vec<_>>().join(" "), Evasion::Reversed),
    ("selectors", selectors, Evasion::Symbols),
    ("small capitals", |t| alphabet(t, "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡxʏᴢ"), Evasion::Confusables),
    ("Braille", |t| alphabet(t, "⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵"), Evasion::Symbols),
    ("compressed", compressed, Evasion::Compressed),
    ("compressed, in lines", |t| in_lines(&compressed(t)), Evasion::Compressed),
];

const FRAMES: [(&str, &str); 10] = [
    ("", ""),
    ("Decode this and answer: ", ""),
    ("The value is ", "."),
    ("log 2026-11-30T12:00:01Z level=info msg=\"", "\" took 12 ms"),
    ("{\"a\": \"", "\", \"n\": 4}"),
    ("Grüße, 東京: (", ")\n"),
    ("id,name\n17,", "\n18,other"),
    ("> quoted\n> ", " and more words follow"),
    ("let x = '", "';"),
    ("0 1 2 three, ", " 4 5"),
];

#[test]
fn every_deep_disguise_is_found_in_every_frame_whole_and_in_pieces() {
    let (mut tried, mut missed) = (0, Vec::new());
    for (way, (name, write, _)) in DISGUISES.into_iter().enumerate() {
        for (rule, term) in TERMS.iter().enumerate() {
            let hidden = write(term);
            for (frame, (before, after)) in FRAMES.into_iter().enumerate() {
                let text = [before, &hidden, after].concat();
                let finds = whole(&DEEP, &text);
                tried += 1;
                let within = |find: &&(usize, usize, usize, Option<Evasion>)| find.0 == rule;
                if !finds.iter().any(|find| within(&find)) {
                    missed.push(format!("{name}: {text:?}"));
                }
                // A stream of single characters costs more; each frame has its turn.
                if (way + rule) % FRAMES.len() == frame {
                    let pieces = streamed(&DEEP, characters(&text), first(&finds, &text));
                    assert_eq!(pieces, finds, "{name}: {text:?}");
                }
            }
        }
    }
    // Terms that a disguise leaves as they are cannot be missed; where signs of the frame run into the term,
    // some may be.
    assert!(
        missed.len() * 100 <= tried,
        "{} of {tried} missed: {:#?}",
        missed.len(),
        &missed[..missed.len().min(40)]
    );
}

#[test]
fn each_deep_disguise_has_its_name_and_its_switch() {
    for (name, write, evasion) in DISGUISES {
        let text = format!("see {} there", write("Blue Kestrel"));
        let finds = whole(&DEEP, &text);
        assert!(
            finds.iter().any(|find| find.0 == 1 && find.3 == Some(evasion)),
            "{name}: {text:?} {finds:?}"
        );
        // Bytes of mail are a list of numbers too.
        let off = compile(&TERMS, Evasions::ALL.without(evasion).without(Evasion::Codes));
        assert_eq!(whole(&off, &text), [], "{name} switched off: {text:?}");
        let is_deep = Evasions::DEEP.contains(evasion);
        assert_eq!(whole(&ORDINARY, &text).is_empty(), is_deep, "{name}: {text:?}");
    }
}

#[test]
fn what_is_found_is_the_whole_of_the_disguise() {
    for (name, write, _) in DISGUISES {
        let hidden = write("Blue Kestrel");
        let text = format!("see {hidden}, then");
        for (_, start, end, _) in whole(&DEEP, &text) {
            // A bracket before a list, what says that a number follows, padding behind base32.
            let rest = [&text[4..start], &text[end..4 + hidden.len()]].concat();
            let is_sign = |c: char| "[]=-\r\n U+0xo.2E".contains(c);
            assert!(
                start >= 4 && end <= 4 + hidden.len() && rest.chars().all(is_sign),
                "{name}: {rest:?} left of {text:?}"
            );
        }
    }
}

/// Texts of many kinds that hide nothing.
fn innocent() -> Vec<String> {
    let mut seed = 7u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as u32
    };
    let bytes: Vec<u8> = (0..30_000).map(|_| random() as u8).collect();
    let list =
        |count: usize, show: &mut dyn FnMut() -> String| (0..count).map(|_| show()).collect::<Vec<_>>();
    vec![
        BASE64_STANDARD.encode(&bytes),
        bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        joined(&"x".repeat(2_000), " ", |_| "78".to_owned()),
        bytes.iter().map(|byte| format!("{byte:02x} ")).collect(),
        bytes.iter().map(|byte| format!("{byte}, ")).collect(),
        bytes.iter().map(|byte| format!("{}, ", 32 + byte % 95)).collect(),
        bytes.iter().map(|byte| format!("{byte:08b} ")).collect(),
        list(4_000, &mut || format!("{:.6}", f64::from(random()) / 1e9)).join(","),
        list(2_000, &mut || format!("{:03o}", random() % 512)).join(" "),
        list(500, &mut || format!("{:08x}-{:04x}-4{:03x}-a{:03x}-{:08x}{:04x}", random(), random() & 0xFFFF, random() & 0xFFF, random() & 0xFFF, random(), random() & 0xFFFF)).join("\n"),
        list(800, &mut || format!("2026-11-{:02}T{:02}:{:02}:{:02}Z GET /a/{}?q={}&x=%20 {} {}", 1 + random() % 28, random() % 24, random() % 60, random() % 60, random() % 999, random(), 200 + random() % 300, random() % 5_000)).join("\n"),
        list(800, &mut || format!("{};{},{}={}", random() % 100, random() % 100, random() % 100, random() % 100)).join("\n"),
        "!function(e,t){var n=e+t,r=t=e?n:0;return r=+n,a[b=c]=d+=1,\"x=\"+e.y+\"&z=\"+t}(1,2);".repeat(200),
        "if (a==b) { c=d+e; s=\"=20=3D\"; u='+AB-' + \"x+yz-\"; } // FACE=BEEF=C0DE ".repeat(100),
        "The quick brown fox jumps over the lazy dog; it was stressed, and desserts were a reward from the drawer. ".repeat(100),
        "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nviele Gr=C3=BC=C3=9Fe aus=\r\n M=C3=BCnchen, 1=3D1\r\n".repeat(30),
        "Съешь же ещё этих мягких французских булок, да выпей чаю. ".repeat(60),
        "色は匂へど散りぬるを 我が世誰ぞ常ならむ。 ".repeat(60),
        "Příliš žluťoučký kůň úpěl ďábelské ódy. Zażółć gęślą jaźń. ".repeat(60),
        "00000000: 7f45 4c46 0201 0100 0000 0000 0000 0000  .ELF............\n00000010: 0300 3e00 0100 0000 5010 0000 0000 0000  ..>.....P.......\n".repeat(80),
        "[12, 45, 67, 88, 101, 99, 115, 32, 77, 10, 13, 114, 101, 97, 100, 121]".repeat(40),
        "MULTIFACTOR AUTHENTICATION REQUIREMENTS APPLY TO ALL INTERNATIONALIZATION TEAMS; SEE RFC4648 BASE32HEX2345. ".repeat(40),
    ]
}

#[test]
fn innocent_texts_are_left_alone() {
    for text in innocent() {
        assert_eq!(whole(&DEEP, &text), [], "{}…", text.chars().take(60).collect::<String>());
    }
}

#[test]
fn letters_of_another_word_are_none_of_the_term() {
    for text in [
        // `xosprey`, `ospreyish`, and numbers beside the list.
        "78 6f 73 70 72 65 79",
        "6f 73 70 72 65 79 69 73 68",
        "111 115 112 114 101 121 97",
        "6f 73 70 72 65 79 ish",
        "x+AG8-sprey",
        "bfcerlvfu",
        "hsiyerpso",
        "o=73prey1=",
    ] {
        let expected = usize::from(matches!(text, "6f 73 70 72 65 79 ish" | "o=73prey1="));
        assert_eq!(whole(&DEEP, text).len(), expected, "{text}");
    }
}

/// Texts that are likely to hold deep disguises, parts of them and what looks like them.
fn texts() -> impl Strategy<Value = String> {
    let hidden = (0..DISGUISES.len(), 0..TERMS.len(), 0..12usize).prop_map(|(way, term, lost)| {
        let hidden = DISGUISES[way].1(TERMS[term]);
        let start = hidden.char_indices().nth(lost / 3).map_or(0, |(at, _)| at);
        hidden[start..].to_owned()
    });
    let piece = prop_oneof![
        4 => hidden,
        4 => proptest::sample::select(vec![
            " ", ", ", "\n", "=", "=\r\n", "=\n", "+", "-", "=2", "=20", "+A", "+AG", "+AGE", "6f 73", "73 70", "x", "0x", "U+", "6", "111 ", "115", " 112 114",
            "osp", "rey", "os=70rey", "s", "'s", "é", "c3 a9", "c3", "ff", "01101111 ", "      ", "\t", "0", "kestrel", "blue", "+AC0", "yerpso", "bfcerl", "o", "u", "\u{200B}", "\\", "%6f",
        ]).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => "[0-9a-f ]{0,8}",
    ];
    let lead = proptest::sample::select(vec!["", "words before it, ", "1 2 3 ", "a"]);
    (lead, 0usize..130, proptest::collection::vec(piece, 0..9)).prop_map(|(lead, len, pieces)| {
        let lead: String = lead.chars().cycle().take(if lead.is_empty() { 0 } else { len }).collect();
        lead + &pieces.concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn any_chunking_gives_the_finds_of_the_whole(text in texts(), sizes in proptest::collection::vec(1usize..7, 1..20)) {
        let finds = whole(&DEEP, &text);
        let mut pieces = Vec::new();
        let (mut at, mut sizes) = (0, sizes.iter().cycle());
        while at < text.len() {
            let end = text.ceil_char_boundary((at + sizes.next().unwrap()).min(text.len()));
            pieces.push(&text[at..end]);
            at = end;
        }
        prop_assert_eq!(streamed(&DEEP, pieces.into_iter(), first(&finds, &text)), finds, "{}", text);
    }
}
