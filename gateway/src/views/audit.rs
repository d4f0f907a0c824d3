//! The log as the screens see it.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use zos_audit::Record;

/// Which records to show.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Only this context.
    pub context: Option<String>,
    /// Only this verdict: `allow`, `warn`, `redact` or `deny`.
    pub verdict: Option<String>,
    /// Only records with this rule id.
    pub rule: Option<String>,
    /// Only this client.
    pub client: Option<String>,
    /// Only this kind: `call`, `decision`, `start` …
    pub kind: Option<String>,
    /// Only records from this time on, RFC 3339.
    pub since: Option<String>,
    /// Where the page before ended.
    pub cursor: Option<String>,
    /// At most this many records; 50 when absent, 500 at most.
    pub limit: Option<u32>,
}

/// Tokens of one call.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CallUsage {
    /// Input tokens, without those read from a cache.
    pub input: u64,
    /// Output tokens.
    pub output: u64,
    /// Tokens read from the provider's prompt cache.
    pub cache_read: u64,
    /// Tokens written to it.
    pub cache_write: u64,
    /// Whether these are an estimate.
    pub estimated: bool,
}

/// One audit record. Metadata only: never text of a call.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuditRecord {
    /// Place in the log.
    pub seq: u64,
    /// When it was written.
    pub time: String,
    /// `call`, `start`, `stop`, `gap`, `torn`, `key`, `decision`.
    pub kind: String,
    /// Request id.
    pub request_id: String,
    /// Context that governed the call.
    pub context: String,
    /// Client by its zOS key; empty for a keyless call.
    pub client: String,
    /// Program that the caller claims to be by its `user-agent`; nobody checked that.
    pub agent: Option<String>,
    /// API that was called.
    pub face: String,
    /// Provider; empty when the call never got there.
    pub provider: String,
    /// Model as it was asked for.
    pub model: String,
    /// HTTP status of the answer.
    pub status: Option<u16>,
    /// `allow`, `warn`, `redact` or `deny`.
    pub verdict: String,
    /// `completed`, `refused`, `cut`, `abandoned` or `failed`.
    pub outcome: String,
    /// Our code, where the answer was ours.
    pub code: Option<String>,
    /// Rules that found something.
    pub rules: Vec<String>,
    /// What was not inspected, as `kind:place`.
    pub uninspected: Vec<String>,
    /// Rooms whose memory the conversation had read by then.
    pub recalled: Vec<String>,
    /// Secrets that came back for tool calls, as `kind > place`.
    pub restored: Vec<String>,
    /// Tokens; absent when nothing was forwarded.
    pub usage: Option<CallUsage>,
    /// The price in millionths of the currency; absent when it is unknown or nothing was forwarded.
    pub cost_micros: Option<u64>,
    /// Tokens that were held before forwarding.
    pub reserved: Option<u64>,
    /// Milliseconds from arrival to the end of the answer.
    pub ms: u64,
    /// Milliseconds to the first byte from the provider.
    pub ttft_ms: Option<u64>,
    /// Bytes of the request body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// What was decided, for decisions.
    pub detail: Option<String>,
    /// Keyed hashes of the terms that were found; `zos audit find-term` asks them.
    pub terms: Vec<String>,
    /// The state that governed the call; its statement is `attest/<state_id>.json`.
    pub state_id: Option<String>,
    /// Digest of the canon that stood in front of the call; absent where none did.
    pub canon: Option<String>,
    /// Keyed digest of the system text that went to the provider; `zos audit find-system` asks it.
    pub system: Option<String>,
}

/// Which records are to go.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PruneRequest {
    /// All whole segments of days before this one, such as `2026-01-02`.
    pub before: String,
}

/// Which records went.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Pruned {
    /// How many records are gone.
    pub records: u64,
    /// The first one that is left; absent when there was nothing to remove.
    pub first_left: Option<u64>,
    /// The files that were removed.
    pub files: Vec<String>,
}

/// How far the log is signed.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SealedLog {
    /// The records that the newest checkpoint covers; absent where no tree is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// A new key for statements or for the log.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RotatedKey {
    /// Its name: of statements the SHA-256 of the public key, of the log the verifier key.
    pub id: String,
    /// The name of the one before, which vouches for it.
    pub previous: String,
}

/// A page of records.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuditPage {
    /// Newest first.
    pub records: Vec<AuditRecord>,
    /// Send it as `cursor` for older ones; absent at the end.
    pub next: Option<String>,
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
            agent: record.agent,
            face: record.face.unwrap_or_default(),
            provider: record.provider.unwrap_or_default(),
            model: record.model.unwrap_or_default(),
            status: record.status,
            verdict: record.verdict.as_ref().map(name_of).unwrap_or_default(),
            outcome: record.outcome.as_ref().map(name_of).unwrap_or_default(),
            code: record.code,
            rules: record.rules,
            uninspected: record.uninspected,
            recalled: record.recalled,
            restored: record.restored,
            usage: record.usage.map(|usage| CallUsage {
                input: usage.input,
                output: usage.output,
                cache_read: usage.cache_read,
                cache_write: usage.cache_write,
                estimated: usage.estimated,
            }),
            cost_micros: record.cost_micros,
            reserved: record.reserved,
            ms: record.ms,
            ttft_ms: record.ttft_ms,
            bytes_in: record.bytes_in,
            bytes_out: record.bytes_out,
            detail: record.detail,
            terms: record.terms,
            state_id: record.state_id,
            canon: record.canon,
            system: record.system,
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
