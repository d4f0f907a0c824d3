//! Reads `routing/fleet.yml`, and makes the built-in fleet that serves without it.

mod demands;
mod providers;

use std::collections::BTreeMap;
use std::sync::Arc;

use url::Url;

use super::provider::parse_base_url;
use super::{
    Api, DEMO, DefaultProvider, Defaults, Environment, Fleet, KeySource, ModelMatch, ModelRule, Provider,
    SLOTS,
};
use crate::glob::Glob;
use crate::problem::Problem;
use crate::yaml::{self, Fields, Findings, Node, Place, Unknown, Value, closest};

/// The file, relative to the home.
pub(crate) const FILE: &str = "routing/fleet.yml";
const ANTHROPIC_BASE_URL: &str = "https://api.anthropic.com";
const OPENAI_BASE_URL: &str = "https://api.openai.com/v1";

/// Outcome of reading the fleet's file.
#[derive(Clone, Debug)]
pub struct ParsedFleet {
    /// The fleet; absent where any problem is an error.
    pub fleet: Option<Fleet>,
    /// Problems of the file.
    pub problems: Vec<Problem>,
}

/// Parses `routing/fleet.yml`; `None` stands for no file. Takes any bytes.
pub fn parse_fleet(bytes: Option<&[u8]>, environment: &Environment) -> ParsedFleet {
    let mut findings = Findings::new(FILE);
    let fleet = match bytes {
        None => Some(Fleet::builtin()),
        Some(bytes) => match yaml::parse(FILE, bytes) {
            Ok(document) if document.root.value == Value::Null => {
                let fix = "write at least `version: 1` and `providers:`, or delete the file to use the built-in fleet";
                findings.error(document.root.place, "the file is empty", fix);
                None
            }
            Ok(document) => {
                Fields::of(&document.root, "", &mut findings).map(|fields| read(fields, &mut findings))
            }
            Err(problem) => {
                findings.push(*problem);
                None
            }
        },
    };
    let fleet = fleet.map(|fleet| override_base_urls(fleet, environment, &mut findings));
    ParsedFleet { fleet: fleet.filter(|_| !findings.has_errors()), problems: findings.into_problems() }
}

impl Fleet {
    /// The fleet that serves while there is no file: Anthropic, OpenAI and the demo provider.
    pub fn builtin() -> Self {
        let provider = |api: Api, base_url: &str| {
            let base_url = Url::parse(base_url).expect("the built-in addresses are well formed");
            let keys = providers::key_sources(KeySource::Keychain(api.name().to_owned()));
            Arc::new(Provider { keys, ..Provider::at(api.name(), api, Some(base_url)) })
        };
        let providers = vec![
            provider(Api::Anthropic, ANTHROPIC_BASE_URL),
            provider(Api::OpenAi, OPENAI_BASE_URL),
            demo(),
        ];
        let rule = |glob: &str, api: Api| ModelRule {
            models: ModelMatch::Glob(Glob::new(glob)),
            provider: api.name().to_owned(),
            model: None,
            context: None,
            caps: None,
            residency: None,
            retention: None,
        };
        let models = vec![
            rule("claude-*", Api::Anthropic),
            rule("gpt-*", Api::OpenAi),
            rule("chatgpt-*", Api::OpenAi),
            rule("text-embedding-*", Api::OpenAi),
        ];
        Self { models, builtin: true, ..Self::empty(providers) }
    }

    /// The fleet of a home whose file never loaded. Only the demo serves: the file may exist to
    /// keep prompts away from the built-in providers.
    pub(crate) fn unloaded() -> Self {
        Self::empty(vec![demo()])
    }

    fn empty(providers: Vec<Arc<Provider>>) -> Self {
        Self {
            providers,
            models: Vec::new(),
            default_provider: BTreeMap::new(),
            fallback: Vec::new(),
            slots: BTreeMap::new(),
            rules: Vec::new(),
            defaults: Defaults::default(),
            builtin: false,
            broken: None,
        }
    }
}

fn demo() -> Arc<Provider> {
    Arc::new(Provider {
        residency: Some("local".to_owned()),
        retention: Some("none".to_owned()),
        ..Provider::at(DEMO, Api::OpenAi, None)
    })
}

