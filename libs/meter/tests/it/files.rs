//! Files that are missing, foreign, newer, damaged, taken or out of reach.

use std::error::Error;
use std::fs;
use std::path::Path;

use rusqlite::Connection;
use zos_meter::{Ledger, LedgerError, Limit, SqliteLedger};

use crate::house::{House, ask, history, spend, standing, today};

fn refusal(path: &Path) -> LedgerError {
    SqliteLedger::open(path).expect_err("this file must be refused")
}

fn with_sqlite(house: &House, sql: &str) {
    fs::create_dir_all(house.file().parent().unwrap()).unwrap();
    Connection::open(house.file()).unwrap().execute_batch(sql).unwrap();
}

#[tokio::test]
async fn a_missing_file_and_folder_are_made_for_the_owner_alone() {
    let house = House::new();
    assert_eq!(standing(&house.open()).await, (0, 0));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(house.file()).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn an_empty_file_becomes_a_ledger() {
    let house = House::new();
    fs::create_dir_all(house.file().parent().unwrap()).unwrap();
    fs::write(house.file(), b"").unwrap();
    drop(house.open());
    drop(house.open());
}

#[test]
fn what_is_no_ledger_is_refused_and_left_as_it_is() {
    let text = b"dear diary, this is no database at all, and it is long enough to look at".repeat(20);
    let house = House::new();
    fs::create_dir_all(house.file().parent().unwrap()).unwrap();
    fs::write(house.file(), &text).unwrap();
    let error = refusal(&house.file());
    assert!(matches!(error, LedgerError::NotALedger { .. }), "{error:?}");
    assert!(error.to_string().contains("usage.db is not a usage ledger"), "{error}");
    assert_eq!(fs::read(house.file()).unwrap(), text);

    let house = House::new();
    with_sqlite(&house, "CREATE TABLE recipes (name TEXT)");
    let before = fs::read(house.file()).unwrap();
    assert!(matches!(refusal(&house.file()), LedgerError::NotALedger { .. }));
    assert_eq!(fs::read(house.file()).unwrap(), before);
}

#[test]
fn a_newer_format_is_refused_not_guessed_at() {
    let house = House::new();
    drop(house.open());
    with_sqlite(&house, "PRAGMA user_version = 3");
    let error = refusal(&house.file());
    assert!(matches!(error, LedgerError::NewerFormat { found: 3, known: 2, .. }), "{error:?}");
    assert!(error.to_string().contains("has format 3, this program knows formats up to 2"), "{error}");
}

#[tokio::test]
async fn every_damaged_page_is_an_error_and_no_panic() {
    let house = House::new();
    let ledger = house.open();
    for n in 0..200 {
        let id = n.to_string();
        ledger.reserve(ask(&id, 10, Some(1_000_000))).await.unwrap();
        ledger.settle(&id, spend(10)).await.unwrap();
    }
    drop(ledger);
    let sound = fs::read(house.file()).unwrap();
    let mut errors = 0;
    for page in 0..sound.len() / 4096 {
        let mut damaged = sound.clone();
        damaged[page * 4096..(page + 1) * 4096].fill(0xA5);
        fs::write(house.file(), &damaged).unwrap();
        let ledger = match SqliteLedger::open(&house.file()) {
            Ok(ledger) => ledger,
            Err(error) => {
                assert!(
                    matches!(error, LedgerError::Damaged { .. } | LedgerError::NotALedger { .. }),
                    "{error:?}"
                );
                errors += 1;
                continue;
            }
        };
        let id = format!("after {page}");
        let reserved = ledger.reserve(ask(&id, 10, Some(1_000_000))).await;
        let settled = ledger.settle(&id, spend(10)).await;
        errors += usize::from(reserved.is_err() || settled.is_err());
    }
    assert!(errors >= 4, "{errors}: the header and the tables in use are noticed");
    fs::write(house.file(), &sound).unwrap();
    assert_eq!(standing(&house.open()).await, (2_000, 0));
}

#[test]
fn a_second_holder_is_refused_by_the_name_of_the_lock() {
    let house = House::new();
    let first = house.open();
    let error = refusal(&house.file());
    assert!(matches!(error, LedgerError::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains("usage.db.lock is in use by another program"), "{error}");
    drop(first);
    drop(house.open());
}

#[test]
fn out_of_reach_is_said_with_the_path_and_the_reason() {
    let house = House::new();
    // A folder where the file should be, and a file where the folder should be.
    fs::create_dir_all(house.file()).unwrap();
    let below_a_file = house.file().with_file_name("note.txt").join("usage.db");
    fs::write(house.file().with_file_name("note.txt"), b"note").unwrap();
    for path in [house.file(), below_a_file] {
        let error = refusal(&path);
        assert!(matches!(error, LedgerError::Open { .. }), "{error:?}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        assert!(error.source().is_some());
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_written_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::new();
    drop(house.open());
    fs::set_permissions(house.file(), fs::Permissions::from_mode(0o400)).unwrap();
    // Whoever may write in spite of the rights (root) has a ledger that works.
    let may_write = fs::OpenOptions::new().append(true).open(house.file()).is_ok();
    let opened = SqliteLedger::open(&house.file());
    assert_eq!(opened.is_ok(), may_write, "{opened:?}");
    if let Err(error) = opened {
        assert!(matches!(error, LedgerError::Open { .. }), "{error:?}");
    }
}

/// As the version before this one wrote it.
const FORMAT_1: &str = "
PRAGMA journal_mode = WAL;
CREATE TABLE budget (
    context TEXT NOT NULL, day TEXT NOT NULL, used INTEGER NOT NULL, reserved INTEGER NOT NULL,
    PRIMARY KEY (context, day)
) STRICT, WITHOUT ROWID;
CREATE TABLE reservation (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, context TEXT NOT NULL, day TEXT NOT NULL,
    tokens INTEGER NOT NULL, day_limit INTEGER, closed_ms INTEGER
) STRICT;
CREATE TABLE usage (
    day TEXT NOT NULL, context TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL, client TEXT NOT NULL,
    calls INTEGER NOT NULL DEFAULT 0, estimated_calls INTEGER NOT NULL DEFAULT 0,
    input INTEGER NOT NULL DEFAULT 0, output INTEGER NOT NULL DEFAULT 0,
    cache_read INTEGER NOT NULL DEFAULT 0, cache_write INTEGER NOT NULL DEFAULT 0,
    reasoning INTEGER NOT NULL DEFAULT 0, expired INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (day, context, model, provider, client)
) STRICT, WITHOUT ROWID;
INSERT INTO budget VALUES ('acme', '2026-11-01', 500, 0), ('acme', '2026-11-22', 70, 30), ('acme', '2026-10-31', 9, 0);
INSERT INTO usage (day, context, model, provider, client, calls, input)
    VALUES ('2026-11-01', 'acme', 'm', 'p', 'c', 5, 500), ('2026-11-22', 'acme', 'm', 'p', 'c', 2, 70);
INSERT INTO reservation VALUES (1, 'held', 'acme', '2026-11-22', 30, 1000, NULL), (2, 'done', 'acme', '2026-11-22', 9, NULL, 1795305600001);
PRAGMA application_id = 0x7a4f536d;
PRAGMA user_version = 1;";

#[tokio::test]
async fn a_ledger_of_the_format_before_goes_on_with_all_it_held() {
    let house = House::new();
    with_sqlite(&house, FORMAT_1);
    let ledger = house.open();
    let balance = ledger.balance("acme", today(), &[Limit::monthly_micros(5)]).await.unwrap();
    assert_eq!((balance.today.used, balance.today.reserved, balance.today.unpriced), (100, 0, 3));
    assert_eq!((balance.month.used, balance.month.used_micros, balance.month.unpriced), (600, 0, 8));
    assert_eq!(balance.limits[0].remaining(), 5);
    let october = ledger.balance("acme", "2026-10-31".parse().unwrap(), &[]).await.unwrap();
    assert_eq!((october.today.used, october.month.used), (9, 9));
    // The closed id is still known, with its limit; the held one expired with the process that held it.
    let again = ledger.settle("held", spend(1)).await.unwrap();
    assert_eq!((again.limit(), again.remaining()), (Some(1000), Some(900)));
    assert!(ledger.settle("done", spend(1)).await.is_ok());
    let rows = history(&ledger).await;
    assert_eq!(
        rows.iter().map(|row| (row.calls, row.unpriced_calls, row.expired)).collect::<Vec<_>>(),
        [(5, 5, 0), (1, 1, 30), (2, 2, 0)]
    );
    drop(ledger);
    drop(house.open());
}
