//! The gateway's readers of foreign bytes, laid open for the fuzz targets in `tests/fuzz` and for the test
//! that runs their corpus. Not part of the API; the feature `fuzzing` is on in nothing that is shipped.

use crate::json::{self, Value};
use crate::policy::Policy;
use crate::stream::arguments::{ArgumentsReader, Part};
use crate::stream::guard::{Guard, Stop};
use crate::stream::sse::Framer;
use crate::wire::{Dialect, Face};
use std::sync::Arc;
use std::time::Instant;
use zos_core::{Effect, RoomPolicy};
use zos_rules::Ruleset;

/// An event may have at most so many bytes.
const EVENT_BYTES: usize = 1 << 16;

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
    let rules = ruleset.room("acme").expect("the caller's ruleset has the room");
    // Nothing here asks for the place of a rule.
    let room = RoomPolicy { rules, effects: vec![Effect::Block; 64], places: Vec::new(), labels: Vec::new() };
    let policy = Policy::new(Arc::new(room), false);
    let mut framer = Framer::new(EVENT_BYTES);
    let mut guard = Guard::new(Dialect::of(FACES[face % FACES.len()]), policy, None);
    let mut out = Vec::new();
    let now = Instant::now();
    let mut walk = || -> Result<(), Stop> {
        for chunk in chunks {
            framer.push(chunk);
            while let Some(frame) = framer.next().map_err(|_| Stop::Unreadable("an event is too large"))? {
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

/// The decoded strings of every event of a stream, for a look at what was let out.
pub fn event_strings(bytes: &[u8]) -> Vec<String> {
    let mut framer = Framer::new(usize::MAX);
    framer.push(bytes);
    let mut strings = Vec::new();
    let mut read = |frame: crate::stream::sse::Frame| {
        let Ok(fields) = frame.fields() else { return };
        strings.push(fields.event.to_owned());
        strings.push(fields.rest.clone());
        if let Some(data) = &fields.data {
            strings.extend(json_strings(data).unwrap_or_default());
        }
    };
    while let Ok(Some(frame)) = framer.next() {
        read(frame);
    }
    if let Some(frame) = framer.finish() {
        read(frame);
    }
    strings
}
