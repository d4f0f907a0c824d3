//! What is held and spent while the ledger is away, and what the ledger knows of it afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use zos_meter::{
    Ask, Balance, Booked, BoxFuture, Day, HistoryQuery, Interim, Ledger, LedgerError, Limit, ReserveError,
    Scope, Spend, SqliteLedger, Usage, UsageRow,
};

use crate::house::{House, ask, spend, standing, today};

/// A ledger that can be away.
struct Away {
    ledger: SqliteLedger,
    is_away: AtomicBool,
    /// Whether the gateway knows that it is.
    is_failing: AtomicBool,
}

impl Away {
    fn new(house: &House) -> Self {
        Self { ledger: house.open(), is_away: AtomicBool::new(false), is_failing: AtomicBool::new(false) }
    }

    fn set(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
        if is_away {
            self.is_failing.store(true, Ordering::SeqCst);
        }
    }

    fn or<T: Send + 'static, E: From<LedgerError> + Send + 'static>(
        &self,
        answer: impl FnOnce(&SqliteLedger) -> BoxFuture<Result<T, E>>,
    ) -> BoxFuture<Result<T, E>> {
        if self.is_away.load(Ordering::SeqCst) {
            return Box::pin(async { Err(LedgerError::Closed.into()) });
        }
        answer(&self.ledger)
    }
}

impl Ledger for Away {
    fn reserve(&self, ask: Ask) -> BoxFuture<Result<Balance, ReserveError>> {
        self.or(|ledger| ledger.reserve(ask))
    }
    fn settle(&self, id: &str, spend: Spend) -> BoxFuture<Result<Balance, LedgerError>> {
        self.or(|ledger| ledger.settle(id, spend))
    }
    fn release(&self, id: &str) -> BoxFuture<Result<(), LedgerError>> {
        self.or(|ledger| ledger.release(id))
    }
    fn balance(&self, context: &str, day: Day, limits: &[Limit]) -> BoxFuture<Result<Balance, LedgerError>> {
        self.or(|ledger| ledger.balance(context, day, limits))
    }
    fn history(&self, query: HistoryQuery) -> BoxFuture<Result<Vec<UsageRow>, LedgerError>> {
        self.or(|ledger| ledger.history(query))
    }
    fn flush(&self) -> BoxFuture<Result<(), LedgerError>> {
        self.or(Ledger::flush)
    }
}

/// A gateway's way through both: the ledger where it answers, else what was last known.
async fn call(ledger: &Away, interim: &Interim, id: &str, held: u64, cost: u64) -> bool {
    if ledger.is_failing.load(Ordering::SeqCst) && !interim.is_over() {
        let id = format!("{id}-interim");
        let is_held = interim.hold(ask(&id, held, Some(1000))).is_ok();
        if is_held && interim.close(&id, Some(spend(cost))) == Booked::AtTheLedger {
            ledger.settle(&id, spend(cost)).await.unwrap();
        }
        return is_held;
    }
    match ledger.reserve(ask(id, held, Some(1000))).await {
        Ok(balance) => {
            interim.note(&balance);
            let settled = ledger.settle(id, spend(cost)).await;
            settled.iter().for_each(|balance| interim.note(balance));
            true
        }
        Err(ReserveError::Exhausted { .. }) => false,
        Err(ReserveError::Ledger(_)) => false,
    }
}

