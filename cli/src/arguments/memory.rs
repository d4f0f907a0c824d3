//! `zos memory …`.

use super::InContext;
use clap::Subcommand;
use zos_core::ContextName;

/// `zos memory …`.
#[derive(Subcommand)]
pub(crate) enum Memory {
    /// Remember something in a room
    Add {
        #[command(flatten)]
        context: InContext,
        /// What it is about; a newer memory on a subject takes the place of the older one
        #[arg(long, short, value_name = "SUBJECT")]
        subject: Option<String>,
        /// What sort of thing it is
        #[arg(long, value_name = "KIND", default_value = "fact", value_parser = ["fact", "preference", "decision", "procedure", "episode"])]
        kind: String,
        /// Who says it; what is not the user's own waits for review
        #[arg(long, value_name = "WHO", default_value = "user", value_parser = ["user", "tool", "model", "import"])]
        source: String,
        /// Which call, file or page it comes from
        #[arg(long = "ref", value_name = "REF")]
        reference: Option<String>,
        /// When it must no longer be served: a day, a time, or 12h, 30d, 8w from now
        #[arg(long, value_name = "WHEN")]
        expires: Option<String>,
        /// The text; - reads standard input
        #[arg(allow_hyphen_values = true)]
        text: String,
    },
    /// Find what a room remembers
    Search {
        #[command(flatten)]
        context: InContext,
        /// How many at most
        #[arg(long, short = 'n', value_name = "N", default_value_t = 10)]
        limit: u32,
        /// What is asked for
        query: String,
    },
    /// Show what waits for you, or decide on it
    Review {
        #[command(flatten)]
        context: InContext,
        /// Accept this proposal: it is in force from now on
        #[arg(long, value_name = "ID", conflicts_with = "reject")]
        accept: Option<String>,
        /// With --accept: this memory is superseded by it, too
        #[arg(long, value_name = "ID", requires = "accept")]
        supersede: Vec<String>,
        /// Turn this proposal down
        #[arg(long, value_name = "ID")]
        reject: Option<String>,
        /// Accept everything that waits and about which nothing was noticed
        #[arg(long, conflicts_with_all = ["accept", "reject", "reject_all"])]
        accept_all: bool,
        /// Turn down everything that waits
        #[arg(long, conflicts_with_all = ["accept", "reject"])]
        reject_all: bool,
        /// Only what comes from there
        #[arg(long, value_name = "WHO", value_parser = ["tool", "model", "import"], conflicts_with_all = ["accept", "reject"])]
        source: Option<String>,
    },
    /// Show one memory, and what was so before
    Show {
        #[command(flatten)]
        context: InContext,
        /// Its id
        id: String,
    },
    /// Remove a memory and its file
    Forget {
        #[command(flatten)]
        context: InContext,
        /// Its id
        id: String,
    },
    /// Copy a memory into another room, through the firewalls of both
    Promote {
        #[command(flatten)]
        context: InContext,
        /// The other room
        #[arg(long, value_name = "NAME")]
        to: ContextName,
        /// Its id
        id: String,
    },
    /// Make the index anew from the files
    Reindex {
        #[command(flatten)]
        context: InContext,
    },
}
