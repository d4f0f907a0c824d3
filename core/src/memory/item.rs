//! The memory: its text, and the facts that decide whether it is served.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::time::Moment;
use crate::context::ContextName;

/// The longest text of one memory, in bytes. A memory is a fact or a note, not a document.
pub const TEXT_MAX_BYTES: usize = 16 << 10;

/// The longest subject, reference and path of a memory, in bytes.
pub const LABEL_MAX_BYTES: usize = 200;

/// Names one memory within its context; also the name of its file, where zOS named it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id(String);

/// The text is not the id of a memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is 1 to 64 of a-z, 0-9, _ and -, and starts with a letter or digit")]
pub struct BadId;

impl Id {
    /// An id for a memory made now: by name, memories sort by age. `seed` tells apart what is made in the
    /// same millisecond.
    pub fn new(now: Moment, seed: u32) -> Self {
        let digits: String = now.to_string().chars().filter(char::is_ascii_digit).collect();
        let (day, time) = digits.split_at("yyyymmdd".len());
        Self(format!("{day}-{time:0<9}-{seed:08x}"))
    }

    /// Whether it has the form of those that [`Id::new`] makes.
    pub(super) fn is_generated(&self) -> bool {
        let parts: Vec<&str> = self.0.split('-').collect();
        let [day, time, seed] = parts[..] else { return false };
        let is_number = |part: &str, digits| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit());
        is_number(day, 8) && is_number(time, 9) && seed.len() == 8
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Id {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        // The same alphabet as that of contexts: safe in a path on every system.
        text.parse::<ContextName>().map(|_| Self(text.to_owned())).map_err(|_| BadId)
    }
}

impl TryFrom<String> for Id {
    type Error = BadId;

    fn try_from(text: String) -> Result<Self, BadId> {
        text.parse()
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Declares an enum of words: their spelling in files and in JSON is one.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// The words and what they mean.
            pub const WORDS: &[(&str, Self)] = &[$(($word, Self::$variant)),*];

            /// The word in files and JSON.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let found = Self::WORDS.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
                found.ok_or_else(|| {
                    let words: Vec<&str> = Self::WORDS.iter().map(|(word, _)| *word).collect();
                    format!("write one of {}", words.join(", "))
                })
            }
        }
    };
}

words! {
    /// Kinds of memories.
    Kind {
        /// A fact.
        Fact = "fact",
        /// A preference of somebody.
        Preference = "preference",
        /// A decision.
        Decision = "decision",
        /// A way of doing something.
        Procedure = "procedure",
        /// An event.
        Episode = "episode",
    }
}

words! {
    /// Status of a memory: whether it is served.
    Status {
        /// The memory waits for the owner's review.
        Proposed = "proposed",
        /// The memory is in force.
        Active = "active",
        /// A newer one took its place.
        Superseded = "superseded",
        /// The owner did not accept it.
        Rejected = "rejected",
        /// The memory's time is over.
        Expired = "expired",
    }
}

words! {
    /// Origins of a memory.
    Origin {
        /// The owner.
        User = "user",
        /// A tool that a model called.
        Tool = "tool",
        /// A model.
        Model = "model",
        /// Another program's notes.
        Import = "import",
    }
}

/// Source of a memory: its origin, and a reference.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Source {
    /// Origin.
    #[serde(rename = "type")]
    pub origin: Origin,
    /// Call, file or page, where stated.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// One memory.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Item {
    /// Its id.
    pub id: Id,
    /// The context that remembers it.
    pub context: ContextName,
    /// Kind.
    pub kind: Kind,
    /// Status, as its file has it and its source permits. Time is not looked at here:
    /// see [`Item::status_at`].
    pub status: Status,
    /// Source.
    pub source: Source,
    /// Time of writing.
    pub created: Moment,
    /// Time from which it holds, where stated.
    pub valid_from: Option<Moment>,
    /// Time until which it holds, where stated.
    pub valid_to: Option<Moment>,
    /// Time from which it must no longer be served, where stated.
    pub expires: Option<Moment>,
    /// Memories that it replaces, or would replace once accepted.
    pub supersedes: Vec<Id>,
    /// Subject. Of two active memories on one subject the newer one holds.
    pub subject: Option<String>,
    /// Sensitivity, in the owner's own words.
    pub sensitivity: Option<String>,
    /// Time at which the owner accepted it, if it needed that.
    pub reviewed: Option<Moment>,
    /// Whether age must not push it down.
    pub pinned: bool,
    /// Its path for the memory tool, where a model named one.
    pub path: Option<String>,
    /// Time at which a model asked to delete it; waits for review.
    pub delete_proposed: Option<Moment>,
    /// Text of the memory.
    pub text: String,
}

impl Item {
    /// Status at a moment: a memory that is expired or no longer holds is not served, whatever its
    /// file says.
    pub fn status_at(&self, now: Moment) -> Status {
        let is_over = |until: Option<Moment>| until.is_some_and(|until| until <= now);
        match self.status {
            Status::Active | Status::Proposed if is_over(self.expires) || is_over(self.valid_to) => {
                Status::Expired
            }
            status => status,
        }
    }

    /// The subject as subjects are compared: trimmed and case-folded.
    pub fn subject_key(&self) -> Option<String> {
        self.subject.as_deref().map(subject_key)
    }
}

/// A subject as subjects are compared: trimmed, inner white space as one space, lower case.
pub(super) fn subject_key(subject: &str) -> String {
    subject.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}
