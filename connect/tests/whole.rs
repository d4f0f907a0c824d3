//! Every client on a made-up home: connected, connected again, edited by others, taken back, and killed in between.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test that calls them")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use zos_connect::journal::Moment;
use zos_connect::plan::plan;
use zos_connect::{Address, CLIENTS, Client, Journal, Machine, System};

fn machine(home: &Path) -> Machine {
    Machine { home: home.to_owned(), environment: BTreeMap::new(), system: System::Linux }
}

fn address() -> Address {
    Address {
        origin: "http://127.0.0.1:8788".to_owned(),
        room: None,
        key: None,
        zos: "zos".to_owned(),
        models: vec!["claude-sonnet-4-5".to_owned(), "local/qwen3".to_owned()],
    }
}

/// Bytes of all files below a folder, and the folders, whose bytes are none.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => {
                found.extend(tree(&path));
                found.insert(path, None);
            }
            false => {
                found.insert(path.clone(), Some(fs::read(path).unwrap()));
            }
        }
    }
    found
}

/// What people have in these files.
fn realistic(path: &Path) -> Vec<&'static str> {
    match path.extension().and_then(|ending| ending.to_str()).unwrap_or_default() {
        "toml" => vec![
            "# my codex\nmodel = \"gpt-5\"\nmodel_reasoning_effort = \"high\" # slow\n\n[projects.\"/home/me/x\"]\ntrust_level = \"trusted\"\n\n[mcp_servers.fs]\ncommand = \"npx\"\nargs = [\"-y\", \"fs\"]\n",
            "model_provider = 'azure'\r\n\r\n[model_providers.azure]\r\nname = 'Azure'\r\nbase_url = 'https://x.example'\r\n",
            "[[hooks.PreToolUse]]\nmatcher = \"Bash\"\n[[hooks.PreToolUse.hooks]]\ntype = \"command\"\ncommand = \"mine\"\n",
        ],
        // A list on top.
        "yaml" if path.ends_with("extra-openai-models.yaml") => {
            vec!["# mine\n- model_id: a\n  model_name: b # c\n  api_base: http://x.example\n", "[]\n"]
        }
        "yaml" | "yml" => {
            vec!["# my models\n", "other: true # keep\nnested:\n  a: [1, 2]\n  b: |\n    text\n    more\n"]
        }
        "env" => vec!["# mine\nA=1\nexport B='two words'\n"],
        _ if path.ends_with(".env") => vec!["# mine\nA=1\nexport B='two words'\n"],
        _ if path.ends_with("chatLanguageModels.json") => {
            vec!["[]\n", "[\n  // mine\n  {\"name\": \"Ollama\", \"vendor\": \"ollama\"},\n]\n"]
        }
        _ => vec![
            "{}\n",
            "{\n  // mine\n  \"permissions\": {\"allow\": [\"Bash(ls)\"], },\n  \"theme\": \"dark\" /* always */\n}\n",
            "\u{feff}{\r\n\t\"theme\": \"dark\",\r\n\t\"env\": {\r\n\t\t\"FOO\": \"1\"\r\n\t}\r\n}\r\n",
            "{\"hooks\":{\"PreToolUse\":[{\"matcher\":\"Bash\",\"hooks\":[{\"type\":\"command\",\"command\":\"mine\"}]}]}}",
        ],
    }
}

fn targets(client: &Client, machine: &Machine) -> Vec<zos_connect::Target> {
    let hooks = client.hooks.map_or_else(Vec::new, |hooks| hooks(machine, &address()));
    (client.targets)(machine, &address()).into_iter().chain(hooks).collect()
}

#[test]
fn every_client_is_connected_once_and_its_bytes_come_back() {
    let mut files = 0;
    for client in CLIENTS {
        for variant in 0_usize..5 {
            let dir = tempfile::tempdir().unwrap();
            let (home, zos) = (dir.path().join("home"), dir.path().join("zos"));
            fs::create_dir(&home).unwrap();
            let machine = machine(&home);
            let targets = targets(client, &machine);
            for target in &targets {
                let texts = realistic(&target.path);
                let Some(text) = variant.checked_sub(1).and_then(|variant| texts.get(variant)) else {
                    continue;
                };
                fs::create_dir_all(target.path.parent().unwrap()).unwrap();
                fs::write(&target.path, text).unwrap();
                files += 1;
            }
            let before = tree(&home);
            let first = plan(&targets, &address()).unwrap_or_else(|error| panic!("{}: {error}", client.id));
            assert_eq!(tree(&home), before, "a plan writes nothing");
            assert_eq!(first.files.is_empty(), targets.is_empty(), "{}", client.id);
            let journal = Journal::open(&zos).unwrap();
            journal.apply(client.id, &first).unwrap();
            let after = tree(&home);
            assert!(plan(&targets, &address()).unwrap().files.is_empty(), "{} a second time", client.id);
            assert_eq!(journal.drift(client.id).unwrap(), []);
            assert_eq!(tree(&home), after);
            let undone = journal.undo(client.id).unwrap();
            assert_eq!((undone.edited.len(), undone.left.len()), (0, 0), "{}", client.id);
            assert_eq!(tree(&home), before, "{}", client.id);
            assert!(journal.clients().unwrap().is_empty());
        }
    }
    assert!(files >= 50, "{files}");
}

