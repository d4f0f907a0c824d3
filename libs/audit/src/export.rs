//! Records in the words of other programs: one text line each.
//!
//! CSV for tables, CEF and OCSF for security monitors, OTLP for telemetry (JSON lines, as OpenTelemetry's
//! file exporter writes them). Each tells the same facts as the record and none besides.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::record::{Outcome, Record, Verdict};
use crate::time::parse_time;

/// A format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The lines of the log as they are.
    Jsonl,
    /// Comma-separated values with a head.
    Csv,
    /// API Activity (class 6003) of the Open Cybersecurity Schema Framework, a JSON object a line.
    Ocsf,
    /// ArcSight's Common Event Format.
    Cef,
    /// Logs of OpenTelemetry, a request in JSON a line.
    Otlp,
}

impl std::str::FromStr for Format {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "jsonl" => Self::Jsonl,
            "csv" => Self::Csv,
            "ocsf" => Self::Ocsf,
            "cef" => Self::Cef,
            "otlp" => Self::Otlp,
            _ => return Err("write jsonl, csv, ocsf, cef or otlp"),
        })
    }
}

/// The columns of CSV, and the fields of the others beside their own.
const COLUMNS: [&str; 24] = [
    "seq",
    "time",
    "kind",
    "request_id",
    "context",
    "client",
    "face",
    "provider",
    "model",
    "status",
    "verdict",
    "outcome",
    "code",
    "rules",
    "input_tokens",
    "output_tokens",
    "cost_micros",
    "ms",
    "bytes_in",
    "bytes_out",
    "state_id",
    "detail",
    "canon",
    "system",
];

impl Format {
    /// The line before the first record, where the format has one.
    pub fn head(self) -> Option<String> {
        (self == Self::Csv).then(|| COLUMNS.join(","))
    }

    /// A record as a line without its line feed. `line` is the one it stands on in the log.
    pub fn line(self, record: &Record, line: &[u8]) -> String {
        match self {
            Self::Jsonl => String::from_utf8_lossy(line).into_owned(),
            Self::Csv => cells(record).iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(","),
            Self::Ocsf => ocsf(record).to_string(),
            Self::Cef => cef(record),
            Self::Otlp => otlp(record).to_string(),
        }
    }
}

