//! `zos audit verify`: is a log, or a bundle, what was signed for? Says three things apart: whether it is
//! intact, whose key that rests on, and that nobody else has witnessed it.

use crate::attest::{self, Trust};
use crate::failure::{Failure, Outcome, Result};
use crate::output::{Cell, Output, Tone, errors_are_read, grouped, progress};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use zos_audit::{Bundle, VerifierKey};
use zos_core::{Code, Home};

/// Between two lines of progress.
const PROGRESS: Duration = Duration::from_millis(500);

/// The largest bundle that is read.
const BUNDLE_BYTES: u64 = 4 << 30;

/// Verifies a log or a bundle.
pub(super) fn run(
    home: &Home,
    path: Option<&Path>,
    key: Option<&str>,
    attest_key: Option<&str>,
    output: &mut Output,
) -> Result<Outcome> {
    let key = key.map(read_key).transpose()?;
    let own = home.audit_dir();
    let path = path.unwrap_or(&own);
    if path.is_file() {
        return bundle(path, key.as_ref(), attest_key, output);
    }
    // What is kept outside of the folder is about the log of this home alone.
    let witness = (path == own).then(|| zos_gateway::house::audit_head(home));
    log(path, key.as_ref(), witness.as_deref(), output)
}

/// A verifier key as text, or the file that holds it.
fn read_key(text: &str) -> Result<VerifierKey> {
    let text = attest::text_or_file(text)?;
    text.parse().map_err(|error| Failure::environment(&error))
}

fn log(
    dir: &Path,
    key: Option<&VerifierKey>,
    witness: Option<&Path>,
    output: &mut Output,
) -> Result<Outcome> {
    let is_shown = !output.is_json() && errors_are_read();
    let mut told = Instant::now();
    let mut has_told = false;
    let report = zos_audit::verify_witnessed(dir, key, witness, &mut |records, bytes| {
        if is_shown && told.elapsed() >= PROGRESS {
            told = Instant::now();
            has_told = true;
            progress(&format!("{} records, {} MB", grouped(records), bytes / 1_000_000));
        }
    });
    if has_told {
        progress("");
    }
    let report = report.map_err(|error| Failure::environment(&error))?;
    let key = report.key.as_ref().map(ToString::to_string);
    let outcome = if report.is_intact() { Outcome::Fine } else { Outcome::Found };
    if output.is_json() {
        let findings: Vec<Value> =
            report.findings.iter().map(|found| json!({"place": found.place, "what": found.what})).collect();
        output.json(&json!({
            "intact": report.is_intact(), "records": report.records, "signed": report.size,
            "unsigned": report.unsigned, "pruned": report.pruned, "torn": report.torn,
            "key": key, "key_given": report.is_key_given, "key_changes": report.key_changes, "witnessed": false, "findings": findings,
        }))?;
        return Ok(outcome);
    }
    for finding in &report.findings {
        let text = output.toned(Tone::Bad, &finding.to_string());
        output.line(&text)?;
    }
    let verdict = match report.is_intact() {
        true => Cell(Tone::Good, "intact".to_owned()),
        false => Cell(Tone::Bad, "NOT what was signed for".to_owned()),
    };
    let whose = match (&key, report.is_key_given) {
        (Some(key), true) if report.key_changes > 0 => {
            format!("{key} (the one that was given vouches for it)")
        }
        (Some(key), true) => format!("{key} (given)"),
        (Some(key), false) => format!("{key} (taken from the log itself; --key holds it to one you know)"),
        (None, _) => "none".to_owned(),
    };
    let mut facts = vec![
        ("verdict", verdict),
        ("records", grouped(report.records).into()),
        ("signed by", whose.into()),
        ("witnessed", "no: nobody but the owner of the key has vouched for it".into()),
        ("unsigned", grouped(report.unsigned).into()),
    ];
    if report.key_changes > 0 {
        facts.push(("new keys", grouped(report.key_changes).into()));
    }
    if report.pruned > 0 {
        facts.push(("pruned", grouped(report.pruned).into()));
    }
    for torn in &report.torn {
        facts.push(("torn", torn.clone().into()));
    }
    output.facts(&facts)?;
    // Also as a line that scripts look for.
    output.line(format!("unsigned: {}", report.unsigned))?;
    Ok(outcome)
}

