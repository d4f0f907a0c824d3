//! Copies what an AI client needs to be told.

use super::view::View;
use super::{Group, separate};
use arboard::Clipboard;
use std::sync::{Mutex, PoisonError};
use tauri::menu::{Menu, MenuItem, Submenu};
use tauri::{AppHandle, Wry};

/// One thing to copy.
struct Copy {
    id: &'static str,
    label: &'static str,
    /// The text, worked out from the address of the gateway.
    text: fn(&str) -> String,
}

const COPIES: [Copy; 3] = [
    Copy { id: "copy.openai", label: "OpenAI base URL", text: |address| format!("{address}/v1") },
    Copy { id: "copy.anthropic", label: "Anthropic base URL", text: str::to_owned },
    Copy { id: "copy.curl", label: "curl test line", text: curl },
];

pub(super) struct Endpoint {
    submenu: Submenu<Wry>,
    address: Mutex<Option<String>>,
    /// Kept open: on X11 the program that copied hands the text over when somebody pastes.
    clipboard: Mutex<Option<Clipboard>>,
}

impl Endpoint {
    pub(super) fn add(app: &AppHandle, menu: &Menu<Wry>) -> tauri::Result<Self> {
        let submenu = Submenu::with_id(app, "copy", "Copy endpoint", false)?;
        for Copy { id, label, .. } in COPIES {
            submenu.append(&MenuItem::with_id(app, id, label, true, None::<&str>)?)?;
        }
        menu.append(&submenu)?;
        separate(app, menu)?;
        Ok(Self { submenu, address: Mutex::default(), clipboard: Mutex::default() })
    }

    fn copy(&self, text: String) -> Result<(), arboard::Error> {
        let mut kept = self.clipboard.lock().unwrap_or_else(PoisonError::into_inner);
        let clipboard = match &mut *kept {
            Some(clipboard) => clipboard,
            none => none.insert(Clipboard::new()?),
        };
        clipboard.set_text(text)
    }
}

impl Group for Endpoint {
    fn show(&self, _: &Menu<Wry>, view: &View) -> tauri::Result<()> {
        let mut address = self.address.lock().unwrap_or_else(PoisonError::into_inner);
        if *address != view.address {
            self.submenu.set_enabled(view.address.is_some())?;
            address.clone_from(&view.address);
        }
        Ok(())
    }

    fn clicked(&self, _: &AppHandle, id: &str) -> bool {
        let Some(wanted) = COPIES.iter().find(|copy| copy.id == id) else { return false };
        let address = self.address.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(Err(error)) = address.map(|address| self.copy((wanted.text)(&address))) {
            tracing::error!(%error, "nothing can be copied here");
        }
        true
    }
}

/// A first call that needs no key and no network.
fn curl(address: &str) -> String {
    let body = r#"{"model":"demo/echo","messages":[{"role":"user","content":"Hello"}]}"#;
    format!("curl {address}/v1/chat/completions -H 'content-type: application/json' -d '{body}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_copy_is_what_a_client_asks_for() {
        let copies = COPIES.map(|copy| (copy.text)("http://127.0.0.1:8788"));
        assert_eq!(copies[0], "http://127.0.0.1:8788/v1");
        assert_eq!(copies[1], "http://127.0.0.1:8788");
        assert!(copies[2].starts_with("curl http://127.0.0.1:8788/v1/chat/completions "), "{}", copies[2]);
    }
}
