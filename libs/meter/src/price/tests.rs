use proptest::prelude::*;

use super::*;
use crate::Day;

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn usage(input: u64, output: u64, cache_read: u64, cache_write: u64, cache_write_1h: u64) -> Usage {
    Usage { input, output, cache_read, cache_write, cache_write_1h, ..Usage::default() }
}

#[test]
fn rates_are_read_exactly_and_nonsense_is_refused() {
    for (text, nanos) in [
        ("3", 3_000_000_000),
        ("0.075", 75_000_000),
        ("0.000000001", 1),
        ("1.5e-7", 150),
        ("1e-12", 1),
        ("0", 0),
        ("0.0", 0),
        ("1E2", 100_000_000_000),
        (".5", 500_000_000),
        ("1e-30", 1),
    ] {
        assert_eq!(text.parse(), Ok(Rate(nanos)), "{text}");
    }
    for text in ["", ".", "-1", "+1", "1,5", "1e", "1e999", "inf", "NaN", "10000001", "1e30", "0x1", " 1"] {
        assert_eq!(text.parse::<Rate>(), Err(ParseRateError), "{text}");
    }
}

#[test]
fn amounts_read_as_dollars() {
    for (micros, text) in [(0, "0.00"), (21, "0.000021"), (12_500_000, "12.50"), (1_234_560, "1.23456")] {
        assert_eq!(Micros(micros).to_string(), text);
    }
}

#[test]
fn a_cost_is_summed_first_and_rounded_up_once() {
    // 0.1 microdollars a token and kind: five parts make 0.5, which is one microdollar and not five.
    let rate = || Some(Tiered::flat("0.1".parse().unwrap()));
    let price = Price {
        input: rate(),
        output: rate(),
        cache_read: rate(),
        cache_write: rate(),
        cache_write_1h: rate(),
        ..Price::default()
    };
    assert_eq!(price.cost(&usage(1, 1, 1, 2, 1)), Some(Micros(1)));
    assert_eq!(price.cost(&usage(10, 0, 0, 0, 0)), Some(Micros(1)));
    assert_eq!(price.cost(&usage(11, 0, 0, 0, 0)), Some(Micros(2)));
    assert_eq!(price.cost(&Usage::default()), Some(Micros(0)));
}

#[test]
fn a_kind_without_a_price_makes_the_cost_unknown_and_never_zero() {
    let price = Price { input: Some(Tiered::flat(Rate(1))), ..Price::default() };
    assert_eq!(price.cost(&usage(5, 1, 0, 0, 0)), None);
    assert_eq!(price.cost(&usage(5, 0, 0, 0, 0)), Some(Micros(1)));
    assert_eq!(price.bound(5, 1), None);
    assert_eq!(Price::default().cost(&usage(1, 0, 0, 0, 0)), None);
    assert_eq!(Price::free().cost(&usage(1, 2, 3, 4, 1)), Some(Micros(0)));
}

#[test]
fn a_tier_holds_for_all_tokens_once_the_input_passes_it() {
    let rate = |text: &str| text.parse::<Rate>().unwrap();
    let price = Price {
        input: Some(Tiered::with_tiers(rate("1"), vec![(200, rate("2"))])),
        output: Some(Tiered::with_tiers(rate("5"), vec![(200, rate("7"))])),
        ..Price::default()
    };
    assert_eq!(price.cost(&usage(200, 10, 0, 0, 0)), Some(Micros(250)));
    assert_eq!(price.cost(&usage(150, 10, 51, 0, 0)), Some(Micros(2 * 201 + 70)));
    assert_eq!(price.bound(201, 10), Some(Micros(472)));
}

#[test]
fn the_shipped_catalogue_is_read_and_says_where_it_comes_from() {
    let catalogue = Catalogue::shipped();
    assert!(catalogue.source().contains("genai-prices") && catalogue.date().is_some());
    assert_eq!(catalogue.digest().len(), 64);
    assert!(catalogue.len() > 1_000, "{}", catalogue.len());
    let today = day("2026-11-25");
    let opus = catalogue.price("anthropic", None, "claude-3-5-sonnet-20241022", today).unwrap();
    // 3 + 15 + 0.30 + 3.75 dollars for a million of each, and 6 for what is kept for an hour.
    assert_eq!(
        opus.cost(&usage(1_000_000, 1_000_000, 1_000_000, 2_000_000, 1_000_000)),
        Some(Micros(28_050_000))
    );
    assert_eq!(
        catalogue.price("openai", None, "gpt-4o-mini", today).unwrap().cost(&usage(1_000_000, 0, 0, 0, 0)),
        Some(Micros(150_000))
    );
    assert!(catalogue.price("openai", None, "no-such-model", today).is_none());
    assert!(catalogue.price("local", Some("http://127.0.0.1:11434/v1"), "qwen3:8b", today).is_none());
    let by_address =
        catalogue.price("my-claude", Some("https://api.anthropic.com"), "claude-3-5-sonnet-20241022", today);
    assert_eq!(by_address, Some(opus));
    let flash = |model: &str| catalogue.price("google", None, model, today);
    assert!(flash("gemini-2.5-pro").is_some());
    assert!(flash("gemini-2.5-pro") != flash("gemini-2.5-pro-preview-tts"));
    assert!(
        catalogue
            .price("x", Some("https://evil.example/https://api.anthropic.com"), "claude-3-haiku", today)
            .is_none()
    );
}

