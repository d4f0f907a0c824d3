//! `zos connect`, `zos disconnect` and `zos run`, on a made-up home of a person.

use crate::world::Scratch;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const SETTINGS: &str = "{\n  // mine\n  \"env\": {\"FOO\": \"1\"},\n}\n";

/// A home with Claude Code's settings beside the home of zOS.
fn settled() -> Scratch {
    let home = Scratch::acme();
    std::fs::create_dir(person(&home).join(".claude")).expect("the made-up home can be written");
    std::fs::write(settings(&home), SETTINGS).expect("the made-up home can be written");
    home
}

/// The home of the person: the folder above that of zOS.
fn person(home: &Scratch) -> std::path::PathBuf {
    home.path().parent().expect("the made-up home can be written").to_owned()
}

fn settings(home: &Scratch) -> std::path::PathBuf {
    person(home).join(".claude/settings.json")
}

/// A program that says a few things of how it was called.
fn program(folder: &Path, name: &str, script: &str) {
    std::fs::create_dir_all(folder).expect("the made-up home can be written");
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("the made-up home can be written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
        .expect("the made-up home can be written");
}

#[test]
fn a_client_is_shown_connected_once_and_taken_back() {
    let home = settled();
    let listed = home.json(&["connect"]);
    assert_eq!(listed["clients"][0]["client"], "claude-code");
    assert_eq!(listed["clients"][0]["connected"], false);
    // Nobody is there to agree, so nothing is written.
    let unasked = home.command(&["connect", "claude-code"]).output().unwrap();
    let told = String::from_utf8(unasked.stderr).unwrap();
    assert_eq!(unasked.status.code(), Some(2), "{told}");
    assert!(told.contains("nothing was written") && told.contains("--yes"), "{told}");
    assert_eq!(std::fs::read_to_string(settings(&home)).unwrap(), SETTINGS);
    let shown = home.zos(&["connect", "claude-code", "--yes", "--no-wait", "-c", "acme"]).fine();
    for word in
        ["settings.json", "env.ANTHROPIC_BASE_URL: -", "/rooms/acme\"", "Remote Control", "is connected."]
    {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    let written = std::fs::read_to_string(settings(&home)).unwrap();
    assert!(written.contains("// mine") && written.contains("http://127.0.0.1:8788/rooms/acme"), "{written}");
    let again = home.zos(&["connect", "claude-code", "--yes", "--no-wait", "-c", "acme"]).fine();
    assert!(again.contains("connected already"), "{again}");
    assert_eq!(std::fs::read_to_string(settings(&home)).unwrap(), written);
    // Another room is another plan, which is not written over ours.
    home.zos(&["connect", "claude-code", "--yes", "--no-wait"]).fails(2, &["zos disconnect claude-code"]);
    assert_eq!(home.json(&["connect"])["clients"][0]["connected"], true);
    let undone = home.zos(&["disconnect", "claude-code"]).fine();
    assert!(undone.contains("is as it was"), "{undone}");
    assert_eq!(std::fs::read_to_string(settings(&home)).unwrap(), SETTINGS);
    home.zos(&["disconnect", "claude-code"]).fails(1, &["is not connected"]);
}

#[test]
fn what_others_changed_is_left_and_named() {
    let home = settled();
    home.zos(&["connect", "claude", "--yes", "--no-wait"]).fine();
    let written = std::fs::read_to_string(settings(&home)).unwrap();
    std::fs::write(settings(&home), written.replace("http://127.0.0.1:8788", "https://other.example"))
        .unwrap();
    let undone = home.command(&["disconnect", "--all"]).output().unwrap();
    let told = String::from_utf8(undone.stdout).unwrap();
    assert_eq!(undone.status.code(), Some(1), "{told}");
    assert!(told.contains("env.ANTHROPIC_BASE_URL holds something else by now and was left"), "{told}");
    let left = std::fs::read_to_string(settings(&home)).unwrap();
    assert!(left.contains("https://other.example") && !left.contains("ENABLE_TOOL_SEARCH"), "{left}");
}

#[test]
fn what_cannot_be_connected_says_why() {
    let home = Scratch::acme();
    home.zos(&["connect", "cursor", "--yes"]).fails(1, &["Cursor's own servers"]);
    home.zos(&["connect", "jetbrains", "--yes"]).fails(1, &["by hand"]);
    home.zos(&["connect", "nothing-known"]).fails(2, &["claude-code, codex"]);
    home.zos(&["connect", "pi", "--yes"]).fails(2, &["--model"]);
    home.zos(&["connect", "pi", "--yes", "--no-wait", "--model", "demo/echo"]).fine();
    let models = std::fs::read_to_string(person(&home).join(".pi/agent/models.json")).unwrap();
    assert!(models.contains("demo/echo"), "{models}");
    home.zos(&["disconnect", "pi"]).fine();
    assert!(!person(&home).join(".pi").exists());
}

#[test]
fn a_run_has_the_address_the_room_of_its_folder_and_its_own_exit_code() {
    let home = Scratch::acme();
    let bin = person(&home).join("bin");
    program(&bin, "claude", "echo \"$ANTHROPIC_BASE_URL $1\"; exit 7");
    program(&bin, "codex", "echo \"$@\"");
    program(&bin, "mine", "echo \"$OPENAI_BASE_URL $OPENAI_API_KEY\"");
    let work = person(&home).join("work/deep");
    std::fs::create_dir_all(&work).unwrap();
    std::fs::write(person(&home).join("work/.zos"), "# whose work this is\nroom: acme\n").unwrap();
    let run = |folder: &Path, arguments: &[&str]| {
        let mut command = home.command(&[&["run"], arguments].concat());
        let path = format!("{}:/usr/bin:/bin", bin.display());
        command.env("PATH", path).env("OPENAI_API_KEY", "sk-mine").current_dir(folder);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let here = person(&home);
    assert_eq!(run(&here, &["--", "claude", "hi"]), (Some(7), "http://127.0.0.1:8788 hi\n".to_owned()));
    let roomed = (Some(7), "http://127.0.0.1:8788/rooms/acme hi\n".to_owned());
    assert_eq!(run(&work, &["--", "claude", "hi"]), roomed);
    assert_eq!(run(&here, &["-c", "acme", "--", "claude", "hi"]), roomed);
    let codex = run(&here, &["--", "codex", "exec", "hi"]).1;
    assert!(codex.starts_with("-c model_provider=\"zos\" -c ") && codex.ends_with(" exec hi\n"), "{codex}");
    assert!(codex.contains("base_url=\"http://127.0.0.1:8788/v1\""), "{codex}");
    assert_eq!(run(&here, &["--", "mine"]).1, "http://127.0.0.1:8788/v1 sk-mine\n");
    assert_eq!(run(&here, &["--", "pi"]).0, Some(2), "it takes its address from a file only");
    assert_eq!(run(&here, &["--", "not-there"]).0, Some(2));
    std::fs::write(person(&home).join("work/.zos"), "No Room!").unwrap();
    assert_eq!(run(&work, &["--", "claude"]).0, Some(2));
    assert!(!here.join(".claude").exists() && !here.join(".codex").exists(), "nothing is written");
}

#[test]
fn a_client_that_can_be_asked_is_proven_by_its_record() {
    let home = settled();
    let serving = home.serve();
    home.write("gateway/config.yml", &format!("listen: {}\n", serving.address));
    let bin = person(&home).join("bin");
    // What the real one does with its settings: a call to the address in them.
    let body = "{\\\"model\\\":\\\"demo/echo\\\",\\\"max_tokens\\\":9,\\\"messages\\\":[{\\\"role\\\":\\\"user\\\",\\\"content\\\":\\\"hi\\\"}]}";
    let script = format!(
        "url=$(sed -n 's/.*\"ANTHROPIC_BASE_URL\": \"\\([^\"]*\\)\".*/\\1/p' \"$HOME/.claude/settings.json\")\n\
         exec curl -sf \"$url/v1/messages\" -H 'content-type: application/json' -d \"{body}\""
    );
    program(&bin, "claude", &script);
    let mut command = home.command(&["connect", "claude-code", "--yes", "--json"]);
    command.env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
    let output = command.output().unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["state"], "connected");
    assert_eq!(answer["proof"]["outcome"], "completed", "{answer}");
    assert_eq!(answer["proof"]["context"], "acme");
}
