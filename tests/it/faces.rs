//! Every face that there is, walked: what is known of one must be known of the next. A face that lacks its folder in
//! `tests/faces/`, its row in docs/endpoints.md, its demo answer or its test with the official SDK fails here by name.
//!
//! `tests/faces/<name>/` holds a request, a whole answer and, where the face streams, a stream; `WORDS` stands in each
//! where a test puts harmless words or a denied term.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use zos_tests::Provider;
use zos_tests::gateway::{Gateway, Scratch};
use zos_wire::face::Face;
use zos_wire::faces::FACES;

const FINE: &str = "plain harmless words";
const TERM: &str = "Kestrel Nine";
const ROOM: &str = "outbound_deny: [Kestrel Nine]\nbudget: {daily_tokens: 1000000}\n";

fn folder(face: Face) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("faces").join(face.name())
}

fn file(face: Face, name: &str, words: &str) -> String {
    let path = folder(face).join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(text.contains("WORDS"), "{} has no place for words", path.display());
    text.replace("WORDS", words)
}

fn path(face: Face) -> String {
    format!("/v1/{}", face.path())
}

async fn house(provider: &Provider) -> Gateway {
    Scratch::new().acme(ROOM).provider(provider).start().await
}

fn streamed(request: &str) -> String {
    let mut request: Value = serde_json::from_str(request).unwrap();
    request["stream"] = true.into();
    request["stream_options"] = json!({"include_usage": true});
    request.to_string()
}

/// The code of a refusal, at the place where the face's own clients look for it.
fn code(face: Face, refusal: &Value) -> &str {
    assert_eq!(refusal["type"] == "error", face.api() == zos_core::Api::Anthropic, "{refusal}");
    let error = &refusal["error"];
    error["code"].as_str().or(refusal["zos"]["code"].as_str()).unwrap_or_default()
}

#[test]
fn every_face_is_documented_and_has_its_folder_and_its_sdk_test() {
    let endpoints = include_str!("../../docs/endpoints.md");
    let sdk = include_str!("../sdk/test_sdk.py");
    let mut folders: Vec<String> = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("faces"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort();
    let mut names: Vec<&str> = FACES.iter().map(|face| face.name()).collect();
    names.sort_unstable();
    assert_eq!(folders, names, "each face has a folder, each folder a face");
    for face in FACES {
        assert!(endpoints.contains(&format!("\n| `POST {}` |", path(*face))), "no row for {face:?}");
        let short = face.name().split('_').next().unwrap_or_default();
        let is_tested = [face.name(), short].iter().any(|name| sdk.contains(&format!("def test_{name}(")));
        assert!(is_tested, "no SDK test for {face:?}");
        assert_eq!(folder(*face).join("stream.txt").exists(), face.streams(), "{face:?}");
    }
}

#[tokio::test]
async fn what_passes_passes_whole_and_is_counted() {
    for face in FACES {
        let answer = file(*face, "answer.json", FINE);
        let provider = Provider::json(&answer).await;
        let gateway = house(&provider).await;
        let request = file(*face, "request.json", FINE);
        let response = gateway.post(&path(*face), request.clone()).await;
        assert_eq!(response.status(), 200, "{face:?}");
        assert_eq!(response.text().await.unwrap(), answer, "{face:?}");
        let received = provider.only();
        assert_eq!(received.body, request.into_bytes(), "{face:?}");
        assert!(received.line.contains(&format!(" {} ", path(*face))), "{face:?}: {}", received.line);
        let record = gateway.wait_records(1).await.remove(0);
        assert_eq!((&record["face"], &record["verdict"]), (&json!(face.name()), &json!("allow")));
        assert_eq!(record["usage"]["input"].as_u64(), (!face.is_free()).then_some(12), "{face:?}: {record}");
    }
}

#[tokio::test]
async fn a_denied_word_goes_neither_out_nor_back() {
    for face in FACES {
        let provider = Provider::json(&file(*face, "answer.json", TERM)).await;
        let gateway = house(&provider).await;
        let refused = gateway.post(&path(*face), file(*face, "request.json", TERM)).await;
        assert_eq!(refused.status(), 403, "{face:?}");
        let refusal: Value = refused.json().await.unwrap();
        assert_eq!(code(*face, &refusal), "zos_firewall_request", "{refusal}");
        assert!(provider.received().is_empty(), "{face:?}");
        let refused = gateway.post(&path(*face), file(*face, "request.json", FINE)).await;
        assert_eq!(refused.status(), 502, "{face:?}");
        let text = refused.text().await.unwrap();
        assert!(!text.contains("Kestrel"), "{face:?}: {text}");
        assert_eq!(code(*face, &serde_json::from_str(&text).unwrap()), "zos_firewall_response", "{text}");
        assert_eq!(gateway.wait_records(2).await[1]["verdict"], "deny", "{face:?}");
    }
}

#[tokio::test]
async fn a_stream_arrives_whole_or_ends_in_the_words_of_its_api() {
    for face in FACES.iter().filter(|face| face.streams()) {
        let stream = file(*face, "stream.txt", FINE);
        let provider = Provider::events(&stream).await;
        let gateway = house(&provider).await;
        let request = streamed(&file(*face, "request.json", FINE));
        let response = gateway.post(&path(*face), request.clone()).await;
        assert_eq!(response.text().await.unwrap(), stream, "{face:?}");
        let record = gateway.wait_records(1).await.remove(0);
        assert_eq!((&record["outcome"], &record["usage"]["input"]), (&json!("completed"), &json!(12)));
        assert_eq!(record["usage"]["output"], 5, "{face:?}");

        let provider = Provider::events(&file(*face, "stream.txt", TERM)).await;
        let gateway = house(&provider).await;
        let text = gateway.post(&path(*face), request).await.text().await.unwrap();
        assert!(!text.contains("Kestrel") && text.contains("zos_firewall_response"), "{face:?}: {text}");
        assert!(!text.contains("you know"), "{face:?}: {text}");
        let ends = ["\"refusal\"", "\"content_filter\""].iter().filter(|word| text.contains(**word)).count();
        assert_eq!(ends, 1, "{face:?}: {text}");
        assert_eq!(gateway.wait_records(1).await[0]["outcome"], "cut", "{face:?}");
    }
}

#[tokio::test]
async fn the_demo_answers_on_every_face() {
    let provider = Provider::json("{}").await;
    let gateway = house(&provider).await;
    for face in FACES {
        let mut request: Value = serde_json::from_str(&file(*face, "request.json", FINE)).unwrap();
        request["model"] = "demo/echo".into();
        let response = gateway.post(&path(*face), request.to_string()).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["x-zos-demo"]),
            (200, &"true".parse().unwrap())
        );
        let answer: Value = response.json().await.unwrap();
        assert!(answer.is_object(), "{face:?}");
        if face.streams() {
            let text = gateway.post(&path(*face), streamed(&request.to_string())).await.text().await.unwrap();
            assert!(text.contains("[zOS "), "{face:?}: {text}");
        }
    }
    assert!(provider.received().is_empty());
}

