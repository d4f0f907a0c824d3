use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::{Kind, format_time, read_all};

/// 2026-03-01T23:59:59.000Z, a second before midnight.
const LATE: u64 = 1_772_409_599_000;

struct Home {
    home: tempfile::TempDir,
    now: Arc<AtomicU64>,
}

impl Home {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap(), now: Arc::new(AtomicU64::new(LATE)) }
    }

    fn dir(&self) -> PathBuf {
        self.home.path().join("audit")
    }

    fn options(&self) -> Options {
        let now = Arc::clone(&self.now);
        Options { clock: Arc::new(move || now.load(Ordering::SeqCst)), ..Options::default() }
    }

    fn open(&self) -> Log {
        Log::open(&self.dir(), self.options()).unwrap()
    }

    fn records(&self) -> Vec<Record> {
        read_all(&self.dir()).unwrap().map(|entry| entry.unwrap().record).collect()
    }

    fn segments(&self) -> Vec<String> {
        crate::segment::list(&self.dir()).unwrap().iter().map(ToString::to_string).collect()
    }

    /// The text of the only segment.
    fn text(&self) -> String {
        let [segment] = &self.segments()[..] else { panic!("{:?}", self.segments()) };
        fs::read_to_string(self.dir().join(segment)).unwrap()
    }
}

fn call(request_id: &str) -> Record {
    Record { request_id: Some(request_id.to_owned()), ..Record::default() }
}

fn ids(records: &[Record]) -> Vec<String> {
    records.iter().filter_map(|record| record.request_id.clone()).collect()
}

/// Waits for what another thread brings about.
fn eventually(condition: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(20) {
        if condition() {
            return true;
        }
        thread_pause();
    }
    false
}

fn thread_pause() {
    std::thread::sleep(Duration::from_millis(5));
}

#[test]
fn a_record_is_one_line_with_version_seq_and_time_of_the_log() {
    let home = Home::new();
    let log = home.open();
    assert_eq!(log.append(Record { v: 9, seq: 9, time: "never".into(), ..call("a") }), Ok(0));
    assert_eq!(log.append(call("b")), Ok(1));
    let text = home.text();
    assert_eq!(text.lines().count(), 2);
    assert!(text.ends_with('\n'));
    let [first, second] = &home.records()[..] else { panic!("{text}") };
    assert_eq!((first.v, first.seq, first.time.as_str()), (1, 0, "2026-03-01T23:59:59.000Z"));
    assert_eq!((second.seq, second.request_id.as_deref()), (1, Some("b")));
}

#[cfg(unix)]
#[test]
fn folder_and_files_are_the_owners_and_the_link_shows_the_newest() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let log = home.open();
    log.append(call("a")).unwrap();
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(home.dir()), 0o700);
    assert_eq!(mode(home.dir().join("2026-03-01.000.jsonl")), 0o600);
    let link = home.home.path().join("audit.jsonl");
    assert_eq!(fs::read_link(&link).unwrap(), PathBuf::from("audit/2026-03-01.000.jsonl"));
    home.now.fetch_add(1000, Ordering::SeqCst);
    log.append(call("b")).unwrap();
    assert_eq!(fs::read_link(&link).unwrap(), PathBuf::from("audit/2026-03-02.000.jsonl"));
    assert!(fs::read_to_string(&link).unwrap().contains("\"b\""));
}

#[test]
fn a_second_writer_is_refused_until_the_first_has_closed() {
    let home = Home::new();
    let log = home.open();
    let error = Log::open(&home.dir(), home.options()).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }));
    assert!(error.to_string().contains("written by another process; stop that one first"), "{error}");
    let clone = log.clone();
    log.append(call("a")).unwrap();
    log.close().unwrap();
    assert_eq!(clone.append(call("b")), Err(AppendError::Closed));
    assert_eq!(clone.wait_durable(7), Err(AppendError::Closed));
    home.open().append(call("c")).unwrap();
    assert_eq!(ids(&home.records()), ["a", "c"]);
}

