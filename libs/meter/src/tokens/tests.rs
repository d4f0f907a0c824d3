use std::collections::HashMap;
use std::fmt::Write;

use base64::Engine;
use proptest::prelude::*;
use regex::Regex;
use sha2::{Digest, Sha256};

use super::*;

const BOTH: [Vocabulary; 2] = [Vocabulary::O200k, Vocabulary::Cl100k];

/// The digests that `tiktoken_ext/openai_public.py` of <https://github.com/openai/tiktoken> holds the published
/// files against.
#[test]
fn the_vocabularies_are_the_published_files() {
    for (vocabulary, digest) in [
        (Vocabulary::O200k, "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"),
        (Vocabulary::Cl100k, "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"),
    ] {
        let (mut published, mut rank, mut data) = (String::new(), 0, vocabulary.data());
        while let Some((length, rest)) = data.split_first() {
            let (token, rest) = rest.split_at(usize::from(*length));
            writeln!(published, "{} {rank}", base64::engine::general_purpose::STANDARD.encode(token))
                .unwrap();
            (rank, data) = (rank + 1, rest);
        }
        let found = hex::encode(Sha256::digest(published));
        assert_eq!(found, digest, "{}", vocabulary.name());
    }
}

/// Counts from `tests/test_encoding.py` and `tests/test_simple_public.py` of tiktoken, and from "How to count tokens
/// with tiktoken" in <https://github.com/openai/openai-cookbook>.
#[test]
fn published_counts_are_met() {
    for (text, o200k, cl100k) in [
        ("", 0, 0),
        ("hello world", 2, 2),
        ("tiktoken is great!", 6, 6),
        ("antidisestablishmentarianism", 6, 6),
        ("2 + 2 = 4", 7, 7),
        ("お誕生日おめでとう", 8, 9),
    ] {
        assert_eq!(Vocabulary::O200k.tokenizer().count(text), o200k, "o200k_base {text:?}");
        assert_eq!(Vocabulary::Cl100k.tokenizer().count(text), cl100k, "cl100k_base {text:?}");
    }
    for (text, cl100k) in [
        ("rer", 1),
        ("'rer", 2),
        ("today\n ", 3),
        ("today\n \n", 2),
        ("today\n  \n", 2),
        (" \u{85}0", 4),
        ("👍", 3),
    ] {
        assert_eq!(Vocabulary::Cl100k.tokenizer().count(text), cl100k, "cl100k_base {text:?}");
    }
}

/// Ids from "How to count tokens with tiktoken" in <https://github.com/openai/openai-cookbook>.
#[test]
fn published_ids_are_read_and_written() {
    let (o200k, cl100k) = (Vocabulary::O200k, Vocabulary::Cl100k);
    let published: [(Vocabulary, &str, &[u32]); 6] = [
        (cl100k, "tiktoken is great!", &[83, 1609, 5963, 374, 2294, 0]),
        (cl100k, "antidisestablishmentarianism", &[519, 85_342, 34_500, 479, 8997, 2191]),
        (cl100k, "2 + 2 = 4", &[17, 489, 220, 17, 284, 220, 19]),
        (o200k, "antidisestablishmentarianism", &[493, 129_901, 376, 160_388, 21_203, 2367]),
        (o200k, "お誕生日おめでとう", &[8930, 9697, 243, 128_225, 8930, 17_693, 4344, 48_669]),
        (o200k, "", &[]),
    ];
    for (vocabulary, text, ids) in published {
        assert_eq!(encoded(vocabulary, text), ids, "{} {text:?}", vocabulary.name());
        assert_eq!(vocabulary.text(ids).as_deref(), Some(text.as_bytes()), "{} {text:?}", vocabulary.name());
    }
}

#[test]
fn an_id_that_no_text_has_is_none_and_one_that_steers_says_nothing() {
    for (vocabulary, tokens, end) in
        [(Vocabulary::O200k, 199_998, 199_999), (Vocabulary::Cl100k, 100_256, 100_257)]
    {
        assert_eq!(table::places(vocabulary.data()).len(), tokens, "{}", vocabulary.name());
        assert!(vocabulary.text(&[0, tokens as u32 - 1]).is_some());
        assert_eq!(vocabulary.text(&[0, end]).unwrap(), b"!");
        for unknown in [300_000, u64::from(u32::MAX), u64::MAX] {
            assert_eq!(vocabulary.token(unknown), None);
        }
        assert_eq!(vocabulary.text(&[0, 300_000]), None);
    }
}

#[test]
fn models_are_known_by_the_beginning_of_their_names() {
    let (o200k, cl100k) = (Some(Vocabulary::O200k), Some(Vocabulary::Cl100k));
    for (model, wanted) in [
        ("gpt-5", o200k),
        ("gpt-5.1-codex", o200k),
        ("gpt-4o-mini-2024-07-18", o200k),
        ("gpt-4.1-nano", o200k),
        ("chatgpt-4o-latest", o200k),
        ("gpt-oss-20b", o200k),
        ("o1", o200k),
        ("o3-mini", o200k),
        ("o4-mini", o200k),
        ("codex-mini-latest", o200k),
        ("openai/gpt-4o", o200k),
        ("ft:gpt-4o:acme::1", o200k),
        ("GPT-4O", o200k),
        ("gpt-4", cl100k),
        ("gpt-4-turbo", cl100k),
        ("gpt-3.5-turbo", cl100k),
        ("text-embedding-3-large", cl100k),
        ("text-embedding-ada-002", cl100k),
        ("davinci-002", cl100k),
        ("o11", None),
        ("o1x", None),
        ("gpt-40", None),
        ("claude-sonnet-4-5", None),
        ("qwen3:8b", None),
        ("", None),
        ("é", None),
    ] {
        assert_eq!(Vocabulary::of_model(model), wanted, "{model}");
    }
}

