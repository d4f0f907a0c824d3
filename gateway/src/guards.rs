//! Guards: what the firewall of `zos-guard` remembers between calls, and where it reads.

pub(crate) mod provider_state;

use crate::config::Config;
use crate::drain::Drain;
use crate::inspectors::Inspectors;
use provider_state::ProviderStates;
use std::sync::Arc;
use std::time::Duration;
use zos_core::Home;
use zos_guard::approvals::Approvals;
use zos_guard::redact::Sessions;
use zos_guard::shield::Shield;
use zos_guard::targets::taint::Taints;

/// What all calls share of the firewall.
pub(crate) struct Guards {
    /// The owner's pause.
    pub(crate) shield: Shield,
    /// What waits for the owner, how long a call waits for it, and the sign that nobody may wait any more.
    pub(crate) approvals: Approvals,
    pub(crate) ask_timeout: Duration,
    pub(crate) drain: Arc<Drain>,
    /// The placeholders of conversations.
    pub(crate) redactions: Sessions,
    /// Which rooms' memory a conversation has read.
    pub(crate) taints: Taints,
    /// Rooms of what providers keep.
    pub(crate) provider_states: Arc<ProviderStates>,
    /// Threads and memory for what calls say.
    pub(crate) inspectors: Inspectors,
    /// Bytes of a body, and of a plain answer, that are held in memory whole.
    pub(crate) body_bytes: usize,
}

impl Guards {
    /// Those of a home, with nothing remembered but what providers keep.
    pub(crate) fn new(home: &Home, config: &Config, drain: Arc<Drain>) -> Arc<Self> {
        Arc::new(Guards {
            shield: Shield::default(),
            approvals: Approvals::default(),
            ask_timeout: config.ask_timeout,
            drain,
            redactions: Sessions::default(),
            taints: Taints::default(),
            provider_states: Arc::new(ProviderStates::new(home.state_db())),
            inspectors: Inspectors::new(config.limits.body_bytes),
            body_bytes: config.limits.body_bytes,
        })
    }
}
