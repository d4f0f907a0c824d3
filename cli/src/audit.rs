//! `zos audit`: the log as its owner reads it and another person verifies it. What changes nothing reads the
//! files alone, without anything that runs; a zOS that runs is asked to sign what is to be proven.

mod export;
mod verify;

use crate::admin::{Admin, Ask};
use crate::failure::{Failure, Outcome, Result};
use crate::output::{Cell, Members, Output, Table, Tone, grouped, short_time};
use crate::room::InContext;
use crate::session::Session;
use clap::{Args, Subcommand};
use export::Export;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use zos_audit::{Filter, Page, ReadError, Record};
use zos_core::{Code, ContextName, Home};
use zos_gateway::admin::types::AuditRecord;
use zos_meter::Micros;

/// Read the log of calls and decisions
#[derive(Subcommand)]
pub(crate) enum Command {
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

/// `zos audit tail`.
#[derive(Args)]
pub(crate) struct Tail {
    /// Go on with what comes, until Ctrl-C
    #[arg(long, short)]
    follow: bool,
    /// How many of the last records
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 20)]
    lines: usize,
    #[command(flatten)]
    context: InContext,
    /// Only this verdict
    #[arg(long, value_name = "VERDICT", value_parser = verdict)]
    verdict: Option<zos_audit::Verdict>,
    /// Only records with this rule
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// Only this AI client
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// Only from this time on: 2026-01-02 or 2026-01-02T03:04:05Z
    #[arg(long, value_name = "TIME", value_parser = zos_audit::parse_time)]
    since: Option<u64>,
}

/// How often the log is looked at for new records.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Records that are read at once while following.
const AT_ONCE: usize = 256;

/// Does what was asked.
pub(crate) fn run(session: &Session, command: &Command, output: &mut Output) -> Result<Outcome> {
    let (home, admin) = (session.home()?, session.admin()?);
    session.check_rooms()?;
    match command {
        Command::Tail(arguments) => tail(home, arguments, output),
        Command::Verify { path, key, attest_key } => {
            verify::run(home, path.as_deref(), key.as_deref(), attest_key.as_deref(), output)
        }
        Command::Prove { seq, dir } => export::prove(home, admin, *seq, dir.as_deref(), output),
        Command::Export(arguments) => export::run(home, admin, arguments, output),
        Command::FindTerm { context, term } => find_term(home, context, term, output),
        Command::FindSystem { context, file } => find_system(home, context, file, output),
        Command::RotateKey => rotate_key(admin, output),
        Command::Prune { before } => prune(admin, before, output),
    }
}

/// Looks for a term by its hash; the room's key tells it, and nothing else does.
fn find_term(home: &Home, context: &ContextName, term: &str, output: &mut Output) -> Result<Outcome> {
    let keys = zos_seal::TermKeys::new(home.private_keys().join("terms"));
    let hashes = zos_gateway::terms::hashes_known(&keys, context.as_str(), term)
        .map_err(|error| Failure::environment(&error))?;
    let sought = Sought {
        has_key: !hashes.is_empty(),
        is_hashed: |record: &Record| !record.terms.is_empty(),
        is_found: |record: &Record| record.terms.iter().any(|hash| hashes.contains(hash)),
    };
    find(home, context, &sought, output)
}

/// Looks for a system text by its digest.
fn find_system(home: &Home, context: &ContextName, file: &Path, output: &mut Output) -> Result<Outcome> {
    let text = if file == Path::new("-") {
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut text).map(|_| text)
    } else {
        std::fs::read(file)
    };
    let text = text.map_err(|error| {
        Failure::wrong(Code::Environment, format!("{}: {error}.", file.display()))
            .hint("Give the file with the system text, or - and the text on standard input.")
    })?;
    let keys = zos_seal::TermKeys::new(home.private_keys().join("terms"));
    let digest = zos_gateway::system::digest_known(&keys, context.as_str(), &text)
        .map_err(|error| Failure::environment(&error))?;
    let sought = Sought {
        has_key: digest.is_some(),
        is_hashed: |record: &Record| record.system.is_some(),
        is_found: |record: &Record| digest.is_some() && record.system == digest,
    };
    find(home, context, &sought, output)
}

/// What is looked for in the records of a room.
struct Sought<H, F> {
    /// Whether the key is there that the room's hashes were made with.
    has_key: bool,
    /// Whether a record has any hash of the kind.
    is_hashed: H,
    /// Whether it has the one that is looked for.
    is_found: F,
}

