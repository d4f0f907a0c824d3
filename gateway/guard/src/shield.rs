//! The owner's pause of the shield: for a while, rules only report. In memory alone, so that a restart
//! ends it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Not paused.
const RESUMED: u64 = 0;

/// The longest pause with an end, in minutes: a day.
pub const MINUTES_LIMIT: u32 = 24 * 60;

/// Whether the shield is paused, and until when.
#[derive(Default)]
pub struct Shield {
    /// Unix milliseconds; [`RESUMED`] for none, the largest number for "until resumed".
    until_ms: AtomicU64,
}

impl Shield {
    /// Pauses for some minutes, or until resumed.
    pub fn pause(&self, now_ms: u64, minutes: Option<u32>) {
        let until = minutes.map_or(u64::MAX, |minutes| now_ms + u64::from(minutes) * 60_000);
        self.until_ms.store(until, Ordering::Release);
    }

    /// Ends the pause.
    pub fn resume(&self) {
        self.until_ms.store(RESUMED, Ordering::Release);
    }

    /// Whether it is paused now.
    pub fn is_paused(&self, now_ms: u64) -> bool {
        now_ms < self.until_ms.load(Ordering::Acquire)
    }

    /// When the pause ends by itself; `None` while not paused or when it has no end.
    pub fn ends_ms(&self, now_ms: u64) -> Option<u64> {
        let until = self.until_ms.load(Ordering::Acquire);
        (until != u64::MAX && now_ms < until).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_ends_by_itself_or_when_resumed() {
        let shield = Shield::default();
        assert!(!shield.is_paused(1_000));
        shield.pause(1_000, Some(5));
        assert!(shield.is_paused(300_999));
        assert_eq!(shield.ends_ms(1_000), Some(301_000));
        assert!(!shield.is_paused(301_000));
        shield.pause(1_000, None);
        assert!(shield.is_paused(u64::MAX - 1));
        assert_eq!(shield.ends_ms(1_000), None);
        shield.resume();
        assert!(!shield.is_paused(1_000));
    }
}
