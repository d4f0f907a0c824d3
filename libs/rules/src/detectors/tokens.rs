//! Formats of keys and tokens by which their issuer can be known: a table, one format a line.
//!
//! Each is what the issuer documents or its own libraries produce: a prefix or a signature, the alphabet and
//! the length. A length that has grown over the years is given room upwards. What has no such sign (32
//! hexadecimal digits, a UUID) is found where something called a secret is assigned, by `assignment`.

use super::secrets::{drawn, real};
use super::{Detector, detector};
use crate::checks::Find;
use crate::pattern::block::Ending;
use crate::pattern::runs::Need;

/// A format whose match only has to look real.
const fn token(id: &'static str, expression: &'static str, max_len: usize) -> Detector {
    detector(id, expression, max_len).checked(real)
}

/// A format whose sign is short, so that its match has to look drawn.
const fn weak(id: &'static str, expression: &'static str, max_len: usize) -> Detector {
    detector(id, expression, max_len).checked(drawn)
}

pub(super) static DETECTORS: [Detector; 125] = [
    // Models and what is around them.
    token("openrouter-key", r"\bsk-or-v1-[a-f0-9]{64}\b", 73),
    token("deepseek-key", r"\bsk-[a-f0-9]{32}\b", 35),
    weak("cerebras-key", r"\bcsk-[a-z0-9]{40,60}\b", 64),
    token("nvidia-key", r"\bnvapi-[A-Za-z0-9_-]{48,80}", 86),
    weak("fireworks-key", r"\bfw_[A-Za-z0-9]{20,40}\b", 43),
    token("gemini-key", r"\bAQ\.[A-Za-z0-9_-]{40,64}", 67),
    token("elevenlabs-key", r"\bsk_[a-f0-9]{48}\b", 51),
    token("langsmith-key", r"\blsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}\b", 52),
    token("langfuse-key", r"\bsk-lf-[a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12}\b", 42),
    token("wandb-key", r"\bwandb_v1_[A-Za-z0-9_-]{40,100}", 110),
    token("pinecone-key", r"\bpcsk_[A-Za-z0-9]{4,8}_[A-Za-z0-9]{40,80}\b", 96),
    token("tavily-key", r"\btvly-(?:(?:dev|prod)-)?[A-Za-z0-9_-]{20,50}", 60),
    token("firecrawl-key", r"\bfc-[a-f0-9]{32}\b", 35),
    token("cursor-key", r"\b(?:key|crsr)_[a-f0-9]{64}\b", 69),
    token("together-key", r"\btgp_v1_[A-Za-z0-9_-]{40,50}", 58),
    weak("voyage-key", r"\bpa-[A-Za-z0-9_-]{43}\b", 46),
    token("jina-key", r"\bjina_[a-f0-9]{32}[A-Za-z0-9_-]{20,32}", 70),
    token("zhipu-key", r"\b[a-f0-9]{32}\.[A-Za-z0-9]{16}\b", 49).needing(Need::Long, 1),
    token("e2b-key", r"\be2b_[a-f0-9]{40}\b", 44),
    token("apify-token", r"\bapify_api_[A-Za-z0-9]{34,40}\b", 50),
    weak("modal-token", r"\ba[ks]-[A-Za-z0-9]{22}\b", 25),
    // Source code, packages, builds.
    token(
        "github-app-token",
        r"\bghs_[0-9]{4,12}_eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
        4096,
    ),
    token("gitlab-runner-registration", r"\bGR1348941[A-Za-z0-9_-]{20,24}", 34),
    token("bitbucket-token", r"\bATBB[A-Za-z0-9_=.-]{28,40}\b", 44),
    token("atlassian-access-token", r"\bAT(?:CTT|STT|UTT)3[A-Za-z0-9_=-]{40,}", 260),
    token("trello-token", r"\bATTA[a-f0-9]{64}[A-Fa-f0-9]{8}\b", 76),
    token("rubygems-key", r"\brubygems_[a-f0-9]{48}\b", 57),
    weak("crates-token", r"\bcio[A-Za-z0-9]{32}\b", 35),
    weak("nuget-key", r"\boy2[a-z0-9]{43}\b", 46),
    token("docker-organisation-token", r"\bdckr_oat_[A-Za-z0-9_-]{27,40}", 52),
    weak("jfrog-key", r"\bAKCp[A-Za-z0-9]{60,80}\b", 84),
    token("jfrog-reference-token", r"\bcmVmdGtuOj[A-Za-z0-9]{50,60}\b", 70),
    token("circleci-token", r"\bCCI(?:PAT|PRJ)_[A-Za-z0-9]{20,24}_[a-f0-9]{40}\b", 72),
    token("buildkite-token", r"\bbk(?:ua|aj|ar|ct|at|pt|us)_[a-f0-9]{40}\b", 46),
    token("sonar-token", r"\bsq[pua]_[a-f0-9]{40}\b", 44),
    token("sourcegraph-token", r"\b(?:sgp_(?:(?:[a-f0-9]{16}|local)_)?|slk_)[a-f0-9]{40,64}\b", 86),
    token("terraform-token", r"\.atlasv1\.[A-Za-z0-9_=-]{40,80}", 90),
    token("pulumi-token", r"\bpul-[a-f0-9]{40}\b", 44),
    token("harness-token", r"\b(?:pat|sat)\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9]{24}\.[A-Za-z0-9]{20}\b", 76),
    weak("octopus-key", r"\bAPI-[A-Z0-9]{25,30}\b", 34),
    token("snyk-token", r"\bsnyk_(?:uat|sat)\.[A-Za-z0-9._-]{20,80}", 96),
    token("infracost-key", r"\bico-[A-Za-z0-9]{32}\b", 36),
    token("dbt-token", r"\bdbt[uc]_[A-Za-z0-9_=-]{40,50}", 56),
    token("prefect-key", r"\bpn[ub]_[A-Za-z0-9]{36}\b", 40),
    // Vaults and secrets managers.
    token(
        "doppler-token",
        r"\bdp\.(?:pt|st|ct|sa|said|scim|scrt|audit)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}\b",
        96,
    ),
    token(
        "onepassword-secret-key",
        r"\bA3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){3}\b",
        44,
    ),
    token("onepassword-service-token", r"\bops_eyJ[A-Za-z0-9+/_-]{100,}={0,2}", 1220),
    token("infisical-token", r"\bst\.[a-f0-9]{24}\.[a-f0-9]{32}\.[a-f0-9]{32}\b", 93),
    weak("vault-legacy-token", r"\b[sbr]\.[A-Za-z0-9]{24}\b", 26),
    // Clouds and hosting.
    token("aws-session-token", r"\b(?:FwoGZXIvYXdz|IQoJb3JpZ2lu)[A-Za-z0-9/+]{80,}={0,2}", 2020),
    token("aws-bedrock-key", r"\b(?:ABSK[A-Za-z0-9+/]{100,}|bedrock-api-key-[A-Za-z0-9+/]{40,})={0,2}", 2020),
    detector("azure-identifiable-key", r"\b[A-Za-z0-9_+/-]{30,}={0,2}", 112)
        .checked(identifiable)
        .needing(Need::Long, 1),
    token("google-refresh-token", r"\b1//0[A-Za-z0-9_-]{40,120}", 124),
    token("cloudflare-token", r"\bcf(?:ut|at|k)_[A-Za-z0-9]{40}[a-f0-9]{8}\b", 56),
    token("cloudflare-origin-key", r"\bv1\.0-[a-f0-9]{24}-[a-f0-9]{146}\b", 176),
    token("fly-token", r"\b(?:fm[12][ar]?_[A-Za-z0-9+/=_-]{60,}|fo1_[A-Za-z0-9_-]{43})", 2020),
    weak("alibaba-key", r"\bLTAI[A-Za-z0-9]{12,24}\b", 28),
    weak("tencent-key", r"\bAKID[A-Za-z0-9]{28,40}\b", 44),
    token("yandex-key", r"\bAQVN[A-Za-z0-9_-]{35,40}", 44),
    token("vercel-token", r"\bvc[acipkr]_[A-Za-z0-9]{24,64}\b", 68),
    token("netlify-token", r"\bnf[pcoub]_[A-Za-z0-9]{36,44}\b", 48),
    weak("render-key", r"\brnd_[A-Za-z0-9]{28,36}\b", 40),
    token("planetscale-token", r"\bpscale_(?:pw|tkn|oauth)_[A-Za-z0-9_.=-]{32,64}", 78),
    token("neon-key", r"\bnapi_[a-z0-9]{40,72}\b", 77),
    token("supabase-secret", r"\bsb_secret_[A-Za-z0-9_-]{20,50}", 60),
    token("atlas-secret", r"\bmdb_sa_sk_[A-Za-z0-9_-]{30,60}", 70),
    token("databricks-oauth-secret", r"\b(?:dose|dosecr|ddos)[a-f0-9]{32}\b", 38),
    weak("clickhouse-key", r"\b4b1d[A-Za-z0-9]{38}\b", 42),
    token(
        "tailscale-key",
        r"\btskey-(?:auth|api|client|scim|webhook)-[A-Za-z0-9]{8,24}-[A-Za-z0-9]{16,64}\b",
        104,
    ),
    weak("ngrok-token", r"\b(?:ak_|cr_)?[1-3][A-Za-z0-9]{26}_[A-Za-z0-9]{20,22}\b", 53),
    token("aiven-password", r"\bAVNS_[A-Za-z0-9_-]{15,30}", 36),
    token("openshift-token", r"\bsha256~[A-Za-z0-9_-]{43}", 50),
    token("deno-token", r"\bdd[po]_[A-Za-z0-9]{36}\b", 40),
    token("elastic-key", r"\bess[ua]_[A-Za-z0-9+/=]{40,}", 205),
    // Messages, mail, customers.
    token("slack-session", r"\bxox[cd]-[A-Za-z0-9%+/=_-]{20,}", 406),
    token(
        "slack-workflow",
        r"\bhooks\.slack\.com/(?:triggers|workflows)/[A-Z0-9]{8,14}/[A-Za-z0-9]{8,16}/[A-Za-z0-9/]{20,64}",
        130,
    ),
    token("discord-token", r"\b[MNO][A-Za-z0-9_-]{22,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,45}", 81),
    token("discord-webhook", r"\bdiscord(?:app)?\.com/api/webhooks/[0-9]{17,20}/[A-Za-z0-9_-]{60,80}", 140),
    token(
        "teams-webhook",
        r"\bwebhook\.office\.com/webhookb2/[a-f0-9@-]{36,80}/IncomingWebhook/[a-f0-9]{32}/[A-Za-z0-9_/-]{20,100}",
        270,
    ),
    token("telegram-webhook", r"\bapi\.telegram\.org/bot[0-9]{8,10}:[A-Za-z0-9_-]{30,40}", 74),
    token("mailgun-sending-key", r"\b[a-f0-9]{32}-[a-f0-9]{8}-[a-f0-9]{8}\b", 50).needing(Need::Long, 1),
    token("mailchimp-key", r"\b[a-f0-9]{32}-us[0-9]{1,2}\b", 37).needing(Need::Long, 1),
    token("resend-key", r"\bre_[A-Za-z0-9]{7,10}_[A-Za-z0-9]{20,28}\b", 42),
    token("brevo-key", r"\bx(?:keysib|smtpsib)-[a-f0-9]{64}-[A-Za-z0-9]{16}\b", 90),
    token("mailersend-key", r"\bmlsn\.[a-f0-9]{64}\b", 69),
    token("hubspot-token", r"\bpat-(?:na|eu|ap)[0-9]-[a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12}\b", 46),
    token("facebook-token", r"\bEAA[A-Za-z0-9]{80,}\b", 304),
    token("instagram-token", r"\bIG(?:QV|AA)[A-Za-z0-9_-]{80,}", 304),
    token("linkedin-secret", r"\bWPL_AP[01]\.[A-Za-z0-9._=-]{14,40}", 48),
    // Money.
    token("stripe-organisation-key", r"\bsk_org_(?:live|test)_[A-Za-z0-9]{16,}\b", 212),
    token("shopify-partner-token", r"\b(?:shpua|shptka|shpce|shpit)_[a-fA-F0-9]{32}\b", 40),
    token("shopify-cli-token", r"\b(?:atkn|prtapi)_[A-Za-z0-9]{28,80}\b", 88),
    token("braintree-token", r"\baccess_token\$(?:production|sandbox)\$[a-z0-9]{16}\$[a-f0-9]{32}\b", 74),
    token(
        "plaid-token",
        r"\b(?:access|public|link)-(?:sandbox|development|production)-[a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12}\b",
        62,
    ),
    token("razorpay-key", r"\brzp_(?:live|test)_[A-Za-z0-9]{14,20}\b", 30),
    token("flutterwave-key", r"\bFLWSECK(?:_TEST)?-[a-fA-F0-9]{12,32}-[A-Za-z0-9]{1,14}\b", 62),
    token(
        "coinbase-key",
        r"\borganizations/[a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12}/apiKeys/[a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12}\b",
        96,
    ),
    token("duffel-token", r"\bduffel_(?:live|test)_[A-Za-z0-9_-]{43}", 56),
    token("easypost-key", r"\bEZ[AT]K[A-Za-z0-9]{54}\b", 58),
    token("shippo-token", r"\bshippo_(?:live|test)_[a-f0-9]{40}\b", 52),
    token("nostr-key", r"\bnsec1[02-9ac-hj-np-z]{58}\b", 63),
    weak("wallet-import-key", r"\b[5KLc9][1-9A-HJ-NP-Za-km-z]{50,51}\b", 52).needing(Need::Long, 1),
    // Work, and what watches it.
    weak("asana-token", r"\b[0-2]/[0-9]{12,20}(?:/[0-9]{12,20})?:[a-f0-9]{32}\b", 78),
    token("linear-oauth-token", r"\blin_(?:oauth|wh)_[A-Za-z0-9]{32,64}\b", 76),
    token("clickup-token", r"\bpk_[0-9]{5,10}_[A-Z0-9]{32}\b", 47),
    token("airtable-key", r"\bkey[A-Za-z0-9]{14}\.[a-f0-9]{64}\b", 84),
    token("figma-oauth-token", r"\bfig[uo][a-z]{0,2}_[A-Za-z0-9_-]{40,60}", 68),
    token("contentful-token", r"\bCFPAT-[A-Za-z0-9_-]{43}", 50),
    token("typeform-token", r"\btfp_[A-Za-z0-9_-]{40,80}", 86),
    token("okta-token", r"(?i-u:\bssws) {1,2}00[A-Za-z0-9_-]{38,42}", 54),
    token("grafana-cloud-token", r"\bglc_[A-Za-z0-9+/_-]{32,}={0,2}", 410),
    token("datadog-token", r"\bdd(?:pat|app|api|oap|key)_[A-Za-z0-9_]{30,80}\b", 90),
    token("new-relic-ingest-key", r"\b[A-Za-z0-9]{30,40}NRAL\b", 44).needing(Need::Long, 1),
    token("new-relic-other-key", r"\bNR(?:II|IQ|JS|RA|AA|SP|BR)-[A-Za-z0-9_-]{19,40}", 46),
    token("launchdarkly-key", r"\b(?:sdk|mob|api)-[a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12}\b", 42),
    token("honeycomb-key", r"\bhc[a-z]{2}[ki]k?_[a-z0-9]{52,64}\b", 72),
    token("posthog-key", r"\bph[xs]_[A-Za-z0-9]{40,52}\b", 56),
    token("dynatrace-token", r"\bdt0[a-z][0-9]{2}\.[A-Z0-9]{24}\.[A-Z0-9]{64}\b", 98),
    token("mapbox-token", r"\b[st]k\.eyJ[A-Za-z0-9_-]{30,}\.[A-Za-z0-9_-]{20,24}", 230),
    token("dropbox-token", r"\bsl\.(?:u\.)?[A-Za-z0-9_-]{120,}", 1410),
    token("zoho-token", r"\b1000\.[a-f0-9]{32}\.[a-f0-9]{32}\b", 70),
    // Keys of their own form.
    token(
        "jwe",
        r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{0,}\.[A-Za-z0-9_-]{10,40}\.[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]{16,40}",
        4096,
    ),
    token("jwk", r#"\x22[dk]\\?\x22 {0,2}: {0,2}\\?\x22[A-Za-z0-9_-]{40,}"#, 720),
    token("minisign-key", r"\bRWRTY0Iy[A-Za-z0-9+/]{60,}={0,2}", 250),
    detector("putty-key", r"\bPuTTY-User-Key-File-[0-9]:", 24).beginning(Ending::Checksum),
];

/// Keys of Azure carry a signature at a fixed place, so that they can be found.
fn identifiable(before: &str, matched: &str) -> Option<Find> {
    const SIGNATURES: [&str; 11] =
        ["JQQJ99", "AzFu", "AzSe", "AzCa", "ACDb", "AStD", "AIoT", "ASbT", "AEhS", "+ACR", "AZDO"];
    let signed = |signature: &str| {
        // A byte or more of checksum follows it, and a key of at least 32 bytes stands before it.
        matched
            .find(signature)
            .is_some_and(|at| at >= 33 && (2..=40).contains(&(matched.len() - at - signature.len())))
    };
    let counts = (40..=100).contains(&matched.len()) && SIGNATURES.iter().any(|signature| signed(signature));
    drawn(before, matched).filter(|_| counts)
}
