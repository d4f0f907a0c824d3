//! Every answer that is ours and not a provider's: the one place that turns a code into a status and
//! into the envelope that the caller's own SDK reads.
//!
//! A problem never holds text of the call, a key or a path: a rule id, a field and a count are enough. It is made with the
//! status that the reference form has; [`Problem::told`] makes of it what one caller is told.

use crate::clients::{Form, OverBudget};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;
use zos_core::code::Actor;

pub use zos_core::Code;

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
    /// Seconds until the budget begins anew, told in a header that no program waits for.
    pub budget_reset_s: Option<u64>,
}

impl Problem {
    /// A problem with the status of its code.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Problem {
            code,
            status: status(code),
            message: message.into(),
            hint: None,
            retry_after_s: None,
            budget_reset_s: None,
        }
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
        debug_assert!(self.code.statuses().contains(&status.as_u16()), "{:?} lacks {status}", self.code);
        self.status = status;
        self
    }

    /// This problem as a caller with an API of that shape is told it.
    ///
    /// Programs take a 403 for a wrong key, repeat a 502, and sleep as long as `retry-after` says. So what a room denies is
    /// a request that can never pass, and what a budget does not hold is to be paid for; see [`crate::clients`].
    #[must_use]
    pub fn told(mut self, shape: Shape, form: Form) -> Self {
        let Form::Best(client) = form else { return self };
        let is_anthropic = shape == Shape::Anthropic;
        match self.code {
            Code::UnknownContext if !is_anthropic => {}
            Code::FirewallRequest | Code::FirewallResponse | Code::ForeignState | Code::UnknownContext => {
                self.status = match is_anthropic {
                    true => StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS,
                    false => StatusCode::BAD_REQUEST,
                };
            }
            Code::BudgetExceeded => {
                self.budget_reset_s = self.retry_after_s.take();
                self.status = match client.over_budget {
                    OverBudget::InvalidRequest if !is_anthropic => StatusCode::BAD_REQUEST,
                    _ => StatusCode::PAYMENT_REQUIRED,
                };
            }
            _ => {}
        }
        debug_assert!(self.code.statuses().contains(&self.status.as_u16()), "{:?}", self.code);
        self
    }

    /// What a person reads of it: the sentence and what to do.
    #[must_use]
    pub fn sentence(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{} {hint}", self.message),
            None => self.message.clone(),
        }
    }

    /// The error object of an envelope, the same for answers and for events in a stream.
    #[must_use]
    pub fn error_object(&self, shape: Shape, request_id: &str) -> serde_json::Value {
        let message = self.sentence();
        let code = self.code.as_str();
        let hint = &self.hint;
        let kind = error_type(shape, self.status);
        match shape {
            Shape::Anthropic => {
                json!({"type": kind, "message": message, "code": code, "hint": hint, "request_id": request_id})
            }
            Shape::OpenAi => {
                json!({"message": message, "type": kind, "code": code, "param": null, "hint": hint, "request_id": request_id})
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
        if let Some(seconds) = self.budget_reset_s {
            headers.insert("x-zos-budget-reset", HeaderValue::from(seconds));
        }
        // A refusal of ours stays a refusal however often it is repeated at once; only what
        // happened on the way to the provider may go better the next time.
        if self.code.actor() != Actor::Time {
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
        response
    }
}

/// Usual status of a code; 500 for one that only the command line says, which no answer carries.
#[must_use]
pub fn status(code: Code) -> StatusCode {
    let usual = code.statuses().first().and_then(|status| StatusCode::from_u16(*status).ok());
    usual.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
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
        402 => "billing_error",
        403 | 451 => "permission_error",
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
        402 => "insufficient_quota",
        403 => "permission_error",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    }
}
