//! `zos models`: what routing/fleet.yml says about models, and what a room permits of it. What providers
//! list beyond that is not asked for here: `GET /v1/models` of a running zOS has it.

use crate::failure::{Failure, Outcome, Result};
use crate::files;
use crate::output::{Cell, Members, Output, Table, Tone, grouped};
use crate::prices;
use crate::room::InContext;
use crate::session::Session;
use clap::{Args, Subcommand, ValueHint};
use serde_json::{Value, json};
use std::path::PathBuf;
use zos_core::fleet::{DEMO, ModelMatch, ModelRule};
use zos_core::{Api, Code, ContextName, Fleet, Home, ModelFilter};

/// Which models can be asked for, who serves them, and what they cost
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Command {
    #[command(flatten)]
    context: InContext,
    #[command(subcommand)]
    command: Option<Prices>,
}

/// `zos models …`.
#[derive(Subcommand)]
pub(crate) enum Prices {
    /// Where the prices come from: source, date, digest
    Prices,
    /// Put another catalogue of prices in place, once it is checked
    Update {
        /// A catalogue: the data.json of genai-prices, or one of ours
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present = "shipped")]
        from: Option<PathBuf>,
        /// Go back to the prices that ship with zOS
        #[arg(long, conflicts_with = "from")]
        shipped: bool,
    },
}

/// The model of the built-in demo.
const DEMO_MODEL: &str = "demo/echo";

/// Shows the models of a room, or sees to their prices.
pub(crate) fn run(session: &Session, arguments: &Command, output: &mut Output) -> Result<Outcome> {
    let home = session.home()?;
    match &arguments.command {
        None => list_models(home, arguments.context.context.as_ref(), output),
        Some(Prices::Prices) => prices::show(home, output),
        Some(Prices::Update { from, .. }) => prices::update(home, from.as_deref(), output),
    }
}

fn list_models(home: &Home, context: Option<&ContextName>, output: &mut Output) -> Result<Outcome> {
    let snapshot = files::brain(home)?.snapshot();
    let name = match context {
        Some(name) => Some(name.clone()),
        None => snapshot.effective_active().ok().cloned(),
    };
    let filter = match &name {
        None => ModelFilter::default(),
        Some(name) => {
            let state = snapshot.context(name).ok_or_else(|| Failure::unknown_context(name.as_str()))?;
            let broken = || {
                Failure::failed(Code::ContextBroken, format!("The file of the room {name} cannot be used."))
                    .hint("`zos lint` says why.")
            };
            state.context().ok_or_else(broken)?.models.clone()
        }
    };
    let models = list(&snapshot.fleet, &filter);
    if output.is_json() {
        output.json(&json!({"context": name.as_ref().map(ContextName::as_str), "models": models, "others": others(&snapshot.fleet)}))?;
    } else {
        show(name.as_ref(), &models, &snapshot.fleet, output)?;
    }
    Ok(Outcome::Fine)
}

fn list(fleet: &Fleet, filter: &ModelFilter) -> Vec<Value> {
    let rule = |rule: &ModelRule| {
        let provider = fleet.provider(&rule.provider);
        let (id, is_pattern) = match &rule.models {
            ModelMatch::Id(id) => (id.as_str(), false),
            ModelMatch::Glob(glob) => (glob.as_str(), true),
        };
        let serves = || provider.is_some_and(|provider| fleet.route(provider.api, id, filter).is_ok());
        // A pattern may be permitted in part, unless nothing is filtered at all.
        let is_filtered = *filter != ModelFilter::default();
        let permitted = if is_pattern && is_filtered { None } else { Some(is_pattern || serves()) };
        json!({
            "model": id, "pattern": is_pattern, "provider": rule.provider, "api": provider.map(|provider| provider.api.name()),
            "sent_as": rule.model, "context_tokens": rule.context, "permitted": permitted,
        })
    };
    let demo = json!({
        "model": DEMO_MODEL, "pattern": false, "provider": DEMO, "api": null,
        "sent_as": null, "context_tokens": null, "permitted": filter.permits(DEMO_MODEL),
    });
    fleet.models().iter().map(rule).chain([demo]).collect()
}

/// Who serves a model that no rule names, by the API that the client speaks.
fn others(fleet: &Fleet) -> Value {
    let default = |api: Api| {
        fleet
            .providers()
            .find(|provider| fleet.is_face_default(provider, api))
            .map(|provider| provider.name.clone())
    };
    json!({"anthropic": default(Api::Anthropic), "openai": default(Api::OpenAi)})
}

fn show(context: Option<&ContextName>, models: &[Value], fleet: &Fleet, output: &mut Output) -> Result<()> {
    let mut table = Table::new(&["MODEL", "PROVIDER", "API", "SENT AS", ">CONTEXT", "HERE"]);
    for model in models {
        let here = match model["permitted"].as_bool() {
            Some(true) => Cell(Tone::Good, "yes".to_owned()),
            Some(false) => Cell(Tone::Bad, "no".to_owned()),
            None => Cell(Tone::Quiet, "what the room permits".to_owned()),
        };
        let api = Some(model.text("api")).filter(|api| !api.is_empty()).unwrap_or("both");
        let tokens = model.number("context_tokens").map(grouped).unwrap_or_default();
        table.row(vec![
            model.text("model").into(),
            model.text("provider").into(),
            api.into(),
            model.text("sent_as").into(),
            tokens.into(),
            here,
        ]);
    }
    output.table(&table)?;
    output.line("")?;
    let others = others(fleet);
    for (key, name) in [("anthropic", "Anthropic"), ("openai", "OpenAI")] {
        let line = match others.text(key) {
            "" => format!("No other model can be asked for by the {name} API."),
            provider => format!("Any other model asked for by the {name} API goes to {provider}."),
        };
        output.line(output.toned(Tone::Quiet, &line))?;
    }
    let room = context.map_or_else(
        || "No room is active, so nothing is filtered.".to_owned(),
        |name| format!("HERE is the room {name}."),
    );
    output.line(output.toned(Tone::Quiet, &room))
}
