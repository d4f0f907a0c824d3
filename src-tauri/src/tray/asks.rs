//! Items for asks: a way to the list, and the last blocked call that may pass once.

use super::view::{Blocked, View};
use super::{Group, insert_after, insert_before, last_line, set_text};
use crate::change::{self, Method};
use crate::window;
use serde_json::json;
use std::sync::{Mutex, PoisonError};
use tauri::menu::{Menu, MenuItem, PredefinedMenuItem};
use tauri::{AppHandle, Wry};

const OPEN: &str = "asks.open";
const ALLOW: &str = "asks.allow";

/// "2 asks waiting…": only there while there are any.
pub(super) struct Waiting {
    item: MenuItem<Wry>,
    /// The line below the status, before which the item stands.
    line: PredefinedMenuItem<Wry>,
}

impl Waiting {
    /// Stands right below the status.
    pub(super) fn add(app: &AppHandle, menu: &Menu<Wry>) -> tauri::Result<Self> {
        let item = MenuItem::with_id(app, OPEN, "Asks waiting…", true, None::<&str>)?;
        Ok(Self { item, line: last_line(app, menu)? })
    }
}

impl Group for Waiting {
    fn show(&self, menu: &Menu<Wry>, view: &View) -> tauri::Result<()> {
        match view.asks {
            0 => {}
            1 => set_text(&self.item, "1 ask waiting…")?,
            more => set_text(&self.item, &format!("{more} asks waiting…"))?,
        }
        match (view.asks > 0, menu.get(OPEN).is_some()) {
            (true, false) => insert_before(menu, &self.item, &self.line),
            (false, true) => menu.remove(&self.item),
            _ => Ok(()),
        }
    }

    fn clicked(&self, app: &AppHandle, id: &str) -> bool {
        if id == OPEN {
            window::open(app, Some("/shield"));
        }
        id == OPEN
    }
}

/// "Allow last block once": only there while a call that nobody answered in time can still be let through.
pub(super) struct Allow {
    item: MenuItem<Wry>,
    /// The line below the rooms, after which the item stands.
    line: PredefinedMenuItem<Wry>,
    /// The call that the item names: a click means this one, whatever was blocked since.
    shown: Mutex<Option<Blocked>>,
}

impl Allow {
    /// Stands right below the rooms.
    pub(super) fn add(app: &AppHandle, menu: &Menu<Wry>) -> tauri::Result<Self> {
        let item = MenuItem::with_id(app, ALLOW, "Allow last block once", true, None::<&str>)?;
        Ok(Self { item, line: last_line(app, menu)?, shown: Mutex::default() })
    }
}

impl Group for Allow {
    fn show(&self, menu: &Menu<Wry>, view: &View) -> tauri::Result<()> {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(blocked) = &view.blocked {
            set_text(&self.item, &format!("Allow last block once: {}", blocked.rule))?;
        }
        shown.clone_from(&view.blocked);
        match (view.blocked.is_some(), menu.get(ALLOW).is_some()) {
            (true, false) => insert_after(menu, &self.item, &self.line),
            (false, true) => menu.remove(&self.item),
            _ => Ok(()),
        }
    }

    fn clicked(&self, app: &AppHandle, id: &str) -> bool {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if let (ALLOW, Some(blocked)) = (id, &*shown) {
            let path = format!("/zos/v1/approvals/{}", blocked.id);
            change::ask(app, Method::Post, path, json!({ "decision": "allow_once" }));
        }
        id == ALLOW
    }
}
