//! Places of the strings in the events of an answer.
//!
//! A string is told from another by the way to it: the keys, and in lists the raw text of an `index` member
//! or else the position. `"index": 1`, `1.0`, `"1"` and no index at all are four ways, because nobody knows
//! which of them a client takes for the same. Names are compared letter by letter and never by a hash, so
//! that no provider can make two ways meet.
//!
//! What a string is there for ([`Role`]) says only how long it may be held and whether it is counted: every string of every event becomes a [`Leaf`], whatever it is called.

use crate::json::{Str, Value};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

/// Number of a place. It stays the same for the whole answer.
pub type Place = usize;

/// The event itself.
pub const ROOT: Place = 0;

/// The one place of whatever comes when there are too many: its strings are read as one text.
const ELSEWHERE: Place = 1;

/// The most places of one answer. A hundred parallel calls take two thousand.
const PLACES_LIMIT: usize = 32 << 10;

/// The most bytes of names that are kept for one answer.
const NAMES_BYTES: usize = 1 << 20;

/// Beyond so many names in one place they are looked up in a table.
const LIST_NAMES: usize = 16;

/// Keys under which an API says text that a client shows as the answer.
const TEXT_KEYS: &[&str] = &["content", "text", "output_text"];

/// Keys that hold what is said and say nothing themselves.
const CONTAINERS: &[&str] = &["delta", "message", "content_block", "item", "output", "part", "response"];

/// Keys under which an API says the arguments of a tool call.
pub const ARGUMENT_KEYS: &[&str] = &["arguments", "input", "parameters", "partial_json"];

/// Keys of what is said at once even beside text that comes in pieces: names, ids, padding, sources, sound
/// and pictures. They are inspected like everything else, but nothing waits for more of them.
const WHOLE_KEYS: &[&str] = &[
    "annotation",
    "annotations",
    "b64_json",
    "citation",
    "citations",
    "data",
    "encrypted_content",
    "finish_reason",
    "format",
    "image_url",
    "images",
    "index",
    "model",
    "name",
    "obfuscation",
    "object",
    "partial_image_b64",
    "phase",
    "role",
    "signature",
    "status",
    "stop_reason",
    "stop_sequence",
    "type",
    "url",
];

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Text that the client shows as the answer.
    Text,
    /// Arguments of a tool call: pieces of one JSON text.
    Arguments,
    /// Thinking, refusals, transcripts and whatever else comes in pieces.
    Other,
}

/// Where a dialect's own event can say text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channel {
    /// Choice, content block or output item.
    pub block: u64,
    /// The part of an item's content.
    pub part: u64,
}

/// What a string is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A piece of a text that goes on.
    Piece,
    /// Said over again beside the text, a token or a byte at a time.
    Echo,
    /// Said at once.
    Whole,
    /// A key that stands at its place for the first time.
    Key,
}

/// The words of a leaf.
#[derive(Debug, Clone)]
pub enum Words<'a> {
    /// A string.
    String(Str<'a>),
    /// A number, as it is written.
    Number(&'a str),
    /// A list of bytes, read as text.
    Bytes(String),
}

/// One string of an event, or what a client may read as one.
#[derive(Debug, Clone)]
pub struct Leaf<'a> {
    /// Where it stands.
    pub place: Place,
    /// What it is there for.
    pub role: Role,
    /// What it says, where it is a piece or the arguments of a call.
    pub kind: Kind,
    /// The choice or message that it belongs to.
    pub scope: Place,
    /// The choice, block or item that it belongs to.
    pub block: Place,
    /// The tool call that it belongs to; [`ROOT`] for none.
    pub call: Place,
    /// Where text can be said in the dialect's own words, if this is such a text.
    pub spoken: Option<Channel>,
    /// What it says.
    pub words: Words<'a>,
    /// Where it stands in the text of the event, quotes excluded.
    pub range: Range<usize>,
}

impl Leaf<'_> {
    /// What it says, decoded.
    pub fn text(&self) -> Cow<'_, str> {
        match &self.words {
            Words::String(text) => text.text(),
            Words::Number(digits) => Cow::Borrowed(digits),
            Words::Bytes(text) => Cow::Borrowed(text),
        }
    }

    /// Whether a client may show it as words of the answer.
    pub fn is_voice(&self) -> bool {
        self.role == Role::Piece
    }
}

