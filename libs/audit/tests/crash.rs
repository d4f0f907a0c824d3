//! What is left after the writer was killed or its disk was full: each test runs its own binary as
//! a child, which finds its folder in the environment.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use zos_audit::{Health, Kind, Log, Options, Record, read_all, verify};

/// A key for tests; who keeps the private key is not this crate's business.
struct Fixed(ed25519_dalek::SigningKey);

impl zos_audit::Signer for Fixed {
    fn public_key(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        ed25519_dalek::Signer::sign(&self.0, message).to_bytes()
    }
}

fn signed() -> Options {
    let key = ed25519_dalek::SigningKey::from_bytes(&[5; 32]);
    Options { signer: Some(Arc::new(Fixed(key))), ..Options::default() }
}

const CHILD: &str = "ZOS_AUDIT_TEST_CHILD";
const BEGIN: u64 = 1_772_409_599_000;

fn child_folder() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// The command that runs one test of this binary alone, as a child.
fn child(program: &str, arguments: &[&str], test: &str, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).args(["--exact", test, "--nocapture", "--test-threads=1"]).env(CHILD, dir);
    command
}

fn records(dir: &Path) -> Vec<Record> {
    read_all(dir).unwrap().map(|entry| entry.unwrap().record).collect()
}

/// Writes for ever from four threads, and says of each record that it has been acknowledged.
#[expect(clippy::print_stdout, reason = "the parent reads it")]
fn write_until_killed(dir: &Path) {
    let log = Log::open(dir, Options { rotate_bytes: 256 << 10, ..signed() }).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let log = &log;
            scope.spawn(move || {
                for n in 0_u64.. {
                    let id = format!("{thread}-{n}");
                    let seq =
                        log.append(Record { request_id: Some(id.clone()), ..Record::default() }).unwrap();
                    println!("ack {seq} {id}");
                }
            });
        }
    });
}

