//! `zos budget` and `zos usage`.

use crate::world::Scratch;

#[test]
fn a_call_is_counted_and_both_ways_agree() {
    let home = Scratch::acme();
    assert_eq!(home.json(&["budget"])["budgets"][0]["remaining"], 200_000);
    assert_eq!(home.zos(&["usage"]).fine(), "No calls in this time.\n");
    let serving = home.serve();
    assert_eq!(serving.say("Hello", "").0, 200);
    let (budget, usage) = (home.json(&["budget"]), home.json(&["usage"]));
    let used = budget["budgets"][0]["used"].as_u64().unwrap();
    assert!(used > 0 && budget["budgets"][0]["remaining"] == 200_000 - used, "{budget}");
    assert_eq!((&usage["rows"][0]["model"], &usage["rows"][0]["calls"]), (&"demo/echo".into(), &1.into()));
    assert_eq!(serving.stop().code(), Some(0));
    assert_eq!((home.json(&["budget"]), home.json(&["usage"])), (budget, usage));
    assert!(home.zos(&["budget"]).fine().contains("200,000"));
    let table = home.zos(&["usage", "--context", "acme"]).fine();
    assert!(table.contains("demo/echo") && table.contains("all"), "{table}");
    assert_eq!(
        home.zos(&["usage", "--until", "2020-01-01", "--since", "2020-01-01"]).fine(),
        "No calls in this time.\n"
    );
    home.zos(&["budget", "-c", "nowhere"]).fails(2, &["no room called nowhere"]);
}
