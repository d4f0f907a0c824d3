//! The end of a streamed text, kept as long as a pattern or a pack may still report a match in it: what it
//! found is hashed for the record. Rooms that only list terms keep none: there the rule says what was found.

use crate::policy::Policy;
use std::ops::Range;
use zos_rules::Scanner;

/// What is kept before the beginning of a match: digits of an encoding that it may begin in, and words that
/// a detector looks at.
const CONTEXT_BYTES: u64 = 256;

/// Beyond so many bytes more than is needed the rest is dropped. Not at once: each time costs a copy.
const SLACK_BYTES: usize = 512;

/// The most that is kept. Only a match that is padded without end with what cannot be seen is longer, and
/// is then recorded by its rule alone.
const LIMIT_BYTES: usize = 64 << 10;

/// The end of a text.
#[derive(Clone)]
pub(crate) struct Tail {
    text: String,
    /// The place of its first byte in the whole text.
    start: u64,
}

impl Tail {
    /// The tail of a text that begins; `None` where nobody asks for it.
    pub(crate) fn new(policy: &Policy) -> Option<Tail> {
        policy.rules().has_patterns().then(|| Tail { text: String::new(), start: 0 })
    }

    /// Takes the next piece, before the scanner does.
    pub(crate) fn push(&mut self, words: &str) {
        self.text.push_str(words);
    }

    /// The kept text and where in it a match stands; `None` where its beginning is gone.
    pub(crate) fn find(&self, span: &Range<u64>) -> Option<(&str, Range<usize>)> {
        let place = |at: u64| usize::try_from(at.checked_sub(self.start)?).ok();
        let range = place(span.start)?..place(span.end)?;
        self.text.get(range.clone()).map(|_| (self.text.as_str(), range))
    }

    /// Forgets what no match can begin in any more.
    pub(crate) fn settle(&mut self, scanner: &Scanner) {
        if self.text.len() < SLACK_BYTES + CONTEXT_BYTES as usize {
            return;
        }
        let needed = scanner.needed().saturating_sub(CONTEXT_BYTES).saturating_sub(self.start);
        let bound = self.text.len().saturating_sub(LIMIT_BYTES);
        let cut = usize::try_from(needed).unwrap_or(usize::MAX).max(bound);
        if cut >= SLACK_BYTES {
            let cut = self.text.floor_char_boundary(cut);
            self.text.drain(..cut);
            self.start += cut as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use zos_core::{Effect, RoomPolicy};
    use zos_rules::{Pattern, Room, RuleKind, RuleSpec, Ruleset, Term};

    fn policy_of(kind: RuleKind) -> Policy {
        let rooms = [Room { name: "acme".into(), rules: vec![RuleSpec::new("rule", kind)] }];
        let rules = Arc::new(Ruleset::compile(&rooms).unwrap()).room("acme").unwrap();
        let room = RoomPolicy {
            rules,
            effects: vec![Effect::Report],
            places: Vec::new(),
            labels: Vec::new(),
            restore_to: Vec::new(),
        };
        Policy::new(Arc::new(room), false)
    }

    #[test]
    fn little_is_kept_of_a_long_text_and_every_match_whole() {
        let policy = policy_of(RuleKind::Pattern(Pattern::new(r"KX-\d{4}", None).unwrap()));
        let (mut tail, mut scanner) = (Tail::new(&policy).unwrap(), policy.scanner());
        let (mut found, mut seen) = (Vec::new(), 0);
        for n in 0..2_000 {
            for words in ["ordinary words, then K", "X-", &format!("{:04} ", n)] {
                tail.push(words);
                scanner.push(words, &mut found);
                for violation in found.drain(..) {
                    let (text, range) = tail.find(&violation.span).unwrap();
                    assert!(text[range].starts_with("KX-"));
                    seen += 1;
                }
                tail.settle(&scanner);
                assert!(tail.text.len() < 2048);
            }
        }
        scanner.finish(&mut found);
        assert_eq!(seen + found.len(), 2_000);
    }

    #[test]
    fn padding_without_end_is_dropped_and_rooms_of_terms_keep_nothing() {
        let policy = policy_of(RuleKind::Pattern(Pattern::new(r"KX-\d{4}", None).unwrap()));
        let (mut tail, mut scanner) = (Tail::new(&policy).unwrap(), policy.scanner());
        let (mut found, padding) = (Vec::new(), "\u{200b}".repeat(1000));
        for words in std::iter::once("KX-").chain(std::iter::repeat_n(padding.as_str(), 100)) {
            tail.push(words);
            scanner.push(words, &mut found);
            tail.settle(&scanner);
            assert!(tail.text.len() <= LIMIT_BYTES + SLACK_BYTES);
        }
        assert_eq!(tail.find(&(0..2)), None);
        assert!(Tail::new(&policy_of(RuleKind::Term(Term::new("Falcon").unwrap()))).is_none());
    }
}
