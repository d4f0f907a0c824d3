//! The corpus: what must be stopped and what must pass, by class, through the whole house.
//!
//! `tests/corpus/block/*.tsv` and `allow/*.tsv` hold a class and a text a line; the text is written as
//! in a JSON string, and `⟦…⟧` marks what must not get out. Each text goes through all three APIs: in a
//! request, in another field each time; in a plain answer; and in an answer that is streamed with one
//! character a delta, in every fourth case with one byte a write. The table is left in
//! `.scratch/corpus.txt`, which `make test` prints.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use zos_tests::gateway::{Gateway, Scratch, client};
use zos_tests::provider::{event_head, json as json_answer};
use zos_tests::{Provider, Step};

const ROOM: &str = "\
attachments: allow
outbound_deny:
  - Project Falcon
  - Heron
  - Café Noir
  - Müller Metall
  - Вода Плюс
  - プロジェクト隼
  - {term: Ann Lee, person: true}
  - Straße der Ruhe
  - {pack: secrets}
  - {pack: payment}
  - {pack: pii}
  - {pack: health}
";

const PATHS: [&str; 3] = ["/v1/messages", "/v1/chat/completions", "/v1/responses"];

/// One line of the corpus.
struct Case {
    class: String,
    text: String,
    /// The first byte that must not get out, where the line marks it.
    start: Option<usize>,
}

/// What was seen of one class.
#[derive(Default)]
struct Row {
    cases: usize,
    calls: usize,
    stopped: usize,
    /// Characters of a violation that reached a caller.
    leaked: usize,
    missed: Vec<String>,
}

impl Row {
    fn note(&mut self, stopped: bool, leaked: usize, what: impl FnOnce() -> String) {
        self.calls += 1;
        self.stopped += usize::from(stopped);
        self.leaked += leaked;
        if !stopped || leaked > 0 {
            self.missed.push(format!("{} (leaked {leaked})", what()));
        }
    }

    /// A call that must pass.
    fn pass(&mut self, passed: bool, what: impl FnOnce() -> String) {
        self.calls += 1;
        if !passed {
            self.stopped += 1;
            self.missed.push(what());
        }
    }

    fn share(&self) -> f64 {
        self.stopped as f64 / self.calls.max(1) as f64
    }
}

fn cases(folder: &str) -> BTreeMap<String, Vec<Case>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(folder);
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, text.lines().map(case).collect())
        })
        .collect()
}

fn case(line: &str) -> Case {
    let (class, text) = line.split_once('\t').unwrap();
    let text: String = serde_json::from_str(&format!("\"{text}\"")).unwrap();
    let start = text.find('⟦');
    Case { class: class.to_owned(), text: text.replace(['⟦', '⟧'], ""), start }
}

