//! Quotas of plans (five hours, a week, credits), read in passing from the headers of providers' answers.
//!
//! Nothing is asked for and nothing is kept beyond this process: what is not seen is not known. What a provider says is its
//! own words, so everything is bounded, in number and length.

use http::HeaderMap;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

/// Accounts whose quotas are kept.
const KEPT: usize = 64;

/// Windows of one account.
const WINDOWS: usize = 12;

/// The longest word of a provider that is kept, in bytes.
const WORD_BYTES: usize = 32;

/// Name of the account that the owner's own key belongs to.
pub(crate) const OWNER: &str = "owner";

/// Header by which a client names its account beside a token that changes.
const ACCOUNT_HEADER: &str = "chatgpt-account-id";

/// One quota of a plan.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Window {
    /// Share that is used, in percent; above 100 where a provider counts on.
    pub(crate) used_percent: f64,
    /// Its length in minutes, where that is told.
    pub(crate) minutes: Option<u64>,
    /// When it starts anew, in milliseconds since 1970.
    pub(crate) resets_ms: Option<u64>,
    /// What the provider calls its state, such as `allowed` or `rejected`.
    pub(crate) status: Option<String>,
}

/// Credits beside the windows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Credits {
    /// What is left, in the provider's words.
    pub(crate) balance: Option<String>,
    /// Whether there is no end of them.
    pub(crate) unlimited: bool,
}

/// Quotas of one account at a provider.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Quota {
    /// Name of the plan.
    pub(crate) plan: Option<String>,
    /// By name.
    pub(crate) windows: BTreeMap<String, Window>,
    pub(crate) credits: Option<Credits>,
    /// When an answer told of it last, in milliseconds since 1970.
    pub(crate) seen_ms: u64,
}

/// Quotas of all accounts.
#[derive(Default)]
pub(crate) struct Quotas {
    /// By provider and account.
    seen: Mutex<BTreeMap<(String, String), Quota>>,
}

/// The account that a call is for: a digest of what names the client's account or else of its credential; [`OWNER`] where
/// the call goes with the owner's key.
pub(crate) fn account(own: Option<&HeaderMap>, arrived: &HeaderMap) -> String {
    let Some(own) = own else { return OWNER.to_owned() };
    let named = arrived.get(ACCOUNT_HEADER).map(|value| value.as_bytes().to_vec());
    let subject = named.unwrap_or_else(|| {
        own.values().flat_map(|value| value.as_bytes().iter().copied().chain([0])).collect()
    });
    let digest = zos_seal::sha256(&subject);
    digest[..6].iter().fold(String::with_capacity(12), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String never fails");
        text
    })
}

impl Quotas {
    /// Takes what the headers of an answer tell, if anything.
    pub(crate) fn read(&self, provider: &str, account: &str, headers: &HeaderMap, now_ms: u64) {
        let told = told(headers, now_ms);
        if told.windows.is_empty() && told.credits.is_none() {
            return;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (provider.to_owned(), account.to_owned());
        if seen.len() >= KEPT && !seen.contains_key(&key) {
            let oldest = seen.iter().min_by_key(|(_, quota)| quota.seen_ms).map(|(key, _)| key.clone());
            oldest.map(|oldest| seen.remove(&oldest));
        }
        let kept = seen.entry(key).or_default();
        kept.windows.retain(|_, window| !window.is_over(now_ms));
        for (name, window) in told.windows {
            if kept.windows.len() < WINDOWS || kept.windows.contains_key(&name) {
                kept.windows.insert(name, window);
            }
        }
        kept.plan = told.plan.or(kept.plan.take());
        kept.credits = told.credits.or(kept.credits.take());
        kept.seen_ms = now_ms;
    }

    /// Share of the fullest quota of an account that holds for all its models, in whole percent; `None` where none is known.
    pub(crate) fn used_percent(&self, provider: &str, account: &str, now_ms: u64) -> Option<u8> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let quota = seen.get(&(provider.to_owned(), account.to_owned()))?;
        let windows =
            quota.windows.iter().filter(|(name, window)| is_for_all(name) && !window.is_over(now_ms));
        windows.map(|(_, window)| window.whole_percent()).max()
    }

