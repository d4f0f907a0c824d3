//! Step 2b: where the context asks for it, its canon is put in front of the caller's own system text.
//!
//! The canon is the owner's text: what the context denies was looked for in it when it was loaded, so that
//! it need not be read again with every call. Its tokens are held like the caller's own.

use super::Governed;
use super::body::Body;
use crate::call::{Call, Fact};
use std::sync::Arc;
use zos_core::context::CanonDelivery;
use zos_core::{Canon, CanonState, Isolation};
use zos_guard::redact::spots::Edit;
use zos_wire::face::Face;
use zos_wire::problem::{Code, Problem};

/// What the header says of a call that went on without the canon it should have had.
const BROKEN: &str = "broken";
/// And of one in a context that has none to deliver.
const NONE: &str = "none";

/// A canon, and the edits that put it in front of a body.
pub(super) type Placed = (Arc<Canon>, Vec<Edit>);

/// The canon that goes in front of the body, and the edits that put it there; `None` where none is wanted, or there is no
/// place for it on this face.
pub(super) fn run(
    governed: &Governed,
    face: Face,
    body: &Body<'_>,
    call: &mut Call,
) -> Result<Option<Placed>, Problem> {
    if governed.context.canon != CanonDelivery::Inject || !face.has_instructions() {
        return Ok(None);
    }
    let Some(canon) = in_force(governed, call)? else { return Ok(None) };
    let Some(edits) = face.put_canon(body.text, &body.tree, &canon)? else { return Ok(None) };
    call.tell(Fact::Canon(&canon));
    Ok(Some((canon, edits)))
}

/// The canon to deliver, if there is one. A doubt about it fails closed where the context is hard.
fn in_force(governed: &Governed, call: &mut Call) -> Result<Option<Arc<Canon>>, Problem> {
    match governed.snapshot.canon(&governed.name) {
        Some(CanonState::Built { canon, stale, .. }) => {
            if *stale {
                call.record.detail =
                    Some("the canon's files are broken; its last good version was sent".to_owned());
            }
            Ok(Some(Arc::clone(canon)))
        }
        Some(CanonState::None { .. }) => {
            call.tell(Fact::NoCanon(NONE));
            Ok(None)
        }
        Some(CanonState::Broken { .. }) | None if governed.context.isolation == Isolation::Hard => {
            Err(Problem::new(
                Code::CanonInvalid,
                format!(
                    "The canon of the hard context \"{}\" cannot be built, so nothing goes out without it.",
                    governed.name
                ),
            )
            .hint("`zos canon lint` names the file, the line and what to write instead."))
        }
        Some(CanonState::Broken { .. }) | None => {
            call.record.detail = Some("the canon is broken; the call went on without it".to_owned());
            call.tell(Fact::NoCanon(BROKEN));
            Ok(None)
        }
    }
}
