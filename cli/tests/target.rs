//! `zos target check`: what it says, and what it exits with.

use crate::world::Scratch;
use serde_json::{Value, json};

const ACME: &str = r#"{"url": "https://acme.com/x"}"#;
const EVIL: &str = r#"{"url": "https://evil.com/x"}"#;
const PAY: &str = r#"{"url": "https://pay.acme.com/x"}"#;

/// A hard room with lists, which is active, and an open one without.
fn home() -> Scratch {
    let home = Scratch::new();
    home.write(
        "contexts/acme.yml",
        "isolation: hard\ntargets:\n  allow: [acme.com, \"*.acme.com\", /srv/acme/**]\n  \
         confirm: [pay.acme.com]\n  deny: [bad.acme.com]\n",
    );
    home.write("contexts/open.yml", "isolation: open\n");
    home.write("state.json", "{\"active\": \"acme\"}\n");
    home
}

fn check<'a>(room: &'a str, tool: &'a str, arguments: &'a str) -> [&'a str; 8] {
    ["target", "check", "--context", room, "--tool", tool, "--args", arguments]
}

/// The verdict, target by target, as `verdict kind target rule`.
fn rows(said: &Value) -> Vec<String> {
    let targets = said["targets"].as_array().expect("targets are listed");
    let word = |target: &Value, key: &str| target[key].as_str().unwrap_or_default().to_owned();
    targets
        .iter()
        .map(|target| ["verdict", "kind", "target", "rule"].map(|key| word(target, key)).join(" "))
        .collect()
}

#[test]
fn a_call_that_passes_exits_with_0() {
    let home = home();
    let said = home.zos(&check("acme", "WebFetch", ACME)).fine();
    assert!(said.starts_with("In the room acme this call passes\n"), "{said}");
    assert!(said.contains("https://acme.com/x") && said.contains("target-allow/1"), "{said}");
    // Without a room it is the active one; without arguments, a tool that has none.
    assert!(home.zos(&["target", "check", "--tool", "ls"]).fine().contains("room acme"));
    assert!(home.zos(&check("open", "WebFetch", EVIL)).fine().contains("In the room open this call passes"));
}

#[test]
fn a_call_that_is_stopped_or_waits_exits_with_1() {
    let home = home();
    for (arguments, sum, verdict, rule) in [
        (EVIL, "is stopped", "deny", "target-default"),
        (r#"{"url": "https://bad.acme.com"}"#, "is stopped", "deny", "target-deny/1"),
        (PAY, "waits for you", "confirm", "target-confirm/1"),
    ] {
        let run = home.zos(&check("acme", "WebFetch", arguments));
        assert_eq!(run.code, 1, "{arguments}: {}{}", run.out, run.err);
        assert!(run.out.starts_with(&format!("In the room acme this call {sum}\n")), "{}", run.out);
        let row = run.out.lines().find(|line| line.contains(rule)).unwrap_or_else(|| panic!("{}", run.out));
        assert!(row.starts_with(verdict) && row.contains("acme.com") | row.contains("evil.com"), "{row}");
        assert!(run.err.is_empty(), "{}", run.err);
    }
}

#[test]
fn a_script_reads_the_verdict_and_every_target() {
    let home = home();
    let arguments = r#"{"url": ["https://acme.com", "https://PAY.acme.com./", "https://evil.com:8443"]}"#;
    let command = [check("acme", "fetch", arguments).as_slice(), &["--json"]].concat();
    let run = home.zos(&command);
    assert_eq!(run.code, 1, "{}", run.err);
    let said: Value = serde_json::from_str(&run.out).expect(&run.out);
    assert_eq!((&said["verdict"], &said["context"]), (&json!("deny"), &json!("acme")));
    assert_eq!(
        rows(&said),
        [
            "allow tool fetch target-unlisted",
            "allow url https://acme.com/ target-allow/1",
            "confirm url https://pay.acme.com/ target-confirm/1",
            "deny url https://evil.com:8443/ target-default",
        ]
    );
    let said = home.json(&check("acme", "fetch", PAY));
    assert_eq!(said["verdict"], "confirm");
    let said = home.json(&check("acme", "fetch", ACME));
    assert_eq!(said["verdict"], "allow");
}

#[test]
fn arguments_that_are_no_json_are_judged_and_on_no_list() {
    let home = home();
    for arguments in [r#"{"url": "https://acme.com""#, "[", r#"{"url": https://acme.com}"#] {
        let said = home.json(&check("acme", "fetch", arguments));
        assert_eq!(said["verdict"], "deny", "{arguments}: {said}");
        let found = rows(&said);
        assert!(found.iter().any(|row| row.contains("arguments that are no JSON")), "{found:?}");
    }
    // Plain text is what some tools take.
    assert_eq!(home.json(&check("acme", "Bash", "curl acme.com"))["verdict"], "allow");
    assert_eq!(home.json(&check("acme", "Bash", "curl evil.com"))["verdict"], "deny");
}

#[test]
fn what_cannot_be_asked_exits_with_2() {
    let home = home();
    let run = home.zos(&["target", "check"]);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("--tool"), "{}", run.err);
    assert_eq!(home.zos(&["target"]).code, 2);
    assert_eq!(home.zos(&["target", "check", "--tool", "x", "--context", "A B"]).code, 2);
    home.zos(&check("nobody", "fetch", ACME)).fails(2, &["nobody", "zos context list"]);
    home.write("contexts/acme.yml", "isolation: hard\ntargets: {allow: [\"ac*me.com\"]}\n");
    home.zos(&check("acme", "fetch", ACME)).fails(1, &["acme", "zos context edit acme"]);
}

#[test]
fn arguments_come_from_standard_input_whole_or_not_at_all() {
    let home = home();
    let command = check("acme", "fetch", "-");
    let run = home.zos_reading(&command, EVIL.as_bytes());
    assert!(run.code == 1 && run.out.contains("https://evil.com/x"), "{}{}", run.out, run.err);
    assert_eq!(home.zos_reading(&command, ACME.as_bytes()).code, 0);
    // What lies behind the limit is not left out of the verdict.
    let mut long = " ".repeat(1 << 20);
    long.push_str("https://evil.com");
    home.zos_reading(&check("open", "fetch", "-"), long.as_bytes()).fails(2, &["1 MiB"]);
}

#[test]
fn a_zos_that_runs_says_the_same() {
    let home = home();
    let calls = [ACME, EVIL, PAY, "[", r#"{"path": "/srv/acme/../x"}"#];
    let alone: Vec<Value> = calls.iter().map(|call| home.json(&check("acme", "x", call))).collect();
    let _serving = home.serve();
    let asked: Vec<Value> = calls.iter().map(|call| home.json(&check("acme", "x", call))).collect();
    assert_eq!(alone, asked);
    home.zos(&check("nobody", "x", ACME)).fails(2, &["nobody", "zos context list"]);
}
