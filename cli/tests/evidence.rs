//! `zos audit verify|prove|export|find-term|prune` and `zos attest`: what the log proves, to us and to a
//! second program that shares no code with us (docs/verify.py).

use crate::full_disk::get;
use crate::world::Scratch;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The Python of the tests' own environment, else the one of the system.
fn python() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.scratch/venv/bin/python");
    if own.is_file() { own } else { "python3".into() }
}

/// What the independent verifier says: its exit code, and its words.
fn independent(arguments: &[&str]) -> (i32, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/verify.py");
    let run = Command::new(python()).arg(script).args(arguments).output().expect("Python runs");
    let text = [run.stdout, run.stderr].concat();
    (run.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
}

/// A home whose log holds some calls, closed in order.
fn home() -> Scratch {
    let home = Scratch::acme();
    let serving = home.serve();
    for text in ["Hello", "Project Falcon", "project  falcon again", "the Bluebird"] {
        serving.say(text, "");
    }
    assert!(serving.stop().success());
    home
}

fn log(home: &Scratch) -> PathBuf {
    home.path().join("gateway/audit")
}

fn segment(home: &Scratch) -> PathBuf {
    let files = fs::read_dir(log(home)).expect("the log has a folder").flatten().map(|entry| entry.path());
    files
        .filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"))
        .min()
        .expect("it has a segment")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("scratch paths are UTF-8")
}

#[test]
fn a_log_is_verified_here_and_by_a_second_program_and_every_tampering_by_both() {
    let home = home();
    let report = home.json(&["audit", "verify"]);
    assert_eq!((&report["intact"], &report["unsigned"]), (&true.into(), &0.into()), "{report}");
    assert!(report["signed"].as_u64().unwrap() >= 5, "{report}");
    assert!(home.zos(&["audit", "verify"]).fine().contains("unsigned: 0"));
    let (code, said) = independent(&["log", text(&log(&home))]);
    assert_eq!(code, 0, "{said}");
    // On a copy, held to a key that came another way; and to the wrong one.
    let key = home.read("gateway/audit/log.vkey");
    let other = Scratch::new();
    let copied = Command::new("cp").args(["-r", text(&log(&home)), text(&other.path())]).status();
    assert!(copied.unwrap().success());
    assert_eq!(other.zos(&["audit", "verify", text(&other.path()), "--key", key.trim()]).code, 0);
    assert_eq!(independent(&["log", text(&other.path()), key.trim()]).0, 0);
    let foreign = self::home().read("gateway/audit/log.vkey");
    assert_eq!(other.zos(&["audit", "verify", text(&other.path()), "--key", foreign.trim()]).code, 1);
    assert_eq!(independent(&["log", text(&other.path()), foreign.trim()]).0, 1);

    let path = segment(&home);
    let lines = fs::read_to_string(&path).unwrap();
    let cut = lines.trim_end().rfind('\n').unwrap() + 1;
    for (what, changed) in [
        ("a byte", lines.replacen("\"deny\"", "\"denz\"", 1)),
        ("a value", lines.replacen("\"status\":400", "\"status\":200", 1)),
        ("a removed line", lines.split_inclusive('\n').skip(1).collect()),
        ("a lost end", lines[..cut].to_owned()),
        ("swapped lines", {
            let mut all: Vec<&str> = lines.split_inclusive('\n').collect();
            all.swap(1, 2);
            all.concat()
        }),
    ] {
        assert_ne!(changed, lines, "{what}");
        fs::write(&path, changed).unwrap();
        assert_eq!(home.zos(&["audit", "verify"]).code, 1, "{what}");
        let (code, said) = independent(&["log", text(&log(&home))]);
        assert_eq!(code, 1, "{what}: {said}");
    }
    fs::write(&path, &lines).unwrap();
    for name in ["checkpoint", "tile/0/000.p"] {
        let place = log(&home).join(name);
        fs::rename(&place, home.path().join("away")).unwrap();
        assert_eq!(home.zos(&["audit", "verify"]).code, 1, "{name}");
        assert_eq!(independent(&["log", text(&log(&home))]).0, 1, "{name}");
        fs::rename(home.path().join("away"), &place).unwrap();
    }
    assert_eq!(home.zos(&["audit", "verify"]).code, 0);
    // An older checkpoint that is put back.
    let old = fs::read(log(&home).join("checkpoint")).unwrap();
    let serving = home.serve();
    serving.say("one more", "");
    assert!(serving.stop().success());
    fs::write(log(&home).join("checkpoint"), old).unwrap();
    assert_eq!(home.zos(&["audit", "verify"]).code, 1);
    assert_eq!(independent(&["log", text(&log(&home))]).0, 1);
    home.zos(&["audit", "verify", "/nonexistent"]).fails(2, &["no audit log"]);
}

#[test]
fn proofs_and_bundles_are_verified_by_both_programs() {
    let home = home();
    let key = home.read("gateway/audit/log.vkey");
    let proof = home.json(&["audit", "prove", "2"]);
    assert_eq!((&proof["index"], proof["record"].is_string()), (&2.into(), true));
    home.write("proof.json", &proof.to_string());
    let file = home.path().join("proof.json");
    assert_eq!(independent(&["proof", text(&file), key.trim()]).0, 0);
    home.write("proof.json", &proof.to_string().replacen("deny", "allo", 1));
    assert_eq!(independent(&["proof", text(&file), key.trim()]).0, 1);
    home.zos(&["audit", "prove", "999"]).fails(1, &["not in the log"]);

    for with_objects in [false, true] {
        let file = home.path().join(format!("bundle-{with_objects}.json"));
        let mut arguments = vec!["audit", "export", "--bundle", text(&file)];
        if with_objects {
            arguments.push("--with-objects");
        }
        let made = home.json(&arguments);
        assert!(made["records"].as_u64().unwrap() >= 5 && made["statements"] == 1, "{made}");
        assert_eq!(made["objects"].as_u64().unwrap() > 0, with_objects, "{made}");
        let bundle = fs::read_to_string(&file).unwrap();
        assert!(!bundle.contains("Falcon") && !bundle.contains("RmFsY29u"), "a term stands in the bundle");
        let public = fs::read_dir(home.path().join("attest/keys")).unwrap().flatten().next().unwrap().path();
        let verified =
            home.zos(&["audit", "verify", text(&file), "--key", key.trim(), "--attest-key", text(&public)]);
        assert_eq!(verified.code, 0, "{}", verified.out);
        let (code, said) = independent(&["bundle", text(&file), key.trim()]);
        assert_eq!(code, 0, "{said}");
        let value: serde_json::Value = serde_json::from_str(&bundle).unwrap();
        let mut changes = Vec::new();
        let mut changed = value.clone();
        changed["records"][1]["record"] = changed["records"][2]["record"].clone();
        changes.push(("a record", changed));
        let mut changed = value.clone();
        changed["statements"] = serde_json::json!([]);
        changes.push(("no statement", changed));
        let mut changed = value.clone();
        let payload = changed["statements"][0]["payload"].as_str().unwrap().replacen('a', "b", 1);
        changed["statements"][0]["payload"] = payload.into();
        changes.push(("a statement", changed));
        let mut changed = value.clone();
        changed["size"] = 4.into();
        changes.push(("the size", changed));
        if with_objects {
            let mut changed = value.clone();
            let objects = changed["objects"].as_object_mut().unwrap();
            objects.values_mut().for_each(|object| *object = "bm90aGluZw==".into());
            changes.push(("an object", changed));
        }
        for (what, changed) in changes {
            fs::write(&file, changed.to_string()).unwrap();
            assert_eq!(home.zos(&["audit", "verify", text(&file)]).code, 1, "{what}");
            let (code, said) = independent(&["bundle", text(&file)]);
            assert_eq!(code, 1, "{what}: {said}");
        }
    }
}

#[test]
fn every_record_that_was_answered_is_in_the_bundle_of_a_log_that_is_served() {
    let home = home();
    let serving = home.serve();
    let file = home.path().join("bundle.json");
    let export = ["audit", "export", "--bundle", text(&file)];
    // More than one call, of which each comes behind the checkpoint of the export before.
    for round in 1..=3 {
        serving.say("Hello", "");
        let records = home.json(&["audit", "tail", "-n", "100"])["records"].as_array().unwrap().clone();
        let call = &records[0];
        assert_eq!((&call["kind"], &call["status"]), (&"call".into(), &200.into()), "{round}: {call}");
        let made = home.json(&export);
        assert_eq!((&made["records"], &made["unsigned"]), (&records.len().into(), &0.into()), "{round}");
        let bundle = fs::read_to_string(&file).unwrap();
        assert!(bundle.contains(call["request_id"].as_str().unwrap()), "{round}: the call is left out");
        assert_eq!(home.zos(&["audit", "verify", text(&file)]).code, 0, "{round}");
        let (code, said) = independent(&["bundle", text(&file)]);
        assert_eq!(code, 0, "{round}: {said}");
    }
    // A proof of a record that was just made, too.
    serving.say("Hello", "");
    let newest = home.json(&["audit", "tail", "-n", "1"])["records"][0]["seq"].as_u64().unwrap();
    assert_eq!(home.json(&["audit", "prove", &newest.to_string()])["index"], newest);

    // Where it died, what it had not signed for is told, not hidden.
    serving.say("Hello", "");
    drop(serving);
    let made = home.json(&export);
    assert_eq!((&made["records"], &made["unsigned"]), (&(newest + 1).into(), &1.into()), "{made}");
    assert!(home.zos(&export).fine().contains("left out: 1."));
    assert_eq!(home.zos(&["audit", "verify", text(&file)]).code, 0);
}

#[test]
fn what_governed_is_shown_and_verified_and_its_key_rotates() {
    let home = home();
    let shown = home.json(&["attest", "show"]);
    assert_eq!((&shown["signed"], &shown["state"]["context"]["name"]), (&true.into(), &"acme".into()));
    let of_call = home.json(&["attest", "show", "--record", "1"]);
    assert_eq!(of_call["state_id"], shown["state_id"]);
    let verified = home.json(&["attest", "verify"]);
    assert_eq!((&verified["intact"], &verified["statements"]), (&true.into(), &1.into()), "{verified}");
    let attest = home.path().join("attest");
    assert_eq!(independent(&["statements", text(&attest)]).0, 0);
    let first = fs::read_dir(attest.join("keys")).unwrap().flatten().next().unwrap().path();

    // Another state under another key, which the first one vouches for.
    let rotated = home.json(&["attest", "rotate"]);
    assert_eq!(first.file_stem().unwrap().to_str(), rotated["previous"].as_str());
    home.write("contexts/acme.md", "Be brief.\n");
    let serving = home.serve();
    serving.say("Hello", "");
    assert!(serving.stop().success());
    let verified = home.json(&["attest", "verify", "--key", text(&first)]);
    assert_eq!((&verified["intact"], &verified["statements"]), (&true.into(), &2.into()), "{verified}");
    assert_eq!(verified["keys"].as_object().unwrap().len(), 2, "{verified}");
    let (code, said) = independent(&["statements", text(&attest)]);
    assert_eq!(code, 0, "{said}");
    let kinds = home.json(&["audit", "tail"]);
    let detail = format!("key {} follows", rotated["id"].as_str().unwrap());
    assert!(kinds.to_string().contains(&detail), "{kinds}");

    // A statement, an object and a key that are not what they were.
    let id = shown["state_id"].as_str().unwrap();
    let path = attest.join(format!("{id}.json"));
    let statement = fs::read_to_string(&path).unwrap();
    fs::write(&path, statement.replacen("\"sig\": \"", "\"sig\": \"AA", 1)).unwrap();
    assert_eq!(home.zos(&["attest", "verify"]).code, 1);
    assert_eq!(independent(&["statements", text(&attest)]).0, 1);
    fs::write(&path, &statement).unwrap();
    let object = fs::read_dir(attest.join("objects")).unwrap().flatten().next().unwrap().path();
    fs::write(&object, "something else").unwrap();
    assert_eq!(home.zos(&["attest", "verify"]).code, 1);
    assert_eq!(independent(&["statements", text(&attest)]).0, 1);
    home.zos(&["attest", "show", &"0".repeat(64)]).fails(1, &["no statement"]);
}

/// Both verifiers on the log of a home, held to a key: whether it is intact.
fn verified(home: &Scratch, key: &str) -> bool {
    let ours = home.zos(&["audit", "verify", "--key", key.trim()]);
    let (code, said) = independent(&["log", text(&log(home)), key.trim()]);
    assert_eq!(ours.code, code, "the verifiers disagree: {} {said}", ours.out);
    assert!(code < 2, "{said}");
    code == 0
}

#[test]
fn the_key_of_the_log_rotates_offline_and_while_it_is_served_and_the_first_key_still_verifies() {
    let home = home();
    let first = home.read("gateway/audit/log.vkey");
    let offline = home.json(&["audit", "rotate-key"]);
    assert_eq!(offline["previous"], first.trim());
    assert_eq!(home.read("gateway/audit/log.vkey").trim(), offline["id"]);
    let private = home.read("gateway/keys/log.key");
    let serving = home.serve();
    serving.say("under the second key", "");
    let online = home.json(&["audit", "rotate-key"]);
    assert_eq!(online["previous"], offline["id"]);
    serving.say("under the third key", "");
    // While it runs, the log is signed by the newest key already.
    assert!(verified(&home, &first));
    assert!(serving.stop().success());
    assert_ne!(home.read("gateway/keys/log.key"), private);
    assert!(!home.path().join("gateway/keys/log.next.key").exists(), "the private key has one place");
    for key in [first.trim(), offline["id"].as_str().unwrap(), online["id"].as_str().unwrap()] {
        assert!(verified(&home, key));
    }
    let report = home.json(&["audit", "verify", "--key", first.trim()]);
    assert_eq!((&report["key"], &report["key_changes"]), (&online["id"], &2.into()), "{report}");
    assert!(home.zos(&["audit", "verify", "--key", first.trim()]).fine().contains("vouches for it"));
    let told = home.zos(&["audit", "tail", "-n", "50"]).fine();
    assert_eq!(told.matches("the log: key zos/").count(), 2, "{told}");

    // A bundle and a proof lead from the first key to the newest.
    let file = home.path().join("bundle.json");
    home.json(&["audit", "export", "--bundle", text(&file)]);
    let bundle = fs::read_to_string(&file).unwrap();
    assert_eq!(home.zos(&["audit", "verify", text(&file), "--key", first.trim()]).code, 0);
    assert_eq!(independent(&["bundle", text(&file), first.trim()]).0, 0);
    home.write("proof.json", &home.json(&["audit", "prove", "2"]).to_string());
    let proof = home.path().join("proof.json");
    assert_eq!(independent(&["proof", text(&proof), first.trim()]).0, 0);
    let mut changed: serde_json::Value = serde_json::from_str(&bundle).unwrap();
    changed["key_lines"].as_array_mut().unwrap().remove(0);
    fs::write(&file, changed.to_string()).unwrap();
    assert_eq!(home.zos(&["audit", "verify", text(&file), "--key", first.trim()]).code, 1);
    assert_eq!(independent(&["bundle", text(&file), first.trim()]).0, 1);

    // Forged, by both programs: a key that nobody vouched for, a word that is gone, an old key put back.
    let words = home.read("gateway/audit/log.keys");
    let signature = |line: &str| line.trim().rsplit(' ').next().unwrap().to_owned();
    let (one, two) = words.trim().split_once('\n').unwrap();
    for (what, changed) in [
        ("another signature", words.replacen(&signature(two), &signature(one), 1)),
        ("another place", words.replacen(two, &two.replacen(char::is_numeric, "9", 1), 1)),
        ("no first word", format!("{two}\n")),
        ("no last word", format!("{one}\n")),
    ] {
        assert_ne!(changed, words, "{what}");
        home.write("gateway/audit/log.keys", &changed);
        assert!(!verified(&home, &first), "{what}");
    }
    home.write("gateway/audit/log.keys", &words);
    let named = home.read("gateway/audit/log.vkey");
    home.write("gateway/audit/log.vkey", &first);
    assert!(!verified(&home, &first));
    home.write("gateway/audit/log.vkey", &named);
    assert!(verified(&home, &first));
}

#[test]
fn a_kill_at_any_moment_of_a_rotation_leaves_a_log_that_goes_on() {
    let home = home();
    let first = home.read("gateway/audit/log.vkey");
    let mut done = 0;
    for round in 0..16_u64 {
        // In turn the gateway that does it, and the command that does it by itself.
        let serving = (round % 2 == 0).then(|| home.serve());
        let mut rotating = home.command(&["audit", "rotate-key"]);
        let mut rotating = rotating.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(round * 9));
        match serving {
            Some(serving) => drop(serving),
            None => drop(rotating.kill()),
        }
        done += u64::from(rotating.wait().unwrap().success());
        assert!(verified(&home, &first), "round {round}");
    }
    let serving = home.serve();
    serving.say("it goes on", "");
    assert!(serving.stop().success());
    let report = home.json(&["audit", "verify", "--key", first.trim()]);
    assert_eq!((&report["intact"], &report["unsigned"]), (&true.into(), &0.into()), "{report}");
    assert!(report["key_changes"].as_u64().unwrap() >= done, "{report}");
}

