//! What all parts of the desktop share.

use crate::admin::Admin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tauri::async_runtime::JoinHandle;
use tokio::sync::Notify;
use zos_core::Home;
use zos_gateway::House;

/// What all parts of the desktop share. Tauri keeps it from the opening of the house to the end.
pub(crate) struct Desk {
    /// Brain and gateway.
    pub(crate) house: Arc<House>,
    /// The admin API, inside this process.
    pub(crate) admin: Admin,
    /// Wakes the tray's listener where neither files nor calls changed.
    pub(crate) nudge: Notify,
    /// One binding of the port at a time.
    pub(crate) binding: tokio::sync::Mutex<()>,
    /// Whether the end has begun.
    pub(crate) is_stopping: AtomicBool,
    /// Why the last wish from the tray was refused; shown there until one succeeds.
    refusal: Mutex<Option<String>>,
    /// Where the page was when the window closed, as the part of its address after `#`.
    page: Mutex<Option<String>>,
    /// The task that carries live events into the page.
    carrying: Mutex<Option<JoinHandle<()>>>,
}

impl Desk {
    pub(crate) fn new(house: Arc<House>) -> Self {
        Self {
            admin: Admin::new(house.clone()),
            house,
            nudge: Notify::new(),
            binding: tokio::sync::Mutex::default(),
            is_stopping: AtomicBool::new(false),
            refusal: Mutex::default(),
            page: Mutex::default(),
            carrying: Mutex::default(),
        }
    }

    pub(crate) fn home(&self) -> &Home {
        self.house.brain().home()
    }

    pub(crate) fn refusal(&self) -> Option<String> {
        lock(&self.refusal).clone()
    }

    pub(crate) fn set_refusal(&self, refusal: Option<String>) {
        *lock(&self.refusal) = refusal;
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
