//! Texts whose pieces come in any order: whatever a client makes of them, it never reads a match, and where no
//! client would read one nothing is refused.

use super::*;
use crate::stream::client::by_name;

/// The event that says these words of a text.
fn piece(face: Face, index: u64, words: &str) -> serde_json::Value {
    match face.name() {
        "messages" => {
            json!({"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": words}})
        }
        "responses" => {
            json!({"type": "response.output_text.delta", "output_index": index, "content_index": 0, "delta": words})
        }
        _ => json!({"choices": [{"index": index, "delta": {"content": words}}]}),
    }
}

/// The event that says that a block is over, where the API has one.
fn end(face: Face, index: u64) -> Option<serde_json::Value> {
    match face.name() {
        "messages" => Some(json!({"type": "content_block_stop", "index": index})),
        "responses" => Some(json!({"type": "response.output_item.done", "output_index": index})),
        _ => None,
    }
}

/// One step of a stream: a text goes on with these words, or is said to be over.
type Step = (u64, Option<String>);

fn written(face: Face, steps: &[Step]) -> Vec<u8> {
    let mut bytes = String::new();
    for (index, words) in steps {
        let event = match words {
            Some(words) => Some(piece(face, *index, words)),
            None => end(face, *index),
        };
        let Some(event) = event else { continue };
        if let Some(kind) = event["type"].as_str() {
            bytes.push_str(&format!("event: {kind}\n"));
        }
        bytes.push_str(&format!("data: {event}\n\n"));
    }
    bytes.push_str(match face.name() {
        "messages" => "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        "responses" => "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\"}}\n\n",
        _ => "data: [DONE]\n\n",
    });
    bytes.into_bytes()
}

/// Whether a text holds a match that `counts`, by what hides it. What a cut leaves of a longer word, which stands in the
/// `whole` text, is that word's beginning.
fn holds_match(
    policy: &Policy,
    text: &str,
    whole: Option<&String>,
    counts: impl Fn(Option<zos_rules::Evasion>) -> bool,
) -> bool {
    let mut found = Vec::new();
    policy.rules().scan(text, &mut found);
    let behind = whole.and_then(|whole| whole.strip_prefix(text)).and_then(|rest| rest.chars().next());
    let is_cut = behind.is_some_and(char::is_alphanumeric);
    found.iter().any(|violation| counts(violation.evasion) && !(is_cut && violation.span.end == text.len()))
}

/// What is read where one text stops and another speaks: all of the one, and what arrives from then on.
fn over_changes(steps: &[Step]) -> Vec<String> {
    let said: Vec<(u64, &str)> = steps
        .iter()
        .filter_map(|(index, words)| Some((*index, words.as_deref()?)))
        .filter(|(_, words)| !words.is_empty())
        .collect();
    let join = |at: usize| {
        let own = said[..=at].iter().filter(|(index, _)| *index == said[at].0);
        own.chain(&said[at + 1..]).map(|(_, words)| *words).collect()
    };
    (0..said.len().saturating_sub(1)).map(join).collect()
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let words = prop_oneof![
        6 => "(Project |Falcon|Proj|ect |Fal|con|Project Falcon|project falcon)",
        3 => "(ry|sub|s|a|Sub|is|9)",
        3 => "( |, |; |\\. |\n)",
        1 => "[a-z ]{0,4}",
    ];
    let step = prop_oneof![8 => words.prop_map(Some), 1 => Just(None)];
    prop::collection::vec((0..4u64, step), 1..10)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn no_client_reads_a_match_whatever_order_texts_come_in(
        face in faces(),
        steps in steps(),
        cuts in prop::collection::vec(any::<usize>(), 0..4),
    ) {
        let policy = policy(&[(TERM, Effect::Block)]);
        let bytes = written(face, &steps);
        let whole = run(face, &policy, &[&bytes]);
        prop_assert_eq!(&run(face, &policy, &cut_at(&bytes, cuts)), &whole);
        let (out, outcome) = (String::from_utf8(whole.0).unwrap(), whole.1);
        let all = String::from_utf8(bytes).unwrap();
        let whole = by_name(face, &all);
        for (name, text) in by_name(face, &out) {
            let is_read = holds_match(&policy, &text, whole.get(&name), |evasion| evasion.is_none());
            prop_assert!(!is_read, "a client reads {text:?}: {steps:?}");
        }
        if outcome.is_ok() {
            prop_assert_eq!(&out, &all);
        }
        // At no time does anybody read a match, in whatever order texts are put together.
        let is_harmless = |until: usize| {
            let texts = by_name(face, &String::from_utf8(written(face, &steps[..until])).unwrap());
            let read = |text: &str, whole| holds_match(&policy, text, whole, |_| true);
            // Over blocks out of order nothing waits for what would be more of a word.
            let whole = |name: &str| whole.get(name).filter(|_| name != "by index");
            !texts.iter().any(|(name, text)| read(text, whole(name)))
                && !over_changes(&steps[..until]).iter().any(|text| read(text, None))
        };
        // What is a match at the end of a block is one, also if the provider goes on with it.
        let has_ends = steps.iter().any(|(_, words)| words.is_none());
        if !has_ends && (1..=steps.len()).all(is_harmless) {
            prop_assert!(outcome.is_ok(), "nobody reads a match: {steps:?}");
        }
    }
}
