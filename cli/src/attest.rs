//! `zos attest`: what governed a call, shown and verified from the files alone.

use crate::admin::Ask;
use crate::failure::{Failure, Outcome, Result};
use crate::output::{Cell, Members, Output, Tone, grouped};
use crate::room::InContext;
use crate::session::Session;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Subcommand;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use zos_audit::Bundle;
use zos_core::{Brain, Code, ContextName, Home};
use zos_gateway::attest::{PREDICATE_TYPE, STATEMENT_TYPE, SUCCESSOR_TYPE};
use zos_seal::{Envelope, PublicKey, sha256_hex};

/// Show and verify what governed a call
#[derive(Subcommand)]
pub(crate) enum Command {
    /// What governs a room now, or what governed a call
    Show {
        /// A state id [default: that of the room now]
        id: Option<String>,
        #[command(flatten)]
        context: InContext,
        /// The state that governed the call with this number in the log
        #[arg(long, value_name = "SEQ", conflicts_with = "id")]
        record: Option<u64>,
    },
    /// Are the statements that the log names, and the files they cover, what was signed?
    Verify {
        /// A state id [default: all]
        id: Option<String>,
        /// The public key that you know them by, or a file with it
        #[arg(long, value_name = "PUB")]
        key: Option<String>,
        /// The folder of the statements [default: attest/ of this home]
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Do without the files that the statements cover, as beside a copy that lacks them
        #[arg(long)]
        without_objects: bool,
    },
    /// Make a new key; the one before vouches for it
    Rotate,
}

/// Does what was asked.
pub(crate) fn run(session: &Session, command: &Command, output: &mut Output) -> Result<Outcome> {
    let (home, admin) = (session.home()?, session.admin()?);
    match command {
        Command::Show { id, context, record } => {
            show(home, id.as_deref(), context.context.as_ref(), *record, output)
        }
        Command::Verify { id, key, dir, without_objects } => {
            let folder = dir.clone().unwrap_or_else(|| home.attest());
            let sought = Sought { id: id.as_deref(), key: key.as_deref(), has_objects: !without_objects };
            verify(&folder, &sought, output)
        }
        Command::Rotate => {
            let rotated = admin.ask(&Ask::post(&["attest", "rotate"], &json!({})))?;
            if output.is_json() {
                output.json(&rotated)?;
            } else {
                output.line(format!("Statements are signed with key {} from now on.", rotated.text("id")))?;
                output.line(format!("Key {} vouches for it.", rotated.text("previous")))?;
            }
            Ok(Outcome::Fine)
        }
    }
}

/// Shows a state.
fn show(
    home: &Home,
    id: Option<&str>,
    context: Option<&ContextName>,
    record: Option<u64>,
    output: &mut Output,
) -> Result<Outcome> {
    let id = match (id, record) {
        (Some(id), _) => Some(id.to_owned()),
        (None, Some(seq)) => Some(state_of(home, seq)?),
        (None, None) => None,
    };
    let (id, state) = match id {
        Some(id) => {
            let envelope = read_statement(&home.attest(), &id)?.ok_or_else(|| unknown(&id))?;
            let statement = payload(&envelope).ok_or_else(|| unknown(&id))?;
            (id, statement["predicate"]["state"].clone())
        }
        None => {
            let brain = Brain::open(home.clone()).map_err(|error| Failure::environment(&error))?;
            let snapshot = brain.snapshot();
            let name = match context {
                Some(name) => name.clone(),
                None => snapshot.effective_active().map_err(|error| Failure::environment(&error))?.clone(),
            };
            let governing =
                snapshot.governing(&name).ok_or_else(|| Failure::unknown_context(name.as_str()))?;
            (governing.id, governing.state)
        }
    };
    let is_signed = home.attest().join(format!("{id}.json")).is_file();
    if output.is_json() {
        output.json(&json!({"state_id": id, "signed": is_signed, "state": state}))?;
        return Ok(Outcome::Fine);
    }
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        other => other.to_string(),
    };
    let signed = match is_signed {
        true => Cell(Tone::Good, "yes".to_owned()),
        false => Cell(Tone::Notice, "not yet: the first call under it makes the statement".to_owned()),
    };
    output.facts(&[
        ("state", id.into()),
        ("signed", signed),
        ("room", text(&state["context"]["name"]).into()),
        ("isolation", text(&state["context"]["isolation"]).into()),
        ("config", text(&state["context"]["config"]).into()),
        ("prose", text(&state["context"]["prose"]).into()),
        ("canon", text(&state["canon"]).into()),
        ("policy", text(&state["policy"]).into()),
        ("fleet", text(&state["fleet"]["compiled"]).into()),
        ("build", text(&state["build"]["version"]).into()),
    ])?;
    Ok(Outcome::Fine)
}

