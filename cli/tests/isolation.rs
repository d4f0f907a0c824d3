//! The command line and `zos mcp` in one room: nothing of another room's memory, with and without a zOS that
//! runs, and not a byte that depends on it.

use crate::world::Scratch;
use serde_json::{Value, json};

/// `acme` and `globex`, each with a memory in force and one that waits; whose it is says every word of it.
fn home() -> Scratch {
    let home = Scratch::acme();
    home.write("contexts/globex.yml", "isolation: hard\nattachments: deny\n");
    for room in ["acme", "globex"] {
        let text = |id: &str, head: &str| {
            let text = format!(
                "---\n{head}created: 2026-11-25T12:00:00Z\n---\n\nThe project of {room} is {room}{id}word.\n"
            );
            home.write(&format!("memory/{room}/2026/{room}{id}.md"), &text);
        };
        text("one", "subject: project\n");
        text("two", "status: proposed\nsource: {type: model}\n");
    }
    home
}

fn mcp(home: &Scratch) -> String {
    let call = |name: &str, arguments: Value| ("tools/call", json!({"name": name, "arguments": arguments}));
    let read = |uri: &str| ("resources/read", json!({ "uri": uri }));
    let asks = [
        call("memory_search", json!({"query": "project globexoneword"})),
        call("memory_search", json!({"query": "project", "context": "globex"})),
        call("memory_history", json!({"id": "globexone"})),
        call("memory_history", json!({"id": "globextwo"})),
        call("memory_history", json!({"id": "nothing"})),
        call("context_list", json!({})),
        call("canon_get", json!({})),
        call("check_outbound", json!({"text": "globexoneword"})),
        read("zos://memory/acme/globexone"),
        read("zos://memory/globex/globexone"),
        read("zos://canon/globex"),
        ("resources/list", json!({})),
        ("prompts/get", json!({"name": "recall", "arguments": {"query": "project globex"}})),
        (
            "completion/complete",
            json!({"ref": {"type": "ref/prompt", "name": "recall"}, "argument": {"name": "query", "value": "glo"}}),
        ),
    ];
    let input: String = (1..)
        .zip(asks)
        .map(|(id, (method, params))| {
            format!("{}\n", json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
        })
        .collect();
    home.zos_reading(&["mcp", "--context", "acme"], input.as_bytes()).fine()
}

/// Every command that shows something of the room acme, with ids of the other room and of nothing.
fn commands(home: &Scratch) -> String {
    let mut said = String::new();
    for id in ["globexone", "globextwo", "nothing"] {
        for command in [
            ["memory", "show", "-c", "acme", id].as_slice(),
            &["memory", "review", "-c", "acme", "--accept", id],
            &["memory", "forget", "-c", "acme", id],
            &["memory", "promote", "-c", "acme", "--to", "globex", id],
        ] {
            let run = home.zos(command);
            assert_ne!(run.code, 0, "{command:?}: {}", run.out);
            said += &format!("{} {}{}\n", run.code, run.out, run.err).replace(id, "ID");
        }
    }
    let refusals: Vec<&str> = said.lines().collect();
    let one = refusals.len() / 3;
    assert_eq!(refusals[..one], refusals[one..2 * one], "in force there is nothing here");
    assert_eq!(refusals[..one], refusals[2 * one..], "what waits there is nothing here");
    for command in [
        ["memory", "search", "-c", "acme", "project globexoneword"].as_slice(),
        &["memory", "search", "-c", "acme", "globextwoword"],
        &["memory", "review", "-c", "acme"],
        &["memory", "show", "-c", "acme", "acmeone"],
        &["canon", "build", "-c", "acme"],
        &["memory", "reindex", "-c", "acme"],
    ] {
        let run = home.zos(&[command, &["--json"]].concat());
        said += &format!("{} {}{}\n", run.code, run.out, run.err);
    }
    said
}

#[test]
fn the_command_line_and_its_mcp_show_one_room_and_depend_on_no_other() {
    let home = home();
    let (alone, spoken) = (commands(&home), mcp(&home));
    let (served, heard) = {
        let _serving = home.serve();
        (commands(&home), mcp(&home))
    };
    for said in [&alone, &spoken, &served, &heard] {
        assert!(said.contains("acmeoneword"), "its own is found: {said}");
        assert!(!said.contains("globex"), "{said}");
    }
    assert_eq!(spoken, heard, "with and without a zOS that runs");
    let folder = home.path().join("memory/globex");
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, "no folder").unwrap();
    assert_eq!((commands(&home), mcp(&home)), (alone, spoken));
}
