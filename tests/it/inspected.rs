//! What is inspected beside the words of a conversation: headers both ways, names and lists of models, ids of tokens,
//! bodies that say that they are something else.

use serde_json::{Value, json};
use zos_tests::gateway::{Gateway, Scratch, client};
use zos_tests::{Provider, Step};

const TERM: &str = "Kestrel Harbor";
const ROOM: &str = "outbound_deny: [Kestrel Harbor]\n";
const ANSWER: &str =
    r#"{"choices":[{"message":{"content":"ok"}}],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#;

/// An answer with headers of its own.
fn answer(status: u16, headers: &str, body: &[u8]) -> Vec<Step> {
    let head = format!(
        "HTTP/1.1 {status} Status\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    vec![Step::Send([head.as_bytes(), body].concat())]
}

/// Everything that the gateway wrote about its calls.
fn written(gateway: &Gateway) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(gateway.path("gateway/audit")).unwrap().flatten() {
        all += &String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap_or_default());
    }
    all
}

async fn headed(gateway: &Gateway, name: &str, value: &str) -> reqwest::Response {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    let request = client().post(format!("{}/v1/chat/completions", gateway.url)).header(name, value);
    request.body(body.to_string()).send().await.unwrap()
}

#[tokio::test]
async fn a_header_that_goes_up_is_read_like_text_and_our_own_content_type_goes() {
    let provider = Provider::json(ANSWER).await;
    let gateway = Scratch::new().acme(ROOM).provider(&provider).start().await;
    let names = [
        "user-agent",
        "accept",
        "anthropic-beta",
        "anthropic-version",
        "openai-organization",
        "openai-project",
    ];
    for name in names {
        for value in [format!("x/1 ({TERM})"), "a; note=Kestrel%20Harbor".to_owned()] {
            let response = headed(&gateway, name, &value).await;
            assert_eq!(response.status(), 403, "{name}: {value}");
            let text = response.text().await.unwrap();
            assert!(text.contains(&format!("header {name}")) && !text.contains("Kestrel"), "{text}");
        }
        assert_eq!(headed(&gateway, name, "harmless/1").await.status(), 200, "{name}");
    }
    let refused = names.len();
    assert_eq!(provider.received().len(), refused);
    for said in ["application/json; charset=utf-7", "text/plain;charset=cp037", &format!("x/y; note={TERM}")]
    {
        assert_eq!(headed(&gateway, "content-type", said).await.status(), 200);
        assert_eq!(
            provider.received().last().unwrap().header("content-type"),
            Some("application/json"),
            "{said}"
        );
    }
    // What cannot be replaced in its place is refused.
    gateway.write("contexts/acme.yml", "outbound_deny: [{term: Kestrel Harbor, action: redact}]\n");
    gateway.house.brain().reload();
    assert_eq!(headed(&gateway, "user-agent", TERM).await.status(), 403);
}

