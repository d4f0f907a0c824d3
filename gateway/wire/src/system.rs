//! System texts of a request: what the provider reads before the conversation.

use crate::face::Face;
use crate::json::Value;
use std::borrow::Cow;

/// The system texts of a request, in their order.
pub fn texts<'a>(face: Face, body: &'a Value<'a>) -> Vec<Cow<'a, str>> {
    let mut texts = Vec::new();
    match face {
        Face::Messages | Face::CountTokens => take(body.get("system"), &mut texts),
        Face::ChatCompletions => leading(body.get("messages"), &mut texts),
        Face::Responses => {
            match body.get("instructions") {
                Some(Value::Array(items)) => {
                    items.iter().for_each(|item| take(Some(item.get("content").unwrap_or(item)), &mut texts));
                }
                own => take(own, &mut texts),
            }
            leading(body.get("input"), &mut texts);
        }
        Face::Embeddings => {}
    }
    texts
}

/// What the first messages say, as long as they are the system's or the developer's.
fn leading<'a>(messages: Option<&'a Value<'a>>, texts: &mut Vec<Cow<'a, str>>) {
    let is_system = |message: &&Value<'_>| {
        let role = message.get("role").and_then(Value::as_str);
        role.is_some_and(|role| role.is("system") || role.is("developer"))
    };
    for message in messages.map_or(&[][..], Value::elements).iter().take_while(is_system) {
        take(message.get("content"), texts);
    }
}

/// A text, or the texts of the blocks of a list.
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
