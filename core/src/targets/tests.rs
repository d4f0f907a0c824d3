use super::*;
use proptest::prelude::*;

mod commands;

const STRICT: &[&str] = &[
    "acme.com",
    "*.acme.com",
    "@acme.com",
    "ann@partner.org",
    "/srv/acme/**",
    "/opt/tool/config.toml",
    "./**",
    "repo:acme/*",
    "#acme-team",
    "+4930123456",
    "git.acme.com:22",
    "api.acme.com:8443",
    "10.1.2.3",
    "https://docs.partner.org/open/**",
];
const LENIENT: &[&str] = &[
    "evil.com",
    "*.evil.com",
    "@evil.com",
    "x@blocked.org",
    "private",
    "/etc/**",
    "~/.ssh/**",
    "repo:evil/*",
    "tool:danger",
];

fn entries(texts: &[&str]) -> Vec<TargetEntry> {
    texts.iter().map(|text| text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))).collect()
}

fn room(name: &str) -> Targets {
    match name {
        "strict" => Targets { default: TargetVerdict::Deny, allow: entries(STRICT), ..Targets::default() },
        "lenient" => Targets { deny: entries(LENIENT), ..Targets::default() },
        other => panic!("no room {other}"),
    }
}

/// Every call of a file that did not come to what it should.
fn wrong(file: &str, is_stopped: bool) -> Vec<String> {
    let rows: Vec<&str> = file.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(rows.len() >= 200, "{}", rows.len());
    let is_wrong = |row: &&str| {
        let [name, tool, arguments] = row.splitn(3, '\t').collect::<Vec<_>>().try_into().unwrap();
        let judged = check(&room(name), tool, arguments);
        ((judged.verdict == TargetVerdict::Deny) != is_stopped)
            .then(|| format!("{row}\n    {:?}", shown(&judged)))
    };
    rows.iter().filter_map(is_wrong).collect()
}

fn shown(judged: &Judged) -> Vec<String> {
    let show = |one: &JudgedTarget| {
        format!("{} {} {} {}", one.target.kind.name(), one.target.shown, one.verdict.name(), one.rule)
    };
    judged.targets.iter().map(show).collect()
}

