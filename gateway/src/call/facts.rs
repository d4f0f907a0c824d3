//! Facts of a call, and the one verb by which they reach both who is told: the record, and the caller's headers.

use super::{Call, HiddenModel};
use http::{HeaderMap, HeaderName, HeaderValue};
use zos_audit::Verdict;
use zos_core::{Canon, ContextName, Route};
use zos_guard::findings::Findings;
use zos_guard::policy::Policy;
use zos_meter::Balance;

/// Something that became known of a call on its way.
pub(crate) enum Fact<'a> {
    /// Context that governs it.
    Context(&'a ContextName),
    /// Id of the signed state that governs it.
    State(&'a str),
    /// Canon that was put in front of it.
    Canon(&'a Canon),
    /// Canon that it should have had, and why it went on without: `none` or `broken`.
    NoCanon(&'static str),
    /// Findings of an inspection under this policy. Their verdict is a warning at least.
    Found(&'a Policy, &'a Findings),
    /// Name of a rule that is in no policy, with its verdict.
    Rule(&'static str, Verdict),
    /// Verdict, unless a stronger one is known.
    Verdict(Verdict),
    /// Something that was not inspected, as `kind:place`.
    Uninspected(String),
    /// Provider and model that serve it, or are about to be asked.
    Route(&'a Route),
    /// Whether the price is known that a limit of money needs.
    Price { is_known: bool },
    /// The call costs no further money, because a plan pays for it.
    PaidByPlan,
    /// Tokens that are left of the context's limit, as the ledger tells them.
    Balance(&'a Balance),
    /// Tokens that are left of a limit that refuses the call.
    Remaining(u64),
    /// Budget that nobody can tell while the ledger is away.
    BudgetUnknown,
    /// Output tokens that the call may have, lowered so that it fits its budget.
    OutputLimit(u64),
    /// Retries were made here, so the caller's own client need not.
    Retried,
    /// Header of the answer that HTTP itself or a protocol beside ours asks for.
    Answer(HeaderName, HeaderValue),
}

impl Call {
    /// Tells the record and the caller of a fact. What is told once the head of the answer has left is for the record alone.
    pub(crate) fn tell(&mut self, fact: Fact<'_>) {
        match fact {
            Fact::Context(name) => {
                self.record.context = Some(name.to_string());
                self.say("x-zos-context", name.as_str());
            }
            Fact::State(id) => {
                self.record.state_id = Some(id.to_owned());
                self.say("x-zos-state", id);
            }
            Fact::Canon(canon) => {
                self.record.canon = Some(canon.digest.clone());
                self.say("x-zos-canon", &canon.digest);
            }
            Fact::NoCanon(why) => self.say("x-zos-canon", why),
            Fact::Found(policy, findings) => self.found(policy, findings),
            Fact::Rule(rule, verdict) => {
                add(&mut self.record.rules, rule);
                self.raise(verdict);
            }
            Fact::Verdict(verdict) => self.raise(verdict),
            Fact::Uninspected(place) => add(&mut self.record.uninspected, &place),
            Fact::Route(route) => self.routed(route),
            Fact::Price { is_known: false } => self.say("x-zos-price", "unknown"),
            Fact::Price { is_known: true } => self.take_back("x-zos-price"),
            Fact::PaidByPlan => self.say("x-zos-price", "plan"),
            Fact::Balance(balance) => {
                if let Some(remaining) = balance.remaining() {
                    self.tell(Fact::Remaining(remaining));
                }
            }
            Fact::Remaining(tokens) => {
                self.headers.insert("x-zos-budget-remaining", HeaderValue::from(tokens));
            }
            Fact::BudgetUnknown => self.say("x-zos-budget", "unknown"),
            Fact::OutputLimit(tokens) => {
                self.headers.insert("x-zos-output-limit", HeaderValue::from(tokens));
                self.remark(&format!(
                    "the output limit was lowered to {tokens} tokens, which is what the budget holds"
                ));
            }
            Fact::Retried => self.say("x-should-retry", "false"),
            Fact::Answer(name, value) => {
                self.headers.insert(name, value);
            }
        }
    }

    /// The headers that tell the caller of its call.
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The same, for an answer that is ours from its first byte to its last.
    pub(crate) fn take_headers(&mut self) -> HeaderMap {
        std::mem::take(&mut self.headers)
    }

    fn say(&mut self, name: &'static str, value: &str) {
        // A name that no header can hold is only in the record.
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
    }

    fn take_back(&mut self, name: &'static str) {
        self.headers.remove(name);
    }

    fn found(&mut self, policy: &Policy, findings: &Findings) {
        for found in &findings.found {
            let id = policy.rule_id(found.rule);
            for name in std::iter::once(id).chain(found.detectors.iter().map(|detector| &**detector)) {
                add(&mut self.record.rules, name);
            }
        }
        self.note_terms(policy, findings);
        for (rule, _) in findings.targets.rules() {
            add(&mut self.record.rules, rule);
        }
        for place in &findings.uninspected {
            add(&mut self.record.uninspected, place);
        }
        let has_none = findings.found.is_empty() && findings.targets.is_empty();
        self.raise(if has_none { Verdict::Allow } else { Verdict::Warn });
    }

    /// Notes a verdict, unless a stronger one is known, and says which one holds.
    fn raise(&mut self, verdict: Verdict) {
        let strength = |verdict| match verdict {
            Verdict::Allow => 0,
            Verdict::Warn => 1,
            Verdict::Redact => 2,
            Verdict::Deny => 3,
        };
        let known = self.record.verdict.filter(|known| strength(*known) >= strength(verdict));
        let verdict = known.unwrap_or(verdict);
        self.record.verdict = Some(verdict);
        self.say(
            "x-zos-verdict",
            match verdict {
                Verdict::Deny => "deny",
                Verdict::Redact => "redact",
                Verdict::Warn => "warn",
                Verdict::Allow => "allow",
            },
        );
        for (name, values) in
            [("x-zos-rules", &self.record.rules), ("x-zos-uninspected", &self.record.uninspected)]
        {
            if !values.is_empty()
                && let Ok(value) = HeaderValue::from_str(&values.join(","))
            {
                self.headers.insert(name, value);
            }
        }
    }

    fn routed(&mut self, route: &Route) {
        let model = HiddenModel::shown(self.hidden_model.as_ref(), &route.model).to_owned();
        let name = &route.provider.name;
        match &route.stepped_down {
            None => self.say("x-zos-route", &format!("{name}/{model}")),
            Some(stepped) => self.say("x-zos-route", &format!("{name}/{model}; {stepped}")),
        }
        self.record.provider = Some(route.provider.name.clone());
        self.record.model = Some(model);
        match route.provider.is_demo() {
            true => self.say("x-zos-demo", "true"),
            false => self.take_back("x-zos-demo"),
        }
    }
}

/// Adds a word to a list of the record that has it once.
fn add(list: &mut Vec<String>, word: &str) {
    if !list.iter().any(|known| known == word) {
        list.push(word.to_owned());
    }
}
