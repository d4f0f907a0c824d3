use proptest::prelude::*;

use super::*;

fn context() -> ContextName {
    "acme".parse().unwrap()
}

fn read_as(stem: &str, bytes: &[u8]) -> Result<Item, Vec<Problem>> {
    let context = context();
    let file = format!("memory/acme/2026/{stem}.md");
    let id = stem.parse().unwrap();
    let place = NoteFile {
        context: &context,
        id: &id,
        is_named: true,
        file: &file,
        modified: Moment::from_unix_ms(0),
    };
    parse(&place, bytes)
}

/// As it is read from a file whose name is no id.
fn read_note(bytes: &[u8]) -> Result<Item, Vec<Problem>> {
    let (context, id) = (context(), "weekly-sync-0123456789ab".parse().unwrap());
    let (file, modified) = ("memory/acme/Weekly sync.md", Moment::from_unix_ms(0));
    parse(&NoteFile { context: &context, id: &id, is_named: false, file, modified }, bytes)
}

fn full() -> Item {
    Item {
        id: "20261125-012000-0000002a".parse().unwrap(),
        context: context(),
        kind: Kind::Decision,
        status: Status::Active,
        source: Source { origin: Origin::Model, reference: Some("call \"7\": x".into()) },
        created: "2026-11-25T01:20:00Z".parse().unwrap(),
        valid_from: None,
        valid_to: None,
        expires: Some("2027-01-01".parse().unwrap()),
        supersedes: vec!["old-1".parse().unwrap(), "2026".parse().unwrap()],
        subject: Some("Ann's: city #1".into()),
        sensitivity: None,
        reviewed: Some("2026-11-25T02:00:00Z".parse().unwrap()),
        pinned: true,
        path: None,
        delete_proposed: None,
        text: "Ann lives in Paris.\n\n---\n\nSince May.".into(),
    }
}

#[test]
fn what_is_written_is_read_back() {
    let item = full();
    assert_eq!(read_as(item.id.as_str(), render(&item).as_bytes()), Ok(item));
}

#[test]
fn a_plain_note_is_the_owners() {
    let item = read_as("note", "Lunch is at noon.\r\n".as_bytes()).unwrap();
    assert_eq!(
        (item.status, item.source.origin, item.text.as_str()),
        (Status::Active, Origin::User, "Lunch is at noon.")
    );
    assert_eq!(item.created, Moment::from_unix_ms(0));
}

#[test]
fn what_a_model_a_tool_or_an_import_claims_is_proposed_until_reviewed() {
    for origin in ["model", "tool", "import"] {
        for status in ["", "status: active\n"] {
            let claimed = format!("---\n{status}source: {{type: {origin}}}\n---\nText");
            assert_eq!(read_as("a", claimed.as_bytes()).unwrap().status, Status::Proposed, "{claimed}");
            let reviewed = claimed.replacen("---\n", "---\nreviewed: 2026-01-01\n", 1);
            assert_eq!(read_as("a", reviewed.as_bytes()).unwrap().status, Status::Active, "{reviewed}");
        }
    }
    let own = "---\nstatus: active\nsource: {type: user}\n---\nText";
    assert_eq!(read_as("a", own.as_bytes()).unwrap().status, Status::Active);
}

#[test]
fn keys_of_other_programs_keep_no_note_from_being_read_and_stay() {
    let note = "---\nid: Zettel 7\ntags: [work, sync]\naliases:\n  - weekly\ncssclasses: wide\ncreated: 2026-11-24\n\
                link: \"[[Plan]]\"\n---\nThe sync is on Monday.\n";
    let read = read_note(note.as_bytes()).unwrap();
    assert_eq!((read.status, read.text.as_str()), (Status::Active, "The sync is on Monday."));
    assert_eq!(read_note(note.replace("Zettel 7", "sync-7").as_bytes()).unwrap().id, read.id);
    assert_eq!(read_as("sync", note.as_bytes()).unwrap().id.as_str(), "sync");
    let after = Item { status: Status::Rejected, ..read.clone() };
    let changed = change(note, &read, &after);
    assert_eq!(changed, note.replace("---\nThe", "status: rejected\n---\nThe"));
    assert_eq!(read_note(changed.as_bytes()), Ok(after));
}

