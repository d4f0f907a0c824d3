//! Instants as the log writes them: RFC 3339 in UTC with milliseconds.

use jiff::Timestamp;

/// The RFC 3339 form of an instant, such as `2026-01-02T03:04:05.678Z`.
///
/// Instants beyond the year 9999 are written as its end.
pub fn format_time(unix_ms: u64) -> String {
    let timestamp = i64::try_from(unix_ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .unwrap_or(Timestamp::MAX);
    format!("{timestamp:.3}")
}

/// The instant of an RFC 3339 time, or of a day (`2026-01-02`, its UTC midnight), in Unix milliseconds.
///
/// # Errors
/// When the text is neither, or lies before 1970.
pub fn parse_time(text: &str) -> Result<u64, NotATime> {
    let timestamp = match text.parse::<Timestamp>() {
        Ok(timestamp) => timestamp,
        Err(_) if text.len() == 10 => {
            format!("{text}T00:00:00Z").parse().map_err(|_| NotATime(text.to_owned()))?
        }
        Err(_) => return Err(NotATime(text.to_owned())),
    };
    u64::try_from(timestamp.as_millisecond()).map_err(|_| NotATime(text.to_owned()))
}

/// A text that is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a time; write it like 2026-01-02T03:04:05Z, or a day like 2026-01-02")]
pub struct NotATime(String);

/// The UTC day of a time that [`format_time`] wrote: its first ten characters.
pub(crate) fn day_of(time: &str) -> &str {
    &time[..10]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_has_milliseconds_and_is_read_back() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_767_323_045_678, "2026-01-02T03:04:05.678Z"),
            (1_767_323_045_600, "2026-01-02T03:04:05.600Z"),
        ] {
            assert_eq!(format_time(ms), text);
            assert_eq!(parse_time(text), Ok(ms));
        }
        assert!(format_time(u64::MAX).starts_with("9999-12-3"));
    }

    #[test]
    fn a_day_is_its_midnight_and_other_zones_are_converted() {
        assert_eq!(parse_time("2026-01-02").map(format_time), Ok("2026-01-02T00:00:00.000Z".to_owned()));
        assert_eq!(
            parse_time("2026-01-02T01:00:00+02:00").map(format_time),
            Ok("2026-01-01T23:00:00.000Z".to_owned())
        );
        for text in ["", "yesterday", "2026-13-01", "2026-01-02T25:00:00Z", "1969-12-31"] {
            assert!(parse_time(text).unwrap_err().to_string().contains("like 2026-01-02"), "{text}");
        }
    }
}
