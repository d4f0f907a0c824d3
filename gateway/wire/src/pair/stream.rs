//! Turns a provider's stream into the caller's format while it arrives.
//!
//! A reader takes the provider's events apart into [`Event`]s with one open block at a time; a writer says
//! them in the caller's format. The end of the answer is only said when the provider's own terminator
//! arrived, so a stream that breaks never looks complete.

use crate::face::Face;
use crate::sse::{Frame, FrameError, Stop};
use crate::translate::event::Event;
use crate::translate::{ReadEvents, WriteEvents, strict};
use bytes::Bytes;
use zos_meter::UsageReader;

/// One stream on its way from the provider's format to the caller's.
pub struct StreamTranslator {
    reader: Box<dyn ReadEvents>,
    writer: Box<dyn WriteEvents>,
    provider: Face,
    is_over: bool,
    /// What the provider reported that it used.
    pub usage: UsageReader,
}

impl StreamTranslator {
    pub(crate) fn new(
        reader: Box<dyn ReadEvents>,
        writer: Box<dyn WriteEvents>,
        provider: Face,
    ) -> StreamTranslator {
        let usage = UsageReader::new(provider.counting());
        StreamTranslator { reader, writer, provider, is_over: false, usage }
    }

    /// The format that the usage objects are in.
    pub fn provider(&self) -> Face {
        self.provider
    }

    /// The events of the caller's format that one event of the provider becomes.
    ///
    /// # Errors
    /// When the event cannot be read or carried: the stream must not go on.
    pub fn take(&mut self, frame: &Frame) -> Result<Vec<Frame>, Stop> {
        let fields = frame.fields().map_err(|error| match error {
            FrameError::TooLarge(_) => Stop::Unreadable("an event is too large"),
            FrameError::NotUtf8 => Stop::Unreadable("an event is not valid UTF-8"),
        })?;
        let data = match fields.data.as_deref() {
            Some(data) if !data.trim().is_empty() => data,
            // A keep-alive: comments are the same in every format.
            None if fields.event.is_empty() => return Ok(vec![frame.clone()]),
            // An event that says nothing is none of the caller's format, whose reader expects JSON.
            _ => return Ok(vec![keep_alive()]),
        };
        if self.is_over {
            return Ok(Vec::new());
        }
        let mut events = Vec::new();
        if data.trim() != "[DONE]" || !self.reader.done(&mut events) {
            let data =
                strict::read_leniently(data).map_err(|_| Stop::Unreadable("an event is not valid JSON"))?;
            if let Some(usage) = self.reader.usage(&data).filter(|usage| usage.is_object()) {
                self.usage.report(&usage.to_string());
            }
            if self.reader.is_alive_only(&data) {
                return Ok(vec![keep_alive()]);
            }
            self.reader.take(&data, &mut events)?;
        }
        let mut frames = Vec::new();
        for event in events {
            self.is_over |= matches!(event, Event::Stop { .. } | Event::Failed { .. });
            let mut said = Vec::new();
            self.writer.say(event, &mut said)?;
            frames.extend(said.into_iter().map(|raw| Frame { raw: Bytes::from(raw) }));
        }
        Ok(frames)
    }
}

/// A comment, which no reader takes for more than a sign of life.
fn keep_alive() -> Frame {
    Frame { raw: Bytes::from_static(b": ping\n\n") }
}
