//! `zos shield`: a pause lives in the zOS that runs.

use crate::world::Scratch;

#[test]
fn rules_only_report_while_the_shield_is_paused_and_stop_again_afterwards() {
    let home = Scratch::acme();
    let serving = home.serve();
    let denied = || serving.say("Project Falcon", "").0 == 400;
    assert!(home.zos(&["shield", "status"]).fine().contains("on"));
    assert!(denied());

    let said = home.zos(&["shield", "pause", "2h"]).fine();
    assert!(said.contains("paused until 20") && said.contains("zos shield resume"), "{said}");
    assert!(!denied());
    let status = home.zos(&["shield", "status", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&status.out).unwrap();
    assert_eq!((status.code, &shown["paused"]), (1, &true.into()));
    assert!(shown["until"].is_string());

    assert!(home.zos(&["shield", "pause", "--until-resumed"]).fine().contains("until you resume it"));
    assert!(!denied());
    assert!(home.zos(&["shield", "resume"]).fine().contains("on"));
    assert!(denied());
    // Twice is once.
    home.zos(&["shield", "resume"]).fine();
    let records = home.json(&["audit", "tail", "-n", "50"])["records"].to_string();
    assert!(records.contains("shield paused for 120 min") && records.contains("shield resumed"), "{records}");
}

#[test]
fn a_pause_says_how_long_and_needs_a_zos_that_runs() {
    let home = Scratch::acme();
    for time in ["", "0", "25h", "1441", "soon", "1.5h", "-5"] {
        let run = home.zos(&["shield", "pause", time]);
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{time}: {}", run.err);
    }
    home.zos(&["shield", "pause"]).fails(2, &["TIME"]);
    home.zos(&["shield", "pause", "5", "--until-resumed"]).fails(2, &["--until-resumed"]);
    for arguments in [&["shield", "status"][..], &["shield", "resume"], &["shield", "pause", "5"]] {
        home.zos(arguments).fails(1, &["does not run", "zos serve"]);
    }
    assert_eq!(home.json(&["shield", "resume"])["error"]["code"], "zos_not_running");
}
