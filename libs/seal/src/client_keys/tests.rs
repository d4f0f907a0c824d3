use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;

use serde_json::{Value, json};

use super::*;

const BEGIN: u64 = 1_772_409_599_000;

struct Home {
    home: tempfile::TempDir,
    now: Arc<AtomicU64>,
}

impl Home {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap(), now: Arc::new(AtomicU64::new(BEGIN)) }
    }

    fn path(&self) -> PathBuf {
        self.home.path().join("keys.json")
    }

    fn open(&self) -> ClientKeys {
        let now = Arc::clone(&self.now);
        ClientKeys::with_clock(&self.path(), Arc::new(move || now.load(Ordering::SeqCst))).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path()).unwrap()).unwrap()
    }
}

fn create(keys: &ClientKeys, client: &str) -> (KeyInfo, Secret) {
    keys.create(Some("acme".to_owned()), client.to_owned()).unwrap()
}

/// Looks at the file now instead of within 200 ms.
fn look(keys: &ClientKeys) {
    let mut table = keys.0.table();
    keys.0.look(&mut table);
}

#[test]
fn a_key_is_shown_once_stored_hashed_and_known_again() {
    let home = Home::new();
    let keys = home.open();
    assert!(keys.is_empty() && !home.path().exists());
    let (info, key) = create(&keys, "zed");
    assert_eq!(key.expose().len(), 47);
    assert!(key.expose().starts_with("zos_"));
    assert_eq!(info.created, "2026-03-01T23:59:59.000Z");
    assert_eq!(
        (info.context.as_deref(), info.client.as_str(), &info.last_used),
        (Some("acme"), "zed", &None)
    );
    let text = fs::read_to_string(home.path()).unwrap();
    assert!(!text.contains(&key.expose()[4..]), "{text}");
    assert!(text.contains(&crate::sha256_hex(key.expose().as_bytes())), "{text}");
    assert!(!key.expose().contains(&info.id));
    for keys in [keys, home.open()] {
        assert_eq!(keys.check(key.expose()), Some(info.clone()));
        assert_eq!(keys.check(&key.expose()[..46]), None);
        assert_eq!(keys.check(&format!("{}x", key.expose())), None);
        assert_eq!(keys.check(&key.expose()[4..]), None);
        for other in ["", "zos_", "sk-ant-abc", "zos_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(keys.check(other), None, "{other}");
        }
        assert!(!format!("{keys:?} {info:?} {key:?}").contains(&key.expose()[4..]));
    }
}

