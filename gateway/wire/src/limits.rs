//! Output that a request may be answered with: every name of a limit that a server is known to honour, in one table.
//!
//! What stands in a body is read by whatever server it reaches, and servers honour different names: the older and the
//! newer one of OpenAI, those of llama.cpp, Ollama, vLLM, SGLang and TGI. So all names count on every face, the largest
//! amount is the one that is held, and it is held once for each answer that is asked for. Names count in every spelling:
//! servers written in Go, such as Ollama, read `MAX_TOKENS` like `max_tokens`, and others take `maxTokens`. A name that
//! is not in the table is not seen: a server that honours one of its own can be asked for more than was held.

use crate::face::Face;
use crate::json::{Edit, Str, Value};
use crate::problem::{Code, Problem};
use crate::spelling::is_spelled;
use smallvec::SmallVec;

/// Tokens held for one answer without a limit of its own.
const OUTPUT_WITHOUT_LIMIT: u64 = 4096;

/// The largest whole number that every reader of JSON reads alike, 2^53.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// How a setting bears on the length of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The most that one answer may have. 0 and -1 are words of local servers for "no limit".
    Most,
    /// A part that one answer will or may have at any rate, such as its thinking. 0 and -1 ask for nothing.
    Least,
    /// How many answers are made, and paid for.
    Answers,
}

/// Where settings of the output stand in a body, and what each of them means; each in one of its spellings.
const SETTINGS: &[(&[&str], Role)] = &[
    // The APIs themselves.
    (&["max_tokens"], Role::Most),
    (&["max_completion_tokens"], Role::Most),
    (&["max_output_tokens"], Role::Most),
    (&["max_tokens_to_sample"], Role::Most),
    (&["generationConfig", "maxOutputTokens"], Role::Most),
    (&["thinking", "budget_tokens"], Role::Least),
    (&["reasoning", "max_tokens"], Role::Least),
    // llama.cpp, Ollama, KoboldCpp.
    (&["n_predict"], Role::Most),
    (&["num_predict"], Role::Most),
    (&["options", "num_predict"], Role::Most),
    (&["max_length"], Role::Most),
    // vLLM, SGLang, TGI, transformers.
    (&["max_new_tokens"], Role::Most),
    (&["max_gen_len"], Role::Most),
    (&["max_gen_toks"], Role::Most),
    (&["parameters", "max_new_tokens"], Role::Most),
    (&["sampling_params", "max_new_tokens"], Role::Most),
    (&["min_tokens"], Role::Least),
    (&["min_new_tokens"], Role::Least),
    (&["sampling_params", "min_new_tokens"], Role::Least),
    // Several answers at once.
    (&["n"], Role::Answers),
    (&["best_of"], Role::Answers),
    (&["candidate_count"], Role::Answers),
    (&["generationConfig", "candidateCount"], Role::Answers),
    (&["num_return_sequences"], Role::Answers),
    (&["parameters", "best_of"], Role::Answers),
    (&["sampling_params", "n"], Role::Answers),
];

/// The most output tokens that a request may be answered with, over all of its answers.
///
/// # Errors
/// A setting that is no whole number, or that stands twice: we and the provider might read different ones.
pub(crate) fn output(face: Face, body: &Value<'_>) -> Result<u64, Problem> {
    if !face.facts().writes {
        return Ok(0);
    }
    let (mut most, mut least, mut answers) = (None::<u64>, 0, 1);
    for (path, role) in SETTINGS {
        for value in named(body, path, path)? {
            let amount = amount(value, *role).ok_or_else(|| wrong(path, *role))?;
            match (role, amount) {
                (Role::Most, Amount::Tokens(limit)) => most = most.max(Some(limit)),
                (Role::Most, Amount::Unlimited) => most = most.max(Some(OUTPUT_WITHOUT_LIMIT)),
                (Role::Least, Amount::Tokens(part)) => least = least.max(part),
                (Role::Answers, Amount::Tokens(count)) => answers = answers.max(count),
                (Role::Least | Role::Answers, Amount::Unlimited) => {}
            }
        }
    }
    Ok(most.unwrap_or(OUTPUT_WITHOUT_LIMIT).max(least).saturating_mul(answers))
}

