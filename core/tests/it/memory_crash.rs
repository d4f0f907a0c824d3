//! A memory that was acknowledged is there after `kill -9`.
//!
//! The test starts itself as another process that adds memories and says each id once it is kept, and
//! kills it in the middle.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use zos_core::memory::{Memories, MemoryError, Moment, New, Origin, Source, Status};

use crate::scratch::{Scratch, name};

const HOME: &str = "ZOS_TEST_MEMORY_HOME";

/// The other process: does nothing unless it was started by the test below.
#[test]
fn writes_until_it_is_killed() {
    let Some(home) = std::env::var_os(HOME) else { return };
    let home = zos_core::Home::resolve_from(Some(home.as_ref()), None, None).unwrap();
    let room = Memories::new(home).room(&name("acme"));
    for number in 0.. {
        let new = New { subject: Some(format!("s{}", number % 7)), ..New::fact(format!("value {number}")) };
        // Every third is a model's, which the owner accepts at once; every fifth is forgotten again.
        let by_model = Source { origin: Origin::Model, reference: None };
        let new = if number % 3 == 2 { New { source: by_model, ..new } } else { new };
        let added = room.add(new, None, &[], Moment::now()).unwrap();
        if number % 3 == 2 {
            room.accept(&added.item.id, &[], Moment::now()).unwrap();
        }
        match number % 5 == 4 {
            true => {
                room.forget(&added.item.id).unwrap();
                println!("gone {} {number}", added.item.id);
            }
            false => println!("kept {} {number}", added.item.id),
        }
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    for round in 0..8 {
        let scratch = Scratch::new();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["memory_crash::writes_until_it_is_killed", "--exact", "--nocapture"])
            .env(HOME, scratch.root())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut kept = Vec::new();
        for line in lines.map_while(Result::ok) {
            let mut words = line.split_whitespace().skip_while(|word| !["kept", "gone"].contains(word));
            if let (Some(what), Some(id), Some(number)) = (words.next(), words.next(), words.next()) {
                kept.push((what == "kept", id.to_owned(), number.to_owned()));
                if kept.len() == 5 + round * 3 {
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
        assert!(kept.len() >= 5 + round * 3);
        let room = Memories::new(scratch.home()).room(&name("acme"));
        for (is_kept, id, number) in &kept {
            match room.show(&id.parse().unwrap(), Moment::now()) {
                Ok((item, _)) if *is_kept => {
                    assert_eq!(item.text, format!("value {number}"));
                    assert!(matches!(item.status, Status::Active | Status::Superseded), "{:?}", item.status);
                }
                Err(MemoryError::UnknownId) if !is_kept => {}
                other => panic!("{id} {number}: {other:?}"),
            }
        }
        // One in force on each subject, however the end came.
        assert_eq!(room.problems().unwrap(), []);
        let in_force = room.in_force(Moment::now()).unwrap();
        let subjects: std::collections::BTreeSet<_> =
            in_force.iter().map(|item| item.subject.clone()).collect();
        assert_eq!(subjects.len(), in_force.len());
    }
}
