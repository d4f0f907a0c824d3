//! Places in an answer where a dialect's own event can say text.

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

/// Where a dialect's own event can say text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channel {
    /// Choice, content block or output item.
    pub block: u64,
    /// The part of an item's content.
    pub part: u64,
}
