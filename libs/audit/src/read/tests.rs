use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;

use super::*;
use crate::{Log, Options, read_all};

const HOUR: u64 = 3_600_000;
const BEGIN: u64 = 1_772_409_599_000;

fn name(options: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    proptest::option::of(proptest::sample::select(options).prop_map(str::to_owned))
}

fn verdict() -> impl Strategy<Value = Option<Verdict>> {
    proptest::option::of(proptest::sample::select(&[Verdict::Allow, Verdict::Warn, Verdict::Deny][..]))
}

fn kind() -> impl Strategy<Value = Kind> {
    proptest::sample::select(&[Kind::Call, Kind::Call, Kind::Decision, Kind::Start][..])
}

prop_compose! {
    fn record()(
        context in name(&["acme", "home"]),
        client in name(&["zed", "codex"]),
        rule in name(&["falcon", "secrets/aws"]),
        verdict in verdict(),
        kind in kind(),
    ) -> Record {
        Record { context, client, rules: rule.into_iter().collect(), verdict, kind, ..Record::default() }
    }
}

prop_compose! {
    fn filter()(
        context in name(&["acme", "nowhere"]),
        client in name(&["zed"]),
        rule in name(&["falcon"]),
        verdict in verdict(),
        kind in proptest::option::of(kind()),
        since in proptest::option::of((0..60_u64).prop_map(|hours| BEGIN + hours * HOUR)),
    ) -> Filter {
        Filter { context, client, rule, verdict, kind, since }
    }
}

/// A log of these records, each some hours after the one before.
fn write(records: &[(Record, u64)], rotate_bytes: u64) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let now = Arc::new(AtomicU64::new(BEGIN));
    let told = Arc::clone(&now);
    let clock: crate::Clock = Arc::new(move || told.load(Ordering::SeqCst));
    let log =
        Log::open(&home.path().join("audit"), Options { rotate_bytes, clock, ..Options::default() }).unwrap();
    for (record, hours) in records {
        now.fetch_add(hours * HOUR, Ordering::SeqCst);
        log.append(record.clone()).unwrap();
    }
    home
}

