//! A store that fails for a while.

use rusqlite::Connection;
use zos_meter::{Ask, Ledger, LedgerError, ReserveError, Spend, Trouble};

use crate::house::{House, ask, history, spend, standing};

fn trouble(error: LedgerError) -> Trouble {
    match error {
        LedgerError::Storage { trouble, .. } => trouble,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn while_the_file_cannot_be_written_limited_calls_are_refused_and_nothing_else_is_lost() {
    let house = House::new();
    let ledger = house.open();
    for id in ["settled", "released"] {
        ledger.reserve(ask(id, 10, Some(100))).await.unwrap();
    }
    let other = Connection::open(house.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    match ledger.reserve(ask("refused", 10, Some(100))).await {
        Err(ReserveError::Ledger(error)) => assert_eq!(trouble(error), Trouble::Busy),
        other => panic!("{other:?}"),
    }
    assert!(ledger.reserve(ask("unlimited", 5, None)).await.is_ok(), "does not wait for the disk");
    assert_eq!(trouble(ledger.settle("settled", spend(7)).await.unwrap_err()), Trouble::Busy);
    assert_eq!(trouble(ledger.release("released").await.unwrap_err()), Trouble::Busy);
    assert_eq!(trouble(ledger.settle("unlimited", spend(3)).await.unwrap_err()), Trouble::Busy);
    assert_eq!(trouble(ledger.flush().await.unwrap_err()), Trouble::Busy);
    assert_eq!(standing(&ledger).await, (0, 20), "reading goes on");

    other.execute_batch("COMMIT").unwrap();
    ledger.flush().await.unwrap();
    assert_eq!(standing(&ledger).await, (10, 0));
    assert!(ledger.reserve(ask("refused", 10, Some(100))).await.is_ok(), "the id was not used up");
}

#[tokio::test]
async fn owed_work_is_tried_again_without_being_asked() {
    let house = House::new();
    let ledger = house.open();
    ledger.reserve(ask("a", 10, Some(100))).await.unwrap();
    let other = Connection::open(house.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(ledger.settle("a", spend(7)).await.is_err());
    other.execute_batch("COMMIT").unwrap();
    // Looked at from outside, so that nothing but the ledger's own patience makes it try.
    let used = || other.query_row("SELECT used FROM purse", [], |row| row.get::<_, i64>(0)).unwrap();
    while used() != 7 {
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_call_the_store_chokes_on_harms_no_other() {
    let house = House::new();
    let ledger = house.open();
    for id in ["a", "poison", "b"] {
        ledger.reserve(ask(id, 10, Some(100))).await.unwrap();
    }
    let other = Connection::open(house.file()).unwrap();
    other
        .execute_batch(
            "CREATE TRIGGER poison BEFORE INSERT ON usage WHEN NEW.model = 'poison'
             BEGIN SELECT RAISE(ABORT, 'no'); END;
             BEGIN IMMEDIATE;",
        )
        .unwrap();
    // Held back by the lock, the three are owed together and are tried in one transaction.
    let poison = Spend { model: "poison".to_owned(), ..spend(5) };
    let jobs = [ledger.settle("a", spend(1)), ledger.settle("poison", poison), ledger.settle("b", spend(2))];
    other.execute_batch("COMMIT").unwrap();
    let mut outcomes = Vec::new();
    for job in jobs {
        outcomes.push(job.await);
    }
    ledger.flush().await.unwrap();
    let [_, poisoned, _] = &outcomes[..] else { unreachable!("three jobs") };
    assert!(poisoned.is_err());
    assert_eq!(standing(&ledger).await, (3, 10), "what could not be booked stays held");
    assert!(ledger.reserve(ask("c", 10, Some(100))).await.is_ok());
    other.execute_batch("DROP TRIGGER poison").unwrap();
    drop(ledger);
    let ledger = house.open();
    assert_eq!(standing(&ledger).await, (23, 0), "and counts as spent at the next open");
    assert_eq!(history(&ledger).await.iter().map(|row| row.expired).sum::<u64>(), 20);
}

#[tokio::test]
async fn no_more_is_taken_in_than_can_be_kept() {
    let house = House::new();
    let ledger = house.open();
    let other = Connection::open(house.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut taken = Vec::new();
    let refused = loop {
        let ask = Ask { context: "room".to_owned(), ..ask(&taken.len().to_string(), 1, None) };
        match ledger.reserve(ask).await {
            Ok(_) => taken.push(()),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, ReserveError::Ledger(LedgerError::Overloaded)), "{refused:?}");
    assert!(matches!(ledger.flush().await, Err(LedgerError::Overloaded)));
    other.execute_batch("COMMIT").unwrap();
    while ledger.flush().await.is_err() {
        tokio::task::yield_now().await;
    }
    let used =
        other.query_row("SELECT reserved FROM purse WHERE context = 'room'", [], |row| row.get::<_, i64>(0));
    assert_eq!(usize::try_from(used.unwrap()).unwrap(), taken.len());
}
