//! Whether there is a display to show anything on. Without this look the toolkit ends the process with
//! a panic and no sentence.

/// There is none.
#[derive(Debug, thiserror::Error)]
#[error(
    "zOS needs a display for its window and its tray, and there is none here; without a display, run: zos serve"
)]
pub(crate) struct NoDisplay;

/// Opens the display. To be called before there is a second thread.
///
/// # Errors
/// When there is none, or it does not let us in.
#[cfg(target_os = "linux")]
pub(crate) fn open() -> Result<(), NoDisplay> {
    // The toolkit would load the graphics driver for a tray and a page of text: 30 MB for nothing, and
    // blank windows where the driver is a bad one. Whoever wants it sets the variable.
    if std::env::var_os("GDK_GL").is_none()
        && let Err(error) = gtk::glib::setenv("GDK_GL", "disable", false)
    {
        tracing::warn!(%error, "the toolkit loads the graphics driver");
    }
    gtk::init().map_err(|_| NoDisplay)
}

/// Elsewhere a program that was started has a display.
#[cfg(not(target_os = "linux"))]
pub(crate) fn open() -> Result<(), NoDisplay> {
    Ok(())
}
