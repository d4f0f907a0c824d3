//! Who may call, and which context governs.

use serde_json::{Value, json};
use zos_gateway::Server;
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
        let house =
            zos_gateway::Gateway::open(zos_core::Home::resolve(Some(scratch.path())).unwrap()).unwrap();
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
    let house = zos_gateway::Gateway::open(zos_core::Home::resolve(Some(scratch.path())).unwrap()).unwrap();
    let error = Server::bind(&house, Some(taken.local_addr().unwrap()))
        .await
        .err()
        .expect("it must refuse")
        .to_string();
    assert!(error.contains("taken by another program"), "{error}");
    let second = zos_gateway::Gateway::open(zos_core::Home::resolve(Some(scratch.path())).unwrap());
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

/// A room that denies a term, a key that is bound to it, and a lax room that is active.
async fn two_rooms(provider: &Provider) -> (Gateway, String, String) {
    let gateway = Scratch::new()
        .acme("{}")
        .file("contexts/strict.yml", "isolation: hard\noutbound_deny: [Project Marlin]\n")
        .provider(provider)
        .start()
        .await;
    let mut keys = Vec::new();
    for context in ["strict", "acme"] {
        let asked = json!({"context": context, "client": "editor"});
        let (_, made) = gateway.admin("POST", "/zos/v1/keys", Some(asked)).await;
        keys.push(made["key"].as_str().unwrap().to_owned());
    }
    let acme = keys.pop().unwrap();
    (gateway, keys.pop().unwrap(), acme)
}

#[tokio::test]
async fn a_secret_of_ours_in_any_odd_form_is_known_and_goes_nowhere() {
    use base64::Engine;
    let provider = Provider::json("{}").await;
    let (gateway, key, _) = two_rooms(&provider).await;
    let admin = std::fs::read_to_string(gateway.path("gateway/admin.token")).unwrap();
    assert!(admin.trim().starts_with("zos_admin_"));
    let basic = |text: String| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text));
    for secret in [key.as_str(), admin.trim()] {
        let odd = [
            ("authorization", format!("Bearer '{secret}'")),
            ("authorization", format!("Bearer Bearer {secret}")),
            ("authorization", format!("token {secret}")),
            ("authorization", basic(format!(":{secret}"))),
            ("authorization", basic(format!("me:{secret}"))),
            ("x-api-key", format!("\"{secret}\"")),
            ("x-api-key", format!("sk-one, {secret}")),
            ("x-zos-key", format!("\"{secret}\"")),
            ("user-agent", format!("tool/1 {secret}")),
            ("openai-organization", secret.to_owned()),
            ("anthropic-beta", format!("a, {secret}")),
            ("accept", secret.to_owned()),
            ("cookie", format!("k={secret}")),
        ];
        for (name, value) in &odd {
            for path in ["/v1/chat/completions", "/v1/messages", "/v1/embeddings", "/mcp"] {
                let refused = with(&gateway, path, &[(name, value)]).await;
                assert_eq!(refused, (401, "zos_unauthorized".into()), "{path} {name}: {value}");
            }
        }
        let path = format!("/v1/chat/completions?key={secret}");
        assert_eq!(with(&gateway, &path, &[]).await, (401, "zos_unauthorized".into()));
    }
    for (name, value) in
        [("x-zos-key", admin.trim().to_owned()), ("authorization", format!("Bearer {}", admin.trim()))]
    {
        assert_eq!(with(&gateway, "/v1/messages", &[(name, &value)]).await.0, 401, "{name}");
    }
    assert!(provider.received().is_empty());
    let told = with(&gateway, "/v1/messages", &[("x-api-key", "zos_nothing")]).await;
    assert_eq!(told, (401, "zos_unauthorized".into()));
}

