//! A notification for each ask that holds a call, with the answers as its buttons. It says what the list of
//! asks says, never what was found. A click on its body opens the list.
//!
//! Linux only so far; elsewhere the tray and the window tell of it.

use tauri::AppHandle;

/// Tells from now on. On the main thread.
#[cfg(target_os = "linux")]
pub(crate) fn begin(app: &AppHandle) {
    if let Err(error) = linux::begin(app) {
        // The tray and the window tell of it as well.
        tracing::info!(%error, "asks are not told by notification: there is no session bus");
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn begin(_: &AppHandle) {}

#[cfg(target_os = "linux")]
mod linux;
