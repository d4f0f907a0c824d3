//! Text of a file from its bytes: size, encoding, byte-order mark.

use crate::problem::Problem;

/// The largest file that is read, in bytes: 100,000 terms fit several times.
pub const MAX_BYTES: usize = 16 << 20;

const BOM: &str = "\u{feff}";

/// The text of a file, without its byte-order mark.
///
/// # Errors
/// If the file is too large, is not UTF-8, or holds a NUL.
pub fn decode<'b>(file: &str, bytes: &'b [u8]) -> Result<&'b str, Box<Problem>> {
    if bytes.len() > MAX_BYTES {
        return Err(Box::new(too_large(file, bytes.len() as u64)));
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        let problem = Problem::error(file, "the file is UTF-16", "save it as UTF-8");
        return Err(Box::new(problem.at(1, 1)));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let offset = error.valid_up_to();
        let valid = std::str::from_utf8(&bytes[..offset]).unwrap_or_default();
        let (line, column) = position(valid);
        let message = format!("the file is not UTF-8: byte {offset} is not part of any character");
        Box::new(Problem::error(file, message, "save it as UTF-8").at(line, column))
    })?;
    if let Some(offset) = text.find('\0') {
        let (line, column) = position(&text[..offset]);
        let problem =
            Problem::error(file, "the file holds a NUL character", "remove it; a text file has none");
        return Err(Box::new(problem.at(line, column)));
    }
    Ok(text.strip_prefix(BOM).unwrap_or(text))
}

/// Problem of a file that is too large to read.
pub(crate) fn too_large(file: &str, bytes: u64) -> Problem {
    let message = format!("the file is {bytes} bytes; at most {MAX_BYTES} are read");
    Problem::error(file, message, "split the list over several contexts, or shorten it")
}

/// Line and column, from 1, of the place right after `before`.
fn position(before: &str) -> (usize, usize) {
    let before = before.strip_prefix(BOM).unwrap_or(before);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
