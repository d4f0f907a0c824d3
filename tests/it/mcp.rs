//! MCP over HTTP: what a room offers, what never leaves it, and the record of every message.

use serde_json::{Value, json};
use zos_tests::gateway::{Gateway, Scratch, client};

const CANON: &str = "---\nlevel: owner\n---\n## Tone\nBe brief.\n";

/// `acme` denies Falcon, redacts Osprey and has a canon; `globex` is another room.
async fn house() -> Gateway {
    let gateway = Scratch::new()
        .acme(
            "outbound_deny:\n  - Falcon\n  - {term: Osprey, action: redact}\nbudget: {daily_tokens: 1000}\n",
        )
        .file("contexts/globex.yml", "isolation: open\n")
        .file("manifest.json", "[\"brain/a.md\"]")
        .file("brain/a.md", CANON)
        .start()
        .await;
    for (room, text, subject) in [
        ("acme", "Ann prefers tea in the morning.", "Ann"),
        ("acme", "The tea codename is Falcon.", "codename"),
        ("acme", "The tea supplier is Osprey Limited.", "supplier"),
        ("globex", "Globex drinks only green tea.", "drinks"),
    ] {
        let body = json!({"context": room, "text": text, "subject": subject});
        let (status, answer) = gateway.admin("POST", "/zos/v1/memory", Some(body)).await;
        assert_eq!(status, 201, "{answer}");
    }
    gateway
}

async fn ask(gateway: &Gateway, path: &str, method: &str, params: Value) -> Value {
    let message = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
    let response = gateway.post(path, message.to_string()).await;
    assert_eq!(response.status(), 200, "{method}");
    let answer: Value = response.json().await.unwrap();
    assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(7)));
    answer
}

async fn call(gateway: &Gateway, path: &str, tool: &str, arguments: Value) -> Value {
    let answer = ask(gateway, path, "tools/call", json!({"name": tool, "arguments": arguments})).await;
    let result = &answer["result"];
    // What clients read that know no structured content is the same.
    let text: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(text, result["structuredContent"]);
    let mut data = text;
    data["isError"] = result["isError"].clone();
    data
}

#[tokio::test]
async fn a_client_finds_tools_resources_and_prompts() {
    let gateway = house().await;
    let begun = ask(&gateway, "/mcp", "initialize", json!({"protocolVersion": "2025-06-18"})).await;
    assert_eq!(begun["result"]["protocolVersion"], "2025-06-18");
    let begun = ask(&gateway, "/mcp", "initialize", json!({"protocolVersion": "1999-01-01"})).await;
    assert_eq!(begun["result"]["protocolVersion"], "2025-11-25");
    let tools = ask(&gateway, "/mcp", "tools/list", json!({})).await;
    let names: Vec<&str> = tools["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "canon_get",
            "canon_why",
            "memory_search",
            "memory_propose",
            "memory_history",
            "context_list",
            "check_outbound",
            "check_target",
            "route_explain",
            "budget_status",
            "attest_current"
        ]
    );
    let resources = ask(&gateway, "/mcp", "resources/list", json!({})).await;
    let resources = resources["result"]["resources"].as_array().unwrap().clone();
    assert_eq!((resources.len(), &resources[0]["uri"]), (4, &json!("zos://canon/acme")));
    let canon = ask(&gateway, "/mcp", "resources/read", json!({"uri": "zos://canon/acme"})).await;
    assert_eq!(canon["result"]["contents"][0]["text"], "## Tone\nBe brief.\n");
    let prompt = json!({"name": "recall", "arguments": {"query": "Ann"}});
    let prompt = ask(&gateway, "/mcp", "prompts/get", prompt).await;
    let text = prompt["result"]["messages"][0]["content"]["text"].as_str().unwrap();
    assert!(text.contains("Ann prefers tea") && text.contains("not an instruction"), "{text}");
}

const NEWEST: &str = "2026-07-28";

/// The parameters of a request that stands alone.
fn standing_alone(mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": NEWEST, "io.modelcontextprotocol/clientCapabilities": {},
    });
    params
}

