//! Step 4: tokens and money are held before anything is forwarded, and anew before a fallback is.

use super::body::Body;
use super::in_turn;
use super::inspect_request::Inspected;
use super::route::{Routed, prepare};
use crate::access::Access;
use crate::books::budget::limits_of_call;
use crate::books::prices::Names;
use crate::books::tokens;
use crate::call::{Call, Fact, Granted, Needs};
use crate::gateway::Gateway;
use bytes::Bytes;
use std::sync::Arc;
use zos_core::Route;
use zos_core::fleet::Billing;
use zos_meter::{Day, Limit, Micros, Period, Price, ReserveError, Scope, Standing, Unit};
use zos_wire::asked::asked;
use zos_wire::json;
use zos_wire::problem::{Code, Problem};

/// A call whose tokens are held.
pub(crate) struct Reserved {
    pub(super) routed: Routed,
}

/// The fewest output tokens that a limit is lowered to. With less no answer is of use, and a refusal says more.
const SHRINK_LEAST: u64 = 256;

/// How often a call is lowered: by each limit that it does not fit, or because other calls took what was left.
const SHRINKS: usize = 4;

pub(super) async fn run(
    gateway: &Arc<Gateway>,
    mut routed: Routed,
    mut call: Call,
) -> Result<(Call, Reserved), (Box<Call>, Problem)> {
    for _ in 0..SHRINKS {
        let refused = match held(&mut routed.inspected, &routed.first.route, &mut call).await {
            Ok(()) => return Ok((call, Reserved { routed })),
            Err(refused) => refused,
        };
        let Some(output) = refused.output_left.filter(|left| *left >= SHRINK_LEAST) else {
            return Err((Box::new(call), refused.problem));
        };
        let (shared, weight) = (Arc::clone(gateway), routed.inspected.arrived.weight);
        let step = move |call: &mut Call| {
            let lowered = lowered(&shared.access, &mut routed, output, call);
            (routed, lowered)
        };
        let done;
        (call, (routed, done)) = in_turn(&gateway.guards.inspectors, weight, call, step).await;
        match done {
            Ok(true) => call.tell(Fact::OutputLimit(routed.inspected.asked.output_tokens)),
            Ok(false) => return Err((Box::new(call), refused.problem)),
            Err(problem) => return Err((Box::new(call), problem)),
        }
    }
    match hold(&mut routed.inspected, &routed.first.route, &mut call).await {
        Ok(()) => Ok((call, Reserved { routed })),
        Err(problem) => Err((Box::new(call), problem)),
    }
}

/// Lowers the output limits in the body of a call until so much is asked for, and writes the body for its first model
/// anew. Whether that could be done: it is not where the request states no limit.
fn lowered(access: &Access, routed: &mut Routed, output: u64, call: &Call) -> Result<bool, Problem> {
    let inspected = &mut routed.inspected;
    let (face, before) = (inspected.arrived.face, inspected.arrived.body.clone());
    let body = Body::again(&before)?;
    let Some(edits) = zos_wire::asked::lowered(face, body.text, &body.tree, output) else { return Ok(false) };
    let after: Bytes = json::replace(body.text, &edits).into();
    inspected.asked = asked(face, &Body::again(&after)?.tree)?;
    inspected.arrived.body = after;
    routed.first = prepare(access, &call.journal, inspected, routed.first.route.clone())?;
    Ok(true)
}

/// A call that a limit does not hold.
struct Refused {
    problem: Problem,
    /// Output tokens that would be held, where the room lowers limits.
    output_left: Option<u64>,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Refused { problem, output_left: None }
    }
}

/// Counts the body for its first model ahead of [`run`], while its tree is at hand: under a limit that takes as long as
/// inspecting it did.
pub(super) fn measured(mut routed: Routed, body: &Body<'_>, call: &Call) -> Routed {
    if !routed.inspected.arrived.face.is_free() {
        needs(&mut routed.inspected, Some(body), &routed.first.route, call);
    }
    routed
}

/// Holds what the model of a route may cost, in place of what the call holds. A fallback may be dearer than
/// the model before it, or have limits of its own, so this stands before every attempt.
pub(super) async fn hold(inspected: &mut Inspected, route: &Route, call: &mut Call) -> Result<(), Problem> {
    held(inspected, route, call).await.map_err(|refused| refused.problem)
}

