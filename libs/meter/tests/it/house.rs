//! A ledger in a folder of its own, and short ways to ask it.

use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use zos_meter::{
    Ask, Balance, Clock, Day, HistoryQuery, Ledger, ReserveError, Spend, SqliteLedger, SqliteOptions, Usage,
    UsageRow,
};

/// A folder with a ledger file that goes away with it.
pub(crate) struct House {
    folder: TempDir,
}

impl House {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("gateway").join("usage.db")
    }

    pub(crate) fn open(&self) -> SqliteLedger {
        SqliteLedger::open_with(&self.file(), options()).unwrap()
    }
}

/// A standing clock, and a patience short enough for tests that wait it out.
pub(crate) fn options() -> SqliteOptions {
    let clock = Clock::new(|| today().start_ms() + 1);
    SqliteOptions { clock, busy_timeout: Duration::from_millis(50), ..SqliteOptions::default() }
}

pub(crate) fn today() -> Day {
    "2026-11-22".parse().unwrap()
}

pub(crate) fn ask(id: &str, tokens: u64, limit: Option<u64>) -> Ask {
    Ask { id: id.to_owned(), context: "acme".to_owned(), day: today(), tokens, limit }
}

pub(crate) fn spend(tokens: u64) -> Spend {
    let usage = Usage { input: tokens / 2, output: tokens - tokens / 2, ..Usage::default() };
    Spend { usage, model: "m".to_owned(), provider: "p".to_owned(), client: "c".to_owned() }
}

pub(crate) fn balance(used: u64, reserved: u64, limit: Option<u64>) -> Balance {
    Balance { context: "acme".to_owned(), day: today(), limit, used, reserved }
}

pub(crate) async fn standing(ledger: &dyn Ledger) -> (u64, u64) {
    let balance = ledger.balance("acme", today(), None).await.unwrap();
    (balance.used, balance.reserved)
}

pub(crate) async fn history(ledger: &dyn Ledger) -> Vec<UsageRow> {
    let all = HistoryQuery {
        context: None,
        since: "0000-01-01".parse().unwrap(),
        until: "9999-12-31".parse().unwrap(),
    };
    ledger.history(all).await.unwrap()
}

pub(crate) fn is_exhausted<T>(outcome: &Result<T, ReserveError>) -> bool {
    matches!(outcome, Err(ReserveError::Exhausted { .. }))
}
