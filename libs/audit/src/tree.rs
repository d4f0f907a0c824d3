//! The Merkle tree of RFC 6962 over the lines of a log.
//!
//! Nothing here touches a file: hashes come in, roots and proofs go out. A tree is kept in *tiles* of
//! up to 256 hashes, as C2SP's `tlog-tiles` has them; [`Edge`] is the right edge of such a tree, which
//! is all that has to be in memory to go on with it.

use sha2::{Digest, Sha256};

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// Hashes of a full tile.
pub const TILE_WIDTH: usize = 256;

/// The levels of tiles that a log can have: 256^8 is beyond every `seq`.
pub const LEVELS: usize = 8;

/// The hash of a line as a leaf: SHA-256 over a zero byte and the line.
pub fn leaf_hash(line: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0]);
    hasher.update(line);
    hasher.finalize().into()
}

/// The hash of a node: SHA-256 over a one and the hashes of its children.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [1; 65];
    bytes[1..33].copy_from_slice(left);
    bytes[33..].copy_from_slice(right);
    Sha256::digest(bytes).into()
}

/// The root over no leaf at all.
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The root over these hashes, each of a subtree of one and the same size.
pub fn root_of(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => empty_root(),
        [one] => *one,
        more => {
            let (left, right) = more.split_at(split(more.len() as u64) as usize);
            node_hash(&root_of(left), &root_of(right))
        }
    }
}

/// Number of leaves left of the root in a tree of `size` leaves, at least two: the largest power of two below `size`.
fn split(size: u64) -> u64 {
    1 << (63 - (size - 1).leading_zeros())
}

/// A tile that became full, or the partial one at the right edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// From 0, whose hashes are those of leaves.
    pub level: u8,
    /// Its place among the tiles of this level, from 0.
    pub index: u64,
    /// Its hashes, 1 to 256.
    pub hashes: Vec<Hash>,
}

/// The right edge of a tree: of every level the hashes that are in no full tile yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

impl Edge {
    /// The edge of a tree of this size, from its partial tiles, lowest level first.
    ///
    /// `None` when a tile has not the width that this size gives it.
    pub fn from_tiles(size: u64, levels: Vec<Vec<Hash>>) -> Option<Self> {
        let fits = |(level, hashes): (usize, &Vec<Hash>)| hashes.len() == partial_width(size, level as u8);
        let is_whole = levels.len() <= LEVELS
            && levels.iter().enumerate().all(fits)
            && (levels.len()..LEVELS).all(|level| partial_width(size, level as u8) == 0);
        is_whole.then_some(Self { size, levels })
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf; tiles that it fills are given to `full`, lowest level first.
    pub fn push(&mut self, leaf: Hash, mut full: impl FnMut(Tile)) {
        self.size += 1;
        let mut hash = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::with_capacity(TILE_WIDTH));
            }
            self.levels[level].push(hash);
            if self.levels[level].len() < TILE_WIDTH {
                return;
            }
            let hashes = std::mem::take(&mut self.levels[level]);
            hash = root_of(&hashes);
            full(Tile { level: level as u8, index: (self.size >> (8 * (level + 1))) - 1, hashes });
        }
    }

    /// The partial tiles of this size.
    pub fn partial(&self) -> impl Iterator<Item = Tile> + '_ {
        self.levels.iter().enumerate().filter(|(_, hashes)| !hashes.is_empty()).map(|(level, hashes)| Tile {
            level: level as u8,
            index: self.size >> (8 * (level + 1)),
            hashes: hashes.clone(),
        })
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        // From right to left: what stands lower is smaller, and stands further right.
        let mut root = None;
        for hashes in &self.levels {
            let mut rest = &hashes[..];
            while !rest.is_empty() {
                let width = 1 << rest.len().trailing_zeros();
                let (before, last) = rest.split_at(rest.len() - width);
                let peak = root_of(last);
                root = Some(root.map_or(peak, |right| node_hash(&peak, &right)));
                rest = before;
            }
        }
        root.unwrap_or_else(empty_root)
    }
}

/// The width of the partial tile of a level in a tree of this size; 0 where there is none.
pub fn partial_width(size: u64, level: u8) -> usize {
    ((size >> (8 * u32::from(level))) % TILE_WIDTH as u64) as usize
}

/// Gives the root of `count` leaves from `begin` on, a power of two that `begin` is a multiple of.
pub type Subtree<'a, E> = &'a mut dyn FnMut(u64, u64) -> Result<Hash, E>;

/// The root over the leaves from `begin` to before `end`, as RFC 6962 splits them.
fn range<E>(begin: u64, end: u64, subtree: Subtree<'_, E>) -> Result<Hash, E> {
    let size = end - begin;
    if size.is_power_of_two() {
        return subtree(begin, size);
    }
    let middle = begin + split(size);
    let left = range(begin, middle, subtree)?;
    Ok(node_hash(&left, &range(middle, end, subtree)?))
}

