//! The rooms, with a check on the active one. A click makes a room the active one.

use super::view::{ROOMS_SHOWN, Room, View};
use super::{Group, insert_before, plain, separate};
use crate::change::{self, Method};
use crate::window;
use serde_json::json;
use std::sync::{Mutex, PoisonError};
use tauri::menu::{CheckMenuItem, Menu, MenuItem, PredefinedMenuItem};
use tauri::{AppHandle, Wry};

const MORE: &str = "rooms.more";
const PREFIX: &str = "rooms.";

/// Check items made once. As many as there are rooms stand in the menu; which room each stands for may
/// change while the menu is open, so a click means what the item said when it was clicked.
pub(super) struct Rooms {
    slots: Vec<CheckMenuItem<Wry>>,
    more: MenuItem<Wry>,
    /// The line after the rooms.
    line: PredefinedMenuItem<Wry>,
    shown: Mutex<Vec<Room>>,
}

impl Rooms {
    pub(super) fn add(app: &AppHandle, menu: &Menu<Wry>) -> tauri::Result<Self> {
        let slot =
            |number| CheckMenuItem::with_id(app, format!("{PREFIX}{number}"), "", true, false, None::<&str>);
        let slots = (0..ROOMS_SHOWN).map(slot).collect::<tauri::Result<_>>()?;
        let more = MenuItem::with_id(app, MORE, "More rooms…", true, None::<&str>)?;
        Ok(Self { slots, more, line: separate(app, menu)?, shown: Mutex::default() })
    }

    fn fit(&self, menu: &Menu<Wry>, before: usize, view: &View) -> tauri::Result<()> {
        let has_more = menu.get(MORE).is_some();
        if has_more && !view.has_more_rooms {
            menu.remove(&self.more)?;
        } else if !has_more && view.has_more_rooms {
            insert_before(menu, &self.more, &self.line)?;
        }
        for slot in self.slots.iter().take(before).skip(view.rooms.len()) {
            menu.remove(slot)?;
        }
        for slot in self.slots.iter().take(view.rooms.len()).skip(before) {
            if view.has_more_rooms {
                insert_before(menu, slot, &self.more)?;
            } else {
                insert_before(menu, slot, &self.line)?;
            }
        }
        Ok(())
    }
}

impl Group for Rooms {
    fn show(&self, menu: &Menu<Wry>, view: &View) -> tauri::Result<()> {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        for (slot, room) in self.slots.iter().zip(&view.rooms) {
            let label = plain(&room.label);
            if slot.text()? != label {
                slot.set_text(label)?;
            }
            slot.set_enabled(room.is_usable)?;
            // Each time: the toolkit has ticked what was clicked, and there are no radio items.
            slot.set_checked(room.is_active)?;
        }
        self.fit(menu, shown.len(), view)?;
        shown.clone_from(&view.rooms);
        Ok(())
    }

    fn clicked(&self, app: &AppHandle, id: &str) -> bool {
        if id == MORE {
            window::open(app, Some("/rooms"));
            return true;
        }
        let Some(number) = id.strip_prefix(PREFIX).and_then(|number| number.parse::<usize>().ok()) else {
            return false;
        };
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(room) = shown.get(number) {
            change::ask(app, Method::Put, "/zos/v1/active".to_owned(), json!({ "context": room.name }));
        }
        true
    }
}
