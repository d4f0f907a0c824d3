use proptest::prelude::*;

use super::*;

fn term(term: &str) -> EntryText {
    EntryText::term(term)
}

fn with_action(term: &str, action: &str) -> EntryText {
    EntryText { action: Some(action.into()), ..EntryText::term(term) }
}

#[track_caller]
fn check(before: &str, entries: &[EntryText], after: &str) {
    assert_eq!(set_list(before, "outbound_deny", entries).unwrap(), after);
}

#[test]
fn adding_touches_no_other_line() {
    check(
        "# mine\nname: acme   # n\noutbound_deny: # never\n  # first\n  - Alpha   # a\n\n  # second\n  - 'Beta'\n\n# money\nbudget: {daily_tokens: 5}\n",
        &[term("Alpha"), term("New: one"), term("Beta"), term("Gamma")],
        "# mine\nname: acme   # n\noutbound_deny: # never\n  # first\n  - Alpha   # a\n\n  # second\n  - 'New: one'\n  - 'Beta'\n  - Gamma\n\n# money\nbudget: {daily_tokens: 5}\n",
    );
}

#[test]
fn removing_takes_the_line_and_leaves_comments_of_their_own() {
    check(
        "outbound_deny:\n- a # about a\n# about b\n- b\n- c\ntitle: x\n",
        &[term("b"), term("c")],
        "outbound_deny:\n# about b\n- b\n- c\ntitle: x\n",
    );
    check("outbound_deny:\n  - a\n  - b", &[term("a")], "outbound_deny:\n  - a");
    check("outbound_deny:\n  - a\n  - b\n", &[], "outbound_deny: []\n");
}

#[test]
fn windows_line_ends_and_a_missing_last_one_stay() {
    check(
        "\u{feff}title: x\r\noutbound_deny:\r\n  - a # t\r\n  - b",
        &[term("a"), term("b"), term("c")],
        "\u{feff}title: x\r\noutbound_deny:\r\n  - a # t\r\n  - b\r\n  - c",
    );
    check("# only\r\n# comments", &[term("a")], "# only\r\n# comments\r\noutbound_deny:\r\n- a");
}

#[test]
fn what_the_caller_does_not_know_stays() {
    check(
        "outbound_deny:\n  - {term: Ann, exact: true, id: ann}  # p\n  - term: Bob  # why\n    evasions: [] # none\n    weight: 3\n",
        &[with_action("Bob", "warn"), with_action("Ann", "warn")],
        "outbound_deny:\n  - {term: Bob, evasions: [], weight: 3, action: warn}\n  - {term: Ann, exact: true, id: ann, action: warn}  # p\n",
    );
    check(
        "outbound_deny:\n  - {term: Ann, exact: true}  # p\n  - term: Bob  # why\n    evasions: [] # none\n    weight: 3\n",
        &[term("Ann"), with_action("Bob", "warn")],
        "outbound_deny:\n  - {term: Ann, exact: true}  # p\n  - term: Bob  # why\n    evasions: [] # none\n    weight: 3\n    action: warn\n",
    );
}

#[test]
fn an_action_comes_and_goes_in_its_place() {
    check(
        "outbound_deny:\n  - Ann # x\n  - B\n",
        &[with_action("Ann", "warn"), term("B")],
        "outbound_deny:\n  - {term: Ann, action: warn} # x\n  - B\n",
    );
    check(
        "outbound_deny:\n  - term: Ann\n    action: warn # w\n    # own\n    exact: true\n",
        &[term("Ann")],
        "outbound_deny:\n  - term: Ann\n    # own\n    exact: true\n",
    );
    check(
        "outbound_deny: [{action: 'warn', term: A}, B]\n",
        &[with_action("A", "deny"), term("B")],
        "outbound_deny: [{action: deny, term: A}, B]\n",
    );
}

#[test]
fn brackets_stay_brackets() {
    check(
        "outbound_deny: [a, \"b\"]  # t\n",
        &[term("a"), term("b"), term("c, d")],
        "outbound_deny: [a, \"b\", \"c, d\"]  # t\n",
    );
    check(
        "{\"title\": \"x\", \"outbound_deny\": [\"a\"]}",
        &[term("b")],
        "{\"title\": \"x\", \"outbound_deny\": [\"b\"]}",
    );
    check("{title: x}\n", &[term("b")], "{title: x, outbound_deny: [b]}\n");
}

