//! A log is opened again after somebody was at its files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zos_audit::{
    Health, Kind, Log, OnDamage, OpenError, Options, Record, leaf_hash, read_all, verify, verify_witnessed,
};

struct Fixed(ed25519_dalek::SigningKey);

impl zos_audit::Signer for Fixed {
    fn public_key(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        ed25519_dalek::Signer::sign(&self.0, message).to_bytes()
    }
}

struct Scene {
    home: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    /// A log of this many calls that was closed with a stop record.
    fn stopped(calls: u64) -> Self {
        let scene = Self::new();
        scene.write(&scene.options(), calls, true);
        scene
    }

    fn dir(&self) -> PathBuf {
        self.home.path().join("audit")
    }

    fn witness(&self) -> PathBuf {
        self.home.path().join("head.json")
    }

    fn options(&self) -> Options {
        let key = ed25519_dalek::SigningKey::from_bytes(&[5; 32]);
        Options {
            signer: Some(Arc::new(Fixed(key))),
            witness: Some(self.witness()),
            rotate_bytes: 400 << 10,
            ..Options::default()
        }
    }

    fn write(&self, options: &Options, calls: u64, is_stopped: bool) {
        let log = Log::open(&self.dir(), options.clone()).unwrap();
        for number in 0..calls {
            log.append(Record { ms: number, ..Record::default() }).unwrap();
        }
        if is_stopped {
            log.append(Record { kind: Kind::Stop, ..Record::default() }).unwrap();
        }
        log.close().unwrap();
    }

    fn segments(&self) -> Vec<PathBuf> {
        let mut paths: Vec<_> =
            fs::read_dir(self.dir()).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|end| end == "jsonl"));
        paths.sort();
        paths
    }

    fn open(&self) -> Result<Log, OpenError> {
        Log::open(&self.dir(), self.options())
    }

    fn details(&self) -> Vec<String> {
        read_all(&self.dir()).unwrap().filter_map(|entry| entry.unwrap().record.detail).collect()
    }

    fn is_intact(&self) -> bool {
        verify(&self.dir(), None, &mut |_, _| ()).unwrap().is_intact()
    }

    /// Changes the line with this number in the newest segment, so that it is still a record.
    fn change(&self, line: usize) {
        let path = self.segments().pop().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let changed = text.lines().enumerate().map(|(number, text)| match number == line {
            true => text.replacen("\"bytes_in\":0", "\"bytes_in\":9", 1) + "\n",
            false => format!("{text}\n"),
        });
        fs::write(&path, changed.collect::<String>()).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else if !path.is_symlink() {
            fs::copy(&path, target).unwrap();
        }
    }
}

#[test]
fn a_changed_record_keeps_the_log_closed_wherever_it_stands_in_the_newest_segment() {
    let scene = Scene::stopped(700);
    let path = scene.segments().pop().unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let lines = text.lines().count();
    for line in [0, 1, 255, 256, 300, lines - 2] {
        scene.change(line);
        let refused = scene.open().unwrap_err();
        let OpenError::Damaged { line: told, why, .. } = &refused else { panic!("{line}: {refused}") };
        assert_eq!(*told, line as u64 + 1);
        assert!(refused.is_damage() && why.contains("signed for"), "{why}");
        fs::write(&path, &text).unwrap();
    }
    scene.open().unwrap().close().unwrap();
}

#[test]
fn a_record_and_its_tile_changed_together_are_found_by_the_tile_above() {
    let scene = Scene::stopped(700);
    scene.change(10);
    let path = scene.segments().pop().unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let tile = scene.dir().join("tile/0/000");
    let mut hashes = fs::read(&tile).unwrap();
    hashes[320..352].copy_from_slice(&leaf_hash(text.lines().nth(10).unwrap().as_bytes()));
    fs::write(&tile, hashes).unwrap();
    let refused = scene.open().unwrap_err();
    assert!(matches!(&refused, OpenError::Broken { why, .. } if why.contains("tile/1")), "{refused}");
}

