//! Syntax errors in the words of someone who edits a file, not of someone who writes parsers.

use granit_parser::{ErrorKind, ScanError};

use super::node::Place;
use crate::problem::Problem;

/// A syntax error as a problem, with what to write instead.
pub(super) fn syntax(file: &str, text: &str, error: &ScanError) -> Problem {
    let marker = error.marker();
    let place = Place { line: marker.line().max(1), column: marker.col() + 1 };
    if let Some(tab) = tab_indentation(text, place.line) {
        let message = "a tab cannot indent YAML";
        return Problem::error(file, message, "replace the tab by two spaces").at(tab.line, tab.column);
    }
    let (message, fix) = words(error);
    Problem::error(file, message, fix).at(place.line, place.column)
}

/// The first tab in the indentation of the line of the error or one beside it: the parser often
/// stumbles only after it, or blames the text that goes on there.
fn tab_indentation(text: &str, line: usize) -> Option<Place> {
    let lines = text.split('\n').enumerate().skip(line.saturating_sub(2)).take(3);
    lines.map(|(index, content)| (index + 1, content)).find_map(|(line, content)| {
        let indentation = &content[..content.len() - content.trim_start_matches([' ', '\t']).len()];
        let column = indentation.find('\t')? + 1;
        let blank = content.trim().is_empty() || content.trim_start().starts_with('#');
        (!blank).then_some(Place { line, column })
    })
}

fn words(error: &ScanError) -> (String, &'static str) {
    use ErrorKind as Kind;
    let known = |message: &str, fix| (message.to_owned(), fix);
    match error.kind() {
        Kind::TabNotAllowed
        | Kind::TabInBlockIndentation
        | Kind::TabInIndentation
        | Kind::TabAtBlockScalarStart => known("a tab cannot indent YAML", "replace the tab by two spaces"),
        Kind::TabInPlainScalar => {
            known("a tab stands inside the text", "replace it by a space, or quote the text")
        }
        Kind::UnclosedQuotedScalar | Kind::DocumentIndicatorInQuotedScalar => {
            known("a quoted text has no end", "close it with the quote it began with")
        }
        Kind::UnclosedFlowCollection { open, .. } => {
            let close = if *open == '[' { "add the closing ]" } else { "add the closing }" };
            (format!("the {open} that stands here is never closed"), close)
        }
        Kind::UnexpectedEofFlowSequence | Kind::ExpectedFlowSequenceSeparator => known(
            "a list in [ ] is not well formed here",
            "separate entries by commas and end the list with ]",
        ),
        Kind::UnexpectedEofFlowMapping
        | Kind::UnexpectedEofImplicitFlowMapping
        | Kind::ExpectedFlowMappingSeparator => {
            known("a map in { } is not well formed here", "write {key: value, key: value} and end it with }")
        }
        Kind::MisplacedFlowCollectionEnd | Kind::MismatchedFlowCollectionEnd { .. } => {
            known("a closing bracket has no partner", "remove it, or add the opening one")
        }
        Kind::SimpleKeyExpected | Kind::InvalidSimpleKey => known(
            "this line is neither `key: value` nor an entry of a list",
            "write `key: value`, or `- ` in front of a list entry",
        ),
        Kind::ExpectedBlockMappingKey
        | Kind::ExpectedBlockSequenceEntry
        | Kind::InvalidIndentation
        | Kind::BlockSequenceEntryNotAllowed
        | Kind::MappingKeyNotAllowed
        | Kind::InvalidFlowScalarIndent
        | Kind::InvalidQuotedScalarIndent
        | Kind::InvalidBlockScalarIndent => known(
            "the indentation does not fit the lines above",
            "give entries of one list or map the same indentation, in spaces",
        ),
        Kind::MappingValueNotAllowed | Kind::InvalidColonPlacement => known(
            "a `: ` cannot stand here",
            "put a text that holds `: ` in quotes, or start `key: value` on a line of its own",
        ),
        Kind::UnknownQuotedScalarEscape
        | Kind::InvalidQuotedScalarHexEscape
        | Kind::InvalidUnicodeEscape
        | Kind::InvalidLowSurrogate
        | Kind::MissingLowSurrogate
        | Kind::UnpairedLowSurrogate
        | Kind::InvalidLowSurrogateHexEscape => {
            known("an escape in double quotes is unknown", "use single quotes, where \\ is just a character")
        }
        Kind::InvalidTrailingSingleQuotedScalar | Kind::InvalidTrailingDoubleQuotedScalar => known(
            "text follows the closing quote",
            "put the whole text in quotes; a single quote inside single quotes is written ''",
        ),
        Kind::UnexpectedCharacter { character } => (
            format!("a text cannot start with {character:?}"),
            "put the text in quotes: a text that starts with a sign of YAML needs them",
        ),
        Kind::MissingAnchorOrAliasName => {
            known("a text cannot start with * or &", "put the text in quotes: '*…'")
        }
        Kind::UnknownAnchor => known(
            "* names an anchor that does not exist",
            "put the text in quotes if it should be text: '*…'",
        ),
        Kind::RecursionLimitExceeded => known("lists or maps are nested too deeply", "nest less deeply"),
        Kind::ExpectedTagBang
        | Kind::InvalidTagTerminator
        | Kind::MissingTagUri
        | Kind::UndeclaredTagHandle => known("a text cannot start with !", "put the text in quotes: '!…'"),
        Kind::ExpectedDocumentStart | Kind::InvalidDocumentEnd => known(
            "text follows the end of the document",
            "indent it like the rest of the file; the file holds one map",
        ),
        Kind::BomInsideDocument => known("an invisible byte-order mark stands here", "delete that character"),
        Kind::CommentNotSeparated => known("a comment follows without a space", "put a space in front of #"),
        other => (format!("this is not YAML: {other}"), "check this line and the one above it"),
    }
}
