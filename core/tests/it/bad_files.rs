//! Files that cannot be read or are not where they should be.

use zos_core::{Brain, Environment, Home, NoContext, OpenError};

use crate::scratch::{Scratch, name, problem, state};

#[test]
fn what_cannot_be_read_says_so_with_a_fix() {
    let scratch = Scratch::with(&[("contexts/fine.yml", "{}")]);
    std::fs::create_dir_all(scratch.path("contexts/folder.yml")).unwrap();
    scratch.put("contexts/latin.yml", b"title: caf\xe9\n");
    scratch.put("contexts/wide.yml", b"\xff\xfet\0");
    scratch.put("contexts/huge.yml", vec![b'#'; 17 << 20]);
    let snapshot = scratch.brain().snapshot();
    for (room, message, fix) in [
        ("folder", "contexts/folder.yml: this is a folder, not a file", "rename or move"),
        ("latin", "contexts/latin.yml:1:11: the file is not UTF-8: byte 10", "save it as UTF-8"),
        ("wide", "contexts/wide.yml:1:1: the file is UTF-16", "save it as UTF-8"),
        ("huge", "contexts/huge.yml: the file is 17825792 bytes", "shorten"),
    ] {
        assert_eq!(state(&snapshot, room), "broken", "{room}");
        assert!(problem(&snapshot, message).fix.contains(fix));
    }
    assert_eq!(state(&snapshot, "fine"), "live");
}

#[cfg(unix)]
#[test]
fn links_and_pipes_are_no_trap() {
    let scratch = Scratch::with(&[("contexts/a.yml", "{}"), ("elsewhere/b.yml", "title: B")]);
    std::os::unix::fs::symlink(scratch.path("elsewhere/b.yml"), scratch.path("contexts/b.yml")).unwrap();
    std::os::unix::fs::symlink(scratch.path("nowhere"), scratch.path("contexts/c.yml")).unwrap();
    std::os::unix::fs::symlink("d.yml", scratch.path("contexts/d.yml")).unwrap();
    let pipe = std::process::Command::new("mkfifo").arg(scratch.path("contexts/e.yml")).status().unwrap();
    assert!(pipe.success());
    let snapshot = scratch.brain().snapshot();
    assert_eq!(state(&snapshot, "b"), "live");
    problem(&snapshot, "contexts/c.yml: this is a link to a file that does not exist");
    assert_eq!(state(&snapshot, "c"), "broken");
    assert_eq!(state(&snapshot, "d"), "broken");
    problem(&snapshot, "contexts/e.yml: this is not a regular file");
}

#[test]
fn files_with_a_wrong_name_are_told() {
    let scratch = Scratch::with(&[
        ("contexts/Acme Corp.yml", "{}"),
        ("contexts/acme.yaml", "{}"),
        ("contexts/日本.yml", "{}"),
        ("contexts/Notes.md", ""),
        ("contexts/readme.txt", ""),
        ("contexts/.acme.yml.swp", ""),
        ("contexts/#acme.yml#", ""),
        ("rules/own.yml", "x"),
    ]);
    let snapshot = scratch.brain().snapshot();
    assert!(snapshot.contexts.is_empty());
    assert_eq!(
        problem(&snapshot, "contexts/Acme Corp.yml: the file is not read").fix,
        "rename it to acme-corp.yml"
    );
    assert_eq!(problem(&snapshot, "contexts/acme.yaml: the file is not read").fix, "rename it to acme.yml");
    assert!(problem(&snapshot, "contexts/日本.yml").fix.contains("acme.yml"));
    assert!(!problem(&snapshot, "contexts/Notes.md").is_error());
    assert!(problem(&snapshot, "rules/own.yml:1:1: the file must be a map").is_error());
    assert!(
        !snapshot
            .problems
            .iter()
            .any(|problem| problem.file.contains("readme") || problem.file.contains("swp"))
    );
}

#[test]
fn a_contexts_folder_that_is_a_file_lets_nothing_pass() {
    let scratch = Scratch::with(&[("contexts", "oops")]);
    let snapshot = scratch.brain().snapshot();
    assert!(!snapshot.is_builtin());
    assert_eq!(snapshot.effective_active(), Err(NoContext::NoneActive));
    problem(&snapshot, "`contexts` must be a folder");
}

