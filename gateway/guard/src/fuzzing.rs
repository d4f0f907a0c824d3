//! The gateway's readers of foreign bytes, laid open for the fuzz targets in `tests/fuzz` and for the test
//! that runs their corpus. Not part of the API; the feature `fuzzing` is on in nothing that is shipped.

use crate::findings::Findings;
use crate::inspect;
use crate::policy::Policy;
use crate::stream::Guard;
use crate::stream::arguments::{ArgumentsReader, Part};
use std::sync::Arc;
use std::time::Instant;
use zos_core::{Effect, RoomPolicy};
use zos_rules::Ruleset;
use zos_wire::face::Face;
use zos_wire::faces::Dialect;
use zos_wire::json::{self, Value};
use zos_wire::pair::Pair;
use zos_wire::sse::Framer;
use zos_wire::sse::Stop;
use zos_wire::translate::Target;

/// An event may have at most so many bytes.
const EVENT_BYTES: usize = 1 << 16;

/// So many bytes may wait: more than an input of the fuzzer has, so that they are cut wherever it likes.
const LIMIT_BYTES: usize = 1 << 24;

/// The faces that stream, to choose from by index.
const FACES: [Face; 3] = [Face::Messages, Face::ChatCompletions, Face::Responses];

/// All strings of a JSON text, decoded, keys included, in the order of the text.
///
/// # Errors
/// Why it is no JSON.
pub fn json_strings(text: &str) -> Result<Vec<String>, String> {
    let value = json::parse(text).map_err(|error| error.to_string())?;
    let mut strings = Vec::new();
    collect(&value, &mut strings);
    Ok(strings)
}

