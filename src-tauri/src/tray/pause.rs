//! Pause and resume of the shield.

use super::view::{self, View};
use super::{Group, insert_before, set_text};
use crate::change::{self, Method};
use serde_json::json;
use tauri::menu::{Menu, MenuItem, Submenu};
use tauri::{AppHandle, Wry};

const SHIELD: &str = "/zos/v1/shield";
const SUBMENU: &str = "pause";
const RESUME: &str = "resume";

/// Id, label, minutes.
const SPANS: [(&str, &str, Option<u32>); 4] = [
    ("pause.5", "5 minutes", Some(5)),
    ("pause.15", "15 minutes", Some(15)),
    ("pause.60", "1 hour", Some(60)),
    ("pause.open", "Until I resume", None),
];

/// Either the submenu stands in the menu or the item.
pub(super) struct PauseGroup {
    pause: Submenu<Wry>,
    resume: MenuItem<Wry>,
}

impl PauseGroup {
    pub(super) fn add(app: &AppHandle, menu: &Menu<Wry>) -> tauri::Result<Self> {
        let pause = Submenu::with_id(app, SUBMENU, "Pause shield", true)?;
        for (id, label, _) in SPANS {
            pause.append(&MenuItem::with_id(app, id, label, true, None::<&str>)?)?;
        }
        let resume = MenuItem::with_id(app, RESUME, "Resume shield", true, None::<&str>)?;
        menu.append(&pause)?;
        Ok(Self { pause, resume })
    }
}

impl Group for PauseGroup {
    fn show(&self, menu: &Menu<Wry>, view: &View) -> tauri::Result<()> {
        match &view.pause {
            view::Pause::Off => {}
            view::Pause::Open => set_text(&self.resume, "Resume shield")?,
            view::Pause::Until(time) => set_text(&self.resume, &format!("Resume shield (back at {time})"))?,
        }
        let is_paused = view.pause != view::Pause::Off;
        match (is_paused, menu.get(RESUME).is_some()) {
            (true, false) => {
                insert_before(menu, &self.resume, &self.pause)?;
                menu.remove(&self.pause)
            }
            (false, true) => {
                insert_before(menu, &self.pause, &self.resume)?;
                menu.remove(&self.resume)
            }
            _ => Ok(()),
        }
    }

    fn clicked(&self, app: &AppHandle, id: &str) -> bool {
        if id == RESUME {
            change::ask(app, Method::Put, SHIELD.to_owned(), json!({ "paused": false }));
            return true;
        }
        let Some((_, _, minutes)) = SPANS.iter().find(|(span, _, _)| *span == id) else { return false };
        change::ask(app, Method::Put, SHIELD.to_owned(), json!({ "paused": true, "minutes": minutes }));
        true
    }
}
