//! Reads `providers`: what a preset knows, overruled key by key, then checked as if the person had written all of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::super::command::{TTL_LIMIT, USUAL_TTL, WORD_LIMIT_BYTES, WORDS_LIMIT, is_program, parse_time};
use super::super::preset::{PRESETS, Preset, Way};
use super::super::provider::{BaseUrlError, parse_base_url};
use super::super::travel::{BadHeader, LIST_LIMIT};
use super::super::{
    Api, Auth, Billing, DEMO, Headers, KeyCommand, KeySource, ModelMatch, ModelRule, Provider, Proxy, SLOTS,
    StepDown, TimeLimits,
};
use crate::yaml::{Fields, Findings, MapEntry, Node, Place, Unknown, Value, closest};

/// The longest wait that a file may name: a day.
const WAIT_LIMIT_MS: u64 = 86_400_000;

/// The most models to step down to.
const STEPS_LIMIT: usize = 16;

pub(super) fn read(fields: &mut Fields<'_>, findings: &mut Findings) -> Vec<Arc<Provider>> {
    let Some(inner) = fields.map("providers", findings) else {
        if fields.entry("providers").is_none() {
            let fix =
                "write providers: {local: {api: openai, base_url: \"http://127.0.0.1:11434/v1\", key: none}}";
            findings.warn(
                fields.place(),
                "the fleet has no `providers`, so only demo/* models are served",
                fix,
            );
        }
        return Vec::new();
    };
    inner.entries().iter().filter_map(|entry| read_provider(entry, findings)).map(Arc::new).collect()
}

