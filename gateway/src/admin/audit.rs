//! `GET /zos/v1/audit`.

use super::Admin;
use super::problem::AdminRefusal;
use super::types::{AdminProblem, AuditPage, AuditQuery, AuditRecord, CallUsage};
use axum::Json;
use axum::extract::{Query, State};
use serde::de::DeserializeOwned;
use zos_audit::{Filter, Record};

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
    let filter =
        Filter {
            context: query.context,
            verdict: word(query.verdict.as_deref(), "verdict", "allow, warn, redact or deny")?,
            rule: query.rule,
            client: query.client,
            kind: word(query.kind.as_deref(), "kind", "call, start, stop, gap, torn, key or decision")?,
            since: match &query.since {
                None => None,
                Some(time) => {
                    let parsed = zos_audit::parse_time(time);
                    Some(parsed.map_err(|_| {
                        AdminRefusal::invalid("`since` is a time such as 2026-11-22T14:05:00Z.")
                    })?)
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

/// A word of the records' own vocabulary.
fn word<T: DeserializeOwned>(word: Option<&str>, name: &str, words: &str) -> Result<Option<T>, AdminRefusal> {
    let Some(word) = word else { return Ok(None) };
    serde_json::from_value(word.into())
        .map(Some)
        .map_err(|_| AdminRefusal::invalid(format!("`{name}` is one of {words}.")))
}

impl From<Record> for AuditRecord {
    fn from(record: Record) -> Self {
        AuditRecord {
            seq: record.seq,
            time: record.time,
            kind: name_of(&record.kind),
            request_id: record.request_id.unwrap_or_default(),
            context: record.context.unwrap_or_default(),
            client: record.client.unwrap_or_default(),
            face: record.face.unwrap_or_default(),
            provider: record.provider.unwrap_or_default(),
            model: record.model.unwrap_or_default(),
            status: record.status,
            verdict: record.verdict.as_ref().map(name_of).unwrap_or_default(),
            outcome: record.outcome.as_ref().map(name_of).unwrap_or_default(),
            code: record.code,
            rules: record.rules,
            uninspected: record.uninspected,
            usage: record.usage.map(|usage| CallUsage {
                input: usage.input,
                output: usage.output,
                cache_read: usage.cache_read,
                cache_write: usage.cache_write,
                estimated: usage.estimated,
            }),
            reserved: record.reserved,
            ms: record.ms,
            ttft_ms: record.ttft_ms,
            bytes_in: record.bytes_in,
            bytes_out: record.bytes_out,
            detail: record.detail,
        }
    }
}

/// The name that serde gives a word.
fn name_of<T: serde::Serialize>(word: &T) -> String {
    match serde_json::to_value(word) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}
