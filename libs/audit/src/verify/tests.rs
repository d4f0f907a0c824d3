use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::check::Walk;
use super::lines::Line;
use super::*;
use crate::note::Checkpoint;
use crate::note::tests::Fixed;
use crate::record::{Kind, Outcome, Record, Usage, Verdict};
use crate::tree::{Hash, inclusion, leaf_hash, root_from_inclusion, root_of};
use crate::{Clock, Log, OnDamage, OpenError, Options, Prover, prune};

const DAY: u64 = 86_400_000;
const BEGIN: u64 = 1_772_409_599_000;

struct Scene {
    _home: tempfile::TempDir,
    dir: std::path::PathBuf,
    now: Arc<AtomicU64>,
}

impl Scene {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("audit");
        Self { _home: home, dir, now: Arc::new(AtomicU64::new(BEGIN)) }
    }

    fn options(&self) -> Options {
        let told = Arc::clone(&self.now);
        let clock: Clock = Arc::new(move || told.load(Ordering::SeqCst));
        Options { clock, signer: Some(Arc::new(Fixed::new(3))), rotate_bytes: 64 << 10, ..Options::default() }
    }

    fn log(&self) -> Log {
        Log::open(&self.dir, self.options()).unwrap()
    }

    /// A closed log of this many records over three days.
    fn written(count: u64) -> Self {
        let scene = Self::new();
        let log = scene.log();
        for n in 0..count {
            scene.now.store(BEGIN + n * 3 * DAY / count, Ordering::SeqCst);
            log.append(record(n)).unwrap();
        }
        log.close().unwrap();
        scene
    }

    fn verify(&self) -> Report {
        verify(&self.dir, None, &mut |_, _| ()).unwrap()
    }

    fn segments(&self) -> Vec<std::path::PathBuf> {
        let names = crate::segment::list(&self.dir).unwrap();
        names.iter().map(|name| self.dir.join(name.to_string())).collect()
    }

    fn lines(&self) -> Vec<Vec<u8>> {
        let text: Vec<u8> = self.segments().iter().flat_map(|path| fs::read(path).unwrap()).collect();
        text.split_inclusive(|byte| *byte == b'\n').map(|line| line[..line.len() - 1].to_vec()).collect()
    }

    fn head(&self) -> Checkpoint {
        let key = self.verify().key.unwrap();
        Checkpoint::open(&fs::read(self.dir.join("checkpoint")).unwrap(), &key).unwrap()
    }
}

fn record(n: u64) -> Record {
    let text = |text: &str| Some(text.to_owned());
    Record {
        request_id: Some(format!("request-{n}")),
        context: text("acme"),
        client: text("claude-code"),
        face: text("messages"),
        model: text("claude-sonnet-4-5"),
        status: Some(200),
        verdict: Some(Verdict::Warn),
        outcome: Some(Outcome::Completed),
        rules: vec!["acme/outbound/3".to_owned()],
        usage: Some(Usage { input: n, output: 7, ..Usage::default() }),
        ms: n,
        ..Record::default()
    }
}

fn what(report: &Report) -> String {
    report.findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[test]
fn a_log_is_intact_whole_and_copied_and_says_whose_key_it_took() {
    let scene = Scene::written(1000);
    let report = scene.verify();
    assert!(report.is_intact(), "{}", what(&report));
    assert_eq!((report.records, report.size, report.unsigned, report.is_key_given), (1000, 1000, 0, false));
    assert!(scene.segments().len() > 3, "the log is in several segments");
    let key = report.key.unwrap();
    let report = verify(&scene.dir, Some(&key), &mut |_, _| ()).unwrap();
    assert!(report.is_intact() && report.is_key_given);
    let other = VerifierKey::new(key.name(), &crate::Signer::public_key(&Fixed::new(4))).unwrap();
    let report = verify(&scene.dir, Some(&other), &mut |_, _| ()).unwrap();
    assert_eq!(what(&report), "checkpoint: it is not signed by this key");
}

/// What verification makes of these lines, without a disk: the same walk, the same judgement.
fn judge<'a>(dir: &Path, head: &Checkpoint, lines: impl IntoIterator<Item = &'a Line>) -> Report {
    let mut report = Report {
        key: None,
        is_key_given: false,
        key_changes: 0,
        size: head.size,
        records: 0,
        pruned: 0,
        unsigned: 0,
        torn: Vec::new(),
        findings: Vec::new(),
    };
    let mut walk = Walk::new(dir, Some((head, head.size)), check::Words::default(), &mut report);
    for line in lines {
        if let Err((what, _)) = walk.line(line.clone()) {
            report.find("line", what);
            return report;
        }
    }
    walk.finish().unwrap();
    report
}

