//! The display: whether there is one to show anything on, and whether its desktop shows trays. Without the first look the
//! toolkit ends the process with a panic and no sentence.

use std::sync::OnceLock;

/// No display.
#[derive(Debug, thiserror::Error)]
#[error(
    "zOS needs a display for its window and its tray, and there is none here; without a display, run: zos serve"
)]
pub(crate) struct NoDisplay;

/// Keeps the graphics driver out of this program: a tray and a page of text need none. It would hold 30 MB
/// while no window was ever open and 30 MB after one was closed, and a bad driver paints nothing at all.
/// Whoever wants it sets the variable.
#[cfg(target_os = "linux")]
const WITHOUT_DRIVER: [(&str, &str); 3] = [
    ("GDK_GL", "disable"),
    ("WEBKIT_DISABLE_DMABUF_RENDERER", "1"),
    // Looking for the card is enough to load its driver.
    ("WEBKIT_WEB_RENDER_DEVICE_FILE", "/dev/null"),
];

/// The variables that were set here and not by a person.
static SET_HERE: OnceLock<Vec<&'static str>> = OnceLock::new();

/// Variables that a program which is started from here must not inherit.
pub(crate) fn set_here() -> &'static [&'static str] {
    SET_HERE.get().map_or(&[], Vec::as_slice)
}

/// Opens the display. To be called before there is a second thread.
///
/// # Errors
/// When there is none, or it does not let us in.
#[cfg(target_os = "linux")]
pub(crate) fn open() -> Result<(), NoDisplay> {
    let is_unset = |(name, _): &&(&str, &str)| std::env::var_os(name).is_none();
    let set = WITHOUT_DRIVER.iter().filter(is_unset).filter_map(|(name, value)| {
        let done = gtk::glib::setenv(name, value, false);
        done.inspect_err(|error| tracing::warn!(%error, name, "cannot be set")).is_ok().then_some(*name)
    });
    SET_HERE.get_or_init(|| set.collect());
    gtk::init().map_err(|_| NoDisplay)
}

/// Elsewhere a program that was started has a display.
#[cfg(not(target_os = "linux"))]
pub(crate) fn open() -> Result<(), NoDisplay> {
    Ok(())
}

/// Whether this desktop shows trays at all. Blocks for an instant.
///
/// Only the modern kind counts (`StatusNotifierItem`): a desktop with nothing but the old system tray shows the
/// icon too, and its window is minimised where it could be closed.
#[cfg(target_os = "linux")]
pub(crate) fn shows_trays() -> bool {
    use gtk::gio::{BusType, Cancellable, DBusCallFlags, bus_get_sync};
    use gtk::glib::{VariantTy, prelude::ToVariant};
    const LONGEST_MS: i32 = 500;
    let Ok(bus) = bus_get_sync(BusType::Session, Cancellable::NONE) else { return false };
    let answer = bus.call_sync(
        Some("org.freedesktop.DBus"),
        "/org/freedesktop/DBus",
        "org.freedesktop.DBus",
        "NameHasOwner",
        Some(&("org.kde.StatusNotifierWatcher",).to_variant()),
        VariantTy::new("(b)").ok(),
        DBusCallFlags::NONE,
        LONGEST_MS,
        Cancellable::NONE,
    );
    answer.ok().and_then(|answer| answer.get::<(bool,)>()).is_some_and(|(is_there,)| is_there)
}

/// Every other desktop has one.
#[cfg(not(target_os = "linux"))]
pub(crate) fn shows_trays() -> bool {
    true
}
