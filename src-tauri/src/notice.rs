//! Tells why zOS cannot start: on standard error, and in a dialog where somebody can see one.

use crate::start::StartError;

/// Shows an error of the start in a dialog, and waits until it is closed.
pub(crate) fn say(error: &StartError) {
    let sentence = sentence(error);
    tracing::error!("zOS does not start: {sentence}");
    eprintln!("zos-desktop: {sentence}");
    if !matches!(error, StartError::Display(_)) {
        show(&sentence);
    }
}

/// The error with its causes, as one sentence.
fn sentence(error: &StartError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let further = error.to_string();
        // A transparent error repeats its cause.
        if !text.contains(&further) {
            text.push_str(": ");
            text.push_str(&further);
        }
        cause = error.source();
    }
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
}

#[cfg(target_os = "linux")]
fn show(sentence: &str) {
    use gtk::prelude::{DialogExt, GtkWindowExt, MessageDialogExt, WidgetExt};
    if gtk::init().is_err() {
        return;
    }
    let dialog = gtk::MessageDialog::new(
        None::<&gtk::Window>,
        gtk::DialogFlags::MODAL,
        gtk::MessageType::Error,
        gtk::ButtonsType::Close,
        "zOS cannot start",
    );
    dialog.set_title("zOS");
    dialog.set_secondary_text(Some(sentence));
    dialog.run();
    dialog.hide();
}

#[cfg(not(target_os = "linux"))]
fn show(sentence: &str) {
    rfd::MessageDialog::new()
        .set_level(rfd::MessageLevel::Error)
        .set_title("zOS cannot start")
        .set_description(sentence)
        .show();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::display::NoDisplay;

    #[test]
    fn a_reason_is_one_whole_sentence() {
        let sentence = sentence(&StartError::Display(NoDisplay));
        assert!(sentence.starts_with("zOS needs a display"), "{sentence}");
        assert!(sentence.ends_with("zos serve."), "{sentence}");
    }
}
