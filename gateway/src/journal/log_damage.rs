//! What is wrong with the past of the log, and what follows from it.
//!
//! A log that cannot be opened for damage keeps zOS from starting. This is for what shows later, when the whole log has
//! been verified beside the calls, and for a log that the owner has written on all the same.

use std::sync::{Mutex, PoisonError};
use zos_audit::{Log, OnDamage, Report};

/// What verification found, and whether the owner lets hard rooms go on with it.
pub(crate) struct LogDamage {
    found: Mutex<Option<String>>,
    is_accepted: bool,
}

impl LogDamage {
    /// Of a log that was opened.
    pub(crate) fn new(log: &Log, on_damage: OnDamage) -> Self {
        let is_accepted = on_damage == OnDamage::DangerousServe;
        Self { found: Mutex::new(log.damage()), is_accepted }
    }

    /// Takes in what verification came to, and says whether that is news. A log without a key has no tree, which is
    /// told by itself.
    pub(crate) fn found(&self, report: &Report) -> bool {
        let Some(first) = report.findings.first().filter(|_| report.key.is_some()) else { return false };
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = found.is_none();
        found.get_or_insert_with(|| first.to_string());
        is_new
    }

    /// Whether calls of hard rooms are refused for it.
    pub(crate) fn stops_hard_rooms(&self) -> bool {
        !self.is_accepted && self.is_found()
    }

    fn is_found(&self) -> bool {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// What is wrong, as a sentence.
    pub(crate) fn problem(&self) -> Option<String> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let so = match self.is_accepted {
            true => "It is served because --dangerous-serve-tampered-log says so",
            false => {
                "Hard rooms refuse; `zos serve --set-damaged-log-aside` keeps it as evidence and begins a new one"
            }
        };
        Some(format!("The log is not what was signed for: {found}. {so}."))
    }
}
