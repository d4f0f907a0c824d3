//! `zos route explain`: where a call for a model would go, and why not. Only the files are asked; whether
//! the provider answers is `zos providers test`.

use crate::arguments::{Face, Route};
use crate::failure::{Failure, Outcome, Result, sentence};
use crate::files;
use crate::output::{Cell, Output, Tone};
use serde_json::json;
use zos_core::{Api, Home, KeySource, RouteError};

/// Explains the route of a model; finds that there is none.
pub(crate) fn run(home: &Home, command: &Route, output: &mut Output) -> Result<Outcome> {
    let Route::Explain { model, context, api } = command;
    let snapshot = files::brain(home)?.snapshot();
    let name = match &context.context {
        Some(name) => name.clone(),
        None => files::active(&snapshot)?,
    };
    let state = snapshot.context(&name).ok_or_else(|| Failure::unknown_context(name.as_str()))?;
    let broken = || {
        Failure::failed("zos_context_broken", format!("The file of the room {name} cannot be used."))
            .hint("`zos lint` says why.")
    };
    let filter = &state.context().ok_or_else(broken)?.models;
    let face = match api {
        Face::Anthropic => Api::Anthropic,
        Face::Openai => Api::OpenAi,
    };
    match snapshot.fleet.route(face, model, filter) {
        Ok(route) => {
            let provider = &route.provider;
            let address = provider.base_url.as_ref().map(ToString::to_string);
            let sent = route.model_sent.as_deref().unwrap_or(model);
            let keys: Vec<String> = provider.keys.iter().map(KeySource::to_string).collect();
            // The demo speaks all APIs. No call is translated from one API to another yet.
            let speaks = provider.is_demo() || provider.api == face;
            if output.is_json() {
                output.json(&json!({
                    "model": model, "context": name.as_str(), "provider": provider.name, "address": address,
                    "sent_as": sent, "keys": keys, "possible": speaks, "reason": null,
                }))?;
            } else {
                let keys = if keys.is_empty() {
                    "none needed".to_owned()
                } else {
                    format!("the client's own, else {}", keys.join(", else "))
                };
                output.facts(&[
                    ("model", model.as_str().into()),
                    ("room", name.as_str().into()),
                    ("goes to", Cell(Tone::Strong, provider.name.clone())),
                    ("address", address.unwrap_or_else(|| "inside zOS".to_owned()).into()),
                    ("sent as", sent.into()),
                    ("key", keys.into()),
                ])?;
                if !speaks {
                    let line = format!(
                        "But it speaks the {} API, and a call of the {face} API is not translated.",
                        provider.api
                    );
                    output.line(&format!("\n{}", output.toned(Tone::Bad, &line)))?;
                }
            }
            Ok(if speaks { Outcome::Fine } else { Outcome::Found })
        }
        Err(why) => {
            if output.is_json() {
                output.json(&json!({"model": model, "context": name.as_str(), "possible": false, "reason": sentence(&why)}))?;
            } else {
                output.line(&output.toned(Tone::Bad, &sentence(&why)))?;
                output.line(&mend(&why, name.as_str()))?;
            }
            Ok(Outcome::Found)
        }
    }
}

fn mend(why: &RouteError, context: &str) -> String {
    match why {
        RouteError::NotPermitted { .. } => format!("`models` in contexts/{context}.yml decides that."),
        RouteError::UnknownModel { .. } => "Add it under `models` in routing/fleet.yml.".to_owned(),
        RouteError::NoProvider { .. } => {
            "Add a provider that does under `providers` in routing/fleet.yml.".to_owned()
        }
    }
}
