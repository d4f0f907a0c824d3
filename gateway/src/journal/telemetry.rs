//! Spans for OpenTelemetry, one a call, from the facts of its record: never text.
//!
//! Off unless `telemetry.otlp` in gateway/config.yml names a collector. Spans go out in batches as OTLP/HTTP
//! in JSON. A collector that does not answer costs spans, which are counted, and never a call.

use crate::config::{GenAi, TelemetryConfig};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};
use zos_audit::{Outcome, Record, Verdict};

/// Spans that wait at most; further ones are lost.
const WAITING: usize = 2048;

/// Spans of one request, and how long the first of them waits for others.
const BATCH: usize = 256;
const GATHER: Duration = Duration::from_secs(2);

/// How long a collector may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The way to a collector.
pub(crate) struct Telemetry {
    config: TelemetryConfig,
    spans: mpsc::Sender<Value>,
    waiting: Mutex<mpsc::Receiver<Value>>,
    lost: AtomicU64,
}

impl Telemetry {
    pub(crate) fn new(config: TelemetryConfig) -> Self {
        let (spans, waiting) = mpsc::channel(WAITING);
        Self { config, spans, waiting: Mutex::new(waiting), lost: AtomicU64::new(0) }
    }

    /// Whether a collector is named.
    pub(crate) fn is_on(&self) -> bool {
        self.config.otlp.is_some()
    }