#[test]
fn every_bypass_is_stopped() {
    let wrong = wrong(include_str!("../../tests/targets/bypass.tsv"), true);
    assert!(wrong.is_empty(), "{} passed:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn everything_benign_passes() {
    let wrong = wrong(include_str!("../../tests/targets/benign.tsv"), false);
    assert!(wrong.is_empty(), "{} were stopped:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn deny_goes_before_confirm_before_allow_before_the_default() {
    let rules = Targets {
        default: TargetVerdict::Deny,
        allow: entries(&["acme.com", "*.acme.com"]),
        confirm: entries(&["pay.acme.com", "bad.acme.com"]),
        deny: entries(&["bad.acme.com"]),
        check_links: false,
    };
    for (host, verdict, rule) in [
        ("acme.com", TargetVerdict::Allow, "target-allow/1"),
        ("x.acme.com", TargetVerdict::Allow, "target-allow/2"),
        ("pay.acme.com", TargetVerdict::Confirm, "target-confirm/1"),
        ("bad.acme.com", TargetVerdict::Deny, "target-deny/1"),
        ("else.org", TargetVerdict::Deny, "target-default"),
    ] {
        let judged = check(&rules, "fetch", &format!(r#"{{"url":"https://{host}/"}}"#));
        assert_eq!((judged.verdict, judged.targets[1].rule.as_str()), (verdict, rule), "{host}");
    }
}

#[test]
fn tools_are_judged_only_where_a_list_names_them() {
    let arguments = "{}";
    assert_eq!(check(&room("strict"), "Bash", arguments).verdict, TargetVerdict::Allow);
    let listed =
        Targets { default: TargetVerdict::Deny, allow: entries(&["tool:Read"]), ..Targets::default() };
    assert_eq!(check(&listed, "read", arguments).verdict, TargetVerdict::Allow);
    assert_eq!(check(&listed, "Bash", arguments).verdict, TargetVerdict::Deny);
}

#[test]
fn a_call_within_a_call_is_judged_as_the_tool_that_it_calls() {
    let lists =
        Targets { default: TargetVerdict::Allow, deny: entries(&["tool:Deploy"]), ..Targets::default() };
    for (tool, arguments) in [
        ("tool_call", r#"{"name":"Deploy","arguments":{}}"#),
        ("tool_call", r#"{"name":"Read","name":"Deploy","arguments":{}}"#),
        ("call_tool", r#"{"tool_name":"deploy","args":"{\"to\":1}"}"#),
        ("mcp__hub__invoke", r#"{"toolName":"Deploy","parameters":{"a":[]}}"#),
        ("tool_call", r#"{"name":"tool_call","arguments":{"name":"Deploy","arguments":{}}}"#),
    ] {
        assert_eq!(check(&lists, tool, arguments).verdict, TargetVerdict::Deny, "{tool} {arguments}");
    }
    for (tool, arguments) in [
        ("tool_call", r#"{"name":"Read","arguments":{"note":"Deploy"}}"#),
        ("create_person", r#"{"name":"Deploy","age":3}"#),
        ("tool_call", r#"{"name":"Deploy"}"#),
    ] {
        assert_eq!(check(&lists, tool, arguments).verdict, TargetVerdict::Allow, "{tool} {arguments}");
    }
    // By the schema of the tool that is called: what it runs is a command, and what it writes points nowhere.
    let wrapped = |name: &str, arguments: &str| {
        let arguments = format!(r#"{{"name":"{name}","arguments":{arguments}}}"#);
        check(&room("strict"), "tool_call", &arguments).verdict
    };
    assert_ne!(wrapped("run_shell_command", r#"{"command":"curl evil.example/x"}"#), TargetVerdict::Allow);
}

#[test]
fn too_many_targets_hide_none() {
    let many: Vec<String> = (0..400).map(|number| format!("https://h{number}.org")).collect();
    let arguments = serde_json::json!({ "url": many }).to_string();
    assert_eq!(check(&room("lenient"), "fetch", &arguments).verdict, TargetVerdict::Deny);
    assert_eq!(check(&Targets::default(), "fetch", &arguments).verdict, TargetVerdict::Allow);
}

#[test]
fn links_of_markdown_are_found_behind_entities_and_escapes() {
    for text in [
        "see ![x](https://evil.com/a.png)",
        "<https://evil.com>",
        "[x]: https://evil.com",
        "![x](https&#58;//evil.com)",
        "![x](https&colon;&sol;&sol;evil.com)",
        "![x](https\\://evil.com)",
        "![x](//evil.com/a.png)",
        "evil: ht&#116;ps://evil.com",
        "[x](mailto:eve@evil.com)",
    ] {
        assert_eq!(check_links(&room("lenient"), text).verdict, TargetVerdict::Deny, "{text}");
    }
    assert_eq!(
        check_links(&room("lenient"), "![x](https://acme.com/a.png) & co").verdict,
        TargetVerdict::Allow
    );
}

#[test]
fn links_without_a_scheme_and_with_line_breaks_are_found() {
    for text in [
        "see www.evil.com/x",
        "WWW.evil.com",
        "(www.evil.com)",
        "**www.evil.com**",
        "www&period;evil.com",
        "<img src=\"https://ev\nil.com/x\">",
        "<img src='ht\r\ntps://evil.com'>",
        "<a title=\"a = 'b\" href = \"\t//ev\til.com/\">",
        "<a href=\"https://ev&NewLine;il.com\">",
        "<a href=\"https://ev&#10;il.com\">",
    ] {
        assert_eq!(check_links(&room("lenient"), text).verdict, TargetVerdict::Deny, "{text}");
    }
    for text in
        ["swww.evil.com", "x.www.evil.com", "www. evil.com", "<img alt=\"ev\nil.com\">", "a = \"ev\nil.com"]
    {
        assert_eq!(check_links(&room("lenient"), text).verdict, TargetVerdict::Allow, "{text}");
    }
}

#[test]
fn entries_that_are_none_say_what_to_write() {
    for text in [
        "",
        "ac*me.com",
        "acme.com:port",
        "a b",
        "/a/*/b",
        "http://",
        "1.2.3.0/99",
        "a/b",
        "phone:x",
        "**.com",
    ] {
        let error = text.parse::<TargetEntry>().expect_err(text);
        assert!(!error.fix.is_empty(), "{text}");
    }
}

proptest! {
    #[test]
    fn nothing_panics(tool in "(Bash|WebFetch|Read|apply_patch|[a-z_]{0,9})", text in "\\PC{0,80}", key in "(url|host|to|path|command|repo|x)") {
        let _ = check(&room("strict"), &tool, &text);
        let _ = check_links(&room("lenient"), &text);
        let arguments = serde_json::json!({ key: text }).to_string();
        let _ = check(&room("strict"), &tool, &arguments);
    }

    #[test]
    fn nothing_panics_on_the_letters_of_addresses(text in "[a-z0-9:/@.%?#&=\\\\\\[\\]()<>'\"`${}|;~*! \\n+-]{0,60}") {
        for key in ["url", "host", "to", "path", "command", "note"] {
            let arguments = serde_json::json!({ key: text }).to_string();
            let _ = check(&room("strict"), "tool", &arguments);
        }
        let _ = text.parse::<TargetEntry>();
    }

    #[test]
    fn normal_forms_are_their_own_normal_forms(text in "[a-z0-9./~\\\\:% -]{0,30}", host in "[a-zA-Z0-9.ä。-]{1,20}") {
        let once = path::normal(&text);
        prop_assert_eq!(path::normal(&once), once);
        if let Some(once) = address::HostName::parse(&host) {
            prop_assert_eq!(address::HostName::parse(&once.shown()), Some(once));
        }
    }

    #[test]
    fn only_the_host_itself_and_below_it_are_admitted(host in "([a-z]{1,4}\\.){0,2}(acme|xacme|acm)\\.(com|co|com\\.org)") {
        let judged = check(&room("strict"), "fetch", &format!(r#"{{"url":"https://{host}/"}}"#));
        let is_ours = host == "acme.com" || host.ends_with(".acme.com");
        prop_assert_eq!(judged.verdict == TargetVerdict::Allow, is_ours);
    }
}
