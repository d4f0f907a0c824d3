//! The files of memories: the names that people give them, links, and what is not read.

use std::collections::BTreeSet;
use std::fs;

use zos_core::memory::{Id, Memories, MemoryError, New, Status};

use crate::memory::{noon, room, texts};
use crate::scratch::Scratch;

#[cfg(unix)]
#[test]
fn no_link_on_the_way_to_a_memory_is_followed_by_anything() {
    use std::os::unix::fs::symlink;
    let outside = Scratch::with(&[("notes/out.md", "The heron nests by the lake.")]);
    let scratch = Scratch::with(&[
        ("memory/globex/a.md", "The heron sleeps at noon."),
        ("memory/acme/own.md", "Ann lives in Paris."),
        ("memory/acme/index.db", ""),
    ]);
    let globex = room(&scratch, "globex");
    assert_eq!(texts(&globex, "heron").len(), 1);
    symlink(scratch.path("memory/globex"), scratch.path("memory/beta")).unwrap();
    symlink(outside.path("notes"), scratch.path("memory/gamma")).unwrap();
    fs::create_dir_all(scratch.path("memory/acme/a/b")).unwrap();
    symlink(scratch.path("memory/globex"), scratch.path("memory/acme/a/b/far")).unwrap();
    symlink(scratch.path("memory/globex/a.md"), scratch.path("memory/acme/near.md")).unwrap();
    fs::remove_file(scratch.path("memory/acme/index.db")).unwrap();
    symlink(scratch.path("memory/globex/index.db"), scratch.path("memory/acme/index.db")).unwrap();
    symlink(outside.path("notes"), scratch.path("memory/acme/2026")).unwrap();

    let listing = |root: &std::path::Path| -> BTreeSet<std::path::PathBuf> {
        fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let (theirs, out) = (listing(&scratch.path("memory/globex")), listing(&outside.path("notes")));
    let is_linked = |error: MemoryError| matches!(error, MemoryError::Linked { .. });
    for linked in ["beta", "gamma"] {
        let room = room(&scratch, linked);
        room.follow();
        let id: Id = "a".parse().unwrap();
        assert!(is_linked(room.search("heron", 5, noon()).unwrap_err()));
        assert!(is_linked(room.in_force(noon()).unwrap_err()));
        assert!(is_linked(room.show(&id, noon()).unwrap_err()));
        assert!(is_linked(room.review(None, noon()).unwrap_err()));
        assert!(is_linked(room.add(New::fact("Text"), None, &[], noon()).unwrap_err()));
        assert!(is_linked(room.accept(&id, &[], noon()).unwrap_err()));
        assert!(is_linked(room.decide(std::slice::from_ref(&id), true, noon()).unwrap_err()));
        assert!(is_linked(room.forget(&id).unwrap_err()));
        assert!(is_linked(room.reindex().unwrap_err()));
        assert!(room.problems().unwrap()[0].to_string().contains(&format!("memory/{linked}")));
    }
    let acme = room(&scratch, "acme");
    assert_eq!(texts(&acme, "heron"), [""; 0]);
    assert_eq!(texts(&acme, "Paris"), ["Ann lives in Paris."]);
    // The folder of the year is a link as well: nothing is written through it.
    assert!(acme.add(New::fact("Bob lives in Rome."), None, &[], noon()).is_err());
    let told: Vec<String> = acme.problems().unwrap().iter().map(ToString::to_string).collect();
    for link in ["memory/acme/a/b/far", "memory/acme/near.md", "memory/acme/2026"] {
        assert!(told.iter().any(|line| line.contains(link) && line.contains("link")), "{link}: {told:?}");
    }
    assert_eq!(listing(&scratch.path("memory/globex")), theirs);
    assert_eq!(listing(&outside.path("notes")), out);
    assert_eq!(texts(&globex, "heron").len(), 1);

    let names: Vec<String> = Memories::contexts(&scratch.home()).iter().map(ToString::to_string).collect();
    assert_eq!(names, ["acme", "globex"]);
    let told: Vec<String> =
        Memories::new(scratch.home()).problems().iter().map(ToString::to_string).collect();
    assert!(told.len() == 2 && told.iter().all(|line| line.contains("is a link")), "{told:?}");
}

#[cfg(unix)]
#[test]
fn a_folder_of_all_memories_that_is_a_link_is_nobodys() {
    let outside =
        Scratch::with(&[("acme/a.md", "Ann lives in Paris."), ("config.yml", "sentence_model: models/x")]);
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.root()).unwrap();
    std::os::unix::fs::symlink(outside.root(), scratch.path("memory")).unwrap();
    let acme = room(&scratch, "acme");
    assert!(matches!(acme.search("Ann", 5, noon()), Err(MemoryError::Linked { path }) if path == "memory"));
    assert!(acme.add(New::fact("Text"), None, &[], noon()).is_err());
    assert_eq!(Memories::contexts(&scratch.home()), []);
    let told = Memories::new(scratch.home()).problems();
    assert!(told.len() == 1 && told[0].file == "memory" && told[0].is_error(), "{told:?}");
}