fn read(mut fields: Fields<'_>, findings: &mut Findings) -> Fleet {
    read_version(&mut fields, findings);
    let mut providers = providers::read(&mut fields, findings);
    providers.push(demo());
    let models = read_models(&mut fields, &providers, findings);
    if let Some(entry) = fields.entry("providers") {
        providers::check_step_downs(&entry.value, &models, findings);
    }
    let default_provider = read_defaults(&mut fields, &providers, findings);
    let fallback = read_fallback(&mut fields, &models, findings);
    let slots = demands::read_slots(&mut fields, findings);
    let rules = demands::read_rules(&mut fields, findings);
    let defaults = demands::read_defaults(&mut fields, findings);
    fields.finish(Unknown::Warn, findings);
    Fleet { models, default_provider, fallback, slots, rules, defaults, ..Fleet::empty(providers) }
}

fn read_version(fields: &mut Fields<'_>, findings: &mut Findings) {
    let version = fields.whole("version", findings);
    if version.is_some_and(|version| version != 1) {
        let place = fields.entry("version").map_or(fields.place(), |entry| entry.value.place);
        findings.error(
            place,
            "this version of zOS reads fleet version 1 only",
            "write `version: 1`, or update zOS",
        );
    }
}

fn read_models(
    fields: &mut Fields<'_>,
    providers: &[Arc<Provider>],
    findings: &mut Findings,
) -> Vec<ModelRule> {
    let Some(items) = fields.list("models", "rules", findings) else { return Vec::new() };
    let mut ids = BTreeMap::new();
    let mut rules = Vec::with_capacity(items.len());
    for (index, node) in items.iter().enumerate() {
        let path = format!("models[{}]", index + 1);
        let Some(rule) = read_model(node, &path, providers, findings) else { continue };
        if let ModelMatch::Id(id) = &rule.models
            && let Some(first) = ids.insert(id.clone(), node.place.line)
        {
            let message = format!("the model id \"{id}\" stands twice, first on line {first}");
            findings.error(node.place, message, "remove one of the two");
        }
        rules.push(rule);
    }
    rules
}

fn read_model(
    node: &Node,
    path: &str,
    providers: &[Arc<Provider>],
    findings: &mut Findings,
) -> Option<ModelRule> {
    let mut fields = Fields::of(node, path, findings)?;
    let glob = fields.text("match", findings);
    let id = fields.text("id", findings);
    let provider = read_provider_name(&mut fields, providers, findings);
    let model = fields.text("model", findings).map(str::to_owned);
    let context = fields.whole("context", findings);
    let caps = demands::read_words(&mut fields, "caps", findings);
    let residency = fields.text("residency", findings).map(str::to_owned);
    let retention = fields.text("retention", findings).map(str::to_owned);
    fields.finish(Unknown::Warn, findings);
    let models = match (glob, id) {
        (Some(glob), None) => ModelMatch::Glob(Glob::new(glob)),
        (None, Some(id)) => ModelMatch::Id(id.to_owned()),
        (Some(_), Some(_)) => {
            findings.error(node.place, format!("`{path}` has both `match` and `id`"), "make two rules of it");
            return None;
        }
        (None, None) => {
            let fix = "write {match: \"gpt-*\", provider: …} or {id: local/x, provider: …, model: x}";
            findings.error(node.place, format!("`{path}` has neither `match` nor `id`"), fix);
            return None;
        }
    };
    let named = match &models {
        ModelMatch::Id(id) => id.as_str(),
        ModelMatch::Glob(glob) => glob.as_str(),
    };
    if named.split_once('/').is_some_and(|(first, _)| first == DEMO) {
        findings.error(node.place, "models `demo/*` belong to the built-in demo", "choose another name");
        return None;
    }
    if named.split_once('/').is_some_and(|(first, _)| first == SLOTS) {
        findings.error(node.place, "models `zos/*` are the slots of this fleet", "name it under `slots`");
        return None;
    }
    Some(ModelRule { models, provider: provider?, model, context, caps, residency, retention })
}

fn read_provider_name(
    fields: &mut Fields<'_>,
    providers: &[Arc<Provider>],
    findings: &mut Findings,
) -> Option<String> {
    if fields.entry("provider").is_none() {
        let message = format!("`{}` is missing", fields.name("provider"));
        findings.error(fields.place(), message, "add `provider: NAME`");
        return None;
    }
    let name = fields.text("provider", findings)?;
    let place = fields.entry("provider").map_or(fields.place(), |entry| entry.value.place);
    check_provider(name, place, providers, findings).then(|| name.to_owned())
}

fn check_provider(name: &str, place: Place, providers: &[Arc<Provider>], findings: &mut Findings) -> bool {
    let mut names = providers.iter().map(|provider| provider.name.as_str());
    if names.clone().any(|known| known == name) {
        return true;
    }
    let fix = match closest(name, names.by_ref()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "add it under `providers`".to_owned(),
    };
    findings.error(place, format!("there is no provider called \"{name}\""), fix);
    false
}

