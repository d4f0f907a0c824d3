//! `zos serve`: the gateway without a window.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use zos_core::Home;
use zos_gateway::{House, Server};

/// How long calls in progress may take when the gateway is told to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// Serves until a signal; a second one ends it at once.
pub(crate) fn run(home: Option<&Path>, listen: Option<SocketAddr>) -> ExitCode {
    match serve(home, listen) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing better can be done when even this cannot be written.
            let _ = writeln!(std::io::stderr(), "zos: {error}");
            ExitCode::from(2)
        }
    }
}

fn serve(home: Option<&Path>, listen: Option<SocketAddr>) -> anyhow::Result<()> {
    let home = Home::resolve(home)?;
    let house = House::open(home.clone())?;
    let filter = tracing_subscriber::EnvFilter::try_from_env("ZOS_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(house.log_level()));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let server = Server::bind(&house, listen).await?;
        greet(&house, &home, server.address()?)?;
        let serving = tokio::spawn(server.run());
        stopped().await?;
        let stopping = house.stop(PATIENCE);
        tokio::select! {
            () = stopping => {}
            again = stopped() => again?,
        }
        serving.abort();
        Ok(())
    })
}

/// Says where everything is, and the first thing to try.
fn greet(house: &Arc<House>, home: &Home, address: SocketAddr) -> std::io::Result<()> {
    let snapshot = house.brain().snapshot();
    let room = match snapshot.effective_active() {
        Ok(name) if snapshot.is_builtin() => format!("{name} (built in: no context files yet)"),
        Ok(name) => name.to_string(),
        Err(_) => "none active: calls that name no context are refused; `zos context use NAME`".to_owned(),
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "zOS listens on http://{address}")?;
    writeln!(out, "  context  {room}")?;
    writeln!(out, "  files    {}", home.root().display())?;
    writeln!(out, "  screens  http://{address}/zos/ (the token is in {})", home.admin_token().display())?;
    writeln!(out, "\nTry it, no key needed:\n")?;
    writeln!(
        out,
        "  curl http://{address}/v1/chat/completions -H 'content-type: application/json' \\\n    -d '{{\"model\":\"demo/echo\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello\"}}]}}'\n"
    )?;
    out.flush()
}

/// Waits for SIGINT or SIGTERM.
async fn stopped() -> std::io::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
