//! "Quit zOS".

use super::Group;
use super::view::View;
use crate::shared::Shared;
use tauri::menu::{Menu, MenuItem};
use tauri::{AppHandle, Manager, Wry};

const ID: &str = "quit";

pub(super) struct Quit {
    item: MenuItem<Wry>,
}

impl Quit {
    pub(super) fn add(app: &AppHandle, menu: &Menu<Wry>) -> tauri::Result<Self> {
        let item = MenuItem::with_id(app, ID, "Quit zOS", true, None::<&str>)?;
        menu.append(&item)?;
        Ok(Self { item })
    }
}

impl Group for Quit {
    fn show(&self, _: &Menu<Wry>, view: &View) -> tauri::Result<()> {
        self.item.set_enabled(!view.is_stopping)
    }

    fn clicked(&self, app: &AppHandle, id: &str) -> bool {
        if id == ID {
            app.state::<Shared>().quit();
        }
        id == ID
    }
}
