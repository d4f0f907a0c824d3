//! What stands for a sentence model in a build without one: nothing that could be made.

use std::convert::Infallible;
use std::path::Path;

use super::{Unusable, Vector};

/// A model that cannot be.
pub(in crate::memory) struct Model(Infallible);

impl Model {
    pub(super) fn load(_: &Path) -> Result<Self, Unusable> {
        Err(Unusable::new(
            "this build of zOS has no sentence models; memories are found by their words alone",
            "use a build with the feature `sentence-model`, or remove the line",
        ))
    }

    /// What tells it from any other.
    pub(in crate::memory) fn digest(&self) -> &str {
        match self.0 {}
    }

    /// The vector of a text.
    pub(in crate::memory) fn vector(&self, _: &str) -> Option<Vector> {
        match self.0 {}
    }
}
