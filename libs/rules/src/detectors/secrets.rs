//! Keys, tokens and passwords of programs.
//!
//! Formats are those that the providers publish or that their own libraries produce. A key with a
//! fixed prefix needs no context; a value without one is only found where something called a
//! secret is assigned, and if it is random enough.

use super::checks::{entropy, is_placeholder};
use super::{Detector, detector};
use crate::pattern::runs::Need;

pub(super) static DETECTORS: [Detector; 35] = [
    detector("AWS access key", r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b", 20).checked(real),
    detector("GitHub token", r"\bgh[pousr]_[A-Za-z0-9]{36,251}\b", 255).checked(real),
    detector("GitHub fine-grained token", r"\bgithub_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{40,80}\b", 120).checked(real),
    detector("GitLab token", r"\bgl(?:pat|dt|rt|cbt|ptt|ft|soat|agent|imt|ffct|oas)-[A-Za-z0-9_-]{20,64}", 80).checked(real),
    detector("Slack token", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,200}", 210).checked(real),
    detector("Slack app token", r"\bxapp-[0-9]-[A-Z0-9]{8,14}-[0-9]{8,15}-[a-f0-9]{32,64}\b", 120).checked(real),
    detector("Slack webhook", r"\bhooks\.slack\.com/services/T[A-Z0-9]{7,12}/B[A-Z0-9]{7,12}/[A-Za-z0-9]{20,26}\b", 90).checked(real),
    detector("Stripe key", r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,200}\b", 210).checked(real),
    detector("Stripe webhook secret", r"\bwhsec_[A-Za-z0-9+/]{24,64}", 72).checked(real),
    detector("OpenAI, Anthropic and the like", r"\bsk-[A-Za-z0-9_-]{20,220}", 224).checked(mixed),
    detector("Google API key", r"\bAIza[A-Za-z0-9_-]{35}", 39).checked(real),
    detector("Google OAuth token", r"\bya29\.[A-Za-z0-9_-]{20,400}", 410).checked(real),
    detector("Google client secret", r"\bGOCSPX-[A-Za-z0-9_-]{28}", 35).checked(real),
    detector("Azure storage key", r"\b(?:Account|SharedAccess)Key=[A-Za-z0-9+/]{43,86}={1,2}", 110).checked(real),
    detector("Azure client secret", r"\b[A-Za-z0-9_~.-]{3}8Q~[A-Za-z0-9_~.-]{31,34}", 40).checked(real).needing(Need::Tilde, 8),
    detector("Hugging Face token", r"\b(?:hf|api_org)_[A-Za-z0-9]{30,40}\b", 50).checked(real),
    detector("npm token", r"\bnpm_[A-Za-z0-9]{36}\b", 40).checked(real),
    detector("PyPI token", r"\bpypi-[A-Za-z0-9_-]{50,250}", 255).checked(real),
    detector("SendGrid key", r"\bSG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}", 100).checked(real),
    detector("Twilio key", r"\b(?:SK|AC)[0-9a-f]{32}\b", 34).checked(real),
    detector("Mailgun key", r"\bkey-[0-9a-f]{32}\b", 36).checked(real),
    detector("DigitalOcean token", r"\bdo[opr]_v1_[a-f0-9]{64}\b", 71).checked(real),
    detector("Shopify token", r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}\b", 38).checked(real),
    detector("Databricks token", r"\bdapi[a-f0-9]{32}(?:-[0-9])?\b", 40).checked(real),
    detector("Vault token", r"\bhv[sbr]\.[A-Za-z0-9_-]{24,200}", 210).checked(real),
    detector("Groq key", r"\bgsk_[A-Za-z0-9]{40,60}\b", 64).checked(real),
    detector("xAI key", r"\bxai-[A-Za-z0-9]{60,90}\b", 94).checked(real),
    detector("Linear key", r"\blin_api_[A-Za-z0-9]{32,48}\b", 56).checked(real),
    detector("Telegram bot token", r"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{33}", 46).checked(real),
    detector("Age secret key", r"\bAGE-SECRET-KEY-1[A-Z0-9]{58}\b", 74).checked(real),
    detector(
        "private key",
        r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY(?: BLOCK)?-----(?:[ \t\r\n]|\\n|\\r|[A-Za-z0-9+/]{16,}={0,2}|[A-Za-z0-9+/]{2,15}={1,2})*(?:-----END [A-Z ]{0,30}-----)?",
        4096,
    ),
    detector("JSON web token", r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}", 4096),
    detector(
        "password in an address",
        r"\b[a-z][a-z0-9+.-]{1,15}://[A-Za-z0-9._~%+-]{0,64}:[A-Za-z0-9._~%+!$&*()=;,?^#-]{3,128}@",
        220,
    )
    .checked(address_password).needing(Need::Assignment, 20),
    detector("bearer token", r"(?i-u:\bbearer) {1,3}[A-Za-z0-9_.~+/-]{20,600}={0,2}", 620).checked(bearer).needing(Need::Digit, 640),
    detector(
        "assigned secret",
        r#"(?i-u:api[_-]?key|secret(?:[_-]?key)?|token|passw(?:or)?d|pwd|passphrase|(?:auth|access|account|private|signing|encryption)[_-]?key|credentials?)["']?[ \t]{0,3}(?::=|=>|=|:)[ \t]{0,3}["']?[A-Za-z0-9+/_.~=!@#$%^&*-]{8,128}"#,
        200,
    )
    .checked(assigned).needing(Need::Assignment, 32),
];

fn real(_: &str, matched: &str) -> Option<usize> {
    let random = entropy(matched) > 2.5;
    (random && !is_placeholder(matched)).then_some(matched.len())
}

/// A key has digits and both cases; a name with hyphens has not.
fn mixed(before: &str, matched: &str) -> Option<usize> {
    let has = |kind: fn(&char) -> bool| matched.chars().any(|c| kind(&c));
    let kinds = [has(char::is_ascii_digit), has(char::is_ascii_uppercase), has(char::is_ascii_lowercase)];
    real(before, matched)
        .filter(|_| kinds.iter().filter(|kind| **kind).count() == 3 && entropy(matched) > 3.4)
}

fn address_password(_: &str, matched: &str) -> Option<usize> {
    let (_, login) = matched.split_once("://")?;
    let (user, password) = login.trim_end_matches('@').split_once(':')?;
    let named = ["password", "passwd", "pass", "pw", "pwd", "secret", "user", "token"];
    let harmless =
        is_placeholder(password) || named.contains(&password.to_lowercase().as_str()) || user == password;
    (!harmless).then_some(matched.len())
}

fn bearer(_: &str, matched: &str) -> Option<usize> {
    let token = matched.split(' ').next_back()?;
    let digits = token.bytes().filter(u8::is_ascii_digit).count();
    (digits > 1 && entropy(token) > 3.5 && !is_placeholder(token)).then_some(matched.len())
}

/// A value without a known form has to look random: long enough, letters and digits, no path, no
/// name of a variable, no digest that is called one.
fn assigned(_: &str, matched: &str) -> Option<usize> {
    let at = matched.find([':', '='])?;
    let value = matched[at..].trim_start_matches([':', '=', '>', ' ', '\t', '"', '\'']);
    let trimmed = value.trim_end_matches(['.', ',', '!', '=', '*']);
    let digits = trimmed.bytes().filter(u8::is_ascii_digit).count();
    let letters = trimmed.bytes().filter(u8::is_ascii_alphabetic).count();
    let key = matched[..at].to_lowercase();
    let is_password = key.starts_with("pass") || key.starts_with("pwd");
    let enough = if is_password {
        trimmed.len() >= 8 && entropy(trimmed) > 2.5
    } else {
        trimmed.len() >= 12 && entropy(trimmed) > 3.0
    };
    let is_path = trimmed.starts_with(['/', '.', '$', '%']) || trimmed.contains("://");
    let is_count = letters == 0;
    (enough && digits >= 2 && !is_count && !is_path && !is_placeholder(trimmed)).then_some(matched.len())
}
