//! A context's canon as the newest attested state has it.
//!
//! The files that a state covers lie content-addressed beside it, so its canon is built again from them.
//! Signatures are not checked here: that is `zos attest verify`. What is found says what was in force, and
//! is not a proof of it.

use std::collections::BTreeMap;
use std::fs;
use std::time::SystemTime;

use base64::Engine;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Canon, CanonFiles, MANIFEST, build, manifest};
use crate::context::{ContextName, Isolation, parse_context};
use crate::files::{self, FileRead};
use crate::home::Home;

/// The most states that are looked through; older ones are not.
const STATES_MAX: usize = 10_000;

/// Canon of a context in the newest attested state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attested {
    /// The state.
    pub state_id: String,
    /// Its canon; absent where no file said anything to the context.
    pub canon: Option<Canon>,
}

/// Why a state that is there cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AttestedError {
    /// A file that it covers is not kept, or is not the one it covers.
    #[error("the attested file {path} of state {state_id} is not kept in attest/objects")]
    Incomplete {
        /// The state.
        state_id: String,
        /// The file, relative to the home.
        path: String,
    },
    /// Its canon cannot be built.
    #[error("the canon of the attested state {0} cannot be built")]
    Broken(String),
}

#[derive(Deserialize)]
struct Envelope {
    payload: String,
}

#[derive(Deserialize)]
struct AttestedStatement {
    predicate: Predicate,
}

#[derive(Deserialize)]
struct Predicate {
    files: Vec<Covered>,
}

#[derive(Deserialize)]
struct Covered {
    path: String,
    sha256: String,
}

/// The canon of this context in the newest attested state that covers it; none where there is no such state.
///
/// # Errors
/// If the state's files are not all kept.
pub fn attested(home: &Home, name: &ContextName) -> Result<Option<Attested>, AttestedError> {
    let config = format!("contexts/{name}.yml");
    for state_id in newest_first(home) {
        let path = home.root().join("attest").join(format!("{state_id}.json"));
        let Some(covered) = covered(&path).filter(|files| files.iter().any(|file| file.path == config))
        else {
            continue;
        };
        let canon = rebuild(home, name, &config, &state_id, &covered)?;
        return Ok(Some(Attested { state_id, canon }));
    }
    Ok(None)
}

/// The ids of the states, newest first.
fn newest_first(home: &Home) -> Vec<String> {
    let Ok(entries) = fs::read_dir(home.root().join("attest")) else { return Vec::new() };
    let mut states: Vec<(SystemTime, String)> = entries
        .flatten()
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.strip_suffix(".json")?.to_owned();
            Some((entry.metadata().ok()?.modified().ok()?, id))
        })
        .take(STATES_MAX)
        .collect();
    states.sort_by(|one, other| other.cmp(one));
    states.into_iter().map(|(_, id)| id).collect()
}

/// The files that a state covers; none where the file is no state.
fn covered(path: &std::path::Path) -> Option<Vec<Covered>> {
    let bytes = files::read_bounded(path).ok()??;
    let envelope: Envelope = serde_json::from_slice(&bytes).ok()?;
    let payload = base64::engine::general_purpose::STANDARD.decode(envelope.payload).ok()?;
    let statement: AttestedStatement = serde_json::from_slice(&payload).ok()?;
    Some(statement.predicate.files)
}

fn rebuild(
    home: &Home,
    name: &ContextName,
    config: &str,
    state_id: &str,
    covered: &[Covered],
) -> Result<Option<Canon>, AttestedError> {
    let broken = || AttestedError::Broken(state_id.to_owned());
    let overlay = super::overlay_of(name);
    let is_ours = |path: &str| {
        path == config
            || path == overlay
            || path == MANIFEST
            || (path.starts_with("brain/") && path.ends_with(".md"))
    };
    let mut kept: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for file in covered.iter().filter(|file| is_ours(&file.path)) {
        let digest = file.sha256.trim_start_matches("sha256:");
        let bytes = is_digest(digest)
            .then(|| files::read_bounded(&home.root().join("attest/objects").join(digest)).ok().flatten())
            .flatten()
            .filter(|bytes| hex::encode(Sha256::digest(bytes)) == digest);
        let incomplete =
            || AttestedError::Incomplete { state_id: state_id.to_owned(), path: file.path.clone() };
        kept.insert(file.path.clone(), bytes.ok_or_else(incomplete)?);
    }
    let context = kept.remove(config).and_then(|bytes| parse_context(name, &bytes).context);
    let isolation = context.map_or(Isolation::Hard, |context| context.isolation);
    let (manifest, manifest_findings) = match kept.get(MANIFEST) {
        Some(bytes) => manifest::parse(bytes),
        None => (Some(manifest::Manifest::default()), Vec::new()),
    };
    let files = CanonFiles {
        raw_manifest: kept.remove(MANIFEST).map_or(FileRead::Absent, FileRead::Bytes),
        manifest,
        manifest_findings,
        layers: kept.into_iter().map(|(path, bytes)| (path, FileRead::Bytes(bytes))).collect(),
        present: std::collections::BTreeSet::new(),
    };
    let build = build(&files, name, isolation);
    if build.is_broken() { Err(broken()) } else { Ok(build.canon) }
}

/// Whether this can be the name of an object, so that no path is built of anything else.
fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}
