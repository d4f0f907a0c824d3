//! Text of an answer, kept to be counted should the provider report no usage.
//!
//! Nobody knows before the end whether usage comes, and most answers have it. So nothing is counted while the answer
//! arrives: a part of its text is kept, spread over all of it, and counted by a tokenizer only where that is asked for.

use crate::estimate::TextCount;
use crate::tokens::Tokenizer;

/// Text that is kept of an answer, in bytes: all of what most answers say, and little beside what a stream holds
/// anyway.
const KEPT_BYTES: usize = 16 * 1024;

/// Length of the parts in which a longer text is kept, in bytes. A cut makes one token more at most.
const PART_BYTES: usize = 512;

/// A sample may miss what is dense: by so much of itself it is raised.
const MARGIN: u64 = 16;

/// Text of one answer, piece by piece.
#[derive(Debug, Clone, Default)]
pub struct AnswerText {
    /// Length of all of it.
    count: TextCount,
    /// Parts that are kept, in order.
    parts: Vec<String>,
    /// One part in 2^`halvings` is kept.
    halvings: u32,
    /// Number of the part that is being written, and how many bytes of it came.
    part: u64,
    part_bytes: usize,
}

impl AnswerText {
    /// Takes one more piece.
    pub fn add(&mut self, text: &str) {
        self.count.add(text);
        let mut rest = text;
        while !rest.is_empty() {
            // A part is a little longer rather than cut inside a character.
            let room = rest.ceil_char_boundary(PART_BYTES - self.part_bytes);
            let (now, later) = rest.split_at(room);
            if self.is_kept(self.part) {
                if self.part_bytes == 0 {
                    self.parts.push(String::new());
                }
                if let Some(part) = self.parts.last_mut() {
                    part.push_str(now);
                }
            }
            self.part_bytes += now.len();
            if self.part_bytes >= PART_BYTES {
                self.end_part();
            }
            rest = later;
        }
    }

    fn is_kept(&self, part: u64) -> bool {
        part.trailing_zeros() >= self.halvings
    }

    fn end_part(&mut self) {
        self.part += 1;
        self.part_bytes = 0;
        if self.parts.len() * PART_BYTES >= KEPT_BYTES {
            // Every other part goes, so that the rest is spread over all of the text again.
            let mut number = 0_usize;
            self.parts.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            self.halvings += 1;
        }
    }

    /// The estimate by length alone: 0 for no text, else at least 1.
    #[must_use]
    pub fn estimate(&self) -> u64 {
        self.count.tokens()
    }

    /// The tokens of all of it by a tokenizer: of a text of less than 16 KiB exactly. Of a longer one the parts that are
    /// kept are counted, and the rest is taken to be like them and a little denser.
    #[must_use]
    pub fn tokens(&self, tokenizer: &Tokenizer) -> u64 {
        if self.halvings == 0 {
            return tokenizer.count(&self.parts.concat());
        }
        let (mut kept, mut counted) = (TextCount::default(), 0_u64);
        for part in &self.parts {
            kept.add(part);
            counted = counted.saturating_add(tokenizer.count(part));
        }
        let all = u128::from(counted) * u128::from(self.count.tokens());
        let all = u64::try_from(all.div_ceil(u128::from(kept.tokens()).max(1))).unwrap_or(u64::MAX);
        all.saturating_add(all / MARGIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::Vocabulary;

    const PROSE: &str =
        "The harbour master wrote down each boat that came in before the storm, and its cargo. ";

    fn of(text: &str, piece_bytes: usize) -> AnswerText {
        let mut answer = AnswerText::default();
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(rest.ceil_char_boundary(piece_bytes));
            answer.add(piece);
            rest = later;
        }
        answer
    }

    #[test]
    fn a_usual_answer_is_counted_exactly_however_it_came() {
        let tokenizer = Vocabulary::O200k.tokenizer();
        for text in ["", "a", "Grüße aus Köln, 漢字かな 🎉", &PROSE.repeat(150)] {
            for piece_bytes in [1, 7, 511, 512, 513, 100_000] {
                let answer = of(text, piece_bytes);
                assert_eq!(answer.tokens(tokenizer), tokenizer.count(text), "{piece_bytes}");
                assert_eq!(answer.estimate(), crate::estimate_tokens(text));
            }
        }
    }

    #[test]
    fn a_long_answer_is_counted_in_a_sample_of_bounded_size() {
        let tokenizer = Vocabulary::O200k.tokenizer();
        let code = "fn add(left: u64, right: u64) -> u64 { left.saturating_add(right) }\n";
        let texts = [
            PROSE.repeat(3_000),
            "漢字かな交じり文を読む。".repeat(8_000),
            format!("{}{}", PROSE.repeat(1_500), code.repeat(2_000)),
            format!("{}{}", code.repeat(2_000), PROSE.repeat(1_500)),
        ];
        for text in texts {
            for piece_bytes in [5, 4_096, text.len()] {
                let answer = of(&text, piece_bytes);
                let (counted, real) = (answer.tokens(tokenizer), tokenizer.count(&text));
                assert!((real..=real + real / 4).contains(&counted), "{counted} for {real}: {}", &text[..30]);
                let kept: usize = answer.parts.iter().map(String::capacity).sum();
                assert!(kept <= 3 * KEPT_BYTES, "{kept} bytes are kept");
            }
        }
    }
}
