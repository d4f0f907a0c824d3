//! Targets that the owner has to confirm: a tool call or link waits for the owner, whole and streamed, for a
//! bounded time; the owner sees where it points, and nobody else does.

use crate::ask::{asks, decide, leave_while_held};
use crate::targets::{FACES, arguments_of, plain, request, said, streamed};
use serde_json::{Value, json};
use std::time::Duration;
use zos_tests::gateway::{Gateway, Scratch, client};
use zos_tests::{Provider, provider};

const ROOM: &str = "# mine\ntargets:\n  allow: [acme.com] # ours\n  confirm:\n    - pay.acme.com # money\n    - '*.bank.org'\n";

/// One a face in these tests: a rule that asks more than five times a minute holds no more calls.
async fn house(yaml: &str, provider: &Provider, timeout_s: u32) -> Gateway {
    let config = format!("ask: {{timeout_s: {timeout_s}}}\n");
    Scratch::new().acme(yaml).provider(provider).file("gateway/config.yml", &config).start().await
}

fn send(gateway: &Gateway, path: &str, is_streamed: bool) -> tokio::task::JoinHandle<(u16, String)> {
    let call = client()
        .post(format!("{}{path}", gateway.url))
        .header("content-type", "application/json")
        .body(request(path, is_streamed));
    tokio::spawn(async move {
        let response = call.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    })
}

fn pay() -> Value {
    json!({"url": "https://u@PAY.acme.com./x?sum=7", "prompt": "wire it"})
}

#[tokio::test]
async fn a_plain_call_waits_for_the_owner_who_sees_where_it_points() {
    for path in FACES {
        let provider = Provider::json("{}").await;
        let gateway = house(ROOM, &provider, 60).await;
        for (step, decision) in ["allow_once", "deny"].into_iter().enumerate() {
            let answer = plain(path, "WebFetch", &pay());
            provider.play(provider::json(200, &answer));
            let call = send(&gateway, path, false);
            let ask = asks(&gateway, 1).await.remove(0);
            assert_eq!(
                (&ask["side"], &ask["waiting"], &ask["rules"]),
                (
                    &json!("answer"),
                    &json!(1),
                    &json!([{"rule": "target-confirm/1", "field": "a tool call", "count": 1}])
                )
            );
            assert_eq!(
                ask["targets"],
                json!([{
                    "rule": "target-confirm/1", "tool": "WebFetch", "kind": "url", "count": 1,
                    "target": "https://pay.acme.com/x?sum=7", "always": "pay.acme.com", "not_always": null,
                }])
            );
            assert!(!ask.to_string().contains("wire"), "{ask}");
            assert!(!call.is_finished(), "nothing is delivered while it waits");
            assert_eq!(decide(&gateway, &ask["id"], decision).await.0, 200);
            let (status, text) = call.await.unwrap();
            if decision == "allow_once" {
                assert_eq!((status, &text), (200, &answer), "{path}");
            } else {
                assert_eq!(status, 502, "{path}: {text}");
                assert!(
                    text.contains("zos_firewall_response")
                        && text.contains("owner denied")
                        && text.contains("target-confirm/1"),
                    "{text}"
                );
                assert!(
                    !text.contains("pay") && !text.contains("WebFetch") && !text.contains("sum"),
                    "{text}"
                );
            }
            let record = gateway.wait_records(step + 1).await.pop().unwrap();
            let verdict = if decision == "deny" { "deny" } else { "warn" };
            assert_eq!(
                (&record["verdict"], &record["rules"]),
                (&json!(verdict), &json!(["target-confirm/1"])),
                "{path}"
            );
            assert!(!record.to_string().contains("pay") && !record.to_string().contains("WebFetch"));
        }
        let (_, page) = gateway.admin("GET", "/zos/v1/audit?kind=decision", None).await;
        assert!(page.to_string().contains("target-confirm/1: allow_once"), "{page}");
        assert!(!page.to_string().contains("pay.acme"), "the target stands in no record: {page}");
    }
}

