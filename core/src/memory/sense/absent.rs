//! Stand-in for a sentence model in a build without one: a type of which there is no value.

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

    /// Digest that tells it from any other model.
    pub(in crate::memory) fn digest(&self) -> &str {
        match self.0 {}
    }

    /// The vector of a text.
    pub(in crate::memory) fn vector(&self, _: &str) -> Option<Vector> {
        match self.0 {}
    }
}