#[cfg(unix)]
#[test]
fn the_file_is_the_owners() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    create(&home.open(), "zed");
    for name in ["keys.json", "keys.json.lock"] {
        let mode = fs::metadata(home.home.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_revoked_key_is_unknown_at_once() {
    let home = Home::new();
    let keys = home.open();
    let (one, first) = create(&keys, "zed");
    let (two, second) = create(&keys, "codex");
    assert_eq!(keys.list().unwrap(), [one.clone(), two.clone()]);
    assert!(keys.revoke(&one.id).unwrap());
    assert!(!keys.revoke(&one.id).unwrap());
    assert_eq!(keys.check(first.expose()), None);
    assert_eq!(keys.check(second.expose()), Some(two.clone()));
    assert_eq!(keys.list().unwrap().len(), 1);
}

#[test]
fn another_process_is_seen_within_a_second() {
    let home = Home::new();
    let (gateway, command_line) = (home.open(), home.open());
    let (info, key) = create(&command_line, "zed");
    let begun = Instant::now();
    while gateway.check(key.expose()).is_none() {
        assert!(begun.elapsed() < Duration::from_secs(10), "never seen");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(command_line.revoke(&info.id).unwrap());
    look(&gateway);
    assert_eq!(gateway.check(key.expose()), None);
    // Without the file there are no keys; that is how a person takes all back.
    let (_, key) = create(&command_line, "zed");
    fs::remove_file(home.path()).unwrap();
    look(&gateway);
    assert_eq!((gateway.check(key.expose()), gateway.problem()), (None, None));
}

#[test]
fn a_broken_file_is_an_error_and_never_no_keys() {
    let home = Home::new();
    let keys = home.open();
    let (info, key) = create(&keys, "zed");
    let good = fs::read_to_string(home.path()).unwrap();
    for (broken, said) in [
        (good[..good.len() / 2].to_owned(), "keys.json is damaged at line "),
        (String::new(), "keys.json is damaged at line 1, column 0"),
        ("[]".to_owned(), "damaged"),
        ("{}".to_owned(), "`version` is missing"),
        (good.replace("\"keys\"", "\"kees\""), "`keys` is missing"),
        (good.replace("\"version\": 1", "\"version\": 2"), "has version 2"),
        (good.replace("\"sha256\": \"", "\"sha256\": \"x"), "key 1 of the list has no `sha256` of 64 digits"),
        (good.replace("\"client\"", "\"kunde\""), "key 1 of the list is no key: missing field `client`"),
    ] {
        fs::write(home.path(), &broken).unwrap();
        let error = ClientKeys::open(&home.path()).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
        assert_eq!(keys.list().unwrap_err().to_string(), error);
        assert_eq!(keys.create(None, "zed".to_owned()).unwrap_err().to_string(), error);
        assert_eq!(keys.revoke(&info.id).unwrap_err().to_string(), error);
        assert_eq!(fs::read_to_string(home.path()).unwrap(), broken, "what is not understood stays as it is");
        // The last good version goes on, and the trouble is told.
        assert_eq!(keys.problem(), Some(error));
        assert_eq!(keys.check(key.expose()).map(|known| known.id), Some(info.id.clone()));
    }
    fs::write(home.path(), &good).unwrap();
    assert_eq!(keys.problem(), None);
    assert_eq!(keys.list().unwrap().len(), 1);
}

#[test]
fn fields_we_do_not_know_stay() {
    let home = Home::new();
    let keys = home.open();
    let (one, _) = create(&keys, "zed");
    let mut file = home.json();
    file["note"] = json!("made by hand");
    file["keys"][0]["colour"] = json!({"deep": [1, 2.50, "x"]});
    fs::write(home.path(), file.to_string()).unwrap();
    let (two, _) = create(&keys, "codex");
    assert!(keys.revoke(&two.id).unwrap());
    assert_eq!(home.json(), file);
    assert_eq!(keys.list().unwrap(), [one]);
}

#[test]
fn last_use_is_told_at_once_and_written_later() {
    let home = Home::new();
    let keys = home.open();
    let (info, key) = create(&keys, "zed");
    home.now.store(BEGIN + 5000, Ordering::SeqCst);
    keys.check(key.expose()).unwrap();
    assert_eq!(home.json()["keys"][0]["last_used"], Value::Null);
    assert_eq!(keys.list().unwrap()[0].last_used.as_deref(), Some("2026-03-02T00:00:04.000Z"));
    keys.flush().unwrap();
    assert_eq!(home.json()["keys"][0]["last_used"], "2026-03-02T00:00:04.000Z");
    // Another process that was earlier does not move the time back.
    let other = home.open();
    home.now.store(BEGIN + 1000, Ordering::SeqCst);
    other.check(key.expose()).unwrap();
    other.flush().unwrap();
    assert_eq!(home.json()["keys"][0]["last_used"], "2026-03-02T00:00:04.000Z");
    // The last clone writes what is left.
    home.now.store(BEGIN + 9000, Ordering::SeqCst);
    keys.check(key.expose()).unwrap();
    drop(keys.clone());
    assert_eq!(home.json()["keys"][0]["last_used"], "2026-03-02T00:00:04.000Z");
    drop(keys);
    assert_eq!(home.json()["keys"][0]["last_used"], "2026-03-02T00:00:08.000Z");
    assert_eq!(home.json()["keys"][0]["id"], info.id);
}

#[test]
fn last_use_is_written_by_itself_once_a_minute_has_passed() {
    let home = Home::new();
    let keys = home.open();
    let (_, key) = create(&keys, "zed");
    keys.check(key.expose()).unwrap();
    keys.0.table().written = Instant::now().checked_sub(TOUCH).unwrap();
    keys.check(key.expose()).unwrap();
    let begun = Instant::now();
    while home.json()["keys"][0]["last_used"] == Value::Null {
        assert!(begun.elapsed() < Duration::from_secs(10), "never written");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(keys.0.table().written.elapsed() < TOUCH);
}

#[test]
fn two_processes_that_change_the_file_at_once_lose_nothing() {
    let home = Home::new();
    let made: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                // One value a thread: as separate as processes, but for the lock file.
                let keys = home.open();
                scope.spawn(move || (0..8).map(|_| create(&keys, "zed").0.id).collect::<Vec<_>>())
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let mut found: Vec<_> = home.open().list().unwrap().into_iter().map(|info| info.id).collect();
    let mut made = made;
    found.sort();
    made.sort();
    assert_eq!((found.len(), found), (32, made));
}

#[test]
fn a_client_without_a_proper_name_gets_no_key() {
    let home = Home::new();
    let keys = home.open();
    for name in ["", "a\nb", &"x".repeat(65)] {
        let error = keys.create(None, name.to_owned()).unwrap_err();
        assert!(matches!(error, KeysError::Client), "{error}");
    }
    assert!(!home.path().exists());
}

#[test]
fn every_one_of_many_keys_is_known_and_no_other() {
    let home = Home::new();
    let keys = home.open();
    let made: Vec<_> = (0..50).map(|_| create(&keys, "zed")).collect();
    for (info, key) in &made {
        assert_eq!(keys.check(key.expose()).as_ref(), Some(info));
        let other = key.expose().replace(&key.expose()[20..21], "-");
        assert!(other == *key.expose() || keys.check(&other).is_none());
    }
    let ids: Vec<_> = keys.list().unwrap().into_iter().map(|info| info.id).collect();
    assert_eq!(ids, made.into_iter().map(|(info, _)| info.id).collect::<Vec<_>>(), "in the order of making");
}
