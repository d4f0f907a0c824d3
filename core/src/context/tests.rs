use proptest::prelude::*;
use zos_rules::{Evasion, Evasions, RuleKind};

use super::*;
use crate::problem::{Problem, Severity};

fn parse(text: &str) -> ParsedContext {
    parse_context(&"acme".parse().unwrap(), text.as_bytes())
}

#[track_caller]
fn good(text: &str) -> Context {
    let parsed = parse(text);
    parsed.context.unwrap_or_else(|| panic!("{:?}", parsed.problems))
}

/// The file is refused, and one error stands at `place` with these words in message and fix.
#[track_caller]
fn broken(text: &str, place: &str, message: &str, fix: &str) {
    let parsed = parse(text);
    assert!(parsed.context.is_none(), "{text:?} was accepted");
    found(&parsed.problems, Severity::Error, place, message, fix);
}

/// The file is in force, and one warning stands at `place`.
#[track_caller]
fn warned(text: &str, place: &str, message: &str, fix: &str) -> Context {
    let parsed = parse(text);
    found(&parsed.problems, Severity::Warning, place, message, fix);
    parsed.context.unwrap_or_else(|| panic!("{:?}", parsed.problems))
}

#[track_caller]
fn found(problems: &[Problem], severity: Severity, place: &str, message: &str, fix: &str) {
    let fits = |problem: &&Problem| {
        problem.severity == severity
            && problem.to_string().starts_with(&format!("contexts/acme.yml:{place}: "))
            && problem.message.contains(message)
            && problem.fix.contains(fix)
    };
    assert!(problems.iter().any(|problem| fits(&problem)), "no {place} {message:?} {fix:?} in {problems:#?}");
}

fn terms(entries: &[Entry]) -> Vec<&str> {
    let text = |entry: &'_ Entry| match &entry.rule.kind {
        RuleKind::Term(term) => term.text().to_owned(),
        other => panic!("{other:?}"),
    };
    entries.iter().map(|entry| Box::leak(text(entry).into_boxed_str()) as &str).collect()
}

#[test]
fn the_reference_format_is_read() {
    let context = good(
        "name: acme\ntitle: Acme Corp\nisolation: open\noutbound_deny:\n  - Project Falcon\n  - {term: Ann Lee, action: warn, note: patient, id: ann}\nconfidential:\n  - Globex merger\nbudget: {daily_tokens: 200000}\nattachments: deny\nmodels: {allow: [\"claude-*\", \"local/*\"], deny: []}\ncanon: {deliver: none}\nmemory: {auto_accept: [fact]}\ntargets: {default: allow, allow: [], deny: [], confirm: []}\n",
    );
    assert_eq!(context.display_title(), "Acme Corp");
    assert_eq!(context.isolation, Isolation::Open);
    assert_eq!(terms(&context.outbound_deny), ["Project Falcon", "Ann Lee"]);
    assert_eq!(terms(&context.confidential), ["Globex merger"]);
    assert_eq!(context.budget.daily_tokens, Some(200_000));
    assert_eq!((context.attachments, context.attachments_stated), (Attachments::Deny, true));
    assert!(context.models.permits("claude-x") && !context.models.permits("gpt-4"));
    assert_eq!(context.memory.auto_accept, ["fact"]);
    let [falcon, ann] = context.outbound_deny.as_slice() else { panic!() };
    assert_eq!((falcon.rule.id.as_str(), falcon.line, falcon.explicit_action), ("deny/1", 5, false));
    assert_eq!((ann.rule.id.as_str(), ann.line, ann.explicit_action), ("ann", 6, true));
    assert_eq!(ann.note.as_deref(), Some("patient"));
    assert_eq!(context.confidential[0].rule.id, "confidential/1");
}

#[test]
fn the_least_file_is_a_hard_room() {
    let context = good("isolation: hard\n");
    assert_eq!((context.isolation, context.attachments), (Isolation::Hard, Attachments::Allow));
    assert!(context.outbound_deny.is_empty() && context.budget == Budget::default());
    assert_eq!(good("{}").isolation, Isolation::Hard);
    assert_eq!(context.display_title(), "acme");
}

