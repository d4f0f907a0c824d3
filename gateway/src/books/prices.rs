//! The prices in force: the home's own catalogue where there is one, else the shipped one.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use zos_core::fleet::Billing;
use zos_core::{Home, ModelPrice, Problem, Provider};
use zos_meter::{Catalogue, CatalogueError, Day, Price, Rate, Tiered};

/// How long a look at the file is good for: `zos models update` is in force that soon.
/// The largest catalogue that is read; the shipped one is some hundred kilobytes.
const FILE_BYTES: usize = 16 << 20;

/// How long the file is believed to be unchanged without looking.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why the home's own catalogue cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PricesError {
    /// It cannot be read.
    #[error("routing/prices.json cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// It is no catalogue.
    #[error("routing/prices.json: {0}")]
    Catalogue(#[from] CatalogueError),
}

/// Where a home keeps a catalogue of its own.
#[must_use]
pub fn file(home: &Home) -> PathBuf {
    home.root().join("routing").join("prices.json")
}

/// What is wrong with the home's own catalogue, if anything is.
#[must_use]
pub fn problem(home: &Home) -> Option<Problem> {
    let error = load(home).err()?;
    let fix =
        "fix it, or delete it and the prices that come with zOS hold; `zos models update` makes it anew";
    let wrong = |message: String| Problem::error("routing/prices.json", message, fix);
    Some(match error {
        PricesError::Read(error) => wrong(format!("the file cannot be read: {error}")),
        PricesError::Catalogue(CatalogueError::Shape { line, column, message }) => {
            // The place is in the problem already, so it is cut from the sentence.
            let sentence = message.split(" at line ").next().unwrap_or_default();
            wrong(format!("this is no catalogue of prices: {sentence}")).at(line.max(1), column.max(1))
        }
        PricesError::Catalogue(error) => {
            let line = match &error {
                CatalogueError::Entry { provider, model, .. } => line_of(home, [provider, model]),
                _ => 1,
            };
            wrong(error.to_string()).at(line, 1)
        }
    })
}

/// The line where these ids stand one after the other; an entry that makes no sense has no other place.
fn line_of(home: &Home, ids: [&str; 2]) -> usize {
    let text = text(home).unwrap_or_default();
    let at = ids.iter().fold(0, |from, id| {
        let quoted = serde_json::Value::from(*id).to_string();
        text[from..].find(&quoted).map_or(from, |step| from + step)
    });
    1 + text[..at].matches('\n').count()
}

/// Reads the home's own catalogue; `None` where it has none, and the shipped one holds.
///
/// # Errors
/// When it cannot be read or is no catalogue.
pub fn load(home: &Home) -> Result<Option<Catalogue>, PricesError> {
    match text(home) {
        Ok(text) => Ok(Some(Catalogue::parse(&text)?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn text(home: &Home) -> std::io::Result<String> {
    String::from_utf8(zos_seal::read_regular(&file(home), FILE_BYTES)?).map_err(std::io::Error::other)
}

/// The catalogue in force, which follows the file.
pub(crate) struct Prices {
    home: Home,
    current: Mutex<Current>,
}

struct Current {
    catalogue: Option<Arc<Catalogue>>,
    looked: Option<Instant>,
    /// Time and size of the file when it was read; `None` without a file.
    stamp: Option<(Option<SystemTime>, u64)>,
}

impl Prices {
    pub(crate) fn new(home: Home) -> Self {
        Self { home, current: Mutex::new(Current { catalogue: None, looked: None, stamp: None }) }
    }

    /// The catalogue now. A file that breaks leaves the last good one in force.
    pub(crate) fn catalogue(&self) -> Arc<Catalogue> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
            current.looked = Some(Instant::now());
            let stamp = std::fs::metadata(file(&self.home)).ok();
            let stamp = stamp.map(|file| (file.modified().ok(), file.len()));
            if stamp != current.stamp || current.catalogue.is_none() {
                current.stamp = stamp;
                match load(&self.home) {
                    Ok(own) => current.catalogue = own.map(Arc::new),
                    Err(error) => tracing::warn!(%error, "the prices before it stay in force"),
                }
            }
        }
        current.catalogue.get_or_insert_with(Catalogue::shipped).clone()
    }

    /// What a model costs in a context; `None` when nobody knows.
    ///
    /// The context's own prices go first, by the name that was asked for or the one that was sent; what
    /// is built in costs nothing, and neither does what a plan pays for.
    pub(crate) fn price(
        &self,
        own: &[ModelPrice],
        provider: &Provider,
        names: Names<'_>,
        day: Day,
    ) -> Option<Arc<Price>> {
        if let Some(stated) = own.iter().find(|price| names.fit(|name| price.models.matches(name))) {
            let flat = |rate: u64| Some(Tiered::flat(Rate(rate)));
            return Some(Arc::new(Price {
                cache_read: stated.cache_read.and_then(flat),
                cache_write: stated.cache_write.and_then(flat),
                ..Price::flat(Rate(stated.input), Rate(stated.output))
            }));
        }
        if provider.is_demo() || provider.billing == Billing::Plan {
            return Some(Arc::new(Price::free()));
        }
        let url = provider.base_url.as_ref().map(url::Url::as_str);
        self.catalogue().price(&provider.name, url, names.sent, day)
    }
}

/// The two names of a model: an alias is no way around a limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names<'a> {
    /// As the client asked for it.
    pub(crate) asked: &'a str,
    /// As the provider knows it.
    pub(crate) sent: &'a str,
}

impl Names<'_> {
    pub(crate) fn fit(self, fits: impl Fn(&str) -> bool) -> bool {
        fits(self.asked) || fits(self.sent)
    }
}
