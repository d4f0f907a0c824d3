//! Step 0: the whole body, within its bounds.

use crate::access::caller::Caller;
use crate::call::Call;
use crate::house::House;
use crate::inspectors::Weight;
use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use std::time::{Duration, Instant};
use zos_wire::face::Face;
use zos_wire::problem::{Code, Problem};

/// A caller that sends nothing for this long while a body is due is not coming back.
const BODY_IDLE_LIMIT: Duration = Duration::from_secs(60);

/// Time in which a body of any size may arrive, however slowly.
const BODY_GRACE: Duration = Duration::from_secs(60);

/// The rate at which it has to arrive beyond that, in bytes a millisecond: 16 kB/s, less than any network that
/// is used for such calls. A byte now and then would hold a place for ever.
const LEAST_BYTES_PER_MS: usize = 16;

/// Bytes that are set aside for a body because its length says so. Further ones are when they have arrived.
const RESERVE_BYTES: usize = 1 << 20;

/// A call with its whole body.
pub(crate) struct Arrived {
    pub(super) face: Face,
    pub(super) room: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) query: String,
    pub(super) caller: Caller,
    pub(super) body: Bytes,
    /// What reading the body costs.
    pub(super) weight: Weight,
}

pub(super) async fn run(
    house: &House,
    face: Face,
    room: Option<String>,
    request: Request,
    call: &mut Call,
) -> Result<Arrived, Problem> {
    let (parts, body, weight) = whole(house, request, call).await?;
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let caller = Caller::of(&parts);
    Ok(Arrived { face, room, headers: parts.headers, query, caller, body, weight })
}

/// The head of a request, its whole body within the bounds of every call, and what reading that costs.
pub(crate) async fn whole(
    house: &House,
    request: Request,
    call: &mut Call,
) -> Result<(Parts, Bytes, Weight), Problem> {
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
    let body = read(house, body, declared, limit, call).await?;
    call.record.bytes_in = body.len() as u64;
    // Before anything is made of it.
    let weight = house.inspectors.weigh(&body)?;
    Ok((parts, body, weight))
}

async fn read(
    house: &House,
    mut body: axum::body::Body,
    declared: Option<usize>,
    limit: usize,
    call: &mut Call,
) -> Result<Bytes, Problem> {
    let mut whole = BytesMut::new();
    let mut first: Option<Bytes> = None;
    let begun = Instant::now();
    loop {
        let so_far = first.as_ref().map_or(whole.len(), Bytes::len);
        let frame = match tokio::time::timeout(patience(begun.elapsed(), so_far), body.frame()).await {
            Err(_) => {
                return Err(truncated("The request body stopped arriving, or arrives too slowly.")
                    .status(StatusCode::REQUEST_TIMEOUT));
            }
            Ok(None) => break,
            Ok(Some(Err(_))) => return Err(truncated("The request body broke off before its end.")),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(data) = frame.into_data() else { continue };
        let length = so_far + data.len();
        if length > limit {
            return Err(too_large(limit));
        }
        house.inspectors.grow(&mut call.body_memory, length, data.len()).await?;
        // Most bodies arrive in one piece and are never copied.
        match first.take() {
            None if whole.is_empty() => first = Some(data),
            earlier => {
                if let Some(earlier) = earlier {
                    whole.reserve(declared.unwrap_or(length).min(RESERVE_BYTES.max(length)));
                    whole.extend_from_slice(&earlier);
                }
                whole.extend_from_slice(&data);
            }
        }
    }
    Ok(first.unwrap_or_else(|| whole.freeze()))
}

/// How long the next piece of a body is waited for: no longer than a silent caller is, and no longer than
/// the whole may take at the least rate.
fn patience(elapsed: Duration, so_far_bytes: usize) -> Duration {
    let earned = Duration::from_millis((so_far_bytes / LEAST_BYTES_PER_MS) as u64);
    (BODY_GRACE + earned).saturating_sub(elapsed).min(BODY_IDLE_LIMIT)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_trickles_has_an_end_and_one_that_flows_has_none() {
        let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
        assert_eq!(patience(Duration::ZERO, 0), BODY_IDLE_LIMIT);
        // A byte now and then.
        assert_eq!(patience(59 * second, 10), second);
        assert_eq!(patience(minute, 10), Duration::ZERO);
        // 100 kB a second, for ten minutes.
        assert_eq!(patience(10 * minute, 60_000_000), BODY_IDLE_LIMIT);
    }
}
