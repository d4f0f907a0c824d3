//! Clients that are known, as data: how each names itself and its conversations, and what it does with an ending that is
//! ours.
//!
//! A refusal is of use only when the program that meets it stops, shows our sentence and does not buy the answer again.
//! Programs differ in what makes them do so. [`CLIENTS`] has a row for each that differs from what most do; one that is in
//! no row, or that gives no name, gets [`UNKNOWN`]. A `user-agent` is a claim: it chooses between forms of the same
//! refusal, and never what is refused.
//!
//! Nothing here knows how a form is written: the dialect of each face does.

use http::{HeaderMap, HeaderValue, header};

/// One program that calls models, and how it is refused.
#[derive(Debug, PartialEq, Eq)]
pub struct Client {
    /// Name in records, small letters and `-`; empty for the one that is in no row.
    pub name: &'static str,
    /// Beginnings of a product of its `user-agent`, in small letters: `codex` is in `codex_exec/0.171.0 (…)`.
    pub agents: &'static [&'static str],
    /// Headers that it alone sends, all of them in every call, in small letters: for programs that leave the `user-agent`
    /// to their SDK. Empty where that names them.
    pub marks: &'static [&'static str],
    /// Headers in which it names its conversation, in small letters.
    pub sessions: &'static [&'static str],
    /// Answer to a call that no budget holds.
    pub over_budget: OverBudget,
    /// End of a text of the messages API that is cut.
    pub messages: TextCut,
    /// End of a text of the responses API that is cut.
    pub responses: TextCut,
}

/// Answer to a call that no budget holds. None of them says when to try again in a way that a program would wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverBudget {
    /// 402: most show the sentence and stop.
    PaymentRequired,
    /// 400, where the API is OpenAI's: for programs that repeat a 402, and put words of their own in the place of ours at
    /// a 429.
    InvalidRequest,
}

/// End of a text that is cut, where the API leaves a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextCut {
    /// The API's own event for an error that trying again does not help with.
    Error,
    /// Our sentence as the last words of the text, then the API's ending of an answer that was refused.
    SaidAndRefused,
    /// Our sentence as the last words of the text, then an ordinary end: for programs that put words of their own in the
    /// place of every other.
    SaidAndEnded,
}

/// The client that is in no row.
pub static UNKNOWN: Client = Client {
    name: "",
    agents: &[],
    marks: &[],
    sessions: &[],
    over_budget: OverBudget::PaymentRequired,
    messages: TextCut::Error,
    responses: TextCut::Error,
};

/// The rows. The first that fits counts.
pub static CLIENTS: &[Client] = &[
    // Says of a refused text that its maker's policy forbids it, and asks again without a stream after an error event.
    Client {
        name: "claude-code",
        agents: &["claude-cli/", "claude-code/"],
        marks: &[],
        sessions: &["x-claude-code-session-id"],
        over_budget: OverBudget::PaymentRequired,
        messages: TextCut::SaidAndEnded,
        responses: TextCut::Error,
    },
    // Repeats a 402 five times, sleeps as long as `retry-after` says, and tells of `insufficient_quota` only "Check your
    // plan and billing details". Shows what a 400 says, once.
    Client {
        name: "codex",
        agents: &["codex"],
        marks: &[],
        sessions: &["session_id", "session-id", "conversation_id", "thread-id"],
        over_budget: OverBudget::InvalidRequest,
        messages: TextCut::Error,
        responses: TextCut::Error,
    },
    // Buys again five times after any error inside a stream. With a provider of its owner's its calls come from the SDK of
    // that API, by their `user-agent`.
    Client {
        name: "copilot",
        agents: &["copilot", "githubcopilot"],
        marks: &["x-initiator", "x-interaction-type"],
        sessions: &[],
        over_budget: OverBudget::PaymentRequired,
        messages: TextCut::SaidAndRefused,
        responses: TextCut::SaidAndRefused,
    },
    Client {
        name: "opencode",
        agents: &["opencode/"],
        sessions: &["x-session-id", "x-session-affinity"],
        ..defaults()
    },
    Client { name: "qwen-code", agents: &["qwencode/", "qwen-code/"], ..defaults() },
    Client { name: "continue", agents: &["continue", "ls/js"], ..defaults() },
    Client { name: "cline", agents: &["cline/"], ..defaults() },
    Client { name: "gemini-cli", agents: &["geminicli", "gemini-cli/"], ..defaults() },
    Client { name: "crush", agents: &["crush/", "charm-crush/"], ..defaults() },
    Client { name: "aider", agents: &["aider/"], ..defaults() },
    Client { name: "litellm", agents: &["litellm/"], ..defaults() },
];

