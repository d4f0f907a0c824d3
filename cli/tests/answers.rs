//! A question has one answer, whoever gives it: the zOS that runs, or the command from the files.

use crate::world::Scratch;

/// Every command that asks a running zOS where there is one and reads the files where there is none, but for `status`,
/// which is about what runs, and `context edit`, whose editor sees the text that `context show` gives.
const QUESTIONS: &[&[&str]] = &[
    &["context", "list"],
    &["context", "show"],
    &["context", "show", "acme"],
    &["context", "show", "broken"],
    &["context", "show", "nowhere"],
    &["firewall", "test", "-c", "acme", "Project Falcon and a Bluebird"],
    &["firewall", "test", "Globex merger"],
    &["firewall", "test", "-c", "broken", "text"],
    &["firewall", "test", "-c", "nowhere", "text"],
    &["target", "check", "-c", "acme", "--tool", "Bash", "--args", "{\"command\":\"curl https://evil.net\"}"],
    &["target", "check", "-c", "nowhere", "--tool", "Bash"],
    &["providers", "list"],
    &["key", "list"],
    &["route", "explain", "demo/echo", "-c", "acme"],
    &["route", "explain", "gpt-nine", "-c", "acme"],
    &["budget"],
    &["budget", "-c", "acme"],
    &["usage"],
    &["usage", "-c", "acme", "--by", "model"],
    &["memory", "search", "-c", "acme", "delivery"],
    &["memory", "search", "-c", "nowhere", "delivery"],
    &["memory", "review", "-c", "acme"],
    &["memory", "show", "-c", "acme", "no-such-id"],
];

#[test]
fn a_question_has_the_same_answer_with_and_without_a_zos_that_runs() {
    let home = Scratch::acme();
    home.write("contexts/broken.yml", "outbound_deny: {\n");
    // Something to tell: a call, a key and a memory.
    let serving = home.serve();
    assert_eq!(serving.say("Hello", "").0, 200);
    assert_eq!(serving.stop().code(), Some(0));
    home.zos(&["key", "add", "editor", "-c", "acme"]).fine();
    let memory = home.json(&["memory", "add", "-c", "acme", "The delivery comes on Tuesdays."]);
    let id = memory["id"].as_str().unwrap().to_owned();

    let shown = ["memory", "show", "-c", "acme", &id];
    let questions: Vec<&[&str]> = QUESTIONS.iter().copied().chain([&shown[..]]).collect();
    let ask = |question: &[&str]| {
        let run = home.zos(&[question, &["--json"]].concat());
        let answer: serde_json::Value = serde_json::from_str(&run.out)
            .unwrap_or_else(|error| panic!("{question:?}: {error}: {} {}", run.out, run.err));
        (run.code, answer)
    };
    let alone: Vec<_> = questions.iter().map(|question| ask(question)).collect();
    let _serving = home.serve();
    for (question, alone) in questions.iter().zip(alone) {
        let (code, mut answer) = ask(question);
        let mut alone = alone;
        // What to do next may be told in other words: a running zOS does not know that a command asked.
        for either in [&mut answer, &mut alone.1] {
            if let Some(error) = either["error"].as_object_mut() {
                error.remove("hint");
                error.remove("message");
            }
        }
        assert_eq!((code, answer), alone, "{question:?}");
    }
}
