//! The `zos` command: everything that zOS does, without a window.
//!
//! Exit codes: 0 fine, 1 found something or failed, 2 wrong use or environment.

mod serve;

use clap::{Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "zos", version, about = "A checkpoint for every AI call on this computer.")]
struct Arguments {
    /// The folder with your files; otherwise $ZOS_HOME, otherwise ~/.zos
    #[arg(long, global = true, value_name = "DIR")]
    home: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway without a window
    Serve {
        /// Listen here instead of where gateway/config.yml says; port 0 takes a free one
        #[arg(long, value_name = "ADDR")]
        listen: Option<SocketAddr>,
    },
    /// Print the document of the admin API
    #[command(hide = true)]
    Openapi,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        Command::Serve { listen } => serve::run(arguments.home.as_deref(), listen),
        Command::Openapi => {
            use std::io::Write;
            match std::io::stdout().write_all(zos_gateway::admin::openapi().as_bytes()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::FAILURE,
            }
        }
    }
}
