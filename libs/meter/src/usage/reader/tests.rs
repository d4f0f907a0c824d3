//! Usage objects as providers write them, and as they should not.

use proptest::prelude::*;

use super::*;

const SEEN: Estimate = Estimate { input: 1_000, output: 500, cut: false };
const CUT: Estimate = Estimate { cut: true, ..SEEN };

/// `[input, output, cache_read, cache_write, reasoning]`, and whether anything is estimated.
fn check(face: Counting, reports: &[&str], estimate: Estimate, expected: [u64; 5], estimated: bool) {
    let mut reader = UsageReader::new(face);
    for report in reports {
        reader.report(report);
    }
    let [input, output, cache_read, cache_write, reasoning] = expected;
    let expected = Usage { input, output, cache_read, cache_write, reasoning, estimated, ..Usage::default() };
    let read = reader.finish(estimate);
    let shown = Usage { audio_input: 0, audio_output: 0, estimated_output: 0, tier: None, ..read };
    assert_eq!(shown, expected, "{face:?} {reports:?}");
    assert!(read.estimated_output <= output && (estimated || read.estimated_output == 0), "{read:?}");
}

#[test]
fn anthropic_plain() {
    let usage = r#"{"input_tokens":2095,"cache_creation_input_tokens":2051,"cache_read_input_tokens":18,
        "cache_creation":{"ephemeral_5m_input_tokens":2051,"ephemeral_1h_input_tokens":0},
        "output_tokens":503,"service_tier":"standard","server_tool_use":{"web_search_requests":1}}"#;
    check(Counting::Messages, &[usage], SEEN, [2095, 503, 18, 2051, 0], false);
    check(
        Counting::Messages,
        &[r#"{"input_tokens":3,"output_tokens":4,"cache_read_input_tokens":null}"#],
        SEEN,
        [3, 4, 0, 0, 0],
        false,
    );
}

