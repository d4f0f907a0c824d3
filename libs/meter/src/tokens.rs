//! Counts tokens with the vocabularies that OpenAI publishes, and scales the count for everyone else. Turns the ids
//! of tokens back into text as well, for a firewall that has to read requests made of numbers.
//!
//! A [`Vocabulary`] says which of the two a model uses, and what its ids stand for; [`Tokenizer`] counts what `tiktoken` would
//! count for plain text (special tokens are text here, as they are for a provider). It does not know how a provider
//! frames messages and tools, so a count of a request's text is an estimate of what is billed, never the
//! bill. Models of other makers are counted with `o200k_base` and multiplied by a [`Factors`] entry that
//! is learned from what their providers report.
//!
//! The vocabularies are made for size, since they ship in every zOS: the bytes of the tokens are read where they
//! lie in the program, and beside them stands one table of four bytes a slot. Both together take 3 MB of
//! memory, and up to 2.3 MB of the program's file once they are used; reading ids takes another 1.2 MB. Nothing is
//! loaded before somebody asks for it.
//! Ready-made crates for the same vocabularies add 47 MB to the program and 70 MB to its memory (`bpe-openai` 0.3.2).

mod factors;
mod kinds;
mod merge;
mod pieces;
mod sample;
mod table;

pub use factors::{Factors, family};
pub use sample::Sample;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use kinds::Kinds;
use merge::Merger;
use pieces::Pieces;
use table::{Ids, Table};

/// One of the vocabularies that OpenAI's models use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Vocabulary {
    /// `o200k_base`: GPT-4o and everything after it.
    O200k,
    /// `cl100k_base`: GPT-4, GPT-3.5 and the embeddings.
    Cl100k,
}

/// Prefixes of OpenAI's models and their vocabularies: the table `MODEL_PREFIX_TO_ENCODING` and its neighbour in
/// `tiktoken/model.py` of <https://github.com/openai/tiktoken> (0.12). The first that fits decides.
const MODELS: &[(&str, Vocabulary)] = &[
    ("gpt-4o", Vocabulary::O200k),
    ("gpt-4.1", Vocabulary::O200k),
    ("gpt-4.5", Vocabulary::O200k),
    ("chatgpt-4o", Vocabulary::O200k),
    ("gpt-5", Vocabulary::O200k),
    ("gpt-oss", Vocabulary::O200k),
    ("codex-", Vocabulary::O200k),
    ("o1", Vocabulary::O200k),
    ("o3", Vocabulary::O200k),
    ("o4", Vocabulary::O200k),
    ("gpt-4", Vocabulary::Cl100k),
    ("gpt-3.5", Vocabulary::Cl100k),
    ("gpt-35", Vocabulary::Cl100k),
    ("text-embedding-3", Vocabulary::Cl100k),
    ("text-embedding-ada-002", Vocabulary::Cl100k),
    ("davinci-002", Vocabulary::Cl100k),
    ("babbage-002", Vocabulary::Cl100k),
];

impl Vocabulary {
    /// The vocabulary of a model by its name, `None` for models of other makers. A maker's name in front
    /// (`openai/gpt-4o`) and a fine-tuning mark (`ft:gpt-4o:…`) are looked past.
    #[must_use]
    pub fn of_model(model: &str) -> Option<Self> {
        let name = model.rsplit('/').next().unwrap_or(model);
        let name = name.strip_prefix("ft:").unwrap_or(name);
        let is_whole = |rest: &str| !rest.starts_with(|next: char| next.is_ascii_alphanumeric());
        MODELS.iter().find_map(|(start, vocabulary)| {
            let head = name.get(..start.len())?;
            (head.eq_ignore_ascii_case(start) && (start.ends_with('-') || is_whole(&name[start.len()..])))
                .then_some(*vocabulary)
        })
    }

