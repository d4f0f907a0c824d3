//! `zos models` and `zos route explain`.

use crate::world::{Run, Scratch};

#[test]
fn models_show_what_the_room_permits() {
    let home = Scratch::acme();
    home.write(
        "routing/fleet.yml",
        "version: 1\nproviders:\n  local: {api: openai, base_url: \"http://127.0.0.1:11434/v1\", key: none}\nmodels:\n  \
         - {id: local/qwen3, provider: local, model: \"qwen3:8b\", context: 32768}\n  - {id: gpt-x, provider: local}\n  - {match: \"llama-*\", provider: local}\n",
    );
    let shown = home.json(&["models"]);
    assert_eq!(shown["context"], "acme");
    let models = shown["models"].as_array().unwrap();
    let permitted = |id: &str| &models.iter().find(|model| model["model"] == id).unwrap()["permitted"];
    assert_eq!(
        (permitted("local/qwen3"), permitted("gpt-x"), permitted("llama-*"), permitted("demo/echo")),
        (&true.into(), &false.into(), &().into(), &true.into())
    );
    assert_eq!((&shown["others"]["openai"], &shown["others"]["anthropic"]), (&"local".into(), &().into()));
    let page = home.zos(&["models"]).fine();
    assert!(page.contains("qwen3:8b") && page.contains("32,768"), "{page}");
    home.zos(&["models", "-c", "nowhere"]).fails(2, &["no room called nowhere"]);
}

#[test]
fn a_route_is_explained_and_so_is_its_absence() {
    let home = Scratch::acme();
    let shown = home.zos(&["route", "explain", "claude-sonnet-4", "--api", "anthropic"]).fine();
    assert!(shown.contains("https://api.anthropic.com") && shown.contains("keychain:anthropic"), "{shown}");
    let denied = home.zos(&["route", "explain", "gpt-5"]);
    assert_eq!(denied.code, 1);
    assert!(
        denied.out.contains("does not permit") && denied.out.contains("contexts/acme.yml"),
        "{}",
        denied.out
    );
    // No keychain runs here.
    assert!(
        shown.contains("the client's own, else ") && shown.contains("(the keychain did not answer)"),
        "{shown}"
    );
    home.write(
        "routing/fleet.yml",
        "providers:\n  anthropic: {api: anthropic, base_url: \"https://api.anthropic.com\", key: \"env:CLAUDE_KEY\"}\n\
         models:\n  - {match: \"claude-*\", provider: anthropic}\n",
    );
    let own = home.zos(&["route", "explain", "claude-sonnet-4", "--api", "anthropic"]).fine();
    assert!(own.contains("the client's own, else env:CLAUDE_KEY (not there)"), "{own}");
    let likely = home.zos(&["route", "explain", "claude-sonnet-4"]).fine();
    assert_eq!(likely, own, "the client speaks the API of the model's provider, unless told otherwise");
    // Another API's client has no key for it.
    let unpaid = home.zos(&["route", "explain", "claude-sonnet-4", "--api", "openai"]);
    assert!(
        unpaid.code == 1 && unpaid.out.contains("no key for the provider \"anthropic\""),
        "{}",
        unpaid.out
    );
    assert!(unpaid.out.contains("zos providers key set anthropic"), "the way out: {}", unpaid.out);
    let with_key = |arguments: &[&str]| {
        let mut command = home.command(arguments);
        command.env("CLAUDE_KEY", "sk-ant-never-shown");
        let run = Run::of(command).fine();
        assert!(!run.contains("never-shown"), "{run}");
        run
    };
    let crossed = with_key(&["route", "explain", "claude-sonnet-4", "--api", "openai"]);
    assert!(crossed.contains("carried over from openai") && crossed.contains("(there)"), "{crossed}");
    let told = with_key(&["route", "explain", "claude-sonnet-4", "--api", "openai", "--json"]);
    assert!(told.contains(r#""key": "environment""#), "{told}");
    assert_eq!(home.json(&["route", "explain", "demo/echo"])["provider"], "demo");
}

#[test]
fn an_explanation_names_what_was_considered_dropped_and_comes_next() {
    let home = Scratch::acme();
    home.write(
        "routing/fleet.yml",
        "version: 1\nproviders:\n  local: {api: openai, base_url: \"http://127.0.0.1:11434/v1\", key: none, residency: local}\n  \
         cloud: {api: openai, base_url: \"https://cloud.example/v1\", key: none}\nmodels:\n  \
         - {match: \"claude-*\", provider: cloud, caps: [tools]}\n  \
         - {id: local/small, provider: local, context: 1000}\n  - {id: local/big, provider: local, caps: [vision]}\n\
         fallback: {\"claude-*\": [local/small, local/big]}\n",
    );
    let explain = |more: &[&str]| {
        let mut arguments = vec!["route", "explain", "--context", "acme", "--model", "claude-x"];
        arguments.extend(more);
        home.json(&arguments)
    };
    let shown = explain(&["--caps", "vision", "--tokens", "2000"]);
    assert_eq!(
        shown["chosen"],
        serde_json::json!({"model": "local/big", "provider": "local", "key": "none"})
    );
    assert_eq!(shown["considered"], serde_json::json!(["claude-x", "local/small", "local/big"]));
    let reasons: Vec<&str> = shown["dropped"]
        .as_array()
        .unwrap()
        .iter()
        .map(|dropped| dropped["reason"].as_str().unwrap())
        .collect();
    assert!(reasons[0].contains("vision") && reasons[1].contains("1000"), "{reasons:?}");
    let plain = explain(&[]);
    assert_eq!(plain["chosen"]["provider"], "cloud");
    assert_eq!(plain["then"][1]["model"], "local/big");
    // Without its key the provider is passed over, and said to be.
    let fleet = home.read("routing/fleet.yml");
    home.write(
        "routing/fleet.yml",
        &fleet.replace("cloud.example/v1\", key: none", "cloud.example/v1\", key: \"env:CLOUD_KEY\""),
    );
    for is_served in [false, true] {
        let _serving = is_served.then(|| home.serve());
        let passed = explain(&[]);
        assert_eq!(passed["chosen"]["model"], "local/small", "{passed}");
        assert_eq!(passed["dropped"][0]["model"], "claude-x");
        assert!(passed["dropped"][0]["reason"].as_str().unwrap().contains("no key"), "{passed}");
    }
}