#[test]
fn every_change_of_a_single_byte_is_found() {
    let scene = Scene::written(1000);
    let (lines, head) = (scene.lines(), scene.head());
    assert_eq!(lines.len(), 1000);
    let leaves: Vec<Hash> = lines.iter().map(|line| leaf_hash(line)).collect();
    let mut subtree =
        |begin: u64, count: u64| Ok::<_, ()>(root_of(&leaves[begin as usize..(begin + count) as usize]));
    let mut tried = 0_u64;
    for (index, line) in lines.iter().enumerate() {
        let proof = inclusion(index as u64, head.size, &mut subtree).unwrap();
        let root = |leaf| root_from_inclusion(index as u64, head.size, leaf, &proof);
        assert_eq!(root(leaves[index]), Some(head.root));
        let mut changed = line.clone();
        for place in 0..line.len() {
            // Every place; the change goes through all values from place to place.
            let change = ((index + place * 7) % 255 + 1) as u8;
            changed[place] ^= change;
            assert_ne!(root(leaf_hash(&changed)), Some(head.root), "line {index}, byte {place}");
            changed[place] ^= change;
            tried += 1;
        }
    }
    assert!(tried > 400_000, "{tried}");
    // All values at all places of one line.
    let line = &lines[500];
    let proof = inclusion(500, head.size, &mut subtree).unwrap();
    for place in 0..line.len() {
        for change in 1..=255_u8 {
            let mut changed = line.clone();
            changed[place] ^= change;
            assert_ne!(root_from_inclusion(500, head.size, leaf_hash(&changed), &proof), Some(head.root));
        }
    }
    // And that the walk over lines and tiles finds what the hashes tell: one byte in each line.
    let read: Vec<Line> = lines.iter().map(|line| Line::of(line)).collect();
    for index in 0..lines.len() {
        let mut changed = lines[index].clone();
        let place = index * 31 % changed.len();
        changed[place] ^= 1;
        let changed = Line::of(&changed);
        let lines = read[..index].iter().chain([&changed]).chain(&read[index + 1..]);
        assert!(!judge(&scene.dir, &head, lines).is_intact(), "line {index}");
    }
    assert!(judge(&scene.dir, &head, &read).is_intact());
}

#[test]
fn every_removal_swap_insertion_truncation_and_new_tail_is_found() {
    let scene = Scene::written(1000);
    let (lines, head) = (scene.lines(), scene.head());
    let line_of = |record: &Record| {
        let mut line = Vec::new();
        record.write_line(&mut line);
        line.pop();
        Line::of(&line)
    };
    // Each line as it is, and as a forger would number it anew, one less and one more.
    let as_is: Vec<Line> = lines.iter().map(|line| Line::of(line)).collect();
    let moved = |by: i64| -> Vec<Line> {
        let records = lines.iter().map(|line| Record::parse(line).unwrap());
        records
            .map(|record| line_of(&Record { seq: record.seq.saturating_add_signed(by), ..record }))
            .collect()
    };
    let (less, more) = (moved(-1), moved(1));
    let forged: Vec<Line> = (0..1000)
        .map(|seq| line_of(&Record { seq, v: 1, time: "2026-03-02T00:00:00.000Z".to_owned(), ..record(7) }))
        .collect();
    let intact = |lines: Vec<&Line>| judge(&scene.dir, &head, lines).is_intact();
    fn of<'a>(parts: &[&'a [Line]]) -> Vec<&'a Line> {
        parts.iter().flat_map(|part| part.iter()).collect()
    }
    for index in 0..1000 {
        let (before, from) = (&as_is[..index], &as_is[index..]);
        assert!(!intact(of(&[before, &from[1..]])), "removed {index}");
        assert!(!intact(of(&[before, &less[index + 1..]])), "removed {index}, numbered anew");
        assert!(!intact(of(&[before])), "cut at {index}");
        assert!(!intact(of(&[before, &forged[index..]])), "a new tail from {index}");
        assert!(!intact(of(&[before, &forged[index..=index], from])), "inserted at {index}");
        assert!(!intact(of(&[before, &forged[index..=index], &more[index..]])), "inserted, numbered anew");
        if index > 0 {
            let swapped = [&from[..1], &as_is[index - 1..index], &from[1..]];
            assert!(!intact(of(&[&as_is[..index - 1], swapped[0], swapped[1], swapped[2]])), "swapped");
            let anew = [&less[index..=index], &more[index - 1..index], &from[1..]];
            assert!(!intact(of(&[&as_is[..index - 1], anew[0], anew[1], anew[2]])), "swapped, numbered anew");
        }
    }
    assert!(intact(of(&[&as_is])));
}

