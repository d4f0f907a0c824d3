//! An AI client as a row of a table: how it is found, which keys of which files point it at the gateway, which
//! environment does the same for one run, and what a person should know before.

use crate::edit::{Format, Step};
use crate::machine::Machine;
use serde_json::Value;
use std::path::PathBuf;

/// Where the gateway is, for one client.
#[derive(Debug, Clone)]
pub struct Address {
    /// The gateway, without a slash at its end: `http://127.0.0.1:8788`.
    pub origin: String,
    /// The room that the client's calls are pinned to; without one the active room governs.
    pub room: Option<String>,
    /// The zOS key of the client, where the gateway wants one.
    pub key: Option<String>,
    /// The command that runs `zos`, for hooks and MCP.
    pub zos: String,
    /// Models that a client is told of which knows none by itself.
    pub models: Vec<String>,
}

impl Address {
    /// Base address for clients that add `/v1/…` themselves.
    pub fn root(&self) -> String {
        match &self.room {
            Some(room) => format!("{}/rooms/{room}", self.origin),
            None => self.origin.clone(),
        }
    }

    /// Base address for clients that expect `/v1` in it.
    pub fn v1(&self) -> String {
        format!("{}/v1", self.root())
    }

    /// What a client that insists on a key is given. `zos` is no key: the provider's own comes from the keychain.
    pub fn key(&self) -> &str {
        self.key.as_deref().unwrap_or("zos")
    }

    /// Whether a text is an address of this gateway.
    pub fn is_ours(&self, text: &str) -> bool {
        text.strip_prefix(&self.origin).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The command line of a hook.
    pub(crate) fn hook(&self, client: &str) -> String {
        let room = self.room.as_ref().map_or_else(String::new, |room| format!(" --context {room}"));
        format!("{} hook {client}{room}", self.zos)
    }
}

/// What a connector governs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Governs {
    /// Every model call: the client is pointed at the gateway.
    Calls,
    /// What the client asks before it acts. Its model calls cannot be seen, and why.
    Hooks(&'static str),
    /// Nothing; the client is only offered a room over MCP, and why.
    Mcp(&'static str),
    /// Nothing at all, and why.
    Nothing(&'static str),
}

/// What a client's settings should say.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The file.
    pub path: PathBuf,
    /// Its format.
    pub format: Format,
    /// Keys and their values.
    pub keys: Vec<(Vec<Step>, Value)>,
}

impl Target {
    /// A file, nothing of which is asked for yet.
    pub(crate) fn new(path: PathBuf, format: Format) -> Self {
        Target { path, format, keys: Vec::new() }
    }

    /// Asks for a key.
    pub(crate) fn key(mut self, way: &[&str], value: impl Into<Value>) -> Self {
        self.keys.push((keys(way), value.into()));
        self
    }

    /// Asks for an element of a list, known by a part of its compact JSON.
    pub(crate) fn item(mut self, way: &[&str], mark: impl Into<String>, value: Value) -> Self {
        let mut way = keys(way);
        way.push(Step::Item(mark.into()));
        self.keys.push((way, value));
        self
    }
}

fn keys(way: &[&str]) -> Vec<Step> {
    way.iter().map(|key| Step::Key((*key).to_owned())).collect()
}

/// How one run is pointed at the gateway: nothing is written for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Run {
    /// Variables that are set.
    pub environment: Vec<(&'static str, String)>,
    /// Arguments that are put before the person's own.
    pub arguments: Vec<String>,
}

/// A client.
#[derive(Clone, Copy)]
pub struct Client {
    /// The word for it on the command line.
    pub id: &'static str,
    /// Its name as its maker writes it.
    pub name: &'static str,
    /// Programs that are it.
    pub programs: &'static [&'static str],
    /// What is governed once it is connected.
    pub governs: Governs,
    /// Files and folders that tell that it is installed.
    pub signs: fn(&Machine) -> Vec<PathBuf>,
    /// What its files should say.
    pub targets: fn(&Machine, &Address) -> Vec<Target>,
    /// Whether its file lists the models that it offers, so that some must be named.
    pub needs_models: bool,
    /// Hooks that it asks before it acts, where it has such.
    pub hooks: Option<fn(&Machine, &Address) -> Vec<Target>>,
    /// How one run is pointed at the gateway, where that can be done without a file.
    pub run: Option<fn(&Machine, &Address) -> Run>,
    /// Arguments with which it asks its model one short question and ends.
    pub probe: Option<&'static [&'static str]>,
    /// What a person loses or has to know.
    pub costs: &'static [&'static str],
    /// When a change of its files is seen.
    pub reload: &'static str,
}

/// A client of which nothing is known, to begin a row with.
pub(crate) const UNKNOWN: Client = Client {
    id: "",
    name: "",
    programs: &[],
    governs: Governs::Calls,
    signs: |_| Vec::new(),
    targets: |_, _| Vec::new(),
    needs_models: false,
    hooks: None,
    run: None,
    probe: None,
    costs: &[],
    reload: "at its next start",
};

impl Client {
    /// The first of its programs that is on the search path.
    pub fn program(&self, machine: &Machine) -> Option<PathBuf> {
        self.programs.iter().find_map(|name| machine.program(name))
    }

    /// Whether it is on this computer.
    pub fn is_here(&self, machine: &Machine) -> bool {
        self.program(machine).is_some() || (self.signs)(machine).iter().any(|sign| sign.exists())
    }
}
