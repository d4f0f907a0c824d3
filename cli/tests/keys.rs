//! `zos key`, `zos token`, and the keys of providers.

use crate::world::{Run, Scratch, mode};
use serde_json::Value;

#[test]
fn keys_are_made_listed_and_revoked_with_and_without_a_zos_that_runs() {
    let home = Scratch::acme();
    let made = home.json(&["key", "add", "zed", "--context", "acme"]);
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert!(key.starts_with("zos_"));
    let listed = home.zos(&["key", "list"]).fine();
    assert!(
        listed.contains(id) && listed.contains("zed") && listed.contains("never") && !listed.contains(key),
        "{listed}"
    );
    let serving = home.serve();
    let header = format!("x-zos-key: {key}\r\n");
    assert_eq!(serving.say("Hello", &header).0, 200);
    assert_eq!(home.json(&["key", "list"])["keys"][0]["client"], "zed");
    home.zos(&["key", "revoke", id]).fine();
    assert_eq!(serving.say("Hello", &header).0, 401);
    home.zos(&["key", "revoke", id]).fails(1, &[id, "zos key list"]);
    drop(serving);
    home.zos(&["key", "revoke", "../../etc"]).fails(1, &["zos key list"]);
    home.zos(&["key", "add", "zed", "-c", "nowhere"]).fails(2, &["no room called nowhere"]);
    home.zos(&["key", "add", ""]).fails(2, &["1 to 64"]);
    let tail = home.json(&["audit", "tail"]);
    let keys = tail["records"].as_array().unwrap().iter().filter(|record| record["kind"] == "key");
    let told: Vec<&str> = keys.map(|record| record["detail"].as_str().unwrap()).collect();
    assert_eq!(told.len(), 2, "made and revoked; what was refused is no change: {told:?}");
    assert!(told.iter().all(|detail| detail.contains(id)), "{told:?}");
}

#[test]
fn a_client_gets_the_same_key_every_time_until_it_is_revoked() {
    let home = Scratch::acme();
    let key = home.zos(&["token", "claude-code"]).fine();
    assert!(key.starts_with("zos_") && key.lines().count() == 1);
    assert_eq!(home.zos(&["token", "claude-code"]).fine(), key);
    assert_ne!(home.zos(&["token", "zed"]).fine(), key);
    assert_eq!(mode(&home.path().join("gateway/tokens/claude-code.json")), 0o600);
    assert_eq!(mode(&home.path().join("gateway/tokens")), 0o700);
    let serving = home.serve();
    assert_eq!(home.zos(&["token", "claude-code"]).fine(), key);
    assert_eq!(serving.say("Hello", &format!("authorization: Bearer {key}").replace('\n', "\r\n")).0, 200);
    let id = home.json(&["token", "claude-code"])["id"].as_str().unwrap().to_owned();
    home.zos(&["key", "revoke", &id]).fine();
    home.zos(&["token", "claude-code"]).fails(1, &["was revoked", "--renew"]);
    let new = home.zos(&["token", "claude-code", "--renew", "--context", "acme"]).fine();
    assert_ne!(new, key);
    assert_eq!(home.zos(&["token", "claude-code", "--context", "acme"]).fine(), new);
    assert_eq!(home.json(&["key", "list"])["keys"].as_array().unwrap().len(), 2);
}

#[test]
fn no_key_without_a_room_is_made_beside_one_that_has_a_room() {
    let home = Scratch::acme();
    home.zos(&["key", "add", "cc", "--context", "acme"]).fine();
    home.zos(&["token", "cc"]).fails(1, &["key of the room acme", "zos token cc --context acme"]);
    assert_eq!(home.json(&["key", "list"])["keys"].as_array().unwrap().len(), 1, "nothing was made");
    let bound = home.zos(&["token", "cc", "--context", "acme"]).fine();
    assert_eq!(home.zos(&["token", "cc"]).fine(), bound);
    let renewed = home.zos(&["token", "cc", "--renew"]).fine();
    assert_ne!(renewed, bound);
    assert_eq!(home.zos(&["token", "cc", "--context", "acme"]).fine(), renewed, "it stays in its room");
    home.zos(&["token", "zed"]).fine();
}

#[test]
fn a_key_is_not_given_for_another_room_or_from_an_open_file() {
    let home = Scratch::acme();
    home.zos(&["token", "zed"]).fine();
    home.zos(&["token", "zed", "-c", "acme"]).fails(1, &["bound to no room", "--context acme --renew"]);
    for name in ["../x", ".x", "", "a b", &"a".repeat(65)] {
        home.zos(&["token", name]).fails(2, &["letters, digits"]);
    }
    let path = home.path().join("gateway/tokens/zed.json");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    home.zos(&["token", "zed"]).fails(2, &["may be read by other users"]);
}

#[test]
fn the_admin_token_is_the_one_that_the_screens_ask_for() {
    let home = Scratch::new();
    let token = home.zos(&["token", "--admin"]).fine();
    assert_eq!(token.trim(), home.read("gateway/admin.token").trim());
    assert_eq!(mode(&home.path().join("gateway/admin.token")), 0o600);
    let _serving = home.serve();
    assert_eq!(home.zos(&["token", "--admin"]).fine(), token);
    assert_eq!(home.json(&["token", "--admin"])["token"], token.trim());
}

