//! The built-in provider `demo`: models `demo/*`, no key, no network.
//!
//! It lets a newcomer see a governed call, and a block, in the first minute. It is no model: it repeats,
//! or says the words that it is asked for. Every answer says so in its text, its id and a header.
//!
//! What can be asked for: `say: words` makes it say those words; `say backwards: sdrow` says them turned
//! round, so that a word can be in the answer without being in the question.

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;
use std::time::Duration;
use zos_wire::face::Face;
use zos_wire::json;
use zos_wire::turn::{Demo, Turn};

/// Pause between the words of a stream, so that it can be watched.
const WORD_PAUSE: Duration = Duration::from_millis(15);

/// An answer as a provider would give it.
pub(super) struct Said {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: BoxStream<'static, Bytes>,
}

/// Answers a request body on an upstream path.
pub(super) fn answer(path: &str, body: &Bytes) -> Said {
    let text = String::from_utf8_lossy(body);
    let Ok(request) = json::parse(&text) else {
        let error = json!({"error": {"message": "The demo provider was sent no JSON.", "type": "invalid_request_error", "code": null}});
        return plain(StatusCode::BAD_REQUEST, &error);
    };
    let path = path.split('?').next().unwrap_or_default();
    let Some(face) = path.strip_prefix("/v1/").and_then(Face::of) else {
        let error = json!({"error": {"message": "The demo provider has no such endpoint.", "type": "not_found_error", "code": null}});
        return plain(StatusCode::NOT_FOUND, &error);
    };
    match face.demo(&Turn::of(&text, &request), &request) {
        Demo::Plain(answer) => plain(StatusCode::OK, &answer),
        Demo::Events(pieces) => events(pieces),
    }
}

fn plain(status: StatusCode, body: &serde_json::Value) -> Said {
    let body = Bytes::from(body.to_string());
    Said { status, headers: headers("application/json"), body: stream::once(async { body }).boxed() }
}

fn events(events: Vec<Bytes>) -> Said {
    let paced = stream::iter(events).enumerate().then(|(number, event)| async move {
        if number > 0 {
            tokio::time::sleep(WORD_PAUSE).await;
        }
        event
    });
    Said { status: StatusCode::OK, headers: headers("text/event-stream; charset=utf-8"), body: paced.boxed() }
}

fn headers(content_type: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))])
}
