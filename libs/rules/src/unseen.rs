//! Characters of a text that a reader does not see, or that change how others are seen: the one list for
//! everything that shows texts to a person or warns of what is hidden in them.
//!
//! Some of them belong to ordinary writing, where what stands around them shows it: a joiner in Persian or
//! Hindi, the joiner of a family of emoji, the three flags of parts of the United Kingdom, a mark of
//! direction in Arabic or Hebrew, the selector behind an emoji, a break between words of Thai or Khmer. One
//! of them at such a place is seen; a second one beside it says nothing to a reader and is not.
//!
//! What a rule's term skips while it matches is another question, and the firewall's own (`fold`).

use std::borrow::Cow;
use std::fmt::Write;
use std::str::CharIndices;

use unicode_script::{Script, UnicodeScript};

/// How far from a mark of direction, in characters, the letter is looked for that it is about: over blanks,
/// digits and signs between two runs of text. It bounds the work for each mark.
const NEAR: usize = 16;

/// Whether a character by itself shows nothing, or changes how others show. Line breaks and tabs are
/// counted: in one line they are not to be seen as what they are.
#[must_use]
pub fn is_unseen(c: char) -> bool {
    match c {
        ' '..='~' => false,
        _ if c.is_control() => true,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' => true,
        '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' => true,
        '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' => true,
        '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' => true,
        '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' => true,
        // Noncharacters: no font has them.
        '\u{fdd0}'..='\u{fdef}' => true,
        _ => u32::from(c) & 0xfffe == 0xfffe,
    }
}

/// Characters of `text` that its reader does not see where they stand, with their places in bytes.
/// Line breaks and tabs are what they seem to be.
#[must_use]
pub fn unseen(text: &str) -> Unseen<'_> {
    Unseen { text, rest: text.char_indices(), before: Before::default(), flag_ends: 0 }
}

/// `text` as one line, with what would not be seen written out (`\u{1b}`), line breaks and tabs included.
#[must_use]
pub fn shown_line(text: &str) -> Cow<'_, str> {
    written_out(text, text.char_indices().filter(|(_, c)| matches!(c, '\n' | '\t' | '\r')))
}

/// `text` as it is, with what would not be seen written out (`\u{1b}`).
#[must_use]
pub fn shown_text(text: &str) -> Cow<'_, str> {
    written_out(text, std::iter::empty())
}

fn written_out<'t>(text: &'t str, also: impl Iterator<Item = (usize, char)>) -> Cow<'t, str> {
    // Most texts are plain, and are handed back as they are.
    let mut places: Vec<(usize, char)> = unseen(text).chain(also).collect();
    if places.is_empty() {
        return Cow::Borrowed(text);
    }
    places.sort_unstable();
    places.dedup();
    let (mut shown, mut at) = (String::with_capacity(text.len() + 8 * places.len()), 0);
    for (place, c) in places {
        shown.push_str(&text[at..place]);
        // Writing into a string does not fail.
        let _ = write!(shown, "{}", c.escape_unicode());
        at = place + c.len_utf8();
    }
    shown.push_str(&text[at..]);
    Cow::Owned(shown)
}

/// Iterator of [`unseen`]. One pass, with a bounded look ahead.
#[derive(Debug, Clone)]
pub struct Unseen<'t> {
    text: &'t str,
    rest: CharIndices<'t>,
    before: Before,
    /// Where the flag ends that is being read, in bytes: its letters are part of a picture.
    flag_ends: usize,
}

/// What stands before a character.
#[derive(Debug, Clone, Copy, Default)]
struct Before {
    /// The character right before.
    last: Option<char>,
    /// The one that the last character belongs to: marks and selectors stand on another one.
    base: Option<char>,
    /// The letter last seen on this line, and how many characters ago.
    letter: Option<(char, usize)>,
}

impl Iterator for Unseen<'_> {
    type Item = (usize, char);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (at, c) = self.rest.next()?;
            let is_hidden = is_unseen(c) && !self.is_at_home(at, c);
            self.before.pass(c, is_hidden);
            if is_hidden {
                return Some((at, c));
            }
        }
    }
}

