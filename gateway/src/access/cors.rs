//! What a web page that the owner has allowed may do from its browser: CORS for `auth.allowed_origins`.
//!
//! A browser asks before it sends a call with a key or a JSON body, and shows the page no answer that does
//! not name its origin. Pages that are not listed get no such word, whatever they ask.

use crate::config::Auth;
use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

/// Seconds for which a browser need not ask again.
const MAX_AGE_S: &str = "600";

/// Methods of the endpoints that a page may use.
const METHODS: &str = "GET, HEAD, POST, DELETE";

/// The longest list of headers that a page may ask for at once.
const ASKED_HEADERS_BYTES: usize = 2048;

/// The origin of the request, if the owner has listed it.
pub(crate) fn allowed_origin(auth: &Auth, headers: &HeaderMap) -> Option<HeaderValue> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let (origin, None) = (origins.next()?, origins.next()) else { return None };
    let text = origin.to_str().ok()?;
    auth.allowed_origins.iter().any(|allowed| allowed == text).then(|| origin.clone())
}

/// The answer to a browser that asks whether an allowed page may send a call; `None` where it asks nothing. Which
/// page that is, [`grant`] says.
pub(crate) fn preflight(method: &Method, headers: &HeaderMap) -> Option<Response> {
    if method != Method::OPTIONS || !headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let answer = response.headers_mut();
    answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    answer.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE_S));
    if let Some(asked) = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS).filter(|asked| is_list(asked)) {
        // Clients send headers of their own, which change with their versions; those that are not known
        // go nowhere.
        answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    if headers.contains_key("access-control-request-private-network") {
        let name = HeaderName::from_static("access-control-allow-private-network");
        answer.insert(name, HeaderValue::from_static("true"));
    }
    Some(response)
}

/// Lets the page read the answer. No cookies are involved, so every header may be shown.
pub(crate) fn grant(answer: &mut HeaderMap, origin: &HeaderValue) {
    answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
    answer.append(header::VARY, HeaderValue::from_static("origin"));
}

/// Whether this is a list of names of headers, and of no more than a client would have.
fn is_list(value: &HeaderValue) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b',' | b' ');
    value.len() <= ASKED_HEADERS_BYTES && value.as_bytes().iter().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn only_a_listed_origin_is_granted_anything() {
        let auth = Auth { allowed_origins: vec!["app://notes.example".to_owned()], ..Auth::default() };
        let origin = |pairs| allowed_origin(&auth, &headers(pairs));
        assert!(origin(&[("origin", "app://notes.example")]).is_some());
        assert!(origin(&[]).is_none());
        assert!(origin(&[("origin", "null")]).is_none());
        assert!(origin(&[("origin", "app://notes.example.evil.example")]).is_none());
        assert!(origin(&[("origin", "app://notes.example"), ("origin", "https://evil.example")]).is_none());
    }

    #[test]
    fn a_preflight_is_answered_with_what_it_asks_for_and_nothing_else_is_one() {
        let asked = headers(&[
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization, content-type, x-stainless-os"),
        ]);
        let answer = preflight(&Method::OPTIONS, &asked).unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        assert_eq!(
            answer.headers()["access-control-allow-headers"],
            "authorization, content-type, x-stainless-os"
        );
        assert!(preflight(&Method::POST, &asked).is_none());
        assert!(preflight(&Method::OPTIONS, &HeaderMap::new()).is_none());
        let odd = headers(&[
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "a\tb: c"),
        ]);
        let answer = preflight(&Method::OPTIONS, &odd).unwrap();
        assert!(!answer.headers().contains_key("access-control-allow-headers"));
    }
}
