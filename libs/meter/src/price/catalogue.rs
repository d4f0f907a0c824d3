//! Catalogue of published prices of models, with its source, date and digest.
//!
//! The shape is that of the `genai-prices` project's `data.json` (MIT), bare or under `providers` with
//! `source`, `date` and `sha256` beside it. Prices that hold from a day on are followed; of prices that change
//! with the hour the higher holds all day, because a budget that is guessed too low is overspent.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use serde_json::{Number, Value};
use sha2::{Digest, Sha256};

use super::{Price, Rate, Terms, Tiered};
use crate::{Day, Tier};

/// Catalogue that ships with this version.
const SHIPPED: &str = include_str!("../../data/prices.json");

/// A file larger than this is no catalogue.
const MAX_BYTES: usize = 32 << 20;

/// Answers kept ready. Names of models come from outside, so there is an end to it.
const MAX_KEPT: usize = 1_024;

/// Published prices.
#[derive(Debug)]
pub struct Catalogue {
    source: String,
    date: Option<Day>,
    digest: String,
    providers: Vec<Provider>,
    kept: Mutex<HashMap<Question, Option<Arc<Price>>>>,
}

/// Name and address of the provider, the model, the day.
type Question = (String, Option<String>, String, Day);

/// Why a text is no catalogue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// It is not JSON, or not of this shape.
    #[error("line {line}, column {column}: this is no catalogue of prices: {message}")]
    Shape {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// Error of the parser.
        message: String,
    },
    /// One of its entries makes no sense.
    #[error("provider \"{provider}\", model \"{model}\": {message}")]
    Entry {
        /// Id of the provider.
        provider: String,
        /// Id of the model; empty when it is about the provider.
        model: String,
        /// The fault, as a part of a sentence.
        message: String,
    },
    /// It names no price at all.
    #[error("it holds no prices")]
    Empty,
    /// It is larger than any catalogue.
    #[error("it is larger than {} MiB", MAX_BYTES >> 20)]
    TooLarge,
}

impl Catalogue {
    /// The catalogue that ships with this version; read at the first use.
    #[must_use]
    pub fn shipped() -> Arc<Self> {
        static SHIPPED_ONCE: OnceLock<Arc<Catalogue>> = OnceLock::new();
        let read = || Arc::new(Self::parse(SHIPPED).expect("a test reads the shipped catalogue"));
        Arc::clone(SHIPPED_ONCE.get_or_init(read))
    }

    /// Reads a catalogue.
    ///
    /// # Errors
    /// When it is none, with the place; a catalogue is taken whole or not at all.
    pub fn parse(text: &str) -> Result<Self, CatalogueError> {
        if text.len() > MAX_BYTES {
            return Err(CatalogueError::TooLarge);
        }
        let shape = |error: serde_json::Error| CatalogueError::Shape {
            line: error.line(),
            column: error.column(),
            message: error.to_string().split(" at line ").next().unwrap_or_default().to_owned(),
        };
        let is_bare = text.trim_start().starts_with('[');
        let file: File = if is_bare {
            File { providers: serde_json::from_str(text).map_err(shape)?, ..File::default() }
        } else {
            serde_json::from_str(text).map_err(shape)?
        };
        let providers = file.providers.into_iter().map(Provider::read).collect::<Result<Vec<_>, _>>()?;
        if providers.iter().all(|provider| provider.models.is_empty()) {
            return Err(CatalogueError::Empty);
        }
        Ok(Self {
            source: file.source.unwrap_or_else(|| "genai-prices data".to_owned()),
            date: file.date,
            digest: hex::encode(Sha256::digest(text)),
            providers,
            kept: Mutex::default(),
        })
    }

    /// Source of the prices.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The day they were taken, where the file says so.
    #[must_use]
    pub fn date(&self) -> Option<Day> {
        self.date
    }

    /// SHA-256 of the file, in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Number of models with a price.
    #[must_use]
    pub fn len(&self) -> usize {
        self.providers.iter().map(|provider| provider.models.len()).sum()
    }

