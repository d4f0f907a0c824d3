//! Answers that arrive as a stream of events: cut into events, scanned per channel, released as soon as
//! nothing in them can be part of a violation any more.
//!
//! An event is released whole and unchanged, or not at all: what the caller receives of an allowed answer
//! is byte for byte what the provider sent. Only when an answer is cut does the guard write events of its
//! own: the harmless start of the last text, and the ending.

pub(crate) mod arguments;
pub(crate) mod guard;
pub(crate) mod sse;
