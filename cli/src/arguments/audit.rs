//! `zos audit …`.

use super::InContext;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use zos_core::ContextName;

/// `zos audit …`.
#[derive(Subcommand)]
pub(crate) enum Audit {
    /// The last records, and with -f those that come
    Tail(Tail),
    /// Is the log, or a bundle from it, exactly what was signed for?
    Verify {
        /// A folder of a log or a bundle [default: the log of this home]
        path: Option<PathBuf>,
        /// The verifier key that you know the log by, or a file with it
        #[arg(long, value_name = "VKEY")]
        key: Option<String>,
        /// The public key of statements that you know the bundle by, or a file with it
        #[arg(long, value_name = "PUB")]
        attest_key: Option<String>,
    },
    /// Prove that one record is in the log
    Prove {
        /// Its number
        seq: u64,
        /// The folder of the log [default: that of this home]
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Write records for other programs, or as a bundle that proves itself
    Export(Export),
    /// Was this term ever found in a room? Exit 0 if so, 1 if never
    FindTerm {
        /// The room
        #[arg(long, short, value_name = "NAME")]
        context: ContextName,
        /// The term
        term: String,
    },
    /// Did this system text go to a provider from a room? Exit 0 if so, 1 if never
    FindSystem {
        /// The room
        #[arg(long, short, value_name = "NAME")]
        context: ContextName,
        /// The file with the text, exactly as it was sent; - for standard input
        file: PathBuf,
    },
    /// Make a new key for the log; the one before vouches for it, and a record tells of it
    RotateKey,
    /// Remove old records; what is left stays provable
    Prune {
        /// All whole segments of days before this one: 2026-01-02
        #[arg(long, value_name = "DAY", value_parser = day)]
        before: String,
    },
}

/// `zos audit export`.
#[derive(Args)]
pub(crate) struct Export {
    /// jsonl, csv, ocsf, cef or otlp
    #[arg(long, value_name = "FORMAT", default_value = "jsonl", conflicts_with = "bundle")]
    pub(crate) format: zos_audit::export::Format,
    /// Write a bundle to this file: records, proofs, checkpoint and statements
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: Option<PathBuf>,
    /// Put the governing files into the bundle too; the terms of your lists stand in them
    #[arg(long, requires = "bundle")]
    pub(crate) with_objects: bool,
    #[command(flatten)]
    pub(crate) context: InContext,
    /// Only from this time on: 2026-01-02 or 2026-01-02T03:04:05Z
    #[arg(long, value_name = "TIME", value_parser = zos_audit::parse_time)]
    pub(crate) since: Option<u64>,
    /// The folder of the log [default: that of this home]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// `zos audit tail`.
#[derive(Args)]
pub(crate) struct Tail {
    /// Go on with what comes, until Ctrl-C
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// How many of the last records
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 20)]
    pub(crate) lines: usize,
    #[command(flatten)]
    pub(crate) context: InContext,
    /// Only this verdict
    #[arg(long, value_name = "VERDICT", value_parser = verdict)]
    pub(crate) verdict: Option<zos_audit::Verdict>,
    /// Only records with this rule
    #[arg(long, value_name = "ID")]
    pub(crate) rule: Option<String>,
    /// Only this AI client
    #[arg(long, value_name = "NAME")]
    pub(crate) client: Option<String>,
    /// Only from this time on: 2026-01-02 or 2026-01-02T03:04:05Z
    #[arg(long, value_name = "TIME", value_parser = zos_audit::parse_time)]
    pub(crate) since: Option<u64>,
}

/// A UTC day.
fn day(text: &str) -> Result<String, String> {
    let is_day = text.len() == 10 && zos_audit::parse_time(text).is_ok();
    is_day.then(|| text.to_owned()).ok_or_else(|| "write a day such as 2026-01-02".to_owned())
}

/// A verdict of the records' own vocabulary.
fn verdict(text: &str) -> Result<zos_audit::Verdict, String> {
    serde_json::from_value(text.into()).map_err(|_| "write allow, warn, redact or deny".to_owned())
}