    /// Whether no model has a price.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The price of a model on a day, at the provider of this name or of this address. `None`: unknown.
    ///
    /// An address that the catalogue knows decides; a provider at another address (a proxy, a test) is
    /// known by its name.
    #[must_use]
    pub fn price(&self, provider: &str, base_url: Option<&str>, model: &str, day: Day) -> Option<Arc<Price>> {
        let key = (provider.to_owned(), base_url.map(str::to_owned), model.to_owned(), day);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get(&key) {
            return known.clone();
        }
        let found = self.find(provider, base_url, model, day).map(Arc::new);
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(key, found.clone());
        found
    }

    fn find(&self, name: &str, base_url: Option<&str>, model: &str, day: Day) -> Option<Price> {
        let by_address = || self.providers.iter().find(|one| base_url.is_some_and(|url| one.is_at(url)));
        let by_name = || self.providers.iter().find(|one| one.id.eq_ignore_ascii_case(name));
        let provider = by_address().or_else(by_name)?;
        let model = model.to_lowercase();
        let fallbacks = provider.fallbacks.iter();
        let others = fallbacks.filter_map(|id| self.providers.iter().find(|other| other.id == *id));
        let found = [provider].into_iter().chain(others).find_map(|one| one.model(&model))?;
        found.on(day)
    }
}

#[derive(Debug)]
struct Provider {
    id: String,
    api_pattern: Lazy,
    fallbacks: Vec<String>,
    models: Vec<Model>,
}

#[derive(Debug)]
struct Model {
    clause: Clause,
    /// Prices with the day from which each holds, in the order of the file: the last that holds counts.
    prices: Vec<(Option<Day>, Price)>,
    /// Prices that differ at other terms; of two that hold on a day the first counts.
    variants: Vec<Variant>,
}

/// Rates at other terms than those of the list price.
#[derive(Debug)]
struct Variant {
    tier: Tier,
    /// The day from which on it holds.
    start: Option<Day>,
    /// Rates that differ.
    rates: Price,
}

impl Provider {
    fn read(raw: RawProvider) -> Result<Self, CatalogueError> {
        let wrong = |model: &str, message: String| CatalogueError::Entry {
            provider: raw.id.clone(),
            model: model.to_owned(),
            message,
        };
        let mut models = Vec::new();
        for model in raw.models {
            let prices = model.prices.read().map_err(|message| wrong(&model.id, message))?;
            model.clause.check().map_err(|message| wrong(&model.id, message))?;
            let variants = model.price_variants.into_iter().filter_map(RawVariant::read);
            let variants =
                variants.collect::<Result<Vec<_>, _>>().map_err(|message| wrong(&model.id, message))?;
            if !prices.is_empty() {
                models.push(Model { clause: model.clause, prices, variants });
            }
        }
        let api_pattern = Lazy::new(raw.api_pattern.clone().unwrap_or_default());
        api_pattern.check().map_err(|message| wrong("", message))?;
        Ok(Self { api_pattern, fallbacks: raw.fallback_model_providers, models, id: raw.id })
    }

    fn is_at(&self, url: &str) -> bool {
        !self.api_pattern.source.is_empty() && self.api_pattern.matches_start(url)
    }

    fn model(&self, name: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.clause.matches(name))
    }
}

impl Model {
    fn on(&self, day: Day) -> Option<Price> {
        let holds = |start: &Option<Day>| start.is_none_or(|start| start <= day);
        let last = self.prices.iter().rev().find(|(start, _)| holds(start)).or(self.prices.first());
        let mut price = last.map(|(_, price)| price.clone())?;
        let mut terms = BTreeMap::new();
        for variant in self.variants.iter().filter(|variant| holds(&variant.start)) {
            terms.entry(variant.tier).or_insert_with(|| price.overlaid(&variant.rates));
        }
        price.terms = Terms::Published(terms);
        Some(price)
    }
}

