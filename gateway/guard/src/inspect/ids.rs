//! Ids of tokens, which some clients send in the place of text: read by the vocabulary of the model, and inspected.
//!
//! What they say cannot be replaced in its place. Ids of a vocabulary that we lack, and ids that a vocabulary does
//! not have, stay unread: they are an attachment.

use crate::findings::{Findings, PLACES_LIMIT};
use crate::policy::Policy;
use zos_meter::tokens::Vocabulary;
use zos_wire::json::Value;

/// Members of a body whose numbers are ids of tokens: those of embeddings and completions, and what servers for open
/// models call them.
const PLACES: &[&str] =
    &["input", "input_ids", "inputs", "prompt", "prompt_token_ids", "token_ids", "tokens"];

/// Whether a body holds ids of tokens where a model reads them.
#[must_use]
pub fn are_in(body: &Value<'_>) -> bool {
    places(body).any(|(_, value)| has_numbers(value))
}

/// Inspects what the ids of tokens in a body say in each of the vocabularies that the models have which may be asked;
/// `None` stands for a vocabulary that we lack.
pub fn inspect(
    policy: &Policy,
    body: &Value<'_>,
    vocabularies: &[Option<Vocabulary>],
    findings: &mut Findings,
) {
    for (place, value) in places(body).filter(|(_, value)| has_numbers(value)) {
        let mut is_read = !vocabularies.is_empty();
        for vocabulary in vocabularies {
            match vocabulary {
                Some(vocabulary) => is_read &= list(policy, value.elements(), *vocabulary, place, findings),
                None => is_read = false,
            }
        }
        if !is_read {
            findings.has_attachment = true;
            if findings.uninspected.len() < PLACES_LIMIT {
                findings.uninspected.push(format!("tokens:{place}"));
            }
        }
    }
}

fn places<'v, 't>(body: &'v Value<'t>) -> impl Iterator<Item = (&'static str, &'v Value<'t>)> {
    body.members().iter().filter_map(|(key, value)| {
        let place = PLACES.iter().find(|place| key.is(place))?;
        Some((*place, value))
    })
}

fn has_numbers(value: &Value<'_>) -> bool {
    value.elements().iter().any(|element| matches!(element, Value::Number(_)) || has_numbers(element))
}

/// Inspects one list as one text: its ids, and strings between them as some servers take them. Lists in it are texts
/// of their own. Says whether all ids were read.
fn list(
    policy: &Policy,
    elements: &[Value<'_>],
    vocabulary: Vocabulary,
    place: &str,
    findings: &mut Findings,
) -> bool {
    let (mut said, mut is_read, mut has_ids) = (Vec::new(), true, false);
    for element in elements {
        match element {
            Value::Number(digits) => {
                has_ids = true;
                match digits.parse().ok().and_then(|id| vocabulary.token(id)) {
                    Some(token) => said.extend_from_slice(token),
                    None => is_read = false,
                }
            }
            Value::String(text) => said.extend_from_slice(text.text().as_bytes()),
            Value::Array(elements) => is_read &= list(policy, elements, vocabulary, place, findings),
            Value::Object { .. } | Value::Bool(_) | Value::Null => {}
        }
    }
    if has_ids {
        crate::inspect::text(policy, &String::from_utf8_lossy(&said), place, findings);
    }
    is_read
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use zos_core::{Effect, RoomPolicy};
    use zos_rules::{Room, RuleKind, RuleSpec, Ruleset, Term};
    use zos_wire::json;

    const TERM: &str = "Kestrel Harbor";

    fn policy() -> Policy {
        let rules = vec![RuleSpec::new("deny/1", RuleKind::Term(Term::new(TERM).unwrap()))];
        let ruleset = Arc::new(Ruleset::compile(&[Room { name: "acme".into(), rules }]).unwrap());
        let rules = ruleset.room("acme").unwrap();
        let (effects, places, labels) = (vec![Effect::Block], Vec::new(), vec!["term".into()]);
        Policy::new(Arc::new(RoomPolicy { rules, effects, places, labels, restore_to: Vec::new() }), false)
    }

    /// Ids of a text, longest token first: not as the vocabulary's makers would, but they say the same.
    fn ids(vocabulary: Vocabulary, text: &str) -> Vec<u64> {
        let known: std::collections::HashMap<&[u8], u64> =
            (0..200_000).filter_map(|id| Some((vocabulary.token(id)?, id))).collect();
        let (mut ids, mut rest) = (Vec::new(), text.as_bytes());
        while !rest.is_empty() {
            let length = (1..=rest.len()).rev().find(|length| known.contains_key(&rest[..*length])).unwrap();
            ids.push(known[&rest[..length]]);
            rest = &rest[length..];
        }
        ids
    }

    fn inspected(body: &serde_json::Value, vocabularies: &[Option<Vocabulary>]) -> (bool, Vec<String>) {
        let (policy, mut findings) = (policy(), Findings::default());
        let text = body.to_string();
        let value = json::parse(&text).unwrap();
        assert!(are_in(&value), "{text}");
        inspect(&policy, &value, vocabularies, &mut findings);
        assert_eq!(findings.has_attachment, !findings.uninspected.is_empty());
        (findings.are_blocked(&policy), findings.uninspected)
    }

    #[test]
    fn a_term_is_found_in_ids_at_any_depth_in_every_vocabulary() {
        for (vocabulary, end) in [(Vocabulary::Cl100k, 100_257), (Vocabulary::O200k, 199_999)] {
            let said = ids(vocabulary, "They meet at Kestrel Harbor in May");
            let spread: Vec<u64> = said.iter().flat_map(|id| [*id, end]).collect();
            let letters: Vec<u64> = TERM.chars().flat_map(|c| ids(vocabulary, &c.to_string())).collect();
            for list in [
                serde_json::json!(said),
                serde_json::json!([[1, 2], said]),
                serde_json::json!([[[said]]]),
                serde_json::json!([letters, "and words"]),
                serde_json::json!(["Kestrel Har", ids(vocabulary, "bor")[0]]),
            ] {
                for place in PLACES {
                    let body = serde_json::json!({"model": "m", *place: list});
                    assert_eq!(inspected(&body, &[Some(vocabulary)]), (true, vec![]), "{body}");
                    let (is_blocked, unread) = inspected(&body, &[None, Some(vocabulary)]);
                    assert!(is_blocked, "{body}");
                    assert_eq!(unread, [format!("tokens:{place}")]);
                }
            }
            // Ids that steer say nothing, those that are none are named, and what stands around both is read.
            assert!(inspected(&serde_json::json!({"input": spread}), &[Some(vocabulary)]).0);
            let mut unknown = said.clone();
            unknown.push(4_000_000_000);
            assert_eq!(
                inspected(&serde_json::json!({"input": unknown}), &[Some(vocabulary)]),
                (true, vec!["tokens:input".to_owned()])
            );
            let harmless = serde_json::json!({"input": ids(vocabulary, "They meet in May")});
            assert_eq!(inspected(&harmless, &[Some(vocabulary)]), (false, vec![]));
            assert_eq!(inspected(&harmless, &[None]), (false, vec!["tokens:input".to_owned()]));
            assert_eq!(inspected(&harmless, &[]), (false, vec!["tokens:input".to_owned()]));
        }
    }

    #[test]
    fn numbers_elsewhere_are_no_ids() {
        for body in [
            r#"{"input":"x","seed":[1,2]}"#,
            r#"{"messages":[{"input":[1]}]}"#,
            r#"{"input":[{"a":[1]}]}"#,
            "[1]",
        ] {
            assert!(!are_in(&json::parse(body).unwrap()), "{body}");
        }
    }
}
