//! `zos serve`: the gateway without a window.
//!
//! It says on standard output where everything is, and on standard error what happens. The first signal
//! lets calls in progress finish, a second one cuts them, a third one ends the process.

mod greeting;
mod signals;

use crate::admin::{in_use, turn};
use crate::failure::{Failure, Outcome, Result, sentence};
use crate::output::{Output, colour_is_wanted, errors_are_read, note};
use crate::session::Session;
use crate::{listening, opening, port};
use clap::Args;
use signals::Signals;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tracing_subscriber::EnvFilter;
use zos_core::{Code, Home};
use zos_gateway::BindError;
use zos_gateway::config::Config;
use zos_gateway::{House, Server};

/// Run the gateway, without a window
#[derive(Args)]
pub(crate) struct Command {
    /// Listen here instead of where gateway/config.yml says; port 0 takes a free one
    #[arg(long, value_name = "ADDR", value_parser = listen_address)]
    listen: Option<SocketAddr>,
    /// Rename a damaged log and begin a new one, which says so first
    #[arg(long)]
    set_damaged_log_aside: bool,
    /// Write on in a log that is not what was signed for; nothing in it is signed from then on
    #[arg(long, conflicts_with = "set_damaged_log_aside")]
    dangerous_serve_tampered_log: bool,
    /// Sign for records that no signature covers, though nothing tells that none ever did
    #[arg(long)]
    adopt_unsigned_log: bool,
}

/// How long calls in progress may take when the gateway is told to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long connections may take to end once their calls have.
const LAST_BYTES: Duration = Duration::from_secs(3);

/// Serves until a signal.
pub(crate) fn run(session: &Session, arguments: &Command, output: &mut Output) -> Result<Outcome> {
    let home = session.home()?;
    let config = Config::load(home).map_err(|error| opening::configuration(home, &error))?;
    log_to_stderr(config.log_level);
    zos_gateway::process::prepare();
    let on_damage = match (arguments.set_damaged_log_aside, arguments.dangerous_serve_tampered_log) {
        (true, _) => zos_audit::OnDamage::SetAside,
        (false, true) => zos_audit::OnDamage::DangerousServe,
        (false, false) => zos_audit::OnDamage::Refuse,
    };
    let adopts_log = arguments.adopt_unsigned_log;
    let opening = zos_gateway::house::Opening { on_damage, adopts_log, ..Default::default() };
    // A command that is at work ends first; what holds the home then is another zOS.
    let turn = turn::wait(home).map_err(|busy| in_use(home, &busy))?;
    let house = House::open_with(home.clone(), opening).map_err(|error| opening::explain(home, &error))?;
    drop(turn);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::environment(&error))?;
    let served = runtime.block_on(serve(home, &house, &config, arguments, output));
    // A keychain that waits for its owner must not hold the end up.
    runtime.shutdown_background();
    served
}

async fn serve(
    home: &Home,
    house: &Arc<House>,
    config: &Config,
    arguments: &Command,
    output: &mut Output,
) -> Result<Outcome> {
    let mut signals = Signals::new().map_err(|error| Failure::environment(&error))?;
    let server = match Server::bind(house, arguments.listen).await {
        Ok(server) => server,
        Err(error) => {
            house.stop(Duration::ZERO).await;
            return Err(cannot_bind(&error));
        }
    };
    let address = server.address().map_err(|error| Failure::environment(&error))?;
    let announced = listening::announce(home, address);
    if let Err(error) = &announced {
        tracing::warn!(%error, "other zos commands may not find this one");
    }
    if let Err(failure) = greeting::show(house, home, config, address, output) {
        // Nobody has to read it.
        tracing::debug!(?failure, "the greeting could not be written");
    }
    let serving = tokio::spawn(server.run());
    signals.next().await;
    note(
        "zOS stops when the calls in progress have ended, after 30 s at the latest. Once more ends them now.",
    );
    tokio::select! {
        () = house.stop(PATIENCE) => {}
        () = signals.next() => tokio::select! {
            () = house.stop(Duration::ZERO) => {}
            () = signals.next() => return Err(Failure::failed(Code::Killed, "zOS was ended before its records were complete.")),
        },
    }
    // Every call has its record by now; what is left are last bytes on their way.
    let _ = tokio::time::timeout(LAST_BYTES, serving).await;
    Ok(Outcome::Fine)
}

fn log_to_stderr(level: &str) {
    let (filter, trouble) = match std::env::var("ZOS_LOG").ok().filter(|text| !text.is_empty()) {
        None => (EnvFilter::new(level), None),
        Some(text) => match EnvFilter::try_new(&text) {
            Ok(filter) => (filter, None),
            Err(error) => {
                (EnvFilter::new(level), Some(format!("ZOS_LOG is not understood and not used: {error}.")))
            }
        },
    };
    let has_colour = colour_is_wanted() && errors_are_read();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(has_colour)
        .with_writer(std::io::stderr)
        .init();
    if let Some(trouble) = trouble {
        note(&trouble);
    }
}

/// Why it does not listen, and who took the port where the system tells.
fn cannot_bind(error: &BindError) -> Failure {
    match error {
        BindError::Taken { port, .. } => {
            let by = port::holders(*port)
                .first()
                .map_or_else(|| "another program".to_owned(), ToString::to_string);
            Failure::wrong(Code::PortTaken, format!("Port {port} is taken by {by}, so zOS cannot listen there."))
                .hint("End that program, or choose another port: --listen 127.0.0.1:PORT, or `listen` in gateway/config.yml.")
        }
        error => Failure::wrong(Code::CannotListen, sentence(error)),
    }
}

/// An address to listen on: `127.0.0.1:8788`, `localhost:8788`, or a port of this machine.
fn listen_address(text: &str) -> std::result::Result<SocketAddr, String> {
    let local = |port: &str| port.parse().map(|port: u16| SocketAddr::from(([127, 0, 0, 1], port)));
    let named = text.strip_prefix("localhost:").unwrap_or(text);
    text.parse()
        .or_else(|_| local(named))
        .map_err(|_| "write an address with a port, for example 127.0.0.1:8788".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_port_or_has_one() {
        for (text, address) in [
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("8788", "127.0.0.1:8788"),
            ("localhost:1", "127.0.0.1:1"),
            ("[::1]:5", "[::1]:5"),
        ] {
            assert_eq!(listen_address(text), Ok(address.parse().unwrap()), "{text}");
        }
        for text in ["", "localhost", "127.0.0.1", "70000", "example.com:80"] {
            assert!(listen_address(text).is_err(), "{text}");
        }
    }
}
