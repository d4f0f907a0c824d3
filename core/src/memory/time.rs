//! Moments in files, and what people write for them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment, to the millisecond. Written as RFC 3339 in UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Moment(Timestamp);

/// The text is no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write a day (2026-12-31), a time (2026-12-31T18:00:00Z), or from now on: 12h, 30d, 8w")]
pub struct TimeError;

impl Moment {
    /// Milliseconds since 1970; a number beyond the calendar is its end.
    pub fn from_unix_ms(ms: i64) -> Self {
        Self(Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX))
    }

    /// Now, by the clock of this machine.
    pub fn now() -> Self {
        Self::from_unix_ms(Timestamp::now().as_millisecond())
    }

    /// Milliseconds since 1970.
    pub fn unix_ms(self) -> i64 {
        self.0.as_millisecond()
    }

    /// The year, in UTC.
    pub fn year(self) -> i16 {
        self.0.to_zoned(TimeZone::UTC).year()
    }

    /// Moment after a duration, at most the end of the calendar.
    fn plus(self, duration: Duration) -> Self {
        Self(self.0.checked_add(duration).unwrap_or(Timestamp::MAX))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let in_utc = self.0.to_zoned(TimeZone::UTC);
        match self.unix_ms().rem_euclid(1000) {
            0 => write!(f, "{}", in_utc.strftime("%Y-%m-%dT%H:%M:%SZ")),
            _ => write!(f, "{}", in_utc.strftime("%Y-%m-%dT%H:%M:%S.%3fZ")),
        }
    }
}

impl FromStr for Moment {
    type Err = TimeError;

    /// A time with its zone, or a day, which begins at midnight in UTC.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(Self::from_unix_ms(time.as_millisecond()));
        }
        // `Date` would also take the day out of a time without a zone, and drop its hour.
        let day: Date = match text.len() {
            10 => text.parse().map_err(|_| TimeError)?,
            _ => return Err(TimeError),
        };
        let zoned = day.to_zoned(TimeZone::UTC).map_err(|_| TimeError)?;
        Ok(Self::from_unix_ms(zoned.timestamp().as_millisecond()))
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Reads when something expires: a moment, or a time from now such as `12h`, `30d` or `8w`.
///
/// # Errors
/// If it is neither.
pub fn parse_expiry(text: &str, now: Moment) -> Result<Moment, TimeError> {
    let text = text.trim();
    if let Ok(moment) = text.parse() {
        return Ok(moment);
    }
    let unit = text.chars().last().ok_or(TimeError)?;
    let hours: u64 = match unit {
        'h' => 1,
        'd' => 24,
        'w' => 7 * 24,
        _ => return Err(TimeError),
    };
    let count: u64 = text[..text.len() - 1].trim().parse().map_err(|_| TimeError)?;
    let seconds = count.checked_mul(hours * 3600).ok_or(TimeError)?;
    Ok(now.plus(Duration::from_secs(seconds.min(i64::MAX as u64 / 2))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_and_read_back() {
        for text in ["2026-11-25T01:20:00Z", "2026-11-25T01:20:00.125Z"] {
            assert_eq!(text.parse::<Moment>().unwrap().to_string(), text);
        }
        assert_eq!("2026-12-31".parse::<Moment>().unwrap().to_string(), "2026-12-31T00:00:00Z");
        assert_eq!(
            "2026-11-25T03:20:00+02:00".parse::<Moment>().unwrap().to_string(),
            "2026-11-25T01:20:00Z"
        );
        for wrong in ["", "tomorrow", "2026-11-25T01:20", "31.12.2026", "2026-13-01"] {
            assert_eq!(wrong.parse::<Moment>(), Err(TimeError), "{wrong:?}");
        }
    }

    #[test]
    fn an_expiry_may_count_from_now() {
        let now: Moment = "2026-11-25T00:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("12h", "2026-11-25T12:00:00Z"),
            ("30d", "2026-12-25T00:00:00Z"),
            ("1w", "2026-12-02T00:00:00Z"),
            ("2027-01-01", "2027-01-01T00:00:00Z"),
        ] {
            assert_eq!(parse_expiry(text, now).unwrap().to_string(), expected);
        }
        for wrong in ["", "d", "-1d", "3 years", "99999999999999999999h", "1é"] {
            assert!(parse_expiry(wrong, now).is_err(), "{wrong:?}");
        }
    }
}
