//! JSON-RPC 2.0 as MCP uses it: one message at a time.

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
    /// The code of the record.
    pub(super) zos: Code,
}

impl RpcError {
    fn new(code: i32, zos: Code, message: impl Into<String>) -> Self {
        RpcError { code, message: message.into(), data: None, zos }
    }

    pub(super) fn unknown_method() -> Self {
        Self::new(-32601, Code::UnknownEndpoint, "zOS does not know this method.")
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(-32602, Code::InvalidRequest, message)
    }

    /// What does not exist, and what is another room's.
    pub(super) fn unknown_resource() -> Self {
        Self::new(-32002, Code::InvalidRequest, "This room has no such resource.")
    }

    pub(super) fn unspoken_version(data: Value) -> Self {
        let error =
            Self::new(-32022, Code::InvalidRequest, "zOS does not speak this version of the protocol.");
        RpcError { data: Some(data), ..error }
    }

    /// Everything that would have been said is held back; rule ids may be told.
    pub(super) fn withheld(rules: &[String]) -> Self {
        let message = format!("The answer is withheld by this room's {}.", super::guard::named(rules));
        Self::new(-32603, Code::FirewallResponse, message)
    }

    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self::new(-32603, Code::Internal, message)
    }

    /// The message that tells it.
    pub(super) fn answer(self, id: Value) -> Value {
        let mut error = json!({"code": self.code, "message": self.message});
        if let Some(data) = self.data {
            error["data"] = data;
        }
        json!({"jsonrpc": "2.0", "id": id, "error": error})
    }
}

/// Reads one message.
pub(super) fn read(body: &[u8]) -> Result<Message, RpcError> {
    let invalid = |message: &str| RpcError::new(-32600, Code::InvalidRequest, message);
    let value: Value = serde_json::from_slice(body)
        .map_err(|_| RpcError::new(-32700, Code::InvalidRequest, "The message is no JSON."))?;
    let Value::Object(mut message) = value else {
        return Err(invalid("The message is no JSON object; batches are not read."));
    };
    if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(invalid("The message does not say \"jsonrpc\": \"2.0\"."));
    }
    let id = message.remove("id");
    let method = match message.remove("method") {
        Some(Value::String(method)) => method,
        None if id.is_some() && (message.contains_key("result") || message.contains_key("error")) => {
            return Ok(Message::Silent);
        }
        _ => return Err(invalid("The message has no method.")),
    };
    let Some(id) = id else { return Ok(Message::Silent) };
    if !(id.is_string() || id.is_i64() || id.is_u64()) {
        return Err(invalid("The id is neither a string nor a whole number."));
    }
    let params = match message.remove("params") {
        None => Map::new(),
        Some(Value::Object(params)) => params,
        Some(_) => return Err(invalid("The params are no object.")),
    };
    Ok(Message::Request { id, method, params })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code(body: &str) -> i32 {
        read(body.as_bytes()).expect_err(body).code
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

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&body);
        }

        #[test]
        fn an_id_comes_back_as_it_was(id in any::<i64>(), method in "[a-z/]{1,20}") {
            let body = json!({"jsonrpc": "2.0", "id": id, "method": method}).to_string();
            let Ok(Message::Request { id: read, .. }) = read(body.as_bytes()) else { panic!("a request") };
            prop_assert_eq!(RpcError::unknown_method().answer(read)["id"].as_i64(), Some(id));
        }
    }
}