#[test]
fn a_line_torn_at_any_byte_is_set_aside_and_recorded() {
    let home = Home::new();
    let log = home.open();
    for id in ["a", "b", "torn"] {
        log.append(call(id)).unwrap();
    }
    log.close().unwrap();
    let whole = home.text();
    let segment = home.dir().join("2026-03-01.000.jsonl");
    let aside = home.dir().join("2026-03-01.000.jsonl.torn");
    let last = whole[..whole.len() - 1].rfind('\n').unwrap() + 1;
    for cut in last..whole.len() {
        fs::write(&segment, &whole[..cut]).unwrap();
        let _ = fs::remove_file(&aside);
        let log = home.open();
        log.append(call("after")).unwrap();
        log.close().unwrap();
        let records = home.records();
        if cut == last {
            assert_eq!(ids(&records), ["a", "b", "after"]);
            assert_eq!(records.len(), 3);
            assert!(!aside.exists());
            continue;
        }
        assert_eq!(ids(&records), ["a", "b", "after"], "cut at {cut}");
        assert_eq!(records[2].kind, Kind::Torn);
        let detail = records[2].detail.as_deref().unwrap();
        assert!(detail.starts_with(&format!("{} bytes ", cut - last)), "{detail}");
        assert_eq!(fs::read_to_string(&aside).unwrap(), format!("{}\n", &whole[last..cut]));
    }
}

#[test]
fn a_torn_line_before_an_empty_segment_is_set_aside_too() {
    let home = Home::new();
    let log = home.open();
    log.append(call("a")).unwrap();
    log.close().unwrap();
    let segment = home.dir().join("2026-03-01.000.jsonl");
    fs::write(&segment, format!("{}{{\"half", home.text())).unwrap();
    fs::write(home.dir().join("2026-03-02.000.jsonl"), "").unwrap();
    home.now.store(LATE + 60_000, Ordering::SeqCst);
    home.open().append(call("b")).unwrap();
    let kinds: Vec<_> = home.records().iter().map(|record| record.kind).collect();
    assert_eq!(kinds, [Kind::Call, Kind::Torn, Kind::Call]);
}

#[test]
fn damage_before_the_end_is_refused_with_file_and_line() {
    let home = Home::new();
    let log = home.open();
    for id in ["a", "b", "c", "d"] {
        log.append(call(id)).unwrap();
    }
    log.close().unwrap();
    let segment = home.dir().join("2026-03-01.000.jsonl");
    let whole = home.text();
    let lines: Vec<_> = whole.lines().collect();
    let check = |text: String, line: u64, why: &str| {
        fs::write(&segment, &text).unwrap();
        let error = Log::open(&home.dir(), home.options()).unwrap_err();
        let OpenError::Damaged { file, line: found, .. } = &error else { panic!("{error}") };
        assert_eq!((file, *found), (&segment, line), "{error}");
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(fs::read_to_string(&segment).unwrap(), text, "it must stay as evidence");
    };
    let join = |lines: &[&str]| lines.join("\n") + "\n";
    check(join(&[lines[0], "garbage", lines[2], lines[3]]), 2, "not an audit record");
    check(join(&[lines[0], "", lines[2], lines[3]]), 2, "not an audit record");
    check(join(&[lines[0], lines[2], lines[3]]), 2, "seq 2 stands where seq 1 belongs");
    check(join(&[lines[0], lines[2], lines[1], lines[3]]), 2, "seq 2 stands where seq 1 belongs");
    check(join(&[lines[0], lines[1], lines[1], lines[2]]), 3, "seq 1 stands where seq 2 belongs");
    check(whole.replace("\"seq\":1,", "\"seq\":10,"), 2, "seq 10 stands where seq 1 belongs");
    check(whole.replace("\"v\":1,", "\"v\":2,"), 1, "version 2, and this program knows only version 1");
    check(join(&lines).replacen("\"kind\":\"call\"", "\"kind\":\"cull\"", 3), 1, "not an audit record");
    fs::write(&segment, &whole).unwrap();
    home.open();
}

