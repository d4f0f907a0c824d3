use proptest::prelude::*;

use std::time::Duration;

use super::parse::FILE;
use super::*;
use crate::context::{Isolation, ModelFilter};
use crate::problem::{Problem, Severity};

fn parse(text: &str) -> ParsedFleet {
    parse_fleet(Some(text.as_bytes()), &Environment::default())
}

#[track_caller]
fn good(text: &str) -> Fleet {
    let parsed = parse(text);
    parsed.fleet.unwrap_or_else(|| panic!("{:#?}", parsed.problems))
}

#[track_caller]
fn told(text: &str, severity: Severity, place: &str, message: &str, fix: &str) {
    let parsed = parse(text);
    assert_eq!(parsed.fleet.is_none(), severity == Severity::Error, "{:#?}", parsed.problems);
    let fits = |problem: &Problem| {
        problem.severity == severity
            && problem.to_string().starts_with(&format!("routing/fleet.yml:{place}: "))
            && problem.message.contains(message)
            && problem.fix.contains(fix)
    };
    assert!(parsed.problems.iter().any(fits), "no {place} {message:?} {fix:?} in {:#?}", parsed.problems);
}

/// Where a model goes, as `provider` or `provider=model`.
fn route(fleet: &Fleet, face: Api, model: &str) -> Result<String, RouteError> {
    let route = fleet.route(face, model, &ModelFilter::default())?;
    Ok(match route.model_sent {
        Some(sent) => format!("{}={sent}", route.provider.name),
        None => route.provider.name.clone(),
    })
}

const REFERENCE: &str = r#"
version: 1
providers:
  anthropic: {api: anthropic, base_url: "https://api.anthropic.com", key: "keychain:anthropic"}
  openai:    {api: openai, base_url: "https://api.openai.com/v1", key: "env:OPENAI_API_KEY"}
  local:     {api: openai, base_url: "http://127.0.0.1:11434/v1", key: none, residency: local}
models:
  - {match: "claude-*", provider: anthropic}
  - {match: "gpt-*", provider: openai}
  - {id: local/qwen3, provider: local, model: "qwen3:8b", context: 32768}
  - {match: "local/*", provider: local}
fallback: {"claude-sonnet-*": ["local/qwen3"]}
default_provider: {anthropic: anthropic, openai: openai}
"#;

#[test]
fn a_plan_with_keys_leaves_out_who_has_none_and_cannot_be_paid_by_the_client() {
    let fleet = good(
        "providers:\n  a: {api: anthropic, base_url: \"https://a.example\", key: \"env:A\"}\n  \
         b: {api: openai, base_url: \"https://b.example\", key: \"env:B\"}\n  \
         c: {api: openai, base_url: \"https://c.example\", key: \"env:C\"}\n  \
         d: {api: openai, base_url: \"https://d.example\", key: none}\nmodels:\n  \
         - {id: one, provider: a}\n  - {id: two, provider: b}\n  - {id: three, provider: c}\n  - {id: four, provider: d}\n\
         fallback: {\"*\": [two, missing, three, four]}\ndefault_provider: {openai: b, anthropic: none}\n",
    );
    let told = |face, keys: &[&str]| {
        let filter = ModelFilter::default();
        let request = RouteRequest {
            face,
            model: "one",
            filter: &filter,
            context: "acme",
            isolation: Isolation::Hard,
            caps: &[],
            thinks: false,
            tokens: 0,
            may_fall_back: true,
        };
        let plan =
            fleet.plan(&request).with_keys(&fleet, face, |provider| keys.contains(&provider.name.as_str()));
        let served: Vec<String> = plan.routes.iter().map(|route| route.model.clone()).collect();
        (served, plan.dropped.iter().map(|dropped| dropped.model.clone()).collect::<Vec<_>>())
    };
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    // A client's own key is for the provider that serves its API; whatever needs no key is served.
    assert_eq!(told(Api::OpenAi, &[]).0, words(&["two", "missing", "four"]));
    assert_eq!(
        told(Api::OpenAi, &[]).1,
        words(&["one", "three"]),
        "in the order in which they were looked at"
    );
    assert_eq!(told(Api::OpenAi, &["a", "c"]).0, words(&["one", "two", "missing", "three", "four"]));
    assert_eq!(told(Api::Anthropic, &["a"]), (words(&["one", "four"]), words(&["two", "missing", "three"])));
}