/// Shows the calls of a room in which something was found. What cannot be told is told as that: a room that is in no file
/// and no record, and hashes of which the key is gone.
fn find(
    home: &Home,
    context: &ContextName,
    sought: &Sought<impl Fn(&Record) -> bool, impl Fn(&Record) -> bool>,
    output: &mut Output,
) -> Result<Outcome> {
    let mut found = Vec::new();
    let (mut count, mut hashed) = (0_u64, 0_u64);
    let mut is_known = home.contexts().join(format!("{context}.yml")).exists();
    let entries = zos_audit::read_all(&home.audit_dir()).map_err(|error| Failure::environment(&error))?;
    for entry in entries {
        let record = entry.map_err(|error| Failure::environment(&error))?.record;
        if record.context.as_deref() != Some(context.as_str()) {
            continue;
        }
        is_known = true;
        hashed += u64::from((sought.is_hashed)(&record));
        if (sought.is_found)(&record) {
            count += 1;
            // The newest ones are the ones that are looked at.
            if found.len() == AT_ONCE {
                found.remove(0);
            }
            found.push(record);
        }
    }
    if !is_known {
        return Err(Failure::unknown_context(context.as_str()));
    }
    if !sought.has_key && hashed > 0 {
        let message = format!(
            "The key of room {context} is gone, so nobody can tell what the hashes in {} of its records stand for.",
            grouped(hashed)
        );
        return Err(Failure::wrong(Code::Environment, message)
            .hint("Put gateway/keys/terms back from a copy of this home."));
    }
    if output.is_json() {
        let records: Vec<_> = found.into_iter().map(AuditRecord::from).collect();
        output.json(&json!({"found": count > 0, "count": count, "records": records}))?;
    } else if count == 0 {
        output.line("Never found.")?;
    } else {
        output.line(format!("Found in {} calls; the newest:", grouped(count)))?;
        show(found, None, output)?;
    }
    // Here it is the other way round: 0 found, 1 never.
    Ok(if count > 0 { Outcome::Fine } else { Outcome::Found })
}

/// Replaces the key of the log through the one who writes it.
fn rotate_key(admin: &Admin, output: &mut Output) -> Result<Outcome> {
    let rotated = admin.ask(&Ask::post(&["audit", "rotate-key"], &json!({})))?;
    if output.is_json() {
        output.json(&rotated)?;
    } else {
        output.line("The log is signed with a new key from now on:")?;
        output.line(format!("  {}", rotated.text("id")))?;
        output.line("The one before vouches for it; who knows the log by that one need not be told:")?;
        output.line(format!("  {}", rotated.text("previous")))?;
    }
    Ok(Outcome::Fine)
}

/// Removes old records through the one who writes the log.
fn prune(admin: &Admin, before: &str, output: &mut Output) -> Result<Outcome> {
    let pruned = admin.ask(&Ask::post(&["audit", "prune"], &json!({"before": before})))?;
    if output.is_json() {
        output.json(&pruned)?;
    } else {
        match pruned.number("records") {
            Some(0) | None => output.line("There is nothing to remove.")?,
            Some(count) => output.line(format!(
                "{} records are gone; what is left begins with record {} and stays provable.",
                grouped(count),
                pruned.number("first_left").unwrap_or_default()
            ))?,
        }
    }
    Ok(Outcome::Fine)
}

/// Shows the last records, and with `-f` those that come.
fn tail(home: &Home, tail: &Tail, output: &mut Output) -> Result<Outcome> {
    let filter = Filter {
        context: tail.context.context.as_ref().map(ContextName::to_string),
        verdict: tail.verdict,
        rule: tail.rule.clone(),
        client: tail.client.clone(),
        since: tail.since,
        kind: None,
    };
    let folder = home.audit_dir();
    // Where following begins is noted first, so that no record falls between.
    let end = newest(&folder)?;
    let (mut records, next) = last(&folder, &filter, tail)?;
    if output.is_json() && !tail.follow {
        output.json(
            &json!({"records": records.into_iter().map(AuditRecord::from).collect::<Vec<_>>(), "next": next}),
        )?;
        return Ok(Outcome::Fine);
    }
    records.reverse();
    if tail.follow {
        records.retain(|record| end.is_some_and(|end| record.seq <= end));
        let widths = show(records, None, output)?;
        follow(&folder, &filter, end, widths, output)?;
    } else if records.is_empty() {
        output.line("No records.")?;
    } else {
        show(records, None, output)?;
    }
    Ok(Outcome::Fine)
}

