//! Where a `zos serve` of a home listens: `gateway/listening.json`, written when it begins and removed
//! when it ends. The address need not be the configured one, and port 0 is known only afterwards.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;
use zos_core::Home;

/// What the file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listening {
    /// The address.
    pub(crate) address: SocketAddr,
    /// The process that listens.
    pub(crate) pid: u32,
}

/// Removes the file when the listener ends.
pub(crate) struct Announced {
    path: PathBuf,
}

fn path(home: &Home) -> PathBuf {
    home.root().join("gateway").join("listening.json")
}

/// Says where this process listens, for as long as the guard lives.
///
/// # Errors
/// When the file cannot be written: the gateway works without it, other commands may not find it.
pub(crate) fn announce(home: &Home, address: SocketAddr) -> Result<Announced, zos_seal::FileError> {
    let path = path(home);
    let listening = Listening { address, pid: std::process::id() };
    let text = serde_json::to_vec(&listening).expect("an address and a number are JSON");
    zos_seal::atomic_write(&path, &text, 0o600)?;
    Ok(Announced { path })
}

/// Where a process of this home said that it listens. A crash leaves the file, so it is only a hint.
pub(crate) fn announced(home: &Home) -> Option<Listening> {
    serde_json::from_slice(&std::fs::read(path(home)).ok()?).ok()
}

impl Drop for Announced {
    fn drop(&mut self) {
        // Left behind, it is only a hint that leads nowhere.
        let _ = std::fs::remove_file(&self.path);
    }
}