#[tokio::test]
async fn a_header_that_comes_down_is_read_like_text_and_stays_here() {
    let provider = Provider::json(ANSWER).await;
    let gateway = Scratch::new().acme(ROOM).provider(&provider).start().await;
    let words = "anthropic-note: at Kestrel Harbor\r\nopenai-kestrel-harbor: 1\r\nx-ratelimit-note: Kestrel%20Harbor\r\n\
                 request-id: Kestrel.Harbor\r\nx-request-id: Kestrel Harbor\r\nretry-after: Kestrel Harbor\r\n\
                 x-codex-plan: kestrel  harbor\r\n";
    let fine = "anthropic-ratelimit-requests-remaining: 9\r\nretry-after-ms: 250\r\nx-codex-primary-used-percent: 42\r\n\
                set-cookie: a=b\r\n";
    let said = format!("content-type: application/json; note={TERM}\r\n");
    let events = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ok\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    for is_stream in [false, true] {
        let (kind, body) = match is_stream {
            true => (format!("content-type: text/event-stream; note={TERM}\r\n"), events),
            false => (said.clone(), ANSWER),
        };
        provider.play(answer(200, &format!("{kind}{words}{fine}"), body.as_bytes()));
        let response = match is_stream {
            true => gateway.stream("hi").await,
            false => gateway.chat("hi").await,
        };
        assert_eq!(response.status(), 200);
        let head = format!("{:?}", response.headers());
        assert!(!head.to_lowercase().contains("kestrel"), "{head}");
        assert_eq!(
            response.headers()["content-type"],
            if is_stream { "text/event-stream" } else { "application/json" }
        );
        for name in
            ["anthropic-ratelimit-requests-remaining", "retry-after-ms", "x-codex-primary-used-percent"]
        {
            assert!(response.headers().contains_key(name), "{name}");
        }
        assert_eq!(response.headers()["x-zos-verdict"], "redact");
        assert!(response.text().await.unwrap().contains("ok"));
    }
    let records = gateway.wait_records(2).await;
    for record in &records {
        assert_eq!((&record["rules"], &record["verdict"]), (&json!(["deny/1"]), &json!("redact")));
        assert!(record["detail"].as_str().unwrap().contains("7 headers"), "{record}");
    }
    // A room that only reports lets them through and says so.
    gateway.write("contexts/acme.yml", &format!("isolation: open\n{ROOM}"));
    gateway.house.brain().reload();
    provider.play(answer(200, &format!("{said}{words}{fine}"), ANSWER.as_bytes()));
    let response = gateway.chat("hi").await;
    assert_eq!(response.headers()["anthropic-note"], "at Kestrel Harbor");
    assert_eq!(response.headers()["x-zos-verdict"], "warn");
}