#[tokio::test]
async fn a_streamed_call_is_held_with_pings_and_passes_byte_for_byte_or_not_at_all() {
    for path in FACES {
        let provider = Provider::json("{}").await;
        let gateway = house(ROOM, &provider, 60).await;
        let bytes = streamed(path, "WebFetch", &pay());
        for decision in ["allow_once", "deny"] {
            provider.play(provider::events(&[bytes.as_bytes()]));
            let call = client()
                .post(format!("{}{path}", gateway.url))
                .header("content-type", "application/json")
                .body(request(path, true));
            let mut response = call.send().await.unwrap();
            let ask = asks(&gateway, 1).await.remove(0);
            assert_eq!(ask["targets"][0]["target"], "https://pay.acme.com/x?sum=7");
            let mut text = String::new();
            // What came before the arguments is delivered, and a ping while it waits.
            let ping = if path == "/v1/messages" { "event: ping" } else { ": " };
            while !text.lines().any(|line| line.starts_with(ping)) {
                text.push_str(std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap());
            }
            assert_eq!(arguments_of(&text), "", "{path}: {text}");
            assert_eq!(decide(&gateway, &ask["id"], decision).await.0, 200);
            text.push_str(&response.text().await.unwrap());
            if decision == "allow_once" {
                let rest: String =
                    text.split_inclusive("\n\n").filter(|event| !event.starts_with(ping)).collect();
                assert_eq!(rest, bytes, "{path}");
            } else {
                assert_eq!(arguments_of(&text), "", "{path}: {text}");
                assert!(text.contains("zos_firewall_response") && text.contains("owner denied"), "{text}");
                for end in ["[DONE]", "message_stop", "response.completed", "stop_reason"] {
                    assert!(!text.contains(end), "{path} looks complete: {text}");
                }
                assert!(!text.contains("pay.acme"), "{text}");
            }
        }
    }
}

#[tokio::test]
async fn no_answer_stops_this_call_writes_no_rule_and_the_same_target_may_still_be_allowed_once() {
    let path = FACES[1];
    let other = json!({"url": "https://pay.acme.com/other"});
    for is_streamed in [false, true] {
        let provider = Provider::json("{}").await;
        let gateway = house(ROOM, &provider, 1).await;
        let answer = |arguments: &Value| match is_streamed {
            false => provider::json(200, &plain(path, "WebFetch", arguments)),
            true => provider::events(&[streamed(path, "WebFetch", arguments).as_bytes()]),
        };
        provider.play(answer(&pay()));
        let (_, text) = send(&gateway, path, is_streamed).await.unwrap();
        let ask = asks(&gateway, 1).await.remove(0);
        let id = ask["id"].as_str().unwrap();
        assert!(text.contains("no answer within 1 s") && text.contains(&format!("zos allow {id}")), "{text}");
        assert_eq!((arguments_of(&text).as_str(), &ask["waiting"]), ("", &json!(0)));
        decide(&gateway, &ask["id"], "allow_once").await;
        // The same request may be answered otherwise: only what was allowed passes.
        provider.play(answer(&other));
        let (_, text) = send(&gateway, path, is_streamed).await.unwrap();
        assert!(text.contains("no answer within"), "{text}");
        provider.play(answer(&pay()));
        let (status, text) = send(&gateway, path, is_streamed).await.unwrap();
        assert!(status == 200 && (text.contains("sum=7") || arguments_of(&text).contains("sum=7")), "{text}");
        provider.play(answer(&pay()));
        let (_, text) = send(&gateway, path, is_streamed).await.unwrap();
        assert!(text.contains("no answer within"), "only once: {text}");
        assert_eq!(std::fs::read_to_string(gateway.path("contexts/acme.yml")).unwrap(), ROOM);
    }
}

#[tokio::test]
async fn a_target_is_not_redacted() {
    let provider = Provider::json(&plain(FACES[1], "fetch", &pay())).await;
    let gateway = house(ROOM, &provider, 60).await;
    let call = send(&gateway, FACES[1], false);
    let ask = asks(&gateway, 1).await.remove(0);
    let (status, refused) = decide(&gateway, &ask["id"], "redact").await;
    assert_eq!(status, 400, "{refused}");
    assert!(refused.to_string().contains("cannot be redacted"), "{refused}");
    assert_eq!(asks(&gateway, 1).await[0]["waiting"], 1, "it still waits");
    assert_eq!(decide(&gateway, &ask["id"], "deny").await.0, 200);
    assert_eq!(call.await.unwrap().0, 502);
}

