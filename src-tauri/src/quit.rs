//! The orderly end: no new calls, those that run may finish, then the books, then the log, then the process.

use crate::shared::Shared;
use crate::{tray, window};
use std::time::Duration;
use tauri::{AppHandle, Manager};

/// Time that calls may take to end once somebody wants to quit.
const PATIENCE: Duration = Duration::from_secs(5);

/// Waits for a request to quit ([`Shared::quit`]), and ends zOS.
pub(crate) fn follow(app: &AppHandle) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let shared = app.state::<Shared>();
        shared.quitting.notified().await;
        tracing::info!("stopping");
        window::remember_from_elsewhere(&app).await;
        shared.gateway.stop(PATIENCE).await;
        tray::remove(&app);
        tracing::info!("stopped");
        app.exit(0);
    });
}

/// Quits when the session or a person at a terminal asks for it.
#[cfg(unix)]
pub(crate) fn on_signals(app: &AppHandle) {
    use tokio::signal::unix::{SignalKind, signal};
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
        let app = app.clone();
        tauri::async_runtime::spawn(async move {
            match signal(kind) {
                Ok(mut signal) => {
                    while signal.recv().await.is_some() {
                        app.state::<Shared>().quit();
                    }
                }
                Err(error) => tracing::warn!(%error, "a signal cannot be waited for"),
            }
        });
    }
}

/// Elsewhere the system ends applications through their windows.
#[cfg(not(unix))]
pub(crate) fn on_signals(_: &AppHandle) {}
