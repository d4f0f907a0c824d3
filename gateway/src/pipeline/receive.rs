//! Step 0: the whole body, within its bounds.

use crate::call::Call;
use crate::caller::Caller;
use crate::house::House;
use crate::problem::{Code, Problem};
use crate::wire::Face;
use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use std::time::Duration;

/// A caller that sends nothing for this long while a body is due is not coming back.
const BODY_IDLE_LIMIT: Duration = Duration::from_secs(60);

/// A call with its whole body.
pub(crate) struct Arrived {
    pub(super) face: Face,
    pub(super) room: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) query: String,
    pub(super) caller: Caller,
    pub(super) body: Bytes,
}

pub(super) async fn run(
    house: &House,
    face: Face,
    room: Option<String>,
    request: Request,
    call: &mut Call,
) -> Result<Arrived, Problem> {
    let (parts, body) = whole(house, request, call).await?;
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let caller = Caller::of(&parts);
    Ok(Arrived { face, room, headers: parts.headers, query, caller, body })
}

/// The head of a request and its whole body, within the bounds of every call.
pub(crate) async fn whole(
    house: &House,
    request: Request,
    call: &mut Call,
) -> Result<(Parts, Bytes), Problem> {
    let (parts, body) = request.into_parts();
    let limit = house.config.limits.body_bytes;
    let declared = parts
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    if parts.headers.contains_key(header::CONTENT_ENCODING) && !is_identity(&parts.headers) {
        return Err(Problem::new(
            Code::InvalidRequest,
            "The request body is compressed, so it cannot be inspected.",
        )
        .hint("Send it without content-encoding.")
        .status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let body = read(body, declared, limit).await?;
    call.record.bytes_in = body.len() as u64;
    Ok((parts, body))
}

async fn read(mut body: axum::body::Body, declared: Option<usize>, limit: usize) -> Result<Bytes, Problem> {
    let mut whole = BytesMut::new();
    let mut first: Option<Bytes> = None;
    loop {
        let frame = match tokio::time::timeout(BODY_IDLE_LIMIT, body.frame()).await {
            Err(_) => {
                return Err(
                    truncated("The request body stopped arriving.").status(StatusCode::REQUEST_TIMEOUT)
                );
            }
            Ok(None) => break,
            Ok(Some(Err(_))) => return Err(truncated("The request body broke off before its end.")),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(data) = frame.into_data() else { continue };
        let so_far = first.as_ref().map_or(whole.len(), Bytes::len);
        if so_far + data.len() > limit {
            return Err(too_large(limit));
        }
        // Most bodies arrive in one piece and are never copied.
        match first.take() {
            None if whole.is_empty() => first = Some(data),
            earlier => {
                if let Some(earlier) = earlier {
                    whole.reserve(declared.unwrap_or(earlier.len() + data.len()).min(limit));
                    whole.extend_from_slice(&earlier);
                }
                whole.extend_from_slice(&data);
            }
        }
    }
    Ok(first.unwrap_or_else(|| whole.freeze()))
}

fn is_identity(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn truncated(message: &str) -> Problem {
    Problem::new(Code::InvalidRequest, message)
}

fn too_large(limit: usize) -> Problem {
    Problem::new(Code::InvalidRequest, format!("The request body is larger than {limit} bytes."))
        .hint("Raise limits.body_bytes in gateway/config.yml if this is intended.")
        .status(StatusCode::PAYLOAD_TOO_LARGE)
}