#[test]
fn a_key_can_be_had_from_a_running_zos_that_is_asked_at_once_by_many() {
    let home = Scratch::new();
    let keys: Vec<Value> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..4)
            .map(|client| {
                scope.spawn({
                    let home = &home;
                    move || home.json(&["key", "add", &format!("client-{client}")])
                })
            })
            .collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let made = keys.iter().filter(|key| key["key"].is_string()).count();
    // Where none runs, one command opens the home for itself, and the others may find it in use.
    assert!(
        keys.iter().all(|key| key["key"].is_string()
            || matches!(key["error"]["code"].as_str(), Some("zos_home_in_use" | "zos_unreachable"))),
        "{keys:?}"
    );
    assert_eq!(home.json(&["key", "list"])["keys"].as_array().unwrap().len(), made);
    assert!(made >= 1);
}

#[test]
fn a_provider_key_never_shows_and_needs_a_place_to_be_kept() {
    let home = Scratch::new();
    let secret = "sk-canary-1234567890";
    let run = home.zos_reading(&["providers", "key", "set", "anthropic"], secret.as_bytes());
    assert!(!run.err.contains("canary"), "{}", run.err);
    run.fails(1, &["keychain"]);
    home.zos_reading(&["providers", "key", "set", "nobody"], secret.as_bytes())
        .fails(2, &["no provider called nobody"]);
    home.zos_reading(&["providers", "key", "set", "anthropic"], b" \n").fails(2, &["empty"]);
    home.zos(&["providers", "key", "delete", "nobody"]).fails(2, &["no provider called nobody"]);
}

#[test]
fn providers_tell_where_their_keys_come_from() {
    let home = Scratch::new();
    home.write(
        "routing/fleet.yml",
        "version: 1\nproviders:\n  one: {api: openai, base_url: \"https://one.example/v1\", key: \"env:ONE_KEY\"}\n  \
         two: {api: openai, base_url: \"http://127.0.0.1:9/v1\", key: none}\n  three: {api: openai, base_url: \"https://three.example/v1\", key: \"env:THREE_KEY\"}\n",
    );
    let mut command = home.command(&["providers", "list", "--json"]);
    command.env("ONE_KEY", "sk-canary");
    let listed = Run::of(command).fine();
    assert!(!listed.contains("canary"));
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let keys: Vec<(&str, &str)> = listed["providers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|provider| (provider["id"].as_str().unwrap(), provider["key"].as_str().unwrap()))
        .collect();
    assert_eq!(keys, [("one", "environment"), ("two", "none"), ("three", "missing"), ("demo", "none")]);
    assert!(home.zos(&["providers", "list"]).fine().contains("clients must send their own"));
    assert_eq!(home.zos(&["providers", "test", "demo"]).code, 0);
    let run = home.zos(&["providers", "test", "two"]);
    assert_eq!(run.code, 1);
    assert!(run.out.contains("cannot be reached"), "{} {}", run.out, run.err);
}

#[cfg(unix)]
#[test]
fn a_command_that_prints_a_key_is_shown_and_allowed_by_its_words() {
    use std::os::unix::fs::PermissionsExt;
    let home = Scratch::new();
    let write = |word: &str| {
        home.write(
            "routing/fleet.yml",
            &format!("version: 1\nproviders:\n  p: {{preset: openai, key: {{command: [echo, {word}, \"a b\"]}}}}\n  q: {{preset: chatgpt, ca: none.pem}}\n"),
        );
        for path in ["routing", "routing/fleet.yml"] {
            let closed = std::fs::Permissions::from_mode(if path == "routing" { 0o700 } else { 0o600 });
            std::fs::set_permissions(home.path().join(path), closed).unwrap();
        }
    };
    write("one");
    let listed = home.zos(&["providers", "list"]).fine();
    assert!(
        listed.contains("echo waits for your yes") && listed.contains("zos providers allow p"),
        "{listed}"
    );
    assert!(listed.contains("the client's own sign-in"), "{listed}");
    // Where nobody can be asked, nobody says yes.
    home.zos(&["providers", "allow", "p"]).fails(2, &["not allowed", "zos providers allow p --yes"]);
    let told = home.zos(&["providers", "allow", "p", "--yes"]).fine();
    assert!(told.contains("echo one \"a b\""), "{told}");
    assert!(home.zos(&["providers", "allow", "p"]).fine().contains("allowed already"));
    assert!(home.zos(&["providers", "list"]).fine().contains("printed by echo"));
    write("two");
    assert!(home.zos(&["providers", "list"]).fine().contains("waits for your yes"));
    let looked = home.zos(&["doctor"]).out;
    assert!(looked.contains("zos providers allow p"), "{looked}");
    assert!(looked.contains("q names certificates that are not there: none.pem"), "{looked}");
    home.zos(&["providers", "allow", "q"]).fails(1, &["No command prints the key"]);
    home.zos(&["providers", "allow", "nobody"]).fails(2, &["no provider called nobody"]);
}

#[test]
fn what_answers_on_a_port_of_this_machine_is_offered() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let body = r#"{"data":[{"id":"qwen3:8b"}]}"#;
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes());
        }
    });
    let home = Scratch::new();
    let found = home.zos(&["providers", "discover", "--port", &port.to_string()]).fine();
    let line = format!("local-{port}: {{api: openai, base_url: \"http://127.0.0.1:{port}/v1\", key: none}}");
    assert!(found.contains("qwen3:8b") && found.contains(&line), "{found}");
    home.write("routing/fleet.yml", &format!("version: 1\nproviders:\n  {line}\n"));
    let found = home.zos(&["providers", "discover", "--port", &port.to_string()]).fine();
    assert!(found.contains("in the fleet already") && !found.contains("add to `providers`"), "{found}");
}
