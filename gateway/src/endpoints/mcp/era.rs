//! Which of the protocol's two eras a request belongs to, and what each requires of it.
//!
//! Versions to 2025-11-25 begin with a handshake; from 2026-07-28 on every request stands alone and
//! says its version and its sender's capabilities itself, in `_meta` and, over HTTP, in headers that must
//! say the same as the body. A request that claims the newer era in any of these places is held to all of
//! its rules: two programs that read one message differently are a way around whatever stands between.
//!
//! Rules: <https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http>
//! (sections 5.1, 5.2, 5.4 and 5.5) and `/basic/index` (`_meta`).

use super::message::RpcError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

/// The first version whose messages stand alone.
const STANDALONE: &str = "2026-07-28";

/// The versions of the protocol that are spoken, newest first.
pub(super) const VERSIONS: &[&str] = &[STANDALONE, "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// Where a request says its version, and what its sender can do, since requests stand alone.
const VERSION_FIELD: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES_FIELD: &str = "io.modelcontextprotocol/clientCapabilities";

const VERSION_HEADER: &str = "mcp-protocol-version";
const METHOD_HEADER: &str = "mcp-method";
const NAME_HEADER: &str = "mcp-name";

/// Methods that exist only where requests stand alone.
const STANDALONE_METHODS: &[&str] = &["server/discover", "subscriptions/listen"];

/// Methods that only the handshake's era has.
const HANDSHAKE_METHODS: &[&str] = &["initialize", "ping"];

/// Longest version that is told back to whoever asked for it, in bytes.
const VERSION_BYTES: usize = 32;

/// The era that a request belongs to; made by [`Era::of`] alone, after its rules were checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    /// To 2025-11-25: what was agreed on stands in the handshake.
    Handshake,
    /// From 2026-07-28 on.
    Standalone,
}

impl Era {
    /// The era of a request. `headers` are those of the HTTP request that it came in; a line of standard
    /// input has none, and there only the body speaks.
    ///
    /// # Errors
    /// When a header is missing or contradicts the body, a version is not spoken, or what every request
    /// of the newer era must say is missing.
    pub(super) fn of(
        headers: Option<&HeaderMap>,
        method: &str,
        params: &Map<String, Value>,
    ) -> Result<Self, RpcError> {
        let meta = params.get("_meta");
        let in_meta = |field: &str| meta.and_then(|meta| meta.get(field));
        let stated = in_meta(VERSION_FIELD);
        let header = match headers {
            Some(headers) => single(headers, VERSION_HEADER)?,
            None => None,
        };
        let is_standalone = stated.is_some()
            || header == Some(STANDALONE)
            || in_meta(CAPABILITIES_FIELD).is_some()
            || STANDALONE_METHODS.contains(&method);
        if !is_standalone {
            return match header.filter(|version| !VERSIONS.contains(version)) {
                Some(version) => Err(unspoken(version)),
                None => Ok(Self::Handshake),
            };
        }
        let Some(version) = stated.and_then(Value::as_str) else {
            return Err(malformed(format!("`_meta` must state {VERSION_FIELD}, as a text.")));
        };
        if headers.is_some() && header != Some(version) {
            return Err(mismatch("MCP-Protocol-Version", VERSION_FIELD));
        }
        if !VERSIONS.contains(&version) {
            return Err(unspoken(version));
        }
        if version != STANDALONE {
            return Ok(Self::Handshake);
        }
        if !in_meta(CAPABILITIES_FIELD).is_some_and(Value::is_object) {
            return Err(malformed(format!("`_meta` must state {CAPABILITIES_FIELD}, as an object.")));
        }
        if let Some(headers) = headers {
            mirrored(headers, method, params)?;
        }
        Ok(Self::Standalone)
    }

    /// The era of a message of which no more than its headers could be read.
    pub(super) fn announced(headers: Option<&HeaderMap>) -> Self {
        let is_standalone = headers
            .and_then(|headers| headers.get(VERSION_HEADER))
            .is_some_and(|version| version == STANDALONE);
        if is_standalone { Self::Standalone } else { Self::Handshake }
    }

    /// Whether this era has the method at all, known or not.
    pub(super) fn has(self, method: &str) -> bool {
        match self {
            Self::Handshake => !STANDALONE_METHODS.contains(&method),
            Self::Standalone => !HANDSHAKE_METHODS.contains(&method),
        }
    }