/// The edits that lower every limit that a request states until all of its answers together have at most `total` tokens.
///
/// `None` where that cannot be: the request states no limit, and then which name of one its server honours is unknown; or
/// it asks for a part, such as thinking, that is as large.
pub(crate) fn lowered(face: Face, text: &str, body: &Value<'_>, total: u64) -> Option<Vec<Edit>> {
    if !face.facts().writes {
        return None;
    }
    let (mut stated, mut least, mut answers) = (Vec::new(), 0, 1);
    for (path, role) in SETTINGS {
        for value in named(body, path, path).ok()? {
            match (role, amount(value, *role)?, value) {
                (Role::Most, amount, Value::Number(written)) => stated.push((*written, amount)),
                (Role::Least, Amount::Tokens(part), _) => least = least.max(part),
                (Role::Answers, Amount::Tokens(count), _) => answers = answers.max(count),
                _ => {}
            }
        }
    }
    let each = total.checked_div(answers)?;
    if stated.is_empty() || each <= least {
        return None;
    }
    let is_above = |amount: &Amount| {
        matches!(amount, Amount::Unlimited | Amount::Tokens(0))
            || matches!(amount, Amount::Tokens(limit) if *limit > each)
    };
    let above = stated.into_iter().filter(|(_, amount)| is_above(amount));
    let mut edits: Vec<Edit> = above
        .map(|(written, _)| {
            // A number is a part of the text that it was read from.
            let start = written.as_ptr() as usize - text.as_ptr() as usize;
            (start..start + written.len(), each.to_string())
        })
        .collect();
    edits.sort_by_key(|(place, _)| place.start);
    Some(edits)
}

/// What a setting says.
enum Amount {
    Tokens(u64),
    Unlimited,
}

fn amount(value: &Value<'_>, role: Role) -> Option<Amount> {
    let Value::Number(text) = value else { return None };
    let whole = match role {
        // Servers disagree on `3.0` answers, some take it for one.
        Role::Answers => text.parse().ok()?,
        Role::Most | Role::Least if *text == "-1" => 0,
        Role::Most | Role::Least => whole(text)?,
    };
    Some(if whole == 0 { Amount::Unlimited } else { Amount::Tokens(whole) })
}

/// A whole number in any spelling that JSON has for it: `1024`, `1024.0`, `1.024e3`.
fn whole(text: &str) -> Option<u64> {
    text.parse().ok().or_else(|| {
        let number: f64 = text.parse().ok()?;
        (number.fract() == 0.0 && (0.0..=EXACT_MAX).contains(&number)).then_some(number as u64)
    })
}

