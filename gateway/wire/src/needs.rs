//! What a request needs of its model, seen from its shape alone.

use crate::face::Face;
use crate::json::Value;
use smallvec::SmallVec;
use zos_core::Api;
use zos_meter::Tier;

/// The capabilities that the fleet's `caps` speak of.
pub(crate) fn caps(body: &Value<'_>) -> SmallVec<[&'static str; 2]> {
    let mut caps = SmallVec::new();
    if body.get("tools").is_some_and(|tools| !tools.elements().is_empty()) {
        caps.push("tools");
    }
    let turns = body.get("messages").or_else(|| body.get("input"));
    if turns.is_some_and(|turns| turns.elements().iter().any(holds_image)) {
        caps.push("vision");
    }
    caps
}

/// Whether it asks for thinking.
pub(crate) fn thinks(body: &Value<'_>) -> bool {
    let word = |path: &[&str]| body.at(path).and_then(Value::as_str);
    let effort = word(&["reasoning_effort"]).or_else(|| word(&["reasoning", "effort"]));
    effort.is_some_and(|effort| !effort.is("none"))
        || word(&["thinking", "type"]).is_some_and(|kind| !kind.is("disabled"))
}

/// Whether sound may go in or come out.
pub(crate) fn sounds(body: &Value<'_>) -> bool {
    let modalities = body.get("modalities").map(Value::elements).unwrap_or_default();
    let turns = body.get("messages").or_else(|| body.get("input"));
    modalities.iter().any(|kind| kind.as_str().is_some_and(|kind| kind.is("audio")))
        || turns
            .is_some_and(|turns| turns.elements().iter().any(|turn| holds(turn, &["input_audio", "audio"])))
}

/// The terms that a request asks to be served at. Anthropic sells its own beforehand; their tokens cost the same.
pub(crate) fn tier(face: Face, body: &Value<'_>) -> Option<Tier> {
    let word = body.get("service_tier").and_then(Value::as_str).filter(|_| face.api() == Api::OpenAi)?;
    Tier::named(&word.text())
}

/// Whether a turn or a tool result in it holds an image.
fn holds_image(turn: &Value<'_>) -> bool {
    holds(turn, &["image", "image_url", "input_image"])
}

/// Whether a turn or a tool result in it holds a part of one of these types.
fn holds(turn: &Value<'_>, types: &[&str]) -> bool {
    let content = turn.get("content").map(Value::elements).unwrap_or_default();
    content.iter().any(|part| {
        let kind = part.get("type").and_then(Value::as_str);
        kind.is_some_and(|kind| types.iter().any(|one| kind.is(one)))
            || kind.is_some_and(|kind| kind.is("tool_result")) && holds(part, types)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    #[test]
    fn sound_and_terms_are_seen_where_they_are_asked_for() {
        for (text, sounding, asked) in [
            (r#"{"modalities":["text","audio"],"service_tier":"priority"}"#, true, Some(Tier::Priority)),
            (r#"{"modalities":["text"],"service_tier":"auto"}"#, false, None),
            (
                r#"{"messages":[{"content":[{"type":"input_audio"}]}],"service_tier":"flex"}"#,
                true,
                Some(Tier::Flex),
            ),
            (
                r#"{"input":[{"content":[{"type":"input_text"}]}],"service_tier":"gold"}"#,
                false,
                Some(Tier::Other),
            ),
        ] {
            let body = parse(text).unwrap();
            assert_eq!((sounds(&body), tier(Face::ChatCompletions, &body)), (sounding, asked), "{text}");
            assert_eq!(tier(Face::Messages, &body), None, "{text}");
        }
    }

    #[test]
    fn tools_images_and_thinking_are_seen_in_every_api() {
        let check = |text: &str, expected: &[&str], thinking: bool| {
            let body = parse(text).unwrap();
            assert_eq!((caps(&body).as_slice(), thinks(&body)), (expected, thinking), "{text}");
        };
        check(r#"{"messages":[{"content":"image"}],"tools":[]}"#, &[], false);
        check(r#"{"tools":[{}],"thinking":{"type":"enabled"}}"#, &["tools"], true);
        check(r#"{"thinking":{"type":"disabled"},"reasoning_effort":"none"}"#, &[], false);
        check(
            r#"{"messages":[{"content":[{"type":"image_url"}]}],"reasoning_effort":"low"}"#,
            &["vision"],
            true,
        );
        check(
            r#"{"input":[{"content":[{"type":"input_image"}]}],"reasoning":{"effort":"low"}}"#,
            &["vision"],
            true,
        );
        let nested = r#"{"messages":[{"content":[{"type":"tool_result","content":[{"type":"image"}]}]}]}"#;
        check(nested, &["vision"], false);
    }
}
