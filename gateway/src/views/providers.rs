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
    /// Name of the preset that it is made of, where it is.
    pub preset: Option<String>,
    /// Way in which it is shown who calls: `bearer`, `x-api-key`, `api-key`, `goog`, `none` or `caller`.
    pub auth: String,
    /// Whether a plan pays for its calls.
    pub plan: bool,
    /// Where its key comes from: `keychain`, `environment`, `command`, `none`, `caller` (its callers bring their own); or
    /// why it is not there: `missing`, `unavailable` when the keychain did not tell, and of a command `not_allowed`,
    /// `refused` (others may write the file) or `failed`.
    pub key: String,
    /// Name of the environment variable, keychain item or program, where there is one.
    pub key_name: Option<String>,
    /// Why the key is not there, in a sentence, where there is more to say.
    pub reason: Option<String>,
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

/// The command that prints a provider's key, for its owner to read before he allows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct KeyCommandState {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Seconds for which what it prints is used.
    pub ttl_s: u64,
    /// Digest of the command: send it back to allow exactly this one.
    pub digest: String,
    /// Whether it may run.
    pub allowed: bool,
    /// Why it gives no key, in a sentence, as far as that is known without running it.
    pub reason: Option<String>,
    /// What to do about that.
    pub hint: Option<String>,
    /// What it complained when it failed last. Never what it printed.
    pub stderr: String,
}

/// The owner's yes to a command.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct KeyCommandYes {
    /// Digest of the command that was read.
    pub digest: String,
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