#[test]
fn broken_yaml_in_ten_ways() {
    broken("isolation: hard\noutbound_deny: [a, b\n", "2:16", "never closed", "closing ]");
    broken("isolation: hard\n\toutbound_deny:\n", "2:1", "a tab cannot indent", "two spaces");
    broken("isolation hard\n", "1:1", "must be a map, found text", "key: value");
    broken("title: x\nisolation hard\n", "2:1", "neither `key: value`", "key: value");
    broken("outbound_deny:\n - a\n- b\n", "3:3", "indentation", "same indentation");
    broken("title: Acme: the firm\n", "1:12", "cannot stand here", "quotes");
    broken("title: \"Acme\n", "1:8", "no end", "close it");
    broken("isolation: hard\n---\nisolation: open\n", "2:1", "second document", "remove the ---");
    broken("isolation: hard\nisolation: open\n", "2:1", "stands twice", "keep one");
    broken("outbound_deny:\n  - *falcon\n", "2:5", "anchor", "quotes");
    broken("outbound_deny:\n  - @falcon\n", "2:5", "cannot start with", "quotes");
    broken("<<: {isolation: open}\n", "1:1", "merge keys", "write the keys out");
}

#[test]
fn an_emptied_file_is_broken_in_every_way_of_being_empty() {
    for text in [
        "",
        "\n\n",
        "# only a comment\n",
        "---\n",
        "~\n",
        "\u{feff}",
        "---\n...\n",
        "null",
        "   ",
        "\r\n# x\r\n",
    ] {
        let parsed = parse(text);
        assert!(parsed.context.is_none(), "{text:?}");
        let problem = &parsed.problems[0];
        assert!(
            problem.message.contains("the file is empty") && problem.fix.contains("isolation: hard"),
            "{problem}"
        );
        assert!(problem.line.is_some() && problem.column.is_some());
    }
}

#[test]
fn wrong_types_in_ten_ways() {
    broken("outbound_deny: Falcon\n", "1:16", "expected a list of terms, found text", "write `- …`");
    broken("outbound_deny: {term: x}\n", "1:16", "expected a list of terms, found a map", "`- `");
    broken(
        "outbound_deny:\n  - Falcon\n  - 4711\n",
        "3:5",
        "`outbound_deny[2]` must be text, found a number",
        "quotes",
    );
    broken("outbound_deny:\n  -\n", "2:4", "`outbound_deny[1]` is empty", "remove the line");
    broken("outbound_deny:\n  - - Falcon\n", "2:5", "found a list", "same indentation");
    broken("confidential: [true]\n", "1:16", "found true or false", "quotes");
    broken("budget: 5\n", "1:9", "`budget` must be a map, found a number", "{key: value}");
    broken("budget: {daily_tokens: many}\n", "1:24", "expected a whole number, found text", "200000");
    broken("budget: {daily_tokens: -1}\n", "1:24", "whole number from 0", "200000");
    broken("budget: {daily_tokens: 1.5}\n", "1:24", "whole number from 0", "200000");
    broken("budget: {daily_tokens: }\n", "1:10", "has no value", "remove the line");
    broken("title: 12\n", "1:8", "expected text, found a number", "quotes");
    broken("isolation: 1\n", "1:12", "expected open or hard, found a number", "isolation: hard");
    broken("isolation: [hard]\n", "1:12", "expected open or hard, found a list", "isolation: hard");
    broken("attachments: maybe\n", "1:14", "must be allow or deny, found \"maybe\"", "write allow or deny");
    broken("models: [a]\n", "1:9", "must be a map, found a list", "{key: value}");
    broken("models: {allow: claude}\n", "1:17", "expected a list of texts, found text", "[…]");
    broken("models: {allow: }\n", "1:10", "could mean all or none", "allow: []");
    broken("models: {deny: [4]}\n", "1:17", "entry 1 of `models.deny` must be text", "quotes");
    broken("targets: {default: never}\n", "1:20", "allow, deny or confirm", "write");
    broken("targets: {allow: ['ac*me.com']}\n", "1:19", "whole labels", "*.acme.com");
    broken("targets: {deny: ['acme.com:port']}\n", "1:18", "no number", "acme.com:8443");
    broken("- isolation: hard\n", "1:1", "the file must be a map, found a list", "key: value");
    broken("just text\n", "1:1", "the file must be a map, found text", "key: value");
}