#[test]
fn a_term_is_found_by_its_owner_and_old_records_can_go() {
    let home = home();
    let found = home.json(&["audit", "find-term", "--context", "acme", "PROJECT FALCON"]);
    assert_eq!((&found["found"], &found["count"]), (&true.into(), &2.into()), "{found}");
    assert_eq!(home.zos(&["audit", "find-term", "-c", "acme", "project falcon"]).code, 0);
    assert_eq!(home.zos(&["audit", "find-term", "-c", "acme", "Eagle"]).code, 1);
    // "Never" is not said of a room that nobody knows, nor where nobody can tell.
    home.zos(&["audit", "find-term", "-c", "acne", "Project Falcon"]).fails(2, &["acne"]);
    home.write("contexts/other.yml", "isolation: open\n");
    assert_eq!(home.zos(&["audit", "find-term", "-c", "other", "Project Falcon"]).code, 1);
    fs::remove_file(home.path().join("gateway/keys/terms/acme.key")).unwrap();
    home.zos(&["audit", "find-term", "-c", "acme", "project falcon"]).fails(2, &["key of room acme is gone"]);

    assert_eq!(home.json(&["audit", "prune", "--before", "2999-01-01"])["records"], 0);
    let old = segment(&home);
    fs::rename(&old, old.with_file_name("2020-01-01.000.jsonl")).unwrap();
    let serving = home.serve();
    serving.say("today", "");
    let pruned = home.json(&["audit", "prune", "--before", "2020-01-02"]);
    assert!(pruned["records"].as_u64().unwrap() > 5, "{pruned}");
    assert!(serving.stop().success());
    let report = home.json(&["audit", "verify"]);
    assert_eq!((&report["intact"], &report["pruned"]), (&true.into(), &pruned["records"]), "{report}");
    let (code, said) = independent(&["log", text(&log(&home))]);
    assert_eq!(code, 0, "{said}");
    home.zos(&["audit", "prune", "--before", "yesterday"]).fails(2, &["a day such as"]);
}

