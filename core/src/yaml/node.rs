//! The tree of one document, in which every node knows where it stands.

use std::ops::Range;

/// One YAML file.
#[derive(Clone, PartialEq, Debug)]
pub struct Document {
    /// Its value; [`Value::Null`] where the file is empty or holds only comments.
    pub root: Node,
    /// Ranges of the comments, from `#` to the end of the line without the line break.
    pub comments: Vec<Range<usize>>,
    /// Whether anything in it is an alias.
    pub has_aliases: bool,
}

/// One value with its place.
#[derive(Clone, PartialEq, Debug)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Place where it begins.
    pub place: Place,
    /// Its bytes in the text, without byte-order mark. For block collections the end is somewhere
    /// behind the last child.
    pub range: Range<usize>,
    /// Style of writing.
    pub style: Style,
}

/// A line and a column, both from 1. Columns count characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// A value by the core schema of YAML 1.2.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// No value, or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it was written.
    Number(String),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file. No key stands twice.
    Map(Vec<MapEntry>),
}

/// One key with its value.
#[derive(Clone, PartialEq, Debug)]
pub struct MapEntry {
    /// The key.
    pub key: String,
    /// Place where the key begins.
    pub place: Place,
    /// The key's bytes.
    pub range: Range<usize>,
    /// The value.
    pub value: Node,
}

/// Styles of writing a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// Text without quotes, or nothing.
    Plain,
    /// Text without quotes over several lines, which are one text with blanks in between.
    Folded,
    /// Text in quotes or as a block of lines.
    Quoted,
    /// A collection by indentation.
    Block,
    /// A collection in brackets.
    Flow,
    /// An alias of another node.
    Alias,
}

impl Node {
    /// The entries, if this is a map.
    pub fn entries(&self) -> Option<&[MapEntry]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// Name of its type for an error message.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}
