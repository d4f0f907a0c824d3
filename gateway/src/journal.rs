//! Journal: what is written down and told of, and how it is signed and counted.
//!
//! Records of calls and of the owner's deeds go to the log of `zos-audit`; here is what stands around it: notes of deeds
//! in progress, what verification found, keyed hashes in place of found words, signed statements of what governs, counters
//! and spans. No text of a call is in any of them.

pub mod attest;
pub(crate) mod counters;
pub(crate) mod deed_notes;
pub(crate) mod log_damage;
pub mod system;
pub(crate) mod telemetry;
pub mod terms;
