//! The admin API: everything the screens and the command line do, through one router.
//!
//! On the listener it asks for the admin token; in the desktop the window reaches the same router inside
//! the process. One file per group of endpoints; the shapes are in [`crate::views`].

pub(crate) mod active;
pub(crate) mod approvals;
pub(crate) mod audit;
pub(crate) mod budgets;
pub(crate) mod canon;
pub(crate) mod contexts;
pub(crate) mod deeds;
pub(crate) mod events;
pub(crate) mod firewall;
pub(crate) mod keys;
pub mod memory;
pub(crate) mod problem;
pub(crate) mod providers;
pub(crate) mod screens;
pub(crate) mod shield;
pub(crate) mod status;
pub mod targets;

use crate::gateway::Gateway;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue, header};
use problem::AdminRefusal;
use std::sync::Arc;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zos_seal::Secret;

/// The largest body that the admin API reads: a context file of 1 MiB, escaped as JSON.
const BODY_LIMIT_BYTES: usize = 4 << 20;

/// State of the admin API.
pub(crate) type Admin = State<Arc<Gateway>>;

#[derive(OpenApi)]
#[openapi(
    info(title = "zOS admin API", description = "Everything the screens and the command line do."),
    components(schemas(crate::views::Event, crate::views::AdminProblem)),
    security(("admin_token" = []))
)]
struct Document;

/// The endpoints with their documentation.
fn endpoints() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(status::status))
        .routes(routes!(active::active, active::set_active))
        .routes(routes!(shield::shield, shield::set_shield))
        .routes(routes!(approvals::list))
        .routes(routes!(approvals::decide))
        .routes(routes!(contexts::list))
        .routes(routes!(contexts::show, contexts::write, contexts::delete))
        .routes(routes!(firewall::test))
        .routes(routes!(targets::check))
        .routes(routes!(budgets::budgets))
        .routes(routes!(budgets::usage))
        .routes(routes!(budgets::quotas))
        .routes(routes!(audit::audit))
        .routes(routes!(canon::canon))
        .routes(routes!(canon::why))
        .routes(routes!(audit::prune))
        .routes(routes!(audit::seal))
        .routes(routes!(audit::rotate_key))
        .routes(routes!(audit::rotate))
        .routes(routes!(events::events))
        .routes(routes!(keys::list, keys::add))
        .routes(routes!(keys::revoke))
        .routes(routes!(memory::search, memory::add))
        .routes(routes!(memory::review))
        .routes(routes!(memory::decide_all))
        .routes(routes!(memory::show, memory::decide, memory::forget))
        .routes(routes!(memory::promote))
        .routes(routes!(memory::tool))
        .routes(routes!(providers::list))
        .routes(routes!(providers::set_key, providers::delete_key))
        .routes(routes!(providers::command, providers::allow_command))
        .routes(routes!(providers::test))
}

/// The OpenAPI document, as it is committed in `docs/openapi.json`.
#[must_use]
pub fn openapi() -> String {
    let (_, mut document) = endpoints().split_for_parts();
    let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    document.components.get_or_insert_default().add_security_scheme("admin_token", scheme);
    document.to_pretty_json().expect("the document holds nothing that JSON cannot") + "\n"
}

/// The endpoints and those of another protocol beside them, with the bound of a body.
pub(crate) fn router(beside: Router<Arc<Gateway>>) -> Router<Arc<Gateway>> {
    let (api, _) = endpoints().split_for_parts();
    api.merge(beside).layer(DefaultBodyLimit::max(BODY_LIMIT_BYTES))
}

/// Asks for the admin token in `Authorization: Bearer`.
pub(crate) async fn require_token(
    State(gateway): Admin,
    request: Request,
    next: Next,
) -> Result<Response, AdminRefusal> {
    let presented = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let presented = presented.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if !is_same(&gateway.access.admin_token, presented) {
        return Err(AdminRefusal::wrong_token());
    }
    Ok(next.run(request).await)
}

/// Compares digests, so that the time taken tells nothing about the token.
fn is_same(token: &Secret, presented: &str) -> bool {
    zos_seal::sha256(token.expose().as_bytes()) == zos_seal::sha256(presented.as_bytes())
}

/// No answer is kept by a browser, framed by another page, or read as another type.
pub(crate) async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        ("cache-control", "no-store"),
        ("content-security-policy", "frame-ancestors 'none'"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        headers.entry(HeaderName::from_static(name)).or_insert(HeaderValue::from_static(value));
    }
    response
}
