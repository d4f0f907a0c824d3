use proptest::prelude::*;

use super::*;

fn error(text: &str) -> String {
    parse("x.yml", text.as_bytes()).unwrap_err().to_string()
}

#[track_caller]
fn check(text: &str, place: &str, message: &str, fix: &str) {
    let shown = error(text);
    assert!(shown.starts_with(&format!("x.yml:{place}: ")), "{text:?}: {shown}");
    assert!(shown.contains(message), "{text:?}: {shown}");
    assert!(shown.contains(fix), "{text:?}: {shown}");
}

#[test]
fn broken_syntax_names_line_column_and_fix() {
    check("a: 1\n\tb: 2\n", "2:1", "a tab cannot indent YAML", "two spaces");
    check("a:\n  b: 1\n \tc: 2\n", "3:2", "a tab cannot indent YAML", "two spaces");
    check("list:\n- a\n\t- b\n", "3:1", "a tab cannot indent YAML", "two spaces");
    check("a: [x, y\n", "1:4", "never closed", "add the closing ]");
    check("a: {x: 1\n", "1:4", "never closed", "add the closing }");
    check("a: \"no end\n", "1:4", "no end", "close it");
    check("a: 'it's'\n", "1:8", "follows the closing quote", "''");
    check("a: b: c\n", "1:5", "cannot stand here", "quotes");
    check("a: 1\n b: 2\n", "2:3", "cannot stand here", "quotes");
    check("a: 1\nno colon\n", "2:1", "neither `key: value` nor an entry", "- ");
    check("a: @x\n", "1:4", "cannot start with '@'", "quotes");
    check("a: *x\n", "1:4", "anchor that does not exist", "quotes");
    check("a: \"\\q\"\n", "1:4", "escape", "single quotes");
    check("a: ]\n", "1:4", "closing bracket", "remove it");
    check("a: 1\n---\nb: 2\n", "2:1", "second document", "remove the ---");
    check("a: 1\nb: 2\na: 3\n", "3:1", "this key stands twice in one map, first on line 1", "keep one");
    check("a: !!python/object x\n", "1:4", "tag", "quotes");
    check("base: &b {x: 1}\nc:\n  <<: *b\n", "3:3", "merge keys", "write the keys out");
    check("? [a]\n: 1\n", "1:3", "a key must be a word", "key: value");
    check("- [a\n- b\n", "1:3", "never closed", "]");
}

#[test]
fn what_is_not_text_is_told_by_place() {
    let check = |bytes: &[u8], place: &str, message: &str| {
        let shown = parse("x.yml", bytes).unwrap_err().to_string();
        assert!(shown.starts_with(&format!("x.yml{place}: ")) && shown.contains(message), "{shown}");
    };
    check(b"a: 1\nb: \xff\n", ":2:4", "byte 8 is not part of any character");
    check(
        "ä: 1\né: ".as_bytes().iter().copied().chain([0xc3]).collect::<Vec<_>>().as_slice(),
        ":2:4",
        "not UTF-8",
    );
    check(b"a: 1\nb\0: 2\n", ":2:2", "NUL");
    check(b"\xff\xfea\0", ":1:1", "UTF-16");
    check(&vec![b'#'; MAX_BYTES + 1], "", "at most 16777216");
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_fine() {
    let document = parse("x", "\u{feff}a: 1\r\nb:\r\n  - x\r\n  - y\r\n".as_bytes()).unwrap();
    let entries = document.root.entries().unwrap();
    assert_eq!(entries[1].place, Place { line: 2, column: 1 });
    let Value::List(items) = &entries[1].value.value else { panic!("{entries:?}") };
    assert_eq!(items[1].value, Value::Text("y".into()));
    assert_eq!(items[1].place, Place { line: 4, column: 5 });
}

#[test]
fn columns_count_characters() {
    check("ключ: [б, в\n", "1:7", "never closed", "]");
}

#[test]
fn a_billion_laughs_is_refused() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let before = level - 1;
        text += &format!("a{level}: &a{level} [{}]\n", vec![format!("*a{before}"); 10].join(", "));
    }
    check(&text, "5:25", "unfold to more than", "write the content out");
    check("a: &a [*a]\n", "1:8", "very list or map it stands in", "write the content out");
}

#[test]
fn deep_nesting_is_refused() {
    check(&format!("a: {}", "[".repeat(40)), "1:36", "nested too deeply", "nest less");
    let block: String = (0..40).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    assert!(error(&block).contains("nested too deeply"));
}

