//! Canons on the disk: same files, same bytes; broken saves; what must not leave.

use zos_core::canon::Finding;
use zos_core::lint::{lint_canons, lint_home};
use zos_core::{CanonState, Snapshot, starter};

use crate::scratch::{Scratch, name, problem, wait};

const HARD: &str = "isolation: hard\nattachments: deny\n";

fn text(snapshot: &Snapshot, room: &str) -> String {
    let state = snapshot.canon(&name(room)).unwrap();
    state.canon().unwrap_or_else(|| panic!("{:#?}", state.findings())).text.clone()
}

fn state(snapshot: &Snapshot, room: &str) -> &'static str {
    snapshot.canon(&name(room)).map_or("absent", CanonState::name)
}

#[test]
fn the_same_files_give_the_same_canon_however_the_disk_stores_them() {
    let layers: Vec<String> = (0..12).map(|number| format!("brain/{number}-\u{e9}.md")).collect();
    let manifest = serde_json::to_string(&layers).unwrap();
    let body = |path: &str| format!("## About {path}\nWords of {path} \u{e9}.\n\nMore.\n");
    let mut digests = Vec::new();
    for variant in 0..5 {
        let active = ("state.json", "{\"active\": \"acme\"}");
        let scratch = Scratch::with(&[("contexts/acme.yml", HARD), ("manifest.json", &manifest), active]);
        let mut order: Vec<&String> = layers.iter().collect();
        if variant % 2 == 1 {
            order.reverse();
        }
        for path in order {
            let bytes = match variant {
                1 => body(path).replace('\n', "  \r\n"),
                2 => format!("\u{feff}{}", body(path)),
                3 => body(path).replace('\u{e9}', "e\u{301}"),
                _ => body(path),
            };
            // Some systems store names decomposed.
            let stored = if variant == 3 { path.replace('\u{e9}', "e\u{301}") } else { path.clone() };
            #[cfg(unix)]
            if variant == 4 {
                let real = format!("elsewhere/{}", stored.replace('/', "_"));
                scratch.put(&real, bytes);
                std::fs::create_dir_all(scratch.path("brain")).unwrap();
                std::os::unix::fs::symlink(scratch.path(&real), scratch.path(&stored)).unwrap();
                continue;
            }
            scratch.put(&stored, bytes);
        }
        let snapshot = scratch.brain().snapshot();
        assert_eq!(snapshot.problems, [], "{variant}");
        let first = snapshot.canon(&name("acme")).unwrap().canon().unwrap();
        assert!(first.lines.iter().all(|line| layers.iter().any(|path| **path == *line.file)), "{variant}");
        digests.push(snapshot.canon_digest(&name("acme")).unwrap());
        assert_eq!(scratch.brain().snapshot().canon_digest(&name("acme")), digests.last().cloned());
    }
    digests.dedup();
    assert_eq!(digests.len(), 1, "{digests:?}");
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_home_is_no_layer() {
    let scratch = Scratch::with(&[("contexts/acme.yml", HARD), ("manifest.json", "[\"brain/a.md\"]")]);
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("a.md"), "from outside").unwrap();
    std::fs::create_dir_all(scratch.path("brain")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("a.md"), scratch.path("brain/a.md")).unwrap();
    let snapshot = scratch.brain().snapshot();
    assert_eq!(state(&snapshot, "acme"), "broken");
    problem(&snapshot, "brain/a.md: this is a link that leads out of the home");
    // A folder that leads out is no way either.
    std::fs::remove_dir_all(scratch.path("brain")).unwrap();
    std::os::unix::fs::symlink(outside.path(), scratch.path("brain")).unwrap();
    assert_eq!(state(&scratch.brain().snapshot(), "acme"), "broken");
    // Nor may a room's own prose.
    scratch.put("manifest.json", "[]");
    std::os::unix::fs::symlink(outside.path().join("a.md"), scratch.path("contexts/acme.md")).unwrap();
    let snapshot = scratch.brain().snapshot();
    assert_eq!(state(&snapshot, "acme"), "broken");
    problem(&snapshot, "contexts/acme.md: this is a link that leads out of the home");
}