/// A pattern that is compiled when it is first needed: most never are.
///
/// The engine cannot look ahead; of that the data knows only one form, a whole pattern of `^(?!…)`, which is
/// the pattern inside turned round.
#[derive(Debug, Deserialize)]
#[serde(from = "String")]
struct Lazy {
    source: String,
    is_negated: bool,
    compiled: OnceLock<Option<Regex>>,
}

impl From<String> for Lazy {
    fn from(source: String) -> Self {
        Self::new(source)
    }
}

impl Lazy {
    fn new(source: String) -> Self {
        let inside = source.strip_prefix("^(?!").and_then(|rest| rest.strip_suffix(')'));
        let inside = inside.map(|inside| format!("^(?:{inside})"));
        let is_negated = inside.is_some();
        Self { source: inside.unwrap_or(source), is_negated, compiled: OnceLock::new() }
    }

    /// Whether it is well formed, without the price of compiling it.
    fn check(&self) -> Result<(), String> {
        let is_sound = self.source.len() <= 1_024 && regex_syntax::Parser::new().parse(&self.source).is_ok();
        is_sound.then_some(()).ok_or_else(|| "a pattern cannot be read".to_owned())
    }

    fn compiled(&self) -> Option<&Regex> {
        let compile =
            || RegexBuilder::new(&self.source).case_insensitive(true).size_limit(1 << 20).build().ok();
        self.compiled.get_or_init(compile).as_ref()
    }

    fn matches(&self, text: &str) -> bool {
        self.compiled().is_some_and(|pattern| pattern.is_match(text) != self.is_negated)
    }

    fn matches_start(&self, text: &str) -> bool {
        self.compiled().and_then(|pattern| pattern.find(text)).is_some_and(|found| found.start() == 0)
    }
}

/// Condition on the names of models that an entry is about. Names are compared in lower case.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Clause {
    Equals(String),
    StartsWith(String),
    EndsWith(String),
    Contains(String),
    Regex(Lazy),
    Or(Vec<Clause>),
    And(Vec<Clause>),
}

impl Clause {
    fn check(&self) -> Result<(), String> {
        match self {
            Self::Regex(pattern) => pattern.check(),
            Self::Or(clauses) | Self::And(clauses) => clauses.iter().try_for_each(Self::check),
            _ => Ok(()),
        }
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Equals(text) => text.to_lowercase() == name,
            Self::StartsWith(text) => name.starts_with(&text.to_lowercase()),
            Self::EndsWith(text) => name.ends_with(&text.to_lowercase()),
            Self::Contains(text) => name.contains(&text.to_lowercase()),
            Self::Regex(pattern) => pattern.matches(name),
            Self::Or(clauses) => clauses.iter().any(|clause| clause.matches(name)),
            Self::And(clauses) => clauses.iter().all(|clause| clause.matches(name)),
        }
    }
}

#[derive(Deserialize, Default)]
struct File {
    source: Option<String>,
    date: Option<Day>,
    providers: Vec<RawProvider>,
}

#[derive(Deserialize)]
struct RawProvider {
    id: String,
    api_pattern: Option<String>,
    #[serde(default)]
    fallback_model_providers: Vec<String>,
    models: Vec<RawModel>,
}

#[derive(Deserialize)]
struct RawModel {
    id: String,
    #[serde(rename = "match")]
    clause: Clause,
    prices: RawPrices,
    #[serde(default)]
    price_variants: Vec<RawVariant>,
}

/// Rates that hold under a condition.
#[derive(Deserialize)]
struct RawVariant {
    when: BTreeMap<String, String>,
    #[serde(default)]
    constraint: Option<RawConstraint>,
    prices: BTreeMap<String, Value>,
}

