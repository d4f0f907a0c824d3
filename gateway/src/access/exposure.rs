//! Who may talk to the listener at all: the Host and Origin rules, before anything else.
//!
//! A web page can make a browser send requests to this machine, and can give its own name this machine's
//! address. Both must not spend the owner's money: a Host that is not this machine's, and any Origin that
//! is not allowed, are refused, whatever the method and the content type. A picture or a link of another site
//! comes without an Origin; browsers mark it with `Sec-Fetch-Site`, and it is refused as well.

use crate::config::Auth;
use http::{HeaderMap, HeaderValue, Uri, header};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use zos_wire::problem::{Code, Problem};

/// Checks the `Host` and `Origin` of a request.
///
/// # Errors
/// The refusal.
pub(crate) fn check(auth: &Auth, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let denied = |message: &str, hint: &str| Problem::new(Code::OriginDenied, message).hint(hint);
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().unwrap_or_default(),
        _ => return Err(denied("The request has no Host header, or more than one.", "Send exactly one.")),
    };
    // With an absolute target both must be fine: readers differ in which of them they believe.
    let target = uri.authority().map(http::uri::Authority::as_str);
    if !std::iter::once(host).chain(target).all(|host| is_allowed_host(auth, host)) {
        return Err(denied(
            "The Host header does not name this machine.",
            "Call it as 127.0.0.1 or localhost, or list the name under auth.allowed_hosts in gateway/config.yml.",
        ));
    }
    // Our own screens in a browser send the address they came from; the admin token is asked for besides.
    let is_own = |origin: &str| {
        uri.path().starts_with("/zos/")
            && origin.split_once("://").is_some_and(|(_, name)| name.eq_ignore_ascii_case(host))
    };
    let is_allowed =
        |origin: &str| auth.allowed_origins.iter().any(|allowed| allowed == origin) || is_own(origin);
    if !headers.get_all(header::ORIGIN).iter().all(|origin| origin.to_str().is_ok_and(is_allowed)) {
        return Err(denied(
            "Requests of web pages are refused.",
            "If this page is yours, list its origin under auth.allowed_origins in gateway/config.yml.",
        ));
    }
    // Of an allowed page another site's origin is expected.
    let is_foreign = |site: &HeaderValue| !matches!(site.as_bytes(), b"none" | b"same-origin");
    if !headers.contains_key(header::ORIGIN) && headers.get_all("sec-fetch-site").iter().any(is_foreign) {
        return Err(denied(
            "Requests that another web page makes are refused.",
            "Type the address into the browser instead of following a link.",
        ));
    }
    Ok(())
}

/// Refusals of web pages that are recorded at once.
const BURST: u32 = 30;

/// How long it takes until one more of them is.
const REFILL: Duration = Duration::from_secs(10);

/// How many refusals of web pages still leave a record: a page that loads a picture a thousand times must not
/// fill the disk. Those beyond it are counted, and the next record tells how many there were.
#[derive(Debug)]
pub(crate) struct Strangers(Mutex<Bucket>);

#[derive(Debug)]
struct Bucket {
    left: u32,
    refilled: Instant,
    unrecorded: u64,
}

impl Default for Strangers {
    fn default() -> Self {
        Strangers(Mutex::new(Bucket { left: BURST, refilled: Instant::now(), unrecorded: 0 }))
    }
}

impl Strangers {
    /// Whether the next refusal leaves a record of its own; else it is counted.
    pub(crate) fn is_recorded(&self) -> bool {
        self.is_recorded_at(Instant::now())
    }

    fn is_recorded_at(&self, now: Instant) -> bool {
        let mut bucket = self.bucket();
        let since = now.saturating_duration_since(bucket.refilled);
        let more = u32::try_from(since.as_secs() / REFILL.as_secs()).unwrap_or(BURST);
        if more > 0 {
            bucket.left = bucket.left.saturating_add(more).min(BURST);
            bucket.refilled = now;
        }
        if bucket.left == 0 {
            bucket.unrecorded += 1;
            return false;
        }
        bucket.left -= 1;
        true
    }