#[test]
fn terms_have_prices_of_their_own_and_an_unpublished_one_is_unknown() {
    let today = day("2026-11-25");
    let cost = |model: &str, tier, usage: Usage| {
        Catalogue::shipped().price("openai", None, model, today)?.cost(&Usage { tier, ..usage })
    };
    let call = usage(400_000, 100_000, 200_000, 0, 0);
    // At the list price 1.25, 10 and 0.125 dollars; half of that for flex and batch, twice for priority.
    for (tier, micros) in [
        (None, 1_525_000),
        (Some(Tier::Standard), 1_525_000),
        (Some(Tier::Priority), 3_050_000),
        (Some(Tier::Fast), 3_050_000),
        (Some(Tier::Flex), 762_500),
        (Some(Tier::Batch), 762_500),
    ] {
        assert_eq!(cost("gpt-5", tier, call), Some(Micros(micros)), "{tier:?}");
    }
    assert_eq!(cost("gpt-5", Some(Tier::Other), call), None);
    assert_eq!(cost("gpt-3.5-turbo", Some(Tier::Priority), call), None);
    assert_eq!(Price::free().cost(&Usage { tier: Some(Tier::Other), ..call }), Some(Micros(0)));
    // A variant says only what differs: no rate for cached input is published for batches of this one.
    let mini = usage(0, 0, 1_000_000, 0, 0);
    assert_eq!(cost("gpt-4o-mini", Some(Tier::Batch), mini), cost("gpt-4o-mini", None, mini));
}

#[test]
fn terms_hold_from_their_day_on() {
    let text = r#"[{"id": "p", "api_pattern": "", "models": [{"id": "m", "match": {"equals": "m"}, "prices": {"input_mtok": 2},
        "price_variants": [
            {"when": {"service_tier": "flex"}, "constraint": {"start_date": "2026-06-01"}, "prices": {"input_mtok": 1}},
            {"when": {"service_tier": "flex", "route": "eu"}, "prices": {"input_mtok": 7}},
            {"when": {"service_tier": "slow"}, "prices": {"input_mtok": 7}},
            {"when": {"service_tier": "priority"}, "constraint": {"start_time": "01:00:00"}, "prices": {"input_mtok": 7}}]}]}]"#;
    let catalogue = Catalogue::parse(text).unwrap();
    let cost = |on: &str, tier| {
        let call = Usage { tier: Some(tier), ..usage(10, 0, 0, 0, 0) };
        catalogue.price("p", None, "m", day(on)).unwrap().cost(&call)
    };
    assert_eq!(cost("2026-05-31", Tier::Flex), None);
    assert_eq!(cost("2026-06-01", Tier::Flex), Some(Micros(10)));
    assert_eq!(cost("2026-06-01", Tier::Priority), None);
    assert_eq!(cost("2026-06-01", Tier::Standard), Some(Micros(20)));
    assert!(Catalogue::parse(&text.replace("\"input_mtok\": 1}", "\"input_mtok\": -1}")).is_err());
}

#[test]
fn sound_has_a_price_of_its_own() {
    let heard = Usage { audio_input: 600_000, audio_output: 90_000, ..usage(1_000_000, 100_000, 0, 0, 0) };
    let price = |model: &str| Catalogue::shipped().price("openai", None, model, day("2026-11-25")).unwrap();
    // 2.5 and 10 dollars for text, 32 and 64 for sound.
    assert_eq!(price("gpt-audio").cost(&heard), Some(Micros(1_000_000 + 19_200_000 + 100_000 + 5_760_000)));
    assert_eq!(price("gpt-4o").cost(&heard), None, "nobody knows what sound costs there");
    let bound = price("gpt-audio").with_sound().bound(1_000_000, 100_000);
    assert_eq!(bound, Some(Micros(32_000_000 + 6_400_000)));
    assert_eq!(price("gpt-4o").with_sound().bound(1, 1), None);
    // An owner's price is for whatever comes.
    let flat = Price::flat("3".parse().unwrap(), "15".parse().unwrap());
    assert_eq!(flat.cost(&heard), Some(Micros(4_500_000)));
}