#[tokio::test]
async fn always_moves_the_target_to_the_allow_list_and_keeps_the_rest_of_the_file() {
    let provider = Provider::json(&plain(FACES[1], "fetch", &pay())).await;
    let gateway = house(ROOM, &provider, 60).await;
    let call = send(&gateway, FACES[1], false);
    let ask = asks(&gateway, 1).await.remove(0);
    // A change that was made meanwhile stays.
    let changed = ROOM.replace("# mine", "# mine, changed\nx-note: 1");
    gateway.write("contexts/acme.yml", &changed);
    let (status, decided) = decide(&gateway, &ask["id"], "always").await;
    assert_eq!(status, 200, "{decided}");
    assert_eq!(decided["written"], json!(["contexts/acme.yml, targets.allow: pay.acme.com"]));
    assert_eq!(call.await.unwrap().0, 200);
    assert_eq!(
        std::fs::read_to_string(gateway.path("contexts/acme.yml")).unwrap(),
        changed.replace("[acme.com]", "[acme.com, pay.acme.com]").replace("    - pay.acme.com # money\n", "")
    );
    provider.play(provider::json(200, &plain(FACES[1], "fetch", &pay())));
    assert_eq!(send(&gateway, FACES[1], false).await.unwrap().0, 200, "it is not asked again");

    // A wider entry asks: an entry for this one target would change nothing.
    let bank = json!({"url": "https://my.bank.org/"});
    provider.play(provider::json(200, &plain(FACES[1], "fetch", &bank)));
    let call = send(&gateway, FACES[1], false);
    let ask = asks(&gateway, 1).await.remove(0);
    assert_eq!(ask["targets"][0]["always"], Value::Null);
    assert!(ask["targets"][0]["not_always"].as_str().unwrap().contains("names more"), "{ask}");
    let (status, refused) = decide(&gateway, &ask["id"], "always").await;
    assert_eq!((status, &refused["error"]["code"]), (409, &json!("zos_rule_not_editable")), "{refused}");
    assert_eq!(decide(&gateway, &ask["id"], "allow_once").await.0, 200);
    assert_eq!(call.await.unwrap().0, 200);
}

#[tokio::test]
async fn several_targets_of_one_call_are_one_ask_and_one_denied_target_needs_none() {
    let provider = Provider::json("{}").await;
    let gateway = house(ROOM, &provider, 60).await;
    let both =
        json!({"command": "curl https://pay.acme.com/a; curl https://my.bank.org/b; curl https://acme.com"});
    provider.play(provider::json(200, &plain(FACES[0], "Bash", &both)));
    let call = send(&gateway, FACES[0], false);
    let ask = asks(&gateway, 1).await.remove(0);
    let shown: Vec<&str> =
        ask["targets"].as_array().unwrap().iter().map(|target| target["target"].as_str().unwrap()).collect();
    assert_eq!(shown, ["https://pay.acme.com/a", "https://my.bank.org/b"]);
    decide(&gateway, &ask["id"], "allow_once").await;
    assert_eq!(call.await.unwrap().0, 200);

    let one_denied = json!({"command": "curl https://pay.acme.com/a; curl https://evil.com"});
    for is_streamed in [false, true] {
        provider.play(match is_streamed {
            false => provider::json(200, &plain(FACES[0], "Bash", &one_denied)),
            true => provider::events(&[streamed(FACES[0], "Bash", &one_denied).as_bytes()]),
        });
        let (_, text) = send(&gateway, FACES[0], is_streamed).await.unwrap();
        assert!(text.contains("target-default") && arguments_of(&text).is_empty(), "{text}");
    }
    asks(&gateway, 0).await;
}

