//! YAML with positions: every value knows its place, and what is wrong is said with file, line,
//! column and the fix.
//!
//! [`parse`] makes a [`Document`]; [`Fields`] and the getters of [`Node`] turn it into typed values
//! and collect what does not fit in [`Findings`]. The reader is strict where leniency could hide a
//! rule: duplicate keys, merge keys, unknown tags and several documents are errors. Everything is
//! bounded: size, nesting, and what aliases may unfold to. It takes any bytes and never panics.

mod errors;
mod fields;
mod findings;
mod node;
mod scalar;
mod suggest;
mod text;
mod tree;

pub use fields::{Fields, Unknown};
pub use findings::Findings;
pub use node::{Document, MapEntry, Node, Place, Style, Value};
pub use suggest::closest;
pub(crate) use text::too_large;
pub use text::{MAX_BYTES, decode};
pub use tree::parse;

#[cfg(test)]
mod tests;
