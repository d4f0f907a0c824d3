//! A term in any string of the recorded streams.

use super::*;

/// The recorded streams with the API that each is of.
fn transcripts() -> Vec<(Face, String, String)> {
    let face = |name: &str| match name {
        "messages" => Face::Messages,
        "responses" => Face::Responses,
        _ => Face::ChatCompletions,
    };
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/tests/golden");
    let mut found = Vec::new();
    for pair in std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap()) {
        let name = pair.file_name().into_string().unwrap();
        let Some((client, provider)) = name.split_once('-') else { continue };
        for case in std::fs::read_dir(pair.path()).unwrap().map(|entry| entry.unwrap()) {
            for (file, api) in [("stream.sse", provider), ("stream.out.sse", client)] {
                if let Ok(text) = std::fs::read_to_string(case.path().join(file)) {
                    found.push((face(api), format!("{name}/{:?}/{file}", case.file_name()), text));
                }
            }
        }
    }
    assert!(found.len() > 10, "the transcripts are where they were");
    found
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

#[test]
fn a_term_in_any_string_of_a_recorded_stream_is_stopped_and_nothing_is_without_it() {
    for (face, name, text) in transcripts() {
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
                let with = |words: &str| {
                    let mut value = value.clone();
                    *value.pointer_mut(&way).unwrap() = json!(words);
                    format!("{head}data: {value}\n\n")
                };
                let whole =
                    [&events[..at].concat(), &with(&format!("x {TERM} y")), &events[at + 1..].concat()]
                        .map(String::as_str)
                        .concat();
                let (out, _) = run(face, whole.as_bytes(), whole.len());
                assert!(!out.contains(TERM), "{name} {way}: {out}");
                let split = [&events[..at].concat(), &with(FIRST), &with(SECOND), &events[at + 1..].concat()]
                    .map(String::as_str)
                    .concat();
                let (out, _) = run(face, split.as_bytes(), split.len());
                assert!(!(out.contains(FIRST) && out.contains(SECOND)), "{name} {way}: {out}");
                for text in accumulated(face, &out) {
                    assert!(!text.contains(TERM), "{name} {way}: a client reads {text:?}");
                }
            }
        }
    }
}
