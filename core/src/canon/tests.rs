//! What a canon is built of, from bytes alone.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::context::Isolation;
use crate::files::FileRead;

/// What `room` gets of these files; the first of them may be the manifest.
fn built(files: &[(&str, &str)], room: &str) -> Build {
    let bytes = |text: &str| FileRead::Bytes(text.as_bytes().to_vec());
    let raw_manifest =
        files.iter().find(|(path, _)| *path == MANIFEST).map_or(FileRead::Absent, |(_, text)| bytes(text));
    let (manifest, manifest_findings) = match &raw_manifest {
        FileRead::Bytes(bytes) => manifest::parse(bytes),
        _ => (Some(manifest::Manifest::default()), Vec::new()),
    };
    let layers: BTreeMap<_, _> = files
        .iter()
        .filter(|(path, _)| *path != MANIFEST)
        .map(|(path, text)| ((*path).to_owned(), bytes(text)))
        .collect();
    let present = layers.keys().filter(|path| path.starts_with("brain/")).cloned().collect();
    let files = CanonFiles { raw_manifest, manifest, manifest_findings, layers, present };
    build(&files, &room.parse().unwrap(), Isolation::Hard)
}

#[track_caller]
fn canon(files: &[(&str, &str)]) -> Canon {
    let build = built(files, "acme");
    build.canon.unwrap_or_else(|| panic!("{:#?}", build.findings))
}

/// The findings as `lint file:line message; fix`.
fn said(files: &[(&str, &str)]) -> Vec<String> {
    let build = built(files, "acme");
    build.findings.iter().map(|finding| format!("{} {}", finding.lint.name(), finding.problem)).collect()
}