#[test]
fn every_acknowledged_record_survives_a_kill() {
    if let Some(dir) = child_folder() {
        return write_until_killed(&dir);
    }
    let home = tempfile::tempdir().unwrap();
    let this = std::env::current_exe().unwrap();
    let mut acknowledged = 0;
    for round in 0..200_u64 {
        // Some lives of each log: it is killed while it is new, and again and again.
        let dir = home.path().join(format!("audit-{}", round / 8));
        let mut child = child(this.to_str().unwrap(), &[], "every_acknowledged_record_survives_a_kill", &dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        // Killed once it is at work, at a point that differs from round to round.
        let mut text = String::new();
        while !text.contains("ack ") {
            text.clear();
            assert!(output.read_line(&mut text).unwrap() > 0, "the child ended by itself");
        }
        std::thread::sleep(Duration::from_micros(97 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        std::io::Read::read_to_string(&mut output, &mut text).unwrap();
        // As the kill left it, and after a next life: nothing that was signed for is missing.
        let report = verify(&dir, None, &mut |_, _| ()).unwrap();
        assert!(report.is_intact(), "round {round}: {:?}", report.findings);
        // Opening again is what fixes a torn tail.
        Log::open(&dir, signed()).unwrap().close().unwrap();
        let found = records(&dir);
        let report = verify(&dir, None, &mut |_, _| ()).unwrap();
        assert!(report.is_intact() && report.unsigned == 0, "round {round}: {report:?}");
        // The last line of the pipe may be half a line.
        let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        for line in whole.lines().filter_map(|line| line.split_once("ack ")).map(|(_, rest)| rest) {
            let (seq, id) = line.split_once(' ').unwrap();
            let record = &found[seq.parse::<usize>().unwrap()];
            assert_eq!(record.request_id.as_deref(), Some(id), "round {round}");
            acknowledged += 1;
        }
    }
    assert!(acknowledged > 200, "only {acknowledged} records were acknowledged: the test tests nothing");
}

/// Everything that a log of this folder takes, until its disk is full and after there is room again.
fn outlive_a_full_disk(dir: &Path) {
    let log = Log::open(dir, signed()).unwrap();
    let key = zos_audit::signing_key(dir).unwrap().unwrap();
    let filler = dir.join("filler");
    let (mut kept, mut lost) = (Vec::new(), 0);
    for round in 0..3 {
        // Somebody else takes all the room there is.
        let mut file = std::fs::File::create(&filler).unwrap();
        while std::io::Write::write_all(&mut file, &[0; 512]).is_ok() {}
        drop(file);
        while lost < 20 * (round + 1) {
            match log.append(Record { detail: Some("x".repeat(200)), ..Record::default() }) {
                Ok(seq) => kept.push(seq),
                Err(error) => {
                    assert!(error.to_string().contains("No space left"), "{error}");
                    lost += 1;
                }
            }
            assert!(kept.len() < 100_000, "the disk is never full");
        }
        let Health::Failing { error, .. } = log.health() else { panic!("healthy on a full disk") };
        assert!(error.contains("No space left"), "{error}");
        // Neither can the key be replaced then, and the old one goes on.
        let next = Fixed(ed25519_dalek::SigningKey::from_bytes(&[6; 32]));
        assert!(log.rotate_key(Arc::new(next)).is_err());
        let report = verify(dir, Some(&key), &mut |_, _| ()).unwrap();
        assert!(report.is_intact(), "full: {:?}", report.findings);
        std::fs::remove_file(&filler).unwrap();
        kept.push(log.append(Record::default()).unwrap());
        log.wait_durable(*kept.last().unwrap()).unwrap();
        log.seal().unwrap();
        assert_eq!(log.health(), Health::Healthy);
    }
    log.close().unwrap();
    let report = verify(dir, Some(&key), &mut |_, _| ()).unwrap();
    assert!(report.is_intact() && report.unsigned == 0 && report.torn.is_empty(), "{report:?}");
    let found = records(dir);
    assert!(kept.iter().all(|seq| found[usize::try_from(*seq).unwrap()].kind == Kind::Call));
    let gaps: Vec<&str> = found
        .iter()
        .filter(|record| record.kind == Kind::Gap)
        .filter_map(|gap| gap.detail.as_deref())
        .collect();
    // At the edge of a full disk a gap may still find room and the record behind it none: then one time of trouble is told
    // in two gaps. None of what was lost is told twice or not at all.
    let lost = |gap: &&str| gap.split_once(" record").and_then(|(count, _)| count.parse::<u64>().ok());
    assert_eq!(gaps.iter().filter_map(lost).sum::<u64>(), 60, "{gaps:?}");
    assert!(
        gaps.len() >= 3
            && gaps.iter().all(|gap| gap.contains("lost since ") && gap.contains("No space left"))
    );
    Log::open(dir, signed()).unwrap();
}

/// Runs one test of this binary in a mount namespace of its own, with a small disk as its folder; `None`
/// where this system lets nobody have one.
fn on_a_small_disk(test: &str, dir: &Path) -> Option<std::process::Output> {
    std::fs::create_dir_all(dir).unwrap();
    let mount = "mount -t tmpfs -o size=256k none \"$ZOS_AUDIT_TEST_CHILD\" || exit 77; exec \"$0\" \"$@\"";
    let this = std::env::current_exe().unwrap();
    let arguments = ["--user", "--map-root-user", "--mount", "sh", "-c", mount, this.to_str().unwrap()];
    let output = child("unshare", &arguments, test, dir).output().ok()?;
    let is_refused =
        output.status.code() == Some(77) || String::from_utf8_lossy(&output.stderr).starts_with("unshare:");
    (!is_refused).then_some(output)
}

/// Where no small disk can be mounted, the test below, whose file has a limit, stands alone.
#[test]
fn a_disk_that_is_full_again_and_again_corrupts_nothing_and_the_log_goes_on_by_itself() {
    if let Some(dir) = child_folder() {
        return outlive_a_full_disk(&dir);
    }
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("audit");
    let test = "a_disk_that_is_full_again_and_again_corrupts_nothing_and_the_log_goes_on_by_itself";
    let Some(output) = on_a_small_disk(test, &dir) else { return };
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Fills the file up to its limit, and goes on the next day, in the next file.
fn fill_up(dir: &Path) {
    let now = Arc::new(AtomicU64::new(BEGIN));
    let told = Arc::clone(&now);
    let clock: zos_audit::Clock = Arc::new(move || told.load(Ordering::SeqCst));
    let log = Log::open(dir, Options { clock, ..Options::default() }).unwrap();
    let mut written = 0;
    let error = loop {
        match log.append(Record::default()) {
            Ok(seq) => assert_eq!(seq, written),
            Err(error) => break error,
        }
        written += 1;
        assert!(written < 1000, "the file has no limit");
    };
    assert!(error.to_string().contains("could not write to the audit log"), "{error}");
    log.append(Record::default()).unwrap_err();
    log.append(Record::default()).unwrap_err();
    let Health::Failing { since, error } = log.health() else { panic!("healthy on a full disk") };
    assert_eq!(since, "2026-03-01T23:59:59.000Z");
    assert!(error.contains("File too large"), "{error}");
    // What the disk took of the line was taken back.
    let text = std::fs::read_to_string(dir.join("2026-03-01.000.jsonl")).unwrap();
    assert!(text.ends_with('\n'));
    assert_eq!(text.lines().count() as u64, written);
    assert_ne!(text.len() % 4096, 0, "the limit must fall into a line, or no line is ever torn");
    now.store(BEGIN + 1000, Ordering::SeqCst);
    assert_eq!(log.append(Record::default()).unwrap(), written + 1);
    assert_eq!(log.health(), Health::Healthy);
    log.close().unwrap();
}

#[test]
fn a_full_disk_tears_no_line_and_is_told_afterwards() {
    if let Some(dir) = child_folder() {
        return fill_up(&dir);
    }
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("audit");
    let this = std::env::current_exe().unwrap();
    // 16 blocks of 512 bytes; without the signal, so that a write beyond them fails like one on a
    // full disk: in part first, then as a whole.
    let limited = ["-c", "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\"", this.to_str().unwrap()];
    let output =
        child("sh", &limited, "a_full_disk_tears_no_line_and_is_told_afterwards", &dir).output().unwrap();
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let records = records(&dir);
    let gap = &records[records.len() - 2];
    assert_eq!(gap.kind, Kind::Gap);
    let detail = gap.detail.as_deref().unwrap();
    assert!(detail.starts_with("3 records lost since 2026-03-01T23:59:59.000Z: File too large"), "{detail}");
    assert_eq!(records.len(), usize::try_from(gap.seq).unwrap() + 2);
}
