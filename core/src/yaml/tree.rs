//! The parser of one document: events of the YAML library into a tree of nodes, within bounds.

use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle, Tag, options};

use super::node::{Document, MapEntry, Node, Place, Style, Value};
use super::{errors, scalar, text};
use crate::problem::Problem;

/// Nodes that aliases may unfold to in one document. Keeps a "billion laughs" file harmless.
const ALIASED_NODES_MAX: usize = 50_000;
/// Bytes of text that they may unfold to: a few thousand aliases of one long text would fill the memory as well.
const ALIASED_BYTES_MAX: usize = 4 << 20;
/// Lists and maps inside each other. No file of ours needs more than five.
const NESTING_MAX: usize = 32;

/// Size of a node.
#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    bytes: usize,
}

impl Size {
    fn plus(self, other: Size) -> Size {
        Size { nodes: self.nodes.saturating_add(other.nodes), bytes: self.bytes.saturating_add(other.bytes) }
    }
}

/// Number of nodes in a node, itself included, and bytes of their texts.
fn size(node: &Node) -> Size {
    let own = |bytes| Size { nodes: 1, bytes };
    match &node.value {
        Value::List(items) => items.iter().map(size).fold(own(0), Size::plus),
        Value::Map(entries) => entries
            .iter()
            .map(|entry| size(&entry.value).plus(Size { nodes: 0, bytes: entry.key.len() }))
            .fold(own(0), Size::plus),
        Value::Text(text) | Value::Number(text) => own(text.len()),
        Value::Null | Value::Bool(_) => own(0),
    }
}

/// Parses one document. `file` is only for the message of a problem.
///
/// # Errors
/// If the bytes are not one well-formed YAML document within our bounds.
pub fn parse(file: &str, bytes: &[u8]) -> Result<Document, Box<Problem>> {
    let text = text::decode(file, bytes)?;
    Builder { file, text, ..Builder::default() }.run()
}

#[derive(Default)]
struct Builder<'t> {
    file: &'t str,
    text: &'t str,
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, Size)>,
    /// Size that aliases have unfolded to so far.
    aliased: Size,
    comments: Vec<Range<usize>>,
    has_aliases: bool,
    root: Option<Node>,
}

/// A collection whose end has not come yet.
struct Open {
    place: Place,
    start: usize,
    style: Style,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<MapEntry>, seen: HashMap<String, usize>, key: Option<Key> },
}

struct Key {
    text: String,
    place: Place,
    range: Range<usize>,
}

