//! Limits: whose calls, which unit, for how long.
//!
//! Every limit belongs to a context. Within it, one can be about all calls, about the calls of one zOS key,
//! or about the calls for models that fit a pattern. What is counted for each of them, a *purse*, is a row of
//! sums for a UTC day or a UTC month. The context's own two purses are always kept, so a limit that is set
//! in the middle of a month counts what was spent before; those of keys and patterns are kept from the
//! first call under such a limit on.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Day;

/// Whose calls a limit counts, within a context.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All of the context.
    #[default]
    Context,
    /// Calls with the zOS key of this client.
    Key(String),
    /// Calls for models that fit this pattern.
    Model(String),
}

impl Scope {
    /// One text for each, as stores keep it: empty, `key:…` or `model:…`.
    #[must_use]
    pub fn code(&self) -> String {
        match self {
            Self::Context => String::new(),
            Self::Key(client) => format!("key:{client}"),
            Self::Model(pattern) => format!("model:{pattern}"),
        }
    }
}

/// Periods of a limit, always in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// A calendar day.
    Day,
    /// A calendar month.
    Month,
}

impl Period {
    /// The period that a day falls in, as stores keep it: `2026-11-22`, or `2026-11`.
    #[must_use]
    pub fn code(self, day: Day) -> String {
        let mut text = day.to_string();
        if self == Self::Month {
            text.truncate(7);
        }
        text
    }

    /// The first moment of the period of a day, in milliseconds since 1970.
    #[must_use]
    pub fn starts_at(self, day: Day) -> u64 {
        match self {
            Self::Day => day.start_ms(),
            Self::Month => day.first_of_month().start_ms(),
        }
    }

    /// End of the period that a day is in, in milliseconds since 1970.
    #[must_use]
    pub fn resets_at(self, day: Day) -> u64 {
        match self {
            Self::Day => day.resets_at(),
            Self::Month => day.next_month().start_ms(),
        }
    }
}

/// Units of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Tokens: input, output, cache reads and cache writes.
    Tokens,
    /// Money, in microdollars.
    Micros,
}

/// One limit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limit {
    /// Whose calls it counts.
    pub scope: Scope,
    /// Period.
    pub period: Period,
    /// Unit.
    pub unit: Unit,
    /// Amount for each period, in the unit.
    pub amount: u64,
}

impl Limit {
    /// Tokens a day for the whole context.
    #[must_use]
    pub fn daily_tokens(amount: u64) -> Self {
        Self { scope: Scope::Context, period: Period::Day, unit: Unit::Tokens, amount }
    }

    /// Microdollars a day for the whole context.
    #[must_use]
    pub fn daily_micros(amount: u64) -> Self {
        Self { unit: Unit::Micros, ..Self::daily_tokens(amount) }
    }

    /// Microdollars a month for the whole context.
    #[must_use]
    pub fn monthly_micros(amount: u64) -> Self {
        Self { period: Period::Month, ..Self::daily_micros(amount) }
    }

    /// The same limit for others.
    #[must_use]
    pub fn of(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    /// Key in a context's file: `daily_tokens`, `daily_usd`, …
    #[must_use]
    pub fn name(&self) -> &'static str {
        match (self.period, self.unit) {
            (Period::Day, Unit::Tokens) => "daily_tokens",
            (Period::Month, Unit::Tokens) => "monthly_tokens",
            (Period::Day, Unit::Micros) => "daily_usd",
            (Period::Month, Unit::Micros) => "monthly_usd",
        }
    }

    pub(crate) fn standing(&self, day: Day, sums: &Sums) -> Standing {
        let (used, reserved) = sums.of(self.unit);
        Standing { limit: self.clone(), day, used, reserved }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let period = match self.period {
            Period::Day => "daily",
            Period::Month => "monthly",
        };
        write!(out, "{period} budget of {}", amount(self.unit, self.amount))?;
        match &self.scope {
            Scope::Context => Ok(()),
            Scope::Key(client) => write!(out, " for the key of \"{client}\""),
            Scope::Model(pattern) => write!(out, " for models \"{pattern}\""),
        }
    }
}

/// `1,200 tokens` without the comma, or `$1.50`.
pub(crate) fn amount(unit: Unit, amount: u64) -> String {
    match unit {
        Unit::Tokens => format!("{amount} tokens"),
        Unit::Micros => format!("${}", crate::Micros(amount)),
    }
}

/// Standing of a limit: amounts used and held in its present period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The limit.
    pub limit: Limit,
    /// The day it was looked at for, which says which day or month it is.
    pub day: Day,
    /// Amount that is settled.
    pub used: u64,
    /// Amount that is held for calls under way.
    pub reserved: u64,
}

impl Standing {
    /// Amount that can still be reserved.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.limit.amount.saturating_sub(self.used).saturating_sub(self.reserved)
    }

    /// Whether so much more fits. Stores count to the largest signed 64-bit number, so no limit is higher.
    #[must_use]
    pub fn can_carry(&self, asked: u64) -> bool {
        let sum = [self.used, self.reserved, asked].map(u128::from).iter().sum::<u128>();
        sum <= u128::from(self.limit.amount.min(i64::MAX.unsigned_abs()))
    }

    /// Time of its reset, in milliseconds since 1970.
    #[must_use]
    pub fn resets_at(&self) -> u64 {
        self.limit.period.resets_at(self.day)
    }

    /// Time at which the limit is used up if spending goes on as since the period began, in milliseconds since 1970;
    /// `None` when it lasts until the reset, or nothing was used yet; `now_ms` for a limit that is used up.
    #[must_use]
    pub fn runs_out_at(&self, now_ms: u64) -> Option<u64> {
        let start = self.limit.period.starts_at(self.day);
        let elapsed = now_ms.checked_sub(start).filter(|_| self.used > 0)?;
        if self.used >= self.limit.amount {
            return Some(now_ms);
        }
        let whole = u128::from(elapsed) * u128::from(self.limit.amount) / u128::from(self.used);
        let end = start.checked_add(u64::try_from(whole).ok()?)?;
        (end < self.resets_at()).then_some(end)
    }

    /// The highest of the marks 80 and 100 that what is used has reached, in percent; 0 below.
    #[must_use]
    pub fn mark(&self) -> u8 {
        let (used, amount) = (u128::from(self.used), u128::from(self.limit.amount));
        match () {
            () if amount == 0 => 0,
            () if used >= amount => 100,
            () if used * 100 >= amount * 80 => 80,
            () => 0,
        }
    }
}

