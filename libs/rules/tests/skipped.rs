//! What a reader of a text skips: colour codes, escape sequences, margins of lines, letters that cannot be
//! seen. It hides no term and glues none to its neighbor, in whole texts and in streams alike.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use zos_rules::{Evasions, Pattern, Room, RoomRules, RuleKind, RuleSpec, Ruleset, Term};

fn rules(terms: &[&str]) -> RoomRules {
    let rule = |term: &&str| RuleSpec::new("rule", RuleKind::Term(Term::new(term).unwrap()));
    let room = Room { name: "room".to_owned(), rules: terms.iter().map(rule).collect() };
    Arc::new(Ruleset::compile(&[room]).unwrap()).room("room").unwrap()
}

/// The spans that a whole text gives, after a look that a stream of single characters gives the same.
#[track_caller]
fn spans(rules: &RoomRules, text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    rules.scan(text, &mut found);
    let whole: Vec<_> = found.into_iter().map(|v| (v.span.start, v.span.end)).collect();
    let (mut scanner, mut found) = (rules.stream(), Vec::new());
    let mut safe = 0;
    for c in text.chars() {
        scanner.push(c.encode_utf8(&mut [0; 4]), &mut found);
        assert!(scanner.safe() >= safe, "{text:?}");
        safe = scanner.safe();
        assert!(whole.iter().all(|(start, _)| safe <= *start as u64), "{text:?} let out {safe}");
    }
    scanner.finish(&mut found);
    let mut streamed: Vec<_> =
        found.into_iter().map(|v| (v.span.start as usize, v.span.end as usize)).collect();
    streamed.sort_unstable();
    assert_eq!(streamed, whole, "{text:?}");
    whole
}

/// Checks what of `text` is a violation of `term`, in brackets.
#[track_caller]
fn check(term: &str, marked: &str) {
    let text = marked.replace(['⟦', '⟧'], "");
    let (mut seen, mut at) = (String::new(), 0);
    for (start, end) in spans(&rules(&[term]), &text) {
        seen = [&seen, &text[at..start], "⟦", &text[start..end], "⟧"].concat();
        at = end;
    }
    seen.push_str(&text[at..]);
    assert_eq!(seen, marked, "term {term:?}");
}

#[test]
fn control_sequences_of_a_terminal_hide_nothing() {
    for (begin, end) in [
        ("\u{1B}[36m", "\u{1B}[0m"),
        ("\u{1B}[1;4;38;5;208m\u{1B}[K", "\u{1B}[m\u{1B}[K"),
        ("\u{9B}7m", "\u{9B}m"),
        ("\u{1B}]8;id=2;https://wiki.example/x\u{1B}\\", "\u{1B}]8;;\u{1B}\\"),
        ("\u{1B}]0;a title\u{7}", "\u{1B}(B"),
        ("\u{9D}8;;file:///x\u{9C}", "\u{1B}M"),
        ("\\u001b[33m", "\\u001b[0m"),
        ("\\x1b[33m", "\\x1b[0m"),
        ("\\033[1;33m", "\\033[0m"),
        ("\\e[33m", "\\e[0m"),
    ] {
        for before in ["", "a ", "word", "7"] {
            check("Osprey", &format!("{before}{begin}⟦osprey⟧{end} team"));
        }
        check("Osprey", &format!("the ⟦os{begin}prey⟧{end} team"));
        check("Blue Osprey", &format!("the ⟦blue{begin} osprey⟧{end} team"));
        check("Blue Osprey", &format!("the {begin}⟦blue{end} {begin}osprey⟧{end} team"));
        check("Osprey", &format!("an {begin}ospreyish{end} team"));
        check("Osprey", &format!("{begin}⟦osprey⟧{end}ish"));
    }
    check("Osprey", "\u{1B}]8;;https://x.example/⟦osprey⟧\u{7}a link\u{1B}]8;;\u{7}");
    check("Osprey", "a lone \u{1B} and [36mosprey");
}

