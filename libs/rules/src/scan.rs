//! Whole texts, scanned by the same walks and expressions as streams.

use std::ops::Range;
use std::sync::Arc;

use crate::encoded::{self, Finds};
use crate::evasion::Evasion;
use crate::lens::{self, Lens};
use crate::path::Path;
use crate::pattern::runs::{Mark, Runs};
use crate::pattern::watcher::{Match, Watcher};
use crate::room::RoomRules;
use crate::rule::RuleSpec;
use crate::scanner::Scanner;
use crate::seek::{Place, seek};
use crate::walks::Walks;

/// Bytes of a text known to be encoded that patterns and packs are run on: signatures are shorter, pictures longer.
pub const ENCODED_PATTERNS_BYTES: usize = 64 << 10;

/// A violation in a complete text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Index into the room's rules.
    pub rule: usize,
    /// Bytes of the original text.
    pub span: Range<usize>,
    /// How it was disguised, if it was.
    pub evasion: Option<Evasion>,
    /// The pack and type that found it, such as `secrets/aws-key`; absent for terms and patterns.
    pub detector: Option<Arc<str>>,
    /// Whether nothing of it stands beyond its bytes. A private key whose end was not seen is not whole:
    /// to replace its bytes would leave the rest of it.
    pub is_whole: bool,
}

impl RoomRules {
    /// Appends all violations in a complete text, in order of start. Overlapping ones are all
    /// reported.
    pub fn scan(&self, text: &str, found: &mut Vec<Violation>) {
        self.scan_with(text, false, found, &mut Vec::new());
    }

    /// Appends all violations in a complete text, and beside them what packs found that is reserved for
    /// examples and therefore is no violation: `jane.doe@example.com`, 555-0142, `AKIAIOSFODNN7EXAMPLE`.
    pub fn scan_with_examples(&self, text: &str, found: &mut Vec<Violation>, examples: &mut Vec<Violation>) {
        self.scan_with(text, false, found, examples);
    }

    /// Appends the violations in a complete text that is known to be encoded bytes throughout, such as a picture in
    /// base64: those in the letters that it is written with, and none in what the encoding stands for. Of texts
    /// beyond [`ENCODED_PATTERNS_BYTES`] only those of terms. That takes a fraction of the time.
    pub fn scan_encoded(&self, text: &str, found: &mut Vec<Violation>) {
        self.scan_with(text, true, found, &mut Vec::new());
    }

    fn scan_with(
        &self,
        text: &str,
        is_encoded: bool,
        found: &mut Vec<Violation>,
        examples: &mut Vec<Violation>,
    ) {
        if self.is_empty() {
            return;
        }
        let mut fresh = Finds::default();
        let mut walks = Walks::new(self, text);
        let mut runs = encoded::Runs::new(self, text);
        seek(self, text, |place| match place {
            Place::Term(at) => walks.begin(at, &mut fresh.terms),
            Place::Dense(at) if !is_encoded => runs.look(at, &mut fresh),
            Place::Dense(_) => {}
        });
        walks.end(&mut fresh.terms);
        if !is_encoded {
            encoded::read_codes(self, text, &mut fresh);
        }
        if !is_encoded || text.len() <= ENCODED_PATTERNS_BYTES {
            self.run_patterns(text, &mut fresh);
        }
        self.report(fresh, found, examples);
    }

    fn run_patterns(&self, text: &str, fresh: &mut Finds) {
        if self.watches().is_empty() {
            return;
        }
        let (mut runs, mut matched, mut read) = (Runs::default(), Vec::new(), 0);
        let mut lens: Option<Lens> = None;
        let (mut path, mut path_at) = (Path::default(), 0);
        let mut at = 0;
        while at < text.len() {
            if lens.as_ref().is_some_and(|lens| lens.is_over(at as u64)) {
                lens = None;
            }
            if lens.is_none() {
                at += lens::next_suspicious(&text[at..]);
                let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) else { break };
                let mut chars = rest.chars();
                if !chars.next().is_some_and(|c| lens::is_suspicious(c, chars.next())) {
                    at += rest.chars().next().map_or(1, char::len_utf8);
                    continue;
                }
                runs.read(self.watches(), &text[..at], 0, read as u64, &mut matched);
                read = at;
                path.read_all(&text[path_at..at]);
                path_at = at;
                let watcher = Watcher::going_on(runs.clone(), &text[..at], 0);
                lens = Some(Lens::new(watcher, at as u64, path, text[..at].chars().next_back()));
            }
            let (Some(lens), Some(c)) = (&mut lens, text[at..].chars().next()) else { break };
            lens.read(self.watches(), c, at as u64, &mut fresh.matches);
            at += c.len_utf8();
        }
        if let Some(mut lens) = lens {
            lens.end(self.watches(), &mut fresh.matches);
        }
        runs.read(self.watches(), text, 0, read as u64, &mut matched);
        runs.end(self.watches(), text, 0, &mut matched);
        fresh.matches.extend(matched.into_iter().map(|(watch, span): Match| (watch, span, None)));
    }

    /// Appends what was found, each violation once with its plainest disguise, in order.
    fn report(&self, fresh: Finds, found: &mut Vec<Violation>, examples: &mut Vec<Violation>) {
        let terms = fresh.terms.into_iter().map(|(rule, span, evasion)| (span, rule, None, evasion));
        let matches = fresh
            .matches
            .into_iter()
            .map(|(watch, span, evasion)| (span, self.watches().get(watch).rule, Some(watch), evasion))
            .filter(|(_, rule, _, evasion)| self.looks_through(*rule, *evasion));
        let mut all: Vec<_> = terms.chain(matches).collect();
        all.sort_by_key(|(span, rule, watch, evasion)| (span.start, span.end, *rule, *watch, *evasion));
        all.dedup_by(|one, other| (&one.0, one.1, one.2) == (&other.0, other.1, other.2));
        for (span, rule, watch, evasion) in all {
            let mark = watch.map_or(Mark::Plain, |watch| self.watches().mark(watch));
            let violation = Violation {
                rule,
                span: span.start as usize..span.end as usize,
                evasion,
                detector: watch.and_then(|watch| self.watches().get(watch).detector.clone()),
                is_whole: mark != Mark::Open,
            };
            if mark == Mark::Example { examples.push(violation) } else { found.push(violation) }
        }
    }

    /// A scanner in which every rule holds text back.
    pub fn stream(&self) -> Scanner {
        self.stream_for(|_| true)
    }

    /// A scanner in which only the rules chosen by `blocking` hold text back; the others are
    /// reported all the same. The choice is made by action: if one `warn` rule of a room blocks,
    /// all of them do.
    pub fn stream_for(&self, blocking: impl Fn(&RuleSpec) -> bool) -> Scanner {
        Scanner::new(self.clone(), blocking)
    }
}