#[tokio::test]
async fn two_keys_of_two_rooms_are_refused_and_the_right_one_governs() {
    let provider = Provider::json("{}").await;
    let (gateway, strict, acme) = two_rooms(&provider).await;
    let bearer = format!("Bearer {acme}");
    for pair in [
        [("x-api-key", strict.as_str()), ("authorization", &bearer)],
        [("x-zos-key", &strict), ("x-api-key", &acme)],
    ] {
        assert_eq!(with(&gateway, "/v1/messages", &pair).await, (403, "zos_context_mismatch".into()));
    }
    let twice = format!("bearer\t{strict}");
    assert_eq!(
        with(&gateway, "/v1/messages", &[("x-api-key", &strict), ("authorization", &twice)]).await.0,
        200
    );
    let said = client()
        .post(format!("{}/v1/chat/completions", gateway.url))
        .header("authorization", twice)
        .body(r#"{"model":"m","messages":[{"role":"user","content":"about Project Marlin"}]}"#);
    assert_eq!(code(said.send().await.unwrap()).await, (403, "zos_firewall_request".into()));
}

#[tokio::test]
async fn what_other_sites_make_a_browser_ask_for_is_refused_and_bounded_in_the_log() {
    let provider = Provider::json("{}").await;
    let gateway = Scratch::new().provider(&provider).start().await;
    let get = |path: &str, site: &str| {
        client().get(format!("{}{path}", gateway.url)).header("sec-fetch-site", site.to_owned()).send()
    };
    for path in ["/v1/models", "/rooms/a/v1/models", "/nothing", "/metrics", "/healthz", "/zos/", "/"] {
        for site in ["cross-site", "same-site"] {
            assert_eq!(
                code(get(path, site).await.unwrap()).await,
                (403, "zos_origin_denied".into()),
                "{path}"
            );
        }
    }
    assert_eq!(get("/healthz", "none").await.unwrap().status(), 200);
    for _ in 0..100 {
        get("/v1/models", "cross-site").await.unwrap();
    }
    assert!(provider.received().is_empty());
    let records = gateway.records().len();
    assert!((4..50).contains(&records), "{records} records");
}

#[tokio::test]
async fn an_allowed_page_may_call_and_read_and_no_other() {
    const PAGE: &str = "app://notes.example";
    let provider = Provider::json("{}").await;
    let gateway = Scratch::new()
        .provider(&provider)
        .file("gateway/config.yml", &format!("auth: {{allowed_origins: [\"{PAGE}\"]}}\n"))
        .start()
        .await;
    let url = format!("{}/v1/chat/completions", gateway.url);
    let ask = |origin: &str| {
        client()
            .request(http::Method::OPTIONS, &url)
            .header("origin", origin.to_owned())
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,x-api-key")
            .send()
    };
    let granted = ask(PAGE).await.unwrap();
    assert_eq!(
        (granted.status().as_u16(), &granted.headers()["access-control-allow-origin"]),
        (204, &PAGE.parse().unwrap())
    );
    assert_eq!(granted.headers()["access-control-allow-headers"], "content-type,x-api-key");
    let foreign = ask("https://evil.example").await.unwrap();
    assert_eq!(foreign.status(), 403);
    let call = client().post(&url).header("origin", PAGE).header("sec-fetch-site", "cross-site").body(CALL);
    let answer = call.send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["access-control-allow-origin"]),
        (200, &PAGE.parse().unwrap())
    );
    let plain = client().post(&url).body(CALL).send().await.unwrap();
    for response in [&foreign, &plain] {
        assert!(!response.headers().contains_key("access-control-allow-origin"));
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        assert_eq!(response.headers()["cross-origin-resource-policy"], "same-origin");
    }
    assert_eq!(gateway.wait_records(3).await.len(), 3, "the question of a browser is no call");
}

#[tokio::test]
async fn slips_in_the_base_address_are_governed_or_told() {
    let provider = Provider::json("{}").await;
    let gateway = Scratch::new().acme("{}").provider(&provider).start().await;
    for path in
        ["/chat/completions", "/v1/v1/chat/completions", "//v1/chat/completions", "/rooms/acme/messages"]
    {
        let response = gateway.post(path, CALL).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["x-zos-context"]),
            (200, &"acme".parse().unwrap()),
            "{path}"
        );
    }
    for path in ["/openai/v1/chat/completions", "/v1/messages/", "/v1/files"] {
        let response = gateway.post(path, CALL).await;
        assert_eq!(response.status(), 404, "{path}");
        let answer: Value = response.json().await.unwrap();
        assert!(answer["error"]["hint"].as_str().unwrap().contains(&gateway.url), "{answer}");
    }
    let socket = client()
        .get(format!("{}/rooms/acme/v1/responses", gateway.url))
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .send()
        .await
        .unwrap();
    assert_eq!(socket.status(), 426);
}

#[tokio::test]
async fn the_other_loopback_address_of_the_port_is_held_or_told() {
    let gateway = Scratch::new().start().await;
    let Ok(_) = std::net::TcpListener::bind("[::1]:0") else { return };
    let health = client().get(format!("http://[::1]:{}/healthz", gateway.port)).send().await.unwrap();
    assert_eq!(health.status(), 200);

    let taken = std::net::TcpListener::bind("[::1]:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let scratch = tempfile::tempdir().unwrap();
    let house = zos_gateway::Gateway::open(zos_core::Home::resolve(Some(scratch.path())).unwrap()).unwrap();
    Server::bind(&house, Some(([127, 0, 0, 1], port).into())).await.unwrap();
    let notice = house.listening().notice.unwrap();
    assert!(notice.contains(&format!("[::1]:{port}")) && notice.contains("localhost"), "{notice}");
}

/// Needs root, to become somebody else; without it the tests of the caller's kinds have to do.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn another_user_of_the_machine_needs_a_key() {
    use std::os::unix::process::CommandExt;
    if rustix::process::geteuid().as_raw() != 0 {
        return;
    }
    let provider = Provider::json("{}").await;
    let gateway = Scratch::new().acme("{}").provider(&provider).start().await;
    let (_, made) = gateway.admin("POST", "/zos/v1/keys", Some(json!({"client": "guest"}))).await;
    let key = made["key"].as_str().unwrap().to_owned();
    let port = gateway.port;
    let call = move |header: String| {
        let script = format!(
            "exec 3<>/dev/tcp/127.0.0.1/{port}; printf 'POST /v1/messages HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n{header}Content-Length: {}\\r\\n\\r\\n%s' '{CALL}' >&3; cat <&3",
            CALL.len()
        );
        let mut command = std::process::Command::new("bash");
        command.args(["-c", &script]).uid(65534).gid(65534).current_dir("/");
        let output = command.output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let (refused, served) =
        tokio::task::spawn_blocking(move || (call(String::new()), call(format!("x-zos-key: {key}\\r\\n"))))
            .await
            .unwrap();
    assert!(refused.starts_with("HTTP/1.1 401") && refused.contains("another user"), "{refused}");
    assert!(served.starts_with("HTTP/1.1 200"), "{served}");
    assert_eq!(provider.received().len(), 1);
}
