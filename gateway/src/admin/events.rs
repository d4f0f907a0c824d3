//! `GET /zos/v1/events`: what happens, live, as server-sent events.

use super::Admin;
use crate::views::Event;
use axum::extract::State;
use axum::response::sse::{self, KeepAlive, Sse};
use futures::stream::{self, Stream};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;

/// Calls, config, health and budgets as they change. Each event's data is one `Event`.
#[utoipa::path(get, path = "/zos/v1/events", responses((status = 200, content_type = "text/event-stream", body = Event)))]
pub(crate) async fn events(State(gateway): Admin) -> Sse<impl Stream<Item = Result<sse::Event, Infallible>>> {
    let receiver = gateway.events();
    let drain = gateway.drain.clone();
    let events = stream::unfold((receiver, drain), |(mut receiver, drain)| async move {
        let event = tokio::select! {
            received = receiver.recv() => match received {
                Ok(event) => event,
                Err(RecvError::Lagged(_)) => std::sync::Arc::new(Event::Lagged),
                Err(RecvError::Closed) => return None,
            },
            // Whoever listens for ever must not keep the gateway from stopping.
            () = drain.is_begun() => return None,
        };
        let sent = sse::Event::default().json_data(&*event).unwrap_or_default();
        Some((Ok(sent), (receiver, drain)))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}
