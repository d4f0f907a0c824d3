//! What providers keep belongs to the room whose call made it, and what providers reach by themselves is judged
//! like a tool call, before the request leaves.

use serde_json::{Value, json};
use zos_tests::Provider;
use zos_tests::gateway::{Gateway, Scratch};

const RESPONSE: &str = r#"{"id":"resp_acme_1","object":"response","status":"completed","conversation":{"id":"conv_acme_1"},"output":[{"type":"reasoning","id":"rs_acme_1","summary":[],"encrypted_content":"c2VhbGVkIGFjbWU="},{"type":"message","id":"msg_acme_1","role":"assistant","content":[{"type":"output_text","text":"fine"}]}],"usage":{"input_tokens":1,"output_tokens":1}}"#;

fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
}

fn stream() -> String {
    let response: Value = serde_json::from_str(RESPONSE).unwrap();
    let text = "sure";
    event(
        &json!({"type": "response.created", "response": {"id": "resp_acme_1", "status": "in_progress", "output": []}}),
    ) + &event(
        &json!({"type": "response.output_item.done", "output_index": 0, "item": response["output"][0]}),
    ) + &event(
        &json!({"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "item_id": "msg_acme_1", "delta": text}),
    ) + &event(&json!({"type": "response.completed", "response": response}))
}

/// Requests that refer to what the room `acme` was given.
fn references() -> Vec<Value> {
    references_of("acme", "c2VhbGVkIGFjbWU=")
}

/// Requests that refer to ids with a room's name in them, and to a sealed item.
fn references_of(room: &str, sealed: &str) -> Vec<Value> {
    vec![
        json!({"model": "m", "input": "and?", "previous_response_id": format!("resp_{room}_1")}),
        json!({"model": "m", "input": "and?", "conversation": format!("conv_{room}_1")}),
        json!({"model": "m", "input": "and?", "conversation": {"id": format!("conv_{room}_1")}}),
        json!({"model": "m", "input": [{"type": "item_reference", "id": format!("msg_{room}_1")}]}),
        json!({"model": "m", "input": [{"type": "reasoning", "summary": [], "encrypted_content": sealed}]}),
    ]
}

async fn rooms(provider: &Provider) -> Gateway {
    Scratch::new()
        .file("contexts/acme.yml", "isolation: hard\nattachments: allow\n")
        .file("contexts/clinic.yml", "isolation: hard\nattachments: allow\n")
        .file("contexts/any.yml", "isolation: hard\nattachments: allow\nstate: any\n")
        .file("contexts/none.yml", "isolation: hard\nattachments: allow\nstate: none\n")
        .file("contexts/loose.yml", "isolation: open\n")
        .file("contexts/loose2.yml", "isolation: open\n")
        .provider(provider)
        .start()
        .await
}

async fn post(gateway: &Gateway, room: &str, body: &Value) -> (u16, Value) {
    let answer = gateway.post(&format!("/rooms/{room}/v1/responses"), body.to_string()).await;
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

#[tokio::test]
async fn what_one_room_was_given_no_other_room_brings_in() {
    for is_streamed in [false, true] {
        let provider = match is_streamed {
            false => Provider::json(RESPONSE).await,
            true => Provider::events(&stream()).await,
        };
        let gateway = rooms(&provider).await;
        let (status, _) =
            post(&gateway, "acme", &json!({"model": "m", "input": "hi", "stream": is_streamed})).await;
        assert_eq!(status, 200);
        let asked = provider.received().len();
        for body in references() {
            for room in ["clinic", "any", "loose"] {
                let (status, answer) = post(&gateway, room, &body).await;
                let code = &answer["error"]["code"];
                assert_eq!((status, code), (403, &json!("zos_foreign_state")), "{room}: {body} {answer}");
                assert!(!answer.to_string().contains("acme"), "the other room is named: {answer}");
            }
        }
        assert_eq!(provider.received().len(), asked, "something was forwarded");
        for mut body in references() {
            body["stream"] = is_streamed.into();
            assert_eq!(post(&gateway, "acme", &body).await.0, 200, "{body}");
        }
        let record = gateway.records().into_iter().find(|record| record["context"] == "clinic").unwrap();
        assert_eq!((&record["verdict"], &record["rules"]), (&json!("deny"), &json!(["state-foreign"])));
    }
}

#[tokio::test]
async fn what_nobody_has_seen_follows_the_room_and_survives_a_restart() {
    let provider = Provider::json(RESPONSE).await;
    let gateway = rooms(&provider).await;
    for (room, status) in [("clinic", 403), ("none", 403), ("any", 200), ("loose", 200)] {
        for body in references_of(room, &format!("sealed for {room}")) {
            let (got, answer) = post(&gateway, room, &body).await;
            assert_eq!(got, status, "{room}: {body} {answer}");
        }
    }
    let told = gateway.records().into_iter().find(|record| record["context"] == "any").unwrap();
    assert_eq!(told["uninspected"], json!(["state:previous_response_id"]));
    assert_eq!(post(&gateway, "any", &json!({"model": "m", "input": "hi"})).await.0, 200);
    let home = gateway.stop(std::time::Duration::from_secs(5)).await;
    let gateway = Scratch::of(home).start().await;
    // The first call that passed made it its room's.
    let follow = &references()[0];
    assert_eq!(post(&gateway, "any", follow).await.0, 200);
    assert_eq!(post(&gateway, "clinic", follow).await.1["error"]["code"], "zos_foreign_state");
}

#[tokio::test]
async fn of_two_open_rooms_one_is_told_and_goes_on() {
    let provider = Provider::json(RESPONSE).await;
    let gateway = rooms(&provider).await;
    assert_eq!(post(&gateway, "loose", &json!({"model": "m", "input": "hi"})).await.0, 200);
    let path = "/rooms/loose2/v1/responses";
    let answer = gateway.post(path, references()[0].to_string()).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["x-zos-verdict"], "warn");
    assert_eq!(answer.headers()["x-zos-rules"], "state-foreign");
}

#[tokio::test]
async fn a_room_that_keeps_nothing_says_so_to_the_provider() {
    let provider = Provider::json(RESPONSE).await;
    let gateway = rooms(&provider).await;
    let (status, _) = post(&gateway, "none", &json!({"model": "m", "input": "hi", "store": true})).await;
    assert_eq!(status, 200);
    let sent: Value = serde_json::from_slice(&provider.only().body).unwrap();
    assert_eq!(sent, json!({"model": "m", "input": "hi", "store": false}));
    let background = json!({"model": "m", "input": "hi", "background": true});
    assert_eq!(post(&gateway, "none", &background).await.1["error"]["code"], "zos_foreign_state");
    assert_eq!(post(&gateway, "acme", &background).await.0, 200);
}

#[tokio::test]
async fn what_the_provider_reaches_by_itself_is_judged_before_the_call() {
    let provider =
        Provider::json(r#"{"content":[{"type":"text","text":"ok"}],"output":[],"choices":[],"usage":{}}"#)
            .await;
    let gateway = Scratch::new()
        .acme(
            "isolation: hard\nattachments: allow\ntargets: {allow: [good.example, 'provider:web_search']}\n",
        )
        .file("contexts/free.yml", "isolation: hard\nattachments: allow\n")
        .provider(&provider)
        .start()
        .await;
    let message = |extra: Value| {
        let mut body =
            json!({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let response = |extra: Value| {
        let mut body = json!({"model": "m", "input": "hi"});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let image = |url: &str| json!({"model": "m", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]});
    let denied = [
        (
            "responses",
            response(
                json!({"tools": [{"type": "mcp", "server_label": "x", "server_url": "https://evil.example/mcp"}]}),
            ),
        ),
        ("responses", response(json!({"tools": [{"type": "file_search", "vector_store_ids": []}]}))),
        ("responses", response(json!({"tools": [{"type": "mcp", "connector_id": "connector_dropbox"}]}))),
        (
            "messages",
            message(
                json!({"mcp_servers": [{"type": "url", "url": "https://evil.example/mcp", "name": "x"}]}),
            ),
        ),
        ("messages", message(json!({"tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]}))),
        ("chat/completions", image("https://evil.example/?q=hello")),
    ];
    for (path, body) in &denied {
        let answer = gateway.post(&format!("/rooms/acme/v1/{path}"), body.to_string()).await;
        assert_eq!(answer.status(), 403, "{body}");
        assert_eq!(answer.headers()["x-zos-rules"], "target-default", "{body}");
    }
    assert!(provider.received().is_empty());
    let allowed = [
        (
            "responses",
            response(
                json!({"tools": [{"type": "mcp", "server_label": "x", "server_url": "https://good.example/mcp"}, {"type": "web_search_preview"}]}),
            ),
        ),
        (
            "messages",
            message(
                json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}, {"name": "Bash", "input_schema": {}}]}),
            ),
        ),
        ("chat/completions", image("https://good.example/a.png")),
    ];
    for (path, body) in &allowed {
        let answer = gateway.post(&format!("/rooms/acme/v1/{path}"), body.to_string()).await;
        assert_eq!(answer.status(), 200, "{body}");
    }
    for (path, body) in &denied {
        let answer = gateway.post(&format!("/rooms/free/v1/{path}"), body.to_string()).await;
        assert_eq!(answer.status(), 200, "{body}");
    }
}
