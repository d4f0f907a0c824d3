//! Shows patterns and packs a text as it reads once escape sequences are decoded and what cannot be
//! seen is gone.
//!
//! `sk%2Dant`, `&#52;111`, `\u0040`, a card number in full-width digits or with a zero-width space in
//! it: a pattern sees none of these in the text as it is. A lens begins where the text first differs
//! from its plain form, as a copy of the state of the patterns at that place; it goes on beside them
//! while a match may still hold some of the difference, and then ends. Ordinary text has no lens.
//!
//! A control sequence of a terminal is the edge of a word where letters or digits stand on both sides of it,
//! and otherwise nothing. It may also stand inside of a word, as where a search marks a part of a key: behind
//! such a one a twin of the lens reads on for which it is nothing, and reports what holds it.
//!
//! Accents, look-alike letters and quotes stay what they are.

use std::collections::VecDeque;

use crate::escape::{Escape, Progress};
use crate::evasion::Evasion;
use crate::fold::{self, Class, Folded};
use crate::path::Path;
use crate::pattern::PATTERN_MAX_LEN;
use crate::pattern::runs::{CONTEXT_BYTES, Watches};
use crate::pattern::watcher::{Match, Watcher};
use crate::terminal::{self, Terminal};

/// So many bytes after the last difference no match can hold it, nor a check look at it.
const LIFE_BYTES: u64 = (PATTERN_MAX_LEN + 2 * CONTEXT_BYTES) as u64;
/// Decoded text is handed on in pieces of about so many bytes.
const BUFFER_BYTES: usize = 4096;

/// A match seen through a lens: expression, bytes of the original text, disguise.
pub(crate) type Seen = (usize, std::ops::Range<u64>, Option<Evasion>);

/// Whether a text may read differently from this character on. `next` is the one after it, if it
/// is known.
pub(crate) fn is_suspicious(c: char, next: Option<char>) -> bool {
    match c {
        '%' => next.is_none_or(|next| next.is_ascii_hexdigit()),
        '&' => next.is_none_or(|next| next == '#' || next.is_ascii_alphabetic()),
        '\\' => next.is_none_or(|next| {
            matches!(next, 'u' | 'x' | 'U' | 'X' | '\\' | 'n' | 'r' | 't' | 'e' | '0' | '1')
        }),
        c if c.is_ascii() => plain(c).is_none(),
        c => plain(c) != Some(c),
    }
}

/// How many bytes of a text can be passed without a look at each character.
pub(crate) fn next_suspicious(text: &str) -> usize {
    let is_plain = |byte: u8| {
        let (visible, space) =
            (byte.wrapping_sub(b' ') <= b'~' - b' ', byte.wrapping_sub(b'\t') <= b'\r' - b'\t');
        (visible | space) & (byte != b'%') & (byte != b'&') & (byte != b'\\')
    };
    // Without an early exit the compiler turns this into wide compares.
    let are_plain = |part: &[u8]| part.iter().fold(true, |plain, byte| plain & is_plain(*byte));
    let bytes = text.as_bytes();
    let passed: usize = bytes.chunks(64).take_while(|part| are_plain(part)).map(<[u8]>::len).sum();
    let rest = &bytes[passed..];
    passed + rest.iter().position(|byte| !is_plain(*byte)).unwrap_or(rest.len())
}

/// What a character is shown as; `None` for what cannot be seen.
fn plain(c: char) -> Option<char> {
    if c.is_ascii() {
        return (!c.is_ascii_control() || ('\t'..='\r').contains(&c)).then_some(c);
    }
    if ('\u{FF01}'..='\u{FF5E}').contains(&c) {
        return char::from_u32(c as u32 - 0xFEE0);
    }
    match fold::fold(c) {
        Folded::Dropped if fold::readings(c).next().is_none() => None,
        Folded::One(' ', Class::Space) => Some(' '),
        Folded::One(one, Class::Digit) if one.is_ascii_digit() => Some(one),
        Folded::One('-', Class::Other) => Some('-'),
        _ => Some(c),
    }
}

/// A sequence of a terminal that is not complete, its place, and the characters behind its first one.
type Sequence = (Terminal, u64, Vec<(char, u64)>);

