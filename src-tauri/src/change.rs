//! Changes that the tray and notifications ask the admin API for.

use crate::shared::Shared;
use serde::Serialize;
use tauri::{AppHandle, Manager};

/// Methods of the admin API that change something.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Method {
    /// PUT: replaces a setting.
    Put,
    /// POST: does something.
    Post,
}

/// Asks the admin API for a change. A refusal is shown in the tray.
pub(crate) fn ask(
    app: &AppHandle,
    method: Method,
    path: String,
    body: impl Serialize + Send + Sync + 'static,
) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let shared = app.state::<Shared>();
        let done = match method {
            Method::Put => shared.admin.put(&path, &body).await,
            Method::Post => shared.admin.post(&path, &body).await,
        };
        let refusal = match done {
            Ok(()) => None,
            Err(error) => {
                tracing::warn!(path, %error, "a change from the desktop was refused");
                Some(error.to_string())
            }
        };
        shared.set_refusal(refusal);
        shared.nudge.notify_one();
    });
}
