//! Cuts text into the pieces that are encoded one by one.
//!
//! OpenAI publishes how as regular expressions (`tiktoken_ext/openai_public.py` in
//! <https://github.com/openai/tiktoken>), which look ahead; here they are written out by hand, because cutting is
//! most of the work of counting. The tests hold this beside the expressions themselves.

use super::Vocabulary;
use super::kinds::{Kind, Kinds};

/// The pieces of a text, in order; together they are the text.
pub(super) struct Pieces<'t, 'k> {
    text: &'t str,
    at: usize,
    vocabulary: Vocabulary,
    kinds: &'k Kinds,
}

impl<'t, 'k> Pieces<'t, 'k> {
    pub(super) fn new(text: &'t str, vocabulary: Vocabulary, kinds: &'k Kinds) -> Self {
        Self { text, at: 0, vocabulary, kinds }
    }

    /// The kind of the character at a place and where the next begins; `None` at the end.
    fn kind(&self, at: usize) -> Option<(Kind, usize)> {
        let first = *self.text.as_bytes().get(at)?;
        if first < 0x80 {
            return Some((self.kinds.of(char::from(first)), at + 1));
        }
        let character = self.text[at..].chars().next()?;
        Some((self.kinds.of(character), at + character.len_utf8()))
    }

    /// End of a run of the wanted kinds.
    fn run(&self, mut at: usize, wanted: impl Fn(Kind) -> bool) -> usize {
        while let Some((kind, next)) = self.kind(at)
            && wanted(kind)
        {
            at = next;
        }
        at
    }

    /// The end of an English contraction at a place (`'s`, `'LL`), or the place itself.
    fn contraction(&self, at: usize) -> usize {
        let rest = &self.text.as_bytes()[at..];
        if rest.first() != Some(&b'\'') {
            return at;
        }
        // Without case, the long s is an s.
        if rest[1..].starts_with("ſ".as_bytes()) {
            return at + 1 + "ſ".len();
        }
        let lower = |place: usize| rest.get(place).map(u8::to_ascii_lowercase);
        match (lower(1), lower(2)) {
            (Some(b's' | b't' | b'm' | b'd'), _) => at + 2,
            (Some(b'r' | b'v'), Some(b'e')) | (Some(b'l'), Some(b'l')) => at + 3,
            _ => at,
        }
    }

    /// `\p{L}+`, with one character before it that is no letter, digit or end of line.
    fn cl100k_word(&self, first: Kind, second: usize) -> Option<usize> {
        let is_prefix = !first.is_letter() && !matches!(first, Kind::Number | Kind::Break);
        let start = if is_prefix { second } else { self.at };
        let end = self.run(start, Kind::is_letter);
        (end > start).then_some(end)
    }

    /// A word that begins with capitals or goes on with small letters, and a contraction after it.
    fn o200k_word(&self, first: Kind, second: usize) -> Option<usize> {
        let may_prefix = !first.is_letter() && !matches!(first, Kind::Number | Kind::Break);
        let end = match may_prefix {
            true => self.lower_word(second).or_else(|| self.lower_word(self.at)),
            false => self.lower_word(self.at),
        };
        let end = end.or_else(|| {
            let capitals = |start| Some(self.run(start, is_upper)).filter(|end| *end > start);
            match may_prefix {
                true => capitals(second).or_else(|| capitals(self.at)),
                false => capitals(self.at),
            }
        })?;
        Some(self.contraction(end))
    }

    /// `upper* lower+`, in which letters without case and marks are both: what comes before the last
    /// of them that is followed by nothing small.
    fn lower_word(&self, start: usize) -> Option<usize> {
        let mut at = start;
        let mut last_of_both = None;
        while let Some((kind, next)) = self.kind(at)
            && is_upper(kind)
        {
            at = next;
            if kind != Kind::Upper {
                last_of_both = Some(at);
            }
        }
        let end = self.run(at, is_lower);
        if end > at { Some(end) } else { last_of_both }
    }

    /// The end of the piece that begins here.
    fn end(&self, first: Kind, second: usize) -> usize {
        let word = match self.vocabulary {
            Vocabulary::Cl100k => {
                let contracted = self.contraction(self.at);
                if contracted > self.at {
                    return contracted;
                }
                self.cl100k_word(first, second)
            }
            Vocabulary::O200k => self.o200k_word(first, second),
        };
        if let Some(end) = word {
            return end;
        }
        if first == Kind::Number {
            let third = self.kind(second).filter(|(kind, _)| *kind == Kind::Number);
            let fourth = third.and_then(|(_, at)| self.kind(at)).filter(|(kind, _)| *kind == Kind::Number);
            return fourth.or(third).map_or(second, |(_, at)| at);
        }
        // Signs, with a space before and the ends of lines after them.
        let is_sign = |kind: Kind| matches!(kind, Kind::Other | Kind::Mark);
        let signs = if self.text.as_bytes()[self.at] == b' ' { second } else { self.at };
        let end = self.run(signs, is_sign);
        if end > signs {
            let is_after = |byte: &u8| {
                matches!(byte, b'\r' | b'\n') || (*byte == b'/' && self.vocabulary == Vocabulary::O200k)
            };
            let after = self.text.as_bytes()[end..].iter().take_while(|byte| is_after(byte)).count();
            return end + after;
        }
        self.white_end()
    }

    /// White space: up to its last end of line; else all but the last of it, which belongs to the word after
    /// it, unless there is none.
    fn white_end(&self) -> usize {
        let (mut at, mut last, mut last_break) = (self.at, self.at, None);
        while let Some((kind, next)) = self.kind(at)
            && kind.is_white()
        {
            if kind == Kind::Break {
                last_break = Some(next);
            }
            (last, at) = (at, next);
        }
        match last_break {
            Some(end) => end,
            None if at == self.text.len() || last == self.at => at,
            None => last,
        }
    }
}

fn is_upper(kind: Kind) -> bool {
    matches!(kind, Kind::Upper | Kind::Letter | Kind::Mark)
}

fn is_lower(kind: Kind) -> bool {
    matches!(kind, Kind::Lower | Kind::Letter | Kind::Mark)
}

impl<'t> Iterator for Pieces<'t, '_> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let (first, second) = self.kind(self.at)?;
        let end = self.end(first, second);
        let piece = &self.text[self.at..end];
        self.at = end;
        Some(piece)
    }
}
