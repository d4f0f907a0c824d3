//! Changes on the disk come into force by themselves.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::time::Duration;

use crate::scratch::{Scratch, denied, name, save_by_rename, state, wait};

#[test]
fn saves_of_every_kind_come_into_force() {
    let scratch = Scratch::with(&[("contexts/acme.yml", "outbound_deny: []")]);
    let brain = scratch.brain();
    let _watching = brain.watch().unwrap();
    let path = scratch.path("contexts/acme.yml");

    save_by_rename(&path, "outbound_deny: [A1]");
    wait(&brain, |now| denied(now, "acme") == 1);
    save_by_rename(&path, "outbound_deny: [A1, B1]");
    wait(&brain, |now| denied(now, "acme") == 2);
    fs::write(&path, "outbound_deny: [A1, B1, C1]").unwrap();
    wait(&brain, |now| denied(now, "acme") == 3);
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"\nconfidential: [X1]\n").unwrap();
    wait(&brain, |now| now.contexts[&name("acme")].context().unwrap().confidential.len() == 1);
    // Delete and write anew, as some editors do.
    fs::remove_file(&path).unwrap();
    fs::write(&path, "outbound_deny: [A1]").unwrap();
    wait(&brain, |now| denied(now, "acme") == 1);
}

#[test]
fn a_file_that_is_emptied_and_slowly_filled_never_takes_the_good_one_down() {
    let scratch = Scratch::with(&[("contexts/acme.yml", "outbound_deny: [A1, B1]")]);
    let brain = scratch.brain();
    let _watching = brain.watch().unwrap();
    let mut changes = brain.subscribe();
    let mut file =
        OpenOptions::new().write(true).truncate(true).open(scratch.path("contexts/acme.yml")).unwrap();
    // Longer than any settling: the emptied file is seen.
    wait(&brain, |now| state(now, "acme") == "stale");
    assert_eq!(denied(&brain.snapshot(), "acme"), 2);
    file.write_all(b"outbound_deny: [A1, ").unwrap();
    file.sync_all().unwrap();
    wait(&brain, |now| now.problems.iter().any(|problem| problem.message.contains("never closed")));
    assert_eq!(denied(&brain.snapshot(), "acme"), 2);
    file.write_all(b"B1, C1]").unwrap();
    wait(&brain, |now| denied(now, "acme") == 3 && state(now, "acme") == "live");
    assert!(changes.has_changed().unwrap());
    assert_eq!(denied(&changes.borrow_and_update(), "acme"), 3);
}

#[test]
fn a_burst_of_saves_ends_with_the_last_one_and_never_shows_a_gap() {
    let scratch = Scratch::with(&[("contexts/acme.yml", "outbound_deny: [A1]"), ("contexts/b.yml", "{}")]);
    let brain = scratch.brain();
    let _watching = brain.watch().unwrap();
    let path = scratch.path("contexts/acme.yml");
    for round in 0..60 {
        let terms: Vec<String> = (0..=round).map(|number| format!("T{number}")).collect();
        let text = format!("outbound_deny: [{}]", terms.join(", "));
        match round % 3 {
            0 => save_by_rename(&path, &text),
            1 => fs::write(&path, &text).unwrap(),
            _ => {
                fs::remove_file(&path).unwrap();
                fs::write(&path, &text).unwrap();
            }
        }
        assert!(denied(&brain.snapshot(), "acme") >= 1, "the room was gone for a moment");
        std::thread::sleep(Duration::from_millis(3));
    }
    wait(&brain, |now| denied(now, "acme") == 60 && state(now, "acme") == "live");
}

#[test]
fn rooms_come_and_go() {
    let scratch = Scratch::with(&[("contexts/acme.yml", "{}")]);
    let brain = scratch.brain();
    let _watching = brain.watch().unwrap();
    scratch.put("contexts/globex.yml", "confidential: [Globex]");
    wait(&brain, |now| {
        state(now, "globex") == "live" && !now.policy(&name("acme")).unwrap().rules.is_empty()
    });
    fs::remove_file(scratch.path("contexts/globex.yml")).unwrap();
    wait(&brain, |now| {
        state(now, "globex") == "absent" && now.policy(&name("acme")).unwrap().rules.is_empty()
    });
    fs::rename(scratch.path("contexts/acme.yml"), scratch.path("contexts/other.yml")).unwrap();
    wait(&brain, |now| state(now, "acme") == "absent" && state(now, "other") == "live");
    scratch.put("contexts/other.md", "prose");
    wait(&brain, |now| now.contexts[&name("other")].context().unwrap().prose.is_some());
}

