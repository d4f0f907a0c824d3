//! `zos route explain`: where a call for a model would go, what would be tried after it, and why not the
//! others. A key is only looked for, never shown; whether a provider takes it is `zos providers test`.

use crate::failure::{Outcome, Result, sentence};
use crate::opening;
use crate::output::{Cell, Members, Output, Tone};
use crate::providers;
use crate::room::{self, InContext};
use crate::session::Session;
use clap::{Subcommand, ValueEnum};
use serde_json::json;
use std::collections::BTreeMap;
use zos_core::fleet::Billing;
use zos_core::{Api, KeySource, Plan, Provider, RouteError, RouteRequest};

/// Where a call for a model would go
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Who would serve a model, and why not
    Explain {
        /// The model or slot as a client asks for it
        #[arg(required_unless_present = "named")]
        model: Option<String>,
        /// The same, by name
        #[arg(long = "model", id = "named", value_name = "MODEL", conflicts_with = "model")]
        named: Option<String>,
        #[command(flatten)]
        context: InContext,
        /// The API that the client speaks [default: that of the model's provider]
        #[arg(long, value_enum)]
        api: Option<Face>,
        /// What the call needs the model to do, such as vision or tools
        #[arg(long, value_delimiter = ',')]
        caps: Vec<String>,
        /// Tokens of the call's input
        #[arg(long, default_value_t = 0)]
        tokens: u64,
    },
}

/// The APIs that clients speak.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Face {
    Anthropic,
    Openai,
}

/// Explains the route of a model; finds that there is none.
pub(crate) fn run(session: &Session, command: &Command, output: &mut Output) -> Result<Outcome> {
    let (home, admin) = (session.home()?, session.admin()?);
    let Command::Explain { model, named, context, api, caps, tokens } = command;
    let model = named.as_ref().or(model.as_ref()).expect("clap asks for one of the two");
    let snapshot = opening::brain(home)?.snapshot();
    let name = room::named_or_active(&snapshot, context.context.as_ref())?;
    let state = snapshot.context(&name);
    let governing =
        state.and_then(|state| state.context()).ok_or_else(|| room::unusable(&snapshot, &name))?;
    let caps: Vec<&str> = caps.iter().map(String::as_str).collect();
    let plan = |face| {
        snapshot.fleet.plan(&RouteRequest {
            face,
            model,
            filter: &governing.models,
            context: name.as_str(),
            isolation: governing.isolation,
            caps: &caps,
            thinks: caps.contains(&"thinking"),
            tokens: *tokens,
            may_fall_back: true,
        })
    };
    let (face, plan) = match api {
        Some(Face::Anthropic) => (Api::Anthropic, plan(Api::Anthropic)),
        Some(Face::Openai) => (Api::OpenAi, plan(Api::OpenAi)),
        None => {
            let usual = plan(Api::OpenAi);
            match usual.routes.first() {
                Some(route) if route.provider.api == Api::Anthropic => (Api::Anthropic, plan(Api::Anthropic)),
                _ => (Api::OpenAi, usual),
            }
        }
    };
    // The running zOS may have keys in its environment that this process has not.
    let told = providers::all(home, admin)?;
    let keys: Keys = told
        .list("providers")
        .iter()
        .map(|provider| (provider.text("id").to_owned(), provider.text("key").to_owned()))
        .collect();
    let plan =
        plan.with_keys(&snapshot.fleet, face, |provider| zos_gateway::may_be_there(key_of(&keys, provider)));
    if output.is_json() {
        output.json(&as_json(&plan, &keys, model, name.as_str(), face))?;
    } else {
        show(&plan, &keys, model, name.as_str(), face, output)?;
    }
    Ok(if plan.routes.is_empty() { Outcome::Found } else { Outcome::Fine })
}

/// Whether each provider's key is there, in the words of `zos providers list --json`.
type Keys = BTreeMap<String, String>;

fn key_of<'a>(keys: &'a Keys, provider: &Provider) -> &'a str {
    keys.get(&provider.name).map_or("unavailable", String::as_str)
}

