//! What may pass: texts inspected by a room's rules, streams held back until they are known to be harmless,
//! matches replaced and put back, tool calls judged by where they point, and what waits for the owner.
//!
//! It knows no HTTP client, no ledger and no log: who serves a call decides what a finding costs.
//!
//! Reading order: [`policy`] (the rules as they hold for one call), [`findings`] (what was found), [`seams`]
//! (texts read on from one to the next), [`inspect`] (every string of a text), [`stream`] (events held back), [`redact`] (what is replaced on the way out and put
//! back on the way in), [`targets`] (where calls point), [`made`] (ids of what a provider keeps), [`destination`] and [`approvals`] (what waits for the
//! owner), [`shield`] (the pause).

pub mod approvals;
pub mod destination;
pub mod findings;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod inspect;
pub mod made;
pub mod policy;
pub mod redact;
pub mod seams;
pub mod shield;
pub mod stream;
pub mod targets;
