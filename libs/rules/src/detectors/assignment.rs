//! Values that something called a secret is given, however that is written.
//!
//! A name that says "secret" (`password`, `API_KEY_PROD`, `mot de passe`, 密码), what joins it to a value
//! (`=`, `: `, `|| '…'`, `>`, `" value="`, a blank of a command line, a cell of a table), and a value that
//! looks drawn. The find is the value alone, so that what is left is still code. A password that a person
//! made of words is only found if it holds two digits.

use super::randomness::Surprise;
use super::{Detector, detector};
use crate::checks::{Find, entropy, is_placeholder};

/// The longest match: a name, what joins, and a value of 256 characters.
const MAX_LEN: usize = 360;

/// The fewest bytes of a find with its name.
const MIN_LEN: usize = 11;

pub(super) static DETECTORS: [Detector; 4] = [
    detector(
        "assignment",
        concat!(
            // Names of secrets, with what may follow in the same name: `_PROD`, `Secondary`, `2`.
            r"(?:(?i-u:passw(?:or)?d|passphrase|passcode|passwort|pwd|secret|token|api[_ .-]?key|accesskey|credentials?",
            r"|authorization|identified by|sess(?:ion)?[_-]?id|phpsessid|connect\.sid|kennwort|contrasena|mot de passe|senha|haslo|wachtwoord|losenord|salasana|passord|parola|heslo|adgangskode)",
            r"|[_-](?i-u:key)|[a-z]Key|\b(?i-u:(?:db|bind|smtp|ftp|mysql)?(?:pass|pw)|psk|mdp|pat|auth)\b|[_.-](?i-u:pass|psk|pw)|[a-z](?:Pass|Pw)|has\u{142}o|contrase\u{f1}a|l\u{f6}senord|\u{43f}\u{430}\u{440}\u{43e}\u{43b}\u{44c}|jelsz\u{f3}|\u{15f}ifre|\u{5bc6}\u{7801}|\u{5bc6}\u{78bc}|\u{53e3}\u{4ee4}|\u{30d1}\u{30b9}\u{30ef}\u{30fc}\u{30c9}|\u{be44}\u{bc00}\u{bc88}\u{d638})",
            r"[A-Za-z0-9_.-]*",
            // A separator, and what may open a value.
            r#"(?:\\?["'`\])}*]{0,4}[ \t]*(?::=|=>|==?|\?=|:|\||\u{ff1a}|\u{2192}|->|\u{2013}|\u{2014})[*_]{0,3}[ \t]*(?:[|>][+-]?)?(?:(?:\r?\n|\\n)[ \t]*)?(?:\\?["'`({\[*_]|[brfu@$]["']|\u{201c}|\u{201e}|\u{ab}|\u{2018}|\u{201a})*"#,
            // A default: `|| '…'`, `, "…"`.
            r#"|["')\]]{0,4}[ \t]*(?:\|\||\?\?|,|\?:|or|else)[ \t]*["'`]"#,
            // A neighbour that is called a value.
            r#"|\\?["']?(?:[ \t]*[,;{]?(?:[ \t\r\n]|\\n)*|[ \t\r\n]*/?>[ \t\r\n]*<)\\?["']?(?:[vV]alue|val|content|default|string|data)\\?["']?[ \t]*[:=>][ \t]*\\?["']?"#,
            // Blanks, and words between them.
            r#"|["'`]?[ \t]+(?:(?:is|ist|lautet|by|to|est|es|\u{e8}|e|now|was)[ \t:]+)*["'`]?)"#,
            "[!-~]+",
        ),
        MAX_LEN,
    )
    .checked(given)
    .at_least(MIN_LEN),
    detector(
        "assignment-element",
        r"<[A-Za-z][A-Za-z0-9_:.-]*(?:[ \t][^<>\n]*)?>[ \t\r\n]*(?:<!\[CDATA\[)?[!-;=-~]+",
        MAX_LEN,
    )
    .checked(element)
    .at_least(MIN_LEN),
    detector("assignment-argument", r#"(?:^|[ \t])-(?:[paPwu]|-user|-pass|-pw)(?:[ =]{0,2})["']?[!-~]+"#, MAX_LEN)
        .checked(argued)
        .at_least(MIN_LEN),
    detector("assignment-fields", r":(?:[0-9]{2,5}|\*):[!-9;-~]+:[!-9;-~]+:[!-~]+", 300)
        .checked(last_field)
        .at_least(MIN_LEN),
];

/// Beginnings and ends of names whose values say something about a secret and are none.
const HARMLESS: [&str; 46] = [
    "count",
    "counts",
    "url",
    "uri",
    "path",
    "file",
    "filename",
    "name",
    "type",
    "length",
    "len",
    "size",
    "limit",
    "expiry",
    "expires",
    "ttl",
    "hint",
    "policy",
    "field",
    "label",
    "format",
    "manager",
    "provider",
    "regex",
    "rule",
    "rules",
    "min",
    "max",
    "index",
    "version",
    "at",
    "placeholder",
    "id",
    "ids",
    "usage",
    "budget",
    "class",
    "input",
    "form",
    "reset",
    "page",
    "next",
    "continuation",
    "design",
    "cursor",
    "pagination",
];

/// What keys that are secrets are called.
const KEYS: [&str; 56] = [
    "api",
    "apikey",
    "secret",
    "secretkey",
    "auth",
    "access",
    "accesskey",
    "account",
    "private",
    "signing",
    "sign",
    "encryption",
    "crypto",
    "master",
    "app",
    "application",
    "client",
    "session",
    "storage",
    "service",
    "subscription",
    "license",
    "deploy",
    "admin",
    "root",
    "user",
    "webhook",
    "security",
    "shared",
    "function",
    "hmac",
    "jwt",
    "token",
    "password",
    "ssh",
    "openai",
    "anthropic",
    "stripe",
    "aws",
    "azure",
    "gcp",
    "google",
    "github",
    "gitlab",
    "datadog",
    "dd",
    "sentry",
    "twilio",
    "sendgrid",
    "mailgun",
    "algolia",
    "cohere",
    "mistral",
    "hf",
    "groq",
    "gemini",
];

/// The words of a name, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut last = ' ';
    for c in name.chars() {
        let begins = !last.is_alphanumeric()
            || !c.is_alphanumeric()
            || (last.is_ascii_lowercase() && c.is_ascii_uppercase());
        match words.last_mut() {
            Some(word) if !begins => word.extend(c.to_lowercase()),
            _ if c.is_alphanumeric() => words.push(c.to_lowercase().collect()),
            _ => {}
        }
        last = c;
    }
    words
}

