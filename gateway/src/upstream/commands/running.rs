//! One run of a command that prints a key: a program with its words, never a shell, in a process group of its own.
//!
//! What it prints is read within bounds into memory that is wiped. It ends in time, or its whole group is ended.

use super::CommandError;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use zeroize::Zeroizing;
use zos_core::fleet::KeyCommand;
use zos_seal::Secret;

/// How long a command may take.
pub(super) const LIMIT: Duration = Duration::from_secs(10);

/// The longest key, and the most that is kept of what a command complains.
const PRINTED_LIMIT_BYTES: usize = 16 << 10;

/// What a run came to, and what the command complained.
pub(super) struct Ran {
    pub(super) outcome: Result<Secret, CommandError>,
    pub(super) stderr: String,
}

/// Runs a command once.
pub(super) async fn run(command: &KeyCommand, folder: &Path, limit: Duration) -> Ran {
    let mut process = Command::new(command.program());
    process
        .args(&command.argv[1..])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    #[cfg(unix)]
    process.process_group(0);
    let failed = |error| Ran { outcome: Err(error), stderr: String::new() };
    let mut child = match process.spawn() {
        Ok(child) => child,
        Err(error) => return failed(CommandError::Start(error.kind())),
    };
    let mut group = Group::of(&child);
    let mut complaints = Vec::new();
    let watched = tokio::time::timeout(limit, watch(&mut child, &mut complaints)).await;
    let outcome = match watched {
        Err(_) => Err(CommandError::Timeout(limit.as_secs())),
        Ok(Err(error)) => Err(error),
        Ok(Ok(printed)) => {
            group.ended();
            key_of(&printed)
        }
    };
    Ran { outcome, stderr: words(&complaints) }
}

/// Reads what the command prints until it ends.
async fn watch(child: &mut Child, complaints: &mut Vec<u8>) -> Result<Zeroizing<Vec<u8>>, CommandError> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let complain = async {
        if let Some(mut stderr) = stderr {
            gather(&mut stderr, complaints).await;
        }
    };
    let print = async {
        let mut printed = Zeroizing::new(Vec::with_capacity(PRINTED_LIMIT_BYTES + 1));
        if let Some(stdout) = stdout {
            let mut bounded = stdout.take(PRINTED_LIMIT_BYTES as u64 + 1);
            // The space is there beforehand: growing would leave a copy of the key behind.
            while printed.len() <= PRINTED_LIMIT_BYTES {
                match bounded.read_buf(&mut *printed).await {
                    Ok(count) if count > 0 => {}
                    _ => break,
                }
            }
        }
        if printed.len() > PRINTED_LIMIT_BYTES {
            return Err(CommandError::Printed("more than 16 kB"));
        }
        Ok(printed)
    };
    let both = async {
        let ((), printed) = tokio::join!(complain, print);
        printed
    };
    let printed = both.await?;
    match child.wait().await {
        Ok(status) if status.success() => Ok(printed),
        Ok(status) => Err(CommandError::Failed(status.code())),
        Err(error) => Err(CommandError::Start(error.kind())),
    }
}

/// Reads to the end and keeps the beginning.
async fn gather(from: &mut (impl AsyncRead + Unpin), kept: &mut Vec<u8>) {
    let mut piece = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut piece).await {
        let room = PRINTED_LIMIT_BYTES.saturating_sub(kept.len()).min(count);
        kept.extend_from_slice(&piece[..room]);
    }
}

/// The key among what was printed: one line, without the blanks around it.
fn key_of(printed: &[u8]) -> Result<Secret, CommandError> {
    let text = std::str::from_utf8(printed).map_err(|_| CommandError::Printed("what is no text"))?.trim();
    if text.is_empty() {
        return Err(CommandError::Printed("nothing"));
    }
    if text.contains(['\n', '\r']) {
        return Err(CommandError::Printed("more than one line"));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return Err(CommandError::Printed("characters that no header can hold"));
    }
    Ok(Secret::from(text))
}

/// What a command complained, without anything that steers a terminal.
fn words(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let shown: String = text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
    shown.trim().to_owned()
}