/// What is so for a client of which nothing else is known, for rows that only name one.
const fn defaults() -> Client {
    Client {
        name: "",
        agents: &[],
        marks: &[],
        sessions: &[],
        over_budget: OverBudget::PaymentRequired,
        messages: TextCut::Error,
        responses: TextCut::Error,
    }
}

impl Client {
    /// The client that a request says it comes from.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> &'static Client {
        let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let agent = agent.to_ascii_lowercase();
        let named = CLIENTS.iter().find(|client| client.is_named_in(&agent));
        named.or_else(|| CLIENTS.iter().find(|client| client.is_marked_in(headers))).unwrap_or(&UNKNOWN)
    }

    /// Whether a call has all headers that this client alone sends.
    fn is_marked_in(&self, headers: &HeaderMap) -> bool {
        !self.marks.is_empty() && self.marks.iter().all(|name| headers.contains_key(*name))
    }

    /// Whether a `user-agent` in small letters holds a product of this client, outside of comments.
    fn is_named_in(&self, agent: &str) -> bool {
        let products = agent.split('(').enumerate().flat_map(|(nth, part)| {
            let outside = if nth == 0 { part } else { part.split_once(')').map_or("", |(_, rest)| rest) };
            outside.split_ascii_whitespace()
        });
        products.into_iter().any(|product| self.agents.iter().any(|name| product.starts_with(name)))
    }
}

/// The client that a request claims to come from, by the name of its row. Of one that is in no row nothing is kept: what
/// a `user-agent` says besides is a text of the caller.
#[must_use]
pub fn claimed(headers: &HeaderMap) -> Option<&'static str> {
    Some(Client::of(headers).name).filter(|name| !name.is_empty())
}

/// Which forms refusals have: a setting of the owner.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Refusals {
    /// Those by which programs stop and show the sentence.
    #[default]
    Best,
    /// Those that each API documents for the case, the same for everybody.
    Reference,
}

/// The form that one caller is refused in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// What each API documents for the case.
    Reference,
    /// What this client makes the best of.
    Best(&'static Client),
}

impl Form {
    /// The form for the caller of a request.
    #[must_use]
    pub fn of(refusals: Refusals, headers: &HeaderMap) -> Form {
        match refusals {
            Refusals::Best => Form::Best(Client::of(headers)),
            Refusals::Reference => Form::Reference,
        }
    }
}

/// Headers in which callers of zOS name a conversation by themselves. They count before those of programs.
const OWN_SESSIONS: &[&str] = &["x-zos-conversation", "x-zos-session"];

/// Such headers of programs that are in no row.
const OTHER_SESSIONS: &[&str] = &["conversation-id"];

/// Every header that names a conversation, in the order in which they count. The same for all that is kept by
/// conversation: placeholders, marks of memories, what the owner allowed.
pub fn session_headers() -> impl Iterator<Item = &'static str> {
    let known = CLIENTS.iter().flat_map(|client| client.sessions);
    OWN_SESSIONS.iter().chain(known).chain(OTHER_SESSIONS).copied()
}

/// The longest name of a conversation that is taken, in bytes.
const CONVERSATION_MAX_BYTES: usize = 128;

