use super::*;
use proptest::prelude::*;

fn hidden(text: &str) -> Vec<char> {
    unseen(text).map(|(_, c)| c).collect()
}

#[test]
fn ordinary_writing_hides_nothing() {
    for text in [
        "Ann lives in Paris.\n\tA tab, and lines.\r\nOf two kinds.",
        "Zürich, 東京, Москва, ኢትዮጵያ, 👍🏽",
        // Persian: within a word, behind a Latin one, and before a sign.
        "نمی\u{200c}خواهم کتاب\u{200c}هایش را",
        "فایل PDF\u{200c}ها و URL\u{200c}های تازه",
        "خانه\u{200c}ی، ۱۲\u{200c}اُم",
        // Hindi, Marathi, Bengali, Sinhala, Malayalam, Kannada.
        "क्\u{200d}ष और क्\u{200c}ष",
        "र्\u{200d}याचा",
        "র\u{200d}্যাব",
        "ශ්\u{200d}රී ලංකා",
        "ന്\u{200d} അവന്\u{200d}",
        "ರ\u{200d}್ಕ",
        // Emoji: families, professions, hearts, tones, keycaps, flags.
        "👩\u{200d}👩\u{200d}👦 👩🏽\u{200d}⚕\u{fe0f} ❤\u{fe0f}\u{200d}🔥 1\u{fe0f}\u{20e3} 🏳\u{fe0f}\u{200d}🌈 ☎\u{fe0e}",
        "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f} and \
         🏴\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}.",
        // Directions between right-to-left words, signs and numbers.
        "שלום C++\u{200e} עולם",
        "\u{200f}(12) שלום",
        "قال \u{61c}5-3 شيئا",
        // Breaks between words of scripts without blanks.
        "ភាសា\u{200b}ខ្មែរ และ ภาษา\u{200b}ไทย",
        // Variants of an ideograph, of a Mongolian letter, of a sign.
        "葛\u{e0100}城 辻\u{e0101}",
        "ᠠ\u{180b}ᠨ\u{180e}ᠠ",
        "≨\u{fe00}",
    ] {
        assert_eq!(hidden(text), Vec::<char>::new(), "{text:?}");
        assert_eq!(shown_text(text), text);
    }
}

#[test]
fn what_hides_is_found_where_ordinary_writing_has_no_use_for_it() {
    for (text, count) in [
        ("Ann\u{200b} lives here", 1),
        ("pass\u{200d}word, pass\u{200c}word", 2),
        ("\u{200d}\u{200c} \u{200d}", 3),
        // A second joiner says nothing to a reader.
        ("می\u{200c}\u{200c}روم", 1),
        ("می\u{200c}\u{200d}\u{200c}روم", 2),
        ("👨\u{200d}\u{200d}👩", 2),
        ("👍\u{200d}a", 1),
        ("abc \u{202e}cba\u{202c}", 2),
        ("\u{2066}x\u{2069} in Latin, שלום \u{2067}x\u{2069}", 4),
        ("right\u{200f} and left\u{200e} in English", 2),
        ("soft\u{ad}hyphen, \u{feff}mark, \u{2060}\u{2061}\u{2064}", 5),
        ("tags \u{e0041}\u{e0042} and 🏴\u{e0041}\u{e007f}", 4),
        // The flag of nobody; a flag that does not end; letters behind the end.
        ("🏴\u{e0075}\u{e0073}\u{e0074}\u{e0078}\u{e007f}", 5),
        ("🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}", 5),
        ("🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}\u{e0061}", 1),
        ("a\u{fe0f}\u{fe0f} b\u{fe01} 葛\u{e0100}\u{e0101} x\u{e0100}", 5),
        ("👍\u{fe0f}\u{fe01}\u{fe02}", 2),
        ("Hangul \u{115f}\u{1160}\u{3164}\u{ffa0}", 4),
        ("\u{1b}[2J \u{9b}31m \u{7} \0 \r over", 5),
        ("lines\u{2028}of\u{2029}two\u{85}kinds", 3),
        ("\u{fff9}a\u{fffa}b\u{fffb} \u{fffe} \u{10ffff} \u{fdd0}", 6),
        ("\u{206a}\u{206f} \u{1d173} \u{1bca0} \u{17b4} \u{34f}", 6),
    ] {
        assert_eq!(hidden(text).len(), count, "{text:?} {:?}", hidden(text));
    }
}

#[test]
fn what_would_not_be_seen_is_written_out_in_its_place() {
    assert_eq!(shown_line("a\u{1b}[2J\u{202e}b\n\tc"), "a\\u{1b}[2J\\u{202e}b\\u{a}\\u{9}c");
    assert_eq!(shown_text("a\u{1b}[2J\u{202e}b\n\tc"), "a\\u{1b}[2J\\u{202e}b\n\tc");
    assert_eq!(shown_text("over\rwritten\r\n"), "over\\u{d}written\r\n");
    assert_eq!(shown_line("over\rwritten\r\n"), "over\\u{d}written\\u{d}\\u{a}");
    assert!(matches!(shown_line("Zürich 東京"), Cow::Borrowed(_)));
}

proptest! {
    /// Nothing that a terminal obeys is left, whatever stands around it, and the rest is as it was.
    #[test]
    fn no_sequence_gets_through(text in "[\\x00-\\x1f\\x7f-\\u{9f}\\u{200b}-\\u{202e}\\u{2066}-\\u{2069}می👩a\\u{fe0f} ]{0,40}") {
        let obeyed = |c: char| (c.is_control() && !matches!(c, '\n' | '\t' | '\r')) || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        prop_assert!(!shown_text(&text).contains(obeyed));
        prop_assert!(!shown_line(&text).contains(|c: char| obeyed(c) || matches!(c, '\n' | '\t' | '\r')));
        let kept: String = text.chars().filter(|c| !is_unseen(*c)).collect();
        let left: String = unseen(&text).fold((text.clone(), 0), |(mut out, gone), (at, c)| {
            out.replace_range(at - gone..at - gone + c.len_utf8(), "");
            (out, gone + c.len_utf8())
        }).0;
        prop_assert_eq!(left.chars().filter(|c| !is_unseen(*c)).collect::<String>(), kept);
    }

    /// What is written out holds nothing more to write out.
    #[test]
    fn writing_out_twice_is_writing_out_once(text in "\\PC{0,20}[\\s\\S]{0,20}") {
        let once = shown_line(&text).into_owned();
        prop_assert_eq!(shown_line(&once).len(), once.len());
    }
}
