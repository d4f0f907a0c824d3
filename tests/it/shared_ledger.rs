//! Several gateways on one PostgreSQL, and a PostgreSQL that goes away. Needs a server (`scripts/with-postgres`).

use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use zos_meter::tokens::Vocabulary;
use zos_tests::Provider;
use zos_tests::gateway::{Gateway, Scratch, client};
use zos_tests::provider::{self, Step};

/// In a child, the port of the provider that its gateway asks.
const PART: &str = "ZOS_TESTS_GATEWAY_PART";

fn psql(server: &str, statement: &str) {
    let status = Command::new("psql").args(["-q", "-v", "ON_ERROR_STOP=1", "-c", statement, server]).status();
    assert!(status.unwrap().success(), "{statement}");
}

/// The address of a schema of its own on the server of `scripts/with-postgres`; `None` where there is none.
fn address(schema: &str) -> Option<String> {
    let Ok(server) = std::env::var("ZOS_METER_POSTGRES") else {
        eprintln!("skipped: no PostgreSQL in ZOS_METER_POSTGRES; use scripts/with-postgres");
        return None;
    };
    psql(&server, &format!("CREATE SCHEMA {schema}"));
    Some(format!("{server}&options=-c%20search_path%3D{schema}"))
}

fn answer(input: u64, output: u64) -> String {
    json!({"choices": [], "usage": {"prompt_tokens": input, "completion_tokens": output}}).to_string()
}

fn config(address: &str) -> String {
    format!("ledger: {{url: \"{address}\"}}\n")
}

fn fleet(port: u16) -> String {
    format!(
        "version: 1\nproviders:\n  openai: {{api: openai, base_url: \"http://127.0.0.1:{port}/v1\", key: none}}\n"
    )
}

const ROOM: &str = "budget: {daily_tokens: 1000}\n";

/// In a child, a gateway with a home of its own that finds the ledger in `ZOS_LEDGER_URL`. Without a parent there is
/// nothing to do.
#[tokio::test(flavor = "multi_thread")]
async fn a_child_is_a_gateway() {
    let Ok(port) = std::env::var(PART) else { return };
    Vocabulary::O200k.tokenizer();
    let fleet = fleet(port.parse().unwrap());
    let gateway = Scratch::new().acme(ROOM).file("routing/fleet.yml", &fleet).start().await;
    println!("\ngateway {}", gateway.url);
    tokio::task::spawn_blocking(|| std::io::stdin().lines().next()).await.unwrap();
    gateway.stop(Duration::from_secs(5)).await;
}

/// A gateway in a process of its own.
struct Neighbour {
    child: Child,
    url: String,
}

