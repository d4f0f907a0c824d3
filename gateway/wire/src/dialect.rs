//! What one event of a stream says, in the words that all dialects share: strings, ends, endings.

use crate::places::{Leaves, Place};
use crate::problem::Problem;
use smallvec::SmallVec;

/// What one event of a stream says.
#[derive(Debug, Default)]
pub struct Reading<'a> {
    /// Every string of it.
    pub leaves: Leaves<'a>,
    /// Blocks that the provider calls ended, after the event's own words. It may be wrong.
    pub ended: SmallVec<[Place; 1]>,
    /// Whether it calls all of them ended.
    pub all_ended: bool,
    /// The raw usage object, where the event holds one.
    pub usage: Option<&'a str>,
    /// The terms that the answer is served at, where the event says so.
    pub tier: Option<zos_meter::Tier>,
    /// Whether the answer is complete with this event: clients read nothing behind it.
    pub is_terminator: bool,
    /// Whether the provider says that it failed.
    pub is_failure: bool,
}

/// What an ending has to know of an event that the caller received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// The message began.
    MessageStart,
    /// A block was opened.
    BlockStart(u64),
    /// A block was closed.
    BlockStop(u64),
    /// Nothing of that kind.
    Other,
}

/// The `zos` object that stands beside a native ending.
pub(crate) fn mark(problem: &Problem, request_id: &str) -> serde_json::Value {
    serde_json::json!({"code": problem.code.as_str(), "message": problem.message, "hint": problem.hint, "request_id": request_id})
}

/// One event with a name.
pub(crate) fn event(name: &str, data: &serde_json::Value) -> Vec<u8> {
    format!("event: {name}\ndata: {data}\n\n").into_bytes()
}