#[test]
fn a_change_on_the_disk_is_told_with_its_place() {
    let scene = Scene::written(1000);
    let path = &scene.segments()[1];
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let text = fs::read_to_string(path).unwrap();
    fs::write(path, text.replacen("\"output\":7", "\"output\":8", 1)).unwrap();
    let report = scene.verify();
    assert!(what(&report).starts_with(&format!("{name}:1: record ")), "{}", what(&report));
    assert!(what(&report).contains("checkpoint: the records are not the ones that were signed for"));
    fs::write(path, &text).unwrap();
    assert!(scene.verify().is_intact());
    let last = text.lines().last().unwrap().len() + 1;
    fs::write(path, &text[..text.len() - last]).unwrap();
    assert!(what(&scene.verify()).contains("belongs"), "{}", what(&scene.verify()));
}

#[test]
fn what_was_signed_for_and_is_gone_keeps_the_log_closed() {
    let scene = Scene::written(1000);
    let path = scene.segments().pop().unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let last = text.lines().last().unwrap().len() + 1;
    fs::write(&path, &text[..text.len() - last]).unwrap();
    assert!(what(&scene.verify()).contains("1 records that were signed for are missing"));
    let error = Log::open(&scene.dir, scene.options()).unwrap_err();
    assert!(matches!(&error, OpenError::Broken { why, .. } if why.contains("last 1 records")), "{error}");
    // With the owner's word it is kept aside, and the new log tells so first.
    let log = Log::open(&scene.dir, Options { on_damage: OnDamage::SetAside, ..scene.options() }).unwrap();
    log.close().unwrap();
    let first = crate::read_all(&scene.dir).unwrap().next().unwrap().unwrap().record;
    assert_eq!(first.kind, Kind::Decision);
    assert!(first.detail.unwrap().contains("set aside in audit.damaged-"));
    let report = scene.verify();
    assert!(report.is_intact() && report.size == 1, "{}", what(&report));
}

#[test]
fn an_older_checkpoint_and_a_missing_one_are_found() {
    let scene = Scene::written(300);
    let old = fs::read(scene.dir.join("checkpoint")).unwrap();
    let log = scene.log();
    log.append(record(300)).unwrap();
    log.close().unwrap();
    assert!(scene.verify().is_intact());
    let newest = fs::read(scene.dir.join("checkpoint")).unwrap();
    fs::write(scene.dir.join("checkpoint"), &old).unwrap();
    assert!(what(&scene.verify()).contains("an older one was put back"), "{}", what(&scene.verify()));
    assert!(Log::open(&scene.dir, scene.options()).unwrap_err().to_string().contains("put back"));
    fs::remove_file(scene.dir.join("checkpoint")).unwrap();
    assert_eq!(what(&scene.verify()), "checkpoint: the checkpoint is missing");
    assert!(Log::open(&scene.dir, scene.options()).unwrap_err().to_string().contains("missing"));
    fs::write(scene.dir.join("checkpoint"), &newest).unwrap();
    assert!(scene.verify().is_intact());
    for tile in ["tile/0/000", "tile/0/001.p/45", "tile/1/000.p/1"] {
        let path = scene.dir.join(tile);
        let bytes = fs::read(&path).unwrap();
        let mut changed = bytes.clone();
        changed[5] ^= 1;
        fs::write(&path, changed).unwrap();
        assert!(!scene.verify().is_intact(), "{tile} changed");
        fs::remove_file(&path).unwrap();
        assert!(!scene.verify().is_intact(), "{tile} gone");
        fs::write(&path, bytes).unwrap();
    }
    assert!(scene.verify().is_intact());
}

