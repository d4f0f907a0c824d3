//! Prefill of a request: the text that the answer goes on from.
//!
//! A conversation that ends with a turn of the assistant's is continued there by most providers, and a legacy
//! completion goes on from its prompt. A client shows both as one text.

use crate::json::Value;

/// End of the text that the answer goes on from, at most `limit_bytes` of it; empty where the answer begins a turn of
/// its own.
pub fn end(body: &Value<'_>, limit_bytes: usize) -> String {
    let mut text = String::new();
    if let Some(prompt) = body.get("prompt") {
        say(prompt, &mut text);
    }
    let turns = body.get("messages").or_else(|| body.get("input")).map_or(&[][..], Value::elements);
    let is_assistants =
        |turn: &&Value<'_>| turn.get("role").and_then(Value::as_str).is_some_and(|role| role.is("assistant"));
    let has_calls =
        |turn: &Value<'_>| turn.get("tool_calls").is_some_and(|calls| !calls.elements().is_empty());
    // Some clients send the turn in several items.
    let from = turns.len() - turns.iter().rev().take_while(is_assistants).count();
    for turn in turns[from..].iter().filter(|turn| !has_calls(turn)) {
        turn.get("content").into_iter().for_each(|content| say(content, &mut text));
    }
    let cut = text.ceil_char_boundary(text.len().saturating_sub(limit_bytes));
    text.drain(..cut);
    text
}

/// Appends a text, or the texts of a list of blocks.
fn say(content: &Value<'_>, text: &mut String) {
    match content {
        Value::String(words) => text.push_str(&words.text()),
        Value::Array(blocks) => blocks.iter().for_each(|block| say(block, text)),
        Value::Object { .. } => block(content, text),
        Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}

fn block(block: &Value<'_>, text: &mut String) {
    if let Some(words) = block.get("text").and_then(Value::as_str) {
        text.push_str(&words.text());
    }
}

#[cfg(test)]
mod tests {
    use super::end;
    use crate::json::parse;

    #[test]
    fn the_turn_that_an_answer_goes_on_from_is_read_to_its_end() {
        for (body, expected) in [
            (
                r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"the Co"}]}"#,
                "the Co",
            ),
            (
                r#"{"messages":[{"role":"assistant","content":[{"type":"text","text":"the "},{"type":"text","text":"Co"}]}]}"#,
                "the Co",
            ),
            (r#"{"input":[{"role":"assistant","content":[{"type":"output_text","text":"Co"}]}]}"#, "Co"),
            (
                r#"{"input":[{"role":"assistant","content":"the "},{"role":"assistant","content":"Co"}]}"#,
                "the Co",
            ),
            (r#"{"prompt":["once upon"]}"#, "once upon"),
            (r#"{"prompt":{"id":"pmpt_1"},"input":"Co"}"#, ""),
            (r#"{"messages":[{"role":"assistant","content":"Co"},{"role":"user","content":"go on"}]}"#, ""),
            (r#"{"messages":[{"role":"assistant","content":"x","tool_calls":[{"id":"1"}]}]}"#, ""),
            (r#"{"messages":[]}"#, ""),
            (r#"{"messages":"odd","input":[1,null]}"#, ""),
            (r#"[1]"#, ""),
        ] {
            assert_eq!(end(&parse(body).unwrap(), 100), expected, "{body}");
        }
        let long = format!(r#"{{"messages":[{{"role":"assistant","content":"{}é"}}]}}"#, "ä".repeat(60));
        assert_eq!(end(&parse(&long).unwrap(), 3), "é", "a character is not cut");
    }
}
