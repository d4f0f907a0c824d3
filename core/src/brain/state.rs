//! `state.json`: which context is active. Other keys belong to others and are kept.

use serde_json::{Map, Value};

use super::Brain;
use super::snapshot::ContextState;
use crate::context::ContextName;
use crate::files::{self, FileRead};
use crate::problem::Problem;
use crate::yaml;

pub(super) const FILE: &str = "state.json";
const ACTIVE: &str = "active";

/// Why the active context could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum ActiveError {
    /// There is no such context.
    #[error("there is no context called \"{0}\"")]
    Unknown(ContextName),
    /// Its file never loaded, so it could not govern a call.
    #[error("the context \"{0}\" never loaded; fix its file first")]
    Broken(ContextName),
    /// `state.json` could not be written.
    #[error("state.json could not be written")]
    Io(#[from] std::io::Error),
}

/// Reads the active context.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<ContextName>, Problem> {
    let broken = |message: String| {
        Problem::error(
            FILE,
            message,
            "choose the active context again (`zos context use NAME`); that fixes the file",
        )
    };
    let state: Value = serde_json::from_slice(bytes).map_err(|error| {
        // The place is in the problem already, so it is cut from the sentence.
        let sentence = error.to_string();
        let sentence = sentence.split(" at line ").next().unwrap_or_default();
        broken(format!("this is not JSON: {sentence}")).at(error.line().max(1), error.column().max(1))
    })?;
    let Value::Object(state) = state else {
        return Err(broken("the file must hold a JSON object".to_owned()).at(1, 1));
    };
    let (line, column) = place_of_active(bytes);
    let wrong = |message: String| broken(message).at(line, column);
    match state.get(ACTIVE) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(name)) => {
            name.parse().map(Some).map_err(|_| wrong(format!("\"{ACTIVE}\" is not a context's name")))
        }
        Some(_) => Err(wrong(format!("\"{ACTIVE}\" must be a context's name or null"))),
    }
}

/// Place of the value of `active`. JSON readers do not tell it, so the YAML reader is asked, which reads
/// all of JSON but tabs between values; where even that fails, the start of the file.
fn place_of_active(bytes: &[u8]) -> (usize, usize) {
    let text = String::from_utf8_lossy(bytes).replace('\t', " ");
    let document = yaml::parse(FILE, text.as_bytes()).ok();
    let place = document.as_ref().and_then(|document| match &document.root.value {
        yaml::Value::Map(entries) => entries.iter().find(|entry| entry.key == ACTIVE),
        _ => None,
    });
    place.map_or((1, 1), |entry| (entry.value.place.line, entry.value.place.column))
}

impl Brain {
    /// Makes a context the active one, or none. It governs from the next call on. Blocks.
    ///
    /// A broken `state.json` is kept beside the new one as `state.json.broken`.
    ///
    /// # Errors
    /// If the context does not exist or never loaded, or the file cannot be written.
    pub fn set_active(&self, name: Option<&ContextName>) -> Result<(), ActiveError> {
        let mut loader = self.loader();
        self.reload_with(&mut loader);
        let stored = match name {
            None => None,
            Some(name) => match self.snapshot().context(name) {
                None => return Err(ActiveError::Unknown(name.clone())),
                Some(ContextState::Broken { .. }) => return Err(ActiveError::Broken(name.clone())),
                // The built-in one has no file: naming it would outlive the first real context.
                Some(ContextState::Live { context, .. }) if context.builtin => None,
                Some(ContextState::Live { .. }) => Some(name),
            },
        };
        self.store_active(stored)?;
        self.reload_with(&mut loader);
        Ok(())
    }

    fn store_active(&self, name: Option<&ContextName>) -> Result<(), std::io::Error> {
        let path = self.home().state();
        let before = match files::read(self.home(), &path) {
            FileRead::Absent => None,
            FileRead::Bytes(bytes) => Some(bytes),
            FileRead::Failed(problem) | FileRead::Unread(problem) => {
                return Err(std::io::Error::other(problem.to_string()));
            }
        };
        let mut state = match before.as_deref().map(serde_json::from_slice::<Value>) {
            None => Map::new(),
            Some(Ok(Value::Object(state))) => state,
            Some(_) => {
                std::fs::rename(&path, path.with_extension("json.broken"))?;
                Map::new()
            }
        };
        let value = name.map_or(Value::Null, |name| Value::String(name.to_string()));
        state.insert(ACTIVE.to_owned(), value);
        let mut text = serde_json::to_string_pretty(&Value::Object(state)).map_err(std::io::Error::other)?;
        text.push('\n');
        files::replace(&path, text.as_bytes(), |_| true)?;
        Ok(())
    }
}