#[test]
fn every_shipped_pattern_compiles() {
    // The test would find a pattern of the data that this engine cannot run: such a model has no price.
    assert_eq!(super::catalogue::broken_patterns(&Catalogue::shipped()), [""; 0]);
}

const SMALL: &str = r#"[{"id": "p", "api_pattern": "https://api\\.p\\.example", "models": [
    {"id": "m", "match": {"or": [{"equals": "M-One"}, {"and": [{"starts_with": "m-"}, {"ends_with": "x"}]}]}, "prices": [
        {"prices": {"input_mtok": 1, "output_mtok": 1}},
        {"constraint": {"start_time": "01:00:00", "end_time": "02:00:00"}, "prices": {"input_mtok": 4, "output_mtok": 0.5}},
        {"constraint": {"start_date": "2026-06-01"}, "prices": {"input_mtok": {"base": 2, "tiers": [{"start": 10, "price": 3}]}, "requests_kcount": 9}}]},
    {"id": "page", "match": {"equals": "pages"}, "prices": {"requests_kcount": 9}}]}]"#;

#[test]
fn a_catalogue_of_the_projects_own_shape_is_read() {
    let catalogue = Catalogue::parse(SMALL).unwrap();
    let cost = |model: &str, on: &str, usage: Usage| catalogue.price("P", None, model, day(on))?.cost(&usage);
    let one = usage(1, 0, 0, 0, 0);
    assert_eq!(cost("m-one", "2026-05-31", one), Some(Micros(4)), "by the hour, the higher holds");
    assert_eq!(cost("M-12X", "2026-05-31", usage(0, 1, 0, 0, 0)), Some(Micros(1)));
    assert_eq!(cost("m-one", "2026-06-01", one), Some(Micros(2)));
    assert_eq!(cost("m-one", "2026-06-01", usage(11, 0, 0, 0, 0)), Some(Micros(33)));
    assert_eq!(cost("m-one", "2026-06-01", usage(1, 1, 0, 0, 0)), None, "no price for output from that day");
    assert_eq!(cost("pages", "2026-06-01", one), None, "a price that is not for tokens is none here");
    assert_eq!(cost("m-two", "2026-06-01", one), None);
}

#[test]
fn what_is_no_catalogue_is_refused_with_the_place() {
    for (text, word) in [
        ("", "line 1"),
        ("{}", "providers"),
        ("[]", "no prices"),
        ("{\"providers\": [\n 1]}", "line 2"),
        (&SMALL.replace("\"input_mtok\": 4", "\"input_mtok\": -4"), "model \"m\": `input_mtok`"),
        (&SMALL.replace("\"input_mtok\": 4", "\"input_mtok\": [4]"), "model \"m\": `input_mtok`"),
        (&SMALL.replace("{\"equals\": \"M-One\"}", "{\"regex\": \"(\"}"), "pattern"),
        (&SMALL.replace("equals", "sounds_like"), "sounds_like"),
    ] {
        let error = Catalogue::parse(text).expect_err(text).to_string();
        assert!(error.contains(word), "{error}");
    }
}

proptest! {
    #[test]
    fn no_cost_is_above_the_bound_it_was_reserved_with(
        rates in proptest::collection::vec((0..10_000_000_000_u64, 0..300_u64, 0..10_000_000_000_u64), 5),
        counts in proptest::collection::vec(0..1_000_u64, 5),
    ) {
        let mut kinds = rates.iter().map(|(base, start, rate)| Some(Tiered::with_tiers(Rate(*base), vec![(*start, Rate(*rate))])));
        let mut kind = || kinds.next().unwrap();
        let price = Price { input: kind(), output: kind(), cache_read: kind(), cache_write: kind(), cache_write_1h: kind(), ..Price::default() };
        let spent = usage(counts[0], counts[1], counts[2], counts[3], counts[4]);
        let bound = price.bound(counts[0] + counts[2] + counts[3], counts[1]).unwrap();
        prop_assert!(price.cost(&spent).unwrap() <= bound);
    }

    #[test]
    fn no_text_makes_a_catalogue_panic(text in ".{0,200}") {
        let _ = Catalogue::parse(&text);
        let _ = text.parse::<Rate>();
    }
}
