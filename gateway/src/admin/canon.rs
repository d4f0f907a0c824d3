//! `GET /zos/v1/canon` and `GET /zos/v1/canon/why`: what a context's AI is told, and who wrote it where.

use super::Admin;
use super::problem::{AdminRefusal, named_or_active};
use crate::views::{AdminProblem, CanonQuery, CanonView, CanonWhy, CanonWhyQuery};
use axum::Json;
use axum::extract::{Query, State};
use std::sync::Arc;
use zos_core::canon::lint_canon;
use zos_core::{CanonState, Context, Snapshot};

/// The canon of a context, with everything that is wrong with its files.
#[utoipa::path(
    get, path = "/zos/v1/canon", operation_id = "canon", params(CanonQuery),
    responses((status = 200, body = CanonView), (status = 404, body = AdminProblem), (status = 409, body = AdminProblem))
)]
pub(crate) async fn canon(
    State(house): Admin,
    Query(wanted): Query<CanonQuery>,
) -> Result<Json<CanonView>, AdminRefusal> {
    let snapshot = house.brain.snapshot();
    let (context, state) = of(&snapshot, wanted.context.as_deref())?;
    let (context, state) = (Arc::clone(context), state.clone());
    let home = house.brain.home().clone();
    // Every line is held against every other, and files are looked for.
    let view = tokio::task::spawn_blocking(move || {
        let mut findings = state.findings().to_vec();
        findings.extend(state.canon().map(|canon| lint_canon(canon, &home)).unwrap_or_default());
        CanonView::new(&context, &state, &findings)
    });
    let view = view.await.map_err(|error| AdminRefusal::failed("The canon could not be read", &error))?;
    Ok(Json(view))
}

/// Which lines of the canon hold a text, and where each was written.
#[utoipa::path(
    get, path = "/zos/v1/canon/why", operation_id = "canon_why", params(CanonWhyQuery),
    responses((status = 200, body = CanonWhy), (status = 404, body = AdminProblem), (status = 409, body = AdminProblem))
)]
pub(crate) async fn why(
    State(house): Admin,
    Query(wanted): Query<CanonWhyQuery>,
) -> Result<Json<CanonWhy>, AdminRefusal> {
    let snapshot = house.brain.snapshot();
    let (_, state) = of(&snapshot, wanted.context.as_deref())?;
    Ok(Json(CanonWhy::new(state.canon().map(AsRef::as_ref), &wanted.text)))
}

/// A context and its canon; the active one where none is named.
fn of<'s>(
    snapshot: &'s Snapshot,
    name: Option<&str>,
) -> Result<(&'s Arc<Context>, &'s CanonState), AdminRefusal> {
    let name = named_or_active(snapshot, name)?;
    let state = snapshot.context(&name).ok_or_else(AdminRefusal::unknown_context)?;
    match (state.context(), snapshot.canon(&name)) {
        (Some(context), Some(canon)) => Ok((context, canon)),
        _ => Err(AdminRefusal::context_broken(state)),
    }
}
