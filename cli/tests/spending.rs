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
    // An empty answer would read as one about a room that there is.
    for command in [
        &["usage"][..],
        &["audit", "tail"],
        &["audit", "export"],
        &["firewall", "test", "x"],
        &["memory", "search", "x"],
    ] {
        let command = [command, &["-c", "nowhere"]].concat();
        home.zos(&command).fails(2, &["no room called nowhere"]);
    }
}

#[test]
fn usage_is_exported_and_summed_and_has_its_cost() {
    let home = Scratch::acme();
    let serving = home.serve();
    assert_eq!(serving.say("Hello", "").0, 200);
    let csv = home.zos(&["usage", "--csv", "--by", "context,model"]).fine();
    let mut lines = csv.lines();
    assert_eq!(
        lines.next(),
        Some(
            "context,model,calls,input,output,cache_read,cache_write,reasoning,expired,estimated_calls,unpriced_calls,cost_usd"
        )
    );
    let row = lines.next().unwrap();
    assert!(
        row.starts_with("acme,demo/echo,1,") && row.ends_with(",0.00"),
        "the demo is known to be free: {row}"
    );
    assert_eq!(lines.next(), None);
    let page = home.zos(&["usage"]).fine();
    assert!(page.contains("tokens a day, at most") && page.contains("$0.00"), "{page}");
    assert_eq!(home.json(&["usage", "--by", "day"])["rows"].as_array().unwrap().len(), 1);
    home.zos(&["usage", "--csv", "--json"]).fails(2, &["cannot be used"]);
    let budget = home.zos(&["budget"]).fine();
    assert!(budget.contains("tokens a day") && budget.contains("acme spent $0.00 today"), "{budget}");
}

#[test]
fn prices_are_shown_checked_put_in_place_and_put_back() {
    let home = Scratch::acme();
    let shipped = home.json(&["models", "prices"]);
    assert!(
        shipped["shipped"] == true && shipped["source"].as_str().unwrap().contains("genai-prices"),
        "{shipped}"
    );
    assert_eq!(shipped["sha256"].as_str().unwrap().len(), 64);
    let file = home.path().join("new.json");
    std::fs::write(&file, r#"{"source": "mine", "date": "2026-11-01", "providers": [{"id": "p", "models": [{"id": "m", "match": {"equals": "m"}, "prices": {"input_mtok": 1}}]}]}"#).unwrap();
    let path = file.to_str().unwrap();
    let updated = home.json(&["models", "update", "--from", path]);
    assert_eq!(
        (&updated["source"], &updated["date"], &updated["models"]),
        (&"mine".into(), &"2026-11-01".into(), &1.into())
    );
    assert_eq!(home.json(&["models", "prices"]), updated);
    std::fs::write(&file, "{\"providers\": [\n{\"id\": 7}]}").unwrap();
    home.zos(&["models", "update", "--from", path]).fails(1, &["line 2", "Nothing was changed"]);
    assert_eq!(home.json(&["models", "prices"]), updated);
    assert_eq!(home.json(&["models", "update", "--shipped"]), shipped);
    home.zos(&["models", "update"]).fails(2, &["--from"]);
}

#[cfg(not(feature = "postgres"))]
#[test]
fn a_shared_ledger_that_is_not_built_in_is_told_without_its_address() {
    let home = Scratch::acme();
    home.write("gateway/config.yml", "ledger: {url: \"postgres://zos:hunter2@db/zos\"}\n");
    let run = home.command(&["serve", "--listen", "127.0.0.1:0"]).output().unwrap();
    let told = String::from_utf8_lossy(&run.stderr).into_owned() + &String::from_utf8_lossy(&run.stdout);
    assert_eq!(run.status.code(), Some(2), "{told}");
    assert!(told.contains("make server") && !told.contains("hunter2"), "{told}");
}