/// A place from which on shown and original text run side by side.
#[derive(Clone, Copy)]
struct Seam {
    shown: u64,
    original: u64,
    /// The disguise of the difference before it.
    evasion: Option<Evasion>,
}

/// The state of a lens at one place of a text.
#[derive(Clone)]
pub(crate) struct Lens {
    watcher: Watcher,
    /// Shown text that the patterns have not read.
    buffer: String,
    /// The place of the buffer's end in the shown text.
    shown: u64,
    seams: VecDeque<Seam>,
    /// The end of the last difference; before there was one, `None`.
    differs: Option<u64>,
    /// A sequence that is not complete, its place and its characters.
    escape: Option<(Escape, u64, String)>,
    /// A sequence of a terminal that is not complete, its place, and what was read behind its first character.
    terminal: Option<Sequence>,
    /// Whether a sequence of a terminal was passed since the last shown character.
    parted: bool,
    /// Whether the last shown character is part of a word.
    in_word: bool,
    /// What is known of the word before.
    path: Path,
    /// The lens that reads over sequences of a terminal as if they were not there, from the first one on that
    /// stands behind a letter or a digit.
    twin: Option<Box<Twin>>,
    /// Whether such a sequence has just ended.
    joins: bool,
}

/// A lens for which sequences of a terminal are nothing.
#[derive(Clone)]
struct Twin {
    lens: Lens,
    /// The places at which two parts of a word were joined, as far as a match may reach back.
    joints: VecDeque<u64>,
}

impl Twin {
    /// Reads the character at byte `at`.
    fn read(&mut self, watches: &Watches, c: char, at: u64, found: &mut Vec<Seen>) {
        let was_parted = self.lens.parted;
        self.lens.parted = false;
        if was_parted {
            self.joints.push_back(at);
            while self.joints.front().is_some_and(|joint| joint + LIFE_BYTES < at) {
                self.joints.pop_front();
            }
        }
        self.report(found, |lens, seen| {
            lens.read_char(watches, c, at, seen);
            lens.path.read(c);
            // It has no twin of its own.
            lens.joins = false;
        });
    }

    /// Appends what is found in a step and holds a joint.
    fn report(&mut self, found: &mut Vec<Seen>, step: impl FnOnce(&mut Lens, &mut Vec<Seen>)) {
        let mut seen = Vec::new();
        step(&mut self.lens, &mut seen);
        let holds = |span: &std::ops::Range<u64>| {
            self.joints.iter().any(|joint| span.start < *joint && *joint < span.end)
        };
        found.extend(seen.into_iter().filter(|(_, span, _)| holds(span)));
    }
}

impl Lens {
    /// A lens over the text from `position` on, where `watcher` stands, in the word that `path` knows.
    /// `last` is the character before it.
    pub(crate) fn new(watcher: Watcher, position: u64, path: Path, last: Option<char>) -> Self {
        let first = Seam { shown: position, original: position, evasion: None };
        Self {
            watcher,
            buffer: String::new(),
            shown: position,
            seams: VecDeque::from([first]),
            differs: None,
            escape: None,
            terminal: None,
            parted: false,
            in_word: last.is_some_and(char::is_alphanumeric),
            path,
            twin: None,
            joins: false,
        }
    }

    /// Whether nothing that it could show differs from what the patterns see themselves.
    pub(crate) fn is_over(&self, position: u64) -> bool {
        let is_whole = self.escape.is_none() && self.terminal.is_none();
        is_whole && self.differs.is_none_or(|end| position > end + LIFE_BYTES)
    }

    /// Reads the character at byte `at` of the original text.
    pub(crate) fn read(&mut self, watches: &Watches, c: char, at: u64, found: &mut Vec<Seen>) {
        #[cfg(test)]
        crate::work::note(1 + self.seams.len().ilog2() as usize);
        if let Some(twin) = &mut self.twin {
            twin.read(watches, c, at, found);
        }
        self.read_char(watches, c, at, found);
        self.path.read(c);
        if std::mem::take(&mut self.joins) && self.twin.is_none() {
            self.twin = Some(Box::new(Twin { lens: self.clone(), joints: VecDeque::new() }));
        }
    }

