//! What all translations share: one conversation, answer or row of events that every API is read into and
//! written from.

pub(crate) mod answer;
pub(crate) mod conversation;
pub(crate) mod event;
pub(crate) mod refused;
pub(crate) mod strict;

pub use refused::{Target, Untranslatable};

use crate::sse::Stop;
use answer::Answer;
use conversation::Request;
use event::Event;
use serde_json::Value;

/// How calls of an endpoint's callers are carried elsewhere: their requests read, answers written.
pub(crate) trait Caller: Sync {
    /// Reads a request.
    ///
    /// # Errors
    /// Names the first field that cannot be carried.
    fn read_request(&self, body: Value) -> Result<Request, Untranslatable>;

    /// Writes a whole answer. `now_s` is the time that formats with a date put in.
    ///
    /// # Errors
    /// Names what the format cannot hold.
    fn write_answer(&self, answer: &Answer, now_s: u64) -> Result<Value, Untranslatable>;

    /// What writes a stream for the caller of this request; it may keep `limit_bytes` of the answer.
    fn events(&self, request: &[u8], now_s: u64, limit_bytes: usize) -> Box<dyn WriteEvents>;
}

/// How calls from elsewhere are carried to an endpoint: requests written, its answers read.
pub(crate) trait Provided: Sync {
    /// Writes a request for a model.
    ///
    /// # Errors
    /// Names the first field that cannot be carried.
    fn write_request(&self, request: Request, target: Target<'_>) -> Result<Value, Untranslatable>;

    /// Reads a whole answer.
    ///
    /// # Errors
    /// Names what no other format can hold.
    fn read_answer(&self, body: &Value) -> Result<Answer, Untranslatable>;

    /// What reads a stream of the provider; it may keep `limit_bytes` of it.
    fn events(&self, limit_bytes: usize) -> Box<dyn ReadEvents>;
}

/// Reads the events of a provider's stream.
pub(crate) trait ReadEvents: Send + Sync {
    /// The usage object of an event, where it holds one.
    fn usage<'d>(&self, data: &'d Value) -> Option<&'d Value>;

    /// Whether an event says no more than that the stream lives.
    fn is_alive_only(&self, data: &Value) -> bool;

    /// Takes an event apart.
    ///
    /// # Errors
    /// When it cannot be read or carried: the stream must not go on.
    fn take(&mut self, data: &Value, events: &mut Vec<Event>) -> Result<(), Stop>;

    /// Takes `[DONE]`; `false` where that is no end of this API.
    fn done(&mut self, events: &mut Vec<Event>) -> bool;
}

/// Writes the events of a caller's stream.
pub(crate) trait WriteEvents: Send + Sync {
    /// Says what happened.
    ///
    /// # Errors
    /// When the answer is larger than may be kept.
    fn say(&mut self, event: Event, out: &mut Vec<String>) -> Result<(), Stop>;
}