#[test]
fn notes_are_read_under_the_names_that_people_give_them() {
    let long = format!("{}.md", "a long name ".repeat(8).trim());
    let deep = format!("{}Deep note.md", "one more/".repeat(14));
    let names = [
        "Planning day 2027.md",
        "README.md",
        "2027-01-31 Retro.md",
        "Größe & Maß.md",
        "v1.2.3.md",
        "UPPER.MD",
        "other.markdown",
        "日記.md",
        &long,
        &deep,
        "x/note.md",
        "y/note.md",
    ];
    let scratch = Scratch::new();
    for (number, name) in names.iter().enumerate() {
        scratch.put(&format!("memory/acme/{name}"), format!("Fact{number} about things{number}."));
    }
    let acme = room(&scratch, "acme");
    let read = |room: &zos_core::memory::Room| -> Vec<Id> {
        let of = |number: usize| {
            let mut found = room.search(&format!("fact{number}"), 5, noon()).unwrap().items;
            assert_eq!(found.len(), 1, "{}", names[number]);
            found.remove(0).id
        };
        (0..names.len()).map(of).collect()
    };
    let ids = read(&acme);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), names.len(), "{ids:?}");
    assert_eq!(acme.problems().unwrap(), []);
    assert_eq!((ids[6].as_str(), ids[10].as_str()), ("other", "note"));
    // Read again, anew, and by another process: the same.
    assert_eq!(acme.reindex().unwrap().indexed, names.len() as u64);
    assert_eq!(read(&acme), ids);
    assert_eq!(read(&room(&scratch, "acme")), ids);
    // What the owner called it finds it, too.
    assert_eq!(texts(&acme, "retro"), ["Fact2 about things2."]);
    // Each can be used by its id.
    for id in &ids {
        assert_eq!(acme.show(id, noon()).unwrap().0.id, *id);
    }
    acme.forget(&ids[0]).unwrap();
    assert!(!scratch.path("memory/acme/Planning day 2027.md").exists());
    assert!(matches!(acme.show(&ids[0], noon()), Err(MemoryError::UnknownId)));
    // One more of a name takes nobody's id, and who had it keeps it.
    scratch.put("memory/acme/z/note.md", "Fact99.");
    assert_eq!(acme.search("fact10", 5, noon()).unwrap().items[0].id, ids[10]);
}

#[test]
fn what_is_not_read_is_told() {
    let scratch = Scratch::with(&[
        ("memory/acme/good.md", "The sky is blue."),
        ("memory/acme/plan.txt", "text"),
        ("memory/acme/board.canvas", "{}"),
        ("memory/acme/.obsidian/app.json", "{}"),
        ("memory/acme/.trash/old.md", "gone"),
        (&format!("memory/acme/{}far.md", "d/".repeat(17)), "too deep"),
        ("memory/Acme Notes/a.md", "whose?"),
    ]);
    let acme = room(&scratch, "acme");
    let made = acme.reindex().unwrap();
    assert_eq!((made.indexed, made.errors.len(), made.warnings.len()), (1, 1, 1), "{made:?}");
    assert!(made.errors[0].message.contains("16 folders"), "{made:?}");
    assert!(made.warnings[0].message.contains("2 files") && made.warnings[0].message.contains("plan.txt"));
    let told = Memories::new(scratch.home()).problems();
    assert!(told.len() == 1 && told[0].file == "memory/Acme Notes", "{told:?}");
}

#[test]
fn an_import_in_any_place_is_reviewed_together_and_a_note_of_any_name_is_accepted() {
    let scratch = Scratch::new();
    for (number, name) in ["Trip to Rome.md", "deep/er/Rent 2026.md", "c.md"].iter().enumerate() {
        scratch
            .put(&format!("memory/acme/{name}"), format!("---\nsource: import\n---\nImported{number} fact."));
    }
    let acme = room(&scratch, "acme");
    let mut ids: Vec<Id> =
        acme.review(None, noon()).unwrap().into_iter().map(|waiting| waiting.item.id).collect();
    assert_eq!(ids.len(), 3);
    assert_eq!(acme.search("imported0", 5, noon()).unwrap().total, 0);
    ids.insert(1, "nobody".parse().unwrap());
    let done = acme.decide(&ids, true, noon()).unwrap();
    assert_eq!(done.iter().filter(|one| one.is_ok()).count(), 3);
    assert!(matches!(done[1], Err(MemoryError::UnknownId)));
    for number in 0..3 {
        assert_eq!(acme.search(&format!("imported{number}"), 5, noon()).unwrap().total, 1);
    }
    let again = acme.decide(&ids, false, noon()).unwrap();
    assert!(matches!(again[0], Err(MemoryError::NotWaiting { status: Status::Active })));
    assert!(scratch.read("memory/acme/Trip to Rome.md").contains("status: active\n"));
}
