//! The state that governs calls in a context, and its name.
//!
//! A state is the digests of everything that a call's fate depends on: the context's files, the rules of
//! all contexts as they hold in this one, the fleet, the canon and the build. Its id is the SHA-256 of its
//! canonical JSON (RFC 8785), so that whoever has the state can compute the id again. Signing and keeping
//! are the gateway's business; nothing here is per call.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use zos_rules::RuleKind;

use crate::brain::{RoomPolicy, Snapshot};
use crate::context::ContextName;
use crate::files;

/// The version of the state's shape.
const STATE_VERSION: u64 = 1;

/// Files and digests that govern a context at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Governing {
    /// Names and digests, never text.
    pub state: Value,
    /// The SHA-256 of the canonical form of `state`, in hexadecimal.
    pub id: String,
    /// The files that the state covers.
    pub files: Vec<GoverningFile>,
}

/// A file that a state covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoverningFile {
    /// Relative to the home, with `/`.
    pub path: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Its bytes.
    pub bytes: Arc<[u8]>,
}

impl Snapshot {
    /// State that governs calls in the context of this name; absent where none governs.
    pub fn governing(&self, name: &ContextName) -> Option<Governing> {
        let context = self.context(name)?.context()?;
        let policy = self.policy(name)?;
        let (config, prose, fleet) =
            (format!("contexts/{name}.yml"), format!("contexts/{name}.md"), "routing/fleet.yml".to_owned());
        let file = |path: &String| {
            let bytes = self.source(path)?;
            Some(GoverningFile { path: path.clone(), sha256: digest(&bytes), bytes })
        };
        let packs = own_packs(&policy);
        let mut files: Vec<GoverningFile> =
            [&config, &prose, &fleet].into_iter().chain(&packs).filter_map(file).collect();
        files.extend(self.canon_files(name).map(|(path, bytes)| GoverningFile {
            path: path.clone(),
            sha256: digest(bytes),
            bytes: Arc::clone(bytes),
        }));
        let sha_of = |path: &String| files.iter().find(|file| file.path == *path).map(|file| &file.sha256);
        let sources: Map<String, Value> =
            files.iter().map(|file| (file.path.clone(), file.sha256.clone().into())).collect();
        let state = json!({
            "build": {"name": "zos", "version": env!("CARGO_PKG_VERSION")},
            "canon": self.canon_digest(name),
            "context": {
                "name": name.as_str(),
                "isolation": context.isolation.name(),
                "config": sha_of(&config),
                "prose": sha_of(&prose),
            },
            "fleet": {"file": sha_of(&fleet), "compiled": digest(format!("{:?}", self.fleet).as_bytes())},
            "policy": policy_digest(&policy),
            "sources": sources,
            "v": STATE_VERSION,
        });
        let id = state_id(&state)?;
        Some(Governing { state, id, files })
    }
}

/// The id of a state; `None` where it holds what no state holds.
pub fn state_id(state: &Value) -> Option<String> {
    Some(digest(canonical(state)?.as_bytes()))
}

