//! The ledger in PostgreSQL, where it differs: leases, several processes, a server that goes away. Without a server
//! (`ZOS_METER_POSTGRES`) there is nothing to look at, and the tests say so.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use zos_meter::{Ledger, LedgerError, PostgresLedger, PostgresOptions, ReserveError};

use crate::house::{House, ask, history, spend, standing};

const PART: &str = "ZOS_METER_TEST_PG_PART";
const ADDRESS: &str = "ZOS_METER_TEST_PG_ADDRESS";

/// How many processes are killed.
const ROUNDS: u64 = 200;

/// A lease that a test can wait out.
const LEASE: Duration = Duration::from_millis(400);

/// The address of a schema of its own, which is made where it is missing.
pub(crate) fn address(schema: &str) -> Option<String> {
    let server = std::env::var("ZOS_METER_POSTGRES").ok()?;
    let separator = if server.contains('?') { '&' } else { '?' };
    let made = psql(&server, &format!("CREATE SCHEMA IF NOT EXISTS {schema}"));
    assert!(made, "the schema {schema} cannot be made");
    Some(format!("{server}{separator}options=-c%20search_path%3D{schema}"))
}

pub(crate) fn connect(address: &str) -> PostgresLedger {
    let options = PostgresOptions { lease: LEASE, connections: 4, patience: Duration::from_secs(30) };
    PostgresLedger::connect(address, options).unwrap()
}