#[test]
fn a_log_without_a_tree_is_adopted_and_says_so() {
    let scene = Scene::new();
    let log = Log::open(&scene.dir, Options { signer: None, ..scene.options() }).unwrap();
    (0..600).for_each(|n| assert_eq!(log.append(record(n)), Ok(n)));
    log.close().unwrap();
    assert!(!scene.verify().is_intact());
    // Nobody vouches that it never had a tree, so that takes the owner's word.
    let refused = Log::open(&scene.dir, scene.options()).unwrap_err();
    assert!(matches!(refused, OpenError::Treeless { records: 600, .. }), "{refused}");
    Log::open(&scene.dir, Options { adopts: true, ..scene.options() }).unwrap().close().unwrap();
    let report = scene.verify();
    assert!(report.is_intact() && report.size == 601, "{}", what(&report));
    let last = crate::read_all(&scene.dir).unwrap().last().unwrap().unwrap().record;
    assert_eq!(
        last.detail.as_deref(),
        Some("600 records were written before this log had a tree; it covers them now")
    );
    // Without the key for a while: what was written then is covered afterwards.
    let log = Log::open(&scene.dir, Options { signer: None, ..scene.options() }).unwrap();
    log.append(record(601)).unwrap();
    log.close().unwrap();
    assert_eq!(scene.verify().unsigned, 1);
    scene.log().close().unwrap();
    let report = scene.verify();
    // One more tells how many they were.
    assert!(report.is_intact() && (report.size, report.unsigned) == (603, 0), "{}", what(&report));
    // Another key does not take it over.
    let other = Options { signer: Some(Arc::new(Fixed::new(4))), ..scene.options() };
    assert!(matches!(Log::open(&scene.dir, other), Err(OpenError::OtherKey { .. })));
}

#[test]
fn a_crash_between_any_two_files_of_a_checkpoint_is_no_tampering() {
    let scene = Scene::written(300);
    let old = fs::read(scene.dir.join("checkpoint")).unwrap();
    let log = scene.log();
    (300..520).for_each(|n| assert!(log.append(record(n)).is_ok()));
    log.close().unwrap();
    let new = fs::read(scene.dir.join("checkpoint")).unwrap();
    // As it was before the rename: the tiles are there, the note is still the new one.
    fs::write(scene.dir.join("checkpoint"), &old).unwrap();
    fs::write(scene.dir.join("checkpoint.new"), &new).unwrap();
    assert!(scene.verify().is_intact(), "{}", what(&scene.verify()));
    // And before the tiles.
    fs::remove_file(scene.dir.join("tile/0/001")).unwrap();
    fs::remove_dir_all(scene.dir.join("tile/0/002.p")).unwrap();
    fs::remove_dir_all(scene.dir.join("tile/1/000.p")).unwrap();
    // (The partial tiles of the old checkpoint go last, so they were there.)
    assert!(scene.verify().is_intact(), "{}", what(&scene.verify()));
    scene.log().close().unwrap();
    assert!(scene.verify().is_intact(), "{}", what(&scene.verify()));
    // Half a note beside the old checkpoint says nothing.
    fs::write(scene.dir.join("checkpoint.new"), &new[..40]).unwrap();
    assert!(scene.verify().is_intact());
}

#[test]
fn a_pruned_log_stays_whole_and_its_proofs_hold() {
    let scene = Scene::written(1000);
    let log = scene.log();
    let pruned = prune(&log, &scene.dir, "2026-03-03").unwrap().unwrap();
    assert_eq!((pruned.from, pruned.files.is_empty()), (0, false));
    assert_eq!(prune(&log, &scene.dir, "2026-03-03").unwrap(), None);
    log.append(record(1)).unwrap();
    log.close().unwrap();
    let report = scene.verify();
    assert!(report.is_intact(), "{}", what(&report));
    assert_eq!((report.pruned, report.size), (pruned.to, 1002));
    let mut prover = Prover::open(&scene.dir).unwrap();
    let key = prover.key().clone();
    for seq in [pruned.to, 999, 1001] {
        prover.prove(seq).unwrap().verify(&key).unwrap();
    }
    assert!(prover.prove(0).unwrap_err().to_string().contains("pruned"));
    // Pruned again, and without a word about it.
    let log = scene.log();
    log.append(record(2)).unwrap();
    log.close().unwrap();
    fs::remove_file(&scene.segments()[0]).unwrap();
    assert!(
        what(&scene.verify()).contains("no record tells that they were pruned"),
        "{}",
        what(&scene.verify())
    );
}

