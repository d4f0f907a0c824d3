//! Codes of refusals: one row for each code that an answer to a call, the admin API or the command line can carry.
//!
//! A program matches on the code, so a code is never renamed and never used again for something else. The tables of
//! `docs/errors.md` are these rows, and no other source file spells a code out; tests hold both. To add a code, add its
//! row here and put the rows that the failing test prints into `docs/errors.md`.
//!
//! This module names HTTP statuses as plain numbers and makes no answers: `zos_wire::problem` and the admin API do.

/// Where a code is met first. The admin API passes codes of calls on, and the command line those of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Met {
    /// In the answer to a call of an AI client.
    Call,
    /// In an answer of the admin API.
    Admin,
    /// In what the command line prints.
    Command,
}

/// Who can change that a request is refused with a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Whoever sent the request, by sending another one.
    Caller,
    /// The owner of the home: a file, a key, the disk.
    Owner,
    /// Nobody: the same request may pass later.
    Time,
    /// The makers of zOS: it is a defect.
    Maker,
}

impl Actor {
    /// Word for the column of `docs/errors.md`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Actor::Caller => "caller",
            Actor::Owner => "owner",
            Actor::Time => "time",
            Actor::Maker => "makers",
        }
    }
}

/// One row of the table.
struct Row {
    text: &'static str,
    met: Met,
    statuses: &'static [u16],
    actor: Actor,
    when: &'static str,
    remedy: &'static str,
}

/// Makes the enum, the list of all and the rows out of one table, so that none of them can lack a code.
macro_rules! codes {
    ($($name:ident $text:literal $met:ident $statuses:tt $actor:ident: $when:literal, $remedy:literal;)+) => {
        /// Reason of a refusal, for programs. Listed in `docs/errors.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $when] $name,)+
        }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Code] = &[$(Code::$name),+];

            const fn row(self) -> Row {
                match self {
                    $(Code::$name => Row {
                        text: $text,
                        met: Met::$met,
                        statuses: &$statuses,
                        actor: Actor::$actor,
                        when: $when,
                        remedy: $remedy,
                    },)+
                }
            }
        }
    };
}

