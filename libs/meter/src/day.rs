//! A UTC calendar day: the period of a budget. Local time plays no part, so that a budget resets
//! at the same moment for everybody who shares it and never twice when clocks change.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A UTC day between 0000-01-01 and 9999-12-31, written `YYYY-MM-DD`, also in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(Date);

/// The text is not a day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a day: write YYYY-MM-DD")]
pub struct ParseDayError {
    text: String,
}

impl Day {
    /// The day of a moment, given in milliseconds since 1970. Moments past the year 9999 fall on
    /// its last day.
    #[must_use]
    pub fn from_unix_ms(unix_ms: u64) -> Self {
        let moment = i64::try_from(unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        Self(moment.map_or(Date::MAX, |moment| moment.to_zoned(TimeZone::UTC).date()))
    }

    /// The moment this day begins, in milliseconds since 1970; days before 1970 begin at 0.
    #[must_use]
    pub fn start_ms(self) -> u64 {
        let days = self.0.since(Date::constant(1970, 1, 1)).map_or(0, |span| span.get_days());
        u64::try_from(i64::from(days) * 86_400_000).unwrap_or(0)
    }

    /// The midnight that ends this day and resets its budget, in milliseconds since 1970.
    #[must_use]
    pub fn resets_at(self) -> u64 {
        self.start_ms().saturating_add(86_400_000)
    }

    /// The first day of this day's month.
    #[must_use]
    pub fn first_of_month(self) -> Self {
        Self(self.0.first_of_month())
    }

    /// The first day of the month after; December 9999 is followed by itself.
    #[must_use]
    pub fn next_month(self) -> Self {
        Self(self.0.last_of_month()).next()
    }

    /// The day after; the last day of 9999 is followed by itself.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1.day()))
    }

    /// The day before; the first day of the calendar is preceded by itself.
    #[must_use]
    pub fn previous(self) -> Self {
        Self::floor(self.0.saturating_sub(1.day()))
    }

    /// Keeps the four-digit form that sorts as text: years before 0 do not exist here.
    fn floor(date: Date) -> Self {
        Self(date.max(Date::constant(0, 1, 1)))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:04}-{:02}-{:02}", self.0.year(), self.0.month(), self.0.day())
    }
}

impl FromStr for Day {
    type Err = ParseDayError;

    /// Accepts `YYYY-MM-DD` and nothing else, so that text order is day order.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseDayError { text: text.chars().take(32).collect() };
        let day = Self(text.parse().map_err(|_| wrong())?);
        if day.to_string() == text { Ok(day) } else { Err(wrong()) }
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 3_600_000;

    #[test]
    fn a_day_runs_from_midnight_to_midnight_utc() {
        let day = Day::from_unix_ms(0);
        assert_eq!(day.to_string(), "1970-01-01");
        assert_eq!(day.resets_at(), 24 * HOUR_MS);
        assert_eq!(Day::from_unix_ms(24 * HOUR_MS - 1), day);
        assert_eq!(Day::from_unix_ms(24 * HOUR_MS), day.next());
        assert_eq!(day.next().previous(), day);
    }

    #[test]
    fn leap_days_exist_and_other_wrong_days_do_not() {
        let leap: Day = "2028-02-29".parse().unwrap();
        assert_eq!(leap.next().to_string(), "2028-03-01");
        assert_eq!(Day::from_unix_ms(leap.start_ms()), leap);
        let refused = [
            "2027-02-29",
            "2028-2-9",
            "20280229",
            "2028-02-29T00:00",
            " 2028-02-29",
            "-02028-02-29",
            "",
            "today",
        ];
        for wrong in refused {
            assert!(wrong.parse::<Day>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn moments_beyond_the_calendar_fall_on_its_last_day() {
        let last = Day::from_unix_ms(u64::MAX);
        assert_eq!(last.to_string(), "9999-12-31");
        assert!(last.resets_at() > last.start_ms());
        assert!(last.next() >= last);
    }

    #[test]
    fn json_is_the_written_day() {
        let day: Day = "2026-11-22".parse().unwrap();
        assert_eq!(serde_json::to_string(&day).unwrap(), "\"2026-11-22\"");
        assert_eq!(serde_json::from_str::<Day>("\"2026-11-22\"").unwrap(), day);
        assert!(serde_json::from_str::<Day>("20261122").is_err());
    }

    proptest::proptest! {
        #[test]
        fn text_order_is_day_order(a in 0u64..4_000_000_000_000, b in 0u64..4_000_000_000_000) {
            let (first, second) = (Day::from_unix_ms(a), Day::from_unix_ms(b));
            proptest::prop_assert_eq!(first.cmp(&second), first.to_string().cmp(&second.to_string()));
            proptest::prop_assert_eq!(first.to_string().parse::<Day>().unwrap(), first);
            proptest::prop_assert!(first.start_ms() <= a && a < first.resets_at());
        }
    }
}
