//! The limits of a context's file, as the ledger knows them.

use crate::books::prices::Names;
use zos_core::context::{Budget, Limits};
use zos_meter::{Limit, Scope};

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

fn scoped(limits: Limits, scope: Scope) -> impl Iterator<Item = Limit> {
    let tokens = limits.daily_tokens.map(Limit::daily_tokens);
    let daily = limits.daily_usd.map(|micros| Limit::daily_micros(micros.0));
    let monthly = limits.monthly_usd.map(|micros| Limit::monthly_micros(micros.0));
    [tokens, daily, monthly].into_iter().flatten().map(move |limit| limit.of(scope.clone()))
}