/// Runs a statement as the owner of the server.
pub(crate) fn psql(server: &str, statement: &str) -> bool {
    let mut command = Command::new("psql");
    command.args(["-q", "-v", "ON_ERROR_STOP=1", "-c", statement, server]).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The address for a test, or `None` with a word about it.
fn server(house: &House) -> Option<String> {
    let address = address(&house.schema());
    if address.is_none() {
        eprintln!("skipped: no PostgreSQL in ZOS_METER_POSTGRES; use scripts/with-postgres");
    }
    address
}

/// In a child, plays its part; without one there is nothing to play.
#[tokio::test]
async fn a_child_plays_its_part() {
    let (Ok(part), Ok(address)) = (std::env::var(PART), std::env::var(ADDRESS)) else { return };
    let (part, rest) = part.split_once(' ').unwrap();
    let ledger = connect(&address);
    match part {
        "race" => {
            let mut granted = 0;
            for n in 0..200 {
                let id = format!("{rest}/{n}");
                match ledger.reserve(ask(&id, 7, Some(5_000))).await {
                    Ok(balance) => {
                        assert!(balance.today.used + balance.today.reserved <= 5_000);
                        granted += 1;
                        if n % 2 == 0 {
                            ledger.settle(&id, spend(7)).await.unwrap();
                        }
                    }
                    Err(ReserveError::Exhausted { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            fs::write(rest, granted.to_string()).unwrap();
            // What is left open expires with the lease, which is given back at the end.
        }
        "work" => {
            let mut lines = String::new();
            for n in 0.. {
                let id = format!("{rest}/{n}");
                ledger.reserve(ask(&id, 50, Some(1_000_000))).await.unwrap();
                ledger.settle(&id, spend(11)).await.unwrap();
                lines.push_str("settled\n");
                fs::write(rest, &lines).unwrap();
            }
        }
        other => panic!("no such part: {other}"),
    }
}

fn play(address: &str, part: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "postgres::a_child_plays_its_part"]);
    command.env(PART, part).env(ADDRESS, address).stdout(Stdio::null()).spawn().unwrap()
}

#[tokio::test]
async fn eight_processes_are_granted_exactly_what_fits() {
    let house = House::new();
    let Some(address) = server(&house) else { return };
    let notes = tempfile::tempdir().unwrap();
    let files: Vec<_> = (0..8).map(|n| notes.path().join(n.to_string())).collect();
    // One makes the tables; all find them.
    drop(connect(&address));
    let children: Vec<Child> =
        files.iter().map(|file| play(&address, &format!("race {}", file.display()))).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let granted: u64 =
        files.iter().map(|file| fs::read_to_string(file).unwrap().parse::<u64>().unwrap()).sum();
    assert_eq!(granted, 5_000 / 7);
    let ledger = connect(&address);
    assert_eq!(standing(&ledger).await, (granted * 7, 0));
    assert_eq!(history(&ledger).await.iter().map(|row| row.calls).sum::<u64>(), granted);
}

#[tokio::test]
async fn what_a_killed_process_held_is_spent_when_its_lease_ends_and_no_settled_call_is_lost() {
    let house = House::new();
    let Some(address) = server(&house) else { return };
    let notes = tempfile::tempdir().unwrap();
    let survivor = connect(&address);
    survivor.reserve(ask("mine", 500, Some(1_000_000))).await.unwrap();
    let mut acknowledged = 0;
    // As many as for the file; a child lives for some tens of milliseconds.
    for round in 0..ROUNDS {
        let file = notes.path().join(round.to_string());
        let mut child = play(&address, &format!("work {}", file.display()));
        let told = || fs::read_to_string(&file).unwrap_or_default().lines().count() as u64;
        while told() < 1 + round % 5 {
            assert!(child.try_wait().unwrap().is_none(), "the child died before it told");
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged += told();
    }
    // The survivor's renewals find the dead; what it holds itself stays held.
    let (used, _) = loop {
        let standing = standing(&survivor).await;
        if standing.1 == 500 {
            break standing;
        }
        tokio::time::sleep(LEASE / 4).await;
    };
    let rows = history(&survivor).await;
    let settled: u64 = rows.iter().map(|row| row.usage.total()).sum();
    let expired: u64 = rows.iter().map(|row| row.expired).sum();
    assert!((acknowledged..=acknowledged + ROUNDS).contains(&(settled / 11)), "{settled} {acknowledged}");
    assert!(expired <= ROUNDS * 50, "{expired}");
    assert_eq!(used, settled + expired);
    assert_eq!(survivor.settle("mine", spend(400)).await.unwrap().today.used, used + 400);
}

#[tokio::test]
async fn no_error_repeats_the_address_or_its_password() {
    for address in [
        "postgres://zos:hunter2@127.0.0.1:1/none",
        "postgres://zos:hunter2@[::",
        "mysql://zos:hunter2@localhost/none",
        "hunter2",
    ] {
        let options = PostgresOptions { patience: Duration::from_millis(500), ..PostgresOptions::default() };
        let error = PostgresLedger::connect(address, options).unwrap_err();
        assert!(matches!(error, LedgerError::Address | LedgerError::Connect { .. }), "{error:?}");
        let all = format!("{error} {error:?} {:?}", std::error::Error::source(&error));
        assert!(!all.contains("hunter2"), "{all}");
    }
}

#[tokio::test]
async fn while_the_tables_are_locked_limited_calls_are_refused_and_settlements_are_owed() {
    let house = House::new();
    let Some(address) = server(&house) else { return };
    let options = PostgresOptions {
        patience: Duration::from_millis(200),
        lease: Duration::from_secs(60),
        connections: 4,
    };
    let ledger = PostgresLedger::connect(&address, options).unwrap();
    ledger.reserve(ask("a", 10, Some(100))).await.unwrap();
    let blocked = Command::new("psql")
        .args(["-q", "-c", "BEGIN; LOCK TABLE zos_purse; SELECT pg_sleep(2); COMMIT", &address])
        .stdout(Stdio::null())
        .spawn();
    let mut blocked = blocked.unwrap();
    let refused = loop {
        match ledger.reserve(ask(&format!("b{}", std::process::id()), 1, Some(100))).await {
            Ok(balance) => drop((balance, ledger.release(&format!("b{}", std::process::id())).await)),
            Err(ReserveError::Ledger(LedgerError::DuplicateId)) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, ReserveError::Ledger(LedgerError::Storage { .. })), "{refused:?}");
    assert!(ledger.settle("a", spend(7)).await.is_err(), "not yet");
    assert!(ledger.flush().await.is_err());
    blocked.wait().unwrap();
    while ledger.flush().await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(standing(&ledger).await, (7, 0), "what was owed is booked, and nothing was granted meanwhile");
}
