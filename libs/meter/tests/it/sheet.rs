//! Sums that are kept between transactions: they are never staler than the file, and never ahead of it.

use std::collections::BTreeMap;

use rusqlite::Connection;
use zos_meter::{Ask, Ledger, ReserveError, Spend};

use crate::house::{House, ask, history, spend, standing, today};

fn in_room(room: &str, ask: Ask) -> Ask {
    Ask { context: room.to_owned(), ..ask }
}

#[tokio::test]
async fn what_another_program_writes_into_a_purse_counts_for_the_next_call() {
    let house = House::new();
    let ledger = house.open();
    ledger.reserve(ask("before", 10, Some(100))).await.unwrap();
    let other = Connection::open(house.file()).unwrap();
    for (written, left) in [(40, 50), (89, 1)] {
        other.execute("UPDATE purse SET used = ?1", [written]).unwrap();
        match ledger.reserve(ask("too much", left + 1, Some(100))).await {
            Err(ReserveError::Exhausted { standing, .. }) => assert_eq!(standing.remaining(), left),
            other => panic!("{other:?}"),
        }
        let fits = ledger.reserve(ask("fits", left, Some(100))).await.unwrap();
        assert_eq!(fits.remaining(), Some(0));
        ledger.release("fits").await.unwrap();
        // An id that was closed is known, so the next round needs another one.
        other.execute("DELETE FROM reservation WHERE id = 'fits'", []).unwrap();
    }
    assert_eq!(ledger.settle("before", spend(7)).await.unwrap().today.used, 96);
}

#[tokio::test]
async fn jobs_that_share_a_transaction_are_booked_as_if_each_had_its_own() {
    let house = House::new();
    let ledger = house.open();
    let rooms: Vec<String> = (0..7).map(|room| format!("room-{room}")).collect();
    let mut expected: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let other = Connection::open(house.file()).unwrap();
    // While another program writes nothing can be committed: what is called for gathers in line.
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut answers = Vec::new();
    for number in 0..140_u64 {
        let room = &rooms[usize::try_from(number).unwrap() % rooms.len()];
        let id = number.to_string();
        answers.push(ledger.reserve(in_room(room, ask(&id, 10 + number, None))));
        let (used, held) = expected.entry(room).or_default();
        match number % 4 {
            0 => *held += 10 + number,
            1 => {
                drop(ledger.settle(&id, Spend { model: format!("m{}", number % 3), ..spend(number) }));
                *used += number;
            }
            2 => drop(ledger.release(&id)),
            _ => {
                drop(ledger.settle(&id, spend(2 * number)));
                drop(ledger.settle(&id, spend(1_000_000)));
                drop(ledger.release(&id));
                *used += 2 * number;
            }
        }
    }
    other.execute_batch("COMMIT").unwrap();
    for answer in answers {
        answer.await.unwrap();
    }
    while ledger.flush().await.is_err() {
        tokio::task::yield_now().await;
    }
    for (room, sums) in &expected {
        let balance = ledger.balance(room, today(), &[]).await.unwrap();
        assert_eq!((balance.today.used, balance.today.reserved), *sums, "{room}");
        assert_eq!(balance.today, balance.month, "{room}");
    }
    let rows = history(&ledger).await;
    assert_eq!(rows.iter().map(|row| row.calls).sum::<u64>(), 70);
    let used: u64 = expected.values().map(|(used, _)| used).sum();
    assert_eq!(rows.iter().map(|row| row.usage.total()).sum::<u64>(), used);
    assert_eq!(rows.iter().map(|row| row.cost.0).sum::<u64>(), used);
    // And the same from the file alone.
    drop(ledger);
    let ledger = house.open();
    let first = ledger.balance("room-0", today(), &[]).await.unwrap().today;
    assert_eq!((first.used, first.reserved), (expected["room-0"].0 + expected["room-0"].1, 0));
}

#[tokio::test]
async fn more_rooms_than_are_kept_are_all_counted() {
    let house = House::new();
    let ledger = house.open();
    for round in 0..2 {
        for room in 0..700 {
            let (room, id) = (format!("room-{room}"), format!("{round}/{room}"));
            ledger.reserve(in_room(&room, ask(&id, 3, Some(10)))).await.unwrap();
            ledger.settle(&id, spend(2)).await.unwrap();
        }
    }
    for room in [0, 350, 699] {
        let balance = ledger.balance(&format!("room-{room}"), today(), &[]).await.unwrap();
        assert_eq!((balance.today.used, balance.today.reserved), (4, 0), "{room}");
    }
}

#[tokio::test]
async fn a_transaction_that_failed_leaves_none_of_its_sums_behind() {
    let house = House::new();
    let ledger = house.open();
    ledger.reserve(ask("held", 10, Some(100))).await.unwrap();
    let other = Connection::open(house.file()).unwrap();
    other
        .execute_batch("CREATE TRIGGER no BEFORE INSERT ON purse BEGIN SELECT RAISE(ABORT, 'no'); END;")
        .unwrap();
    for number in 0..3 {
        let refused = ledger.reserve(ask(&format!("refused {number}"), 30, Some(100))).await;
        assert!(matches!(refused, Err(ReserveError::Ledger(_))), "{refused:?}");
    }
    assert!(ledger.settle("held", spend(7)).await.is_err());
    other.execute_batch("DROP TRIGGER no").unwrap();
    // Not a token of what was refused is held.
    assert!(ledger.reserve(ask("all that is left", 90, Some(100))).await.is_ok());
    assert_eq!(standing(&ledger).await, (0, 100));
}
