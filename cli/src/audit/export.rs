//! `zos audit prove` and `zos audit export`: records for other people and programs.

use crate::admin::{Admin, Ask};
use crate::attest;
use crate::failure::{Failure, Outcome, Result};
use crate::output::{Output, Tone, grouped};
use crate::room::InContext;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use zos_audit::{Filter, ProofError, Prover};
use zos_core::{Code, ContextName, Home};

/// Arguments of `zos audit export`.
#[derive(Args)]
pub(crate) struct Export {
    /// jsonl, csv, ocsf, cef or otlp
    #[arg(long, value_name = "FORMAT", default_value = "jsonl", conflicts_with = "bundle")]
    format: zos_audit::export::Format,
    /// Write a bundle to this file: records, proofs, checkpoint and statements
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Put the governing files into the bundle too; the terms of your lists stand in them
    #[arg(long, requires = "bundle")]
    with_objects: bool,
    #[command(flatten)]
    context: InContext,
    /// Only from this time on: 2026-01-02 or 2026-01-02T03:04:05Z
    #[arg(long, value_name = "TIME", value_parser = zos_audit::parse_time)]
    since: Option<u64>,
    /// The folder of the log [default: that of this home]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Proves one record.
pub(super) fn prove(
    home: &Home,
    admin: &Admin,
    seq: u64,
    dir: Option<&Path>,
    output: &mut Output,
) -> Result<Outcome> {
    let dir = to_be_proven(home, admin, dir);
    let mut prover = Prover::open(&dir).map_err(|error| failed(&error))?;
    let proof = prover.prove(seq).map_err(|error| failed(&error))?;
    if output.is_json() {
        output.json(&proof)?;
    } else {
        output.line(&proof.record)?;
        output.line("")?;
        output.line(format!(
            "is record {seq} of the {} that this checkpoint signs for:",
            grouped(proof.size)
        ))?;
        output.line("")?;
        output.line(proof.checkpoint.trim_end())?;
        output.line("")?;
        output.line("The way from the record to the root:")?;
        for hash in &proof.hashes {
            output.line(format!("  {hash}"))?;
        }
    }
    Ok(Outcome::Fine)
}

/// The folder of a log. The zOS that runs on this home signs for all records of its own first; a log that
/// lies elsewhere is as it is.
fn to_be_proven(home: &Home, admin: &Admin, dir: Option<&Path>) -> PathBuf {
    let Some(dir) = dir else {
        // Where it cannot, as on a full disk, what is signed can be proven all the same, and what is not is
        // told: a bundle counts it, and a proof of it is refused.
        let _ = admin.ask_or(&Ask::post(&["audit", "seal"], &json!({})), || Ok(Value::Null));
        return home.audit_dir();
    };
    dir.to_owned()
}

/// What is tampered with fails; what cannot be read is the environment's.
fn failed(error: &ProofError) -> Failure {
    match error {
        ProofError::Tampered(_) | ProofError::Unsigned { .. } | ProofError::Gone(_) => {
            Failure::failed(Code::Unproven, crate::failure::sentence(error))
        }
        ProofError::Read(_) | ProofError::NoHead(_) => Failure::environment(error),
    }
}

/// Writes records.
pub(super) fn run(home: &Home, admin: &Admin, arguments: &Export, output: &mut Output) -> Result<Outcome> {
    let filter = Filter {
        context: arguments.context.context.as_ref().map(ContextName::to_string),
        since: arguments.since,
        ..Filter::default()
    };
    match &arguments.bundle {
        Some(file) => {
            let dir = to_be_proven(home, admin, arguments.dir.as_deref());
            bundle(home, &dir, &filter, file, arguments.with_objects, output)
        }
        None => {
            let dir = arguments.dir.clone().unwrap_or_else(|| home.audit_dir());
            if let Some(head) = arguments.format.head() {
                output.line(&head)?;
            }
            for entry in zos_audit::read_all(&dir).map_err(|error| Failure::environment(&error))? {
                let entry = entry.map_err(|error| Failure::environment(&error))?;
                if filter.matches(&entry.record) {
                    output.line(arguments.format.line(&entry.record, &entry.line))?;
                }
            }
            Ok(Outcome::Fine)
        }
    }
}

/// Writes a bundle: everything that another person needs, and no file of the owner unless asked for.
fn bundle(
    home: &Home,
    dir: &Path,
    filter: &Filter,
    file: &Path,
    with_objects: bool,
    output: &mut Output,
) -> Result<Outcome> {
    let mut prover = Prover::open(dir).map_err(|error| failed(&error))?;
    let mut bundle = prover.bundle();
    let mut states = BTreeSet::new();
    let size = prover.head().size;
    let mut unsigned = 0_u64;
    for entry in zos_audit::read_all(dir).map_err(|error| Failure::environment(&error))? {
        let entry = entry.map_err(|error| Failure::environment(&error))?;
        if !filter.matches(&entry.record) {
            continue;
        }
        if entry.record.seq >= size {
            unsigned += 1;
            continue;
        }
        states.extend(entry.record.state_id.clone());
        let proven = prover.prove_line(entry.record.seq, &entry.line).map_err(|error| failed(&error))?;
        bundle.records.push(proven);
    }
    let folder = attest_folder(home, dir);
    // What records name and the bundle lacks.
    let (mut no_statement, mut no_object) = (Vec::new(), BTreeSet::new());
    for id in &states {
        let Some(envelope) = attest::read_statement(&folder, id)? else {
            no_statement.push(id.clone());
            continue;
        };
        let covered = if with_objects { attest::covered(&envelope) } else { Vec::new() };
        for sha256 in covered {
            match std::fs::read(folder.join("objects").join(&sha256)) {
                Ok(bytes) => drop(bundle.objects.insert(sha256, STANDARD.encode(bytes).into())),
                Err(_) => drop(no_object.insert(sha256)),
            }
        }
        bundle.statements.push(serde_json::to_value(&envelope).expect("an envelope is JSON"));
    }
    bundle.keys = attest::published(&folder)?;
    let text = serde_json::to_string(&bundle).expect("a bundle is JSON") + "\n";
    // With objects in it, it is as private as they are.
    zos_seal::atomic_write(file, text.as_bytes(), 0o600).map_err(|error| Failure::environment(&error))?;
    if output.is_json() {
        output.json(&json!({
            "records": bundle.records.len(), "statements": bundle.statements.len(),
            "objects": bundle.objects.len(), "key": bundle.key, "unsigned": unsigned,
            "missing_statements": no_statement, "missing_objects": no_object,
        }))?;
    } else {
        output.line(format!(
            "{} records and {} statements are in the bundle. It is verified by `zos audit verify` and by \
             docs/verify.py; tell the key by another way:",
            grouped(bundle.records.len() as u64),
            grouped(bundle.statements.len() as u64)
        ))?;
        output.line(format!("  {}", bundle.key))?;
        if unsigned > 0 {
            let missing = format!(
                "Records that no checkpoint covers yet, and which are left out: {}. zOS signs for them once it \
                 runs and can write.",
                grouped(unsigned)
            );
            output.line(output.toned(Tone::Notice, &missing))?;
        }
        let lacking = no_statement.iter().map(|id| format!("It lacks the statement about state {id}."));
        let lacking = lacking.chain(no_object.iter().map(|sha256| format!("It lacks objects/{sha256}.")));
        for sentence in lacking {
            output.line(output.toned(Tone::Bad, &sentence))?;
        }
    }
    // A receiver would find out; whoever sends it should first.
    Ok(if no_statement.is_empty() && no_object.is_empty() { Outcome::Fine } else { Outcome::Found })
}

/// The statements beside a log: those of its own home where it lies in one.
fn attest_folder(home: &Home, dir: &Path) -> PathBuf {
    let beside = dir.parent().and_then(Path::parent).map(|root| root.join("attest"));
    beside.filter(|folder| folder.is_dir()).unwrap_or_else(|| home.attest())
}
