//! What a translation refuses, and what is known of the model that a request is written for.

/// What cannot be carried over, by the name of the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{place}` {why}")]
pub struct Untranslatable {
    /// The field, such as `messages[2].content[0].source`.
    pub(crate) place: String,
    /// What is the matter with it; reads on after the field.
    pub(crate) why: &'static str,
}

/// What a field without a counterpart is told.
pub(crate) const NO_COUNTERPART: &str = "has no counterpart in the API that this model is served by";

impl Untranslatable {
    pub(crate) fn new(place: impl Into<String>, why: &'static str) -> Self {
        let mut place: String = place.into();
        // The name of an unknown field is the caller's own text: bounded, and nothing invisible.
        place.retain(|letter| !letter.is_control());
        place.truncate(place.floor_char_boundary(120));
        Untranslatable { place, why }
    }

    pub(crate) fn nowhere(place: impl Into<String>) -> Self {
        Self::new(place, NO_COUNTERPART)
    }
}

/// What is known of the model that a request is written for.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Its name at the provider.
    pub model: &'a str,
    /// Whether the output limit is called `max_completion_tokens`, as OpenAI itself demands; other servers
    /// of that API know `max_tokens`.
    pub is_openai: bool,
    /// Whether it may be asked to think. A model whose `caps` are stated without `thinking` is not.
    pub thinks: bool,
}
