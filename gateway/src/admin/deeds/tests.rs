use std::path::Path;

/// Records of deeds are written in one place; a handler that writes one by hand would tell of what did not happen.
#[test]
fn no_handler_writes_a_record_by_hand() {
    let admin = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin");
    let mut folders = vec![admin.clone()];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path == admin.join("deeds.rs") || path == admin.join("deeds/tests.rs") {
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            for by_hand in ["write_record", "Kind::Decision", "Kind::Key", "audit.append", "audit.write("] {
                assert!(!source.contains(by_hand), "{} has {by_hand}", path.display());
            }
            read += 1;
        }
    }
    assert!(read > 15, "{read} files");
}