#[test]
fn a_source_may_be_a_word_or_the_place_that_a_text_was_taken_from() {
    for (source, origin, reference, status) in [
        ("import", Origin::Import, None, Status::Proposed),
        ("model", Origin::Model, None, Status::Proposed),
        ("user", Origin::User, None, Status::Active),
        ("https://example.org/a?b#c", Origin::Import, Some("https://example.org/a?b#c"), Status::Proposed),
        ("\"\"", Origin::User, None, Status::Active),
    ] {
        let item = read_note(format!("---\nsource: {source}\n---\nText").as_bytes()).unwrap();
        assert_eq!(
            (item.source.origin, item.source.reference.as_deref(), item.status),
            (origin, reference, status)
        );
    }
    let long = format!("---\nsource: {}\n---\nText", "x".repeat(LABEL_MAX_BYTES + 1));
    assert!(read_note(long.as_bytes()).unwrap_err()[0].message.contains("source"));
}

#[test]
fn what_is_wrong_is_named_with_file_and_line() {
    for (text, line, word) in [
        ("---\nkind: rumour\n---\nText", 2, "kind"),
        ("---\nkind: fact\nstatus: maybe\n---\nText", 3, "status"),
        ("---\nexpires: soon\n---\nText", 2, "expires"),
        ("---\nid: other\n---\nText", 2, "id"),
        ("---\ncontext: globex\n---\nText", 2, "context"),
        ("---\nsource: [model]\n---\nText", 2, "source"),
        ("---\nsource: {type: robot}\n---\nText", 2, "type"),
        ("---\nsupersedes: [../x]\n---\nText", 2, "supersedes"),
        ("---\npinned: maybe\n---\nText", 2, "pinned"),
        ("---\nkind: [\n---\nText", 2, "closed"),
        ("---\nkind: fact\nText", 1, "not closed"),
        ("---\nkind: fact\n---\n  \n", 4, "no text"),
        ("", 1, "no text"),
    ] {
        let problems = read_as("a", text.as_bytes()).unwrap_err();
        let problem = &problems[0];
        assert!(problem.to_string().contains(word), "{text:?}: {problem}");
        assert_eq!(
            (problem.file.as_str(), problem.line),
            ("memory/acme/2026/a.md", Some(line)),
            "{text:?}: {problem}"
        );
    }
    let ours = "---\nid: 20261125-012000000-0000002a\n---\nText";
    let renamed = read_note(ours.as_bytes()).unwrap_err().remove(0);
    assert_eq!((renamed.line, renamed.fix.contains("20261125-012000000-0000002a.md")), (Some(2), true));
    assert!(read_as("a", b"\xff\xfeT").unwrap_err()[0].message.contains("UTF-16"));
    assert!(
        read_as("a", "x".repeat(TEXT_MAX_BYTES + 1).as_bytes()).unwrap_err()[0].message.contains("bytes")
    );
}

#[test]
fn a_change_touches_only_its_own_lines() {
    let old = "---\n# mine\nkind: fact\nmood: good   # unknown, kept\nsupersedes:\n  - a\n  - b\nstatus: active\n---\n\nText  \n";
    let before = read_as("x", old.as_bytes()).unwrap();
    let after = Item {
        status: Status::Superseded,
        valid_to: Some("2026-11-25".parse().unwrap()),
        supersedes: vec!["a".parse().unwrap()],
        ..before.clone()
    };
    let changed = change(old, &before, &after);
    assert_eq!(
        changed,
        "---\n# mine\nkind: fact\nmood: good   # unknown, kept\nsupersedes: [a]\nstatus: superseded\nvalid_to: 2026-11-25T00:00:00Z\n---\n\nText  \n"
    );
    assert_eq!(read_as("x", changed.as_bytes()), Ok(after));
}

#[test]
fn a_note_without_front_matter_gets_some() {
    let before = read_as("x", b"Text\n").unwrap();
    let after = Item { status: Status::Rejected, ..before.clone() };
    let changed = change("Text\n", &before, &after);
    assert_eq!(changed, "---\nstatus: rejected\n---\n\nText\n");
    assert_eq!(read_as("x", changed.as_bytes()), Ok(after));
}

proptest! {
    #[test]
    fn any_text_and_labels_survive_a_round_trip(text in "\\PC{1,80}", subject in "\\PC{0,40}", reference in "\\PC{0,40}") {
        prop_assume!(!text.trim().is_empty() && text.trim() == text && !text.contains('\0'));
        let trimmed = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let item = Item {
            text,
            subject: trimmed(&subject),
            source: Source { origin: Origin::User, reference: trimmed(&reference) },
            ..full()
        };
        prop_assert_eq!(read_as(item.id.as_str(), render(&item).as_bytes()), Ok(item));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_as("a", &bytes);
        let mut fenced = b"---\n".to_vec();
        fenced.extend(&bytes);
        fenced.extend(b"\n---\ntext");
        let _ = read_as("a", &fenced);
    }
}