async fn held(inspected: &mut Inspected, route: &Route, call: &mut Call) -> Result<(), Refused> {
    if inspected.arrived.face.is_free() {
        return Ok(());
    }
    let needs = needs(inspected, None, route, call);
    let is_limited = !needs.limits.is_empty();
    let money = needs.limits.iter().find(|limit| limit.unit == Unit::Micros);
    if let Some(limit) = money
        && needs.micros.is_none()
    {
        if call.is_hard {
            return Err(unknown_price(&route.model, limit, needs.day, call).into());
        }
        call.tell(Fact::Price { is_known: false });
    } else {
        call.tell(Fact::Price { is_known: true });
    }
    if route.provider.billing == Billing::Plan {
        call.tell(Fact::PaidByPlan);
    }
    // Without a limit nothing can be overspent, and an open context goes on with every doubt that is told.
    let goes_on = !is_limited || !call.is_hard;
    let fit = inspected.governed.context.budget.shrink.then(|| Fit::of(&needs, inspected.asked.sounds));
    match call.reserve(&inspected.governed.name, needs, goes_on).await {
        Ok(Granted::Covered) => Ok(()),
        Ok(Granted::Held(balance)) => {
            call.tell(Fact::Balance(&balance));
            Ok(())
        }
        Ok(meanwhile) => {
            without_ledger(meanwhile == Granted::Interim, is_limited, call);
            Ok(())
        }
        Err(ReserveError::Exhausted { standing, asked }) => {
            if let Limit { scope: Scope::Context, unit: Unit::Tokens, .. } = standing.limit {
                call.tell(Fact::Remaining(standing.remaining()));
            }
            let mut problem = exhausted(inspected.governed.name.as_str(), &standing, asked, call);
            if call.books.health.is_failing() {
                call.tell(Fact::BudgetUnknown);
                problem.message += " The ledger is away; this is what was last known.";
            }
            let output_left = fit.map(|fit| fit.output_within(&standing));
            Err(Refused { problem, output_left })
        }
        Err(ReserveError::Ledger(error)) => {
            tracing::error!(%error, "the budget cannot be read");
            Err(Problem::new(
                Code::LedgerUnavailable,
                "The budget of this context cannot be read or written, so nothing may be spent.",
            )
            .hint("See `zos doctor`: the disk may be full, or the database away. It goes on by itself.")
            .into())
        }
    }
}

/// What a call needs, to tell how much output would fit.
struct Fit {
    input: u64,
    output: u64,
    price: Option<Price>,
    sounds: bool,
}

impl Fit {
    fn of(needs: &Needs, sounds: bool) -> Fit {
        let price = needs.price.as_ref().and_then(|price| price.at(needs.tier)).cloned();
        Fit { input: needs.tokens.saturating_sub(needs.output), output: needs.output, price, sounds }
    }

    fn cost(&self, output: u64) -> Option<u64> {
        let price = self.price.as_ref()?;
        let bound = match self.sounds {
            true => price.with_sound().bound(self.input, output),
            false => price.bound(self.input, output),
        };
        bound.map(|micros| micros.0)
    }

    /// The most output that this limit would hold beside the input.
    fn output_within(&self, standing: &Standing) -> u64 {
        let left = standing.remaining();
        match standing.limit.unit {
            Unit::Tokens => left.saturating_sub(self.input).min(self.output),
            Unit::Micros => {
                // More output never costs less.
                let (mut fits, mut over) = (0, self.output);
                while over - fits > 1 {
                    let middle = fits + (over - fits) / 2;
                    match self.cost(middle) {
                        Some(cost) if cost <= left => fits = middle,
                        _ => over = middle,
                    }
                }
                fits
            }
        }
    }
}

/// Tells that the ledger knows nothing of a call, for now or at all.
fn without_ledger(is_held: bool, is_limited: bool, call: &mut Call) {
    call.remark(match is_held {
        true => "the ledger failed: held against what was last known to be left, and booked when it is back",
        false => "the ledger failed: nothing was held, and it lacks this usage",
    });
    if is_limited {
        call.tell(Fact::BudgetUnknown);
    }
}

