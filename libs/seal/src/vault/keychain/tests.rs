use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use keyring_core::api::{CredentialApi, CredentialStoreApi};
use keyring_core::{Credential, Result};

use super::*;

/// A store whose entry `slow` answers when it is let, `broken` fails the first time, and whose
/// other entries are empty.
#[derive(Debug, Default)]
struct Store {
    /// Held by a test for as long as `slow` shall hang.
    prompt: Mutex<()>,
    gets: AtomicUsize,
    sets: AtomicUsize,
    connects: AtomicUsize,
    breaks: AtomicUsize,
}

#[derive(Debug)]
struct TestStore(Arc<Store>);

#[derive(Debug)]
struct TestEntry(Arc<Store>, String);

impl CredentialStoreApi for TestStore {
    fn vendor(&self) -> String {
        "test".to_owned()
    }

    fn id(&self) -> String {
        "test".to_owned()
    }

    fn build(&self, _: &str, user: &str, _: Option<&std::collections::HashMap<&str, &str>>) -> Result<Entry> {
        Ok(Entry::new_with_credential(Arc::new(TestEntry(Arc::clone(&self.0), user.to_owned()))))
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

impl CredentialApi for TestEntry {
    fn set_secret(&self, _: &[u8]) -> Result<()> {
        self.0.sets.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn get_secret(&self) -> Result<Vec<u8>> {
        self.0.gets.fetch_add(1, Ordering::SeqCst);
        match self.1.as_str() {
            "home/slow" => {
                drop(self.0.prompt.lock().unwrap());
                Ok(b"late".to_vec())
            }
            "home/broken" if self.0.breaks.fetch_add(1, Ordering::SeqCst) == 0 => {
                Err(Error::PlatformFailure("the service is gone".into()))
            }
            "home/broken" => Ok(b"fixed".to_vec()),
            "home/binary" => Ok(vec![0xff, 0xfe]),
            "home/two" => Err(Error::Ambiguous(Vec::new())),
            _ => Err(Error::NoEntry),
        }
    }

    fn delete_credential(&self) -> Result<()> {
        Err(Error::NoEntry)
    }

    fn get_credential(&self) -> Result<Option<Arc<Credential>>> {
        Ok(None)
    }

    fn get_specifiers(&self) -> Option<(String, String)> {
        None
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

fn keychain(timeout: Duration) -> (Keychain, Arc<Store>) {
    let store = Arc::new(Store::default());
    let shared = Arc::clone(&store);
    let connect: Connect = Arc::new(move || {
        shared.connects.fetch_add(1, Ordering::SeqCst);
        Ok(Arc::new(TestStore(Arc::clone(&shared))))
    });
    (Keychain::with_store("zos".to_owned(), "home/".to_owned(), timeout, connect), store)
}

#[test]
fn a_call_that_hangs_is_given_up_and_others_are_answered_at_once() {
    let (keychain, store) = keychain(Duration::from_millis(200));
    let prompt = store.prompt.lock().unwrap();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        // They queue behind the one that hangs; none waits for longer than the limit.
        for _ in 0..4 {
            scope.spawn(|| assert!(matches!(keychain.get("slow"), Err(VaultError::Locked))));
        }
    });
    assert!(begun.elapsed() < Duration::from_secs(5));
    let calls = store.gets.load(Ordering::SeqCst);
    let begun = Instant::now();
    for _ in 0..100 {
        assert!(matches!(keychain.get("other"), Err(VaultError::Locked)));
        assert!(matches!(keychain.set("other", "key".into()), Err(VaultError::Locked)));
    }
    assert!(begun.elapsed() < Duration::from_millis(200), "they must not wait");
    assert_eq!(store.gets.load(Ordering::SeqCst), calls, "the thread hangs and does nothing else");
    drop(prompt);
    let begun = Instant::now();
    while !matches!(keychain.get("other"), Ok(None)) {
        assert!(begun.elapsed() < Duration::from_secs(10), "never back");
        std::thread::sleep(Duration::from_millis(2));
    }
    // What was given up before it began is not done afterwards.
    assert_eq!(store.sets.load(Ordering::SeqCst), 0);
    assert_eq!(keychain.get("slow").unwrap().unwrap().expose(), "late");
}

#[test]
fn a_service_that_was_started_anew_is_reached_anew() {
    let (keychain, store) = keychain(Duration::from_secs(10));
    assert!(keychain.get("nothing").unwrap().is_none());
    assert_eq!(keychain.get("broken").unwrap().unwrap().expose(), "fixed");
    assert_eq!(store.connects.load(Ordering::SeqCst), 2);
    assert!(!keychain.delete("nothing").unwrap());
}

#[test]
fn what_the_keychain_says_becomes_a_sentence() {
    let (keychain, _) = keychain(Duration::from_secs(10));
    let binary = keychain.get("binary").unwrap_err().to_string();
    assert_eq!(binary, "the keychain's entry for this key is not text; set the key again");
    let two = keychain.get("two").unwrap_err().to_string();
    assert!(two.contains("remove all but one"), "{two}");
}

#[test]
fn a_keychain_that_is_not_there_is_told_with_what_to_do() {
    let connect: Connect = Arc::new(|| Err(Error::PlatformFailure("ServiceUnknown".into())));
    let keychain = Keychain::with_store("zos".to_owned(), String::new(), Duration::from_secs(10), connect);
    let error = keychain.get("anthropic").unwrap_err();
    assert!(matches!(error, VaultError::Unavailable { .. }));
    let error = error.to_string();
    assert!(
        error.contains("ServiceUnknown") && error.contains("set the key as an environment variable"),
        "{error}"
    );
}
