//! Providers and their keys, as the screens see them: keys only go in.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A provider as the fleet knows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProviderInfo {
    /// Its id.
    pub id: String,
    /// `anthropic` or `openai`; `demo` speaks both.
    pub api: String,
    /// Its base URL; absent for the built-in demo.
    pub base_url: Option<String>,
    /// Where its key comes from: `keychain`, `environment`, `none`, `missing`, or
    /// `unavailable` when the keychain did not tell.
    pub key: String,
    /// Name of the environment variable or keychain item, where there is one.
    pub key_name: Option<String>,
    /// Whether a key can be stored for it here.
    pub key_writable: bool,
    /// Whether it is the built-in demo.
    pub demo: bool,
}

/// All providers.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Providers {
    /// In the fleet's order.
    pub providers: Vec<ProviderInfo>,
}

/// A provider's key on its way into the keychain.
#[derive(Clone, Deserialize, ToSchema)]
pub struct ProviderKey {
    /// The key. Never returned by any endpoint.
    pub key: String,
}

impl std::fmt::Debug for ProviderKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProviderKey([secret])")
    }
}

/// What a provider said when its key was tried.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProviderTest {
    /// Whether it accepted the key.
    pub ok: bool,
    /// What happened, in a sentence.
    pub message: String,
    /// Milliseconds it took.
    pub ms: u64,
    /// How many models it lists, where it lists any.
    pub models: Option<u64>,
}