fn read_provider(entry: &MapEntry, findings: &mut Findings) -> Option<Provider> {
    if entry.key == DEMO {
        findings.error(
            entry.place,
            "the provider `demo` is built in and cannot be redefined",
            "choose another name",
        );
        return None;
    }
    if !is_provider_name(&entry.key) {
        let message = format!("\"{}\" cannot name a provider", entry.key);
        findings.error(
            entry.place,
            message,
            "use 1 to 64 of a-z, 0-9, `.`, `_` and `-`, starting with a letter",
        );
        return None;
    }
    let path = format!("providers.{}", entry.key);
    let mut fields = Fields::of(&entry.value, &path, findings)?;
    let words: Vec<_> = PRESETS.iter().map(|preset| (preset.name, preset)).collect();
    let has_preset = fields.entry("preset").is_some();
    let preset = if has_preset { fields.word("preset", &words, findings) } else { None };
    let api = fields.word("api", &[("anthropic", Api::Anthropic), ("openai", Api::OpenAi)], findings);
    if !has_preset && fields.entry("api").is_none() {
        findings.error(
            entry.place,
            format!("`{path}` has no `api`"),
            "add `api: openai` or `api: anthropic`, or a `preset`",
        );
    }
    let way = preset.and_then(|preset| way(preset, api, &mut fields, findings));
    let dangerous_plain_http = fields.flag("dangerous_plain_http", findings).unwrap_or(false);
    let base_url = match way {
        Some(way) if fields.entry("base_url").is_none() => {
            let preset = preset.expect("a way is one of a preset");
            preset_address(preset, way, entry.place, &mut fields, findings)
        }
        _ if has_preset && preset.is_none() => None,
        _ => {
            // The variables are no mistake beside an address of one's own: they are just not needed.
            for variable in preset.iter().flat_map(|preset| preset.asks) {
                fields.entry(variable);
            }
            read_base_url(&mut fields, entry.place, dangerous_plain_http, findings)
        }
    };
    let auth = fields.word("auth", &Auth::WORDS, findings);
    let is_auth_stated = fields.entry("auth").is_some();
    let keys = read_key(&mut fields, findings);
    let residency = fields.text("residency", findings).map(str::to_owned);
    let retention = fields.text("retention", findings).map(str::to_owned);
    let speaks_responses = fields.flag("responses", findings);
    let proxy = read_proxy(&mut fields, findings);
    let ca = fields.text("ca", findings).map(PathBuf::from);
    let limits = TimeLimits {
        connect: wait(&mut fields, "connect_timeout_ms", findings),
        first_byte: wait(&mut fields, "first_byte_timeout_ms", findings),
        idle: wait(&mut fields, "idle_timeout_ms", findings),
    };
    let pass_up = read_headers(&mut fields, "pass_up", preset.map(|preset| preset.pass_up), findings);
    let pass_down = read_headers(&mut fields, "pass_down", preset.map(|preset| preset.pass_down), findings);
    let billing = fields.word("billing", &[("tokens", Billing::Tokens), ("plan", Billing::Plan)], findings);
    let step_down = read_step_down(&mut fields, findings);
    let key_place = fields.entry("key").map(|entry| entry.value.place);
    fields.finish(Unknown::Warn, findings);
    let (api, base_url) = (api.or(way.map(|way| way.api))?, base_url?);
    let auth = auth.or(way.map(|way| way.auth)).unwrap_or(api.usual_auth());
    if let (Some(place), Some([_, ..]), None) = (key_place, keys.as_deref(), auth.header()) {
        let message = format!("`{path}.key` is never sent: `auth` is {}", auth.name());
        findings.error(place, message, "remove one of the two");
    }
    if api == Api::OpenAi && base_url.path().trim_end_matches('/').is_empty() {
        let message = format!("`{path}.base_url` has no path; calls go to /chat/completions");
        findings.warn(entry.place, message, format!("most servers want {}v1", base_url));
    }
    let mut provider = Provider {
        preset: preset.map(|preset| preset.name),
        auth,
        residency,
        retention,
        speaks_responses: speaks_responses.or(preset.map(|preset| preset.responses)).unwrap_or(true),
        dangerous_plain_http,
        proxy,
        ca,
        limits,
        pass_up,
        pass_down,
        billing: billing.unwrap_or(match preset {
            Some(preset) if preset.plan => Billing::Plan,
            _ => Billing::Tokens,
        }),
        step_down,
        ..Provider::at(&entry.key, api, Some(base_url))
    };
    provider.keys = match keys {
        Some(keys) => keys,
        // A key that the preset knows of must not be missed where the person said that none is sent.
        None if is_auth_stated && auth.header().is_none() => Vec::new(),
        None => preset.map(|preset| preset_keys(preset, &entry.key)).unwrap_or_default(),
    };
    // What serves models on this machine keeps them here. Of another server on it, a relay say, only its owner knows.
    if preset.is_some_and(|preset| preset.serves_models) && provider.is_on_this_machine() {
        provider.residency.get_or_insert_with(|| "local".to_owned());
    }
    Some(provider)
}

/// The way of a preset by the API that the file names, or by its usual one.
fn way(
    preset: &'static Preset,
    api: Option<Api>,
    fields: &mut Fields<'_>,
    findings: &mut Findings,
) -> Option<&'static Way> {
    let way = preset.way(api);
    if way.is_none() && fields.entry("base_url").is_none() {
        let place = fields.entry("api").map_or(fields.place(), |entry| entry.value.place);
        let known = preset.ways.first().map_or("", |way| way.api.name());
        let message = format!("the preset `{}` has no address for this API", preset.name);
        findings.error(place, message, format!("write api: {known}, or add a base_url"));
    }
    way
}

/// The address of a preset, made of the variables that it asks for.
fn preset_address(
    preset: &'static Preset,
    way: &'static Way,
    place: Place,
    fields: &mut Fields<'_>,
    findings: &mut Findings,
) -> Option<Url> {
    let mut values = Vec::with_capacity(preset.asks.len());
    for variable in preset.asks {
        let Some(entry) = fields.entry(variable) else {
            let message = format!("the preset `{}` needs `{}`", preset.name, fields.name(variable));
            findings.error(place, message, format!("add {variable}: NAME, or a base_url"));
            continue;
        };
        let at = entry.value.place;
        let Some(value) = fields.text(variable, findings) else { continue };
        let is_label = !value.is_empty()
            && value.len() <= 63
            && value.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !value.starts_with('-');
        if is_label {
            values.push((*variable, value));
        } else {
            let message = format!("`{}` is no part of an address", fields.name(variable));
            findings.error(
                at,
                message,
                "use 1 to 63 of a-z, 0-9 and `-`, as the provider's console shows it",
            );
        }
    }
    if values.len() < preset.asks.len() {
        return None;
    }
    Some(Url::parse(&way.address(&values)).expect("presets and labels make addresses"))
}