#[test]
fn an_escape_sequence_is_an_edge_of_a_word_on_both_sides() {
    check("Osprey", "log: {\"m\":\"one\\n⟦osprey⟧\\nthree\\t⟦osprey⟧\\r\\n⟦osprey⟧\\\"⟦osprey⟧\\\"\"}");
    check("Osprey", "x%0a⟦osprey⟧%20y%3D⟦osprey⟧%0D%0A⟦osprey⟧&gt;⟦osprey⟧&lt;a&#10;⟦osprey⟧");
    check("Osprey", "a\\u003e⟦osprey⟧\\u003c b\\x3d⟦osprey⟧ b'x\\t⟦osprey⟧' \\\\n⟦osprey⟧ \\\\\\\\n⟦osprey⟧");
    check("Blue Osprey", "a\\n⟦blue\\nosprey⟧\\n ⟦blue\\tosprey⟧ ⟦blue\\u0020osprey⟧ ⟦blue%0A%20osprey⟧");
    check("Osprey", "end\\n⟦\\u006fsprey⟧ end%0a⟦%6f%73prey⟧ end&gt;⟦&#111;sprey⟧");
    check("Osprey", "\\bosprey\\b".replace("osprey", "⟦osprey⟧").as_str());
    check(
        "Osprey",
        "\\nospreys\\nospreyish \\nxosprey a\\u006bosprey".replacen("ospreys", "⟦ospreys⟧", 1).as_str(),
    );
}

#[test]
fn a_letter_that_is_written_as_an_escape_sequence_is_no_edge_of_a_word() {
    check(
        "Osprey",
        "a\\u0078osprey \\x68osprey b%68osprey c&#120;osprey d&#x78;osprey e\\150osprey \\u{78}osprey",
    );
    check(
        "Osprey",
        "a\\u0031⟦osprey⟧ \\u0020⟦osprey⟧ a%20⟦osprey⟧ 0078⟦osprey⟧ C:\\u0078⟦osprey⟧ x;⟦osprey⟧ {5}⟦osprey⟧",
    );
    check("Osprey", "a\\u0078⟦Osprey⟧ is a word of two humps");
}

#[test]
fn a_backslash_of_a_path_is_none_of_an_escape_sequence() {
    check("Ew Osprey", "C:\\new osprey, D:\\x\\new osprey, \"C:\\\\a\\\\new osprey");
    check("Osprey", "C:\\nosprey and path=d:\\t\\rosprey but C:\\⟦osprey⟧\\n and say\\n⟦osprey⟧");
    check("Osprey", "C:\\\\temp\\\\nosprey and C:\\\\new\\n⟦osprey⟧");
}

#[test]
fn escapes_of_many_languages_are_read() {
    check(
        "Osprey",
        "⟦%u006Fsprey⟧ ⟦\\x{6f}sprey⟧ ⟦\\157sprey⟧ ⟦\\U0000006fsprey⟧ ⟦\\6f sprey⟧ ⟦\\00006fsprey⟧ ⟦os\\160rey⟧",
    );
    check("Müsli Bar", "⟦M\\303\\274sli Bar⟧ ⟦M\\fc sli Bar⟧");
    check("Osprey", "⟦os\\ud800prey⟧ ⟦os\\udc00prey⟧ \\ufeff⟦osprey⟧");
}

#[test]
fn margins_between_the_lines_of_a_term_are_passed_over() {
    for margin in [
        "12\t",
        "  12→",
        "   7|",
        "108: ",
        "> ",
        "# ",
        "src/a-b.rs:12:",
        "notes.md:3:14: ",
        "notes.md:",
        "web_1  | ",
        ">> - ",
    ] {
        check("Blue Osprey", &format!("{margin}the ⟦blue\n{margin}osprey⟧ flies\n"));
    }
    for between in ["12 ", "twelve ", "see: 3 ", "a b | "] {
        check("Blue Osprey", &format!("the blue\n{between}osprey flies"));
    }
    check("Blue Osprey", "the blue\nname\nosprey flies");
}

fn hidden(text: &str) -> String {
    text.chars().map(|c| char::from_u32(0xE0000 + c as u32).unwrap()).collect()
}

fn as_selectors(text: &str) -> String {
    text.bytes()
        .map(|byte| char::from_u32(if byte < 16 { 0xFE00 } else { 0xE0100 - 16 } + u32::from(byte)).unwrap())
        .collect()
}

