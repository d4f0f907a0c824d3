//! Model servers that answer on this machine: what a person may want in the fleet.
//!
//! Only known ports of loopback are asked, all at once, each for at most a second and some kilobytes, with no credential.
//! Nothing is written.

use super::lists;
use super::{AnswerBody, Source, install_tls};
use futures::StreamExt;
use futures::stream;
use serde::Serialize;
use std::time::Duration;

/// Ports on which model servers usually listen, each with the preset for what does.
const USUAL: &[(u16, &str)] = &[
    (11434, "ollama"),
    (1234, "lm-studio"),
    (8080, "llama.cpp"),
    (8000, "vllm"),
    (1337, ""),
    (4891, ""),
    (5000, ""),
    (5001, ""),
    (8081, "llama.cpp"),
    (30000, ""),
];

/// The most ports that are asked at once, and in all.
const AT_ONCE: usize = 16;
/// See [`AT_ONCE`].
const PORTS_LIMIT: usize = 64;

/// How long one server may take.
const WAIT: Duration = Duration::from_secs(1);

/// Models that are named of one server.
const NAMED: usize = 5;

/// A server that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Its port on loopback.
    pub port: u16,
    /// Preset that fits; empty where none is known to.
    pub preset: String,
    /// Name that it could have in the fleet.
    pub name: String,
    /// Address of its API.
    pub base_url: String,
    /// How many models it lists.
    pub models: usize,
    /// Some of them.
    pub some: Vec<String>,
    /// Line for `providers` of routing/fleet.yml.
    pub line: String,
}

/// Asks the usual ports and `more`, but for those of `own`, where zOS itself listens.
///
/// # Errors
/// When no HTTP client can be made.
pub async fn discover(more: &[u16], own: &[u16]) -> Result<Vec<Found>, reqwest::Error> {
    let mut ports: Vec<(u16, &str)> = USUAL.to_vec();
    ports.extend(more.iter().map(|port| (*port, "")));
    ask(ports, own).await
}

/// Asks `only` these ports.
///
/// # Errors
/// When no HTTP client can be made.
pub async fn discover_at(only: &[u16], own: &[u16]) -> Result<Vec<Found>, reqwest::Error> {
    ask(only.iter().map(|port| (*port, usual(*port))).collect(), own).await
}

fn usual(port: u16) -> &'static str {
    USUAL.iter().find(|(known, _)| *known == port).map_or("", |(_, preset)| preset)
}

async fn ask(mut ports: Vec<(u16, &str)>, own: &[u16]) -> Result<Vec<Found>, reqwest::Error> {
    install_tls();
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(WAIT)
        .build()?;
    let mut seen = Vec::new();
    ports.retain(|(port, _)| {
        let is_new = !seen.contains(port);
        seen.push(*port);
        *port != 0 && is_new && !own.contains(port)
    });
    ports.truncate(PORTS_LIMIT);
    let asked = stream::iter(ports).map(|(port, preset)| knock(&client, port, preset));
    let mut found: Vec<Found> =
        asked.buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await;
    found.sort_by_key(|found| found.port);
    Ok(named_apart(found))
}

/// What answers on a port, where that lists models. A zOS is none: its models are those of the others.
async fn knock(client: &reqwest::Client, port: u16, preset: &str) -> Option<Found> {
    let base_url = format!("http://127.0.0.1:{port}/v1");
    let response = client.get(format!("{base_url}/models")).send().await.ok()?;
    let is_zos = response.headers().keys().any(|name| name.as_str().starts_with("x-zos-"));
    if !response.status().is_success() || is_zos {
        return None;
    }
    let mut body = AnswerBody {
        source: Source::Http(Box::new(response)),
        decoder: None,
        idle_timeout: WAIT,
        is_over: false,
        ahead: None,
    };
    let ids = lists::read_list(&mut body).await?;
    let name = if preset.is_empty() { "local" } else { preset };
    Some(Found {
        port,
        preset: preset.to_owned(),
        name: name.to_owned(),
        base_url,
        models: ids.len(),
        some: ids.into_iter().take(NAMED).collect(),
        line: String::new(),
    })
}

/// Gives each a name of its own, and writes its line.
fn named_apart(mut found: Vec<Found>) -> Vec<Found> {
    for index in 0..found.len() {
        let is_taken = found[..index].iter().any(|earlier| earlier.name == found[index].name);
        let one = &mut found[index];
        if is_taken || one.preset.is_empty() {
            one.name = format!("{}-{}", one.name, one.port);
        }
        let (name, base_url) = (&one.name, &one.base_url);
        one.line = match usual_port(&one.preset) {
            Some(port) if port == one.port => format!("{name}: {{preset: {}}}", one.preset),
            Some(_) => format!("{name}: {{preset: {}, base_url: \"{base_url}\"}}", one.preset),
            None => format!("{name}: {{api: openai, base_url: \"{base_url}\", key: none}}"),
        };
    }
    found
}

fn usual_port(preset: &str) -> Option<u16> {
    let known = USUAL.iter().find(|(_, name)| !preset.is_empty() && *name == preset);
    known.map(|(port, _)| *port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use zos_core::Environment;
    use zos_core::fleet::parse_fleet;

    fn found(port: u16, preset: &str) -> Found {
        let name = if preset.is_empty() { "local" } else { preset };
        Found {
            port,
            preset: preset.to_owned(),
            name: name.to_owned(),
            base_url: format!("http://127.0.0.1:{port}/v1"),
            models: 1,
            some: Vec::new(),
            line: String::new(),
        }
    }

    #[test]
    fn every_line_is_one_that_the_fleet_reads_and_leads_to_that_port() {
        let all = USUAL.iter().map(|(port, preset)| found(*port, preset)).collect();
        let all = named_apart(all);
        let lines: String = all.iter().map(|one| format!("  {}\n", one.line)).collect();
        let parsed =
            parse_fleet(Some(format!("version: 1\nproviders:\n{lines}").as_bytes()), &Environment::default());
        assert!(parsed.problems.is_empty(), "{lines}{:#?}", parsed.problems);
        let fleet = parsed.fleet.unwrap();
        for one in &all {
            let provider = fleet.provider(&one.name).unwrap_or_else(|| panic!("{lines}"));
            assert_eq!(provider.base_url.as_ref().unwrap().port(), Some(one.port), "{}", one.line);
        }
        assert!(lines.contains("  ollama: {preset: ollama}\n"), "{lines}");
    }
}
