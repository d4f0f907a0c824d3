//! What the whole-house tests share: a gateway on a scratch home, and a provider that does what a test
//! tells it and remembers what it received.
//!
//! Nothing here is a stand-in for a part of ours: the gateway is the real one, on a real socket.

pub mod gateway;
pub mod provider;

pub use gateway::Gateway;
pub use provider::{Provider, Received, Step};
