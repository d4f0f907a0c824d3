//! Books: what calls may spend and have spent. Which ledger serves, what a call is expected to cost, what tokens cost.

pub mod budget;
pub mod ledger;
pub mod prices;
pub(crate) mod tokens;
