//! The listener, the providers, and an environment that could send calls in a circle.

use super::Check;
use crate::admin::{Admin, Ask, Running, reachable};
use crate::failure::Result;
use crate::output::Members;
use crate::{listening, opening, port};
use serde_json::Value;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;
use zos_core::{Environment, Home};
use zos_gateway::config::Config;

/// How long a port of this machine may take to answer.
const KNOCK: Duration = Duration::from_millis(500);

/// Whether something answers on the address, and whether it is the zOS of this home.
pub(super) fn listener(home: &Home, admin: &Admin) -> Result<Vec<Check>> {
    let Some(address) = address(home) else { return Ok(Vec::new()) };
    Ok(match admin.running()? {
        Running::Yes(_) => {
            let status = admin.ask_or(&Ask::get(&["status"]), || Ok(Value::Null))?;
            let problems = status["health"].list("problems").iter().filter_map(Value::as_str);
            let unwell = problems.map(|problem| {
                Check::problem(
                    "health",
                    problem,
                    "See the program's own log; `zos lint` and `zos status` tell more.",
                )
            });
            let paused = status["shield"].flag("paused").then(|| {
                Check::note(
                    "shield",
                    "The shield is paused: rules only report.",
                    "Resume it: zos shield resume, or in the tray or on the screens.",
                )
            });
            let listens = Check::ok(
                "listener",
                format!("zOS {} answers on {}", status.text("version"), status.text("address")),
            );
            std::iter::once(listens).chain(unwell).chain(paused).collect()
        }
        Running::Deaf(why) => {
            let fix = match port::holders(address.port()).first() {
                Some(holder) => format!(
                    "The port is held by {holder}. End it and restart zOS, or set another `listen` in gateway/config.yml."
                ),
                None => "Restart zOS; its own log says why it does not listen.".to_owned(),
            };
            vec![Check::problem("listener", why.as_str(), fix)]
        }
        Running::No if TcpStream::connect_timeout(&reachable(address), KNOCK).is_ok() => {
            let by = port::holders(address.port())
                .first()
                .map_or_else(|| "another program".to_owned(), ToString::to_string);
            let message =
                format!("zOS does not run on this home, and port {} is taken by {by}.", address.port());
            vec![Check::problem(
                "listener",
                message,
                "End that program, or set another `listen` in gateway/config.yml. Another zOS has another home: ZOS_HOME or --home.",
            )]
        }
        Running::No => vec![Check::note(
            "listener",
            format!("zOS does not run; nothing listens on {address}."),
            "Start it: zos serve, or the desktop app.",
        )],
    })
}

/// Where the listener is, or would be. A broken configuration is told by another check.
fn address(home: &Home) -> Option<SocketAddr> {
    let announced =
        listening::announced(home).filter(|listening| !port::holders(listening.address.port()).is_empty());
    announced
        .map(|listening| listening.address)
        .or_else(|| Config::load(home).ok().map(|config| config.listen))
}

/// Addresses of providers that lead back to ourselves, and proxies on the way out.
pub(super) fn environment(home: &Home, _: &Admin) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    let own = address(home);
    let environment = Environment::capture();
    for (name, value) in [
        ("ANTHROPIC_BASE_URL", environment.anthropic_base_url),
        ("OPENAI_BASE_URL", environment.openai_base_url),
    ] {
        let Some(value) = value else { continue };
        let leads_back =
            reqwest::Url::parse(value.trim()).is_ok_and(|url| own.is_some_and(|own| is_own(&url, own)));
        checks.push(if leads_back {
            let fix = format!("Unset {name} where zOS is started, and set it only for the AI clients.");
            Check::problem(
                "environment",
                format!("{name} points at zOS itself, so its calls would go in a circle."),
                fix,
            )
        } else {
            Check::note(
                "environment",
                format!("{name} is set: zOS sends the calls of that provider there."),
                format!("If that is not meant, unset {name} where zOS is started."),
            )
        });
    }
    for provider in opening::brain(home)?.snapshot().fleet.providers() {
        let (Some(url), Some(own)) = (&provider.base_url, own) else { continue };
        if is_own(url, own) && !checks.iter().any(|check| check.state == super::State::Problem) {
            let message =
                format!("The provider {} is zOS itself, so its calls would go in a circle.", provider.name);
            checks.push(Check::problem(
                "environment",
                message,
                "Give it the provider's own base_url in routing/fleet.yml.",
            ));
        }
    }
    if checks.is_empty() {
        checks.push(Check::ok("environment", "no variable leads calls astray"));
    }
    Ok(checks)
}

