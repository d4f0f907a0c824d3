//! Access: who may talk to the listener at all, before anything is asked of a call.

pub(crate) mod caller;
pub(crate) mod cors;
pub(crate) mod exposure;
