//! Which ledger serves: the file of the home, or a PostgreSQL that several gateways share.

use crate::config::Config;
use std::sync::Arc;
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
         build it with `--features postgres`, or take the address away so that gateway/usage.db serves"
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