#[test]
fn a_list_that_is_missing_or_empty_is_filled() {
    for (before, after) in [
        ("", "outbound_deny:\n- a\n"),
        ("title: x\n", "title: x\noutbound_deny:\n- a\n"),
        ("title: x", "title: x\noutbound_deny:\n- a"),
        ("outbound_deny:\ntitle: x\n", "outbound_deny:\n  - a\ntitle: x\n"),
        ("outbound_deny: [] # e\ntitle: x\n", "outbound_deny: # e\n  - a\ntitle: x\n"),
    ] {
        check(before, &[term("a")], after);
    }
}

#[test]
fn texts_that_look_like_something_else_read_back_as_text() {
    let terms = [
        "yes",
        "12",
        "~",
        "null",
        "a #b",
        "a: b",
        "- x",
        "it's",
        "\"q\"",
        "*a",
        "&a",
        "!a",
        "[x",
        "{",
        "}",
        "a,b",
        "#x",
        " lead",
        "trail ",
        "tab\tx",
        "two\nlines",
        "\u{85}x",
        "é–漢字",
        "%x",
        "@x",
        "`x",
        "| x",
        "> x",
        "? x",
        "a:",
        "---",
        "...",
        "\\",
        "0x1F",
        "1e3",
        ".5",
        "=",
        "<<",
        "a\\u0041",
        "\u{2028}x",
        "\u{200b}zero",
    ];
    let entries: Vec<EntryText> = terms.iter().copied().map(term).collect();
    for before in ["outbound_deny:\n  - first\n", "outbound_deny: [first]\n", "title: x\n"] {
        let after = set_list(before, "outbound_deny", &entries).unwrap();
        assert_eq!(list(&after, "outbound_deny").unwrap(), entries);
        let noted: Vec<EntryText> =
            entries.iter().map(|entry| EntryText { note: entry.term.clone(), ..entry.clone() }).collect();
        let after = set_list(&after, "outbound_deny", &noted).unwrap();
        assert_eq!(list(&after, "outbound_deny").unwrap(), noted);
    }
}

#[test]
fn what_cannot_be_edited_is_refused() {
    let refused =
        |before: &str, entries: &[EntryText]| set_list(before, "outbound_deny", entries).unwrap_err();
    assert!(matches!(refused("a: [", &[]), EditError::Broken { line: 1, .. }));
    assert!(matches!(refused("- a\n", &[]), EditError::Broken { line: 1, .. }));
    assert!(matches!(refused("x: 1\noutbound_deny: word\n", &[]), EditError::Broken { line: 2, .. }));
    assert!(matches!(refused("outbound_deny:\n  - 12\n", &[]), EditError::Broken { line: 2, .. }));
    assert_eq!(refused("", &[term("a"), term(" ")]), EditError::NoKind(2));
    let both = EntryText { pattern: Some("x".into()), ..term("a") };
    assert_eq!(refused("", &[both]), EditError::NoKind(1));
    assert!(matches!(set_list("", "title", &[]), Err(EditError::UnknownList(_))));
    // The alias would lose its anchor.
    assert!(matches!(
        refused("outbound_deny:\n  - &a Ann\nconfidential:\n  - *a\n", &[term("B")]),
        EditError::TooIntricate { line: 1 }
    ));
}

#[test]
fn an_unchanged_list_is_an_unchanged_file() {
    let text = "outbound_deny :   [ a,b ,]   # odd\n\n\n";
    check(text, &[term("a"), term("b")], text);
}

