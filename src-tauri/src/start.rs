//! From the command line to the running application.

use crate::arguments::{self, Arguments};
use crate::display::{self, NoDisplay};
use crate::shared::Shared;
use crate::{events, listen, log, notification, quit, scheme, tray, window};
use sha2::{Digest, Sha256};
use std::process::ExitCode;
use std::time::Duration;
use tauri::{AppHandle, Manager, RunEvent, Wry};
use zos_core::{Home, HomeError};
use zos_gateway::Gateway;
use zos_gateway::Opening;
use zos_gateway::attest::Keys;

/// Time that tasks may take to end after everything that matters has ended.
const LAST_PATIENCE: Duration = Duration::from_millis(500);

/// Why zOS cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// Nobody knows where the files are.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// There is nothing to show anything on.
    #[error(transparent)]
    Display(#[from] NoDisplay),
    /// The system gives no threads.
    #[error("the threads of zOS cannot be started")]
    Runtime(#[from] std::io::Error),
    /// The desktop cannot be reached.
    #[error("the desktop cannot be reached")]
    Desktop(#[from] tauri::Error),
    /// Another zOS uses these files, or they cannot be used.
    #[error(transparent)]
    Gateway(#[from] zos_gateway::OpenError),
}

/// Runs until somebody quits. A second start on the same home ends in here: it has woken the first.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, StartError> {
    let home = Home::resolve(arguments.home.as_deref())?;
    log::start(&home);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), home = %home.root().display(), "starting");
    display::open()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("zos").build()?;
    tauri::async_runtime::set(runtime.handle().clone());
    let entered = runtime.enter();

    let app = shell(arguments, &home).build(tauri::generate_context!("tauri.conf.json"))?;
    // Only now: a second start must find the first one before it finds its files locked.
    zos_gateway::process::prepare();
    let opening = Opening { keys: Keys::Keychain, ..Opening::default() };
    app.manage(Shared::new(Gateway::open_with(home, opening)?));
    let handle = app.handle().clone();
    tauri::async_runtime::spawn(async move { listen::listen(&handle).await });
    quit::follow(app.handle());
    quit::on_signals(app.handle());

    let is_hidden = arguments.hidden;
    let code = app.run_return(move |app, event| follow(app, &event, is_hidden));
    drop(entered);
    // A call of the keychain may hang for as long as its prompt is open.
    runtime.shutdown_timeout(LAST_PATIENCE);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

/// The application before it runs: its plugins, its scheme, its commands.
fn shell(arguments: &Arguments, home: &Home) -> tauri::Builder<Wry> {
    let single = tauri_plugin_single_instance::Builder::new()
        .dbus_id(instance_name(home))
        .callback(|app, line, _| {
            tracing::info!("started a second time");
            if !arguments::is_hidden(&line) {
                window::open_from_elsewhere(app, None);
            }
        })
        .build();
    tauri::Builder::default()
        // First, as its documentation asks: a second start ends inside it.
        .plugin(single)
        .plugin(tray::login::plugin(arguments))
        .register_asynchronous_uri_scheme_protocol(scheme::NAME, scheme::answer)
        .invoke_handler(tauri::generate_handler![events::events, listen::listen_again])
}

/// A name for the one zOS on this home: zOS on another home is another one.
fn instance_name(home: &Home) -> String {
    let digest = Sha256::digest(home.root().as_os_str().as_encoded_bytes());
    format!("org.zos.desktop.home_{}", hex::encode(&digest[..8]))
}

fn follow(app: &AppHandle, event: &RunEvent, is_hidden: bool) {
    match event {
        RunEvent::Ready => ready(app, is_hidden),
        // No window is left: the tray keeps zOS alive.
        RunEvent::ExitRequested { api, code: None, .. } => api.prevent_exit(),
        _ => {}
    }
}

/// The event loop runs: now the tray and the window can be made.
fn ready(app: &AppHandle, is_hidden: bool) {
    if let Err(error) = tray::build(app) {
        // The window still shows everything.
        tracing::error!(%error, "no tray");
    }
    notification::begin(app);
    if is_hidden {
        window::open_where_no_tray_comes(app);
    } else {
        window::open(app, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn each_home_has_its_own_instance() {
        let name = |path| instance_name(&Home::resolve_from(Some(Path::new(path)), None, None).unwrap());
        assert_eq!(name("/a"), name("/a"));
        assert_ne!(name("/a"), name("/b"));
    }
}