impl RawVariant {
    /// `None` for a condition that is not about terms.
    fn read(self) -> Option<Result<Variant, String>> {
        let mut when = self.when.iter().map(|(key, word)| (key.as_str(), word.as_str()));
        let tier = match (when.next(), when.next()) {
            (Some(("service_tier", word)), None) => Tier::named(word).filter(|tier| *tier != Tier::Other)?,
            (Some(("processing", "batch")), None) => Tier::Batch,
            _ => return None,
        };
        let start = match self.constraint {
            None => None,
            // By the hour, at terms of its own: unknown is better than one of its two prices.
            Some(RawConstraint { start_date: None }) => return None,
            Some(RawConstraint { start_date }) => start_date,
        };
        Some(read_price(&self.prices).map(|rates| Variant { tier, start, rates }))
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawPrices {
    Always(BTreeMap<String, Value>),
    Changing(Vec<RawConditional>),
}

#[derive(Deserialize)]
struct RawConditional {
    #[serde(default)]
    constraint: Option<RawConstraint>,
    prices: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct RawConstraint {
    start_date: Option<Day>,
}

#[derive(Deserialize)]
struct RawTiered {
    base: Number,
    tiers: Vec<RawTier>,
}

#[derive(Deserialize)]
struct RawTier {
    start: u64,
    price: Number,
}

impl RawPrices {
    fn read(self) -> Result<Vec<(Option<Day>, Price)>, String> {
        let conditional = match self {
            Self::Always(prices) => vec![RawConditional { constraint: None, prices }],
            Self::Changing(conditional) => conditional,
        };
        let mut prices: Vec<(Option<Day>, Price)> = Vec::new();
        for one in conditional {
            let price = read_price(&one.prices)?;
            match (&one.constraint, prices.last_mut()) {
                // By the hour: no day of its own, so it joins the price before it.
                (Some(RawConstraint { start_date: None }), Some((_, before))) => {
                    *before = before.or_higher(&price)
                }
                (constraint, _) => {
                    let start = constraint.as_ref().and_then(|constraint| constraint.start_date);
                    prices.push((start, price));
                }
            }
        }
        prices.retain(|(_, price)| *price != Price::default());
        Ok(prices)
    }
}

fn read_price(stated: &BTreeMap<String, Value>) -> Result<Price, String> {
    let kind = |key: &str| match stated.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => tiered(value).map(Some).ok_or_else(|| format!("`{key}` is not a price")),
    };
    Ok(Price {
        input: kind("input_mtok")?,
        output: kind("output_mtok")?,
        cache_read: kind("cache_read_mtok")?,
        cache_write: kind("cache_write_mtok")?,
        cache_write_1h: kind("cache_write_1h_mtok")?,
        audio_input: kind("input_audio_mtok")?,
        audio_output: kind("output_audio_mtok")?,
        terms: Terms::default(),
    })
}

fn tiered(value: &Value) -> Option<Tiered> {
    // The digits as written: the shortest text of a double gives back any price of up to 15 digits.
    let rate = |number: &Number| number.to_string().parse::<Rate>().ok();
    match value {
        Value::Number(number) => rate(number).map(Tiered::flat),
        Value::String(text) => text.parse().ok().map(Tiered::flat),
        Value::Object(_) => {
            let raw: RawTiered = serde_json::from_value(value.clone()).ok()?;
            let tiers = raw.tiers.iter().map(|tier| Some((tier.start, rate(&tier.price)?)));
            Some(Tiered::with_tiers(rate(&raw.base)?, tiers.collect::<Option<_>>()?))
        }
        _ => None,
    }
}

/// Patterns that cannot be compiled, by name of provider or model.
#[cfg(test)]
pub(super) fn broken_patterns(catalogue: &Catalogue) -> Vec<String> {
    fn look(clause: &Clause, broken: &mut Vec<String>) {
        match clause {
            Clause::Regex(pattern) if pattern.compiled().is_none() => broken.push(pattern.source.clone()),
            Clause::Or(clauses) | Clause::And(clauses) => {
                clauses.iter().for_each(|inner| look(inner, broken))
            }
            _ => {}
        }
    }
    let mut broken = Vec::new();
    for provider in &catalogue.providers {
        look(&Clause::Regex(Lazy::new(provider.api_pattern.source.clone())), &mut broken);
        provider.models.iter().for_each(|model| look(&model.clause, &mut broken));
    }
    broken
}
