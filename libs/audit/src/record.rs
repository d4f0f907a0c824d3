//! The record, one line of the log, and its canonical form.
//!
//! A record is metadata only: who, when, by which route, with what verdict, at what price. It has
//! no place for a prompt, an answer, a term, a key or a path of the caller, and every string is
//! clipped, so that a long one cannot become such a place either.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

/// The version this library writes into `v`; a reader refuses anything newer.
pub const RECORD_VERSION: u32 = 1;

/// The longest string a record keeps, in bytes; longer ones are cut at a character.
pub const STRING_BYTES: usize = 256;

/// The most entries a list of a record keeps; the first ones stay.
pub const LIST_ENTRIES: usize = 128;

/// The largest integer of a record: the largest that every JSON reader keeps exact (RFC 8785 §3.2.2.3).
pub const MAX_INTEGER: u64 = (1 << 53) - 1;

/// One record of the log.
///
/// The fields stand in alphabetical order because the canonical form (RFC 8785) sorts them and is
/// written straight from here. A line always has all of them; what is unknown or does not apply is
/// `null`. `v`, `seq` and `time` are set by [`Log::append`](crate::Log::append).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The program that the caller claims to be, as its `user-agent` says. Nobody checked that.
    #[serde(default)]
    pub agent: Option<String>,
    /// Bytes of the request body that arrived.
    #[serde(default)]
    pub bytes_in: u64,
    /// Bytes of the answer that left towards the caller.
    #[serde(default)]
    pub bytes_out: u64,
    /// The digest of the canon that was put in front of the call, which is that of exactly this text;
    /// `None` where none was.
    #[serde(default)]
    pub canon: Option<String>,
    /// The client's name, where its key or its header told one.
    #[serde(default)]
    pub client: Option<String>,
    /// The stable error code of an answer of ours, such as `zos_budget_exceeded`.
    #[serde(default)]
    pub code: Option<String>,
    /// The context that governed the call.
    #[serde(default)]
    pub context: Option<String>,
    /// The price in millionths of the currency; `None` is "unknown", never zero.
    #[serde(default)]
    pub cost_micros: Option<u64>,
    /// Description in words of a decision, a gap, a torn tail. Never text of a call.
    #[serde(default)]
    pub detail: Option<String>,
    /// The wire format the caller spoke: `messages`, `chat`, `responses`, `embeddings`, …
    #[serde(default)]
    pub face: Option<String>,
    /// Kind of the event.
    pub kind: Kind,
    /// The model as it was routed.
    #[serde(default)]
    pub model: Option<String>,
    /// Time from the arrival of the call to its end, in milliseconds.
    #[serde(default)]
    pub ms: u64,
    /// Outcome of the call.
    #[serde(default)]
    pub outcome: Option<Outcome>,
    /// The provider the call was routed to.
    #[serde(default)]
    pub provider: Option<String>,
    /// The rooms whose memory the conversation had read by then.
    #[serde(default)]
    pub recalled: Vec<String>,
    /// The id that the caller saw as `x-request-id`.
    #[serde(default)]
    pub request_id: Option<String>,
    /// The tokens that were held before forwarding.
    #[serde(default)]
    pub reserved: Option<u64>,
    /// Secrets that the answer of the call got back for tool calls: the kind, ` > `, and where the call takes it.
    #[serde(default)]
    pub restored: Vec<String>,
    /// The ids of the rules that spoke.
    #[serde(default)]
    pub rules: Vec<String>,
    /// The position in the log, from 0 without a gap; the index of the leaf.
    pub seq: u64,
    /// The digest of canon, context, policy, fleet and build that governed the call.
    #[serde(default)]
    pub state_id: Option<String>,
    /// The HTTP status the caller got; `None` when there was none to send it to.
    #[serde(default)]
    pub status: Option<u16>,
    /// The keyed digest of the system text that went to the provider; `None` where none did.
    #[serde(default)]
    pub system: Option<String>,
    /// Keyed hashes of the matched terms, never the terms.
    #[serde(default)]
    pub terms: Vec<String>,
    /// Time of writing: RFC 3339, UTC, milliseconds.
    pub time: String,
    /// Time from the arrival of the call to the first byte of the answer, in milliseconds.
    #[serde(default)]
    pub ttft_ms: Option<u64>,
    /// Kinds of content that passed unread: `image`, `audio`, `pdf`, …
    #[serde(default)]
    pub uninspected: Vec<String>,
    /// The tokens of the call.
    #[serde(default)]
    pub usage: Option<Usage>,
    /// The version of this shape, [`RECORD_VERSION`].
    pub v: u32,
    /// Verdict of the policy on the call.
    #[serde(default)]
    pub verdict: Option<Verdict>,
}

