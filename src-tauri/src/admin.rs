//! The admin API inside this process: the same router that the command line reaches over the listener,
//! so that a click in the tray leaves the same record as any other decision.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tower::ServiceExt;
use zos_gateway::Gateway;

type Answering = Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;

/// The admin API. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Admin {
    answer: Arc<dyn Fn(Request<Bytes>) -> Answering + Send + Sync>,
}

/// Why the admin API did not do what was asked, in words.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    /// It refused.
    #[error("{message}")]
    Refused {
        /// The fault, as a sentence.
        message: String,
        /// Our code.
        code: String,
    },
    /// Its answer is not what this program expects.
    #[error("the answer of {path} cannot be read")]
    Unreadable {
        /// Path of the request.
        path: String,
        /// Why.
        source: serde_json::Error,
    },
}

impl Admin {
    pub(crate) fn new(gateway: Arc<Gateway>) -> Self {
        let router = zos_gateway::window_router(gateway);
        Self {
            answer: Arc::new(move |request| {
                let router = router.clone();
                Box::pin(async move {
                    let Ok(answer) = router.oneshot(request.map(Full::new)).await;
                    let (parts, body) = answer.into_parts();
                    if is_endless(&parts.headers) {
                        return refuse_endless();
                    }
                    match body.collect().await {
                        Ok(body) => Response::from_parts(parts, body.to_bytes()),
                        Err(error) => {
                            tracing::error!(%error, "an answer of the admin API broke off");
                            bare(StatusCode::INTERNAL_SERVER_ERROR)
                        }
                    }
                })
            }),
        }
    }

    /// Answers a request as the listener would. An endless answer (live events) is refused with 406.
    pub(crate) async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        (self.answer)(request).await
    }

    /// GET.
    ///
    /// # Errors
    /// When it refuses, or answers what `T` cannot hold.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, AdminError> {
        let answer = self.ask(Method::GET, path, Bytes::new()).await?;
        serde_json::from_slice(&answer)
            .map_err(|source| AdminError::Unreadable { path: path.to_owned(), source })
    }

    /// PUT.
    ///
    /// # Errors
    /// When it refuses.
    pub(crate) async fn put(&self, path: &str, body: &impl Serialize) -> Result<(), AdminError> {
        let body = serde_json::to_vec(body).expect("what the desktop asks for has only text keys");
        self.ask(Method::PUT, path, body.into()).await.map(|_| ())
    }

    /// POST.
    ///
    /// # Errors
    /// When it refuses.
    pub(crate) async fn post(&self, path: &str, body: &impl Serialize) -> Result<(), AdminError> {
        let body = serde_json::to_vec(body).expect("what the desktop asks for has only text keys");
        self.ask(Method::POST, path, body.into()).await.map(|_| ())
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes, AdminError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .expect("the paths of the desktop are valid");
        let answer = self.answer(request).await;
        if answer.status().is_success() {
            return Ok(answer.into_body());
        }
        let problem: serde_json::Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        let text = |name: &str| problem["error"][name].as_str().map(str::to_owned);
        Err(AdminError::Refused {
            message: text("message").unwrap_or_else(|| format!("{path} answered {}", answer.status())),
            code: text("code").unwrap_or_default(),
        })
    }
}

fn is_endless(headers: &http::HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/event-stream"))
}

/// An answer through the scheme is handed over whole, so one without an end would never arrive.
fn refuse_endless() -> Response<Bytes> {
    let words = serde_json::json!({"error": {
        "code": zos_core::Code::InvalidRequest,
        "message": "The window gets live events through its channel, not here.",
        "hint": "Use the command `events`.",
    }});
    let mut answer = Response::new(Bytes::from(words.to_string()));
    *answer.status_mut() = StatusCode::NOT_ACCEPTABLE;
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    answer
}

fn bare(status: StatusCode) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = status;
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn gateway() -> (tempfile::TempDir, Arc<Gateway>) {
        let folder = tempfile::tempdir().unwrap();
        let home = zos_core::Home::resolve_from(Some(folder.path()), None, None).unwrap();
        let gateway = Gateway::open(home).unwrap();
        (folder, gateway)
    }

    #[tokio::test]
    async fn the_api_answers_without_a_token_and_a_decision_leaves_a_record() {
        let (_folder, gateway) = gateway();
        let admin = Admin::new(gateway);
        let status: Value = admin.get("/zos/v1/status").await.unwrap();
        assert_eq!(status["shield"]["paused"], false);
        admin.put("/zos/v1/shield", &json!({"paused": true, "minutes": 5})).await.unwrap();
        let status: Value = admin.get("/zos/v1/status").await.unwrap();
        assert_eq!(status["shield"]["paused"], true);
        let log: Value = admin.get("/zos/v1/audit?kind=decision").await.unwrap();
        assert_eq!(log["records"][0]["detail"], "shield paused for 5 min");
    }

    #[tokio::test]
    async fn a_refusal_is_a_sentence() {
        let (_folder, gateway) = gateway();
        let refusal =
            Admin::new(gateway).put("/zos/v1/active", &json!({"context": "nowhere"})).await.unwrap_err();
        assert!(
            matches!(&refusal, AdminError::Refused { code, .. } if code == "zos_unknown_context"),
            "{refusal:?}"
        );
        assert_eq!(refusal.to_string(), "There is no context of that name.");
    }

    #[tokio::test]
    async fn an_endless_answer_is_refused_and_not_waited_for() {
        let (_folder, gateway) = gateway();
        let request = Request::get("/zos/v1/events").body(Bytes::new()).unwrap();
        assert_eq!(Admin::new(gateway).answer(request).await.status(), StatusCode::NOT_ACCEPTABLE);
    }
}