    /// The HTTP status of an answer that holds this error. In the handshake's era an error is an answer
    /// like any other.
    pub(super) fn status(self, error: &RpcError) -> StatusCode {
        match self {
            Self::Handshake => StatusCode::OK,
            Self::Standalone => error.status(),
        }
    }

    /// A result with what every result of this era says beside its own members.
    pub(super) fn complete(self, mut result: Value, server: Value, may_be_kept: bool) -> Value {
        if self == Self::Standalone {
            result["resultType"] = "complete".into();
            result["_meta"] = json!({ "io.modelcontextprotocol/serverInfo": server });
            if may_be_kept {
                // What a room knows is another's at no time, and changes with every save.
                result["ttlMs"] = 0.into();
                result["cacheScope"] = "private".into();
            }
        }
        result
    }

    /// The client's version where it is spoken, else the newest of those that begin with a handshake.
    pub(super) fn agreed(wanted: &str) -> &'static str {
        let with_handshake = &VERSIONS[1..];
        with_handshake.iter().find(|version| **version == wanted).unwrap_or(&with_handshake[0])
    }
}

/// The headers that repeat parts of the body say what the body says.
fn mirrored(headers: &HeaderMap, method: &str, params: &Map<String, Value>) -> Result<(), RpcError> {
    if single(headers, METHOD_HEADER)? != Some(method) {
        return Err(mismatch("Mcp-Method", "method"));
    }
    let field = match method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        _ => return Ok(()),
    };
    let named = single(headers, NAME_HEADER)?.map(decoded).transpose()?;
    if named.as_deref() != params.get(field).and_then(Value::as_str) {
        return Err(mismatch("Mcp-Name", field));
    }
    Ok(())
}

/// The value of a header that stands once.
fn single<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<Option<&'h str>, RpcError> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(RpcError::header_mismatch(format!("The header {name} stands more than once.")));
    }
    let text = first.map(|value| value.to_str().map(str::trim));
    text.transpose().map_err(|_| RpcError::header_mismatch(format!("The header {name} is no plain ASCII.")))
}

/// A header's value that may be wrapped as `=?base64?…?=`, as text.
fn decoded(value: &str) -> Result<String, RpcError> {
    let wrapped = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    let Some(digits) = wrapped else { return Ok(value.to_owned()) };
    let bytes = BASE64.decode(digits).ok();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| {
        RpcError::header_mismatch("The header Mcp-Name is announced as base64 and is none of a text.")
    })
}

fn mismatch(header: &str, field: &str) -> RpcError {
    RpcError::header_mismatch(format!(
        "The header {header} is missing or differs from `{field}` of the body."
    ))
}

fn malformed(message: String) -> RpcError {
    RpcError::invalid(message).into_bad_request()
}