    /// Its published name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::O200k => "o200k_base",
            Self::Cl100k => "cl100k_base",
        }
    }

    /// The bytes that one id stands for, `None` for an id that the vocabulary does not have. Tokens that steer a
    /// model, such as `<|endoftext|>`, say nothing: they are empty.
    ///
    /// The first call makes the table of ids, which takes less than a millisecond.
    #[must_use]
    pub fn token(self, id: u64) -> Option<&'static [u8]> {
        self.ids().token(id).or_else(|| self.special().contains(&id).then_some(&[]))
    }

    /// The text that a list of ids stands for, as bytes: a list may be cut inside a character. `None` where the
    /// vocabulary lacks one of the ids.
    #[must_use]
    pub fn text(self, ids: &[u32]) -> Option<Vec<u8>> {
        let mut text = Vec::with_capacity(ids.len().saturating_mul(4));
        for id in ids {
            text.extend_from_slice(self.token(u64::from(*id))?);
        }
        Some(text)
    }

    /// Tokens beside those of text: `tiktoken_ext/openai_public.py` and its
    /// `o200k_harmony` for the open models.
    fn special(self) -> &'static [u64] {
        match self {
            Self::O200k => {
                &[199_998, 199_999, 200_002, 200_003, 200_005, 200_006, 200_007, 200_008, 200_012, 200_018]
            }
            Self::Cl100k => &[100_257, 100_258, 100_259, 100_260, 100_276],
        }
    }

    fn ids(self) -> &'static Ids {
        static IDS: [OnceLock<Ids>; 2] = [OnceLock::new(), OnceLock::new()];
        IDS[self as usize].get_or_init(|| Ids::new(self.data()))
    }

    /// Its tokenizer. The first call makes the table, which takes some milliseconds.
    pub fn tokenizer(self) -> &'static Tokenizer {
        self.place().get_or_init(|| Tokenizer::new(self))
    }

    /// Its tokenizer if it is there already. The first call has it made on a thread of its own, so that no
    /// caller waits; until then callers go by [`estimate_tokens`](crate::estimate_tokens).
    pub fn if_loaded(self) -> Option<&'static Tokenizer> {
        static IS_ASKED_FOR: [AtomicBool; 2] = [AtomicBool::new(false), AtomicBool::new(false)];
        let loaded = self.place().get();
        if loaded.is_none() && !IS_ASKED_FOR[self as usize].swap(true, Ordering::Relaxed) {
            let thread = std::thread::Builder::new().name("tokenizer".to_owned());
            if let Err(error) = thread.spawn(move || {
                self.tokenizer();
            }) {
                // Estimates go on serving, and a later call tries again.
                IS_ASKED_FOR[self as usize].store(false, Ordering::Relaxed);
                tracing::warn!(%error, "the tokenizer could not be loaded");
            }
        }
        loaded
    }

    fn place(self) -> &'static OnceLock<Tokenizer> {
        static LOADED: [OnceLock<Tokenizer>; 2] = [OnceLock::new(), OnceLock::new()];
        &LOADED[self as usize]
    }

    fn data(self) -> &'static [u8] {
        match self {
            Self::O200k => include_bytes!("../data/o200k_base.tokens"),
            Self::Cl100k => include_bytes!("../data/cl100k_base.tokens"),
        }
    }
}

/// Counts the tokens of one vocabulary.
#[derive(Debug)]
pub struct Tokenizer {
    vocabulary: Vocabulary,
    table: Table,
    kinds: &'static Kinds,
}

impl Tokenizer {
    fn new(vocabulary: Vocabulary) -> Self {
        Self { vocabulary, table: Table::new(vocabulary.data()), kinds: Kinds::shared() }
    }

    /// The tokens of a text: as many as `tiktoken`'s `encode_ordinary` gives.
    ///
    /// Takes time in proportion to the text's length, or `n log n` for words without end.
    #[must_use]
    pub fn count(&self, text: &str) -> u64 {
        let mut merger = Merger::default();
        let pieces = Pieces::new(text, self.vocabulary, self.kinds);
        pieces.map(|piece| u64::from(self.count_piece(piece.as_bytes(), &mut merger))).sum()
    }

    fn count_piece(&self, piece: &[u8], merger: &mut Merger) -> u32 {
        // Most words are tokens.
        if self.table.rank(piece).is_some() { 1 } else { merger.count(piece, &self.table) }
    }
}

#[cfg(test)]
mod tests;
