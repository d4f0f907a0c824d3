//! What all translations share: one conversation, answer or row of events that every API is read into and
//! written from.

pub(crate) mod answer;
pub(crate) mod conversation;
pub(crate) mod event;
pub(crate) mod refused;
pub(crate) mod strict;

pub use refused::{Target, Untranslatable};
