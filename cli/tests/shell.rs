//! The command line itself: help, completions, exit codes of wrong use, closed pipes.

use crate::world::{Run, Scratch};
use std::process::{Command, Stdio};

#[test]
fn the_help_is_a_page_with_every_command() {
    let page = Scratch::new().zos(&["--help"]).fine();
    for words in
        ["serve", "doctor", "Rooms and rules:", "zos context new acme", "Exit codes:", "--home", "--json"]
    {
        assert!(page.contains(words), "{words:?} is not in {page}");
    }
    assert!(!page.contains('\x1b') && !page.contains("openapi"), "{page}");
    assert!(page.lines().all(|line| line.chars().count() <= 100), "{page}");
}

#[test]
fn wrong_use_exits_with_2() {
    let home = Scratch::new();
    for arguments in [
        &["no-such-command"][..],
        &["context", "use"],
        &["token"],
        &["audit", "tail", "--verdict", "maybe"],
        &["usage", "--since", "today"],
        &["context", "use", "Not A Name"],
        &["firewall"],
    ] {
        let run = home.zos(arguments);
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{arguments:?}");
        assert!(!run.err.is_empty());
    }
    assert_eq!(home.zos(&[]).code, 2);
}

#[test]
fn the_home_and_json_may_stand_before_and_after() {
    let (home, other) = (Scratch::acme(), Scratch::new());
    let path = home.path();
    let path = path.to_str().unwrap();
    for arguments in [
        ["--home", path, "--json", "context", "list"],
        ["context", "--json", "list", "--home", path],
        ["context", "list", "--home", path, "--json"],
    ] {
        let shown: serde_json::Value = serde_json::from_str(&other.zos(&arguments).fine()).unwrap();
        assert_eq!(shown["contexts"][0]["name"], "acme");
    }
}

#[test]
fn completions_and_the_document_of_the_api_are_printed() {
    let home = Scratch::new();
    assert!(home.zos(&["completions", "bash"]).fine().contains("firewall"));
    let document: serde_json::Value = serde_json::from_str(&home.zos(&["openapi"]).fine()).unwrap();
    assert!(document["paths"]["/zos/v1/status"].is_object());
    assert!(!home.path().exists(), "nothing was made");
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let home = Scratch::acme();
    for arguments in [
        &["context", "list"][..],
        &["audit", "tail"],
        &["openapi"],
        &["completions", "zsh"],
        &["doctor"],
        &["--json", "models"],
    ] {
        let mut child =
            home.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            (output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
}

#[test]
fn a_shell_pipeline_may_cut_the_log_short() {
    let home = Scratch::acme();
    drop(home.serve());
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!(
        "'{}' --home '{}' audit tail | head -n 1",
        env!("CARGO_BIN_EXE_zos"),
        home.path().display()
    ));
    let run = Run::of(command);
    assert!(run.fine().starts_with("TIME (UTC)"));
}

#[test]
fn reading_makes_nothing() {
    let home = Scratch::new();
    for arguments in [
        &["status"][..],
        &["doctor"],
        &["lint"],
        &["context", "list"],
        &["context", "show"],
        &["models"],
        &["providers", "list"],
        &["key", "list"],
        &["budget"],
        &["usage"],
        &["audit", "tail"],
        &["firewall", "test", "x"],
        &["route", "explain", "demo/echo"],
    ] {
        let run = home.zos(arguments);
        assert!(run.code < 2, "{arguments:?}: {}", run.err);
        assert!(!home.path().exists(), "{arguments:?} made the home");
    }
}
