//! A granted reservation on its way to the caller who asked for it.

use super::queue::{Job, Queue};
use crate::Balance;

/// Gives the reservation back when it is dropped on the way: a caller that stops waiting (its
/// client hung up) never learns that it holds anything, so nobody else would.
#[derive(Debug)]
pub(super) struct Grant {
    queue: Queue,
    id: String,
    balance: Option<Balance>,
}

impl Grant {
    pub(super) fn new(queue: Queue, id: String, balance: Balance) -> Self {
        Self { queue, id, balance: Some(balance) }
    }

    /// Hands the reservation to the caller, who settles or releases it from now on.
    pub(super) fn accept(mut self) -> Balance {
        self.balance.take().expect("a grant is accepted once, by value")
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        if self.balance.is_some() {
            self.queue.send(Job::Release { id: std::mem::take(&mut self.id), reply: None });
        }
    }
}
