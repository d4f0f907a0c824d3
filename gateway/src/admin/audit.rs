//! `GET /zos/v1/audit`, and what the owner decides about the log and its keys.

use super::Admin;
use super::deeds::{self, Deed, Done};
use super::problem::{AdminRefusal, Body};
use crate::views::{
    AdminProblem, AuditPage, AuditQuery, AuditRecord, PruneRequest, Pruned, RotatedKey, SealedLog,
};
use axum::Json;
use axum::extract::{Query, State};
use serde::de::DeserializeOwned;
use zos_audit::Filter;

/// Records of a page when nothing else is asked for, and at most.
const PAGE: u32 = 50;
const PAGE_LIMIT: u32 = 500;

/// Records, newest first.
#[utoipa::path(
    get, path = "/zos/v1/audit", params(AuditQuery),
    responses((status = 200, body = AuditPage), (status = 400, body = AdminProblem))
)]
pub(crate) async fn audit(
    State(house): Admin,
    Query(query): Query<AuditQuery>,
) -> Result<Json<AuditPage>, AdminRefusal> {
    let filter = Filter {
        context: query.context,
        verdict: word(query.verdict.as_deref(), "verdict", "allow, warn, redact or deny")?,
        rule: query.rule,
        client: query.client,
        kind: word(query.kind.as_deref(), "kind", "call, start, stop, gap, torn, key, decision or prune")?,
        since: match &query.since {
            None => None,
            Some(time) => {
                let parsed = zos_audit::parse_time(time);
                Some(
                    parsed.map_err(|_| {
                        AdminRefusal::invalid("`since` is a time such as 2026-11-22T14:05:00Z.")
                    })?,
                )
            }
        },
    };
    let cursor = match &query.cursor {
        None => None,
        Some(cursor) => {
            Some(cursor.parse().map_err(|_| AdminRefusal::invalid("This cursor is none of ours."))?)
        }
    };
    let limit = query.limit.unwrap_or(PAGE).clamp(1, PAGE_LIMIT) as usize;
    let folder = house.brain.home().audit_dir();
    let page = tokio::task::spawn_blocking(move || zos_audit::recent(&folder, &filter, cursor, limit)).await;
    match page {
        Ok(Ok(page)) => Ok(Json(AuditPage {
            records: page.records.into_iter().map(AuditRecord::from).collect(),
            next: page.next.map(|cursor| cursor.to_string()),
        })),
        Ok(Err(error)) => Err(AdminRefusal::failed("The log could not be read", &error)),
        Err(error) => Err(AdminRefusal::failed("The log could not be read", &error)),
    }
}

/// Removes the oldest records; the tree keeps what proves the rest, and a record says what went.
#[utoipa::path(
    post, path = "/zos/v1/audit/prune", operation_id = "prune_audit", request_body = PruneRequest,
    responses((status = 200, body = Pruned), (status = 400, body = AdminProblem))
)]
pub(crate) async fn prune(
    State(house): Admin,
    Body(wanted): Body<PruneRequest>,
) -> Result<Json<Pruned>, AdminRefusal> {
    let is_day = wanted.before.len() == 10 && zos_audit::parse_time(&wanted.before).is_ok();
    if !is_day {
        return Err(AdminRefusal::invalid("`before` is a day such as 2026-01-02."));
    }
    let (log, folder) = (house.audit.clone(), house.brain.home().audit_dir());
    let done = tokio::task::spawn_blocking(move || zos_audit::prune(&log, &folder, &wanted.before)).await;
    match done {
        Ok(Ok(None)) => Ok(Json(Pruned { records: 0, first_left: None, files: Vec::new() })),
        Ok(Ok(Some(pruned))) => Ok(Json(Pruned {
            records: pruned.to.saturating_sub(pruned.from),
            first_left: Some(pruned.to),
            files: pruned.files,
        })),
        Ok(Err(error)) => Err(AdminRefusal::failed("The log could not be pruned", &error)),
        Err(error) => Err(AdminRefusal::failed("The log could not be pruned", &error)),
    }
}

/// Signs a checkpoint over every record that is there, so that each of them can be proven.
#[utoipa::path(
    post, path = "/zos/v1/audit/seal", operation_id = "seal_audit",
    responses((status = 200, body = SealedLog), (status = 500, body = AdminProblem))
)]
pub(crate) async fn seal(State(house): Admin) -> Result<Json<SealedLog>, AdminRefusal> {
    let log = house.audit.clone();
    match tokio::task::spawn_blocking(move || log.seal()).await {
        Ok(Ok(size)) => Ok(Json(SealedLog { size })),
        Ok(Err(error)) => Err(AdminRefusal::failed("The log could not be signed", &error)),
        Err(error) => Err(AdminRefusal::failed("The log could not be signed", &error)),
    }
}

/// Makes a new key for the log; the one before vouches for it, and a record tells of it.
#[utoipa::path(
    post, path = "/zos/v1/audit/rotate-key", operation_id = "rotate_log_key",
    responses((status = 200, body = RotatedKey), (status = 500, body = AdminProblem))
)]
pub(crate) async fn rotate_key(State(house): Admin) -> Result<Json<RotatedKey>, AdminRefusal> {
    let keeper = std::sync::Arc::clone(&house);
    match tokio::task::spawn_blocking(move || keeper.attester.rotate_log(&keeper.audit)).await {
        Ok(Ok(rotated)) => {
            Ok(Json(RotatedKey { id: rotated.new.to_string(), previous: rotated.old.to_string() }))
        }
        Ok(Err(error)) => Err(AdminRefusal::failed("The key of the log could not be replaced", &error)),
        Err(error) => Err(AdminRefusal::failed("The key of the log could not be replaced", &error)),
    }
}

/// Makes a new key for statements; the one before vouches for it.
#[utoipa::path(
    post, path = "/zos/v1/attest/rotate", operation_id = "rotate_attest_key",
    responses((status = 200, body = RotatedKey), (status = 500, body = AdminProblem))
)]
pub(crate) async fn rotate(State(house): Admin) -> Result<Json<RotatedKey>, AdminRefusal> {
    let deed = Deed::key(None, "replace the key for statements");
    let rotated = deeds::act(house, deed, |house| {
        let rotated = house.attester.rotate(&zos_audit::format_time(house.now_ms()));
        let (id, previous) =
            rotated.map_err(|error| AdminRefusal::failed("The key could not be replaced", &error))?;
        let detail = format!("statements: key {id} follows {previous}");
        Ok(Done::Happened(RotatedKey { id, previous }, detail))
    });
    rotated.await.map(Json)
}

/// A word of the records' own vocabulary.
fn word<T: DeserializeOwned>(word: Option<&str>, name: &str, words: &str) -> Result<Option<T>, AdminRefusal> {
    let Some(word) = word else { return Ok(None) };
    serde_json::from_value(word.into())
        .map(Some)
        .map_err(|_| AdminRefusal::invalid(format!("`{name}` is one of {words}.")))
}
