//! Golden transcripts (`gateway/wire/tests/golden/<client>-<provider>/<case>/`), what is refused, and properties.
//!
//! A file `request.json`, `answer.json`, `error.json` or `stream.sse` of a case is what comes in; its
//! neighbour `*.out.*` is what has to come out. `ZOS_UPDATE_GOLDEN=1` writes the neighbours anew, to be read.

use super::*;
use crate::sse::Framer;
use crate::sse::Stop;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::Path;

const NOW_S: u64 = 1_700_000_001;
const LIMIT: usize = 1 << 20;
const TARGET: Target<'static> = Target { model: "there", is_openai: false, thinks: true };

fn pair(name: &str) -> Pair {
    let face = |name| match name {
        "messages" => Face::Messages,
        "chat" => Face::ChatCompletions,
        _ => Face::Responses,
    };
    let (client, provider) = name.split_once('-').unwrap();
    Pair::between(face(client), face(provider)).unwrap()
}

/// What comes of a stream, and why it stopped where it could not go on.
fn streamed(pair: Pair, request: &str, stream: &[u8]) -> (String, Option<Stop>) {
    in_pieces(pair, request, &[stream])
}

/// The same for a stream whose bytes arrive in these pieces.
fn in_pieces(pair: Pair, request: &str, pieces: &[&[u8]]) -> (String, Option<Stop>) {
    let mut translator = pair.stream(request.as_bytes(), NOW_S, LIMIT);
    let mut framer = Framer::new(LIMIT);
    let mut out = String::new();
    for piece in pieces {
        framer.push(piece);
        while let Ok(Some(frame)) = framer.next_frame() {
            match translator.take(&frame) {
                Ok(frames) => {
                    for frame in frames {
                        out.push_str(std::str::from_utf8(&frame.raw).unwrap());
                    }
                }
                Err(stop) => return (out, Some(stop)),
            }
        }
    }
    (out, None)
}

/// Every golden stream of every pair.
fn golden_streams() -> Vec<(Pair, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let of = |name: &str| {
        let folders = std::fs::read_dir(root.join(name)).unwrap();
        let streams =
            folders.filter_map(|folder| std::fs::read(folder.unwrap().path().join("stream.sse")).ok());
        streams.map(|stream| (pair(name), stream)).collect::<Vec<_>>()
    };
    ["messages-chat", "chat-messages", "responses-chat", "responses-messages"]
        .into_iter()
        .flat_map(of)
        .collect()
}

#[test]
fn an_event_without_data_is_a_comment_to_the_caller() {
    for (name, event) in [
        ("messages-chat", "data:\n\n"),
        ("chat-messages", "event: ping\ndata:  \n\n"),
        ("responses-chat", "event: x\n\n"),
        ("chat-messages", "event: ping\ndata: {\"type\": \"ping\"}\n\n"),
    ] {
        assert_eq!(
            streamed(pair(name), "{}", event.as_bytes()),
            (": ping\n\n".to_owned(), None),
            "{event:?}"
        );
    }
    let comment = ": the model is being loaded\n\n";
    assert_eq!(streamed(pair("messages-chat"), "{}", comment.as_bytes()).0, comment);
}

#[test]
fn a_stream_in_single_bytes_is_the_same_as_whole() {
    let streams = golden_streams();
    assert!(streams.len() >= 20, "only {} streams were found", streams.len());
    for (pair, stream) in streams {
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(in_pieces(pair, "{}", &bytes), streamed(pair, "{}", &stream), "{pair:?}");
    }
}

fn pretty(bytes: &[u8]) -> String {
    let value: Value = serde_json::from_slice(bytes).unwrap();
    serde_json::to_string_pretty(&value).unwrap() + "\n"
}