/// The sums of one purse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sums {
    /// Tokens settled.
    pub used: u64,
    /// Tokens held.
    pub reserved: u64,
    /// Microdollars settled.
    pub used_micros: u64,
    /// Microdollars held.
    pub reserved_micros: u64,
    /// Calls settled whose price is unknown: they are not in `used_micros`.
    pub unpriced: u64,
}

impl Sums {
    pub(crate) fn of(&self, unit: Unit) -> (u64, u64) {
        match unit {
            Unit::Tokens => (self.used, self.reserved),
            Unit::Micros => (self.used_micros, self.reserved_micros),
        }
    }
}

/// Purses that a call is booked in: those of its context, and those of its limits. Sorted, so that two calls
/// that share some take them in the same order.
pub(crate) fn purses(limits: &[Limit], day: Day) -> Vec<(String, String)> {
    let mut purses: Vec<_> =
        [Period::Day, Period::Month].map(|period| (String::new(), period.code(day))).into();
    purses.extend(limits.iter().map(|limit| (limit.scope.code(), limit.period.code(day))));
    purses.sort();
    purses.dedup();
    purses
}

/// The purse of one limit.
pub(crate) fn purse(limit: &Limit, day: Day) -> (String, String) {
    (limit.scope.code(), limit.period.code(day))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    #[test]
    fn periods_end_where_the_calendar_says() {
        for (on, day_end, month, month_end) in [
            ("2026-11-30", "2026-12-01", "2026-11", "2026-12-01"),
            ("2026-12-31", "2027-01-01", "2026-12", "2027-01-01"),
            ("2028-02-01", "2028-02-02", "2028-02", "2028-03-01"),
            ("2026-02-28", "2026-03-01", "2026-02", "2026-03-01"),
        ] {
            let on = day(on);
            assert_eq!(Period::Day.resets_at(on), day(day_end).start_ms());
            assert_eq!(Period::Month.code(on), month);
            assert_eq!(Period::Month.resets_at(on), day(month_end).start_ms());
            assert!(Period::Month.starts_at(on) <= Period::Day.starts_at(on));
        }
        assert_eq!(Period::Month.resets_at(day("9999-12-31")), day("9999-12-31").start_ms());
    }

    #[test]
    fn marks_are_reached_at_exactly_80_and_100_percent() {
        let mark = |used, amount| {
            Standing { limit: Limit::daily_tokens(amount), day: day("2026-11-22"), used, reserved: 0 }.mark()
        };
        for (used, amount, expected) in [
            (79, 100, 0),
            (80, 100, 80),
            (99, 100, 80),
            (100, 100, 100),
            (250, 100, 100),
            (0, 0, 0),
            (5, 0, 0),
        ] {
            assert_eq!(mark(used, amount), expected, "{used} of {amount}");
        }
        assert_eq!(mark(u64::MAX, u64::MAX), 100);
    }

    #[test]
    fn a_forecast_goes_on_as_it_did_since_the_period_began() {
        let on = day("2026-11-22");
        let standing = |limit, used| Standing { limit, day: on, used, reserved: 0 };
        let at = |hour: u64| on.start_ms() + hour * 3_600_000;
        // Half of it in 6 hours: all of it in 12. A third in 9 hours lasts until the reset.
        assert_eq!(standing(Limit::daily_tokens(100), 50).runs_out_at(at(6)), Some(at(12)));
        assert_eq!(standing(Limit::daily_tokens(100), 33).runs_out_at(at(9)), None);
        assert_eq!(standing(Limit::daily_tokens(100), 0).runs_out_at(at(9)), None);
        assert_eq!(standing(Limit::daily_tokens(100), 100).runs_out_at(at(9)), Some(at(9)));
        // A clock before the period knows no pace.
        assert_eq!(standing(Limit::daily_tokens(100), 1).runs_out_at(on.start_ms() - 1), None);
        let month = standing(Limit::monthly_micros(60_000_000), 50_000_000).runs_out_at(at(0));
        let first = day("2026-11-01").start_ms();
        assert_eq!(month, Some(first + 21 * 86_400_000 * 60 / 50));
    }

    #[test]
    fn a_call_is_booked_once_in_each_purse() {
        let limits = [
            Limit::daily_tokens(1),
            Limit::daily_micros(1),
            Limit::monthly_micros(1),
            Limit::daily_tokens(1).of(Scope::Model("claude-*".into())),
            Limit::daily_micros(1).of(Scope::Model("claude-*".into())),
        ];
        let text: Vec<String> = purses(&limits, day("2026-11-22"))
            .into_iter()
            .map(|(scope, period)| format!("{scope}|{period}"))
            .collect();
        assert_eq!(text, ["|2026-11", "|2026-11-22", "model:claude-*|2026-11-22"]);
    }
}
