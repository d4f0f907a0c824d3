//! "Start at login". The start is hidden: nobody who logs in asked for a window.

use super::Group;
use super::view::View;
use crate::arguments::Arguments;
use tauri::menu::{CheckMenuItem, Menu};
use tauri::plugin::TauriPlugin;
use tauri::{AppHandle, Wry};
use tauri_plugin_autostart::ManagerExt;

const ID: &str = "login";

/// Writes and removes the entry. It keeps the home that this start was given.
pub(crate) fn plugin(arguments: &Arguments) -> TauriPlugin<Wry> {
    let mut builder = tauri_plugin_autostart::Builder::new().app_name("zos").arg("--hidden");
    if let Some(home) = arguments.home.as_ref().and_then(|home| std::path::absolute(home).ok()) {
        builder = builder.arg("--home").arg(quoted(&home.display().to_string()));
    }
    builder.build()
}

/// An argument as the entry's command line wants it; the plugin joins arguments with blanks.
fn quoted(argument: &str) -> String {
    if cfg!(not(target_os = "linux")) {
        return argument.to_owned();
    }
    let mut text = String::from("\"");
    for letter in argument.chars() {
        match letter {
            // Escaped once for the quotes and once for the file, as the desktop entry specification has it.
            '"' | '`' | '$' => text.extend(["\\\\", letter.encode_utf8(&mut [0; 4])]),
            '\\' => text.push_str("\\\\\\\\"),
            '%' => text.push_str("%%"),
            _ => text.push(letter),
        }
    }
    text.push('"');
    text
}

pub(super) struct Login {
    item: CheckMenuItem<Wry>,
}

impl Login {
    pub(super) fn add(app: &AppHandle, menu: &Menu<Wry>) -> tauri::Result<Self> {
        let item = CheckMenuItem::with_id(app, ID, "Start at login", true, is_enabled(app), None::<&str>)?;
        menu.append(&item)?;
        Ok(Self { item })
    }
}

impl Group for Login {
    fn show(&self, _: &Menu<Wry>, _: &View) -> tauri::Result<()> {
        // What is so, not what was clicked: the entry may not have been writable.
        self.item.set_checked(is_enabled(self.item.app_handle()))
    }

    fn clicked(&self, app: &AppHandle, id: &str) -> bool {
        if id == ID {
            let login = app.autolaunch();
            let done = if is_enabled(app) { login.disable() } else { login.enable() };
            if let Err(error) = done {
                tracing::error!(%error, "the start at login cannot be changed");
            }
        }
        id == ID
    }
}

fn is_enabled(app: &AppHandle) -> bool {
    app.autolaunch().is_enabled().unwrap_or_else(|error| {
        tracing::warn!(%error, "whether zOS starts at login is unknown");
        false
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn an_argument_survives_the_entry() {
        assert_eq!(quoted("/home/ann/my files"), "\"/home/ann/my files\"");
        assert_eq!(quoted("a\"b$c%d\\e"), "\"a\\\\\"b\\\\$c%%d\\\\\\\\e\"");
    }
}