impl Neighbour {
    fn start(provider: &Provider, ledger: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "shared_ledger::a_child_is_a_gateway"])
            .env(PART, provider.port.to_string())
            .env("ZOS_LEDGER_URL", ledger)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines.find_map(|line| line.unwrap().strip_prefix("gateway ").map(str::to_owned)).unwrap();
        Self { child, url }
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn chat(url: &str) -> u16 {
    let body = json!({"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]});
    let request =
        client().post(format!("{url}/v1/chat/completions")).header("content-type", "application/json");
    request.body(body.to_string()).send().await.unwrap().status().as_u16()
}

async fn budget(gateway: &Gateway, context: &str) -> Value {
    let (_, answer) = gateway.admin("GET", "/zos/v1/budgets", None).await;
    let budgets = answer["budgets"].as_array().unwrap().clone();
    budgets.into_iter().find(|budget| budget["context"] == context).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_with_one_ledger_are_granted_exactly_what_fits() {
    let Some(address) = address("house_race") else { return };
    Vocabulary::O200k.tokenizer();
    let provider = Provider::json(&answer(1, 1)).await;
    let own = Scratch::new().acme(ROOM).file("gateway/config.yml", &config(&address));
    let gateway = own.file("routing/fleet.yml", &fleet(provider.port)).start().await;
    let neighbour = Neighbour::start(&provider, &address);
    // The first tells what one call holds; from then on each costs exactly that.
    assert_eq!(gateway.chat("hi").await.status(), 200);
    let held = gateway.wait_records(1).await[0]["reserved"].as_u64().unwrap();
    provider.play(provider::json(200, &answer(held - 10, 10)));
    // In the race either may take all that is left.
    assert_eq!(chat(&neighbour.url).await, 200);
    let urls = [&gateway.url, &neighbour.url];
    let statuses = futures::future::join_all((0..120).map(|number| chat(urls[number % 2]))).await;
    assert!(statuses.iter().all(|status| matches!(status, 200 | 429)), "{statuses:?}");
    let granted = 1 + statuses.iter().filter(|status| **status == 200).count() as u64;
    assert_eq!(granted, (1000 - 2) / held, "{held} a call");
    let budget = budget(&gateway, "acme").await;
    assert_eq!((&budget["used"], &budget["reserved"]), (&json!(2 + granted * held), &json!(0)));
    assert_eq!(budget["remaining"], json!(1000 - 2 - granted * held));
    let (_, usage) = gateway.admin("GET", "/zos/v1/usage", None).await;
    assert_eq!(usage["rows"][0]["calls"], json!(granted + 1), "the neighbour's calls stand there too");
    assert!(gateway.path("gateway/usage.db").is_file(), "the home is locked all the same");
}

/// A server of its own, which can be killed without harm to another test.
struct Server {
    child: Child,
    address: String,
    control: String,
}

impl Server {
    fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/with-postgres");
        let mut child = Command::new(script)
            .args(["sh", "-c", "echo \"$ZOS_METER_POSTGRES\"; echo \"$ZOS_POSTGRES_CONTROL\"; cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut next = || lines.next().unwrap().unwrap();
        let (address, control) = (next(), next());
        Self { child, address, control }
    }

    fn control(&self, what: &str) {
        assert!(Command::new(&self.control).arg(what).status().unwrap().success(), "{what}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

async fn wait_for_health(gateway: &Gateway, ok: bool) -> String {
    for _ in 0..600 {
        let (_, status) = gateway.admin("GET", "/zos/v1/status", None).await;
        if status["health"]["ok"] == ok {
            return status["health"]["problems"].to_string();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("health was never {ok}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_server_is_away_open_rooms_go_on_and_say_so_and_hard_ones_refuse() {
    if std::env::var_os("ZOS_METER_POSTGRES").is_none() {
        eprintln!("skipped: no PostgreSQL in ZOS_METER_POSTGRES; use scripts/with-postgres");
        return;
    }
    let server = Server::start();
    let answer = answer(60, 40);
    let provider = Provider::json(&answer).await;
    let gateway = Scratch::new()
        .acme(ROOM)
        .file("contexts/easy.yml", &format!("isolation: open\n{ROOM}"))
        .file("gateway/config.yml", &config(&server.address))
        .provider(&provider)
        .start()
        .await;
    let say = async |room: &str| {
        let body = json!({"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]});
        let response = gateway.post(&format!("/rooms/{room}/v1/chat/completions"), body.to_string()).await;
        (
            response.status().as_u16(),
            response.headers().get("x-zos-budget").cloned(),
            response.text().await.unwrap(),
        )
    };
    assert_eq!(say("acme").await.0, 200);
    // One call is on its way while the server dies.
    let mut slow = vec![Step::Wait(Duration::from_millis(600))];
    slow.extend(provider::json(200, &answer));
    provider.play(slow);
    let (on_its_way, ()) = tokio::join!(say("acme"), async {
        while provider.received().len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.control("kill");
    });
    assert_eq!(on_its_way.0, 200, "what was held is good for its call");
    provider.play(provider::json(200, &answer));

    let (status, _, text) = say("acme").await;
    assert_eq!(status, 503);
    assert!(text.contains("zos_ledger_unavailable"), "{text}");
    let (status, mark, _) = say("easy").await;
    assert_eq!((status, mark), (200, Some("unknown".parse().unwrap())));
    let problems = wait_for_health(&gateway, false).await;
    assert!(problems.contains("Budgets cannot be read or written since"), "{problems}");
    let socket = Path::new(&server.control).parent().unwrap().to_str().unwrap();
    assert!(!problems.contains("postgres://") && !problems.contains(socket), "{problems}");
    let records = gateway.wait_records(4).await;
    assert_eq!(records[2]["code"], "zos_ledger_unavailable");
    assert!(records[3]["detail"].as_str().unwrap().contains("the ledger failed"), "{}", records[3]);
    assert_eq!(records[3]["usage"]["input"], 60, "the record knows what it cost");
    assert_eq!(provider.received().len(), 3, "what was refused was not sent");

    server.control("start");
    wait_for_health(&gateway, true).await;
    let (status, mark, text) = say("acme").await;
    assert_eq!((status, mark), (200, None), "{text}");
    // Three of the hard room, the one whose settlement was owed among them, and the open one's of meanwhile.
    for _ in 0..600 {
        if budget(&gateway, "acme").await["used"] == 300 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let acme = budget(&gateway, "acme").await;
    assert_eq!((&acme["used"], &acme["reserved"]), (&json!(300), &json!(0)));
    assert_eq!(budget(&gateway, "easy").await["used"], 100);
    assert_eq!(say("easy").await.0, 200);
    assert_eq!(budget(&gateway, "easy").await["used"], 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_server_is_away_an_open_room_spends_no_more_than_was_left() {
    if std::env::var_os("ZOS_METER_POSTGRES").is_none() {
        eprintln!("skipped: no PostgreSQL in ZOS_METER_POSTGRES; use scripts/with-postgres");
        return;
    }
    let server = Server::start();
    let provider = Provider::json(&answer(10, 140)).await;
    let gateway = Scratch::new()
        .acme("isolation: open\nbudget: {daily_tokens: 1000}\n")
        .file("gateway/config.yml", &config(&server.address))
        .provider(&provider)
        .start()
        .await;
    let say = async || {
        let body = json!({"model": "m", "max_tokens": 140, "messages": [{"role": "user", "content": "hi"}]});
        gateway.post("/v1/chat/completions", body.to_string()).await.status().as_u16()
    };
    assert_eq!(say().await, 200);
    server.control("kill");
    let statuses = futures::future::join_all((0..40).map(|_| say())).await;
    let served = statuses.iter().filter(|status| **status == 200).count() as u64;
    assert!(statuses.iter().all(|status| matches!(status, 200 | 429)), "{statuses:?}");
    assert!((4..=5).contains(&served), "{served} of 850 tokens, 150 each");
    assert_eq!(provider.received().len() as u64, 1 + served);
    server.control("start");
    wait_for_health(&gateway, true).await;
    let acme = budget(&gateway, "acme").await;
    assert_eq!((&acme["used"], &acme["reserved"]), (&json!(150 * (1 + served)), &json!(0)));
}
