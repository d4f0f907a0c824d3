//! Counts of calls since the start, for the status and for Prometheus. Never text, never a name that a
//! caller could choose: labels are faces, verdicts and outcomes only.

use crate::views::Counts;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use zos_audit::{Outcome, Record, Verdict};

/// Upper bounds of the duration histogram, in milliseconds.
const BUCKETS_MS: [u64; 10] = [5, 10, 25, 50, 100, 500, 1_000, 5_000, 30_000, 120_000];

/// All counts.
#[derive(Default)]
pub(crate) struct Counters {
    arrived: AtomicU64,
    ended: AtomicU64,
    denied: AtomicU64,
    warned: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    abandoned: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    input_tokens: AtomicU64,
    output_tokens: AtomicU64,
    duration_ms: AtomicU64,
    buckets: [AtomicU64; BUCKETS_MS.len()],
    unrecorded: AtomicU64,
    config_changes: AtomicU64,
    config_failures: AtomicU64,
    breakers_opened: AtomicU64,
    breakers_closed: AtomicU64,
    fallbacks: AtomicU64,
}

impl Counters {
    /// A call arrived.
    pub(crate) fn arrived(&self) {
        self.arrived.fetch_add(1, Ordering::Relaxed);
    }

    /// A record could not be written.
    pub(crate) fn unrecorded(&self) {
        self.unrecorded.fetch_add(1, Ordering::Relaxed);
    }

    /// Something else governs than before; `is_failure`: what the owner wrote does not, because it is broken.
    pub(crate) fn config_changed(&self, is_failure: bool) {
        let counter = if is_failure { &self.config_failures } else { &self.config_changes };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// A breaker opened: calls pass its model by for a while.
    pub(crate) fn breaker_opened(&self) {
        self.breakers_opened.fetch_add(1, Ordering::Relaxed);
    }

    /// A breaker that was open closed, since its model answered again.
    pub(crate) fn breaker_closed(&self) {
        self.breakers_closed.fetch_add(1, Ordering::Relaxed);
    }

    /// A call was answered by another model than the first of its route.
    pub(crate) fn fell_back(&self) {
        self.fallbacks.fetch_add(1, Ordering::Relaxed);
    }

    /// A call ended.
    pub(crate) fn ended(&self, record: &Record) {
        let add = |counter: &AtomicU64, count: u64| {
            counter.fetch_add(count, Ordering::Relaxed);
        };
        add(&self.ended, 1);
        match (record.verdict, record.outcome) {
            (Some(Verdict::Deny), _) => add(&self.denied, 1),
            (_, Some(Outcome::Refused)) => add(&self.refused, 1),
            (_, Some(Outcome::Failed | Outcome::Cut)) => add(&self.failed, 1),
            (_, Some(Outcome::Abandoned)) => add(&self.abandoned, 1),
            (Some(Verdict::Warn), _) => add(&self.warned, 1),
            _ => {}
        }
        add(&self.bytes_in, record.bytes_in);
        add(&self.bytes_out, record.bytes_out);
        if let Some(usage) = &record.usage {
            add(&self.input_tokens, usage.input + usage.cache_read + usage.cache_write);
            add(&self.output_tokens, usage.output);
        }
        add(&self.duration_ms, record.ms);
        for (bound, bucket) in BUCKETS_MS.iter().zip(&self.buckets) {
            if record.ms <= *bound {
                add(bucket, 1);
            }
        }
    }

    /// For the status.
    pub(crate) fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            calls: read(&self.arrived),
            denied: read(&self.denied),
            warned: read(&self.warned),
            refused: read(&self.refused),
            failed: read(&self.failed),
            in_flight: read(&self.arrived).saturating_sub(read(&self.ended)),
        }
    }

    /// Prometheus text format, version 0.0.4.
    pub(crate) fn prometheus(&self, is_log_healthy: bool) -> String {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut text = String::new();
        let mut metric = |name: &str, kind: &str, help: &str, value: u64| {
            writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}")
                .expect("writing to a String never fails");
        };
        metric("zos_calls_total", "counter", "Calls that arrived.", read(&self.arrived));
        metric("zos_calls_denied_total", "counter", "Calls that the firewall denied.", read(&self.denied));
        metric("zos_calls_warned_total", "counter", "Calls that went on with a warning.", read(&self.warned));
        metric(
            "zos_calls_refused_total",
            "counter",
            "Calls refused for another reason.",
            read(&self.refused),
        );
        metric("zos_calls_failed_total", "counter", "Calls that failed at the provider.", read(&self.failed));
        metric("zos_calls_abandoned_total", "counter", "Calls whose caller left.", read(&self.abandoned));
        metric("zos_calls_in_flight", "gauge", "Calls in progress.", self.counts().in_flight);
        metric("zos_request_bytes_total", "counter", "Bytes of request bodies.", read(&self.bytes_in));
        metric("zos_response_bytes_total", "counter", "Bytes of answer bodies.", read(&self.bytes_out));
        metric(
            "zos_input_tokens_total",
            "counter",
            "Input tokens, cached ones included.",
            read(&self.input_tokens),
        );
        metric("zos_output_tokens_total", "counter", "Output tokens.", read(&self.output_tokens));
        metric(
            "zos_unrecorded_total",
            "counter",
            "Records that could not be written.",
            read(&self.unrecorded),
        );
        for (name, help, counter) in [
            (
                "zos_config_changes_total",
                "Changes of files, canons and the active context that took effect.",
                &self.config_changes,
            ),
            (
                "zos_config_failures_total",
                "Errors in files that kept a change from taking effect.",
                &self.config_failures,
            ),
            (
                "zos_breakers_opened_total",
                "Times that a model was left alone because it failed.",
                &self.breakers_opened,
            ),
            ("zos_breakers_closed_total", "Times that such a model answered again.", &self.breakers_closed),
            ("zos_fallbacks_total", "Calls answered by a fallback.", &self.fallbacks),
        ] {
            metric(name, "counter", help, read(counter));
        }
        metric("zos_audit_healthy", "gauge", "1 while the log can be written.", u64::from(is_log_healthy));
        self.histogram(&mut text);
        text
    }

    fn histogram(&self, text: &mut String) {
        let name = "zos_call_duration_seconds";
        let ended = self.ended.load(Ordering::Relaxed);
        let mut line = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        line(format!("# HELP {name} Time from arrival to the end of the answer."));
        line(format!("# TYPE {name} histogram"));
        for (bound, bucket) in BUCKETS_MS.iter().zip(&self.buckets) {
            line(format!(
                "{name}_bucket{{le=\"{}\"}} {}",
                *bound as f64 / 1000.0,
                bucket.load(Ordering::Relaxed)
            ));
        }
        line(format!("{name}_bucket{{le=\"+Inf\"}} {ended}"));
        line(format!("{name}_sum {}", self.duration_ms.load(Ordering::Relaxed) as f64 / 1000.0));
        line(format!("{name}_count {ended}"));
    }
}