fn claude(home: &Path) -> Vec<zos_connect::Target> {
    targets(zos_connect::client("claude-code").unwrap(), &machine(home))
}

/// A home with Claude Code's settings, and the place of the journals.
fn settled() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    fs::create_dir_all(home.join(".claude")).unwrap();
    fs::write(home.join(".claude/settings.json"), "{\n  // mine\n  \"env\": {\"FOO\": \"1\"}\n}\n").unwrap();
    let zos = dir.path().join("zos");
    (dir, home, zos)
}

#[test]
fn an_edit_of_somebody_else_is_kept_and_told() {
    let (_dir, home, zos) = settled();
    let journal = Journal::open(&zos).unwrap();
    journal.apply("claude-code", &plan(&claude(&home), &address()).unwrap()).unwrap();
    let path = home.join(".claude/settings.json");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace("\"FOO\": \"1\"", "\"FOO\": \"2\", \"BAR\": \"3\"");
    fs::write(&path, text.replace("\"ENABLE_TOOL_SEARCH\": \"true\"", "\"ENABLE_TOOL_SEARCH\": \"false\""))
        .unwrap();
    let drift = journal.drift("claude-code").unwrap();
    assert_eq!(drift.len(), 1);
    assert_eq!(drift[0].key.as_deref(), Some("env.ENABLE_TOOL_SEARCH"));
    let undone = journal.undo("claude-code").unwrap();
    assert_eq!((undone.restored.len(), undone.edited.len(), undone.left), (0, 1, drift));
    let left = fs::read_to_string(&path).unwrap();
    for kept in ["// mine", "\"FOO\": \"2\"", "\"BAR\": \"3\"", "\"ENABLE_TOOL_SEARCH\": \"false\""] {
        assert!(left.contains(kept), "{kept}: {left}");
    }
    assert!(!left.contains("ANTHROPIC_BASE_URL") && !left.contains("zos hook"), "{left}");
}

#[test]
fn a_file_that_changed_since_it_was_shown_is_not_written() {
    let (_dir, home, zos) = settled();
    let shown = plan(&claude(&home), &address()).unwrap();
    fs::write(home.join(".claude/settings.json"), "{}").unwrap();
    let journal = Journal::open(&zos).unwrap();
    let error = journal.apply("claude-code", &shown).unwrap_err().to_string();
    assert!(error.ends_with("changed since the plan was shown; look at it again"), "{error}");
    assert_eq!(fs::read_to_string(home.join(".claude/settings.json")).unwrap(), "{}");
    assert!(journal.clients().unwrap().is_empty());
}

#[test]
fn an_address_of_ours_by_other_hands_a_read_only_file_and_no_text_are_refused() {
    let (_dir, home, _) = settled();
    let path = home.join(".claude/settings.json");
    let refused = || plan(&claude(&home), &address()).unwrap_err().to_string();
    fs::write(&path, r#"{"env": {"ANTHROPIC_BASE_URL": "http://127.0.0.1:8788/rooms/x"}}"#).unwrap();
    assert!(refused().contains("env.ANTHROPIC_BASE_URL points at zOS already"));
    fs::write(&path, b"{\"a\": \"\xff\"}").unwrap();
    assert!(refused().ends_with("is not UTF-8 text; save it as UTF-8"));
    fs::write(&path, "{}").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(refused().ends_with("is read-only; make it writable, or change it by hand"));
}

#[test]
fn a_link_stays_a_link_and_a_mode_stays() {
    let (_dir, home, zos) = settled();
    let (path, real) = (home.join(".claude/settings.json"), home.join("dotfiles.json"));
    fs::rename(&path, &real).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o644)).unwrap();
    symlink(&real, &path).unwrap();
    let before = fs::read(&real).unwrap();
    let journal = Journal::open(&zos).unwrap();
    journal.apply("claude-code", &plan(&claude(&home), &address()).unwrap()).unwrap();
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
    assert_eq!(real.metadata().unwrap().permissions().mode() & 0o777, 0o644);
    assert_ne!(fs::read(&real).unwrap(), before);
    journal.undo("claude-code").unwrap();
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
    assert_eq!(fs::read(&real).unwrap(), before);
}

