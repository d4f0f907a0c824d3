//! No answer of any API or tool shows an item, a name or a count of another room's memory, and none depends
//! on it: with the other rooms' memories gone, every byte of every answer is the same, so there is nothing
//! that its time could tell either.

use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use zos_tests::gateway::{Gateway, Scratch, client};

/// Memories in force in each room; another one waits for review.
const FACTS: usize = 10;

/// What is asked of another room and what was never there: the same answer.
const NOWHERE: &str = "i999x0q";

/// Rooms whose every id, subject and word says whose it is: `i3x7q`, `s3x7q`, `w3x7q`, and `p3x0q` waits.
fn rooms(count: usize) -> Scratch {
    let mut scratch = Scratch::new();
    for room in 0..count {
        scratch = scratch.file(&format!("contexts/room-{room}.yml"), "isolation: hard\nattachments: deny\n");
        for fact in 0..FACTS {
            let text = format!(
                "---\nsubject: s{room}x{fact}q\ncreated: 2026-11-25T12:00:00Z\n---\n\nThe shared project uses w{room}x{fact}q as its code name.\n"
            );
            scratch = scratch.file(&format!("memory/room-{room}/2026/i{room}x{fact}q.md"), &text);
        }
        let waits = format!(
            "---\nstatus: proposed\nsource: {{type: model}}\ncreated: 2026-11-25T12:00:00Z\n---\n\nMaybe p{room}x0q is the shared project.\n"
        );
        scratch = scratch.file(&format!("memory/room-{room}/2026/i{room}x90q.md"), &waits);
    }
    scratch
}

/// The rooms that a text tells of, by their marks and names.
fn told_of(text: &str) -> BTreeSet<usize> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
    let mark = |word: &str| {
        let (room, fact) = word.strip_prefix(['i', 's', 'w', 'p'])?.strip_suffix('q')?.split_once('x')?;
        fact.parse::<usize>().ok()?;
        room.parse().ok()
    };
    let name = |word: &str| word.strip_prefix("room-")?.parse().ok();
    words.filter_map(|word| mark(word).or_else(|| name(word))).collect()
}

#[test]
fn marks_are_seen_wherever_they_stand() {
    let text = r#"{"uri":"zos://memory/room-3/i4x1q","text":"w51x2q, not w5xq"} /memories/p7x0q.md"#;
    assert_eq!(told_of(text), BTreeSet::from([3, 4, 7, 51]));
}

/// A program that has a key of one room and nothing else.
struct Bound<'a> {
    gateway: &'a Gateway,
    client: Client,
    room: usize,
    key: String,
}

