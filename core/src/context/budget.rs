//! Budget of a context: `budget` of its file.
//!
//! ```yaml
//! budget:
//!   daily_tokens: 200000
//!   shrink: true
//!   daily_usd: 5
//!   monthly_usd: 60
//!   keys: {claude-code: {daily_usd: 2}}
//!   models: {"claude-opus-*": {daily_usd: 1}}
//!   prices: {"local/*": {input: 0, output: 0}}
//! ```
//!
//! Limits of keys and models lie within those of the context: a call needs room in all that concern it.

use super::Micros;
use crate::glob::Glob;
use crate::yaml::{Fields, Findings, MapEntry, Node, Unknown, Value};

/// Limits for keys, for models, or prices, in one file.
const ENTRIES_MAX: usize = 64;

/// Limits on a context's spending. Absent means without limit.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Budget {
    /// Tokens a UTC day.
    pub daily_tokens: Option<u64>,
    /// Money a UTC day.
    pub daily_usd: Option<Micros>,
    /// Money a UTC month.
    pub monthly_usd: Option<Micros>,
    /// Whether a call whose output limit does not fit any more goes out with a lower one.
    pub shrink: bool,
    /// Limits of single zOS keys, by the name of their client.
    pub keys: Vec<(String, Limits)>,
    /// Limits of the models that fit a pattern, by the name that was asked for.
    pub models: Vec<(Glob, Limits)>,
    /// Prices that hold in this context instead of the published ones; the first that fits counts.
    pub prices: Vec<ModelPrice>,
}

/// The limits of one key or pattern.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Limits {
    /// Tokens a UTC day.
    pub daily_tokens: Option<u64>,
    /// Money a UTC day.
    pub daily_usd: Option<Micros>,
    /// Money a UTC month.
    pub monthly_usd: Option<Micros>,
}

/// A price that holds in this context. Rates are nanodollars for a million tokens.
#[derive(Clone, PartialEq, Debug)]
pub struct ModelPrice {
    /// Models it is about.
    pub models: Glob,
    /// Input.
    pub input: u64,
    /// Output.
    pub output: u64,
    /// Input read from a cache; absent means as input.
    pub cache_read: Option<u64>,
    /// Input written to a cache; absent means as input.
    pub cache_write: Option<u64>,
}

impl Budget {
    /// The limits of the context as a whole.
    pub fn whole(&self) -> Limits {
        Limits { daily_tokens: self.daily_tokens, daily_usd: self.daily_usd, monthly_usd: self.monthly_usd }
    }
}

pub(super) fn read_budget(fields: &mut Fields<'_>, findings: &mut Findings) -> Budget {
    let Some(mut inner) = fields.map("budget", findings) else { return Budget::default() };
    let Limits { daily_tokens, daily_usd, monthly_usd } = read_limits(&mut inner, findings);
    let budget = Budget {
        daily_tokens,
        daily_usd,
        monthly_usd,
        shrink: inner.flag("shrink", findings).unwrap_or(false),
        keys: read_each(&mut inner, "keys", findings, |entry, path, findings| {
            Some((entry.key.clone(), read_entry(entry, path, findings)?))
        }),
        models: read_each(&mut inner, "models", findings, |entry, path, findings| {
            Some((Glob::new(&entry.key), read_entry(entry, path, findings)?))
        }),
        prices: read_each(&mut inner, "prices", findings, read_price),
    };
    inner.finish(Unknown::Warn, findings);
    budget
}

fn read_limits(fields: &mut Fields<'_>, findings: &mut Findings) -> Limits {
    Limits {
        daily_tokens: fields.whole("daily_tokens", findings),
        daily_usd: fields.money("daily_usd", findings).map(Micros),
        monthly_usd: fields.money("monthly_usd", findings).map(Micros),
    }
}

/// A map whose keys are names of the person's own.
fn read_each<T>(
    fields: &mut Fields<'_>,
    key: &'static str,
    findings: &mut Findings,
    mut read: impl FnMut(&MapEntry, &str, &mut Findings) -> Option<T>,
) -> Vec<T> {
    let path = fields.name(key);
    let Some(inner) = fields.map(key, findings) else { return Vec::new() };
    if let Some(entry) = inner.entries().get(ENTRIES_MAX) {
        let message = format!("`{path}` has more than {ENTRIES_MAX} entries");
        findings.error(entry.place, message, "join some: a pattern may stand for many models");
        return Vec::new();
    }
    let one = |entry: &MapEntry| {
        let path = format!("{path}.{}", entry.key);
        // A name without limits would look like a limit and be none.
        if entry.value.value == Value::Null || entry.key.is_empty() {
            let message = format!("`{path}` says nothing");
            findings.error(
                entry.place,
                message,
                "write for example {daily_tokens: 50000}, or remove the line",
            );
            return None;
        }
        read(entry, &path, findings)
    };
    inner.entries().iter().filter_map(one).collect()
}

fn read_entry(entry: &MapEntry, path: &str, findings: &mut Findings) -> Option<Limits> {
    let mut fields = Fields::of(&entry.value, path, findings)?;
    let limits = read_limits(&mut fields, findings);
    if limits == Limits::default() && !findings.has_errors() {
        let fix = "write daily_tokens, daily_usd or monthly_usd";
        findings.error(entry.place, format!("`{path}` states no limit"), fix);
    }
    fields.finish(Unknown::Warn, findings);
    Some(limits)
}

fn read_price(entry: &MapEntry, path: &str, findings: &mut Findings) -> Option<ModelPrice> {
    let mut fields = Fields::of(&entry.value, path, findings)?;
    let mut rate = |key: &'static str| {
        let found = fields.entry(key)?;
        read_rate(&found.value, &fields.name(key), findings)
    };
    let (input, output, cache_read, cache_write) =
        (rate("input"), rate("output"), rate("cache_read"), rate("cache_write"));
    if fields.entry("input").is_none() || fields.entry("output").is_none() {
        let fix = "write both in dollars for a million tokens: {input: 3, output: 15}";
        findings.error(entry.place, format!("`{path}` needs `input` and `output`"), fix);
    }
    fields.finish(Unknown::Warn, findings);
    Some(ModelPrice {
        models: Glob::new(&entry.key),
        input: input?,
        output: output?,
        cache_read,
        cache_write,
    })
}

/// Dollars for a million tokens, in nanodollars. Above ten million dollars it is a mistake.
fn read_rate(node: &Node, name: &str, findings: &mut Findings) -> Option<u64> {
    let digits = match &node.value {
        Value::Number(digits) => digits.strip_prefix('+').unwrap_or(digits),
        _ => "",
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_plain = !digits.is_empty() && fraction.len() <= 9;
    let nanos = is_plain.then(|| format!("{whole}{fraction:0<9}").parse::<u64>().ok()).flatten();
    let nanos = nanos.filter(|nanos| *nanos <= 10_000_000 * 1_000_000_000);
    if nanos.is_none() {
        let message = format!("`{name}` must be dollars for a million tokens, with at most nine decimals");
        findings.error(node.place, message, "write for example 3 or 0.25, without quotes");
    }
    nanos
}
