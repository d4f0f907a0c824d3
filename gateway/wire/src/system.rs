//! System texts of a request: what the provider reads before the conversation, in the forms that APIs have for it.

use crate::json::Value;
use std::borrow::Cow;

/// What the first messages say, as long as they are the system's or the developer's.
pub(crate) fn leading<'a>(messages: Option<&'a Value<'a>>) -> Vec<Cow<'a, str>> {
    let mut texts = Vec::new();
    let is_system = |message: &&Value<'_>| {
        let role = message.get("role").and_then(Value::as_str);
        role.is_some_and(|role| role.is("system") || role.is("developer"))
    };
    for message in messages.map_or(&[][..], Value::elements).iter().take_while(is_system) {
        take(message.get("content"), &mut texts);
    }
    texts
}

/// A text, or the texts of the blocks of a list.
pub(crate) fn blocks<'a>(content: Option<&'a Value<'a>>) -> Vec<Cow<'a, str>> {
    let mut texts = Vec::new();
    take(content, &mut texts);
    texts
}

fn take<'a>(content: Option<&'a Value<'a>>, texts: &mut Vec<Cow<'a, str>>) {
    match content {
        Some(Value::String(text)) => texts.push(text.text()),
        Some(Value::Array(blocks)) => {
            let said = blocks.iter().filter_map(|block| match block {
                Value::String(text) => Some(text.text()),
                block => Some(block.get("text")?.as_str()?.text()),
            });
            texts.extend(said);
        }
        Some(block @ Value::Object { .. }) => {
            texts.extend(block.get("text").and_then(Value::as_str).map(|text| text.text()));
        }
        _ => {}
    }
}
