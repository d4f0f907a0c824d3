//! The screens: the files that `ui/` builds, held in this program. The same for the window and a browser.

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::{StatusCode, header};

// `FILES`: path and bytes of every file of the built screens; empty when they were not built.
include!(concat!(env!("OUT_DIR"), "/screens.rs"));

/// What stands in for screens that were not built.
const NOT_BUILT: &str = "<!doctype html><meta charset=utf-8><title>zOS</title>\
    <p>zOS is running, but this build holds no screens. <code>make ui</code> builds them.";

/// `/zos/` and what lies below it.
pub(crate) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/zos", get(|| async { Redirect::permanent("/zos/") }))
        .route("/zos/", get(|| async { file("index.html") }))
        .route("/zos/{*path}", get(|Path(path): Path<String>| async move { file(&path) }))
}

fn file(path: &str) -> Response {
    match FILES.iter().find(|(name, _)| *name == path) {
        Some((name, bytes)) => ([(header::CONTENT_TYPE, content_type(name))], *bytes).into_response(),
        None if path == "index.html" => {
            ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], NOT_BUILT).into_response()
        }
        None => (StatusCode::NOT_FOUND, "There is no such file.\n").into_response(),
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "webmanifest") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
