//! Ids that an answer gives out of what its provider keeps, gathered while the answer passes.

use std::collections::HashSet;
use zos_wire::face::Face;
use zos_wire::json::Value;
use zos_wire::state;

/// Ids of one answer that are gathered. More come from no real provider.
const IDS_LIMIT: usize = 1024;

/// SHA-256 of an id: an id is a key to what is kept, so that it is not kept itself.
pub type IdDigest = [u8; 32];

/// Digest by which an id is known.
#[must_use]
pub fn digest(id: &str) -> IdDigest {
    zos_seal::sha256(id.as_bytes())
}

/// Ids that one answer gave out.
#[derive(Debug)]
pub struct Made {
    face: Face,
    ids: HashSet<IdDigest>,
}

impl Made {
    /// None yet, of an answer on `face`.
    #[must_use]
    pub fn new(face: Face) -> Self {
        Made { face, ids: HashSet::new() }
    }

    /// Takes the ids of a whole answer, or of one event of it.
    pub fn read(&mut self, value: &Value<'_>) {
        let ids = &mut self.ids;
        state::made(self.face, value, &mut |id| {
            if ids.len() < IDS_LIMIT && !id.is_empty() {
                ids.insert(digest(id));
            }
        });
    }

    /// The ids so far; none are left.
    pub fn take(&mut self) -> HashSet<IdDigest> {
        std::mem::take(&mut self.ids)
    }
}
