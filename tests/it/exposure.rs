//! Who may call, and which context governs.

use serde_json::{Value, json};
use zos_gateway::{House, Server};
use zos_tests::Provider;
use zos_tests::gateway::{Gateway, Scratch, client};

const CALL: &str = r#"{"model":"m","messages":[]}"#;

async fn code(response: reqwest::Response) -> (u16, String) {
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap_or_default();
    (status, body["error"]["code"].as_str().unwrap_or("-").to_owned())
}

async fn with(gateway: &Gateway, path: &str, headers: &[(&'static str, &str)]) -> (u16, String) {
    let mut request =
        client().post(format!("{}{path}", gateway.url)).header("content-type", "application/json").body(CALL);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    code(request.send().await.unwrap()).await
}

#[tokio::test]
async fn web_pages_and_foreign_names_are_refused_on_every_path() {
    let provider = Provider::json("{}").await;
    let gateway = Scratch::new().provider(&provider).start().await;
    for headers in
        [[("origin", "https://evil.example")], [("host", "evil.example:8788")], [("origin", "null")]]
    {
        assert_eq!(
            with(&gateway, "/v1/chat/completions", &headers).await,
            (403, "zos_origin_denied".into()),
            "{headers:?}"
        );
        assert_eq!(
            with(&gateway, "/zos/v1/shield", &headers).await,
            (403, "zos_origin_denied".into()),
            "{headers:?}"
        );
    }
    let simple = client()
        .post(format!("{}/v1/chat/completions", gateway.url))
        .header("content-type", "text/plain")
        .header("origin", "https://evil.example")
        .body(CALL);
    assert_eq!(code(simple.send().await.unwrap()).await.0, 403);
    assert!(provider.received().is_empty());
}

#[tokio::test]
async fn the_context_is_found_in_the_documented_order() {
    let provider = Provider::json("{}").await;
    let gateway = Scratch::new()
        .acme("{}")
        .file("contexts/globex.yml", "title: Globex\n")
        .provider(&provider)
        .start()
        .await;
    let (_, made) =
        gateway.admin("POST", "/zos/v1/keys", Some(json!({"context": "globex", "client": "editor"}))).await;
    let key = made["key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("zos_"));
    let context = |headers: Vec<(&'static str, String)>, path: &'static str| {
        let mut request = client()
            .post(format!("{}{path}", gateway.url))
            .header("content-type", "application/json")
            .body(CALL);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        async move {
            request
                .send()
                .await
                .unwrap()
                .headers()
                .get("x-zos-context")
                .map(|name| name.to_str().unwrap().to_owned())
        }
    };
    let chat = "/v1/chat/completions";
    assert_eq!(context(vec![], chat).await.as_deref(), Some("acme"));
    assert_eq!(context(vec![("x-zos-context", "globex".into())], chat).await.as_deref(), Some("globex"));
    assert_eq!(context(vec![], "/rooms/globex/v1/chat/completions").await.as_deref(), Some("globex"));
    for header in
        [("x-zos-key", key.clone()), ("x-api-key", key.clone()), ("authorization", format!("Bearer {key}"))]
    {
        assert_eq!(context(vec![header], chat).await.as_deref(), Some("globex"));
    }
    let key = key.as_str();
    assert_eq!(
        with(&gateway, chat, &[("x-zos-key", key), ("x-zos-context", "acme")]).await,
        (403, "zos_context_mismatch".into())
    );
    assert_eq!(
        with(&gateway, "/rooms/acme/v1/chat/completions", &[("x-zos-key", key)]).await,
        (403, "zos_context_mismatch".into())
    );
    assert_eq!(
        with(&gateway, "/rooms/acme/v1/chat/completions", &[("x-zos-context", "globex")]).await,
        (403, "zos_context_mismatch".into())
    );
    assert_eq!(
        with(&gateway, chat, &[("x-zos-context", "nobody")]).await,
        (404, "zos_unknown_context".into())
    );
    assert_eq!(
        with(&gateway, chat, &[("x-zos-context", "../acme")]).await,
        (404, "zos_unknown_context".into())
    );
    assert_eq!(with(&gateway, chat, &[("x-zos-key", "zos_wrong")]).await, (401, "zos_unauthorized".into()));
    assert!(
        provider.received().iter().all(|call| call.headers.iter().all(|(_, value)| !value.contains("zos_"))),
        "a key of ours left"
    );
    // A revoked key is refused at once.
    let (_, keys) = gateway.admin("GET", "/zos/v1/keys", None).await;
    assert!(!keys.to_string().contains(key), "a key is shown once");
    let id = keys["keys"][0]["id"].as_str().unwrap();
    assert_eq!(gateway.admin("DELETE", &format!("/zos/v1/keys/{id}"), None).await.0, 204);
    assert_eq!(with(&gateway, chat, &[("x-zos-key", key)]).await, (401, "zos_unauthorized".into()));
}

#[tokio::test]
async fn without_an_active_context_a_call_is_refused_and_without_any_the_builtin_serves() {
    let provider = Provider::json("{}").await;
    let gateway = Scratch::new().file("contexts/globex.yml", "title: G\n").provider(&provider).start().await;
    assert_eq!(with(&gateway, "/v1/chat/completions", &[]).await, (404, "zos_unknown_context".into()));
    let builtin = Scratch::new().provider(&provider).start().await;
    assert_eq!(with(&builtin, "/v1/chat/completions", &[]).await.0, 200);
    let (_, status) = builtin.admin("GET", "/zos/v1/status", None).await;
    assert_eq!((&status["active"], &status["active_is_builtin"]), (&json!("default"), &json!(true)));
}

#[tokio::test]
async fn where_keys_are_required_none_is_a_refusal() {
    let provider = Provider::json("{}").await;
    let gateway = Scratch::new()
        .acme("{}")
        .provider(&provider)
        .file("gateway/config.yml", "auth: {keyless: false}\n")
        .start()
        .await;
    assert_eq!(with(&gateway, "/v1/chat/completions", &[]).await, (401, "zos_unauthorized".into()));
    let (_, made) = gateway.admin("POST", "/zos/v1/keys", Some(json!({"client": "editor"}))).await;
    assert_eq!(
        with(&gateway, "/v1/chat/completions", &[("x-zos-key", made["key"].as_str().unwrap())]).await.0,
        200
    );
    assert_eq!(gateway.wait_records(2).await[1]["client"], "editor");
}

#[tokio::test]
async fn an_address_that_others_can_reach_is_refused_without_protection() {
    for (config, listen, word) in [
        ("", "0.0.0.0:0", "keyless"),
        ("auth: {keyless: false}\n", "0.0.0.0:0", "dangerous_plain_http"),
        ("", "[::]:0", "keyless"),
    ] {
        let scratch = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(scratch.path().join("gateway")).unwrap();
        std::fs::write(scratch.path().join("gateway/config.yml"), config).unwrap();
        let house = House::open(zos_core::Home::resolve(Some(scratch.path())).unwrap()).unwrap();
        let error = Server::bind(&house, Some(listen.parse().unwrap()))
            .await
            .err()
            .expect("it must refuse")
            .to_string();
        assert!(error.contains(word), "{error}");
        assert_eq!(house.listening().error.as_deref(), Some(error.as_str()));
    }
}

#[tokio::test]
async fn a_taken_port_is_a_sentence() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let house = House::open(zos_core::Home::resolve(Some(scratch.path())).unwrap()).unwrap();
    let error = Server::bind(&house, Some(taken.local_addr().unwrap()))
        .await
        .err()
        .expect("it must refuse")
        .to_string();
    assert!(error.contains("taken by another program"), "{error}");
    let second = House::open(zos_core::Home::resolve(Some(scratch.path())).unwrap());
    assert!(second.is_err(), "two gateways on one home");
}

#[tokio::test]
async fn the_admin_api_asks_for_its_token() {
    let gateway = Scratch::new().start().await;
    let status = client().get(format!("{}/zos/v1/status", gateway.url));
    assert_eq!(
        code(status.try_clone().unwrap().send().await.unwrap()).await,
        (401, "zos_unauthorized".into())
    );
    assert_eq!(code(status.bearer_auth("guess").send().await.unwrap()).await.0, 401);
    let own = format!("http://127.0.0.1:{}", gateway.port);
    let token = std::fs::read_to_string(gateway.path("gateway/admin.token")).unwrap();
    let page = client()
        .put(format!("{}/zos/v1/shield", gateway.url))
        .header("origin", own)
        .bearer_auth(token.trim())
        .json(&json!({"paused": false}));
    assert_eq!(page.send().await.unwrap().status(), 200);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(gateway.path("gateway/admin.token")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