    fn read_char(&mut self, watches: &Watches, c: char, at: u64, found: &mut Vec<Seen>) {
        let end = at + c.len_utf8() as u64;
        if let Some((terminal, start, mut raw)) = self.terminal.take() {
            match terminal.read(c) {
                // What a command holds is text for patterns.
                terminal::Step::More(more) if more.is_command() => self.part(start, end),
                terminal::Step::More(more) => {
                    raw.push((c, at));
                    self.terminal = Some((more, start, raw));
                }
                terminal::Step::Done => {
                    self.part(start, end);
                    self.joins = self.in_word;
                }
                terminal::Step::Not => {
                    self.part(start, raw.first().map_or(at, |(_, at)| *at));
                    for (c, at) in raw {
                        self.read_char(watches, c, at, found);
                    }
                    self.read_char(watches, c, at, found);
                }
            }
            return;
        }
        if let Some((escape, start, mut raw)) = self.escape.take() {
            let doubled = c == '\\' && escape.is_backslash();
            match if doubled { Progress::Not } else { escape.read_original(c) } {
                Progress::More(more) => {
                    raw.push(c);
                    self.escape = Some((more, start, raw));
                    return;
                }
                Progress::Done(decoded) => {
                    self.decoded(escape, decoded, start, end);
                    return self.hand_on(watches, found, BUFFER_BYTES);
                }
                Progress::DoneBefore(decoded) => {
                    self.decoded(escape, decoded, start, at);
                    return self.read_char(watches, c, at, found);
                }
                // A lens begins no sequence that has parts.
                Progress::Not | Progress::Part(..) | Progress::End | Progress::EndBefore => {
                    self.give_up(watches, escape, &raw, at, found);
                }
            }
        }
        if self.begin_terminal(c, at, end) {
            return;
        }
        match Escape::begin_in(self.path, c) {
            Some(escape) => self.escape = Some((escape, at, c.to_string())),
            None => {
                let shown = plain(c);
                if let Some(shown) = shown {
                    self.show(shown, at);
                }
                if shown != Some(c) {
                    self.differs = Some(end);
                    self.seam(end, None);
                }
            }
        }
        self.hand_on(watches, found, BUFFER_BYTES);
    }

    /// Begins a sequence of a terminal with a character at `start` that ends at `end`, if it begins one. The
    /// end of a command parts words too.
    fn begin_terminal(&mut self, c: char, start: u64, end: u64) -> bool {
        match Terminal::begin(c) {
            Some(terminal) if !terminal.is_command() => self.terminal = Some((terminal, start, Vec::new())),
            Some(_) => self.part(start, end),
            None if matches!(c, '\u{7}' | '\u{9C}') => self.part(start, end),
            None => return false,
        }
        true
    }

    /// Passes what a terminal does not show.
    fn part(&mut self, start: u64, end: u64) {
        self.parted = true;
        self.differs = Some(end);
        self.seam(start, None);
        self.seam(end, None);
    }

    /// Shows a character, which stands at `original`.
    fn show(&mut self, c: char, original: u64) {
        let in_word = c.is_alphanumeric();
        if std::mem::take(&mut self.parted) && in_word && self.in_word {
            self.buffer.push(' ');
            self.shown += 1;
            self.seam(original, None);
        }
        self.in_word = in_word;
        self.buffer.push(c);
        self.shown += c.len_utf8() as u64;
    }

    /// Lets the patterns read everything that was shown.
    pub(crate) fn settle(&mut self, watches: &Watches, found: &mut Vec<Seen>) {
        if let Some(twin) = &mut self.twin {
            twin.report(found, |lens, seen| lens.settle(watches, seen));
        }
        self.hand_on(watches, found, 1);
    }

    /// The end of the text.
    pub(crate) fn end(&mut self, watches: &Watches, found: &mut Vec<Seen>) {
        if let Some(mut twin) = self.twin.take() {
            twin.report(found, |lens, seen| lens.end(watches, seen));
        }
        if let Some((_, _, raw)) = self.escape.take() {
            self.buffer.push_str(&raw);
            self.shown += raw.len() as u64;
        }
        if let Some((_, start, raw)) = self.terminal.take() {
            self.part(start, raw.first().map_or(start + 1, |(_, at)| *at));
            raw.into_iter().for_each(|(c, at)| self.show(c, at));
        }
        self.settle(watches, found);
        let mut matched = Vec::new();
        self.watcher.end(watches, self.shown, &mut matched);
        found.extend(matched.into_iter().map(|found| self.original(found)));
    }

