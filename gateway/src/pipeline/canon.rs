//! Step 2b: where the context asks for it, its canon is put in front of the caller's own system text.
//!
//! The canon is the owner's text: what the context denies was looked for in it when it was loaded, so that
//! it need not be read again with every call. Its tokens are held like the caller's own.

use super::inspect_request::Inspected;
use crate::call::Call;
use crate::house::House;
use crate::journal::system;
use http::{HeaderMap, HeaderValue};
use std::sync::Arc;
use zos_core::context::CanonDelivery;
use zos_core::{Canon, CanonState, Isolation};
use zos_wire::canon;
use zos_wire::face::Face;
use zos_wire::json;
use zos_wire::problem::{Code, Problem};

/// What the header says of a call that went on without the canon it should have had.
const BROKEN: &str = "broken";
/// And of one in a context that has none to deliver.
const NONE: &str = "none";

pub(super) fn run(
    house: &House,
    mut inspected: Inspected,
    call: &mut Call,
    headers: &mut HeaderMap,
) -> Result<Inspected, Problem> {
    if inspected.resolved.context.canon != CanonDelivery::Inject || inspected.arrived.face == Face::Embeddings
    {
        return Ok(inspected);
    }
    let Some(canon) = in_force(&inspected, call, headers)? else { return Ok(inspected) };
    let body = std::str::from_utf8(&inspected.arrived.body)
        .map_err(|_| Problem::new(Code::Internal, "An inspected body is no longer text."))?;
    let value = json::parse(body)
        .map_err(|_| Problem::new(Code::Internal, "An inspected body is no longer JSON."))?;
    let Some(change) = canon::change(inspected.arrived.face, body, &value, &canon)? else {
        return Ok(inspected);
    };
    let changed = change.apply(body);
    drop(value);
    inspected.arrived.body = changed;
    let (name, face) = (inspected.resolved.name.as_str(), inspected.arrived.face);
    inspected.system = system::of_changed(&house.term_keys, name, face, &inspected.arrived.body);
    inspected.asked.model_place = change.moved(inspected.asked.model_place.clone());
    inspected.input_tokens = inspected.input_tokens.saturating_add(canon.tokens);
    call.record.canon = Some(canon.digest.clone());
    if let Ok(digest) = HeaderValue::from_str(&canon.digest) {
        headers.insert("x-zos-canon", digest);
    }
    Ok(inspected)
}

/// The canon to deliver, if there is one. A doubt about it fails closed where the context is hard.
fn in_force(
    inspected: &Inspected,
    call: &mut Call,
    headers: &mut HeaderMap,
) -> Result<Option<Arc<Canon>>, Problem> {
    let resolved = &inspected.resolved;
    match resolved.snapshot.canon(&resolved.name) {
        Some(CanonState::Built { canon, stale, .. }) => {
            if *stale {
                call.record.detail =
                    Some("the canon's files are broken; its last good version was sent".to_owned());
            }
            Ok(Some(Arc::clone(canon)))
        }
        Some(CanonState::None { .. }) => {
            headers.insert("x-zos-canon", HeaderValue::from_static(NONE));
            Ok(None)
        }
        Some(CanonState::Broken { .. }) | None if resolved.context.isolation == Isolation::Hard => {
            Err(Problem::new(
                Code::CanonInvalid,
                format!(
                    "The canon of the hard context \"{}\" cannot be built, so nothing goes out without it.",
                    resolved.name
                ),
            )
            .hint("`zos canon lint` names the file, the line and what to write instead."))
        }
        Some(CanonState::Broken { .. }) | None => {
            call.record.detail = Some("the canon is broken; the call went on without it".to_owned());
            headers.insert("x-zos-canon", HeaderValue::from_static(BROKEN));
            Ok(None)
        }
    }
}
