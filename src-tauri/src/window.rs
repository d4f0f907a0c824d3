//! The window: made when somebody wants to see it, destroyed when it is closed. A hidden window would
//! keep the page's processes and their memory; where the page was is kept here instead.

mod keys;
mod links;
mod place;

use crate::display;
use crate::scheme::{self, WINDOW};
use crate::shared::Shared;
use place::Place;
use std::time::Duration;
use tauri::webview::{NewWindowResponse, PageLoadEvent};
use tauri::{
    AppHandle, LogicalPosition, LogicalSize, Manager, Url, WebviewUrl, WebviewWindow, WebviewWindowBuilder,
    WindowEvent,
};

/// Time after the login that a tray may take to appear before the window is shown in its place.
const TRAY_PATIENCE: Duration = Duration::from_secs(15);

/// Shows the window, at a page if one is named; makes it if there is none. On the main thread.
pub(crate) fn open(app: &AppHandle, page: Option<&str>) {
    let shown = match app.get_webview_window(WINDOW) {
        Some(window) => raise(&window, page),
        None => make(app, page).map(|_| ()),
    };
    if let Err(error) = shown {
        tracing::error!(%error, "the window cannot be shown");
    }
}

/// As [`open`], from any thread.
pub(crate) fn open_from_elsewhere(app: &AppHandle, page: Option<&'static str>) {
    let handle = app.clone();
    if let Err(error) = app.run_on_main_thread(move || open(&handle, page)) {
        tracing::error!(%error, "the window cannot be asked for");
    }
}

/// After a hidden start: without a tray nobody could reach zOS, so a window is made after all, minimised.
pub(crate) fn open_where_no_tray_comes(app: &AppHandle) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        tokio::time::sleep(TRAY_PATIENCE).await;
        let handle = app.clone();
        let _ = app.run_on_main_thread(move || {
            if display::shows_trays() || handle.get_webview_window(WINDOW).is_some() {
                return;
            }
            tracing::info!("this desktop shows no tray: opening the window instead");
            if let Err(error) = make(&handle, None).and_then(|window| window.minimize()) {
                tracing::error!(%error, "the window cannot be shown");
            }
        });
    });
}

/// Remembers where an open window is, before the end.
pub(crate) async fn remember_from_elsewhere(app: &AppHandle) {
    let (done, finished) = tokio::sync::oneshot::channel();
    let handle = app.clone();
    let asked = app.run_on_main_thread(move || {
        if let Some(window) = handle.get_webview_window(WINDOW) {
            remember(&window);
        }
        let _ = done.send(());
    });
    if asked.is_ok() {
        let _ = finished.await;
    }
}

fn raise(window: &WebviewWindow, page: Option<&str>) -> tauri::Result<()> {
    window.unminimize()?;
    window.show()?;
    window.set_focus()?;
    match page {
        Some(page) => window.navigate(address(Some(page))),
        None => Ok(()),
    }
}

fn make(app: &AppHandle, page: Option<&str>) -> tauri::Result<WebviewWindow> {
    let shared = app.state::<Shared>();
    let place = Place::load(shared.home());
    let page = page.map(str::to_owned).or_else(|| shared.page());
    let mut builder =
        WebviewWindowBuilder::new(app, WINDOW, WebviewUrl::CustomProtocol(address(page.as_deref())))
            .title("zOS")
            .inner_size(place.width, place.height)
            .min_inner_size(place::LEAST_WIDTH, place::LEAST_HEIGHT)
            .maximized(place.is_maximized)
            .on_navigation(|url| {
                let is_ours = links::is_ours(url);
                if !is_ours {
                    links::follow(url);
                }
                is_ours
            })
            .on_new_window(|url, _| {
                links::follow(&url);
                NewWindowResponse::Deny
            })
            .on_download(|_, _| false)
            .on_page_load(|_, load| {
                if load.event() == PageLoadEvent::Finished {
                    tracing::debug!("the page is loaded");
                }
            });
    builder = match place.on_screen(&screens(app)) {
        Some((x, y)) => builder.position(x, y),
        None => builder.center(),
    };
    let window = builder.build()?;
    keys::listen(&window)?;
    spare(&window)?;
    // The handle of the application and not of the window: that one would keep itself alive.
    let handle = app.clone();
    window.on_window_event(move |event| follow(&handle, event));
    tracing::info!("window opened");
    Ok(window)
}