#[test]
fn anthropic_stream_counts_grow() {
    let start = r#"{"input_tokens":25,"cache_creation_input_tokens":0,"cache_read_input_tokens":7,"output_tokens":1}"#;
    check(Counting::Messages, &[start, r#"{"output_tokens":15}"#], SEEN, [25, 15, 7, 0, 0], false);
    // With server tools, input grows on the way too; some proxies repeat it as 0, or know it only at the end.
    check(
        Counting::Messages,
        &[start, r#"{"input_tokens":10682,"output_tokens":510}"#],
        SEEN,
        [10682, 510, 7, 0, 0],
        false,
    );
    check(
        Counting::Messages,
        &[start, r#"{"input_tokens":0,"output_tokens":15}"#],
        SEEN,
        [25, 15, 7, 0, 0],
        false,
    );
    let unknown = r#"{"input_tokens":0,"output_tokens":0}"#;
    check(
        Counting::Messages,
        &[unknown, r#"{"input_tokens":9,"output_tokens":2}"#],
        SEEN,
        [9, 2, 0, 0, 0],
        false,
    );
}

#[test]
fn anthropic_stream_that_was_cut_counts_what_was_seen() {
    let start = r#"{"input_tokens":25,"output_tokens":1}"#;
    check(Counting::Messages, &[start], CUT, [25, 500, 0, 0, 0], true);
    check(Counting::Messages, &[start], Estimate { output: 0, ..CUT }, [25, 1, 0, 0, 0], true);
    // Cut between the last count and the end mark: the count stands.
    check(Counting::Messages, &[start, r#"{"output_tokens":15}"#], CUT, [25, 15, 0, 0, 0], false);
}

#[test]
fn anthropic_compaction_counts_all_iterations() {
    let usage = r#"{"input_tokens":23000,"output_tokens":1000,"iterations":[
        {"type":"compaction","input_tokens":180000,"output_tokens":3500},
        {"type":"message","input_tokens":23000,"output_tokens":1000,"cache_read_input_tokens":5}]}"#;
    check(Counting::Messages, &[usage], SEEN, [203_000, 4_500, 5, 0, 0], false);
}

#[test]
fn count_tokens_is_input_only() {
    check(Counting::CountTokens, &[r#"{"input_tokens":14}"#], SEEN, [14, 0, 0, 0, 0], false);
    check(Counting::CountTokens, &[], SEEN, [1_000, 0, 0, 0, 0], true);
}

#[test]
fn openai_chat_takes_the_cached_part_out_of_the_prompt() {
    let usage = r#"{"prompt_tokens":2006,"completion_tokens":300,"total_tokens":2306,
        "prompt_tokens_details":{"cached_tokens":1920,"audio_tokens":0},
        "completion_tokens_details":{"reasoning_tokens":64,"accepted_prediction_tokens":0}}"#;
    check(Counting::ChatCompletions, &[usage], SEEN, [86, 300, 1920, 0, 64], false);
    let written = r#"{"prompt_tokens":100,"completion_tokens":1,
        "prompt_tokens_details":{"cached_tokens":20,"cache_write_tokens":30}}"#;
    check(Counting::ChatCompletions, &[written], SEEN, [50, 1, 20, 30, 0], false);
    let deepseek = r#"{"prompt_tokens":100,"completion_tokens":1,"total_tokens":101,
        "prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":36}"#;
    check(Counting::ChatCompletions, &[deepseek], SEEN, [36, 1, 64, 0, 0], false);
}

#[test]
fn openai_chat_stream_reports_last_or_all_along() {
    let end = r#"{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}"#;
    check(Counting::ChatCompletions, &["null", "null", end], SEEN, [9, 3, 0, 0, 0], false);
    let along: Vec<String> = (0..=3)
        .map(|n| format!(r#"{{"prompt_tokens":9,"completion_tokens":{n},"total_tokens":{}}}"#, 9 + n))
        .collect();
    let along: Vec<&str> = along.iter().map(String::as_str).collect();
    check(Counting::ChatCompletions, &along, SEEN, [9, 3, 0, 0, 0], false);
    check(Counting::ChatCompletions, &along, CUT, [9, 500, 0, 0, 0], true);
}

#[test]
fn reasoning_outside_the_output_is_found_in_the_total() {
    let xai = r#"{"prompt_tokens":279,"completion_tokens":6,"total_tokens":374,
        "completion_tokens_details":{"reasoning_tokens":89}}"#;
    check(Counting::ChatCompletions, &[xai], SEEN, [279, 95, 0, 0, 89], false);
    let gemini = r#"{"prompt_tokens":20,"completion_tokens":198,"total_tokens":623}"#;
    check(Counting::ChatCompletions, &[gemini], SEEN, [20, 603, 0, 0, 0], false);
}

#[test]
fn openai_responses() {
    let usage = r#"{"input_tokens":75,"input_tokens_details":{"cached_tokens":32},"output_tokens":1186,
        "output_tokens_details":{"reasoning_tokens":1024},"total_tokens":1261}"#;
    check(Counting::Responses, &["null", usage], SEEN, [43, 1186, 32, 0, 1024], false);
    check(Counting::Responses, &[usage], CUT, [43, 1186, 32, 0, 1024], false);
    check(Counting::Responses, &["null"], CUT, [1_000, 500, 0, 0, 0], true);
}

#[test]
fn openai_embeddings() {
    check(Counting::Embeddings, &[r#"{"prompt_tokens":8,"total_tokens":8}"#], SEEN, [8, 0, 0, 0, 0], false);
    check(Counting::Embeddings, &[r#"{"total_tokens":8}"#], SEEN, [8, 0, 0, 0, 0], false);
    check(Counting::Embeddings, &[], SEEN, [1_000, 0, 0, 0, 0], true);
}

#[test]
fn what_is_estimated_of_the_output_is_told_apart_from_what_was_reported() {
    let estimated = |face, reports: &[&str], estimate| {
        let mut reader = UsageReader::new(face);
        reports.iter().for_each(|report| reader.report(report));
        reader.finish(estimate).estimated_output
    };
    let chat = Counting::ChatCompletions;
    assert_eq!(estimated(chat, &[], SEEN), 500);
    assert_eq!(estimated(chat, &[r#"{"prompt_tokens":9,"completion_tokens":0}"#], SEEN), 500);
    assert_eq!(estimated(chat, &[r#"{"prompt_tokens":9,"completion_tokens":4}"#], SEEN), 0);
    assert_eq!(
        estimated(chat, &[r#"{"prompt_tokens":0,"completion_tokens":900}"#], SEEN),
        0,
        "only the input is"
    );
    assert_eq!(estimated(Counting::Messages, &[r#"{"input_tokens":25,"output_tokens":1}"#], CUT), 499);
    for absurd in ["-3", "\"5\"", "1e308", "null", "[1]", "2.5"] {
        let report = format!(r#"{{"prompt_tokens":5,"completion_tokens":{absurd}}}"#);
        assert_eq!(estimated(chat, &[&report], SEEN), 500, "{absurd} is no report");
    }
}

#[test]
fn sound_and_terms_are_read_where_each_api_says_them() {
    let read = |face, words: &[&str], report: &str| {
        let mut reader = UsageReader::new(face);
        words.iter().filter_map(|word| Tier::named(word)).for_each(|tier| reader.served_at(tier));
        reader.report(report);
        let usage = reader.finish(SEEN);
        (usage.audio_input, usage.audio_output, usage.tier)
    };
    let chat = r#"{"prompt_tokens":90,"completion_tokens":50,
        "prompt_tokens_details":{"audio_tokens":70,"cached_tokens":30},"completion_tokens_details":{"audio_tokens":800}}"#;
    let priority = Some(Tier::Priority);
    assert_eq!(read(Counting::ChatCompletions, &["auto", "priority", "auto"], chat), (60, 50, priority));
    assert_eq!(read(Counting::Responses, &["flex", "default"], "{}"), (0, 0, Some(Tier::Standard)));
    let batch = r#"{"input_tokens":3,"output_tokens":4,"service_tier":"batch"}"#;
    assert_eq!(read(Counting::Messages, &[], batch), (0, 0, Some(Tier::Batch)));
    let bought = r#"{"input_tokens":3,"output_tokens":4,"service_tier":"priority"}"#;
    assert_eq!(read(Counting::Messages, &[], bought), (0, 0, Some(Tier::Standard)));
}

#[test]
fn nothing_reported_is_estimated_and_marked() {
    for face in [Counting::Messages, Counting::ChatCompletions, Counting::Responses] {
        check(face, &[], SEEN, [1_000, 500, 0, 0, 0], true);
        check(face, &[], Estimate::default(), [0, 0, 0, 0, 0], true);
    }
}

#[test]
fn zeros_beside_real_text_are_no_report() {
    let zeros = r#"{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"#;
    check(Counting::ChatCompletions, &[zeros], SEEN, [1_000, 500, 0, 0, 0], true);
    check(Counting::ChatCompletions, &[zeros], Estimate::default(), [0, 0, 0, 0, 0], false);
}

#[test]
fn a_nonsense_field_is_treated_as_not_reported() {
    let wrong = [
        "-1",
        "1.5",
        "-0.5",
        "\"12\"",
        "true",
        "null",
        "[]",
        "{}",
        "1000000001",
        "18446744073709551615",
        "18446744073709551616",
        "1e300",
        "-1e300",
    ];
    for value in wrong {
        let usage = format!(r#"{{"input_tokens":{value},"output_tokens":7,"cache_read_input_tokens":3}}"#);
        check(Counting::Messages, &[&usage], SEEN, [997, 7, 3, 0, 0], true);
        let usage = format!(r#"{{"prompt_tokens":5,"completion_tokens":{value},"total_tokens":{value}}}"#);
        check(Counting::ChatCompletions, &[&usage], SEEN, [5, 500, 0, 0, 0], true);
        let usage = format!(r#"{{"prompt_tokens":5,"completion_tokens":2,"prompt_tokens_details":{value}}}"#);
        check(Counting::ChatCompletions, &[&usage], SEEN, [5, 2, 0, 0, 0], false);
    }
    check(
        Counting::Messages,
        &[r#"{"input_tokens":12.0,"output_tokens":3.0}"#],
        SEEN,
        [12, 3, 0, 0, 0],
        false,
    );
    let more_cached_than_sent =
        r#"{"prompt_tokens":5,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":6}}"#;
    check(Counting::ChatCompletions, &[more_cached_than_sent], SEEN, [5, 2, 0, 0, 0], false);
}

#[test]
fn text_that_is_no_object_is_ignored() {
    let deep = "[".repeat(10_000);
    for text in ["", "{", "null", "7", "[1]", "\"usage\"", "{\"input_tokens\":1", deep.as_str()] {
        check(Counting::Messages, &[text], SEEN, [1_000, 500, 0, 0, 0], true);
    }
}

fn any_number() -> impl Strategy<Value = String> {
    prop_oneof![
        (0u64..2_000).prop_map(|number| number.to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| number.to_string()),
        any::<f64>()
            .prop_filter("JSON has no NaN", |number| number.is_finite())
            .prop_map(|number| number.to_string()),
        Just("null".to_owned()),
    ]
}

proptest! {
    #[test]
    fn any_numbers_give_bounded_and_consistent_usage(
        numbers in proptest::collection::vec(any_number(), 7),
        cut in any::<bool>(),
    ) {
        let [a, b, c, d, e, f, g] = &numbers[..] else { unreachable!("seven numbers") };
        let usage = format!(r#"{{"prompt_tokens":{a},"input_tokens":{b},"completion_tokens":{c},"output_tokens":{d},
            "total_tokens":{e},"cache_read_input_tokens":{f},"prompt_tokens_details":{{"cached_tokens":{f}}},
            "output_tokens_details":{{"reasoning_tokens":{g}}},"iterations":[{{"input_tokens":{a}}},{{"input_tokens":{b}}}]}}"#);
        for face in [Counting::Messages, Counting::CountTokens, Counting::ChatCompletions, Counting::Responses, Counting::Embeddings] {
            let mut reader = UsageReader::new(face);
            reader.report(&usage);
            let once = reader.clone().finish(Estimate { cut, ..SEEN });
            prop_assert!(once.total() <= 4 * MAX_COUNT);
            prop_assert!(once.reasoning <= once.output);
            reader.report(&usage);
            let twice = reader.finish(Estimate { cut, ..SEEN });
            // The same report again tells nothing new, except that Anthropic's second is the last word.
            if !cut {
                prop_assert_eq!(once, twice);
            }
        }
    }
}
