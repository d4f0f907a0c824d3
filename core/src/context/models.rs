//! Filter of the models that a context may use.

use crate::glob::Glob;

/// Filter of the models that a context may use. The default permits all.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct ModelFilter {
    /// Models that may be used; absent means all, empty means none.
    pub allow: Option<Vec<Glob>>,
    /// Models that may never be used, whatever `allow` says.
    pub deny: Vec<Glob>,
}

impl ModelFilter {
    /// Whether the model with this name may be used.
    pub fn permits(&self, model: &str) -> bool {
        let allowed = self.allow.as_ref().is_none_or(|globs| globs.iter().any(|glob| glob.matches(model)));
        allowed && !self.denies(model)
    }

    /// Whether `deny` names it.
    pub(crate) fn denies(&self, model: &str) -> bool {
        self.deny.iter().any(|glob| glob.matches(model))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(allow: Option<&[&str]>, deny: &[&str]) -> ModelFilter {
        ModelFilter {
            allow: allow.map(|globs| globs.iter().copied().map(Glob::new).collect()),
            deny: deny.iter().copied().map(Glob::new).collect(),
        }
    }

    #[test]
    fn absent_means_all_and_empty_means_none() {
        assert!(filter(None, &[]).permits("anything"));
        assert!(!filter(Some(&[]), &[]).permits("anything"));
    }

    #[test]
    fn globs_cover_the_whole_name() {
        let filter = filter(Some(&["claude-*", "local/*", "gpt-4?"]), &["*-opus-*"]);
        for permitted in ["claude-sonnet-4", "claude-", "local/a/b", "gpt-4o", "CLAUDE-x"] {
            assert!(filter.permits(permitted), "{permitted}");
        }
        for denied in ["my-claude-x", "claude", "gpt-4", "gpt-4om", "claude-opus-4", "claude-OPUS-4", ""] {
            assert!(!filter.permits(denied), "{denied}");
        }
    }
}
