//! Choice of a room on the command line, where that is optional.

use clap::Args;
use zos_core::ContextName;

/// Option `--context`; without it most commands take the active room.
#[derive(Args)]
pub(crate) struct InContext {
    /// The room
    #[arg(long, short, value_name = "NAME")]
    pub(crate) context: Option<ContextName>,
}
