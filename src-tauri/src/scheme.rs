//! `zos://localhost/zos/…`: the screens and the admin API for the window, answered in this process. No
//! port, no token in a page, and one origin, so that no other page can read an answer.

use crate::shared::Shared;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use tauri::{Manager, Runtime, UriSchemeContext, UriSchemeResponder};

/// Name of the scheme.
pub(crate) const NAME: &str = "zos";

/// Label of the one window. Only its page is answered.
pub(crate) const WINDOW: &str = "main";

/// The address of the screens.
pub(crate) const SCREENS: &str = "zos://localhost/zos/";

/// Headers that forbid the page to be framed and to reach devices, beside its own policy.
const EXTRA: [(&str, &str); 2] = [
    ("permissions-policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
    ("cross-origin-opener-policy", "same-origin"),
];

/// Answers one request of the page.
pub(crate) fn answer<R: Runtime>(
    context: UriSchemeContext<'_, R>,
    request: Request<Vec<u8>>,
    responder: UriSchemeResponder,
) {
    let shared = context.app_handle().try_state::<Shared>();
    let (Some(shared), WINDOW) = (shared, context.webview_label()) else {
        return responder.respond(nothing(StatusCode::SERVICE_UNAVAILABLE));
    };
    let admin = shared.admin.clone();
    tauri::async_runtime::spawn(async move {
        let mut answer = admin.answer(request.map(Bytes::from)).await;
        for (name, value) in EXTRA {
            answer.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        responder.respond(answer.map(|body| body.to_vec()));
    });
}

fn nothing(status: StatusCode) -> Response<Vec<u8>> {
    let mut answer = Response::new(Vec::new());
    *answer.status_mut() = status;
    answer
}
