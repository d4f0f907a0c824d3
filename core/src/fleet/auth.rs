//! Ways in which a provider is shown who calls.

/// Way in which a provider is shown who calls.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Auth {
    /// `Authorization: Bearer KEY`.
    Bearer,
    /// `x-api-key: KEY`, as Anthropic reads it.
    XApiKey,
    /// `api-key: KEY`, as Azure reads it.
    ApiKey,
    /// `x-goog-api-key: KEY`, as Google reads it.
    Goog,
    /// No credential at all, the caller's own included.
    None,
    /// The caller's own credential and nothing else, such as the token of a plan that the client signed in to.
    Caller,
}

impl Auth {
    /// All of them, by the words of the file.
    pub(super) const WORDS: [(&'static str, Auth); 6] = [
        ("bearer", Auth::Bearer),
        ("x-api-key", Auth::XApiKey),
        ("api-key", Auth::ApiKey),
        ("goog", Auth::Goog),
        ("none", Auth::None),
        ("caller", Auth::Caller),
    ];

    /// Word of the file.
    pub fn name(self) -> &'static str {
        Self::WORDS.iter().find(|(_, auth)| *auth == self).map_or("", |(word, _)| word)
    }

    /// Name of the header that the owner's key goes in, and what stands in front of the key; `None` where no key of the
    /// owner goes.
    pub fn header(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Bearer => Some(("authorization", "Bearer ")),
            Self::XApiKey => Some(("x-api-key", "")),
            Self::ApiKey => Some(("api-key", "")),
            Self::Goog => Some(("x-goog-api-key", "")),
            Self::None | Self::Caller => None,
        }
    }
}
