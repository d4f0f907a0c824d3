//! Prices of tokens, in whole numbers.
//!
//! Prices are nanodollars for a million tokens, so that every published price is exact; a cost is summed
//! over all kinds of tokens first and rounded up once, to whole microdollars. A tier of service (priority, flex,
//! batch) has prices of its own, and one without is unknown: no list price is taken for it. Prices for anything but
//! tokens (searches, pages, audio by the hour) are not known here: where these apply, the true bill differs.

mod catalogue;

pub use catalogue::{Catalogue, CatalogueError};

use std::collections::BTreeMap;
use std::fmt;
use std::iter::Sum;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Tier, Usage};

/// An amount of US dollars in millionths.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(pub u64);

impl Micros {
    /// Sum of both, at most the largest number.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for Micros {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self(0), Self::plus)
    }
}

impl fmt::Display for Micros {
    /// Dollars with two decimals, or with as many as a smaller part needs: `12.50`, `0.000021`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dollars, micros) = (self.0 / 1_000_000, self.0 % 1_000_000);
        let decimals = format!("{micros:06}");
        let needed = decimals.trim_end_matches('0').len().max(2);
        write!(out, "{dollars}.{}", &decimals[..needed])
    }
}

/// The price of a million tokens in nanodollars. `0.075` dollars is 75,000,000.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Rate(pub u64);

/// The text is not a price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a price: write dollars for a million tokens, for example 3 or 0.25")]
pub struct ParseRateError;

impl FromStr for Rate {
    type Err = ParseRateError;

    /// Reads dollars as a plain decimal or with an exponent (`1.5e-7`), exactly to nine decimals; what lies
    /// below is rounded up. A price above 10 million dollars is a mistake.
    fn from_str(text: &str) -> Result<Self, ParseRateError> {
        let lower = text.to_ascii_lowercase();
        let (digits, exponent) = match lower.split_once('e') {
            Some((digits, exponent)) => (digits, exponent.parse::<i32>().map_err(|_| ParseRateError)?),
            None => (lower.as_str(), 0),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all = format!("{whole}{fraction}");
        let is_plain = !all.is_empty() && all.len() <= 30 && all.bytes().all(|byte| byte.is_ascii_digit());
        if !is_plain || exponent.abs() > 30 {
            return Err(ParseRateError);
        }
        let number: u128 = all.parse().map_err(|_| ParseRateError)?;
        // The number of nanodollars is `number` times ten to this power.
        let power = 9 + exponent - i32::try_from(fraction.len()).map_err(|_| ParseRateError)?;
        let ten = |power: u32| 10_u128.checked_pow(power);
        let nanos = match u32::try_from(power) {
            Ok(power) => ten(power).and_then(|ten| number.checked_mul(ten)),
            Err(_) => {
                Some(ten(power.unsigned_abs()).map_or(u128::from(number > 0), |ten| number.div_ceil(ten)))
            }
        };
        let nanos = nanos.filter(|nanos| *nanos <= 10_000_000 * 1_000_000_000).ok_or(ParseRateError)?;
        u64::try_from(nanos).map(Self).map_err(|_| ParseRateError)
    }
}

/// One kind of token: a base rate, and others that hold for *all* its tokens once the whole input of a
/// call is larger than a threshold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tiered {
    base: Rate,
    /// Thresholds in tokens, rising.
    tiers: Vec<(u64, Rate)>,
}

impl Tiered {
    /// The same rate at any size.
    #[must_use]
    pub fn flat(base: Rate) -> Self {
        Self { base, tiers: Vec::new() }
    }

    /// With rates from thresholds on.
    #[must_use]
    pub fn with_tiers(base: Rate, mut tiers: Vec<(u64, Rate)>) -> Self {
        tiers.sort_unstable();
        Self { base, tiers }
    }

    fn at(&self, input: u64) -> Rate {
        self.tiers.iter().rev().find(|(start, _)| input > *start).map_or(self.base, |(_, rate)| *rate)
    }

    /// The highest rate that an input of up to this size can meet.
    fn highest_to(&self, input: u64) -> Rate {
        let reached = self.tiers.iter().filter(|(start, _)| input > *start).map(|(_, rate)| *rate);
        reached.fold(self.base, Rate::max)
    }

    /// At every size the higher of the two.
    fn or_higher(&self, other: &Self) -> Self {
        let starts = self.tiers.iter().chain(&other.tiers).map(|(start, _)| *start);
        let tiers = starts
            .map(|start| (start, self.at(start.saturating_add(1)).max(other.at(start.saturating_add(1)))))
            .collect();
        Self::with_tiers(self.base.max(other.base), tiers)
    }
}

/// Prices beside the list price, for other terms of service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Terms {
    /// The same at any terms: as an owner states a price.
    Same,
    /// Prices of the published terms; any other is unknown.
    Published(BTreeMap<Tier, Price>),
}

impl Default for Terms {
    fn default() -> Self {
        Self::Published(BTreeMap::new())
    }
}

/// Prices of the tokens of one model. A kind without a rate of its own costs what its larger kind costs:
/// cache reads and writes as input, writes for an hour as writes. Without `output`, output has no price; nor has sound
/// without its own rate, which is many times that of text.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Price {
    /// Input that no cache plays a part in.
    pub input: Option<Tiered>,
    /// Output, reasoning included.
    pub output: Option<Tiered>,
    /// Input read from a cache.
    pub cache_read: Option<Tiered>,
    /// Input written to a cache.
    pub cache_write: Option<Tiered>,
    /// Input written to a cache to be kept for an hour.
    pub cache_write_1h: Option<Tiered>,
    /// Input that is sound.
    pub audio_input: Option<Tiered>,
    /// Output that is sound.
    pub audio_output: Option<Tiered>,
    /// Prices at other terms.
    pub terms: Terms,
}