#[test]
fn a_tampered_log_is_written_on_only_where_the_owner_says_so_and_is_never_signed_again() {
    let scene = Scene::stopped(40);
    scene.change(7);
    let options = Options { on_damage: OnDamage::DangerousServe, ..scene.options() };
    let log = Log::open(&scene.dir(), options).unwrap();
    assert!(log.damage().unwrap().contains("line 8"), "{:?}", log.damage());
    let size = |scene: &Scene| verify(&scene.dir(), None, &mut |_, _| ()).unwrap().size;
    let before = size(&scene);
    log.append(Record::default()).unwrap();
    log.close().unwrap();
    assert!(!scene.is_intact() && size(&scene) == before);
    assert!(scene.details().iter().any(|detail| detail.contains("written on without a tree")));
    assert!(scene.open().is_err(), "and not without it");
}

#[test]
fn who_asks_for_a_sound_log_gets_one_also_where_an_older_segment_is_damaged() {
    let scene = Scene::stopped(1500);
    let oldest = scene.segments().remove(0);
    assert!(scene.segments().len() > 1);
    let text = fs::read_to_string(&oldest).unwrap();
    fs::write(&oldest, text.replacen("\"bytes_in\":0", "\"bytes_in\":9", 300)).unwrap();
    scene.open().unwrap().close().unwrap();
    assert!(!scene.is_intact(), "opening looks at the newest segment only");
    let options = Options { on_damage: OnDamage::SetAside, ..scene.options() };
    Log::open(&scene.dir(), options.clone()).unwrap().close().unwrap();
    assert!(scene.is_intact());
    assert!(scene.details()[0].contains("set aside in audit.damaged-"), "{:?}", scene.details());
    // A sound log stays where it is.
    Log::open(&scene.dir(), options).unwrap().close().unwrap();
    assert_eq!(scene.details().len(), 1);
}

#[test]
fn a_log_whose_tree_was_taken_away_is_not_taken_over_again() {
    for has_witness in [true, false] {
        let scene = Scene::stopped(60);
        let path = scene.segments().pop().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.lines().take(40).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        fs::remove_file(scene.dir().join("checkpoint")).unwrap();
        fs::remove_dir_all(scene.dir().join("tile")).unwrap();
        for has_key in [true, false] {
            if !has_witness {
                let _ = fs::remove_file(scene.witness());
            }
            if !has_key {
                fs::remove_file(scene.dir().join("log.vkey")).unwrap();
            }
            let refused = scene.open().unwrap_err();
            assert!(refused.is_damage(), "{refused}");
            let adopting = Options { adopts: true, ..scene.options() };
            if has_witness {
                assert!(
                    Log::open(&scene.dir(), adopting).is_err(),
                    "the owner's word is about what is unknown"
                );
            }
        }
    }
}

#[test]
fn a_folder_that_was_put_back_whole_is_found_by_the_word_outside_of_it() {
    let scene = Scene::stopped(30);
    let backup = scene.home.path().join("backup");
    copy(&scene.dir(), &backup);
    scene.write(&scene.options(), 20, true);
    fs::remove_dir_all(scene.dir()).unwrap();
    copy(&backup, &scene.dir());
    assert!(scene.is_intact(), "the folder alone tells nothing");
    let witnessed = verify_witnessed(&scene.dir(), None, Some(&scene.witness()), &mut |_, _| ()).unwrap();
    assert!(witnessed.findings[0].to_string().contains("put back"), "{:?}", witnessed.findings);
    let refused = scene.open().unwrap_err();
    assert!(matches!(&refused, OpenError::Broken { why, .. } if why.contains("put back")), "{refused}");
    // Kept as evidence, it makes way for a new log, of which the word is true again.
    let options = Options { on_damage: OnDamage::SetAside, ..scene.options() };
    Log::open(&scene.dir(), options).unwrap().close().unwrap();
    scene.open().unwrap().close().unwrap();
    assert!(scene.is_intact());
}

#[test]
fn a_log_that_is_gone_is_told_by_the_one_that_begins_in_its_place() {
    let scene = Scene::stopped(30);
    fs::rename(scene.dir(), scene.home.path().join("away")).unwrap();
    scene.open().unwrap().close().unwrap();
    let details = scene.details();
    assert!(details[0].contains("of which 31 records were signed for, is not in its place"), "{details:?}");
    scene.open().unwrap().close().unwrap();
    assert_eq!(scene.details().len(), 1, "once");
}