/// All pages one after another; each as short as it was asked for.
fn pages(dir: &Path, filter: &Filter, limit: usize, scan_bytes: u64) -> Vec<Record> {
    let mut found = Vec::new();
    let mut cursor = None;
    loop {
        let part = page(dir, filter, cursor, limit, scan_bytes).unwrap();
        assert!(part.records.len() <= limit);
        found.extend(part.records);
        // A cursor survives its way through an address.
        cursor = part.next.map(|next| next.to_string().parse().unwrap());
        if cursor.is_none() {
            return found;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn pages_are_what_a_naive_reader_finds(
        records in proptest::collection::vec((record(), 0..9_u64), 0..24),
        filter in filter(),
        limit in 1..8_usize,
        rotate_bytes in prop_oneof![Just(1_u64), 500..3000_u64, Just(1 << 26)],
        scan_bytes in prop_oneof![Just(1_u64), Just(1 << 26)],
    ) {
        let home = write(&records, rotate_bytes);
        let dir = home.path().join("audit");
        let mut expected: Vec<_> = read_all(&dir).unwrap()
            .map(|entry| entry.unwrap().record)
            .filter(|record| {
                let Filter { context, verdict, rule, client, since, kind } = &filter;
                (context.is_none() || *context == record.context)
                    && (verdict.is_none() || *verdict == record.verdict)
                    && (client.is_none() || *client == record.client)
                    && (kind.is_none() || *kind == Some(record.kind))
                    && rule.iter().all(|rule| record.rules.iter().any(|found| found == rule))
                    && since.is_none_or(|since| record.time.as_str() >= format_time(since).as_str())
            })
            .collect();
        expected.reverse();
        prop_assert_eq!(pages(&dir, &filter, limit, scan_bytes), expected);
    }
}

#[test]
fn new_records_do_not_move_a_cursor() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("audit");
    let log = Log::open(&dir, Options { rotate_bytes: 900, ..Options::default() }).unwrap();
    let append = |count: u64| {
        for _ in 0..count {
            log.append(Record::default()).unwrap();
        }
    };
    append(5);
    let first = recent(&dir, &Filter::default(), None, 2).unwrap();
    append(5);
    let second = recent(&dir, &Filter::default(), first.next, 2).unwrap();
    let seqs = |page: &[Record]| page.iter().map(|record| record.seq).collect::<Vec<_>>();
    assert_eq!(seqs(&first.records), [4, 3]);
    assert_eq!(seqs(&second.records), [2, 1]);
    let last = recent(&dir, &Filter::default(), second.next, 2).unwrap();
    assert_eq!((seqs(&last.records), last.next), (vec![0], None));
}

#[test]
fn a_line_that_is_being_written_is_not_read_yet() {
    let home = write(&[(Record::default(), 0)], 1 << 20);
    let dir = home.path().join("audit");
    let segment = dir.join("2026-03-01.000.jsonl");
    let whole = std::fs::read_to_string(&segment).unwrap();
    std::fs::write(&segment, format!("{whole}{}", &whole[..40])).unwrap();
    assert_eq!(recent(&dir, &Filter::default(), None, 9).unwrap().records.len(), 1);
    let mut lines = read_all(&dir).unwrap();
    assert!(lines.next().unwrap().is_ok());
    assert!(lines.next().is_none());
    // The rest of it comes, and then one more.
    let second = whole.replace("\"seq\":0,", "\"seq\":1,");
    std::fs::write(&segment, format!("{whole}{second}")).unwrap();
    assert_eq!(lines.next().unwrap().unwrap().record.seq, 1);
    let third = whole.replace("\"seq\":0,", "\"seq\":2,");
    std::fs::write(dir.join("2026-03-02.000.jsonl"), third).unwrap();
    assert_eq!(
        lines.next().unwrap().unwrap().line,
        whole.replace("\"seq\":0,", "\"seq\":2,").trim_end().as_bytes()
    );
    assert!(lines.next().is_none());
}

#[test]
fn what_cannot_be_read_is_told_in_words() {
    let home = tempfile::tempdir().unwrap();
    let missing = recent(&home.path().join("nowhere"), &Filter::default(), None, 9).unwrap_err();
    assert!(missing.to_string().contains("there is no audit log at"), "{missing}");
    let home = write(&[(Record::default(), 0), (Record::default(), 0)], 1 << 20);
    let dir = home.path().join("audit");
    let segment = dir.join("2026-03-01.000.jsonl");
    let whole = std::fs::read_to_string(&segment).unwrap();
    std::fs::write(&segment, format!("garbage\n{whole}")).unwrap();
    let damaged = recent(&dir, &Filter::default(), None, 9).unwrap_err();
    assert!(
        damaged.to_string().contains("2026-03-01.000.jsonl, byte 0: it is not an audit record"),
        "{damaged}"
    );
    let mut lines = read_all(&dir).unwrap();
    assert!(lines.next().unwrap().is_err());
    assert!(lines.next().is_none(), "an error is given once");
    std::fs::write(&segment, format!("{whole}{whole}")).unwrap();
    let gap = read_all(&dir).unwrap().find_map(Result::err).unwrap();
    assert!(gap.to_string().contains("seq 0 stands where seq 2 belongs"), "{gap}");
}

#[test]
fn a_text_that_is_no_cursor_is_refused() {
    let cursor: Cursor = "2026-03-01.000.12".parse().unwrap();
    assert_eq!(serde_json::to_value(&cursor).unwrap(), "2026-03-01.000.12");
    for text in ["", "12", "2026-03-01.000", "2026-03-01.000.x", "../../etc.000.1", "2026-03-01.0.1"] {
        assert_eq!(text.parse::<Cursor>(), Err(BadCursor), "{text}");
    }
}
