//! Faces: endpoints that forward to a provider, each as its API defines it.
//!
//! `Endpoint` is everything that the gateway asks of one: `Facts` of every call, and how a request or an answer is read.
//! Nothing in either has a default, so that what a new face does not say does not compile. The faces there are stand in `faces.rs`, a line each; each is a file in `faces/`.
//!
//! Nothing here decides anything: facts out.

use crate::dialect::Stream;
use crate::json::{Edit, Value};
use crate::problem::{Problem, Shape};
use crate::translate::{Caller, Provided};
use crate::turn::{Demo, Turn};
use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use zos_core::{Api, Canon, Provider};
use zos_meter::Counting;

/// An endpoint that forwards to a provider.
pub(crate) trait Endpoint: Sync {
    /// What is so for every call.
    fn facts(&self) -> &'static Facts;

    /// Whether a provider of its API serves it.
    fn is_served_by(&self, provider: &Provider) -> bool;

    /// The endpoint by which a call is carried to a provider of this API, or to one of its own API that does not serve it;
    /// `None` where nothing there is like it.
    fn across(&self, api: Api) -> Option<Face>;

    /// What the built-in demo answers.
    fn demo(&self, turn: &Turn, request: &Value<'_>) -> Demo;
}

/// What is so for every call of an endpoint, whatever its request says.
pub(crate) struct Facts {
    /// Its name in records, metrics and spans: small letters and `_`.
    pub(crate) name: &'static str,
    /// What the conventions for spans of generative AI call it.
    pub(crate) operation: &'static str,
    /// Its path below `/v1/`, here and at the provider.
    pub(crate) path: &'static str,
    /// The API it belongs to.
    pub(crate) api: Api,
    /// How its `usage` is read.
    pub(crate) counting: Counting,
    /// What a call is charged for.
    pub(crate) charge: Charge,
    /// Whether the model writes an answer, whose tokens are held and limited.
    pub(crate) writes: bool,
    /// Whether another model may answer in place of the one that was asked: not where answers of two models have nothing
    /// in common, as vectors have not.
    pub(crate) may_fall_back: bool,
    /// What the provider keeps of its calls.
    pub(crate) keeps: Keeps,
    /// Reader of the instructions in its requests; `None` where they have no place for any, so that no canon is missed.
    pub(crate) instructions: Option<&'static dyn Instructions>,
    /// Maker of what reads and ends one of its streams; `None` where its answers are never streams.
    pub(crate) stream: Option<fn() -> Box<dyn Stream>>,
    /// How a call of its callers is carried elsewhere; `None` where it cannot be.
    pub(crate) caller: Option<&'static dyn Caller>,
    /// How a call from elsewhere is carried here; `None` where it cannot be.
    pub(crate) provided: Option<&'static dyn Provided>,
}

/// The instructions in the requests of an endpoint.
pub(crate) trait Instructions: Sync {
    /// The system texts of a request: what the model reads before the conversation, in order.
    fn system<'b>(&self, body: &'b Value<'b>) -> Vec<Cow<'b, str>>;

    /// The edits that put a canon in front of the caller's own system text. None of them touches a string of the caller,
    /// so that they go together with edits inside its strings.
    ///
    /// # Errors
    /// If the request has no place for it: then the provider could not read it either, or would read something else than
    /// we do.
    fn put_canon(&self, text: &str, body: &Value<'_>, canon: &Canon) -> Result<Vec<Edit>, Problem>;
}

/// What calls of an endpoint are charged for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Charge {
    /// Nothing, so that no budget stands in the way.
    Nothing,
    /// The tokens that go in and come out.
    Tokens,
}

/// What a provider keeps of the calls of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keeps {
    /// Ids by which an answer can be referred to later.
    pub(crate) ids: KeptIds,
    /// Whether the answer itself is stored.
    pub(crate) store: Store,
}

impl Keeps {
    /// Nothing at all.
    pub(crate) const NOTHING: Keeps = Keeps { ids: KeptIds::None, store: Store::Never };
}

/// Ids of what is kept, that an answer gives out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeptIds {
    /// None.
    None,
    /// Those of answers in sound.
    Sounds,
    /// Those of files, containers and sealed items.
    Parts,
    /// Those, and every `id`: the answer and its items can be referred to.
    Every,
}

/// Whether a provider stores answers, to be told by `store`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    /// It has no such choice.
    Never,
    /// Where the request asks for it.
    OnRequest,
    /// Unless the request says otherwise.
    ByDefault,
}

/// A face: a handle of one endpoint. Two are the same if their names are.
#[derive(Clone, Copy)]
pub struct Face(&'static dyn Endpoint);

impl Face {
    /// The handle of an endpoint.
    pub(crate) const fn new(endpoint: &'static dyn Endpoint) -> Self {
        Face(endpoint)
    }

    /// Everything that is known of it.
    pub(crate) fn endpoint(self) -> &'static dyn Endpoint {
        self.0
    }

    /// What is so for every call of it.
    pub(crate) fn facts(self) -> &'static Facts {
        self.0.facts()
    }

    /// Its name in records, metrics and spans.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// What the conventions for spans of generative AI call it: `chat`, `text_completion` or `embeddings`.
    pub fn operation(self) -> &'static str {
        self.facts().operation
    }

    /// Its path below `/v1/`.
    pub fn path(self) -> &'static str {
        self.facts().path
    }

    /// The API it belongs to.
    pub fn api(self) -> Api {
        self.facts().api
    }

    /// The envelope of its errors.
    pub fn shape(self) -> Shape {
        match self.api() {
            Api::Anthropic => Shape::Anthropic,
            Api::OpenAi => Shape::OpenAi,
        }
    }

    /// The path of the API; the provider knows how much of it its base URL holds already.
    pub fn upstream_path(self) -> String {
        format!("/v1/{}", self.path())
    }

    /// How its `usage` is read.
    pub fn counting(self) -> Counting {
        self.facts().counting
    }

    /// Whether a call costs nothing, so that no budget stands in its way.
    pub fn is_free(self) -> bool {
        self.facts().charge == Charge::Nothing
    }

    /// Whether another model may answer in place of the one that was asked.
    pub fn may_fall_back(self) -> bool {
        self.facts().may_fall_back
    }

    /// Whether the answer may be a stream of events.
    pub fn streams(self) -> bool {
        self.facts().stream.is_some()
    }

    /// Whether its requests have a place for instructions. Where they have none, no canon is missed.
    pub fn has_instructions(self) -> bool {
        self.facts().instructions.is_some()
    }

    /// The system texts of a request, in order.
    pub fn system<'b>(self, body: &'b Value<'b>) -> Vec<Cow<'b, str>> {
        self.facts().instructions.map_or_else(Vec::new, |instructions| instructions.system(body))
    }

    /// The edits that put a canon in front of the caller's own system text; `None` where there is no place for one.
    ///
    /// # Errors
    /// If a request that should have a place for it has none that can be read.
    pub fn put_canon(
        self,
        text: &str,
        body: &Value<'_>,
        canon: &Canon,
    ) -> Result<Option<Vec<Edit>>, Problem> {
        self.facts().instructions.map(|instructions| instructions.put_canon(text, body, canon)).transpose()
    }

    /// What the built-in demo answers.
    pub fn demo(self, turn: &Turn, request: &Value<'_>) -> Demo {
        self.0.demo(turn, request)
    }
}

impl PartialEq for Face {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Face {}

impl Hash for Face {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl fmt::Debug for Face {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