/// A body of an API with a text in one of its fields.
fn request(path: &str, text: &str, number: usize) -> Value {
    let arguments = json!({"q": text}).to_string();
    match (path, number % 5) {
        ("/v1/messages", 0) => messages(json!(text)),
        ("/v1/messages", 1) => messages(json!([{"type": "text", "text": text}])),
        ("/v1/messages", 2) => messages(
            json!([{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": text}]}]),
        ),
        ("/v1/messages", 3) => {
            let mut body = messages(json!("x"));
            body["system"] = json!(text);
            body
        }
        ("/v1/messages", _) => {
            let mut body = messages(json!("x"));
            body["tools"] = json!([{"name": "t", "description": text, "input_schema": {"type": "object"}}]);
            body
        }
        ("/v1/chat/completions", 0) => chat(json!([{"role": "user", "content": text}])),
        ("/v1/chat/completions", 1) => {
            chat(json!([{"role": "user", "content": [{"type": "text", "text": text}]}]))
        }
        ("/v1/chat/completions", 2) => chat(json!([{"role": "tool", "tool_call_id": "t", "content": text}])),
        ("/v1/chat/completions", 3) => chat(json!([{"role": "assistant", "tool_calls": [
            {"id": "t", "type": "function", "function": {"name": "f", "arguments": arguments}}]}])),
        ("/v1/chat/completions", _) => {
            let mut body = chat(json!([{"role": "user", "content": "x"}]));
            body["a_new_field"] = json!([{"of": text}]);
            body
        }
        (_, 0) => json!({"model": "m", "input": text}),
        (_, 1) => {
            json!({"model": "m", "input": [{"role": "user", "content": [{"type": "input_text", "text": text}]}]})
        }
        (_, 2) => json!({"model": "m", "input": "x", "instructions": text}),
        (_, 3) => {
            json!({"model": "m", "input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": arguments}]})
        }
        (_, _) => {
            json!({"model": "m", "input": [{"type": "function_call_output", "call_id": "c", "output": text}]})
        }
    }
}

fn messages(content: Value) -> Value {
    json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": content}]})
}

fn chat(messages: Value) -> Value {
    json!({"model": "m", "messages": messages})
}

/// A plain answer with a text in it.
fn answer(path: &str, text: &str) -> Value {
    match path {
        "/v1/messages" => {
            json!({"id": "m", "type": "message", "role": "assistant", "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1}})
        }
        "/v1/chat/completions" => {
            json!({"id": "c", "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]})
        }
        _ => {
            json!({"id": "r", "object": "response", "status": "completed", "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}]})
        }
    }
}

fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
}

/// An answer that is streamed, one character a delta.
fn streamed(path: &str, text: &str) -> String {
    let letters = text.chars().map(String::from);
    match path {
        "/v1/messages" => {
            let deltas = letters.map(|letter| {
                event(&json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": letter}}))
            });
            let before = event(
                &json!({"type": "message_start", "message": {"id": "m", "role": "assistant", "usage": {"input_tokens": 1, "output_tokens": 1}}}),
            ) + &event(
                &json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            );
            let after = event(&json!({"type": "content_block_stop", "index": 0}))
                + &event(
                    &json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}),
                )
                + &event(&json!({"type": "message_stop"}));
            before + &deltas.collect::<String>() + &after
        }
        "/v1/chat/completions" => {
            let chunk = |delta: Value, reason: Value| {
                format!(
                    "data: {}\n\n",
                    json!({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})
                )
            };
            let deltas = letters.map(|letter| chunk(json!({"content": letter}), Value::Null));
            deltas.collect::<String>() + &chunk(json!({}), json!("stop")) + "data: [DONE]\n\n"
        }
        _ => {
            let deltas = letters.map(|letter| {
                event(&json!({"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "content_index": 0, "delta": letter}))
            });
            let before =
                event(&json!({"type": "response.created", "response": {"id": "r", "status": "in_progress"}}));
            let after = event(
                &json!({"type": "response.output_text.done", "item_id": "i", "output_index": 0, "content_index": 0, "text": text}),
            ) + &event(
                &json!({"type": "response.completed", "response": {"id": "r", "status": "completed", "output": []}}),
            );
            before + &deltas.collect::<String>() + &after
        }
    }
}

/// The text that a caller has received of a stream.
fn delivered(path: &str, body: &str) -> String {
    let events = body.lines().filter_map(|line| line.strip_prefix("data: "));
    let values = events.filter_map(|data| serde_json::from_str::<Value>(data).ok());
    let text = |value: Value| match path {
        "/v1/messages" => value["delta"]["text"].as_str().map(str::to_owned),
        "/v1/chat/completions" => value["choices"][0]["delta"]["content"].as_str().map(str::to_owned),
        _ => value["delta"].as_str().map(str::to_owned),
    };
    values.filter_map(text).collect()
}

fn script(bytes: &str, one_byte_a_write: bool) -> Vec<Step> {
    let mut script = vec![event_head()];
    if one_byte_a_write {
        script.extend(bytes.bytes().map(|byte| Step::Send(vec![byte])));
    } else {
        script.push(Step::Send(bytes.as_bytes().to_vec()));
    }
    script
}

struct Bench {
    provider: Provider,
    gateway: Gateway,
    client: reqwest::Client,
}

impl Bench {
    async fn start() -> Bench {
        let provider = Provider::json("{}").await;
        let gateway = Scratch::new().acme(ROOM).provider(&provider).start().await;
        Bench { provider, gateway, client: client() }
    }

    async fn call(&self, path: &str, body: &Value) -> (u16, String) {
        let url = format!("{}{path}", self.gateway.url);
        let request = self.client.post(url).header("content-type", "application/json");
        let response = request.body(body.to_string()).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// The status and body of a plain answer that holds a text.
    async fn plain(&self, path: &str, text: &str) -> (u16, String) {
        self.provider.play(json_answer(200, &answer(path, text).to_string()));
        self.call(path, &request(path, "hi", 0)).await
    }

    /// What a caller receives of a streamed answer, and what was sent to it.
    async fn stream(&self, path: &str, text: &str, number: usize) -> (String, String) {
        let bytes = streamed(path, text);
        self.provider.play(script(&bytes, number.is_multiple_of(4)));
        let mut body = request(path, "hi", 0);
        body["stream"] = json!(true);
        (self.call(path, &body).await.1, bytes)
    }

    async fn block(&self, case: &Case, number: usize, row: &mut Row) {
        row.cases += 1;
        for (offset, path) in PATHS.into_iter().enumerate() {
            let at = |side: &str| format!("{path} {side}: {:?}", case.text);
            let (status, body) = self.call(path, &request(path, &case.text, number + offset)).await;
            let echoed = usize::from(body.contains(&case.text));
            row.note(status == 403, echoed, || at("request"));

            let (status, body) = self.plain(path, &case.text).await;
            let echoed = usize::from(body.contains(&case.text));
            row.note(status == 502, echoed, || at("answer"));

            let (body, _) = self.stream(path, &case.text, number + offset).await;
            let out = delivered(path, &body);
            let leaked = match case.start {
                Some(start) => out.chars().count().saturating_sub(case.text[..start].chars().count()),
                None => usize::from(out.contains(&case.text)),
            };
            let cut = body.contains("zos_firewall_response");
            row.note(cut, leaked, || at("stream"));
        }
    }

    /// Allowed text arrives, byte for byte.
    async fn allow(&self, case: &Case, number: usize, row: &mut Row) {
        row.cases += 1;
        for (offset, path) in PATHS.into_iter().enumerate() {
            let at = |side: &str| format!("{path} {side}: {:?}", case.text);
            let expected = answer(path, &case.text).to_string();
            self.provider.play(json_answer(200, &expected));
            let asked = request(path, &case.text, number + offset);
            let (status, body) = self.call(path, &asked).await;
            row.pass(status == 200 && body == expected, || at("call"));
            let (body, bytes) = self.stream(path, &case.text, number + offset).await;
            row.pass(body == bytes, || at("stream"));
        }
    }
}

/// The lines of the table for one file.
fn table(out: &mut String, name: &str, rows: &BTreeMap<String, Row>) -> Row {
    let mut all = Row::default();
    for (class, row) in rows {
        let share = 100.0 * row.share();
        writeln!(
            out,
            "{name:<10} {class:<15} {:>6} {:>6} {share:>8.2} % {:>7}",
            row.cases, row.calls, row.leaked
        )
        .unwrap();
        all.cases += row.cases;
        all.calls += row.calls;
        all.stopped += row.stopped;
        all.leaked += row.leaked;
        all.missed.extend(row.missed.iter().cloned());
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_corpus_is_stopped_or_passed_as_it_must_be() {
    // A gateway for each half, so that both cores have something to do.
    let bench = Bench::start().await;
    let allowing = tokio::spawn(async {
        let bench = Bench::start().await;
        let mut rows: BTreeMap<String, Row> = BTreeMap::new();
        for cases in cases("allow").into_values() {
            for (number, case) in cases.iter().enumerate() {
                bench.allow(case, number, rows.entry(case.class.clone()).or_default()).await;
            }
        }
        rows
    });
    let mut out = format!(
        "{:<10} {:<15} {:>6} {:>6} {:>10} {:>7}\n",
        "file", "class", "texts", "calls", "stopped", "leaked"
    );
    let mut wrong = Vec::new();
    let (mut blocked, mut allowed) = (0, 0);
    for (name, cases) in cases("block") {
        let mut rows: BTreeMap<String, Row> = BTreeMap::new();
        for (number, case) in cases.iter().enumerate() {
            bench.block(case, number, rows.entry(case.class.clone()).or_default()).await;
        }
        // Each pack has to reach its goal by itself; evasions do so by tier.
        let goal = if name == "tier1" { 1.0 } else { 0.95 };
        let all = table(&mut out, &name, &rows);
        blocked += all.cases;
        let below = all.share() < goal || (name == "packs" && rows.values().any(|row| row.share() < goal));
        if below || all.leaked > 0 {
            wrong.push(format!(
                "{name}: {:.2} % stopped, {} leaked: {:#?}",
                100.0 * all.share(),
                all.leaked,
                all.missed
            ));
        }
    }
    let rows = allowing.await.unwrap();
    let all = table(&mut out, "allow", &rows);
    allowed += all.cases;
    if all.share() > 0.005 {
        let false_positives: Vec<&str> = all.missed.iter().map(String::as_str).collect();
        wrong.push(format!("allow: {:.2} % stopped: {false_positives:#?}", 100.0 * all.share()));
    }
    writeln!(out, "{blocked} texts that must be stopped, {allowed} that must pass").unwrap();
    let scratch = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.scratch");
    std::fs::create_dir_all(&scratch).unwrap();
    std::fs::write(scratch.join("corpus.txt"), &out).unwrap();
    assert!(blocked >= 300 && allowed >= 300, "the corpus is too small\n{out}");
    assert!(wrong.is_empty(), "{out}\n{}", wrong.join("\n"));
}
