//! The answers of the admin API from the files alone, for when no zOS runs on the home: the same shapes,
//! made of the same types. Reading changes nothing, and makes no folder that is not there.

use crate::failure::{Failure, Result, sentence};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use zos_core::Code;
use zos_core::memory::{Memories, MemoryError, Moment, Room};
use zos_core::{
    Brain, ContextName, ContextState, Entry, Home, KeySource, NoContext, Provider, RoomPolicy, Snapshot,
    WriteError,
};
use zos_gateway::admin::judge;
use zos_gateway::admin::memory::{MemoryRecall, MemoryReview, MemoryShown};
use zos_gateway::admin::types::{
    BudgetState, Budgets, ContextDetail, ContextSummary, Contexts, Counts, FileProblem, Health, KeyInfo,
    Keys, ListEntry, ProviderInfo, Providers, Shield, Status, UsageHistory, UsageRow,
};
use zos_gateway::budget::all_limits;
use zos_gateway::config::Config;
use zos_meter::{Balance, Clock, HistoryQuery, Ledger, SqliteLedger, SqliteOptions};
use zos_seal::{ClientKeys, Source, Vault, VaultOptions};

/// Loads the home.
pub(crate) fn brain(home: &Home) -> Result<Brain> {
    Brain::open(home.clone()).map_err(|error| Failure::environment(&error))
}

/// The active context, or why there is none.
pub(crate) fn active(snapshot: &Snapshot) -> Result<ContextName> {
    snapshot.effective_active().cloned().map_err(|why| {
        let hint = match why {
            NoContext::NoneActive | NoContext::Missing(_) => {
                "Name one with --context NAME, or choose one: `zos context use NAME`."
            }
            NoContext::Unknown => "Choose it again, which fixes the file: `zos context use NAME`.",
        };
        Failure::wrong(Code::UnknownContext, sentence(&why)).hint(hint)
    })
}

pub(crate) fn value(shape: &impl Serialize) -> Value {
    serde_json::to_value(shape).expect("the API's shapes hold only strings, numbers and maps of them")
}

/// `GET /zos/v1/status`, of a home on which nothing runs.
pub(crate) fn status(home: &Home) -> Result<Value> {
    let snapshot = brain(home)?.snapshot();
    Ok(value(&Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        address: None,
        listen_error: Some("zOS does not run on this home.".to_owned()),
        home: home.root().display().to_string(),
        active: snapshot.effective_active().ok().map(ToString::to_string),
        active_is_builtin: snapshot.is_builtin(),
        shield: Shield { paused: false, until: None },
        health: Health {
            ok: false,
            problems: std::iter::once("zOS does not run on this home.".to_owned())
                .chain(
                    snapshot.fleet.broken().map(|problem| format!("The fleet cannot be loaded: {problem}")),
                )
                .collect(),
        },
        counts: Counts::default(),
        uptime_s: 0,
    }))
}

/// `GET /zos/v1/contexts`.
pub(crate) fn contexts(home: &Home) -> Result<Value> {
    let snapshot = brain(home)?.snapshot();
    let contexts: Vec<_> =
        snapshot.contexts.iter().map(|(name, state)| summary(&snapshot, name, state)).collect();
    let shown: Vec<&FileProblem> = contexts.iter().flat_map(|context| &context.problems).collect();
    let problems =
        snapshot.problems.iter().map(FileProblem::from).filter(|problem| !shown.contains(&problem)).collect();
    Ok(value(&Contexts { contexts, problems }))
}

/// `GET /zos/v1/contexts/{name}`.
pub(crate) fn context(home: &Home, name: &ContextName) -> Result<Value> {
    let brain = brain(home)?;
    let snapshot = brain.snapshot();
    let state = snapshot.context(name).ok_or_else(|| Failure::unknown_context(name.as_str()))?;
    let (yaml, etag) = match brain.source(name) {
        Ok(source) => (source.yaml, source.etag),
        // The built-in context has no file.
        Err(WriteError::Unknown(_)) => (String::new(), String::new()),
        Err(error) => return Err(Failure::environment(&error)),
    };
    let entries = |list: &[Entry]| list.iter().map(ListEntry::from).collect();
    let context = state.context();
    Ok(value(&ContextDetail {
        summary: summary(&snapshot, name, state),
        yaml,
        etag,
        outbound_deny: context.map(|context| entries(&context.outbound_deny)).unwrap_or_default(),
        confidential: context.map(|context| entries(&context.confidential)).unwrap_or_default(),
    }))
}

