//! `zos firewall test` and `zos lint`.

use crate::world::Scratch;

#[test]
fn what_would_be_denied_is_found() {
    let home = Scratch::acme();
    let run = home.zos(&["firewall", "test", "-c", "acme", "Ask about project  FALCON."]);
    assert_eq!(run.code, 1);
    for words in ["is denied: 1 finding", "project  FALCON", "contexts/acme.yml:5"] {
        assert!(run.out.contains(words), "{words:?} is not in {}", run.out);
    }
    let passes = home.zos(&["firewall", "test", "falconry projects"]).fine();
    assert!(passes.contains("passes"), "{passes}");
    assert!(home.zos(&["firewall", "test", "a bluebird"]).fine().contains("passes with a warning"));
}

#[test]
fn what_another_room_calls_its_own_is_found_too() {
    let home = Scratch::acme();
    home.write("contexts/personal.yml", "isolation: hard\nattachments: allow\n");
    assert_eq!(home.zos(&["firewall", "test", "-c", "personal", "the Globex merger"]).code, 1);
    assert_eq!(home.zos(&["firewall", "test", "-c", "acme", "the Globex merger"]).code, 0);
}

#[test]
fn the_text_may_come_from_standard_input_and_both_ways_agree() {
    let home = Scratch::acme();
    let text = "first line\nProject Falcon\n";
    let arguments = ["firewall", "test", "--context", "acme", "--json"];
    let from_files = home.zos_reading(&arguments, text.as_bytes());
    let _serving = home.serve();
    let from_gateway = home.zos_reading(&arguments, text.as_bytes());
    assert_eq!((from_files.code, from_gateway.code), (1, 1));
    let verdict: serde_json::Value = serde_json::from_str(&from_files.out).unwrap();
    assert_eq!(verdict, serde_json::from_str::<serde_json::Value>(&from_gateway.out).unwrap());
    assert_eq!(
        (&verdict["verdict"], &verdict["violations"][0]["start"], &verdict["violations"][0]["end"]),
        (&"deny".into(), &11.into(), &25.into())
    );
    let long = format!("{}Project Falcon", "word ".repeat(1_000_000));
    assert_eq!(home.zos_reading(&arguments, long.as_bytes()).code, 1);
}

#[test]
fn what_cannot_be_tried_is_wrong_use() {
    let home = Scratch::acme();
    home.zos(&["firewall", "test", "-c", "nowhere", "x"]).fails(2, &["no room called nowhere"]);
    home.zos_reading(&["firewall", "test"], b"\xff\xfe").fails(2, &["UTF-8"]);
    home.write("contexts/acme.yml", "outbound_deny: 5\n");
    home.zos(&["firewall", "test", "x"]).fails(1, &["contexts/acme.yml:1", "context edit acme"]);
    home.write("state.json", "{}");
    home.zos(&["firewall", "test", "x"]).fails(2, &["context use NAME"]);
}

#[test]
fn lint_names_file_line_and_fix() {
    let home = Scratch::acme();
    assert_eq!(home.zos(&["lint"]).fine(), "All files are in order.\n");
    home.write("contexts/acme.yml", "isolation: hard\nattachments: allow\noutbound_denied: []\n");
    assert!(home.zos(&["lint"]).fine().contains("1 warning"));
    assert_eq!(home.zos(&["lint", "--strict"]).code, 1);
    home.write("gateway/config.yml", "listen: nowhere\n");
    let run = home.zos(&["lint"]);
    assert_eq!(run.code, 1);
    assert!(run.out.contains("gateway/config.yml:1:") && run.out.contains("127.0.0.1:8788"), "{}", run.out);
    let found = home.json(&["lint"]);
    assert_eq!((&found["errors"], &found["problems"][0]["severity"]), (&1.into(), &"error".into()));
}
