//! The admin API, by either of its two transports: the listener of the zOS that runs on this home, or,
//! where none runs, the same router inside this process for the time of one request.
//!
//! So a decision made here is checked and recorded exactly as one made on a screen.

mod listener;
pub(crate) mod turn;

use crate::failure::{Failure, Result};
use crate::{listening, opening};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use listener::Listener;
use serde::Serialize;
use serde_json::Value;
use std::cell::OnceCell;
use std::time::Duration;
use tokio::runtime::Runtime;
use tower::ServiceExt;
use zos_core::{Code, Home};
use zos_gateway::House;
use zos_gateway::house::OpenError;

pub(crate) use listener::reachable;

/// How often a home is opened whose ledger another command reads; each time waits a while by itself.
const OPENINGS: usize = 9;

/// One request.
pub(crate) struct Ask<'a> {
    method: Method,
    path: Vec<&'a str>,
    query: Vec<(&'a str, String)>,
    body: Option<Value>,
}

/// What runs on this home.
pub(crate) enum Running {
    /// Nothing.
    No,
    /// A zOS that answers.
    Yes(Listener),
    /// A zOS that cannot be reached, and why, in a sentence.
    Deaf(String),
}

/// The admin API of a home.
pub(crate) struct Admin {
    home: Home,
    runtime: OnceCell<Runtime>,
    running: OnceCell<Running>,
}

