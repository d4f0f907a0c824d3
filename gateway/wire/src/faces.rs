//! The faces: one file and one line each. A file says in its API's own words how requests are read, how streams are read
//! and ended, how calls are carried elsewhere, and what the demo answers.

mod chat;
mod completions;
mod embeddings;
mod messages;
mod responses;

use crate::clients::Form;
use crate::dialect::{Cut, Delivered, Reading, Stream};
use crate::face::Face;
use crate::json::Value;
use crate::places::{Channel, Leaves, Places, Walk};
use crate::problem::Problem;
use bytes::Bytes;
use zos_meter::Counting;

/// Names each face, and lists them all.
macro_rules! faces {
    ($($name:ident: $endpoint:path,)*) => {
        #[expect(non_upper_case_globals, reason = "they are read like the variants of a closed set")]
        impl Face {
            $(#[doc = concat!("The face of `", stringify!($endpoint), "`.")]
            pub const $name: Face = Face::new(&$endpoint);)*
        }

        /// All faces.
        pub const FACES: &[Face] = &[$(Face::$name,)*];
    };
}

faces! {
    Messages: messages::Messages,
    CountTokens: messages::CountTokens,
    ChatCompletions: chat::Chat,
    Responses: responses::Responses,
    Completions: completions::Completions,
    Embeddings: embeddings::Embeddings,
}

impl Face {
    /// The face of a path below `/v1/`, `None` for one that we do not know.
    pub fn of(path: &str) -> Option<Face> {
        FACES.iter().copied().find(|face| face.path() == path)
    }
}

/// The stream of a face on its way: how its events are read, and how it is ended in the words of its API.
pub struct Dialect {
    face: Face,
    stream: Box<dyn Stream>,
}

impl Dialect {
    /// The dialect of a face; `None` where its answers are never streams.
    pub fn of(face: Face) -> Option<Dialect> {
        face.facts().stream.map(|make| Dialect { face, stream: make() })
    }

    /// The face whose stream this is.
    pub fn face(&self) -> Face {
        self.face
    }

    /// How the usage objects in it are read.
    pub fn counting(&self) -> Counting {
        self.face.counting()
    }

    /// Whether `[DONE]` ends an answer. Elsewhere it says nothing.
    pub fn has_end_marker(&self) -> bool {
        self.stream.has_end_marker()
    }

    /// Whether the ends of blocks that the provider states are what clients go by.
    pub fn ends_blocks(&self) -> bool {
        self.stream.ends_blocks()
    }

    /// Reads one event whose data is `text`.
    pub fn read<'a>(
        &mut self,
        places: &mut Places,
        event: &str,
        text: &'a str,
        data: &'a Value<'a>,
    ) -> Reading<'a> {
        let mut walk = Walk::new(places, text);
        let mut reading = self.stream.read(&mut walk, event, data);
        reading.leaves = walk.finish();
        let kind = data.get("type").and_then(Value::as_str).map(|kind| kind.text());
        if let Some(kind) = kind.filter(|kind| *kind != event)
            && self.stream.knows(event)
            && self.stream.knows(&kind)
        {
            reading.leaves.ambiguity = Some("the name of an event and its type disagree");
        }
        reading
    }

    /// Every string of a whole answer whose text is `text`.
    pub fn read_whole<'a>(&self, text: &'a str, answer: &'a Value<'a>) -> Leaves<'a> {
        let mut places = Places::default();
        let mut walk = Walk::new(&mut places, text);
        self.stream.whole(&mut walk, answer);
        walk.finish()
    }

    /// What the caller's reader makes of an event, for [`Dialect::delivered`].
    pub fn delivery(&self, event: &str, data: &Value<'_>) -> Delivered {
        self.stream.delivery(event, data)
    }

    /// Remembers that an event was delivered to the caller: an ending closes what the caller has open.
    pub fn delivered(&mut self, event: &Delivered) {
        self.stream.delivered(event);
    }

    /// An event that carries a part of a piece's text, for what may still be said before a cut.
    pub fn text_event(&self, channel: Channel, text: &str) -> Bytes {
        self.stream.text_event(channel, text)
    }

    /// The ending of an answer that we stop, in the form for its caller.
    pub fn cut(&self, cut: &Cut<'_>, form: Form) -> Bytes {
        match form {
            Form::Best(client) => self.stream.cut(cut, client),
            Form::Reference if cut.in_call => self.stream.failure(cut.problem, cut.request_id),
            Form::Reference => self.stream.refusal(cut.problem, cut.request_id, cut.usage.output),
        }
    }

    /// The native ending of an answer that was refused.
    pub fn refusal(&self, problem: &Problem, request_id: &str, output_tokens: u64) -> Bytes {
        self.stream.refusal(problem, request_id, output_tokens)
    }

    /// The same stream without any words of the provider: an ending of it tells what is open and how it ended, in
    /// words of ours alone.
    #[must_use]
    pub fn without_words(&self) -> Dialect {
        Dialect { face: self.face, stream: self.stream.without_words() }
    }

    /// What keeps a stream alive that has nothing to say.
    pub fn ping(&self) -> Bytes {
        self.stream.ping()
    }

    /// An error answer of a provider as the event that says the same in a stream.
    pub fn foreign_failure(&self, error: &serde_json::Value) -> Bytes {
        self.stream.foreign_failure(error)
    }

    /// An error event, after which nothing looks complete.
    pub fn failure(&self, problem: &Problem, request_id: &str) -> Bytes {
        self.stream.failure(problem, request_id)
    }
}

#[cfg(test)]
mod canon_tests;
#[cfg(test)]
mod endings_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_faces_have_a_name_or_a_path_in_common() {
        let names: HashSet<_> = FACES.iter().map(|face| face.name()).collect();
        let paths: HashSet<_> = FACES.iter().map(|face| face.path()).collect();
        assert_eq!((names.len(), paths.len()), (FACES.len(), FACES.len()));
        for face in FACES {
            assert_eq!(Face::of(face.path()), Some(*face));
        }
        assert_eq!(Face::of("files"), None);
    }

    #[test]
    fn what_can_be_carried_somewhere_has_a_counterpart_there_that_takes_it() {
        for face in FACES {
            for api in [zos_core::Api::Anthropic, zos_core::Api::OpenAi] {
                if let Some(other) = face.endpoint().across(api) {
                    assert_eq!(other.api(), api, "{face:?}");
                    assert!(
                        face.facts().caller.is_some() && other.facts().provided.is_some(),
                        "{face:?} to {other:?}"
                    );
                }
            }
        }
    }
}