fn collect(value: &Value<'_>, strings: &mut Vec<String>) {
    match value {
        Value::Object { members, .. } => {
            for (key, value) in members {
                strings.push(key.text().into_owned());
                collect(value, strings);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| collect(element, strings)),
        Value::String(text) => strings.push(text.text().into_owned()),
        Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}

/// What the reader of tool arguments makes of these pieces: texts, divided where a string begins or ends.
pub fn arguments(pieces: &[&str]) -> Vec<String> {
    let mut reader = ArgumentsReader::new();
    let mut texts = vec![String::new()];
    let mut take = |part: Part<'_>| match part {
        Part::Text(text) => texts.last_mut().expect("it is never empty").push_str(text),
        Part::Boundary => texts.push(String::new()),
    };
    for piece in pieces {
        reader.push(piece, &mut take);
    }
    reader.finish(&mut take);
    texts
}

/// What a caller receives of a stream whose bytes arrive in these chunks, and why it was stopped.
///
/// # Errors
/// The second part: why the stream must not go on.
pub fn guarded(face: usize, ruleset: &Arc<Ruleset>, chunks: &[&[u8]]) -> (Vec<u8>, Result<(), String>) {
    let policy = policy(ruleset);
    let mut framer = Framer::new(EVENT_BYTES);
    let mut guard = Guard::new(Dialect::of(FACES[face % FACES.len()]), policy, None, LIMIT_BYTES);
    let mut out = Vec::new();
    let now = Instant::now();
    let mut walk = || -> Result<(), Stop> {
        for chunk in chunks {
            framer.push(chunk);
            while let Some(frame) =
                framer.next_frame().map_err(|_| Stop::Unreadable("an event is too large"))?
            {
                guard.take(&frame, now, &mut out)?;
            }
        }
        if let Some(frame) = framer.finish() {
            guard.take(&frame, now, &mut out)?;
        }
        guard.finish(&mut out)
    };
    let outcome = walk().map_err(|stop| format!("{stop:?}"));
    (out.concat(), outcome)
}

/// What a client of that face puts together of a stream, text by text.
#[must_use]
pub fn accumulated(face: usize, stream: &[u8]) -> Vec<String> {
    crate::stream::client::accumulated(FACES[face % FACES.len()], &String::from_utf8_lossy(stream))
}

/// Everything that the room `acme` of a ruleset finds is denied.
fn policy(ruleset: &Arc<Ruleset>) -> Policy {
    let rules = ruleset.room("acme").expect("the caller's ruleset has the room");
    // Nothing here asks for the place of a rule.
    let room = RoomPolicy {
        rules,
        effects: vec![Effect::Block; 64],
        places: Vec::new(),
        labels: Vec::new(),
        restore_to: Vec::new(),
    };
    Policy::new(Arc::new(room), false)
}

/// Whether the firewall finds something in a JSON text.
pub fn is_denied(ruleset: &Arc<Ruleset>, text: &str) -> bool {
    let policy = policy(ruleset);
    let mut findings = Findings::default();
    match json::parse(text) {
        Ok(value) => inspect::request(&policy, &value, &mut findings),
        Err(_) => inspect::text(&policy, text, "body", &mut findings),
    }
    findings.are_blocked(&policy)
}

/// A caller's format and a provider's, where they differ.
#[derive(Debug, Clone, Copy)]
pub struct Translation(Pair);

impl Translation {
    /// Pairs to choose from by index.
    #[must_use]
    pub fn of(index: usize) -> Translation {
        let pairs = [
            (Face::Messages, Face::ChatCompletions),
            (Face::ChatCompletions, Face::Messages),
            (Face::Responses, Face::ChatCompletions),
            (Face::Responses, Face::Messages),
        ];
        let (client, provider) = pairs[index % pairs.len()];
        Translation(Pair::between(client, provider))
    }

    /// A request in the provider's format, for a model called `there`.
    ///
    /// # Errors
    /// The field that cannot be carried.
    pub fn request(self, body: &[u8]) -> Result<Vec<u8>, String> {
        let target = Target { model: "there", is_openai: false, thinks: true };
        self.0.request(body, target).map(|bytes| bytes.to_vec()).map_err(|error| error.to_string())
    }

    /// A whole answer in the caller's format.
    ///
    /// # Errors
    /// What the caller's format cannot hold.
    pub fn answer(self, body: &str) -> Result<Vec<u8>, String> {
        self.0.answer(body, 1).map(|bytes| bytes.to_vec()).map_err(|error| error.to_string())
    }

    /// A provider's error in the caller's envelope.
    #[must_use]
    pub fn failure(self, body: &[u8]) -> Vec<u8> {
        self.0.failure(http::StatusCode::BAD_REQUEST, body).to_vec()
    }

    /// A stream in the caller's format, whose bytes arrive in these chunks, and past the guard where there is
    /// one; and why it was stopped.
    ///
    /// # Errors
    /// The second part: why the stream must not go on.
    pub fn stream(self, guard: Option<&Arc<Ruleset>>, chunks: &[&[u8]]) -> (Vec<u8>, Result<(), String>) {
        let mut framer = Framer::new(EVENT_BYTES);
        let mut translator = self.0.stream(b"{}", 1, EVENT_BYTES);
        let mut guard =
            guard.map(|ruleset| Guard::new(Dialect::of(self.0.client()), policy(ruleset), None, LIMIT_BYTES));
        let mut out = Vec::new();
        let now = Instant::now();
        let mut walk = || -> Result<(), String> {
            let mut take = |frame: &zos_wire::sse::Frame| -> Result<(), String> {
                for frame in translator.take(frame).map_err(|stop| format!("{stop:?}"))? {
                    match &mut guard {
                        Some(guard) => {
                            guard.take(&frame, now, &mut out).map_err(|stop| format!("guard: {stop:?}"))?
                        }
                        None => out.push(frame.raw),
                    }
                }
                Ok(())
            };
            for chunk in chunks {
                framer.push(chunk);
                while let Some(frame) = framer.next_frame().map_err(|error| error.to_string())? {
                    take(&frame)?;
                }
            }
            if let Some(frame) = framer.finish() {
                take(&frame)?;
            }
            guard
                .as_mut()
                .map_or(Ok(()), |guard| guard.finish(&mut out))
                .map_err(|stop| format!("guard: {stop:?}"))
        };
        let outcome = walk();
        (out.concat(), outcome)
    }
}

/// The events of a stream: name and data of each, comments left out.
pub fn events(bytes: &[u8]) -> Vec<(String, String)> {
    let mut framer = Framer::new(usize::MAX);
    framer.push(bytes);
    let mut events = Vec::new();
    while let Ok(Some(frame)) = framer.next_frame() {
        if let Ok(fields) = frame.fields()
            && let Some(data) = fields.data
        {
            events.push((fields.event.to_owned(), data.into_owned()));
        }
    }
    events
}

/// The decoded strings of every event of a stream, for a look at what was let out.
pub fn event_strings(bytes: &[u8]) -> Vec<String> {
    let mut framer = Framer::new(usize::MAX);
    framer.push(bytes);
    let mut strings = Vec::new();
    let mut read = |frame: zos_wire::sse::Frame| {
        let Ok(fields) = frame.fields() else { return };
        strings.push(fields.event.to_owned());
        strings.push(fields.rest.clone());
        if let Some(data) = &fields.data {
            strings.extend(json_strings(data).unwrap_or_default());
        }
    };
    while let Ok(Some(frame)) = framer.next_frame() {
        read(frame);
    }
    if let Some(frame) = framer.finish() {
        read(frame);
    }
    strings
}