/// Files as people write them: the list in the middle of everything else.
fn file() -> impl Strategy<Value = (String, Vec<EntryText>)> {
    let words = prop_oneof![
        "[A-Z][a-z]{1,6}( [A-Z][a-z]{1,6})?",
        "[a-z]{1,4}[:#,'\"&*-] ?[a-z]{1,3}",
        Just("12".to_owned()),
    ];
    let entry = (words, proptest::option::of(prop_oneof![Just("warn"), Just("deny")]), 0..5u8, any::<bool>());
    let layout = (any::<bool>(), any::<bool>(), 0..3usize, any::<bool>());
    (proptest::collection::vec(entry, 0..6), layout).prop_map(|(entries, (crlf, last, indent, comments))| {
        let blanks = " ".repeat(indent * 2);
        let mut lines = vec!["# head".to_owned(), "title: 'T: x'   # title".to_owned()];
        let mut list = Vec::new();
        if !entries.is_empty() {
            lines.push("outbound_deny:  # list".to_owned());
        }
        for (word, action, style, comment) in entries {
            if comments && comment {
                lines.push(format!("{blanks}# about it"));
            }
            let quoted = format!("'{}'", word.replace('\'', "''"));
            let end = if comment { "  # here" } else { "" };
            match (action, style) {
                (None, 0) => lines.push(format!("{blanks}-   {quoted}{end}")),
                (None, _) => lines.push(format!("{blanks}- {quoted}{end}")),
                (Some(action), 0 | 1) => {
                    lines.push(format!("{blanks}- term: {quoted}{end}"));
                    lines.push(format!("{blanks}  exact: true  # extra"));
                    lines.push(format!("{blanks}  action: {action}"));
                }
                (Some(action), _) => {
                    lines.push(format!("{blanks}- {{action: {action}, term: {quoted}}}{end}"))
                }
            }
            list.push(EntryText { action: action.map(str::to_owned), ..EntryText::term(word) });
        }
        lines.extend([
            "".to_owned(),
            "# money".to_owned(),
            "budget:".to_owned(),
            "    daily_tokens: 5 # d".to_owned(),
        ]);
        let newline = if crlf { "\r\n" } else { "\n" };
        let mut text = lines.join(newline);
        if last {
            text.push_str(newline);
        }
        (text, list)
    })
}

proptest! {
    #[test]
    fn any_edit_of_a_usual_file_succeeds_and_keeps_the_rest(
        (text, before) in file(),
        drops in proptest::collection::vec(any::<bool>(), 6),
        actions in proptest::collection::vec(proptest::option::of(Just("warn".to_owned())), 6),
        added in proptest::collection::vec(("[ -~]{1,12}", 0..7usize), 0..4),
        rotate in 0..6usize,
    ) {
        let mut wanted: Vec<EntryText> = before
            .iter()
            .zip(&drops)
            .zip(&actions)
            .filter(|((_, drop), _)| !**drop)
            .map(|((entry, _), action)| match action {
                Some(action) => EntryText { action: Some(action.clone()), ..entry.clone() },
                None => entry.clone(),
            })
            .collect();
        for (word, at) in added.into_iter().filter(|(word, _)| !word.trim().is_empty()) {
            wanted.insert(at.min(wanted.len()), term(&word));
        }
        if !wanted.is_empty() {
            let by = rotate % wanted.len();
            wanted.rotate_left(by);
        }
        // That the rest is kept is what `verify` checks; here once more by other means.
        let after = set_list(&text, "outbound_deny", &wanted).unwrap();
        prop_assert_eq!(list(&after, "outbound_deny").unwrap(), wanted);
        let budget = text.find("budget:").unwrap();
        prop_assert!(after.contains(text[budget..].trim_end()), "{after}");
        let title = text.find("title:").unwrap();
        let title_line = text[..title].len() + text[title..].find('\n').unwrap();
        prop_assert!(after.starts_with(&text[..=title_line]), "{after}");
        prop_assert_eq!(text.matches("# about it").count(), after.matches("# about it").count());
        prop_assert_eq!(text.contains("\r\n"), after.contains("\r\n"));
    }

    #[test]
    fn any_text_is_edited_or_refused_without_a_panic(
        text in "(outbound_deny:|- |\n  |\n|[a-c:#,'\"&*!|>\\[\\]{} \t-]){0,40}",
        terms in proptest::collection::vec("[ -~]{1,8}", 0..3),
    ) {
        let wanted: Vec<EntryText> = terms.iter().map(|text| term(text)).collect();
        if let Ok(after) = set_list(&text, "outbound_deny", &wanted) {
            prop_assert_eq!(list(&after, "outbound_deny").unwrap(), wanted);
        }
    }
}
