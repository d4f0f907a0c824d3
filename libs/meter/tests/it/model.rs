//! Any order of calls, crashes in between, against a ledger so simple that it is plainly right.

use std::collections::HashMap;

use proptest::prelude::*;
use zos_meter::{Ask, Day, Ledger, LedgerError, ReserveError};

use crate::house::{House, ask, history, spend, today};

#[derive(Debug, Clone)]
enum Step {
    Reserve {
        id: u8,
        context: u8,
        tomorrow: bool,
        tokens: u64,
        limit: Option<u64>,
    },
    Settle {
        id: u8,
        tokens: u64,
    },
    Release {
        id: u8,
    },
    /// Drops the ledger with whatever it holds, as a crash would, and opens it again.
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let reserve = (0..12_u8, 0..2_u8, any::<bool>(), 0..60_u64, proptest::option::of(0..150_u64)).prop_map(
        |(id, context, tomorrow, tokens, limit)| Step::Reserve { id, context, tomorrow, tokens, limit },
    );
    prop_oneof![
        8 => reserve,
        5 => (0..12_u8, 0..80_u64).prop_map(|(id, tokens)| Step::Settle { id, tokens }),
        3 => (0..12_u8).prop_map(|id| Step::Release { id }),
        1 => Just(Step::Reopen),
    ]
}

type Purse = (String, Day);

#[derive(Debug, Clone, PartialEq)]
enum Outcome {
    Granted { used: u64, reserved: u64 },
    Closed,
    Exhausted,
    Duplicate,
    Unknown,
}

#[derive(Default)]
struct Model {
    /// Used and reserved.
    purses: HashMap<Purse, (u64, u64)>,
    /// Open ones have tokens.
    reservations: HashMap<u8, (Purse, Option<u64>)>,
    totals: [u64; 4],
}

const RESERVED: usize = 0;
const SETTLED_HOLDS: usize = 1;
const RELEASED: usize = 2;
const EXPIRED: usize = 3;

impl Model {
    fn walk(&mut self, step: &Step) -> Outcome {
        match step {
            Step::Reserve { id, context, tomorrow, tokens, limit } => {
                let purse = purse(*context, *tomorrow);
                let (used, reserved) = self.purses.get(&purse).copied().unwrap_or_default();
                if limit.is_some_and(|limit| used + reserved + tokens > limit) {
                    return Outcome::Exhausted;
                }
                if self.reservations.contains_key(id) {
                    return Outcome::Duplicate;
                }
                self.totals[RESERVED] += tokens;
                self.reservations.insert(*id, (purse.clone(), Some(*tokens)));
                self.purses.insert(purse, (used, reserved + tokens));
                Outcome::Granted { used, reserved: reserved + tokens }
            }
            Step::Settle { id, tokens } => self.close(*id, Some(*tokens), SETTLED_HOLDS),
            Step::Release { id } => self.close(*id, None, RELEASED),
            Step::Reopen => {
                let open: Vec<_> =
                    self.reservations.iter().filter_map(|(id, (_, held))| Some((*id, (*held)?))).collect();
                for (id, held) in open {
                    self.close(id, Some(held), EXPIRED);
                }
                Outcome::Closed
            }
        }
    }

    fn close(&mut self, id: u8, spent: Option<u64>, total: usize) -> Outcome {
        let Some((purse, held)) = self.reservations.get_mut(&id) else { return Outcome::Unknown };
        let balance = self.purses.get_mut(purse).unwrap();
        if let Some(held) = held.take() {
            self.totals[total] += held;
            *balance = (balance.0 + spent.unwrap_or(0), balance.1 - held);
        }
        match spent {
            Some(_) => Outcome::Granted { used: balance.0, reserved: balance.1 },
            None => Outcome::Closed,
        }
    }
}

fn purse(context: u8, tomorrow: bool) -> Purse {
    (format!("room-{context}"), if tomorrow { today().next() } else { today() })
}

async fn walk(house: &House, ledger: &mut Option<Box<dyn Ledger>>, step: &Step) -> Outcome {
    let open = ledger.as_ref().unwrap();
    match step.clone() {
        Step::Reserve { id, context, tomorrow, tokens, limit } => {
            let (context, day) = purse(context, tomorrow);
            let asked = Ask { context, day, ..ask(&id.to_string(), tokens, limit) };
            match open.reserve(asked).await {
                Ok(balance) => {
                    Outcome::Granted { used: balance.today.used, reserved: balance.today.reserved }
                }
                Err(ReserveError::Exhausted { .. }) => Outcome::Exhausted,
                Err(ReserveError::Ledger(LedgerError::DuplicateId)) => Outcome::Duplicate,
                Err(error) => panic!("{error}"),
            }
        }
        Step::Settle { id, tokens } => match open.settle(&id.to_string(), spend(tokens)).await {
            Ok(balance) => Outcome::Granted { used: balance.today.used, reserved: balance.today.reserved },
            Err(LedgerError::UnknownId) => Outcome::Unknown,
            Err(error) => panic!("{error}"),
        },
        Step::Release { id } => match open.release(&id.to_string()).await {
            Ok(()) => Outcome::Closed,
            Err(LedgerError::UnknownId) => Outcome::Unknown,
            Err(error) => panic!("{error}"),
        },
        Step::Reopen => {
            drop(ledger.take());
            *ledger = Some(house.ledger());
            Outcome::Closed
        }
    }
}

/// An unlimited call is answered before it is recorded, so its answer is not compared; what it
/// left in the books is.
fn is_answered_early(step: &Step) -> bool {
    matches!(step, Step::Reserve { limit: None, .. })
}

async fn check(steps: &[Step]) {
    let house = House::new();
    let mut ledger = Some(house.ledger());
    let mut model = Model::default();
    for step in steps {
        let expected = model.walk(step);
        let outcome = walk(&house, &mut ledger, step).await;
        if !is_answered_early(step) {
            assert_eq!(outcome, expected, "{step:?}");
        }
        let open = ledger.as_ref().unwrap();
        for ((context, day), standing) in &model.purses {
            let balance = open.balance(context, *day, &[]).await.unwrap();
            assert_eq!(
                (balance.today.used, balance.today.reserved),
                *standing,
                "{context} {day} after {step:?}"
            );
        }
    }
    model.walk(&Step::Reopen);
    walk(&house, &mut ledger, &Step::Reopen).await;
    let [reserved, settled, released, expired] = model.totals;
    assert_eq!(reserved, settled + released + expired);
    let rows = history(ledger.as_deref().unwrap()).await;
    let used: u64 = model.purses.values().map(|(used, _)| used).sum();
    assert_eq!(rows.iter().map(zos_meter::UsageRow::total).sum::<u64>(), used);
    assert_eq!(rows.iter().map(|row| row.expired).sum::<u64>(), expired);
}

/// A round trip takes its time.
fn cases() -> u32 {
    if cfg!(feature = "postgres") { 16 } else { 96 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]
    #[test]
    fn any_order_of_calls_and_crashes_keeps_the_books_right(steps in proptest::collection::vec(step(), 1..40)) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(check(&steps));
    }
}
