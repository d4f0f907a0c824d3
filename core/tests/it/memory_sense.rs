//! Recall with a real sentence model, whose folder `ZOS_TEST_SENTENCE_MODEL` names: scripts/with-sentence-model
//! makes one.

use std::fs;
use std::path::PathBuf;

use zos_core::memory::{Memories, Moment, New};

use crate::memory_recall::{HELD_OUT, NOTES_HELD_OUT, NOTES_TUNED, Set, TUNED};
use crate::scratch::{Scratch, name};

/// A home with the model.
fn with_model() -> Scratch {
    let model = std::env::var_os("ZOS_TEST_SENTENCE_MODEL").expect(
        "ZOS_TEST_SENTENCE_MODEL names the folder of a model; run this by scripts/with-sentence-model",
    );
    let scratch = Scratch::with(&[("memory/config.yml", "sentence_model: models/static\n")]);
    fs::create_dir_all(scratch.path("models/static")).unwrap();
    for file in ["model.safetensors", "tokenizer.json"] {
        fs::copy(PathBuf::from(&model).join(file), scratch.path(&format!("models/static/{file}"))).unwrap();
    }
    scratch
}

/// Not worse: the same or better in mean reciprocal rank, and no more than one question in fifty falls out of
/// the first five.
fn compare(what: &str, set: &Set) -> (f64, f64) {
    let (words, both) = (set.by_recall(&Scratch::new()), set.by_recall(&with_model()));
    words.say(&format!("{what}, words"));
    both.say(&format!("{what}, words and meaning"));
    let (better, wide) = both.better_than(&words);
    eprintln!("{what}: better by {better:.3} ± {wide:.3}");
    assert!(both.found() >= words.found() - 0.02 && better >= 0.0, "{what}");
    (better, wide)
}

#[test]
fn a_model_does_not_make_recall_worse_where_words_suffice() {
    compare("tuned", &TUNED);
    compare("held out", &HELD_OUT);
}

#[test]
fn a_model_finds_notes_that_are_asked_for_in_other_words() {
    for (what, set) in [("notes, tuned", NOTES_TUNED), ("notes, held out", NOTES_HELD_OUT)] {
        let (better, wide) = compare(what, &set);
        assert!(better - wide > 0.0, "{what}");
    }
}

fn texts(scratch: &Scratch, question: &str) -> Vec<String> {
    let acme = Memories::new(scratch.home()).room(&name("acme"));
    acme.search(question, 5, Moment::now()).unwrap().items.into_iter().map(|item| item.text).collect()
}

fn add(scratch: &Scratch, room: &str, text: &str) {
    let room = Memories::new(scratch.home()).room(&name(room));
    room.add(New::fact(text), None, &[], Moment::now()).unwrap();
}

/// A question that shares no word with its answer, in every state that the files can be in.
const QUESTION: &str = "When is the physician available?";
const ANSWER: &str = "The doctor sees patients from nine to noon.";

#[test]
fn a_model_that_is_broken_or_gone_is_told_with_its_line_and_recall_goes_on_by_words() {
    let scratch = with_model();
    add(&scratch, "acme", ANSWER);
    assert_eq!(texts(&scratch, QUESTION), [ANSWER]);
    let memories = Memories::new(scratch.home());
    assert_eq!(memories.problems(), []);
    let weights = fs::read(scratch.path("models/static/model.safetensors")).unwrap();
    let tokenizer = scratch.read("models/static/tokenizer.json");
    let no_number = [&weights[..weights.len() - 2], &0x7c01u16.to_le_bytes()].concat();
    for (file, content, word) in [
        (
            "models/static/model.safetensors",
            &weights[..weights.len() / 2],
            "model.safetensors is not in the format",
        ),
        ("models/static/model.safetensors", b"", "model.safetensors is not in the format"),
        ("models/static/model.safetensors", &no_number, "no numbers"),
        ("models/static/tokenizer.json", b"{}", "tokenizer.json is not a tokenizer"),
        ("models/static/tokenizer.json", b"\0\xff", "tokenizer.json is not a tokenizer"),
    ] {
        scratch.put(file, content);
        let shown: Vec<String> = memories.problems().iter().map(ToString::to_string).collect();
        assert_eq!(shown.len(), 1, "{shown:?}");
        assert!(shown[0].starts_with("memory/config.yml:1:17: ") && shown[0].contains(word), "{shown:?}");
        assert_eq!(texts(&scratch, QUESTION), [""; 0]);
        assert_eq!(texts(&scratch, "doctor"), [ANSWER]);
        scratch.put("models/static/model.safetensors", &weights);
        scratch.put("models/static/tokenizer.json", &tokenizer);
    }
    // Fixed, it is used again, by a process that was there all the time.
    assert_eq!(memories.problems(), []);
    assert_eq!(memories.room(&name("acme")).search(QUESTION, 5, Moment::now()).unwrap().total, 1);
    fs::remove_file(scratch.path("models/static/tokenizer.json")).unwrap();
    assert!(memories.problems()[0].to_string().contains("no file tokenizer.json"));
    fs::remove_file(scratch.path("memory/config.yml")).unwrap();
    assert_eq!(memories.problems(), []);
}

#[test]
fn vectors_follow_the_files_and_lie_in_the_rooms_own_index() {
    let scratch = with_model();
    add(&scratch, "acme", ANSWER);
    add(&scratch, "globex", "The surgeon is at the clinic on Mondays.");
    assert_eq!(texts(&scratch, QUESTION), [ANSWER]);
    let count = |room: &str| -> i64 {
        let index = rusqlite::Connection::open(scratch.path(&format!("memory/{room}/index.db"))).unwrap();
        index.query_row("SELECT count(*) FROM vectors", [], |row| row.get(0)).unwrap()
    };
    // Globex was not asked, so nothing of it was looked at.
    assert_eq!((count("acme"), count("globex")), (1, 0));
    fs::remove_file(scratch.path("memory/acme/index.db")).unwrap();
    assert_eq!(texts(&scratch, QUESTION), [ANSWER]);
    let room = Memories::new(scratch.home()).room(&name("acme"));
    let id = room.in_force(Moment::now()).unwrap()[0].id.clone();
    // Another process changes what this one asks.
    let asked = room.search(QUESTION, 5, Moment::now()).unwrap().total;
    Memories::new(scratch.home()).room(&name("acme")).forget(&id).unwrap();
    assert_eq!((asked, room.search(QUESTION, 5, Moment::now()).unwrap().total), (1, 0));
    assert_eq!(count("acme"), 0);
}