/// The process group of a command, which is ended with it unless it ended by itself.
struct Group {
    #[cfg(unix)]
    leader: Option<rustix::process::Pid>,
}

impl Group {
    fn of(child: &Child) -> Self {
        #[cfg(unix)]
        let group = Group {
            leader: child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw),
        };
        #[cfg(not(unix))]
        let group = {
            let _ = child;
            Group {}
        };
        group
    }

    /// The command ended: its number may soon be another's.
    fn ended(&mut self) {
        #[cfg(unix)]
        {
            self.leader = None;
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(leader) = self.leader {
            // It may be gone already.
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> KeyCommand {
        KeyCommand { argv: ["sh", "-c", script].map(str::to_owned).to_vec(), ttl: Duration::from_secs(60) }
    }

    async fn ran(script: &str) -> Ran {
        run(&shell(script), Path::new("/"), LIMIT * 60).await
    }

    #[tokio::test]
    async fn the_one_line_that_is_printed_is_the_key() {
        for (script, key) in [
            ("printf 'sk-1'", "sk-1"),
            ("echo '  sk-2  '; echo note >&2", "sk-2"),
            ("printf '\\n\\nsk 3\\r\\n\\n'", "sk 3"),
        ] {
            assert_eq!(ran(script).await.outcome.unwrap().expose(), key, "{script}");
        }
    }

    #[tokio::test]
    async fn whatever_else_is_printed_is_no_key_and_is_never_told() {
        for (script, why) in [
            ("true", "nothing"),
            ("echo secret; exit 3", "ended with status 3"),
            ("echo secret; echo more", "more than one line"),
            ("printf 'secr\\033et'", "no header can hold"),
            ("printf 'secr\\377et'", "no text"),
            ("head -c 20000 /dev/zero | tr '\\0' s", "more than 16 kB"),
            ("kill -9 $$", "was ended"),
        ] {
            let error = ran(script).await.outcome.unwrap_err().to_string();
            assert!(error.contains(why) && !error.contains("secr"), "{script}: {error}");
        }
        let absent = KeyCommand { argv: vec!["no-such-program".to_owned()], ttl: LIMIT };
        let error = run(&absent, Path::new("/"), LIMIT).await.outcome.unwrap_err().to_string();
        assert!(error.contains("cannot be started"), "{error}");
    }

    #[tokio::test]
    async fn words_are_words_and_no_shell_reads_them() {
        let echo = KeyCommand {
            argv: ["echo", "$HOME", "`id`", ";", "&&", "*"].map(str::to_owned).to_vec(),
            ttl: LIMIT,
        };
        let ran = run(&echo, Path::new("/"), LIMIT * 60).await;
        assert_eq!(ran.outcome.unwrap().expose(), "$HOME `id` ; && *");
    }

    #[tokio::test]
    async fn what_a_command_complains_is_kept_within_bounds_and_steers_no_terminal() {
        let short = ran("printf 'not \\033[31msigned in' >&2; exit 1").await;
        assert_eq!(short.stderr, "not  [31msigned in");
        let long = ran("head -c 100000 /dev/zero | tr '\\0' x >&2; exit 1").await;
        assert_eq!(long.stderr.len(), PRINTED_LIMIT_BYTES);
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_that_does_not_end_is_given_up() {
        let ran = run(&shell("sleep 1000"), Path::new("/"), LIMIT).await;
        assert!(matches!(ran.outcome, Err(CommandError::Timeout(10))));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_command_that_is_given_up_takes_its_children_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let note = folder.path().join("pid");
        let script = format!("sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait", note.display());
        let running = tokio::spawn(async move { run(&shell(&script), Path::new("/"), LIMIT * 600).await });
        let child = loop {
            if let Ok(text) = std::fs::read_to_string(&note) {
                break text.trim().to_owned();
            }
            tokio::task::yield_now().await;
        };
        running.abort();
        let _ = running.await;
        let is_dead = || match std::fs::read_to_string(format!("/proc/{child}/stat")) {
            Err(_) => true,
            Ok(stat) => stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')),
        };
        while !is_dead() {
            tokio::task::yield_now().await;
        }
    }
}
