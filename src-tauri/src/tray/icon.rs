//! The icon: a shape for each state, since colour alone tells some people nothing.

use super::view::Look;
use std::sync::Mutex;
use std::sync::PoisonError;
use tauri::image::Image;
use tauri::tray::TrayIcon;

const ON: Image<'_> = tauri::include_image!("icons/tray/on.png");
const OBSERVE: Image<'_> = tauri::include_image!("icons/tray/observe.png");
const PAUSED: Image<'_> = tauri::include_image!("icons/tray/paused.png");
const ASKS: Image<'_> = tauri::include_image!("icons/tray/asks.png");
const DOWN: Image<'_> = tauri::include_image!("icons/tray/down.png");

/// The look that is shown.
pub(super) struct Face(Mutex<Look>);

impl Default for Face {
    fn default() -> Self {
        Self(Mutex::new(Look::On))
    }
}

impl Face {
    /// The picture to start with.
    pub(super) fn image(&self) -> Image<'static> {
        picture(*self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Shows a look, if it is another one: some desktops lose an icon that is set too often.
    pub(super) fn show(&self, icon: &TrayIcon, look: Look) -> tauri::Result<()> {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *shown != look {
            icon.set_icon(Some(picture(look)))?;
            *shown = look;
        }
        Ok(())
    }
}

fn picture(look: Look) -> Image<'static> {
    match look {
        Look::On => ON,
        Look::Observe => OBSERVE,
        Look::Paused => PAUSED,
        Look::Asks => ASKS,
        Look::Down => DOWN,
    }
}