fn summary(snapshot: &Snapshot, name: &ContextName, state: &ContextState) -> ContextSummary {
    let context = state.context();
    ContextSummary {
        name: name.to_string(),
        title: context.map_or_else(|| name.to_string(), |context| context.display_title().to_owned()),
        isolation: context.map(|context| context.isolation.name().to_owned()),
        active: snapshot.effective_active().is_ok_and(|active| active == name),
        // Nothing runs, so there is no last good version that could govern.
        state: if context.is_some() { "live" } else { "broken" }.to_owned(),
        builtin: context.is_some_and(|context| context.builtin),
        outbound_deny: context.map_or(0, |context| context.outbound_deny.len() as u64),
        confidential: context.map_or(0, |context| context.confidential.len() as u64),
        daily_tokens: context.and_then(|context| context.budget.daily_tokens),
        problems: state.problems().iter().map(FileProblem::from).collect(),
    }
}

/// `POST /zos/v1/firewall/test`.
pub(crate) fn firewall_test(home: &Home, context: Option<&ContextName>, text: &str) -> Result<Value> {
    let snapshot = brain(home)?.snapshot();
    let name = match context {
        Some(name) => name.clone(),
        None => active(&snapshot)?,
    };
    let Some(policy) = snapshot.policy(&name) else {
        return Err(match snapshot.context(&name) {
            None => Failure::unknown_context(name.as_str()),
            Some(state) => broken(&name, state),
        });
    };
    Ok(value(&judge(&name, &policy, text)))
}

/// That a room exists, or did: its file is there, or the log has a call of it.
pub(crate) fn check_known(home: &Home, name: &ContextName) -> Result<()> {
    if brain(home)?.snapshot().context(name).is_some() {
        return Ok(());
    }
    let filter = zos_audit::Filter { context: Some(name.to_string()), ..zos_audit::Filter::default() };
    let is_recorded = match zos_audit::recent(&home.audit_dir(), &filter, None, 1) {
        Ok(page) => !page.records.is_empty(),
        Err(zos_audit::ReadError::Missing { .. }) => false,
        // What cannot be read says nothing about the room; the command will tell.
        Err(_) => true,
    };
    if is_recorded { Ok(()) } else { Err(Failure::unknown_context(name.as_str())) }
}

/// The file of a context never loaded.
pub(crate) fn broken(name: &ContextName, state: &ContextState) -> Failure {
    let mut failure =
        Failure::failed(Code::ContextBroken, format!("The file of the room {name} cannot be used."))
            .hint(format!("Fix it: `zos context edit {name}`."));
    if let Failure::Failed(reason) = &mut failure {
        reason.problems = state.problems().iter().map(|problem| value(&FileProblem::from(problem))).collect();
    }
    failure
}

/// `GET /zos/v1/keys`.
pub(crate) fn keys(home: &Home) -> Result<Value> {
    let keys = ClientKeys::open(&home.keys())
        .and_then(|keys| keys.list())
        .map_err(|error| Failure::environment(&error))?;
    let info = |key: zos_seal::KeyInfo| KeyInfo {
        id: key.id,
        context: key.context,
        client: key.client,
        created: key.created,
        last_used: key.last_used,
    };
    Ok(value(&Keys { keys: keys.into_iter().map(info).collect() }))
}

/// `GET /zos/v1/providers`. Asks the keychain, which may take a few seconds.
pub(crate) fn providers(home: &Home) -> Result<Value> {
    let fleet = Arc::clone(&brain(home)?.snapshot().fleet);
    let vault = Vault::new(VaultOptions::default());
    Ok(value(&Providers {
        providers: fleet.providers().map(|provider| provider_info(provider, &vault)).collect(),
    }))
}

fn provider_info(provider: &Provider, vault: &Vault) -> ProviderInfo {
    let stored_as = provider.keys.iter().find_map(|source| match source {
        KeySource::Keychain(name) => Some(name.clone()),
        KeySource::Env(_) => None,
    });
    let (key, key_name) = key_of(provider, vault);
    ProviderInfo {
        id: provider.name.clone(),
        api: provider.api.name().to_owned(),
        base_url: provider.base_url.as_ref().map(ToString::to_string),
        key: key.to_owned(),
        key_name: key_name.or_else(|| stored_as.clone().filter(|_| key != "none")),
        key_writable: stored_as.is_some(),
        demo: provider.is_demo(),
    }
}

/// Where the first key that exists comes from.
fn key_of(provider: &Provider, vault: &Vault) -> (&'static str, Option<String>) {
    if provider.keys.is_empty() {
        return ("none", None);
    }
    for source in &provider.keys {
        match source {
            KeySource::Env(name) if std::env::var(name).is_ok_and(|key| !key.trim().is_empty()) => {
                return ("environment", Some(name.clone()));
            }
            KeySource::Env(_) => {}
            KeySource::Keychain(name) => match vault.find(name) {
                Ok(Some((_, Source::Environment))) => {
                    return ("environment", Some(zos_seal::vault::variable_of(name)));
                }
                Ok(Some(_)) => return ("keychain", Some(name.clone())),
                Ok(None) => {}
                Err(_) => return ("unavailable", None),
            },
        }
    }
    ("missing", None)
}