#[test]
fn records_are_exported_in_the_words_of_other_programs() {
    let home = home();
    let plain = home.zos(&["audit", "export"]).fine();
    assert_eq!(plain, fs::read_to_string(segment(&home)).unwrap());
    let count = plain.lines().count();
    for (format, begin, heads) in [
        ("csv", "seq,time,kind", 1),
        ("ocsf", "{\"activity_id\"", 0),
        ("cef", "CEF:0|zOS|gateway|", 0),
        ("otlp", "{\"resourceLogs\"", 0),
    ] {
        let text = home.zos(&["audit", "export", "--format", format]).fine();
        assert!(text.starts_with(begin), "{format}: {text}");
        assert_eq!(text.lines().count(), count + heads, "{format}");
        assert!(!text.contains("Falcon"), "{format}");
    }
    assert!(
        home.zos(&["audit", "export", "--format", "csv"])
            .fine()
            .lines()
            .next()
            .unwrap()
            .contains("cost_micros")
    );
    // The system text that went out, by its owner alone.
    let serving = home.serve();
    let said = r#"{"model":"demo/echo","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"}]}"#;
    assert_eq!(serving.post("/v1/chat/completions", "", said).0, 200);
    assert!(serving.stop().success());
    home.write("system.txt", "Be brief.");
    let file = home.path().join("system.txt");
    assert_eq!(home.json(&["audit", "find-system", "-c", "acme", text(&file)])["count"], 1);
    assert_eq!(home.zos_reading(&["audit", "find-system", "-c", "acme", "-"], b"Be brief.\n").code, 1);
    home.zos(&["audit", "find-system", "-c", "other", text(&file)]).fails(2, &["other"]);
    home.zos(&["audit", "find-system", "-c", "acme", "/nonexistent"]).fails(2, &["/nonexistent"]);
    let some = home.zos(&["audit", "export", "--context", "acme"]).fine();
    assert_eq!(some.lines().count(), 5);
}

