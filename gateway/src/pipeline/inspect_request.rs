//! Step 2: what the request says, and whether it may leave. The body that comes out of here is final.

use super::{Arrived, Resolved};
use crate::call::Call;
use crate::inspect::{self, Findings};
use crate::json;
use crate::policy::Policy;
use crate::problem::{Code, Problem};
use crate::wire::{self, Asked};
use http::{HeaderMap, HeaderValue};
use zos_audit::Verdict;
use zos_core::Attachments;

/// A call whose body was inspected and may leave.
pub(crate) struct Inspected {
    pub(super) resolved: Resolved,
    pub(super) arrived: Arrived,
    pub(super) asked: Asked,
    /// Tokens of the input, estimated.
    pub(super) input_tokens: u64,
}

pub(super) fn run(
    mut resolved: Resolved,
    call: &mut Call,
    headers: &mut HeaderMap,
) -> Result<Inspected, Problem> {
    let arrived = resolved.arrived.take().expect("resolve::run puts the arrived call in");
    let body = std::str::from_utf8(&arrived.body)
        .map_err(|_| Problem::new(Code::InvalidRequest, "The request body is not valid UTF-8."))?;
    let value = json::parse(body).map_err(|error| {
        Problem::new(Code::InvalidRequest, format!("The request body is {error}."))
            .hint("Send one JSON object.")
    })?;
    let asked = wire::asked(arrived.face, &value)?;
    // A name that a provider could not have either is no name to keep.
    call.record.model = Some(asked.model.clone());
    let mut findings = Findings::default();
    inspect::tree(&resolved.policy, &value, &[], &mut findings);
    drop(value);
    note(&resolved.policy, &findings, call, headers);
    if findings.has_attachment && resolved.context.attachments == Attachments::Deny {
        return Err(Problem::new(
            Code::FirewallRequest,
            format!(
                "The request holds what cannot be inspected ({}), and this context denies it.",
                findings.uninspected.join(", ")
            ),
        )
        .hint("Leave it out, or set `attachments: allow` in the context's file."));
    }
    if findings.are_blocked(&resolved.policy) {
        return Err(Problem::new(
            Code::FirewallRequest,
            refusal_sentence("The request", &resolved, &findings),
        )
        .hint("Take it out of the conversation, or change the rule in this context's file."));
    }
    let text_bytes = arrived.body.len().saturating_sub(findings.binary_bytes);
    let input_tokens = zos_meter::estimate_tokens(body).min(text_bytes as u64)
        + findings.uninspected.len() as u64 * ATTACHMENT_TOKENS;
    Ok(Inspected { resolved, arrived, asked, input_tokens })
}

/// What an image or a page costs at most with the providers we know. A guess, for the reservation only.
const ATTACHMENT_TOKENS: u64 = 1600;

/// Notes findings in the record and in the answer's headers.
pub(super) fn note(policy: &Policy, findings: &Findings, call: &mut Call, headers: &mut HeaderMap) {
    for found in &findings.found {
        let id = policy.rule_id(found.rule);
        if !call.record.rules.iter().any(|known| known == id) {
            call.record.rules.push(id.to_owned());
        }
    }
    for place in &findings.uninspected {
        if !call.record.uninspected.contains(place) {
            call.record.uninspected.push(place.clone());
        }
    }
    if !findings.found.is_empty() && call.record.verdict == Some(Verdict::Allow) {
        call.record.verdict = Some(Verdict::Warn);
    }
    write_headers(call, headers);
}

/// The verdict headers as the record knows them.
pub(super) fn write_headers(call: &Call, headers: &mut HeaderMap) {
    let verdict = match call.record.verdict {
        Some(Verdict::Deny) => "deny",
        Some(Verdict::Redact) => "redact",
        Some(Verdict::Warn) => "warn",
        Some(Verdict::Allow) | None => "allow",
    };
    headers.insert("x-zos-verdict", HeaderValue::from_static(verdict));
    let mut list = |name: &'static str, values: &[String]| {
        if !values.is_empty()
            && let Ok(value) = HeaderValue::from_str(&values.join(","))
        {
            headers.insert(name, value);
        }
    };
    list("x-zos-rules", &call.record.rules);
    list("x-zos-uninspected", &call.record.uninspected);
}

/// Names rule, field and count, and never what was found.
pub(super) fn refusal_sentence(subject: &str, resolved: &Resolved, findings: &Findings) -> String {
    let found: Vec<String> = findings
        .found
        .iter()
        .filter(|found| resolved.policy.blocks(found.rule))
        .map(|found| {
            let times = if found.count == 1 { String::new() } else { format!(", {} times", found.count) };
            format!("rule {} in {}{times}", resolved.policy.rule_id(found.rule), found.field)
        })
        .collect();
    let isolation = resolved.context.isolation.name();
    format!(
        "{subject} holds something that the {isolation} context \"{}\" denies: {}.",
        resolved.name,
        found.join("; ")
    )
}