#[test]
fn entries_in_many_wrong_ways() {
    let one = |entry: &str| format!("outbound_deny:\n  - {entry}\n");
    broken(&one("{action: deny}"), "2:5", "has no `term`, `pattern` or `pack`", "write {term:");
    broken(&one("Project: Falcon"), "2:5", "has no `term`", "needs quotes");
    broken(&one("{term: a, pack: pii}"), "2:21", "more than one", "two entries");
    broken(&one("{term: Ann, action: block}"), "2:25", "must be deny, redact, ask or warn", "write");
    broken(&one("{term: Ann, action: wran}"), "2:25", "must be deny", "write warn");
    broken(&one("{pack: secret}"), "2:12", "no detector pack", "write secrets");
    broken(&one("{pattern: '('}"), "2:15", "not a regular expression", "write plain terms");
    broken(&one("{pattern: 'a+'}"), "2:15", "no longest match", "max_len");
    broken(&one("{term: ' '}"), "2:12", "empty", "write the word");
    broken(&one("'!?'"), "2:5", "no letter and no digit", "letters or digits");
    broken(&one(&"x".repeat(1025)), "2:5", "1025 bytes", "keep the part");
    broken(&one("{term: Ann, id: Ann Lee}"), "2:21", "`id` must be", "must not hold the term");
    broken(
        &one("{term: Ann, id: x}\n  - {term: Bob, id: x}"),
        "3:5",
        "stands twice, first on line 2",
        "another id",
    );
    broken(&one("{term: Ann, exact: 1}"), "2:24", "expected true or false", "without quotes");
    broken(&one("{term: Ann, evasions: [base65]}"), "2:28", "no evasion called", "write base64");
    broken(&one("{term: Ann, evasions: {of: [hex]}}"), "2:28", "unknown", "did you mean `off`");
    broken(&one("{term: }"), "2:6", "is empty", "after the colon");
}

#[test]
fn no_message_repeats_a_term() {
    let secrets =
        ["zebrafish!", "!!zebrafish", "{term: zebrafish, id: zebrafish corp}", "{term: [zebrafish]}"];
    for entry in secrets {
        let parsed =
            parse(&format!("outbound_deny:\n  - zebrafish\n  - zebrafish\n  - {entry}\n  - zebrafish: x\n"));
        let shown = format!("{:?}", parsed.problems);
        assert!(!parsed.problems.is_empty() && !shown.contains("zebrafish"), "{shown}");
    }
}

#[test]
fn an_unknown_isolation_is_hard_and_reported() {
    for (word, fix) in [
        ("hrad", "isolation: hard"),
        ("Open", "isolation: open"),
        ("opne", "isolation: open"),
        ("strict", "isolation: hard"),
        ("'open '", "isolation: open"),
        ("OPEN", "isolation: open"),
        ("soft", "isolation:"),
        ("none", "isolation:"),
        ("no", "isolation:"),
        ("hard!", "isolation: hard"),
    ] {
        let context =
            warned(&format!("title: x\nisolation: {word}\n"), "2:12", "unknown and treated as hard", fix);
        assert_eq!(context.isolation, Isolation::Hard, "{word}");
    }
    let context = warned("isolation:\n", "1:1", "has no value and counts as absent", "give it a value");
    assert_eq!(context.isolation, Isolation::Hard);
}

#[test]
fn a_name_that_differs_from_its_file_is_refused() {
    broken("name: globex\n", "1:7", "differs from the file name", "rename the file to globex.yml");
    broken("name: Acme Corp\n", "1:7", "differs from the file name", "`title:` may be any text");
    broken("name: 7\n", "1:7", "expected text, found a number", "quotes");
    assert_eq!(good("name: acme\n").name.as_str(), "acme");
}

