//! A server in a process of its own, and what the kernel says of it.

use anyhow::{Context, Result};
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

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
    /// Starts this program in another role and waits until it says where it listens.
    pub(crate) async fn start(arguments: &[&str]) -> Result<Child> {
        let began = Instant::now();
        let mut process = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
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