fn bundle(
    path: &Path,
    key: Option<&VerifierKey>,
    attest_key: Option<&str>,
    output: &mut Output,
) -> Result<Outcome> {
    let unreadable = |why: String| Failure::wrong(Code::Environment, format!("{}: {why}.", path.display()));
    let length = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
    if length > BUNDLE_BYTES {
        return Err(unreadable("the bundle is larger than 4 GiB".to_owned()));
    }
    let text = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    let bundle: Bundle =
        serde_json::from_slice(&text).map_err(|error| unreadable(format!("it is no bundle: {error}")))?;
    let own = bundle.key.parse::<VerifierKey>();
    let is_given = key.is_some();
    let mut findings: Vec<String> = Vec::new();
    let mut is_vouched = false;
    let (mut records, mut states, mut whose) = (0, 0, bundle.key.clone());
    match key.cloned().map_or(own, Ok) {
        Err(error) => findings.push(error.to_string()),
        Ok(key) => {
            whose = key.to_string();
            match bundle.verify(&key) {
                Err(error) => findings.push(error.to_string()),
                Ok(zos_audit::proof::Judged { key: signing, good, bad }) => {
                    is_vouched = signing != key;
                    whose = signing.to_string();
                    records = good.len() as u64;
                    findings.extend(bad.iter().map(|(seq, why)| format!("record {seq}: {why}")));
                    let trust = Trust::of_bundle(&bundle, attest_key)?;
                    states = check_statements(&bundle, &good, &trust, &mut findings);
                }
            }
        }
    }
    let outcome = if findings.is_empty() { Outcome::Fine } else { Outcome::Found };
    if output.is_json() {
        output.json(&json!({
            "intact": findings.is_empty(), "records": records, "statements": states, "key": whose,
            "key_given": is_given, "witnessed": false, "findings": findings,
        }))?;
        return Ok(outcome);
    }
    for finding in &findings {
        let text = output.toned(Tone::Bad, finding);
        output.line(&text)?;
    }
    let (tone, verdict) = match findings.is_empty() {
        true => (Tone::Good, "intact"),
        false => (Tone::Bad, "NOT what was signed for"),
    };
    let from = match (is_given, is_vouched) {
        (true, true) => "the one that was given vouches for it",
        (true, false) => "given",
        (false, _) => "taken from the bundle itself; --key holds it to one you know",
    };
    output.facts(&[
        ("verdict", Cell(tone, verdict.to_owned())),
        ("records", grouped(records).into()),
        ("statements", grouped(states).into()),
        ("signed by", format!("{whose} ({from})").into()),
        ("witnessed", "no: nobody but the owner of the key has vouched for it".into()),
    ])?;
    Ok(outcome)
}

/// Checks the statements of a bundle, and that every record's state has one; gives how many hold.
fn check_statements(
    bundle: &Bundle,
    records: &[zos_audit::Record],
    trust: &Trust,
    findings: &mut Vec<String>,
) -> u64 {
    let mut known = std::collections::BTreeSet::new();
    for (index, statement) in bundle.statements.iter().enumerate() {
        match attest::check_statement(statement, trust) {
            Ok(checked) => {
                findings.extend(checked.check_objects(&bundle.objects));
                known.insert(checked.id);
            }
            Err(why) => findings.push(format!("statement {index}: {why}")),
        }
    }
    let mut missing: Vec<&str> = records.iter().filter_map(|record| record.state_id.as_deref()).collect();
    missing.sort_unstable();
    missing.dedup();
    for id in missing.into_iter().filter(|id| !known.contains(*id)) {
        findings.push(format!("the statement about state {id} is missing"));
    }
    known.len() as u64
}