fn compare(folder: &Path, name: &str, told: &str) {
    let path = folder.join(name);
    if std::env::var_os("ZOS_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, told).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let case = folder.file_name().unwrap().to_string_lossy();
    assert_eq!(told, expected, "{case}/{name}");
}

#[test]
fn golden_transcripts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases = 0;
    for name in ["messages-chat", "chat-messages", "responses-chat", "responses-messages"] {
        let pair = pair(name);
        let mut folders: Vec<_> =
            std::fs::read_dir(root.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        folders.sort();
        for folder in folders {
            let read = |name: &str| std::fs::read(folder.join(name)).ok();
            let request = read("request.json");
            if let Some(request) = &request {
                let told = pair.request(request, TARGET).unwrap();
                compare(&folder, "request.out.json", &pretty(&told));
            }
            if let Some(answer) = read("answer.json") {
                let told = pair.answer(std::str::from_utf8(&answer).unwrap(), NOW_S).unwrap();
                compare(&folder, "answer.out.json", &pretty(&told));
            }
            if let Some(error) = read("error.json") {
                let told = pair.failure(http::StatusCode::from_u16(529).unwrap(), &error);
                compare(&folder, "error.out.json", &pretty(&told));
            }
            if let Some(stream) = read("stream.sse") {
                let request = String::from_utf8(request.unwrap_or_default()).unwrap();
                let (told, stop) = streamed(pair, &request, &stream);
                assert_eq!(stop, None, "{}", folder.display());
                compare(&folder, "stream.out.sse", &told);
            }
            cases += 1;
        }
    }
    assert!(cases >= 30, "only {cases} cases were found");
}

#[test]
fn what_cannot_be_carried_is_refused_by_name() {
    let refused = |name: &str, body: Value, place: &str| {
        let error = pair(name).request(body.to_string().as_bytes(), TARGET).unwrap_err();
        assert_eq!(error.place, place, "{body}");
    };
    let with = |mut body: Value, key: &str, value: Value| {
        body[key] = value;
        body
    };
    let messages = json!({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]});
    for (key, value) in [
        ("top_k", json!(5)),
        ("mcp_servers", json!([])),
        ("container", json!("c")),
        ("context_management", json!({"edits": [{"type": "clear_tool_uses_20250919"}]})),
        ("a_new_field", json!(false)),
    ] {
        refused("messages-chat", with(messages.clone(), key, value), key);
    }
    let said = |content: Value| json!({"model": "m", "messages": [{"role": "user", "content": content}]});
    let block = |block: Value| said(json!([block]));
    let at = "messages[0].content[0]";
    for (block, place) in [
        (block(json!({"type": "document", "source": {}})), format!("{at}.type")),
        (
            block(json!({"type": "image", "source": {"type": "file", "file_id": "f"}})),
            format!("{at}.source.type"),
        ),
        (block(json!({"type": "text", "text": "x", "new": 1})), format!("{at}.new")),
        (
            block(json!({"type": "tool_result", "tool_use_id": "a", "content": [{"type": "image"}]})),
            format!("{at}.content[0].type"),
        ),
        (
            said(json!([{"type": "text", "text": "x"}, {"type": "tool_result", "tool_use_id": "a"}])),
            "messages[0].content[1].tool_use_id".to_owned(),
        ),
    ] {
        refused("messages-chat", block, &place);
    }
    refused(
        "messages-chat",
        with(messages.clone(), "tools", json!([{"type": "web_search_20250305", "name": "w"}])),
        "tools[0].type",
    );
    let redacted = json!([{"role": "assistant", "content": [{"type": "redacted_thinking", "data": "x"}]}]);
    refused("messages-chat", with(messages.clone(), "messages", redacted), "messages[0].content");

    let chat = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
    for (key, value) in [
        ("n", json!(2)),
        ("seed", json!(1)),
        ("frequency_penalty", json!(0.5)),
        ("presence_penalty", json!(-1)),
        ("logprobs", json!(true)),
        ("logit_bias", json!({"1": 2})),
        ("temperature", json!(1.5)),
        ("store", json!(true)),
        ("reasoning_effort", json!("minimal")),
        ("a_new_field", json!("x")),
    ] {
        refused("chat-messages", with(chat.clone(), key, value), key);
    }
    refused(
        "chat-messages",
        with(chat.clone(), "response_format", json!({"type": "json_object"})),
        "response_format.type",
    );
    refused(
        "chat-messages",
        with(chat.clone(), "tools", json!([{"type": "custom", "custom": {}}])),
        "tools[0].type",
    );
    let turns = |turns: Value| with(chat.clone(), "messages", turns);
    refused(
        "chat-messages",
        turns(json!([{"role": "user", "content": "x"}, {"role": "system", "content": "y"}])),
        "messages[1].role",
    );
    refused(
        "chat-messages",
        turns(json!([{"role": "user", "name": "Ann", "content": "x"}])),
        "messages[0].name",
    );
    refused(
        "chat-messages",
        turns(json!([{"role": "assistant", "content": "x", "reasoning_content": "y"}])),
        "messages[0].content",
    );
    refused(
        "chat-messages",
        turns(
            json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a", "detail": "high"}}]}]),
        ),
        "messages[0].content[0].image_url.detail",
    );

    let responses = json!({"model": "m", "input": "x"});
    for (key, value) in [
        ("previous_response_id", json!("r")),
        ("conversation", json!("c")),
        ("background", json!(true)),
        ("truncation", json!("auto")),
        ("include", json!(["file_search_call.results"])),
    ] {
        refused("responses-chat", with(responses.clone(), key, value.clone()), key);
        refused("responses-messages", with(responses.clone(), key, value), key);
    }
    refused(
        "responses-chat",
        with(responses.clone(), "tools", json!([{"type": "web_search"}])),
        "tools[0].type",
    );
    refused(
        "responses-chat",
        with(responses.clone(), "input", json!([{"type": "item_reference", "id": "x"}])),
        "input[0].type",
    );
    refused("responses-messages", with(responses, "text", json!({"verbosity": "low"})), "verbosity");
}

