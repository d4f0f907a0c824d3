//! What governs after a home was loaded.

use zos_core::{Api, Effect, ModelFilter, NoContext, lint};

use crate::scratch::{Scratch, denied, live, name, problem, state};

#[test]
fn without_any_context_a_builtin_one_serves() {
    for files in
        [&[][..], &[("gateway/config.yml", "x: 1"), ("contexts/.hidden.yml", "x"), ("contexts/a~", "")]]
    {
        let snapshot = Scratch::with(files).brain().snapshot();
        assert!(snapshot.is_builtin());
        let context = live(&snapshot, "default");
        assert!(context.builtin && context.outbound_deny.is_empty());
        assert_eq!(snapshot.effective_active().unwrap().as_str(), "default");
        assert!(snapshot.policy(&name("default")).unwrap().rules.is_empty());
        assert_eq!(lint(&snapshot), []);
    }
}

#[test]
fn a_file_that_was_meant_to_be_a_context_ends_the_builtin_one() {
    for file in ["contexts/acme.yml", "contexts/Acme.yml", "contexts/acme.yaml", "contexts/acme.YML"] {
        let snapshot = Scratch::with(&[(file, "")]).brain().snapshot();
        assert!(!snapshot.is_builtin(), "{file}");
        assert_eq!(snapshot.effective_active(), Err(NoContext::NoneActive));
    }
}

#[test]
fn the_active_context_governs_then_default_then_none() {
    let scratch = Scratch::with(&[("contexts/acme.yml", "isolation: open"), ("contexts/globex.yml", "{}")]);
    let brain = scratch.brain();
    assert_eq!(brain.snapshot().effective_active(), Err(NoContext::NoneActive));
    problem(&brain.snapshot(), "no context is active");

    brain.set_active(Some(&name("acme"))).unwrap();
    assert_eq!(brain.snapshot().effective_active(), Ok(&name("acme")));

    brain.set_active(None).unwrap();
    scratch.put("contexts/default.yml", "isolation: open");
    brain.reload();
    assert_eq!(brain.snapshot().effective_active(), Ok(&name("default")));

    // The owner's choice is gone: that must not fall to a context that may be laxer.
    brain.set_active(Some(&name("globex"))).unwrap();
    std::fs::remove_file(scratch.path("contexts/globex.yml")).unwrap();
    brain.reload();
    assert_eq!(brain.snapshot().effective_active(), Err(NoContext::Missing(name("globex"))));
    assert!(problem(&brain.snapshot(), "\"globex\" does not exist").fix.contains("zos context use"));
}

#[test]
fn a_broken_save_leaves_the_last_good_version_in_force() {
    let scratch = Scratch::with(&[
        ("contexts/acme.yml", "outbound_deny: [Falcon, Eagle]\nconfidential: [Globex]\n"),
        ("contexts/b.yml", "{}"),
    ]);
    let brain = scratch.brain();
    for broken in ["", "outbound_deny: [Falcon", "outbound_deny: 7", "isolation: hard\nname: other\n"] {
        scratch.put("contexts/acme.yml", broken);
        brain.reload();
        let snapshot = brain.snapshot();
        assert_eq!((state(&snapshot, "acme"), denied(&snapshot, "acme")), ("stale", 2), "{broken:?}");
        assert!(
            snapshot.problems.iter().any(|problem| problem.file == "contexts/acme.yml" && problem.is_error())
        );
        let mut found = Vec::new();
        snapshot.policy(&name("b")).unwrap().rules.scan("about Globex", &mut found);
        assert_eq!(found.len(), 1, "what is confidential stays so");
    }
    scratch.put("contexts/acme.yml", "isolation: open");
    brain.reload();
    assert_eq!((state(&brain.snapshot(), "acme"), denied(&brain.snapshot(), "acme")), ("live", 0));
}

#[test]
fn a_room_that_never_loaded_is_broken_and_says_what_follows() {
    let snapshot = Scratch::with(&[("contexts/acme.yml", "confidential: 7"), ("contexts/b.yml", "{}")])
        .brain()
        .snapshot();
    assert_eq!(state(&snapshot, "acme"), "broken");
    assert!(snapshot.policy(&name("acme")).is_none());
    assert!(problem(&snapshot, "other rooms cannot keep it in").is_error());
    assert_eq!(state(&snapshot, "b"), "live");
}

#[test]
fn what_is_confidential_to_one_room_is_denied_in_all_others() {
    let scratch = Scratch::with(&[
        (
            "contexts/a.yml",
            "isolation: open\noutbound_deny:\n  - Falcon\nconfidential:\n  - Alpha\n  - Shared\n",
        ),
        ("contexts/b.yml", "isolation: hard\nconfidential:\n  - {term: Beta, id: beta-corp}\n  - shared\n"),
        ("contexts/c.yml", "isolation: open\nconfidential:\n  - Gamma\n"),
        ("contexts/broken.yml", "confidential: 1"),
    ]);
    let snapshot = scratch.brain().snapshot();
    let rules = |room: &str| -> Vec<(String, Effect, String)> {
        let policy = snapshot.policy(&name(room)).unwrap();
        let rule = |index: usize| policy.rules.rule(index).id.clone();
        (0..policy.effects.len())
            .map(|index| (rule(index), policy.effects[index], policy.places[index].to_string()))
            .collect()
    };
    let expected = |list: &[(&str, Effect, &str)]| -> Vec<(String, Effect, String)> {
        list.iter().map(|(id, effect, place)| ((*id).into(), *effect, (*place).into())).collect()
    };
    // Rooms in the order of names: a = 1, b = 2, broken = 3, c = 4. "Shared" belongs to a and b.
    assert_eq!(
        rules("a"),
        expected(&[
            ("deny/1", Effect::Report, "contexts/a.yml:3"),
            ("elsewhere/2.1", Effect::Block, "contexts/b.yml:3"),
            ("elsewhere/4.1", Effect::Report, "contexts/c.yml:3"),
        ])
    );
    assert_eq!(
        rules("b"),
        expected(&[
            ("elsewhere/1.1", Effect::Block, "contexts/a.yml:5"),
            ("elsewhere/4.1", Effect::Block, "contexts/c.yml:3"),
        ])
    );
    assert_eq!(
        rules("c"),
        expected(&[
            ("elsewhere/1.1", Effect::Report, "contexts/a.yml:5"),
            ("elsewhere/1.2", Effect::Report, "contexts/a.yml:6"),
            ("elsewhere/2.1", Effect::Block, "contexts/b.yml:3"),
            ("elsewhere/2.2", Effect::Block, "contexts/b.yml:4"),
        ])
    );
    let mut found = Vec::new();
    snapshot.policy(&name("a")).unwrap().rules.scan("Alpha, beta and GAMMA", &mut found);
    let ids: Vec<usize> = found.iter().map(|violation| violation.rule).collect();
    assert_eq!(ids, [1, 2], "a's own Alpha is free in a");
}