/// Two calls in one answer: each is asked about, and what the first may do says nothing of the second.
#[tokio::test]
async fn several_calls_of_one_answer_are_decided_one_after_the_other() {
    let provider = Provider::json("{}").await;
    let gateway = house(ROOM, &provider, 60).await;
    let event = |data: Value| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap());
    let call = |index: u64, url: &str| {
        event(
            json!({"type": "content_block_start", "index": index, "content_block": {"type": "tool_use", "id": format!("t{index}"), "name": "fetch", "input": {}}}),
        ) + &event(
            json!({"type": "content_block_delta", "index": index, "delta": {"type": "input_json_delta", "partial_json": json!({"url": url}).to_string()}}),
        ) + &event(json!({"type": "content_block_stop", "index": index}))
    };
    let head = event(json!({"type": "message_start", "message": {"id": "m"}}));
    let tail = event(json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}}))
        + &event(json!({"type": "message_stop"}));
    let (first, second) = (call(0, "https://pay.acme.com/1"), call(1, "https://my.bank.org/2"));
    for last in ["allow_once", "deny"] {
        // The second call comes in a piece of its own, after the first was decided.
        let pieces = [format!("{head}{first}"), format!("{second}{tail}")];
        provider.play(provider::events(&[pieces[0].as_bytes(), pieces[1].as_bytes()]));
        let answer = send(&gateway, "/v1/messages", true);
        let mut seen = Vec::new();
        let mut open = asks(&gateway, 1).await.remove(0);
        loop {
            for target in open["targets"].as_array().unwrap() {
                seen.push(target["target"].as_str().unwrap().to_owned());
            }
            let is_last = seen.len() == 2;
            decide(&gateway, &open["id"], if is_last { last } else { "allow_once" }).await;
            if is_last {
                break;
            }
            open = asks(&gateway, 1).await.remove(0);
        }
        seen.sort();
        assert_eq!(seen, ["https://my.bank.org/2", "https://pay.acme.com/1"]);
        let (_, text) = answer.await.unwrap();
        assert_eq!(text.contains("message_stop"), last == "allow_once", "{text}");
        assert_eq!(text.contains("bank.org"), last == "allow_once", "{text}");
    }
}

#[tokio::test]
async fn a_link_in_text_is_asked_about_where_links_are_checked() {
    let text = "See [it](https://pay.acme.com/bill) now, or https://acme.com today";
    for path in FACES {
        let provider = Provider::json("{}").await;
        let gateway = house(&format!("{ROOM}  links: check\n"), &provider, 60).await;
        for decision in ["allow_once", "deny"] {
            provider.play(provider::json(200, &said(path, text, false)));
            let call = send(&gateway, path, false);
            let ask = asks(&gateway, 1).await.remove(0);
            assert_eq!(
                (&ask["targets"][0]["tool"], &ask["rules"][0]["field"]),
                (&Value::Null, &json!("a link"))
            );
            decide(&gateway, &ask["id"], decision).await;
            assert_eq!(call.await.unwrap().0, if decision == "deny" { 502 } else { 200 }, "{path}");

            let bytes = said(path, text, true);
            provider.play(provider::events(&[bytes.as_bytes()]));
            let call = send(&gateway, path, true);
            let ask = asks(&gateway, 1).await.remove(0);
            decide(&gateway, &ask["id"], decision).await;
            let (_, streamed) = call.await.unwrap();
            let rest: String = streamed
                .split_inclusive("\n\n")
                .filter(|event| !event.starts_with(": ") && !event.starts_with("event: ping"))
                .collect();
            if decision == "allow_once" {
                assert_eq!(rest, bytes, "{path}");
            } else {
                assert!(rest.contains("zos_firewall_response") && !rest.contains("bill"), "{path}: {rest}");
            }
        }
    }
}

#[tokio::test]
async fn a_client_that_leaves_while_its_call_waits_is_recorded_and_the_ask_can_be_answered() {
    let provider = Provider::json("{}").await;
    let gateway = house(ROOM, &provider, 60).await;
    let path = FACES[1];
    for (number, is_streamed) in [false, true].into_iter().enumerate() {
        provider.play(match is_streamed {
            false => provider::json(200, &plain(path, "fetch", &pay())),
            true => provider::events(&[streamed(path, "fetch", &pay()).as_bytes()]),
        });
        let call = send(&gateway, path, is_streamed);
        leave_while_held(&gateway, call).await;
        let record = gateway.wait_records(number + 1).await.pop().unwrap();
        assert_eq!(record["outcome"], "abandoned", "{record}");
        let ask = asks(&gateway, 1).await.remove(0);
        assert_eq!(decide(&gateway, &ask["id"], "deny").await.0, 200);
    }
}

