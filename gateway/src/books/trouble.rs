//! A ledger that fails: calls go on or refuse, and one task tries it until it answers.

use super::Books;
use super::budget::all_limits;
use std::sync::{Arc, Weak};
use std::time::Duration;
use zos_core::{ContextState, Isolation, Snapshot};
use zos_meter::{Ask, Day, LedgerError, Limit, Micros};

/// How often a ledger in trouble is tried.
const TRIED_EVERY: Duration = Duration::from_secs(1);

impl Books {
    /// Notes that the ledger failed a call, and has it tried until it answers again.
    pub(crate) fn failed(self: &Arc<Self>, error: &LedgerError) {
        // A call that was booked before, or never reserved, is no trouble of the store.
        if matches!(error, LedgerError::UnknownId | LedgerError::DuplicateId) {
            return;
        }
        let since = zos_audit::format_time(self.now_ms());
        let is_new = self.health.begins(|| {
            format!(
                "Budgets cannot be read or written since {since}: {error}. Open contexts go on with what was last known to be left, hard ones with limits refuse."
            )
        });
        self.interim.begin();
        // One task is enough, however many calls found out at once.
        if !is_new {
            return;
        }
        self.journal.health_changed();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(until_mended(Arc::downgrade(self)));
        }
    }

    /// Books what is still held here though the ledger answers again: calls that were under way when it came back.
    pub(crate) fn book_if_back(self: &Arc<Self>) {
        if self.health.is_failing() || self.interim.is_empty() {
            return;
        }
        let books = Arc::clone(self);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = books.interim.book(&*books.ledger).await {
                    books.failed(&error);
                }
            });
        }
    }

    /// Asks how the limits of open rooms stand, before their first call: while the ledger is away they go on with what was
    /// last known to be left.
    pub(crate) async fn look_ahead(&self, snapshot: &Snapshot) {
        let day = Day::from_unix_ms(self.now_ms());
        for (name, state) in &snapshot.contexts {
            let ContextState::Live { context, .. } = state else { continue };
            let limits = all_limits(&context.budget);
            let is_known = limits.iter().all(|limit| self.interim.knows(name.as_str(), day, limit));
            if context.isolation == Isolation::Open && !is_known {
                match self.ledger.balance(name.as_str(), day, &limits).await {
                    Ok(balance) => self.interim.note(&balance),
                    // The first call finds out as well, and has it tried again.
                    Err(_) => return,
                }
            }
        }
    }
}

/// Tries the ledger again and again: the smallest thing that it does for a call, in a context that no file can name.
async fn until_mended(books: Weak<Books>) {
    loop {
        tokio::time::sleep(TRIED_EVERY).await;
        let Some(books) = books.upgrade() else { return };
        let id = crate::ids::unique();
        let ask = Ask {
            id: id.clone(),
            context: String::new(),
            day: Day::from_unix_ms(books.now_ms()),
            tokens: 0,
            micros: Some(Micros(0)),
            limits: vec![Limit::daily_tokens(u64::MAX)],
        };
        let granted = books.ledger.reserve(ask).await;
        if granted.is_err() || books.ledger.release(&id).await.is_err() {
            continue;
        }
        // Booked while calls are still held here, so that no call is granted by the ledger before it knows of them.
        if let Err(error) = books.interim.book(&*books.ledger).await {
            tracing::warn!(%error, "what was spent while the ledger was away is not booked yet");
            continue;
        }
        // Calls that began meanwhile are booked in the next round: until then they are held here.
        if !books.interim.end() {
            continue;
        }
        books.health.ends();
        tracing::info!("budgets are read and written again");
        books.journal.health_changed();
        return;
    }
}
