//! Endpoints that forward to a provider.
//!
//! Nothing here decides anything: facts out.

use crate::problem::Shape;
use zos_core::Api;

/// An endpoint that forwards to a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Face {
    /// `POST /v1/messages`
    Messages,
    /// `POST /v1/messages/count_tokens`
    CountTokens,
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `POST /v1/responses`
    Responses,
    /// `POST /v1/embeddings`
    Embeddings,
}

impl Face {
    /// The face of a path below `/v1/`, `None` for one that we do not know.
    pub fn of(path: &str) -> Option<Face> {
        match path {
            "messages" => Some(Face::Messages),
            "messages/count_tokens" => Some(Face::CountTokens),
            "chat/completions" => Some(Face::ChatCompletions),
            "responses" => Some(Face::Responses),
            "embeddings" => Some(Face::Embeddings),
            _ => None,
        }
    }

    /// Its name in records and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Face::Messages => "messages",
            Face::CountTokens => "count_tokens",
            Face::ChatCompletions => "chat_completions",
            Face::Responses => "responses",
            Face::Embeddings => "embeddings",
        }
    }

    /// The API it belongs to.
    pub fn api(self) -> Api {
        match self {
            Face::Messages | Face::CountTokens => Api::Anthropic,
            Face::ChatCompletions | Face::Responses | Face::Embeddings => Api::OpenAi,
        }
    }

    /// The envelope of its errors.
    pub fn shape(self) -> Shape {
        match self.api() {
            Api::Anthropic => Shape::Anthropic,
            Api::OpenAi => Shape::OpenAi,
        }
    }

    /// The path of the API; the provider knows how much of it its base URL holds already.
    pub fn upstream_path(self) -> &'static str {
        match self {
            Face::Messages => "/v1/messages",
            Face::CountTokens => "/v1/messages/count_tokens",
            Face::ChatCompletions => "/v1/chat/completions",
            Face::Responses => "/v1/responses",
            Face::Embeddings => "/v1/embeddings",
        }
    }

    /// The face as the meter knows it.
    pub fn meter(self) -> zos_meter::Face {
        match self {
            Face::Messages => zos_meter::Face::Messages,
            Face::CountTokens => zos_meter::Face::CountTokens,
            Face::ChatCompletions => zos_meter::Face::ChatCompletions,
            Face::Responses => zos_meter::Face::Responses,
            Face::Embeddings => zos_meter::Face::Embeddings,
        }
    }

    /// Whether a call costs nothing, so that no budget stands in its way.
    pub fn is_free(self) -> bool {
        self == Face::CountTokens
    }

    /// Whether the answer may be a stream of events.
    pub fn streams(self) -> bool {
        matches!(self, Face::Messages | Face::ChatCompletions | Face::Responses)
    }
}