/// The last records that match, newest first, and where older ones begin.
fn last(folder: &Path, filter: &Filter, tail: &Tail) -> Result<(Vec<Record>, Option<String>)> {
    let mut records = Vec::new();
    let mut cursor = None;
    while records.len() < tail.lines {
        let page = page(folder, filter, cursor, tail.lines - records.len())?;
        records.extend(page.records);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    Ok((records, cursor.map(|cursor| cursor.to_string())))
}

/// A page of the log; a log that was never begun is empty.
fn page(folder: &Path, filter: &Filter, cursor: Option<zos_audit::Cursor>, limit: usize) -> Result<Page> {
    match zos_audit::recent(folder, filter, cursor, limit) {
        Err(ReadError::Missing { .. }) => Ok(Page { records: Vec::new(), next: None }),
        page => page.map_err(|error| Failure::environment(&error)),
    }
}

/// The number of the newest record.
fn newest(folder: &Path) -> Result<Option<u64>> {
    Ok(page(folder, &Filter::default(), None, 1)?.records.first().map(|record| record.seq))
}

/// Shows what comes, until the reader goes away or the process ends.
fn follow(
    folder: &Path,
    filter: &Filter,
    mut seen: Option<u64>,
    mut widths: Vec<usize>,
    output: &mut Output,
) -> Result<()> {
    loop {
        std::thread::sleep(LOOK_AGAIN);
        let mut news: Vec<Record> = Vec::new();
        let mut cursor = None;
        // Backwards from the newest, as far as there is something new. Without the filter, which could
        // make each look walk through the whole log.
        loop {
            let page = page(folder, &Filter::default(), cursor, AT_ONCE)?;
            let before = news.len();
            let all = page.records.len();
            news.extend(
                page.records.into_iter().take_while(|record| seen.is_none_or(|seen| record.seq > seen)),
            );
            cursor = page.next;
            if cursor.is_none() || news.len() - before < all {
                break;
            }
        }
        if let Some(record) = news.first() {
            seen = Some(record.seq);
        }
        news.reverse();
        news.retain(|record| filter.matches(record));
        if !news.is_empty() {
            widths = show(news, Some(widths), output)?;
        }
    }
}

/// Shows records, below those that were shown before where their widths are given; gives the widths.
fn show(records: Vec<Record>, above: Option<Vec<usize>>, output: &mut Output) -> Result<Vec<usize>> {
    let shape = |record| serde_json::to_value(AuditRecord::from(record)).expect("a record is JSON");
    let records: Vec<Value> = records.into_iter().map(shape).collect();
    if output.is_json() {
        records.iter().try_for_each(|record| output.json_line(record))?;
        return Ok(above.unwrap_or_default());
    }
    let mut table = Table::new(&[
        "TIME (UTC)",
        "ROOM",
        "CLIENT",
        "ROUTE",
        "VERDICT",
        "OUTCOME",
        ">TOKENS",
        ">COST",
        ">MS",
        "WHAT",
    ]);
    if let Some(widths) = above {
        table = table.below(widths);
    }
    records.iter().for_each(|record| table.row(row(record)));
    output.table(&table)?;
    output.flush()?;
    Ok(table.widths())
}

fn row(record: &Value) -> Vec<Cell> {
    let time = short_time(record.text("time"));
    let is_call = record.text("kind") == "call";
    let parts = [record.text("provider"), record.text("model")];
    let route = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
    let tokens = record.get("usage").filter(|usage| usage.is_object()).map(|usage| {
        let sum = ["input", "output", "cache_read", "cache_write"]
            .iter()
            .filter_map(|key| usage.number(key))
            .fold(0, u64::saturating_add);
        format!("{}{}", if usage.flag("estimated") { "~" } else { "" }, grouped(sum))
    });
    let cost = record.number("cost_micros").map(|micros| format!("${}", Micros(micros)));
    let verdict = record.text("verdict");
    let tone = match verdict {
        "deny" => Tone::Bad,
        "warn" | "redact" => Tone::Notice,
        _ => Tone::Plain,
    };
    let ms = if is_call { record.number("ms").map(grouped) } else { None };
    vec![
        Cell(Tone::Quiet, time),
        record.text("context").into(),
        record.text("client").into(),
        route.into(),
        Cell(tone, verdict.to_owned()),
        record.text("outcome").into(),
        tokens.unwrap_or_default().into(),
        cost.unwrap_or_default().into(),
        ms.unwrap_or_default().into(),
        what(record, is_call).into(),
    ]
}

/// What a record is about beyond its columns.
fn what(record: &Value, is_call: bool) -> String {
    let list = |key: &str| record.list(key).iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
    let mut parts = Vec::new();
    if !is_call {
        parts.push(record.text("kind").to_owned());
    }
    for text in [record.text("code"), record.text("detail"), &list("rules")] {
        parts.push(text.to_owned());
    }
    if !record.list("uninspected").is_empty() {
        parts.push(format!("not inspected: {}", list("uninspected")));
    }
    if !record.list("recalled").is_empty() {
        parts.push(format!("memory of: {}", list("recalled")));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("  ")
}

/// A UTC day.
fn day(text: &str) -> std::result::Result<String, String> {
    let is_day = text.len() == 10 && zos_audit::parse_time(text).is_ok();
    is_day.then(|| text.to_owned()).ok_or_else(|| "write a day such as 2026-01-02".to_owned())
}

/// A verdict of the records' own vocabulary.
fn verdict(text: &str) -> std::result::Result<zos_audit::Verdict, String> {
    serde_json::from_value(text.into()).map_err(|_| "write allow, warn, redact or deny".to_owned())
}
