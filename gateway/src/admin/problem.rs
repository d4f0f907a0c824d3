//! Refusals of the admin API: a code, a sentence, a hint, and findings where a file was sent.

use crate::views::{AdminError, AdminProblem, FileProblem};
use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use serde::de::DeserializeOwned;
use zos_core::{ContextName, ContextState, Snapshot};
use zos_wire::problem::{self, Code};

/// A refusal.
#[derive(Debug)]
pub(crate) struct AdminRefusal {
    status: StatusCode,
    error: AdminError,
}

impl AdminRefusal {
    /// A refusal with the usual status of its code.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        AdminRefusal {
            status: problem::status(code),
            error: AdminError {
                code: code.as_str().to_owned(),
                message: message.into(),
                hint: None,
                problems: Vec::new(),
            },
        }
    }

    /// Replaces the code's usual status.
    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.error.hint = Some(hint.into());
        self
    }

    pub(crate) fn problems(mut self, problems: &[zos_core::Problem]) -> Self {
        self.error.problems = problems.iter().map(FileProblem::from).collect();
        self
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        AdminRefusal::new(Code::InvalidRequest, message)
    }

    pub(crate) fn unknown_endpoint() -> Self {
        AdminRefusal::new(Code::UnknownEndpoint, "The admin API has no such endpoint.")
            .hint("docs/openapi.json lists them.")
    }

    pub(crate) fn unknown_context() -> Self {
        AdminRefusal::new(Code::UnknownContext, "There is no context of that name.")
    }

    /// A context of that name exists and never loaded.
    pub(crate) fn context_broken(state: &ContextState) -> Self {
        let message = "The file of this context never loaded.";
        AdminRefusal::new(Code::ContextBroken, message)
            .status(StatusCode::CONFLICT)
            .problems(state.problems())
    }

    /// Why nothing can be asked of a context: it does not exist, or never loaded.
    pub(crate) fn no_context(snapshot: &Snapshot, name: &ContextName) -> Self {
        snapshot.context(name).map_or_else(AdminRefusal::unknown_context, AdminRefusal::context_broken)
    }

    pub(crate) fn wrong_token() -> Self {
        AdminRefusal::new(Code::Unauthorized, "The admin token is missing or wrong.")
            .hint("It stands in gateway/admin.token of the home; send it as `Authorization: Bearer …`.")
    }

    pub(crate) fn no_admin_here() -> Self {
        AdminRefusal::new(Code::UnknownEndpoint, "The admin API is not served on this listener.")
            .hint("The desktop app serves it in its own window.")
    }

    pub(crate) fn unrecorded() -> Self {
        AdminRefusal::new(Code::AuditUnavailable, "The log cannot be written, so nothing was changed.")
            .hint("See `zos doctor`: the disk may be full or the folder read-only.")
    }

    /// A deed that was done, and whose record the log did not take.
    pub(crate) fn recorded_later() -> Self {
        AdminRefusal::new(
            Code::AuditUnavailable,
            "This was done, and the log could not take its record; that is written once the log works again.",
        )
        .hint("See `zos doctor`, and look at what is in force before you try again.")
    }

    /// Whether the machine or zOS failed, so that a part may be done; otherwise the request was refused and
    /// nothing was.
    pub(crate) fn is_failure(&self) -> bool {
        self.status.is_server_error()
    }

    /// A failure of ours or of the machine. The error is for the log; the sentence is for the owner.
    pub(crate) fn failed(what: &str, error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "{what}");
        AdminRefusal::new(Code::Internal, format!("{what}: {error}."))
    }
}

impl IntoResponse for AdminRefusal {
    fn into_response(self) -> Response {
        (self.status, Json(AdminProblem { error: self.error })).into_response()
    }
}

/// The context that was named, else the active one.
pub(crate) fn named_or_active(snapshot: &Snapshot, name: Option<&str>) -> Result<ContextName, AdminRefusal> {
    let unknown = AdminRefusal::unknown_context;
    match name {
        Some(name) => name.parse().map_err(|_| unknown()),
        None => snapshot.effective_active().cloned().map_err(|_| unknown()),
    }
}

/// A JSON body, with refusals of our shape.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = AdminRefusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, AdminRefusal> {
        // Axum asks for the content type, which keeps simple cross-site forms out.
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Body(body)),
            Err(rejection) => {
                Err(AdminRefusal::invalid(format!("{}.", rejection.body_text())).status(rejection.status()))
            }
        }
    }
}

/// A context's name from the path.
pub(crate) struct Name(pub(crate) ContextName);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = AdminRefusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AdminRefusal> {
        let path = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        let name = path.ok().and_then(|path| path.0.parse().ok());
        name.map(Name).ok_or_else(|| {
            AdminRefusal::invalid("This is no name for a context.")
                .hint("Use a to z, 0 to 9, - and _, beginning with a letter or digit.")
        })
    }
}
