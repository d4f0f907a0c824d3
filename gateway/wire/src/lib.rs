//! What the APIs of AI clients say: requests, events of a stream, errors, and how a call is carried from one
//! API to another. Facts out, bytes out: nothing here decides anything.
//!
//! It knows no rules, no rooms and no sockets.
//!
//! Reading order: [`json`] (texts with the place of every string), [`sse`] (events), [`face`] (what an endpoint is asked), [`faces`]
//! (all of them, a file each), [`asked`] (what a request to one asks for), [`dialect`] (what an event says), [`places`]
//! (where its strings stand), [`pair`] (calls between two faces), [`declared`] (strings that are declared to be no
//! text), [`blob`] and [`charset`] (what bytes are, and what texts they may be), [`clients`] (who calls, and what makes each stop), [`problem`] (answers of ours).

pub mod asked;
pub mod blob;
mod canon;
pub mod charset;
pub mod clients;
pub mod declared;
pub mod dialect;
mod envelope;
pub mod face;
pub mod faces;
pub mod hosted;
pub mod json;
mod limits;
mod needs;
pub mod pair;
pub mod places;
pub mod prefill;
pub mod problem;
mod spelling;
pub mod sse;
pub mod state;
mod system;
pub mod translate;
pub mod turn;
pub mod usage;
