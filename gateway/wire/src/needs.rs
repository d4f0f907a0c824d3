//! What a request needs of its model, seen from its shape alone.

use crate::json::Value;
use smallvec::SmallVec;

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

/// Whether a turn or a tool result in it holds an image.
fn holds_image(turn: &Value<'_>) -> bool {
    let content = turn.get("content").map(Value::elements).unwrap_or_default();
    content.iter().any(|part| {
        let kind = part.get("type").and_then(Value::as_str);
        kind.is_some_and(|kind| ["image", "image_url", "input_image"].iter().any(|image| kind.is(image)))
            || kind.is_some_and(|kind| kind.is("tool_result")) && holds_image(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

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
