//! Body of a request as it was read: its text, and the tree over that text.
//!
//! A body is read once. Every step looks at the same tree; what steps change is gathered as edits of the text as it was
//! read, and put in at once, so that a changed body is read one time more and not once for each step.

use bytes::Bytes;
use std::ops::Range;
use zos_guard::redact::spots::Edit;
use zos_wire::json::{self, Value};
use zos_wire::problem::{Code, Problem};

/// A body, borrowed from its bytes.
pub(super) struct Body<'b> {
    pub(super) text: &'b str,
    pub(super) tree: Value<'b>,
}

impl<'b> Body<'b> {
    /// Reads the body of a caller.
    ///
    /// # Errors
    /// When it is not one JSON value in UTF-8.
    pub(super) fn read(bytes: &'b [u8]) -> Result<Self, Problem> {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| Problem::new(Code::InvalidRequest, "The request body is not valid UTF-8."))?;
        let tree = json::parse(text).map_err(|error| {
            Problem::new(Code::InvalidRequest, format!("The request body is {error}."))
                .hint("Send one JSON object.")
        })?;
        Ok(Body { text, tree })
    }

    /// Reads a body that our own edits made of one that was read before.
    ///
    /// # Errors
    /// When an edit broke it: a defect of ours, and the call ends.
    pub(super) fn again(bytes: &'b [u8]) -> Result<Self, Problem> {
        Body::read(bytes).map_err(|_| Problem::new(Code::Internal, "An inspected body is no longer JSON."))
    }
}

/// Edits of one text, in order. They do not overlap; what is put in at a place goes before what is replaced from there.
#[derive(Default)]
pub(super) struct Edits(Vec<Edit>);

impl Edits {
    /// Takes in further edits of the same text.
    pub(super) fn extend(&mut self, edits: impl IntoIterator<Item = Edit>) {
        self.0.extend(edits);
        self.0.sort_by_key(|(range, _)| (range.start, range.end));
    }

    /// Whether nothing changes.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The edits, in order.
    pub(super) fn as_slice(&self) -> &[Edit] {
        &self.0
    }

    /// The text after the edits.
    pub(super) fn apply(&self, text: &str) -> Bytes {
        json::replace(text, &self.0).into()
    }

    /// Where a part of the text stands after the edits. No edit touches it.
    pub(super) fn moved(&self, place: &Range<usize>) -> Range<usize> {
        let before = self.0.iter().take_while(|(edited, _)| edited.end <= place.start);
        let (old, new) =
            before.fold((0, 0), |(old, new), (edited, text)| (old + edited.len(), new + text.len()));
        place.start + new - old..place.end + new - old
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edits(edits: &[(Range<usize>, &str)]) -> Edits {
        let mut all = Edits::default();
        all.extend(edits.iter().map(|(range, text)| (range.clone(), (*text).to_owned())));
        all
    }

    #[test]
    fn a_place_moves_with_what_is_replaced_before_it() {
        let edits = edits(&[(20..30, ""), (2..4, "12345")]);
        assert_eq!(edits.moved(&(0..2)), 0..2);
        assert_eq!(edits.moved(&(4..9)), 7..12);
        assert_eq!(edits.moved(&(30..31)), 23..24);
    }

    #[test]
    fn what_is_put_in_goes_before_what_is_replaced_at_the_same_place() {
        let edits = edits(&[(1..4, "X"), (1..1, "new "), (0..0, "[")]);
        assert_eq!(edits.apply("\"old\""), "[\"new X\"");
    }
}