fn unspoken(version: &str) -> RpcError {
    // Only what may be a version is told back: an answer is no place for anybody's text.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let is_version = version.len() <= VERSION_BYTES && version.bytes().all(is_plain);
    let requested = if is_version { version } else { "" };
    RpcError::unspoken_version(json!({"supported": VERSIONS, "requested": requested}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (http::HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        };
        let mut map = HeaderMap::new();
        for (name, value) in pairs.iter().map(pair) {
            map.append(name, value);
        }
        map
    }

    fn params(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).unwrap()
    }

    const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

    /// Every place that a request may claim an era in, right and wrong.
    #[test]
    fn a_request_is_held_to_the_rules_of_the_era_that_it_claims() {
        let v = ("mcp-protocol-version", "2026-07-28");
        let list = ("mcp-method", "tools/list");
        let call = ("mcp-method", "tools/call");
        let bare = format!("{{{META}}}");
        let tool = |name: &str| format!("{{{META},\"name\":{name}}}");
        let meta = |members: &str| format!("{{\"_meta\":{{{members}}}}}");
        let version = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#;
        let old = r#""io.modelcontextprotocol/protocolVersion":"2025-11-25""#;
        let future = r#""io.modelcontextprotocol/protocolVersion":"2031-01-01","io.modelcontextprotocol/clientCapabilities":{}"#;
        let capabilities = r#""io.modelcontextprotocol/clientCapabilities":{}"#;
        type Headers<'h> = Vec<(&'static str, &'h str)>;
        let cases: Vec<(Headers<'_>, &str, String, Result<Era, i32>)> = vec![
            (vec![], "tools/list", "{}".into(), Ok(Era::Handshake)),
            (vec![("mcp-protocol-version", "2025-06-18")], "ping", "{}".into(), Ok(Era::Handshake)),
            (vec![("mcp-protocol-version", "1")], "tools/list", "{}".into(), Err(-32022)),
            (vec![v, list], "tools/list", bare.clone(), Ok(Era::Standalone)),
            (vec![v, list], "tools/list", "{}".into(), Err(-32602)),
            (vec![v, list], "tools/list", r#"{"_meta":7}"#.into(), Err(-32602)),
            (vec![v, list], "tools/list", meta(version), Err(-32602)),
            (vec![v, list], "tools/list", meta(capabilities), Err(-32602)),
            (vec![], "server/discover", "{}".into(), Err(-32602)),
            (vec![list], "tools/list", bare.clone(), Err(-32020)),
            (vec![v], "tools/list", bare.clone(), Err(-32020)),
            (vec![v, ("mcp-method", "Tools/list")], "tools/list", bare.clone(), Err(-32020)),
            (vec![v, list, list], "tools/list", bare.clone(), Err(-32020)),
            (vec![v, v, list], "tools/list", bare.clone(), Err(-32020)),
            (vec![v, ("mcp-method", "tools/l\u{ef}st")], "tools/list", bare.clone(), Err(-32020)),
            (vec![("mcp-protocol-version", "2025-11-25"), list], "tools/list", bare.clone(), Err(-32020)),
            (vec![v, list], "tools/list", meta(old), Err(-32020)),
            (vec![("mcp-protocol-version", "2025-11-25")], "tools/list", meta(old), Ok(Era::Handshake)),
            (vec![("mcp-protocol-version", "2031-01-01"), list], "tools/list", meta(future), Err(-32022)),
            (vec![v, call, ("mcp-name", "a")], "tools/call", tool("\"a\""), Ok(Era::Standalone)),
            (vec![v, call, ("mcp-name", " a ")], "tools/call", tool("\"a\""), Ok(Era::Standalone)),
            (
                vec![v, call, ("mcp-name", "=?base64?w6Q=?=")],
                "tools/call",
                tool("\"ä\""),
                Ok(Era::Standalone),
            ),
            (vec![v, call, ("mcp-name", "=?base64?YQ==?=")], "tools/call", tool("\"b\""), Err(-32020)),
            (vec![v, call, ("mcp-name", "=?base64?!?=")], "tools/call", tool("\"a\""), Err(-32020)),
            (vec![v, call, ("mcp-name", "=?BASE64?YQ==?=")], "tools/call", tool("\"a\""), Err(-32020)),
            (vec![v, call, ("mcp-name", "A")], "tools/call", tool("\"a\""), Err(-32020)),
            (vec![v, call], "tools/call", tool("\"a\""), Err(-32020)),
            (vec![v, call, ("mcp-name", "a")], "tools/call", tool("3"), Err(-32020)),
            (
                vec![v, ("mcp-method", "resources/read"), ("mcp-name", "zos://x")],
                "resources/read",
                format!("{{{META},\"uri\":\"zos://y\"}}"),
                Err(-32020),
            ),
            (
                vec![v, ("mcp-method", "prompts/get"), ("mcp-name", "canon")],
                "prompts/get",
                tool("\"canon\""),
                Ok(Era::Standalone),
            ),
        ];
        for (pairs, method, body, expected) in cases {
            let found = Era::of(Some(&headers(&pairs)), method, &params(&body));
            assert_eq!(found.map_err(|error| error.code()), expected, "{pairs:?} {method} {body}");
        }
    }

    #[test]
    fn a_line_of_standard_input_has_no_headers_to_agree_with() {
        let standalone = params(&format!("{{{META},\"name\":\"a\"}}"));
        assert_eq!(Era::of(None, "tools/call", &standalone).ok(), Some(Era::Standalone));
        assert_eq!(Era::of(None, "initialize", &Map::new()).ok(), Some(Era::Handshake));
        assert_eq!(Era::of(None, "server/discover", &Map::new()).unwrap_err().code(), -32602);
    }

    #[test]
    fn what_is_refused_says_which_versions_there_are_and_repeats_no_text() {
        for (asked, told) in [("1999-01-01", "1999-01-01"), ("Project\u{20}X", ""), (&"9".repeat(99), "")] {
            let told_back = unspoken(asked).answer(Some(1.into()));
            assert_eq!(told_back["error"]["data"], json!({"supported": VERSIONS, "requested": told}));
        }
    }
}
