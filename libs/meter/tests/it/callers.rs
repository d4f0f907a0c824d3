//! On whose thread commits are made, and what is kept off the callers.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use rusqlite::Connection;
use zos_meter::{Clock, Durability, Ledger, SqliteLedger, SqliteOptions};

use crate::house::{House, ask, spend, today};

/// The threads that commit: each asks the clock first.
type Seen = Arc<Mutex<HashSet<ThreadId>>>;

fn watched(house: &House, options: SqliteOptions) -> (SqliteLedger, Seen) {
    let seen = Seen::default();
    let noting = Arc::clone(&seen);
    let clock = Clock::new(move || {
        noting.lock().unwrap().insert(thread::current().id());
        today().start_ms() + 1
    });
    let ledger = SqliteLedger::open_with(&house.file(), SqliteOptions { clock, ..options }).unwrap();
    // Opening asks the clock too.
    seen.lock().unwrap().clear();
    (ledger, seen)
}

async fn call(ledger: &SqliteLedger, number: usize) {
    let id = format!("call {number}");
    ledger.reserve(ask(&id, 10, Some(1_000_000))).await.unwrap();
    ledger.settle(&id, spend(7)).await.unwrap();
}

fn commits_here(seen: &Seen) -> bool {
    seen.lock().unwrap().contains(&thread::current().id())
}

/// While the disk is slow the thread commits; sooner or later it is not.
async fn call_until_committed_here(ledger: &SqliteLedger, seen: &Seen) {
    let mut number = 0;
    while !commits_here(seen) {
        call(ledger, number).await;
        number += 1;
    }
}

#[tokio::test]
async fn a_lone_call_is_committed_where_it_comes_from() {
    let house = House::new();
    let (ledger, seen) = watched(&house, SqliteOptions::default());
    call_until_committed_here(&ledger, &seen).await;
}

#[tokio::test]
async fn refused_calls_are_not_taken_for_calls_under_way() {
    let house = House::new();
    let (ledger, seen) = watched(&house, SqliteOptions::default());
    for number in 0..100 {
        ledger.reserve(ask(&format!("refused {number}"), 10, Some(1))).await.unwrap_err();
    }
    seen.lock().unwrap().clear();
    call_until_committed_here(&ledger, &seen).await;
}

#[tokio::test]
async fn with_many_calls_under_way_commits_are_the_threads() {
    let house = House::new();
    let (ledger, seen) = watched(&house, SqliteOptions::default());
    for number in 0..3 {
        ledger.reserve(ask(&format!("open {number}"), 10, None)).await.unwrap();
    }
    ledger.flush().await.unwrap();
    seen.lock().unwrap().clear();
    for number in 0..100 {
        call(&ledger, number).await;
    }
    assert!(!commits_here(&seen));
}

#[tokio::test]
async fn no_caller_waits_for_the_disk_or_for_other_programs() {
    for options in [
        SqliteOptions { durability: Durability::Sync, ..SqliteOptions::default() },
        SqliteOptions { exclusive: false, ..SqliteOptions::default() },
    ] {
        let house = House::new();
        let (ledger, seen) = watched(&house, options);
        for number in 0..100 {
            call(&ledger, number).await;
        }
        assert!(!commits_here(&seen));
    }
}

#[tokio::test]
async fn a_caller_leaves_a_file_that_another_program_writes_to_to_the_thread() {
    let house = House::new();
    let options = SqliteOptions { busy_timeout: Duration::from_secs(600), ..SqliteOptions::default() };
    let (ledger, seen) = watched(&house, options);
    call_until_committed_here(&ledger, &seen).await;
    let other = Connection::open(house.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Asking comes back although nothing can be committed for ten minutes.
    let asked = ledger.reserve(ask("late", 10, Some(1_000_000)));
    other.execute_batch("COMMIT").unwrap();
    asked.await.unwrap();
}

#[tokio::test]
async fn the_log_of_sqlite_does_not_grow_without_bound() {
    let house = House::new();
    let (ledger, _) = watched(&house, SqliteOptions::default());
    for number in 0..3000 {
        call(&ledger, number).await;
    }
    ledger.flush().await.unwrap();
    let mut log = house.file().into_os_string();
    log.push("-wal");
    // Some 12 pages of 4 kB a call are 140 MB; a checkpoint comes after 1,000 pages, and some more calls.
    let bytes = std::fs::metadata(log).unwrap().len();
    assert!(bytes < 24 << 20, "{bytes} bytes");
}
