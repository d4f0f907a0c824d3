//! JSON-RPC 2.0 as MCP uses it: one message at a time.

use super::era::Era;
use http::StatusCode;
use serde_json::{Map, Value, json};
use zos_wire::problem::Code;

/// One message of a client.
#[derive(Debug, PartialEq)]
pub(super) enum Message {
    /// It wants an answer.
    Request {
        /// What the answer is told by: a string or a whole number.
        id: Value,
        /// What is asked for.
        method: String,
        /// With what.
        params: Map<String, Value>,
    },
    /// A notification, or an answer to something.
    Silent,
}

/// Why a request has no result.
#[derive(Debug)]
pub(super) struct RpcError {
    code: i32,
    message: String,
    data: Option<Value>,
    /// The HTTP status where the protocol names one for this error.
    status: StatusCode,
    /// The code of the record.
    pub(super) zos: Code,
}

impl RpcError {
    fn new(code: i32, zos: Code, message: impl Into<String>) -> Self {
        RpcError { code, message: message.into(), data: None, status: StatusCode::OK, zos }
    }

    /// The HTTP status that the protocol demands with this error since messages stand alone.
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// The error of a request that is malformed as a whole.
    pub(super) fn into_bad_request(self) -> Self {
        RpcError { status: StatusCode::BAD_REQUEST, ..self }
    }

    pub(super) fn unknown_method() -> Self {
        let error = Self::new(-32601, Code::UnknownEndpoint, "zOS does not know this method.");
        RpcError { status: StatusCode::NOT_FOUND, ..error }
    }

    /// Headers that are missing, malformed or say something else than the body.
    pub(super) fn header_mismatch(message: impl Into<String>) -> Self {
        Self::new(-32020, Code::InvalidRequest, message).into_bad_request()
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(-32602, Code::InvalidRequest, message)
    }

    /// What does not exist, and what is another room's. The code is the newer era's; the older one had its
    /// own, which the newer forbids.
    pub(super) fn unknown_resource(era: Era) -> Self {
        let code = match era {
            Era::Handshake => -32002,
            Era::Standalone => -32602,
        };
        Self::new(code, Code::InvalidRequest, "This room has no such resource.")
    }

    pub(super) fn unspoken_version(data: Value) -> Self {
        let error =
            Self::new(-32022, Code::InvalidRequest, "zOS does not speak this version of the protocol.");
        RpcError { data: Some(data), ..error }.into_bad_request()
    }

    /// Everything that would have been said is held back; rule ids may be told.
    pub(super) fn withheld(rules: &[String]) -> Self {
        let message = format!("The answer is withheld by this room's {}.", super::guard::named(rules));
        Self::new(-32603, Code::FirewallResponse, message)
    }

    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self::new(-32603, Code::Internal, message)
    }

    /// The message that tells it; an id that could not be read is null, as JSON-RPC has it.
    pub(super) fn answer(self, id: Option<Value>) -> Value {
        let mut error = json!({"code": self.code, "message": self.message});
        if let Some(data) = self.data {
            error["data"] = data;
        }
        json!({"jsonrpc": "2.0", "id": id, "error": error})
    }

    #[cfg(test)]
    pub(super) fn code(&self) -> i32 {
        self.code
    }
}

/// What is no message, with the id that its answer must repeat, where one could be read.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) error: RpcError,
    pub(super) id: Option<Value>,
}

/// Reads one message.
pub(super) fn read(body: &[u8]) -> Result<Message, Box<Unread>> {
    let unread = |code, message: &str| {
        let error = RpcError::new(code, Code::InvalidRequest, message).into_bad_request();
        Box::new(Unread { error, id: None })
    };
    let value: Value = serde_json::from_slice(body).map_err(|_| unread(-32700, "The message is no JSON."))?;
    let Value::Object(message) = value else {
        return Err(unread(-32600, "The message is no JSON object; batches are not read."));
    };
    let id = message.get("id").filter(|id| is_id(id)).cloned();
    of_object(message).map_err(|reason| Box::new(Unread { id, ..*unread(-32600, reason) }))
}

/// A string or a whole number.
fn is_id(id: &Value) -> bool {
    id.is_string() || id.is_i64() || id.is_u64()
}

fn of_object(mut message: Map<String, Value>) -> Result<Message, &'static str> {
    if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err("The message does not say \"jsonrpc\": \"2.0\".");
    }
    let id = message.remove("id");
    let method = match message.remove("method") {
        Some(Value::String(method)) => method,
        None if id.is_some() && (message.contains_key("result") || message.contains_key("error")) => {
            return Ok(Message::Silent);
        }
        _ => return Err("The message has no method."),
    };
    let Some(id) = id else { return Ok(Message::Silent) };
    if !is_id(&id) {
        return Err("The id is neither a string nor a whole number.");
    }
    let params = match message.remove("params") {
        None => Map::new(),
        Some(Value::Object(params)) => params,
        Some(_) => return Err("The params are no object."),
    };
    Ok(Message::Request { id, method, params })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code(body: &str) -> i32 {
        read(body.as_bytes()).expect_err(body).error.code
    }

    #[test]
    fn requests_notifications_and_answers_are_told_apart() {
        let request = read(br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).unwrap();
        assert_eq!(request, Message::Request { id: 1.into(), method: "ping".to_owned(), params: Map::new() });
        for silent in [
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{}}"#,
        ] {
            assert_eq!(read(silent.as_bytes()).unwrap(), Message::Silent, "{silent}");
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        assert_eq!(code("{"), -32700);
        assert_eq!(code(&"[".repeat(100_000)), -32700);
        for bad in [
            "[]",
            "1",
            "{}",
            r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":3}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#,
        ] {
            assert_eq!(code(bad), -32600, "{bad}");
        }
    }

    #[test]
    fn what_is_refused_is_told_under_its_own_id_where_it_has_one() {
        for (body, id) in [
            (r#"{"jsonrpc":"2.0","id":"a","method":3}"#, json!("a")),
            (r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#, json!(7)),
            (r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":[]}"#, json!(7)),
            (r#"{"jsonrpc":"2.0","id":[7],"method":"ping"}"#, Value::Null),
            ("[]", Value::Null),
            ("{", Value::Null),
        ] {
            let unread = read(body.as_bytes()).unwrap_err();
            assert_eq!(unread.error.answer(unread.id)["id"], id, "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&body);
        }

        #[test]
        fn an_id_comes_back_as_it_was(id in any::<i64>(), method in "[a-z/]{1,20}") {
            let body = json!({"jsonrpc": "2.0", "id": id, "method": method}).to_string();
            let Ok(Message::Request { id: read, .. }) = read(body.as_bytes()) else { panic!("a request") };
            prop_assert_eq!(RpcError::unknown_method().answer(Some(read))["id"].as_i64(), Some(id));
        }
    }
}
