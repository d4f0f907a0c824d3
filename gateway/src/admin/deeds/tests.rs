use super::{Deed, Done, act, act_here};
use crate::gateway::Gateway;
use std::path::Path;
use zos_audit::Kind;

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

fn gateway() -> (tempfile::TempDir, std::sync::Arc<Gateway>) {
    let folder = tempfile::tempdir().unwrap();
    let home = zos_core::Home::resolve(Some(folder.path())).unwrap();
    crate::install_tls();
    let gateway = Gateway::open(home).unwrap();
    (folder, gateway)
}

fn told(gateway: &Gateway, kind: Kind) -> Vec<String> {
    let lines = zos_audit::read_all(&gateway.files.brain.home().audit_dir()).unwrap();
    let records = lines.map(|entry| entry.unwrap().record);
    records.filter(|record| record.kind == kind).filter_map(|record| record.detail).collect()
}

/// Puts a file in the place of a folder. Whoever writes into the folder meanwhile may make it anew: then once more.
fn put_in_the_way(folder: &Path) {
    let moved = folder.with_extension("moved");
    loop {
        std::fs::rename(folder, &moved).unwrap();
        std::fs::remove_dir_all(&moved).unwrap();
        match std::fs::write(folder, "in the way") {
            Ok(()) => return,
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::IsADirectory),
        }
    }
}

/// The log fails while the deed is being done: the caller hears of it, and the record comes before the next one.
#[tokio::test]
async fn a_deed_whose_record_fails_is_told_later() {
    let (folder, gateway) = gateway();
    let log = folder.path().join("gateway/audit");
    let notes = || std::fs::read_dir(folder.path().join("gateway/deeds")).unwrap().count();
    let refusal = act_here(&gateway, &Deed::decision(None, "turn"), |_| {
        put_in_the_way(&log);
        Ok(Done::Happened((), "turned".to_owned()))
    })
    .unwrap_err();
    assert!(refusal.is_failure());
    assert_eq!(notes(), 1, "a crash now would not lose it");
    let mut began = false;
    let refused = act_here(&gateway, &Deed::key(None, "go"), |_| {
        began = true;
        Ok(Done::Happened((), "gone".to_owned()))
    });
    assert!(refused.is_err() && !began);
    std::fs::remove_file(&log).unwrap();
    act_here(&gateway, &Deed::decision(None, "return"), |_| Ok(Done::Happened((), "returned".to_owned())))
        .unwrap();
    assert_eq!(told(&gateway, Kind::Decision), ["turned", "returned"]);
    assert_eq!(told(&gateway, Kind::Key), [""; 0]);
    assert_eq!(notes(), 0);
}

/// A deed that panics may be half done: its note stays for the next start.
#[tokio::test]
async fn a_deed_that_ends_in_a_panic_leaves_its_note() {
    let (_folder, gateway) = gateway();
    let outcome: Result<(), _> =
        act(std::sync::Arc::clone(&gateway), Deed::decision(None, "turn"), |_| panic!("half done")).await;
    assert!(outcome.is_err());
    assert_eq!(told(&gateway, Kind::Decision), [""; 0]);
    let left = gateway.journal.deed_notes.left();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].1.detail.as_deref(), Some("turn"));
}
