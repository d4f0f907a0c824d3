//! `zos audit tail`.

use crate::world::{Scratch, signal, wait};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

#[test]
fn the_last_records_are_shown_with_their_verdicts() {
    let home = Scratch::acme();
    assert_eq!(home.zos(&["audit", "tail"]).fine(), "No records.\n");
    let serving = home.serve();
    assert_eq!((serving.say("Hello", "").0, serving.say("Project Falcon", "").0), (200, 400));
    let shown = home.zos(&["audit", "tail"]).fine();
    assert!(
        shown.contains("zos_firewall_request") && shown.contains("allow") && !shown.contains("Falcon"),
        "{shown}"
    );
    let denied = home.json(&["audit", "tail", "--verdict", "deny"]);
    assert_eq!(
        (denied["records"].as_array().unwrap().len(), &denied["records"][0]["context"]),
        (1, &"acme".into())
    );
    let one = home.json(&["audit", "tail", "-n", "1"]);
    assert_eq!(one["records"], denied["records"]);
    assert!(one["next"].is_string());
    assert_eq!(home.zos(&["audit", "tail", "--since", "2999-01-01"]).fine(), "No records.\n");
}

#[test]
fn following_shows_what_comes_once_and_in_order() {
    let home = Scratch::acme();
    let serving = home.serve();
    serving.say("before", "");
    let mut following =
        home.command(&["audit", "tail", "-f", "--json", "-n", "1"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap())
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap());
    let first = lines.next().unwrap();
    assert_eq!((&first["kind"], &first["seq"]), (&"call".into(), &1.into()));
    for _ in 0..3 {
        serving.say("Project Falcon", "");
    }
    let numbers: Vec<_> = lines
        .by_ref()
        .take(3)
        .map(|record| (record["seq"].as_u64().unwrap(), record["verdict"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(numbers, [2, 3, 4].map(|number| (number, "deny".to_owned())));
    signal(&following);
    wait(&mut following);
}

#[test]
fn a_damaged_log_is_said_to_be_damaged() {
    let home = Scratch::new();
    home.write("gateway/audit/2026-01-01.000.jsonl", "not a record\n");
    home.zos(&["audit", "tail"]).fails(2, &["damaged", "2026-01-01.000.jsonl"]);
}