#[test]
fn the_reference_file_is_read_and_routes() {
    let fleet = good(REFERENCE);
    let names: Vec<_> = fleet.providers().map(|provider| provider.name.as_str()).collect();
    assert_eq!(names, ["anthropic", "openai", "local", "demo"]);
    let local = fleet.provider("local").unwrap();
    assert_eq!((local.residency.as_deref(), local.keys.len(), local.is_demo()), (Some("local"), 0, false));
    assert_eq!(fleet.provider("openai").unwrap().keys, [KeySource::Env("OPENAI_API_KEY".into())]);
    assert_eq!(
        fleet.provider("anthropic").unwrap().keys,
        [KeySource::Env("ANTHROPIC_API_KEY".into()), KeySource::Keychain("anthropic".into())]
    );
    assert_eq!(fleet.fallback().len(), 1);
    assert_eq!(fleet.model_ids().map(|(id, _)| id).collect::<Vec<_>>(), ["local/qwen3"]);

    let of = |face, model| route(&fleet, face, model).unwrap();
    assert_eq!(of(Api::OpenAi, "claude-sonnet-4"), "anthropic");
    assert_eq!(of(Api::Anthropic, "gpt-4o"), "openai");
    assert_eq!(of(Api::OpenAi, "local/qwen3"), "local=qwen3:8b");
    assert_eq!(of(Api::OpenAi, "local/other"), "local");
    assert_eq!(of(Api::Anthropic, "whatever"), "anthropic");
    assert_eq!(of(Api::OpenAi, "whatever"), "openai");
    assert_eq!(of(Api::OpenAi, "demo/echo"), "demo");
    assert_eq!(of(Api::Anthropic, "demo/x/y"), "demo");
    assert_eq!(of(Api::OpenAi, "demo"), "openai");
    assert!(fleet.provider("demo").unwrap().is_demo());
}

#[test]
fn without_a_file_the_builtin_fleet_serves() {
    let parsed = parse_fleet(None, &Environment::default());
    let fleet = parsed.fleet.unwrap();
    assert!(fleet.is_builtin() && parsed.problems.is_empty());
    assert_eq!(route(&fleet, Api::Anthropic, "claude-x").unwrap(), "anthropic");
    assert_eq!(route(&fleet, Api::OpenAi, "o3").unwrap(), "openai");
    let openai = fleet.provider("openai").unwrap();
    assert_eq!(openai.endpoint("/v1/embeddings").unwrap().as_str(), "https://api.openai.com/v1/embeddings");
    assert_eq!(openai.keys, [KeySource::Env("OPENAI_API_KEY".into()), KeySource::Keychain("openai".into())]);
}

#[test]
fn the_environment_overrides_the_two_base_urls() {
    let environment = Environment {
        anthropic_base_url: Some("http://127.0.0.1:9/".into()),
        openai_base_url: Some("https://proxy.example/v1".into()),
    };
    for bytes in [None, Some(REFERENCE.as_bytes())] {
        let fleet = parse_fleet(bytes, &environment).fleet.unwrap();
        let of = |name: &str, path| fleet.provider(name).unwrap().endpoint(path).unwrap().to_string();
        assert_eq!(of("anthropic", "/v1/messages"), "http://127.0.0.1:9/v1/messages");
        assert_eq!(of("openai", "/v1/models"), "https://proxy.example/v1/models");
    }
    let unsafe_one =
        Environment { openai_base_url: Some("http://proxy.example".into()), ..Environment::default() };
    let parsed = parse_fleet(None, &unsafe_one);
    assert!(parsed.fleet.is_none());
    assert!(
        parsed.problems[0].message.contains("OPENAI_BASE_URL") && parsed.problems[0].fix.contains("unset")
    );
}

#[test]
fn a_contexts_filter_is_hard() {
    let fleet = good(REFERENCE);
    let filter = |allow: &[&str], deny: &[&str]| ModelFilter {
        allow: Some(allow.iter().copied().map(Glob::new).collect()),
        deny: deny.iter().copied().map(Glob::new).collect(),
    };
    let denied = |model: &str, filter: &ModelFilter| {
        assert_eq!(
            fleet.route(Api::OpenAi, model, filter),
            Err(RouteError::NotPermitted { model: model.to_owned() })
        );
    };
    denied("gpt-4o", &filter(&["local/*"], &[]));
    denied("demo/echo", &filter(&["local/*"], &[]));
    denied("local/qwen3", &filter(&["local/*"], &["local/qwen*"]));
    denied("gpt-4o", &filter(&[], &[]));
    // An alias is no way around a denial of the model behind it.
    denied("local/qwen3", &filter(&["local/*"], &["qwen3:*"]));
    assert!(fleet.route(Api::OpenAi, "local/qwen3", &filter(&["local/*"], &[])).is_ok());
}

#[test]
fn an_exact_id_goes_before_globs_and_globs_go_in_order() {
    let fleet = good(
        "providers:\n  a: {api: openai, base_url: 'https://a.example/v1'}\n  b: {api: openai, base_url: 'https://b.example/v1'}\nmodels:\n  - {match: 'x*', provider: a}\n  - {match: 'xy*', provider: b}\n  - {id: xyz, provider: b}\n  - {match: 'gpt-*', provider: b, model: small}\n",
    );
    assert_eq!(route(&fleet, Api::OpenAi, "xyz").unwrap(), "b");
    assert_eq!(route(&fleet, Api::OpenAi, "xyy").unwrap(), "a");
    assert_eq!(route(&fleet, Api::OpenAi, "gpt-4").unwrap(), "b=small");
    assert_eq!(route(&fleet, Api::OpenAi, "other").unwrap(), "a", "the first provider of that API");
    assert_eq!(route(&fleet, Api::Anthropic, "other"), Err(RouteError::NoProvider { api: Api::Anthropic }));
    assert!(matches!(route(&fleet, Api::OpenAi, ""), Err(RouteError::UnknownModel { .. })));
    let (a, b) = (fleet.provider("a").unwrap(), fleet.provider("b").unwrap());
    assert!(fleet.is_face_default(a, Api::OpenAi) && !fleet.is_face_default(b, Api::OpenAi));
    assert!(!fleet.is_face_default(a, Api::Anthropic));
}