#[test]
fn damage_at_the_seams_of_segments_is_refused() {
    let home = Home::new();
    let options = || Options { rotate_bytes: 1, ..home.options() };
    let log = Log::open(&home.dir(), options()).unwrap();
    for id in ["a", "b", "c", "d"] {
        log.append(call(id)).unwrap();
    }
    log.close().unwrap();
    let second = home.dir().join("2026-03-01.001.jsonl");
    let kept = fs::read_to_string(&second).unwrap();
    let refused = || {
        let error = Log::open(&home.dir(), options()).unwrap_err().to_string();
        assert!(error.contains("damaged"), "{error}");
        error
    };
    fs::remove_file(&second).unwrap();
    assert!(refused().contains("2026-03-01.002.jsonl, line 1: seq 2 stands where seq 1 belongs"));
    fs::write(&second, kept.trim_end()).unwrap();
    assert!(refused().contains("2026-03-01.001.jsonl, line 1: the line is cut, and later segments follow"));
    fs::write(&second, format!("{kept}{{\"half")).unwrap();
    assert!(refused().contains("2026-03-01.001.jsonl, line 2: the line is cut"));
    fs::write(&second, format!("{kept}{kept}")).unwrap();
    assert!(refused().contains("2026-03-01.001.jsonl, line"));
    fs::write(&second, &kept).unwrap();
    // Pruning takes whole segments from the old end; that is no damage.
    fs::remove_file(home.dir().join("2026-03-01.000.jsonl")).unwrap();
    Log::open(&home.dir(), options()).unwrap().append(call("e")).unwrap();
    assert_eq!(ids(&home.records()), ["b", "c", "d", "e"]);
}

#[test]
fn a_segment_ends_at_midnight_and_the_next_begins_at_zero() {
    let home = Home::new();
    let log = home.open();
    log.append(call("a")).unwrap();
    home.now.store(LATE + 999, Ordering::SeqCst);
    log.append(call("b")).unwrap();
    home.now.store(LATE + 1000, Ordering::SeqCst);
    log.append(call("c")).unwrap();
    // A clock that is set back stays where the log is: its order is that of the names.
    home.now.store(LATE - 86_400_000, Ordering::SeqCst);
    log.append(call("d")).unwrap();
    assert_eq!(home.segments(), ["2026-03-01.000.jsonl", "2026-03-02.000.jsonl"]);
    let records = home.records();
    assert_eq!(ids(&records), ["a", "b", "c", "d"]);
    assert_eq!(records[3].time, "2026-02-28T23:59:59.000Z");
    log.close().unwrap();
    home.open().append(call("e")).unwrap();
    assert_eq!(home.segments().len(), 2);
}

#[test]
fn a_segment_ends_at_its_size_and_opening_goes_on_with_the_newest() {
    let home = Home::new();
    let line = {
        let mut line = Vec::new();
        Record { time: format_time(LATE), v: 1, ..call("0") }.write_line(&mut line);
        line.len() as u64
    };
    let options = || Options { rotate_bytes: 2 * line, ..home.options() };
    for round in 0..3 {
        let log = Log::open(&home.dir(), options()).unwrap();
        for id in 0..3 {
            log.append(call(&((round * 3 + id) % 10).to_string())).unwrap();
        }
    }
    let expected: Vec<_> = (0..5).map(|number| format!("2026-03-01.{number:03}.jsonl")).collect();
    assert_eq!(home.segments(), expected);
    assert_eq!(home.records().len(), 9);
    for segment in &expected {
        assert!(fs::metadata(home.dir().join(segment)).unwrap().len() <= 2 * line);
    }
}

