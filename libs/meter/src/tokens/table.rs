//! The tokens of a vocabulary and their order, as one table over bytes that lie in the program.

/// A slot without a token.
const EMPTY: u32 = u32::MAX;

/// Tokens by their bytes. A token's *rank* is where its record stands in the data: records stand in the
/// order of the published ranks, so comparing places is comparing ranks, and no second number is kept.
#[derive(Debug)]
pub(super) struct Table {
    /// Tokens one after another: a byte with the length, then the bytes.
    data: &'static [u8],
    /// Places in `data` by the hash of the token, with linear probing; less than half are taken.
    slots: Box<[u32]>,
}

impl Table {
    pub(super) fn new(data: &'static [u8]) -> Self {
        let places = places(data);
        let mut slots = vec![EMPTY; (places.len() * 2).next_power_of_two()].into_boxed_slice();
        let mask = slots.len() - 1;
        for &place in &places {
            let mut slot = hash(token(data, place)) & mask;
            while slots[slot] != EMPTY {
                slot = (slot + 1) & mask;
            }
            slots[slot] = place;
        }
        Self { data, slots }
    }

    /// The rank of these bytes, where they are a token.
    pub(super) fn rank(&self, bytes: &[u8]) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut slot = hash(bytes) & mask;
        loop {
            match self.slots[slot] {
                EMPTY => return None,
                place if token(self.data, place) == bytes => return Some(place),
                _ => slot = (slot + 1) & mask,
            }
        }
    }
}

/// Tokens by their published ids, which are their ranks: where the record of each stands in the data.
#[derive(Debug)]
pub(super) struct Ids {
    data: &'static [u8],
    places: Box<[u32]>,
}

impl Ids {
    pub(super) fn new(data: &'static [u8]) -> Self {
        Self { data, places: places(data).into_boxed_slice() }
    }

    /// The bytes of a token, where there is one with this id.
    pub(super) fn token(&self, id: u64) -> Option<&'static [u8]> {
        let place = self.places.get(usize::try_from(id).ok()?)?;
        Some(token(self.data, *place))
    }
}

/// Offsets of the tokens' records, in their order.
pub(super) fn places(data: &[u8]) -> Vec<u32> {
    let mut places = Vec::new();
    let mut at = 0;
    while let Some(length) = data.get(at) {
        places.push(u32::try_from(at).expect("the data of a vocabulary has two megabytes"));
        at += 1 + usize::from(*length);
    }
    places
}

fn token(data: &[u8], place: u32) -> &[u8] {
    let start = place as usize + 1;
    &data[start..start + usize::from(data[start - 1])]
}

/// Eight bytes at a time, multiplied and folded. The words that are looked up come from outside, but the
/// table never grows by them, so the longest walk over taken slots is known beforehand.
fn hash(bytes: &[u8]) -> usize {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut state = bytes.len() as u64;
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let word = u64::from_le_bytes(word.try_into().expect("chunks of eight are eight"));
        state = (state ^ word).wrapping_mul(ODD);
        state ^= state >> 29;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        state = (state ^ u64::from_le_bytes(last)).wrapping_mul(ODD);
        state ^= state >> 29;
    }
    state = state.wrapping_mul(ODD);
    (state >> 32) as usize
}