impl Unseen<'_> {
    /// Whether a character that shows nothing by itself belongs to ordinary writing at this place.
    fn is_at_home(&mut self, at: usize, c: char) -> bool {
        let after = || self.text[at + c.len_utf8()..].chars();
        let Before { last, base, letter } = self.before;
        match c {
            '\n' | '\t' => true,
            '\r' => after().next() == Some('\n'),
            '\u{e0020}'..='\u{e007f}' => {
                if at >= self.flag_ends
                    && last == Some(BLACK_FLAG)
                    && let Some(length) = flag(&self.text[at..])
                {
                    self.flag_ends = at + length;
                }
                at < self.flag_ends
            }
            // A heart in red joins another picture behind its selector; nothing else follows what is unseen.
            _ if last
                .is_some_and(|last| is_unseen_sign(last) && !(c == '\u{200d}' && last == '\u{fe0f}')) =>
            {
                false
            }
            '\u{200c}' | '\u{200d}' => {
                let next = after().next();
                base.is_some_and(joins)
                    || next.is_some_and(joins) && base.is_some_and(|base| !base.is_whitespace())
                    || c == '\u{200d}' && base.is_some_and(is_picture) && next.is_some_and(is_picture)
            }
            '\u{200b}' => base.is_some_and(breaks_unseen) || after().next().is_some_and(breaks_unseen),
            '\u{61c}' | '\u{200e}' | '\u{200f}' => {
                letter.is_some_and(|(letter, ago)| ago <= NEAR && is_right_to_left(letter))
                    || after()
                        .take_while(|c| *c != '\n')
                        .take(NEAR)
                        .find(|c| c.is_alphabetic())
                        .is_some_and(is_right_to_left)
            }
            '\u{fe0e}' | '\u{fe0f}' => {
                last.is_some_and(|last| is_picture(last) || matches!(last, '0'..='9' | '#' | '*'))
            }
            '\u{fe00}'..='\u{fe0d}' => last.is_some_and(|last| {
                is_picture(last) || matches!(last.script(), Script::Han | Script::Myanmar | Script::Phags_Pa)
            }),
            '\u{e0100}'..='\u{e01ef}' => last.is_some_and(|last| last.script() == Script::Han),
            '\u{180b}'..='\u{180f}' => last.is_some_and(|last| last.script() == Script::Mongolian),
            _ => false,
        }
    }
}

impl Before {
    fn pass(&mut self, c: char, is_hidden: bool) {
        if c.is_alphabetic() {
            self.letter = Some((c, 0));
        } else if c == '\n' {
            self.letter = None;
        }
        if let Some((_, ago)) = &mut self.letter {
            *ago += 1;
        }
        // A selector, a tone of skin or a mark stands on what is before it. What is hidden is nothing to
        // stand on.
        let is_on_base = is_unseen_sign(c) || is_skin(c) || c.script() == Script::Inherited;
        if is_hidden || !is_on_base {
            self.base = (!is_hidden).then_some(c);
        }
        self.last = Some(c);
    }
}

/// The flag whose tag letters name a part of a country.
const BLACK_FLAG: char = '\u{1f3f4}';

/// The parts of countries that have a flag of their own among the emoji: England, Scotland, Wales. Every
/// other name behind a flag is drawn nowhere.
const FLAGS: [&str; 3] = ["gbeng", "gbsct", "gbwls"];

/// Length in bytes of the tag letters at the beginning of a text, where they name a flag and end.
fn flag(tags: &str) -> Option<usize> {
    FLAGS.iter().find_map(|name| {
        let mut rest = tags.char_indices();
        let mut tag = |letter: u8| rest.next().filter(|(_, c)| u32::from(*c) == 0xe0000 + u32::from(letter));
        name.bytes().try_for_each(|letter| tag(letter).map(|_| ()))?;
        let (at, end) = tag(0x7f)?;
        Some(at + end.len_utf8())
    })
}

/// Whether a character is unseen and not a break of lines or a tab.
fn is_unseen_sign(c: char) -> bool {
    is_unseen(c) && !matches!(c, '\n' | '\r' | '\t')
}

/// Whether letters of the script that it belongs to are told to join or not to.
fn joins(c: char) -> bool {
    use Script as S;
    matches!(
        c.script(),
        S::Arabic
            | S::Syriac
            | S::Mandaic
            | S::Nko
            | S::Adlam
            | S::Mongolian
            | S::Phags_Pa
            | S::Thaana
            | S::Devanagari
            | S::Bengali
            | S::Gurmukhi
            | S::Gujarati
            | S::Oriya
            | S::Tamil
            | S::Telugu
            | S::Kannada
            | S::Malayalam
            | S::Sinhala
            | S::Khmer
            | S::Myanmar
            | S::Tibetan
            | S::Balinese
            | S::Javanese
            | S::Sundanese
            | S::Meetei_Mayek
            | S::Grantha
            | S::Newa
            | S::Tirhuta
            | S::Chakma
    )
}

/// Whether its script writes no blank between words and may mark where a line can break.
fn breaks_unseen(c: char) -> bool {
    use Script as S;
    matches!(c.script(), S::Thai | S::Lao | S::Khmer | S::Myanmar | S::Tibetan | S::Tai_Tham | S::Javanese)
}

fn is_right_to_left(c: char) -> bool {
    use Script as S;
    matches!(
        c.script(),
        S::Arabic
            | S::Hebrew
            | S::Syriac
            | S::Thaana
            | S::Nko
            | S::Mandaic
            | S::Samaritan
            | S::Adlam
            | S::Hanifi_Rohingya
    )
}

/// Whether it is an emoji or a sign that is drawn as one.
fn is_picture(c: char) -> bool {
    matches!(c, '©' | '®' | '\u{203c}' | '\u{2049}' | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}')
        || matches!(c, '\u{2100}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}') && !is_skin(c)
}

fn is_skin(c: char) -> bool {
    matches!(c, '\u{1f3fb}'..='\u{1f3ff}')
}

#[cfg(test)]
mod tests;