#[test]
fn folders_that_come_later_are_found() {
    let scratch = Scratch::new();
    let brain = scratch.brain();
    let _watching = brain.watch().unwrap();
    assert!(brain.snapshot().is_builtin());
    fs::create_dir_all(scratch.root()).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    scratch.put("contexts/acme.yml", "outbound_deny: [A1]");
    wait(&brain, |now| denied(now, "acme") == 1 && !now.is_builtin());
    scratch.put("routing/fleet.yml", "providers: {local: {api: openai, base_url: 'http://127.0.0.1:1/v1'}}");
    wait(&brain, |now| now.fleet.provider("local").is_some());

    // A folder that is replaced is another folder.
    fs::rename(scratch.path("contexts"), scratch.path("old")).unwrap();
    wait(&brain, |now| state(now, "acme") == "absent");
    scratch.put("contexts/acme.yml", "outbound_deny: [A1, B1]");
    wait(&brain, |now| denied(now, "acme") == 2);
    scratch.put("contexts/acme.yml", "outbound_deny: [A1, B1, C1]");
    wait(&brain, |now| denied(now, "acme") == 3);
}

#[test]
fn another_process_switches_the_active_context() {
    let scratch = Scratch::with(&[("contexts/acme.yml", "{}"), ("contexts/globex.yml", "{}")]);
    let brain = scratch.brain();
    let _watching = brain.watch().unwrap();
    let other = scratch.brain();
    for room in ["acme", "globex", "acme"] {
        other.set_active(Some(&name(room))).unwrap();
        wait(&brain, |now| now.effective_active() == Ok(&name(room)));
    }
}

#[cfg(unix)]
#[test]
fn the_target_of_a_link_is_followed() {
    let scratch = Scratch::with(&[("contexts/a.yml", "{}")]);
    let outside = tempfile::tempdir().unwrap();
    let target = fs::canonicalize(outside.path()).unwrap().join("linked.yml");
    fs::write(&target, "outbound_deny: [A1]").unwrap();
    std::os::unix::fs::symlink(&target, scratch.path("contexts/linked.yml")).unwrap();
    let brain = scratch.brain();
    let _watching = brain.watch().unwrap();
    assert_eq!(denied(&brain.snapshot(), "linked"), 1);
    save_by_rename(&target, "outbound_deny: [A1, B1]");
    wait(&brain, |now| denied(now, "linked") == 2);
}

#[test]
fn what_changed_before_watching_is_not_missed_and_a_dropped_guard_stops() {
    let scratch = Scratch::with(&[("contexts/acme.yml", "{}")]);
    let brain = scratch.brain();
    scratch.put("contexts/acme.yml", "outbound_deny: [A1]");
    let watching = brain.watch().unwrap();
    assert_eq!(denied(&brain.snapshot(), "acme"), 1);
    drop(watching);
    scratch.put("contexts/acme.yml", "outbound_deny: [A1, B1]");
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(denied(&brain.snapshot(), "acme"), 1);
}

/// A file that is there and cannot be read, for a reason that passes: the memory of a process gives an input
/// error. When that is over, nothing that is watched changes.
#[cfg(target_os = "linux")]
#[test]
fn what_could_not_be_read_for_a_while_is_read_again_by_itself() {
    use std::os::unix::fs::symlink;
    let scratch = Scratch::with(&[("contexts/acme.yml", "outbound_deny: [A1]")]);
    let brain = scratch.brain();
    let outside = tempfile::tempdir().unwrap();
    let hop = outside.path().join("hop.yml");
    symlink("/proc/self/mem", &hop).unwrap();
    let _watching = brain.watch().unwrap();
    let linked = scratch.path("contexts/acme.tmp");
    symlink(&hop, &linked).unwrap();
    fs::rename(&linked, scratch.path("contexts/acme.yml")).unwrap();
    wait(&brain, |now| state(now, "acme") == "stale");
    let short = brain.snapshot();
    assert_eq!(denied(&short, "acme"), 1, "the last good version governs");
    assert_eq!(short.unread[0].file, "contexts/acme.yml");
    assert!(short.unread[0].fix.contains("read again by itself"), "{:?}", short.unread);

    let good = outside.path().join("good.yml");
    fs::write(&good, "outbound_deny: [A1, B1]").unwrap();
    let neighbour = outside.path().join("hop.new");
    symlink(&good, &neighbour).unwrap();
    fs::rename(&neighbour, &hop).unwrap();
    wait(&brain, |now| denied(now, "acme") == 2 && state(now, "acme") == "live");
    assert!(brain.snapshot().unread.is_empty());
}
