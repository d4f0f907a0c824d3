//! Differences between two snapshots: what the program's own log says of them, and how many there were.

use std::fmt;

use super::snapshot::Snapshot;
use crate::context::ContextName;
use crate::problem::Problem;

/// One difference in what governs. Its text names contexts, files and places in them, never what a list holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Another context governs calls that name none. `None`: none does, and such calls are refused.
    Active(Option<ContextName>),
    /// A file governs that did not, or governs with another content. A path in the home: `contexts/acme.yml`.
    InForce(String),
    /// A file governs no longer: it was deleted.
    Gone(String),
    /// The canon of a context has another text. `None`: it has none any more.
    Canon(ContextName, Option<String>),
    /// An error of a file that was not there before. What the file said until then governs on, if it ever loaded.
    Refused(Problem),
    /// An error that was there before is no longer.
    Fixed(Problem),
}

impl Change {
    /// Whether the owner's newest words are not in force because of it.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Active(Some(name)) => {
                write!(f, "calls that name no context are governed by \"{name}\" now")
            }
            Self::Active(None) => f.write_str("calls that name no context are refused now: none is active"),
            Self::InForce(path) => write!(f, "{path} is in force"),
            Self::Gone(path) => write!(f, "{path} was deleted and is no longer in force"),
            Self::Canon(name, Some(digest)) => write!(f, "the canon of \"{name}\" is now {digest}"),
            Self::Canon(name, None) => write!(f, "\"{name}\" has no canon any more"),
            Self::Refused(problem) => write!(f, "a change is not in force: {problem}"),
            Self::Fixed(problem) => {
                f.write_str("an error is gone from ")?;
                f.write_str(&problem.file)
            }
        }
    }
}

impl Snapshot {
    /// Differences from an older snapshot to this one: files by path, then canons, the active context and errors. Costs a
    /// comparison of the bytes of all files that govern.
    pub fn changes_since(&self, before: &Snapshot) -> Vec<Change> {
        let mut changes = Vec::new();
        let changed = self.sources.iter().filter(|(path, bytes)| before.sources.get(*path) != Some(bytes));
        changes.extend(changed.map(|(path, _)| Change::InForce(path.clone())));
        let gone = before.sources.keys().filter(|path| !self.sources.contains_key(*path));
        changes.extend(gone.map(|path| Change::Gone(path.clone())));
        // A context that is gone takes its canon along, which its file says already.
        for name in self.contexts.keys() {
            let digest = self.canon_digest(name);
            if digest != before.canon_digest(name) {
                changes.push(Change::Canon(name.clone(), digest));
            }
        }
        let active = self.effective_active().ok();
        if active != before.effective_active().ok() {
            changes.push(Change::Active(active.cloned()));
        }
        changes.extend(new_errors(self, before).cloned().map(Change::Refused));
        changes.extend(new_errors(before, self).cloned().map(Change::Fixed));
        changes
    }
}

/// Errors of `snapshot` that `other` does not have.
fn new_errors<'a>(snapshot: &'a Snapshot, other: &'a Snapshot) -> impl Iterator<Item = &'a Problem> {
    snapshot.problems.iter().filter(|problem| problem.is_error() && !other.problems.contains(problem))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::brain::Brain;
    use crate::fleet::Environment;
    use crate::home::Home;

    #[test]
    fn every_change_of_what_governs_is_named_once_and_without_the_text_of_a_list() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::resolve_from(Some(folder.path()), None, None).unwrap();
        fs::create_dir_all(home.contexts()).unwrap();
        let save = |path: &str, text: &str| fs::write(home.root().join(path), text).unwrap();
        save("contexts/acme.yml", "outbound_deny: [Falcon]");
        save("contexts/default.yml", "isolation: open");
        let brain = Brain::open_in(home.clone(), Environment::default()).unwrap();
        let mut before = brain.snapshot();
        let mut step = || {
            brain.reload();
            let now = brain.snapshot();
            let said: Vec<String> = now.changes_since(&before).iter().map(ToString::to_string).collect();
            before = now;
            said
        };
        assert!(step().is_empty(), "nothing changed");

        save("contexts/acme.yml", "outbound_deny: [Heron]");
        assert_eq!(step(), ["contexts/acme.yml is in force"]);
        save("state.json", r#"{"active": "acme"}"#);
        assert_eq!(step(), ["calls that name no context are governed by \"acme\" now"]);

        save("contexts/acme.yml", "outbound_deny: [Heron]\nisolation: [");
        let refused = step();
        assert!(
            refused.len() == 1 && refused[0].starts_with("a change is not in force: contexts/acme.yml:2"),
            "{refused:?}"
        );
        assert!(!refused[0].contains("Heron"));
        save("contexts/acme.yml", "outbound_deny: [Heron]");
        assert_eq!(step(), ["an error is gone from contexts/acme.yml"]);

        fs::create_dir_all(home.root().join("routing")).unwrap();
        save(
            "routing/fleet.yml",
            "version: 1\nproviders: {local: {api: openai, base_url: \"http://127.0.0.1:1/v1\", key: none}}\n",
        );
        fs::remove_file(home.root().join("contexts/default.yml")).unwrap();
        let gone = step();
        assert!(gone.contains(&"routing/fleet.yml is in force".to_owned()), "{gone:?}");
        assert!(
            gone.contains(&"contexts/default.yml was deleted and is no longer in force".to_owned()),
            "{gone:?}"
        );
    }
}
