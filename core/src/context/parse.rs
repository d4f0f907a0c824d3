//! Reads `contexts/<name>.yml`.
//!
//! An error anywhere makes the whole file broken: half a firewall list is none. Unknown keys and
//! an unknown isolation word are warnings.

use std::collections::BTreeSet;

use super::budget::read_budget;
use super::entries::{EntryDefaults, read_evasions, read_list};
use super::{
    Attachments, CanonDelivery, Context, ContextName, Isolation, MemoryRules, ModelFilter, ProviderState,
};
use crate::glob::Glob;
use crate::problem::Problem;
use crate::rules::Packs;
use crate::targets::{PROVIDER_TOOLS, TargetEntry, TargetVerdict, Targets};
use zos_rules::Evasions;

use crate::yaml::{self, Fields, Findings, Unknown, Value, closest};

/// Outcome of reading a context's file.
#[derive(Clone, Debug)]
pub struct ParsedContext {
    /// The context; absent where any problem is an error.
    pub context: Option<Context>,
    /// Problems of the file.
    pub problems: Vec<Problem>,
    /// Memory that its own patterns take.
    pub(crate) patterns_bytes: usize,
}

/// Parses the file of the context called `name`, which names no pack of the person's own. Takes any
/// bytes.
pub fn parse_context(name: &ContextName, bytes: &[u8]) -> ParsedContext {
    parse_context_with(name, bytes, &Packs::default())
}

/// Reads a context's file as [`parse_context`], with packs of the person's own that it may name.
pub fn parse_context_with(name: &ContextName, bytes: &[u8], packs: &Packs) -> ParsedContext {
    let file = format!("contexts/{name}.yml");
    let document = match yaml::parse(&file, bytes) {
        Ok(document) => document,
        Err(problem) => return ParsedContext { context: None, problems: vec![*problem], patterns_bytes: 0 },
    };
    let mut findings = Findings::new(file);
    let context = match document.root.value {
        Value::Null => {
            let message = "the file is empty, so the room's rules are unknown";
            findings.error(
                document.root.place,
                message,
                "write at least `isolation: hard`, or delete the file",
            );
            None
        }
        _ => Fields::of(&document.root, "", &mut findings)
            .map(|fields| read(name, fields, packs, &mut findings)),
    };
    let patterns_bytes = findings.taken_bytes();
    let context = context.filter(|_| !findings.has_errors());
    ParsedContext { context, problems: findings.into_problems(), patterns_bytes }
}

/// Keys that the parser knows in the maps of a context's file, each with the path of its map: `("", "title")`,
/// `("budget", "daily_tokens")`, `("outbound_deny[2]", "term")`. For the page that lists them: a key of a section is
/// known only where the file has that section.
pub fn known_keys(bytes: &[u8]) -> BTreeSet<(String, &'static str)> {
    let mut findings = Findings::new("");
    findings.note_known_keys();
    if let Ok(document) = yaml::parse("", bytes)
        && let Some(fields) = Fields::of(&document.root, "", &mut findings)
    {
        read(&ContextName::default_context(), fields, &Packs::default(), &mut findings);
    }
    findings.into_known_keys()
}

