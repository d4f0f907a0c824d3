//! The port. That it is taken is a state that the window and the tray show in words, not a reason to end:
//! the person frees it and tries again.

use crate::shared::Shared;
use tauri::{AppHandle, Manager};
use zos_gateway::Server;

/// Listens and serves, unless it does so already. Whoever looks at the gateway sees how it went.
pub(crate) async fn listen(app: &AppHandle) -> bool {
    let shared = app.state::<Shared>();
    let _alone = shared.binding.lock().await;
    if shared.gateway.listening().address.is_some() {
        return true;
    }
    match Server::bind(&shared.gateway, None).await {
        Ok(server) => {
            match server.address() {
                Ok(address) => tracing::info!(%address, "listening"),
                Err(error) => tracing::warn!(%error, "listening, at an address the system does not tell"),
            }
            tauri::async_runtime::spawn(server.run());
            true
        }
        Err(error) => {
            tracing::error!(%error, "not listening");
            false
        }
    }
}

/// Tries again, for a person who has freed the port. Answers whether it listens now.
#[tauri::command]
pub(crate) async fn listen_again(app: AppHandle) -> bool {
    listen(&app).await
}