#[tokio::test]
async fn no_more_is_spent_than_was_known_to_be_left_and_the_ledger_hears_of_it() {
    let house = House::new();
    let (ledger, interim) = (Away::new(&house), Interim::default());
    assert!(call(&ledger, &interim, "before", 100, 300).await);
    ledger.set(true);
    let mut served = 0;
    for number in 0..40 {
        served += u64::from(call(&ledger, &interim, &format!("c{number}"), 100, 70).await);
    }
    // 700 were left; each takes 70 and has to find room for 100.
    assert_eq!(served, 9);
    assert!(interim.book(&ledger).await.is_err(), "it is still away");
    ledger.set(false);
    assert!(!interim.is_empty());
    interim.book(&ledger).await.unwrap();
    assert!(interim.is_empty());
    assert_eq!(standing(&ledger.ledger).await, (300 + 9 * 70, 0));
    interim.book(&ledger).await.unwrap();
    assert_eq!(standing(&ledger.ledger).await, (300 + 9 * 70, 0), "nothing is booked twice");
    assert!(!call(&ledger, &interim, "after", 100, 1).await, "and the ledger goes on from there");
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_at_once_never_spend_more_than_was_known_to_be_left() {
    let house = House::new();
    let (ledger, interim) = (Arc::new(Away::new(&house)), Arc::new(Interim::default()));
    assert!(call(&ledger, &interim, "before", 100, 250).await);
    ledger.set(true);
    let calls = (0..64).map(|number| {
        let (ledger, interim) = (Arc::clone(&ledger), Arc::clone(&interim));
        tokio::spawn(async move { call(&ledger, &interim, &format!("c{number}"), 50, 50).await })
    });
    let calls: Vec<_> = calls.collect();
    let mut served = 0;
    for (number, running) in calls.into_iter().enumerate() {
        served += u64::from(running.await.unwrap());
        if number == 20 {
            // It comes back in the middle, and what was held meanwhile moves over.
            ledger.set(false);
            while !interim.end() {
                interim.book(&*ledger).await.unwrap();
            }
        }
    }
    interim.book(&*ledger).await.unwrap();
    let (used, reserved) = standing(&ledger.ledger).await;
    assert_eq!((used, reserved), (250 + served * 50, 0));
    assert!(used <= 1000, "{used}");
    assert!(served >= 15 - 1, "what fits is served: {served}");
}

#[tokio::test]
async fn a_call_under_way_is_taken_over_and_settled_once() {
    let house = House::new();
    let (ledger, interim) = (Away::new(&house), Interim::default());
    for id in ["settled", "free"] {
        interim.hold(ask(id, 100, Some(1000))).unwrap();
    }
    interim.book(&ledger).await.unwrap();
    assert_eq!(standing(&ledger.ledger).await, (0, 200), "the ledger holds them now");
    assert_eq!(interim.close("settled", Some(spend(30))), Booked::AtTheLedger);
    assert_eq!(interim.close("free", None), Booked::AtTheLedger);
    ledger.settle("settled", spend(30)).await.unwrap();
    ledger.release("free").await.unwrap();
    assert_eq!(standing(&ledger.ledger).await, (30, 0));
    assert!(interim.is_empty());
}

#[tokio::test]
async fn what_costs_nothing_leaves_nothing_and_makes_room_again() {
    let house = House::new();
    let (ledger, interim) = (Away::new(&house), Interim::default());
    for round in 0..5 {
        let id = format!("r{round}");
        interim.hold(ask(&id, 1000, Some(1000))).unwrap();
        assert!(matches!(interim.hold(ask("other", 1, Some(1000))), Err(ReserveError::Exhausted { .. })));
        assert_eq!(interim.close(&id, None), Booked::Here);
    }
    interim.book(&ledger).await.unwrap();
    assert_eq!(standing(&ledger.ledger).await, (0, 0));
}

#[tokio::test]
async fn a_standing_that_comes_late_does_not_hide_a_newer_one() {
    let house = House::new();
    let (ledger, interim) = (Away::new(&house), Interim::default());
    let mut balances = Vec::new();
    for number in 0..4 {
        let id = format!("c{number}");
        balances.push(ledger.reserve(ask(&id, 100, Some(1000))).await.unwrap());
        balances.push(ledger.settle(&id, spend(200)).await.unwrap());
    }
    balances.iter().rev().for_each(|balance| interim.note(balance));
    assert!(interim.hold(ask("fits", 200, Some(1000))).is_ok());
    let refused = interim.hold(ask("does not", 1, Some(1000)));
    let Err(ReserveError::Exhausted { standing, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!((standing.used, standing.reserved), (800, 200));
}

#[tokio::test]
async fn every_limit_counts_by_itself_and_is_booked_in_its_own_purse() {
    let house = House::new();
    let (ledger, interim) = (Away::new(&house), Interim::default());
    let model = Limit::daily_tokens(150).of(Scope::Model("claude-*".to_owned()));
    let limits = vec![Limit::daily_tokens(1000), model.clone()];
    let asked = |id: &str| Ask { limits: limits.clone(), ..ask(id, 100, None) };
    interim.hold(asked("a")).unwrap();
    let refused = interim.hold(asked("b"));
    let Err(ReserveError::Exhausted { standing, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(standing.limit, model);
    assert!(interim.hold(ask("c", 900, Some(1000))).is_ok(), "a refused call holds nothing anywhere");
    assert!(interim.hold(ask("another room's", 900, Some(1000))).is_err());
    let elsewhere = Ask { context: "elsewhere".to_owned(), ..ask("d", 900, Some(1000)) };
    assert!(interim.hold(elsewhere).is_ok());
    assert!(!interim.knows("acme", today(), &model));
    interim.close("a", Some(Spend { usage: Usage { output: 120, ..Usage::default() }, ..spend(0) }));
    interim.book(&ledger).await.unwrap();
    let balance = ledger.balance("acme", today(), std::slice::from_ref(&model)).await.unwrap();
    assert_eq!(balance.limits[0].used, 120, "booked in the purse of the models too");
}