#[test]
fn unnamed_models_can_be_refused() {
    let providers = "providers: {openai: {api: openai, base_url: 'https://a.example/v1'}}\n";
    for default in ["default_provider: none\n", "default_provider: {openai: none}\n"] {
        let fleet = good(&format!("{providers}{default}"));
        assert_eq!(route(&fleet, Api::OpenAi, "x"), Err(RouteError::UnknownModel { model: "x".into() }));
    }
}

#[test]
fn a_fleet_that_never_loaded_serves_only_the_demo() {
    let fleet = Fleet::unloaded();
    assert_eq!(route(&fleet, Api::OpenAi, "gpt-4"), Err(RouteError::NoProvider { api: Api::OpenAi }));
    assert_eq!(route(&fleet, Api::OpenAi, "demo/x").unwrap(), "demo");
}

#[test]
fn wrong_files_in_more_than_ten_ways() {
    let wrong =
        |text: &str, place: &str, message: &str, fix: &str| told(text, Severity::Error, place, message, fix);
    let one = |fields: &str| format!("providers:\n  p: {{{fields}}}\n");
    wrong("", "1:1", "the file is empty", "delete the file");
    wrong("version: 2\n", "1:10", "version 1 only", "version: 1");
    wrong("providers: [a]\n", "1:12", "must be a map", "{key: value}");
    wrong(&one("base_url: 'https://a.example'"), "2:3", "has no `api`", "api: openai");
    wrong(&one("api: openai"), "2:3", "`providers.p.base_url` is missing", "base_url:");
    wrong(&one("api: opnai, base_url: 'https://a.example'"), "2:12", "anthropic or openai", "write openai");
    wrong(&one("api: openai, base_url: 'a.example/v1'"), "2:30", "is not an address", "https://");
    wrong(&one("api: openai, base_url: 'ftp://a.example'"), "2:30", "starts with https://", "https://");
    wrong(
        &one("api: openai, base_url: 'https://u:p@a.example'"),
        "2:30",
        "user name or password",
        "keychain:",
    );
    wrong(
        &one("api: openai, base_url: 'http://a.example/v1'"),
        "2:30",
        "plain http",
        "dangerous_plain_http: true",
    );
    wrong(
        &one("api: openai, base_url: 'https://a.example/v1', key: sk-secret"),
        "2:59",
        "does not say where",
        "keychain:NAME",
    );
    wrong(
        &one("api: openai, base_url: 'https://a.example/v1', key: 'env:'"),
        "2:59",
        "does not say where",
        "env:NAME",
    );
    wrong(
        "providers:\n  demo: {api: openai, base_url: 'https://a.example'}\n",
        "2:3",
        "built in",
        "another name",
    );
    wrong("providers:\n  A b: {}\n", "2:3", "cannot name a provider", "a-z");
    wrong("models:\n  - {match: x, provider: opena}\n", "2:26", "no provider called \"opena\"", "add it");
    wrong("models:\n  - {match: x, provider: dem}\n", "2:26", "no provider called \"dem\"", "`demo`");
    wrong("models:\n  - {provider: demo}\n", "2:5", "neither `match` nor `id`", "write {match");
    wrong("models:\n  - {id: x, match: y, provider: demo}\n", "2:5", "both `match` and `id`", "two rules");
    wrong("models:\n  - {id: x}\n", "2:5", "`models[1].provider` is missing", "provider: NAME");
    wrong(
        "models:\n  - {id: demo/x, provider: demo}\n",
        "2:5",
        "belong to the built-in demo",
        "another name",
    );
    wrong(
        "models:\n  - {id: x, provider: demo}\n  - {id: x, provider: demo}\n",
        "3:5",
        "stands twice",
        "remove one",
    );
    wrong("models: gpt\n", "1:9", "expected a list of rules", "[…]");
    wrong("default_provider: {openai: x}\n", "1:28", "no provider called", "providers");
    wrong("fallback: {a: b}\n", "1:15", "expected a list of models", "[…]");
    let told_twice = parse(&one("api: openai, base_url: 'https://a.example/v1', key: sk-secret")).problems;
    assert!(!format!("{told_twice:?}").contains("sk-secret"));
}