#[test]
fn clauses_stand_in_the_order_of_the_manifest_and_know_their_lines() {
    let canon = canon(&[
        (MANIFEST, r#"["brain/b.md", "brain/safety-floor.md"]"#),
        ("brain/b.md", "---\n# for you\nlevel: org\n---\n# Title\n\n## Be brief {#brief}\nShort.\n\n\n"),
        ("brain/safety-floor.md", "## Never lie\n\nNever."),
        ("contexts/acme.md", "Only here."),
    ]);
    assert_eq!(canon.text, "# Title\n\n## Be brief\nShort.\n\n## Never lie\n\nNever.\n\nOnly here.\n");
    let origins: Vec<String> = canon
        .lines
        .iter()
        .map(|line| format!("{}:{} {} {}", line.file, line.file_line, line.level.name(), line.clause))
        .collect();
    assert_eq!(
        origins,
        [
            "brain/b.md:5 org brain/b.md",
            "brain/b.md:7 org brief",
            "brain/b.md:7 org brief",
            "brain/b.md:8 org brief",
            "brain/safety-floor.md:1 floor never-lie",
            "brain/safety-floor.md:1 floor never-lie",
            "brain/safety-floor.md:2 floor never-lie",
            "brain/safety-floor.md:3 floor never-lie",
            "contexts/acme.md:1 room contexts/acme.md",
            "contexts/acme.md:1 room contexts/acme.md",
        ]
    );
    assert_eq!(canon.digest, Canon::digest_of(&canon.text));
    assert!(canon.digest.starts_with("sha256:") && canon.digest.len() == 71);
}

#[test]
fn lower_levels_add_or_replace_and_the_floor_stays() {
    let manifest = (MANIFEST, r#"[{"path": "brain/task.md", "level": "task"}, "brain/owner.md"]"#);
    let owner = ("brain/owner.md", "## Tone {#tone}\nFriendly.");
    let extended = canon(&[manifest, owner, ("brain/task.md", "## Tone here {#tone}\nAnd short.")]);
    assert_eq!(extended.text, "## Tone\nFriendly.\n\nAnd short.\n");
    assert_eq!(extended.lines.last().unwrap().file.as_ref(), "brain/task.md");
    let replaced = canon(&[manifest, owner, ("brain/task.md", "## Tone {#tone override}\nShort.")]);
    assert_eq!(replaced.text, "## Tone\nShort.\n");
    let by_file = canon(&[
        manifest,
        owner,
        ("brain/task.md", "---\noverride: true\n---\n## Tone {#tone}\nShort.\n## New\nx"),
    ]);
    assert_eq!(by_file.text, "## Tone\nShort.\n\n## New\nx\n");
    // The same words on one level stand once.
    let same = canon(&[
        (MANIFEST, r#"["brain/a.md", "brain/b.md"]"#),
        ("brain/a.md", "## Tone\nFriendly.  \r\n"),
        ("brain/b.md", "\u{feff}## Tone\nFriendly.\n"),
    ]);
    assert_eq!(same.text, "## Tone\nFriendly.\n");
    let floor = [
        (MANIFEST, r#"["brain/safety-floor.md", "brain/b.md"]"#),
        ("brain/safety-floor.md", "## Harm\nNo."),
        ("brain/b.md", "\n## Harm {#harm override}\nYes."),
    ];
    assert!(built(&floor, "acme").canon.is_none());
    assert_eq!(
        said(&floor),
        ["floor_override brain/b.md:2:1: the clause \"harm\" of the floor cannot be overridden; it is \
          brain/safety-floor.md:1; remove `override`, so that it adds to the floor, or give it another id"]
    );
    let conflict = [
        (MANIFEST, r#"["brain/a.md", {"path": "brain/b.md", "level": "owner"}]"#),
        ("brain/a.md", "x\n## Tone\nFriendly."),
        ("brain/b.md", "## Tone\nCold."),
    ];
    assert!(
        said(&conflict)[0].starts_with("duplicate_id brain/b.md:1:1: two different texts"),
        "{:?}",
        said(&conflict)
    );
    assert!(said(&conflict)[0].contains("the other is brain/a.md:2"));
}

#[test]
fn organisation_and_room_are_peers() {
    let files = [
        (MANIFEST, r#"[{"path": "brain/org.md", "level": "org"}]"#),
        ("brain/org.md", "## Tone\nFormal."),
        ("contexts/acme.md", "## Tone {#tone override}\nCasual."),
    ];
    assert!(said(&files)[0].contains("two different texts"), "{:?}", said(&files));
}

#[test]
fn what_changes_often_comes_last() {
    let canon = canon(&[
        (MANIFEST, r#"["brain/a.md"]"#),
        ("brain/a.md", "## Now {#now volatile}\nWeek 7.\n## Tone\nKind."),
    ]);
    assert_eq!((canon.stable(), canon.volatile()), ("## Tone\nKind.\n\n", "## Now\nWeek 7.\n"));
    assert_eq!(canon.lines.len(), canon.text.lines().count());
    assert_eq!(canon.lines[2].file_line, 1, "the blank line belongs to what follows");
}

#[test]
fn headings_in_code_are_no_clauses() {
    let text = "## One\n```sh\n## not one\n```\n~~~\n## nor this\n```\n~~~\n    ## nor that\n### a part\n##nor this\n## Two ##";
    let canon = canon(&[(MANIFEST, r#"["brain/a.md"]"#), ("brain/a.md", text)]);
    let ids: std::collections::BTreeSet<&str> = canon.lines.iter().map(|line| &*line.clause).collect();
    assert_eq!(ids.into_iter().collect::<Vec<_>>(), ["one", "two"]);
}

#[test]
fn a_file_speaks_where_it_may() {
    let files = [
        (
            MANIFEST,
            r#"[{"path": "brain/a.md", "when": {"context": ["acme"]}}, {"path": "brain/o.md", "when": {"isolation": "open"}},
                "contexts/globex.md", {"path": "brain/gone.md", "required": false}]"#,
        ),
        ("brain/a.md", "for acme"),
        ("brain/o.md", "for open rooms"),
        ("contexts/globex.md", "for globex"),
        ("contexts/acme.md", "own"),
    ];
    assert_eq!(canon(&files).text, "for acme\n\nown\n");
    assert_eq!(built(&files, "globex").canon.unwrap().text, "for globex\n");
    assert!(built(&files, "third").canon.is_none() && !built(&files, "third").is_broken());
}

#[test]
fn a_pin_holds_the_raw_file() {
    let text = "Kind.\r\n";
    let digest = hex::encode(Sha256::digest(text.as_bytes()));
    let manifest = format!(r#"[{{"path": "brain/a.md", "sha256": "{digest}"}}]"#);
    assert_eq!(canon(&[(MANIFEST, &manifest), ("brain/a.md", text)]).text, "Kind.\n");
    let broken = said(&[(MANIFEST, &manifest), ("brain/a.md", "Kind.\n")]);
    assert!(broken[0].starts_with("pin manifest.json:1:11:"), "{broken:?}");
}

#[test]
fn a_canon_over_its_budget_is_refused_and_its_clauses_are_named() {
    let long = format!("## Short\nx\n## Long\n{}", "word ".repeat(300));
    let over = |budget: &str| {
        let manifest = format!("{{\"files\": [\"brain/a.md\"],\n\"budget\": {budget}}}");
        said(&[(MANIFEST, &manifest), ("brain/a.md", &long)])
    };
    assert_eq!(over(r#"{"total": 100000, "layers": {"brain/a.md": 100000}}"#), [""; 0]);
    for budget in [r#"{"total": 100}"#, r#"{"layers": {"brain/a.md": 100}}"#] {
        let said = over(budget);
        assert!(said[0].starts_with("over_budget manifest.json:2:"), "{said:?}");
        assert!(said[0].contains("the largest clauses: \"long\" (brain/a.md:3) 30"), "{said:?}");
    }
}

#[test]
fn a_broken_manifest_says_where() {
    for (text, expected) in [
        ("", ":1:1: the file is empty"),
        ("[\"brain/a.md\",]", ":1:15: this is not JSON"),
        ("# no\n[]", ":1:1: this is not JSON"),
        ("\n7", ":2:1: expected a list of files, found a number"),
        ("[\n7]", ":2:1: entry 1 must be a path or an object"),
        ("[\"brain/a.md\",\n\t\"brain/a.md\"]", ":2:2: \"brain/a.md\" is listed twice; first in line 1"),
        ("{}", ":1:1: the object has no `files`"),
        ("[{\"level\": \"owner\"}]", ":1:2: this entry has no `path`"),
        ("[{\"path\": \"brain/a.md\", \"level\": \"boss\"}]", ":1:34: `files[1].level` must be floor"),
        ("[{\"path\": \"brain/a.md\", \"sha256\": \"12\"}]", ":1:35: `sha256` is not a digest"),
        ("[{\"path\": \"brain/a.md\", \"pin\": 1}]", ":1:25: the key `files[1].pin` is unknown"),
        (
            "[{\"path\": \"brain/a.md\", \"required\": \"no\"}]",
            ":1:37: `files[1].required`: expected true or false",
        ),
        (
            "[{\"path\": \"brain/a.md\", \"when\": {\"context\": [\"A B\"]}}]",
            ":1:46: this is not a context's name",
        ),
        (
            "[{\"path\": \"contexts/a.md\", \"when\": {\"context\": [\"b\"]}}]",
            ":1:49: \"contexts/a.md\" belongs to one room",
        ),
        ("{\"files\": [], \"budget\": {\"total\": -1}}", ":1:35: `budget.total` must be a whole number"),
        ("{\"files\": [], \"files\": []}", ":1:15: "),
        ("[\"brain/a.md\"]", ":1:2: the listed file \"brain/a.md\" does not exist"),
    ] {
        let said = said(&[(MANIFEST, text)]);
        assert!(
            said.iter().any(|line| line.contains(&format!("{MANIFEST}{expected}"))),
            "{text:?}: {said:#?}"
        );
        assert!(built(&[(MANIFEST, text)], "acme").is_broken(), "{text:?}");
    }
    for path in [
        "../a.md",
        "brain/../a.md",
        "/brain/a.md",
        "brain//a.md",
        "brain\\\\a.md",
        "~/a.md",
        "brain/%2e.md",
        "a.md",
        "https://x.org/a.md",
        "brain/a.txt",
        "contexts/A B.md",
        "C:/brain/a.md",
        "brain/./a.md",
    ] {
        let text = format!("[\"{path}\"]");
        assert!(said(&[(MANIFEST, &text)])[0].contains(":1:2: the path cannot be used"), "{path}");
    }
}

#[test]
fn a_broken_layer_says_where() {
    let manifest = (MANIFEST, "[\"brain/a.md\"]");
    for (text, expected) in [
        ("---\nlevel: owner\n", "front_matter brain/a.md:1:1: the front matter that begins here has no end"),
        ("---\nlevel: boss\n---\n", "front_matter brain/a.md:2:8: `level` must be floor"),
        (
            "---\noverride: yes please\n---\n",
            "front_matter brain/a.md:2:11: `override`: expected true or false",
        ),
        ("---\n\nvolatile: 1\n---\n", "front_matter brain/a.md:3:11: `volatile`: expected true or false"),
        ("---\n- a\n---\n", "front_matter brain/a.md:2:1: the file must be a map"),
        ("---\nlevel: [\n---\n", "front_matter brain/a.md:"),
        (
            "---\nlevle: owner\n---\nx",
            "front_matter brain/a.md:2:1: the key `levle` is unknown and does nothing; did you mean",
        ),
        ("## A {#a b}\nx", "clause_id brain/a.md:1:1: `b` is unknown after an id"),
        ("\n## A {#a\nx", "clause_id brain/a.md:2:1: the `{#` of this heading has no `}`"),
        ("## A {#a/b}\nx", "clause_id brain/a.md:1:1: `#a/b` is no id"),
        ("## !!!\nx", "clause_id brain/a.md:1:1: this heading has no letter"),
        ("## A\nx\n## A\ny", "duplicate_id brain/a.md:3:1: two different texts"),
        ("x\0", "unreadable brain/a.md:1:2: the file holds a NUL"),
        ("## A {#a override}\nx", "idle_override brain/a.md:1:1: the clause \"a\" overrides nothing here"),
    ] {
        let said = said(&[manifest, ("brain/a.md", text)]);
        assert!(said.iter().any(|line| line.starts_with(expected)), "{text:?}: {said:#?}");
    }
    let floor = said(&[
        (MANIFEST, "[{\"path\": \"brain/safety-floor.md\", \"level\": \"task\"}]"),
        ("brain/safety-floor.md", "x"),
    ]);
    assert!(floor[0].contains("is always of level floor"));
    let overlay = said(&[("contexts/acme.md", "---\nlevel: floor\n---\nx")]);
    assert!(
        overlay[0].starts_with("front_matter contexts/acme.md:1:1: a room's own prose cannot be"),
        "{overlay:?}"
    );
    let twice = said(&[
        (MANIFEST, "[{\"path\": \"brain/a.md\", \"level\": \"task\"}]"),
        ("brain/a.md", "---\nlevel: org\n---\nx"),
    ]);
    assert!(twice[0].contains("the level is org here and task in manifest.json"), "{twice:?}");
}

#[test]
fn why_finds_every_line_and_nothing_else() {
    let canon = canon(&[
        (MANIFEST, r#"["brain/a.md"]"#),
        ("brain/a.md", "## One\nKind words.\nKind words.\n## Two\nCaf\u{e9}."),
    ]);
    let why = |text: &str| {
        canon.why(text).into_iter().map(|(number, line)| (number, line.file_line)).collect::<Vec<_>>()
    };
    assert_eq!(why("Kind words."), [(2, 2), (3, 3)]);
    assert_eq!(why("words.\nKind"), [(2, 2), (3, 3)]);
    assert_eq!(why("Cafe\u{301}"), [(6, 5)]);
    assert_eq!(why("absent"), []);
    assert_eq!(why(" \n"), []);
    for (number, line) in canon.text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        assert!(canon.why(line).iter().any(|(found, _)| *found == number + 1), "{line}");
    }
}

#[test]
fn lints_find_what_was_not_meant() {
    let folder = tempfile::tempdir().unwrap();
    let home = crate::Home::resolve_from(Some(folder.path()), None, None).unwrap();
    let found = |text: &str| {
        let canon = canon(&[(MANIFEST, r#"["brain/a.md"]"#), ("brain/a.md", text)]);
        let found: Vec<_> =
            lint_canon(&canon, &home).iter().map(|f| (f.lint.name(), f.problem.line.unwrap())).collect();
        found
    };
    for (text, lint, line) in [
        ("x\nUpdated 2026-01-31.", "date", 2),
        ("Since March 2026 we ship.", "date", 1),
        ("As of 31.1.2026T", "date", 1),
        ("Order 4f0c2a1e-9b1d-4c55-8a77-0e2f6b1d2c3a", "identifier", 1),
        ("be\u{200b}kind", "hidden_unicode", 1),
        ("be \u{e0041}kind", "hidden_unicode", 1),
        ("be \u{202e}kind", "hidden_unicode", 1),
        ("See [there](gone.md).", "dead_reference", 1),
        ("## A\nSee [there](#b).", "dead_reference", 2),
        ("Always use tabs.\nNever use tabs.", "contradiction", 2),
        ("You must always cite sources. \nDo not cite sources.", "contradiction", 2),
        (
            "Write short sentences that a tired reader understands at once.\nWrite short sentences that the tired reader understands at once.",
            "near_duplicate",
            2,
        ),
        (
            "key: sk-ant-api03-AbCdEf0123456789AbCdEf0123456789AbCdEf0123456789AbCdEf0123456789AbCdEf0123456789AbCdEf01234567-AbCdEfAA",
            "secret",
            1,
        ),
    ] {
        assert!(found(text).contains(&(lint, line)), "{text:?}: {:?}", found(text));
    }
    for fine in [
        "## A\nSee [a](#a) and [web](https://x.org/y) and [mail](mailto:a@x.org).",
        "Always use tabs.\nNever use spaces.",
        "Version 1.2.3 of 10/20 with 4 items in May.",
        "family: 👩‍👩‍👧, naïve, नमस्ते",
        "## Now {#now volatile}\nToday is 2026-01-31.",
        "```\nWrite short sentences that a tired reader understands at once.\nWrite short sentences that a tired reader understands at once.\n```",
    ] {
        assert_eq!(found(fine), [], "{fine:?}");
    }
}

#[test]
fn exports_tell_old_edited_and_foreign_files_apart() {
    let name: ContextName = "acme".parse().unwrap();
    let canon = |text: &str| canon(&[("contexts/acme.md", text)]);
    let (old, new) = (canon("Old."), canon("New."));
    for (_, format) in ClientFormat::WORDS {
        let folder = tempfile::tempdir().unwrap();
        let check = |canon: &Canon| check_export(canon, &name, format, folder.path()).unwrap();
        let path = folder.path().join(format.file());
        assert_eq!(check(&old), ExportCheck::Missing);
        export(&old, &name, format, folder.path()).unwrap();
        assert_eq!(check(&old), ExportCheck::Current);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(&old.digest) && text.ends_with("\nOld.\n"), "{text}");
        assert_eq!(check(&new), ExportCheck::Outdated { digest: old.digest.clone() });
        export(&new, &name, format, folder.path()).unwrap();
        assert_eq!(check(&new), ExportCheck::Current);
        // Wherever a hand wrote into it, nothing is lost.
        let text = std::fs::read_to_string(&path).unwrap();
        for edited in
            [format!("{text}mine\n"), text.replace("New.", "Now."), text.replace("Written by", "Kept by")]
        {
            std::fs::write(&path, &edited).unwrap();
            assert_eq!(check(&new), ExportCheck::Edited, "{edited}");
            assert!(matches!(export(&new, &name, format, folder.path()), Err(ExportError::Edited(_))));
            assert_eq!(std::fs::read_to_string(&path).unwrap(), edited);
        }
        for foreign in [b"mine\n".as_slice(), b"", b"\xff", format!("mine\n{text}").as_bytes()] {
            std::fs::write(&path, foreign).unwrap();
            assert_eq!(check(&new), ExportCheck::Foreign);
            assert!(matches!(export(&new, &name, format, folder.path()), Err(ExportError::Foreign(_))));
            assert_eq!(std::fs::read(&path).unwrap(), foreign);
        }
    }
}

proptest! {
    /// Line ends, a byte-order mark, decomposed letters and blanks at line ends change no byte.
    #[test]
    fn the_same_words_give_the_same_bytes(lines in proptest::collection::vec("(## )?[a-zé ñ{#}`]{0,12}", 0..12), mark: bool) {
        use unicode_normalization::UnicodeNormalization;
        let plain = lines.join("\n");
        let other: String = lines.iter().map(|line| format!("{} \t\r\n", line.nfd())).collect();
        let other = format!("{}{other}", if mark { "\u{feff}" } else { "" });
        let one = built(&[("contexts/acme.md", &plain)], "acme");
        let two = built(&[("contexts/acme.md", &other)], "acme");
        prop_assert_eq!(one.canon, two.canon);
    }

    /// Every line of every canon knows where it was written, and says what stands there.
    #[test]
    fn every_line_has_its_place(texts in proptest::collection::vec("((## [ab]{0,2}( \\{#[xy]( override| volatile)?\\})?|---|level: task|```|[a-c ]{0,4})\n){0,10}", 1..4)) {
        let paths: Vec<String> = (0..texts.len()).map(|index| format!("brain/{index}.md")).collect();
        let manifest = serde_json::to_string(&paths).unwrap();
        let mut files = vec![(MANIFEST, manifest.as_str())];
        files.extend(paths.iter().map(String::as_str).zip(texts.iter().map(String::as_str)));
        if let Some(canon) = built(&files, "acme").canon {
            prop_assert_eq!(canon.text.lines().count(), canon.lines.len());
            prop_assert!(canon.text.ends_with('\n') && !canon.text.ends_with("\n\n"));
            prop_assert!(canon.text.is_char_boundary(canon.stable_bytes));
            for (line, origin) in canon.text.lines().zip(&canon.lines) {
                let index: usize = origin.file.trim_start_matches("brain/").trim_end_matches(".md").parse().unwrap();
                let written = texts[index].lines().nth(origin.file_line - 1).unwrap_or_default();
                let heading = written.split(" {#").next().unwrap().trim_end();
                prop_assert!(line.is_empty() || [written.trim_end(), heading].contains(&line), "{line:?} {written:?}");
            }
        }
    }

    #[test]
    fn no_bytes_panic(manifest in any::<Vec<u8>>(), layer in any::<Vec<u8>>()) {
        manifest::parse(&manifest);
        layer::parse(&layer::Origin { path: "brain/a.md", level: None }, &layer);
    }
}
