//! Why a command did not do what was asked, in words, with a code for programs and an exit code.

use serde_json::{Value, json};
use std::borrow::Cow;
use std::error::Error;
use zos_core::{Code, ContextName};

/// What a command came to when nothing failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All is well.
    Fine,
    /// What was looked for was found: a denied word, a broken file.
    Found,
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was used wrongly, or the machine is not as it must be.
    Wrong(Reason),
    /// It was tried and failed.
    Failed(Reason),
    /// Nobody reads our output any more, which is nobody's fault.
    Closed,
}

/// A failure in words.
#[derive(Debug)]
pub(crate) struct Reason {
    /// Code to match on. Text, because a zOS of another version may answer with one that is not known here.
    pub(crate) code: Cow<'static, str>,
    /// What is wrong, and where.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: Option<String>,
    /// Findings in a file, as the admin API gives them.
    pub(crate) problems: Vec<Value>,
}

/// The result of a command, or of a part of it.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// Wrong use or environment.
    pub(crate) fn wrong(code: Code, message: impl Into<String>) -> Self {
        Failure::Wrong(Reason::new(code.as_str(), message.into()))
    }

    /// Tried and failed.
    pub(crate) fn failed(code: Code, message: impl Into<String>) -> Self {
        Failure::Failed(Reason::new(code.as_str(), message.into()))
    }

    /// Refused by the zOS that was asked: the code that it gave, or that of a defect where it gave none.
    pub(crate) fn refused(code: Option<&str>, message: String, is_wrong_use: bool) -> Self {
        let code = code.map_or(Cow::Borrowed(Code::Internal.as_str()), |code| Cow::Owned(code.to_owned()));
        let reason = Reason::new(code, message);
        if is_wrong_use { Failure::Wrong(reason) } else { Failure::Failed(reason) }
    }

    /// The machine is not as it must be: an error of a library, as a sentence.
    pub(crate) fn environment(error: &(dyn Error + 'static)) -> Self {
        Failure::wrong(Code::Environment, sentence(error))
    }

    /// What to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Failure::Wrong(reason) | Failure::Failed(reason) = &mut self {
            reason.hint = Some(hint.into());
        }
        self
    }

    /// There is no context of this name.
    pub(crate) fn unknown_context(name: &str) -> Self {
        Failure::wrong(Code::UnknownContext, format!("There is no room called {name}."))
            .hint(format!("`zos context list` shows them; `zos context new {name}` makes it."))
    }

    /// The same failure; where it is that there is no such room, and one room was named, it says which.
    pub(crate) fn naming(self, rooms: &[ContextName]) -> Self {
        match (&self, rooms) {
            (Failure::Wrong(reason) | Failure::Failed(reason), [room]) if reason.is(Code::UnknownContext) => {
                Self::unknown_context(room.as_str())
            }
            _ => self,
        }
    }

    /// 1 or 2, or 0 where only the reader went away.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Failure::Closed => 0,
            Failure::Failed(_) => 1,
            Failure::Wrong(_) => 2,
        }
    }

    /// The reason, where there is something to say.
    pub(crate) fn reason(&self) -> Option<&Reason> {
        match self {
            Failure::Wrong(reason) | Failure::Failed(reason) => Some(reason),
            Failure::Closed => None,
        }
    }
}

impl Reason {
    fn new(code: impl Into<Cow<'static, str>>, message: String) -> Self {
        Reason { code: code.into(), message, hint: None, problems: Vec::new() }
    }

    /// Whether this is why.
    pub(crate) fn is(&self, code: Code) -> bool {
        self.code == code.as_str()
    }

    /// In the shape of the admin API's refusals.
    pub(crate) fn json(&self) -> Value {
        let mut error = json!({"code": self.code, "message": self.message, "hint": self.hint});
        if !self.problems.is_empty() {
            error["problems"] = self.problems.clone().into();
        }
        json!({ "error": error })
    }
}

impl From<std::io::Error> for Failure {
    /// Writing our output is the only input and output that is not wrapped where it happens.
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::Closed,
            _ => Failure::wrong(Code::Environment, format!("The output cannot be written: {error}.")),
        }
    }
}

/// An error and its sources as a sentence; a source that its error already tells is not told twice.
pub(crate) fn sentence(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    let mut letters = text.chars();
    // Paths and code at the beginning stay as they are written.
    let first_word_is_plain =
        text.split(' ').next().is_some_and(|word| word.chars().all(char::is_alphabetic));
    let mut sentence = match letters.next() {
        Some(first) if first_word_is_plain && !text.starts_with("zOS") => {
            first.to_uppercase().chain(letters).collect()
        }
        _ => text,
    };
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_becomes_one_sentence() {
        let inner = std::io::Error::other("the disk is full");
        assert_eq!(sentence(&inner), "The disk is full.");
        assert_eq!(sentence(&std::io::Error::other("zOS cannot listen")), "zOS cannot listen.");
        assert_eq!(
            sentence(&std::io::Error::other("gateway/config.yml:1: wrong")),
            "gateway/config.yml:1: wrong."
        );
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let closed = Failure::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert_eq!((closed.exit_code(), closed.reason().is_none()), (0, true));
        assert_eq!(Failure::from(std::io::Error::from(std::io::ErrorKind::StorageFull)).exit_code(), 2);
    }
}