fn read(name: &ContextName, mut fields: Fields<'_>, packs: &Packs, findings: &mut Findings) -> Context {
    check_name(name, &mut fields, findings);
    let attachments = fields.word("attachments", &ATTACHMENTS, findings);
    let isolation = read_isolation(&mut fields, findings);
    let all = match isolation {
        Isolation::Hard => Evasions::ALL,
        Isolation::Open => Evasions::ORDINARY,
    };
    let evasions = read_evasions(&mut fields, all, findings).unwrap_or(all);
    let defaults = EntryDefaults { packs, evasions, all };
    let context = Context {
        title: fields.text("title", findings).map(str::to_owned),
        isolation,
        outbound_deny: read_list(&mut fields, "outbound_deny", "deny", &defaults, findings),
        confidential: read_list(&mut fields, "confidential", "confidential", &defaults, findings),
        targets: read_targets(&mut fields, isolation, findings),
        budget: read_budget(&mut fields, findings),
        attachments: attachments.unwrap_or(Attachments::Allow),
        attachments_stated: attachments.is_some(),
        state: fields.word("state", &STATE, findings).unwrap_or(ProviderState::of(isolation)),
        attest_required: fields.word("attest", &ATTEST, findings).unwrap_or(false),
        models: read_models(&mut fields, findings),
        canon: read_canon(&mut fields, findings),
        memory: read_memory(&mut fields, findings),
        ..Context::empty(name.clone())
    };
    if context.isolation == Isolation::Hard && !context.attachments_stated {
        findings.warn(
            fields.place(),
            "a hard room does not say what happens to images, audio and other content that cannot be inspected; \
             it goes through",
            "write `attachments: deny` or `attachments: allow`",
        );
    }
    fields.finish(Unknown::Warn, findings);
    context
}

const ATTACHMENTS: [(&str, Attachments); 2] = [("allow", Attachments::Allow), ("deny", Attachments::Deny)];
const STATE: [(&str, ProviderState); 3] =
    [("own", ProviderState::Own), ("any", ProviderState::Any), ("none", ProviderState::None)];
const ATTEST: [(&str, bool); 2] = [("required", true), ("recorded", false)];
const VERDICTS: [(&str, TargetVerdict); 3] =
    [("allow", TargetVerdict::Allow), ("deny", TargetVerdict::Deny), ("confirm", TargetVerdict::Confirm)];

fn check_name(name: &ContextName, fields: &mut Fields<'_>, findings: &mut Findings) {
    if let Some(stated) = fields.text("name", findings)
        && stated != name.as_str()
    {
        let place = fields.entry("name").map_or(fields.place(), |entry| entry.value.place);
        let message = format!("the name \"{stated}\" differs from the file name \"{name}.yml\"");
        let fix = match stated.parse::<ContextName>() {
            Ok(stated) => format!("write `name: {name}`, or rename the file to {stated}.yml"),
            Err(_) => format!("write `name: {name}`, or remove the line; `title:` may be any text"),
        };
        findings.error(place, message, fix);
    }
}

fn read_isolation(fields: &mut Fields<'_>, findings: &mut Findings) -> Isolation {
    let Some(node) = fields.value("isolation", findings) else { return Isolation::Hard };
    match &node.value {
        Value::Text(word) if word == "open" => Isolation::Open,
        Value::Text(word) if word == "hard" => Isolation::Hard,
        Value::Text(word) => {
            let fix = match closest(word, ["open", "hard"]) {
                Some(near) => format!("write `isolation: {near}`"),
                None => "write `isolation: hard` or `isolation: open`".to_owned(),
            };
            findings.warn(
                node.place,
                format!("the isolation \"{word}\" is unknown and treated as hard"),
                fix,
            );
            Isolation::Hard
        }
        _ => {
            let message = format!("`isolation`: expected open or hard, found {}", node.kind());
            findings.error(node.place, message, "write `isolation: hard` or `isolation: open`");
            Isolation::Hard
        }
    }
}

fn read_models(fields: &mut Fields<'_>, findings: &mut Findings) -> ModelFilter {
    let Some(mut inner) = fields.map("models", findings) else { return ModelFilter::default() };
    let globs =
        |texts: Vec<(&str, _)>| texts.into_iter().map(|(text, _)| Glob::new(text)).collect::<Vec<_>>();
    // `allow:` without a value could mean all or none: one of them would be wrong.
    let unclear = inner.entry("allow").filter(|entry| entry.value.value == Value::Null);
    let allow = match unclear {
        Some(entry) => {
            let message = "`models.allow` has no value, which could mean all or none";
            findings.error(
                entry.place,
                message,
                "write `allow: []` to permit none, or remove the line to permit all",
            );
            None
        }
        None => inner.texts("allow", findings).map(globs),
    };
    let filter = ModelFilter { allow, deny: inner.texts("deny", findings).map(globs).unwrap_or_default() };
    let place = inner.place();
    inner.finish(Unknown::Warn, findings);
    let all_denied =
        filter.deny.iter().any(|glob| !glob.as_str().is_empty() && glob.as_str().chars().all(|c| c == '*'));
    if filter.allow.as_ref().is_some_and(Vec::is_empty) || all_denied {
        findings.warn(place, "`models` permits no model: every call is refused", "name one under `allow`");
    }
    filter
}

