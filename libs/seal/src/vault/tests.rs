use super::*;

fn environment(variable: &str) -> Option<String> {
    match variable {
        "ANTHROPIC_API_KEY" => Some("from-the-environment\n".to_owned()),
        "OPENAI_API_KEY" => Some("  ".to_owned()),
        _ => None,
    }
}

/// A vault without a keychain.
fn vault(folder: Option<PathBuf>) -> Vault {
    Vault::new(VaultOptions { backend: Backend::Disabled, folder, environment, ..VaultOptions::default() })
}

#[test]
fn the_environment_comes_first_and_an_empty_variable_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(Some(dir.path().join("keys")));
    for name in ["anthropic", "openai"] {
        assert_eq!(vault.set(name, "from-the-file".into()).unwrap(), Source::File);
    }
    let find = |name| vault.find(name).unwrap().map(|(key, source)| (key.expose().clone(), source));
    assert_eq!(find("anthropic"), Some(("from-the-environment".to_owned(), Source::Environment)));
    assert_eq!(find("openai"), Some(("from-the-file".to_owned(), Source::File)));
    assert_eq!(find("nobody"), None);
    let resolve = |text: &str| vault.resolve(&text.parse().unwrap()).unwrap().map(|key| key.expose().clone());
    assert_eq!(resolve("keychain:openai").as_deref(), Some("from-the-file"));
    assert_eq!(resolve("env:ANTHROPIC_API_KEY").as_deref(), Some("from-the-environment"));
    assert_eq!(resolve("env:NOWHERE"), None);
    assert_eq!(resolve("none"), None);
    assert_eq!(variable_of("my-openai.eu"), "MY_OPENAI_EU_API_KEY");
}

#[test]
fn a_deleted_key_is_gone_and_the_next_is_new() {
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(Some(dir.path().join("keys")));
    assert!(!vault.delete("local").unwrap());
    for key in ["one", "two"] {
        vault.set("local", key.into()).unwrap();
        assert_eq!(vault.get("local").unwrap().unwrap().expose(), key);
    }
    assert!(vault.delete("local").unwrap());
    assert!(vault.get("local").unwrap().is_none());
}

#[test]
fn without_a_place_the_answer_is_a_sentence() {
    let vault = vault(None);
    let sentence = "the keychain is switched off; set the key as an environment variable";
    assert_eq!(vault.status(), VaultStatus::Unavailable { reason: sentence.to_owned() });
    for error in [
        vault.get("local").unwrap_err(),
        vault.set("local", "key".into()).unwrap_err(),
        vault.delete("local").unwrap_err(),
    ] {
        assert_eq!(error.to_string(), sentence);
    }
    // What the environment has needs no place.
    assert!(vault.get("anthropic").unwrap().is_some());
}

#[test]
fn names_and_keys_that_cannot_be_are_refused_without_repeating_them() {
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(Some(dir.path().join("keys")));
    for name in ["", "../canary", "a/b", ".hidden", "a b", &"x".repeat(65)] {
        let error = vault.set(name, "key".into()).unwrap_err();
        assert!(matches!(error, VaultError::Name), "{error}");
        assert!(matches!(vault.get(name), Err(VaultError::Name)));
        assert!(matches!(vault.delete(name), Err(VaultError::Name)));
    }
    for key in ["", " ", "canary\nsecond line", "canary\0"] {
        let error = vault.set("local", key.into()).unwrap_err();
        assert!(matches!(error, VaultError::Malformed), "{error}");
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
    assert!(!dir.path().join("keys").exists());
}

#[cfg(unix)]
#[test]
fn a_private_file_is_private_or_refused() {
    use std::fs::{Permissions, metadata, set_permissions};
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("keys");
    let vault = vault(Some(folder.clone()));
    vault.set("local", "canary".into()).unwrap();
    let mode = |path: &PathBuf| metadata(path).unwrap().permissions().mode() & 0o777;
    let file = folder.join("local");
    assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));
    set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let error = vault.get("local").unwrap_err();
    assert!(error.to_string().contains("may be read by other users (mode 644)"), "{error}");
    assert!(!format!("{error:?} {vault:?}").contains("canary"));
    // Setting it anew makes a new file.
    vault.set("local", "second".into()).unwrap();
    assert_eq!(mode(&file), 0o600);
    assert_eq!(vault.get("local").unwrap().unwrap().expose(), "second");
}
