//! The committed corpus of the fuzz targets, as an ordinary test: what was once found stays fixed.

use std::path::Path;

#[path = "../fuzz/src/checks.rs"]
#[expect(unreachable_pub, reason = "it is the library of the fuzz workspace")]
mod checks;

/// What holds for every input of a target.
type Check = fn(&[u8]);

#[test]
fn the_corpus_of_every_target_holds() {
    let targets: [(&str, Check); 10] = [
        ("arguments", checks::arguments),
        ("audit", checks::audit),
        ("context", checks::context),
        ("declared", checks::declared),
        ("disguises", checks::disguises),
        ("fleet", checks::fleet),
        ("json", checks::json),
        ("rules", checks::rules),
        ("stream", checks::stream),
        ("translate", checks::translate),
    ];
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut folders: Vec<_> =
        std::fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    folders.sort();
    assert_eq!(folders, targets.map(|(name, _)| name), "each target has a corpus, each corpus a target");
    let mut failed = Vec::new();
    for (name, check) in targets {
        let mut inputs = 0;
        for entry in std::fs::read_dir(corpus.join(name)).unwrap() {
            let path = entry.unwrap().path();
            let input = std::fs::read(&path).unwrap();
            if std::panic::catch_unwind(|| check(&input)).is_err() {
                failed.push(format!("{name}/{}", path.file_name().unwrap().display()));
            }
            inputs += 1;
        }
        assert!(inputs >= 3, "{name} has {inputs} inputs");
    }
    assert!(failed.is_empty(), "{failed:?}");
}