fn as_json(plan: &Plan, keys: &Keys, model: &str, context: &str, face: Api) -> serde_json::Value {
    let dropped: Vec<_> = plan
        .dropped
        .iter()
        .map(|dropped| json!({"model": dropped.model, "reason": sentence(&dropped.reason)}))
        .collect();
    let chosen = plan.routes.first();
    let provider = chosen.map(|route| &route.provider);
    let address = provider.and_then(|provider| provider.base_url.as_ref()).map(ToString::to_string);
    let sources: Vec<String> =
        provider.iter().flat_map(|provider| &provider.keys).map(KeySource::to_string).collect();
    let shown = |route: &zos_core::Route| {
        let key = key_of(keys, &route.provider);
        json!({"model": route.model, "provider": route.provider.name, "key": key})
    };
    let then: Vec<_> = plan.routes.iter().skip(1).map(shown).collect();
    json!({
        "chosen": chosen.map(shown),
        "considered": plan.considered, "dropped": dropped, "then": then,
        "model": model, "context": context, "possible": chosen.is_some(),
        "reason": plan.refusal().map(|reason| sentence(reason)),
        "provider": provider.map(|provider| &provider.name), "address": address,
        "sent_as": chosen.map(zos_core::Route::sent_as), "keys": sources,
        "translated": chosen.is_some_and(|route| is_translated(route, face)),
    })
}

/// Whether calls are carried to another API on this route.
fn is_translated(route: &zos_core::Route, face: Api) -> bool {
    route.provider.api != face && !route.provider.is_demo()
}

fn show(plan: &Plan, keys: &Keys, model: &str, context: &str, face: Api, output: &mut Output) -> Result<()> {
    let Some(route) = plan.routes.first() else {
        let why = plan.refusal().expect("a plan without a route has a reason");
        output.line(output.toned(Tone::Bad, &sentence(why)))?;
        output.line(fix(why, context))?;
        return dropped(plan, output);
    };
    let provider = &route.provider;
    let sources: Vec<String> = provider.keys.iter().map(KeySource::to_string).collect();
    let own = if is_translated(route, face) { "" } else { "the client's own, else " };
    let stored = |tone, state: &str| Cell(tone, format!("{own}{} ({state})", sources.join(", else ")));
    let key = match key_of(keys, provider) {
        "none" => "none needed".into(),
        "caller" => "the client's own".into(),
        "missing" => stored(Tone::Notice, "not there"),
        "unavailable" => stored(Tone::Notice, "the keychain did not answer"),
        _ => stored(Tone::Plain, "there"),
    };
    let address = provider.base_url.as_ref().map(ToString::to_string);
    let key = match &provider.billing {
        Billing::Plan => Cell(key.0, format!("{}; paid by a plan", key.1)),
        Billing::Tokens => key,
    };
    let mut facts = vec![
        ("model", model.into()),
        ("room", context.into()),
        ("goes to", Cell(Tone::Strong, provider.name.clone())),
        ("address", address.unwrap_or_else(|| "inside zOS".to_owned()).into()),
        ("sent as", route.sent_as().into()),
        ("key", key),
    ];
    if is_translated(route, face) {
        facts.push(("API", format!("{}, carried over from {face}", provider.api).into()));
    }
    let then: Vec<String> = plan
        .routes
        .iter()
        .skip(1)
        .map(|route| format!("{} ({})", route.model, route.provider.name))
        .collect();
    if !then.is_empty() {
        facts.push(("if it fails", then.join(", then ").into()));
    }
    output.facts(&facts)?;
    dropped(plan, output)
}

fn dropped(plan: &Plan, output: &mut Output) -> Result<()> {
    let others = plan.dropped.iter().skip(usize::from(plan.routes.is_empty()));
    for dropped in others {
        output.line(format!("not {}: {}", dropped.model, sentence(&dropped.reason)))?;
    }
    Ok(())
}

fn fix(why: &RouteError, context: &str) -> String {
    match why {
        RouteError::NotPermitted { .. } => format!("`models` in contexts/{context}.yml decides that."),
        RouteError::UnknownModel { .. } => "Add it under `models` in routing/fleet.yml.".to_owned(),
        RouteError::EmptySlot { .. } => "Name a model under `slots` in routing/fleet.yml.".to_owned(),
        RouteError::Broken { .. } => "`zos lint` says what to write there instead.".to_owned(),
        RouteError::NoProvider { .. } => {
            "Add a provider that does under `providers` in routing/fleet.yml.".to_owned()
        }
        RouteError::NoKey { provider, .. } => {
            format!(
                "zos providers key set {provider}, or set the variable that `key` names in routing/fleet.yml."
            )
        }
        RouteError::TooLong { .. } | RouteError::Lacks { .. } => {
            "See `context` and `caps` of the model, and name a fallback, in routing/fleet.yml.".to_owned()
        }
        RouteError::Required { .. } => {
            "See `rules`, and `residency` and `retention` of providers, in routing/fleet.yml.".to_owned()
        }
    }
}