#[tokio::test]
async fn an_error_in_another_charset_is_read_and_handed_on_in_ours() {
    let provider = Provider::json(ANSWER).await;
    let gateway = Scratch::new().acme(ROOM).provider(&provider).start().await;
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    let typed = |kind: &str| format!("content-type: {kind}\r\n");
    for (kind, body) in [
        ("application/json; charset=utf-16", wide(r#"{"error":"Kestrel Harbor"}"#)),
        ("text/html", wide("<p>Kestrel Harbor</p>")),
        ("text/plain; charset=latin1", b"Zo\xeb: Kestrel Harbor".to_vec()),
        ("text/plain", b"\xff Kestrel Harbor".to_vec()),
        ("text/event-stream", b"data: Kestrel Harbor\n\n".to_vec()),
    ] {
        provider.play(answer(400, &typed(kind), &body));
        assert_eq!(gateway.chat("hi").await.status(), 502, "{kind}");
    }
    for (kind, body, wanted, text) in [
        (
            "application/json; charset=utf-7",
            r#"{"error":"+AEs-estrel"}"#.as_bytes().to_vec(),
            "application/json",
            r#"{"error":"+AEs-estrel"}"#,
        ),
        (
            "text/html; charset=utf-7",
            b"<p>+AEs-estrel".to_vec(),
            "text/html; charset=utf-8",
            "<p>+AEs-estrel",
        ),
        ("application/json", wide(r#"{"error":"slow"}"#), "application/json", r#"{"error":"slow"}"#),
        ("text/event-stream", b"data: {}\n\n".to_vec(), "text/plain; charset=utf-8", "data: {}\n\n"),
    ] {
        provider.play(answer(429, &typed(kind), &body));
        let response = gateway.chat("hi").await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (429, &wanted.parse().unwrap())
        );
        assert_eq!(response.text().await.unwrap(), text, "{kind}");
    }
}

#[tokio::test]
async fn a_models_name_is_kept_where_it_is_one_and_nowhere_else() {
    let provider = Provider::json(ANSWER).await;
    let fleet = format!(
        "version: 1\nproviders:\n  openai: {{api: openai, base_url: \"http://127.0.0.1:{}/v1\", key: none}}\n\
         models: [{{match: \"gpt-*\", provider: openai}}, {{id: own, provider: openai}}]\n",
        provider.port
    );
    let gateway = Scratch::new().acme(ROOM).file("routing/fleet.yml", &fleet).start().await;
    let call = async |model: &str, text: &str| {
        let body = json!({"model": model, "messages": [{"role": "user", "content": text}]});
        gateway.post("/v1/chat/completions", body.to_string()).await.status().as_u16()
    };
    assert_eq!(call("gpt-5", "hi").await, 200);
    assert_eq!(call("gpt-5", TERM).await, 403);
    assert_eq!(call("own", TERM).await, 403);
    assert_eq!(call(&format!("gpt-{TERM}"), "hi").await, 403);
    assert_eq!(call(TERM, "hi").await, 403);
    let records = gateway.wait_records(5).await;
    let models: Vec<&str> = records.iter().map(|record| record["model"].as_str().unwrap()).collect();
    assert_eq!(models[..3], ["gpt-5", "gpt-5", "own"]);
    assert!(
        models[3].starts_with("hidden:") && models[4].starts_with("hidden:") && models[3] != models[4],
        "{models:?}"
    );
    // Where the room only reports, the call goes on, and the name still stands nowhere.
    gateway.write("contexts/acme.yml", &format!("isolation: open\n{ROOM}"));
    gateway.house.brain().reload();
    assert_eq!(call(&format!("gpt-{TERM}"), "hi").await, 200);
    let records = gateway.wait_records(6).await;
    assert_eq!(records[5]["model"].as_str().unwrap(), models[3], "one name has one hash");
    assert!(!written(&gateway).contains("Kestrel"));
    // Nor as the id that a caller gives its call.
    let response = headed(&gateway, "x-request-id", "trace:Kestrel-Harbor.1").await;
    assert!(!format!("{:?}", response.headers()["x-request-id"]).contains("Kestrel"));
    assert_eq!(headed(&gateway, "x-request-id", "trace-1").await.headers()["x-request-id"], "trace-1");
    let list = client().get(format!("{}/v1/models", gateway.url)).header("x-request-id", "Kestrel-Harbor");
    list.send().await.unwrap();
    gateway.wait_records(9).await;
    assert!(!written(&gateway).contains("Kestrel"));
}

#[tokio::test]
async fn what_a_provider_lists_is_read_like_text_and_bounded() {
    let ids: Vec<Value> = (0..6000)
        .map(|number| json!({"id": format!("model-{number}")}))
        .chain([json!({"id": "gpt-5"})])
        .collect();
    let mut ids = ids;
    ids.splice(
        0..0,
        [
            json!({"id": "first-model"}),
            json!({"id": "ft:Kestrel Harbor"}),
            json!({"id": "\u{1b}[31mred"}),
            json!({"id": "x".repeat(300)}),
            json!({"id": "hidden\u{200b}one"}),
            json!({"id": 7}),
        ],
    );
    let provider = Provider::json(&json!({"data": ids}).to_string()).await;
    let gateway = Scratch::new().acme(ROOM).provider(&provider).start().await;
    for room in ["acme", "default"] {
        let url = match room {
            "acme" => format!("{}/v1/models", gateway.url),
            _ => format!("{}/v1/models/ft:Kestrel%20Harbor", gateway.url),
        };
        let response = client().get(url).send().await.unwrap();
        if room == "default" {
            assert_eq!(response.status(), 404, "one that is left out is not there by its name either");
            continue;
        }
        assert_eq!(response.headers()["x-zos-verdict"], "warn");
        let text = response.text().await.unwrap();
        let list: Value = serde_json::from_str(&text).unwrap();
        let listed: Vec<&str> =
            list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
        assert!(listed.contains(&"first-model") && listed.contains(&"model-1"));
        assert!(listed.len() < 5000, "{}", listed.len());
        assert!(
            listed.iter().all(|id| id.len() <= 256 && !id.contains('\u{1b}') && !id.contains('\u{200b}'))
        );
        assert!(!text.contains("Kestrel"));
    }
}

/// Ids of cl100k_base, from the openai-cookbook: "tiktoken is great!".
const IDS: [u32; 6] = [83, 1609, 5963, 374, 2294, 0];

#[tokio::test]
async fn ids_of_tokens_are_read_by_the_vocabulary_of_the_model_that_is_asked() {
    let provider = Provider::json(r#"{"object":"list","data":[]}"#).await;
    let fleet = format!(
        "version: 1\nproviders:\n  openai: {{api: openai, base_url: \"http://127.0.0.1:{}/v1\", key: none}}\n\
         models:\n  - {{id: vectors, provider: openai, model: text-embedding-3-small}}\n  - {{match: \"*\", provider: openai}}\n",
        provider.port
    );
    let rooms = |term: &str, more: &str| format!("outbound_deny: [{term}]\n{more}");
    let gateway = Scratch::new()
        .acme(&rooms("tiktoken", ""))
        .file("contexts/strict.yml", &rooms("nothing", "attachments: deny\n"))
        .file("contexts/mask.yml", &rooms("{term: tiktoken, action: redact}", ""))
        .file("routing/fleet.yml", &fleet)
        .start()
        .await;
    let ask = async |room: &str, model: &str, input: &Value| {
        let body = json!({"model": model, "input": input});
        let response = gateway.post(&format!("/rooms/{room}/v1/embeddings"), body.to_string()).await;
        let named =
            response.headers().get("x-zos-uninspected").map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), named)
    };
    let (flat, nested) = (json!(IDS), json!([[2294, 0], IDS]));
    for (model, input) in
        [("text-embedding-3-small", &flat), ("text-embedding-3-small", &nested), ("vectors", &nested)]
    {
        assert_eq!(ask("acme", model, input).await.0, 403, "{model} {input}");
        assert_eq!(ask("mask", model, input).await.0, 403, "ids cannot be replaced: {model} {input}");
        assert_eq!(ask("strict", model, input).await, (200, None), "{model} {input}");
    }
    let unread = Some("tokens:input".to_owned());
    assert_eq!(ask("acme", "bge-m3", &flat).await, (200, unread.clone()), "a vocabulary that we lack");
    assert_eq!(ask("strict", "bge-m3", &flat).await.0, 403);
    assert_eq!(ask("strict", "vectors", &json!([9_999_999])).await.0, 403, "an id that there is not");
    assert_eq!(ask("strict", "bge-m3", &json!(["text"])).await, (200, None));
    assert_eq!(provider.received().len(), 5);
}

#[tokio::test]
async fn a_room_that_denies_attachments_denies_them_whatever_they_are_called() {
    let provider = Provider::json(r#"{"content":[]}"#).await;
    let gateway = Scratch::new().acme("attachments: deny\n").provider(&provider).start().await;
    let packed = "JVBERi0xLjQKQlQgKEtlcykgVGogRVQ=";
    let cases = [
        (
            "/v1/messages",
            json!([{"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": packed}}]),
        ),
        (
            "/v1/messages",
            json!([{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": packed}}]}]),
        ),
        (
            "/v1/chat/completions",
            json!([{"type": "file", "file": {"file_data": format!("data:application/pdf;base64,{packed}")}}]),
        ),
        (
            "/v1/chat/completions",
            json!([{"type": "input_audio", "input_audio": {"data": packed, "format": "mp3"}}]),
        ),
        ("/v1/responses", json!([{"type": "input_file", "filename": "a.pdf", "file_data": packed}])),
        ("/v1/responses", json!([{"type": "input_image", "image_url": "data:application/pdf,%25PDF-1.4"}])),
    ];
    for (path, content) in &cases {
        let turn = json!([{"role": "user", "content": content}]);
        let key = if *path == "/v1/responses" { "input" } else { "messages" };
        let body = json!({"model": "m", "max_tokens": 5, key: turn});
        assert_eq!(gateway.post(path, body.to_string()).await.status(), 403, "{content}");
    }
    assert!(provider.received().is_empty());
    let read = json!([{"type": "document", "source": {"type": "base64", "media_type": "text/markdown", "data": packed.replace("JVBERi0", "SGVsbG8")}}]);
    let body = json!({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": read}]});
    let response = gateway.post("/v1/messages", body.to_string()).await;
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key("x-zos-uninspected"));
}
