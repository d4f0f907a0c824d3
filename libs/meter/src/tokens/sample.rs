//! Counts long texts in samples, so that counting has a bound.

use super::Tokenizer;

/// Up to so many bytes all are counted: a request of 1 MB must not wait for all of it to be counted.
const EXACT_BYTES: usize = 64 * 1024;

/// Bytes that are counted of a longer text, at most twice that.
const SAMPLE_BYTES: usize = 32 * 1024;

/// A sample may miss what is dense: by so much of itself it is raised.
const MARGIN: u128 = 16;

/// The length of a block.
const BLOCK_BYTES: usize = 1024;

/// The count of many texts that are thought to have a certain length together.
///
/// Up to 64 kB every byte is counted. Beyond it one block of two, three … is, spread over all of it without a
/// pattern that the text could share, and the rest is taken to be like them and a little denser: an estimate.
#[derive(Debug)]
pub struct Sample<'t> {
    tokenizer: &'t Tokenizer,
    /// One block in so many is counted, as a rule.
    every: u64,
    block: u64,
    counted: u64,
    counted_bytes: u64,
    bytes: u64,
}

impl<'t> Sample<'t> {
    /// A count of texts that have about this many bytes together.
    #[must_use]
    pub fn new(tokenizer: &'t Tokenizer, expected_bytes: usize) -> Self {
        let is_short = expected_bytes <= EXACT_BYTES;
        let every = if is_short { 1 } else { expected_bytes.div_ceil(SAMPLE_BYTES) as u64 };
        Self { tokenizer, every, block: 0, counted: 0, counted_bytes: 0, bytes: 0 }
    }

    /// Whether the texts are long enough that only a part of them is counted.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.every > 1
    }

    /// Counts one more text, in which no token reaches over from the one before.
    pub fn add(&mut self, mut text: &str) {
        self.bytes = self.bytes.saturating_add(text.len() as u64);
        while !text.is_empty() {
            let length = if self.every == 1 { text.len() } else { text.floor_char_boundary(BLOCK_BYTES) };
            let (block, rest) = text.split_at(length);
            if self.is_chosen() {
                self.counted = self.counted.saturating_add(self.tokenizer.count(block));
                self.counted_bytes = self.counted_bytes.saturating_add(block.len() as u64);
            }
            self.block += 1;
            text = rest;
        }
    }

    /// Whether the next block is counted. The first always is.
    fn is_chosen(&self) -> bool {
        let scattered = self.block.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        self.every == 1
            || (self.counted_bytes < 2 * SAMPLE_BYTES as u64 && scattered.is_multiple_of(self.every))
    }

    /// Whether every byte was counted.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.bytes == self.counted_bytes
    }

    /// The tokens of all texts.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        if self.is_exact() {
            return self.counted;
        }
        let all = u128::from(self.counted) * u128::from(self.bytes);
        let all = all.div_ceil(u128::from(self.counted_bytes).max(1));
        u64::try_from(all + all / MARGIN).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::Vocabulary;

    #[test]
    fn up_to_a_bound_a_sample_is_the_count_and_beyond_it_near_it() {
        let tokenizer = Vocabulary::O200k.tokenizer();
        let prose = include_str!("../../README.md");
        let mut short = Sample::new(tokenizer, prose.len());
        short.add(prose);
        assert!(short.is_exact());
        assert_eq!(short.tokens(), tokenizer.count(prose));
        let texts = vec![prose; 200];
        let whole: u64 = texts.iter().map(|text| tokenizer.count(text)).sum();
        let mut long = Sample::new(tokenizer, prose.len() * texts.len());
        texts.iter().for_each(|text| long.add(text));
        assert!(!long.is_exact());
        assert!(long.counted_bytes <= 65 * 1024, "{}", long.counted_bytes);
        // Raised by a sixteenth, and off by a few hundredths.
        assert!((whole..=whole + whole / 8).contains(&long.tokens()), "{} {whole}", long.tokens());
        let nothing = Sample::new(tokenizer, 1 << 30);
        assert_eq!(nothing.tokens(), 0);
    }
}