codes! {
    InvalidRequest "zos_invalid_request" Call [400, 406, 408, 413, 415, 422, 431, 503] Caller:
        "The body is no JSON object, misses its model, is larger than `limits.body_bytes`, holds too many small values, is compressed, arrives too slowly, or the head is too large. 503 where too many large calls are in progress.",
        "Send what the API of the endpoint asks for, or raise the limit in `gateway/config.yml`.";
    Unauthorized "zos_unauthorized" Call [401] Caller:
        "A key of zOS is required (the sentence says why), wrong, revoked, or sent in a form or place that is none; the admin token was sent with a call; or the admin API was asked without its token.",
        "Make a key with `zos key add NAME` and send it bare; screens take `zos token --admin`.";
    OriginDenied "zos_origin_denied" Call [403] Owner:
        "A web page or another host name asks.",
        "Add it to `auth.allowed_origins` or `auth.allowed_hosts`, if it is yours.";
    FirewallRequest "zos_firewall_request" Call [403, 400, 451] Caller:
        "The request holds something that the room denies. Rule ids, fields and counts are told. 451 on the messages API, 400 on all others; 403 with `refusals: reference`.",
        "Take it out, or change the room's list.";
    FirewallResponse "zos_firewall_response" Call [502, 400, 451] Caller:
        "The answer held something that the room denies. It was bought and is charged. In a stream it stands in the ending, see [firewall.md](firewall.md). 451 on the messages API, 400 on all others; 502 with `refusals: reference`.",
        "Ask differently, or change the room's list.";
    ContextMismatch "zos_context_mismatch" Call [403] Caller:
        "Two of key, further key, header and path name two rooms.",
        "Leave the header out, or make a key for that room.";
    UnknownContext "zos_unknown_context" Call [404, 451] Owner:
        "No room has this name; or there are rooms, none is active and none is called `default`. 451 on the messages API, where agents read a 404 as a model that does not exist.",
        "`zos context list`, `zos context use NAME`.";
    ContextBroken "zos_context_broken" Call [503, 409] Owner:
        "The room's file never loaded, or is empty. 409 from the admin API.",
        "`zos lint` names file, line and fix.";
    CanonInvalid "zos_canon_invalid" Call [503] Owner:
        "The canon of a hard room is broken and has no good version.",
        "`zos canon lint` names file, line and fix.";
    UnknownEndpoint "zos_unknown_endpoint" Call [404, 405, 426] Caller:
        "zOS does not know this path, so nothing passes through it; 426 for a WebSocket.",
        "[endpoints.md](endpoints.md) lists what there is.";
    UnknownModel "zos_unknown_model" Call [404] Owner:
        "No provider serves this model.",
        "`zos models`; add it to `routing/fleet.yml`.";
    NoRoute "zos_no_route" Call [503, 401] Owner:
        "No permitted model or provider is left: the room's `models`, a rule of the fleet, what the model can do or read, or every provider that could serve it failed too often. 401 where nobody has a key for the provider.",
        "`zos route explain`; `zos providers`; [routing.md](routing.md).";
    Untranslatable "zos_untranslatable" Call [400, 502] Caller:
        "The routed model is behind another API, which cannot carry a field of the call; the field is named and nothing was sent. 502 where the answer holds what the caller's API cannot.",
        "Leave the field out, or call the model through its own API; see [routing.md](routing.md).";
    ForeignState "zos_foreign_state" Call [403, 400, 451] Caller:
        "The request refers to what a provider keeps (an earlier answer, a stored conversation, a container, a file, a sealed item), and it belongs to another room, was never seen, or the room keeps nothing there. Statuses as of `zos_firewall_request`.",
        "Begin a new conversation, or go on in the room where this one began; `state` in [contexts.md](contexts.md).";
    BudgetExceeded "zos_budget_exceeded" Call [429, 402, 400] Owner:
        "The room's budget does not hold this call. `x-zos-budget-reset` has the seconds to the reset. 400 for Codex, which repeats a 402 and hides the sentence of a 429; 429 with `retry-after` for everybody with `refusals: reference`.",
        "Raise `budget.daily_tokens`, ask for a lower `max_tokens`, or wait.";
    UpstreamUnreachable "zos_upstream_unreachable" Call [502, 503] Time:
        "The provider could not be reached, or its answer could not be read to its end. 503 where the answer does not fit beside those of other calls.",
        "`zos doctor`; try again.";
    UpstreamTimeout "zos_upstream_timeout" Call [504] Time:
        "The provider took longer than `upstream` in `gateway/config.yml` allows.",
        "Try again, or raise the limit.";
    AuditUnavailable "zos_audit_unavailable" Call [503] Owner:
        "The log cannot be written, and the room is hard: no call without its record.",
        "Free the disk; `zos doctor` tells more.";
    LedgerUnavailable "zos_ledger_unavailable" Call [503] Owner:
        "Budgets cannot be read or written, and the room is hard and has some. Open rooms go on: `x-zos-budget: unknown`.",
        "`zos doctor`; the disk, or the database of `ledger.url`. It goes on by itself.";
    ShuttingDown "zos_shutting_down" Call [503] Time:
        "zOS is stopping.",
        "Try again in a moment.";
    Internal "zos_internal" Call [500] Maker:
        "A defect of ours; nothing more was sent.",
        "Please report it, with the request id and the log.";

    Conflict "zos_conflict" Admin [409] Caller:
        "The file changed since it was read, the name is taken, or what was to be decided is decided already. Nothing was written.",
        "Read it again and make the change once more.";
    InvalidContext "zos_invalid_context" Admin [422] Caller:
        "The new text of a room's file is not valid; the file is untouched. `problems` names line and fix.",
        "Fix the lines that are named.";
    UnknownApproval "zos_unknown_approval" Admin [404] Caller:
        "Nothing of that id waits for a decision: it was answered, or ten minutes have passed.",
        "`zos allow` lists what waits.";
    RuleNotEditable "zos_rule_not_editable" Admin [409] Owner:
        "The rule that a decision should change does not stand in the room's own file.",
        "Allow it once, and edit the rule's own file.";
    UnknownKey "zos_unknown_key" Admin [404] Caller:
        "There is no zOS key of that id, or the keychain holds none for that provider, or a client's key was revoked.",
        "`zos key list`, `zos providers list`.";
    UnknownProvider "zos_unknown_provider" Admin [404] Owner:
        "There is no provider of that id.",
        "`zos providers list`; add it to `routing/fleet.yml`.";
    KeyNotWritable "zos_key_not_writable" Admin [409] Owner:
        "The provider's key comes from the environment, or it needs none, so none can be stored.",
        "Write `key: \"keychain:NAME\"` in `routing/fleet.yml`.";
    Keychain "zos_keychain" Admin [503] Owner:
        "The keychain is locked or did not take the key.",
        "Unlock it; `zos doctor` tells more.";
    UnknownMemory "zos_unknown_memory" Admin [404] Caller:
        "The room has no memory of that id.",
        "`zos memory search` and `zos memory review` show the ids of a room.";
    MemoryDenied "zos_memory_denied" Admin [403] Owner:
        "The memory may not stand in that room: the room is hard, or its firewall denies the text.",
        "`zos firewall test` shows the rule.";

    Environment "zos_environment" Command [] Owner:
        "The machine is not as it must be: a file or folder cannot be read or written, or is damaged.",
        "The sentence names the file; `zos doctor` tells more.";
    InvalidConfig "zos_invalid_config" Command [] Owner:
        "`gateway/config.yml` cannot be used. `problems` names line and fix.",
        "Fix the lines that are named.";
    HomeInUse "zos_home_in_use" Command [] Owner:
        "Another zOS, or another command, works on this home.",
        "Wait for it or end it, or give another home: `--home DIR`.";
    Unreachable "zos_unreachable" Command [] Owner:
        "A zOS runs on this home and does not answer.",
        "`zos doctor` looks for the reason.";
    NotRunning "zos_not_running" Command [] Owner:
        "No zOS runs on this home, and what was asked for lives in the one that runs.",
        "`zos serve`, or open the app.";
    PortTaken "zos_port_taken" Command [] Owner:
        "Another program listens on the port.",
        "End it, or listen elsewhere: `zos serve --listen 127.0.0.1:PORT`.";
    CannotListen "zos_cannot_listen" Command [] Owner:
        "The address cannot be listened on, for another reason.",
        "Give another one: `zos serve --listen 127.0.0.1:PORT`.";
    Killed "zos_killed" Command [] Owner:
        "`zos serve` was told to end three times, before its records were complete.",
        "Wait longer next time; the log tells what is missing.";
    Editor "zos_editor" Command [] Owner:
        "The editor cannot be started or failed; the file is untouched.",
        "Set `$VISUAL` or `$EDITOR`.";
    PricesBroken "zos_prices_broken" Command [] Owner:
        "The catalogue of prices in this home cannot be used.",
        "`zos models update --shipped`.";
    ExportRefused "zos_export_refused" Command [] Owner:
        "A canon was not written into a client's file: what stands there is not from zOS.",
        "Move the file away, or write into another folder with `--out`.";
    NoAttestedState "zos_no_attested_state" Command [] Owner:
        "No signed state covers this room yet.",
        "`zos serve` signs one when it starts.";
    UnknownState "zos_unknown_state" Command [] Caller:
        "There is no statement about that state, or no state governed that record.",
        "`zos attest show` names the one in force.";
    UnknownRecord "zos_unknown_record" Command [] Caller:
        "The log has no record of that number.",
        "`zos audit tail` shows the numbers.";
    Unproven "zos_unproven" Command [] Owner:
        "A record cannot be proven: no checkpoint covers it, or the log is not what was signed for.",
        "`zos audit verify` tells which.";
}