/// Kinds of events that records tell of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A call that arrived, however it ended.
    #[default]
    Call,
    /// The process began to serve.
    Start,
    /// The process stopped in order.
    Stop,
    /// Records could not be written for a while; `detail` says how many and why.
    Gap,
    /// A crash left half a line, which was set aside; written by the log when it opens.
    Torn,
    /// A key was made, revoked or replaced.
    Key,
    /// The owner decided: active context, pause, approval.
    Decision,
    /// Old segments were removed.
    Prune,
}

/// Verdicts of the policy on a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing spoke against it.
    Allow,
    /// A rule spoke, and the call went on.
    Warn,
    /// The call went on after something was replaced in it.
    Redact,
    /// The call or its answer was refused.
    Deny,
}

/// Outcomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The whole answer was delivered.
    Completed,
    /// We refused it, before or after forwarding.
    Refused,
    /// The answer broke off: upstream ended early, or a violation cut the stream.
    Cut,
    /// The caller left.
    Abandoned,
    /// Upstream failed, or we did.
    Failed,
}

/// The tokens of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Usage {
    // Alphabetical for the same reason as in `Record`.
    /// Input tokens read from the provider's cache.
    #[serde(default)]
    pub cache_read: u64,
    /// Input tokens written to the provider's cache.
    #[serde(default)]
    pub cache_write: u64,
    /// True when the provider did not report and the numbers are ours.
    #[serde(default)]
    pub estimated: bool,
    /// Input tokens beside those of the cache.
    #[serde(default)]
    pub input: u64,
    /// Output tokens, those of reasoning included.
    #[serde(default)]
    pub output: u64,
}

impl Record {
    /// A record of `kind` about something other than a call, told in words.
    pub fn event(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: Some(detail.into()), ..Self::default() }
    }

    /// The record that tells of the removal of records `from` up to, and without, `to`, of days before `day`.
    pub(crate) fn pruned(from: u64, to: u64, day: &str) -> Self {
        let last = to.saturating_sub(1);
        Self::event(Kind::Prune, format!("records {from} to {last} removed, of days before {day}"))
    }

    /// `seq` of the first record that is left, where this record tells of a removal.
    pub(crate) fn pruned_to(&self) -> Option<u64> {
        let detail = self.detail.as_deref().filter(|_| self.kind == Kind::Prune)?;
        let (_, rest) = detail.strip_prefix("records ")?.split_once(" to ")?;
        rest.split(' ').next()?.parse::<u64>().ok()?.checked_add(1)
    }

    /// This record with every string, list and integer inside its bound.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        for text in [
            &mut self.agent,
            &mut self.canon,
            &mut self.client,
            &mut self.code,
            &mut self.context,
            &mut self.detail,
            &mut self.face,
            &mut self.model,
            &mut self.provider,
            &mut self.request_id,
            &mut self.state_id,
            &mut self.system,
        ] {
            text.iter_mut().for_each(clip);
        }
        let lists =
            [&mut self.recalled, &mut self.restored, &mut self.rules, &mut self.terms, &mut self.uninspected];
        for list in lists {
            list.truncate(LIST_ENTRIES);
            list.iter_mut().for_each(clip);
        }
        for number in [&mut self.bytes_in, &mut self.bytes_out, &mut self.ms] {
            *number = (*number).min(MAX_INTEGER);
        }
        for number in [&mut self.cost_micros, &mut self.reserved, &mut self.ttft_ms] {
            *number = number.map(|number| number.min(MAX_INTEGER));
        }
        if let Some(usage) = &mut self.usage {
            for tokens in [&mut usage.input, &mut usage.output, &mut usage.cache_read, &mut usage.cache_write]
            {
                *tokens = (*tokens).min(MAX_INTEGER);
            }
        }
        self
    }

    /// Appends the canonical line (RFC 8785), with its line feed, to `line`.
    ///
    /// For integers and strings in sorted fields, serde_json's compact form is the canonical one:
    /// no white space, and of all characters only `"`, `\` and the control characters are escaped.
    pub(crate) fn write_line(&self, line: &mut Vec<u8>) {
        serde_json::to_writer(&mut *line, self)
            .expect("a record has only strings and integers, and a vector takes every byte");
        line.push(b'\n');
    }

    /// The record of a line without its line feed.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, NotARecord> {
        let record: Self =
            serde_json::from_slice(line).map_err(|error| NotARecord::Json(error.to_string()))?;
        if record.v != RECORD_VERSION {
            return Err(NotARecord::Version(record.v));
        }
        check_seq(record.seq)?;
        Ok(record)
    }
}

