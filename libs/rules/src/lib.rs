//! Finds what must not leave a room, in whole texts and in streams, however it is spelled.
//!
//! # How it works
//!
//! **Folding.** Every character is folded before it is compared: compatibility forms, case,
//! accents, invisible characters and white space disappear, by a table that is generated at build
//! time (`fold`). A character may fold to none, one or several; it always keeps its original
//! bytes, so what is reported or released is the original text. A character that looks like a
//! Latin letter keeps its identity and is *also* read as that letter.
//!
//! **Matching.** The folded terms of all rooms form one prefix tree (`trie`). At every place where
//! a word may begin, a walk through the tree starts; each character moves it on, forks it or ends
//! it (`matcher`). In ordinary text a walk ends after a letter or two. A term is confirmed only
//! when the next visible character shows that the word ends there: `Ann` never matches `Annual`.
//! Letters, digits and other characters are three classes; a word begins and ends where the class
//! changes. Scripts without spaces have no such places: there a term may stand anywhere.
//!
//! **Disguises.** A walk may also go over what is not part of the term, if the term is long enough
//! that innocent text does not do so by chance: marks and tags, separators between letters, the
//! hyphen at a line's end, a separator of the term that is left out, an escape sequence that
//! stands for a letter. Runs of base64 and hexadecimal digits are decoded on the way and looked
//! through by walks and patterns of their own (`encoded`): from any digit on, over line breaks, and
//! one encoding inside another. Each kind is an [`Evasion`] with a name and a switch; the walk
//! remembers which it met.
//!
//! **Holding back.** In a stream, the text from the start of the oldest walk is what may still
//! become a violation; everything before it is [`Scanner::safe`]. So `safe` follows from the text
//! and the terms, never from a fixed window: with no walk alive nothing is held. Only the state of
//! the walks is kept, not the text. What is held has a bound (four times the longest term and
//! 4 KiB): a beginning of a term that is padded beyond it counts as a violation.
//!
//! **Patterns and packs** are deterministic automata with a declared longest match (`pattern`);
//! packs add checks to them (`detectors`): checksums, issuer rules, words that must stand before.
//! They hold text back in the same way, from the start of the oldest match in progress. Where a
//! text holds escape sequences, full-width digits or what cannot be seen, they also read it
//! without these (`lens`).
//!
//! **Whole texts** are scanned by the same walks from every place that can begin a term (`seek`),
//! so a stream and a whole text cannot disagree.
//!
//! # What it does not do
//!
//! Three encodings inside each other are not taken apart. Patterns and packs are not folded: case,
//! accents and look-alike letters matter to them, and escape sequences inside base64 are decoded
//! for terms only. A term is found in what it is given: taking apart JSON, and telling text from
//! binary data, is the caller's work. Transliteration, misspelling and translation are not found.

mod canonical;
mod checks;
mod detector;
mod detectors;
mod encoded;
mod encoding;
mod escape;
mod evasion;
mod fold;
mod gate;
#[cfg(test)]
mod golden;
mod lens;
mod matcher;
mod pack;
mod path;
mod pattern;
mod reading;
mod room;
mod rule;
mod scan;
mod scanner;
mod seam;
mod seek;
mod sieve;
mod terminal;
mod trie;
mod unseen;
mod walks;
#[cfg(test)]
mod work;

pub use canonical::canonical;
pub use detector::{DeclaredCheck, DetectorSpec, LITERALS_MAX};
pub use detectors::PackName;
pub use evasion::{Evasion, Evasions};
pub use pack::{Pack, UnknownDetector};
pub use pattern::{PATTERN_MAX_LEN, Pattern, PatternError};
pub use room::{CompileError, RoomRules, Ruleset};
pub use rule::{Action, Room, RuleKind, RuleSpec, TERM_MAX_BYTES, Term, TermError};
pub use scan::{ENCODED_PATTERNS_BYTES, Violation};
pub use scanner::{Scanner, StreamViolation};
pub use unseen::{Unseen, is_unseen, shown_line, shown_text, unseen};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