fn word<T: serde::Serialize>(word: &T) -> String {
    match serde_json::to_value(word) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

/// The values of the columns.
fn cells(record: &Record) -> [String; 24] {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    let input = record.usage.map(|usage| usage.input + usage.cache_read + usage.cache_write);
    [
        record.seq.to_string(),
        record.time.clone(),
        word(&record.kind),
        text(&record.request_id),
        text(&record.context),
        text(&record.client),
        text(&record.face),
        text(&record.provider),
        text(&record.model),
        number(record.status.map(u64::from)),
        record.verdict.as_ref().map(word).unwrap_or_default(),
        record.outcome.as_ref().map(word).unwrap_or_default(),
        text(&record.code),
        record.rules.join(" "),
        number(input),
        number(record.usage.map(|usage| usage.output)),
        number(record.cost_micros),
        record.ms.to_string(),
        record.bytes_in.to_string(),
        record.bytes_out.to_string(),
        text(&record.state_id),
        text(&record.detail),
        text(&record.canon),
        text(&record.system),
    ]
}

/// A cell of RFC 4180. What a spreadsheet would take for a formula gets an apostrophe.
fn quoted(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let cell = if is_formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

/// 1 informational to 4 high, as OCSF counts.
fn severity(record: &Record) -> u64 {
    match (record.verdict, record.outcome) {
        (Some(Verdict::Deny), _) => 4,
        (Some(Verdict::Warn | Verdict::Redact), _) => 2,
        (_, Some(Outcome::Failed | Outcome::Cut)) => 3,
        _ => 1,
    }
}

fn ocsf(record: &Record) -> Value {
    let is_success = record.outcome == Some(Outcome::Completed) || record.outcome.is_none();
    json!({
        "activity_id": 99,
        "activity_name": word(&record.kind),
        "actor": {"app_name": record.client},
        "api": {
            "operation": record.face,
            "request": {"uid": record.request_id},
            "response": {"code": record.status, "error": record.code},
            "service": {"name": record.provider},
        },
        "category_uid": 6,
        "class_uid": 6003,
        "metadata": {
            "product": {"name": "zOS", "vendor_name": "zOS"},
            "uid": record.seq.to_string(),
            "version": "1.5.0",
        },
        "message": record.detail,
        "severity_id": severity(record),
        "src_endpoint": {"name": "localhost"},
        "status_id": if is_success { 1 } else { 2 },
        "time": parse_time(&record.time).unwrap_or_default(),
        "type_uid": 600_399,
        "unmapped": record,
    })
}

fn cef(record: &Record) -> String {
    // A pipe ends a field of the head, an equals sign a key; a line break would end the event.
    let head = |text: &str| text.replace('\\', "\\\\").replace('|', "\\|").replace(['\n', '\r'], " ");
    let value = |text: &str| text.replace('\\', "\\\\").replace('=', "\\=").replace(['\n', '\r'], " ");
    let class = record.code.clone().unwrap_or_else(|| word(&record.kind));
    let name = record.verdict.as_ref().map_or_else(|| word(&record.kind), word);
    let level = [0, 1, 4, 6, 8][severity(record) as usize];
    let mut line =
        format!("CEF:0|zOS|gateway|{}|{}|{}|{level}|", env!("CARGO_PKG_VERSION"), head(&class), head(&name));
    let keys = [
        ("externalId", "seq"),
        ("rt", "time"),
        ("cs1", "context"),
        ("sourceServiceName", "client"),
        ("app", "face"),
        ("destinationServiceName", "provider"),
        ("cs2", "model"),
        ("outcome", "outcome"),
        ("cs3", "rules"),
        ("requestContext", "request_id"),
        ("in", "bytes_in"),
        ("out", "bytes_out"),
        ("cs4", "state_id"),
        ("cn1", "cost_micros"),
        ("cs5", "canon"),
        ("cs6", "system"),
        ("msg", "detail"),
    ];
    let cells = cells(record);
    for (key, column) in keys {
        let place = COLUMNS.iter().position(|name| *name == column).expect("a column of ours");
        if !cells[place].is_empty() {
            write!(line, "{key}={} ", value(&cells[place])).expect("a string takes every character");
        }
    }
    line + "cs1Label=context cs2Label=model cs3Label=rules cs4Label=state cn1Label=costMicros cs5Label=canon cs6Label=system"
}

fn otlp(record: &Record) -> Value {
    let nanos = parse_time(&record.time).unwrap_or_default().saturating_mul(1_000_000).to_string();
    let cells = cells(record);
    let attributes: Vec<Value> = COLUMNS
        .iter()
        .zip(&cells)
        .filter(|(_, cell)| !cell.is_empty())
        .map(|(name, cell)| json!({"key": format!("zos.{name}"), "value": {"stringValue": cell}}))
        .collect();
    let (number, text) =
        [(9, "INFO"), (9, "INFO"), (13, "WARN"), (17, "ERROR"), (13, "WARN")][severity(record) as usize];
    json!({"resourceLogs": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "zos"}}]},
        "scopeLogs": [{
            "scope": {"name": "zos.audit"},
            "logRecords": [{
                "timeUnixNano": nanos,
                "observedTimeUnixNano": nanos,
                "severityNumber": number,
                "severityText": text,
                "body": {"stringValue": word(&record.kind)},
                "attributes": attributes,
            }],
        }],
    }]})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            seq: 7,
            time: "2026-01-02T03:04:05.678Z".to_owned(),
            client: Some("=HYPERLINK(\"x\")".to_owned()),
            model: Some("a|b=c\\d\ne".to_owned()),
            verdict: Some(Verdict::Deny),
            rules: vec!["acme/outbound/3".to_owned()],
            ..Record::default()
        }
    }

    #[test]
    fn a_table_has_as_many_cells_as_heads_and_no_formula() {
        let line = Format::Csv.line(&record(), b"");
        assert!(line.contains("\"'=HYPERLINK(\"\"x\"\")\""), "{line}");
        let head = Format::Csv.head().unwrap();
        // Within quotes there is neither comma nor line break in this record but the model's.
        assert_eq!(head.split(',').count(), line.split(',').count());
    }

    #[test]
    fn what_ends_a_field_of_cef_is_escaped_in_it() {
        let line = Format::Cef.line(&record(), b"");
        assert!(line.starts_with("CEF:0|zOS|gateway|"), "{line}");
        assert!(line.contains("|call|deny|8|externalId=7 rt=2026-01-02T03:04:05.678Z"), "{line}");
        assert!(line.contains("cs2=a|b\\=c\\\\d e "), "{line}");
    }

    #[test]
    fn monitors_get_the_same_facts() {
        let ocsf: Value = serde_json::from_str(&Format::Ocsf.line(&record(), b"")).unwrap();
        assert_eq!((ocsf["class_uid"].as_u64(), ocsf["severity_id"].as_u64()), (Some(6003), Some(4)));
        assert_eq!(ocsf["time"], 1_767_323_045_678_u64);
        assert_eq!(ocsf["unmapped"]["rules"][0], "acme/outbound/3");
        let otlp: Value = serde_json::from_str(&Format::Otlp.line(&record(), b"")).unwrap();
        let log = &otlp["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
        assert_eq!(log["timeUnixNano"], "1767323045678000000");
        assert!(log["attributes"].to_string().contains("zos.verdict"));
        assert_eq!(Format::Jsonl.line(&record(), b"{}"), "{}");
    }
}
