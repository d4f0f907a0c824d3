//! What a provider reaches by itself while it answers, and what a room makes of it.

use super::extract::{extract, word};
use super::{Form, Judged, Target, TargetKind, Targets, judge};

/// Judges an address that the provider contacts or fetches. One that cannot be read is on no allow list.
#[must_use]
pub fn check_address(rules: &Targets, address: &str) -> Judged {
    let arguments = serde_json::json!({ "url": address }).to_string();
    let mut targets = extract("", &arguments);
    targets.retain(|target| target.kind != TargetKind::Tool);
    if targets.is_empty() {
        targets.push(Target { kind: TargetKind::Url, shown: String::new(), form: Form::Unreadable });
    }
    judge(rules, targets)
}

/// Judges a tool that the provider runs, by its name without a version: `web_search`.
#[must_use]
pub fn check_provider(rules: &Targets, name: &str) -> Judged {
    judge(rules, vec![named(TargetKind::Provider, name)])
}

/// Judges a service that the provider is connected to, by the provider's name for it.
#[must_use]
pub fn check_connector(rules: &Targets, name: &str) -> Judged {
    judge(rules, vec![named(TargetKind::Connector, name)])
}

fn named(kind: TargetKind, name: &str) -> Target {
    let word = word(kind, name);
    Target { kind, shown: word.clone(), form: Form::Word(word) }
}

#[cfg(test)]
mod tests {
    use super::super::TargetVerdict::{self, Allow, Confirm, Deny};
    use super::*;

    #[test]
    fn a_provider_reaches_what_the_lists_let_it_reach() {
        let list = |entries: &[&str]| entries.iter().map(|entry| entry.parse().unwrap()).collect();
        let rules = Targets {
            default: Deny,
            allow: list(&["good.example", "provider:web_search", "connector:connector_dropbox"]),
            confirm: list(&["provider:code_interpreter"]),
            ..Targets::default()
        };
        let open = Targets::default();
        let verdicts: [(TargetVerdict, Judged); 9] = [
            (Allow, check_address(&rules, "https://good.example/mcp")),
            (Deny, check_address(&rules, "https://evil.example/mcp")),
            (Deny, check_address(&rules, "not an address")),
            (Deny, check_address(&rules, "")),
            (Allow, check_address(&open, "https://evil.example/mcp")),
            (Allow, check_provider(&rules, "web_search")),
            (Deny, check_provider(&rules, "web_fetch")),
            (Confirm, check_provider(&rules, "code_interpreter")),
            (Allow, check_connector(&rules, "connector_dropbox")),
        ];
        for (expected, judged) in verdicts {
            assert_eq!(judged.verdict, expected, "{judged:?}");
        }
    }
}
