//! What one event of a stream says, in the words that all dialects share: strings, ends, endings.

use crate::clients::Client;
use crate::json::Value;
use crate::places::{Channel, Leaves, Place, Walk};
use crate::problem::Problem;
use bytes::Bytes;
use smallvec::SmallVec;
use zos_meter::Usage;

/// A stream of one API on its way to the caller: how its events are read, and how it is ended in its own words. Keeps what
/// an ending needs to know. Nothing has a default, so that no API forgets a part of it.
pub(crate) trait Stream: Send + Sync {
    /// Reads an event; the walk is over its strings.
    fn read<'a>(&mut self, walk: &mut Walk<'_, 'a>, event: &str, data: &'a Value<'a>) -> Reading<'a>;

    /// Walks over every string of a whole answer.
    fn whole<'a>(&self, walk: &mut Walk<'_, 'a>, answer: &'a Value<'a>);

    /// Whether an event of this name is one that the API documents.
    fn knows(&self, event: &str) -> bool;

    /// Whether `[DONE]` ends an answer. Elsewhere it says nothing.
    fn has_end_marker(&self) -> bool;

    /// Whether the ends of blocks that the provider states are what clients go by. Where they are, what waits in a block
    /// waits no longer for more of it.
    fn ends_blocks(&self) -> bool;

    /// What the caller's reader makes of an event, for [`Stream::delivered`].
    fn delivery(&self, event: &str, data: &Value<'_>) -> Delivered;

    /// Remembers that an event was delivered to the caller: an ending closes what the caller has open.
    fn delivered(&mut self, event: &Delivered);

    /// An event that carries a part of a piece's text, for what may still be said before a cut.
    fn text_event(&self, channel: Channel, text: &str) -> Bytes;

    /// The ending by which this client stops where we stop an answer: it shows our sentence once, acts on no half of a
    /// call, and does not ask again where that can be had.
    fn cut(&self, cut: &Cut<'_>, client: &Client) -> Bytes;

    /// The native ending of an answer that was refused.
    fn refusal(&self, problem: &Problem, request_id: &str, output_tokens: u64) -> Bytes;

    /// An error event, after which nothing looks complete.
    fn failure(&self, problem: &Problem, request_id: &str) -> Bytes;

    /// An error answer of a provider as the event that says the same in a stream.
    fn foreign_failure(&self, error: &serde_json::Value) -> Bytes;

    /// The same stream without any words of the provider: an ending of it tells what is open and how it ended, in words
    /// of ours alone.
    fn without_words(&self) -> Box<dyn Stream>;

    /// What keeps a stream alive that has nothing to say.
    fn ping(&self) -> Bytes;
}

/// A stop of ours in the middle of an answer.
#[derive(Debug, Clone, Copy)]
pub struct Cut<'a> {
    /// Why, as its caller is told it ([`Problem::told`]).
    pub problem: &'a Problem,
    /// The id that the caller knows the call by.
    pub request_id: &'a str,
    /// Whether a tool call is open: then nothing may look like an end that can be acted upon.
    pub in_call: bool,
    /// What the answer cost until here.
    pub usage: Usage,
}

/// A comment, which every reader of events skips.
pub(crate) const COMMENT: Bytes = Bytes::from_static(b": waiting for the owner\n\n");

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

/// Our sentence as the last words of a text that goes before it.
pub(crate) fn last_words(problem: &Problem) -> String {
    format!("\n\n{}", problem.sentence())
}

/// One event with a name.
pub(crate) fn event(name: &str, data: &serde_json::Value) -> Vec<u8> {
    format!("event: {name}\ndata: {data}\n\n").into_bytes()
}