/// Fields that make a line a record: the only ones that are read where whole segments are walked through.
///
/// The other fields are skipped, though they must be JSON; that is several times faster.
#[derive(Debug, Deserialize)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    pub(crate) seq: u64,
    #[serde(rename = "time")]
    _time: IgnoredAny,
    v: u32,
}

impl Head {
    /// The head of a line without its line feed.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, NotARecord> {
        let head: Self = serde_json::from_slice(line).map_err(|error| NotARecord::Json(error.to_string()))?;
        match head.v {
            RECORD_VERSION => check_seq(head.seq).map(|()| head),
            newer => Err(NotARecord::Version(newer)),
        }
    }
}

/// Whether another record can follow one with this `seq`.
fn check_seq(seq: u64) -> Result<(), NotARecord> {
    if seq < MAX_INTEGER { Ok(()) } else { Err(NotARecord::Seq(seq)) }
}

/// Why a line is no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotARecord {
    /// Not JSON, or not of the right shape.
    #[error("it is not an audit record ({0})")]
    Json(String),
    /// Written by a newer version.
    #[error("it has version {0}, and this program knows only version {RECORD_VERSION}")]
    Version(u32),
    /// The record's number is none that this program writes.
    #[error("its seq {0} is larger than any log is long")]
    Seq(u64),
}

