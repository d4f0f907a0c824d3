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
use crate::translate::{Caller, Provided, Target, Untranslatable, strict};
use bytes::Bytes;
use std::fmt;
use zos_core::Provider;

pub use stream::StreamTranslator;

/// The format of the caller and the one of the provider, where they differ.
#[derive(Clone, Copy)]
pub struct Pair {
    client: Face,
    provider: Face,
    caller: &'static dyn Caller,
    provided: &'static dyn Provided,
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
        if provider.api == face.api() && face.endpoint().is_served_by(provider) {
            return Ok(None);
        }
        let pair = face.endpoint().across(provider.api).and_then(|provider| Pair::between(face, provider));
        pair.map(Some).ok_or_else(|| Untranslatable::nowhere(format!("POST /v1/{}", face.path())))
    }

    /// A pair of two formats; `None` where calls of one cannot be carried to the other.
    pub fn between(client: Face, provider: Face) -> Option<Pair> {
        let (caller, provided) = (client.facts().caller?, provider.facts().provided?);
        Some(Pair { client, provider, caller, provided })
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
        let request = self.caller.read_request(strict::read(body)?)?;
        Ok(Bytes::from(self.provided.write_request(request, target)?.to_string()))
    }

    /// A whole answer in the caller's format. `now_s` is the time that formats with a date put in.
    ///
    /// # Errors
    /// Names what the caller's format cannot hold.
    pub fn answer(self, body: &str, now_s: u64) -> Result<Bytes, Untranslatable> {
        let answer = self.provided.read_answer(&strict::read_leniently(body)?)?;
        Ok(Bytes::from(self.caller.write_answer(&answer, now_s)?.to_string()))
    }

    /// A provider's error in the envelope that the caller's SDK reads.
    pub fn failure(self, status: http::StatusCode, body: &[u8]) -> Bytes {
        envelope::envelope(self.client.shape(), status, body)
    }

    /// What turns the provider's stream into the caller's. `request` is the caller's own.
    pub fn stream(self, request: &[u8], now_s: u64, limit_bytes: usize) -> StreamTranslator {
        let writer = self.caller.events(request, now_s, limit_bytes);
        StreamTranslator::new(self.provided.events(limit_bytes), writer, self.provider)
    }
}

impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        (self.client, self.provider) == (other.client, other.provider)
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:?}", self.client, self.provider)
    }
}
