//! A ledger in a folder of its own, and short ways to ask it.

use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use zos_meter::{
    Ask, Balance, Clock, Day, HistoryQuery, Ledger, Limit, Micros, ReserveError, Spend, SqliteLedger,
    SqliteOptions, Standing, Sums, Usage, UsageRow,
};

/// A folder with a ledger file that goes away with it.
///
/// With the feature `postgres` and the address of a server in `ZOS_METER_POSTGRES` (`scripts/with-postgres`), what
/// asks for any ledger gets one in a schema of its own there, so that the same tests hold for both stores.
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

    /// The store under test.
    #[cfg(not(feature = "postgres"))]
    pub(crate) fn ledger(&self) -> Box<dyn Ledger> {
        Box::new(self.open())
    }

    /// The store under test.
    #[cfg(feature = "postgres")]
    pub(crate) fn ledger(&self) -> Box<dyn Ledger> {
        match crate::postgres::address(&self.schema()) {
            Some(address) => Box::new(crate::postgres::connect(&address)),
            None => Box::new(self.open()),
        }
    }

    /// A name that no other house has.
    #[cfg(feature = "postgres")]
    pub(crate) fn schema(&self) -> String {
        let name = self.folder.path().file_name().unwrap().to_string_lossy().to_lowercase();
        let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        format!("t{name}{}", std::process::id())
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
    ask_limited(id, tokens, limit.map(Limit::daily_tokens).into_iter().collect())
}

/// A token costs a microdollar here, so that tokens and money can be compared.
pub(crate) fn ask_limited(id: &str, tokens: u64, limits: Vec<Limit>) -> Ask {
    let (id, context) = (id.to_owned(), "acme".to_owned());
    Ask { id, context, day: today(), tokens, micros: Some(Micros(tokens)), limits }
}

pub(crate) fn spend(tokens: u64) -> Spend {
    let usage = Usage { input: tokens / 2, output: tokens - tokens / 2, ..Usage::default() };
    let micros = Some(Micros(tokens));
    Spend { usage, micros, model: "m".to_owned(), provider: "p".to_owned(), client: "c".to_owned() }
}

pub(crate) fn balance(used: u64, reserved: u64, limit: Option<u64>) -> Balance {
    let sums = Sums { used, reserved, used_micros: used, reserved_micros: reserved, unpriced: 0 };
    let standing = |limit| Standing { limit, day: today(), used, reserved };
    let limits = limit.map(Limit::daily_tokens).map(standing).into_iter().collect();
    Balance { context: "acme".to_owned(), day: today(), today: sums, month: sums, limits }
}

pub(crate) async fn standing(ledger: &dyn Ledger) -> (u64, u64) {
    let today = ledger.balance("acme", today(), &[]).await.unwrap().today;
    (today.used, today.reserved)
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
