//! The limits of a context's file, as the ledger knows them.

use crate::books::prices::Names;
use crate::views::{BudgetState, Budgets};
use zos_core::Snapshot;
use zos_core::context::{Budget, Limits};
use zos_meter::{Balance, Day, Ledger, LedgerError, Limit, Scope};

/// The limits that a call has to keep: those of the context, of its key, and of its model.
pub(crate) fn limits_of_call(budget: &Budget, client: Option<&str>, names: Names<'_>) -> Vec<Limit> {
    let keys = budget.keys.iter().filter(|(name, _)| client == Some(name.as_str()));
    let models = budget.models.iter().filter(|(glob, _)| names.fit(|name| glob.matches(name)));
    scoped(budget.whole(), Scope::Context)
        .chain(keys.flat_map(|(name, limits)| scoped(*limits, Scope::Key(name.clone()))))
        .chain(models.flat_map(|(glob, limits)| scoped(*limits, Scope::Model(glob.as_str().to_owned()))))
        .collect()
}

/// All limits of a context, for showing how they stand.
#[must_use]
pub fn all_limits(budget: &Budget) -> Vec<Limit> {
    let keys = budget.keys.iter().map(|(name, limits)| (Scope::Key(name.clone()), *limits));
    let models = budget.models.iter().map(|(glob, limits)| (Scope::Model(glob.as_str().to_owned()), *limits));
    [(Scope::Context, budget.whole())]
        .into_iter()
        .chain(keys)
        .chain(models)
        .flat_map(|(scope, limits)| scoped(limits, scope).collect::<Vec<_>>())
        .collect()
}

/// How every context of a snapshot stands at a time, in milliseconds since 1970. Without a ledger nothing was spent.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn standing(
    snapshot: &Snapshot,
    ledger: Option<&dyn Ledger>,
    now_ms: u64,
) -> Result<Budgets, LedgerError> {
    let day = Day::from_unix_ms(now_ms);
    let mut budgets = Vec::with_capacity(snapshot.contexts.len());
    for (name, state) in &snapshot.contexts {
        let limits = state.context().map(|context| all_limits(&context.budget)).unwrap_or_default();
        let balance = match ledger {
            Some(ledger) => ledger.balance(name.as_str(), day, &limits).await?,
            None => Balance::unused(name.as_str(), day, limits),
        };
        budgets.push(BudgetState::new(&balance, now_ms));
    }
    Ok(Budgets { budgets })
}

fn scoped(limits: Limits, scope: Scope) -> impl Iterator<Item = Limit> {
    let tokens = limits.daily_tokens.map(Limit::daily_tokens);
    let daily = limits.daily_usd.map(|micros| Limit::daily_micros(micros.0));
    let monthly = limits.monthly_usd.map(|micros| Limit::monthly_micros(micros.0));
    [tokens, daily, monthly].into_iter().flatten().map(move |limit| limit.of(scope.clone()))
}