#[test]
fn a_contexts_folder_that_cannot_be_listed_any_more_changes_no_room() {
    let scratch = Scratch::with(&[("contexts/a.yml", "outbound_deny: [Falcon]")]);
    let brain = scratch.brain();
    std::fs::remove_dir_all(scratch.path("contexts")).unwrap();
    scratch.put("contexts", "oops");
    brain.reload();
    assert_ne!(state(&brain.snapshot(), "a"), "absent");
    assert!(brain.snapshot().policy(&name("a")).is_some());
}

#[test]
fn a_broken_state_file_is_told_and_nobody_guesses() {
    for (broken, message) in [
        ("{", "state.json:1:1: this is not JSON"),
        ("[]", "state.json:1:1: the file must hold a JSON object"),
        ("{\"active\": 7}", "state.json:1:12: \"active\" must be"),
        ("{\"active\": \"../x\"}", "state.json:1:12: \"active\" is not a context's name"),
        ("", "state.json:1:1: this is not JSON"),
    ] {
        let scratch = Scratch::with(&[("state.json", broken), ("contexts/default.yml", "isolation: open")]);
        let brain = scratch.brain();
        assert!(problem(&brain.snapshot(), message).fix.contains("zos context use"));
        assert_eq!(brain.snapshot().effective_active(), Err(NoContext::Unknown));
        brain.set_active(Some(&name("default"))).unwrap();
        assert_eq!(brain.snapshot().effective_active(), Ok(&name("default")));
    }
}

#[test]
fn a_state_file_that_breaks_later_keeps_the_active_context() {
    let scratch = Scratch::with(&[("state.json", "{\"active\": \"a\"}"), ("contexts/a.yml", "{}")]);
    let brain = scratch.brain();
    scratch.put("state.json", "{");
    brain.reload();
    assert_eq!(brain.snapshot().effective_active(), Ok(&name("a")));
}

#[test]
fn a_home_that_is_a_file_cannot_be_opened() {
    let scratch = Scratch::with(&[("file", "x")]);
    let home = Home::resolve_from(Some(&scratch.path("file")), None, None).unwrap();
    assert!(matches!(Brain::open_in(home, Environment::default()), Err(OpenError::NotAFolder(_))));
}

#[test]
fn aliases_are_bounded_by_what_they_unfold_to() {
    let long = "word ".repeat(20_000);
    let many = |count: usize| format!("title: &t \"{long}\"\nx-copies:\n{}", "  - *t\n".repeat(count));
    let scratch = Scratch::with(&[
        ("contexts/bomb.yml", &many(100)),
        ("contexts/fine.yml", &many(20)),
        (
            "contexts/nested.yml",
            &format!("a: &a [\"{long}\"]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [{}]\n", "*c, ".repeat(20)),
        ),
    ]);
    let snapshot = scratch.brain().snapshot();
    assert_eq!(state(&snapshot, "fine"), "live");
    for (room, line) in [("bomb", 44), ("nested", 4)] {
        assert_eq!(state(&snapshot, room), "broken", "{room}");
        problem(&snapshot, &format!("contexts/{room}.yml:{line}:"));
        problem(&snapshot, "aliases unfold to more than 50000 values or 4 MiB of text");
    }
}

#[test]
fn patterns_of_a_file_have_a_bound_together_and_the_line_is_told() {
    // Each needs some megabytes: digits and letters of all scripts, many times over.
    let heavy = |number: usize| format!("  - {{pattern: 'p{number}\\w{{1,40}}q', max_len: 512}}\n");
    let entries: String = (0..100).map(heavy).collect();
    let scratch = Scratch::with(&[
        ("contexts/heavy.yml", &format!("outbound_deny:\n{entries}")),
        (
            "contexts/light.yml",
            "outbound_deny:\n  - {pattern: 'ACME-[0-9]{6}'}\n  - {pattern: '\\w{3}-[0-9]{4}'}\n",
        ),
    ]);
    let snapshot = scratch.brain().snapshot();
    assert_eq!((state(&snapshot, "heavy"), state(&snapshot, "light")), ("broken", "live"));
    let first = problem(&snapshot, "the patterns of this file up to here need more than 64 MiB");
    let line = first.line.unwrap();
    assert!((3..100).contains(&line), "line {line}");
    assert!(first.fix.contains("[0-9]"), "{}", first.fix);
}