#[test]
fn two_at_once_and_twice_are_refused() {
    let (_dir, home, zos) = settled();
    let journal = Journal::open(&zos).unwrap();
    assert!(matches!(Journal::open(&zos), Err(zos_connect::JournalError::Busy)));
    let shown = plan(&claude(&home), &address()).unwrap();
    journal.apply("claude-code", &shown).unwrap();
    let again = journal.apply("claude-code", &shown).unwrap_err().to_string();
    assert!(again.contains("is connected already"), "{again}");
}

const DIES: &str = "ZOS_CONNECT_DIES_AT";

/// The part of the test below that is a process of its own: it kills itself at a step.
fn die(at: &str) {
    let (way, at) = at.split_once(' ').unwrap();
    let (folder, at) = at.split_once(' ').unwrap();
    let (folder, at): (PathBuf, usize) = (at.into(), folder.parse().unwrap());
    let mut step = 0;
    let mut observe = |_: Moment| {
        if step == at {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
        }
        step += 1;
    };
    let journal = Journal::open(&folder.join("zos")).unwrap();
    let targets = two(&folder.join("home"));
    match way {
        "apply" => {
            journal
                .apply_observed("two", &plan(&targets, &address()).unwrap(), "then", &mut observe)
                .unwrap();
        }
        _ => drop(journal.undo_observed("two", &mut observe).unwrap()),
    }
}

/// Several files, one of them new.
fn two(home: &Path) -> Vec<zos_connect::Target> {
    let codex = targets(zos_connect::client("codex").unwrap(), &machine(home));
    claude(home).into_iter().chain(codex).collect()
}

#[test]
fn a_process_that_is_killed_at_any_step_leaves_either_state() {
    if let Ok(at) = std::env::var(DIES) {
        return die(&at);
    }
    let mut killed = 0;
    for way in ["apply", "undo"] {
        for step in 0.. {
            let (dir, home, zos) = settled();
            let before = tree(&home);
            let mut connected = None;
            if way == "undo" {
                let journal = Journal::open(&zos).unwrap();
                journal.apply("two", &plan(&two(&home), &address()).unwrap()).unwrap();
                connected = Some(tree(&home));
            }
            let status = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "a_process_that_is_killed_at_any_step_leaves_either_state"])
                .env(DIES, format!("{way} {step} {}", dir.path().display()))
                .status()
                .unwrap();
            // The next run mends what the dead one left.
            let journal = Journal::open(&zos).unwrap();
            let is_connected = !journal.clients().unwrap().is_empty();
            let now = tree(&home);
            match is_connected {
                true => assert!(plan(&two(&home), &address()).unwrap().files.is_empty(), "{way} {step}"),
                false => assert_eq!(now, before, "{way} {step}"),
            }
            assert!(connected.is_none_or(|connected| now == before || now == connected), "{way} {step}");
            journal.undo("two").unwrap();
            assert_eq!(tree(&home), before, "{way} {step}");
            if status.success() {
                break;
            }
            killed += 1;
        }
    }
    assert!(killed >= 7, "{killed}");
}

#[test]
fn a_run_is_pointed_at_the_gateway_and_keeps_its_own_key() {
    let dir = tempfile::tempdir().unwrap();
    let mut machine = machine(dir.path());
    let room = Address { room: Some("acme".to_owned()), key: Some("zos_x".to_owned()), ..address() };
    for client in CLIENTS.iter().filter_map(|client| client.run) {
        let run = client(&machine, &room);
        let all = format!("{run:?}");
        assert!(all.contains("http://127.0.0.1:8788/rooms/acme"), "{all}");
        assert!(all.contains("zos_x") || all.contains("\"token\\"), "{all}");
    }
    let claude = zos_connect::client("claude").unwrap().run.unwrap();
    let token = |machine: &Machine| {
        claude(machine, &address()).environment.iter().any(|(name, _)| *name == "ANTHROPIC_AUTH_TOKEN")
    };
    assert!(token(&machine), "without a login it is given something");
    machine.environment.insert("ANTHROPIC_API_KEY".to_owned(), "sk-mine".to_owned());
    assert!(!token(&machine), "a login that works is left alone");
}

#[test]
fn the_page_has_a_row_for_every_client() {
    let page = include_str!("../../docs/connect.md");
    for client in CLIENTS {
        assert!(page.contains(&format!("\n| `{}` | ", client.id)), "docs/connect.md lacks {}", client.id);
    }
}
