//! Redaction: what a room may not say leaves as a placeholder, and comes back as what it stood for.
//!
//! A match of a `redact` rule is replaced in the request by `⟦person-1⟧`; the same text has the same
//! placeholder within a conversation, so that a provider's prompt cache stays warm and a coding agent
//! gets its own words back letter for letter. Where the model says the placeholder, the caller reads
//! the text again. A term that the model knew by itself is replaced by a placeholder in its answer,
//! unless the caller said it first.
//!
//! The map from placeholders to texts lives in memory only, bounded, one for each room and
//! conversation: nothing can be restored into another room, and a restart forgets it. `names` writes and
//! reads placeholders, `spots` says where matches stand and replaces them, `sessions` keeps the map,
//! `restore` puts the texts back.
//!
//! What it does not do: a placeholder that the model takes apart beyond case, spaces and separators is
//! passed as the model's words. Numbers, keys, identifiers and matches over two text blocks cannot be
//! replaced without changing what the request means, so such a request is refused and says why.

pub(crate) mod address;
pub(crate) mod names;
pub mod restore;
pub mod sessions;
pub mod spots;

pub use sessions::{Masks, Sessions};
pub use spots::Spot;
