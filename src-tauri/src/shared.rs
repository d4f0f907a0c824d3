//! State that all parts of the desktop share.

use crate::admin::Admin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tauri::async_runtime::JoinHandle;
use tokio::sync::Notify;
use zos_core::Home;
use zos_gateway::Gateway;

/// State that all parts of the desktop share. Tauri keeps it from the opening of the gateway to the end.
pub(crate) struct Shared {
    /// Brain and gateway.
    pub(crate) gateway: Arc<Gateway>,
    /// The admin API, inside this process.
    pub(crate) admin: Admin,
    /// Wakes the tray's listener where neither files nor calls changed.
    pub(crate) nudge: Notify,
    /// One binding of the port at a time.
    pub(crate) binding: tokio::sync::Mutex<()>,
    /// Whether the end has begun.
    pub(crate) is_stopping: AtomicBool,
    /// Wakes the task that ends zOS.
    pub(crate) quitting: Notify,
    /// Refusal of the last change that the tray asked for.
    refusal: Mutex<Option<Refusal>>,
    /// Page that was open when the window closed, as the part of its address after `#`.
    page: Mutex<Option<String>>,
    /// The task that carries live events into the page.
    carrying: Mutex<Option<JoinHandle<()>>>,
}

/// Least time that a refusal is shown: long enough to open the menu and read a line.
const READABLE: Duration = Duration::from_secs(10);

/// Refusal of a change. Shown until a change succeeds, or the files it was about have changed.
struct Refusal {
    sentence: String,
    since: Instant,
    /// Whether the files changed since. A refused change looks at the files itself, so a change right behind it says
    /// nothing: the sentence must stay for as long as it takes to read.
    is_outdated: bool,
}

impl Refusal {
    fn is_over(&self, now: Instant) -> bool {
        self.is_outdated && now.duration_since(self.since) >= READABLE
    }
}

impl Shared {
    pub(crate) fn new(gateway: Arc<Gateway>) -> Self {
        Self {
            admin: Admin::new(gateway.clone()),
            gateway,
            nudge: Notify::new(),
            binding: tokio::sync::Mutex::default(),
            is_stopping: AtomicBool::new(false),
            quitting: Notify::new(),
            refusal: Mutex::default(),
            page: Mutex::default(),
            carrying: Mutex::default(),
        }
    }

    pub(crate) fn home(&self) -> &Home {
        self.gateway.brain().home()
    }

    /// Asks for the orderly end. A second request changes nothing.
    pub(crate) fn quit(&self) {
        if !self.is_stopping.swap(true, Ordering::AcqRel) {
            self.nudge.notify_one();
            self.quitting.notify_one();
        }
    }

    pub(crate) fn refusal(&self) -> Option<String> {
        let refusal = lock(&self.refusal);
        refusal
            .as_ref()
            .filter(|refusal| !refusal.is_over(Instant::now()))
            .map(|refusal| refusal.sentence.clone())
    }

    pub(crate) fn set_refusal(&self, refusal: Option<String>) {
        *lock(&self.refusal) =
            refusal.map(|sentence| Refusal { sentence, since: Instant::now(), is_outdated: false });
    }

    /// The files changed, so what was refused might be granted now.
    pub(crate) fn outdate_refusal(&self) {
        if let Some(refusal) = &mut *lock(&self.refusal) {
            refusal.is_outdated = true;
        }
    }

    pub(crate) fn page(&self) -> Option<String> {
        lock(&self.page).clone()
    }

    pub(crate) fn set_page(&self, page: Option<String>) {
        *lock(&self.page) = page;
    }

    /// Replaces the task that carries events: there is one page, and a reload leaves the old task behind.
    pub(crate) fn carry(&self, task: Option<JoinHandle<()>>) {
        if let Some(before) = std::mem::replace(&mut *lock(&self.carrying), task) {
            before.abort();
        }
    }
}

/// A panic elsewhere leaves each of these whole: they are replaced, never changed in place.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_can_be_read_even_when_its_own_change_made_the_files_be_looked_at() {
        let since = Instant::now();
        let mut refusal = Refusal { sentence: "There is no such room.".into(), since, is_outdated: false };
        assert!(!refusal.is_over(since + 2 * READABLE), "until something changes");
        refusal.is_outdated = true;
        assert!(!refusal.is_over(since + READABLE / 2), "long enough to read");
        assert!(refusal.is_over(since + READABLE));
    }
}
