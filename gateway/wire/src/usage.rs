//! Where an answer reports what it cost: the API's own place, and those where some providers put it.

use crate::json::Value;
use zos_meter::Tier;

/// The usage object of an answer or of an event of a stream, as it is written.
///
/// Moonshot puts it into the choice that ends, Groq into an object of its own.
pub fn reported<'a>(data: &Value<'a>) -> Option<&'a str> {
    let in_choices =
        || data.get("choices")?.elements().iter().rev().find_map(|choice| choice.get("usage")?.raw_object());
    let at = |path: &[&str]| data.at(path).and_then(Value::raw_object);
    at(&["usage"]).or_else(|| at(&["x_groq", "usage"])).or_else(in_choices)
}

/// The terms that an answer, or an event of a stream, says it is served at.
pub fn tier(data: &Value<'_>) -> Option<Tier> {
    let at = |path: &[&str]| data.at(path).and_then(Value::as_str);
    let word = at(&["service_tier"]).or_else(|| at(&["response", "service_tier"]))?;
    Tier::named(&word.text())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    #[test]
    fn usage_is_found_where_providers_put_it_and_the_apis_own_place_goes_first() {
        for (text, expected) in [
            (r#"{"usage":{"a":1},"choices":[{"usage":{"a":2}}]}"#, Some(r#"{"a":1}"#)),
            (r#"{"usage":null,"choices":[{"index":0,"usage":{"a":2}}]}"#, Some(r#"{"a":2}"#)),
            (r#"{"choices":[{"usage":{"a":2}},{"index":1}],"usage":7}"#, Some(r#"{"a":2}"#)),
            (r#"{"choices":[],"x_groq":{"id":"r","usage":{"a":3}}}"#, Some(r#"{"a":3}"#)),
            (r#"{"choices":[{"delta":{"usage":{"a":4}}}]}"#, None),
            (r#"{"choices":{"usage":{"a":5}}}"#, None),
        ] {
            assert_eq!(reported(&parse(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn terms_are_found_in_answers_and_in_events_about_them() {
        for (text, expected) in [
            (r#"{"service_tier":"flex"}"#, Some(Tier::Flex)),
            (r#"{"type":"response.completed","response":{"service_tier":"priority"}}"#, Some(Tier::Priority)),
            (r#"{"service_tier":null}"#, None),
        ] {
            assert_eq!(tier(&parse(text).unwrap()), expected, "{text}");
        }
    }
}
