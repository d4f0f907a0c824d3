//! Many callers, one budget.

use std::sync::Arc;

use zos_meter::Ledger;

use crate::house::{House, ask, history, spend, standing};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_calls_are_granted_exactly_what_fits() {
    let house = House::new();
    let ledger = Arc::<dyn Ledger>::from(house.ledger());
    let tasks = (0..64).map(|task| {
        let ledger = Arc::clone(&ledger);
        tokio::spawn(async move {
            let mut granted = 0;
            for n in 0..25 {
                match ledger.reserve(ask(&format!("{task}/{n}"), 7, Some(5_000))).await {
                    Ok(balance) => {
                        assert!(balance.today.used + balance.today.reserved <= 5_000);
                        granted += 1;
                    }
                    Err(error) => assert!(error.to_string().contains("5000"), "{error}"),
                }
            }
            granted
        })
    });
    let mut granted = 0;
    for task in tasks.collect::<Vec<_>>() {
        granted += task.await.unwrap();
    }
    assert_eq!(granted, 5_000 / 7);
    assert_eq!(standing(ledger.as_ref()).await, (0, 5_000 / 7 * 7));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn at_no_grant_is_more_held_and_spent_than_the_limit() {
    let house = House::new();
    let ledger = Arc::<dyn Ledger>::from(house.ledger());
    let tasks = (0..32_u64).map(|task| {
        let ledger = Arc::clone(&ledger);
        tokio::spawn(async move {
            let mut spent = 0;
            for n in 0..40_u64 {
                let id = format!("{task}/{n}");
                let Ok(balance) = ledger.reserve(ask(&id, 50, Some(4_000))).await else { continue };
                assert!(balance.today.used + balance.today.reserved <= 4_000);
                match (task + n) % 3 {
                    0 => ledger.release(&id).await.unwrap(),
                    rest => {
                        let tokens = rest * 20 + n % 7;
                        spent += tokens;
                        ledger.settle(&id, spend(tokens)).await.unwrap();
                    }
                }
            }
            spent
        })
    });
    let mut spent = 0;
    for task in tasks.collect::<Vec<_>>() {
        spent += task.await.unwrap();
    }
    assert_eq!(standing(ledger.as_ref()).await, (spent, 0));
    assert!(spent <= 4_000 && spent > 3_900, "{spent}: calls went on until nothing more could fit");
    assert_eq!(history(ledger.as_ref()).await[0].total(), spent);
}