#[test]
fn what_does_nothing_is_warned_about() {
    let warned = |text: &str, place: &str, message: &str, fix: &str| {
        told(text, Severity::Warning, place, message, fix)
    };
    warned("modles: []\n", "1:1", "unknown", "`models`");
    warned("slots: {thnk: x}\n", "1:9", "unknown", "`think`");
    warned("defaults: {retry: 1}\n", "1:12", "unknown", "`retries`");
    warned("version: 1\n", "1:1", "no `providers`", "providers:");
    warned(
        "providers:\n  p: {api: openai, base_url: 'http://127.0.0.1:8080'}\n",
        "2:3",
        "has no path",
        "http://127.0.0.1:8080/v1",
    );
    assert_eq!(parse(REFERENCE).problems, []);
}

#[test]
fn demands_are_read_or_told_why_not() {
    let fleet = good(DEMANDS);
    assert_eq!(fleet.slots()[&Slot::Background], "small");
    let defaults = fleet.defaults();
    assert_eq!((defaults.retries, defaults.timeout), (2, Some(Duration::from_secs(30))));
    assert_eq!((defaults.breaker.failures, defaults.breaker.open), (3, Duration::from_secs(20)));
    assert_eq!(defaults.breaker.window, Breaker::default().window);
    let wrong = |text: &str, place: &str, message: &str| told(text, Severity::Error, place, message, "");
    wrong("rules: [{when: {isolation: harsh}, require: {residency: x}}]\n", "1:28", "open or hard");
    wrong("rules: [{require: {residence: x}}]\n", "1:20", "unknown");
    wrong("rules: [{when: {context: a}}]\n", "1:9", "requires nothing");
    wrong("rules: [{when: {room: a}, require: {caps: x}}]\n", "1:17", "unknown");
    wrong("rules: [{require: {caps: [1]}}]\n", "1:27", "must be text");
    wrong("defaults: {retries: 99}\n", "1:21", "from 0 to 10");
    wrong("defaults: {timeout_s: 0}\n", "1:23", "from 1 to");
    wrong("defaults: {breaker: {failures: 0}}\n", "1:32", "from 1 to");
    wrong("models: [{id: zos/x, provider: demo}]\n", "1:10", "the slots of this fleet");
    wrong("slots: {default: zos/think}\n", "1:18", "another slot");
    wrong("slots: [a]\n", "1:8", "must be a map");
    wrong(
        "providers: {p: {api: openai, base_url: 'https://a.example/v1', responses: sometimes}}\n",
        "1:75",
        "true or false",
    );
}

const DEMANDS: &str = r#"
providers:
  cloud: {api: openai, base_url: 'https://c.example/v1', key: 'env:C', retention: 30d}
  local: {api: openai, base_url: 'http://127.0.0.1:1/v1', residency: local, retention: none}
models:
  - {id: small, provider: cloud, caps: [tools], context: 1000, residency: eu}
  - {id: big, provider: cloud, caps: [tools, vision], context: 100000}
  - {id: home, provider: local, model: qwen, caps: [tools, vision]}
  - {id: plain, provider: local}
slots: {default: small, background: small, think: big, long_context: big}
rules:
  - {when: {context: 'clinic*', isolation: hard}, require: {residency: local, retention: none}}
  - {when: {context: studio}, require: {caps: vision}}
fallback: {small: [big, home, plain, small, nowhere]}
default_provider: none
defaults: {retries: 2, timeout_s: 30, breaker: {failures: 3, open_s: 20}}
"#;