/// What the name in a match says.
struct Name {
    is_password: bool,
}

impl Name {
    /// The name that `matched` begins with, and the place after it; `None` where its value is no secret.
    fn read(before: &str, matched: &str) -> Option<(Self, usize)> {
        let inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        // Names of two and three words have blanks in them.
        let blank = ["mot de passe", "api key", "identified by"]
            .iter()
            .find(|name| matched.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)));
        let fixed = blank.map_or(0, |name| name.len());
        let end = matched[fixed..].find(|c| !inside(c)).map_or(matched.len(), |at| at + fixed);
        let (name, rest) = (&matched[..end], &matched[end..]);
        let start = before.rfind(|c: char| !inside(c) && c != '/').map_or(0, |at| at + 1);
        let start = (start..=before.len()).find(|at| before.is_char_boundary(*at)).unwrap_or(before.len());
        let whole = words(&format!("{}{name}", &before[start..]));
        let (first, last) = (whole.first()?, whole.last()?);
        let is_harmless = |word: &String| HARMLESS.contains(&word.as_str());
        let goes_on = |word: &str| {
            ["izer", "ary", "ariat", "ize", "ized", "ive", "s2"]
                .iter()
                .any(|end| ["token", "secret"].iter().any(|stem| word.strip_prefix(stem) == Some(*end)))
        };
        // A key is one of a lock only where its name says so: tables and caches have keys too.
        let is_key = |word: &String| KEYS.contains(&word.as_str());
        let named_key = last.ends_with("key") || whole.iter().any(|word| word == "key");
        if named_key && !whole.iter().any(is_key) {
            return None;
        }
        let plural = last == "tokens" && rest.trim_start().starts_with(['=', ':']);
        if whole.len() > 1 && (is_harmless(first) || is_harmless(last))
            || goes_on(last)
            || goes_on(first)
            || plural
        {
            return None;
        }
        let lower = name.to_lowercase();
        let secret = ["secret", "token", "key", "credential", "authorization", "sess", "sid", "pat"];
        let is_password = lower.contains("pass") || !secret.iter().any(|word| lower.contains(word));
        Some((Self { is_password }, end))
    }
}

