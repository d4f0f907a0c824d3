//! Ctrl+W closes the window and Ctrl+Q quits, also while the page is busy. On macOS the menu of the
//! application brings both; on Windows there is only Alt+F4 so far.

use tauri::WebviewWindow;

/// Actions of keys.
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only Linux listens to keys so far"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyAction {
    /// Close the window.
    Close,
    /// End zOS.
    Quit,
}

/// Listens from now on.
#[cfg(target_os = "linux")]
pub(super) fn listen(window: &WebviewWindow) -> tauri::Result<()> {
    use gtk::prelude::WidgetExt;
    use tauri::Manager;
    let app = window.app_handle().clone();
    window.gtk_window()?.connect_key_press_event(move |_, event| {
        match action_of(event.state(), event.keyval()) {
            Some(action) => {
                super::act(&app, action);
                gtk::glib::Propagation::Stop
            }
            None => gtk::glib::Propagation::Proceed,
        }
    });
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn listen(_: &WebviewWindow) -> tauri::Result<()> {
    Ok(())
}

#[cfg(target_os = "linux")]
fn action_of(held: gtk::gdk::ModifierType, key: gtk::gdk::keys::Key) -> Option<KeyAction> {
    use gtk::gdk::ModifierType;
    let others = ModifierType::SHIFT_MASK | ModifierType::MOD1_MASK | ModifierType::SUPER_MASK;
    if !held.contains(ModifierType::CONTROL_MASK) || held.intersects(others) {
        return None;
    }
    // Lower case also with caps lock, where the key is another one.
    match key.to_lower().to_unicode() {
        Some('w') => Some(KeyAction::Close),
        Some('q') => Some(KeyAction::Quit),
        _ => None,
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use gtk::gdk::ModifierType;
    use gtk::gdk::keys::Key;

    #[test]
    fn control_with_w_or_q_and_nothing_else() {
        let control = ModifierType::CONTROL_MASK;
        assert_eq!(action_of(control, Key::from_unicode('w')), Some(KeyAction::Close));
        assert_eq!(
            action_of(control | ModifierType::LOCK_MASK, Key::from_unicode('Q')),
            Some(KeyAction::Quit)
        );
        assert_eq!(action_of(control | ModifierType::SHIFT_MASK, Key::from_unicode('w')), None);
        assert_eq!(action_of(ModifierType::empty(), Key::from_unicode('q')), None);
        assert_eq!(action_of(control, Key::from_unicode('r')), None);
    }
}
