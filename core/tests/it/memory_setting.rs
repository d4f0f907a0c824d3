//! `memory/config.yml`, whether or not this build knows sentence models.

use zos_core::memory::{Memories, Moment, New};

use crate::scratch::{Scratch, name};

fn problems(setting: &str) -> Vec<String> {
    let scratch = Scratch::with(&[("memory/config.yml", setting), ("models/static/README.md", "x")]);
    #[cfg(unix)]
    std::os::unix::fs::symlink("/", scratch.path("models/out")).unwrap();
    let memories = Memories::new(scratch.home());
    // Recall goes on, and the file is no room.
    let acme = memories.room(&name("acme"));
    acme.add(New::fact("Ann lives in Paris."), None, &[], Moment::now()).unwrap();
    assert_eq!(acme.search("Paris", 5, Moment::now()).unwrap().total, 1);
    assert_eq!(Memories::contexts(&scratch.home()), [name("acme")]);
    memories.problems().iter().map(ToString::to_string).collect()
}

#[test]
fn a_wrong_setting_is_told_with_its_line() {
    for (setting, place, word) in [
        ("# a model\nsentence_model: ../elsewhere\n", "memory/config.yml:2:17:", "not a path below the home"),
        ("sentence_model: /models/static\n", "memory/config.yml:1:17:", "not a path below the home"),
        ("sentence_model: models//static\n", "memory/config.yml:1:17:", "not a path below the home"),
        ("sentence_model: models/./static\n", "memory/config.yml:1:17:", "not a path below the home"),
        ("sentence_model: \"C:\\\\models\"\n", "memory/config.yml:1:17:", "not a path below the home"),
        ("sentence_model: models/nothing\n", "memory/config.yml:1:17:", "no such folder"),
        ("sentence_model: models/static/README.md\n", "memory/config.yml:1:17:", "no such folder"),
        #[cfg(unix)]
        ("sentence_model: models/out/tmp\n", "memory/config.yml:1:17:", "link"),
        ("sentence_model: [models]\n", "memory/config.yml:1:17:", "expected text"),
        ("sentence_modle: models/static\n", "memory/config.yml:1:1:", "did you mean `sentence_model`?"),
        ("- sentence_model\n", "memory/config.yml:1:1:", "must be a map"),
        ("sentence_model: \"open\n", "memory/config.yml:", ""),
    ] {
        let shown = problems(setting);
        assert_eq!(shown.len(), 1, "{setting}: {shown:?}");
        assert!(shown[0].starts_with(place) && shown[0].contains(word), "{setting}: {shown:?}");
    }
    assert_eq!(problems(""), [""; 0]);
}

#[cfg(not(feature = "sentence-model"))]
#[test]
fn a_build_without_sentence_models_says_so() {
    let shown = problems("sentence_model: models/static\n");
    assert!(shown[0].starts_with("memory/config.yml:1:17:") && shown[0].contains("this build"), "{shown:?}");
}

#[test]
fn a_folder_that_is_made_later_is_seen() {
    let scratch = Scratch::with(&[("memory/config.yml", "sentence_model: models/static\n")]);
    let memories = Memories::new(scratch.home());
    assert!(memories.problems()[0].message.contains("no such folder"));
    scratch.put("models/static/README.md", "x");
    assert!(!memories.problems()[0].message.contains("no such folder"));
}

#[test]
fn lint_tells_it_once_for_all_rooms() {
    let scratch = Scratch::with(&[
        ("memory/config.yml", "sentence_model: ../x\n"),
        ("contexts/acme.yml", "isolation: open\n"),
        ("contexts/globex.yml", "isolation: open\n"),
        ("memory/acme/a.md", "One."),
        ("memory/globex/b.md", "Two."),
    ]);
    let shown = zos_core::lint::lint_home(scratch.home()).unwrap();
    assert_eq!(shown.iter().filter(|problem| problem.file == "memory/config.yml").count(), 1, "{shown:?}");
}
