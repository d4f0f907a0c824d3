//! The log of this program: `logs/zos.log` in the home, one file a day, seven kept.
//!
//! `ZOS_LOG` sets how much of our own is said: `error`, `warn`, `info` (the default), `debug` or `trace`.
//! It is one word and not a filter, so that nobody can switch on what a dependency says about the bytes
//! it carries: of those only warnings are kept. Nothing of a call's text is ever logged.

use std::path::Path;
use std::sync::Mutex;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use zos_core::Home;

/// Days of log that are kept.
const FILES_KEPT: usize = 7;

/// Starts to log, panics included. Where no file can be made, what happens is said on standard error.
pub(crate) fn start(home: &Home) {
    let asked = std::env::var("ZOS_LOG").ok();
    let level = asked.as_deref().and_then(level_named).unwrap_or(LevelFilter::INFO);
    let filter = Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("zos", level);
    let format = tracing_subscriber::fmt::layer().with_ansi(false);
    let opened = folder(&home.logs()).and_then(|()| {
        // Each line is written when it is said: a line that waits in a queue is lost with a crash.
        let appender = RollingFileAppender::builder()
            .rotation(Rotation::DAILY)
            .filename_prefix("zos")
            .filename_suffix("log")
            .latest_symlink("zos.log")
            .max_log_files(FILES_KEPT)
            .build(home.logs());
        appender.map_err(std::io::Error::other)
    });
    match opened {
        Ok(file) => {
            tracing_subscriber::registry().with(filter).with(format.with_writer(Mutex::new(file))).init()
        }
        Err(error) => {
            tracing_subscriber::registry().with(filter).with(format.with_writer(std::io::stderr)).init();
            tracing::warn!(%error, "no log file can be written");
        }
    }
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!(%panic, "a part of zOS failed");
        before(panic);
    }));
    if asked.as_deref().is_some_and(|word| level_named(word).is_none()) {
        tracing::warn!("ZOS_LOG is none of error, warn, info, debug, trace; logging at info");
    }
}

fn level_named(word: &str) -> Option<LevelFilter> {
    word.parse().ok()
}

/// Makes the folder, and the home above it, for its owner alone.
fn folder(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_one_word() {
        assert_eq!(level_named("debug"), Some(LevelFilter::DEBUG));
        assert_eq!(level_named("hyper=trace"), None);
    }
}