    /// All that is known, with provider and account; windows that started anew since are left out.
    pub(crate) fn all(&self, now_ms: u64) -> Vec<(String, String, Quota)> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let current = seen.iter().map(|((provider, account), quota)| {
            let mut quota = quota.clone();
            quota.windows.retain(|_, window| !window.is_over(now_ms));
            (provider.clone(), account.clone(), quota)
        });
        current.collect()
    }

    /// Gauges of the fullest account of each provider, in the Prometheus text format.
    pub(crate) fn prometheus(&self, now_ms: u64) -> String {
        let mut fullest: BTreeMap<(String, String), f64> = BTreeMap::new();
        for (provider, _, quota) in self.all(now_ms) {
            for (name, window) in quota.windows {
                let known = fullest.entry((provider.clone(), name)).or_default();
                *known = known.max(window.used_percent / 100.0);
            }
        }
        let mut text = String::new();
        if !fullest.is_empty() {
            text.push_str("# HELP zos_quota_used_ratio Share of a plan's quota that is used.\n");
            text.push_str("# TYPE zos_quota_used_ratio gauge\n");
        }
        for ((provider, window), ratio) in fullest {
            // Both are words of letters, digits and signs that need no escape.
            writeln!(text, "zos_quota_used_ratio{{provider=\"{provider}\",window=\"{window}\"}} {ratio}")
                .expect("writing to a String never fails");
        }
        text
    }
}

impl Window {
    fn is_over(&self, now_ms: u64) -> bool {
        self.resets_ms.is_some_and(|at| at <= now_ms)
    }

    fn whole_percent(&self) -> u8 {
        if self.status.as_deref() == Some("rejected") {
            return 100;
        }
        // It is finite and not negative; what is above 255 is as good as that.
        self.used_percent.floor().min(255.0) as u8
    }
}

/// Whether a quota holds for every model of the plan: not one of a single model, and not what may be bought beyond it.
fn is_for_all(name: &str) -> bool {
    matches!(name, "primary" | "secondary")
        || name.bytes().next().is_some_and(|byte| byte.is_ascii_digit()) && !name.contains('_')
}

/// What the headers of one answer tell.
fn told(headers: &HeaderMap, now_ms: u64) -> Quota {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let word = |name: &str| text(name).filter(|word| is_word(word)).map(str::to_owned);
    let seconds = |name: &str| text(name).and_then(|text| text.parse::<u64>().ok());
    let at_second = |name: &str| seconds(name).and_then(|at| at.checked_mul(1000));
    let mut quota = Quota { plan: word("x-codex-plan-type"), ..Quota::default() };
    for name in headers.keys() {
        let codex = between(name.as_str(), "x-codex-", "-used-percent");
        let anthropic = between(name.as_str(), "anthropic-ratelimit-unified-", "-utilization");
        let (named, prefix, scale) = match (codex, anthropic) {
            (Some(named), _) => (named, format!("x-codex-{named}"), 1.0),
            (_, Some(named)) => (named, format!("anthropic-ratelimit-unified-{named}"), 100.0),
            _ => continue,
        };
        let used = text(name.as_str()).and_then(|text| text.parse::<f64>().ok());
        let Some(used) = used.map(|used| used * scale).filter(|used| used.is_finite() && *used >= 0.0) else {
            continue;
        };
        if !is_word(named) || quota.windows.len() >= WINDOWS {
            continue;
        }
        let after = seconds(&format!("{prefix}-reset-after-seconds"));
        let resets_ms = at_second(&format!("{prefix}-reset-at"))
            .or_else(|| at_second(&format!("{prefix}-reset")))
            .or_else(|| after.map(|after| now_ms.saturating_add(after.saturating_mul(1000))));
        let window = Window {
            used_percent: used,
            minutes: seconds(&format!("{prefix}-window-minutes")),
            resets_ms,
            status: word(&format!("{prefix}-status")),
        };
        quota.windows.insert(named.to_owned(), window);
    }
    let (balance, unlimited) = (word("x-codex-credits-balance"), text("x-codex-credits-unlimited"));
    if balance.is_some() || unlimited.is_some() {
        let unlimited = unlimited.is_some_and(|flag| flag.eq_ignore_ascii_case("true"));
        quota.credits = Some(Credits { balance, unlimited });
    }
    quota
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    text.strip_prefix(before)?.strip_suffix(after)
}