#[test]
fn what_is_probably_a_mistake_is_warned_about_and_kept() {
    warned("isolation: hard\n", "1:1", "does not say what happens to images", "attachments: deny");
    warned("outbond_deny: []\n", "1:1", "`outbond_deny` is unknown", "did you mean `outbound_deny`?");
    warned("colour: red\n", "1:1", "`colour` is unknown", "kept");
    warned("budget: {daily_token: 5}\n", "1:10", "`budget.daily_token` is unknown", "`daily_tokens`");
    warned("outbound_deny:\n  - {term: A1, acton: warn}\n", "2:16", "unknown", "`action`");
    warned("outbound_deny:\n  - Falcon\n  - falcon\n", "3:5", "repeats the term of line 2", "remove one");
    warned("outbound_deny:\n", "1:1", "has no value", "remove the line");
    warned("models: {allow: []}\n", "1:9", "permits no model", "name one");
    warned("models: {deny: ['*']}\n", "1:9", "permits no model", "name one");
    warned(
        "budget: {models: {m: {daily_usd: 1, daily: 2}}}\n",
        "1:37",
        "`budget.models.m.daily` is unknown",
        "kept",
    );
    warned("targets: {deny: [evil.example]}\n", "1:10", "allows nothing", "default: allow");
    warned(
        "targets: {allow: ['provider:web_serch']}\n",
        "1:19",
        "no provider is known",
        "provider:web_search",
    );
    warned("outbound_deny:\n  - “Falcon”\n", "2:5", "quotes", "leave them out");
    warned("outbound_deny:\n  - Falcon\n    Kestrel\n", "2:5", "several lines", "before each");
    broken("outbound_deny:\n - Falcon\n  - Kestrel\n", "2:4", "several lines", "same column");
    broken("outbound_deny: [{term: Falcon\n   - Kestrel}]\n", "1:24", "several lines", "same column");
    let quiet = parse("isolation: open\noutbound_deny: [Falcon]\n");
    assert_eq!(quiet.problems, []);
}

#[test]
fn a_hard_room_that_has_the_section_denies_what_it_does_not_list() {
    for (text, expected) in [
        ("targets: {}\n", TargetVerdict::Deny),
        ("targets:\n", TargetVerdict::Deny),
        ("targets: {deny: []}\n", TargetVerdict::Deny),
        ("targets: {links: check}\n", TargetVerdict::Deny),
        ("targets: {default: allow}\n", TargetVerdict::Allow),
        ("isolation: open\ntargets: {}\n", TargetVerdict::Allow),
        ("isolation: open\ntargets:\n", TargetVerdict::Allow),
        ("isolation: hard\n", TargetVerdict::Allow),
    ] {
        let parsed = parse(text);
        assert_eq!(parsed.context.unwrap().targets.default, expected, "{text}");
        let is_told = parsed.problems.iter().any(|problem| problem.message.contains("allows nothing"));
        assert_eq!(is_told, expected == TargetVerdict::Deny, "{text}");
    }
}

#[test]
fn the_quotes_around_a_term_are_none_of_it() {
    let context = parse("outbound_deny:\n  - “Falcon”\n  - {term: '«Blue Heron»'}\n").context.unwrap();
    assert_eq!(terms(&context.outbound_deny), ["Falcon", "Blue Heron"]);
}

#[test]
fn a_budget_has_limits_of_keys_and_models_and_prices_of_its_own() {
    let budget = good(
        "budget:\n  daily_tokens: 200000\n  daily_usd: 5\n  monthly_usd: 60.5\n  keys: {claude-code: {daily_usd: 2}}\n  \
         models: {'claude-opus-*': {daily_tokens: 9, monthly_usd: 1}}\n  \
         prices: {'local/*': {input: 0, output: 0}, m: {input: 3, output: 15.000000001, cache_read: .3}}\n",
    )
    .budget;
    assert_eq!(
        budget.whole(),
        Limits {
            daily_tokens: Some(200_000),
            daily_usd: Some(Micros(5_000_000)),
            monthly_usd: Some(Micros(60_500_000))
        }
    );
    let two = Limits { daily_usd: Some(Micros(2_000_000)), ..Limits::default() };
    assert_eq!(budget.keys, [("claude-code".to_owned(), two)]);
    assert!(budget.models[0].0.matches("claude-opus-5") && budget.models[0].1.daily_tokens == Some(9));
    let [free, priced] = budget.prices.as_slice() else { panic!() };
    assert_eq!((free.input, free.output, free.cache_read), (0, 0, None));
    assert_eq!(
        (priced.input, priced.output, priced.cache_read),
        (3_000_000_000, 15_000_000_001, Some(300_000_000))
    );
    for (text, place, word) in [
        ("budget: {keys: {a: }}\n", "1:17", "says nothing"),
        ("budget: {keys: {a: {}}}\n", "1:17", "states no limit"),
        ("budget: {keys: {a: 5}}\n", "1:20", "must be a map"),
        ("budget: {keys: {a: {daily_usd: -1}}}\n", "1:32", "amount"),
        ("budget: {models: [a]}\n", "1:18", "must be a map"),
        ("budget: {prices: {m: {input: 3}}}\n", "1:19", "needs `input` and `output`"),
        ("budget: {prices: {m: {input: 3, output: -1}}}\n", "1:41", "dollars for a million"),
        ("budget: {prices: {m: {input: 1e3, output: 1}}}\n", "1:30", "dollars for a million"),
    ] {
        broken(text, place, word, "");
    }
}