/// The value that begins at `at`, where what opens it may stand.
fn value(matched: &str, at: usize) -> (usize, &str, bool) {
    let rest = &matched[at..];
    let opening = |c: char| matches!(c, '"' | '\'' | '`' | '“' | '„' | '«' | '‘' | '‚');
    let wrapping = |c: char| matches!(c, '(' | '{' | '[' | '*' | '_' | '\\' | '@' | '$') || c.is_whitespace();
    let (mut start, mut quote) = (0, None);
    for (place, c) in rest.char_indices().take(8) {
        let next = rest[place + c.len_utf8()..].chars().next();
        if opening(c) {
            (start, quote) = (place + c.len_utf8(), Some(c));
            break;
        }
        let is_prefix = matches!(c, 'b' | 'r' | 'f' | 'u' | '@' | '$')
            && next.is_some_and(|next| matches!(next, '"' | '\''));
        let wraps = wrapping(c) && next.is_some_and(|next| opening(next) || wrapping(next));
        if !is_prefix && !wraps && !c.is_whitespace() && !matches!(c, '*' | '`') {
            start = place;
            break;
        }
        start = place + c.len_utf8();
    }
    let value = &rest[start..];
    let length = match quote {
        Some(quote) if quote.is_ascii() => {
            value.find(quote).map(|at| at - usize::from(value[..at].ends_with('\\')))
        }
        _ => None,
    };
    let value = match length {
        Some(length) => &value[..length],
        None => bare(value),
    };
    (at + start, value, quote.is_some())
}

/// What of a value without quotes is the value: it ends where a list, a line of code or a sentence goes on.
fn bare(value: &str) -> &str {
    let mut end = value.len();
    for (at, c) in value.char_indices() {
        let rest = &value[at + c.len_utf8()..];
        let word = rest.len()
            - rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')).len();
        let names_next = word > 0 && rest[word..].starts_with('=');
        let closes = matches!(c, '"' | '`')
            || (c == '<' && rest.starts_with('/'))
            || (c == '\\' && rest.starts_with(['n', 'r', 't', '"']));
        let ends = matches!(c, ';' | '&') && (names_next || rest.is_empty())
            || (c == ',' && (names_next || rest.starts_with('"') || rest.is_empty()));
        if closes || ends {
            end = at;
            break;
        }
    }
    let value = &value[..end];
    let trimmed = value.trim_end_matches(['.', ',', ':', ';', '\'', '*', '|', '?']);
    let closed =
        |value: &str, open: char, close: char| value.matches(open).count() < value.matches(close).count();
    let mut trimmed = trimmed;
    while [('(', ')'), ('[', ']'), ('{', '}'), ('<', '>')]
        .iter()
        .any(|(open, close)| trimmed.ends_with(*close) && closed(trimmed, *open, *close))
    {
        trimmed = &trimmed[..trimmed.len() - 1];
    }
    trimmed
}

/// How much a value has to look drawn.
#[derive(Clone, Copy, PartialEq)]
enum Demand {
    /// Something called a secret is given it.
    Usual,
    /// It only stands beside a word.
    Strict,
}

fn is_secret(value: &str, is_password: bool, is_quoted: bool, demand: Demand) -> bool {
    let count = |kind: fn(&u8) -> bool| value.bytes().filter(kind).count();
    let (digits, letters) = (count(u8::is_ascii_digit), count(u8::is_ascii_alphabetic));
    let varied = entropy(value);
    let shortest = if is_password { 8 } else { 10 };
    if value.len() < shortest
        || letters == 0
        || varied <= 2.5
        || is_placeholder(value)
        || is_code(value, is_quoted)
    {
        return false;
    }
    let surprise = Surprise::of(value.strip_prefix("django-insecure-").unwrap_or(value));
    if surprise.is_random() {
        let mixed = count(u8::is_ascii_uppercase) > 0 && count(u8::is_ascii_lowercase) > 0;
        return demand == Demand::Usual
            || digits > 1
            || (digits + count(u8::is_ascii_uppercase) > 2 && mixed && value.len() >= 12);
    }
    let words = value.split(['-', '_', '.', '/', ',']).filter(|word| word.len() > 1).count();
    demand == Demand::Usual
        && digits > 1
        && if is_password {
            words < 3
        } else {
            value.len() >= 12 && varied > 3.0 && words < 3 && surprise.bits > -8.0
        }
}

