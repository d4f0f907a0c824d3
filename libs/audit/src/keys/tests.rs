use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::note::tests::Fixed;
use crate::{Log, OpenError, Options, Prover, Report, RotateError, prune, read_all, verify};

struct Scene {
    _home: tempfile::TempDir,
    dir: PathBuf,
}

fn signer(seed: u8) -> Arc<dyn Signer> {
    Arc::new(Fixed::new(seed))
}

fn open(dir: &Path, seed: u8) -> Result<Log, OpenError> {
    Log::open(dir, Options { signer: Some(signer(seed)), ..Options::default() })
}

fn append(log: &Log, count: u64) {
    for _ in 0..count {
        log.append(Record::default()).unwrap();
    }
}

fn look(dir: &Path, key: Option<&VerifierKey>) -> Report {
    verify(dir, key, &mut |_, _| ()).unwrap()
}

fn what(report: &Report) -> String {
    report.findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            fs::copy(entry.path(), target).map(|_| ()).unwrap()
        }
    }
}

impl Scene {
    /// A closed log that key 1 began, and that keys 2 and 3 went on with; with all three keys.
    fn replaced_twice() -> (Self, [VerifierKey; 3]) {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("audit");
        let log = open(&dir, 1).unwrap();
        append(&log, 300);
        let second = log.rotate_key(signer(2)).unwrap();
        append(&log, 300);
        log.close().unwrap();
        let log = open(&dir, 2).unwrap();
        let third = log.rotate_key(signer(3)).unwrap();
        append(&log, 10);
        log.close().unwrap();
        assert_eq!((second.seq, third.seq, &second.new), (300, 601, &third.old));
        (Self { _home: home, dir }, [second.old, third.old, third.new])
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

#[test]
fn whoever_knows_an_early_key_follows_it_to_the_newest() {
    let (scene, keys) = Scene::replaced_twice();
    for (known, changes) in [(None, 2), (Some(&keys[0]), 2), (Some(&keys[1]), 1), (Some(&keys[2]), 0)] {
        let report = look(&scene.dir, known);
        assert!(report.is_intact(), "{}", what(&report));
        assert_eq!((report.key.as_ref(), report.key_changes, report.unsigned), (Some(&keys[2]), changes, 0));
    }
    assert_eq!(fs::read_to_string(scene.path("log.vkey")).unwrap().trim(), keys[2].to_string());
    let foreign = VerifierKey::new(keys[0].name(), &Fixed::new(9).public_key()).unwrap();
    assert_eq!(what(&look(&scene.dir, Some(&foreign))), "checkpoint: it is not signed by this key");
    // Records tell of it, and only the newest key opens the log.
    let told: Vec<Record> =
        read_all(&scene.dir).unwrap().map(|entry| entry.unwrap().record).filter(Link::is_told_by).collect();
    assert_eq!(told.iter().map(|record| record.seq).collect::<Vec<_>>(), [300, 601]);
    assert!(told[0].detail.as_ref().unwrap().contains(&keys[1].to_string()));
    assert!(matches!(open(&scene.dir, 2), Err(OpenError::OtherKey { .. })));
    assert_eq!(signing_key(&scene.dir).unwrap().as_ref(), Some(&keys[2]));
    open(&scene.dir, 3).unwrap();
    // Proofs and bundles carry the words.
    let mut prover = Prover::open(&scene.dir).unwrap();
    let proof = prover.prove(5).unwrap();
    let mut bundle = prover.bundle();
    let entry = read_all(&scene.dir).unwrap().nth(5).unwrap().unwrap();
    bundle.records.push(prover.prove_line(5, &entry.line).unwrap());
    for key in &keys {
        proof.verify(key).unwrap();
        assert_eq!(bundle.verify(key).unwrap().key, keys[2]);
    }
    assert!(proof.verify(&foreign).is_err() && bundle.verify(&foreign).is_err());
    let mut cut = proof.clone();
    cut.key_lines.pop();
    assert!(cut.verify(&keys[0]).is_err());
    cut.key_lines.clear();
    assert!(cut.verify(&keys[0]).is_err() && cut.verify(&keys[2]).is_ok());
    let mut swapped = bundle.clone();
    swapped.key_lines.swap(0, 1);
    assert!(swapped.verify(&keys[0]).is_err());
}

#[test]
fn every_change_of_what_the_keys_said_is_found() {
    let (scene, keys) = Scene::replaced_twice();
    let path = scene.path(LINKS);
    let text = fs::read(&path).unwrap();
    let is_found = |changed: &[u8], what: &str| {
        fs::write(&path, changed).unwrap();
        for known in [None, Some(&keys[0])] {
            assert!(!look(&scene.dir, known).is_intact(), "{what}");
        }
    };
    for place in 0..text.len() {
        let mut changed = text.clone();
        changed[place] ^= (place % 255 + 1) as u8;
        is_found(&changed, &format!("byte {place}"));
    }
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    for (name, changed) in [
        ("no first line", lines[1].to_vec()),
        ("no last line", lines[0].to_vec()),
        ("swapped", [lines[1], lines[0]].concat()),
        ("doubled", [lines[0], lines[1], lines[1]].concat()),
        ("cut", text[..text.len() - 1].to_vec()),
        ("empty", Vec::new()),
    ] {
        is_found(&changed, name);
    }
    fs::remove_file(&path).unwrap();
    assert!(!look(&scene.dir, None).is_intact(), "no file");
    fs::write(&path, &text).unwrap();
    for (index, name) in [(0, "the first"), (1, "the one before")] {
        fs::write(scene.path("log.vkey"), format!("{}\n", keys[index])).unwrap();
        assert!(!look(&scene.dir, None).is_intact(), "log.vkey names {name}");
    }
}

#[test]
fn a_key_that_nobody_vouched_for_and_one_that_was_replaced_sign_for_nothing() {
    let (scene, keys) = Scene::replaced_twice();
    let head = Prover::open(&scene.dir).unwrap().head().clone();
    // Somebody else's key, signed by itself instead of by the one before.
    let thief = Fixed::new(9);
    let forged = Link::sign(610, &keys[2], &thief, &thief.public_key()).unwrap();
    assert!(!forged.holds());
    let text = fs::read_to_string(scene.path(LINKS)).unwrap();
    fs::write(scene.path(LINKS), format!("{text}{forged}\n")).unwrap();
    fs::write(scene.path("log.vkey"), format!("{}\n", forged.new)).unwrap();
    fs::write(scene.path("checkpoint"), head.sign(&thief).unwrap()).unwrap();
    for known in [None, Some(&keys[0]), Some(&keys[2])] {
        let report = look(&scene.dir, known);
        assert!(
            what(&report).contains("line 3: the new key is not signed by the one before"),
            "{}",
            what(&report)
        );
    }
    assert!(matches!(open(&scene.dir, 9), Err(OpenError::Broken { .. })));
    fs::write(scene.path(LINKS), text).unwrap();
    fs::write(scene.path("log.vkey"), format!("{}\n", keys[2])).unwrap();
    // A key that was replaced, though it once signed for this log.
    for old in [1, 2] {
        fs::write(scene.path("checkpoint"), head.sign(&*signer(old)).unwrap()).unwrap();
        let report = look(&scene.dir, Some(&keys[0]));
        assert!(what(&report).contains("did not sign for that size"), "{}", what(&report));
        assert!(matches!(open(&scene.dir, 3), Err(OpenError::Broken { .. })));
    }
}

#[test]
fn a_crash_between_any_two_steps_leaves_a_log_that_verifies_and_opens() {
    let home = tempfile::tempdir().unwrap();
    let (before, after) = (home.path().join("before"), home.path().join("after"));
    let log = open(&after, 1).unwrap();
    append(&log, 300);
    log.seal().unwrap();
    append(&log, 3);
    log.wait_durable(302).unwrap();
    copy(&after, &before);
    let rotated = log.rotate_key(signer(2)).unwrap();
    log.close().unwrap();
    let segment = crate::segment::list(&after).unwrap()[0].to_string();
    // What stands on the disk after each step, and whether the new key counts then.
    let steps: [(&str, &[&str], bool); 7] = [
        ("nothing", &[], false),
        ("the word", &[LINKS], false),
        ("the record", &[LINKS, &segment], true),
        ("the name", &[LINKS, &segment, "log.vkey"], true),
        ("the note", &[LINKS, &segment, "log.vkey", "checkpoint.new"], true),
        ("the tiles", &[LINKS, &segment, "log.vkey", "checkpoint.new", "tile"], true),
        ("the checkpoint", &[LINKS, &segment, "log.vkey", "tile", "checkpoint"], true),
    ];
    for (step, files, is_new) in steps {
        let dir = home.path().join(step.replace(' ', "-"));
        copy(&before, &dir);
        for name in files {
            let from = after.join(if *name == "checkpoint.new" { "checkpoint" } else { name });
            if from.is_dir() {
                copy(&from, &dir.join(name))
            } else {
                fs::copy(from, dir.join(name)).map(|_| ()).unwrap()
            }
        }
        let report = look(&dir, Some(&rotated.old));
        assert!(report.is_intact(), "{step}: {}", what(&report));
        let expected = if is_new { &rotated.new } else { &rotated.old };
        assert_eq!(signing_key(&dir).unwrap().as_ref(), Some(expected), "{step}");
        let (right, wrong) = if is_new { (2, 1) } else { (1, 2) };
        assert!(matches!(open(&dir, wrong), Err(OpenError::OtherKey { .. })), "{step}");
        let log = open(&dir, right).unwrap();
        append(&log, 5);
        log.close().unwrap();
        let report = look(&dir, Some(&rotated.old));
        assert!(report.is_intact() && report.unsigned == 0, "{step}: {}", what(&report));
        assert_eq!((report.key.as_ref(), report.key_changes), (Some(expected), u64::from(is_new)), "{step}");
        // And it can be tried again.
        let log = open(&dir, right).unwrap();
        log.rotate_key(signer(7)).unwrap();
        log.close().unwrap();
        let report = look(&dir, Some(&rotated.old));
        assert!(report.is_intact(), "{step}: {}", what(&report));
    }
    // Half a record, as a crash leaves it: the replacement was never told of.
    let dir = home.path().join("half");
    copy(&before, &dir);
    fs::copy(after.join(LINKS), dir.join(LINKS)).unwrap();
    let text = fs::read(after.join(&segment)).unwrap();
    fs::write(dir.join(&segment), &text[..text.len() - 20]).unwrap();
    assert!(look(&dir, None).is_intact());
    assert_eq!(signing_key(&dir).unwrap(), Some(rotated.old.clone()));
    open(&dir, 1).unwrap().close().unwrap();
    assert!(look(&dir, Some(&rotated.old)).is_intact());
    // But not once the new key was named: then somebody took the record away.
    fs::copy(after.join(LINKS), dir.join(LINKS)).unwrap();
    fs::copy(after.join("log.vkey"), dir.join("log.vkey")).unwrap();
    assert!(!look(&dir, None).is_intact());
}

#[test]
fn others_append_meanwhile_and_old_segments_may_go() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("audit");
    let day = Arc::new(std::sync::atomic::AtomicU64::new(1_772_409_599_000));
    let told = Arc::clone(&day);
    let clock: crate::Clock = Arc::new(move || told.load(std::sync::atomic::Ordering::SeqCst));
    let options = Options { signer: Some(signer(1)), clock, ..Options::default() };
    let log = Log::open(&dir, options).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| append(&log, 2000));
        }
        for seed in 2..6 {
            log.rotate_key(signer(seed)).unwrap();
            let report = look(&dir, None);
            assert!(report.is_intact(), "{}", what(&report));
        }
    });
    day.fetch_add(3 * 86_400_000, std::sync::atomic::Ordering::SeqCst);
    append(&log, 1);
    let first = fs::read_to_string(dir.join(LINKS)).unwrap();
    let first: VerifierKey = first.split(' ').nth(1).unwrap().parse().unwrap();
    prune(&log, &dir, "2026-03-03").unwrap().unwrap();
    log.close().unwrap();
    let report = look(&dir, Some(&first));
    assert!(report.is_intact(), "{}", what(&report));
    assert_eq!((report.key_changes, report.records + report.pruned), (4, 8000 + 4 + 2));
}

#[test]
fn a_log_without_a_key_or_that_cannot_be_written_keeps_what_it_has() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("audit");
    let log = Log::open(&dir, Options::default()).unwrap();
    assert!(matches!(log.rotate_key(signer(2)), Err(RotateError::NoTree)));
    log.close().unwrap();
    let log = open(&dir, 1).unwrap();
    append(&log, 3);
    fs::create_dir(dir.join("log.keys.tmp")).unwrap();
    assert!(matches!(log.rotate_key(signer(2)), Err(RotateError::Io { .. })));
    fs::remove_dir(dir.join("log.keys.tmp")).unwrap();
    append(&log, 3);
    log.close().unwrap();
    assert!(look(&dir, None).is_intact() && !dir.join(LINKS).exists());
    open(&dir, 1).unwrap();
}
