//! The canon, as the screens and the command line show it.

use super::FileProblem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use zos_core::canon::{CanonLine, Finding};
use zos_core::context::CanonDelivery;
use zos_core::{Canon, CanonState, Context};

/// Which context's canon.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CanonQuery {
    /// The context; the active one where absent.
    pub context: Option<String>,
}

/// Which lines of which context's canon.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CanonWhyQuery {
    /// The context; the active one where absent.
    pub context: Option<String>,
    /// Text of the canon: a part of a line, or several lines.
    pub text: String,
}

/// The canon of one context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CanonView {
    /// The context.
    pub context: String,
    /// `built`, `stale` (a broken save; the last good version is in force), `none` or `broken`.
    pub state: String,
    /// How it reaches the model: `none` or `inject`.
    pub deliver: String,
    /// `sha256:` and the hexadecimal digest of exactly the bytes of `text`; absent where it is broken.
    pub digest: Option<String>,
    /// The text; empty where there is none.
    pub text: String,
    /// Tokens of the text.
    pub tokens: u64,
    /// Whether `tokens` is an estimate: it is exact for OpenAI's newer models only.
    pub tokens_estimated: bool,
    /// What manifest.json allows it to cost.
    pub budget: Option<u64>,
    /// How many lines, from the first, rarely change.
    pub stable_lines: u64,
    /// Where each line of `text` was written.
    pub lines: Vec<CanonPlace>,
    /// What each file costs.
    pub layers: Vec<CanonLayer>,
    /// What is wrong with its files.
    pub findings: Vec<CanonFinding>,
}

/// Where a line of a canon was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CanonPlace {
    /// The file, relative to the home.
    pub file: String,
    /// Line in that file, from 1.
    pub file_line: u64,
    /// `floor`, `owner`, `org`, `room`, `task` or `guideline`.
    pub level: String,
    /// Id of the clause.
    pub clause: String,
}

/// What a file's share of a canon costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CanonLayer {
    /// The file, relative to the home.
    pub file: String,
    /// Tokens, estimated.
    pub tokens: u64,
    /// What manifest.json allows.
    pub budget: Option<u64>,
}

/// A finding about a canon's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CanonFinding {
    /// The name of the rule that was broken.
    pub lint: String,
    /// Where, what, and the fix.
    #[serde(flatten)]
    pub problem: FileProblem,
}

/// Lines of a canon that hold a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CanonWhy {
    /// The lines, in order; empty where the canon does not hold the text.
    pub matches: Vec<CanonMatch>,
}

/// One line of a canon that holds a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CanonMatch {
    /// Line in the canon, from 1.
    pub line: u64,
    /// Where it was written.
    #[serde(flatten)]
    pub place: CanonPlace,
}

impl CanonView {
    /// A context's canon with these findings.
    #[must_use]
    pub fn new(context: &Context, state: &CanonState, findings: &[Finding]) -> Self {
        let canon = state.canon();
        let digest = match (canon, state) {
            (Some(canon), _) => Some(canon.digest.clone()),
            // No text is a text of no bytes, which has a digest too.
            (None, CanonState::None { .. }) => Some(Canon::digest_of("")),
            (None, _) => None,
        };
        let layers = canon.map(|canon| &canon.layers[..]).unwrap_or_default();
        CanonView {
            context: context.name.to_string(),
            state: state.name().to_owned(),
            deliver: match context.canon {
                CanonDelivery::None => "none",
                CanonDelivery::Inject => "inject",
            }
            .to_owned(),
            digest,
            text: canon.map(|canon| canon.text.clone()).unwrap_or_default(),
            tokens: canon.map(|canon| canon.tokens).unwrap_or_default(),
            tokens_estimated: true,
            budget: canon.and_then(|canon| canon.budget),
            stable_lines: canon.map_or(0, |canon| canon.stable().lines().count() as u64),
            lines: canon.map(|canon| canon.lines.iter().map(CanonPlace::from).collect()).unwrap_or_default(),
            layers: layers
                .iter()
                .map(|layer| CanonLayer {
                    file: layer.file.to_string(),
                    tokens: layer.tokens,
                    budget: layer.budget,
                })
                .collect(),
            findings: findings.iter().map(CanonFinding::from).collect(),
        }
    }
}

impl CanonWhy {
    /// The lines of a canon that hold `text`.
    #[must_use]
    pub fn new(canon: Option<&Canon>, text: &str) -> Self {
        let found = canon.map(|canon| canon.why(text)).unwrap_or_default();
        let matches = found
            .into_iter()
            .map(|(line, place)| CanonMatch { line: line as u64, place: CanonPlace::from(place) });
        CanonWhy { matches: matches.collect() }
    }
}

impl From<&CanonLine> for CanonPlace {
    fn from(line: &CanonLine) -> Self {
        CanonPlace {
            file: line.file.to_string(),
            file_line: line.file_line as u64,
            level: line.level.name().to_owned(),
            clause: line.clause.to_string(),
        }
    }
}

impl From<&Finding> for CanonFinding {
    fn from(finding: &Finding) -> Self {
        CanonFinding { lint: finding.lint.name().to_owned(), problem: FileProblem::from(&finding.problem) }
    }
}