/// Whether an address is the listener's own.
fn is_own(url: &reqwest::Url, own: SocketAddr) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_here = host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.to_canonical().is_loopback() || ip.is_unspecified() || ip == own.ip());
    is_here && url.port_or_known_default() == Some(own.port())
}

/// Providers that have no key.
pub(super) fn providers(home: &Home, admin: &Admin) -> Result<Vec<Check>> {
    let providers = crate::providers::all(home, admin)?;
    let mut checks = Vec::new();
    let mut ready = Vec::new();
    for provider in providers.list("providers") {
        let id = provider.text("id");
        match provider.text("key") {
            "missing" => {
                let fix = if provider.flag("key_writable") {
                    format!("If clients send none of their own: zos providers key set {id}")
                } else {
                    format!("If clients send none of their own, set ${}.", provider.text("key_name"))
                };
                checks.push(Check::note("provider", format!("{id} has no key here."), fix));
            }
            "unavailable" => checks.push(Check::note(
                "provider",
                format!("Whether {id} has a key is unknown: the keychain does not answer."),
                "See the keychain above, or set the key as an environment variable.",
            )),
            "not_allowed" | "refused" | "failed" => checks.push(command(admin, id, provider)?),
            _ => ready.push(id),
        }
    }
    if !ready.is_empty() {
        checks.insert(0, Check::ok("provider", format!("ready: {}", ready.join(", "))));
    }
    for provider in opening::brain(home)?.snapshot().fleet.providers() {
        if let Some(ca) = &provider.ca
            && !home.root().join(ca).is_file()
        {
            let message =
                format!("{} names certificates that are not there: {}.", provider.name, ca.display());
            checks.push(Check::problem(
                "provider",
                message,
                "Put the PEM file there, or change `ca` in routing/fleet.yml; a relative path begins at the home.",
            ));
        }
    }
    if let Some(problem) = opening::brain(home)?.snapshot().fleet.broken() {
        let message = format!("{problem}. Without a version of it that loads, hard rooms reach no provider.");
        checks.insert(0, Check::problem("provider", message, "Fix the file; what runs takes it up at once."));
    }
    Ok(checks)
}

/// A command that gives no key, with what it complained: only here is that shown.
fn command(admin: &Admin, id: &str, provider: &Value) -> Result<Check> {
    // Only the zOS that runs has run it.
    let state = admin.ask_or(&Ask::get(&["providers", id, "command"]), || Ok(Value::Null))?;
    let complaint = match state.text("stderr") {
        "" => String::new(),
        stderr => format!(" It complained: {}", stderr.lines().collect::<Vec<_>>().join(" / ")),
    };
    let message = format!("{id} has no key. {}{complaint}", provider.text("reason"));
    Ok(match (provider.text("key"), state.text("hint")) {
        ("not_allowed", _) => Check::note(
            "provider",
            message,
            format!("See what would run, and allow it: zos providers allow {id}"),
        ),
        (_, "") => Check::problem("provider", message, "See `key` of that provider in routing/fleet.yml."),
        (_, hint) if hint.contains("zos doctor") => Check::problem(
            "provider",
            message,
            "Run the command yourself as `key` of that provider in routing/fleet.yml names it.",
        ),
        (_, hint) => Check::problem("provider", message, hint),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_address_is_known_by_every_name() {
        let own: SocketAddr = "127.0.0.1:8788".parse().unwrap();
        let leads_back = |url: &str| is_own(&reqwest::Url::parse(url).unwrap(), own);
        for url in [
            "http://127.0.0.1:8788",
            "http://localhost:8788/v1",
            "http://LOCALHOST:8788",
            "http://[::1]:8788/",
            "http://0.0.0.0:8788",
        ] {
            assert!(leads_back(url), "{url}");
        }
        for url in [
            "http://127.0.0.1:8789",
            "https://api.anthropic.com",
            "http://10.0.0.1:8788",
            "http://localhost.example:8788",
        ] {
            assert!(!leads_back(url), "{url}");
        }
    }
}
