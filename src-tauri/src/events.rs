//! The command `events`: what happens, live, into the page. Answers through the scheme are handed over
//! whole, so a stream of events needs this second way.

use crate::shared::Shared;
use std::sync::Arc;
use tauri::State;
use tauri::ipc::{Channel, InvokeResponseBody};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use zos_gateway::views::Event;

/// Sends every event from now on, as JSON, until the window closes or the page asks anew.
#[tauri::command]
pub(crate) fn events(shared: State<'_, Shared>, channel: Channel<InvokeResponseBody>) {
    let receiver = shared.gateway.events();
    shared.carry(Some(tauri::async_runtime::spawn(carry(receiver, channel))));
}

async fn carry(mut receiver: Receiver<Arc<Event>>, channel: Channel<InvokeResponseBody>) {
    loop {
        let event = match receiver.recv().await {
            Ok(event) => event,
            Err(RecvError::Lagged(_)) => Arc::new(Event::Lagged),
            Err(RecvError::Closed) => return,
        };
        let json = serde_json::to_string(&*event).expect("an event has only text keys");
        if channel.send(InvokeResponseBody::Json(json)).is_err() {
            return;
        }
    }
}