impl Code {
    /// Code as it stands in answers and records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.row().text
    }

    /// Where it is met first.
    #[must_use]
    pub fn met(self) -> Met {
        self.row().met
    }

    /// HTTP statuses that it comes with, the usual one first; none where only the command line says it.
    #[must_use]
    pub fn statuses(self) -> &'static [u16] {
        self.row().statuses
    }

    /// Who can act on it.
    #[must_use]
    pub fn actor(self) -> Actor {
        self.row().actor
    }

    /// Circumstances under which it is said, as whole sentences in Markdown.
    #[must_use]
    pub fn when(self) -> &'static str {
        self.row().when
    }

    /// Next step for whoever reads it, as whole sentences in Markdown.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        self.row().remedy
    }
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_words_and_none_stands_twice() {
        let mut met = HashSet::new();
        for code in Code::ALL {
            let text = code.as_str();
            let word = text.strip_prefix("zos_").unwrap_or_default();
            assert!(
                !word.is_empty() && word.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase()),
                "{text}"
            );
            assert!(met.insert(text), "{text} stands twice");
            assert!(!code.when().contains('|') && !code.remedy().contains('|'), "{text} breaks the table");
        }
    }

    #[test]
    fn what_is_answered_over_http_has_error_statuses_and_nothing_else_has() {
        for code in Code::ALL {
            let is_answered = code.met() != Met::Command;
            assert_eq!(!code.statuses().is_empty(), is_answered, "{}", code.as_str());
            assert!(code.statuses().iter().all(|status| (400..600).contains(status)), "{}", code.as_str());
        }
    }

    #[test]
    fn rows_stand_in_the_order_in_which_they_are_met() {
        assert!(Code::ALL.is_sorted_by_key(|code| code.met()));
    }
}
