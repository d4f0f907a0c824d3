//! Every answer that is ours and not a provider's: the one place that turns a code into a status and
//! into the envelope that the caller's own SDK reads.
//!
//! A problem never holds text of the call, a key or a path: a rule id, a field and a count are enough.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

/// What went wrong, as programs match on it. Listed in `docs/errors.md`; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The body is no JSON object, too large, or holds a field of a wrong type.
    InvalidRequest,
    /// A key is required, wrong or revoked.
    Unauthorized,
    /// The browser origin or the Host header is not allowed.
    OriginDenied,
    /// The request holds something that the context denies.
    FirewallRequest,
    /// The answer held something that the context denies.
    FirewallResponse,
    /// Key and header or path name different contexts.
    ContextMismatch,
    /// No such context, or none governs this call.
    UnknownContext,
    /// The context's file never loaded.
    ContextBroken,
    /// The canon that a hard context puts in front of its calls cannot be built.
    CanonInvalid,
    /// No such endpoint.
    UnknownEndpoint,
    /// No provider serves this model.
    UnknownModel,
    /// No permitted model or provider is left.
    NoRoute,
    /// The routed model's API cannot carry a field of the request, or the caller's API one of the answer.
    Untranslatable,
    /// The request refers to what a provider keeps and what this context may not use.
    ForeignState,
    /// The budget does not hold this call.
    BudgetExceeded,
    /// The provider could not be reached, or its answer could not be read.
    UpstreamUnreachable,
    /// The provider took too long.
    UpstreamTimeout,
    /// The log cannot be written and the context is hard.
    AuditUnavailable,
    /// Budgets cannot be read or written, the context is hard and has some.
    LedgerUnavailable,
    /// The gateway is stopping.
    ShuttingDown,
    /// A defect of ours.
    Internal,
}

impl Code {
    /// The code as it stands in answers and records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Code::InvalidRequest => "zos_invalid_request",
            Code::Unauthorized => "zos_unauthorized",
            Code::OriginDenied => "zos_origin_denied",
            Code::FirewallRequest => "zos_firewall_request",
            Code::FirewallResponse => "zos_firewall_response",
            Code::ContextMismatch => "zos_context_mismatch",
            Code::UnknownContext => "zos_unknown_context",
            Code::ContextBroken => "zos_context_broken",
            Code::CanonInvalid => "zos_canon_invalid",
            Code::UnknownEndpoint => "zos_unknown_endpoint",
            Code::UnknownModel => "zos_unknown_model",
            Code::NoRoute => "zos_no_route",
            Code::Untranslatable => "zos_untranslatable",
            Code::ForeignState => "zos_foreign_state",
            Code::BudgetExceeded => "zos_budget_exceeded",
            Code::UpstreamUnreachable => "zos_upstream_unreachable",
            Code::UpstreamTimeout => "zos_upstream_timeout",
            Code::AuditUnavailable => "zos_audit_unavailable",
            Code::LedgerUnavailable => "zos_ledger_unavailable",
            Code::ShuttingDown => "zos_shutting_down",
            Code::Internal => "zos_internal",
        }
    }

    /// The HTTP status that goes with it.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Code::InvalidRequest | Code::Untranslatable => StatusCode::BAD_REQUEST,
            Code::Unauthorized => StatusCode::UNAUTHORIZED,
            Code::OriginDenied | Code::FirewallRequest | Code::ForeignState | Code::ContextMismatch => {
                StatusCode::FORBIDDEN
            }
            Code::UnknownContext | Code::UnknownEndpoint | Code::UnknownModel => StatusCode::NOT_FOUND,
            Code::BudgetExceeded => StatusCode::TOO_MANY_REQUESTS,
            Code::FirewallResponse | Code::UpstreamUnreachable => StatusCode::BAD_GATEWAY,
            Code::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
            Code::CanonInvalid
            | Code::ContextBroken
            | Code::NoRoute
            | Code::AuditUnavailable
            | Code::LedgerUnavailable
            | Code::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
            Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// Whose error envelope an answer wears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `{"type":"error","error":{"type","message"}}`
    Anthropic,
    /// `{"error":{"message","type","code","param"}}`
    OpenAi,
}

/// One answer of ours.
#[derive(Debug, Clone)]
pub struct Problem {
    /// To match on.
    pub code: Code,
    /// Status where it is not the code's own, such as 413 for a body that is too large.
    pub status: StatusCode,
    /// What is wrong, a whole sentence.
    pub message: String,
    /// What to do about it, a whole sentence.
    pub hint: Option<String>,
    /// Seconds until trying again makes sense; also tells SDKs not to retry by themselves.
    pub retry_after_s: Option<u64>,
}

impl Problem {
    /// A problem with the status of its code.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Problem { code, status: code.status(), message: message.into(), hint: None, retry_after_s: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Replaces the code's own status.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The error object of an envelope, the same for answers and for events in a stream.
    #[must_use]
    pub fn error_object(&self, shape: Shape, request_id: &str) -> serde_json::Value {
        let message = match &self.hint {
            Some(hint) => format!("{} {hint}", self.message),
            None => self.message.clone(),
        };
        let code = self.code.as_str();
        let hint = &self.hint;
        match shape {
            Shape::Anthropic => {
                json!({"type": anthropic_type(self.status), "message": message, "code": code, "hint": hint, "request_id": request_id})
            }
            Shape::OpenAi => {
                json!({"message": message, "type": openai_type(self.status), "code": code, "param": null, "hint": hint, "request_id": request_id})
            }
        }
    }

    /// The body of an answer.
    #[must_use]
    pub fn body(&self, shape: Shape, request_id: &str) -> Bytes {
        let error = self.error_object(shape, request_id);
        let envelope = match shape {
            Shape::Anthropic => json!({"type": "error", "error": error, "request_id": request_id}),
            Shape::OpenAi => json!({ "error": error }),
        };
        Bytes::from(envelope.to_string())
    }

    /// The whole answer.
    #[must_use]
    pub fn respond(&self, shape: Shape, request_id: &str) -> http::Response<Bytes> {
        let mut response = http::Response::new(self.body(shape, request_id));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(value) = HeaderValue::from_str(request_id) {
            headers.insert("x-request-id", value);
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        // A refusal of ours stays a refusal however often it is repeated at once; only what
        // happened on the way to the provider may go better the next time.
        if !matches!(self.code, Code::UpstreamUnreachable | Code::UpstreamTimeout | Code::ShuttingDown) {
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
        response
    }
}

/// The name that an API gives to errors of a status.
pub(crate) fn error_type(shape: Shape, status: StatusCode) -> &'static str {
    match shape {
        Shape::Anthropic => anthropic_type(status),
        Shape::OpenAi => openai_type(status),
    }
}

/// The error types of the Anthropic API by status.
fn anthropic_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

/// The error types of the OpenAI API by status.
fn openai_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    }
}
