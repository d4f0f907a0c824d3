//! `zos mcp`, with and without a zOS that runs.

use crate::world::Scratch;
use serde_json::{Value, json};

fn talk(home: &Scratch, messages: &[Value]) -> Vec<Value> {
    let input: String = messages.iter().map(|message| format!("{message}\n")).collect();
    let output = home.zos_reading(&["mcp", "--context", "acme"], input.as_bytes()).fine();
    output.lines().map(|line| serde_json::from_str(line).expect("only messages are written")).collect()
}

#[test]
fn a_room_is_served_over_standard_input_and_output() {
    let home = Scratch::acme();
    home.zos(&["memory", "add", "-c", "acme", "Ann lives in Paris."]).fine();
    let search = json!({"name": "memory_search", "arguments": {"query": "where does Ann live"}});
    let messages = [
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": "b", "method": "tools/call", "params": search}),
    ];
    let check = |answers: Vec<Value>| {
        assert_eq!(answers.len(), 2, "{answers:?}");
        assert_eq!(answers[0]["result"]["serverInfo"]["name"], "zos");
        assert_eq!(answers[1]["id"], "b");
        assert_eq!(answers[1]["result"]["structuredContent"]["items"][0]["text"], "Ann lives in Paris.");
    };
    check(talk(&home, &messages));
    let serving = home.serve();
    check(talk(&home, &messages));
    drop(serving);
    home.zos(&["mcp", "--context", "nowhere"]).fails(2, &["no room called nowhere"]);
}
