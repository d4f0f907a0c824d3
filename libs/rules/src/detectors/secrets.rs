//! Keys, tokens and passwords of programs.
//!
//! Formats are those that the providers publish or that their own libraries produce. A key with a
//! fixed prefix needs no context; a value without one is only found where something called a
//! secret is assigned (`assignment`), and if it is random enough.

use super::randomness::Surprise;
use super::{Detector, detector};
use crate::checks::{Find, entropy, is_placeholder, kept};
use crate::pattern::block::Ending;
use crate::pattern::runs::Need;

pub(super) static DETECTORS: [Detector; 53] = [
    detector("aws-key", r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b", 20).checked(real),
    detector("aws-secret-key", r#"(?i-u:aws)[A-Za-z0-9_. -]*(?i-u:secret|key)[A-Za-z0-9_. -]*["']?[ \t]{0,3}(?::=|=>|=|:)[ \t]{0,3}["']?[A-Za-z0-9/+]{40}\b"#, 120).checked(aws_secret).needing(Need::Assignment, 72),
    detector("github-token", r"\bgh[pousr]_[A-Za-z0-9]{36,251}\b", 255).checked(real),
    detector("github-fine-grained", r"\bgithub_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{40,80}\b", 120).checked(real),
    detector("gitlab-token", r"\bgl(?:pat|dt|rt|rtr|cbt|ptt|ft|soat|agent|imt|ffct|oas|wt)-[A-Za-z0-9_-]{20,64}(?:\.[a-z0-9]{2}\.[a-z0-9]{9})?", 96).checked(real),
    detector("slack-token", r"\bxox[abeoprs](?:\.xox[bp])?-[A-Za-z0-9-]{10,200}", 210).checked(real),
    detector("slack-app", r"\bxapp-[0-9]-[A-Z0-9]{8,14}-[0-9]{8,15}-[a-f0-9]{32,64}\b", 120).checked(real),
    detector("slack-webhook", r"\bhooks\.slack\.com/services/T[A-Z0-9]{7,12}/B[A-Z0-9]{7,12}/[A-Za-z0-9]{20,26}\b", 90).checked(real),
    detector("stripe-key", r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,200}\b", 210).checked(real),
    detector("stripe-webhook", r"\bwhsec_[A-Za-z0-9+/]{24,64}", 72).checked(real),
    detector("anthropic-key", r"\bsk-ant-[A-Za-z0-9_-]{24,}", 224).checked(mixed),
    detector("openai-key", r"\bsk-(?:(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{20,}|[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20})", 224).checked(mixed),
    detector("sk-key", r"\bsk-[A-Za-z0-9_-]{20,220}", 224).checked(unclaimed),
    detector("google-key", r"\bAIza[A-Za-z0-9_-]{35}", 39).checked(real),
    detector("google-oauth", r"\bya29\.[A-Za-z0-9_-]{20,400}", 410).checked(real),
    detector("google-client-secret", r"\bGOCSPX-[A-Za-z0-9_-]{28}", 35).checked(real),
    detector("azure-storage-key", r"\b(?:Account|SharedAccess)Key=[A-Za-z0-9+/]{43,86}={1,2}", 110).checked(real),
    detector("azure-client-secret", r"\b[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}", 40).checked(real).needing(Need::Tilde, 8),
    detector("azure-shared-access", r"\bs(?:v|p|t|e|r)=[A-Za-z0-9%:+_-]+&(?:[a-z]{2,5}=[A-Za-z0-9%:+_.-]*&)*sig=[A-Za-z0-9%+/]{43,90}", 400).checked(real).needing(Need::Assignment, 4),
    detector("docker-token", r"\bdckr_pat_[A-Za-z0-9_-]{27}", 40).checked(real),
    detector("atlassian-token", r"\bATATT3[A-Za-z0-9_=-]{40,}", 260).checked(real),
    detector("square-token", r"\b(?:sq0[a-z]{3}-[A-Za-z0-9_-]{22,43}|EAAA[A-Za-z0-9_-]{60})", 70).checked(real),
    detector("new-relic-key", r"\bNRAK-[A-Z0-9]{27}\b", 32).checked(real),
    detector("grafana-token", r"\bglsa_[A-Za-z0-9]{32}_[a-f0-9]{8}\b", 48).checked(real),
    detector("postman-key", r"\bPMAK-[a-f0-9]{24}-[a-f0-9]{34}\b", 66).checked(real),
    detector("sentry-token", r"\bsntry[su]_[A-Za-z0-9+/=_-]{40,}", 260).checked(real),
    detector("supabase-token", r"\bsbp_[a-f0-9]{40}\b", 46).checked(real),
    detector("replicate-token", r"\br8_[A-Za-z0-9]{37}\b", 42).checked(real),
    detector("perplexity-key", r"\bpplx-[A-Za-z0-9]{40,60}\b", 68).checked(real),
    detector("notion-token", r"\b(?:ntn_[A-Za-z0-9]{40,50}|secret_[A-Za-z0-9]{43})\b", 56).checked(real),
    detector("airtable-token", r"\bpat[A-Za-z0-9]{14}\.[a-f0-9]{64}\b", 84).checked(real),
    detector("figma-token", r"\bfigd_[A-Za-z0-9_-]{40,60}", 68).checked(real),
    detector("heroku-key", r"\bHRKU-[A-Za-z0-9_-]{36,64}", 72).checked(real),
    detector("basic-auth-header", r"(?i-u:authorization)[\x22']?[ :=]{1,3}[\x22']?(?i-u:basic) {1,2}[A-Za-z0-9+/]{12,}={0,2}", 430).checked(real),
    detector("huggingface-token", r"\b(?:hf|api_org)_[A-Za-z0-9]{30,40}\b", 50).checked(real),
    detector("npm-token", r"\bnpm_[A-Za-z0-9]{36}\b", 40).checked(real),
    detector("pypi-token", r"\bpypi-[A-Za-z0-9_-]{50,250}", 255).checked(real),
    detector("sendgrid-key", r"\bSG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}", 100).checked(real),
    detector("twilio-key", r"\b(?:SK|AC)[0-9a-f]{32}\b", 34).checked(real),
    detector("mailgun-key", r"\bkey-[0-9a-f]{32}\b", 36).checked(real),
    detector("digitalocean-token", r"\bdo[opr]_v1_[a-f0-9]{64}\b", 71).checked(real),
    detector("shopify-token", r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}\b", 38).checked(real),
    detector("databricks-token", r"\bdapi[a-f0-9]{32}(?:-[0-9])?\b", 40).checked(real),
    detector("vault-token", r"\bhv[sbr]\.[A-Za-z0-9_-]{24,200}", 210).checked(real),
    detector("groq-key", r"\bgsk_[A-Za-z0-9]{40,60}\b", 64).checked(real),
    detector("xai-key", r"\bxai-[A-Za-z0-9]{60,90}\b", 94).checked(real),
    detector("linear-key", r"\blin_api_[A-Za-z0-9]{32,48}\b", 56).checked(real),
    detector("telegram-token", r"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{33}", 46).checked(real),
    detector("age-key", r"\bAGE-SECRET-KEY-1[A-Z0-9]{58}\b", 74).checked(real),
    detector("private-key", r"-----BEGIN [A-Za-z0-9 ]*(?:PRIVATE KEY(?: BLOCK)?|Static key V1)-----|---- BEGIN [A-Z0-9 ]*PRIVATE KEY ----", 76).beginning(Ending::Armor),
    detector("jwt", r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}", 4096).checked(web_token),
    detector("basic-auth-url", r#"\b[a-z][a-z0-9+.-]{1,15}://[!#-&(-.0-9;=?A-Z\[-~]*:[!#-&(-.0-;=?-_a-~]{3,}@"#, 220).checked(address_password).needing(Need::Assignment, 20),
    detector("bearer-token", r"(?i-u:\bbearer) {1,3}[A-Za-z0-9_.~+/-]{20,600}={0,2}", 620).checked(bearer).needing(Need::Digit, 640),
];

/// A value that is random enough, and an example where its issuer says so: `AKIAIOSFODNN7EXAMPLE`.
pub(super) fn real(_: &str, matched: &str) -> Option<Find> {
    let is_example = matched.contains("EXAMPLE");
    let counts = entropy(matched) > 2.5 && (is_example || !is_placeholder(matched));
    kept(matched, counts).map(|find| find.example_if(is_example))
}

/// A value behind a short sign, which has to look drawn.
pub(super) fn drawn(before: &str, matched: &str) -> Option<Find> {
    real(before, matched).filter(|_| Surprise::of(matched).is_random())
}

/// A key has digits and both cases; a name with hyphens has not.
fn mixed(before: &str, matched: &str) -> Option<Find> {
    let has = |kind: fn(&char) -> bool| matched.chars().any(|c| kind(&c));
    let kinds = [has(char::is_ascii_digit), has(char::is_ascii_uppercase), has(char::is_ascii_lowercase)];
    real(before, matched)
        .filter(|_| kinds.iter().filter(|kind| **kind).count() == 3 && entropy(matched) > 3.4)
}

/// A key that has a detector of its own is reported by that one. Titles of pages begin like a key too.
fn unclaimed(before: &str, matched: &str) -> Option<Find> {
    let claimed = ["sk-ant-", "sk-proj-", "sk-svcacct-", "sk-admin-", "sk-None-", "sk-or-v1-", "sk-lf-"]
        .iter()
        .any(|start| matched.starts_with(start))
        || matched.contains("T3BlbkFJ");
    let is_word = |part: &&str| {
        part.len() > 3
            && part.bytes().all(|byte| byte.is_ascii_lowercase())
            && !Surprise::of(part).is_random()
    };
    let is_title = matched[3..].split(['-', '_']).filter(is_word).count() > 2;
    mixed(before, matched).filter(|_| !claimed && !is_title && Surprise::of(&matched[3..]).is_random())
}

/// Forty characters of base64; a path or a digest of that length is less varied.
fn aws_secret(before: &str, matched: &str) -> Option<Find> {
    let value = matched.len() - 40;
    let is_example = matched.ends_with("EXAMPLEKEY");
    mixed(before, &matched[value..]).map(|_| Find::of(value..matched.len()).example_if(is_example))
}

/// The token that jwt.io shows to everybody is an example.
fn web_token(_: &str, matched: &str) -> Option<Find> {
    kept(matched, true)
        .map(|find| find.example_if(matched.contains("SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c")))
}

/// A password may hold every sign, `@` too: the last one ends it.
fn address_password(_: &str, matched: &str) -> Option<Find> {
    let (_, login) = matched.split_once("://")?;
    let (user, password) = login.strip_suffix('@')?.split_once(':')?;
    let named = ["password", "passwd", "pass", "pw", "pwd", "secret", "user", "token"];
    let harmless =
        is_placeholder(password) || named.contains(&password.to_lowercase().as_str()) || user == password;
    kept(matched, !harmless)
}

fn bearer(_: &str, matched: &str) -> Option<Find> {
    let at = matched.rfind(' ')? + 1;
    let token = &matched[at..];
    let digits = token.bytes().filter(u8::is_ascii_digit).count();
    let varied =
        entropy(token) > 3.5 || (entropy(token) > 3.0 && token.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let counts = digits > 1 && varied && !is_placeholder(token);
    counts.then(|| Find::of(at..matched.len()))
}