/// Files of the person's own packs among a room's rules.
fn own_packs(policy: &RoomPolicy) -> Vec<String> {
    let rules = (0..policy.effects.len()).map(|index| policy.rules.rule(index));
    let names = rules.filter_map(|rule| match &rule.kind {
        RuleKind::Pack(pack) => Some(format!("rules/{}.yml", pack.name())),
        RuleKind::Term(_) | RuleKind::Pattern(_) => None,
    });
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

/// The digest of the rules as they hold in a room: what is looked for, how, and what it leads to.
fn policy_digest(policy: &RoomPolicy) -> String {
    let rules = policy.effects.iter().enumerate().map(|(index, effect)| {
        let rule = policy.rules.rule(index);
        let (kind, text) = match &rule.kind {
            RuleKind::Term(term) => ("term", term.text().to_owned()),
            RuleKind::Pattern(pattern) => ("pattern", pattern.source().to_owned()),
            RuleKind::Pack(pack) => {
                let types: Vec<&str> = pack.detectors().collect();
                ("pack", format!("{}: {}", pack.name(), types.join(",")))
            }
        };
        let evasions = format!("{:?}", rule.evasions);
        json!({
            "id": rule.id, kind: text, "exact": rule.exact, "person": rule.person, "evasions": evasions,
            "effect": effect.name(),
        })
    });
    let rules = Value::Array(rules.collect());
    digest(canonical(&rules).expect("rules hold only strings and truth values").as_bytes())
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(files::digest(bytes))
}

/// The canonical form of RFC 8785, of JSON whose numbers are whole and exact everywhere; else `None`.
pub fn canonical(value: &Value) -> Option<String> {
    let mut text = String::new();
    write(value, &mut text).then_some(text)
}

fn write(value: &Value, text: &mut String) -> bool {
    match value {
        Value::Number(number) => {
            let exact = 1_i64 << 53;
            let is_exact = number.as_i64().is_some_and(|number| (-exact..=exact).contains(&number));
            text.push_str(&number.to_string());
            is_exact
        }
        Value::Array(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                if !write(value, text) {
                    return false;
                }
            }
            text.push(']');
            true
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            // By UTF-16 units, as the RFC says; that differs from the order of bytes beyond U+FFFF.
            members.sort_by_cached_key(|(key, _)| key.encode_utf16().collect::<Vec<_>>());
            text.push('{');
            for (index, (key, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                if !write(value, text) {
                    return false;
                }
            }
            text.push('}');
            true
        }
        // serde_json escapes exactly what the RFC does.
        simple => {
            text.push_str(&simple.to_string());
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Brain, Environment, Home};

    #[test]
    fn the_canonical_form_is_that_of_the_rfc() {
        let value: Value = serde_json::from_str(
            r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew","1":"One","\ud83d\ude00":"Emoji","\u0080":"Control","\u00f6":"Latin"}"#,
        )
        .unwrap();
        let text = canonical(&value).unwrap();
        let keys: Vec<&str> = ["\\r", "1", "\u{80}", "ö", "€", "😀", "\u{fb33}"].to_vec();
        let places: Vec<usize> = keys.iter().map(|key| text.find(&format!("\"{key}\":")).unwrap()).collect();
        assert!(places.is_sorted(), "{text}");
        assert_eq!(
            canonical(&json!([1, -2, "a\u{1}\"", true, null])).unwrap(),
            "[1,-2,\"a\\u0001\\\"\",true,null]"
        );
        assert_eq!(canonical(&json!(1.5)), None);
        assert_eq!(canonical(&json!(u64::MAX)), None);
    }

    fn state(files: &[(&str, &str)]) -> Governing {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let home = Home::resolve_from(Some(folder.path()), None, None).unwrap();
        let brain = Brain::open_in(home, Environment::default()).unwrap();
        brain.snapshot().governing(&"acme".parse().unwrap()).unwrap()
    }

    #[test]
    fn everything_that_governs_changes_the_id_and_nothing_else_does() {
        let fleet = "providers: {local: {api: openai, base_url: 'http://127.0.0.1:1/v1', key: none}}";
        let base = [
            ("contexts/acme.yml", "outbound_deny: [Falcon]"),
            ("contexts/acme.md", "Be brief."),
            ("contexts/other.yml", "confidential: [Merger]"),
            ("routing/fleet.yml", fleet),
        ];
        let first = state(&base);
        assert_eq!(state(&base), first, "the same files in another place");
        assert_eq!(state_id(&first.state), Some(first.id.clone()));
        let changes = [
            ("contexts/acme.yml", "outbound_deny: [Falcon, Eagle]"),
            ("contexts/acme.yml", "outbound_deny: [Falcon] # said again"),
            ("contexts/acme.md", "Be long."),
            ("contexts/other.yml", "confidential: [Takeover]"),
            (
                "routing/fleet.yml",
                "providers: {local: {api: openai, base_url: 'http://127.0.0.1:2/v1', key: none}}",
            ),
        ];
        for (path, text) in changes {
            let files: Vec<_> =
                base.iter().map(|(name, old)| (*name, if *name == path { text } else { *old })).collect();
            assert_ne!(state(&files).id, first.id, "{path}: {text}");
        }
        // What another room denies for itself governs nothing here.
        let mut files = base.to_vec();
        files[2].1 = "confidential: [Merger]\noutbound_deny: [Lark]";
        assert_eq!(state(&files).id, first.id);
        // Digests alone: no word of a file is in the state.
        assert!(!first.state.to_string().contains("Falcon") && !first.state.to_string().contains("brief"));
    }
}
