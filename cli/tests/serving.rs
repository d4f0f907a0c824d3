//! `zos serve`: what it says, how it ends, and why it does not begin.

use crate::world::{Scratch, eventually, signal, wait};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;

#[test]
fn a_newcomer_is_told_where_everything_is_and_the_call_to_try_works() {
    let home = Scratch::new();
    let mut serving = home.serve();
    let said = serving.greeting("-d '");
    for words in [
        "room     default, built in",
        &home.path().display().to_string(),
        &format!("http://{}/zos/", serving.address),
        "zos token --admin",
        "admin.token",
        &format!("curl http://{}/v1/chat/completions", serving.address),
    ] {
        assert!(said.contains(words), "{words:?} is not in {said}");
    }
    let body = said.split("-d '").nth(1).unwrap().split('\'').next().unwrap();
    let (status, answer) = serving.post("/v1/chat/completions", "", body);
    assert_eq!(status, 200);
    assert!(answer.contains("Hello"), "{answer}");
}

#[test]
fn programs_get_the_greeting_as_one_line_of_json() {
    let home = Scratch::acme();
    let mut command = home.command(&["--json", "serve", "--listen", "0"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    signal(&child);
    assert_eq!(wait(&mut child).code(), Some(0));
    let said: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&said["active"], said["home"].as_str()), (&"acme".into(), home.path().to_str()));
    assert!(said["address"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    assert_eq!(said["screens"].as_str().unwrap(), format!("{}/zos/", said["address"].as_str().unwrap()));
}

#[test]
fn a_signal_ends_it_in_order() {
    let home = Scratch::new();
    let serving = home.serve();
    assert_eq!(serving.say("Hello", "").0, 200);
    assert!(home.path().join("gateway/listening.json").exists());
    assert_eq!(serving.stop().code(), Some(0));
    assert!(!home.path().join("gateway/listening.json").exists());
    let page = home.json(&["audit", "tail"]);
    let kinds: Vec<&str> =
        page["records"].as_array().unwrap().iter().map(|record| record["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["stop", "call", "start"]);
}

#[test]
fn the_first_signal_lets_calls_finish_and_a_second_one_cuts_them() {
    let home = Scratch::new();
    let mut serving = home.serve();
    // A call whose body never ends is in progress.
    let mut stream = TcpStream::connect(&serving.address).unwrap();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{{",
        serving.address
    );
    stream.write_all(head.as_bytes()).unwrap();
    eventually(|| home.json(&["status"])["counts"]["in_flight"] == 1);
    serving.signal();
    // New callers find no listener any more once it stops.
    eventually(|| TcpStream::connect(&serving.address).is_err());
    assert!(!serving.has_ended());
    serving.signal();
    assert_eq!(serving.wait().code(), Some(0));
}

#[test]
fn a_taken_port_is_named_with_its_holder() {
    let home = Scratch::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let run = home.zos(&["serve", "--listen", &port]);
    let me = std::process::id().to_string();
    run.fails(2, &[&format!("Port {port} is taken by"), &me, "--listen"]);
}

#[test]
fn a_broken_configuration_is_named_with_file_and_line() {
    let home = Scratch::new();
    home.write("gateway/config.yml", "listen: 127.0.0.1:0\nauth: {keyles: true}\n");
    home.zos(&["serve"]).fails(2, &["gateway/config.yml:2:", "keyless"]);
    let refusal = home.json(&["serve"]);
    assert_eq!(
        (&refusal["error"]["code"], &refusal["error"]["problems"][0]["line"]),
        (&"zos_invalid_config".into(), &2.into())
    );
}

#[test]
fn two_do_not_share_a_home() {
    let home = Scratch::new();
    let _first = home.serve();
    let shown = home.path().display().to_string();
    home.zos(&["serve", "--listen", "0"]).fails(2, &["Another zOS runs on", &shown, "--home"]);
}

#[test]
fn a_home_that_is_a_file_is_refused() {
    let home = Scratch::new();
    std::fs::write(home.path(), "").unwrap();
    home.zos(&["serve"]).fails(2, &["is not a folder"]);
}

#[test]
fn other_machines_are_not_served_without_protection() {
    let home = Scratch::new();
    home.zos(&["serve", "--listen", "0.0.0.0:0"]).fails(2, &["other machines can reach", "keyless"]);
    home.zos(&["serve", "--listen", "here"]).fails(2, &["127.0.0.1:8788"]);
}

#[test]
fn a_greeting_that_nobody_reads_is_no_reason_to_end() {
    let home = Scratch::new();
    let mut child = home
        .command(&["serve", "--listen", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    eventually(|| home.json(&["status"])["health"]["ok"] == true);
    signal(&child);
    assert_eq!(wait(&mut child).code(), Some(0));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(
        said.contains("stops when the calls in progress have ended") && !said.contains("panicked"),
        "{said}"
    );
}

#[test]
fn where_keys_are_asked_for_the_call_to_try_has_one() {
    let home = Scratch::new();
    home.write("gateway/config.yml", "auth: {keyless: false}\n");
    let mut serving = home.serve();
    assert!(serving.greeting("-d '").contains("-H \"x-zos-key: $(zos token curl)\""));
    assert_eq!(serving.say("Hello", "").0, 401);
    let key = home.zos(&["token", "curl"]).fine();
    assert_eq!(serving.say("Hello", &format!("x-zos-key: {}\r\n", key.trim())).0, 200);
}