/// Sources of a preset's key: its usual variable, then the keychain under the name of the provider.
fn preset_keys(preset: &Preset, provider: &str) -> Vec<KeySource> {
    if preset.variable.is_empty() {
        return Vec::new();
    }
    vec![KeySource::Env(preset.variable.to_owned()), KeySource::Keychain(provider.to_owned())]
}

fn is_provider_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte))
        && name.len() <= 64
}

fn read_base_url(
    fields: &mut Fields<'_>,
    provider: Place,
    dangerous_plain_http: bool,
    findings: &mut Findings,
) -> Option<Url> {
    let name = fields.name("base_url");
    if fields.entry("base_url").is_none() {
        let fix = "add for example base_url: \"https://api.example.com/v1\"";
        findings.error(provider, format!("`{name}` is missing"), fix);
        return None;
    }
    let text = fields.text("base_url", findings)?;
    let place = fields.entry("base_url").map_or(provider, |entry| entry.value.place);
    parse_base_url(text, dangerous_plain_http)
        .map_err(|error: BaseUrlError| findings.error(place, format!("`{name}`: {error}"), error.fix()))
        .ok()
}

/// The key `keychain:anthropic` may also stand in `ANTHROPIC_API_KEY`, which then goes first; so
/// may `keychain:openai` in `OPENAI_API_KEY`.
pub(super) fn key_sources(source: KeySource) -> Vec<KeySource> {
    let variable = match &source {
        KeySource::Keychain(name) if name == "anthropic" => Some("ANTHROPIC_API_KEY"),
        KeySource::Keychain(name) if name == "openai" => Some("OPENAI_API_KEY"),
        _ => None,
    };
    variable.map(|name| KeySource::Env(name.to_owned())).into_iter().chain([source]).collect()
}

