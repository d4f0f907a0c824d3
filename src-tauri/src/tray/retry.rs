//! "Try again to listen": only there while the gateway has no port.

use super::view::View;
use super::{Group, insert_before, last_line};
use crate::listen;
use tauri::menu::{Menu, MenuItem, PredefinedMenuItem};
use tauri::{AppHandle, Wry};

const ID: &str = "retry";

pub(super) struct Retry {
    item: MenuItem<Wry>,
    /// The line below the status, before which the item stands.
    line: PredefinedMenuItem<Wry>,
}

impl Retry {
    /// Stands right below the status, so it takes the line that the status ended with.
    pub(super) fn add(app: &AppHandle, menu: &Menu<Wry>) -> tauri::Result<Self> {
        let item = MenuItem::with_id(app, ID, "Try again to listen", true, None::<&str>)?;
        Ok(Self { item, line: last_line(app, menu)? })
    }
}

impl Group for Retry {
    fn show(&self, menu: &Menu<Wry>, view: &View) -> tauri::Result<()> {
        match (view.address.is_none() && !view.is_stopping, menu.get(ID).is_some()) {
            (true, false) => insert_before(menu, &self.item, &self.line),
            (false, true) => menu.remove(&self.item),
            _ => Ok(()),
        }
    }

    fn clicked(&self, app: &AppHandle, id: &str) -> bool {
        if id == ID {
            let app = app.clone();
            tauri::async_runtime::spawn(async move { listen::listen(&app).await });
        }
        id == ID
    }
}