#[test]
fn a_broken_save_leaves_the_last_good_canon_and_says_so() {
    let scratch = Scratch::with(&[
        ("contexts/acme.yml", HARD),
        ("manifest.json", "[\"brain/a.md\"]"),
        ("brain/a.md", "Old."),
        ("brain/other.md", "not listed"),
    ]);
    let brain = scratch.brain();
    let _watching = brain.watch().unwrap();
    assert_eq!(
        (state(&brain.snapshot(), "acme"), text(&brain.snapshot(), "acme").as_str()),
        ("built", "Old.\n")
    );
    assert!(!problem(&brain.snapshot(), "brain/other.md: no canon holds this file").is_error());
    scratch.put("manifest.json", "[\"brain/a.md\"");
    wait(&brain, |snapshot| state(snapshot, "acme") == "stale");
    problem(&brain.snapshot(), "manifest.json:1:13: this is not JSON");
    assert_eq!(text(&brain.snapshot(), "acme"), "Old.\n");
    scratch.put("manifest.json", "[\"brain/a.md\"]");
    scratch.put("brain/a.md", "New.");
    wait(&brain, |snapshot| state(snapshot, "acme") == "built" && text(snapshot, "acme") == "New.\n");
    std::fs::remove_file(scratch.path("brain/a.md")).unwrap();
    wait(&brain, |snapshot| state(snapshot, "acme") == "stale");
    problem(&brain.snapshot(), "manifest.json:1:2: the listed file \"brain/a.md\" does not exist");
    // Without a good version there is none to fall back to.
    assert_eq!(state(&scratch.brain().snapshot(), "acme"), "broken");
    scratch.put("manifest.json", "[]");
    wait(&brain, |snapshot| state(snapshot, "acme") == "none");
    scratch.put("contexts/acme.md", "Mine.");
    wait(&brain, |snapshot| state(snapshot, "acme") == "built");
    assert_eq!(brain.snapshot().canon_digest(&name("nobody")), None);
}

#[test]
fn a_canon_that_holds_what_must_not_leave_is_broken() {
    let scratch = Scratch::with(&[
        ("contexts/acme.yml", &format!("{HARD}outbound_deny: [Falcon]\n")),
        ("contexts/globex.yml", &format!("{HARD}confidential: [Heron merger]\n")),
        ("contexts/lax.yml", "isolation: open\noutbound_deny: [Falcon]\n"),
        ("manifest.json", "[\"brain/a.md\"]"),
        ("brain/a.md", "## Tone\nKind.\n\nNever speak of Falcon."),
        ("contexts/acme.md", "And the HERON merger."),
    ]);
    let snapshot = scratch.brain().snapshot();
    assert_eq!(
        (state(&snapshot, "acme"), state(&snapshot, "globex"), state(&snapshot, "lax")),
        ("broken", "built", "built")
    );
    let denied: Vec<String> =
        snapshot.canon(&name("acme")).unwrap().findings().iter().map(|f| f.problem.to_string()).collect();
    assert!(
        denied.iter().any(|line| line.starts_with("brain/a.md:4:1: this line holds what rule")),
        "{denied:#?}"
    );
    assert!(denied.iter().any(|line| line.starts_with("contexts/acme.md:1:1: ")), "{denied:#?}");
    assert!(!denied.join(" ").contains("Falcon") && !denied.join(" ").to_lowercase().contains("heron"));
    let lax = snapshot.canon(&name("lax")).unwrap().findings();
    assert!(lax.iter().any(|f: &Finding| f.lint.name() == "denied" && !f.is_error()), "{lax:#?}");
    // What comes to be denied takes even the last good version down.
    scratch.put("brain/a.md", "Kind.");
    scratch.put("contexts/acme.md", "Fine.");
    let brain = scratch.brain();
    assert_eq!(state(&brain.snapshot(), "acme"), "built");
    scratch.put("contexts/acme.yml", format!("{HARD}outbound_deny: [Kind]\n"));
    brain.reload();
    assert_eq!(state(&brain.snapshot(), "acme"), "broken");
}

#[test]
fn rooms_do_not_hear_each_others_prose() {
    let scratch = Scratch::with(&[
        ("contexts/a.yml", HARD),
        ("contexts/b.yml", HARD),
        ("contexts/a.md", "Of a."),
        ("contexts/b.md", "Of b."),
        ("manifest.json", "[\"contexts/a.md\", \"brain/all.md\"]"),
        ("brain/all.md", "Of all."),
    ]);
    let snapshot = scratch.brain().snapshot();
    assert_eq!(text(&snapshot, "a"), "Of a.\n\nOf all.\n");
    assert_eq!(text(&snapshot, "b"), "Of all.\n\nOf b.\n");
    assert_ne!(snapshot.canon_digest(&name("a")), snapshot.canon_digest(&name("b")));
}

