//! Several processes on one file, and processes that die.
//!
//! A child is this test program again, told its part by the environment.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use zos_meter::{Ledger, LedgerError, ReserveError, SqliteLedger, SqliteOptions, Trouble};

use crate::house::{House, ask, history, options, spend, standing};

const PART: &str = "ZOS_METER_TEST_PART";
const FILE: &str = "ZOS_METER_TEST_FILE";
const LIMIT: Option<u64> = Some(5_000);

/// In a child, plays its part; without one there is nothing to play.
#[tokio::test]
async fn a_child_plays_its_part() {
    let Ok(part) = std::env::var(PART) else { return };
    let file = PathBuf::from(std::env::var_os(FILE).unwrap());
    match part.split_once(' ').unwrap() {
        ("race", name) => race(&file, name).await,
        ("hold", _) => hold(&file).await,
        ("work", name) => work(&file, name).await,
        ("fill", _) => fill(&file).await,
        other => panic!("no such part: {other:?}"),
    }
}

fn play(command: &mut Command, house: &House, part: &str) -> Child {
    command.env(PART, part).env(FILE, house.file()).stdout(std::process::Stdio::null()).spawn().unwrap()
}

fn this_program() -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "processes::a_child_plays_its_part"]);
    command
}

/// A note from a child to its parent, one line at a time.
fn tell(file: &Path, what: &str, line: &str) {
    let mut notes = OpenOptions::new().create(true).append(true).open(file.with_extension(what)).unwrap();
    notes.write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// All whole lines of a note; a killed child may have left half a line.
fn told(file: &Path, what: &str) -> Vec<String> {
    let text = fs::read_to_string(file.with_extension(what)).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(str::to_owned).collect()
}

fn wait_until_told(child: &mut Child, file: &Path, what: &str, lines: usize) {
    while told(file, what).len() < lines {
        assert!(child.try_wait().unwrap().is_none(), "the child died before it told \"{what}\"");
        std::thread::yield_now();
    }
}

fn shared() -> SqliteOptions {
    SqliteOptions { exclusive: false, busy_timeout: Duration::from_secs(60), ..options() }
}

async fn race(file: &Path, name: &str) {
    let ledger = SqliteLedger::open_with(file, shared()).unwrap();
    let mut granted = 0;
    for n in 0..200 {
        let id = format!("{name}/{n}");
        match ledger.reserve(ask(&id, 7, LIMIT)).await {
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
    tell(file, "granted", &granted.to_string());
}

#[tokio::test]
async fn eight_processes_are_granted_exactly_what_fits() {
    let house = House::new();
    fs::create_dir_all(house.file().parent().unwrap()).unwrap();
    let children: Vec<Child> =
        (0..8).map(|n| play(&mut this_program(), &house, &format!("race {n}"))).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let granted: u64 = told(&house.file(), "granted").iter().map(|line| line.parse::<u64>().unwrap()).sum();
    assert_eq!(granted, 5_000 / 7);
    // All are gone, so what they left held is spent.
    let ledger = house.open();
    assert_eq!(standing(&ledger).await, (granted * 7, 0));
    assert_eq!(history(&ledger).await.iter().map(|row| row.calls).sum::<u64>(), granted);
}

#[tokio::test]
async fn a_shared_file_keeps_what_a_living_neighbour_holds() {
    let house = House::new();
    let first = SqliteLedger::open_with(&house.file(), shared()).unwrap();
    first.reserve(ask("a", 10, LIMIT)).await.unwrap();
    let second = SqliteLedger::open_with(&house.file(), shared()).unwrap();
    assert_eq!(standing(&second).await, (0, 10));
    assert!(matches!(SqliteLedger::open(&house.file()), Err(LedgerError::InUse { .. })));
    first.settle("a", spend(4)).await.unwrap();
    assert_eq!(standing(&second).await, (4, 0));
}

async fn hold(file: &Path) {
    let ledger = SqliteLedger::open_with(file, options()).unwrap();
    ledger.reserve(ask("settled", 500, LIMIT)).await.unwrap();
    ledger.settle("settled", spend(30)).await.unwrap();
    ledger.reserve(ask("held", 100, LIMIT)).await.unwrap();
    ledger.reserve(ask("unlimited", 7, None)).await.unwrap();
    ledger.flush().await.unwrap();
    tell(file, "ready", "now");
    std::thread::park();
}

#[tokio::test]
async fn what_a_killed_process_held_counts_as_spent() {
    let house = House::new();
    let mut child = play(&mut this_program(), &house, "hold -");
    wait_until_told(&mut child, &house.file(), "ready", 1);
    assert!(matches!(SqliteLedger::open(&house.file()), Err(LedgerError::InUse { .. })), "it is alive");
    child.kill().unwrap();
    child.wait().unwrap();

    let ledger = house.open();
    assert_eq!(standing(&ledger).await, (137, 0));
    let rows = history(&ledger).await;
    let expired: Vec<_> = rows.iter().filter(|row| row.expired > 0).collect();
    assert_eq!(
        (expired.len(), expired[0].expired, expired[0].calls, expired[0].estimated_calls),
        (1, 107, 2, 2)
    );
    assert_eq!(expired[0].model, "");
    // Too late: it is spent already, and not twice.
    assert_eq!(ledger.settle("held", spend(50)).await.unwrap().today.used, 137);
}

/// Calls until killed, and tells of each settlement that was acknowledged.
async fn work(file: &Path, name: &str) {
    let ledger = SqliteLedger::open_with(file, options()).unwrap();
    for n in 0.. {
        let id = format!("{name}/{n}");
        ledger.reserve(ask(&id, 50, Some(1_000_000))).await.unwrap();
        ledger.settle(&id, spend(11)).await.unwrap();
        tell(file, "settled", &id);
    }
}

#[tokio::test]
async fn processes_killed_at_any_point_lose_no_acknowledged_settlement() {
    let house = House::new();
    for round in 0..200 {
        let before = told(&house.file(), "settled").len();
        let mut child = play(&mut this_program(), &house, &format!("work {round}"));
        wait_until_told(&mut child, &house.file(), "settled", before + 1 + round % 7);
        child.kill().unwrap();
        child.wait().unwrap();

        let acknowledged = u64::try_from(told(&house.file(), "settled").len()).unwrap();
        let ledger = house.open();
        let rows = history(&ledger).await;
        let settled: u64 = rows.iter().map(|row| row.usage.total()).sum();
        let expired: u64 = rows.iter().map(|row| row.expired).sum();
        let rounds = u64::try_from(round).unwrap() + 1;
        // At most one call a round was settled without having been told, at most one was held.
        assert!((acknowledged..=acknowledged + rounds).contains(&(settled / 11)), "{settled} {acknowledged}");
        assert!(expired <= rounds * 50, "{expired}");
        assert_eq!(standing(&ledger).await, (settled + expired, 0));
    }
}

/// Runs into the end of its disk, waits for room, and fixes its books.
async fn fill(file: &Path) {
    let ledger = SqliteLedger::open_with(file, options()).unwrap();
    ledger.reserve(ask("first", 50, None)).await.unwrap();
    // A reader keeps SQLite from making room by itself when the writer connects anew.
    assert_eq!(standing(&ledger).await, (0, 50));
    let mut granted = 0;
    let error = loop {
        match ledger.reserve(ask(&format!("{granted}/{}", "x".repeat(200)), 1, Some(1_000_000))).await {
            Ok(_) => granted += 1,
            Err(error) => break error,
        }
    };
    let full = matches!(
        error,
        ReserveError::Ledger(LedgerError::Storage { trouble: Trouble::Full | Trouble::Io, .. })
    );
    assert!(full, "{error:?}");
    assert!(ledger.settle("first", spend(20)).await.is_err());
    tell(file, "full", &granted.to_string());
    while ledger.flush().await.is_err() {
        std::thread::yield_now();
    }
    assert!(ledger.reserve(ask("again", 1, Some(1_000_000))).await.is_ok());
    ledger.release("again").await.unwrap();
    tell(file, "fixed", "now");
    std::thread::park();
}

/// The largest file the child may write stands in for a full disk.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_is_told_and_survived() {
    let house = House::new();
    let program = std::env::current_exe().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -S -f 400; exec \"$@\"", "sh"]).arg(program);
    shell.args(["--exact", "processes::a_child_plays_its_part"]);
    let mut child = play(&mut shell, &house, "fill -");
    wait_until_told(&mut child, &house.file(), "full", 1);
    let pid = child.id().to_string();
    let room = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited:unlimited"]).status().unwrap();
    assert!(room.success());
    wait_until_told(&mut child, &house.file(), "fixed", 1);
    child.kill().unwrap();
    child.wait().unwrap();
    let granted: u64 = told(&house.file(), "full")[0].parse().unwrap();
    assert_eq!(standing(&house.open()).await, (20 + granted, 0));
}