#[cfg(unix)]
#[test]
fn a_log_whose_folder_cannot_be_used_fails_at_once_and_recovers_by_itself() {
    let home = Home::new();
    let log = home.open();
    log.append(call("a")).unwrap();
    fs::remove_dir_all(home.dir()).unwrap();
    fs::write(home.dir(), "in the way").unwrap();
    for id in ["lost", "lost too"] {
        let begun = Instant::now();
        let error = log.append(call(id)).unwrap_err();
        assert!(begun.elapsed() < Duration::from_secs(1));
        assert!(error.to_string().contains("free space or fix the folder"), "{error}");
    }
    let Health::Failing { since, error } = log.health() else { panic!("{:?}", log.health()) };
    assert_eq!(since, "2026-03-01T23:59:59.000Z");
    assert!(!error.is_empty());
    // Nobody appends: the log notices by itself that the folder is free again.
    fs::remove_file(home.dir()).unwrap();
    assert!(eventually(|| log.health() == Health::Healthy));
    log.append(call("b")).unwrap();
    let records = home.records();
    assert_eq!(records.iter().map(|record| record.kind).collect::<Vec<_>>(), [Kind::Gap, Kind::Call]);
    // The first record is gone with its folder; its number is not used again.
    assert_eq!((records[0].seq, records[1].seq), (1, 2));
    let detail = records[0].detail.as_deref().unwrap();
    assert!(detail.starts_with("2 records lost since 2026-03-01T23:59:59.000Z: "), "{detail}");
    // The lock went with the folder, and was taken anew.
    assert!(matches!(Log::open(&home.dir(), home.options()), Err(OpenError::Locked { .. })));
}

#[cfg(unix)]
#[test]
fn a_removed_segment_is_noticed_by_the_next_append_which_is_kept() {
    let home = Home::new();
    let log = home.open();
    log.append(call("a")).unwrap();
    fs::remove_dir_all(home.dir()).unwrap();
    assert_eq!(log.append(call("b")), Ok(2));
    let records = home.records();
    assert_eq!(records[0].kind, Kind::Gap);
    let detail = records[0].detail.as_deref().unwrap();
    assert!(detail.contains("0 records lost") && detail.contains("removed or moved away"), "{detail}");
    assert_eq!(ids(&records), ["b"]);
}

#[cfg(unix)]
#[test]
fn a_moved_folder_is_noticed_within_the_next_flush() {
    let home = Home::new();
    let log = home.open();
    log.append(call("a")).unwrap();
    let elsewhere = home.home.path().join("elsewhere");
    fs::rename(home.dir(), &elsewhere).unwrap();
    log.append(call("b")).unwrap();
    assert!(eventually(|| home.dir().is_dir() && !home.records().is_empty()));
    log.append(call("c")).unwrap();
    assert_eq!(ids(&home.records()), ["c"]);
    let moved: Vec<_> = read_all(&elsewhere).unwrap().map(|entry| entry.unwrap().record).collect();
    assert_eq!(ids(&moved), ["a", "b"]);
}

#[test]
fn eight_threads_get_dense_numbers_and_whole_lines() {
    let home = Home::new();
    let log = Log::open(&home.dir(), Options { rotate_bytes: 1 << 20, ..home.options() }).unwrap();
    let mut told = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let log = &log;
                scope.spawn(move || {
                    let told =
                        |n| (log.append(call(&format!("{thread}-{n}"))).unwrap(), format!("{thread}-{n}"));
                    (0..1000).map(told).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    told.sort();
    let found: Vec<_> =
        home.records().into_iter().map(|record| (record.seq, record.request_id.unwrap())).collect();
    assert_eq!(found, told);
    assert_eq!(found.last().unwrap().0, 7999);
    assert!(home.segments().len() > 1);
}

#[test]
fn waiting_for_the_disk_ends_for_all_who_wait() {
    let home = Home::new();
    let log = Log::open(&home.dir(), Options { durability: Durability::Sync, ..home.options() }).unwrap();
    assert_eq!(log.durability(), Durability::Sync);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let seq = log.write(call("a")).unwrap();
                    log.wait_durable(seq).unwrap();
                }
            });
        }
    });
    assert_eq!(home.records().len(), 160);
}