/// Paints without the graphics driver, as [`crate::display`] has it: in the page's process it holds 100 MB.
#[cfg(target_os = "linux")]
fn spare(window: &WebviewWindow) -> tauri::Result<()> {
    use webkit2gtk::{HardwareAccelerationPolicy, SettingsExt, WebViewExt};
    window.with_webview(|webview| {
        if let Some(settings) = WebViewExt::settings(&webview.inner()) {
            settings.set_hardware_acceleration_policy(HardwareAccelerationPolicy::Never);
        }
    })
}

#[cfg(not(target_os = "linux"))]
fn spare(_: &WebviewWindow) -> tauri::Result<()> {
    Ok(())
}

fn follow(app: &AppHandle, event: &WindowEvent) {
    match event {
        WindowEvent::CloseRequested { api, .. } => {
            let Some(window) = app.get_webview_window(WINDOW) else { return };
            remember(&window);
            // Closed without a tray, nothing would be left to reach zOS by.
            if !display::shows_trays() {
                api.prevent_close();
                if let Err(error) = window.minimize() {
                    tracing::error!(%error, "the window cannot be minimised");
                }
            }
        }
        WindowEvent::Destroyed => {
            app.state::<Shared>().carry(None);
            tracing::info!("window closed");
        }
        _ => {}
    }
}

/// Keeps where the window and its page are.
fn remember(window: &WebviewWindow) {
    let shared = window.state::<Shared>();
    if let Ok(url) = window.url() {
        shared.set_page(url.fragment().map(str::to_owned));
    }
    let kept = measure(window, &Place::load(shared.home())).map(|place| place.store(shared.home()));
    match kept {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the place of the window is not kept"),
        Err(error) => tracing::warn!(%error, "the place of the window is unknown"),
    }
}

/// Place of the window. A maximised one keeps the size that it had `before`.
fn measure(window: &WebviewWindow, before: &Place) -> tauri::Result<Place> {
    if window.is_maximized()? {
        return Ok(Place { is_maximized: true, ..before.clone() });
    }
    let scale = window.scale_factor()?;
    let size: LogicalSize<f64> = window.inner_size()?.to_logical(scale);
    // Wayland tells no application where its windows are.
    let position: Option<LogicalPosition<f64>> =
        window.outer_position().ok().map(|position| position.to_logical(scale));
    Ok(Place {
        width: size.width,
        height: size.height,
        x: position.map(|position| position.x),
        y: position.map(|position| position.y),
        is_maximized: false,
    })
}

fn screens(app: &AppHandle) -> Vec<place::Screen> {
    let monitors = app.available_monitors().unwrap_or_default();
    let screen = |monitor: tauri::Monitor| {
        let position: LogicalPosition<f64> = monitor.position().to_logical(monitor.scale_factor());
        let size: LogicalSize<f64> = monitor.size().to_logical(monitor.scale_factor());
        place::Screen { x: position.x, y: position.y, width: size.width, height: size.height }
    };
    monitors.into_iter().map(screen).collect()
}

/// The address of a page of the screens.
fn address(page: Option<&str>) -> Url {
    let mut address: Url = scheme::SCREENS.parse().expect("the address of the screens is an address");
    address.set_fragment(page);
    address
}

/// Handles a key of the window, whatever the page does.
fn act(app: &AppHandle, action: keys::KeyAction) {
    match action {
        keys::KeyAction::Close => {
            if let Some(window) = app.get_webview_window(WINDOW)
                && let Err(error) = window.close()
            {
                tracing::error!(%error, "the window cannot be closed");
            }
        }
        keys::KeyAction::Quit => app.state::<Shared>().quit(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_the_part_after_the_hash() {
        assert_eq!(address(None).as_str(), "zos://localhost/zos/");
        assert_eq!(address(Some("/rooms/acme")).as_str(), "zos://localhost/zos/#/rooms/acme");
    }
}