#[test]
fn a_damaged_log_is_set_aside_only_on_the_owners_word() {
    let home = home();
    let path = segment(&home);
    let lines = fs::read_to_string(&path).unwrap();
    let cut = lines.trim_end().rfind('\n').unwrap() + 1;
    fs::write(&path, &lines[..cut]).unwrap();
    home.zos(&["serve", "--listen", "127.0.0.1:0"]).fails(2, &["damaged", "missing"]);
    let serving = home.serve_with(&["--set-damaged-log-aside"]);
    assert!(serving.stop().success());
    assert_eq!(home.json(&["audit", "verify"])["intact"], true);
    assert!(home.zos(&["audit", "tail"]).fine().contains("a damaged log was set aside"));
}

#[test]
fn what_is_absent_beside_a_log_is_told_and_is_no_success() {
    let home = home();
    home.zos(&["attest", "verify"]).fine();
    let attest = home.path().join("attest");
    let first = |folder: &Path, ending: &str| {
        let files = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
        files.filter(|path| path.is_file() && text(path).ends_with(ending)).min().unwrap()
    };
    // An object that somebody removed.
    let object = first(&attest.join("objects"), "");
    let name = object.file_name().unwrap().to_str().unwrap().to_owned();
    let kept = fs::read(&object).unwrap();
    fs::remove_file(&object).unwrap();
    let run = home.zos(&["attest", "verify"]);
    assert!(run.code == 1 && run.out.contains(&format!("is not kept (objects/{name})")), "{}", run.out);
    home.zos(&["attest", "verify", "--without-objects"]).fine();
    assert_eq!(independent(&["statements", text(&attest)]).0, 1);
    assert_eq!(independent(&["statements", text(&attest), "--without-objects"]).0, 0);
    let bundle = home.path().join("bundle.json");
    let run = home.zos(&["audit", "export", "--bundle", text(&bundle), "--with-objects"]);
    assert!(run.code == 1 && run.out.contains(&format!("It lacks objects/{name}")), "{}", run.out);
    home.zos(&["audit", "export", "--bundle", text(&bundle)]).fine();
    fs::write(&object, kept).unwrap();
    // A statement, and then all of them.
    let statement = first(&attest, ".json");
    let id = statement.file_stem().unwrap().to_str().unwrap().to_owned();
    fs::remove_file(&statement).unwrap();
    let run = home.zos(&["attest", "verify"]);
    assert!(run.code == 1 && run.out.contains(&format!("{id}: the statement is missing")), "{}", run.out);
    let (code, said) = independent(&["statements", text(&attest)]);
    assert!(code == 1 && said.contains(&id), "{said}");
    let lacking = home.json(&["audit", "export", "--bundle", text(&bundle)]);
    assert_eq!(lacking["missing_statements"], serde_json::json!([id]), "{lacking}");
    fs::remove_dir_all(&attest).unwrap();
    assert_eq!(home.zos(&["attest", "verify"]).code, 1);
}

