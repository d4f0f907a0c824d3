//! The first line: which room governs, whether the shield is on, what was used; or what is wrong.

use super::view::View;
use super::{Group, separate, set_text};
use tauri::menu::{Menu, MenuItem};
use tauri::{AppHandle, Wry};

pub(super) struct StatusLine {
    line: MenuItem<Wry>,
}

impl StatusLine {
    pub(super) fn add(app: &AppHandle, menu: &Menu<Wry>) -> tauri::Result<Self> {
        let line = MenuItem::with_id(app, "status", "Starting…", false, None::<&str>)?;
        menu.append(&line)?;
        separate(app, menu)?;
        Ok(Self { line })
    }
}

impl Group for StatusLine {
    fn show(&self, _: &Menu<Wry>, view: &View) -> tauri::Result<()> {
        set_text(&self.line, &view.status)
    }

    fn clicked(&self, _: &AppHandle, _: &str) -> bool {
        false
    }
}
