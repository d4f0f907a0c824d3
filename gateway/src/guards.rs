//! Guards: what the firewall of `zos-guard` remembers between calls.

pub(crate) mod provider_state;
