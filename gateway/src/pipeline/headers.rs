//! Headers that travel: which go up to a provider and which come down to the caller. Their values are inspected like
//! any text, both ways. What would go up and must not refuses the call; what would come down and must not stays here.
//!
//! What a body is said to be is never handed on: our own `content-type` goes up, because we read the body as UTF-8
//! JSON and nobody is to read it otherwise, and our own comes down. Credentials are no part of this.

use crate::call::{Call, Fact};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use zos_audit::Verdict;
use zos_core::Effect;
use zos_core::fleet::Headers;
use zos_guard::findings::Findings;
use zos_guard::inspect;
use zos_guard::policy::Policy;
use zos_wire::charset;

/// Headers of the caller that reach a provider. Everything else stays here.
pub(super) const PASSED: &[&str] =
    &["accept", "anthropic-version", "anthropic-beta", "openai-organization", "openai-project", "user-agent"];

/// Those among them that another API knows as well.
pub(super) const PASSED_ACROSS: &[&str] = &["accept", "user-agent"];

/// Headers of a provider that reach the caller, by name or by the start of it. Cookies, CORS grants and
/// whatever else a provider sends stay here.
const RETURNED: &[&str] = &["request-id", "retry-after", "retry-after-ms", "x-should-retry", "cf-ray"];
const RETURNED_PREFIXES: &[&str] = &["anthropic-", "openai-", "x-ratelimit-", "x-codex-"];

/// A provider's own id of a request, and the name under which the caller hears it.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const UPSTREAM_REQUEST_ID: HeaderName = HeaderName::from_static("x-zos-upstream-request-id");

/// Inspects every value that may go up.
pub(super) fn inspect_going(policy: &Policy, request: &HeaderMap, findings: &mut Findings) {
    for name in PASSED {
        for value in request.get_all(*name) {
            scan(policy, value.as_bytes(), &format!("header {name}"), findings);
        }
    }
}

/// Headers of the caller that one provider is sent beside those that all are, as its entry in the fleet lists them.
pub(super) fn passed_up<'h>(
    listed: &'h Headers,
    request: &'h HeaderMap,
) -> impl Iterator<Item = (&'h HeaderName, &'h HeaderValue)> {
    request.iter().filter(|(name, _)| listed.have(name.as_str()) && !PASSED.contains(&name.as_str()))
}

/// Inspects the values that only one provider is sent.
pub(super) fn inspect_passed_up(policy: &Policy, listed: &Headers, request: &HeaderMap) -> Findings {
    let mut findings = Findings::default();
    for (name, value) in passed_up(listed, request) {
        scan(policy, value.as_bytes(), &format!("header {name}"), &mut findings);
    }
    findings
}

/// Headers of the provider that reach the caller, `listed` in its entry of the fleet or usual, without those that hold what
/// the room denies or replaces.
pub(super) fn returned(policy: &Policy, listed: &Headers, answer: &HeaderMap, call: &mut Call) -> HeaderMap {
    let mut returned = HeaderMap::new();
    let mut findings = Findings::default();
    let mut left_out = 0;
    for (name, value) in answer {
        let Some((name, own_words)) = travels(name, listed) else { continue };
        let mut found = Findings::default();
        scan(policy, own_words.as_bytes(), "header name", &mut found);
        scan(policy, value.as_bytes(), "header", &mut found);
        let may_pass = found.found.iter().all(|found| policy.effect(found.rule) == Effect::Report);
        findings.absorb(found);
        if may_pass {
            returned.append(name, value.clone());
        } else {
            left_out += 1;
        }
    }
    if !findings.found.is_empty() {
        call.tell(Fact::Found(policy, &findings));
    }
    if left_out > 0 {
        call.tell(Fact::Verdict(Verdict::Redact));
        call.remark(&format!("left out {left_out} headers of the answer that held what the room denies"));
    }
    returned
}

/// The name under which a header of an answer reaches the caller, and the part of it that the provider chose.
fn travels<'n>(name: &'n HeaderName, listed: &Headers) -> Option<(HeaderName, &'n str)> {
    if *name == REQUEST_ID {
        return Some((UPSTREAM_REQUEST_ID, ""));
    }
    let text = name.as_str();
    let chosen = RETURNED_PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix));
    let chosen = chosen.or_else(|| RETURNED.contains(&text).then_some(""));
    // A pattern fits names that only the provider knows.
    let chosen = chosen.or_else(|| listed.have(text).then_some(text))?;
    Some((name.clone(), chosen))
}

fn scan(policy: &Policy, value: &[u8], field: &str, findings: &mut Findings) {
    for text in charset::readings(value, None).texts {
        inspect::text(policy, &text, field, findings);
    }
}

/// The content type of a body that we read: JSON, or a text of which we know that it is UTF-8. `said` is what the
/// provider called it.
pub(super) fn content_type(said: Option<&HeaderValue>, is_json: bool) -> HeaderValue {
    let said = said.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    HeaderValue::from_static(match essence.as_str() {
        _ if is_json => "application/json",
        "text/html" => "text/html; charset=utf-8",
        "text/xml" | "application/xml" => "application/xml; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    })
}

/// The charset that a content type names.
pub(super) fn charset(headers: &HeaderMap) -> Option<&str> {
    let said = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    said.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_type_is_one_of_ours_and_true() {
        let of = |said: &'static str, is_json| {
            content_type(Some(&HeaderValue::from_static(said)), is_json).to_str().unwrap().to_owned()
        };
        assert_eq!(of("application/json; note=Kestrel", true), "application/json");
        assert_eq!(of("text/event-stream", true), "application/json");
        assert_eq!(of("application/json; charset=utf-7", false), "text/plain; charset=utf-8");
        assert_eq!(of("Text/HTML; charset=latin1", false), "text/html; charset=utf-8");
        assert_eq!(content_type(None, false), "text/plain; charset=utf-8");
    }

    #[test]
    fn only_listed_headers_come_down_and_what_a_provider_calls_them_is_known() {
        let travels = |name: &'static str| {
            let name = HeaderName::from_static(name);
            super::travels(&name, &Headers::default())
                .map(|(name, chosen)| (name.as_str().to_owned(), chosen.to_owned()))
        };
        for (name, chosen) in [
            ("anthropic-ratelimit-unified-status", "ratelimit-unified-status"),
            ("x-codex-plan-type", "plan-type"),
            ("retry-after-ms", ""),
        ] {
            assert_eq!(travels(name), Some((name.to_owned(), chosen.to_owned())));
        }
        assert_eq!(travels("x-request-id").unwrap().0, "x-zos-upstream-request-id");
        for name in ["set-cookie", "location", "content-type", "content-encoding", "x-other", "server"] {
            assert_eq!(travels(name), None, "{name}");
        }
    }

    #[test]
    fn a_charset_is_read_where_one_is_named() {
        let of = |said: &'static str| {
            charset(&HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(said))]))
                .map(str::to_owned)
        };
        assert_eq!(of("text/html; Charset=\"UTF-16\"").as_deref(), Some("UTF-16"));
        assert_eq!(of("text/html"), None);
    }
}
