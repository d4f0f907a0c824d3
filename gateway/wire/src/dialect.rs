//! What one event of a stream says, in the words that all dialects share: channels, pieces, endings.

use crate::json::Str;
use crate::problem::Problem;
use smallvec::SmallVec;

/// What kind of text a channel carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Text that the client shows as the answer.
    Text,
    /// Arguments of a tool call: pieces of one JSON text.
    Arguments,
    /// Thinking, refusals, transcripts and whatever else comes in pieces.
    Other,
}

/// One text that arrives in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Channel {
    /// What it carries.
    pub kind: Kind,
    /// Choice, content block or output item.
    pub block: u64,
    /// What tells channels of one block apart.
    pub part: u64,
}

/// The part of a tool whose call may have arguments in any part of its block.
pub const ANY_PART: u64 = u64::MAX - 1;

/// A piece of a channel's text.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// The channel.
    pub channel: Channel,
    /// The text.
    pub text: Str<'a>,
}

/// What one event of a stream says.
#[derive(Debug, Default)]
pub struct Reading<'a> {
    /// Pieces of text, in order. Every other string of the event is inspected as a whole text.
    pub pieces: SmallVec<[Piece<'a>; 2]>,
    /// Tools that calls of this event name, by block and part of the channel of their arguments.
    pub tools: SmallVec<[(u64, u64, Str<'a>); 1]>,
    /// Blocks that end with this event, after its pieces.
    pub ended: SmallVec<[u64; 1]>,
    /// Whether all texts end with this event.
    pub all_ended: bool,
    /// The raw usage object, where the event holds one.
    pub usage: Option<&'a str>,
    /// The terms that the answer is served at, where the event says so.
    pub tier: Option<zos_meter::Tier>,
    /// Whether the answer is complete with this event.
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

/// A number for a name, to tell channels apart (FNV-1a, 64 bit: stable, small, not against forgery. Two
/// names that meet would only be scanned as one text).
pub(crate) fn number(name: &str) -> u64 {
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
