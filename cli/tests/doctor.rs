//! `zos doctor`.

use crate::world::{Run, Scratch, mode};
use serde_json::Value;
use std::net::TcpListener;

/// The checks of a name.
fn checks<'a>(shown: &'a Value, name: &str) -> Vec<&'a Value> {
    shown["checks"]
        .as_array()
        .expect("they are a list")
        .iter()
        .filter(|check| check["name"] == name)
        .collect()
}

#[test]
fn a_new_home_is_well() {
    let home = Scratch::new();
    home.write("gateway/config.yml", "listen: 127.0.0.1:1\n");
    std::fs::set_permissions(home.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let page = home.zos(&["doctor"]).fine();
    for words in ["zOS is well.", "keychain", "ANTHROPIC_API_KEY", "zos serve", "disk", "clock"] {
        assert!(page.contains(words), "{words:?} is not in {page}");
    }
}

#[test]
fn a_zos_that_runs_is_found_where_it_listens() {
    let home = Scratch::acme();
    let serving = home.serve();
    let shown = home.json(&["doctor"]);
    assert_eq!(shown["ok"], true, "{shown}");
    assert!(checks(&shown, "listener")[0]["message"].as_str().unwrap().contains(&serving.address));
}

#[test]
fn a_port_that_another_program_holds_is_named() {
    let home = Scratch::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    home.write("gateway/config.yml", &format!("listen: {}\n", taken.local_addr().unwrap()));
    let shown = home.json(&["doctor"]);
    let message = checks(&shown, "listener")[0]["message"].as_str().unwrap();
    assert!(message.contains(&std::process::id().to_string()), "{message}");
    assert_eq!((&shown["ok"], home.zos(&["doctor"]).code), (&false.into(), 1));
}

#[test]
fn an_address_that_leads_back_to_ourselves_is_a_problem() {
    let home = Scratch::new();
    home.write("gateway/config.yml", "listen: 127.0.0.1:1\n");
    let with = |value: &str| {
        let mut command = home.command(&["doctor", "--json"]);
        command.env("ANTHROPIC_BASE_URL", value);
        let run = Run::of(command);
        (run.code, serde_json::from_str::<Value>(&run.out).unwrap())
    };
    let (code, shown) = with("http://localhost:1");
    assert_eq!((code, &checks(&shown, "environment")[0]["state"]), (1, &"problem".into()));
    assert!(checks(&shown, "environment")[0]["message"].as_str().unwrap().contains("circle"));
    let (code, shown) = with("https://proxy.example");
    assert_eq!((code, &checks(&shown, "environment")[0]["state"]), (0, &"note".into()));
}

#[test]
fn broken_files_open_secrets_and_a_damaged_log_are_problems() {
    let home = Scratch::acme();
    home.write("gateway/config.yml", "listen: 127.0.0.1:1\n");
    home.zos(&["token", "--admin"]).fine();
    let token = home.path().join("gateway/admin.token");
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    assert_eq!(mode(&token), 0o644);
    home.write("contexts/acme.yml", "isolation: [\n");
    home.write("gateway/audit/2026-01-01.000.jsonl", "not a record\n");
    home.write(
        "gateway/usage.db",
        "not a ledger, and long enough to be read as the head of a database of a hundred bytes or some more",
    );
    let shown = home.json(&["doctor"]);
    for name in ["files", "private", "log", "ledger"] {
        let found = checks(&shown, name);
        assert!(
            found.iter().any(|check| check["state"] == "problem" && check["fix"].is_string()),
            "{name}: {found:?}"
        );
    }
    let fixes: Vec<&str> =
        checks(&shown, "private").iter().map(|check| check["fix"].as_str().unwrap()).collect();
    assert!(fixes.contains(&format!("chmod 600 {}", token.display()).as_str()), "{fixes:?}");
}

#[test]
fn a_zos_that_cannot_be_reached_is_told_apart_from_none() {
    let home = Scratch::acme();
    home.write("contexts/other.yml", "isolation: open\n");
    home.write("gateway/config.yml", "listen: 127.0.0.1:1\n");
    let serving = home.serve();
    // As when a desktop found its port taken: it runs, and nobody knows where to ask it.
    std::fs::remove_file(home.path().join("gateway/listening.json")).unwrap();
    let shown = home.json(&["doctor"]);
    assert_eq!(checks(&shown, "listener")[0]["state"], "problem", "{shown}");
    let status = home.zos(&["status"]);
    assert_eq!(status.code, 1);
    assert!(status.out.contains("does not answer"), "{}", status.out);
    home.zos(&["budget"]).fails(2, &["does not answer", "zos doctor"]);
    home.zos(&["key", "add", "zed"]).fails(2, &["does not answer"]);
    // A switch works by its file, and says that no record was made.
    let switched = home.zos(&["context", "use", "other"]);
    assert_eq!(switched.code, 0);
    assert!(switched.err.contains("no record"), "{}", switched.err);
    crate::world::eventually(|| serving.say("Project Falcon", "").0 == 200);
}

#[test]
fn a_stale_announcement_leads_nowhere_and_does_no_harm() {
    let home = Scratch::acme();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    home.write("gateway/listening.json", &format!("{{\"address\": \"{address}\", \"pid\": 1}}"));
    home.write("gateway/config.yml", "listen: 127.0.0.1:1\n");
    assert_eq!(home.zos(&["status"]).code, 1);
    home.zos(&["context", "use", "acme"]).fine();
    other.set_nonblocking(true).unwrap();
    assert!(other.accept().is_err(), "nothing was sent to the program that has the port now");
}