#[test]
fn proofs_and_bundles_hold_alone_and_break_with_any_change() {
    let scene = Scene::written(700);
    let mut prover = Prover::open(&scene.dir).unwrap();
    let key = prover.key().clone();
    let lines = scene.lines();
    let mut bundle = prover.bundle();
    for (seq, line) in lines.iter().enumerate() {
        let proof = prover.prove_line(seq as u64, line).unwrap();
        bundle.records.push(proof);
    }
    let judged = bundle.verify(&key).unwrap();
    assert_eq!((judged.good.len(), judged.bad.len()), (700, 0));
    let proof = prover.prove(511).unwrap();
    let head = proof.verify(&key).unwrap();
    assert_eq!((head.size, proof.record.as_bytes()), (700, &lines[511][..]));
    let mut changed = proof.clone();
    changed.record = changed.record.replace("\"output\":7", "\"output\":8");
    assert!(changed.verify(&key).is_err());
    for n in 0..proof.hashes.len() {
        let mut changed = proof.clone();
        changed.hashes.remove(n);
        assert!(changed.verify(&key).is_err());
    }
    assert!(crate::Proof { index: 510, ..proof.clone() }.verify(&key).is_err());
    assert!(crate::Proof { size: 699, ..proof.clone() }.verify(&key).is_err());
    bundle.records[3].record = lines[4].clone().try_into().unwrap_or_default();
    assert_eq!(bundle.verify(&key).unwrap().bad.len(), 1);
    assert!(matches!(prover.prove(700), Err(crate::ProofError::Gone(700))));
}

#[test]
fn a_checkpoint_that_cannot_be_written_is_said_and_comes_later() {
    let scene = Scene::new();
    let log = scene.log();
    log.append(record(0)).unwrap();
    assert_eq!(log.seal(), Ok(Some(1)));
    // A file stands where the folder of the tiles has to be.
    fs::rename(scene.dir.join("tile"), scene.dir.join("away")).unwrap();
    fs::write(scene.dir.join("tile"), "").unwrap();
    log.append(record(1)).unwrap();
    assert!(log.seal().unwrap_err().to_string().contains("no checkpoint can be written"));
    assert!(matches!(log.health(), crate::Health::Failing { .. }));
    // Records are kept all the same, and nothing is torn.
    assert_eq!(log.append(record(2)), Ok(2));
    fs::remove_file(scene.dir.join("tile")).unwrap();
    fs::rename(scene.dir.join("away"), scene.dir.join("tile")).unwrap();
    while log.seal().is_err() {}
    assert_eq!(log.health(), crate::Health::Healthy);
    log.close().unwrap();
    let report = scene.verify();
    assert!(report.is_intact() && report.size == 3, "{}", what(&report));
}

#[test]
fn a_log_is_verified_and_proven_while_it_is_written() {
    let scene = Scene::new();
    let log = scene.log();
    log.append(record(0)).unwrap();
    log.seal().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Bounded: an endless writer outruns the reader, and never ends should the reader fail.
            for n in 1..4000 {
                log.append(record(n)).unwrap();
                if n % 13 == 0 {
                    log.seal().unwrap();
                }
            }
        });
        for round in 0..40 {
            let report = scene.verify();
            assert!(report.is_intact(), "round {round}: {}", what(&report));
            let mut prover = Prover::open(&scene.dir).unwrap();
            let key = prover.key().clone();
            let newest = prover.head().size - 1;
            prover.prove(newest).unwrap().verify(&key).unwrap();
            prover.prove(0).unwrap().verify(&key).unwrap();
        }
    });
    log.close().unwrap();
    assert!(scene.verify().is_intact());
}
