//! `zos models` and `zos route explain`.

use crate::world::Scratch;

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
    let crossed = home.zos(&["route", "explain", "claude-sonnet-4"]);
    assert_eq!(crossed.code, 1);
    assert!(crossed.out.contains("not translated"), "{}", crossed.out);
    assert_eq!(home.json(&["route", "explain", "demo/echo"])["provider"], "demo");
}