impl<'a> Bound<'a> {
    async fn to(gateway: &'a Gateway, room: usize) -> Bound<'a> {
        let wanted = json!({"client": "editor", "context": format!("room-{room}")});
        let (status, made) = gateway.admin("POST", "/zos/v1/keys", Some(wanted)).await;
        assert_eq!(status, 201, "{made}");
        zos_gateway::install_tls();
        let client = Client::builder().no_proxy().build().unwrap();
        Bound { gateway, client, room, key: made["key"].as_str().unwrap().to_owned() }
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, String) {
        let mut request = self.client.request(method, format!("{}{path}", self.gateway.url));
        // The ids of two requests are told apart by nothing else.
        request = request.header("x-request-id", "same").bearer_auth(&self.key);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn mcp(&self, method: &str, params: Value) -> String {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.send(Method::POST, "/mcp", Some(&message)).await.1
    }

    async fn tool(&self, name: &str, arguments: Value) -> String {
        self.mcp("tools/call", json!({"name": name, "arguments": arguments})).await
    }

    /// Everything that this program can ask for, about another room as well; what a question says itself is
    /// not in its answer.
    async fn everything(&self, foreign: usize, fact: usize) -> Vec<(&'static str, String)> {
        let (id, word, name) =
            (format!("i{foreign}x{fact}q"), format!("w{foreign}x{fact}q"), format!("room-{foreign}"));
        let (own, query) = (self.room, json!({"query": format!("shared project code name {word}")}));
        let uri = |room: &str, id: &str| json!({"uri": format!("zos://memory/{room}/{id}")});
        let names_it = json!({"query": "shared", "context": name});
        vec![
            ("search", self.tool("memory_search", query.clone()).await),
            ("search for a subject", self.tool("memory_search", json!({"query": format!("s{foreign}x{fact}q")})).await),
            ("search in the other room", self.tool("memory_search", names_it).await),
            ("recall", self.mcp("prompts/get", json!({"name": "recall", "arguments": query})).await),
            ("history", self.tool("memory_history", json!({ "id": id })).await),
            ("history of what waits there", self.tool("memory_history", json!({"id": format!("i{foreign}x90q")})).await),
            ("history of nothing", self.tool("memory_history", json!({"id": NOWHERE})).await),
            ("read there", self.mcp("resources/read", uri(&name, &id)).await),
            ("read here", self.mcp("resources/read", uri(&format!("room-{own}"), &id)).await),
            ("read nothing", self.mcp("resources/read", uri(&format!("room-{own}"), NOWHERE)).await),
            ("read the canon there", self.mcp("resources/read", json!({"uri": format!("zos://canon/{name}")})).await),
            ("list", self.mcp("resources/list", json!({})).await),
            ("list further", self.mcp("resources/list", json!({"cursor": "10"})).await),
            ("templates", self.mcp("resources/templates/list", json!({})).await),
            ("prompts", self.mcp("prompts/list", json!({})).await),
            ("tools", self.mcp("tools/list", json!({})).await),
            ("complete", self.mcp("completion/complete", json!({
                "ref": {"type": "ref/resource", "uri": "zos://memory/{context}/{id}"}, "argument": {"name": "context", "value": "room-"},
            })).await),
            ("rooms", self.tool("context_list", json!({})).await),
            ("canon", self.tool("canon_get", json!({})).await),
            ("why", self.tool("canon_why", json!({ "text": word })).await),
            ("firewall", self.tool("check_outbound", json!({ "text": word })).await),
            ("target", self.tool("check_target", json!({"tool": "fetch", "arguments": {"url": "https://a.example"}})).await),
            ("route", self.tool("route_explain", json!({"model": "demo/echo"})).await),
            ("budget", self.tool("budget_status", json!({})).await),
            ("state", self.tool("attest_current", json!({})).await),
            ("no tool", self.tool("memory_forget", json!({ "id": id })).await),
            ("wrong argument", self.tool("memory_search", json!({"q": word})).await),
            ("path of the other room", self.send(Method::POST, &format!("/rooms/{name}/mcp"), Some(&json!({}))).await.1),
            ("models", self.send(Method::GET, "/v1/models", None).await.1),
            ("healthz", self.send(Method::GET, "/healthz", None).await.1),
            ("readyz", self.send(Method::GET, "/readyz", None).await.1),
        ]
    }
}

/// 50 rooms, 200 questions and more to each over MCP, by programs that are bound to one room each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_rooms_and_two_hundred_questions_show_nothing_of_each_other() {
    let gateway = rooms(50).start().await;
    let all = (0..50).map(async |room| {
        let bound = Bound::to(&gateway, room).await;
        let own = BTreeSet::from([room]);
        // 7 × 31 questions.
        for round in 0..7 {
            let foreign = (room + 1 + round * 7) % 50;
            for (what, answer) in bound.everything(foreign, round).await {
                assert!(told_of(&answer).is_subset(&own), "room {room}, {what}: {answer}");
                let total = |answer: &str| serde_json::from_str::<Value>(answer).unwrap()["result"].clone();
                match what {
                    "search" => assert_eq!(total(&answer)["structuredContent"]["total"], FACTS, "{answer}"),
                    "search for a subject" => {
                        assert_eq!(total(&answer)["structuredContent"]["total"], 0, "{answer}")
                    }
                    "list" => assert_eq!(total(&answer)["resources"].as_array().unwrap().len(), FACTS),
                    _ => {}
                }
            }
        }
    });
    futures::future::join_all(all).await;
}

/// What the owner asks of one room: every path of the admin API about memory, and Anthropic's memory tool.
async fn owner(gateway: &Gateway, room: usize, foreign: usize) -> Vec<(String, u16, String)> {
    let token = std::fs::read_to_string(gateway.path("gateway/admin.token")).unwrap();
    let client = client();
    let mut answers = Vec::new();
    let base = format!("/zos/v1/memory/room-{room}");
    let mut asks: Vec<(Method, String, Option<Value>)> = vec![
        (Method::GET, format!("/zos/v1/memory?context=room-{room}"), None),
        (Method::GET, format!("/zos/v1/memory?context=room-{room}&q=shared+w{foreign}x1q&limit=50"), None),
        (Method::GET, format!("/zos/v1/memory?context=room-{room}&q=s{foreign}x1q"), None),
        (Method::GET, format!("/zos/v1/memory/review?context=room-{room}"), None),
    ];
    for id in [&format!("i{foreign}x1q"), NOWHERE] {
        let path = format!("{base}/{id}");
        asks.push((Method::GET, path.clone(), None));
        asks.push((Method::POST, path.clone(), Some(json!({"decision": "accept"}))));
        asks.push((Method::DELETE, path.clone(), None));
        asks.push((Method::POST, format!("{path}/promote"), Some(json!({"to": format!("room-{room}")}))));
        for input in [
            json!({"command": "view", "path": format!("/memories/{id}.md")}),
            json!({"command": "str_replace", "path": format!("/memories/{id}.md"), "old_str": "shared", "new_str": "x"}),
            json!({"command": "insert", "path": format!("/memories/{id}.md"), "insert_line": 0, "insert_text": "x"}),
            json!({"command": "delete", "path": format!("/memories/{id}.md")}),
            json!({"command": "rename", "old_path": format!("/memories/{id}.md"), "new_path": "/memories/b.md"}),
        ] {
            asks.push((Method::POST, format!("{base}/tool"), Some(json!({ "input": input }))));
        }
    }
    for path in
        ["/memories".to_owned(), format!("/memories/../room-{foreign}"), format!("/memories/room-{foreign}")]
    {
        asks.push((
            Method::POST,
            format!("{base}/tool"),
            Some(json!({"input": {"command": "view", "path": path}})),
        ));
    }
    for (method, path, body) in asks {
        let mut request =
            client.request(method.clone(), format!("{}{path}", gateway.url)).bearer_auth(token.trim());
        if let Some(body) = &body {
            request = request.json(body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let command = body.map(|body| body.to_string()).unwrap_or_default();
        answers.push((format!("{method} {path} {command}"), status, response.text().await.unwrap()));
    }
    answers
}

#[tokio::test]
async fn the_owners_questions_about_one_room_are_answered_from_that_room_alone() {
    let gateway = rooms(8).start().await;
    for room in 0..8 {
        let foreign = (room + 3) % 8;
        let answers = owner(&gateway, room, foreign).await;
        for (what, status, answer) in &answers {
            // An address that a question named may be named back; nothing else of the other room.
            let named = [
                format!("i{foreign}x1q.md"),
                format!("{NOWHERE}.md"),
                format!("../room-{foreign}"),
                format!("room-{foreign}"),
            ];
            let plain = named
                .iter()
                .fold(answer.clone(), |text, path| text.replace(&format!("/memories/{path}"), ""));
            assert!(told_of(&plain).is_subset(&BTreeSet::from([room])), "{what}: {answer}");
            assert!([200, 201, 400, 404].contains(status), "{what}: {status} {answer}");
        }
        // An id of the other room, and one of nothing.
        let foreign = format!("i{foreign}x1q");
        let (theirs, nothing): (Vec<_>, Vec<_>) = (
            answers.iter().filter(|(what, ..)| what.contains(&foreign)).collect(),
            answers.iter().filter(|(what, ..)| what.contains(NOWHERE)).collect(),
        );
        let theirs: Vec<_> = theirs.into_iter().filter(|(what, ..)| !what.contains("&q=")).collect();
        assert_eq!((theirs.len(), nothing.len()), (9, 9));
        for (theirs, nothing) in theirs.iter().zip(nothing) {
            assert_eq!(
                (theirs.1, theirs.2.replace(&foreign, NOWHERE)),
                (nothing.1, nothing.2.clone()),
                "{}",
                theirs.0
            );
        }
        let everything: Value = serde_json::from_str(&answers[0].2).unwrap();
        assert_eq!(everything["total"], FACTS);
        let waits: Value = serde_json::from_str(&answers[3].2).unwrap();
        assert_eq!(waits["items"].as_array().unwrap().len(), 1, "{waits}");
    }
    // What the house says of itself tells of rooms, never of what they remember.
    let words = |text: &str| {
        text.split(|letter: char| !letter.is_ascii_alphanumeric())
            .filter(|word| told_of(word).len() == 1)
            .count()
    };
    for path in [
        "/zos/v1/status",
        "/zos/v1/contexts",
        "/zos/v1/budgets",
        "/zos/v1/audit",
        "/zos/v1/approvals",
        "/zos/v1/usage",
    ] {
        let (status, answer) = gateway.admin("GET", path, None).await;
        assert_eq!((status, words(&answer.to_string())), (200, 0), "{path}: {answer}");
    }
    let metrics =
        client().get(format!("{}/metrics", gateway.url)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("zos_calls_total") && told_of(&metrics).is_empty(), "{metrics}");
}

#[tokio::test]
async fn a_key_of_a_room_opens_nothing_of_the_owners_and_every_refusal_is_the_same() {
    let gateway = rooms(3).start().await;
    let bound = Bound::to(&gateway, 0).await;
    let mut refusals = BTreeSet::new();
    for path in [
        "/zos/v1/memory?context=room-0",
        "/zos/v1/memory?context=room-1",
        "/zos/v1/memory?context=nowhere",
        "/zos/v1/memory/review?context=room-1",
        "/zos/v1/memory/room-1/i1x1q",
        "/zos/v1/memory/room-1/i999x0q",
        "/zos/v1/status",
        "/zos/v1/events",
        "/zos/v1/audit",
        "/zos/v1/contexts",
        "/zos/v1/contexts/room-1",
        "/zos/v1/canon?context=room-1",
        "/zos/v1/budgets",
        "/zos/v1/usage",
        "/zos/v1/approvals",
        "/zos/v1/keys",
        "/zos/v1/providers",
    ] {
        let (status, answer) = bound.send(Method::GET, path, None).await;
        assert_eq!(status, 401, "{path}: {answer}");
        assert_eq!(told_of(&answer), BTreeSet::new(), "{path}: {answer}");
        refusals.insert(answer);
    }
    for path in [
        "/zos/v1/mcp/room-1",
        "/zos/v1/mcp/nowhere",
        "/zos/v1/memory/room-1/tool",
        "/zos/v1/memory/nowhere/tool",
    ] {
        let (status, answer) = bound
            .send(Method::POST, path, Some(&json!({"input": {"command": "view", "path": "/memories"}})))
            .await;
        assert_eq!(status, 401, "{path}: {answer}");
        refusals.insert(answer);
    }
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    // Another room by name, and one that is not there, through every way to name one.
    let named = async |room: &str| {
        let call =
            json!({"model": "demo/echo", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]});
        let by_path = bound.send(Method::POST, &format!("/rooms/{room}/v1/messages"), Some(&call)).await;
        let request = bound.client.post(format!("{}/v1/messages", gateway.url)).json(&call);
        let request =
            request.header("x-request-id", "same").header("x-zos-context", room).bearer_auth(&bound.key);
        let response = request.send().await.unwrap();
        (by_path, response.status().as_u16(), response.text().await.unwrap())
    };
    let there = named("room-1").await;
    assert_eq!((there.0.0, there.1), (403, 403), "{there:?}");
    assert_eq!(there, named("nowhere").await);
}

/// With the other rooms' memories gone, and files where their folders were, every answer is byte for byte
/// what it was: none is read, opened or waited for.
#[tokio::test]
async fn no_answer_depends_on_the_memory_of_another_room() {
    let transcript = async |gateway: &Gateway| {
        let bound = Bound::to(gateway, 0).await;
        let mut answers: Vec<(String, String)> = Vec::new();
        for foreign in 1..6 {
            let everything = bound.everything(foreign, foreign).await;
            answers.extend(everything.into_iter().map(|(what, answer)| (what.to_owned(), answer)));
            answers.extend(
                owner(gateway, 0, foreign)
                    .await
                    .into_iter()
                    .map(|(what, status, answer)| (what, format!("{status} {answer}"))),
            );
        }
        answers
    };
    let gateway = rooms(6).start().await;
    let before = transcript(&gateway).await;
    let home = gateway.stop(std::time::Duration::from_secs(5)).await;
    for room in 1..6 {
        let folder = home.path().join(format!("memory/room-{room}"));
        std::fs::remove_dir_all(&folder).unwrap();
        std::fs::write(&folder, "no folder").unwrap();
    }
    let gateway = Scratch::of(home).start().await;
    let after = transcript(&gateway).await;
    assert_eq!(before.len(), after.len());
    for ((what, before), (_, after)) in before.iter().zip(&after) {
        assert_eq!(before, after, "{what}");
    }
}