#[test]
fn a_tampered_log_is_not_served_without_a_flag_and_the_doctor_says_so() {
    let home = home();
    home.write("contexts/relaxed.yml", "isolation: open\n");
    let path = segment(&home);
    let log = fs::read_to_string(&path).unwrap();
    fs::write(&path, log.replacen("\"bytes_in\":", "\"bytes_in\":1", 1)).unwrap();
    let run = home.zos(&["doctor"]);
    assert!(run.code == 1 && run.out.contains("The log is not what was signed for"), "{}", run.out);
    home.zos(&["serve", "--listen", "127.0.0.1:0"])
        .fails(2, &["is not the one that was signed for", "--set-damaged-log-aside"]);
    // On the owner's word it is, and says so, and is still not what was signed for.
    let serving = home.serve_with(&["--dangerous-serve-tampered-log"]);
    assert_eq!(serving.say("Hello", "").0, 200);
    let (status, ready) = get(&serving, "/readyz", "");
    assert!(status == 503 && ready.contains("The log is not what was signed for"), "{status} {ready}");
    assert!(serving.stop().success());
    assert_eq!(home.zos(&["audit", "verify"]).code, 1);
    // Kept as evidence, it makes way for a sound one.
    let serving = home.serve_with(&["--set-damaged-log-aside"]);
    assert_eq!(get(&serving, "/readyz", "").0, 200);
    assert!(serving.stop().success());
    home.zos(&["audit", "verify"]).fine();
    home.zos(&["doctor"]).fine();
}