    /// Notes a call that ended now.
    pub(crate) fn ended(&self, record: &Record, now_ms: u64) {
        if self.is_on() && self.spans.try_send(span(record, now_ms, self.config.genai)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Spans that no collector got.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Sends what ends, until `stop` does; what waits then goes out first.
    pub(crate) async fn run(&self, stop: impl Future<Output = ()>) {
        let Some(url) = &self.config.otlp else { return };
        let client = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none());
        let Ok(client) = client.build() else { return };
        let mut waiting = self.waiting.lock().await;
        let mut stop = std::pin::pin!(stop);
        let mut is_over = false;
        loop {
            let mut batch = Vec::new();
            if !is_over {
                tokio::select! {
                    _ = waiting.recv_many(&mut batch, BATCH) => {}
                    () = &mut stop => is_over = true,
                }
            }
            if !is_over && batch.len() < BATCH {
                is_over = tokio::time::timeout(GATHER, &mut stop).await.is_ok();
            }
            while batch.len() < BATCH {
                let Ok(span) = waiting.try_recv() else { break };
                batch.push(span);
            }
            if batch.is_empty() {
                if is_over {
                    return;
                }
                continue;
            }
            let count = batch.len() as u64;
            let resource = [text("service.name", "zos"), text("service.version", env!("CARGO_PKG_VERSION"))];
            let body = json!({"resourceSpans": [{
                "resource": {"attributes": resource},
                "scopeSpans": [{"scope": {"name": "zos.gateway"}, "spans": batch}],
            }]});
            let request = client.post(url.clone()).header("content-type", "application/json");
            let answer = request.body(body.to_string()).send().await;
            if !answer.is_ok_and(|answer| answer.status().is_success()) {
                self.lost.fetch_add(count, Ordering::Relaxed);
                if is_over {
                    return;
                }
            }
        }
    }
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

fn number(key: &str, value: u64) -> Value {
    json!({"key": key, "value": {"intValue": value.to_string()}})
}

/// The span of a call that ended at `now_ms`.
fn span(record: &Record, now_ms: u64, genai: Option<GenAi>) -> Value {
    let unique =
        format!("{}\n{}\n{now_ms}", record.request_id.as_deref().unwrap_or_default(), crate::ids::unique());
    let id = zos_seal::sha256_hex(unique.as_bytes());
    let mut attributes = Vec::new();
    for (key, value) in [
        ("zos.request_id", &record.request_id),
        ("zos.context", &record.context),
        ("zos.client", &record.client),
        ("zos.face", &record.face),
        ("zos.code", &record.code),
        ("zos.state_id", &record.state_id),
    ] {
        attributes.extend(value.as_ref().map(|value| text(key, value)));
    }
    let verdict = record.verdict.map(|verdict| match verdict {
        Verdict::Allow => "allow",
        Verdict::Warn => "warn",
        Verdict::Redact => "redact",
        Verdict::Deny => "deny",
    });
    attributes.extend(verdict.map(|verdict| text("zos.verdict", verdict)));
    attributes.extend((!record.rules.is_empty()).then(|| text("zos.rules", &record.rules.join(" "))));
    attributes.extend(record.status.map(|status| number("http.response.status_code", u64::from(status))));
    attributes.extend(record.cost_micros.map(|cost| number("zos.cost_micros", cost)));
    attributes.extend(record.ttft_ms.map(|ms| number("zos.ttft_ms", ms)));
    attributes.push(number("zos.bytes_in", record.bytes_in));
    attributes.push(number("zos.bytes_out", record.bytes_out));
    let (provider, input, output) = match genai {
        None => ("zos.provider", "zos.input_tokens", "zos.output_tokens"),
        Some(GenAi::V1_36) => ("gen_ai.system", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"),
        Some(GenAi::V1_37) => {
            ("gen_ai.provider.name", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens")
        }
    };
    attributes.extend(record.provider.as_ref().map(|name| text(provider, name)));
    let model = if genai.is_some() { "gen_ai.request.model" } else { "zos.model" };
    attributes.extend(record.model.as_ref().map(|name| text(model, name)));
    if let Some(usage) = &record.usage {
        attributes.push(number(input, usage.input + usage.cache_read + usage.cache_write));
        attributes.push(number(output, usage.output));
    }
    let operation = match record.face.as_deref() {
        Some("embeddings") => "embeddings",
        _ => "chat",
    };
    attributes.extend(genai.is_some().then(|| text("gen_ai.operation.name", operation)));
    let is_error = matches!(record.outcome, Some(Outcome::Failed | Outcome::Cut));
    let nanos = |ms: u64| ms.saturating_mul(1_000_000).to_string();
    json!({
        "traceId": &id[..32],
        "spanId": &id[32..48],
        "name": if genai.is_some() { operation } else { record.face.as_deref().unwrap_or("call") },
        "kind": 2,
        "startTimeUnixNano": nanos(now_ms.saturating_sub(record.ms)),
        "endTimeUnixNano": nanos(now_ms),
        "attributes": attributes,
        "status": {"code": if is_error { 2 } else { 0 }},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_the_facts_of_the_record_under_the_names_of_the_version() {
        let record = Record {
            request_id: Some("r".to_owned()),
            face: Some("chat_completions".to_owned()),
            provider: Some("openai".to_owned()),
            model: Some("gpt-5".to_owned()),
            ms: 40,
            usage: Some(zos_audit::Usage { input: 3, cache_read: 4, output: 5, ..Default::default() }),
            outcome: Some(Outcome::Failed),
            terms: vec!["hash".to_owned()],
            ..Record::default()
        };
        let of = |genai| span(&record, 1000, genai).to_string();
        let plain: Value = serde_json::from_str(&of(None)).unwrap();
        assert_eq!((&plain["startTimeUnixNano"], &plain["status"]["code"]), (&"960000000".into(), &2.into()));
        assert_eq!(
            (plain["traceId"].as_str().unwrap().len(), plain["spanId"].as_str().unwrap().len()),
            (32, 16)
        );
        assert!(!of(None).contains("gen_ai") && of(None).contains("zos.provider"));
        assert!(of(Some(GenAi::V1_36)).contains("gen_ai.system"));
        assert!(
            of(Some(GenAi::V1_37)).contains(r#""gen_ai.provider.name","value":{"stringValue":"openai"}"#)
        );
        assert!(of(Some(GenAi::V1_37)).contains(r#""gen_ai.usage.input_tokens","value":{"intValue":"7"}"#));
        assert!(!of(None).contains("hash"));
    }
}
