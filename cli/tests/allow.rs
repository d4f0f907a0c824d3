//! `zos allow`: what waits, and the answers.

use crate::world::{Scratch, eventually};

fn home() -> Scratch {
    let home = Scratch::new();
    home.write("contexts/acme.yml", "outbound_deny:\n  - {term: Project Falcon, action: ask}\n");
    home.write("state.json", "{\"active\": \"acme\"}\n");
    home.write("gateway/config.yml", "ask: {timeout_s: 1}\n");
    home
}

#[test]
fn what_was_asked_in_vain_is_listed_and_can_be_allowed_once() {
    let home = home();
    let serving = home.serve();
    let (status, answer) = serving.say("Project Falcon", "");
    assert_eq!(status, 400);
    let id = answer.split("zos allow ").nth(1).expect(&answer)[..4].to_owned();
    let listed = home.zos(&["allow"]).fine();
    for words in [id.as_str(), "acme", "deny/1", "messages[0].content", "no more"] {
        assert!(listed.contains(words), "{words:?} is not in {listed}");
    }
    assert!(!listed.contains("Falcon"));
    assert!(home.zos(&["allow", &id]).fine().contains("once within ten minutes"));
    assert_eq!(serving.say("Project Falcon", "").0, 200);
    assert_eq!(serving.say("Project Falcon", "").0, 400);
    home.zos(&["allow", &id]).fails(1, &["waits", "zos allow"]);
    let id = home.json(&["allow"])["approvals"][0]["id"].as_str().unwrap().to_owned();
    let said = home.zos(&["allow", &id, "--always"]).fine();
    assert!(
        said.contains("contexts/acme.yml, outbound_deny entry 1") && said.contains("action: warn"),
        "{said}"
    );
    assert!(home.read("contexts/acme.yml").contains("{term: Project Falcon, action: warn}"));
    eventually(|| serving.say("Project Falcon", "").0 == 200);
}

#[test]
fn without_a_zos_that_runs_nothing_waits() {
    let home = home();
    assert!(home.zos(&["allow"]).fine().contains("Nothing waits"));
    home.zos(&["allow", "abcd", "--deny"]).fails(1, &["waits"]);
    assert_eq!(home.zos(&["allow", "--deny"]).code, 2);
    assert_eq!(home.zos(&["allow", "abcd", "--deny", "--redact"]).code, 2);
}
