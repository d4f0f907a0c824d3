//! `zos models prices` and `zos models update`: the catalogue of published prices.

use crate::failure::{Failure, Outcome, Result};
use crate::output::{Cell, Output, grouped};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use zos_core::{Code, Home};
use zos_gateway::prices;
use zos_meter::Catalogue;

/// Says where the prices in force come from.
pub(crate) fn show(home: &Home, output: &mut Output) -> Result<Outcome> {
    let own = prices::load(home).map_err(|error| {
        Failure::failed(Code::PricesBroken, format!("The prices of this home cannot be used: {error}."))
            .hint("Put others in place: `zos models update --from FILE`, or `zos models update --shipped`.")
    })?;
    let is_shipped = own.is_none();
    tell(&own.map_or_else(Catalogue::shipped, Arc::new), is_shipped, output)?;
    Ok(Outcome::Fine)
}

/// Puts another catalogue in place; without a file, the shipped one.
pub(crate) fn update(home: &Home, from: Option<&Path>, output: &mut Output) -> Result<Outcome> {
    let Some(from) = from else {
        match std::fs::remove_file(prices::file(home)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Failure::environment(&error));
            }
            _ => {}
        }
        tell(&Catalogue::shipped(), true, output)?;
        return Ok(Outcome::Fine);
    };
    let text = std::fs::read_to_string(from).map_err(|error| {
        Failure::wrong(Code::InvalidRequest, format!("{} cannot be read: {error}.", from.display()))
    })?;
    let catalogue = Catalogue::parse(&text).map_err(|error| {
        Failure::failed(Code::InvalidRequest, format!("{}: {error}.", from.display()))
            .hint("Nothing was changed. It takes the data.json of genai-prices, or a file of that shape.")
    })?;
    let place = prices::file(home);
    if let Some(folder) = place.parent() {
        std::fs::create_dir_all(folder).map_err(|error| Failure::environment(&error))?;
    }
    zos_seal::atomic_write(&place, text.as_bytes(), 0o600).map_err(|error| Failure::environment(&error))?;
    tell(&catalogue, false, output)?;
    Ok(Outcome::Fine)
}

fn tell(catalogue: &Catalogue, is_shipped: bool, output: &mut Output) -> Result<()> {
    let date = catalogue.date().map(|date| date.to_string());
    if output.is_json() {
        return output.json(&json!({
            "source": catalogue.source(), "date": date, "sha256": catalogue.digest(),
            "models": catalogue.len(), "shipped": is_shipped,
        }));
    }
    let place = if is_shipped { "shipped with this version" } else { "routing/prices.json" };
    output.facts(&[
        ("Source", Cell::from(catalogue.source())),
        ("Date", Cell::from(date.as_deref().unwrap_or("not stated"))),
        ("SHA-256", Cell::from(catalogue.digest())),
        ("Models", Cell::from(grouped(catalogue.len() as u64))),
        ("From", Cell::from(place)),
    ])
}