/// Whether a provider's word may be shown and be a label: short, of letters, digits and a few signs.
fn is_word(text: &str) -> bool {
    (1..=WORD_BYTES).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    const NOW: u64 = 1_700_000_000_000;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let parsed = pairs.iter().map(|(name, value)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
        });
        parsed.collect()
    }

    #[test]
    fn the_headers_of_a_chatgpt_plan_are_read() {
        let quotas = Quotas::default();
        let answer = headers(&[
            ("x-codex-primary-used-percent", "42.5"),
            ("x-codex-primary-window-minutes", "300"),
            ("x-codex-primary-reset-after-seconds", "60"),
            ("x-codex-secondary-used-percent", "91"),
            ("x-codex-secondary-window-minutes", "10080"),
            ("x-codex-secondary-reset-at", "1700000100"),
            ("x-codex-credits-balance", "12.50"),
            ("x-codex-plan-type", "plus"),
        ]);
        quotas.read("chatgpt", "a", &answer, NOW);
        let (provider, account, quota) = quotas.all(NOW).remove(0);
        assert_eq!(
            (provider.as_str(), account.as_str(), quota.plan.as_deref()),
            ("chatgpt", "a", Some("plus"))
        );
        let primary = &quota.windows["primary"];
        assert_eq!(
            (primary.used_percent, primary.minutes, primary.resets_ms),
            (42.5, Some(300), Some(NOW + 60_000))
        );
        assert_eq!(quota.windows["secondary"].resets_ms, Some(1_700_000_100_000));
        assert_eq!(quota.credits, Some(Credits { balance: Some("12.50".into()), unlimited: false }));
        assert_eq!(quotas.used_percent("chatgpt", "a", NOW), Some(91));
        assert_eq!(quotas.used_percent("chatgpt", "b", NOW), None, "another account has its own");
        assert_eq!(quotas.used_percent("chatgpt", "a", 1_700_000_100_000), None, "both started anew");
        let metrics = quotas.prometheus(NOW);
        assert!(
            metrics.contains("zos_quota_used_ratio{provider=\"chatgpt\",window=\"secondary\"} 0.91"),
            "{metrics}"
        );
    }

    #[test]
    fn the_headers_of_a_claude_plan_are_read_and_the_quota_of_one_model_is_not_that_of_all() {
        let quotas = Quotas::default();
        let answer = headers(&[
            ("anthropic-ratelimit-unified-5h-utilization", "0.505"),
            ("anthropic-ratelimit-unified-5h-reset", "1700000100"),
            ("anthropic-ratelimit-unified-5h-status", "allowed"),
            ("anthropic-ratelimit-unified-7d_opus-utilization", "0.99"),
            ("anthropic-ratelimit-unified-overage-utilization", "1.0"),
            ("anthropic-ratelimit-requests-remaining", "5"),
        ]);
        quotas.read("anthropic", OWNER, &answer, NOW);
        assert_eq!(quotas.all(NOW)[0].2.windows.len(), 3);
        assert_eq!(quotas.used_percent("anthropic", OWNER, NOW), Some(50));
        let rejected = headers(&[
            ("anthropic-ratelimit-unified-5h-utilization", "0.7"),
            ("anthropic-ratelimit-unified-5h-status", "rejected"),
        ]);
        quotas.read("anthropic", OWNER, &rejected, NOW);
        assert_eq!(quotas.used_percent("anthropic", OWNER, NOW), Some(100));
    }

    #[test]
    fn accounts_and_windows_are_bounded_and_the_oldest_goes() {
        let quotas = Quotas::default();
        let one = headers(&[("x-codex-primary-used-percent", "1")]);
        for number in 0..(KEPT as u64 + 5) {
            quotas.read("p", &format!("a{number}"), &one, NOW + number);
        }
        let all = quotas.all(NOW);
        assert_eq!(all.len(), KEPT);
        assert!(!all.iter().any(|(_, account, _)| account == "a0"));
        let names: Vec<String> = (0..50).map(|number| format!("x-codex-w{number}-used-percent")).collect();
        let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "5")).collect();
        quotas.read("q", "a", &headers(&many), NOW + 1000);
        assert_eq!(
            quotas.all(NOW).iter().find(|(provider, ..)| provider == "q").unwrap().2.windows.len(),
            WINDOWS
        );
    }

    #[test]
    fn an_account_is_told_by_its_name_before_a_token_that_changes() {
        let token = |token: &str| headers(&[("authorization", token)]);
        let named = headers(&[("chatgpt-account-id", "acc-1")]);
        assert_eq!(account(Some(&token("Bearer a")), &named), account(Some(&token("Bearer b")), &named));
        let nameless = HeaderMap::new();
        assert_ne!(
            account(Some(&token("Bearer a")), &nameless),
            account(Some(&token("Bearer b")), &nameless)
        );
        assert_eq!(account(None, &named), OWNER);
        assert!(!account(Some(&token("Bearer a")), &nameless).contains("Bearer"));
    }

    proptest! {
        #[test]
        fn whatever_a_provider_says_is_bounded_and_finite(
            name in "(x-codex-|anthropic-ratelimit-unified-)[a-z0-9_.-]{0,40}(-used-percent|-utilization)",
            value in "[ -~]{0,20}",
        ) {
            let quotas = Quotas::default();
            quotas.read("p", "a", &headers(&[(&name, &value)]), NOW);
            for (_, _, quota) in quotas.all(NOW) {
                for (name, window) in quota.windows {
                    prop_assert!(name.len() <= WORD_BYTES);
                    prop_assert!(window.used_percent.is_finite() && window.used_percent >= 0.0);
                }
            }
            for line in quotas.prometheus(NOW).lines() {
                let is_metric = line.starts_with("# ") || line.starts_with("zos_quota_used_ratio{");
                prop_assert!(is_metric, "{}", line);
            }
        }
    }
}