/// The models of a plan, and those that were dropped.
fn plan(fleet: &Fleet, change: impl FnOnce(&mut RouteRequest<'_>)) -> (Vec<String>, Vec<String>) {
    let filter = ModelFilter::default();
    let mut request = RouteRequest {
        face: Api::OpenAi,
        model: "small",
        filter: &filter,
        context: "acme",
        isolation: Isolation::Hard,
        caps: &[],
        thinks: false,
        tokens: 10,
        may_fall_back: true,
    };
    change(&mut request);
    let plan = fleet.plan(&request);
    assert_eq!(plan.refusal().is_some(), plan.routes.is_empty());
    let routes = plan.routes.into_iter().map(|route| route.model).collect();
    (routes, plan.dropped.into_iter().map(|dropped| dropped.reason.to_string()).collect())
}

#[test]
fn a_plan_is_the_model_asked_for_and_its_fallbacks_past_the_filter() {
    let fleet = good(DEMANDS);
    let (routes, dropped) = plan(&fleet, |_| {});
    assert_eq!(routes, ["small", "big", "home", "plain"]);
    assert_eq!(dropped, ["no provider serves the model \"nowhere\""]);
    assert_eq!(plan(&fleet, |request| request.may_fall_back = false).0, ["small"]);
    let (routes, dropped) = plan(&fleet, |request| request.tokens = 2000);
    assert_eq!(routes, ["big", "home", "plain"]);
    assert!(dropped[0].contains("2000 tokens"), "{dropped:?}");
    // What is not stated is not held against a model; what is stated is.
    assert_eq!(plan(&fleet, |request| request.caps = &["vision"]).0, ["big", "home", "plain"]);
    // A rule has to be fulfilled by what is stated.
    assert_eq!(plan(&fleet, |request| request.context = "studio").0, ["big", "home"]);
    assert_eq!(plan(&fleet, |request| request.context = "clinic-north").0, ["home", "plain"]);
    let open =
        |request: &mut RouteRequest<'_>| (request.context, request.isolation) = ("clinic", Isolation::Open);
    assert_eq!(plan(&fleet, open).0.len(), 4);
    let denied = ModelFilter { allow: None, deny: vec![Glob::new("qwen"), Glob::new("small")] };
    assert_eq!(plan_with(&fleet, &denied), ["big", "plain"], "an alias is no way around a denial");
}

fn plan_with(fleet: &Fleet, filter: &ModelFilter) -> Vec<String> {
    let request = RouteRequest {
        face: Api::OpenAi,
        model: "small",
        filter,
        context: "acme",
        isolation: Isolation::Hard,
        caps: &[],
        thinks: false,
        tokens: 10,
        may_fall_back: true,
    };
    fleet.plan(&request).routes.into_iter().map(|route| route.model).collect()
}

#[test]
fn slots_are_asked_for_by_name_or_chosen_by_the_call() {
    let fleet = good(DEMANDS);
    let first = |model: &'static str, thinks, tokens| {
        let (routes, dropped) = plan(&fleet, |request| {
            (request.model, request.thinks, request.tokens) = (model, thinks, tokens);
        });
        routes.first().cloned().unwrap_or_else(|| dropped[0].clone())
    };
    assert_eq!(first("zos/background", false, 1), "small");
    assert_eq!(first("zos/think", false, 1), "big");
    assert_eq!(first("zos/auto", false, 1), "small");
    assert_eq!(first("zos/auto", true, 1), "big");
    assert_eq!(first("zos/auto", false, 5000), "big");
    assert!(first("zos/nothing", false, 1).contains("no model for the slot"));
    let bare = good("providers: {}\n");
    assert!(plan(&bare, |request| request.model = "zos/auto").1[0].contains("\"auto\""));
}

proptest! {
    /// Whatever fails, in whatever order: what is tried is always within the filter, because only routes of
    /// the plan are tried. The filter is written here a second time, as the person reads it.
    #[test]
    fn no_sequence_of_failures_reaches_a_model_outside_the_filter(
        models in proptest::collection::vec((0usize..2, proptest::option::of(0u64..100), proptest::option::of(0u8..4), proptest::option::of(0usize..3)), 1..8),
        fallback in proptest::collection::vec(0usize..8, 0..8),
        asked in 0usize..8,
        allow in proptest::option::of(proptest::collection::vec(0usize..8, 0..5)),
        deny in proptest::collection::vec(0usize..8, 0..3),
        required in proptest::option::of(0usize..3),
        needs_vision in any::<bool>(), rule_needs_tools in any::<bool>(),
        tokens in 0u64..100,
        failures in proptest::collection::vec(any::<bool>(), 0..8),
    ) {
        const PLACES: [&str; 3] = ["local", "eu", "us"];
        let mut text = String::from("providers:\n  p: {api: openai, base_url: 'https://p.example/v1'}\n  q: {api: anthropic, base_url: 'https://q.example', residency: us}\nmodels:\n");
        for (number, (provider, context, caps, place)) in models.iter().enumerate() {
            let mut line = format!("  - {{id: m{number}, provider: {}", ["p", "q"][*provider]);
            if let Some(context) = context { line += &format!(", context: {context}"); }
            if let Some(caps) = caps {
                let words: Vec<_> = ["tools", "vision"].iter().enumerate().filter(|(bit, _)| caps >> bit & 1 == 1).map(|(_, word)| *word).collect();
                line += &format!(", caps: [{}]", words.join(", "));
            }
            if let Some(place) = place { line += &format!(", residency: {}", PLACES[*place]); }
            text += &(line + "}\n");
        }
        let names: Vec<_> = fallback.iter().map(|number| format!("m{number}")).collect();
        text += &format!("fallback: {{'m*': [{}]}}\ndefault_provider: none\n", names.join(", "));
        let mut require: Vec<String> = required.iter().map(|place| format!("residency: {}", PLACES[*place])).collect();
        if rule_needs_tools { require.push("caps: tools".into()); }
        if !require.is_empty() { text += &format!("rules: [{{when: {{isolation: hard}}, require: {{{}}}}}]\n", require.join(", ")); }
        let fleet = good(&text);
        let globs = |numbers: &[usize]| numbers.iter().map(|number| Glob::new(&format!("m{number}"))).collect::<Vec<_>>();
        let filter = ModelFilter { allow: allow.as_deref().map(globs), deny: globs(&deny) };
        let asked = format!("m{asked}");
        let caps: &[&str] = if needs_vision { &["vision"] } else { &[] };
        let request = RouteRequest {
            face: Api::OpenAi, model: &asked, filter: &filter, context: "acme", isolation: Isolation::Hard,
            caps, thinks: false, tokens, may_fall_back: true,
        };
        let plan = fleet.plan(&request);
        let mut failures = failures.into_iter().chain(std::iter::repeat(true));
        let tried: Vec<_> = plan.routes.iter().take_while(|_| failures.next() == Some(true)).collect();
        for route in tried {
            let number: usize = route.model[1..].parse().unwrap();
            let (provider, context, stated, place) = &models[number];
            prop_assert!(allow.as_ref().is_none_or(|allow| allow.contains(&number)) && !deny.contains(&number));
            prop_assert!(context.is_none_or(|context| tokens <= context));
            let place = place.map(|place| PLACES[place]).or((*provider == 1).then_some("us"));
            prop_assert!(required.is_none_or(|required| place == Some(PLACES[required])));
            prop_assert!(!needs_vision || stated.is_none_or(|caps| caps & 2 == 2));
            prop_assert!(!rule_needs_tools || stated.is_some_and(|caps| caps & 1 == 1));
            prop_assert_eq!(fleet.permits(&request, route), Ok(()));
        }
        // And nothing that fits was left out: everything considered is in the plan or dropped with a reason.
        prop_assert_eq!(plan.routes.len() + plan.dropped.len(), plan.considered.len());
    }

    #[test]
    fn any_bytes_are_a_fleet_or_told_why_not(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let parsed = parse_fleet(Some(&bytes), &Environment::default());
        prop_assert_eq!(parsed.fleet.is_none(), parsed.problems.iter().any(Problem::is_error));
    }

    #[test]
    fn almost_right_files_route_without_a_panic(
        text in "((version|providers|models|match|id|provider|api|base_url|key|default_provider|openai|demo|a): ?|\n|- |  |[a-z1*]|https://a.b|[\\[\\]{},'\"]){0,60}",
        model in "[a-z/*]{0,8}",
    ) {
        if let Some(fleet) = parse(&text).fleet {
            let _ = route(&fleet, Api::OpenAi, &model);
            let _ = route(&fleet, Api::Anthropic, &model);
        }
    }
}