/// The state of the record with this number.
fn state_of(home: &Home, seq: u64) -> Result<String> {
    let mut entries = zos_audit::read_all(&home.audit_dir()).map_err(|error| Failure::environment(&error))?;
    let entry = entries.find(|entry| entry.as_ref().is_ok_and(|entry| entry.record.seq == seq));
    let record = match entry {
        Some(Ok(entry)) => entry.record,
        _ => return Err(Failure::failed(Code::UnknownRecord, format!("There is no record {seq}."))),
    };
    record.state_id.ok_or_else(|| {
        Failure::failed(Code::UnknownState, format!("Record {seq} is about nothing that a state governed."))
    })
}

fn unknown(id: &str) -> Failure {
    Failure::failed(Code::UnknownState, format!("There is no statement about state {id}."))
        .hint("`zos attest verify` lists those that are there.")
}

/// The keys that statements are held to.
pub(crate) struct Trust {
    keys: BTreeMap<String, PublicKey>,
    is_given: bool,
}

impl Trust {
    /// The keys of a folder; where one is given, that and those it vouches for.
    fn of_folder(folder: &Path, key: Option<&str>) -> Result<Self> {
        Self::new(&published(folder)?, key)
    }

    /// The keys of a bundle.
    pub(crate) fn of_bundle(bundle: &Bundle, key: Option<&str>) -> Result<Self> {
        Self::new(&bundle.keys, key)
    }

    fn new(published: &Map<String, Value>, key: Option<&str>) -> Result<Self> {
        let found = published.iter().filter_map(|(id, entry)| {
            let key = PublicKey::parse(entry.text("public_key"))?;
            (key.id() == *id).then_some((id.clone(), key))
        });
        let found: BTreeMap<String, PublicKey> = found.collect();
        let Some(key) = key else { return Ok(Self { keys: found, is_given: false }) };
        let key = PublicKey::parse(&text_or_file(key)?).ok_or_else(|| {
            Failure::wrong(Code::Environment, "This is no public key of statements.")
                .hint("It is the content of attest/keys/*.pub.")
        })?;
        let mut keys = BTreeMap::from([(key.id(), key)]);
        // As often as there are keys: each round follows the word of one key about the next.
        for _ in 0..found.len() {
            for (id, key) in &found {
                let word = published.get(id).and_then(|entry| entry.get("successor"));
                let envelope = word.and_then(|word| serde_json::from_value::<Envelope>(word.clone()).ok());
                let vouched = envelope.and_then(|envelope| {
                    keys.values().find_map(|before| envelope.open(SUCCESSOR_TYPE, before))
                });
                let says = vouched.and_then(|word| serde_json::from_slice::<Value>(&word).ok());
                if says.is_some_and(|says| says.text("public_key") == key.to_string()) {
                    keys.insert(id.clone(), *key);
                }
            }
        }
        Ok(Self { keys, is_given: true })
    }
}

/// A statement that holds.
pub(crate) struct Checked {
    /// The id of its state.
    pub(crate) id: String,
    key: String,
    files: Vec<(String, String)>,
}

impl Checked {
    /// What is wrong with the files that were given along.
    pub(crate) fn check_objects(&self, objects: &Map<String, Value>) -> Vec<String> {
        let wrong = self.files.iter().filter_map(|(path, sha256)| {
            let bytes = STANDARD.decode(objects.get(sha256)?.as_str()?).unwrap_or_default();
            (sha256_hex(&bytes) != *sha256).then(|| format!("{path} is not the file that governed"))
        });
        wrong.collect()
    }
}