#[test]
fn a_starter_home_is_in_order_and_is_begun_once() {
    let scratch = Scratch::new();
    let brain = scratch.brain();
    let first = starter::start(&brain).unwrap();
    assert_eq!((first.created.len(), first.kept.len(), first.left_out.len()), (9, 0, 0));
    assert_eq!(first.active, Some(name("open")));
    assert_eq!(lint_home(scratch.home()).unwrap(), []);
    assert_eq!(lint_canons(&brain, None), []);
    let snapshot = brain.snapshot();
    assert_eq!(snapshot.effective_active(), Ok(&name("open")));
    for room in ["open", "careful"] {
        let text = text(&snapshot, room);
        assert!(
            text.contains("## No harm by doing") && text.contains("## This room") && !text.contains("---"),
            "{text}"
        );
    }
    scratch.put("brain/values.md", "Mine.");
    std::fs::remove_file(scratch.path("contexts/careful.md")).unwrap();
    let second = starter::start(&brain).unwrap();
    assert_eq!((second.created, second.kept.len(), second.active), (vec!["contexts/careful.md"], 8, None));
    assert_eq!(scratch.read("brain/values.md"), "Mine.");
    assert_eq!(starter::start(&brain).unwrap().created, [""; 0]);
}

#[test]
fn a_home_with_rooms_and_a_canon_keeps_them_as_they_are() {
    let scratch = Scratch::with(&[
        ("contexts/acme.yml", HARD),
        ("state.json", "{\"active\": \"acme\"}"),
        ("manifest.json", "[]"),
        ("brain/values.md", "Mine."),
    ]);
    let brain = scratch.brain();
    let started = starter::start(&brain).unwrap();
    assert_eq!(started.created, ["routing/fleet.example.yml"]);
    assert_eq!(started.left_out.len(), 6);
    assert_eq!(brain.snapshot().effective_active(), Ok(&name("acme")));
    assert_eq!(brain.snapshot().contexts.len(), 1);
}

/// Keeps these files as a state that was attested, in the form of its envelope.
fn attest(scratch: &Scratch, state_id: &str, files: &[(&str, &str)]) {
    use base64::Engine;
    let mut covered = Vec::new();
    for (path, text) in files {
        let digest = zos_core::Canon::digest_of(text).replace("sha256:", "");
        scratch.put(&format!("attest/objects/{digest}"), text);
        covered.push(serde_json::json!({"path": path, "sha256": digest}));
    }
    let statement = serde_json::json!({"predicate": {"state": {}, "files": covered}}).to_string();
    let payload = base64::engine::general_purpose::STANDARD.encode(statement);
    let envelope = serde_json::json!({"payloadType": "application/vnd.in-toto+json", "payload": payload, "signatures": []});
    scratch.put(&format!("attest/{state_id}.json"), envelope.to_string());
}

#[test]
fn the_last_attested_canon_is_built_again_from_what_was_kept() {
    let files = [("contexts/acme.yml", HARD), ("manifest.json", "[\"brain/a.md\"]"), ("brain/a.md", "Old.")];
    let scratch = Scratch::with(&files);
    let attested = || zos_core::canon::attested(&scratch.home(), &name("acme"));
    assert_eq!(attested().unwrap(), None);
    attest(&scratch, "one", &files);
    scratch.put("attest/other.json", "{}");
    let found = attested().unwrap().unwrap();
    let brain = scratch.brain();
    assert_eq!(found.state_id, "one");
    assert_eq!(
        found.canon.as_ref(),
        brain.snapshot().canon(&name("acme")).unwrap().canon().map(AsRef::as_ref)
    );
    let drifts = || lint_canons(&scratch.brain(), None).iter().any(|finding| finding.lint.name() == "drift");
    assert!(!drifts());
    scratch.put("brain/a.md", "New.");
    assert!(drifts());
    assert_eq!(attested().unwrap().unwrap().canon.unwrap().text, "Old.\n");
    // What is not what was attested is never shown as it.
    let digest = zos_core::Canon::digest_of("Old.").replace("sha256:", "");
    scratch.put(&format!("attest/objects/{digest}"), "Forged.");
    assert!(attested().unwrap_err().to_string().contains("brain/a.md of state one"));
}