/// Whether a value is an expression, a name of a variable, a path or an address.
fn is_code(value: &str, is_quoted: bool) -> bool {
    let name = value.len()
        - value.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':')).len();
    let called = !is_quoted && name > 0 && value[name..].starts_with(['(', '[']) && is_call(&value[name..]);
    let variable = value.starts_with("$")
        || value.starts_with("{{")
        || value.starts_with("%(")
        || value.starts_with("<%");
    let path = value.starts_with("./")
        || value.starts_with("../")
        || value.starts_with("~/")
        || value.contains("://");
    let slashes = value.matches('/').count();
    let absolute = value.starts_with('/') && (slashes > 2 || value.len() < 20);
    called || variable || path || absolute
}

/// Whether brackets hold what a call or an index has: nothing, a name, a quoted text.
fn is_call(rest: &str) -> bool {
    let inner = rest[1..].trim_end_matches([')', ']', ';', ',']);
    inner.is_empty() || inner.starts_with(['"', '\'']) || !Surprise::of(inner).is_random()
}

fn find(matched: &str, at: usize, is_password: bool, demand: Demand) -> Option<Find> {
    let (start, value, is_quoted) = value(matched, at);
    is_secret(value, is_password, is_quoted, demand).then(|| Find::of(start..start + value.len()))
}

/// A value that something with the name of a secret is given. What joins them decides how much the value has
/// to look drawn.
fn given(before: &str, matched: &str) -> Option<Find> {
    let (name, end) = Name::read(before, matched)?;
    let rest = &matched[end..];
    let (value, demand) = match () {
        () if let Some(value) = after_neighbour(rest) => (value, Demand::Usual),
        () if let Some(value) = after_default(rest) => (value, Demand::Usual),
        () if let Some(value) = after_separator(rest) => (value, Demand::Usual),
        () => (after_words(rest), Demand::Strict),
    };
    find(matched, matched.len() - value.len(), name.is_password, demand)
}

/// What follows `password = `, `**Password:** `, `| Password | `.
fn after_separator(rest: &str) -> Option<&str> {
    let joins =
        |c: char| matches!(c, ':' | '=' | '>' | '|' | '?' | '-' | '：' | '→' | '–' | '—' | '*' | '_' | '+');
    let closes = |c: char| matches!(c, '"' | '\'' | '`' | '\\' | ')' | ']' | '}' | '*') || c.is_whitespace();
    let rest = rest.trim_start_matches(closes);
    let value = rest.trim_start_matches(joins);
    if value.len() == rest.len() {
        return None;
    }
    let value = value.trim_start_matches(|c: char| c.is_whitespace() || c == '*');
    let value = value.strip_prefix(['|', '>']).map_or(value, |value| value.trim_start_matches(['-', '+']));
    Some(value.strip_prefix("\\n").unwrap_or(value).trim_start())
}

/// What follows `process.env.API_KEY || `, `getenv("PASSWORD", `.
fn after_default(rest: &str) -> Option<&str> {
    let rest = rest.trim_start_matches(|c: char| matches!(c, '"' | '\'' | ')' | ']') || c.is_whitespace());
    let joint = ["||", "??", ",", "?:", "or ", "else "].iter().find_map(|joint| rest.strip_prefix(joint))?;
    Some(joint.trim_start()).filter(|value| value.starts_with(['"', '\'', '`']))
}

/// What follows `key="Password" value=`, or `value: ` in the line below `name: PASSWORD`.
fn after_neighbour(rest: &str) -> Option<&str> {
    let signs =
        |c: char| matches!(c, '"' | '\'' | '\\' | ',' | ';' | '{' | '/' | '>' | '<') || c.is_whitespace();
    let rest = rest.trim_start_matches(signs);
    // A line break may be written as an escape.
    let rest = rest
        .strip_prefix('n')
        .filter(|rest| rest.starts_with(signs))
        .map_or(rest, |rest| rest.trim_start_matches(signs));
    let valued = ["value", "Value", "val", "content", "default", "string", "data"];
    let rest = valued.iter().find_map(|word| rest.strip_prefix(word))?;
    let rest = rest.trim_start_matches(['"', '\'', '\\', ' ', '\t']);
    rest.strip_prefix([':', '=', '>']).map(str::trim_start)
}

