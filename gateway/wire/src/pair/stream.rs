//! Turns a provider's stream into the caller's format while it arrives.
//!
//! A reader takes the provider's events apart into [`Event`]s with one open block at a time; a writer says
//! them in the caller's format. The end of the answer is only said when the provider's own terminator
//! arrived, so a stream that breaks never looks complete.

use crate::face::Face;
use crate::faces::{chat, messages, responses};
use crate::sse::{Frame, FrameError, Stop};
use crate::translate::event::Event;
use crate::translate::strict;
use bytes::Bytes;
use zos_meter::UsageReader;

enum Reader {
    Chat(chat::events::Reader),
    Messages(messages::events::Reader),
}

enum Writer {
    Chat(chat::events::Writer),
    Messages(messages::events::Writer),
    Responses(responses::events::Writer),
}

/// One stream on its way from the provider's format to the caller's.
pub struct StreamTranslator {
    reader: Reader,
    writer: Writer,
    provider: Face,
    is_over: bool,
    /// What the provider reported that it used.
    pub usage: UsageReader,
}

impl StreamTranslator {
    pub(crate) fn new(
        client: Face,
        provider: Face,
        wants_usage: bool,
        now_s: u64,
        limit_bytes: usize,
    ) -> StreamTranslator {
        let reader = match provider {
            Face::Messages => Reader::Messages(messages::events::Reader::default()),
            _ => Reader::Chat(chat::events::Reader::new(limit_bytes)),
        };
        let writer = match client {
            Face::Messages => Writer::Messages(messages::events::Writer::default()),
            Face::Responses => Writer::Responses(responses::events::Writer::new(now_s, limit_bytes)),
            _ => Writer::Chat(chat::events::Writer::new(now_s, wants_usage)),
        };
        StreamTranslator {
            reader,
            writer,
            provider,
            is_over: false,
            usage: UsageReader::new(provider.meter()),
        }
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
        let is_marker = data.trim() == "[DONE]";
        if let (Reader::Chat(reader), true) = (&mut self.reader, is_marker) {
            reader.done(&mut events);
        } else {
            let data =
                strict::read_leniently(data).map_err(|_| Stop::Unreadable("an event is not valid JSON"))?;
            let usage = match &self.reader {
                // Of its own, Groq's, Moonshot's: see wire/usage.rs.
                Reader::Chat(_) => [&data["usage"], &data["x_groq"]["usage"], &data["choices"][0]["usage"]]
                    .into_iter()
                    .find(|usage| usage.is_object())
                    .unwrap_or(&serde_json::Value::Null),
                Reader::Messages(_) if data["type"] == "message_start" => &data["message"]["usage"],
                Reader::Messages(_) => &data["usage"],
            };
            if usage.is_object() {
                self.usage.report(&usage.to_string());
            }
            match &mut self.reader {
                Reader::Chat(reader) => reader.take(&data, &mut events)?,
                Reader::Messages(_) if data["type"] == "ping" => {
                    return Ok(vec![keep_alive()]);
                }
                Reader::Messages(reader) => reader.take(&data, &mut events)?,
            }
        }
        let mut frames = Vec::new();
        for event in events {
            self.is_over |= matches!(event, Event::Stop { .. } | Event::Failed { .. });
            let mut said = Vec::new();
            match &mut self.writer {
                Writer::Chat(writer) => writer.say(event, &mut said),
                Writer::Messages(writer) => writer.say(event, &mut said),
                Writer::Responses(writer) => writer.say(event, &mut said)?,
            }
            frames.extend(said.into_iter().map(|raw| Frame { raw: Bytes::from(raw) }));
        }
        Ok(frames)
    }
}

/// A comment, which no reader takes for more than a sign of life.
fn keep_alive() -> Frame {
    Frame { raw: Bytes::from_static(b": ping\n\n") }
}