/// Checks a statement: its signature, its form, and that its id is that of its state.
pub(crate) fn check_statement(envelope: &Value, trust: &Trust) -> std::result::Result<Checked, String> {
    let envelope: Envelope =
        serde_json::from_value(envelope.clone()).map_err(|_| "it is no signed envelope".to_owned())?;
    let opened = trust.keys.iter().find_map(|(id, key)| Some((id, envelope.open(STATEMENT_TYPE, key)?)));
    let (key, payload) = opened.ok_or("it is not signed by a known key")?;
    let statement: Value = serde_json::from_slice(&payload).map_err(|_| "it is no statement".to_owned())?;
    let predicate = &statement["predicate"];
    let subject = statement["subject"][0]["digest"].text("sha256").to_owned();
    if statement.text("_type") != "https://in-toto.io/Statement/v1"
        || statement.text("predicateType") != PREDICATE_TYPE
        || zos_core::attest::state_id(&predicate["state"]).as_deref() != Some(subject.as_str())
    {
        return Err("its subject is not the state that it tells".to_owned());
    }
    let files = predicate.list("files").iter();
    let files = files.map(|file| (file.text("path").to_owned(), file.text("sha256").to_owned())).collect();
    Ok(Checked { id: subject, key: key.clone(), files })
}

/// The payload of a statement, unverified, to be shown.
fn payload(envelope: &Envelope) -> Option<Value> {
    serde_json::from_slice(&STANDARD.decode(&envelope.payload).ok()?).ok()
}

/// The digests of the files that a statement covers, unverified.
pub(crate) fn covered(envelope: &Envelope) -> Vec<String> {
    let Some(statement) = payload(envelope) else { return Vec::new() };
    let files = statement["predicate"].list("files").iter().map(|file| file.text("sha256").to_owned());
    // A digest becomes the name of a file.
    files.filter(|sha256| sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit())).collect()
}

/// The statement about a state, where there is one.
pub(crate) fn read_statement(folder: &Path, id: &str) -> Result<Option<Envelope>> {
    if id.len() != 64 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(None);
    }
    match std::fs::read(folder.join(format!("{id}.json"))) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::environment(&error)),
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
    }
}

/// The public keys of a folder, each with the word of the one before it.
pub(crate) fn published(folder: &Path) -> Result<Map<String, Value>> {
    let mut keys = Map::new();
    let entries = match std::fs::read_dir(folder.join("keys")) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(keys),
        other => other.map_err(|error| Failure::environment(&error))?,
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Some(id) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".pub")) else {
            continue;
        };
        let text = std::fs::read_to_string(&path).map_err(|error| Failure::environment(&error))?;
        let word = std::fs::read(path.with_extension("json")).ok();
        let word = word.and_then(|word| serde_json::from_slice::<Value>(&word).ok());
        keys.insert(id.to_owned(), json!({"public_key": text.trim(), "successor": word}));
    }
    keys.sort_keys();
    Ok(keys)
}

/// What was given, or what the file of that name holds.
pub(crate) fn text_or_file(text: &str) -> Result<String> {
    let path = Path::new(text);
    if !path.is_file() {
        return Ok(text.trim().to_owned());
    }
    let text = std::fs::read_to_string(path).map_err(|error| Failure::environment(&error))?;
    Ok(text.trim().to_owned())
}

/// What is to be verified.
struct Sought<'a> {
    /// One statement, or all of them and whether any is missing.
    id: Option<&'a str>,
    /// The key to hold them to.
    key: Option<&'a str>,
    /// Whether the files that they cover have to be there too.
    has_objects: bool,
}

