//! zOS keys, as the screens see them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A zOS key without its value.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct KeyInfo {
    /// Its id.
    pub id: String,
    /// Context it is bound to; absent for the usual resolution.
    pub context: Option<String>,
    /// Name of the client that uses it.
    pub client: String,
    /// When it was made.
    pub created: String,
    /// When it was last used.
    pub last_used: Option<String>,
}

/// All zOS keys.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Keys {
    /// By age.
    pub keys: Vec<KeyInfo>,
}

/// A zOS key to make.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct KeyRequest {
    /// Context to bind it to; absent for the usual resolution.
    pub context: Option<String>,
    /// Name of the client that will use it.
    pub client: String,
}

/// A new zOS key. Its value is shown here and nowhere else.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NewKey {
    /// Its id.
    pub id: String,
    /// The key.
    pub key: String,
}