/// What the call may need at most, what that costs, and which limits it has to keep. A body that is not at hand as a
/// tree is read again where it has to be counted for another model than the first.
fn needs(inspected: &mut Inspected, body: Option<&Body<'_>>, route: &Route, call: &Call) -> Needs {
    let output = inspected.asked.output_tokens;
    let names = Names { asked: &route.model, sent: route.sent_as() };
    let budget = &inspected.governed.context.budget;
    let limits = limits_of_call(budget, call.record.client.as_deref(), names);
    let mut lesson = None;
    // The provider that is built in has no tokenizer.
    if !limits.is_empty()
        && !route.provider.is_demo()
        && let Some(counted) =
            tokens::count(&call.books.factors, route.sent_as(), &mut inspected.measured, |vocabulary| {
                match body {
                    Some(body) => tokens::measure(body.text, &body.tree, vocabulary),
                    None => tokens::read(&inspected.arrived.body, vocabulary),
                }
            })
    {
        inspected.input_tokens = counted.tokens.saturating_add(inspected.attachment_tokens);
        // What attachments cost is no matter of the text.
        lesson = counted.lesson.filter(|_| inspected.attachment_tokens == 0);
    }
    let day = Day::from_unix_ms(call.now_ms());
    let price = call.books.prices.price(&budget.prices, &route.provider, names, day);
    let (input, asked) = (inspected.input_tokens, &inspected.asked);
    let micros = price.as_ref().and_then(|price| price.at(asked.tier)).and_then(|price| match asked.sounds {
        true => price.with_sound().bound(input, output),
        false => price.bound(input, output),
    });
    Needs {
        tokens: input.saturating_add(output),
        output,
        micros,
        price,
        tier: asked.tier,
        lesson,
        limits,
        day,
    }
}

/// The refusal of a call that a limit cannot carry.
fn exhausted(context: &str, standing: &Standing, asked: u64, call: &Call) -> Problem {
    let Limit { scope, period, unit, amount } = &standing.limit;
    let shown = |number: u64| match unit {
        Unit::Tokens => number.to_string(),
        Unit::Micros => format!("${}", Micros(number)),
    };
    let (period, what) = (
        match period {
            Period::Day => "daily",
            Period::Month => "monthly",
        },
        match unit {
            Unit::Tokens => " tokens",
            Unit::Micros => "",
        },
    );
    let whose = match scope {
        Scope::Context => String::new(),
        Scope::Key(_) => "for this key ".to_owned(),
        Scope::Model(_) => "for this model ".to_owned(),
    };
    let held = match standing.reserved {
        0 => String::new(),
        reserved => format!(" ({} more are held for calls in progress)", shown(reserved)),
    };
    let (left, whole, needed) = (shown(standing.remaining()), shown(*amount), shown(asked));
    let setting = match scope {
        Scope::Context => format!("budget.{}", standing.limit.name()),
        Scope::Key(client) => format!("budget.keys.{client}.{}", standing.limit.name()),
        Scope::Model(pattern) => format!("budget.models.{pattern}.{}", standing.limit.name()),
    };
    let wait_s = wait_s(standing.resets_at(), call);
    let mut problem = Problem::new(
        Code::BudgetExceeded,
        format!(
            "The {period} budget {whose}of context \"{context}\" has {left} of {whole}{what} left{held}, and this call may need {needed}."
        ),
    )
    .hint(format!("Raise {setting}, ask for fewer output tokens, or wait {} for the reset.", waiting(wait_s)));
    problem.retry_after_s = Some(wait_s);
    problem
}

/// The refusal of a hard context that limits money, for a model of which nobody knows the price.
fn unknown_price(model: &str, limit: &Limit, day: Day, call: &Call) -> Problem {
    let mut problem = Problem::new(
        Code::BudgetExceeded,
        format!(
            "The price of this model is unknown, so it cannot be held against budget.{}, and this context is hard.",
            limit.name()
        ),
    )
    .hint(format!(
        "State its price in the context's file: `budget: {{prices: {{\"{model}\": {{input: 3, output: 15}}}}}}` in dollars for a million tokens."
    ));
    problem.retry_after_s = Some(wait_s(limit.period.resets_at(day), call));
    problem
}

fn wait_s(resets_at: u64, call: &Call) -> u64 {
    resets_at.saturating_sub(call.now_ms()).div_ceil(1000).max(1)
}

fn waiting(seconds: u64) -> String {
    match (seconds / 86_400, seconds % 86_400 / 3_600, seconds % 3_600 / 60) {
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}
