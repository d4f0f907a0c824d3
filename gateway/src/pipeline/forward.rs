//! Step 5: the only step that leaves the machine.

use super::reserve::Reserved;
use crate::call::{Call, Cost};
use crate::house::House;
use crate::policy::Policy;
use crate::problem::{Code, Problem};
use crate::upstream::{Answer, Outgoing, UpstreamError};
use crate::wire::Face;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use zos_core::Api;
use zos_meter::Usage;

/// Headers of the caller that reach a provider. Everything else stays here.
const PASSED: &[&str] = &[
    "content-type",
    "accept",
    "anthropic-version",
    "anthropic-beta",
    "openai-organization",
    "openai-project",
    "user-agent",
];

/// A call with the head of its answer.
pub(crate) struct Forwarded {
    pub(super) face: Face,
    pub(super) input_tokens: u64,
    pub(super) policy: Policy,
    pub(super) resolved: super::Resolved,
    pub(super) answer: Answer,
}

pub(super) async fn run(house: &House, reserved: Reserved, call: &mut Call) -> Result<Forwarded, Problem> {
    let routed = reserved.routed;
    let inspected = routed.inspected;
    let (face, provider) = (inspected.arrived.face, routed.route.provider);
    let is_face_default = inspected.resolved.snapshot.fleet.is_face_default(&provider, face.api());
    let credential =
        inspected.resolved.presented.for_provider(&provider, is_face_default, &house.vault).await;
    let credential = credential.map_err(|error| {
        tracing::warn!(%error, "the keychain did not give a provider's key");
        Problem::new(
            Code::NoRoute,
            format!("The key of provider \"{}\" cannot be read from the keychain: {error}.", provider.name),
        )
        .hint("Unlock the keychain, or give the key in an environment variable.")
    })?;
    let Some(credential) = credential else {
        return Err(Problem::new(
            Code::NoRoute,
            format!("There is no key for provider \"{}\".", provider.name),
        )
        .hint("Set it in Keys, in the provider's environment variable, or send your own key with the call.")
        .status(http::StatusCode::UNAUTHORIZED));
    };
    let outgoing = Outgoing {
        path: upstream_path(face, &inspected.arrived.query),
        headers: outgoing_headers(&inspected.arrived.headers, face.api(), credential),
        body: inspected.arrived.body,
    };
    call.forwarded();
    let answer = match house.upstreams.send(&provider, outgoing).await {
        Ok(answer) => answer,
        Err(error) => {
            // What never arrived costs nothing; what was sent and not answered is charged as read.
            let cost = match error {
                UpstreamError::Connect | UpstreamError::Encoding => Cost::Nothing,
                UpstreamError::Broken | UpstreamError::Timeout(_) => {
                    Cost::Spent(Usage { input: inspected.input_tokens, estimated: true, ..Usage::default() })
                }
            };
            call.settle(cost).await;
            return Err(problem(&error, &provider.name));
        }
    };
    Ok(Forwarded {
        face,
        input_tokens: inspected.input_tokens,
        policy: inspected.resolved.policy.clone(),
        resolved: inspected.resolved,
        answer,
    })
}

/// The path at the provider. Of a query only the switch that Claude clients send goes along: anything
/// else would be a way past inspection.
fn upstream_path(face: Face, query: &str) -> String {
    match (face.api(), query.split('&').any(|pair| pair == "beta=true")) {
        (Api::Anthropic, true) => format!("{}?beta=true", face.upstream_path()),
        _ => face.upstream_path().to_owned(),
    }
}

/// What reaches the provider: the allow-listed headers and the credential.
fn outgoing_headers(request: &HeaderMap, api: Api, credential: HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for name in PASSED {
        for value in request.get_all(*name) {
            headers.append(HeaderName::from_static(name), value.clone());
        }
    }
    headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    if api == Api::Anthropic {
        headers.entry("anthropic-version").or_insert(HeaderValue::from_static("2023-06-01"));
    }
    headers.extend(credential);
    headers
}

/// The sentence for a provider that gave no answer.
pub(super) fn problem(error: &UpstreamError, provider: &str) -> Problem {
    match error {
        UpstreamError::Timeout(limit) => Problem::new(
            Code::UpstreamTimeout,
            format!("Provider \"{provider}\" sent nothing for {} s.", limit.as_secs_f32()),
        )
        .hint("Try again, or raise the limits under `upstream` in gateway/config.yml."),
        UpstreamError::Connect => {
            Problem::new(Code::UpstreamUnreachable, format!("Provider \"{provider}\" cannot be reached."))
                .hint("Check the network, and its base_url in routing/fleet.yml.")
        }
        UpstreamError::Broken => Problem::new(
            Code::UpstreamUnreachable,
            format!("The connection to provider \"{provider}\" broke."),
        )
        .hint("Try again."),
        UpstreamError::Encoding => Problem::new(
            Code::UpstreamUnreachable,
            format!(
                "Provider \"{provider}\" compressed its answer in a way that cannot be read, so it was not passed on."
            ),
        ),
    }
}
