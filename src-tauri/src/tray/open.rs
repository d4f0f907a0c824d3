//! Opens the window. On Linux a click on the icon itself never arrives, so the menu must do.

use super::Group;
use super::view::View;
use crate::window;
use tauri::menu::{Menu, MenuItem};
use tauri::{AppHandle, Wry};

const ID: &str = "open";

pub(super) struct Open;

impl Open {
    pub(super) fn add(app: &AppHandle, menu: &Menu<Wry>) -> tauri::Result<Self> {
        menu.append(&MenuItem::with_id(app, ID, "Open zOS", true, None::<&str>)?)?;
        Ok(Self)
    }
}

impl Group for Open {
    fn show(&self, _: &Menu<Wry>, _: &View) -> tauri::Result<()> {
        Ok(())
    }

    fn clicked(&self, app: &AppHandle, id: &str) -> bool {
        if id == ID {
            window::open(app, None);
        }
        id == ID
    }
}