/// The call that waits is decided as it was asked; what the file says meanwhile holds for the next one.
#[tokio::test]
async fn a_config_that_changes_while_a_call_waits_holds_for_the_next_call_and_for_always() {
    let provider = Provider::json("{}").await;
    let gateway = house(ROOM, &provider, 60).await;
    provider.play(provider::json(200, &plain(FACES[1], "fetch", &pay())));
    let call = send(&gateway, FACES[1], false);
    let ask = asks(&gateway, 1).await.remove(0);
    let (_, source) = gateway.admin("GET", "/zos/v1/contexts/acme", None).await;
    let denying = "targets: {allow: [acme.com], deny: [pay.acme.com]}\n";
    let saved = json!({"yaml": denying, "etag": source["etag"]});
    assert_eq!(gateway.admin("PUT", "/zos/v1/contexts/acme", Some(saved)).await.0, 200);
    let (status, refused) = decide(&gateway, &ask["id"], "always").await;
    assert_eq!(status, 409, "{refused}");
    assert!(refused.to_string().contains("denies it by now"), "{refused}");
    assert_eq!(std::fs::read_to_string(gateway.path("contexts/acme.yml")).unwrap(), denying);
    assert_eq!(decide(&gateway, &ask["id"], "allow_once").await.0, 200);
    assert_eq!(call.await.unwrap().0, 200, "the owner said so of this very call");
    provider.play(provider::json(200, &plain(FACES[1], "fetch", &pay())));
    let (status, text) = send(&gateway, FACES[1], false).await.unwrap();
    assert!(status == 502 && text.contains("target-deny/1"), "{text}");
}

#[tokio::test]
async fn an_open_room_asks_too_and_a_paused_shield_does_not() {
    let provider = Provider::json("{}").await;
    let gateway = house(&format!("isolation: open\n{ROOM}"), &provider, 60).await;
    provider.play(provider::json(200, &plain(FACES[1], "fetch", &pay())));
    let call = send(&gateway, FACES[1], false);
    let ask = asks(&gateway, 1).await.remove(0);
    decide(&gateway, &ask["id"], "deny").await;
    assert_eq!(call.await.unwrap().0, 502);
    assert_eq!(gateway.admin("PUT", "/zos/v1/shield", Some(json!({"paused": true}))).await.0, 200);
    for is_streamed in [false, true] {
        provider.play(match is_streamed {
            false => provider::json(200, &plain(FACES[1], "fetch", &pay())),
            true => provider::events(&[streamed(FACES[1], "fetch", &pay()).as_bytes()]),
        });
        let (status, text) = send(&gateway, FACES[1], is_streamed).await.unwrap();
        assert!(status == 200 && !text.contains("zos_firewall"), "{text}");
    }
    asks(&gateway, 0).await;
}

#[tokio::test]
async fn stopping_does_not_wait_for_the_owner() {
    let path = FACES[1];
    for is_streamed in [false, true] {
        let provider = match is_streamed {
            false => Provider::json(&plain(path, "fetch", &pay())).await,
            true => Provider::events(&streamed(path, "fetch", &pay())).await,
        };
        let gateway = house(ROOM, &provider, 600).await;
        let call = send(&gateway, path, is_streamed);
        asks(&gateway, 1).await;
        gateway.stop(Duration::from_secs(60)).await;
        let (status, text) = call.await.unwrap();
        assert_eq!(status, if is_streamed { 200 } else { 503 });
        assert!(text.contains("zos_shutting_down") && arguments_of(&text).is_empty(), "{text}");
        assert!(!text.contains("[DONE]"), "{text}");
    }
}

/// More targets than a person reads are stopped, and so is one that cannot be shown whole.
#[tokio::test]
async fn what_nobody_can_look_over_is_not_asked_about() {
    let provider = Provider::json("{}").await;
    let gateway = house(ROOM, &provider, 60).await;
    let many: Vec<String> = (0..17).map(|number| format!("https://b{number}.bank.org/")).collect();
    let long = format!("https://my.bank.org/{}", "x".repeat(2100));
    for arguments in [json!({ "urls": many }), json!({ "url": long })] {
        provider.play(provider::json(200, &plain(FACES[1], "fetch", &arguments)));
        let (status, text) = send(&gateway, FACES[1], false).await.unwrap();
        assert!(status == 502 && text.contains("target-limit"), "{text}");
    }
    asks(&gateway, 0).await;
}