impl Price {
    /// Nothing: for what truly costs nothing.
    #[must_use]
    pub fn free() -> Self {
        Self::flat(Rate(0), Rate(0))
    }

    /// Two rates for whatever goes in and comes out, at any terms.
    #[must_use]
    pub fn flat(input: Rate, output: Rate) -> Self {
        let (input, output) = (Some(Tiered::flat(input)), Some(Tiered::flat(output)));
        Self {
            audio_input: input.clone(),
            audio_output: output.clone(),
            terms: Terms::Same,
            input,
            output,
            ..Self::default()
        }
    }

    /// The price at these terms; `None` when it is not known. Without a word the list price holds.
    #[must_use]
    pub fn at(&self, tier: Option<Tier>) -> Option<&Self> {
        match (&self.terms, tier) {
            (Terms::Same, _) | (_, None | Some(Tier::Standard)) => Some(self),
            (Terms::Published(prices), Some(tier)) => prices.get(&tier),
        }
    }

    /// Cost of a call at the terms that its usage names; `None` when they, or a kind of token that it used, have no
    /// known price.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Option<Micros> {
        self.at(usage.tier)?.cost_here(usage)
    }

    fn cost_here(&self, usage: &Usage) -> Option<Micros> {
        let heard = usage.audio_input.min(usage.input);
        let spoken = usage.audio_output.min(usage.output);
        let size = usage.input.saturating_add(usage.cache_read).saturating_add(usage.cache_write);
        let hour = usage.cache_write_1h.min(usage.cache_write);
        let write = self.cache_write.as_ref().or(self.input.as_ref());
        let parts = [
            (usage.input - heard, self.input.as_ref()),
            (usage.output - spoken, self.output.as_ref()),
            (heard, self.audio_input.as_ref()),
            (spoken, self.audio_output.as_ref()),
            (usage.cache_read, self.cache_read.as_ref().or(self.input.as_ref())),
            (usage.cache_write - hour, write),
            (hour, self.cache_write_1h.as_ref().or(write)),
        ];
        sum(parts.map(|(tokens, tiered)| (tokens, tiered.map(|tiered| tiered.at(size)))))
    }

    /// The most that a call with so much input and output can cost: all of its input is taken at the dearest
    /// of the input rates. `None` when that is unknown.
    #[must_use]
    pub fn bound(&self, input: u64, output: u64) -> Option<Micros> {
        let kinds = [&self.input, &self.cache_read, &self.cache_write, &self.cache_write_1h];
        let dearest = kinds.into_iter().flatten().map(|tiered| tiered.highest_to(input)).max();
        let dearest = dearest.filter(|_| self.input.is_some());
        sum([(input, dearest), (output, self.output.as_ref().map(|tiered| tiered.highest_to(input)))])
    }

    /// The price of a call any part of which may turn out to be sound: the dearer of both rates, unknown where one is.
    #[must_use]
    pub fn with_sound(&self) -> Self {
        let dearer =
            |text: &Option<Tiered>, sound: &Option<Tiered>| Some(text.as_ref()?.or_higher(sound.as_ref()?));
        Self {
            input: dearer(&self.input, &self.audio_input),
            output: dearer(&self.output, &self.audio_output),
            ..self.clone()
        }
    }

    /// The higher of two prices, for each kind of token: for prices that change with the hour.
    fn or_higher(&self, other: &Self) -> Self {
        let pick = |one: &Option<Tiered>, two: &Option<Tiered>| match (one, two) {
            (Some(one), Some(two)) => Some(one.or_higher(two)),
            (one, two) => one.clone().or_else(|| two.clone()),
        };
        Self {
            input: pick(&self.input, &other.input),
            output: pick(&self.output, &other.output),
            cache_read: pick(&self.cache_read, &other.cache_read),
            cache_write: pick(&self.cache_write, &other.cache_write),
            cache_write_1h: pick(&self.cache_write_1h, &other.cache_write_1h),
            audio_input: pick(&self.audio_input, &other.audio_input),
            audio_output: pick(&self.audio_output, &other.audio_output),
            // Variants are put on when the price of a day is known.
            terms: Terms::default(),
        }
    }

    /// This price with those rates in place that another one states: a variant says what differs.
    fn overlaid(&self, by: &Self) -> Self {
        let pick = |own: &Option<Tiered>, other: &Option<Tiered>| other.clone().or_else(|| own.clone());
        Self {
            input: pick(&self.input, &by.input),
            output: pick(&self.output, &by.output),
            cache_read: pick(&self.cache_read, &by.cache_read),
            cache_write: pick(&self.cache_write, &by.cache_write),
            cache_write_1h: pick(&self.cache_write_1h, &by.cache_write_1h),
            audio_input: pick(&self.audio_input, &by.audio_input),
            audio_output: pick(&self.audio_output, &by.audio_output),
            terms: Terms::default(),
        }
    }
}

/// Tokens times rates, rounded up once.
fn sum<const N: usize>(parts: [(u64, Option<Rate>); N]) -> Option<Micros> {
    let mut total: u128 = 0;
    for (tokens, rate) in parts {
        if tokens > 0 {
            total = total.saturating_add(u128::from(tokens) * u128::from(rate?.0));
        }
    }
    // Nanodollars for a million tokens, times tokens: 10^-9 / 10^6 dollars; a microdollar is 10^9 of them.
    Some(Micros(u64::try_from(total.div_ceil(1_000_000_000)).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests;
