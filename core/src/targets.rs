//! Targets of tool calls, and a room's verdict on them.
//!
//! [`extract()`] finds the targets of a call's arguments: by the tool's known schema, by the names of the
//! arguments, and by syntax everywhere else. Each is normalised first and compared then, never matched
//! by a regular expression. [`check`] puts a room's lists over them: deny, then confirm, then allow, then the
//! default.
//!
//! Not done: it does not run a shell, resolve names, follow redirects or links of the disk.
//! A target that cannot be read (a variable, a broken address) is on no allow list.

mod address;
mod always;
mod arguments;
mod finder;
mod hosted;
mod json;
mod names;
mod path;
mod receive;
mod rules;
mod script;
mod shell;

pub use always::{NotAlways, for_the_owner};
pub use arguments::{extract, links};
pub use hosted::{HostedTool, PROVIDER_TOOLS, check_hosted};
pub use receive::RestoreTo;
pub use rules::{EntryError, TargetEntry, Targets};

pub(crate) use address::{Address, Mailbox};
use path::Written;

/// The most targets of one call. A call with more is stopped where the room has rules.
pub const TARGETS_LIMIT: usize = 256;

/// Verdicts on a target, in the order of strictness.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TargetVerdict {
    /// The tool call goes on.
    Allow,
    /// The owner decides.
    Confirm,
    /// The tool call is stopped.
    Deny,
}

impl TargetVerdict {
    /// `allow`, `confirm` or `deny`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Confirm => "confirm",
            Self::Deny => "deny",
        }
    }
}

/// Kinds of targets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TargetKind {
    /// An address with a scheme.
    Url,
    /// A host without a scheme.
    Host,
    /// A numeric address without a scheme.
    Ip,
    /// A mailbox.
    Email,
    /// A telephone number.
    Phone,
    /// A path of the disk.
    File,
    /// A repository by its name.
    Repo,
    /// A channel or user of a chat.
    Channel,
    /// The tool itself.
    Tool,
    /// A model.
    Model,
    /// A room.
    Room,
    /// A tool that a provider runs itself.
    Provider,
    /// A service that a provider was given access to.
    Connector,
}

impl TargetKind {
    /// Its name in answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Host => "host",
            Self::Ip => "ip",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::File => "file",
            Self::Repo => "repo",
            Self::Channel => "channel",
            Self::Tool => "tool",
            Self::Model => "model",
            Self::Room => "room",
            Self::Provider => "provider",
            Self::Connector => "connector",
        }
    }

    /// A name of this kind in its normal form: lower case, without what a name of the kind may be written with.
    fn normal(self, name: &str) -> String {
        let name = name.trim();
        match self {
            Self::Channel => name.trim_start_matches(['#', '@']).to_lowercase(),
            Self::Repo => name.trim_matches('/').trim_end_matches(".git").to_lowercase(),
            _ => name.to_lowercase(),
        }
    }
}

/// One place that a tool call points at, normalised.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// Kind.
    pub kind: TargetKind,
    /// Its normal form, for the owner's eyes.
    pub shown: String,
    pub(crate) form: Form,
}

/// Normal form of a target, which is compared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    Web(Address),
    Mail(Mailbox),
    /// A path as it is written and in every other way that it may be read.
    Path {
        forms: Vec<String>,
        written: Written,
    },
    Word(String),
    /// A target that points somewhere unknown.
    Unreadable,
    /// Stand-in for all targets beyond [`TARGETS_LIMIT`].
    TooMany,
    /// Stand-in for all paths of commands beyond their limit.
    TooManyPaths,
}

impl Form {
    /// Whether two are the same path, wherever they were met.
    fn is_same_path(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Path { forms, written }, Self::Path { forms: others, written: other }) => {
                forms == others && written.is_open == other.is_open && written.is_pattern == other.is_pattern
            }
            _ => false,
        }
    }
}

/// A target and what a room makes of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JudgedTarget {
    /// The target.
    pub target: Target,
    /// Verdict on it.
    pub verdict: TargetVerdict,
    /// The rule that decided: `target-deny/2`, `target-default`, …
    pub rule: String,
}

/// Verdict of a room on a whole tool call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Judged {
    /// The strictest verdict of all.
    pub verdict: TargetVerdict,
    /// All targets, in the order in which they were found.
    pub targets: Vec<JudgedTarget>,
}

/// Judges a tool call. `arguments` is the text of its JSON, or plain text for tools that take that.
#[must_use]
pub fn check(rules: &Targets, tool: &str, arguments: &str) -> Judged {
    rules.judge_all(extract(tool, arguments))
}

/// Judges the links and image addresses of a Markdown text.
#[must_use]
pub fn check_links(rules: &Targets, text: &str) -> Judged {
    rules.judge_all(links(text))
}

#[cfg(test)]
mod tests;