/// `default_provider: {anthropic: NAME, openai: NAME}`; `none` in place of a name, or of the whole
/// map, refuses models that no rule names.
fn read_defaults(
    fields: &mut Fields<'_>,
    providers: &[Arc<Provider>],
    findings: &mut Findings,
) -> BTreeMap<Api, DefaultProvider> {
    let nobody = [(Api::Anthropic, DefaultProvider::Nobody), (Api::OpenAi, DefaultProvider::Nobody)];
    if fields
        .entry("default_provider")
        .is_some_and(|entry| entry.value.value == Value::Text("none".to_owned()))
    {
        return BTreeMap::from(nobody);
    }
    let Some(mut inner) = fields.map("default_provider", findings) else { return BTreeMap::new() };
    let mut defaults = BTreeMap::new();
    for (key, api) in [("anthropic", Api::Anthropic), ("openai", Api::OpenAi)] {
        let Some(name) = inner.text(key, findings) else { continue };
        let place = inner.entry(key).map_or(inner.place(), |entry| entry.value.place);
        if name == "none" {
            defaults.insert(api, DefaultProvider::Nobody);
        } else if check_provider(name, place, providers, findings) {
            defaults.insert(api, DefaultProvider::Named(name.to_owned()));
        }
    }
    inner.finish(Unknown::Warn, findings);
    defaults
}

fn read_fallback(
    fields: &mut Fields<'_>,
    known: &[ModelRule],
    findings: &mut Findings,
) -> Vec<(Glob, Vec<String>)> {
    let Some(inner) = fields.map("fallback", findings) else { return Vec::new() };
    let mut fallback = Vec::new();
    for entry in inner.entries() {
        let Value::List(items) = &entry.value.value else {
            let message =
                format!("`fallback.{}`: expected a list of models, found {}", entry.key, entry.value.kind());
            findings.error(entry.value.place, message, "write […]");
            continue;
        };
        let mut models = Vec::new();
        for item in items {
            match &item.value {
                Value::Text(model) => {
                    check_fallback(&entry.key, model, item.place, known, findings);
                    models.push(model.clone());
                }
                _ => {
                    let message =
                        format!("a fallback of `{}` must be text, found {}", entry.key, item.kind());
                    findings.error(item.place, message, "write the name of a model");
                }
            }
        }
        fallback.push((Glob::new(&entry.key), models));
    }
    fallback
}

/// Warns of a fallback that would be no net on the day it is needed.
fn check_fallback(asked: &str, model: &str, place: Place, known: &[ModelRule], findings: &mut Findings) {
    if model == asked {
        let message = format!("the fallback of `{asked}` is that model itself");
        return findings.warn(place, message, "name another model, or remove it");
    }
    let is_special = model.split_once('/').is_some_and(|(first, _)| first == DEMO || first == SLOTS);
    let is_named = known.iter().any(|rule| match &rule.models {
        ModelMatch::Id(id) => id == model,
        ModelMatch::Glob(glob) => glob.matches(model),
    });
    if is_special || is_named {
        return;
    }
    let message = format!("the fallback \"{model}\" of `{asked}` is no model that `models` names");
    let ids = known.iter().map(|rule| match &rule.models {
        ModelMatch::Id(id) => id.as_str(),
        ModelMatch::Glob(glob) => glob.as_str(),
    });
    let fix = match closest(model, ids) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "add it under `models`; else the default provider is asked for it".to_owned(),
    };
    findings.warn(place, message, fix);
}

fn override_base_urls(mut fleet: Fleet, environment: &Environment, findings: &mut Findings) -> Fleet {
    let overrides = [
        (Api::Anthropic, "ANTHROPIC_BASE_URL", &environment.anthropic_base_url),
        (Api::OpenAi, "OPENAI_BASE_URL", &environment.openai_base_url),
    ];
    for (api, variable, value) in overrides {
        let Some(value) = value else { continue };
        let chosen =
            fleet.providers.iter_mut().find(|provider| provider.name == api.name() && provider.api == api);
        let Some(provider) = chosen else { continue };
        match parse_base_url(value, provider.dangerous_plain_http) {
            Ok(base_url) => Arc::make_mut(provider).base_url = Some(base_url),
            Err(error) => findings.push(Problem::error(
                FILE,
                format!("the environment variable {variable}: {error}"),
                format!("set it to an https address, or unset {variable}"),
            )),
        }
    }
    fleet
}