impl<'a> Ask<'a> {
    pub(crate) fn get(path: &[&'a str]) -> Self {
        Ask { method: Method::GET, path: path.to_vec(), query: Vec::new(), body: None }
    }

    pub(crate) fn delete(path: &[&'a str]) -> Self {
        Ask { method: Method::DELETE, ..Ask::get(path) }
    }

    pub(crate) fn put(path: &[&'a str], body: &impl Serialize) -> Self {
        Ask { method: Method::PUT, ..Ask::get(path) }.with(body)
    }

    pub(crate) fn post(path: &[&'a str], body: &impl Serialize) -> Self {
        Ask { method: Method::POST, ..Ask::get(path) }.with(body)
    }

    fn with(mut self, body: &impl Serialize) -> Self {
        self.body =
            Some(serde_json::to_value(body).expect("requests hold only strings, numbers and maps of them"));
        self
    }

    /// Adds a parameter, where there is one.
    pub(crate) fn query(mut self, key: &'a str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (key, value.to_string())));
        self
    }

    /// The address of the request at `origin`.
    fn url(&self, origin: &str) -> reqwest::Url {
        let mut url = reqwest::Url::parse(origin).expect("an origin is made of an address");
        url.path_segments_mut().expect("http addresses have paths").extend(["zos", "v1"]).extend(&self.path);
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        url
    }
}

impl Admin {
    /// The admin API of a home. Reaches for nothing yet.
    pub(crate) fn new(home: &Home) -> Self {
        Admin { home: home.clone(), runtime: OnceCell::new(), running: OnceCell::new() }
    }

    /// What runs on this home.
    pub(crate) fn running(&self) -> Result<&Running> {
        if let Some(running) = self.running.get() {
            return Ok(running);
        }
        // While this command has its turn no other one holds the home, so whoever does serves.
        let running = match listener::is_home_in_use(&self.home) {
            false => Running::No,
            true => match turn::wait(&self.home) {
                Ok(_turn) => self.look()?,
                Err(busy) => Running::Deaf(busy.sentence(&self.home)),
            },
        };
        Ok(self.running.get_or_init(|| running))
    }

    fn look(&self) -> Result<Running> {
        // Most commands find nothing running and need no runtime for that.
        Ok(match listener::is_home_in_use(&self.home) {
            false => Running::No,
            true => self.runtime()?.block_on(listener::find(&self.home)),
        })
    }

    /// Asks the zOS that runs, else takes what `files` read: for questions that change nothing.
    pub(crate) fn ask_or(&self, ask: &Ask<'_>, files: impl FnOnce() -> Result<Value>) -> Result<Value> {
        // A command at work is none that could be asked, and what it writes is whole at any moment.
        if turn::is_taken(&self.home) && listening::announced(&self.home).is_none() {
            return files();
        }
        match self.running()? {
            Running::Yes(listener) => self.runtime()?.block_on(listener.ask(ask)),
            Running::No | Running::Deaf(_) => files(),
        }
    }

    /// Asks the zOS that runs, else one that is opened inside this process for this request, when it is this
    /// command's turn.
    pub(crate) fn ask(&self, ask: &Ask<'_>) -> Result<Value> {
        if let Some(Running::Yes(listener)) = self.running.get() {
            return self.runtime()?.block_on(listener.ask(ask));
        }
        let turn = turn::wait(&self.home).map_err(|busy| in_use(&self.home, &busy))?;
        // Nobody else has a turn now, so whoever works on this home serves.
        match self.look()? {
            Running::Yes(listener) => {
                drop(turn);
                self.runtime()?.block_on(listener.ask(ask))
            }
            Running::No => self.ask_here(ask),
            Running::Deaf(why) => Err(deaf(&why)),
        }
    }

    fn ask_here(&self, ask: &Ask<'_>) -> Result<Value> {
        let house = self.open_here()?;
        let url = ask.url("http://localhost");
        let target =
            url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let body = ask.body.as_ref().map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request = Request::builder()
            .method(&ask.method)
            .uri(target)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .expect("method, path and header are valid");
        self.runtime()?.block_on(async {
            let Ok(answer) = zos_gateway::window_router(house.clone()).oneshot(request).await;
            let (head, body) = answer.into_parts();
            let body = body.collect().await.map(http_body_util::Collected::to_bytes);
            house.stop(Duration::ZERO).await;
            let body = body.map_err(|error| {
                Failure::failed(Code::Internal, format!("The answer broke off: {error}."))
            })?;
            read(head.status, &body)
        })
    }

    /// Opens the home in this process. A command that only reads the ledger holds its lock for a moment.
    fn open_here(&self) -> Result<std::sync::Arc<House>> {
        for _ in 0..OPENINGS {
            match House::open(self.home.clone()) {
                Err(OpenError::InUse(_)) => {}
                opened => return opened.map_err(|error| opening::explain(&self.home, &error)),
            }
        }
        House::open(self.home.clone()).map_err(|error| opening::explain(&self.home, &error))
    }

    fn runtime(&self) -> Result<&Runtime> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::environment(&error))?;
        Ok(self.runtime.get_or_init(|| runtime))
    }
}

/// Another command works on this home, and does not end.
pub(crate) fn in_use(home: &Home, busy: &turn::Busy) -> Failure {
    Failure::wrong(Code::HomeInUse, busy.sentence(home))
        .hint("Wait until it is done, or end it, and try again.")
}

/// zOS runs and does not answer.
pub(crate) fn deaf(why: &str) -> Failure {
    Failure::wrong(Code::Unreachable, why)
        .hint("`zos doctor` looks for the reason; the desktop's own window works meanwhile.")
}

/// Refusals with a status of wrong use that are none: the command was right, and what it asked for is not there or may
/// not be.
const NOT_THERE: [Code; 4] =
    [Code::UnknownKey, Code::UnknownMemory, Code::MemoryDenied, Code::UnknownApproval];

/// What an answer says: its body, or the refusal in it.
fn read(status: StatusCode, body: &[u8]) -> Result<Value> {
    let value: Value = match body {
        [] => Value::Null,
        body => serde_json::from_slice(body).map_err(|_| {
            Failure::failed(Code::Internal, format!("zOS answered {status} with something that is no JSON."))
        })?,
    };
    if status.is_success() {
        return Ok(value);
    }
    let error = &value["error"];
    let text = |key: &str| error[key].as_str().map(str::to_owned);
    let code = error["code"].as_str();
    let message = text("message").unwrap_or_else(|| format!("zOS answered {status}."));
    let is_wrong_use = matches!(status.as_u16(), 400..=404)
        && !NOT_THERE.iter().any(|not_there| code == Some(not_there.as_str()));
    let mut failure = Failure::refused(code, message, is_wrong_use);
    if let Failure::Wrong(reason) | Failure::Failed(reason) = &mut failure {
        reason.hint = text("hint");
        reason.problems = error["problems"].as_array().cloned().unwrap_or_default();
    }
    Err(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_place_in_the_path() {
        let ask =
            Ask::get(&["keys", "../a b?c"]).query("since", Some("2026-01-02")).query("until", None::<&str>);
        assert_eq!(
            ask.url("http://127.0.0.1:1").as_str(),
            "http://127.0.0.1:1/zos/v1/keys/..%2Fa%20b%3Fc?since=2026-01-02"
        );
    }

    #[test]
    fn a_refusal_keeps_its_code_and_hint() {
        let refused = |status, body: &str| read(status, body.as_bytes()).unwrap_err();
        let failure = refused(
            StatusCode::NOT_FOUND,
            r#"{"error":{"code":"zos_unknown_context","message":"No.","hint":"Yes."}}"#,
        );
        let reason = failure.reason().unwrap();
        assert_eq!(
            (&*reason.code, reason.hint.as_deref(), failure.exit_code()),
            ("zos_unknown_context", Some("Yes."), 2)
        );
        assert_eq!(refused(StatusCode::CONFLICT, "{}").exit_code(), 1);
        assert_eq!(refused(StatusCode::BAD_GATEWAY, "<html>").exit_code(), 1);
        assert_eq!(read(StatusCode::NO_CONTENT, b"").unwrap(), Value::Null);
    }
}
