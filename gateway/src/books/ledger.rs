//! Which ledger serves: the file of the home, or a PostgreSQL that several gateways share; and how it is.

use crate::config::Config;
use std::sync::{Arc, Mutex, PoisonError};
use zos_meter::{Ledger, LedgerError};
use zos_seal::Secret;

/// The variable with the address of a PostgreSQL; it goes before `ledger.url` of gateway/config.yml.
pub const VARIABLE: &str = "ZOS_LEDGER_URL";

/// Why the shared ledger cannot serve. No error holds its address.
#[derive(Debug, thiserror::Error)]
pub enum SharedLedgerError {
    /// This program was built without it.
    #[error(
        "a ledger in PostgreSQL is asked for (ledger.url or ZOS_LEDGER_URL), and this zOS was built without it: \
         take a build with it (`make server`), or take the address away so that gateway/usage.db serves"
    )]
    NotBuilt,
    /// It cannot be reached, or is not ours.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// The address of a shared ledger, where one is asked for.
#[must_use]
pub fn address(config: &Config) -> Option<Secret> {
    let stated = std::env::var(VARIABLE).ok().filter(|url| !url.trim().is_empty());
    stated.map(Secret::new).or_else(|| config.ledger_url.clone())
}

/// Opens the shared ledger. Blocks.
///
/// # Errors
/// When this program knows none, or it cannot be opened.
#[cfg(feature = "postgres")]
pub fn open_shared(address: &Secret) -> Result<Arc<dyn Ledger>, SharedLedgerError> {
    let options = zos_meter::PostgresOptions::default();
    Ok(Arc::new(zos_meter::PostgresLedger::connect(address.expose().trim(), options)?))
}

/// Opens the shared ledger. Blocks.
///
/// # Errors
/// Always: this program was built without it.
#[cfg(not(feature = "postgres"))]
pub fn open_shared(_address: &Secret) -> Result<Arc<dyn Ledger>, SharedLedgerError> {
    Err(SharedLedgerError::NotBuilt)
}

/// Whether the ledger takes what is booked. It is known from the calls themselves; once one failed, the ledger
/// is tried until it answers again, so that no call has to find out.
#[derive(Default)]
pub(crate) struct LedgerHealth {
    trouble: Mutex<Option<String>>,
}

impl LedgerHealth {
    /// What is wrong, as a sentence; `None` while all is well.
    pub(crate) fn problem(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a call that would go on anyway has no reason to wait for the ledger.
    pub(crate) fn is_failing(&self) -> bool {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Notes trouble, and says whether it is new.
    pub(crate) fn begins(&self, trouble: impl FnOnce() -> String) -> bool {
        let mut known = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = known.is_none();
        known.get_or_insert_with(trouble);
        is_new
    }

    pub(crate) fn ends(&self) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