/// The published expressions. This engine does not look ahead, so white space is cut back by hand.
fn published(vocabulary: Vocabulary) -> Regex {
    let words = match vocabulary {
        Vocabulary::O200k => {
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*"
        }
        Vocabulary::Cl100k => {
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        }
    };
    Regex::new(&format!(r"^(?:{words}|\s*[\r\n]+|(?<white>\s+))")).unwrap()
}

fn published_pieces<'t>(expression: &Regex, text: &'t str) -> Vec<&'t str> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let found = expression.captures(rest).unwrap();
        let mut end = found.get(0).unwrap().end();
        // `\s+(?!\S)|\s+`: without what stands before the next word, unless that is all.
        if let Some(white) = found.name("white")
            && end < rest.len()
            && white.as_str().chars().count() > 1
        {
            end -= white.as_str().chars().next_back().unwrap().len_utf8();
        }
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// As the definition says it: again and again the lowest pair, the first of equals.
fn merged_slowly(piece: &[u8], table: &Table) -> Vec<Vec<u8>> {
    let mut parts: Vec<Vec<u8>> = piece.iter().map(|byte| vec![*byte]).collect();
    while let Some((_, at)) = (1..parts.len())
        .filter_map(|at| Some((table.rank(&[parts[at - 1].as_slice(), &parts[at]].concat())?, at)))
        .min()
    {
        let second = parts.remove(at);
        parts[at - 1].extend(second);
    }
    parts
}

/// The ids of a text, as a client sends them in the place of it.
fn encoded(vocabulary: Vocabulary, text: &str) -> Vec<u32> {
    let tokenizer = vocabulary.tokenizer();
    let ids: HashMap<u32, u32> = table::places(vocabulary.data()).into_iter().zip(0..).collect();
    Pieces::new(text, vocabulary, tokenizer.kinds)
        .flat_map(|piece| merged_slowly(piece.as_bytes(), &tokenizer.table))
        .map(|token| ids[&tokenizer.table.rank(&token).unwrap()])
        .collect()
}

fn like_the_definition(text: &str) {
    for vocabulary in BOTH {
        let tokenizer = vocabulary.tokenizer();
        let pieces: Vec<&str> = Pieces::new(text, vocabulary, tokenizer.kinds).collect();
        assert_eq!(pieces, published_pieces(&published(vocabulary), text), "{} {text:?}", vocabulary.name());
        let slowly: usize =
            pieces.iter().map(|piece| merged_slowly(piece.as_bytes(), &tokenizer.table).len()).sum();
        assert_eq!(tokenizer.count(text), slowly as u64, "{} {text:?}", vocabulary.name());
    }
}

#[test]
fn corners_of_the_expressions_are_met() {
    for text in [
        "I'll we'VE it'ſ 'S'd ''s don'T O'Reilly rock'n'roll",
        "HTTPServer XMLHttpRequest aB AB Ab ǅ ǅabc ʰabc ABʰ ABʰC",
        "e\u{301}te\u{301} \u{301}\u{301}A \u{301}AB !\u{301}x",
        "x \u{a0} y\u{2003}\u{2003}z\t\ta \r\n\r\n b\n\n\n",
        "// path/to/file\r\n!!!\n/\n …—",
        "1234567 ١٢٣٤ Ⅻ½ 12a",
        "日本語のテキスト と 한국어 русский",
        "👩‍👩‍👧‍👦 🇩🇪 ",
        " ",
        "\n",
        "  ",
        " \n ",
    ] {
        like_the_definition(text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_counted_as_the_definition_says(text in "(?s).{0,80}") {
        like_the_definition(&text);
    }

    #[test]
    fn texts_of_the_characters_that_decide_are_too(
        text in "[aAbBsStTlLvVeErRmMdDſ'’ \t\r\n/!.09١ʰǅaé\u{301}日\u{a0}\u{85}]{0,60}"
    ) {
        like_the_definition(&text);
    }

    #[test]
    fn what_is_written_as_ids_is_read_back(text in "(?s).{0,80}") {
        for vocabulary in BOTH {
            let ids = encoded(vocabulary, &text);
            prop_assert_eq!(vocabulary.text(&ids).unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn long_words_are_merged_like_short_ones(word in "[a-c]{0,300}") {
        like_the_definition(&word);
    }
}

/// Nothing without an end: what has no place to be cut takes time in proportion to its length.
#[test]
fn a_word_without_end_is_counted() {
    let endless = "a".repeat(300_000);
    let counted = Vocabulary::O200k.tokenizer().count(&endless);
    assert!((30_000..=80_000).contains(&counted), "{counted}");
}

#[test]
fn the_tokenizer_is_loaded_beside_its_first_caller() {
    let first = Vocabulary::Cl100k.if_loaded().is_some();
    let mut turns = 0;
    while Vocabulary::Cl100k.if_loaded().is_none() {
        std::thread::yield_now();
        turns += 1;
    }
    // Another test of this process may have loaded it before.
    assert!(first || turns > 0);
    assert_eq!(Vocabulary::Cl100k.if_loaded().unwrap().count("hello world"), 2);
}
