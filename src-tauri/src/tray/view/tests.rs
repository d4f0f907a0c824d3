use super::*;
use serde_json::json;

fn facts() -> Facts {
    Facts {
        status: serde_json::from_value(json!({
            "address": "http://127.0.0.1:8788", "active": "acme",
            "shield": {"paused": false}, "health": {"ok": true, "problems": []},
        }))
        .unwrap(),
        contexts: serde_json::from_value(json!([
            {"name": "acme", "title": "Acme Corp", "isolation": "hard", "state": "live"},
            {"name": "home", "title": "At home", "isolation": "open", "state": "live"},
            {"name": "torn", "title": "torn", "isolation": null, "state": "broken"},
        ]))
        .unwrap(),
        budgets: serde_json::from_value(json!([
            {"context": "acme", "limit": 200_000, "used": 1_204, "resets_at": "2026-01-02T00:00:00Z"},
            {"context": "home", "limit": null, "used": 12, "resets_at": "2026-01-02T00:00:00Z"},
        ]))
        .unwrap(),
        asks: Vec::new(),
        refusal: None,
        is_stopping: false,
        now: "2026-01-01T12:00:00Z".parse().unwrap(),
        zone: TimeZone::fixed(jiff::tz::offset(2)),
    }
}

#[test]
fn the_line_says_room_shield_and_tokens() {
    let mut facts = facts();
    let view = View::of(&facts);
    assert_eq!(view.status, "Acme Corp · shield on · 1,204 of 200,000 tokens");
    assert_eq!(view.look, Look::On);
    facts.status.active = Some("home".to_owned());
    let view = View::of(&facts);
    assert_eq!(view.status, "At home · observes only · 12 tokens today");
    assert_eq!(view.look, Look::Observe);
}

#[test]
fn a_pause_shows_when_it_ends_in_local_time() {
    let mut facts = facts();
    facts.status.shield = Shield { paused: true, until: Some("2026-01-01T12:05:30Z".parse().unwrap()) };
    let view = View::of(&facts);
    assert_eq!(view.pause, Pause::Until("14:05".to_owned()));
    assert_eq!(view.status, "Acme Corp · shield paused until 14:05 · 1,204 of 200,000 tokens");
    assert_eq!(view.look, Look::Paused);
    assert_eq!(view.is_good_for, Duration::from_millis(330_100));
    facts.status.shield.until = None;
    assert_eq!(View::of(&facts).pause, Pause::Open);
}

#[test]
fn what_does_not_work_comes_first() {
    let mut facts = facts();
    facts.status.active = None;
    assert_eq!(View::of(&facts).status, "No room is active: calls that name none are refused");
    facts.status.health = Health { ok: false, problems: vec!["The log cannot be written.".to_owned()] };
    assert_eq!(View::of(&facts).status, "Attention: The log cannot be written.");
    facts.refusal = Some("There is no such room.".to_owned());
    assert_eq!(View::of(&facts).status, "Not done: There is no such room.");
    facts.status.listen_error = Some("port 8788 is taken".to_owned());
    assert_eq!(View::of(&facts).status, "Not listening: port 8788 is taken");
    assert_eq!(View::of(&facts).look, Look::Down);
}

#[test]
fn a_broken_room_stands_there_and_cannot_be_chosen() {
    let view = View::of(&facts());
    assert_eq!(view.rooms.iter().map(|room| room.is_active).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!(view.rooms[2].label, "torn (its file is broken)");
    assert!(!view.rooms[2].is_usable);
}

#[test]
fn the_active_room_is_shown_however_many_there_are() {
    let mut facts = facts();
    let room = |number| Context {
        name: format!("r{number}"),
        title: format!("Room {number}"),
        isolation: Some("hard".to_owned()),
        state: "live".to_owned(),
    };
    facts.contexts = (0..8).map(room).collect();
    facts.status.active = Some("r7".to_owned());
    assert!(!View::of(&facts).has_more_rooms);
    facts.contexts = (0..20).map(room).collect();
    facts.status.active = Some("r19".to_owned());
    let view = View::of(&facts);
    assert!(view.has_more_rooms);
    assert_eq!(view.rooms.len(), ROOMS_SHOWN);
    assert_eq!((view.rooms[6].name.as_str(), view.rooms[7].name.as_str()), ("r6", "r19"));
    assert!(view.rooms[7].is_active);
}

#[test]
fn numbers_and_sentences_fit_a_menu() {
    assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    let long = format!("Not listening: {}", "words ".repeat(40));
    let short = shorten(&long);
    assert!(short.chars().count() <= LONGEST_SENTENCE + 1 && short.ends_with("words…"), "{short}");
    assert_eq!(shorten("brief"), "brief");
}

fn asks(list: serde_json::Value) -> Vec<Ask> {
    serde_json::from_value(list).unwrap()
}

#[test]
fn asks_are_counted_and_the_last_one_that_nobody_answered_can_be_let_through() {
    let mut facts = facts();
    assert_eq!((View::of(&facts).asks, View::of(&facts).blocked), (0, None));
    facts.asks = asks(json!([
        {"id": "aaaa", "rules": [{"rule": "old"}], "expires": "2026-01-01T12:01:00Z", "waiting": 0},
        {"id": "bbbb", "rules": [{"rule": "one"}, {"rule": "two"}, {"rule": "three"}],
         "expires": "2026-01-01T12:09:00Z", "waiting": 0},
        {"id": "cccc", "rules": [{"rule": "new"}], "expires": "2026-01-01T12:10:00Z", "waiting": 1},
    ]));
    let view = View::of(&facts);
    assert_eq!(view.asks, 3);
    assert_eq!(view.blocked, Some(Blocked { id: "bbbb".to_owned(), rule: "one and 2 more".to_owned() }));
    assert_eq!(view.look, Look::Asks);
    assert_eq!(view.is_good_for, Duration::from_millis(60_100), "the first of them ends by itself");
    facts.status.listen_error = Some("The port is taken.".to_owned());
    assert_eq!(View::of(&facts).look, Look::Down);
}
