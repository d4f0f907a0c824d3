//! The promises of [`Ledger`], one by one.

use zos_meter::{HistoryQuery, Ledger, LedgerError, Limit, ReserveError, Spend, Usage};

use crate::house::{House, ask, balance, history, is_exhausted, spend, standing, today};

#[tokio::test]
async fn a_reservation_is_held_then_replaced_by_the_true_cost() {
    let house = House::new();
    let ledger = house.ledger();
    assert_eq!(ledger.reserve(ask("a", 60, Some(100))).await.unwrap(), balance(0, 60, Some(100)));
    assert_eq!(ledger.settle("a", spend(25)).await.unwrap(), balance(25, 0, Some(100)));
    assert_eq!(
        ledger.balance("acme", today(), &[Limit::daily_tokens(100)]).await.unwrap(),
        balance(25, 0, Some(100))
    );
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_all_figures_and_changes_nothing() {
    let house = House::new();
    let ledger = house.ledger();
    ledger.reserve(ask("used", 30, Some(100))).await.unwrap();
    ledger.settle("used", spend(30)).await.unwrap();
    ledger.reserve(ask("held", 20, Some(100))).await.unwrap();
    match ledger.reserve(ask("big", 51, Some(100))).await {
        Err(ReserveError::Exhausted { standing, asked: 51 }) => {
            assert_eq!((standing.used, standing.reserved, standing.limit.amount), (30, 20, 100));
            assert_eq!(standing.resets_at(), today().next().start_ms());
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(standing(ledger.as_ref()).await, (30, 20));
    assert_eq!(ledger.reserve(ask("fits", 50, Some(100))).await.unwrap().remaining(), Some(0));
    assert!(is_exhausted(&ledger.reserve(ask("one more", 1, Some(100))).await));
    assert!(ledger.reserve(ask("nothing", 0, Some(100))).await.is_ok());
}

#[tokio::test]
async fn the_first_call_of_a_day_is_checked_too() {
    let house = House::new();
    let ledger = house.ledger();
    assert!(is_exhausted(&ledger.reserve(ask("a", 101, Some(100))).await));
    assert!(is_exhausted(&ledger.reserve(ask("a", 1, Some(0))).await));
    assert_eq!(standing(ledger.as_ref()).await, (0, 0));
}

#[tokio::test]
async fn a_limit_that_was_lowered_meanwhile_holds_from_the_next_call_on() {
    let house = House::new();
    let ledger = house.ledger();
    ledger.reserve(ask("a", 80, Some(100))).await.unwrap();
    assert!(is_exhausted(&ledger.reserve(ask("b", 1, Some(50))).await));
    assert_eq!(
        ledger.balance("acme", today(), &[Limit::daily_tokens(50)]).await.unwrap().remaining(),
        Some(0)
    );
    assert_eq!(ledger.settle("a", spend(10)).await.unwrap().remaining(), Some(90));
    assert!(ledger.reserve(ask("b", 40, Some(50))).await.is_ok());
}

#[tokio::test]
async fn settling_more_than_was_held_is_recorded_as_it_is() {
    let house = House::new();
    let ledger = house.ledger();
    ledger.reserve(ask("a", 10, Some(100))).await.unwrap();
    let after = ledger.settle("a", spend(250)).await.unwrap();
    assert_eq!((after.today.used, after.today.reserved, after.remaining()), (250, 0, Some(0)));
    assert!(is_exhausted(&ledger.reserve(ask("b", 1, Some(100))).await));
}

#[tokio::test]
async fn settling_and_releasing_again_change_nothing() {
    let house = House::new();
    let ledger = house.ledger();
    ledger.reserve(ask("settled", 10, Some(100))).await.unwrap();
    ledger.reserve(ask("released", 10, Some(100))).await.unwrap();
    for _ in 0..3 {
        assert_eq!(ledger.settle("settled", spend(7)).await.unwrap().today.used, 7);
        ledger.release("released").await.unwrap();
    }
    ledger.release("settled").await.unwrap();
    assert_eq!(ledger.settle("released", spend(9)).await.unwrap(), balance(7, 0, Some(100)));
    let rows = history(ledger.as_ref()).await;
    assert_eq!((rows.len(), rows[0].calls, rows[0].total()), (1, 1, 7));
}

#[tokio::test]
async fn an_id_is_used_once() {
    let house = House::new();
    let ledger = house.ledger();
    ledger.reserve(ask("a", 10, Some(100))).await.unwrap();
    let again = ledger.reserve(ask("a", 10, Some(100))).await;
    assert!(matches!(again, Err(ReserveError::Ledger(LedgerError::DuplicateId))), "{again:?}");
    assert_eq!(standing(ledger.as_ref()).await, (0, 10));
    ledger.settle("a", spend(3)).await.unwrap();
    assert!(ledger.reserve(ask("a", 10, Some(100))).await.is_err());
    assert_eq!(standing(ledger.as_ref()).await, (3, 0));
}

#[tokio::test]
async fn an_unknown_id_is_charged_to_nobody() {
    let house = House::new();
    let ledger = house.ledger();
    assert!(matches!(ledger.settle("ghost", spend(5)).await, Err(LedgerError::UnknownId)));
    assert!(matches!(ledger.release("ghost").await, Err(LedgerError::UnknownId)));
    assert_eq!(history(ledger.as_ref()).await, []);
}

#[tokio::test]
async fn a_call_without_a_limit_is_counted_all_the_same() {
    let house = House::new();
    let ledger = house.ledger();
    assert_eq!(ledger.reserve(ask("a", 40, None)).await.unwrap(), balance(0, 40, None));
    assert_eq!(standing(ledger.as_ref()).await, (0, 40));
    assert_eq!(ledger.settle("a", spend(u64::MAX)).await.unwrap().remaining(), None);
    // It counts against a limit that is set later in the day.
    assert!(is_exhausted(&ledger.reserve(ask("b", 1, Some(1_000_000))).await));
}

#[tokio::test]
async fn a_reservation_belongs_to_the_day_it_was_made_on() {
    let house = House::new();
    let ledger = house.ledger();
    let tomorrow = today().next();
    ledger.reserve(ask("late", 90, Some(100))).await.unwrap();
    let early = zos_meter::Ask { day: tomorrow, ..ask("early", 100, Some(100)) };
    assert_eq!(ledger.reserve(early).await.unwrap().remaining(), Some(0));
    let after = ledger.settle("late", spend(70)).await.unwrap();
    assert_eq!((after.day, after.today.used, after.today.reserved), (today(), 70, 0));
    let next = ledger.balance("acme", tomorrow, &[Limit::daily_tokens(100)]).await.unwrap();
    assert_eq!((next.today.used, next.today.reserved), (0, 100));
    assert_eq!(history(ledger.as_ref()).await[0].day, today());
}

#[tokio::test]
async fn rooms_do_not_share_a_budget() {
    let house = House::new();
    let ledger = house.ledger();
    ledger.reserve(ask("a", 100, Some(100))).await.unwrap();
    let other = zos_meter::Ask { context: "globex".to_owned(), ..ask("b", 100, Some(100)) };
    assert!(ledger.reserve(other).await.is_ok());
}

#[tokio::test]
async fn work_is_done_though_nobody_waits_for_it() {
    let house = House::new();
    let ledger = house.ledger();
    ledger.reserve(ask("a", 10, Some(100))).await.unwrap();
    ledger.reserve(ask("b", 10, Some(100))).await.unwrap();
    drop(ledger.settle("a", spend(4)));
    drop(ledger.release("b"));
    assert_eq!(standing(ledger.as_ref()).await, (4, 0), "a reading sees all that was called for before it");
}

#[tokio::test]
async fn a_reservation_nobody_waits_for_is_given_back() {
    let house = House::new();
    let ledger = house.ledger();
    drop(ledger.reserve(ask("limited", 10, Some(100))));
    drop(ledger.reserve(ask("unlimited", 10, None)));
    // The first flush answers after the reservations, the second after what giving up queued.
    ledger.flush().await.unwrap();
    ledger.flush().await.unwrap();
    assert_eq!(standing(ledger.as_ref()).await, (0, 0));
}

#[tokio::test]
async fn dropping_the_ledger_commits_what_is_queued() {
    let house = House::new();
    let ledger = house.ledger();
    for call in 0..20 {
        ledger.reserve(ask(&format!("call-{call}"), 5, Some(100))).await.unwrap();
    }
    for call in 0..20 {
        drop(ledger.settle(&format!("call-{call}"), spend(4)));
    }
    drop(ledger);
    assert_eq!(standing(house.ledger().as_ref()).await, (80, 0));
}

#[tokio::test]
async fn closed_ids_are_remembered_for_an_hour_and_then_forgotten() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    let house = House::new();
    let now = Arc::new(AtomicU64::new(today().start_ms()));
    let clock = zos_meter::Clock::new({
        let now = Arc::clone(&now);
        move || now.load(Ordering::SeqCst)
    });
    let options = zos_meter::SqliteOptions { clock, ..crate::house::options() };
    let ledger = zos_meter::SqliteLedger::open_with(&house.file(), options).unwrap();
    ledger.reserve(ask("old", 1, None)).await.unwrap();
    ledger.settle("old", spend(1)).await.unwrap();
    now.fetch_add(3_500_000, Ordering::SeqCst);
    for n in 0..600 {
        let id = format!("young {n}");
        ledger.reserve(ask(&id, 1, None)).await.unwrap();
        ledger.settle(&id, spend(1)).await.unwrap();
    }
    assert!(ledger.settle("old", spend(1)).await.is_ok(), "remembered within the hour");
    now.fetch_add(200_000, Ordering::SeqCst);
    for n in 600..1_200 {
        let id = format!("young {n}");
        ledger.reserve(ask(&id, 1, None)).await.unwrap();
        ledger.settle(&id, spend(1)).await.unwrap();
    }
    assert!(matches!(ledger.settle("old", spend(1)).await, Err(LedgerError::UnknownId)));
    assert!(ledger.settle("young 0", spend(1)).await.is_ok());
    assert_eq!(standing(&ledger).await, (1_201, 0));
}

#[tokio::test]
async fn history_sums_by_day_context_model_provider_and_client() {
    let house = House::new();
    let ledger = house.ledger();
    let usage =
        Usage { input: 1, output: 20, cache_read: 300, cache_write: 4_000, reasoning: 7, ..Usage::default() };
    let guessed = Usage { estimated: true, ..usage };
    let calls = [("m1", usage), ("m1", guessed), ("m2", usage)];
    for (n, (model, usage)) in calls.into_iter().enumerate() {
        let id = n.to_string();
        ledger.reserve(ask(&id, 1, None)).await.unwrap();
        let spend = Spend { usage, model: model.to_owned(), ..spend(0) };
        ledger.settle(&id, spend).await.unwrap();
    }
    let rows = history(ledger.as_ref()).await;
    let summary: Vec<_> =
        rows.iter().map(|row| (row.model.as_str(), row.calls, row.estimated_calls, row.total())).collect();
    assert_eq!(summary, [("m1", 2, 1, 8_642), ("m2", 1, 0, 4_321)]);
    assert_eq!(
        rows[0].usage,
        Usage {
            input: 2,
            output: 40,
            cache_read: 600,
            cache_write: 8_000,
            reasoning: 14,
            estimated: true,
            ..Usage::default()
        }
    );
    assert_eq!(standing(ledger.as_ref()).await.0, rows.iter().map(zos_meter::UsageRow::total).sum::<u64>());

    let query = |context: Option<&str>, since: &str, until: &str| HistoryQuery {
        context: context.map(str::to_owned),
        since: since.parse().unwrap(),
        until: until.parse().unwrap(),
    };
    let found = [
        (query(Some("acme"), "2026-11-22", "2026-11-22"), 2),
        (query(Some("globex"), "2026-11-22", "2026-11-22"), 0),
        (query(None, "2026-11-23", "2026-12-31"), 0),
        (query(None, "2026-01-01", "2026-11-21"), 0),
    ];
    for (query, count) in found {
        assert_eq!(ledger.history(query.clone()).await.unwrap().len(), count, "{query:?}");
    }
}

#[tokio::test]
async fn names_from_outside_are_kept_short_and_exact() {
    let house = House::new();
    let ledger = house.ledger();
    let odd = "'; DROP TABLE usage; --\0\u{1F600}";
    for (id, model) in [("a", odd.to_owned()), ("b", "é".repeat(1_000_000))] {
        ledger.reserve(ask(id, 1, None)).await.unwrap();
        ledger.settle(id, Spend { model, ..spend(1) }).await.unwrap();
    }
    let rows = history(ledger.as_ref()).await;
    assert_eq!(rows[0].model, odd.replace('\0', "\u{FFFD}"), "not every store keeps a NUL");
    assert_eq!(rows[1].model, "é".repeat(128));
}

#[tokio::test]
async fn absurd_numbers_stop_at_the_largest_integer() {
    let house = House::new();
    let ledger = house.ledger();
    let most = u64::try_from(i64::MAX).unwrap();
    let usage = Usage { input: u64::MAX, output: u64::MAX, ..Usage::default() };
    for id in ["a", "b", "c"] {
        ledger.reserve(ask(id, u64::MAX, None)).await.unwrap();
    }
    assert_eq!(standing(ledger.as_ref()).await, (0, most));
    for id in ["a", "b", "c"] {
        assert_eq!(ledger.settle(id, Spend { usage, ..spend(0) }).await.unwrap().today.used, most);
    }
    assert!(is_exhausted(&ledger.reserve(ask("d", 1, Some(u64::MAX))).await));
    let rows = history(ledger.as_ref()).await;
    assert_eq!((rows[0].calls, rows[0].usage.input), (3, most));
}
