//! Carries calls between the wire formats, so that a client that speaks one API can use a model behind
//! another.
//!
//! Each format is read into one conversation, answer or row of events, and written from it. Reading a
//! request is strict: whatever has no counterpart is refused by its name before anything leaves, fields
//! that we do not know included. Only hints are left out: they change neither what is said nor what it
//! means (`cache_control`, because the other API caches by itself; the signature of thinking, which only
//! its own provider can check).
//!
//! A request is inspected before it is translated and an answer after, so the guard sees what the caller
//! gets, in the caller's own format. Routes within one API never come here: their bytes are not touched.
//!
//! What this does not do: carry files, sound, tools that run at the provider, stored conversations, or
//! several choices of one answer.

mod stream;
#[cfg(test)]
mod tests;

use crate::envelope;
use crate::face::Face;
use crate::faces::{chat, messages, responses};
use crate::translate::refused::{Target, Untranslatable};
use crate::translate::strict;
use bytes::Bytes;
use zos_core::{Api, Provider};

pub use stream::StreamTranslator;

/// The format of the caller and the one of the provider, where they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    client: Face,
    provider: Face,
}

impl Pair {
    /// How a call on `face` reaches `provider`; `None` where its bytes can go as they are.
    ///
    /// # Errors
    /// When the provider's API has no such endpoint.
    pub fn of(face: Face, provider: &Provider) -> Result<Option<Pair>, Untranslatable> {
        if provider.is_demo() {
            return Ok(None);
        }
        let pair = |provider| Ok(Some(Pair { client: face, provider }));
        match (face, provider.api) {
            (Face::Responses, Api::OpenAi) if !provider.speaks_responses => pair(Face::ChatCompletions),
            (_, api) if api == face.api() => Ok(None),
            (Face::Messages, _) => pair(Face::ChatCompletions),
            (Face::ChatCompletions | Face::Responses, _) => pair(Face::Messages),
            (Face::CountTokens, _) => Err(Untranslatable::nowhere("POST /v1/messages/count_tokens")),
            (Face::Embeddings, _) => Err(Untranslatable::nowhere("POST /v1/embeddings")),
        }
    }

    /// A pair of two formats that differ.
    #[cfg(feature = "fuzzing")]
    pub fn between(client: Face, provider: Face) -> Pair {
        Pair { client, provider }
    }

    /// The format that the caller speaks.
    #[cfg(feature = "fuzzing")]
    pub fn client(self) -> Face {
        self.client
    }

    /// The format that the provider speaks.
    pub fn provider(self) -> Face {
        self.provider
    }

    /// The request in the provider's format.
    ///
    /// # Errors
    /// Names the first field that cannot be carried.
    pub fn request(self, body: &[u8], target: Target<'_>) -> Result<Bytes, Untranslatable> {
        let body = strict::read(body)?;
        let request = match self.client {
            Face::Messages => messages::request::read(body)?,
            Face::Responses => responses::request::read(body)?,
            _ => chat::request::read(body)?,
        };
        let written = match self.provider {
            Face::Messages => messages::write::request(request, target)?,
            _ => chat::write::request(request, target)?,
        };
        Ok(Bytes::from(written.to_string()))
    }

    /// A whole answer in the caller's format. `now_s` is the time that formats with a date put in.
    ///
    /// # Errors
    /// Names what the caller's format cannot hold.
    pub fn answer(self, body: &str, now_s: u64) -> Result<Bytes, Untranslatable> {
        let body = strict::read_leniently(body)?;
        let answer = match self.provider {
            Face::Messages => messages::answer::read(&body)?,
            _ => chat::answer::read(&body)?,
        };
        let written = match self.client {
            Face::Messages => messages::answer::write(&answer)?,
            Face::Responses => responses::answer::write(&answer, now_s),
            _ => chat::answer::write(&answer, now_s),
        };
        Ok(Bytes::from(written.to_string()))
    }

    /// A provider's error in the envelope that the caller's SDK reads.
    pub fn failure(self, status: http::StatusCode, body: &[u8]) -> Bytes {
        envelope::envelope(self.client.shape(), status, body)
    }

    /// Whether the caller wants the usage at the end of a stream: only chat has a choice.
    fn wants_usage(self, request: &[u8]) -> bool {
        self.client != Face::ChatCompletions
            || strict::read(request)
                .is_ok_and(|body| body["stream_options"]["include_usage"] == serde_json::Value::Bool(true))
    }

    /// What turns the provider's stream into the caller's. `request` is the caller's own.
    pub fn stream(self, request: &[u8], now_s: u64, limit_bytes: usize) -> StreamTranslator {
        StreamTranslator::new(self.client, self.provider, self.wants_usage(request), now_s, limit_bytes)
    }
}
