//! Files that are missing, foreign, newer, damaged, taken or out of reach.

use std::error::Error;
use std::fs;
use std::path::Path;

use rusqlite::Connection;
use zos_meter::{Ledger, LedgerError, SqliteLedger};

use crate::house::{House, ask, spend, standing};

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
    with_sqlite(&house, "PRAGMA user_version = 2");
    let error = refusal(&house.file());
    assert!(matches!(error, LedgerError::NewerFormat { found: 2, known: 1, .. }), "{error:?}");
    assert!(error.to_string().contains("has format 2, this program knows formats up to 1"), "{error}");
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
