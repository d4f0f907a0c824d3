//! What is shown: lines and tables for people, JSON for programs.
//!
//! Colour only where a terminal reads and `NO_COLOR` is not set. Nothing is written but what is [`Shown`]: a
//! text of a file, a caller or a provider with what would not be seen, or would move the cursor, written
//! out. Standard output and standard error are reached here alone; a test walks the other files.

use crate::failure::Result;
use serde::Serialize;
use serde_json::Value;
use std::io::{IsTerminal, StdoutLock, Write};
use unicode_width::UnicodeWidthStr;

/// A text that may be written to a terminal: made of any text, and then without a sequence that a terminal
/// obeys, but for the colours that are put around it here. It cannot be put into another text unseen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown(String);

impl From<&str> for Shown {
    /// Line breaks and tabs stay what they are.
    fn from(text: &str) -> Self {
        Shown(zos_rules::shown_text(text).into_owned())
    }
}

impl From<&String> for Shown {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<String> for Shown {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<&Shown> for Shown {
    fn from(shown: &Shown) -> Self {
        shown.clone()
    }
}

impl<const N: usize> From<[Shown; N]> for Shown {
    /// The parts behind each other.
    fn from(parts: [Shown; N]) -> Self {
        Shown(parts.map(|Shown(part)| part).concat())
    }
}

/// Parts of a line behind each other, each made visible.
macro_rules! shown {
    ($($part:expr),+ $(,)?) => {
        $crate::output::Shown::from([$($crate::output::Shown::from($part)),+])
    };
}
pub(crate) use shown;

/// An answer of the admin API as JSON.
pub(crate) fn shape(answer: &impl Serialize) -> Value {
    serde_json::to_value(answer).expect("the API's shapes hold only strings, numbers and maps of them")
}

/// Writes a line on standard error. Nothing better can be done when it cannot be written.
pub(crate) fn note(text: impl Into<Shown>) {
    let Shown(text) = text.into();
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Writes how far something came, over what was written before; an empty text takes it away.
pub(crate) fn progress(text: &str) {
    let Shown(text) = shown_in_line(text);
    let _ = write!(std::io::stderr(), "\r\x1b[K{text}");
}

/// Whether a person reads standard error.
pub(crate) fn errors_are_read() -> bool {
    std::io::stderr().is_terminal()
}

/// A text as a part of one line.
fn shown_in_line(text: &str) -> Shown {
    Shown(zos_rules::shown_line(text).into_owned())
}

/// JSON in which what would not be seen is written as JSON writes it. Such characters stand within its
/// strings alone, so it says the same.
fn seen_json(json: &str) -> Shown {
    let (mut out, mut at) = (String::with_capacity(json.len()), 0);
    for (place, c) in zos_rules::unseen(json) {
        out.push_str(&json[at..place]);
        for unit in c.encode_utf16(&mut [0; 2]) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
        at = place + c.len_utf8();
    }
    out.push_str(&json[at..]);
    Shown(out)
}

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
        self.line(seen_json(&text))
    }

    /// Writes a value as one line of JSON.
    pub(crate) fn json_line(&mut self, value: &impl serde::Serialize) -> Result<()> {
        let text =
            serde_json::to_string(value).expect("what is shown holds only strings, numbers and maps of them");
        self.line(seen_json(&text))?;
        Ok(self.out.flush()?)
    }

    /// Writes a line, or several.
    pub(crate) fn line(&mut self, text: impl Into<Shown>) -> Result<()> {
        let Shown(text) = text.into();
        Ok(writeln!(self.out, "{text}")?)
    }

    /// Asks for an answer on the same line.
    pub(crate) fn ask(&mut self, question: &str) -> Result<()> {
        let Shown(question) = question.into();
        write!(self.out, "{question} ")?;
        self.flush()
    }

    /// Writes a text byte for byte where a program reads, and visibly where a person does.
    pub(crate) fn exact(&mut self, text: &str) -> Result<()> {
        if std::io::stdout().is_terminal() {
            let Shown(text) = text.into();
            return Ok(write!(self.out, "{text}")?);
        }
        Ok(self.out.write_all(text.as_bytes())?)
    }

