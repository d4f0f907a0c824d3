//! Size and position of the window, kept as `window` in `state.json` beside what others keep there.
//!
//! Two writers that meet (the active room changes while a window closes) are told apart by looking at the
//! file again right before it is replaced; the instant between that look and the renaming stays open.

use serde_json::{Map, Value, json};
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use zos_core::Home;

/// No screen is legible below this.
pub(super) const LEAST_WIDTH: f64 = 640.0;
/// No screen is legible below this.
pub(super) const LEAST_HEIGHT: f64 = 480.0;

/// Attempts of a write that gives way to another writer, before it is given up.
const TRIES: usize = 5;

/// Part of a window that has to lie on a screen for its bar to be caught with a mouse.
const CATCH: f64 = 80.0;

const KEY: &str = "window";

/// Place of the window, in logical pixels.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Place {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) x: Option<f64>,
    pub(super) y: Option<f64>,
    pub(super) is_maximized: bool,
}

/// One screen, in logical pixels.
pub(super) struct Screen {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Default for Place {
    fn default() -> Self {
        Self { width: 1120.0, height: 760.0, x: None, y: None, is_maximized: false }
    }
}

impl Place {
    /// The place that was kept; the usual one where none was, or what was kept makes no sense.
    pub(super) fn load(home: &Home) -> Self {
        let state: Option<Value> =
            fs::read(home.state()).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        state.map(|state| Self::read(&state[KEY])).unwrap_or_default()
    }

    fn read(kept: &Value) -> Self {
        let number = |name: &str| kept[name].as_f64().filter(|number| number.abs() < 100_000.0);
        let usual = Self::default();
        Self {
            width: number("width").unwrap_or(usual.width).max(LEAST_WIDTH),
            height: number("height").unwrap_or(usual.height).max(LEAST_HEIGHT),
            x: number("x"),
            y: number("y"),
            is_maximized: kept["maximized"].as_bool().unwrap_or_default(),
        }
    }

    /// The position, if the window can be caught there: its screen may be gone.
    pub(super) fn on_screen(&self, screens: &[Screen]) -> Option<(f64, f64)> {
        let (x, y) = (self.x?, self.y?);
        let is_on = |screen: &Screen| {
            x + self.width >= screen.x + CATCH
                && x + CATCH <= screen.x + screen.width
                && y >= screen.y
                && y + CATCH <= screen.y + screen.height
        };
        screens.iter().any(is_on).then_some((x, y))
    }

    /// Keeps it. Whatever else the file holds stays.
    ///
    /// # Errors
    /// When the file cannot be written, or is not what we can add to.
    pub(super) fn store(&self, home: &Home) -> io::Result<()> {
        let path = match fs::canonicalize(home.state()) {
            // A link stays a link.
            Ok(target) => target,
            Err(_) => home.state(),
        };
        for _ in 0..TRIES {
            let before = read(&path)?;
            let mut state: Map<String, Value> = match &before {
                Some(bytes) => serde_json::from_slice(bytes)?,
                None => Map::new(),
            };
            let ours = self.write();
            if state.get(KEY) == Some(&ours) {
                return Ok(());
            }
            state.insert(KEY.to_owned(), ours);
            let mut text = serde_json::to_string_pretty(&state)?;
            text.push('\n');
            if replace(&path, text.as_bytes(), before.as_deref())? {
                return Ok(());
            }
        }
        Err(io::Error::other("state.json changes all the time"))
    }

    fn write(&self) -> Value {
        // Whole pixels: a fraction of one comes from a scaled screen and means nothing.
        let whole = |number: f64| number.round();
        json!({
            "x": self.x.map(whole),
            "y": self.y.map(whole),
            "width": whole(self.width),
            "height": whole(self.height),
            "maximized": self.is_maximized,
        })
    }
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Replaces the file whole, unless it changed since it was read. Whether it did.
fn replace(path: &Path, text: &[u8], before: Option<&[u8]>) -> io::Result<bool> {
    let folder = path.parent().ok_or(ErrorKind::InvalidInput)?;
    let mut neighbour = tempfile::NamedTempFile::new_in(folder)?;
    neighbour.write_all(text)?;
    neighbour.as_file().sync_all()?;
    if read(path)?.as_deref() != before {
        return Ok(false);
    }
    neighbour.persist(path)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::resolve_from(Some(folder.path()), None, None).unwrap();
        (folder, home)
    }

    #[test]
    fn a_place_comes_back_and_what_others_keep_stays() {
        let (_folder, home) = home();
        fs::write(home.state(), r#"{"active": "acme", "theirs": [1]}"#).unwrap();
        let place = Place { width: 800.4, height: 600.0, x: Some(-3.0), y: Some(9.0), is_maximized: false };
        place.store(&home).unwrap();
        assert_eq!(Place::load(&home), Place { width: 800.0, ..place });
        let state: Value = serde_json::from_slice(&fs::read(home.state()).unwrap()).unwrap();
        assert_eq!(state["active"], "acme");
        assert_eq!(state["theirs"], json!([1]));
    }

    #[test]
    fn a_missing_file_is_made_and_a_broken_one_left_alone() {
        let (_folder, home) = home();
        assert_eq!(Place::load(&home), Place::default());
        Place::default().store(&home).unwrap();
        fs::write(home.state(), "{\"active\": ").unwrap();
        assert!(Place::default().store(&home).is_err());
        assert_eq!(fs::read_to_string(home.state()).unwrap(), "{\"active\": ");
        assert_eq!(Place::load(&home), Place::default());
    }

    #[test]
    fn a_file_that_changed_meanwhile_is_not_replaced() {
        let (_folder, home) = home();
        fs::write(home.state(), "{}").unwrap();
        assert!(!replace(&home.state(), b"mine", Some(b"{ }")).unwrap());
        assert_eq!(fs::read_to_string(home.state()).unwrap(), "{}");
        assert!(replace(&home.state(), b"mine", Some(b"{}")).unwrap());
    }

    #[test]
    fn nonsense_is_read_as_the_usual_place() {
        for kept in [json!(null), json!("big"), json!({"width": "wide", "x": 1e99})] {
            assert_eq!(Place::read(&kept), Place::default(), "{kept}");
        }
        assert_eq!(Place::read(&json!({"width": 10, "height": 10})).width, LEAST_WIDTH);
    }

    #[test]
    fn a_window_on_a_screen_that_is_gone_is_not_put_there() {
        let screens = [Screen { x: 0.0, y: 0.0, width: 1920.0, height: 1080.0 }];
        let at = |x, y| Place { x: Some(x), y: Some(y), ..Place::default() }.on_screen(&screens);
        assert_eq!(at(100.0, 50.0), Some((100.0, 50.0)));
        assert_eq!(at(-1000.0, 50.0), Some((-1000.0, 50.0)));
        assert_eq!(at(-1100.0, 50.0), None);
        assert_eq!(at(2000.0, 50.0), None);
        assert_eq!(at(100.0, -20.0), None);
        assert_eq!(Place::default().on_screen(&screens), None);
    }
}
