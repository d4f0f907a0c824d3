//! What is shown: lines and tables for people, JSON for programs.
//!
//! Colour only where a terminal reads and `NO_COLOR` is not set. What came from outside is shown without
//! its control characters, which could otherwise rewrite the screen.

use crate::failure::Result;
use serde_json::Value;
use std::io::{IsTerminal, StdoutLock, Write};
use unicode_width::UnicodeWidthStr;

/// Where a command writes.
pub(crate) struct Output {
    out: StdoutLock<'static>,
    is_json: bool,
    has_colour: bool,
}

/// How a text stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Strong,
    Quiet,
    Good,
    Notice,
    Bad,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Tone::Plain => "",
            Tone::Strong => "\x1b[1m",
            Tone::Quiet => "\x1b[2m",
            Tone::Good => "\x1b[32m",
            Tone::Notice => "\x1b[33m",
            Tone::Bad => "\x1b[31m",
        }
    }
}

impl Output {
    /// Standard output.
    pub(crate) fn new(is_json: bool) -> Self {
        let has_colour = colour_is_wanted() && std::io::stdout().is_terminal();
        Output { out: std::io::stdout().lock(), is_json, has_colour }
    }

    /// Whether JSON was asked for.
    pub(crate) fn is_json(&self) -> bool {
        self.is_json
    }

    /// Writes a value as JSON, indented.
    pub(crate) fn json(&mut self, value: &impl serde::Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(value)
            .expect("what is shown holds only strings, numbers and maps of them");
        self.line(&text)
    }

    /// Writes a value as one line of JSON.
    pub(crate) fn json_line(&mut self, value: &impl serde::Serialize) -> Result<()> {
        let text =
            serde_json::to_string(value).expect("what is shown holds only strings, numbers and maps of them");
        self.line(&text)?;
        Ok(self.out.flush()?)
    }

    /// Writes a line as it is.
    pub(crate) fn line(&mut self, text: &str) -> Result<()> {
        Ok(writeln!(self.out, "{text}")?)
    }

    /// Passes on what waits.
    pub(crate) fn flush(&mut self) -> Result<()> {
        Ok(self.out.flush()?)
    }

    /// A text in a tone.
    pub(crate) fn toned(&self, tone: Tone, text: &str) -> String {
        let text = visible(text);
        if self.has_colour && tone != Tone::Plain { format!("{}{text}\x1b[0m", tone.code()) } else { text }
    }

    /// Writes lines of a name and what it stands for, aligned.
    pub(crate) fn facts(&mut self, facts: &[(&str, Cell)]) -> Result<()> {
        let width = facts.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
        for (name, Cell(tone, fact)) in facts {
            let name = self.toned(Tone::Quiet, &format!("{name:<width$}"));
            let fact = self.toned(*tone, fact);
            self.line(&format!("  {name}  {fact}"))?;
        }
        Ok(())
    }

    /// Writes a table.
    pub(crate) fn table(&mut self, table: &Table) -> Result<()> {
        let widths = table.widths();
        let heads: Vec<Cell> =
            table.columns.iter().map(|(name, _)| Cell(Tone::Quiet, (*name).to_owned())).collect();
        for row in table.has_heads.then_some(&heads).into_iter().chain(&table.rows) {
            let mut line = String::new();
            for ((Cell(tone, text), width), (_, side)) in row.iter().zip(&widths).zip(&table.columns) {
                let text = visible(text);
                let blank = " ".repeat(width.saturating_sub(text.width()));
                let text = self.toned(*tone, &text);
                let (before, after) = match side {
                    Side::Left => ("", blank.as_str()),
                    Side::Right => (blank.as_str(), ""),
                };
                line.push_str(&format!("{before}{text}{after}  "));
            }
            self.line(line.trim_end())?;
        }
        Ok(())
    }
}

/// Whether the person lets programs colour what they write.
pub(crate) fn colour_is_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Rows under heads, each column as wide as its widest cell.
pub(crate) struct Table {
    columns: Vec<(&'static str, Side)>,
    rows: Vec<Vec<Cell>>,
    has_heads: bool,
    /// Widths of a table that this one goes on with.
    least: Vec<usize>,
}

/// Which side of its column a cell stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// A cell: its tone and its text.
pub(crate) struct Cell(pub(crate) Tone, pub(crate) String);

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Cell(Tone::Plain, text.into())
    }
}

impl Table {
    /// A table; a head that begins with `>` stands above numbers.
    pub(crate) fn new(heads: &[&'static str]) -> Self {
        let column = |head: &&'static str| match head.strip_prefix('>') {
            Some(head) => (head, Side::Right),
            None => (*head, Side::Left),
        };
        Table {
            columns: heads.iter().map(column).collect(),
            rows: Vec::new(),
            has_heads: true,
            least: vec![0; heads.len()],
        }
    }

    /// Goes on below a table of the same columns.
    pub(crate) fn below(mut self, widths: Vec<usize>) -> Self {
        self.has_heads = false;
        self.least = widths;
        self
    }

    /// Adds a row of as many cells as there are columns.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// The width of each column.
    pub(crate) fn widths(&self) -> Vec<usize> {
        let cell = |index: usize| {
            self.rows.iter().filter_map(move |row| row.get(index)).map(|Cell(_, text)| visible(text).width())
        };
        let column =
            |(index, (head, _)): (usize, &(&str, Side))| cell(index).chain([head.width()]).max().unwrap_or(0);
        let columns = self.columns.iter().enumerate().map(column);
        columns.zip(&self.least).map(|(width, least)| width.max(*least)).collect()
    }
}

/// A text whose control characters are shown, not obeyed.
pub(crate) fn visible(text: &str) -> String {
    let hides = |character: char| {
        character.is_control()
            || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.contains(hides) {
        text.chars().map(|c| if hides(c) { '\u{fffd}' } else { c }).collect()
    } else {
        text.to_owned()
    }
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A time of a record without its `T`, fractions and zone: tables say once that it is UTC.
pub(crate) fn short_time(time: &str) -> String {
    time.get(..19).map_or_else(|| time.to_owned(), |time| time.replace('T', " "))
}

/// Reads members of an answer, whoever gave it.
pub(crate) trait Members {
    /// A text; empty where there is none.
    fn text(&self, key: &str) -> &str;
    /// A whole number.
    fn number(&self, key: &str) -> Option<u64>;
    /// A flag; false where there is none.
    fn flag(&self, key: &str) -> bool;
    /// A list; empty where there is none.
    fn list(&self, key: &str) -> &[Value];
}

impl Members for Value {
    fn text(&self, key: &str) -> &str {
        self.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.get(key).and_then(Value::as_u64)
    }

    fn flag(&self, key: &str) -> bool {
        self.get(key).and_then(Value::as_bool).unwrap_or_default()
    }

    fn list(&self, key: &str) -> &[Value] {
        self.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn what_could_rewrite_the_screen_is_shown_as_a_mark() {
        assert_eq!(visible("a\x1b[2Jb\u{202e}c\n"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}");
        assert_eq!(visible("Zürich 東京"), "Zürich 東京");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["NAME", ">USED"]);
        table.row(vec!["東京".into(), "1".into()]);
        table.row(vec!["a".into(), "1,000,000".into()]);
        assert_eq!(table.widths(), [4, 9]);
    }

    #[test]
    fn a_time_loses_what_a_table_says_once() {
        assert_eq!(short_time("2026-11-22T14:05:00.123Z"), "2026-11-22 14:05:00");
        assert_eq!(short_time("soon"), "soon");
    }
}
