//! Keeps the tree of a log on the disk and signs its checkpoints.
//!
//! The order is what makes a crash harmless at every point: the signed note goes to `checkpoint.new`,
//! then the tiles are written, then the note becomes `checkpoint`. So a tile never speaks of records
//! that no signed note covers, and a reader takes the newer of the two notes.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::rotation::RotateError;
use crate::checkpoints::{CHECKPOINT, CHECKPOINT_NEW};
use crate::keys::{Keys, Link, VERIFIER_KEY};
use crate::note::{Checkpoint, Signer, VerifierKey};
use crate::tiles;
use crate::tree::{Edge, Hash, Tile};
use crate::witness::Witness;

/// The tree of one log.
pub(super) struct Sealer {
    dir: PathBuf,
    keys: Keys,
    /// The newest of the keys, and what signs with it.
    key: VerifierKey,
    signer: Arc<dyn Signer>,
    /// The next key and its signer, for trees of more records than the number before them.
    next: Option<(u64, VerifierKey, Arc<dyn Signer>)>,
    /// The tree as the newest checkpoint has it.
    edge: Edge,
    /// The leaves behind it.
    pending: Vec<Hash>,
    /// File outside of the folder that repeats size and root of the newest checkpoint.
    witness: Option<PathBuf>,
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
    pub(super) fn new(
        dir: PathBuf,
        keys: Keys,
        signer: Arc<dyn Signer>,
        edge: Edge,
        witness: Option<PathBuf>,
    ) -> Self {
        let key = keys.newest().clone();
        Self { dir, keys, key, signer, next: None, edge, pending: Vec::new(), witness }
    }

    /// Lets the key vouch for the next one, which record `seq` will tell of, and keeps the line. The caller
    /// says with [`Sealer::replace`] or [`Sealer::take_back`] whether the record came.
    pub(super) fn vouch(&self, seq: u64, new: &dyn Signer) -> Result<Link, RotateError> {
        if self.next.is_some() {
            return Err(RotateError::Busy);
        }
        if self.keys.links().len() >= crate::keys::LINKS_LIMIT {
            return Err(RotateError::TooMany);
        }
        let link = Link::sign(seq, &self.key, &*self.signer, &new.public_key())?;
        let longer = self.keys.with(link.clone());
        let path = self.dir.join(crate::keys::LINKS);
        longer.write(&self.dir).map_err(|source| RotateError::Io { path, source })?;
        Ok(link)
    }

    /// The record came: the next key signs for every tree with it.
    pub(super) fn replace(&mut self, link: Link, signer: Arc<dyn Signer>) {
        self.next = Some((link.seq, link.new.clone(), signer));
        self.keys = self.keys.with(link);
    }

    /// The record did not come. A line that cannot be removed is harmless: nothing tells of it.
    pub(super) fn take_back(&self) {
        let _ = self.keys.write(&self.dir);
    }

    /// The origin of a log that begins now: of one key no two logs begin in the same millisecond.
    pub(super) fn origin(public_key: &[u8; 32], now_ms: u64) -> String {
        let mut hasher = Sha256::new();
        hasher.update(b"zos log id");
        hasher.update(public_key);
        hasher.update(now_ms.to_be_bytes());
        let digest = hasher.finalize();
        format!("zos/{}", hex::encode(&digest[..8]))
    }

    /// Adds leaves. The next checkpoint covers them.
    pub(super) fn add(&mut self, leaves: impl IntoIterator<Item = Hash>) {
        self.pending.extend(leaves);
    }

    /// Number of records that the newest checkpoint covers.
    pub(super) fn sealed(&self) -> u64 {
        self.edge.size()
    }

    /// Signs a checkpoint over all leaves. A failure loses nothing; the next attempt starts from the beginning.
    pub(super) fn seal(&mut self) -> io::Result<u64> {
        let mut edge = self.edge.clone();
        let mut full: Vec<Tile> = Vec::new();
        self.pending.iter().for_each(|leaf| edge.push(*leaf, |tile| full.push(tile)));
        let next = self.next.as_ref().filter(|(seq, ..)| edge.size() > *seq);
        if let Some((_, key, _)) = next {
            tiles::replace(&self.dir.join(VERIFIER_KEY), format!("{key}\n").as_bytes())?;
        }
        let signer = next.map_or(&self.signer, |(_, _, signer)| signer);
        let checkpoint =
            Checkpoint { origin: self.key.name().to_owned(), size: edge.size(), root: edge.root() };
        let note = checkpoint.sign(&**signer).map_err(io::Error::other)?;
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
        if let Some((_, key, signer)) = self.next.take_if(|(seq, ..)| edge.size() > *seq) {
            (self.key, self.signer) = (key, signer);
        }
        self.edge = edge;
        self.pending.clear();
        if let Some(path) = &self.witness {
            Witness::of(&checkpoint).write(path)?;
        }
        Ok(self.edge.size())
    }
}
