//! Keeps the tree of a log on the disk and signs its checkpoints.
//!
//! The order is what makes a crash harmless at every point: the signed note goes to `checkpoint.new`,
//! then the tiles are written, then the note becomes `checkpoint`. So a tile never speaks of records
//! that no signed note covers, and whoever reads takes the newer of the two notes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::note::{Checkpoint, Signer, VerifierKey};
use crate::tiles;
use crate::tree::{Edge, Hash, Tile};

/// The name of the newest checkpoint, of the one that is being written, and of the verifier key.
pub(crate) const CHECKPOINT: &str = "checkpoint";
pub(crate) const CHECKPOINT_NEW: &str = "checkpoint.new";
pub(crate) const VERIFIER_KEY: &str = "log.vkey";

/// The tree of one log.
pub(super) struct Sealer {
    dir: PathBuf,
    key: VerifierKey,
    signer: Arc<dyn Signer>,
    /// The tree as the newest checkpoint has it.
    edge: Edge,
    /// The leaves behind it.
    pending: Vec<Hash>,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer")
            .field("origin", &self.key.name())
            .field("size", &self.edge.size())
            .field("pending", &self.pending.len())
            .finish_non_exhaustive()
    }
}

impl Sealer {
    pub(super) fn new(dir: PathBuf, key: VerifierKey, signer: Arc<dyn Signer>, edge: Edge) -> Self {
        Self { dir, key, signer, edge, pending: Vec::new() }
    }

    /// The origin of a log that begins now: of one key no two logs begin in the same millisecond.
    pub(super) fn origin(public_key: &[u8; 32], now_ms: u64) -> String {
        let mut hasher = Sha256::new();
        hasher.update(b"zos log id");
        hasher.update(public_key);
        hasher.update(now_ms.to_be_bytes());
        let digest = hasher.finalize();
        digest[..8].iter().fold("zos/".to_owned(), |text, byte| format!("{text}{byte:02x}"))
    }

    /// Takes leaves in; they count with the next checkpoint.
    pub(super) fn add(&mut self, leaves: impl IntoIterator<Item = Hash>) {
        self.pending.extend(leaves);
    }

    /// How many records the newest checkpoint covers.
    pub(super) fn sealed(&self) -> u64 {
        self.edge.size()
    }

    /// Signs a checkpoint over all leaves. When it fails nothing is lost; the next attempt begins anew.
    pub(super) fn seal(&mut self) -> io::Result<u64> {
        let mut edge = self.edge.clone();
        let mut full: Vec<Tile> = Vec::new();
        self.pending.iter().for_each(|leaf| edge.push(*leaf, |tile| full.push(tile)));
        let checkpoint =
            Checkpoint { origin: self.key.name().to_owned(), size: edge.size(), root: edge.root() };
        let note = checkpoint.sign(&*self.signer).map_err(io::Error::other)?;
        let new = self.dir.join(CHECKPOINT_NEW);
        tiles::replace(&new, note.as_bytes())?;
        for tile in full.iter().cloned().chain(edge.partial()) {
            tiles::write(&self.dir, &tile)?;
        }
        std::fs::rename(&new, self.dir.join(CHECKPOINT))?;
        crate::segment::sync_folder(&self.dir)?;
        for tile in &full {
            tiles::remove_partial(&self.dir, tile.level, tile.index, 0);
        }
        for tile in edge.partial() {
            tiles::remove_partial(&self.dir, tile.level, tile.index, tile.hashes.len());
        }
        self.edge = edge;
        self.pending.clear();
        Ok(self.edge.size())
    }
}

/// The newest checkpoint of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Newest {
    pub(crate) checkpoint: Checkpoint,
    /// The size up to which all tiles are written: smaller while a crash left the newest note alone.
    pub(crate) settled: u64,
}

/// The newest checkpoint of a log that this key signed; `None` where no note of it is there.
///
/// # Errors
/// When a note cannot be read, or `checkpoint` is none of this log. What stands in `checkpoint.new` may
/// be cut by a crash and counts only when it is whole.
pub(crate) fn head(dir: &Path, key: &VerifierKey) -> io::Result<Result<Option<Newest>, String>> {
    // In this order: the new one becomes the other, never the other way round.
    let new = read(&dir.join(CHECKPOINT_NEW))?.and_then(|note| Checkpoint::open(&note, key).ok());
    let settled = match read(&dir.join(CHECKPOINT))?.map(|note| Checkpoint::open(&note, key)) {
        Some(Err(error)) => return Ok(Err(error.to_string())),
        Some(Ok(checkpoint)) => Some(checkpoint),
        None => None,
    };
    let size = settled.as_ref().map_or(0, |settled| settled.size);
    let newest = match (settled, new) {
        (Some(settled), Some(new)) if new.size > settled.size => Some(new),
        (settled, new) => settled.or(new),
    };
    Ok(Ok(newest.map(|checkpoint| Newest { settled: size.min(checkpoint.size), checkpoint })))
}

/// A small file, where it is.
pub(crate) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}
