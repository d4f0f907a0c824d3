//! Tools that run at the provider. Their calls never pass the gateway, so they are judged when a request offers them.

use super::finder::Finder;
use super::{Form, Judged, Target, TargetEntry, TargetKind, Targets};

/// The names of `provider:` that the APIs of today's providers have.
pub const PROVIDER_TOOLS: &[&str] = &[
    "web_search",
    "web_fetch",
    "file_search",
    "code_interpreter",
    "computer",
    "image_generation",
    "shell",
    "text_editor",
    "memory",
    "tool_search",
];

/// Means that a request hands to a provider to reach out with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HostedTool<'a> {
    /// A tool of the provider's own, by the name of an entry: `web_search`. The dated names of an API
    /// (`web_search_20250305`, `web_search_preview`) are the same tool.
    Provider(&'a str),
    /// A service that the provider has access to, by its id.
    Connector(&'a str),
    /// A remote MCP server, an image, a file: anything that the provider fetches from an address.
    Address(&'a str),
    /// A host that a tool may reach, as `allowed_domains` name it.
    Host(&'a str),
}

impl HostedTool<'_> {
    /// Targets that it points at.
    fn targets(&self) -> Vec<Target> {
        let named = |kind: TargetKind, name: &str| {
            let name = kind.normal(name);
            vec![Target { kind, shown: name.clone(), form: Form::Word(name) }]
        };
        match self {
            Self::Provider(name) => named(TargetKind::Provider, undated(&name.to_ascii_lowercase())),
            Self::Connector(id) => named(TargetKind::Connector, id),
            Self::Address(address) => Finder::of_url(address),
            Self::Host(host) => Finder::of_host(host),
        }
    }
}

/// `web_search_20250305` and `web_search_preview_2025_03_11` without what changes from version to version.
fn undated(name: &str) -> &str {
    let is_version =
        |part: &str| part == "preview" || !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut name = name;
    while let Some((head, _)) =
        name.rsplit_once(['_', '-']).filter(|(head, last)| is_version(last) && !head.is_empty())
    {
        name = head;
    }
    match name {
        "computer_use" => "computer",
        "local_shell" | "bash" => "shell",
        "code_execution" => "code_interpreter",
        name => name,
    }
}

/// Judges what a request hands to a provider, before the call goes up.
#[must_use]
pub fn check_hosted(rules: &Targets, tools: &[HostedTool<'_>]) -> Judged {
    rules.judge_all(tools.iter().flat_map(HostedTool::targets).collect())
}

impl TargetEntry {
    /// The name of a tool that providers run, where the entry names one that none is known to run.
    pub(crate) fn unknown_provider(&self) -> Option<&str> {
        let names = self.provider()?;
        (!PROVIDER_TOOLS.iter().any(|tool| names.matches(tool))).then_some(names.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::super::TargetVerdict;
    use super::*;

    fn room(default: TargetVerdict, allow: &[&str], deny: &[&str], confirm: &[&str]) -> Targets {
        let entries =
            |texts: &[&str]| texts.iter().map(|text| text.parse::<TargetEntry>().unwrap()).collect();
        Targets {
            default,
            allow: entries(allow),
            deny: entries(deny),
            confirm: entries(confirm),
            check_links: false,
        }
    }

    #[test]
    fn tools_of_a_provider_are_judged_by_name() {
        let strict =
            room(TargetVerdict::Deny, &["provider:web_search", "connector:dropbox", "acme.com"], &[], &[]);
        let lenient =
            room(TargetVerdict::Allow, &[], &["provider:computer", "provider:code*"], &["connector:*"]);
        for (rules, tool, verdict) in [
            (&strict, HostedTool::Provider("web_search"), TargetVerdict::Allow),
            (&strict, HostedTool::Provider("web_search_20250305"), TargetVerdict::Allow),
            (&strict, HostedTool::Provider("web_search_preview_2025_03_11"), TargetVerdict::Allow),
            (&strict, HostedTool::Provider("web_fetch_20250910"), TargetVerdict::Deny),
            (&strict, HostedTool::Provider("quantum"), TargetVerdict::Deny),
            (&strict, HostedTool::Connector("Dropbox"), TargetVerdict::Allow),
            (&strict, HostedTool::Connector("gmail"), TargetVerdict::Deny),
            (&strict, HostedTool::Address("https://acme.com/mcp"), TargetVerdict::Allow),
            (&strict, HostedTool::Address("https://acme.com.evil.org/mcp"), TargetVerdict::Deny),
            (&strict, HostedTool::Address("not an address"), TargetVerdict::Deny),
            (&strict, HostedTool::Host("acme.com"), TargetVerdict::Allow),
            (&strict, HostedTool::Host("evil.org"), TargetVerdict::Deny),
            (&lenient, HostedTool::Provider("web_search"), TargetVerdict::Allow),
            (&lenient, HostedTool::Provider("COMPUTER_20250124"), TargetVerdict::Deny),
            (&lenient, HostedTool::Provider("computer_use_preview"), TargetVerdict::Deny),
            (&lenient, HostedTool::Provider("code_execution_20250522"), TargetVerdict::Deny),
            (&lenient, HostedTool::Connector("gmail"), TargetVerdict::Confirm),
        ] {
            assert_eq!(check_hosted(rules, std::slice::from_ref(&tool)).verdict, verdict, "{tool:?}");
        }
        let both = [HostedTool::Provider("web_search"), HostedTool::Provider("computer")];
        assert_eq!(check_hosted(&strict, &both).verdict, TargetVerdict::Deny, "as good as the worst");
    }
}