    /// Whether a person reads what is written.
    pub(crate) fn is_read(&self) -> bool {
        std::io::stdout().is_terminal()
    }

    /// Passes on what waits.
    pub(crate) fn flush(&mut self) -> Result<()> {
        Ok(self.out.flush()?)
    }

    /// A part of a line in a tone.
    pub(crate) fn toned(&self, tone: Tone, text: &str) -> Shown {
        self.coloured(tone, shown_in_line(text))
    }

    fn coloured(&self, tone: Tone, Shown(text): Shown) -> Shown {
        Shown(if self.has_colour && tone != Tone::Plain {
            format!("{}{text}\x1b[0m", tone.code())
        } else {
            text
        })
    }

    /// Writes lines of a name and what it stands for, aligned.
    pub(crate) fn facts(&mut self, facts: &[(&str, Cell)]) -> Result<()> {
        let width = facts.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
        for (name, Cell(tone, fact)) in facts {
            let name = self.toned(Tone::Quiet, &format!("{name:<width$}"));
            let fact = self.toned(*tone, fact);
            self.line(shown!["  ", name, "  ", fact])?;
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
            // Of parts that are shown, and blanks.
            for ((Cell(tone, text), width), (_, side)) in row.iter().zip(&widths).zip(&table.columns) {
                let text = shown_in_line(text);
                let blank = " ".repeat(width.saturating_sub(text.0.width()));
                let Shown(text) = self.coloured(*tone, text);
                let (before, after) = match side {
                    Side::Left => ("", blank.as_str()),
                    Side::Right => (blank.as_str(), ""),
                };
                line.push_str(&format!("{before}{text}{after}  "));
            }
            self.line(Shown(line.trim_end().to_owned()))?;
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
            self.rows
                .iter()
                .filter_map(move |row| row.get(index))
                .map(|Cell(_, text)| shown_in_line(text).0.width())
        };
        let column =
            |(index, (head, _)): (usize, &(&str, Side))| cell(index).chain([head.width()]).max().unwrap_or(0);
        let columns = self.columns.iter().enumerate().map(column);
        columns.zip(&self.least).map(|(width, least)| width.max(*least)).collect()
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
    fn what_could_rewrite_the_screen_is_written_out() {
        let foreign = "a\x1b[2Jb\u{202e}c\u{9b}31m\n";
        assert_eq!(Shown::from(foreign).0, "a\\u{1b}[2Jb\\u{202e}c\\u{9b}31m\n");
        assert_eq!(shown_in_line(foreign).0, "a\\u{1b}[2Jb\\u{202e}c\\u{9b}31m\\u{a}");
        assert_eq!(
            shown![foreign.trim_end(), ": ", "Zürich 東京"].0,
            "a\\u{1b}[2Jb\\u{202e}c\\u{9b}31m: Zürich 東京"
        );
    }

    #[test]
    fn json_says_the_same_without_what_a_terminal_obeys() {
        let value = serde_json::json!({"a\u{9b}": "x\u{202e}y\u{1b}\u{e0041}\u{7f}", "b": "می\u{200c}خواهم"});
        let Shown(text) = seen_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(
            !text.contains(['\u{9b}', '\u{202e}', '\u{1b}', '\u{e0041}', '\u{7f}'])
                && text.contains('\u{200c}')
        );
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    /// Whatever writes past [`Output`] writes what nobody made visible. The protocol of `zos mcp` is read by
    /// programs, and only it.
    #[test]
    fn no_other_file_reaches_a_terminal() {
        fn files(folder: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                match entry.unwrap().path() {
                    path if path.is_dir() => files(&path, found),
                    path => found.push(path),
                }
            }
        }
        let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut found = Vec::new();
        files(&source, &mut found);
        assert!(found.len() > 40, "{found:?}");
        for path in found.iter().filter(|path| !path.ends_with("output.rs") && !path.ends_with("src/mcp.rs"))
        {
            let text = std::fs::read_to_string(path).unwrap();
            for way in ["stdout()", "stderr()", "println!", "print!", "dbg!", "/dev/tty"] {
                assert!(!text.contains(way), "{}: {way}", path.display());
            }
        }
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
