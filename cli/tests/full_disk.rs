//! The log on a disk that is full, and on one that cannot be written: a real small file system in a mount
//! namespace of the gateway's own. Where a system lets nobody have one, the tests of the library, whose file
//! has a limit, and `tests/it/audit.rs`, whose folder is gone, stand alone.

use crate::world::{Scratch, Serving, eventually};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

/// The status and the body of a `GET`.
pub(crate) fn get(serving: &Serving, path: &str, headers: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(&serving.address).expect("it listens");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{headers}\r\n", serving.address)
        .expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let status =
        answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("an answer has a status");
    (status, answer.split_once("\r\n\r\n").expect("an answer has a head").1.to_owned())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the folder can be made");
    for entry in fs::read_dir(from).expect("the folder can be read").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            fs::copy(entry.path(), target).map(|_| ()).expect("the file can be copied")
        }
    }
}

#[test]
fn on_a_full_disk_open_rooms_go_on_and_say_so_hard_rooms_refuse_and_room_is_all_it_takes_to_recover() {
    let home = Scratch::acme();
    home.write("contexts/relaxed.yml", "isolation: open\n");
    let Some(command) = home.serve_on_small_disk("gateway/audit", 256, "mode=700") else { return };
    let serving = Scratch::greeted(command);
    let hard = || serving.say("Hello", "").0;
    let open = || serving.say("Hello", "x-zos-context: relaxed\r\n").0;
    let mut kept = 0;
    let mut note = |status| kept += u64::from(status == 200);
    note(hard());
    let folder = serving.inside(&home.path().join("gateway/audit"));
    let key = fs::read_to_string(folder.join("log.vkey")).unwrap();
    let token = format!("authorization: Bearer {}\r\n", home.read("gateway/admin.token").trim());
    for round in 0..2 {
        let mut filler = fs::File::create(folder.join("filler")).unwrap();
        while filler.write_all(&[0; 512]).is_ok() {}
        drop(filler);
        // What is left of the last page takes a few records more.
        eventually(|| {
            let status = hard();
            note(status);
            status == 503
        });
        assert!(serving.say("Hello", "").1.contains("zos_audit_unavailable"), "round {round}");
        assert_eq!(open(), 200, "an open room goes on");
        assert_eq!(get(&serving, "/readyz", "").0, 503);
        let (_, status) = get(&serving, "/zos/v1/status", &token);
        assert!(
            status.contains("The log cannot be written since") && status.contains("No space left"),
            "{status}"
        );
        let rotated = home.zos(&["audit", "rotate-key"]);
        assert!(rotated.code != 0 && rotated.err.contains("could not be replaced"), "{}", rotated.err);
        // As it is now, it holds what it signed for.
        let copied = home.path().join(format!("full-{round}"));
        copy(&folder, &copied);
        let look =
            |copied: &Path| home.zos(&["audit", "verify", copied.to_str().unwrap(), "--key", key.trim()]);
        assert_eq!(look(&copied).code, 0, "{}", look(&copied).out);
        fs::remove_file(folder.join("filler")).unwrap();
        eventually(|| {
            let status = hard();
            note(status);
            status == 200
        });
        eventually(|| get(&serving, "/readyz", "").0 == 200);
        let copied = home.path().join(format!("after-{round}"));
        copy(&folder, &copied);
        assert_eq!(look(&copied).code, 0, "{}", look(&copied).out);
    }
    // Every call of a hard room that was answered has its record, and each time is told of once.
    let copied = home.path().join("copied/gateway/audit");
    copy(&folder, &copied);
    let lines = home.zos(&["audit", "export", "--dir", copied.to_str().unwrap()]).fine();
    let records: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count =
        |is: &dyn Fn(&serde_json::Value) -> bool| records.iter().filter(|record| is(record)).count() as u64;
    assert_eq!(count(&|record| record["context"] == "acme" && record["status"] == 200), kept);
    // At the edge of a full disk a short record may still fit between two that do not: that is a time of its own.
    let gaps: Vec<String> = records
        .iter()
        .filter(|record| record["kind"] == "gap")
        .map(|record| record["detail"].to_string())
        .collect();
    let times: std::collections::BTreeSet<_> = gaps.iter().map(|gap| gap.split_once("since")).collect();
    assert!(gaps.len() >= 2 && times.len() == gaps.len(), "{gaps:?}");
    assert!(serving.stop().success());
}

#[test]
fn a_log_folder_that_cannot_be_written_at_the_start_stops_hard_rooms_only_and_is_said() {
    let home = Scratch::acme();
    home.write("contexts/relaxed.yml", "isolation: open\n");
    let Some(command) = home.serve_on_small_disk("gateway/audit", 256, "ro") else { return };
    let serving = Scratch::greeted(command);
    let (status, ready) = get(&serving, "/readyz", "");
    assert!(status == 503 && ready.contains("Read-only file system"), "{status} {ready}");
    assert!(serving.say("Hello", "").1.contains("zos_audit_unavailable"));
    assert_eq!(serving.say("Hello", "x-zos-context: relaxed\r\n").0, 200, "an open room goes on");
    assert!(serving.stop().success());
}
