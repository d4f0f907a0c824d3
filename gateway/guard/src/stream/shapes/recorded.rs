//! A term in any string of the streams and answers of every face: of the recorded ones (`gateway/wire/tests/golden`), of
//! the example of each face (`tests/faces`) and of those written after what providers document (`tests/transcripts`: Mistral's parts, the empty reasons of Ollama
//! and SGLang, the usage of Groq and Moonshot, sound, logprobs, citations, searches, code, MCP, pictures, refusals).
//!
//! For every string: the term whole in it, the term cut over it and the same place of the next event, and without the
//! term nothing is stopped and nothing changed.

use super::*;
use crate::findings::Findings;
use crate::inspect;
use crate::stream::said::together;
use std::path::{Path, PathBuf};
use zos_wire::faces::FACES;

/// The face of a folder: by its name, or by the part before the first `_` of it.
fn face(name: &str) -> Face {
    let is_it = |face: &&Face| face.name() == name || face.name().split('_').next() == Some(name);
    *FACES.iter().find(is_it).unwrap_or_else(|| panic!("no face is called {name}"))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// Name of a golden file, and which API of its pair (client, provider) it is of.
type Recorded<'a> = (&'a str, fn((&str, &str)) -> String);

/// The files of one kind with the API that each is of.
fn transcripts(ending: &str, recorded: &[Recorded<'_>]) -> Vec<(Face, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for pair in entries(&root.join("../wire/tests/golden")) {
        let name = name_of(&pair);
        let Some(apis) = name.split_once('-') else { continue };
        for case in entries(&pair) {
            for (file, api) in recorded {
                if let Ok(text) = std::fs::read_to_string(case.join(file)) {
                    found.push((face(&api(apis)), format!("{name}/{}/{file}", name_of(&case)), text));
                }
            }
        }
    }
    for face in FACES {
        let documented = root.join("../../tests/faces").join(face.name());
        let file = if ending == ".sse" { "stream.txt" } else { "answer.json" };
        if let Ok(text) = std::fs::read_to_string(documented.join(file)) {
            found.push((*face, format!("{}/{file}", face.name()), text));
        }
    }
    for api in entries(&root.join("tests/transcripts")) {
        for file in entries(&api).into_iter().filter(|file| name_of(file).ends_with(ending)) {
            let text = std::fs::read_to_string(&file).unwrap();
            found.push((face(&name_of(&api)), file.display().to_string(), text));
        }
    }
    found
}

fn clients((client, _): (&str, &str)) -> String {
    client.to_owned()
}

fn providers((_, provider): (&str, &str)) -> String {
    provider.to_owned()
}

fn streams() -> Vec<(Face, String, String)> {
    let found = transcripts(".sse", &[("stream.sse", providers), ("stream.out.sse", clients)]);
    assert!(found.len() > 25, "the transcripts are where they were");
    found
}

/// A face without them would be in none of the properties here.
#[test]
fn every_face_has_transcripts_of_its_own() {
    let answers = transcripts(".json", &[("answer.json", providers), ("answer.out.json", clients)]);
    let streams = streams();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    for face in FACES {
        let count = |all: &[(Face, String, String)]| all.iter().filter(|(of, ..)| of == face).count();
        assert!(count(&answers) >= 2, "put a whole answer of {face:?} into {}", own.display());
        let least = if face.streams() { 2 } else { 0 };
        assert!(count(&streams) >= least, "put a stream of {face:?} into {}", own.display());
    }
}

/// The ways to all strings of a value.
fn strings(value: &Value, way: &str, ways: &mut Vec<String>) {
    match value {
        Value::String(_) => ways.push(way.to_owned()),
        Value::Array(elements) => {
            for (at, element) in elements.iter().enumerate() {
                strings(element, &format!("{way}/{at}"), ways);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                strings(member, &format!("{way}/{}", key.replace('~', "~0").replace('/', "~1")), ways);
            }
        }
        _ => {}
    }
}

fn with(value: &Value, way: &str, words: &str) -> Value {
    let mut value = value.clone();
    *value.pointer_mut(way).unwrap() = json!(words);
    value
}

#[test]
fn a_term_in_any_string_of_a_recorded_stream_is_stopped_and_nothing_is_without_it() {
    for (face, name, text) in streams() {
        let (out, outcome) = run(face, text.as_bytes(), 11);
        assert_eq!(outcome, Ok(()), "{name}");
        assert!(text.starts_with(&out), "{name}");
        let events: Vec<&str> = text.split_inclusive("\n\n").collect();
        for (at, event) in events.iter().enumerate() {
            let Some((head, data)) = event.split_once("data: ") else { continue };
            let Ok(value) = serde_json::from_str::<Value>(data.trim_end()) else { continue };
            let mut ways = Vec::new();
            strings(&value, "", &mut ways);
            for way in ways {
                let said = |words: &str| format!("{head}data: {}\n\n", with(&value, &way, words));
                let stream = |pieces: &[&str]| {
                    let said: String = pieces.iter().map(|words| said(words)).collect();
                    [events[..at].concat(), said, events[at + 1..].concat()].concat()
                };
                let whole = stream(&[&format!("x {TERM} y")]);
                let (out, _) = run(face, whole.as_bytes(), whole.len());
                assert!(!out.contains(TERM), "{name} {way}: {out}");
                // Another cut at each place, so that all of them come up.
                let cut = 1 + (at + way.len()) % (TERM.len() - 1);
                let (first, second) = (format!("x {}", &TERM[..cut]), format!("{} y", &TERM[cut..]));
                for (first, second) in [(FIRST, SECOND), (first.as_str(), second.as_str())] {
                    let split = stream(&[first, second]);
                    let (out, _) = run(face, split.as_bytes(), split.len());
                    for text in accumulated(face, &out) {
                        assert!(!text.contains(TERM), "{name} {way}: a client reads {text:?}");
                    }
                    let is_at_its_place = |words: &str| out.contains(said(words).trim_end());
                    assert!(!(is_at_its_place(first) && is_at_its_place(second)), "{name} {way}: {out}");
                }
            }
        }
    }
}

#[test]
fn a_term_in_any_string_of_a_plain_answer_is_found_and_nothing_is_without_it() {
    let policy = policy(&[(TERM, Effect::Block)]);
    let denied = |face: Face, answer: &Value| {
        let text = answer.to_string();
        let value = zos_wire::json::parse(&text).unwrap();
        let mut findings = Findings::default();
        inspect::tree(&policy, &value, &[], &mut findings);
        if let Some(dialect) = Dialect::of(face) {
            together(&policy, &dialect.read_whole(&text, &value), "", &mut findings);
        }
        findings.are_blocked(&policy)
    };
    let answers = transcripts(".json", &[("answer.json", providers), ("answer.out.json", clients)]);
    assert!(answers.len() > 20, "the transcripts are where they were");
    for (face, name, text) in answers {
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert!(!denied(face, &answer), "{name}");
        let mut ways = Vec::new();
        strings(&answer, "", &mut ways);
        for way in ways {
            assert!(denied(face, &with(&answer, &way, &format!("x {TERM} y"))), "{name} {way}");
        }
    }
}
