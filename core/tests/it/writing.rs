//! What zOS writes itself: contexts' files and the active context.

use zos_core::{ActiveError, WriteError};

use crate::scratch::{Scratch, denied, name, state};

#[test]
fn a_file_is_written_only_over_what_was_seen() {
    let scratch = Scratch::new();
    let brain = scratch.brain();
    let acme = name("acme");
    assert!(matches!(brain.source(&acme), Err(WriteError::Unknown(_))));
    let first = brain.write(&acme, "# mine\noutbound_deny: [Falcon]", None).unwrap();
    assert_eq!(scratch.read("contexts/acme.yml"), "# mine\noutbound_deny: [Falcon]");
    assert_eq!(denied(&brain.snapshot(), "acme"), 1, "it governs at once");
    assert_eq!(brain.source(&acme).unwrap(), first);

    // A new file never replaces one.
    let Err(WriteError::Conflict { current: Some(current) }) = brain.write(&acme, "{}", None) else {
        panic!()
    };
    assert_eq!(current, first);

    // Someone else saved meanwhile.
    scratch.put("contexts/acme.yml", "outbound_deny: [Falcon, Eagle]");
    let Err(WriteError::Conflict { current: Some(current) }) = brain.write(&acme, "{}", Some(&first.etag))
    else {
        panic!()
    };
    assert_eq!(current.yaml, "outbound_deny: [Falcon, Eagle]");
    let second = brain.write(&acme, "outbound_deny: []", Some(&current.etag)).unwrap();
    assert_ne!(second.etag, current.etag);

    assert!(matches!(brain.delete(&acme, &current.etag), Err(WriteError::Conflict { .. })));
    brain.delete(&acme, &second.etag).unwrap();
    assert_eq!(state(&brain.snapshot(), "acme"), "absent");
    assert!(matches!(brain.delete(&acme, &second.etag), Err(WriteError::Unknown(_))));
    let gone = brain.write(&acme, "{}", Some(&second.etag));
    assert!(matches!(gone, Err(WriteError::Conflict { current: None })));
    let left: Vec<_> = std::fs::read_dir(scratch.path("contexts")).unwrap().collect();
    assert!(left.is_empty(), "no neighbour is left behind: {left:?}");
}

#[test]
fn a_text_that_is_no_context_is_not_written() {
    let scratch = Scratch::with(&[("contexts/acme.yml", "isolation: open")]);
    let brain = scratch.brain();
    let etag = brain.source(&name("acme")).unwrap().etag;
    for wrong in ["", "outbound_deny: 7", "name: other", "a: ["] {
        let Err(WriteError::Invalid { problems }) = brain.write(&name("acme"), wrong, Some(&etag)) else {
            panic!()
        };
        assert!(problems.iter().any(|problem| problem.is_error() && problem.line.is_some()), "{wrong:?}");
    }
    assert_eq!(scratch.read("contexts/acme.yml"), "isolation: open");
}

#[test]
fn a_broken_file_can_be_seen_and_fixed() {
    let scratch = Scratch::with(&[("contexts/acme.yml", "outbound_deny: [")]);
    let brain = scratch.brain();
    let source = brain.source(&name("acme")).unwrap();
    assert_eq!(source.yaml, "outbound_deny: [");
    brain.write(&name("acme"), "outbound_deny: []", Some(&source.etag)).unwrap();
    assert_eq!(state(&brain.snapshot(), "acme"), "live");
}

#[cfg(unix)]
#[test]
fn links_stay_links_and_permissions_stay() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::with(&[("dotfiles/acme.yml", "{}"), ("contexts/b.yml", "{}")]);
    std::os::unix::fs::symlink(scratch.path("dotfiles/acme.yml"), scratch.path("contexts/acme.yml")).unwrap();
    let mode = |path: &str| std::fs::metadata(scratch.path(path)).unwrap().permissions().mode() & 0o777;
    std::fs::set_permissions(scratch.path("contexts/b.yml"), std::fs::Permissions::from_mode(0o640)).unwrap();
    let brain = scratch.brain();
    for room in ["acme", "b"] {
        let etag = brain.source(&name(room)).unwrap().etag;
        brain.write(&name(room), "title: new", Some(&etag)).unwrap();
    }
    assert!(std::fs::symlink_metadata(scratch.path("contexts/acme.yml")).unwrap().is_symlink());
    assert_eq!(scratch.read("dotfiles/acme.yml"), "title: new");
    assert_eq!(mode("contexts/b.yml"), 0o640);
    brain.write(&name("c"), "{}", None).unwrap();
    assert_eq!(mode("contexts/c.yml"), 0o600, "a new file is for its owner's eyes");
}

#[test]
fn the_active_context_is_stored_with_everything_else_in_the_file() {
    let scratch = Scratch::with(&[
        ("state.json", "{\"window\": {\"x\": 1}, \"active\": null, \"big\": 12345678901234567890}"),
        ("contexts/acme.yml", "{}"),
        ("contexts/broken.yml", ""),
    ]);
    let brain = scratch.brain();
    brain.set_active(Some(&name("acme"))).unwrap();
    assert_eq!(brain.snapshot().active, Some(name("acme")));
    let stored: serde_json::Value = serde_json::from_str(&scratch.read("state.json")).unwrap();
    assert_eq!(stored["window"]["x"], 1);
    assert_eq!(stored["big"].as_u64(), Some(12_345_678_901_234_567_890));
    assert_eq!(stored["active"], "acme");

    assert!(matches!(brain.set_active(Some(&name("nobody"))), Err(ActiveError::Unknown(_))));
    assert!(matches!(brain.set_active(Some(&name("broken"))), Err(ActiveError::Broken(_))));
    assert_eq!(brain.snapshot().active, Some(name("acme")), "a refused change changes nothing");
    assert_eq!(scratch.brain().snapshot().active, Some(name("acme")), "another process sees it");

    brain.set_active(None).unwrap();
    assert_eq!(brain.snapshot().active, None);
}

#[test]
fn choosing_the_builtin_context_does_not_outlive_it() {
    let scratch = Scratch::new();
    let brain = scratch.brain();
    brain.set_active(Some(&name("default"))).unwrap();
    assert_eq!(brain.snapshot().active, None);
    brain.write(&name("acme"), "{}", None).unwrap();
    brain.set_active(Some(&name("acme"))).unwrap();
    assert_eq!(brain.snapshot().effective_active(), Ok(&name("acme")));
}

#[test]
fn a_broken_state_file_is_kept_aside() {
    let scratch = Scratch::with(&[("state.json", "{oops"), ("contexts/acme.yml", "{}")]);
    scratch.brain().set_active(Some(&name("acme"))).unwrap();
    assert_eq!(scratch.read("state.json.broken"), "{oops");
}