#[test]
fn what_would_change_on_the_way_is_refused() {
    let refused = |body: &str, place: &str| {
        let error = pair("messages-chat").request(body.as_bytes(), TARGET).unwrap_err();
        assert_eq!(error.place, place, "{body}");
    };
    let call = |input: &str| {
        format!(
            r#"{{"model":"m","messages":[{{"role":"assistant","content":[{{"type":"tool_use","id":"a","name":"b","input":{input}}}]}}]}}"#
        )
    };
    let at = "messages[0].content[0].input";
    refused(&call(r#"{"n": 123456789012345678901234567890}"#), &format!("{at}.n"));
    refused(&call(r#"{"n": 0.12345678901234567890}"#), &format!("{at}.n"));
    refused(&call(r#"{"n": 1, "n": 2}"#), &format!("{at}.n"));
    let told =
        pair("messages-chat").request(call(r#"{"n":18446744073709551615,"x":-0.5}"#).as_bytes(), TARGET);
    assert!(String::from_utf8_lossy(&told.unwrap()).contains(r#"{\"n\":18446744073709551615,\"x\":-0.5}"#));
}

#[test]
fn endpoints_without_a_counterpart_are_refused_and_native_routes_are_not_touched() {
    let fleet = zos_core::fleet::parse_fleet(
        Some(b"providers:\n  a: {api: anthropic, base_url: 'https://a.example'}\n  o: {api: openai, base_url: 'https://o.example/v1'}\n  c: {api: openai, base_url: 'https://c.example/v1', responses: false}\n"),
        &zos_core::Environment::default(),
    )
    .fleet
    .unwrap();
    let of = |face, name: &str| Pair::of(face, fleet.provider(name).unwrap());
    for (face, name) in [
        (Face::Messages, "a"),
        (Face::CountTokens, "a"),
        (Face::ChatCompletions, "o"),
        (Face::Responses, "o"),
        (Face::Embeddings, "c"),
        (Face::Messages, "demo"),
        (Face::Responses, "demo"),
    ] {
        assert_eq!(of(face, name), Ok(None), "{face:?} {name}");
    }
    for (face, name, provider) in [
        (Face::Messages, "o", Face::ChatCompletions),
        (Face::ChatCompletions, "a", Face::Messages),
        (Face::Responses, "a", Face::Messages),
        (Face::Responses, "c", Face::ChatCompletions),
    ] {
        assert_eq!(of(face, name).unwrap().map(Pair::provider), Some(provider));
    }
    assert!(of(Face::CountTokens, "o").is_err() && of(Face::Embeddings, "a").is_err());
}

#[test]
fn the_output_limit_and_thinking_follow_the_target() {
    let body =
        br#"{"model":"m","max_tokens":7,"thinking":{"type":"enabled","budget_tokens":2000},"messages":[]}"#;
    let told = |target| pair("messages-chat").request(body, target).unwrap();
    let told = |target| serde_json::from_slice::<Value>(&told(target)).unwrap();
    let local = told(TARGET);
    assert_eq!((&local["max_tokens"], &local["reasoning_effort"]), (&json!(7), &json!("low")));
    let openai = told(Target { is_openai: true, thinks: false, ..TARGET });
    assert_eq!((&openai["max_completion_tokens"], &openai["reasoning_effort"]), (&json!(7), &Value::Null));
    assert_eq!(openai["max_tokens"], Value::Null);
}

#[test]
fn an_answer_that_the_callers_format_cannot_hold_is_refused_by_name() {
    let refused = |name: &str, body: Value, place: &str| {
        assert_eq!(pair(name).answer(&body.to_string(), NOW_S).unwrap_err().place, place, "{body}");
    };
    let block = |block: Value| json!({"content": [block], "stop_reason": "end_turn"});
    refused("chat-messages", block(json!({"type": "server_tool_use"})), "content[0].type");
    refused("chat-messages", json!({"content": [], "stop_reason": "pause_turn"}), "stop_reason");
    let choice =
        |message: Value, finish: &str| json!({"choices": [{"message": message, "finish_reason": finish}]});
    refused("messages-chat", json!({"choices": []}), "choices");
    refused("messages-chat", choice(json!({"audio": {}}), "stop"), "choices[0].message.audio");
    refused("messages-chat", choice(json!({"content": "x"}), "exploded"), "choices[0].finish_reason");
    let call = json!({"tool_calls": [{"id": "a", "function": {"name": "b", "arguments": "[1]"}}]});
    refused("messages-chat", choice(call, "tool_calls"), "tool_calls");
    // The same in a stream stops it.
    let stream = "data: {\"choices\":[{\"index\":0,\"delta\":{\"audio\":{}},\"finish_reason\":null}]}\n\n";
    assert!(streamed(pair("messages-chat"), "{}", stream.as_bytes()).1.is_some());
    let stream =
        "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"x\"},\"finish_reason\":null}]}\n\n";
    assert!(streamed(pair("messages-chat"), "{}", stream.as_bytes()).1.is_some());
}

/// What a reader of a stream ends up with: the blocks of the messages format.
fn collected(events: &str) -> Vec<(String, String)> {
    let mut blocks: Vec<(String, String)> = Vec::new();
    let mut open = None;
    for line in events.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let data: Value = serde_json::from_str(line).unwrap();
        match data["type"].as_str().unwrap() {
            "content_block_start" => {
                assert_eq!(open, None, "two blocks are open at once");
                assert_eq!(data["index"], blocks.len());
                open = data["index"].as_u64();
                let block = &data["content_block"];
                blocks.push((format!("{}{}", block["type"], block["id"]), String::new()));
            }
            "content_block_delta" => {
                assert_eq!(data["index"].as_u64(), open, "a piece of a block that is not open");
                let delta = &data["delta"];
                let piece = ["text", "thinking", "partial_json"].iter().find_map(|key| delta[key].as_str());
                blocks.last_mut().unwrap().1.push_str(piece.unwrap_or_default());
            }
            "content_block_stop" => assert_eq!(data["index"].as_u64(), open.take()),
            _ => {}
        }
    }
    blocks
}

/// Says each text in pieces, several calls mixed as a provider might.
fn mixed(calls: &[String], cuts: &[usize], order: &[usize]) -> String {
    let mut pieces: Vec<Vec<String>> = calls
        .iter()
        .zip(cuts)
        .map(|(text, cut)| {
            let cut = text.floor_char_boundary(*cut % (text.len() + 1));
            vec![text[..cut].to_owned(), text[cut..].to_owned()]
        })
        .collect();
    let mut stream = String::new();
    let mut say = |call: usize, piece: &str, is_first: bool| {
        let mut said = json!({"index": call, "function": {"arguments": piece}});
        if is_first {
            said["id"] = json!(format!("c{call}"));
            said["function"]["name"] = json!("f");
        }
        let chunk = json!({"id": "x", "model": "m", "choices": [{"index": 0, "delta": {"tool_calls": [said]}, "finish_reason": null}]});
        stream.push_str(&format!("data: {chunk}\n\n"));
    };
    let mut begun = vec![false; calls.len()];
    let turns: Vec<usize> =
        order.iter().copied().chain((0..calls.len()).flat_map(|call| [call, call])).collect();
    for call in turns {
        let call = call % calls.len();
        if !pieces[call].is_empty() {
            let piece = pieces[call].remove(0);
            say(call, &piece, !std::mem::replace(&mut begun[call], true));
        }
    }
    stream
        + "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n"
}

proptest! {
    #[test]
    fn any_cutting_of_a_stream_gives_the_same(
        which in any::<prop::sample::Index>(), lengths in prop::collection::vec(1usize..90, 1..60),
    ) {
        let streams = golden_streams();
        let (pair, stream) = which.get(&streams);
        let (mut rest, mut pieces) = (stream.as_slice(), Vec::new());
        for length in lengths.into_iter().cycle() {
            let (piece, after) = rest.split_at(length.min(rest.len()));
            pieces.push(piece);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(in_pieces(*pair, "{}", &pieces), streamed(*pair, "{}", stream));
    }

    #[test]
    fn mixed_parallel_calls_become_one_open_block_at_a_time(
        texts in proptest::collection::vec("[a-zé\"\\\\]{0,12}", 1..5),
        cuts in proptest::collection::vec(0usize..20, 5),
        order in proptest::collection::vec(0usize..5, 0..12),
    ) {
        let calls: Vec<String> = texts.iter().map(|text| json!({"t": text}).to_string()).collect();
        let (told, stop) = streamed(pair("messages-chat"), "{}", mixed(&calls, &cuts, &order).as_bytes());
        prop_assert_eq!(stop, None);
        let mut blocks = collected(&told);
        blocks.sort();
        let expected: Vec<_> = calls.iter().enumerate()
            .map(|(call, text)| (format!("\"tool_use\"\"c{call}\""), text.clone())).collect();
        prop_assert_eq!(blocks, expected);
    }

    #[test]
    fn a_stream_that_is_cut_anywhere_never_looks_complete(
        texts in proptest::collection::vec("[a-z ]{0,8}", 1..4),
        cut in 0usize..10_000,
    ) {
        let calls: Vec<String> = texts.iter().map(|text| json!({"t": text}).to_string()).collect();
        let chat = mixed(&calls, &[1; 5], &[]);
        let chat = &chat[..cut % (chat.len() - 14)];
        for (name, end) in [("messages-chat", "message_stop"), ("responses-chat", "response.completed")] {
            let (told, _) = streamed(pair(name), "{}", chat.as_bytes());
            prop_assert!(!told.contains(end) && !told.contains("stop_reason\":\"tool_use"), "{}", told);
        }
        let whole = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/chat-messages/tools/stream.sse")).unwrap();
        let messages = &whole[..cut % (whole.len() - 1)];
        for (name, end) in [("chat-messages", "[DONE]"), ("chat-messages", "finish_reason\":\"tool_calls"), ("responses-messages", "response.completed")] {
            let (told, _) = streamed(pair(name), "{}", messages.as_bytes());
            prop_assert!(!told.contains(end), "{}", told);
        }
    }

    #[test]
    fn a_conversation_that_goes_there_and_back_is_the_same(
        turns in proptest::collection::vec((any::<bool>(), "[a-zA-Zé\n\"]{1,12}", "[a-z]{1,6}", any::<i64>(), any::<bool>()), 1..6),
        system in proptest::option::of("[a-z ]{1,12}"),
        temperature in 0u8..=10,
    ) {
        let mut messages = Vec::new();
        for (index, (calls, text, argument, number, image)) in turns.iter().enumerate() {
            let mut said = vec![json!({"type": "text", "text": text})];
            if *image {
                said.push(json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}));
            }
            let mut answer = vec![json!({"type": "text", "text": text})];
            if *calls {
                let id = format!("call_{index}");
                answer.push(json!({"type": "tool_use", "id": id, "name": "f", "input": {argument: number}}));
                messages.push(json!({"role": "user", "content": said}));
                messages.push(json!({"role": "assistant", "content": answer}));
                let result = json!({"type": "tool_result", "tool_use_id": id, "content": [{"type": "text", "text": argument}]});
                messages.push(json!({"role": "user", "content": [result]}));
                messages.push(json!({"role": "assistant", "content": [{"type": "text", "text": "so"}]}));
            } else {
                messages.push(json!({"role": "user", "content": said}));
                messages.push(json!({"role": "assistant", "content": answer}));
            }
        }
        let mut request = json!({"model": "there", "max_tokens": 9});
        if let Some(system) = &system {
            request["system"] = json!([{"type": "text", "text": system}]);
        }
        request["messages"] = Value::Array(messages);
        request["temperature"] = json!(f64::from(temperature) / 10.0);
        request["tools"] = json!([{"name": "f", "description": "d", "input_schema": {"type": "object"}}]);
        request["tool_choice"] = json!({"type": "auto", "disable_parallel_tool_use": true});
        let there = pair("messages-chat").request(request.to_string().as_bytes(), TARGET).unwrap();
        let back = pair("chat-messages").request(&there, TARGET).unwrap();
        prop_assert_eq!(serde_json::from_slice::<Value>(&back).unwrap(), request);
    }

    #[test]
    fn an_answer_that_goes_there_and_back_is_the_same(
        text in "[a-zé\"\n]{1,16}", thought in proptest::option::of("[a-z]{1,9}"), argument in proptest::option::of("[a-z]{1,6}"),
        input in 0u64..1000, output in 0u64..1000, cached in 0u64..1000,
    ) {
        let mut content = Vec::new();
        if let Some(thought) = &thought {
            content.push(json!({"type": "thinking", "thinking": thought, "signature": ""}));
        }
        content.push(json!({"type": "text", "text": text}));
        if let Some(argument) = &argument {
            content.push(json!({"type": "tool_use", "id": "a", "name": "f", "input": {"x": argument}}));
        }
        let answer = json!({
            "id": "m", "type": "message", "role": "assistant", "model": "there", "content": content,
            "stop_reason": if argument.is_some() { "tool_use" } else { "end_turn" }, "stop_sequence": null,
            "usage": {"input_tokens": input, "output_tokens": output, "cache_read_input_tokens": cached, "cache_creation_input_tokens": 0},
        });
        let there = pair("chat-messages").answer(&answer.to_string(), NOW_S).unwrap();
        let back = pair("messages-chat").answer(std::str::from_utf8(&there).unwrap(), NOW_S).unwrap();
        prop_assert_eq!(serde_json::from_slice::<Value>(&back).unwrap(), answer);
    }

    #[test]
    fn any_json_is_carried_or_refused_without_a_panic(bytes in "[\\[\\]{}:,\"a-z0-9]{0,80}") {
        for name in ["messages-chat", "chat-messages", "responses-chat", "responses-messages"] {
            let _ = pair(name).request(bytes.as_bytes(), TARGET);
            let _ = pair(name).answer(&bytes, NOW_S);
            let _ = streamed(pair(name), &bytes, format!("data: {bytes}\n\n").as_bytes());
        }
    }
}
