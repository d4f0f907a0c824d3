//! What the house does about a ledger that fails: calls go on or refuse, and one task tries it until it answers.

use super::House;
use crate::books::budget::all_limits;
use std::sync::{Arc, Weak};
use std::time::Duration;
use zos_core::{ContextState, Isolation, Snapshot};
use zos_meter::{Ask, Day, LedgerError, Limit, Micros};

/// How often a ledger in trouble is tried.
const TRIED_EVERY: Duration = Duration::from_secs(1);

/// Notes that the ledger failed a call, and has it tried until it answers again.
pub(crate) fn failed(house: &Arc<House>, error: &LedgerError) {
    // A call that was booked before, or never reserved, is no trouble of the store.
    if matches!(error, LedgerError::UnknownId | LedgerError::DuplicateId) {
        return;
    }
    let since = zos_audit::format_time(house.now_ms());
    let is_new = house.ledger_health.begins(|| {
        format!(
            "Budgets cannot be read or written since {since}: {error}. Open contexts go on with what was last known to be left, hard ones with limits refuse."
        )
    });
    house.interim.begin();
    // One task is enough, however many calls found out at once.
    if !is_new {
        return;
    }
    house.announce_health();
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(until_mended(Arc::downgrade(house)));
    }
}

/// Tries the ledger again and again: the smallest thing that it does for a call, in a context that no file can name.
async fn until_mended(house: Weak<House>) {
    loop {
        tokio::time::sleep(TRIED_EVERY).await;
        let Some(house) = house.upgrade() else { return };
        let id = crate::ids::unique();
        let ask = Ask {
            id: id.clone(),
            context: String::new(),
            day: Day::from_unix_ms(house.now_ms()),
            tokens: 0,
            micros: Some(Micros(0)),
            limits: vec![Limit::daily_tokens(u64::MAX)],
        };
        let granted = house.ledger.reserve(ask).await;
        if granted.is_err() || house.ledger.release(&id).await.is_err() {
            continue;
        }
        // Booked while calls are still held here, so that no call is granted by the ledger before it knows of them.
        if let Err(error) = house.interim.book(&*house.ledger).await {
            tracing::warn!(%error, "what was spent while the ledger was away is not booked yet");
            continue;
        }
        // Calls that began meanwhile are booked in the next round: until then they are held here.
        if !house.interim.end() {
            continue;
        }
        house.ledger_health.ends();
        tracing::info!("budgets are read and written again");
        house.announce_health();
        return;
    }
}

/// Books what is still held here though the ledger answers again: calls that were under way when it came back.
pub(crate) fn book_if_back(house: &Arc<House>) {
    if house.ledger_health.is_failing() || house.interim.is_empty() {
        return;
    }
    let house = Arc::clone(house);
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move {
            if let Err(error) = house.interim.book(&*house.ledger).await {
                failed(&house, &error);
            }
        });
    }
}

/// Asks how the limits of open rooms stand, before their first call: while the ledger is away they go on with what was
/// last known to be left.
pub(crate) async fn look_ahead(house: &House, snapshot: &Snapshot) {
    let day = Day::from_unix_ms(house.now_ms());
    for (name, state) in &snapshot.contexts {
        let ContextState::Live { context, .. } = state else { continue };
        let limits = all_limits(&context.budget);
        let is_known = limits.iter().all(|limit| house.interim.knows(name.as_str(), day, limit));
        if context.isolation == Isolation::Open && !is_known {
            match house.ledger.balance(name.as_str(), day, &limits).await {
                Ok(balance) => house.interim.note(&balance),
                // The first call finds out as well, and has it tried again.
                Err(_) => return,
            }
        }
    }
}