#[test]
fn evasions_are_chosen_by_name() {
    let context = good(
        "outbound_deny:\n  - {term: Aa1, evasions: [markup]}\n  - {term: Bb1, evasions: {off: [markup]}, exact: true}\n  - {term: Cc1, evasions: []}\n",
    );
    let [a, b, c] = context.outbound_deny.as_slice() else { panic!() };
    assert!(a.rule.evasions.contains(Evasion::Markup) && !a.rule.evasions.contains(Evasion::Hex));
    assert!(
        !b.rule.evasions.contains(Evasion::Markup) && b.rule.evasions.contains(Evasion::Hex) && b.rule.exact
    );
    assert!(c.rule.evasions.is_empty());
}

#[test]
fn a_room_chooses_evasions_for_all_its_entries() {
    let context = good(
        "evasions: {off: [leetspeak]}\noutbound_deny: [Aa1, {term: Bb1}, {term: Cc1, evasions: [hex]}]\n",
    );
    let has = |index: usize, evasion| context.outbound_deny[index].rule.evasions.contains(evasion);
    assert!(!has(0, Evasion::Leetspeak) && !has(1, Evasion::Leetspeak) && has(0, Evasion::Hex));
    assert!(has(2, Evasion::Hex) && !has(2, Evasion::Markup));
    broken("evasions: [lettspeak]\n", "1:12", "no evasion called", "write leetspeak");
}

#[test]
fn hard_rooms_look_for_deep_disguises_and_others_where_they_say_so() {
    let evasions = |yaml: &str| good(yaml).outbound_deny[0].rule.evasions;
    for (yaml, expected) in [
        ("outbound_deny: [Aa1]\n", Evasions::ALL),
        ("isolation: hard\noutbound_deny: [{term: Aa1}]\n", Evasions::ALL),
        ("isolation: open\noutbound_deny: [Aa1]\n", Evasions::ORDINARY),
        ("isolation: open\nevasions: [deep]\noutbound_deny: [Aa1]\n", Evasions::ALL),
        ("isolation: open\noutbound_deny: [{term: Aa1, evasions: [deep]}]\n", Evasions::ALL),
        ("evasions: {off: [deep]}\noutbound_deny: [Aa1]\n", Evasions::ORDINARY),
        (
            "evasions: {off: [deep]}\noutbound_deny: [{term: Aa1, evasions: {off: [hex]}}]\n",
            Evasions::ALL.without(Evasion::Hex),
        ),
        (
            "isolation: open\nevasions: {off: [hex]}\noutbound_deny: [Aa1]\n",
            Evasions::ORDINARY.without(Evasion::Hex),
        ),
        (
            "outbound_deny: [{term: Aa1, evasions: [rot13, hex]}]\n",
            Evasions::NONE.with(Evasion::Hex).with(Evasion::Rot13),
        ),
    ] {
        assert_eq!(evasions(yaml), expected, "{yaml}");
    }
    broken("evasions: [deap]\n", "1:12", "no evasion called", "write deep");
}