#[test]
fn a_fallback_that_is_no_net_is_told() {
    let providers = "providers: {a: {api: openai, base_url: 'https://a.example/v1'}}\n\
                     models: [{id: big, provider: a}, {match: 'small-*', provider: a}]\n";
    let said = |fallback: &str| {
        let text = format!("{providers}fallback: {fallback}\n");
        parse_fleet(Some(text.as_bytes()), &Environment::default()).problems
    };
    for (fallback, message, fix) in [
        ("{big: [big]}", "that model itself", "another model"),
        ("{big: [elsewhere-9]}", "no model that `models` names", "under `models`"),
        ("{'small-*': [bgi]}", "no model that `models` names", "`big`"),
    ] {
        let problems = said(fallback);
        assert!(
            problems
                .iter()
                .any(|one| one.line == Some(3) && one.message.contains(message) && one.fix.contains(fix)),
            "{fallback}: {problems:?}"
        );
    }
    for fallback in ["{big: [small-1]}", "{'small-*': [big, demo/echo, zos/default]}"] {
        assert_eq!(said(fallback), [], "{fallback}");
    }
}

#[test]
fn while_the_file_never_loaded_hard_rooms_reach_no_provider() {
    let problem = Problem::error(FILE, "x", "y").at(3, 1);
    let filter = ModelFilter::default();
    let first = |fleet: &Fleet, isolation, model: &str| {
        let request = RouteRequest {
            face: Api::OpenAi,
            model,
            filter: &filter,
            context: "acme",
            isolation,
            caps: &[],
            thinks: false,
            tokens: 1,
            may_fall_back: true,
        };
        let plan = fleet.plan(&request);
        plan.routes
            .first()
            .map(|route| route.provider.name.clone())
            .ok_or_else(|| plan.refusal().cloned().unwrap())
    };
    let why = RouteError::Broken { file: FILE.to_owned(), line: Some(3) };
    let before = Fleet::builtin().in_place_of(&problem);
    assert_eq!(first(&before, Isolation::Hard, "gpt-5"), Err(why.clone()));
    assert_eq!(first(&before, Isolation::Hard, "anything"), Err(why.clone()));
    assert_eq!(first(&before, Isolation::Open, "gpt-5").unwrap(), "openai");
    assert_eq!(first(&before, Isolation::Hard, "demo/echo").unwrap(), "demo");
    let never = Fleet::unloaded().in_place_of(&problem);
    for isolation in [Isolation::Hard, Isolation::Open] {
        assert_eq!(first(&never, isolation, "gpt-5"), Err(why.clone()));
    }
}

/// A file with this one provider, and its problems or itself.
fn provider(text: &str) -> Provider {
    let fleet = good(&format!("providers:\n  p: {{{text}}}\n"));
    Provider::clone(fleet.provider("p").unwrap())
}

#[track_caller]
fn refused(text: &str, place: &str, message: &str, fix: &str) {
    told(&format!("providers:\n  p: {{{text}}}\n"), Severity::Error, place, message, fix);
}