/// The values of a setting, in every spelling of its way, that are there and not null.
///
/// # Errors
/// One spelling stands twice.
fn named<'v, 'a>(
    body: &'v Value<'a>,
    path: &[&str],
    rest: &[&str],
) -> Result<SmallVec<[&'v Value<'a>; 1]>, Problem> {
    let mut found = SmallVec::new();
    let Some((key, rest)) = rest.split_first() else {
        found.extend((!matches!(body, Value::Null)).then_some(body));
        return Ok(found);
    };
    let mut spellings = SmallVec::<[&Str<'a>; 1]>::new();
    for (name, inner) in body.members().iter().filter(|(name, _)| is_spelled(&name.text(), key)) {
        if spellings.iter().any(|known| name.is(&known.text())) {
            let message = format!("The request body names `{}` more than once.", path.join("."));
            return Err(Problem::new(Code::InvalidRequest, message));
        }
        spellings.push(name);
        found.extend(named(inner, path, rest)?);
    }
    Ok(found)
}

fn wrong(path: &[&str], role: Role) -> Problem {
    let of_what = match role {
        Role::Most | Role::Least => "tokens",
        Role::Answers => "answers",
    };
    Problem::new(Code::InvalidRequest, format!("`{}` is not a whole number of {of_what}.", path.join(".")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;
    use serde_json::{Map, json};

    fn read(face: Face, text: &str) -> Result<u64, String> {
        output(face, &parse(text).unwrap()).map_err(|problem| problem.message)
    }

    /// A body with one setting, at its place.
    fn body(path: &[&str], value: &str) -> String {
        path.iter().rev().fold(value.to_owned(), |inner, key| format!("{{\"{key}\":{inner}}}"))
    }

    const ANSWERING: [Face; 3] = [Face::Messages, Face::ChatCompletions, Face::Responses];

    #[test]
    fn every_setting_of_the_table_counts_on_every_face_that_answers() {
        for face in ANSWERING {
            for (path, role) in SETTINGS {
                let expected = match role {
                    Role::Most | Role::Least => 70_000,
                    Role::Answers => 70_000 * OUTPUT_WITHOUT_LIMIT,
                };
                assert_eq!(read(face, &body(path, "70000")), Ok(expected), "{face:?} {path:?}");
                assert_eq!(read(face, &body(path, "null")), Ok(OUTPUT_WITHOUT_LIMIT), "{face:?} {path:?}");
                assert_eq!(read(face, &body(path, "0")), Ok(OUTPUT_WITHOUT_LIMIT), "{face:?} {path:?}");
                for wrong in ["\"3\"", "true", "[3]", "{}", "-7", "2.5", "1e40", "-0.5"] {
                    let told = read(face, &body(path, wrong)).unwrap_err();
                    assert!(told.contains(&path.join(".")), "{face:?} {path:?} {wrong}: {told}");
                }
                let (key, inner) = (path[0], body(&path[1..], "3"));
                let twice = read(face, &format!("{{\"{key}\":{inner},\"{key}\":{inner}}}")).unwrap_err();
                assert!(twice.contains("more than once"), "{face:?} {path:?}: {twice}");
            }
        }
        for face in [Face::Embeddings, Face::CountTokens] {
            assert_eq!(read(face, r#"{"max_tokens":5,"n":"x"}"#), Ok(0), "{face:?} has no output");
        }
    }

    #[test]
    fn a_lowered_body_asks_for_no_more_than_it_may() {
        for (text, total, after) in [
            (r#"{"max_tokens": 64000, "model": "m"}"#, 500, Some(r#"{"max_tokens": 500, "model": "m"}"#)),
            (r#"{"max_tokens":64000,"n":2}"#, 501, Some(r#"{"max_tokens":250,"n":2}"#)),
            (
                r#"{"max_tokens":9,"options":{"num_predict":-1}}"#,
                50,
                Some(r#"{"max_tokens":9,"options":{"num_predict":50}}"#),
            ),
            (
                r#"{"MaxTokens":1e6,"max_output_tokens":70}"#,
                60,
                Some(r#"{"MaxTokens":60,"max_output_tokens":60}"#),
            ),
            (r#"{"model":"m"}"#, 500, None),
            (r#"{"max_tokens":null}"#, 500, None),
            (r#"{"max_tokens":9000,"thinking":{"budget_tokens":500}}"#, 500, None),
            (r#"{"max_tokens":9000,"n":600}"#, 500, None),
        ] {
            let body = parse(text).unwrap();
            let edits = lowered(Face::ChatCompletions, text, &body, total);
            let new = edits.map(|edits| crate::json::replace(text, &edits));
            assert_eq!(new.as_deref(), after, "{text}");
            if let Some(new) = new {
                assert!(read(Face::ChatCompletions, &new).unwrap() <= total, "{new}");
            }
        }
        let text = r#"{"max_tokens":9}"#;
        assert!(lowered(Face::Embeddings, text, &parse(text).unwrap(), 5).is_none());
    }

    #[test]
    fn of_two_limits_the_larger_is_held_in_either_order() {
        let limits: Vec<_> = SETTINGS.iter().filter(|(_, role)| *role == Role::Most).collect();
        for (one, _) in &limits {
            for (two, _) in limits.iter().filter(|(two, _)| two != one && two[0] != one[0]) {
                let mut both = Map::new();
                for (path, amount) in [(one, 1), (two, 400)] {
                    let value: Map<_, _> = serde_json::from_str(&body(path, &amount.to_string())).unwrap();
                    both.extend(value);
                }
                assert_eq!(read(Face::ChatCompletions, &json!(both).to_string()), Ok(400), "{one:?} {two:?}");
            }
        }
    }

    #[test]
    fn a_setting_counts_in_every_spelling() {
        for (path, role) in SETTINGS {
            let expected = match role {
                Role::Most | Role::Least => 70_000,
                Role::Answers => 70_000 * OUTPUT_WITHOUT_LIMIT,
            };
            let upper = |key: &&str| key.to_uppercase();
            let joined = |key: &&str| key.replace('_', "");
            let dashed = |key: &&str| key.replace('_', "-");
            let title = |key: &&str| key[..1].to_uppercase() + &key[1..];
            for spell in [upper as fn(&&str) -> String, joined, dashed, title] {
                let spelled: Vec<String> = path.iter().map(spell).collect();
                let other = body(&spelled.iter().map(String::as_str).collect::<Vec<_>>(), "70000");
                assert_eq!(read(Face::ChatCompletions, &other), Ok(expected), "{other}");
                // Beside the usual spelling, in either order, the larger is held.
                let (usual, other) =
                    (body(path, "2"), body(&spelled.iter().map(String::as_str).collect::<Vec<_>>(), "70000"));
                if usual == other.replace("70000", "2") {
                    continue;
                }
                let (usual, other) = (usual.trim_matches(['{', '}']), other.trim_matches(['{', '}']));
                if path.len() == 1 {
                    for both in [format!("{{{usual},{other}}}"), format!("{{{other},{usual}}}")] {
                        assert_eq!(read(Face::ChatCompletions, &both), Ok(expected), "{both}");
                    }
                }
            }
        }
        assert_eq!(read(Face::ChatCompletions, r#"{"maxi_tokens":5}"#), Ok(OUTPUT_WITHOUT_LIMIT));
    }

    #[test]
    fn answers_multiply_what_one_may_have() {
        for (text, expected) in [
            (r#"{"max_tokens":5,"n":3}"#, 15),
            (r#"{"max_tokens":5,"n":3,"best_of":9}"#, 45),
            (r#"{"n":4}"#, 4 * OUTPUT_WITHOUT_LIMIT),
            (r#"{"n":2,"max_tokens":1,"min_tokens":90}"#, 180),
            (r#"{"n":18446744073709551615,"max_tokens":2}"#, u64::MAX),
            (r#"{"n":0,"max_tokens":2}"#, 2),
        ] {
            assert_eq!(read(Face::ChatCompletions, text), Ok(expected), "{text}");
        }
        for form in ["3.0", "3e0", "\"3\"", "-1", "3.5", "[3]"] {
            let told = read(Face::ChatCompletions, &format!(r#"{{"max_tokens":5,"n":{form}}}"#)).unwrap_err();
            assert_eq!(told, "`n` is not a whole number of answers.", "{form}");
        }
    }

    #[test]
    fn no_limit_in_the_words_of_local_servers_is_held_as_none() {
        for (text, expected) in [
            (r#"{"max_tokens":-1}"#, OUTPUT_WITHOUT_LIMIT),
            (r#"{"n_predict":-1,"max_tokens":6000}"#, 6000),
            (r#"{"max_tokens":0,"max_completion_tokens":7}"#, OUTPUT_WITHOUT_LIMIT),
            (r#"{"max_tokens":10,"min_tokens":0}"#, 10),
            (r#"{"max_tokens":1024.0}"#, 1024),
            (r#"{"max_tokens":1.5e3}"#, 1500),
        ] {
            assert_eq!(read(Face::ChatCompletions, text), Ok(expected), "{text}");
        }
    }
}