    /// The first byte of the original text that may be part of a match of a rule that `holds`.
    pub(crate) fn pending(&self, watches: &Watches, holds: impl Fn(usize) -> bool + Copy) -> Option<u64> {
        let joined = self.twin.as_ref().and_then(|twin| twin.lens.pending_alone(watches, holds));
        [self.pending_alone(watches, holds), joined].into_iter().flatten().min()
    }

    fn pending_alone(&self, watches: &Watches, holds: impl Fn(usize) -> bool) -> Option<u64> {
        let running = self.watcher.pending(watches, holds).map(|shown| self.place(shown));
        let escape = self.escape.as_ref().map(|(_, start, _)| *start);
        let terminal = self.terminal.as_ref().map(|(_, start, _)| *start);
        [running, escape, terminal].into_iter().flatten().min()
    }

    /// What only began like a sequence is shown as it is. It may hold the beginning of another one,
    /// where the parts of one character were expected.
    fn give_up(&mut self, watches: &Watches, escape: Escape, raw: &str, end: u64, found: &mut Vec<Seen>) {
        let sign = raw.char_indices().skip(1).filter(|(_, c)| Escape::begin(*c).is_some()).last();
        let kept = sign.map_or(raw.len(), |(at, _)| at);
        for (at, c) in raw[..kept].char_indices() {
            self.show(c, end - (raw.len() - at) as u64);
        }
        let rest = end - (raw.len() - kept) as u64;
        if escape.is_nested() {
            self.seam(rest, Some(escape.evasion()));
        }
        for (at, c) in raw[kept..].char_indices() {
            self.read_char(watches, c, rest + at as u64, found);
        }
    }

    fn decoded(&mut self, escape: Escape, decoded: char, start: u64, end: u64) {
        self.differs = Some(end);
        if let Some(nested) = escape.begin_nested(decoded) {
            self.seam(start, Some(escape.evasion()));
            self.escape = Some((nested, start, decoded.to_string()));
            return;
        }
        if self.begin_terminal(decoded, start, end) {
            return;
        }
        if self.seams.back().is_none_or(|seam| seam.original != start) {
            self.seam(start, self.seams.back().and_then(|seam| seam.evasion));
        }
        if let Some(shown) = plain(decoded) {
            self.show(shown, start);
        }
        self.seam(end, Some(escape.evasion()));
    }

    fn seam(&mut self, original: u64, evasion: Option<Evasion>) {
        self.seams.push_back(Seam { shown: self.shown, original, evasion });
    }

    fn hand_on(&mut self, watches: &Watches, found: &mut Vec<Seen>, at_least: usize) {
        if self.buffer.len() < at_least {
            return;
        }
        let mut matched = Vec::new();
        self.watcher.read(watches, &self.buffer, &mut matched);
        self.buffer.clear();
        found.extend(matched.into_iter().map(|found| self.original(found)));
        let running = self.watcher.pending(watches, |_| true).unwrap_or(self.shown);
        let needed = self.watcher.needed(self.shown).min(running);
        while self.seams.get(1).is_some_and(|seam| seam.shown <= needed) {
            self.seams.pop_front();
        }
    }

    fn original(&self, (watch, span): Match) -> Seen {
        let end = self.end_place(span.end);
        let near = |seam: &&Seam| seam.shown + CONTEXT_BYTES as u64 >= span.start && seam.shown <= span.end;
        let evasion = self.seams.iter().filter(near).find_map(|seam| seam.evasion);
        (watch, self.place(span.start)..end, evasion)
    }

    /// The place in the original text at which what is shown before `shown` ends: before what is not shown.
    fn end_place(&self, shown: u64) -> u64 {
        let first = self.seams.partition_point(|seam| seam.shown < shown);
        let here = self.seams.get(first).filter(|seam| first > 0 && seam.shown == shown);
        here.map_or_else(|| self.place(shown), |seam| seam.original)
    }

    /// The place in the original text.
    fn place(&self, shown: u64) -> u64 {
        let after = self.seams.partition_point(|seam| seam.shown <= shown);
        let seam = &self.seams[after.saturating_sub(1)];
        // Before the first difference both run side by side.
        (seam.original + shown).saturating_sub(seam.shown)
    }
}