#[test]
fn damage_in_an_older_segment_is_found_beside_the_calls_and_stops_hard_rooms() {
    let home = home();
    home.write("contexts/relaxed.yml", "isolation: open\n");
    // The newest segment is the one that a start looks into: the day before becomes an older one.
    let path = segment(&home);
    let older = path.with_file_name("2020-01-01.000.jsonl");
    fs::rename(&path, &older).unwrap();
    let serving = home.serve();
    serving.say("Hello", "");
    assert!(serving.stop().success());
    home.zos(&["audit", "verify"]).fine();
    let log = fs::read_to_string(&older).unwrap();
    fs::write(&older, log.replacen("\"bytes_in\":", "\"bytes_in\":1", 1)).unwrap();
    let serving = home.serve();
    crate::world::eventually(|| get(&serving, "/readyz", "").0 == 503);
    assert!(get(&serving, "/readyz", "").1.contains("The log is not what was signed for"));
    assert!(serving.say("Hello", "").1.contains("zos_audit_unavailable"));
    assert_eq!(serving.say("Hello", "x-zos-context: relaxed\r\n").0, 200, "an open room goes on");
    assert!(serving.stop().success());
}

#[test]
fn a_log_that_was_put_back_to_an_earlier_day_is_found_by_the_word_outside_of_its_folder() {
    let home = home();
    let backup = home.path().join("backup");
    Command::new("cp").args(["-a", text(&log(&home)), text(&backup)]).status().unwrap();
    let serving = home.serve();
    serving.say("what shall be forgotten", "");
    assert!(serving.stop().success());
    fs::remove_dir_all(log(&home)).unwrap();
    fs::rename(&backup, log(&home)).unwrap();
    assert_eq!(home.zos(&["audit", "verify"]).code, 1);
    home.zos(&["serve", "--listen", "127.0.0.1:0"]).fails(2, &["put back"]);
}