/// Cuts `text` to [`STRING_BYTES`] at a character boundary.
fn clip(text: &mut String) {
    text.truncate(text.floor_char_boundary(STRING_BYTES));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_pruning_says_what_is_left_and_a_strange_one_says_nothing() {
        for (from, to) in [(0, 1), (7, 4096), (3, u64::MAX)] {
            assert_eq!(Record::pruned(from, to, "2026-03-03").pruned_to(), Some(to));
        }
        let told = |kind, detail: &str| Record::event(kind, detail).pruned_to();
        assert_eq!(told(Kind::Prune, "records 0 to 18446744073709551615 removed"), None);
        assert_eq!(told(Kind::Prune, "records 0 to many removed"), None);
        assert_eq!(told(Kind::Prune, "records 0"), None);
        assert_eq!(told(Kind::Decision, "records 0 to 7 removed"), None);
    }
    use proptest::prelude::*;
    use serde_json::Value;

    /// The canonical form by its definition: sorted keys, no white space, minimal escapes.
    fn canonical(value: &Value) -> String {
        match value {
            Value::Object(map) => {
                let mut keys: Vec<_> = map.keys().collect();
                // RFC 8785 sorts by UTF-16; our keys are ASCII, where that is the order of bytes.
                keys.sort();
                let entries: Vec<_> =
                    keys.iter().map(|key| format!("\"{key}\":{}", canonical(&map[*key]))).collect();
                format!("{{{}}}", entries.join(","))
            }
            Value::Array(items) => {
                format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(","))
            }
            Value::String(text) => {
                let mut quoted = String::from('"');
                for c in text.chars() {
                    match c {
                        '"' => quoted.push_str("\\\""),
                        '\\' => quoted.push_str("\\\\"),
                        '\u{8}' => quoted.push_str("\\b"),
                        '\t' => quoted.push_str("\\t"),
                        '\n' => quoted.push_str("\\n"),
                        '\u{c}' => quoted.push_str("\\f"),
                        '\r' => quoted.push_str("\\r"),
                        c if c < ' ' => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
                        c => quoted.push(c),
                    }
                }
                quoted + "\""
            }
            other => other.to_string(),
        }
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            "[ -~]{0,12}",
            any::<String>(),
            ".{200,300}",
            "\\PC{0,8}[\u{0}-\u{1f}\u{7f}\u{2028}]{0,3}"
        ]
    }

    fn usage() -> impl Strategy<Value = Usage> {
        (any::<u64>(), any::<u64>(), 0..9_u64, any::<u64>(), any::<bool>()).prop_map(
            |(input, output, cache_read, cache_write, estimated)| Usage {
                cache_read,
                cache_write,
                estimated,
                input,
                output,
            },
        )
    }

    prop_compose! {
        fn record()(
            strings in proptest::collection::vec(proptest::option::of(text()), 12),
            lists in proptest::collection::vec(proptest::collection::vec(text(), 0..4), 5),
            numbers in proptest::collection::vec(any::<u64>(), 4),
            optional in proptest::collection::vec(proptest::option::of(any::<u64>()), 3),
            status in proptest::option::of(any::<u16>()),
            usage in proptest::option::of(usage()),
        ) -> Record {
            let string = |index: usize| strings[index].clone();
            Record {
                client: string(0), code: string(1), context: string(2), detail: string(3), face: string(4),
                model: string(5), provider: string(6), request_id: string(7), state_id: string(8), canon: string(9), system: string(10), agent: string(11),
                rules: lists[0].clone(), terms: lists[1].clone(), uninspected: lists[2].clone(), recalled: lists[3].clone(), restored: lists[4].clone(),
                bytes_in: numbers[0], bytes_out: numbers[1], ms: numbers[2], seq: numbers[3] >> 11,
                cost_micros: optional[0], reserved: optional[1], ttft_ms: optional[2],
                status, usage, v: RECORD_VERSION, time: "2026-01-02T03:04:05.678Z".to_owned(),
                verdict: Some(Verdict::Redact), outcome: Some(Outcome::Cut), kind: Kind::Call,
            }
        }
    }

    proptest! {
        #[test]
        fn a_line_is_canonical_and_says_the_same_when_read_back(record in record()) {
            let record = record.bounded();
            let mut line = Vec::new();
            record.write_line(&mut line);
            prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            prop_assert_eq!(line.pop(), Some(b'\n'));
            let text = String::from_utf8(line.clone()).unwrap();
            prop_assert_eq!(&text, &canonical(&serde_json::from_str(&text).unwrap()));
            prop_assert_eq!(Record::parse(&line).unwrap(), record);
        }
    }

    #[test]
    fn a_line_has_exactly_the_fields_of_a_record() {
        let mut line = Vec::new();
        Record::default().write_line(&mut line);
        let value: serde_json::Map<String, Value> = serde_json::from_slice(&line).unwrap();
        let fields: Vec<_> = value.keys().map(String::as_str).collect();
        assert_eq!(
            fields.join(" "),
            "agent bytes_in bytes_out canon client code context cost_micros detail face kind model ms outcome provider \
             recalled request_id reserved restored rules seq state_id status system terms time ttft_ms uninspected usage v verdict"
        );
    }

    #[test]
    fn everything_in_a_record_has_a_bound() {
        let long = "ä".repeat(STRING_BYTES);
        let record = Record {
            detail: Some(format!("x{long}")),
            rules: vec![long.clone(); LIST_ENTRIES + 1],
            cost_micros: Some(u64::MAX),
            usage: Some(Usage { input: u64::MAX, ..Usage::default() }),
            ..Record::default()
        }
        .bounded();
        // 255 bytes: the 256th would be half a character.
        assert_eq!(record.detail.map(|text| text.len()), Some(255));
        assert_eq!((record.rules.len(), record.rules[0].len()), (LIST_ENTRIES, 256));
        assert_eq!(record.cost_micros, Some(9_007_199_254_740_991));
        assert_eq!(record.usage.map(|usage| usage.input), Some(9_007_199_254_740_991));
        // The widest record still is a line that the reader takes.
        let worst = "\u{1}".repeat(STRING_BYTES);
        let list = vec![worst.clone(); LIST_ENTRIES];
        let mut line = Vec::new();
        Record {
            rules: list.clone(),
            terms: list.clone(),
            uninspected: list.clone(),
            recalled: list.clone(),
            restored: list,
            detail: Some(worst),
            ..Record::default()
        }
        .write_line(&mut line);
        assert!(line.len() < crate::scan::LINE_BYTES, "{}", line.len());
    }
}
