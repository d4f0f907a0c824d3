//! Per format: realistic files, and generated ones.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn keys(way: &[&str]) -> Vec<Step> {
    way.iter().map(|key| Step::Key((*key).to_owned())).collect()
}

/// Sets keys and takes them back one by one: only they change, and a second time changes nothing.
fn check(format: Format, text: &str, edits: &[(Vec<Step>, Value)]) -> String {
    let before = format.read(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let (mut edited, mut undo) = (text.to_owned(), Vec::new());
    for (way, value) in edits {
        let values = format.read(&edited).unwrap();
        undo.push((way, get(&values, way).cloned(), depth(&values, way)));
        edited = format.set(&edited, way, value).unwrap_or_else(|error| panic!("{error}: {edited}"));
        assert_eq!(get(&format.read(&edited).unwrap(), way), Some(value), "{edited}");
        assert_eq!(format.set(&edited, way, value).unwrap(), edited, "a second time changes nothing");
    }
    // Every line is still there, but for those of values that were replaced.
    for line in text.lines().map(str::trim).filter(|line| line.starts_with('#') || line.starts_with("//")) {
        assert!(edited.contains(line), "{line} is gone:\n{edited}");
    }
    let mut back = edited.clone();
    for (way, old, kept) in undo.into_iter().rev() {
        back = match old {
            Some(old) => format.set(&back, way, &old),
            None => format.remove(&back, way, kept),
        }
        .unwrap_or_else(|error| panic!("{error}: {back}"));
    }
    assert!(same(&format.read(&back).unwrap(), &before), "{text}\n---\n{edited}\n---\n{back}");
    edited
}

fn settings() -> Vec<(Vec<Step>, Value)> {
    let mut hook = keys(&["hooks", "PreToolUse"]);
    hook.push(Step::Item(" hook claude-code".to_owned()));
    vec![
        (keys(&["env", "ANTHROPIC_BASE_URL"]), json!("http://127.0.0.1:8788")),
        (hook, json!({"matcher": "*", "hooks": [{"type": "command", "command": "zos hook claude-code"}]})),
    ]
}

#[test]
fn json_with_comments_keeps_everything_else() {
    let files = [
        "",
        "{}",
        "{}\n",
        "// nothing yet\n{\n}\n",
        "{\n  // mine\n  \"model\": \"opus\", /* why */\n  \"env\": {\"FOO\": \"1\"},\n}\n",
        "{\n\t\"env\": {\n\t\t\"FOO\": \"1\" // one\n\t},\n\t\"hooks\": {\"PreToolUse\": [{\"matcher\": \"Bash\", \"hooks\": []}]}\n}",
        "{\"env\":{\"ANTHROPIC_BASE_URL\":\"https://example.test\",\"A\":\"b\"},\"permissions\":{\"allow\":[\"Bash(ls)\"]}}",
        "{\r\n  // windows\r\n  \"a\": 1,\r\n  \"env\": {\r\n    \"B\": \"2\"\r\n  }\r\n}\r\n",
        "\u{feff}{\n  \"a\": [1, 2, {\"b\": null}]\n}\n",
        "{unquoted: 'single', hex: 0x10, // json5\n env: {A: 'b',},}\n",
        "{\n  \"env\": null\n}\n",
        "{ \"env\": {} , \"hooks\": { \"PreToolUse\": [] } }",
    ];
    for text in files {
        let edited = check(Format::Jsonc, text, &settings());
        assert_eq!(edited.matches("\r\n").count() > 0, text.contains("\r\n"), "{edited:?}");
        assert_eq!(edited.starts_with('\u{feff}'), text.starts_with('\u{feff}'));
        assert!(!text.contains("\r\n") || !edited.replace("\r\n", "").contains('\n'), "{edited:?}");
    }
}

#[test]
fn toml_keeps_everything_else() {
    let mut hook = keys(&["hooks", "PreToolUse"]);
    hook.push(Step::Item(" hook codex".to_owned()));
    let edits = vec![
        (keys(&["model_provider"]), json!("zos")),
        (keys(&["model_providers", "zos", "name"]), json!("zOS")),
        (keys(&["model_providers", "zos", "base_url"]), json!("http://127.0.0.1:8788/v1")),
        (keys(&["model_providers", "zos", "supports_websockets"]), json!(false)),
        (hook, json!({"matcher": "*", "hooks": [{"type": "command", "command": "zos hook codex"}]})),
    ];
    let files = [
        "",
        "# mine\nmodel = \"gpt-5\" # best\n",
        "model_provider = \"openai\" # was\n\n[model_providers.azure]\nname = \"Azure\"\n\n[tui]\ntheme = 'dark'\n",
        "[model_providers]\nx = { name = \"X\", base_url = \"http://x\" }\n\n[[hooks.PreToolUse]]\nmatcher = \"Bash\"\n",
        "model = \"a\"\r\n\r\n# windows\r\n[tui]\r\nx = 1\r\n",
        "a.b.c = 1\nlist = [\n  1, # one\n  2,\n]\nwhen = 2026-01-02T03:04:05Z\nbig = inf\n",
        "\u{feff}model = 'x'\n",
        "model = \"no end\"",
    ];
    for text in files {
        let edited = check(Format::Toml, text, &edits);
        assert!(!text.contains("\r\n") || !edited.replace("\r\n", "").contains('\n'), "{edited:?}");
    }
}

#[test]
fn yaml_keeps_everything_else() {
    let mut model = keys(&["models"]);
    model.push(Step::Item("\"name\":\"zOS\"".to_owned()));
    let entry = json!({"name": "zOS", "provider": "openai", "apiBase": "http://127.0.0.1:8788/v1", "roles": ["chat"]});
    let edits = vec![(model, entry), (keys(&["openai-api-base"]), json!("http://127.0.0.1:8788/v1"))];
    let files = [
        "",
        "# only a comment\n",
        "name: mine # yes\nversion: 1.0.0\nmodels:\n  - name: GPT\n    provider: openai # paid\n    roles:\n      - chat\n  # last\nrules:\n  - be kind\n",
        "models:\n- name: A\n  provider: b\n- name: C\n  provider: d\nopenai-api-base: http://example.test # old\n",
        "models: []\nother: {a: 1}\n",
        "models:\nx: 1\n",
        "models: [{name: A, provider: b}]\n",
        "text: |\n  several\n  lines\nmodels:\n  - name: A\n    about: >\n      folded\n      text\n",
        "a: 1\r\nmodels:\r\n  - name: A\r\n# end\r\n",
        "---\na: 1",
        "models: # mine\n  - name: A\n",
    ];
    for text in files {
        let edited = check(Format::Yaml, text, &edits);
        assert!(!text.contains("\r\n") || !edited.replace("\r\n", "").contains('\n'), "{edited:?}");
    }
}

#[test]
fn dotenv_keeps_everything_else() {
    let edits = vec![
        (keys(&["OPENAI_BASE_URL"]), json!("http://127.0.0.1:8788/v1")),
        (keys(&["H"]), json!("x-zos-key: zos_abc \"q\" #")),
    ];
    for text in [
        "",
        "A=1\n# mine\nexport OPENAI_BASE_URL='https://example.test' # old\nB = \"two words\"\n",
        "not a variable\nOPENAI_BASE_URL=a\nOPENAI_BASE_URL=b",
        "A=1\r\nH=2\r\n",
    ] {
        check(Format::Dotenv, text, &edits);
    }
}

#[test]
fn what_cannot_be_edited_is_said() {
    let way = keys(&["env", "A"]);
    let fails = |format: Format, text: &str| format.set(text, &way, &json!("x")).unwrap_err().to_string();
    assert_eq!(fails(Format::Jsonc, "{\"a\": 1, \"a\": 2}"), "\"a\" stands in it twice; keep one of them");
    assert!(fails(Format::Jsonc, "{\"env\": \"text\"}").contains("env holds something else than a map"));
    assert!(fails(Format::Jsonc, "{\"a\": }").starts_with("it cannot be read: "));
    assert!(fails(Format::Toml, "a = \n").starts_with("it cannot be read: "));
    assert!(fails(Format::Toml, "env = 1\n").contains("env holds something else"));
    assert!(fails(Format::Yaml, "a: [\n").starts_with("it cannot be read: "));
    assert!(fails(Format::Yaml, "a: 1\na: 2\n").starts_with("it cannot be read: "));
    assert!(fails(Format::Yaml, "env: text\n").contains("env holds something else"));
}

/// JSON values with maps on top.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        (-1000_i64..1000).prop_map(Value::from),
        "[ -~äß]{0,12}".prop_map(Value::from),
    ];
    let inner = leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z][a-z_]{0,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("[a-z][a-z_]{0,6}", inner, 0..5)
        .prop_map(|map| Value::Object(map.into_iter().collect()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn generated_json_keeps_everything_else(value in values(), is_pretty: bool, is_returned: bool) {
        let text = if is_pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
        let text = if is_returned { text.replace('\n', "\r\n") } else { text };
        check(Format::Jsonc, &text, &[(keys(&["zos", "B"]), json!("http://x")), (keys(&["zos_a"]), json!([1]))]);
    }

    #[test]
    fn generated_toml_keeps_everything_else(value in values(), is_returned: bool) {
        let text = toml::written(&value);
        let text = if is_returned { text.replace('\n', "\r\n") } else { text };
        check(Format::Toml, &text, &[(keys(&["zos", "B"]), json!("http://x")), (keys(&["zos_a"]), json!("y"))]);
    }

    #[test]
    fn generated_yaml_keeps_everything_else(value in values(), is_flow: bool, is_returned: bool) {
        let text = if is_flow { format!("{value}\n") } else { yaml::written(&value) };
        let text = if is_returned { text.replace('\n', "\r\n") } else { text };
        check(Format::Yaml, &text, &[(keys(&["zos", "B"]), json!("http://x")), (keys(&["zos_a"]), json!("y"))]);
    }

    #[test]
    fn generated_dotenv_keeps_everything_else(lines in prop::collection::vec("[ -~]{0,20}", 0..8), is_ended: bool) {
        let text = format!("{}{}", lines.join("\n"), if is_ended { "\n" } else { "" });
        let edited = check(Format::Dotenv, &text, &[(keys(&["ZOS_A"]), json!("http://x y"))]);
        prop_assert!(edited.starts_with(&text));
    }

    #[test]
    fn no_text_makes_an_edit_panic(text in "[ -~\n\r\t{}\\[\\]:,\"'#äß]{0,60}") {
        for format in [Format::Jsonc, Format::Toml, Format::Yaml, Format::Dotenv] {
            let _ = format.set(&text, &keys(&["a", "b"]), &json!("x"));
            let _ = format.remove(&text, &keys(&["a"]), 0);
        }
    }
}