#[test]
fn scalars_follow_the_core_schema() {
    let text = "[a, 1, 'true', true, ~, no, !!str 5, \"x\", ! 7]";
    let Value::List(items) = parse("x", text.as_bytes()).unwrap().root.value else { panic!() };
    let values: Vec<Value> = items.into_iter().map(|node| node.value).collect();
    let t = |text: &str| Value::Text(text.to_owned());
    assert_eq!(
        values,
        [
            t("a"),
            Value::Number("1".into()),
            t("true"),
            Value::Bool(true),
            Value::Null,
            t("no"),
            t("5"),
            t("x"),
            t("7"),
        ]
    );
}

#[test]
fn wrong_types_and_unknown_keys_become_findings() {
    let text =
        "listen: 12\nlimits: [a]\nauth: {keyles: true, keyless: yes}\nwait: -3\nmoney: 1.1234567\nnothing:\n";
    let document = parse("gateway/config.yml", text.as_bytes()).unwrap();
    let mut findings = Findings::new("gateway/config.yml");
    let mut fields = Fields::of(&document.root, "", &mut findings).unwrap();
    assert_eq!(fields.text("listen", &mut findings), None);
    assert!(fields.map("limits", &mut findings).is_none());
    let mut auth = fields.map("auth", &mut findings).unwrap();
    assert_eq!(auth.flag("keyless", &mut findings), None);
    auth.finish(Unknown::Refuse, &mut findings);
    assert_eq!(fields.whole("wait", &mut findings), None);
    assert_eq!(fields.money("money", &mut findings), None);
    assert_eq!(fields.whole("nothing", &mut findings), None);
    fields.finish(Unknown::Refuse, &mut findings);
    let shown: Vec<String> = findings.into_problems().iter().map(ToString::to_string).collect();
    let expected = [
        "gateway/config.yml:1:9: `listen`: expected text, found a number; put it in quotes: \"…\"",
        "gateway/config.yml:2:9: `limits` must be a map, found a list; write {key: value}",
        "gateway/config.yml:3:31: `auth.keyless`: expected true or false, found text; write true or false, without quotes",
        "gateway/config.yml:3:8: the key `auth.keyles` is unknown; did you mean `keyless`?",
        "gateway/config.yml:4:7: `wait` must be a whole number from 0 to 18446744073709551615; write for example 200000",
        "gateway/config.yml:5:8: `money` must be an amount from 0 with at most six decimals; write for example 5 or 2.50",
        "gateway/config.yml:6:1: `nothing` has no value; give it a value, or remove the line",
    ];
    assert_eq!(shown, expected);
}

#[test]
fn money_is_exact() {
    let amount = |text: &str| {
        let text = format!("m: {text}");
        let document = parse("x", text.as_bytes()).unwrap();
        let mut findings = Findings::new("x");
        Fields::of(&document.root, "", &mut findings).unwrap().money("m", &mut findings)
    };
    assert_eq!(amount("5"), Some(5_000_000));
    assert_eq!(amount("0.1"), Some(100_000));
    assert_eq!(amount(".000001"), Some(1));
    assert_eq!(amount("2.50"), Some(2_500_000));
    for wrong in ["-1", "1e3", "0x10", ".inf", "99999999999999999999", "five", "'5'"] {
        assert_eq!(amount(wrong), None, "{wrong}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse("x.yml", &bytes);
    }

    #[test]
    fn yaml_like_text_is_read_without_a_panic_and_places_lie_inside(
        text in "([ a-c\n:\\-#\\[\\]{},'\"&*!|>%@~\t\r]|- |: |\n  ){0,60}"
    ) {
        match parse("x.yml", text.as_bytes()) {
            Ok(document) => inside(&document.root, &text),
            Err(problem) => {
                let line = problem.line.unwrap();
                prop_assert!(line >= 1 && line <= text.matches(['\n', '\r']).count() + 2, "{problem}");
            }
        }
    }
}

fn inside(node: &Node, text: &str) {
    assert!(text.get(node.range.clone()).is_some(), "{node:?} in {text:?}");
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| inside(item, text)),
        Value::Map(entries) => entries.iter().for_each(|entry| {
            assert!(text.get(entry.range.clone()).is_some(), "{entry:?} in {text:?}");
            inside(&entry.value, text);
        }),
        _ => {}
    }
}