const ALLOWS_NOTHING: &str =
    "`targets` of a hard room allows nothing: every tool call that points anywhere is stopped";

/// A hard room that has the section denies what it does not list; one that says nothing of them goes on as
/// before.
fn read_targets(fields: &mut Fields<'_>, isolation: Isolation, findings: &mut Findings) -> Targets {
    let Some(entry) = fields.entry("targets") else { return Targets::default() };
    // A section that says nothing is one all the same: what it was meant to say is not known.
    let implied = if isolation == Isolation::Hard { TargetVerdict::Deny } else { TargetVerdict::Allow };
    if entry.value.value == Value::Null {
        if implied == TargetVerdict::Deny {
            findings.warn(entry.place, ALLOWS_NOTHING, "name targets under `allow`, or remove the line");
        } else {
            findings.warn(entry.place, "`targets` has no value", "give it a value, or remove the line");
        }
        return Targets { default: implied, ..Targets::default() };
    }
    let Some(mut inner) = fields.map("targets", findings) else { return Targets::default() };
    let stated = inner.word("default", &VERDICTS, findings);
    let targets = Targets {
        default: stated.unwrap_or(implied),
        allow: read_entries(&mut inner, "allow", findings),
        deny: read_entries(&mut inner, "deny", findings),
        confirm: read_entries(&mut inner, "confirm", findings),
        check_links: inner.word("links", &[("ignore", false), ("check", true)], findings).unwrap_or(false),
    };
    let place = inner.place();
    inner.finish(Unknown::Warn, findings);
    if stated.is_none() && targets.default == TargetVerdict::Deny && targets.allow.is_empty() {
        findings.warn(
            place,
            ALLOWS_NOTHING,
            "name targets under `allow`, or write `default: allow` or `default: deny`",
        );
    }
    targets
}

fn read_entries(inner: &mut Fields<'_>, key: &'static str, findings: &mut Findings) -> Vec<TargetEntry> {
    let mut entries = Vec::new();
    for (text, place) in inner.texts(key, findings).unwrap_or_default() {
        match text.parse::<TargetEntry>() {
            Ok(entry) => {
                if let Some(name) = entry.unknown_provider() {
                    let message =
                        format!("`targets.{key}`: no provider is known to run a tool called \"{name}\"");
                    let fix = match closest(name, PROVIDER_TOOLS.iter().copied()) {
                        Some(near) => format!("did you mean `provider:{near}`?"),
                        None => format!("known are {}", PROVIDER_TOOLS.join(", ")),
                    };
                    findings.warn(place, message, fix);
                }
                entries.push(entry);
            }
            Err(error) => {
                findings.error(place, format!("`targets.{key}`: {error}"), error.fix);
            }
        }
    }
    entries
}

fn read_canon(fields: &mut Fields<'_>, findings: &mut Findings) -> CanonDelivery {
    let Some(mut inner) = fields.map("canon", findings) else { return CanonDelivery::None };
    let words = [("none", CanonDelivery::None), ("inject", CanonDelivery::Inject)];
    let delivery = inner.word("deliver", &words, findings).unwrap_or(CanonDelivery::None);
    inner.finish(Unknown::Warn, findings);
    delivery
}

fn read_memory(fields: &mut Fields<'_>, findings: &mut Findings) -> MemoryRules {
    let Some(mut inner) = fields.map("memory", findings) else { return MemoryRules::default() };
    let kinds = inner.texts("auto_accept", findings).unwrap_or_default();
    inner.finish(Unknown::Warn, findings);
    MemoryRules { auto_accept: kinds.into_iter().map(|(kind, _)| kind.to_owned()).collect() }
}
