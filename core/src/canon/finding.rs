//! Findings about a canon's files, each with the name of its lint.

use crate::problem::Problem;

/// One finding about one file of a canon.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The lint that found it.
    pub lint: Lint,
    /// Place, fault and fix.
    pub problem: Problem,
}

impl Finding {
    /// A finding.
    pub(crate) fn new(lint: Lint, problem: Problem) -> Self {
        Self { lint, problem }
    }

    /// Whether the canon cannot be built with it.
    pub fn is_error(&self) -> bool {
        self.problem.is_error()
    }
}

/// The rules that a canon's files are checked by. Names are stable: programs match on them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Lint {
    /// `manifest.json` cannot be understood.
    Manifest,
    /// A listed file does not exist.
    MissingFile,
    /// A file below `brain/` is not listed.
    UnlistedFile,
    /// A file is not the one that was pinned by its digest.
    Pin,
    /// A file cannot be read, or is no text.
    Unreadable,
    /// Front matter with a wrong key, word or type.
    FrontMatter,
    /// A heading's `{#id …}` cannot be understood.
    ClauseId,
    /// Two different texts for one id on one level.
    DuplicateId,
    /// A clause of the floor would be overridden.
    FloorOverride,
    /// An override that overrides nothing.
    IdleOverride,
    /// More tokens than the manifest allows.
    OverBudget,
    /// Text that a room denies stands in its canon.
    Denied,
    /// Two lines say almost the same.
    NearDuplicate,
    /// One line demands what another forbids.
    Contradiction,
    /// A date in the stable segment.
    Date,
    /// A number that looks like an identifier in the stable segment.
    Identifier,
    /// Characters that no reader sees.
    HiddenUnicode,
    /// Text that looks like a key or password.
    Secret,
    /// A reference to a file or clause that does not exist.
    DeadReference,
    /// The canon is not the one that was attested last.
    Drift,
    /// A context wants its canon injected and has none.
    NothingToInject,
}

impl Lint {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::MissingFile => "missing_file",
            Self::UnlistedFile => "unlisted_file",
            Self::Pin => "pin",
            Self::Unreadable => "unreadable",
            Self::FrontMatter => "front_matter",
            Self::ClauseId => "clause_id",
            Self::DuplicateId => "duplicate_id",
            Self::FloorOverride => "floor_override",
            Self::IdleOverride => "idle_override",
            Self::OverBudget => "over_budget",
            Self::Denied => "denied",
            Self::NearDuplicate => "near_duplicate",
            Self::Contradiction => "contradiction",
            Self::Date => "date",
            Self::Identifier => "identifier",
            Self::HiddenUnicode => "hidden_unicode",
            Self::Secret => "secret",
            Self::DeadReference => "dead_reference",
            Self::Drift => "drift",
            Self::NothingToInject => "nothing_to_inject",
        }
    }
}