    /// What the record of a refusal tells about those before it that left none.
    pub(crate) fn remark(&self) -> Option<String> {
        match std::mem::take(&mut self.bucket().unrecorded) {
            0 => None,
            unrecorded => Some(format!("{unrecorded} more refused requests of web pages were only counted")),
        }
    }

    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_allowed_host(auth: &Auth, host: &str) -> bool {
    let name = without_port(host);
    let is_loopback = name.eq_ignore_ascii_case("localhost")
        || name
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback());
    is_loopback
        || auth
            .allowed_hosts
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(name) || allowed.eq_ignore_ascii_case(host))
}

fn without_port(host: &str) -> &str {
    match host.rfind(':') {
        Some(colon)
            if !host.ends_with(']') && host[colon + 1..].bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            let name = &host[..colon];
            if name.contains(':') && !name.starts_with('[') { host } else { name }
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(host: &'static str, origin: Option<&'static str>) -> bool {
        verdict_on("/v1/messages", host, origin)
    }

    fn verdict_on(path: &'static str, host: &'static str, origin: Option<&'static str>) -> bool {
        let auth = Auth {
            allowed_hosts: vec!["zos.home.example".into()],
            allowed_origins: vec!["https://mine.example".into()],
            ..Auth::default()
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        }
        check(&auth, &Uri::from_static(path), &headers).is_ok()
    }

    #[test]
    fn only_names_of_this_machine_are_hosts() {
        for fine in [
            "127.0.0.1",
            "127.0.0.1:8788",
            "localhost:8788",
            "LOCALHOST",
            "[::1]:8788",
            "[::1]",
            "127.8.9.1:1",
            "zos.home.example:8788",
        ] {
            assert!(verdict(fine, None), "{fine}");
        }
        for bad in [
            "",
            "evil.example",
            "127.0.0.1.evil.example:8788",
            "localhost.evil.example",
            "10.0.0.1:8788",
            "0.0.0.0:8788",
            "[::2]",
            "localhost:80:80",
            "localhost@evil.example",
            "127.0.0.1:x",
        ] {
            assert!(!verdict(bad, None), "{bad}");
        }
    }

    #[test]
    fn our_own_screens_may_call_the_admin_api_and_nothing_else() {
        let own = Some("http://127.0.0.1:8788");
        assert!(verdict_on("/zos/v1/status", "127.0.0.1:8788", own));
        assert!(!verdict_on("/v1/messages", "127.0.0.1:8788", own));
        assert!(!verdict_on("/zos/v1/status", "127.0.0.1:8788", Some("http://127.0.0.1:9999")));
    }

    #[test]
    fn what_another_site_makes_a_browser_ask_for_is_refused_on_every_path() {
        let verdict = |path: &'static str, site: &'static str, origin: Option<&'static str>| {
            let auth = Auth { allowed_origins: vec!["https://mine.example".into()], ..Auth::default() };
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("localhost"));
            headers.insert("sec-fetch-site", HeaderValue::from_static(site));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            check(&auth, &Uri::from_static(path), &headers).is_ok()
        };
        for path in ["/v1/models", "/rooms/acme/v1/models", "/metrics", "/healthz", "/zos/", "/"] {
            for site in ["cross-site", "same-site", "anything-new"] {
                assert!(!verdict(path, site, None), "{path} {site}");
                assert!(verdict(path, site, Some("https://mine.example")), "{path} {site}");
                assert!(!verdict(path, site, Some("https://evil.example")), "{path} {site}");
            }
            for site in ["none", "same-origin"] {
                assert!(verdict(path, site, None), "{path} {site}");
            }
        }
    }

    #[test]
    fn refusals_of_pages_leave_a_bounded_number_of_records_and_the_rest_is_told() {
        let (strangers, start) = (Strangers::default(), Instant::now());
        let recorded = (0..1000).filter(|_| strangers.is_recorded_at(start)).count();
        assert_eq!(recorded, BURST as usize);
        assert!(!strangers.is_recorded_at(start + REFILL / 2));
        assert!(strangers.is_recorded_at(start + REFILL * 2));
        assert!(strangers.remark().unwrap().starts_with("971 more"));
        assert_eq!(strangers.remark(), None);
    }

    #[test]
    fn an_origin_is_refused_unless_it_is_listed() {
        assert!(verdict("localhost", Some("https://mine.example")));
        for bad in
            ["https://evil.example", "null", "http://127.0.0.1:8788", "https://mine.example.evil.example"]
        {
            assert!(!verdict("localhost", Some(bad)), "{bad}");
        }
    }
}
