//! Several limits at once: all of them carry a call, or nothing is held anywhere.

use zos_meter::{Ask, Limit, Micros, Period, ReserveError, Scope, Spend};

use crate::house::{House, ask_limited, history, spend, today};

fn key() -> Scope {
    Scope::Key("cli".to_owned())
}

fn model() -> Scope {
    Scope::Model("claude-*".to_owned())
}

#[tokio::test]
async fn the_tightest_limit_decides_and_a_refusal_holds_nothing_anywhere() {
    let house = House::new();
    let ledger = house.ledger();
    let all = [
        Limit::daily_tokens(1_000),
        Limit::daily_micros(900),
        Limit::monthly_micros(800),
        Limit::daily_tokens(700).of(key()),
        Limit::monthly_micros(600).of(key()),
        Limit::daily_micros(500).of(model()),
    ];
    // From the last to the first, each is the one that cannot carry the call.
    for (count, asked) in [(6, 501), (5, 601), (4, 701), (3, 801), (2, 901), (1, 1_001)] {
        let limits = all[..count].to_vec();
        match ledger.reserve(ask_limited("no", asked, limits)).await {
            Err(ReserveError::Exhausted { standing, asked: told }) => {
                assert_eq!((&standing.limit, told), (&all[count - 1], asked));
            }
            other => panic!("{other:?}"),
        }
        let after = ledger.balance("acme", today(), &all).await.unwrap();
        assert!(after.limits.iter().all(|standing| standing.used + standing.reserved == 0), "{after:?}");
    }
    let granted = ledger.reserve(ask_limited("yes", 500, all.to_vec())).await.unwrap();
    let left: Vec<u64> = granted.limits.iter().map(zos_meter::Standing::remaining).collect();
    assert_eq!(left, [500, 400, 300, 200, 100, 0]);
    let settled = ledger.settle("yes", spend(450)).await.unwrap();
    let left: Vec<u64> = settled.limits.iter().map(zos_meter::Standing::remaining).collect();
    assert_eq!(left, [550, 450, 350, 250, 150, 50]);
}

#[tokio::test]
async fn a_refusal_is_told_in_the_units_of_its_limit() {
    let house = House::new();
    let ledger = house.ledger();
    for (limit, sentence) in [
        (
            Limit::daily_tokens(9),
            "the daily budget of 9 tokens has 9 tokens left, and the call may need 10 tokens",
        ),
        (
            Limit::monthly_micros(9).of(key()),
            "the monthly budget of $0.000009 for the key of \"cli\" has $0.000009 left, and the call may need $0.00001",
        ),
        (
            Limit::daily_micros(0).of(model()),
            "the daily budget of $0.00 for models \"claude-*\" has $0.00 left, and the call may need $0.00001",
        ),
    ] {
        let refused = ledger.reserve(ask_limited("a", 10, vec![limit])).await.unwrap_err();
        assert_eq!(refused.to_string(), sentence);
    }
}

#[tokio::test]
async fn keys_and_patterns_count_apart() {
    let house = House::new();
    let ledger = house.ledger();
    let limits = |scope: Scope| vec![Limit::daily_tokens(100), Limit::daily_tokens(60).of(scope)];
    ledger.reserve(ask_limited("a", 60, limits(key()))).await.unwrap();
    assert!(ledger.reserve(ask_limited("b", 1, limits(key()))).await.is_err());
    assert!(ledger.reserve(ask_limited("c", 40, limits(model()))).await.is_ok());
    match ledger.reserve(ask_limited("d", 1, limits(model()))).await {
        Err(ReserveError::Exhausted { standing, .. }) => assert_eq!(standing.limit.scope, Scope::Context),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_month_goes_on_over_its_days_and_ends_at_the_first() {
    let house = House::new();
    let ledger = house.ledger();
    let on = |id: &str, day: &str, tokens: u64| Ask {
        day: day.parse().unwrap(),
        ..ask_limited(id, tokens, vec![Limit::monthly_micros(100)])
    };
    ledger.reserve(on("a", "2026-11-01", 60)).await.unwrap();
    ledger.settle("a", spend(60)).await.unwrap();
    // The clock says the thirtieth: reserved in November, settled in December, booked in November.
    ledger.reserve(on("b", "2026-11-30", 40)).await.unwrap();
    assert!(ledger.reserve(on("no", "2026-11-30", 1)).await.is_err());
    assert_eq!(ledger.reserve(on("c", "2026-12-01", 100)).await.unwrap().month.reserved, 100);
    let november = ledger.settle("b", spend(40)).await.unwrap();
    assert_eq!((november.month.used, november.today.used), (100, 40));
    // The clock jumps back: November is as full as it was.
    assert!(ledger.reserve(on("no", "2026-11-15", 1)).await.is_err());
    assert!(ledger.reserve(on("no", "2026-12-31", 1)).await.is_err());
    assert!(ledger.reserve(on("d", "2027-01-01", 1)).await.is_ok());
}

#[tokio::test]
async fn a_limit_set_in_the_middle_of_a_month_counts_what_was_spent_before() {
    let house = House::new();
    let ledger = house.ledger();
    ledger.reserve(ask_limited("a", 70, Vec::new())).await.unwrap();
    ledger.settle("a", spend(70)).await.unwrap();
    let limits = vec![Limit::monthly_micros(100), Limit::daily_tokens(100)];
    assert!(ledger.reserve(ask_limited("b", 31, limits.clone())).await.is_err());
    assert!(ledger.reserve(ask_limited("c", 30, limits)).await.is_ok());
    // Those of a key begin with the first call under them.
    let of_key = vec![Limit { period: Period::Day, ..Limit::monthly_micros(50).of(key()) }];
    assert_eq!(ledger.balance("acme", today(), &of_key).await.unwrap().limits[0].used, 0);
}

#[tokio::test]
async fn an_unknown_price_is_counted_as_unknown_and_never_as_nothing() {
    let house = House::new();
    let ledger = house.ledger();
    let limits = vec![Limit::daily_micros(10)];
    let unpriced = Ask { micros: None, ..ask_limited("a", 50, limits.clone()) };
    ledger.reserve(unpriced).await.unwrap();
    let after = ledger.settle("a", Spend { micros: None, ..spend(50) }).await.unwrap();
    assert_eq!((after.today.used, after.today.used_micros, after.today.unpriced), (50, 0, 1));
    ledger.reserve(ask_limited("b", 10, limits)).await.unwrap();
    assert_eq!(ledger.settle("b", spend(10)).await.unwrap().month.unpriced, 1);
    let row = &history(ledger.as_ref()).await[0];
    assert_eq!((row.calls, row.unpriced_calls, row.cost), (2, 1, Micros(10)));
}

#[tokio::test]
async fn money_that_a_dead_process_held_is_spent() {
    let house = House::new();
    let ledger = house.ledger();
    let limits = vec![Limit::monthly_micros(100).of(key())];
    ledger.reserve(ask_limited("a", 90, limits.clone())).await.unwrap();
    drop(ledger);
    let ledger = house.ledger();
    assert!(ledger.reserve(ask_limited("b", 11, limits)).await.is_err());
    assert_eq!(history(ledger.as_ref()).await[0].cost, Micros(90));
}