/// The name that a request gives its conversation; `None` where it gives none that is of use.
#[must_use]
pub fn conversation(headers: &HeaderMap) -> Option<&str> {
    let named = session_headers().filter_map(|name| headers.get(name).map(HeaderValue::to_str)?.ok());
    named.into_iter().find(|name| (1..=CONVERSATION_MAX_BYTES).contains(&name.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;
    use std::collections::HashSet;

    fn from(agent: &str) -> &'static str {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, HeaderValue::from_str(agent).unwrap());
        Client::of(&headers).name
    }

    #[test]
    fn a_client_is_known_by_a_product_of_its_agent_and_not_by_a_comment() {
        for (agent, name) in [
            ("claude-cli/2.1.332 (external, sdk-cli)", "claude-code"),
            ("codex_exec/0.171.0 (Debian 13.0.0; x86_64) unknown", "codex"),
            ("codex_cli_rs/0.171.0", "codex"),
            ("opencode/1.18.33 ai-sdk/provider-utils/3.0.9", "opencode"),
            ("ai-sdk/openai/2.0 opencode/1.18.33", "opencode"),
            ("QwenCode/0.24.4 (linux; x64)", "qwen-code"),
            ("GitHubCopilotCLI/1.0.102", "copilot"),
            ("copilot/1.0.102 (linux) node", "copilot"),
            ("Mozilla/5.0 (codex_exec/1; claude-cli/2)", ""),
            ("curl/8 (claude-cli/2) codex_exec/0.1", "codex"),
            ("OpenAI/Python 2.9.0", ""),
            ("(", ""),
            ("", ""),
        ] {
            assert_eq!(from(agent), name, "{agent}");
        }
        assert_eq!(Client::of(&HeaderMap::new()), &UNKNOWN);
    }

    #[test]
    fn a_client_is_claimed_by_the_name_of_its_row_or_not_at_all() {
        for (agent, name) in [
            ("codex_exec/0.171.0 (x)", Some("codex")),
            ("OpenAI/Python 2.9.0", None),
            ("words of the caller", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::USER_AGENT, HeaderValue::from_str(agent).unwrap());
            assert_eq!(claimed(&headers), name, "{agent}");
        }
        assert_eq!(claimed(&HeaderMap::new()), None);
    }

    #[test]
    fn a_client_that_leaves_its_name_to_an_sdk_is_known_by_all_its_marks() {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, HeaderValue::from_static("Anthropic/JS 0.94.0"));
        headers.insert("x-initiator", HeaderValue::from_static("user"));
        assert_eq!(Client::of(&headers), &UNKNOWN, "one of them is not enough");
        headers.insert("x-interaction-type", HeaderValue::from_static("conversation-user"));
        assert_eq!(Client::of(&headers).name, "copilot");
        headers.insert(header::USER_AGENT, HeaderValue::from_static("codex_exec/0.171.0"));
        assert_eq!(Client::of(&headers).name, "codex", "a name counts before marks");
    }

    #[test]
    fn no_row_hides_another_and_every_header_is_one() {
        let mut agents = HashSet::new();
        let mut names = HashSet::new();
        for client in CLIENTS {
            assert!(names.insert(client.name) && !client.name.is_empty());
            for agent in client.agents {
                assert!(
                    agents.insert(*agent) && agent.bytes().all(|byte| !byte.is_ascii_uppercase()),
                    "{agent}"
                );
                assert_eq!(from(&format!("{agent}1")), client.name, "an earlier row takes {agent}");
            }
        }
        let headers: Vec<_> = session_headers().collect();
        assert_eq!(headers.iter().collect::<HashSet<_>>().len(), headers.len());
        for name in headers {
            assert_eq!(HeaderName::from_static(name).as_str(), name);
        }
    }

    #[test]
    fn a_conversation_is_named_by_any_of_the_headers_and_by_the_callers_own_word_first() {
        for name in session_headers() {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static("c-1"));
            assert_eq!(conversation(&headers), Some("c-1"), "{name}");
            headers.insert(name, HeaderValue::from_static(""));
            assert_eq!(conversation(&headers), None, "{name}");
            headers.insert(name, HeaderValue::from_str(&"c".repeat(129)).unwrap());
            assert_eq!(conversation(&headers), None, "{name}");
            headers.insert("x-zos-conversation", HeaderValue::from_static("mine"));
            assert_eq!(conversation(&headers), Some("mine"), "{name}");
        }
    }
}
