//! Recognition of the secrets that zOS itself hands out, in whatever form they stand in a text.
//!
//! A key of ours must never reach a provider, also when a client wraps it in quotes, names another scheme,
//! or packs it into the base64 of a password field. So a text is read as it stands, with its percent signs
//! undone, and with its words of base64 and hexadecimal decoded, twice over. It finds by shape, which needs
//! no secret at hand, and the admin token of older homes, which has no shape, by comparison.
//!
//! It does not see a secret that is cut into pieces, reversed or encrypted: nobody does that by mistake, and
//! whoever does it on purpose has the secret already.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use crate::admin_token;
use crate::client_keys;
use crate::secret::Secret;

/// Characters of the random part of every secret of ours: 256 bits in base64url.
const RANDOM_CHARS: usize = 43;

/// Layers of encoding that are undone. Basic credentials are one, those in a percent-encoded cookie two.
const LAYERS: usize = 2;

/// Fewest characters of base64 that can hold a secret: the admin token of older homes has no prefix.
const BASE64_CHARS: usize = 58;

/// Most texts that one search reads, the decoded ones among them. A head of 64 kB of random words stays
/// far below; one that is made to be slow ends here, and counts as holding a secret.
const TEXTS: usize = 4096;

/// Base64 as people and programs write it: padded or not, the last bits whatever they are.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Kinds of secrets that zOS hands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A key of a client.
    ClientKey,
    /// The token of the admin API.
    AdminToken,
    /// Not known: the text was made so that a search takes too long, and counts as holding a secret.
    Unknown,
}

/// A secret of ours in a text.
#[derive(Debug, Clone)]
pub struct Spotted {
    /// Kind of the secret.
    pub kind: Kind,
    /// Characters of the text that could belong to the secret.
    pub text: Secret,
}

/// Finds secrets of ours in texts of others.
#[derive(Debug, Clone, Default)]
pub struct OwnSecrets {
    /// The admin token of this home.
    admin_token: Option<Secret>,
}

impl OwnSecrets {
    /// A search for everything that zOS hands out, and for this admin token in particular.
    #[must_use]
    pub fn new(admin_token: Option<Secret>) -> Self {
        Self { admin_token }
    }

    /// The secrets in a text; empty for nearly every text. Takes about a microsecond for a kilobyte.
    #[must_use]
    pub fn find(&self, text: &[u8]) -> Vec<Spotted> {
        let mut search = Search { secrets: self, found: Vec::new(), texts: 0 };
        // Nearly every header is shorter than any secret.
        if text.len() >= RANDOM_CHARS {
            search.read(text, LAYERS);
        }
        search.found
    }
}

struct Search<'s> {
    secrets: &'s OwnSecrets,
    found: Vec<Spotted>,
    texts: usize,
}

impl Search<'_> {
    fn read(&mut self, text: &[u8], layers: usize) {
        self.texts += 1;
        if self.texts > TEXTS {
            if self.texts == TEXTS + 1 {
                self.found.push(Spotted { kind: Kind::Unknown, text: Secret::from("") });
            }
            return;
        }
        self.by_shape(text);
        self.by_comparison(text);
        if layers > 0 {
            self.decoded(text, layers - 1);
        }
    }

    /// `zos_` or `zos_admin_` in any case, with at least as many characters behind it as a secret has.
    fn by_shape(&mut self, text: &[u8]) {
        let prefix = client_keys::PREFIX.as_bytes();
        let mut from = 0;
        while let Some(underscore) = text[from..].iter().position(|byte| *byte == b'_') {
            let after = from + underscore + 1;
            from = after;
            let Some(start) = after.checked_sub(prefix.len()) else { continue };
            if !text[start..after].eq_ignore_ascii_case(prefix) {
                continue;
            }
            let run = text[after..].iter().take_while(|byte| is_base64url(**byte)).count();
            if run < RANDOM_CHARS {
                continue;
            }
            let admin = &admin_token::PREFIX.as_bytes()[prefix.len()..];
            let is_admin = run >= admin.len() + RANDOM_CHARS
                && text[after..after + admin.len()].eq_ignore_ascii_case(admin);
            let kind = if is_admin { Kind::AdminToken } else { Kind::ClientKey };
            self.push(kind, &text[start..after + run]);
            from = after + run;
        }
    }

    fn by_comparison(&mut self, text: &[u8]) {
        let Some(token) = &self.secrets.admin_token else { return };
        let token = token.expose().as_bytes();
        let is_there = words(text, is_base64url, token.len())
            .any(|word| word.windows(token.len()).any(|window| window == token));
        if is_there && !self.found.iter().any(|spotted| spotted.kind == Kind::AdminToken) {
            self.push(Kind::AdminToken, token);
        }
    }

    fn decoded(&mut self, text: &[u8], layers: usize) {
        if text.contains(&b'%') {
            self.read(&percent_decoded(text), layers);
        }
        for word in words(text, is_base64, BASE64_CHARS) {
            let mut standard = Zeroizing::new(word.to_vec());
            for byte in standard.iter_mut() {
                *byte = match *byte {
                    b'-' => b'+',
                    b'_' => b'/',
                    byte => byte,
                };
            }
            // What stands glued before it moves where it begins.
            for skipped in 0..4 {
                let rest = &standard[skipped..];
                let whole = &rest[..rest.len() - usize::from(rest.len() % 4 == 1)];
                if let Ok(bytes) = LENIENT.decode(whole) {
                    self.read(&Zeroizing::new(bytes), layers);
                }
            }
        }
        for word in words(text, |byte| byte.is_ascii_hexdigit(), 2 * RANDOM_CHARS) {
            for skipped in 0..2 {
                self.read(&hex_decoded(&word[skipped..]), layers);
            }
        }
    }

    fn push(&mut self, kind: Kind, text: &[u8]) {
        let text = String::from_utf8_lossy(text).into_owned();
        if !self.found.iter().any(|spotted| *spotted.text.expose() == text) {
            self.found.push(Spotted { kind, text: Secret::new(text) });
        }
    }
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn is_base64(byte: u8) -> bool {
    is_base64url(byte) || matches!(byte, b'+' | b'/')
}

