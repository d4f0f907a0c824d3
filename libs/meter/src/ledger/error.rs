//! Why the ledger refuses or fails.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use crate::Standing;
use crate::limit::amount;

/// Reasons why nothing was reserved.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReserveError {
    /// The budget cannot carry the call.
    #[error("the {} has {} left, and the call may need {}", standing.limit,
        amount(standing.limit.unit, standing.remaining()), amount(standing.limit.unit, *asked))]
    Exhausted {
        /// Standing of the limit that refused.
        standing: Box<Standing>,
        /// Amount that was asked for, in the limit's unit.
        asked: u64,
    },
    /// The ledger could not tell.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Failures of the ledger itself. Errors are shared by all callers of one commit, hence
/// `Clone`.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// Another process, or another handle in this one, keeps this ledger.
    #[error("{} is in use by another program; close it first, or open another file", path.display())]
    InUse {
        /// The lock file that is held.
        path: PathBuf,
    },
    /// A newer program wrote the file, and guessing at it could lose money.
    #[error("{} has format {found}, this program knows formats up to {known}; use the newer program", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Format of the file.
        found: i64,
        /// The newest format known here.
        known: i64,
    },
    /// The file is something else.
    #[error("{} is not a usage ledger; move it away or name another file", path.display())]
    NotALedger {
        /// The file.
        path: PathBuf,
    },
    /// The file is ours but cannot be read any more.
    #[error("{} is damaged; restore it from a backup or move it away", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The file or its folder cannot be opened, made or locked.
    #[error("cannot open the usage ledger {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The address of the database is none. It is not repeated here: it may hold a password.
    #[error("the ledger's address is not of the form postgres://user@host/database")]
    Address,
    /// The database cannot be reached or refuses.
    #[error("cannot connect to the ledger's database")]
    Connect {
        /// Error of the store.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// A newer program made the tables of the database.
    #[error(
        "the ledger's tables have format {found}, this program knows formats up to {known}; use the newer program"
    )]
    NewerTables {
        /// Their format.
        found: i64,
        /// The newest format known here.
        known: i64,
    },
    /// Reading or writing failed.
    #[error("the usage ledger {trouble}")]
    Storage {
        /// Kind of the failure.
        trouble: Trouble,
        /// Error of the store.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The id of a reservation was used before.
    #[error("a reservation of that id exists already")]
    DuplicateId,
    /// No reservation has this id, or it was closed long ago. Nothing was charged.
    #[error("no reservation has that id")]
    UnknownId,
    /// More work is waiting than the ledger is willing to hold in memory.
    #[error("the usage ledger cannot keep up")]
    Overloaded,
    /// The ledger's thread has ended.
    #[error("the usage ledger is closed")]
    Closed,
}

/// Kinds of storage failure, apart because a person fixes them in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The disk, or the quota on it, is full.
    Full,
    /// The file or its file system cannot be written.
    ReadOnly,
    /// Another program held the file for too long.
    Busy,
    /// The file is damaged.
    Damaged,
    /// The system failed to read or write.
    Io,
    /// Anything else.
    Other,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Full => "has no room left on its disk",
            Self::ReadOnly => "cannot be written: the file or its disk is read-only",
            Self::Busy => "is held by another program for too long",
            Self::Damaged => "is damaged; restore it from a backup or move it away",
            Self::Io => "could not be read or written",
            Self::Other => "failed",
        })
    }
}