/// What follows `--password `, `IDENTIFIED BY `, `the password is `.
fn after_words(rest: &str) -> &str {
    let mut rest = rest.trim_start_matches(['"', '\'', '`']).trim_start();
    while let Some((word, more)) = rest.split_once([' ', '\t', ':']) {
        if !["is", "ist", "lautet", "by", "to", "est", "es", "è", "e", "now", "was"].contains(&word) {
            break;
        }
        rest = more.trim_start_matches([' ', '\t', ':']);
    }
    rest
}

/// `<password>…</password>`
fn element(_: &str, matched: &str) -> Option<Find> {
    let tag = matched.find('>')?;
    let name = matched[1..tag].split([' ', '\t']).next()?;
    // The name of a namespace stands before a colon.
    let local = name.rsplit(':').next()?;
    if !is_secret_name(local) {
        return None;
    }
    let (name, _) = Name::read("", local)?;
    let rest = matched[tag + 1..].trim_start();
    let rest = rest.strip_prefix("<![CDATA[").unwrap_or(rest);
    let value = rest.strip_suffix("]]").unwrap_or(rest);
    let start = matched.len() - rest.len();
    is_secret(value, name.is_password, true, Demand::Usual).then(|| Find::of(start..start + value.len()))
}

/// Whether one of the words of a name is that of a secret.
fn is_secret_name(name: &str) -> bool {
    const SECRETS: [&str; 14] = [
        "password",
        "passwd",
        "passwort",
        "pass",
        "pwd",
        "secret",
        "token",
        "key",
        "apikey",
        "passphrase",
        "credential",
        "credentials",
        "kennwort",
        "psk",
    ];
    let is_one = |word: &String| SECRETS.iter().any(|secret| word.ends_with(secret));
    words(name).iter().any(is_one)
}

/// `mysql -p…`, `docker login -p …`, `curl -u name:…`: what the flag means is known by the command.
fn argued(before: &str, matched: &str) -> Option<Find> {
    let flag = matched.trim_start();
    let login = flag.starts_with("-u") || flag.starts_with("--user");
    let commands: &[&str] = if login {
        &["curl", "wget", "http", "https", "xh", "rclone", "httpie"]
    } else {
        &[
            "mysql",
            "mysqldump",
            "mysqladmin",
            "mariadb",
            "docker",
            "podman",
            "helm",
            "nerdctl",
            "buildah",
            "skopeo",
            "oc",
            "az",
            "sshpass",
            "redis-cli",
            "mongo",
            "mongosh",
            "mongodump",
            "ldapsearch",
            "smbclient",
            "7z",
            "zip",
            "unzip",
            "plink",
            "pscp",
            "sqlcmd",
            "bcp",
            "impala-shell",
            "rabbitmqadmin",
            "cqlsh",
            "ipmitool",
            "login",
        ]
    };
    if !crate::checks::follows(before, commands) {
        return None;
    }
    let name = ["--user", "--pass", "--pw", "-u", "-p", "-P", "-a", "-w"]
        .iter()
        .find(|name| flag.starts_with(**name))?;
    let at = matched.len() - flag[name.len()..].trim_start_matches([' ', '=']).len();
    let (start, value, is_quoted) = value(matched, at);
    let (start, value) = match value.split_once(':') {
        Some((user, password)) if login => (start + user.len() + 1, password),
        _ if login => return None,
        _ => (start, value),
    };
    let at_sign = value.contains('/') || value.contains('=');
    (!at_sign && is_secret(value, true, is_quoted, Demand::Strict))
        .then(|| Find::of(start..start + value.len()))
}

/// The last field of a line of `.pgpass`: host, port, database, user, password.
fn last_field(_: &str, matched: &str) -> Option<Find> {
    let at = matched.char_indices().filter(|(_, c)| *c == ':').nth(3)?.0 + 1;
    let value = bare(&matched[at..]);
    is_secret(value, true, false, Demand::Strict).then(|| Find::of(at..at + value.len()))
}