/// Outside of `faces/` and of tests nothing asks a face for its name: what holds for one kind of endpoint is asked of all.
#[test]
fn no_code_but_that_of_the_faces_names_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway");
    let mut named = Vec::new();
    for source in ["src", "guard/src", "wire/src"] {
        let files = crate::layers::files(&root.join(source));
        let tests: Vec<PathBuf> = files.iter().flat_map(|path| test_modules(path)).collect();
        for path in files {
            let place = path.strip_prefix(&root).unwrap().display().to_string();
            let is_test =
                tests.iter().any(|test| path.starts_with(test) || path == test.with_extension("rs"));
            // The oracle of the tests and of the fuzzer reads what each API's own clients read.
            if is_test || place == "guard/src/stream/client.rs" || place.starts_with("wire/src/faces") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            for (number, line) in code.lines().enumerate() {
                let is_constant = |rest: &str| rest.starts_with(char::is_uppercase);
                if line.split("Face::").skip(1).any(is_constant) {
                    named.push(format!("{place}:{}: {}", number + 1, line.trim()));
                }
            }
        }
    }
    assert!(named.is_empty(), "{}", named.join("\n"));
}

/// The modules of tests that a file declares, as their paths without an ending.
fn test_modules(path: &Path) -> Vec<PathBuf> {
    let text = std::fs::read_to_string(path).unwrap();
    let is_root = path.file_name().is_some_and(|name| name == "lib.rs");
    let folder = if is_root { path.parent().unwrap().to_owned() } else { path.with_extension("") };
    let mut lines = text.lines().peekable();
    let mut modules = Vec::new();
    while let Some(line) = lines.next() {
        if line.trim() == "#[cfg(test)]"
            && let Some(next) = lines.peek()
            && let Some((_, name)) = next.strip_suffix(';').and_then(|next| next.split_once("mod "))
        {
            modules.push(folder.join(name));
        }
    }
    modules
}
