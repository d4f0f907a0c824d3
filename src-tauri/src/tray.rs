//! The tray: what governs now at a glance, and the few things that are done often.
//!
//! The menu is built once and its items are changed in place: a menu that is replaced closes while somebody
//! reads it. Each group of items is a file: it adds its items, shows a [`View`], and knows its own clicks.
//! The whole menu is written again after every click, because the toolkit ticks what was clicked by itself.

mod asks;
mod endpoint;
mod icon;
pub(crate) mod login;
mod open;
mod pause;
mod quit;
mod retry;
mod rooms;
mod status;
mod view;

use crate::shared::Shared;
use std::time::Duration;
use tauri::menu::{IsMenuItem, Menu, MenuItem, PredefinedMenuItem};
use tauri::tray::{TrayIcon, TrayIconBuilder};
use tauri::{AppHandle, Manager, Wry};
use tokio::sync::broadcast::error::RecvError;
use view::View;

const ID: &str = "zos";

/// The shortest time between two changes of the menu: a busy gateway ends hundreds of calls a second.
const PAUSE: Duration = Duration::from_millis(150);

/// A few items that belong together.
trait Group: Send + Sync {
    /// Updates the items from the view.
    fn show(&self, menu: &Menu<Wry>, view: &View) -> tauri::Result<()>;

    /// Handles a click on an item. `false` where the item is not one of the group's.
    fn clicked(&self, app: &AppHandle, id: &str) -> bool;
}

/// The tray, kept by Tauri.
struct Tray {
    icon: TrayIcon,
    menu: Menu<Wry>,
    groups: Vec<Box<dyn Group>>,
    face: icon::Face,
}

/// Makes the tray and follows what happens from now on. On the main thread.
pub(crate) fn build(app: &AppHandle) -> tauri::Result<()> {
    let menu = Menu::new(app)?;
    let groups: Vec<Box<dyn Group>> = vec![
        Box::new(status::StatusLine::add(app, &menu)?),
        Box::new(retry::Retry::add(app, &menu)?),
        Box::new(asks::Waiting::add(app, &menu)?),
        Box::new(rooms::Rooms::add(app, &menu)?),
        Box::new(asks::Allow::add(app, &menu)?),
        Box::new(pause::PauseGroup::add(app, &menu)?),
        Box::new(endpoint::Endpoint::add(app, &menu)?),
        Box::new(open::Open::add(app, &menu)?),
        Box::new(login::Login::add(app, &menu)?),
        Box::new(quit::Quit::add(app, &menu)?),
    ];
    let face = icon::Face::default();
    let builder = TrayIconBuilder::with_id(ID)
        .menu(&menu)
        .icon(face.image())
        .tooltip("zOS")
        .on_menu_event(|app, event| clicked(app, event.id().as_ref()));
    #[cfg(windows)]
    let builder = builder.show_menu_on_left_click(false).on_tray_icon_event(|tray, event| {
        use tauri::tray::{MouseButton, MouseButtonState, TrayIconEvent};
        if let TrayIconEvent::Click {
            button: MouseButton::Left, button_state: MouseButtonState::Up, ..
        } = event
        {
            crate::window::open(tray.app_handle(), None);
        }
    });
    let icon = builder.build(app)?;
    app.manage(Tray { icon, menu, groups, face });
    tauri::async_runtime::spawn(follow(app.clone()));
    Ok(())
}

/// Takes the icon away before the end.
pub(crate) fn remove(app: &AppHandle) {
    if let Some(tray) = app.try_state::<Tray>()
        && let Err(error) = tray.icon.set_visible(false)
    {
        tracing::debug!(%error, "the tray icon stays until the process ends");
    }
}

fn clicked(app: &AppHandle, id: &str) {
    let Some(tray) = app.try_state::<Tray>() else { return };
    if !tray.groups.iter().any(|group| group.clicked(app, id)) {
        tracing::warn!(id, "an item of the tray does nothing");
    }
    app.state::<Shared>().nudge.notify_one();
}

/// Updates the tray whenever files, calls, the listener or the day change.
async fn follow(app: AppHandle) {
    let shared = app.state::<Shared>();
    let mut files = shared.gateway.brain().subscribe();
    let mut events = shared.gateway.events();
    loop {
        files.mark_unchanged();
        let mut next_look = view::LONGEST_UNSEEN;
        match View::load(&shared).await {
            Ok(view) => {
                next_look = view.is_good_for;
                show(&app, view);
            }
            Err(error) => tracing::error!(%error, "the tray cannot tell what is so"),
        }
        tokio::time::sleep(PAUSE).await;
        tokio::select! {
            changed = files.changed() => match changed {
                Ok(()) => shared.outdate_refusal(),
                Err(_) => return,
            },
            received = events.recv() => match received {
                Err(RecvError::Closed) => return,
                // What was lost is seen by the next look.
                Ok(_) | Err(RecvError::Lagged(_)) => while events.try_recv().is_ok() {},
            },
            () = shared.nudge.notified() => {}
            () = tokio::time::sleep(next_look) => {}
        }
    }
}

fn show(app: &AppHandle, view: View) {
    let handle = app.clone();
    let asked = app.run_on_main_thread(move || {
        let Some(tray) = handle.try_state::<Tray>() else { return };
        let shown = tray.groups.iter().try_for_each(|group| group.show(&tray.menu, &view));
        if let Err(error) = shown.and_then(|()| tray.face.show(&tray.icon, view.look)) {
            tracing::error!(%error, "the tray cannot be changed");
        }
    });
    if let Err(error) = asked {
        tracing::debug!(%error, "the tray is gone");
    }
}

/// A line between two groups.
fn separate(app: &AppHandle, menu: &Menu<Wry>) -> tauri::Result<PredefinedMenuItem<Wry>> {
    let line = PredefinedMenuItem::separator(app)?;
    menu.append(&line)?;
    Ok(line)
}

/// The line that the menu ends with so far; drawn where there is none.
fn last_line(app: &AppHandle, menu: &Menu<Wry>) -> tauri::Result<PredefinedMenuItem<Wry>> {
    match menu.items()?.last().and_then(|last| last.as_predefined_menuitem().cloned()) {
        Some(line) => Ok(line),
        None => separate(app, menu),
    }
}

/// Puts an item right after another one.
fn insert_after(
    menu: &Menu<Wry>,
    item: &dyn IsMenuItem<Wry>,
    anchor: &dyn IsMenuItem<Wry>,
) -> tauri::Result<()> {
    let items = menu.items()?;
    let position = items.iter().position(|other| other.id() == anchor.id());
    menu.insert(item, position.map_or(items.len(), |position| position + 1))
}

/// Puts an item right before another one.
fn insert_before(
    menu: &Menu<Wry>,
    item: &dyn IsMenuItem<Wry>,
    anchor: &dyn IsMenuItem<Wry>,
) -> tauri::Result<()> {
    let items = menu.items()?;
    let position = items.iter().position(|other| other.id() == anchor.id()).unwrap_or(items.len());
    menu.insert(item, position)
}

/// Sets a text, if it is another one: each change is sent to the panel.
fn set_text(item: &MenuItem<Wry>, text: &str) -> tauri::Result<()> {
    let text = plain(text);
    if item.text()? == text { Ok(()) } else { item.set_text(text) }
}

/// A text in which `&` is a letter and marks no key.
fn plain(text: &str) -> String {
    text.replace('&', "&&")
}