/// The states that the log beside these statements names: those that governed its calls. None where there is no log, as
/// beside a copy.
fn named_by_log(folder: &Path) -> Result<BTreeMap<String, u64>> {
    let mut named = BTreeMap::new();
    let Some(log) = folder.parent().map(|root| root.join("gateway").join("audit")) else { return Ok(named) };
    let entries = match zos_audit::read_all(&log) {
        Err(zos_audit::ReadError::Missing { .. }) => return Ok(named),
        entries => entries.map_err(|error| Failure::environment(&error))?,
    };
    for entry in entries {
        let record = entry.map_err(|error| Failure::environment(&error))?.record;
        if let Some(id) = record.state_id {
            *named.entry(id).or_default() += 1;
        }
    }
    Ok(named)
}

/// The ids of the statements that are there.
fn statements(folder: &Path) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| Failure::environment(&error))?,
    };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut ids: Vec<String> =
        names.filter_map(|name| Some(name.strip_suffix(".json")?.to_owned())).collect();
    ids.sort();
    Ok(ids)
}

/// Verifies one statement or all.
fn verify(folder: &Path, sought: &Sought<'_>, output: &mut Output) -> Result<Outcome> {
    let trust = Trust::of_folder(folder, sought.key)?;
    let (mut findings, mut keys) = (Vec::new(), BTreeMap::<String, u64>::new());
    let ids = match sought.id {
        Some(id) => vec![id.to_owned()],
        None => {
            let ids = statements(folder)?;
            let named = named_by_log(folder)?;
            if ids.is_empty() && named.is_empty() {
                let message = format!("There are no statements in {}.", folder.display());
                return Err(Failure::wrong(Code::Environment, message)
                    .hint("Statements are made by the first call of a room."));
            }
            for (id, records) in named.iter().filter(|(id, _)| !ids.contains(id)) {
                findings
                    .push(format!("{id}: the statement is missing; {} records name it", grouped(*records)));
            }
            ids
        }
    };
    let mut missing = 0_u64;
    for id in &ids {
        let Some(envelope) = read_statement(folder, id)? else {
            findings.push(format!("{id}: there is no such statement"));
            continue;
        };
        let envelope = serde_json::to_value(&envelope).expect("an envelope is JSON");
        match check_statement(&envelope, &trust) {
            Ok(checked) if checked.id == *id => {
                *keys.entry(checked.key.clone()).or_default() += 1;
                for (path, sha256) in &checked.files {
                    match std::fs::read(folder.join("objects").join(sha256)) {
                        Ok(bytes) if sha256_hex(&bytes) == *sha256 => {}
                        Ok(_) => findings.push(format!("{id}: the kept {path} is not the one that governed")),
                        Err(_) if sought.has_objects => {
                            missing += 1;
                            findings.push(format!("{id}: {path} is not kept (objects/{sha256})"));
                        }
                        Err(_) => missing += 1,
                    }
                }
            }
            Ok(_) => findings.push(format!("{id}: the statement is about another state")),
            Err(why) => findings.push(format!("{id}: {why}")),
        }
    }
    let outcome = if findings.is_empty() { Outcome::Fine } else { Outcome::Found };
    if output.is_json() {
        output.json(&json!({
            "intact": findings.is_empty(), "statements": ids.len(), "keys": keys, "key_given": trust.is_given,
            "objects_missing": missing, "witnessed": false, "findings": findings,
        }))?;
        return Ok(outcome);
    }
    for finding in &findings {
        let text = output.toned(Tone::Bad, finding);
        output.line(&text)?;
    }
    let (tone, verdict) = match findings.is_empty() {
        true => (Tone::Good, "intact"),
        false => (Tone::Bad, "NOT what was signed"),
    };
    let from =
        if trust.is_given { "given" } else { "taken from the folder; --key holds them to one you know" };
    let whose = keys.keys().cloned().collect::<Vec<_>>().join(", ");
    output.facts(&[
        ("verdict", Cell(tone, verdict.to_owned())),
        ("statements", grouped(ids.len() as u64).into()),
        ("signed by", format!("{whose} ({from})").into()),
        ("witnessed", "no: nobody but the owner of the key has vouched for them".into()),
        ("files not kept", grouped(missing).into()),
    ])?;
    Ok(outcome)
}