#[test]
fn a_preset_fills_in_what_the_file_does_not_say() {
    let azure = provider("preset: azure-v1, resource: contoso");
    assert_eq!(azure.base_url.as_ref().unwrap().as_str(), "https://contoso.openai.azure.com/openai/v1");
    assert_eq!((azure.api, azure.auth), (Api::OpenAi, Auth::ApiKey));
    assert_eq!(azure.keys, [KeySource::Env("AZURE_OPENAI_API_KEY".into()), KeySource::Keychain("p".into())]);

    let mantle = provider("preset: bedrock-mantle, region: eu-central-1, api: anthropic");
    assert_eq!(
        mantle.endpoint("/v1/messages").unwrap().as_str(),
        "https://bedrock-mantle.eu-central-1.api.aws/anthropic/v1/messages"
    );
    assert_eq!(mantle.auth, Auth::Bearer);

    let chatgpt = provider("preset: chatgpt");
    assert_eq!((chatgpt.auth, chatgpt.billing, chatgpt.keys.len()), (Auth::Caller, Billing::Plan, 0));
    for (path, url) in [
        ("/v1/responses", "https://chatgpt.com/backend-api/codex/responses"),
        ("/v1/responses/compact", "https://chatgpt.com/backend-api/codex/responses/compact"),
    ] {
        assert_eq!(chatgpt.endpoint(path).unwrap().as_str(), url);
    }
    for name in
        ["chatgpt-account-id", "originator", "session_id", "version", "openai-beta", "x-codex-turn-metadata"]
    {
        assert!(chatgpt.pass_up.have(name), "{name}");
    }
    for name in ["x-codex-turn-state", "x-codex-primary-used-percent", "x-models-etag"] {
        assert!(chatgpt.pass_down.have(name), "{name}");
    }
    assert!(!chatgpt.pass_up.have("cookie") && !chatgpt.pass_down.have("set-cookie"));
}

#[test]
fn a_file_overrules_a_preset_key_by_key() {
    let azure = provider(
        "preset: azure-v1, resource: contoso, auth: bearer, key: {command: [az, token], ttl: 8h}, responses: false, \
         pass_up: [x-mine], billing: plan",
    );
    assert_eq!(azure.auth, Auth::Bearer);
    let command = azure.key_command().unwrap();
    assert_eq!(
        (command.argv.as_slice(), command.ttl),
        (["az", "token"].map(String::from).as_slice(), Duration::from_secs(28_800))
    );
    assert!(!azure.speaks_responses && azure.pass_up.have("x-mine"));
    assert_eq!(azure.billing, Billing::Plan);

    let far = provider("preset: ollama, base_url: \"https://gpu.example/v1\"");
    assert_eq!((far.residency, far.base_url.unwrap().as_str()), (None, "https://gpu.example/v1"));
    let chatgpt = provider("preset: chatgpt, pass_up: [originator]");
    assert!(!chatgpt.pass_up.have("session_id") && chatgpt.pass_down.have("x-codex-turn-state"));
}

#[test]
fn what_serves_models_on_this_machine_keeps_them_here_and_a_relay_on_it_is_not_believed_to() {
    for name in ["ollama", "lm-studio", "llama.cpp", "vllm"] {
        let local = provider(&format!("preset: {name}"));
        assert_eq!(local.residency.as_deref(), Some("local"), "{name}");
        assert!(local.keys.is_empty(), "{name}");
    }
    assert_eq!(provider("api: openai, base_url: \"http://127.0.0.1:4000/v1\"").residency, None);
    assert_eq!(provider("preset: ollama, residency: eu").residency.as_deref(), Some("eu"));
}

#[test]
fn a_preset_says_what_it_lacks() {
    refused("preset: opnai", "2:15", "`providers.p.preset` must be", "write openai");
    refused("preset: bedrock-mantle", "2:3", "needs `providers.p.region`", "add region: NAME");
    refused("preset: vertex-openai, project: p", "2:3", "needs `providers.p.location`", "location: NAME");
    refused("preset: azure-v1, resource: a.example/x", "2:35", "no part of an address", "a-z");
    refused("preset: groq, api: anthropic", "2:26", "no address for this API", "api: openai");
    refused("preset: openai, auth: baerer", "2:29", "`providers.p.auth` must be", "write bearer");
    refused("preset: chatgpt, key: \"env:X\"", "2:29", "`providers.p.key` is never sent", "remove one");
}

