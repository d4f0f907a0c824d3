//! `zos context` and `zos status`: the same with and without a zOS that runs.

use crate::world::{Run, Scratch, eventually};

/// An editor that is a line of shell; the file is `$1`.
fn edited(home: &Scratch, line: &str) -> Run {
    home.write("editor", &format!("#!/bin/sh\n{line}\n"));
    let mut command = home.command(&["context", "edit", "acme"]);
    command.env("EDITOR", format!("sh {}", home.path().join("editor").display()));
    Run::of(command)
}

#[test]
fn rooms_are_made_chosen_and_shown_from_the_files() {
    let home = Scratch::new();
    assert!(home.zos(&["context", "list"]).fine().contains("built in"));
    assert!(
        home.zos(&["context", "new", "acme", "--title", "Acme Corp"]).fine().contains("contexts/acme.yml")
    );
    home.zos(&["context", "new", "acme"]).fails(1, &["already", "context edit acme"]);
    home.zos(&["context", "new", "open", "--open"]).fine();
    home.zos(&["context", "use", "acme"]).fine();
    let list = home.json(&["context", "list"]);
    assert_eq!(
        (&list["contexts"][0]["title"], &list["contexts"][0]["active"], &list["contexts"][0]["isolation"]),
        (&"Acme Corp".into(), &true.into(), &"hard".into())
    );
    assert_eq!(list["contexts"][1]["isolation"], "open");
    assert!(home.zos(&["context", "show"]).fine().contains("Acme Corp (acme, active)"));
    assert_eq!(home.zos(&["lint", "--strict"]).fine(), "All files are in order.\n");
    home.zos(&["context", "use", "nowhere"]).fails(2, &["no room called nowhere", "context new nowhere"]);
    home.zos(&["context", "use", "--none"]).fine();
    assert_eq!(home.json(&["status"])["active"], serde_json::Value::Null);
}

#[test]
fn a_decision_leaves_a_record_with_and_without_a_zos_that_runs() {
    let home = Scratch::acme();
    home.write("contexts/other.yml", "isolation: open\n");
    home.zos(&["context", "use", "other"]).fine();
    let serving = home.serve();
    home.zos(&["context", "use", "acme"]).fine();
    assert_eq!(serving.say("about Project Falcon", "").0, 400);
    let decisions = home.json(&["audit", "tail"]);
    let decisions: Vec<_> = decisions["records"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|record| record["kind"] == "decision")
        .map(|record| record["detail"].as_str().unwrap())
        .collect();
    assert_eq!(decisions, ["active context: acme", "active context: other"]);
}

#[test]
fn the_room_that_runs_is_the_one_that_is_shown() {
    let home = Scratch::acme();
    let _serving = home.serve();
    // A broken save: the last good version governs, and only the one that runs knows it.
    home.write("contexts/acme.yml", "isolation: [\n");
    eventually(|| home.json(&["context", "list"])["contexts"][0]["state"] == "stale");
    assert_eq!(home.json(&["context", "show", "acme"])["summary"]["outbound_deny"], 2);
    assert_eq!(home.zos(&["firewall", "test", "Project Falcon"]).code, 1);
    assert_eq!(home.zos(&["lint"]).code, 1);
}

#[test]
fn status_tells_what_runs() {
    let home = Scratch::acme();
    let run = home.zos(&["status"]);
    assert_eq!(run.code, 1);
    assert!(run.out.contains("does not run") && run.out.contains("zos serve"), "{}", run.out);
    let serving = home.serve();
    let shown = home.zos(&["status"]).fine();
    assert!(
        shown.contains(&format!("listens on http://{}", serving.address)) && shown.contains("acme"),
        "{shown}"
    );
    let status = home.json(&["status"]);
    assert_eq!((status["home"].as_str(), &status["health"]["ok"]), (home.path().to_str(), &true.into()));
}

#[test]
fn a_valid_edit_is_put_in_force() {
    let home = Scratch::acme();
    let run = edited(&home, "printf '# mine\\n' >> \"$1\"");
    assert!(run.fine().contains("changed"));
    assert!(home.read("contexts/acme.yml").ends_with("# mine\n"));
    assert_eq!(edited(&home, "true").fine(), "Nothing changed.\n");
}

#[test]
fn a_broken_edit_is_kept_beside_and_never_put_in_force() {
    let home = Scratch::acme();
    let before = home.read("contexts/acme.yml");
    let run = edited(&home, "echo 'isolation: [' > \"$1\"");
    let kept = run.err.split("Your version is in ").nth(1).unwrap().trim().trim_end_matches('.').to_owned();
    assert!(run.err.contains("contexts/acme.yml:"), "{}", run.err);
    run.fails(1, &["no valid context"]);
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "isolation: [\n");
    std::fs::remove_dir_all(std::path::Path::new(&kept).parent().unwrap()).unwrap();
    assert_eq!(home.read("contexts/acme.yml"), before);
}

#[test]
fn an_edit_does_not_overwrite_what_somebody_else_wrote_meanwhile() {
    let home = Scratch::acme();
    let other = home.path().join("contexts/acme.yml");
    let run =
        edited(&home, &format!("echo 'title: Theirs' > '{}'; echo 'title: Mine' > \"$1\"", other.display()));
    let kept = run.err.split("Your version is in ").nth(1).unwrap().trim().trim_end_matches('.').to_owned();
    run.fails(1, &["changed since it was read"]);
    assert_eq!(home.read("contexts/acme.yml"), "title: Theirs\n");
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "title: Mine\n");
    std::fs::remove_dir_all(std::path::Path::new(&kept).parent().unwrap()).unwrap();
}

#[test]
fn an_editor_that_fails_changes_nothing() {
    let home = Scratch::acme();
    edited(&home, "echo 'title: x' > \"$1\"; exit 3").fails(1, &["nothing was changed"]);
    let mut command = home.command(&["context", "edit", "acme"]);
    command.env("EDITOR", "/nonexistent/editor");
    Run::of(command).fails(2, &["/nonexistent/editor", "EDITOR=nano"]);
    home.zos(&["context", "edit", "nowhere"]).fails(2, &["no room called nowhere"]);
}
