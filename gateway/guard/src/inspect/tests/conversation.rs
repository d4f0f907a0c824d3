//! Terms over two texts of a request: every pair of neighbours, every cut, every dialect.

use super::*;

/// Finds of a request, its messages read on from one to the next.
fn found_in_request(policy: &Policy, body: &serde_json::Value) -> Findings {
    let mut findings = Findings::default();
    let text = body.to_string();
    request(policy, &json::parse(&text).unwrap(), &mut findings);
    findings
}

/// Requests with two texts that a model reads one after the other.
fn neighbours(one: &str, two: &str) -> Vec<serde_json::Value> {
    let text = |text: &str| json!({"type": "text", "text": text});
    let turn = |role: &str, content: serde_json::Value| json!({"role": role, "content": content});
    vec![
        json!({"messages": [turn("user", json!(one)), turn("user", json!(two))]}),
        json!({"messages": [turn("user", json!(one)), turn("assistant", json!(two))]}),
        json!({"messages": [{"content": one, "role": "assistant"}, {"content": two, "role": "user"}]}),
        json!({"messages": [turn("user", json!([text(one), text(two)]))]}),
        json!({"messages": [turn("user", json!([text("a"), text(one)])), turn("assistant", json!([text(two)]))]}),
        json!({"messages": [turn("user", json!(one)), turn("user", json!("")), turn("user", json!(two))]}),
        json!({"messages": [turn("user", json!([text(one), {"type": "image_url", "image_url": {"url": "https://a.example/1.png"}}, text(two)]))]}),
        json!({"messages": [turn("user", json!(one)),
            turn("assistant", json!([{"type": "thinking", "thinking": two, "signature": ""}]))]}),
        json!({"messages": [turn("assistant", json!([text(one), {"type": "tool_use", "id": "t", "name": "f", "input": {"q": 1}}])),
            turn("user", json!([{"type": "tool_result", "tool_use_id": "t", "content": [text(two)]}]))]}),
        json!({"system": one, "messages": [turn("user", json!(two))]}),
        json!({"messages": [turn("user", json!(two))], "model": "m", "system": [text(one)]}),
        json!({"messages": [{"role": "assistant", "reasoning_content": one, "content": two}]}),
        json!({"messages": [{"role": "tool", "tool_call_id": "c", "content": one}, turn("user", json!(two))]}),
        json!({"input": [turn("user", json!([{"type": "input_text", "text": one}])),
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": two}]}]}),
        json!({"input": two, "instructions": one}),
        json!({"instructions": one, "tools": [{"type": "function", "name": "f"}], "input": [turn("user", json!(two))]}),
        json!({"input": [{"type": "function_call_output", "call_id": "c", "output": one}, turn("user", json!(two))]}),
        json!({"input": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": one}]}, turn("user", json!(two))]}),
        json!({"input": [one, two]}),
        json!({"prompt": [one, two]}),
    ]
}

#[test]
fn a_term_over_two_neighbours_is_found_wherever_it_is_cut_and_cannot_be_replaced() {
    let long = "words that lie far from any seam ".repeat(100);
    for effect in [Effect::Block, Effect::Redact] {
        let policy = policy_of(effect, &[TERM]);
        for cut in 1..TERM.len() {
            let (first, second) = TERM.split_at(cut);
            // The blank may be left to the model.
            for (first, second) in [(first, second), (first.trim_end(), second.trim_start())] {
                for (one, two) in [
                    (format!("about {first}"), format!("{second} we know")),
                    (format!("{long}{first}"), format!("{second}, and {long}")),
                    (first.to_owned(), second.to_owned()),
                ] {
                    for body in neighbours(&one, &two) {
                        let findings = found_in_request(&policy, &body);
                        assert_eq!(findings.found.len(), 1, "{one:?} {two:?} {body}");
                        assert_eq!(findings.found[0].count, 1, "found once: {body}");
                        match effect {
                            Effect::Block => assert!(findings.are_blocked(&policy), "{body}"),
                            _ => assert!(findings.not_replaceable(&policy).is_some(), "{body}"),
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_term_in_many_small_messages_is_found() {
    let policy = policy_of(Effect::Block, &[TERM]);
    for parts in [
        vec!["Kes", "trel", "Har", "bor"],
        vec!["kestrel", "har", "bor"],
        vec!["thanks", "kes", "trel har", "bor", "and more"],
        vec!["k", "kes", "kes", "kestrel", "h", "arbor"],
        vec!["the Kestrel", "Har", "bor."],
        TERM.split("").collect(),
    ] {
        let messages: Vec<_> = parts.iter().map(|part| json!({"role": "user", "content": part})).collect();
        assert!(found_in_request(&policy, &json!({"messages": messages})).are_blocked(&policy), "{parts:?}");
    }
    // A term of few letters, which nothing is skipped in.
    let short = policy_of(Effect::Block, &["Bo Ek"]);
    assert!(
        neighbours("it is Bo", "Ek who knows")
            .iter()
            .all(|body| found_in_request(&short, body).are_blocked(&short))
    );
}

#[test]
fn two_texts_that_only_touch_make_no_term() {
    let policy = policy_of(Effect::Block, &[TERM, "Ann", "Bo Ek", "Rhodium"]);
    for (one, two) in [
        ("a kestrel.", "Harbor is a word"),
        ("kestrel;", "harbor"),
        ("Jo", "annual"),
        ("about Kestrel", "Harborough is a town"),
        ("mykestrel", "harbor"),
        ("I said: Bo", "Ekman"),
        ("rho", "dium-like"),
        ("see rho", "dium-like"),
        ("", "Harbor"),
        ("Kestrel", ""),
    ] {
        for body in neighbours(one, two) {
            let is_word = one.ends_with("rho");
            assert_eq!(!found_in_request(&policy, &body).found.is_empty(), is_word, "{one:?} {two:?} {body}");
        }
    }
    // What stands in other fields is no neighbour.
    for body in [
        json!({"messages": [{"role": "user", "content": "Kestrel"}], "metadata": {"user_id": "Harbor"}}),
        json!({"tools": [{"name": "f", "description": "Kestrel"}, {"name": "g", "description": "Harbor"}]}),
        json!({"messages": [{"role": "Kestrel", "content": "Harbor"}]}),
        json!({"stop": ["Kestrel", "Harbor"], "messages": []}),
    ] {
        assert!(found_in_request(&policy, &body).found.is_empty(), "{body}");
    }
}

#[test]
fn numbers_of_two_messages_are_two_numbers_and_of_two_blocks_one() {
    let rule = RuleSpec::new("deny/1", RuleKind::Pack(zos_rules::PackName::Payment.into()));
    let ruleset = Arc::new(Ruleset::compile(&[Room { name: "acme".into(), rules: vec![rule] }]).unwrap());
    let room = RoomPolicy {
        rules: ruleset.room("acme").unwrap(),
        effects: vec![Effect::Block],
        places: Vec::new(),
        labels: vec!["payment".into()],
        restore_to: Vec::new(),
    };
    let policy = Policy::new(Arc::new(room), false);
    let turns = |one: &str, two: &str| json!({"messages": [{"role": "user", "content": one}, {"role": "user", "content": two}]});
    assert!(found_in_request(&policy, &turns("4556 7375", "8689 9855")).found.is_empty());
    let blocks = json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "4556 7375 "}, {"type": "text", "text": "8689 9855"}]}]});
    assert!(found_in_request(&policy, &blocks).are_blocked(&policy));
}

#[test]
fn no_real_request_is_stopped_at_its_seams() {
    let policy = policy_of(Effect::Block, &[TERM, "Harbor Kestrel", "Ann", "Bo Ek"]);
    for (name, body) in transcripts() {
        assert!(found_in_request(&policy, &body).found.is_empty(), "{name}");
    }
}
