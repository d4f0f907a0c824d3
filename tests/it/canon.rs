//! The canon in front of calls: exact bytes at the provider, on every face, and what happens without one.

use serde_json::{Value, json};
use zos_tests::gateway::{Gateway, Scratch};
use zos_tests::{Provider, provider};

const CHAT_ANSWER: &str = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"Hi"}}],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#;
const CANON: &str = "## Tone\nSay \"please\" – é.\n\n## Now\nWeek 7.\n";
/// The two segments and the whole as they stand in JSON.
const STABLE: &str = r###""## Tone\nSay \"please\" – é.\n\n""###;
const VOLATILE: &str = r###""## Now\nWeek 7.\n""###;
const WHOLE: &str = r###""## Tone\nSay \"please\" – é.\n\n## Now\nWeek 7.\n""###;

fn home(yaml: &str) -> Scratch {
    Scratch::new()
        .acme(&format!("canon: {{deliver: inject}}\n{yaml}"))
        .file("manifest.json", "[\"brain/a.md\"]")
        .file("brain/a.md", "---\nlevel: owner\n---\n## Now {#now volatile}\nWeek 7.\n## Tone\r\nSay \"please\" – e\u{301}.\r\n")
}

async fn digest(gateway: &Gateway) -> String {
    let (_, canon) = gateway.admin("GET", "/zos/v1/canon", None).await;
    assert_eq!(canon["text"], CANON);
    canon["digest"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_face_gets_the_canon_in_front_and_no_other_byte_changes() {
    let provider = Provider::json(CHAT_ANSWER).await;
    let gateway = home("outbound_deny: [Falcon]\n").provider(&provider).start().await;
    let digest = digest(&gateway).await;
    let blocks = format!(
        r#"{{"type":"text","text":{STABLE},"cache_control":{{"type":"ephemeral"}}}},{{"type":"text","text":{VOLATILE}}}"#
    );
    let message = format!(r#"{{"role":"system","content":{WHOLE}}}"#);
    let cases = [
        (
            "/v1/messages",
            r#"{ "model":"m","max_tokens":5, "system" : "own \u0041\ud83d\ude00", "messages":[{"role":"user","content":"x"}] , "z":1.10e+0}"#,
            r#"{ "model":"m","max_tokens":5, "system" : [⟦⟧,{"type":"text","text":"own \u0041\ud83d\ude00"}], "messages":[{"role":"user","content":"x"}] , "z":1.10e+0}"#,
            &blocks,
        ),
        (
            "/v1/messages",
            r#"{"model":"m","max_tokens":5,"system":[ {"type":"text","text":"own"}],"messages":[]}"#,
            r#"{"model":"m","max_tokens":5,"system":[⟦⟧, {"type":"text","text":"own"}],"messages":[]}"#,
            &blocks,
        ),
        (
            "/v1/messages/count_tokens",
            r#"{"model":"m","messages":[]}"#,
            r#"{"system":[⟦⟧],"model":"m","messages":[]}"#,
            &blocks,
        ),
        (
            "/v1/chat/completions",
            r#"{"model":"m","seed":123456789012345678901234567890,"messages": [{"role":"system","content":"own"}]}"#,
            r#"{"model":"m","seed":123456789012345678901234567890,"messages": [⟦⟧,{"role":"system","content":"own"}]}"#,
            &message,
        ),
        (
            "/v1/responses",
            r#"{"model":"m","instructions":"own \u00e9","input":"x"}"#,
            r###"{"model":"m","instructions":"## Tone\nSay \"please\" – é.\n\n## Now\nWeek 7.\n\nown \u00e9","input":"x"}"###,
            &String::new(),
        ),
        (
            "/v1/responses",
            r#"{"model":"m","input":"x"}"#,
            r#"{"instructions":⟦⟧,"model":"m","input":"x"}"#,
            &WHOLE.to_owned(),
        ),
        ("/v1/embeddings", r#"{"model":"m","input":"x"}"#, r#"{"model":"m","input":"x"}"#, &String::new()),
    ];
    let count = cases.len();
    for (index, (path, body, expected, canon)) in cases.into_iter().enumerate() {
        let response = gateway.post(path, body).await;
        assert_eq!(response.status(), 200, "{path}: {}", response.text().await.unwrap());
        let is_delivered = path != "/v1/embeddings";
        assert_eq!(
            response.headers().get("x-zos-canon").map(|value| value.to_str().unwrap()),
            is_delivered.then_some(digest.as_str())
        );
        let received = String::from_utf8(provider.received()[index].body.clone()).unwrap();
        assert_eq!(received, expected.replace("⟦⟧", canon), "{path}");
        let record = gateway.wait_records(index + 1).await.remove(index);
        assert_eq!(record["canon"], if is_delivered { json!(digest) } else { Value::Null }, "{path}");
        assert_eq!(record["bytes_in"], body.len(), "{path}");
    }
    assert_eq!(provider.received().len(), count);
    // What the caller's own text holds is looked for as ever.
    assert_eq!(gateway.chat("about Falcon").await.status(), 403);
}

#[tokio::test]
async fn streams_and_renamed_models_carry_it_too() {
    let provider = Provider::start(provider::events(&[
        b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
    ]))
    .await;
    let gateway = home("")
        .file(
            "routing/fleet.yml",
            &format!(
                "version: 1\nproviders:\n  local: {{api: openai, base_url: \"http://127.0.0.1:{}/v1\", key: none}}\n\
                 models:\n  - {{id: local/q, provider: local, model: \"q:8b\"}}\n",
                provider.port
            ),
        )
        .start()
        .await;
    let body = r#"{"messages":[ ],"stream":true,"model":"local/q"}"#;
    let response = gateway.post("/v1/chat/completions", body).await;
    assert!(response.text().await.unwrap().ends_with("data: [DONE]\n\n"));
    assert_eq!(
        String::from_utf8(provider.only().body).unwrap(),
        format!(r#"{{"messages":[{{"role":"system","content":{WHOLE}}} ],"stream":true,"model":"q:8b"}}"#)
    );
}

#[tokio::test]
async fn its_tokens_are_held_before_the_call() {
    let provider = Provider::json(CHAT_ANSWER).await;
    let gateway = home("budget: {daily_tokens: 100000}\n").provider(&provider).start().await;
    let reserved = async |count: usize| {
        gateway.chat("hi").await;
        gateway.wait_records(count).await.remove(count - 1)["reserved"].as_u64().unwrap()
    };
    let with = reserved(1).await;
    gateway.write("contexts/acme.yml", "budget: {daily_tokens: 100000}\n");
    gateway.house.brain().reload();
    let without = reserved(2).await;
    let (_, canon) = gateway.admin("GET", "/zos/v1/canon", None).await;
    // Its own tokens, those of the block that it stands in, and what an unknown model may have beyond them.
    let tokens = canon["tokens"].as_u64().unwrap();
    assert!(
        tokens > 5 && (tokens..=2 * tokens + 16).contains(&(with - without)),
        "{with} {without} {tokens}"
    );
    assert!(
        provider.received()[1].body.starts_with(br#"{"model":"m","max_tokens":10,"#),
        "it is not delivered any more"
    );
}

#[tokio::test]
async fn without_a_good_canon_a_hard_room_refuses_and_an_open_one_says_so() {
    let provider = Provider::json(CHAT_ANSWER).await;
    let gateway = home("").provider(&provider).start().await;
    let room = |isolation: &str| format!("isolation: {isolation}\ncanon: {{deliver: inject}}\n");
    // A broken save leaves the last good version in force, which the record says.
    gateway.write("manifest.json", "[\"brain/a.md\"");
    gateway.house.brain().reload();
    assert_eq!(gateway.chat("hi").await.status(), 200);
    assert!(String::from_utf8(provider.only().body).unwrap().contains("Week 7."));
    let record = gateway.wait_records(1).await.remove(0);
    assert!(record["detail"].as_str().unwrap().contains("last good version"), "{record}");
    // A room that never had one has none to fall back to.
    for (isolation, status) in [("hard", 503), ("open", 200)] {
        gateway.write(&format!("contexts/{isolation}.yml"), &room(isolation));
        gateway.house.brain().reload();
        let response = gateway
            .post(&format!("/rooms/{isolation}/v1/chat/completions"), r#"{"model":"m","messages":[]}"#)
            .await;
        assert_eq!(response.status(), status);
        if isolation == "open" {
            assert_eq!(response.headers()["x-zos-canon"], "broken");
        } else {
            assert!(!response.headers().contains_key("x-zos-canon"));
            let body: Value = response.json().await.unwrap();
            assert_eq!(body["error"]["code"], "zos_canon_invalid");
        }
    }
    assert_eq!(provider.received()[1].body, br#"{"model":"m","messages":[]}"#);
    let records = gateway.wait_records(3).await;
    assert_eq!(records[1]["code"], "zos_canon_invalid");
    assert!(
        records[2]["canon"].is_null() && records[2]["detail"].as_str().unwrap().contains("without it"),
        "{}",
        records[2]
    );
    // A room to which no file says anything has nothing to be broken, and says so.
    gateway.write("manifest.json", "[]");
    gateway.house.brain().reload();
    assert_eq!(gateway.chat("hi").await.headers()["x-zos-canon"], "none");
    // A canon with what the room denies does not leave, in whatever room that is.
    gateway.write("manifest.json", "[\"brain/a.md\"]");
    gateway.write("contexts/acme.yml", "canon: {deliver: inject}\noutbound_deny: [Week 7]\n");
    gateway.house.brain().reload();
    let response = gateway.chat("hi").await;
    assert_eq!(response.status(), 503);
    assert!(!response.text().await.unwrap().contains("Week"));
    let (_, canon) = gateway.admin("GET", "/zos/v1/canon?context=acme", None).await;
    assert_eq!(
        (&canon["state"], &canon["text"], &canon["digest"]),
        (&json!("broken"), &json!(""), &Value::Null)
    );
    assert!(
        canon["findings"].as_array().unwrap().iter().any(|finding| {
            (&finding["lint"], &finding["file"], &finding["line"])
                == (&json!("denied"), &json!("brain/a.md"), &json!(5))
        }),
        "{canon}"
    );
}

#[tokio::test]
async fn a_room_that_says_nothing_of_a_canon_sends_the_callers_bytes() {
    let provider = Provider::json(CHAT_ANSWER).await;
    let gateway = home("").acme("isolation: open\n").provider(&provider).start().await;
    let body = r#"{"model":"m","messages":[ ]}"#;
    let response = gateway.post("/v1/chat/completions", body).await;
    assert!(!response.headers().contains_key("x-zos-canon"));
    assert_eq!(provider.only().body, body.as_bytes());
}

#[tokio::test]
async fn a_saved_layer_is_in_the_next_call() {
    let provider = Provider::json(CHAT_ANSWER).await;
    let gateway = home("").provider(&provider).start().await;
    gateway.write("brain/a.md", "Brand new.");
    let mut count = 0;
    loop {
        gateway.chat("hi").await;
        count += 1;
        if String::from_utf8(provider.received().last().unwrap().body.clone()).unwrap().contains("Brand new.")
        {
            break;
        }
        assert!(count < 500, "the change never came into force");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_admin_api_tells_every_line_its_file() {
    let gateway = home("")
        .file("contexts/globex.yml", "canon: {deliver: inject}\n")
        .file("contexts/globex.md", "Only here.\n")
        .start()
        .await;
    let (_, canon) = gateway.admin("GET", "/zos/v1/canon?context=acme", None).await;
    assert_eq!(
        (&canon["state"], &canon["deliver"], &canon["stable_lines"]),
        (&json!("built"), &json!("inject"), &json!(3))
    );
    let lines = canon["lines"].as_array().unwrap();
    assert_eq!(lines.len(), CANON.lines().count());
    assert_eq!(lines[1], json!({"file": "brain/a.md", "file_line": 7, "level": "owner", "clause": "tone"}));
    let why = async |context: &str, text: &str| {
        gateway.admin("GET", &format!("/zos/v1/canon/why?context={context}&text={text}"), None).await
    };
    assert_eq!(why("acme", "Week+7").await.1["matches"][0]["file_line"], 5);
    assert_eq!(
        why("acme", "Only+here").await.1,
        json!({"matches": []}),
        "other rooms' words stay in their room"
    );
    assert_eq!(why("globex", "Only+here").await.1["matches"][0]["file"], "contexts/globex.md");
    assert_eq!(why("nobody", "x").await.0, 404);
    assert_eq!(gateway.admin("GET", "/zos/v1/canon?context=nobody", None).await.0, 404);
}