impl<'t> Builder<'t> {
    fn run(mut self) -> Result<Document, Box<Problem>> {
        let limits = options! {
            flow_nesting_limit: NESTING_MAX,
            block_nesting_limit: NESTING_MAX,
            max_buffered_comment_events: usize::MAX,
            disallow_directives: false,
        };
        let mut documents = 0;
        for event in Parser::new_from_str_with_options(self.text, limits) {
            let (event, span) =
                event.map_err(|error| Box::new(errors::syntax(self.file, self.text, &error)))?;
            match event {
                Event::DocumentStart(..) => {
                    documents += 1;
                    if documents > 1 {
                        let message = "a second document begins here";
                        return Err(self.problem(
                            place(&span),
                            message,
                            "remove the ---; a file holds one document",
                        ));
                    }
                }
                Event::Comment(..) => self.comments.push(bytes(&span)),
                Event::Alias(id) => self.alias(id, &span)?,
                Event::Scalar(text, style, anchor, tag) => {
                    self.scalar(&text, style, anchor, tag.as_deref(), &span)?
                }
                Event::SequenceStart(style, anchor, tag) => {
                    self.check_tag(tag.as_deref(), "seq", &span)?;
                    self.open(Content::List(Vec::new()), style, anchor, &span)?;
                }
                Event::MappingStart(style, anchor, tag) => {
                    self.check_tag(tag.as_deref(), "map", &span)?;
                    let content = Content::Map { entries: Vec::new(), seen: HashMap::new(), key: None };
                    self.open(content, style, anchor, &span)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.close(&span)?,
                _ => {}
            }
        }
        let nothing = Node {
            value: Value::Null,
            place: Place { line: 1, column: 1 },
            range: 0..0,
            style: Style::Plain,
        };
        Ok(Document {
            root: self.root.unwrap_or(nothing),
            comments: self.comments,
            has_aliases: self.has_aliases,
        })
    }

    fn problem(&self, place: Place, message: impl Into<String>, fix: impl Into<String>) -> Box<Problem> {
        Box::new(Problem::error(self.file, message, fix).at(place.line, place.column))
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        span: &Span,
    ) -> Result<(), Box<Problem>> {
        let plain = style == ScalarStyle::Plain;
        let value = match tag.map(|tag| (tag, tag.core_suffix())) {
            None if plain => scalar::plain(text),
            Some((_, Some("null" | "bool" | "int" | "float"))) => scalar::plain(text),
            None | Some((_, Some("str"))) => Value::Text(text.to_owned()),
            Some((tag, _)) if tag.original() == "!" => Value::Text(text.to_owned()),
            Some((tag, _)) => {
                self.check_tag(Some(tag), "str", span)?;
                Value::Text(text.to_owned())
            }
        };
        let is_folded = || self.text.get(bytes(span)).is_some_and(|written| written.trim().contains('\n'));
        let style = match plain {
            true if is_folded() => Style::Folded,
            true => Style::Plain,
            false => Style::Quoted,
        };
        self.place(Node { value, place: place(span), range: bytes(span), style }, anchor)
    }

    fn check_tag(&self, tag: Option<&Tag>, fits: &str, span: &Span) -> Result<(), Box<Problem>> {
        match tag {
            Some(tag) if tag.core_suffix() != Some(fits) => {
                let message = "a tag (a word that starts with !) has no meaning here";
                let place = span
                    .tag_start()
                    .map_or(place(span), |mark| Place { line: mark.line(), column: mark.col() + 1 });
                Err(self.problem(place, message, "remove it, or put a text that starts with ! in quotes"))
            }
            _ => Ok(()),
        }
    }

    fn alias(&mut self, id: usize, span: &Span) -> Result<(), Box<Problem>> {
        self.has_aliases = true;
        let Some((target, size)) = self.anchors.get(&id) else {
            let message = "an alias refers to the very list or map it stands in";
            return Err(self.problem(place(span), message, "write the content out"));
        };
        self.aliased = self.aliased.plus(*size);
        if self.aliased.nodes > ALIASED_NODES_MAX || self.aliased.bytes > ALIASED_BYTES_MAX {
            let message = format!(
                "aliases unfold to more than {ALIASED_NODES_MAX} values or {} MiB of text",
                ALIASED_BYTES_MAX >> 20
            );
            return Err(self.problem(place(span), message, "write the content out"));
        }
        // What stands below keeps its own place: an error in it is an error there.
        let mut node = target.clone();
        (node.place, node.range, node.style) = (place(span), bytes(span), Style::Alias);
        self.place(node, 0)
    }

    fn open(
        &mut self,
        content: Content,
        style: StructureStyle,
        anchor: usize,
        span: &Span,
    ) -> Result<(), Box<Problem>> {
        if self.open.len() >= NESTING_MAX {
            return Err(self.problem(place(span), "lists or maps are nested too deeply", "nest less deeply"));
        }
        let style = if matches!(style, StructureStyle::Flow) { Style::Flow } else { Style::Block };
        self.open.push(Open { place: place(span), start: bytes(span).start, style, anchor, content });
        Ok(())
    }

    fn close(&mut self, span: &Span) -> Result<(), Box<Problem>> {
        let Some(closed) = self.open.pop() else { return Ok(()) };
        let value = match closed.content {
            Content::List(items) => Value::List(items),
            Content::Map { entries, .. } => Value::Map(entries),
        };
        let range = closed.start..bytes(span).end.max(closed.start);
        self.place(Node { value, place: closed.place, range, style: closed.style }, closed.anchor)
    }

    /// Puts a finished node where it belongs: into the open collection, or at the root.
    fn place(&mut self, node: Node, anchor: usize) -> Result<(), Box<Problem>> {
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size(&node)));
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut parent.content {
            Content::List(items) => items.push(node),
            Content::Map { entries, seen, key } => match key.take() {
                Some(Key { text, place, range }) => {
                    entries.push(MapEntry { key: text, place, range, value: node });
                }
                None => {
                    let (place, range) = (node.place, node.range.clone());
                    let text = match node.value {
                        Value::Text(text) | Value::Number(text) => text,
                        Value::Bool(flag) => flag.to_string(),
                        _ => {
                            let message = format!("a key must be a word, but this one is {}", node.kind());
                            return Err(self.problem(place, message, "write `key: value`"));
                        }
                    };
                    if text == "<<" {
                        let message = "merge keys (<<) are not supported";
                        return Err(self.problem(place, message, "write the keys out"));
                    }
                    if let Some(first) = seen.insert(text.clone(), place.line) {
                        // The key is not shown: a term that lacks quotes can become one.
                        let message = format!("this key stands twice in one map, first on line {first}");
                        return Err(self.problem(
                            place,
                            message,
                            "keep one of the two and merge what they hold",
                        ));
                    }
                    *key = Some(Key { text, place, range });
                }
            },
        }
        Ok(())
    }
}

fn place(span: &Span) -> Place {
    Place { line: span.start.line().max(1), column: span.start.col() + 1 }
}

fn bytes(span: &Span) -> Range<usize> {
    span.byte_range().unwrap_or_default()
}