#[test]
fn prose_belongs_to_its_room() {
    let scratch = Scratch::with(&[
        ("contexts/a.yml", "{}"),
        ("contexts/a.md", "# Hello\n"),
        ("contexts/b.md", "alone"),
    ]);
    let brain = scratch.brain();
    assert_eq!(live(&brain.snapshot(), "a").prose.as_deref(), Some("# Hello\n"));
    assert!(problem(&brain.snapshot(), "contexts/b.md").message.contains("no b.yml"));
    scratch.put("contexts/a.md", b"\xff");
    brain.reload();
    assert_eq!(live(&brain.snapshot(), "a").prose.as_deref(), Some("# Hello\n"));
    problem(&brain.snapshot(), "contexts/a.md:1:1: the file is not UTF-8");
}

#[test]
fn nothing_new_is_no_new_snapshot() {
    let scratch = Scratch::with(&[("contexts/a.yml", "{}")]);
    let brain = scratch.brain();
    let mut changes = brain.subscribe();
    let first = brain.snapshot();
    brain.reload();
    scratch.put("contexts/a.yml", "{}");
    brain.reload();
    assert_eq!(brain.snapshot().revision, first.revision);
    assert!(!changes.has_changed().unwrap());
    scratch.put("contexts/a.yml", "title: A");
    brain.reload();
    assert_eq!(brain.snapshot().revision, first.revision + 1);
    assert!(changes.has_changed().unwrap());
    assert_eq!(changes.borrow_and_update().revision, first.revision + 1);
}

#[test]
fn a_change_that_is_not_about_rules_keeps_the_compiled_ones() {
    let scratch = Scratch::with(&[("contexts/a.yml", "outbound_deny: [Falcon]\n")]);
    let brain = scratch.brain();
    let before = brain.snapshot();
    scratch.put("contexts/a.yml", "title: new\noutbound_deny: [Falcon]\n");
    brain.reload();
    // The line moved, and places are part of a policy.
    assert_eq!(brain.snapshot().policy(&name("a")).unwrap().places[0].line, 2);
    scratch.put("contexts/a.yml", "title: old\noutbound_deny: [Falcon]\n");
    let moved = brain.snapshot();
    brain.reload();
    assert!(std::sync::Arc::ptr_eq(&moved.rules, &brain.snapshot().rules));
    assert!(!std::sync::Arc::ptr_eq(&before.rules, &moved.rules));
}

#[test]
fn a_broken_fleet_keeps_the_last_good_one_and_without_one_serves_only_the_demo() {
    let good = "providers: {local: {api: openai, base_url: 'http://127.0.0.1:1/v1'}}\n";
    let scratch = Scratch::with(&[("routing/fleet.yml", good)]);
    let brain = scratch.brain();
    scratch.put("routing/fleet.yml", "providers: [");
    brain.reload();
    assert!(brain.snapshot().fleet.provider("local").is_some());
    assert!(problem(&brain.snapshot(), "routing/fleet.yml:1:12").is_error());

    let never = scratch.brain().snapshot();
    let names: Vec<_> = never.fleet.providers().map(|provider| provider.name.clone()).collect();
    assert_eq!(names, ["demo"]);
    assert!(never.fleet.route(Api::OpenAi, "gpt-4", &ModelFilter::default()).is_err());
}

#[test]
fn the_first_fleet_that_is_broken_closes_hard_rooms_until_it_loads() {
    let good = "providers: {local: {api: openai, base_url: 'http://127.0.0.1:1/v1'}}\n";
    let scratch = Scratch::with(&[("contexts/acme.yml", "isolation: hard")]);
    let brain = scratch.brain();
    assert!(brain.snapshot().fleet.is_builtin() && brain.snapshot().fleet.broken().is_none());

    scratch.put("routing/fleet.yml", "version: 1\nproviders: [\n");
    brain.reload();
    let fleet = brain.snapshot().fleet.clone();
    assert!(fleet.is_builtin(), "open rooms go on with it");
    assert_eq!(fleet.broken().map(|problem| problem.file.as_str()), Some("routing/fleet.yml"));

    scratch.put("routing/fleet.yml", good);
    brain.reload();
    assert!(brain.snapshot().fleet.broken().is_none());
    scratch.put("routing/fleet.yml", "providers: [");
    brain.reload();
    assert!(brain.snapshot().fleet.broken().is_none(), "the last good version governs");
    assert!(scratch.brain().snapshot().fleet.broken().is_some(), "a start has none");
}