/// `GET /zos/v1/budgets`.
pub(crate) fn budgets(home: &Home) -> Result<Value> {
    let clock = Clock::system();
    let snapshot = brain(home)?.snapshot();
    let ledger = ledger(home)?;
    let mut budgets = Vec::new();
    for (name, state) in &snapshot.contexts {
        let limits = state.context().map(|context| all_limits(&context.budget)).unwrap_or_default();
        let balance = match &ledger {
            None => Balance::unused(name.as_str(), clock.today(), limits),
            Some(ledger) => answered(ledger.balance(name.as_str(), clock.today(), &limits))?,
        };
        budgets.push(BudgetState::new(&balance, clock.now_ms()));
    }
    Ok(value(&Budgets { budgets }))
}

/// `GET /zos/v1/usage`.
pub(crate) fn usage(home: &Home, query: HistoryQuery) -> Result<Value> {
    let mut rows = match ledger(home)? {
        None => Vec::new(),
        Some(ledger) => answered(ledger.history(query))?,
    };
    rows.reverse();
    Ok(value(&UsageHistory { rows: rows.into_iter().map(UsageRow::from).collect() }))
}

/// The ledger of a home on which nothing runs; `None` where no call was ever made.
pub(crate) fn ledger(home: &Home) -> Result<Option<Arc<dyn Ledger>>> {
    let config = Config::load(home).map_err(|error| Failure::environment(&error))?;
    if let Some(address) = zos_gateway::ledger::address(&config) {
        let shared = zos_gateway::ledger::open_shared(&address);
        return shared.map(Some).map_err(|error| Failure::environment(&error));
    }
    let path = home.usage_db();
    if !path.exists() {
        return Ok(None);
    }
    // Shared, so that two commands at once do not get in each other's way.
    let options = SqliteOptions { exclusive: false, ..SqliteOptions::default() };
    let ledger = SqliteLedger::open_with(&path, options).map_err(|error| Failure::environment(&error))?;
    Ok(Some(Arc::new(ledger)))
}

/// Waits for the ledger's own thread, which needs no runtime of ours.
fn answered<T>(answer: zos_meter::BoxFuture<std::result::Result<T, zos_meter::LedgerError>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| Failure::environment(&error))?;
    runtime.block_on(answer).map_err(|error| Failure::environment(&error))
}

/// The memory of one room, and the room's own rules for what may be noticed about it.
fn memory(home: &Home, context: &str) -> Result<(Arc<Room>, Option<Arc<RoomPolicy>>)> {
    let name: ContextName = context.parse().map_err(|_| Failure::unknown_context(context))?;
    let snapshot = brain(home)?.snapshot();
    if snapshot.context(&name).is_none() {
        return Err(Failure::unknown_context(context));
    }
    Ok((Memories::new(home.clone()).room(&name), snapshot.policy(&name)))
}

fn memory_failure(error: MemoryError) -> Failure {
    match error {
        MemoryError::UnknownId => Failure::failed(Code::UnknownMemory, sentence(&error)),
        error => Failure::environment(&error),
    }
}

/// `GET /zos/v1/memory`.
pub(crate) fn memory_search(home: &Home, context: &str, query: &str, limit: u32) -> Result<Value> {
    let (room, _) = memory(home, context)?;
    let recall = room.search(query, limit as usize, Moment::now()).map_err(memory_failure)?;
    Ok(value(&MemoryRecall::from(recall)))
}

/// `GET /zos/v1/memory/review`.
pub(crate) fn memory_review(home: &Home, context: &str) -> Result<Value> {
    let (room, policy) = memory(home, context)?;
    let rules = policy.as_deref().map(|policy| &policy.rules);
    let waiting = room.review(rules, Moment::now()).map_err(memory_failure)?;
    Ok(value(&MemoryReview::from(waiting)))
}

/// `GET /zos/v1/memory/{context}/{id}`.
pub(crate) fn memory_show(home: &Home, context: &str, id: &str) -> Result<Value> {
    let (room, _) = memory(home, context)?;
    let id = id.parse().map_err(|_| memory_failure(MemoryError::UnknownId))?;
    let shown = room.show(&id, Moment::now()).map_err(memory_failure)?;
    Ok(value(&MemoryShown::from(shown)))
}