#[test]
fn letters_that_cannot_be_seen_are_a_text_of_their_own() {
    for hide in [hidden, as_selectors] {
        let (term, other) = (hide("Blue Osprey"), hide("Blue Ospreyish"));
        check("Blue Osprey", &format!("hello⟦{term}⟧"));
        check("Blue Osprey", &format!("⟦{term}⟧hello"));
        check("Blue Osprey", &format!("hi 😀⟦{term}⟧ there"));
        check("Blue Osprey", &format!("hi{}⟦{term}⟧{}there", hide("see "), hide(". ")));
        check("Blue Osprey", &format!("hello{other}"));
        check("Osprey", &format!("hello{}", hide("xosprey")));
        check("Osprey", &format!("⟦os{}prey⟧ ⟦os{}⟧", hide("x"), hide("prey")));
    }
    let flag = |region: &str| format!("\u{1F3F4}{}\u{E007F}", hidden(region));
    check("Beng", &flag("gbeng"));
    check("Gbeng", &format!("\u{1F3F4}⟦{}\u{E007F}⟧", hidden("gbeng")));
    let off = RuleSpec {
        evasions: Evasions::NONE,
        ..RuleSpec::new("r", RuleKind::Term(Term::new("Osprey").unwrap()))
    };
    let room = Room { name: "room".to_owned(), rules: vec![off] };
    let rules = Arc::new(Ruleset::compile(&[room]).unwrap()).room("room").unwrap();
    assert_eq!(spans(&rules, &hidden("osprey")), []);
    assert_eq!(spans(&rules, &format!("os{}prey", hidden("x"))).len(), 1);
}

#[test]
fn what_could_not_be_decoded_is_passed_over() {
    for nothing in ['\u{FFFD}', '\u{FFFC}', '\u{FFFE}', '\u{FDD0}', '\u{1FFFF}', '\u{10FFFE}'] {
        check("Osprey", &format!("⟦os{nothing}prey⟧ ⟦osprey⟧ xosprey"));
    }
}

#[test]
fn letter_like_alphabets_are_read() {
    check("Osprey", "⟦ᴏꜱᴘʀᴇʏ⟧ ⟦Oꜱᴘʀᴇʏ⟧ ⟦⠕⠎⠏⠗⠑⠽⟧ ⟦o🔥s🔥p🔥r🔥e🔥y⟧ ['⟦o','s','p','r','e','y⟧']");
    check("Osprey", "\"⟦Os\" + \"prey⟧\" '⟦Os'.'prey⟧' \"⟦Os\"\n    \"prey⟧\" \"Os\", \"prey\"");
    check("Blue Osprey", "\"⟦Blue \" + \"Osprey⟧\" \"⟦Blue\" 'Osprey⟧'");
}

/// The spans of a pattern in a whole text; a stream of single characters gives the same.
fn pattern_spans(pattern: &str, text: &str) -> Vec<(usize, usize)> {
    let kind = RuleKind::Pattern(Pattern::new(pattern, None).unwrap());
    let room = Room { name: "room".to_owned(), rules: vec![RuleSpec::new("rule", kind)] };
    spans(&Arc::new(Ruleset::compile(&[room]).unwrap()).room("room").unwrap(), text)
}

#[test]
fn patterns_begin_and_end_at_what_a_reader_skips() {
    for (before, after) in [
        ("\u{1B}[35m", "\u{1B}[0m"),
        ("\u{9B}1m", "\u{9B}m"),
        ("\u{1B}]8;;\u{7}", "\u{1B}]8;;\u{1B}\\"),
        ("\\u001b[35m", "\\x1b[0m"),
        ("\\033[1;35m", "\\033[0m"),
        ("\\e[35m", "\\e[m"),
        ("\\n", "\\r\\n"),
        ("say\\t", "\\ttail"),
        ("word\\\\n", "\\\\nword"),
        ("%0A", "%0D"),
    ] {
        for word in ["", "x ", "word"] {
            let text = format!("{word}{before}tkt-4821{after}end");
            let start = text.find("tkt").unwrap();
            assert_eq!(pattern_spans(r"\btkt-[0-9]{4}\b", &text), [(start, start + 8)], "{text:?}");
        }
    }
    for code in ["\u{1B}[1;31m", "\u{9B}m", "\\u001b[0m", "\\033[31m", "\u{1B}[31m\u{1B}[K"] {
        let text = format!("a key tkt-{code}48{code}21 there, x{code}tkt-4821{code}");
        let (start, end) = (text.find("tkt").unwrap(), text.find(" there").unwrap());
        let again = text.rfind("tkt").unwrap();
        assert_eq!(pattern_spans(r"\btkt-[0-9]{4}\b", &text), [(start, end), (again, again + 8)], "{text:?}");
    }
    for text in ["C:\\ntkt-4821", "C:\\new\\ttkt-4821", "wordtkt-4821", "\\Ntkt-4821", "\u{1B}[3tkt-48215"] {
        assert_eq!(pattern_spans(r"\btkt-[0-9]{4}\b", text), [], "{text:?}");
    }
}