/// Sends a request with these headers; the status and the answer.
async fn send(gateway: &Gateway, headers: &[(&str, &str)], method: &str, params: Value) -> (u16, Value) {
    let message = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
    let request =
        headers.iter().fold(client().post(format!("{}/mcp", gateway.url)), |request, (name, value)| {
            request.header(*name, *value)
        });
    let response = request.json(&message).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn messages_of_the_version_that_stands_alone_are_answered_in_kind() {
    let gateway = house().await;
    for (method, name, params) in [
        ("server/discover", None, json!({})),
        ("tools/list", None, json!({})),
        ("resources/list", None, json!({})),
        ("tools/call", Some("context_list"), json!({"name": "context_list"})),
        ("resources/read", Some("zos://canon/acme"), json!({"uri": "zos://canon/acme"})),
        ("prompts/get", Some("=?base64?Y2Fub24=?="), json!({"name": "canon"})),
    ] {
        let headers = [("mcp-protocol-version", NEWEST), ("mcp-method", method)];
        let headers: Vec<_> = headers.into_iter().chain(name.map(|name| ("mcp-name", name))).collect();
        let (status, answer) = send(&gateway, &headers, method, standing_alone(params)).await;
        assert_eq!((status, &answer["id"]), (200, &json!(7)), "{answer}");
        assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
        assert_eq!(
            answer["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "zos",
            "{answer}"
        );
        let is_kept = !matches!(method, "tools/call" | "prompts/get");
        assert_eq!(answer["result"]["cacheScope"] == "private", is_kept, "{answer}");
    }
}

#[tokio::test]
async fn a_message_that_stands_alone_is_held_to_every_rule_of_its_version() {
    let gateway = house().await;
    let version = ("mcp-protocol-version", NEWEST);
    let list = ("mcp-method", "tools/list");
    let meta = |version: &str| {
        json!({"_meta": {
            "io.modelcontextprotocol/protocolVersion": version, "io.modelcontextprotocol/clientCapabilities": {},
        }})
    };
    let bare = json!({"_meta": {"io.modelcontextprotocol/protocolVersion": NEWEST}});
    let call = standing_alone(json!({"name": "context_list"}));
    let read = standing_alone(json!({"uri": "zos://memory/acme/none"}));
    let subscribe = ("mcp-method", "resources/subscribe");
    for (headers, method, params, expected) in [
        (vec![version, list], "tools/list", json!({}), (400, -32602)),
        (vec![version, list], "tools/list", bare, (400, -32602)),
        (vec![list], "tools/list", standing_alone(json!({})), (400, -32020)),
        (vec![version], "tools/list", standing_alone(json!({})), (400, -32020)),
        (vec![version, ("mcp-method", "ping")], "tools/list", standing_alone(json!({})), (400, -32020)),
        (vec![("mcp-protocol-version", "2025-11-25"), list], "tools/list", meta(NEWEST), (400, -32020)),
        (vec![version, ("mcp-method", "tools/call")], "tools/call", call.clone(), (400, -32020)),
        (
            vec![version, ("mcp-method", "tools/call"), ("mcp-name", "canon_get")],
            "tools/call",
            call,
            (400, -32020),
        ),
        (vec![("mcp-protocol-version", "2031-01-01"), list], "tools/list", meta("2031-01-01"), (400, -32022)),
        (vec![version, subscribe], "resources/subscribe", standing_alone(json!({})), (404, -32601)),
        (vec![version, ("mcp-method", "ping")], "ping", standing_alone(json!({})), (404, -32601)),
        (
            vec![version, ("mcp-method", "initialize")],
            "initialize",
            standing_alone(json!({"protocolVersion": NEWEST})),
            (404, -32601),
        ),
        // The older era's code for it is forbidden here.
        (
            vec![version, ("mcp-method", "resources/read"), ("mcp-name", "zos://memory/acme/none")],
            "resources/read",
            read,
            (200, -32602),
        ),
    ] {
        let (status, answer) = send(&gateway, &headers, method, params.clone()).await;
        let code = answer["error"]["code"].as_i64().unwrap_or(0);
        assert_eq!((status, code), expected, "{headers:?} {method} {params}: {answer}");
        assert_eq!(answer["id"], 7, "{answer}");
        if code == -32022 {
            assert_eq!(answer["error"]["data"]["supported"][0], NEWEST, "{answer}");
            assert_eq!(answer["error"]["data"]["requested"], "2031-01-01");
        }
    }
    let records = gateway.wait_records(13).await;
    assert!(
        records.iter().all(|record| record["face"] == "mcp" && record["code"].is_string()),
        "{records:#?}"
    );
    // The owner's own transport carries standard input, which has no headers.
    let message = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": meta(NEWEST)});
    let (status, answer) = gateway.admin("POST", "/zos/v1/mcp/acme", Some(message)).await;
    assert_eq!((status, &answer["result"]["resultType"]), (200, &json!("complete")));
    let message = json!({"jsonrpc": "2.0", "id": 7, "method": "ping", "params": meta(NEWEST)});
    let (status, answer) = gateway.admin("POST", "/zos/v1/mcp/acme", Some(message)).await;
    assert_eq!((status, &answer["error"]["code"]), (200, &json!(-32601)));
}

#[tokio::test]
async fn every_tool_answers_for_its_room() {
    let gateway = house().await;
    let canon = call(&gateway, "/mcp", "canon_get", json!({})).await;
    assert_eq!(canon["text"], "## Tone\nBe brief.\n");
    let why = call(&gateway, "/mcp", "canon_why", json!({"text": "brief"})).await;
    assert_eq!(
        (&why["matches"][0]["file"], &why["matches"][0]["file_line"]),
        (&json!("brain/a.md"), &json!(5))
    );
    let found = call(&gateway, "/mcp", "memory_search", json!({"query": "Ann prefers"})).await;
    assert_eq!(
        (&found["items"][0]["text"], &found["items"][0]["source"]["type"]),
        (&json!("Ann prefers tea in the morning."), &json!("user"))
    );
    let id = found["items"][0]["id"].clone();
    // By its address a model call is known to have read this room's memory.
    let address = format!("zos://memory/acme/{}", id.as_str().unwrap());
    assert_eq!(found["items"][0]["uri"], address.as_str());
    let history = call(&gateway, "/mcp", "memory_history", json!({"id": id})).await;
    assert_eq!(history["uri"], address.as_str());
    assert_eq!((&history["status"], &history["changed"]), (&json!("active"), &json!([])));
    let checked = call(&gateway, "/mcp", "check_outbound", json!({"text": "about Falcon"})).await;
    assert_eq!(
        (&checked["verdict"], &checked["violations"][0]["start"]),
        (&json!("deny"), &json!(6)),
        "{checked}"
    );
    let fine = call(&gateway, "/mcp", "check_outbound", json!({"text": "about tea"})).await;
    assert_eq!(fine["verdict"], "allow");
    gateway.write("contexts/globex.yml", "targets:\n  default: deny\n  allow: [\"*.example.com\"]\n");
    let points = |url: &str| json!({"tool": "fetch", "arguments": {"url": url}});
    let mut verdicts = Vec::new();
    for _ in 0..100 {
        verdicts.clear();
        for url in ["https://api.example.com/x", "https://evil.example/x"] {
            let checked = call(&gateway, "/rooms/globex/mcp", "check_target", points(url)).await;
            verdicts.push(checked["verdict"].as_str().unwrap().to_owned());
        }
        if verdicts == ["allow", "deny"] {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(verdicts, ["allow", "deny"]);
    let route = call(&gateway, "/mcp", "route_explain", json!({"model": "demo/echo"})).await;
    assert_eq!(
        (&route["chosen"]["provider"], &route["chosen"]["key"]),
        (&json!("demo"), &json!("none")),
        "{route}"
    );
    // Each API has its own provider for what no rule names, and a key is looked for.
    for (api, provider) in [("openai", "openai"), ("anthropic", "anthropic")] {
        let asked = json!({"model": "some-model", "api": api});
        let route = call(&gateway, "/mcp", "route_explain", asked).await;
        assert_eq!((&route["api"], &route["chosen"]["provider"]), (&json!(api), &json!(provider)), "{route}");
        assert!(route["chosen"]["key"].is_string() && !route.to_string().contains("keychain:"), "{route}");
    }
    let wrong = call(&gateway, "/mcp", "route_explain", json!({"model": "m", "api": "gopher"})).await;
    assert_eq!(wrong["error"]["code"], "zos_invalid_request");
    let budget = call(&gateway, "/mcp", "budget_status", json!({})).await;
    assert_eq!((&budget["limit"], &budget["used"]), (&json!(1000), &json!(0)));
    let state = call(&gateway, "/mcp", "attest_current", json!({})).await;
    assert_eq!(state["state_id"].as_str().unwrap().len(), 64);
    let path = format!("attest/{}.json", state["state_id"].as_str().unwrap());
    assert!(gateway.path(&path).exists(), "the state is signed for before it is told");
}

#[tokio::test]
async fn what_a_model_proposes_waits_for_the_owner() {
    let gateway = house().await;
    let wanted = json!({"text": "Ann drinks only coffee.", "subject": "Ann"});
    let proposed = call(&gateway, "/mcp", "memory_propose", wanted).await;
    assert_eq!(proposed["status"], "proposed");
    let found = call(&gateway, "/mcp", "memory_search", json!({"query": "Ann coffee"})).await;
    assert!(!found.to_string().contains("coffee"), "{found}");
    // By its own id it is told that it waits, not what it says.
    let waiting = call(&gateway, "/mcp", "memory_history", json!({"id": proposed["id"]})).await;
    assert_eq!(waiting, json!({"id": proposed["id"], "status": "proposed", "isError": false}));
    let uri = format!("zos://memory/acme/{}", proposed["id"].as_str().unwrap());
    let read = ask(&gateway, "/mcp", "resources/read", json!({"uri": uri})).await;
    assert_eq!(read["error"]["code"], -32002);
    let (_, review) = gateway.admin("GET", "/zos/v1/memory/review?context=acme", None).await;
    assert_eq!(review["items"][0]["source"]["type"], "model");
    let (status, _) = gateway
        .admin(
            "POST",
            &format!("/zos/v1/memory/acme/{}", proposed["id"].as_str().unwrap()),
            Some(json!({"decision": "accept"})),
        )
        .await;
    assert_eq!(status, 200);
    let found = call(&gateway, "/mcp", "memory_search", json!({"query": "Ann coffee"})).await;
    assert!(found["items"][0]["text"].as_str().unwrap().contains("coffee"));
}

#[tokio::test]
async fn what_the_firewall_denies_is_withheld_and_said_so() {
    let gateway = house().await;
    let found = call(&gateway, "/mcp", "memory_search", json!({"query": "tea codename supplier"})).await;
    let all = found.to_string();
    assert!(!all.contains("Falcon") && !all.contains("Osprey"), "{all}");
    assert!(
        all.contains("[withheld: rule ")
            && all.contains("The tea supplier is [redacted: rule deny/2] Limited."),
        "{all}"
    );
    let record = gateway.wait_records(1).await.remove(0);
    assert_eq!((&record["verdict"], &record["face"]), (&json!("redact"), &json!("mcp")));
    assert_eq!(record["rules"].as_array().unwrap().len(), 2, "{record}");
    assert!(!record.to_string().contains("Falcon"));
    for uri in resources(&gateway).await {
        let read = ask(&gateway, "/mcp", "resources/read", json!({"uri": uri})).await.to_string();
        assert!(!read.contains("Falcon") && !read.contains("Osprey"), "{read}");
    }
    let prompt = json!({"name": "recall", "arguments": {"query": "tea codename supplier"}});
    let prompt = ask(&gateway, "/mcp", "prompts/get", prompt).await.to_string();
    assert!(!prompt.contains("Falcon") && prompt.contains("[withheld: rule "), "{prompt}");
}

#[tokio::test]
async fn the_name_of_a_note_does_not_say_what_its_room_denies() {
    let gateway = Scratch::new()
        .acme("outbound_deny: [Silver Otter]\n")
        .file("memory/acme/silver-otter.md", "Tea is at five.\n")
        .file("memory/acme/plain.md", "Tea is at four.\n")
        .start()
        .await;
    let listed = resources(&gateway).await;
    assert_eq!(listed, ["zos://memory/acme/plain"]);
    let found = call(&gateway, "/mcp", "memory_search", json!({"query": "tea"})).await;
    assert_eq!(found["total"], 2, "{found}");
    let all = found.to_string();
    assert!(!all.contains("otter") && all.contains("[withheld: rule ") && all.contains("at five"), "{all}");
    let addresses: Vec<_> =
        found["items"].as_array().unwrap().iter().map(|item| item["uri"].as_str()).collect();
    assert!(addresses.contains(&None) && addresses.contains(&Some("zos://memory/acme/plain")), "{all}");
    let records = gateway.wait_records(2).await;
    assert!(records.iter().all(|record| record["verdict"] == "redact"), "{records:#?}");
}

#[tokio::test]
async fn names_of_notes_do_not_say_in_a_row_what_is_denied() {
    let gateway = Scratch::new().acme("outbound_deny: [Silver Otter]\n").start().await;
    for (text, subject) in [("One.", "the Silver"), ("Two.", "Otter plan")] {
        let body = json!({"context": "acme", "text": text, "subject": subject});
        assert_eq!(gateway.admin("POST", "/zos/v1/memory", Some(body)).await.0, 201);
    }
    let list = ask(&gateway, "/mcp", "resources/list", json!({})).await;
    assert_eq!(list["error"]["code"], -32603, "{list}");
}

#[tokio::test]
async fn a_canon_that_says_what_is_denied_does_not_leave_either() {
    let gateway = Scratch::new()
        .acme("outbound_deny: [Falcon]\n")
        .file("manifest.json", "[\"brain/a.md\"]")
        .file("brain/a.md", "---\nlevel: owner\n---\n## Tone\nBe brief about Falcon.\n")
        .start()
        .await;
    let canon = call(&gateway, "/mcp", "canon_get", json!({})).await;
    assert_eq!((&canon["state"], &canon["text"]), (&json!("broken"), &Value::Null), "{canon}");
    assert_eq!(resources(&gateway).await, Vec::<String>::new());
    let read = ask(&gateway, "/mcp", "resources/read", json!({"uri": "zos://canon/acme"})).await;
    assert_eq!(read["error"]["code"], -32002);
    let prompt = ask(&gateway, "/mcp", "prompts/get", json!({"name": "canon"})).await;
    assert!(!prompt.to_string().contains("Falcon"));
}

async fn resources(gateway: &Gateway) -> Vec<String> {
    let list = ask(gateway, "/mcp", "resources/list", json!({})).await;
    let list = list["result"]["resources"].as_array().unwrap();
    list.iter().map(|resource| resource["uri"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn no_other_room_is_reached_by_any_name() {
    let gateway = house().await;
    let globex = call(&gateway, "/rooms/globex/mcp", "memory_search", json!({"query": "tea"})).await;
    let id = globex["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(globex["total"], 1);
    // Another room's id and one that never was: the same answer, byte for byte.
    let unknown = format!("{}zz", &id[..id.len() - 2]);
    let history = |id: String| call(&gateway, "/rooms/acme/mcp", "memory_history", json!({ "id": id }));
    assert_eq!(history(id.clone()).await, history(unknown.clone()).await);
    for uri in [
        format!("zos://memory/globex/{id}"),
        format!("zos://memory/acme/{id}"),
        format!("zos://memory/acme/{unknown}"),
        "zos://memory/nowhere/x".to_owned(),
        "zos://memory/acme/../globex/x".to_owned(),
        "zos://canon/globex".to_owned(),
        "file:///etc/passwd".to_owned(),
    ] {
        let answer = ask(&gateway, "/rooms/acme/mcp", "resources/read", json!({ "uri": uri })).await;
        assert_eq!(
            answer["error"],
            json!({"code": -32002, "message": "This room has no such resource."}),
            "{uri}"
        );
    }
    for room in [json!("globex"), json!("nowhere"), json!(["globex"])] {
        let named = json!({"query": "tea", "context": room});
        let refused = call(&gateway, "/rooms/acme/mcp", "memory_search", named).await;
        assert_eq!(refused["error"]["code"], "zos_context_mismatch");
    }
    let own =
        call(&gateway, "/rooms/acme/mcp", "memory_search", json!({"query": "green", "context": "acme"}))
            .await;
    assert!(own["isError"] == false && !own.to_string().contains("Globex"), "{own}");
    // Whoever is bound learns of no other room; whoever is not may choose one.
    let bound = call(&gateway, "/rooms/acme/mcp", "context_list", json!({})).await;
    assert!(!bound.to_string().contains("globex"), "{bound}");
    let free = call(&gateway, "/mcp", "context_list", json!({})).await;
    assert_eq!(free["contexts"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_key_binds_to_its_room_and_strangers_are_refused() {
    let gateway = house().await;
    let (status, key) =
        gateway.admin("POST", "/zos/v1/keys", Some(json!({"client": "editor", "context": "globex"}))).await;
    assert_eq!(status, 201, "{key}");
    let key = key["key"].as_str().unwrap().to_owned();
    let message =
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "context_list"}});
    let send = |path: &str, name: &'static str, value: String| {
        let request = client().post(format!("{}{path}", gateway.url)).header(name, value);
        request.json(&message).send()
    };
    let answer = send("/mcp", "x-zos-key", key.clone()).await.unwrap();
    assert_eq!(answer.headers()["x-zos-context"], "globex");
    let text = answer.text().await.unwrap();
    assert!(text.contains("globex") && !text.contains("acme"), "{text}");
    assert_eq!(send("/rooms/acme/mcp", "x-zos-key", key).await.unwrap().status(), 403);
    assert_eq!(send("/mcp", "x-zos-key", "zos_wrong".to_owned()).await.unwrap().status(), 401);
    assert_eq!(send("/mcp", "origin", "https://evil.example".to_owned()).await.unwrap().status(), 403);
    assert_eq!(send("/mcp", "host", "evil.example".to_owned()).await.unwrap().status(), 403);
    assert_eq!(send("/mcp", "mcp-protocol-version", "1".to_owned()).await.unwrap().status(), 400);
    assert_eq!(send("/rooms/nowhere/mcp", "x-other", String::new()).await.unwrap().status(), 404);
    // The owner's own transport asks for the admin token.
    let owner = client().post(format!("{}/zos/v1/mcp/acme", gateway.url)).json(&message);
    assert_eq!(owner.send().await.unwrap().status(), 401);
    let (status, answer) = gateway.admin("POST", "/zos/v1/mcp/acme", Some(message.clone())).await;
    assert_eq!((status, &answer["result"]["isError"]), (200, &json!(false)));
    let records = gateway.wait_records(8).await;
    assert_eq!(records[0]["client"], "editor");
    assert!(records.iter().all(|record| record["face"] == "mcp"), "{records:#?}");
}

#[tokio::test]
async fn every_message_leaves_one_record_without_its_text() {
    let gateway = house().await;
    let secret = "zanzibar";
    call(&gateway, "/mcp", "memory_search", json!({"query": secret})).await;
    let unknown = ask(&gateway, "/mcp", "tools/call", json!({"name": secret})).await;
    assert_eq!(unknown["error"]["code"], -32602);
    let silent = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let silent = gateway.post("/mcp", silent).await;
    assert_eq!((silent.status().as_u16(), silent.text().await.unwrap()), (202, String::new()));
    let broken = gateway.post("/mcp", "{zanzibar").await;
    assert_eq!(broken.json::<Value>().await.unwrap()["error"]["code"], -32700);
    ask(&gateway, "/mcp", secret, json!({})).await;
    for method in ["GET", "DELETE"] {
        let request = client().request(method.parse().unwrap(), format!("{}/mcp", gateway.url));
        let refused = request.send().await.unwrap();
        assert_eq!((refused.status().as_u16(), &refused.headers()["allow"]), (405, &"POST".parse().unwrap()));
    }
    let records = gateway.wait_records(7).await;
    let details: Vec<&str> = records.iter().map(|record| record["detail"].as_str().unwrap_or("")).collect();
    assert_eq!(details, ["tools/call memory_search", "", "", "", "", "", ""]);
    for record in &records {
        assert_eq!((&record["face"], &record["kind"]), (&json!("mcp"), &json!("call")));
        assert!(!record.to_string().contains(secret), "{record}");
    }
    assert_eq!(records[0]["context"], "acme");
    assert_eq!(records[0]["state_id"].as_str().unwrap().len(), 64);
}
