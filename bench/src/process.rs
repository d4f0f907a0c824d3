//! A server in a process of its own, and what the kernel says of it.

use anyhow::{Context, Result};
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

/// The core of the gateways, and that of the provider and the callers.
pub(crate) const GATEWAY_CORE: u32 = 1;
pub(crate) const CALLERS_CORE: u32 = 0;

/// Pins this process, and every thread and process that it starts, to a core. Whether that could be done: it takes two
/// cores and `taskset`.
pub(crate) fn pin_this(core: u32) -> bool {
    let has_two = std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
    let mut command = std::process::Command::new("taskset");
    let pinned = command
        .args(["-a", "-p", "-c", &core.to_string(), &std::process::id().to_string()])
        .stdout(Stdio::null());
    has_two && pinned.status().is_ok_and(|status| status.success())
}

/// A server process. It is killed when dropped.
pub(crate) struct Child {
    /// Where it listens.
    pub(crate) url: String,
    /// From its start until it listened.
    pub(crate) started_in: Duration,
    id: u32,
    _process: tokio::process::Child,
}

impl Child {
    /// Starts this program in another role, pinned to a core where one is named, and waits until it says where it
    /// listens.
    pub(crate) async fn start(arguments: &[&str], core: Option<u32>) -> Result<Child> {
        let began = Instant::now();
        let program = std::env::current_exe()?;
        let mut command = match core {
            Some(core) => {
                let mut command = Command::new("taskset");
                command.args(["-c", &core.to_string()]).arg(program);
                command
            }
            None => Command::new(program),
        };
        let mut process = command.args(arguments).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let id = process.id().context("it runs")?;
        let output = process.stdout.take().context("its output is piped")?;
        let url = BufReader::new(output).lines().next_line().await?.context("it says where it listens")?;
        Ok(Child { url, started_in: began.elapsed(), id, _process: process })
    }

    /// CPU time of all its threads so far.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.id))? {
            // A thread may end between the listing and the reading.
            let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
            nanoseconds += text.split(' ').next().context("a number")?.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Its proportional set size in megabytes.
    pub(crate) fn memory_mb(&self) -> Result<f64> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.id))?;
        let line = text.lines().find(|line| line.starts_with("Pss:")).context("a Pss line")?;
        let kilobytes: f64 = line.split_whitespace().nth(1).context("a number")?.parse()?;
        Ok(kilobytes / 1024.0)
    }
}