#[test]
fn a_person_and_part_of_a_pack_are_read() {
    let context = good(
        "outbound_deny:\n  - {term: Ann Lee, person: true}\n  - {pack: pii, only: [email, phone], except: [phone-us]}\n",
    );
    assert!(context.outbound_deny[0].rule.person);
    let RuleKind::Pack(pack) = &context.outbound_deny[1].rule.kind else { panic!() };
    assert_eq!(pack.detectors().collect::<Vec<_>>(), ["email", "phone-international", "phone-national"]);
    let counting = "outbound_deny:\n  - {pack: pii, examples: count}\n";
    let ignoring = "outbound_deny:\n  - {pack: pii, examples: ignore}\n";
    assert_ne!(good(counting).outbound_deny[0].rule.kind, good(ignoring).outbound_deny[0].rule.kind);
    broken("outbound_deny:\n  - {pack: pii, examples: all}\n", "2:27", "examples", "count");
    broken("outbound_deny:\n  - {term: Aa1, examples: count}\n", "2:17", "for packs only", "remove it");
    broken("outbound_deny:\n  - {pack: pii, only: [emial]}\n", "2:24", "no such detector", "write email");
    broken("outbound_deny:\n  - {pack: pii, only: []}\n", "2:17", "names no detector", "remove the line");
    broken("outbound_deny:\n  - {term: Aa1, only: [email]}\n", "2:17", "for packs only", "remove it");
    broken("outbound_deny:\n  - {pack: pii, person: true}\n", "2:17", "for terms only", "remove it");
    broken("outbound_deny:\n  - {pack: acme}\n", "2:12", "no detector pack", "add rules/NAME.yml");
}

#[test]
fn a_written_action_wins_over_isolation() {
    let text = |isolation: &str| {
        format!(
            "isolation: {isolation}\noutbound_deny: [Aa1, {{term: Bb1, action: deny}}, {{term: Cc1, action: warn}}]\n"
        )
    };
    let effects = |context: &Context| -> Vec<Effect> {
        context.outbound_deny.iter().map(|entry| context.effective(entry)).collect()
    };
    assert_eq!(effects(&good(&text("open"))), [Effect::Report, Effect::Block, Effect::Report]);
    assert_eq!(effects(&good(&text("hard"))), [Effect::Block, Effect::Block, Effect::Report]);
}

#[test]
fn the_stricter_of_two_rooms_decides_about_what_is_confidential() {
    let owner = |isolation: &str| good(&format!("isolation: {isolation}\nconfidential: [Globex]\n"));
    let (open, hard) = (owner("open"), owner("hard"));
    assert_eq!(open.effective_elsewhere(&open.confidential[0], Isolation::Open), Effect::Report);
    assert_eq!(open.effective_elsewhere(&open.confidential[0], Isolation::Hard), Effect::Block);
    assert_eq!(hard.effective_elsewhere(&hard.confidential[0], Isolation::Open), Effect::Block);
    assert_eq!(hard.effective_elsewhere(&hard.confidential[0], Isolation::Hard), Effect::Block);
}

#[test]
fn windows_files_are_read_like_others() {
    let context = good("\u{feff}name: acme\r\noutbound_deny:\r\n  - Project Falcon\r\n  - Ann\r\n");
    assert_eq!(terms(&context.outbound_deny), ["Project Falcon", "Ann"]);
    assert_eq!(context.outbound_deny[1].line, 4);
}

#[test]
fn a_hundred_thousand_terms_are_read() {
    let mut text = String::from("outbound_deny:\n");
    for number in 0..100_000 {
        text.push_str(&format!("  - term number {number}\n"));
    }
    assert_eq!(good(&text).outbound_deny.len(), 100_000);
}

proptest! {
    #[test]
    fn any_bytes_are_a_context_or_told_why_not(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let parsed = parse_context(&"acme".parse().unwrap(), &bytes);
        prop_assert_eq!(parsed.context.is_none(), parsed.problems.iter().any(Problem::is_error));
    }

    #[test]
    fn almost_right_files_are_a_context_or_told_why_not(
        text in "((name|title|isolation|outbound_deny|confidential|budget|models|targets|id|term|action|pack|pattern|evasions): ?|\n|- |  |[a-z0-9]|[\\[\\]{},'\"~*&!]){0,50}"
    ) {
        let parsed = parse(&text);
        prop_assert_eq!(parsed.context.is_none(), parsed.problems.iter().any(Problem::is_error), "{}", text);
    }
}
