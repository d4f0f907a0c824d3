//! The vault against a real gnome-keyring on a private D-Bus session.
//!
//! Each test runs itself again under `dbus-run-session`, with a home of its own, so that it neither
//! sees nor changes the keychain of whoever runs it. Needs the Debian packages `dbus` (or
//! `dbus-daemon`) and `gnome-keyring`.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use zos_seal::{Secret, Source, Vault, VaultError, VaultOptions, VaultStatus};

const CHILD: &str = "ZOS_SEAL_TEST_CHILD";

/// Starts the keyring with an unlocked default collection, waits until it is on the bus, and goes
/// on with what it is given.
const WITH_KEYRING: &str = r#"
    echo | gnome-keyring-daemon --unlock --components=secrets --daemonize >/dev/null || exit 1
    for attempt in $(seq 200); do
        dbus-send --session --print-reply --dest=org.freedesktop.DBus / \
            org.freedesktop.DBus.NameHasOwner string:org.freedesktop.secrets | grep -q true && exec "$0" "$@"
        sleep 0.05
    done
    echo "gnome-keyring-daemon did not come up within ten seconds" >&2
    exit 1"#;

/// Runs `inside` in a child of its own bus; with `keyring` there is one on it.
fn on_a_private_bus(test: &str, keyring: bool, inside: fn()) {
    if std::env::var_os(CHILD).is_some() {
        return inside();
    }
    for program in ["dbus-run-session", "gnome-keyring-daemon"] {
        let found =
            Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(
            found.is_ok_and(|status| status.success()),
            "this test needs {program}: apt-get install dbus dbus-daemon gnome-keyring"
        );
    }
    let home = tempfile::tempdir().unwrap();
    // Without service files the bus cannot start a keyring by itself.
    let config = home.path().join("bus.conf");
    std::fs::write(
        &config,
        "<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><auth>EXTERNAL</auth>\
         <policy context=\"default\"><allow send_destination=\"*\"/><allow receive_sender=\"*\"/><allow own=\"*\"/>\
         </policy></busconfig>",
    )
    .unwrap();
    let script = if keyring { WITH_KEYRING } else { "exec \"$0\" \"$@\"" };
    let output = Command::new("dbus-run-session")
        .arg(format!("--config-file={}", config.display()))
        .args(["--", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, "1")
        .env("HOME", home.path())
        .env("XDG_DATA_HOME", home.path().join("data"))
        .env("XDG_RUNTIME_DIR", home.path())
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn vault(account_prefix: &str) -> Vault {
    Vault::new(VaultOptions {
        account_prefix: account_prefix.to_owned(),
        environment: |_| None,
        ..VaultOptions::default()
    })
}

fn found(vault: &Vault, name: &str) -> Option<(String, Source)> {
    vault.find(name).unwrap().map(|(key, source)| (key.expose().clone(), source))
}

/// Locks every collection, as a screen lock or a timeout does.
fn lock() {
    let status = Command::new("dbus-send")
        .args(["--session", "--print-reply", "--dest=org.freedesktop.secrets", "/org/freedesktop/secrets"])
        .args(["org.freedesktop.Secret.Service.Lock"])
        .arg("array:objpath:/org/freedesktop/secrets/collection/login")
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn a_key_is_kept_read_changed_and_forgotten() {
    on_a_private_bus("a_key_is_kept_read_changed_and_forgotten", true, || {
        let one = vault("");
        assert_eq!(one.status(), VaultStatus::Available);
        assert_eq!(found(&one, "anthropic"), None);
        assert!(!one.delete("anthropic").unwrap());
        let key = "sk-ant-ä-\"quoted\"-🔑";
        assert_eq!(one.set("anthropic", Secret::from(key)).unwrap(), Source::Keychain);
        assert_eq!(found(&one, "anthropic"), Some((key.to_owned(), Source::Keychain)));
        // Another process finds it; another home does not.
        let two = vault("");
        assert_eq!(found(&two, "anthropic"), Some((key.to_owned(), Source::Keychain)));
        assert_eq!(found(&vault("other-home/"), "anthropic"), None);
        // What is remembered gives way to what is set.
        one.set("anthropic", Secret::from("second")).unwrap();
        assert_eq!(found(&one, "anthropic").unwrap().0, "second");
        assert!(one.delete("anthropic").unwrap());
        assert_eq!(found(&one, "anthropic"), None);
        assert_eq!(found(&vault(""), "anthropic"), None);
    });
}

#[test]
fn without_a_keychain_the_answer_comes_fast_and_says_what_to_do() {
    on_a_private_bus("without_a_keychain_the_answer_comes_fast_and_says_what_to_do", false, || {
        let begun = Instant::now();
        let vault = vault("");
        let error = vault.get("anthropic").unwrap_err();
        assert!(matches!(error, VaultError::Unavailable { .. }), "{error:?}");
        let error = error.to_string();
        assert!(error.contains("no keychain answers on this machine"), "{error}");
        assert!(error.contains("set the key as an environment variable"), "{error}");
        assert_eq!(vault.status(), VaultStatus::Unavailable { reason: error });
        assert!(matches!(vault.set("anthropic", Secret::from("key")), Err(VaultError::Unavailable { .. })));
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
        // A keychain that comes up later is found without a restart.
        let daemon = Command::new("sh").args(["-c", WITH_KEYRING, "true"]).status();
        assert!(daemon.unwrap().success());
        vault.set("anthropic", Secret::from("key")).unwrap();
        assert_eq!(found(&vault, "anthropic"), Some(("key".to_owned(), Source::Keychain)));
    });
}

#[test]
fn a_locked_keychain_is_told_and_nobody_waits_for_it() {
    on_a_private_bus("a_locked_keychain_is_told_and_nobody_waits_for_it", true, || {
        vault("").set("anthropic", Secret::from("key")).unwrap();
        lock();
        let vault = vault("");
        for _ in 0..3 {
            let begun = Instant::now();
            let error = vault.get("anthropic").unwrap_err();
            assert!(matches!(error, VaultError::Locked), "{error:?}");
            assert!(error.to_string().contains("unlock it, or set the key as an environment variable"));
            // The limit is three seconds.
            assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
        }
        let begun = Instant::now();
        assert!(vault.set("openai", Secret::from("key")).is_err());
        assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    });
}

#[test]
fn a_prompt_that_nobody_answers_holds_up_one_call_for_the_limit() {
    on_a_private_bus("a_prompt_that_nobody_answers_holds_up_one_call_for_the_limit", true, || {
        vault("").set("anthropic", Secret::from("key")).unwrap();
        // The keyring hands its prompts to this name; a connection without objects says nothing.
        let prompter = zbus::blocking::Connection::session().unwrap();
        prompter.request_name("org.gnome.keyring.SystemPrompter").unwrap();
        lock();
        let vault = Vault::new(VaultOptions {
            timeout: Duration::from_millis(500),
            environment: |_| None,
            ..VaultOptions::default()
        });
        let begun = Instant::now();
        assert!(matches!(vault.get("anthropic"), Err(VaultError::Locked)));
        assert!(begun.elapsed() >= Duration::from_millis(500), "no prompt was open: {:?}", begun.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
        let begun = Instant::now();
        for _ in 0..100 {
            assert!(matches!(vault.get("anthropic"), Err(VaultError::Locked)));
            assert!(matches!(vault.set("openai", Secret::from("key")), Err(VaultError::Locked)));
        }
        assert_eq!(vault.status(), VaultStatus::Locked);
        assert!(begun.elapsed() < Duration::from_millis(400), "{:?}", begun.elapsed());
        // The process can end while the call hangs: the vault is dropped, and nobody joins its thread.
        drop(vault);
    });
}