/// The proof that a leaf is in a tree: the siblings on the way from the leaf to the root.
///
/// # Errors
/// Those of `subtree`.
pub fn inclusion<E>(index: u64, size: u64, subtree: Subtree<'_, E>) -> Result<Vec<Hash>, E> {
    let mut hashes = Vec::new();
    let (mut begin, mut end) = (0, size);
    while end - begin > 1 {
        let middle = begin + split(end - begin);
        if index < middle {
            hashes.push(range(middle, end, subtree)?);
            end = middle;
        } else {
            hashes.push(range(begin, middle, subtree)?);
            begin = middle;
        }
    }
    hashes.reverse();
    Ok(hashes)
}

/// The root that a proof of inclusion leads to (RFC 9162 §2.1.3.2); `None` when it has not the length
/// that it must have.
pub fn root_from_inclusion(index: u64, size: u64, leaf: Hash, hashes: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut node, mut last, mut root) = (index, size - 1, leaf);
    for hash in hashes {
        if last == 0 {
            return None;
        }
        if node & 1 == 1 || node == last {
            root = node_hash(hash, &root);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            root = node_hash(&root, hash);
        }
        node >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The tree as section 2.1 of RFC 6962 defines it.
    fn defined(leaves: &[Hash]) -> Hash {
        match leaves.len() {
            0 => empty_root(),
            1 => leaves[0],
            n => {
                let mut k = 1;
                while k * 2 < n {
                    k *= 2;
                }
                node_hash(&defined(&leaves[..k]), &defined(&leaves[k..]))
            }
        }
    }

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|n| leaf_hash(&n.to_le_bytes())).collect()
    }

    #[test]
    fn the_leaf_hash_is_that_of_rfc_6962() {
        // The hash of the empty leaf, as RFC 6962 implementations know it.
        let expected = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
        assert_eq!(hex::encode(leaf_hash(b"")), expected);
    }

    #[test]
    fn an_edge_has_the_root_of_the_definition_at_every_size() {
        let leaves = leaves(1100);
        let mut edge = Edge::default();
        assert_eq!(edge.root(), defined(&[]));
        for (index, leaf) in leaves.iter().enumerate() {
            edge.push(*leaf, |_| ());
            if index < 70 || index % 37 == 0 || (510..515).contains(&index) || (1020..1030).contains(&index) {
                assert_eq!(edge.root(), defined(&leaves[..=index]), "size {}", index + 1);
                assert_eq!(root_of(&leaves[..=index]), edge.root());
            }
        }
    }

    #[test]
    fn tiles_are_full_once_and_at_their_place() {
        let leaves = leaves(66_000);
        let mut full = Vec::new();
        let mut edge = Edge::default();
        leaves.iter().for_each(|leaf| edge.push(*leaf, |tile| full.push(tile)));
        assert_eq!(full.iter().filter(|tile| tile.level == 0).count(), 257);
        let upper: Vec<_> = full.iter().filter(|tile| tile.level == 1).collect();
        assert_eq!((upper.len(), upper[0].index, upper[0].hashes[3]), (1, 0, root_of(&leaves[768..1024])));
        let partial: Vec<_> = edge.partial().collect();
        let places: Vec<_> = partial.iter().map(|tile| (tile.level, tile.index, tile.hashes.len())).collect();
        assert_eq!(places, [(0, 257, 66_000 - 257 * 256), (1, 1, 1), (2, 0, 1)]);
        let levels = partial.iter().map(|tile| tile.hashes.clone()).collect();
        assert_eq!(Edge::from_tiles(66_000, levels).map(|edge| edge.root()), Some(edge.root()));
        assert_eq!(Edge::from_tiles(66_001, edge.levels.clone()), None);
    }

    proptest! {
        #[test]
        fn every_leaf_is_proven_and_no_other_hash_is(size in 1..700_u64, pick in any::<u64>(), other in any::<[u8; 32]>()) {
            let leaves = leaves(size);
            let index = pick % size;
            let root = defined(&leaves);
            let mut subtree = |begin: u64, count: u64| {
                Ok::<_, ()>(defined(&leaves[begin as usize..(begin + count) as usize]))
            };
            let hashes = inclusion(index, size, &mut subtree).unwrap();
            let leaf = leaves[index as usize];
            prop_assert_eq!(root_from_inclusion(index, size, leaf, &hashes), Some(root));
            prop_assert_ne!(root_from_inclusion(index, size, other, &hashes), Some(root));
            if size > 1 {
                prop_assert_ne!(root_from_inclusion((index + 1) % size, size, leaf, &hashes), Some(root));
                prop_assert_ne!(root_from_inclusion(index, size, leaf, &hashes[1..]), Some(root));
            }
            let longer = [hashes.clone(), vec![other]].concat();
            prop_assert_eq!(root_from_inclusion(index, size, leaf, &longer), None);
        }
    }
}
