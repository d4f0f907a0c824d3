//! A scratch home, the command, and a `zos serve` on a free port.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A home that goes away with the test.
pub(crate) struct Scratch {
    folder: TempDir,
}

/// What a command came to.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A `zos serve` that runs.
pub(crate) struct Serving {
    child: Child,
    /// The first line of standard output and what follows.
    out: BufReader<std::process::ChildStdout>,
    pub(crate) address: String,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Scratch { folder: TempDir::new().expect("the temporary folder can be written") }
    }

    /// A home with one hard room, which is active.
    pub(crate) fn acme() -> Self {
        let home = Scratch::new();
        home.write(
            "contexts/acme.yml",
            "title: Acme Corp\nisolation: hard\nattachments: allow\noutbound_deny:\n  - Project Falcon\n  - {term: Bluebird, action: warn}\n\
             confidential: [Globex merger]\nbudget: {daily_tokens: 200000}\nmodels: {deny: [\"gpt-*\"]}\n",
        );
        home.write("state.json", "{\"active\": \"acme\"}\n");
        home
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        // As zOS makes a home: for its owner alone.
        let mut private = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut private, 0o700);
        private.recursive(true).create(self.path()).expect("the folder can be made");
        std::fs::create_dir_all(path.parent().expect("names lie in the home"))
            .expect("the folder can be made");
        std::fs::write(path, text).expect("the file can be written");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).expect("the file can be read")
    }

    /// The command on this home, in an environment of its own: no keychain, no keys, no colour.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zos"));
        command.args(arguments).env_clear().stdin(Stdio::null());
        command.env("HOME", self.folder.path()).env("ZOS_HOME", self.path()).env("PATH", "/usr/bin:/bin");
        command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent");
        command
    }

    pub(crate) fn zos(&self, arguments: &[&str]) -> Run {
        Run::of(self.command(arguments))
    }

    /// Runs it with this on standard input.
    pub(crate) fn zos_reading(&self, arguments: &[&str], input: &[u8]) -> Run {
        let mut command = self.command(arguments);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("zos starts");
        // A command that does not read all of it is fine.
        let _ = child.stdin.take().expect("it is piped").write_all(input);
        Run::ended(child.wait_with_output().expect("zos ends"))
    }

    /// What a command prints with `--json`.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let run = self.zos(&[arguments, &["--json"]].concat());
        serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {} {}", run.out, run.err))
    }

    pub(crate) fn serve(&self) -> Serving {
        self.serve_with(&[])
    }

    pub(crate) fn serve_with(&self, arguments: &[&str]) -> Serving {
        let arguments = [&["serve", "--listen", "127.0.0.1:0"], arguments].concat();
        Self::greeted(self.command(&arguments))
    }

    /// Serves with a disk of its own of so many kB as a folder of the home; `None` where this system lets
    /// nobody mount one, in a namespace of their own either. [`Serving::inside`] reaches it.
    pub(crate) fn serve_on_small_disk(&self, folder: &str, kilobytes: u32, mode: &str) -> Option<Command> {
        let folder = self.path().join(folder);
        std::fs::create_dir_all(&folder).expect("the folder can be made");
        let mount = format!("mount -t tmpfs -o size={kilobytes}k,{mode} none \"$0\" && exec \"$@\"");
        let folder = folder.to_str().expect("scratch paths are UTF-8");
        let small = ["--user", "--map-root-user", "--mount", "sh", "-c", &mount, folder];
        let arguments = |program, rest: &[&str]| {
            let mut command = Command::new("unshare");
            command.args(small).arg(program).args(rest).env_clear().stdin(Stdio::null());
            for (name, value) in self.command(&[]).get_envs() {
                command.env(name, value.unwrap_or_default());
            }
            command
        };
        let can_mount =
            arguments("true", &[]).stderr(Stdio::null()).status().is_ok_and(|ended| ended.success());
        can_mount.then(|| arguments(env!("CARGO_BIN_EXE_zos"), &["serve", "--listen", "127.0.0.1:0"]))
    }

    /// Starts it and waits for its greeting.
    pub(crate) fn greeted(mut command: Command) -> Serving {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("zos starts");
        let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut first = String::new();
        out.read_line(&mut first).expect("it greets");
        let begin = first.find("http://").unwrap_or_else(|| panic!("no address in {first:?}"));
        let address = first[begin + 7..].split(['"', '\n']).next().unwrap_or_default().to_owned();
        Serving { child, out, address }
    }
}

impl Run {
    pub(crate) fn of(mut command: Command) -> Self {
        Run::ended(command.output().expect("zos starts"))
    }

    fn ended(output: std::process::Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
        Run { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The error output, where the exit code is the expected one.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{} {}", self.out, self.err);
        assert_eq!(self.out, "", "nothing was done");
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in {:?}", self.err);
        }
    }

    /// The output, where all went well.
    #[track_caller]
    pub(crate) fn fine(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.out);
        self.out
    }
}

impl Serving {
    /// What it said after its first line, up to this text.
    pub(crate) fn greeting(&mut self, end: &str) -> String {
        let mut said = String::new();
        while !said.contains(end) && self.out.read_line(&mut said).expect("it goes on") > 0 {}
        said
    }

    /// A call in plain HTTP/1.1; status and body.
    pub(crate) fn post(&self, path: &str, headers: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n",
            self.address,
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let status =
            answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("an answer has a status");
        (status, answer.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned()))
    }

    /// A chat with the demo that says something.
    pub(crate) fn say(&self, text: &str, headers: &str) -> (u16, String) {
        let body = serde_json::json!({"model": "demo/echo", "messages": [{"role": "user", "content": text}]});
        self.post("/v1/chat/completions", headers, &body.to_string())
    }

    /// A path as the process sees it, in a mount namespace of its own.
    pub(crate) fn inside(&self, path: &Path) -> PathBuf {
        let path = path.strip_prefix("/").expect("an absolute path");
        Path::new("/proc").join(self.child.id().to_string()).join("root").join(path)
    }

    pub(crate) fn signal(&self) {
        signal(&self.child);
    }

    /// Asks it to end and waits until it has.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal();
        self.wait()
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait(&mut self.child)
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_some()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks a process to end.
pub(crate) fn signal(child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it is our child");
}

/// Waits for the end of a process.
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("it is our child") {
            return status;
        }
        assert!(begun.elapsed() < PATIENCE, "it does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until something holds.
#[track_caller]
pub(crate) fn eventually(mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "it does not come to hold");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The permission bits of a file.
pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).expect("it exists").permissions().mode() & 0o777
}