/// The longest runs of such bytes that have at least so many.
fn words(text: &[u8], is_part: fn(u8) -> bool, least: usize) -> impl Iterator<Item = &[u8]> {
    text.split(move |byte| !is_part(*byte)).filter(move |word| word.len() >= least)
}

fn percent_decoded(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let escaped = match tail {
            [high, low, ..] if *first == b'%' => digit(*high).zip(digit(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                bytes.push(high << 4 | low);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    bytes
}

fn hex_decoded(digits: &[u8]) -> Zeroizing<Vec<u8>> {
    let pairs = digits.chunks_exact(2);
    let bytes = pairs.filter_map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?));
    Zeroizing::new(bytes.collect())
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    fn secrets() -> (OwnSecrets, String, String, String) {
        let old = "Kq3vX0b_1mZt-8sYwR2uC5dE7fG9hJ4kL6nP0qSaTbU".to_owned();
        let key = Secret::random(client_keys::PREFIX).unwrap().expose().clone();
        let admin = Secret::random(admin_token::PREFIX).unwrap().expose().clone();
        (OwnSecrets::new(Some(Secret::from(old.as_str()))), key, admin, old)
    }

    /// Ways in which a secret stands in the head of a request.
    fn forms(secret: &str) -> Vec<String> {
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        let percent: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
        vec![
            secret.to_owned(),
            format!("Bearer {secret}"),
            format!("\"{secret}\""),
            format!("'{secret}'"),
            format!("Token token={secret}, nonce=\"def\""),
            format!("sk-other, Bearer {secret}"),
            format!("a=b; session={secret}; c=d"),
            format!("agent/1.0 ({secret})"),
            format!("Basic {}", STANDARD.encode(format!("user:{secret}"))),
            format!("Basic {}", STANDARD.encode(format!(":{secret}"))),
            format!("Basic {}", URL_SAFE_NO_PAD.encode(format!("{secret}:"))),
            STANDARD.encode(STANDARD.encode(secret)),
            format!("sk-{}", URL_SAFE_NO_PAD.encode(format!("pad{secret}"))),
            hex,
            percent,
            format!("key={}", STANDARD.encode(secret).replace('=', "%3D")),
        ]
    }

    #[test]
    fn each_of_our_secrets_is_found_in_every_form() {
        let (own, key, admin, old) = secrets();
        for (secret, kind) in [(&key, Kind::ClientKey), (&admin, Kind::AdminToken), (&old, Kind::AdminToken)]
        {
            for form in forms(secret) {
                let found = own.find(form.as_bytes());
                assert!(
                    found
                        .iter()
                        .any(|spotted| spotted.kind == kind && spotted.text.expose().contains(secret)),
                    "{form}: {found:?}"
                );
            }
        }
        assert_eq!(own.find(key.to_uppercase().as_bytes())[0].kind, Kind::ClientKey);
    }

    #[test]
    fn what_others_send_is_left_alone() {
        let (own, key, ..) = secrets();
        for text in [
            "Bearer sk-ant-oat01-3Zq8mYt1VbNc5XwKd7Rf2Hg9Jp4Ls6Qa0Eu-UiOoAaSsDdFfGgHhJjKkLlZzXxCcVvBbNnMm-AAAAAA",
            "zos_desktop/1.0 (x64)",
            "zos_1234567890",
            &key[..46],
            "claude-cli/2.1.197 (external, cli)",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIn0.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV",
            "interleaved-thinking-2025-05-14,fine-grained-tool-streaming-2025-05-14",
        ] {
            assert!(own.find(text.as_bytes()).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_text_that_is_made_to_be_slow_counts_as_holding_one() {
        let (own, ..) = secrets();
        let words = [STANDARD.encode([b'a'; 60]), "ab".repeat(90)].join(" ");
        let found = own.find([words.as_str(); 2000].join(" ").as_bytes());
        assert!(found.iter().any(|spotted| spotted.kind == Kind::Unknown), "{found:?}");
    }

    proptest! {
        #[test]
        fn what_stands_around_a_secret_never_hides_it(before in "[ -~]{0,40}[^A-Za-z0-9_-]", after in "[^A-Za-z0-9_-][ -~]{0,40}") {
            let (own, key, admin, old) = secrets();
            for secret in [key, admin, old] {
                let text = format!("{before}{secret}{after}");
                prop_assert!(own.find(text.as_bytes()).iter().any(|spotted| *spotted.text.expose() == secret));
            }
        }
    }
}