#[test]
fn lines_behind_the_stop_of_a_log_are_not_signed_for_but_set_aside_and_told() {
    for in_own_segment in [false, true] {
        let scene = Scene::stopped(20);
        let newest = scene.segments().pop().unwrap();
        let forged = fs::read_to_string(&newest).unwrap().lines().nth(5).unwrap().to_owned();
        let forged: String =
            (21..24).map(|seq| forged.replace("\"seq\":5", &format!("\"seq\":{seq}")) + "\n").collect();
        let path = if in_own_segment { scene.dir().join("2999-01-01.000.jsonl") } else { newest };
        let mut file = fs::OpenOptions::new().append(true).create(true).open(&path).unwrap();
        file.write_all(forged.as_bytes()).unwrap();
        scene.write(&scene.options(), 1, true);
        assert!(scene.is_intact());
        let records: Vec<_> = read_all(&scene.dir()).unwrap().map(|entry| entry.unwrap().record).collect();
        assert_eq!(records.iter().filter(|record| record.ms == 5).count(), 1, "the forged ones are gone");
        let told = records[21].detail.as_deref().unwrap();
        assert!(told.starts_with("3 lines stood behind record 20"), "{told}");
        let torn = path.with_extension("jsonl.torn");
        assert!(fs::read_to_string(&torn).unwrap().contains("\"seq\":23"), "{}", torn.display());
    }
}

#[test]
fn lines_that_a_crash_left_behind_the_checkpoint_are_covered_and_counted() {
    let scene = Scene::new();
    scene.write(&scene.options(), 20, false);
    // A copy of the folder while it is written is what a kill leaves.
    let log = scene.open().unwrap();
    log.append(Record::default()).unwrap();
    log.append(Record::default()).unwrap();
    let killed = Scene::new();
    copy(&scene.dir(), &killed.dir());
    fs::remove_file(killed.dir().join(".lock")).unwrap();
    log.close().unwrap();
    killed.open().unwrap().close().unwrap();
    assert_eq!(
        killed.details(),
        ["2 records stood behind the newest checkpoint, signed by nobody; it covers them now"]
    );
    assert!(killed.is_intact());
    killed.open().unwrap().close().unwrap();
    assert_eq!(killed.details().len(), 1, "once");
}

#[test]
fn a_log_that_began_without_a_key_is_adopted_on_the_word_of_its_witness() {
    let scene = Scene::new();
    scene.write(&Options { signer: None, ..scene.options() }, 10, true);
    scene.write(&Options { signer: None, ..scene.options() }, 10, true);
    scene.open().unwrap().close().unwrap();
    assert!(scene.is_intact());
    assert!(scene.details()[0].starts_with("22 records were written before this log had a tree"));
}

#[test]
fn a_log_whose_folder_cannot_be_used_yet_begins_as_failing_and_goes_on_by_itself() {
    let scene = Scene::new();
    // A file where the folder has to be stands in for a read-only mount.
    fs::write(scene.dir(), "").unwrap();
    assert!(matches!(scene.open(), Err(OpenError::Io { .. })), "without a word it is not opened");
    let log = Log::open(&scene.dir(), Options { waits: true, ..scene.options() }).unwrap();
    let Health::Failing { error, .. } = log.health() else { panic!("it is not healthy") };
    assert!(!error.contains(scene.home.path().to_str().unwrap()), "{error}");
    assert!(log.append(Record::default()).is_err() && log.append(Record::default()).is_err());
    fs::remove_file(scene.dir()).unwrap();
    while log.append(Record { ms: 77, ..Record::default() }).is_err() {
        std::thread::yield_now();
    }
    assert_eq!(log.health(), Health::Healthy);
    log.close().unwrap();
    let records: Vec<_> = read_all(&scene.dir()).unwrap().map(|entry| entry.unwrap().record).collect();
    assert_eq!((records[0].kind, records[1].ms), (Kind::Gap, 77));
    assert!(records[0].detail.as_deref().unwrap().contains("records lost since"), "{records:?}");
    assert!(scene.is_intact());
}

#[test]
fn a_log_that_waits_can_be_closed() {
    let scene = Scene::new();
    fs::write(scene.dir(), "").unwrap();
    let log = Log::open(&scene.dir(), Options { waits: true, ..scene.options() }).unwrap();
    assert!(log.wait_durable(0).is_err());
    log.close().unwrap();
}