/// The strings of one event.
#[derive(Debug, Default)]
pub struct Leaves<'a> {
    /// In the order of the text.
    pub all: SmallVec<[Leaf<'a>; 16]>,
    /// Names of tools, with the call that each belongs to.
    pub names: SmallVec<[(Place, Str<'a>); 1]>,
    /// Where the event repeats its text token by token, and what can stand there instead.
    pub echoes: SmallVec<[(Range<usize>, &'static str); 1]>,
    /// What two readers may read differently.
    pub ambiguity: Option<&'static str>,
}

/// All places of one answer.
#[derive(Debug)]
pub struct Places {
    nodes: Vec<Node>,
    names_bytes: usize,
    visits: u64,
}

#[derive(Debug, Default)]
struct Node {
    keys: Names,
    indexes: Names,
    positions: Vec<Place>,
    /// The last object in which it stood.
    visit: u64,
}

/// Names of the places below one, in the order in which they came.
#[derive(Debug, Default)]
struct Names {
    list: Vec<(Box<str>, Place)>,
    table: Option<HashMap<Box<str>, Place>>,
}

impl Names {
    /// Events of one kind have their members in one order, so the name is nearly always where the last one
    /// left off.
    fn find(&self, name: &str, next: &mut usize) -> Option<Place> {
        if let Some((known, place)) = self.list.get(*next)
            && **known == *name
        {
            *next += 1;
            return Some(*place);
        }
        if let Some(table) = &self.table {
            return table.get(name).copied();
        }
        let at = self.list.iter().position(|(known, _)| **known == *name)?;
        *next = at + 1;
        Some(self.list[at].1)
    }

    fn add(&mut self, name: &str, place: Place) {
        if let Some(table) = &mut self.table {
            table.insert(name.into(), place);
            return;
        }
        self.list.push((name.into(), place));
        if self.list.len() > LIST_NAMES {
            self.table = Some(self.list.iter().cloned().collect());
        }
    }
}

/// How one place leads to another.
#[derive(Debug, Clone, Copy)]
enum Step<'s> {
    Key(&'s str),
    /// The raw text of an index.
    Index(&'s str),
    Position(usize),
}

impl Default for Places {
    fn default() -> Self {
        Places { nodes: vec![Node::default(), Node::default()], names_bytes: 0, visits: 0 }
    }
}

impl Places {
    /// The place one step on, and whether it is new.
    fn step(&mut self, from: Place, step: Step<'_>, next: &mut usize) -> (Place, bool) {
        if from == ELSEWHERE {
            return (ELSEWHERE, true);
        }
        let node = &self.nodes[from];
        let known = match step {
            Step::Key(name) => node.keys.find(name, next),
            Step::Index(raw) => node.indexes.find(raw, next),
            Step::Position(position) => node.positions.get(position).copied(),
        };
        if let Some(place) = known {
            return (place, false);
        }
        let name = match step {
            Step::Key(name) | Step::Index(name) => name,
            Step::Position(_) => "",
        };
        if self.nodes.len() == PLACES_LIMIT || self.names_bytes + name.len() > NAMES_BYTES {
            return (ELSEWHERE, true);
        }
        self.names_bytes += name.len();
        let place = self.nodes.len();
        self.nodes.push(Node::default());
        let node = &mut self.nodes[from];
        match step {
            Step::Key(name) => node.keys.add(name, place),
            Step::Index(raw) => node.indexes.add(raw, place),
            // Positions come in order, so a new one is the next.
            Step::Position(_) => node.positions.push(place),
        }
        (place, true)
    }

    /// Whether a place is met for the first time in this object.
    fn is_first(&mut self, place: Place, visit: u64) -> bool {
        place == ELSEWHERE || std::mem::replace(&mut self.nodes[place].visit, visit) != visit
    }
}

/// What holds for the strings below a place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene {
    role: Role,
    kind: Kind,
    /// Whether everything on the way here may be shown as the answer.
    may_be_text: bool,
    scope: Place,
    block: Place,
    call: Place,
    spoken: Option<Channel>,
}

impl Scene {
    /// Strings that are said at once.
    pub(crate) fn whole() -> Scene {
        Scene {
            role: Role::Whole,
            kind: Kind::Other,
            may_be_text: true,
            scope: ROOT,
            block: ROOT,
            call: ROOT,
            spoken: None,
        }
    }

    /// Strings that go on.
    pub(crate) fn pieces(self) -> Scene {
        Scene { role: Role::Piece, kind: Kind::Text, ..self }
    }

    /// Strings of a block, item or choice.
    pub(crate) fn of(self, scope: Place, block: Place) -> Scene {
        Scene { scope, block, ..self }
    }

    pub(crate) fn calling(self, call: Place) -> Scene {
        Scene { call, ..self }
    }

    pub(crate) fn spoken(self, spoken: Option<Channel>) -> Scene {
        Scene { spoken, ..self }
    }

    pub(crate) fn kind(self, kind: Kind) -> Scene {
        Scene { kind, may_be_text: kind == Kind::Text, ..self }
    }

    /// The scene of a member.
    pub(crate) fn member(self, key: &str, value: &Value<'_>) -> Scene {
        if CONTAINERS.contains(&key) {
            return self;
        }
        let is_string = matches!(value, Value::String(_) | Value::Number(_));
        if TEXT_KEYS.contains(&key) {
            let kind = if self.may_be_text { Kind::Text } else { Kind::Other };
            let spoken = self.spoken.filter(|_| is_string && self.may_be_text);
            return Scene { kind, spoken, ..self };
        }
        let is_arguments = ARGUMENT_KEYS.contains(&key);
        let kind = if is_arguments || self.kind == Kind::Arguments { Kind::Arguments } else { Kind::Other };
        let is_whole = if is_arguments {
            !is_string
        } else {
            WHOLE_KEYS.contains(&key) || key.ends_with("_id") || key == "id"
        };
        let role = if is_whole { Role::Whole } else { self.role };
        Scene { role, kind, may_be_text: false, spoken: None, ..self }
    }
}

/// The walk over one event.
pub(crate) struct Walk<'w, 'a> {
    places: &'w mut Places,
    text: &'a str,
    pub(crate) leaves: Leaves<'a>,
}

impl<'w, 'a> Walk<'w, 'a> {
    /// A walk over an event with this text.
    pub(crate) fn new(places: &'w mut Places, text: &'a str) -> Self {
        Walk { places, text, leaves: Leaves::default() }
    }

    pub(crate) fn finish(self) -> Leaves<'a> {
        self.leaves
    }

    /// The members of an object with the place of each, in order. A value of another kind is read as a value:
    /// what stands where an object is expected is text all the same.
    pub(crate) fn members(
        &mut self,
        place: Place,
        object: &'a Value<'a>,
        scene: Scene,
        mut each: impl FnMut(&mut Self, &str, Place, &'a Value<'a>),
    ) {
        if !matches!(object, Value::Object { .. }) {
            return self.value(place, "", object, scene);
        }
        self.places.visits += 1;
        let (visit, mut next) = (self.places.visits, 0);
        for (key, value) in object.members() {
            let name = key.text();
            let (child, is_new) = self.places.step(place, Step::Key(&name), &mut next);
            if !self.places.is_first(child, visit) {
                self.leaves.ambiguity = Some("a key stands twice in one object");
            }
            if is_new {
                let range = key.start()..key.start() + key.raw().len();
                self.leaf(place, Role::Key, scene, Words::String(*key), range);
            }
            each(self, &name, child, value);
        }
    }

    /// The elements of a list with the place of each. Numbers and lists of a list stand in its own place. A value
    /// of another kind is read as a value, in `scene`.
    pub(crate) fn elements(
        &mut self,
        place: Place,
        list: &'a Value<'a>,
        scene: Scene,
        mut each: impl FnMut(&mut Self, Place, &'a Value<'a>),
    ) {
        if !matches!(list, Value::Array(_)) {
            return self.value(place, "", list, scene);
        }
        let (mut next, mut position) = (0, 0);
        for element in list.elements() {
            let child = match element.get("index").and_then(|index| self.index(index)) {
                Some(raw) => self.places.step(place, Step::Index(raw), &mut next).0,
                None if matches!(element, Value::String(_) | Value::Object { .. }) => {
                    position += 1;
                    self.places.step(place, Step::Position(position - 1), &mut next).0
                }
                None => place,
            };
            each(self, child, element);
        }
    }

    /// The place below another that the raw text of an index leads to; the other where there is none.
    pub(crate) fn at_index(&mut self, place: Place, index: Option<&'a Value<'a>>) -> Place {
        match index.and_then(|index| self.index(index)) {
            Some(raw) => self.places.step(place, Step::Index(raw), &mut 0).0,
            None => place,
        }
    }

    /// The place below another that a word leads to.
    pub(crate) fn at(&mut self, place: Place, word: &str) -> Place {
        self.places.step(place, Step::Key(word), &mut 0).0
    }

    /// The raw text of an index. Only a whole number is read the same by everybody.
    fn index(&mut self, index: &'a Value<'a>) -> Option<&'a str> {
        let (raw, is_plain) = match index {
            Value::Number(raw) => (*raw, raw.bytes().all(|byte| byte.is_ascii_digit()) && raw.len() < 19),
            // With its first quote, to be no number.
            Value::String(text) => (&self.text[text.start() - 1..text.start() + text.raw().len()], false),
            Value::Bool(true) => ("true", false),
            Value::Bool(false) => ("false", false),
            Value::Null => ("null", true),
            Value::Object { .. } | Value::Array(_) => ("", false),
        };
        if !is_plain {
            self.leaves.ambiguity = Some("an index is no whole number");
        }
        Some(raw)
    }

    /// Every string of a value.
    pub(crate) fn value(&mut self, place: Place, key: &str, value: &'a Value<'a>, scene: Scene) {
        match value {
            Value::String(text) => {
                if key == "name" && scene.call != ROOT {
                    self.leaves.names.push((scene.call, *text));
                }
                let range = text.start()..text.start() + text.raw().len();
                self.leaf(place, scene.role, scene, Words::String(*text), range);
            }
            Value::Number(digits) => self.number(place, digits, scene),
            Value::Bool(_) | Value::Null => {}
            Value::Array(_) => {
                let inner = Scene { spoken: None, ..scene };
                self.elements(place, value, inner, |walk, child, element| {
                    let call = if key == "tool_calls" { child } else { inner.call };
                    walk.value(child, key, element, inner.calling(call));
                });
            }
            Value::Object { .. } => self.members(place, value, scene, |walk, name, child, member| {
                if name == "logprobs" && scene.role == Role::Piece {
                    return walk.echo(child, member, scene);
                }
                let call = if name == "function_call" { child } else { scene.call };
                walk.value(child, name, member, scene.member(name, member).calling(call));
            }),
        }
    }

    /// A number counts as text where text stands; elsewhere the small ones are settings.
    fn number(&mut self, place: Place, digits: &'a str, scene: Scene) {
        let is_text = scene.role == Role::Piece && scene.kind == Kind::Text;
        if is_text || digits.len() >= 4 {
            let role = if is_text { Role::Piece } else { Role::Whole };
            let range = self.range(digits);
            self.leaf(place, role, scene, Words::Number(digits), range);
        }
    }

    /// Text that is repeated token by token: tokens, alternatives of one rank, and bytes are each read as one
    /// text, whatever list they come in.
    pub(crate) fn echo(&mut self, place: Place, value: &'a Value<'a>, scene: Scene) {
        self.leave_out(value);
        self.repeated(place, value, Scene { role: Role::Echo, kind: Kind::Other, spoken: None, ..scene });
    }

    /// Notes what can stand in the place of text that is repeated: no object, an empty list of objects, and no string or
    /// number in a list of another kind.
    fn leave_out(&mut self, value: &'a Value<'a>) {
        let elements = value.elements();
        let objects =
            (elements.first().and_then(Value::raw_object), elements.last().and_then(Value::raw_object));
        let range = match (value, objects) {
            (Value::Object { .. }, _) => value.raw_object().map(|raw| self.range(raw)),
            // Quotes included.
            (Value::String(text), _) => Some(text.start() - 1..text.start() + text.raw().len() + 1),
            (Value::Number(digits), _) => Some(self.range(digits)),
            (Value::Array(_), (Some(first), Some(last)))
                if elements.iter().all(|element| matches!(element, Value::Object { .. })) =>
            {
                let range = self.range(first).start..self.range(last).end;
                return self.leaves.echoes.push((range, ""));
            }
            (Value::Array(_), _) => return elements.iter().for_each(|element| self.leave_out(element)),
            (Value::Bool(_) | Value::Null, _) => None,
        };
        self.leaves.echoes.extend(range.map(|range| (range, "null")));
    }

    /// Where a part of the event's text stands in it.
    fn range(&self, part: &str) -> Range<usize> {
        let start = part.as_ptr().addr() - self.text.as_ptr().addr();
        start..start + part.len()
    }

    fn repeated(&mut self, place: Place, value: &'a Value<'a>, scene: Scene) {
        match value {
            Value::Array(elements) => {
                if let Some(bytes) = bytes(elements) {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    return self.leaf(place, Role::Echo, scene, Words::Bytes(text), 0..0);
                }
                for element in elements {
                    self.repeated(place, element, scene);
                }
            }
            Value::Object { .. } => self.members(place, value, scene, |walk, name, child, member| {
                if name == "top_logprobs" && matches!(member, Value::Array(_)) {
                    for (rank, alternative) in member.elements().iter().enumerate() {
                        let child = walk.places.step(child, Step::Position(rank), &mut 0).0;
                        walk.repeated(child, alternative, scene);
                    }
                    return;
                }
                walk.repeated(child, member, scene);
            }),
            Value::String(text) => {
                let range = text.start()..text.start() + text.raw().len();
                self.leaf(place, Role::Echo, scene, Words::String(*text), range);
            }
            Value::Number(_) | Value::Bool(_) | Value::Null => {}
        }
    }

    fn leaf(&mut self, place: Place, role: Role, scene: Scene, words: Words<'a>, range: Range<usize>) {
        let Scene { kind, scope, block, call, spoken, .. } = scene;
        self.leaves.all.push(Leaf { place, role, kind, scope, block, call, spoken, words, range });
    }
}

/// The bytes of a list that holds nothing else.
fn bytes(elements: &[Value<'_>]) -> Option<Vec<u8>> {
    let byte = |element: &Value<'_>| element.as_u64().and_then(|number| u8::try_from(number).ok());
    let bytes: Option<Vec<u8>> = elements.iter().map(byte).collect();
    bytes.filter(|bytes| !bytes.is_empty())
}