#[test]
fn a_key_command_is_words_and_never_a_line_for_a_shell() {
    let refused = |key: &str, message: &str, fix: &str| {
        let text = format!("providers:\n  p: {{preset: openai, key: {{{key}}}}}\n");
        let problems = parse(&text).problems;
        let fits = |problem: &Problem| {
            problem.is_error()
                && problem.line == Some(2)
                && problem.message.contains(message)
                && problem.fix.contains(fix)
        };
        assert!(problems.iter().any(fits), "{key}: {problems:#?}");
    };
    refused("command: \"az account get-access-token\"", "never a line for a shell", "each word by itself");
    refused("command: []", "from 1 to 64 words", "each word");
    refused("ttl: 50m", "`providers.p.key.command` is missing", "each word");
    refused("command: [./az]", "begins with no program", "full path");
    refused("command: [az], ttl: 50", "expected text", "");
    refused("command: [az], ttl: 2d", "a time from 1s to 24h", "50m");
    refused("command: [az], ttl: 0s", "a time from 1s to 24h", "50m");
    refused("command: [az], tll: 50m", "`providers.p.key.tll` is unknown", "did you mean `ttl`?");
    refused("command: [az, 5]", "must be text", "quotes");
    let usual = provider("preset: openai, key: {command: [az]}");
    assert_eq!(usual.key_command().unwrap().ttl, Duration::from_secs(3000));
    assert_eq!(usual.keys[0].to_string(), "command:az");
}

#[test]
fn proxies_limits_and_headers_are_read_strictly() {
    let set = provider(
        "preset: openai, proxy: \"socks5://127.0.0.1:1080\", ca: certs/corp.pem, connect_timeout_ms: 5, \
         first_byte_timeout_ms: 6, idle_timeout_ms: 7",
    );
    assert!(matches!(set.proxy, Some(Proxy::At(url)) if url.scheme() == "socks5"));
    assert_eq!(set.ca.unwrap().to_str(), Some("certs/corp.pem"));
    let limits = [set.limits.connect, set.limits.first_byte, set.limits.idle];
    assert_eq!(limits, [5, 6, 7].map(|ms| Some(Duration::from_millis(ms))));
    assert_eq!(provider("preset: openai, proxy: none").proxy, Some(Proxy::None));
    for (text, message) in [
        ("proxy: \"ftp://a.example\"", "of a kind that cannot be used"),
        ("proxy: here", "is not an address"),
        ("proxy: \"http://u:hunter2@a.example\"", "holds a user name or password"),
        ("idle_timeout_ms: 0", "must be from 1"),
        ("pass_up: [cookie]", "never travels"),
        ("pass_down: [set-cookie]", "never travels"),
        ("pass_up: [\"*\"]", "fits nearly every header"),
        ("step_down: {at: 120%, to: [a]}", "a share from 1% to 100%"),
        ("step_down: {at: 90%}", "must name from 1 to 16 models"),
        ("step_down: {at: 90%, too: [a]}", "is unknown"),
    ] {
        let problems = parse(&format!("providers:\n  p: {{preset: openai, {text}}}\n")).problems;
        let problem = problems.iter().find(|problem| problem.message.contains(message));
        let problem = problem.unwrap_or_else(|| panic!("{text}: {problems:#?}"));
        assert!(problem.is_error() && problem.line == Some(2), "{problem}");
        assert!(!problem.to_string().contains("hunter2"));
    }
    told(
        "providers:\n  p: {preset: openai, step_down: {at: 90%, to: [locl]}}\nmodels: [{id: local, provider: p}]\n",
        Severity::Warning,
        "2:49",
        "no model that `models` names",
        "did you mean `local`?",
    );
}

#[test]
fn a_plan_that_runs_short_steps_down_within_the_hard_filter() {
    let fleet = good(
        "providers:\n  plan: {preset: chatgpt, residency: eu, step_down: {at: 90%, to: [far, zos/background, local]}}\n  \
         far: {api: openai, base_url: \"https://far.example/v1\"}\n  near: {preset: ollama}\nmodels:\n  \
         - {match: \"gpt-*\", provider: plan}\n  - {id: far, provider: far}\n  - {id: local, provider: near}\n  \
         - {id: small, provider: near}\nslots: {background: small}\nfallback: {\"gpt-*\": [far]}\n\
         rules: [{when: {context: clinic}, require: {residency: [local, eu]}}]\n",
    );
    let routes = |context: &str, used: Option<u8>, may_fall_back| {
        let filter = ModelFilter::default();
        let request = RouteRequest {
            face: Api::OpenAi,
            model: "gpt-5",
            filter: &filter,
            context,
            isolation: Isolation::Open,
            caps: &[],
            thinks: false,
            tokens: 0,
            may_fall_back,
        };
        let plan = fleet
            .plan(&request)
            .stepped_down(&fleet, &request, |provider| (provider.name == "plan").then_some(used).flatten());
        let shown = plan.routes.iter().map(|route| {
            let mark = if route.stepped_down.is_some() { "+" } else { "" };
            format!("{mark}{}", route.model)
        });
        shown.collect::<Vec<_>>()
    };
    assert_eq!(routes("open", None, true), ["gpt-5", "far"]);
    assert_eq!(routes("open", Some(89), true), ["gpt-5", "far"]);
    assert_eq!(routes("open", Some(90), true), ["+far", "+small", "+local", "gpt-5"]);
    assert_eq!(routes("open", Some(90), false), ["gpt-5"], "another model would not do");
    assert_eq!(routes("clinic", Some(90), true), ["+small", "+local", "gpt-5"], "the rule of the room holds");
}