/// `keychain:NAME`, `env:NAME`, `none`, or `{command: […], ttl: 50m}`; absent leaves it to the preset. A key itself is
/// refused: this file is no place for secrets, and the message does not repeat it.
fn read_key(fields: &mut Fields<'_>, findings: &mut Findings) -> Option<Vec<KeySource>> {
    if matches!(fields.value("key", findings)?.value, Value::Map(_)) {
        let mut inner = fields.map("key", findings)?;
        let command = read_command(&mut inner, findings);
        // What is misspelt here would change what runs.
        inner.finish(Unknown::Refuse, findings);
        return Some(command.map(KeySource::Command).into_iter().collect());
    }
    let text = fields.text("key", findings)?;
    let place = fields.entry("key").map_or(fields.place(), |entry| entry.value.place);
    let safe = |name: &str| {
        !name.is_empty()
            && name.len() <= 128
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    Some(match text.split_once(':') {
        None if text == "none" => Vec::new(),
        Some(("keychain", name)) if safe(name) => key_sources(KeySource::Keychain(name.to_owned())),
        Some(("env", name)) if safe(name) => key_sources(KeySource::Env(name.to_owned())),
        _ => {
            let message = format!("`{}` does not say where the key is", fields.name("key"));
            let fix =
                "write keychain:NAME, env:NAME, none or {command: [program, argument]}, never the key itself";
            findings.error(place, message, fix);
            Vec::new()
        }
    })
}

fn read_command(fields: &mut Fields<'_>, findings: &mut Findings) -> Option<KeyCommand> {
    const FIX: &str = "write each word by itself: [gcloud, auth, print-access-token]";
    let name = fields.name("command");
    let Some(entry) = fields.entry("command") else {
        findings.error(fields.place(), format!("`{name}` is missing"), FIX);
        return None;
    };
    let place = entry.value.place;
    if matches!(entry.value.value, Value::Text(_)) {
        findings.error(place, format!("`{name}` is a list of words, never a line for a shell"), FIX);
        return None;
    }
    let words = fields.texts("command", findings)?;
    let argv: Vec<String> = words.iter().map(|(word, _)| (*word).to_owned()).collect();
    if argv.is_empty() || argv.len() > WORDS_LIMIT {
        findings.error(place, format!("`{name}` must have from 1 to {WORDS_LIMIT} words"), FIX);
        return None;
    }
    if let Some((_, at)) = words.iter().find(|(word, _)| word.len() > WORD_LIMIT_BYTES || word.contains('\0'))
    {
        findings.error(*at, format!("a word of `{name}` is too long, or holds a zero byte"), FIX);
        return None;
    }
    if !is_program(&argv[0]) {
        let message = format!("`{name}` begins with no program");
        findings.error(words[0].1, message, "write its name alone, or its full path");
        return None;
    }
    let ttl = match fields.text("ttl", findings) {
        None => USUAL_TTL,
        Some(text) => match parse_time(text).filter(|ttl| (Duration::from_secs(1)..=TTL_LIMIT).contains(ttl))
        {
            Some(ttl) => ttl,
            None => {
                let at = fields.entry("ttl").map_or(place, |entry| entry.value.place);
                let message = format!("`{}` must be a time from 1s to 24h", fields.name("ttl"));
                findings.error(at, message, "write for example 50m, 8h or 90s");
                return None;
            }
        },
    };
    Some(KeyCommand { argv, ttl })
}

fn read_proxy(fields: &mut Fields<'_>, findings: &mut Findings) -> Option<Proxy> {
    let text = fields.text("proxy", findings)?;
    if text == "none" {
        return Some(Proxy::None);
    }
    let place = fields.entry("proxy").map_or(fields.place(), |entry| entry.value.place);
    let url = Url::parse(text).ok().filter(|url| url.host_str().is_some_and(|host| !host.is_empty()));
    let mut refuse = |what: &str, fix: &str| {
        findings.error(place, format!("`{}` {what}", fields.name("proxy")), fix);
        None
    };
    let Some(url) = url else {
        return refuse("is not an address", "write for example http://proxy.example:3128, or none");
    };
    if !["http", "https", "socks5", "socks5h"].contains(&url.scheme()) {
        return refuse(
            "is of a kind that cannot be used",
            "write http://, https://, socks5:// or socks5h://",
        );
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse(
            "holds a user name or password",
            "remove it: this file is no place for secrets; HTTPS_PROXY in the environment of zOS may hold one",
        );
    }
    Some(Proxy::At(url))
}

fn wait(fields: &mut Fields<'_>, key: &'static str, findings: &mut Findings) -> Option<Duration> {
    let number = fields.whole(key, findings)?;
    if (1..=WAIT_LIMIT_MS).contains(&number) {
        return Some(Duration::from_millis(number));
    }
    let place = fields.entry(key).map_or(fields.place(), |entry| entry.value.place);
    let message = format!("`{}` must be from 1 to {WAIT_LIMIT_MS}", fields.name(key));
    findings.error(place, message, "write for example 60000");
    None
}

/// Names of headers. What the file lists takes the place of what the preset does.
fn read_headers(
    fields: &mut Fields<'_>,
    key: &'static str,
    preset: Option<&[&str]>,
    findings: &mut Findings,
) -> Headers {
    let Some(names) = fields.texts(key, findings) else {
        return preset.map(Headers::of).unwrap_or_default();
    };
    let path = fields.name(key);
    if let Some((_, place)) = names.get(LIST_LIMIT) {
        findings.error(*place, format!("`{path}` has more than {LIST_LIMIT} entries"), "use `*` in a name");
    }
    let mut headers = Headers::default();
    for (name, place) in names {
        let (message, fix) = match headers.add(name) {
            Ok(()) => continue,
            Err(BadHeader::NoName) => {
                (format!("\"{name}\" in `{path}` is no name of a header"), "write for example x-codex-*")
            }
            Err(BadHeader::Never) => (
                format!("the header \"{name}\" in `{path}` never travels"),
                "remove it: credentials, cookies and what belongs to the connection stay here; see `auth` and `key`",
            ),
            Err(BadHeader::TooWide) => {
                (format!("\"{name}\" in `{path}` fits nearly every header"), "name the headers")
            }
        };
        findings.error(place, message, fix);
    }
    headers
}

/// `step_down: {at: 90%, to: [local/qwen3]}`. What is unknown in it is an error: the person counts on it.
fn read_step_down(fields: &mut Fields<'_>, findings: &mut Findings) -> Option<StepDown> {
    let mut inner = fields.map("step_down", findings)?;
    let place = inner.place();
    let at_name = inner.name("at");
    let at_percent = match inner.entry("at").map(|entry| &entry.value) {
        None => {
            findings.error(place, format!("`{at_name}` is missing"), "write for example at: 90%");
            None
        }
        Some(node) => percent(node).or_else(|| {
            let message = format!("`{at_name}` must be a share from 1% to 100%");
            findings.error(node.place, message, "write for example 90%");
            None
        }),
    };
    let to: Vec<String> = inner
        .texts("to", findings)
        .map(|words| words.into_iter().map(|(word, _)| word.to_owned()).collect())
        .unwrap_or_default();
    if to.is_empty() || to.len() > STEPS_LIMIT {
        let message = format!("`{}` must name from 1 to {STEPS_LIMIT} models", inner.name("to"));
        findings.error(place, message, "write for example to: [local/qwen3]");
    }
    inner.finish(Unknown::Refuse, findings);
    Some(StepDown { at_percent: at_percent?, to })
}

/// A share in percent: `90%`, or the bare number.
fn percent(node: &Node) -> Option<u8> {
    let digits = match &node.value {
        Value::Number(digits) => digits.as_str(),
        Value::Text(text) => text.strip_suffix('%')?.trim_end(),
        _ => return None,
    };
    digits.parse().ok().filter(|share| (1..=100).contains(share))
}

/// Warns of models to step down to that nothing names: they would be no net on the day they are needed.
pub(super) fn check_step_downs(providers: &Node, models: &[ModelRule], findings: &mut Findings) {
    let ids = || {
        models.iter().map(|rule| match &rule.models {
            ModelMatch::Id(id) => id.as_str(),
            ModelMatch::Glob(glob) => glob.as_str(),
        })
    };
    for provider in members(providers) {
        let steps = member(&provider.value, "step_down").and_then(|steps| member(steps, "to"));
        let Some(Value::List(steps)) = steps.map(|steps| &steps.value) else { continue };
        for step in steps {
            let Value::Text(model) = &step.value else { continue };
            let is_special = model.split_once('/').is_some_and(|(first, _)| first == DEMO || first == SLOTS);
            let is_named = models.iter().any(|rule| match &rule.models {
                ModelMatch::Id(id) => id == model,
                ModelMatch::Glob(glob) => glob.matches(model),
            });
            if is_special || is_named {
                continue;
            }
            let message = format!(
                "`providers.{}.step_down` names \"{model}\", which is no model that `models` names",
                provider.key
            );
            let fix = match closest(model, ids()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "add it under `models`; else the default provider is asked for it".to_owned(),
            };
            findings.warn(step.place, message, fix);
        }
    }
}

fn members(node: &Node) -> &[MapEntry] {
    match &node.value {
        Value::Map(entries) => entries,
        _ => &[],
    }
}

fn member<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    members(node).iter().find(|entry| entry.key == key).map(|entry| &entry.value)
}
