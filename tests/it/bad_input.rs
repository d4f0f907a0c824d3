//! Every file that a person owns, broken in ten ways and more: a sentence with file, line and a fix, and the
//! rest of the house works on.

use zos_core::lint::{lint, lint_home};
use zos_core::memory::{Memories, Moment};
use zos_core::{Brain, ContextState, Environment, Home, Problem, Snapshot};
use zos_gateway::config::Config;
use zos_gateway::prices;

/// What each home holds beside the broken file.
const SOUND: [(&str, &str); 6] = [
    ("contexts/fine.yml", "isolation: hard\nattachments: deny\noutbound_deny: [Falcon]\n"),
    ("manifest.json", "[\"brain/values.md\"]\n"),
    ("brain/values.md", "## Candour\nSay what you do not know.\n"),
    ("memory/fine/2026/tea.md", "Ann prefers green tea.\n"),
    (
        "routing/fleet.yml",
        "version: 1\nproviders:\n  local: {api: openai, base_url: \"http://127.0.0.1:1/v1\", key: none}\n",
    ),
    ("state.json", "{\"active\": \"fine\"}\n"),
];

struct Broken {
    _folder: tempfile::TempDir,
    home: Home,
}

impl Broken {
    fn with(file: &str, bytes: &[u8]) -> Broken {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, bytes: &[u8]| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        for (path, text) in SOUND {
            write(path, text.as_bytes());
        }
        // A canon file and a room of their own for what breaks.
        if file.starts_with("contexts/broken") {
            write("contexts/broken.yml", b"isolation: hard\nattachments: deny\n");
        }
        write(file, bytes);
        let home = Home::resolve_from(Some(folder.path()), None, None).unwrap();
        Broken { _folder: folder, home }
    }

    fn snapshot(&self) -> std::sync::Arc<Snapshot> {
        Brain::open_in(self.home.clone(), Environment::default()).unwrap().snapshot()
    }

    /// What `zos lint` and `zos doctor` show.
    fn problems(&self) -> Vec<Problem> {
        let mut problems = lint_home(self.home.clone()).unwrap();
        problems.extend(prices::problem(&self.home));
        problems.extend(Config::load(&self.home).err().map(|error| error.0).unwrap_or_default());
        problems
    }
}

fn is_live(snapshot: &Snapshot, room: &str) -> bool {
    let state = snapshot.context(&room.parse().unwrap());
    matches!(state, Some(ContextState::Live { stale: false, .. }))
}

/// Breaks `file` in each of these ways; each is an error on its line. `works` sees the rest.
fn check(file: &str, ways: &[(&[u8], usize)], works: impl Fn(&Snapshot)) {
    assert!(ways.len() >= 10, "{file}: only {} ways", ways.len());
    for (bytes, line) in ways {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
        let broken = Broken::with(file, bytes);
        let problems = broken.problems();
        let ours: Vec<&Problem> = problems.iter().filter(|problem| problem.file == file).collect();
        let told = ours.iter().find(|problem| problem.is_error() && problem.line.is_some());
        let told = told.unwrap_or_else(|| panic!("{file}, {shown:?}: no error with a line in {problems:#?}"));
        assert_eq!(told.line, Some(*line), "{file}, {shown:?}: {told}");
        assert!(told.message.len() > 10 && told.fix.len() > 3, "{told:?}");
        assert!(told.to_string().starts_with(&format!("{file}:{line}:")), "{told}");
        let others: Vec<&Problem> =
            problems.iter().filter(|problem| problem.is_error() && problem.file != file).collect();
        assert!(others.is_empty(), "{file}, {shown:?}: others are blamed: {others:#?}");
        let snapshot = broken.snapshot();
        assert!(is_live(&snapshot, "fine"), "{file}, {shown:?}");
        let policy = snapshot.policy(&"fine".parse().unwrap()).unwrap();
        let mut found = Vec::new();
        policy.rules.scan("the falcon", &mut found);
        assert_eq!(found.len(), 1, "the firewall of the other room holds: {file}, {shown:?}");
        let room = Memories::new(broken.home.clone()).room(&"fine".parse().unwrap());
        assert_eq!(room.search("tea", 5, Moment::now()).unwrap().total, 1, "{file}, {shown:?}");
        works(&snapshot);
    }
    // As it is in the sound house, nothing is wrong.
    let sound = Broken::with("notes.txt", b"");
    assert_eq!(
        sound.problems().iter().filter(|problem| problem.is_error()).count(),
        0,
        "{:#?}",
        sound.problems()
    );
    assert_eq!(lint(&sound.snapshot()).iter().filter(|problem| problem.is_error()).count(), 0);
}

fn canon_of_fine_is(expected: bool) -> impl Fn(&Snapshot) {
    move |snapshot| {
        let state = snapshot.canon(&"fine".parse().unwrap()).unwrap();
        assert_eq!(state.canon().is_some_and(|canon| canon.text.contains("Say what")), expected);
    }
}

#[test]
fn a_rooms_file() {
    let ways: [(&[u8], usize); 14] = [
        (b"", 1),
        (b"- a\n", 1),
        (b"isolation: hard\noutbound_deny: [\n", 2),
        (b"title: caf\xe9\n", 1),
        (b"\xff\xfet\0", 1),
        (b"title: a\0b\n", 1),
        (b"title: A\noutbound_deny: Falcon: x\n", 2),
        (b"title: A\noutbound_deny:\n  - {term: 7x, action: maybe}\n", 3),
        (b"outbound_deny:\n  - {pattern: '('}\n", 2),
        (b"\nname: other\n", 2),
        (b"budget:\n  daily_tokens: many\n", 2),
        (b"models: {allow: [a]}\nattachments: sometimes\n", 2),
        (b"targets: {default: perhaps}\n", 1),
        (b"title: A\n\ttitle: B\n", 2),
    ];
    check("contexts/broken.yml", &ways, |snapshot| assert!(!is_live(snapshot, "broken")));
}

#[test]
fn a_rooms_prose() {
    let ways: [(&[u8], usize); 11] = [
        (b"---\nlevel: room\n", 1),
        (b"---\nlevel: boss\n---\n", 2),
        (b"---\nlevel: floor\n---\nx\n", 1),
        (b"---\noverride: maybe\n---\n", 2),
        (b"---\n- a\n---\n", 2),
        (b"---\nlevel: [\n---\n", 2),
        (b"## A {#a b}\nx\n", 1),
        (b"\n## A {#a\nx\n", 2),
        (b"## !!!\nx\n", 1),
        (b"## A\nx\n## A\ny\n", 3),
        (b"caf\xe9\n", 1),
    ];
    check("contexts/broken.md", &ways, canon_of_fine_is(true));
}

#[test]
fn the_manifest() {
    let ways: [(&[u8], usize); 12] = [
        (b"", 1),
        (b"[\"brain/values.md\",]", 1),
        (b"# no\n[]", 1),
        (b"\n7", 2),
        (b"[\n7]", 2),
        (b"{}", 1),
        (b"[\n{\"level\": \"owner\"}]", 2),
        (b"[{\"path\": \"brain/values.md\",\n \"level\": \"boss\"}]", 2),
        (b"[\"brain/values.md\",\n\"brain/values.md\"]", 2),
        (b"[\n\"../values.md\"]", 2),
        (b"[\n\"brain/missing.md\"]", 2),
        (b"\xff", 1),
    ];
    check("manifest.json", &ways, canon_of_fine_is(false));
}

#[test]
fn a_layer_of_the_canon() {
    let ways: [(&[u8], usize); 11] = [
        (b"---\nlevel: owner\n", 1),
        (b"---\nlevel: boss\n---\n", 2),
        (b"---\n\nvolatile: 1\n---\n", 3),
        (b"---\noverride: yes please\n---\n", 2),
        (b"---\n- a\n---\n", 2),
        (b"---\nlevel: [\n---\n", 2),
        (b"x\0", 1),
        (b"caf\xe9", 1),
        (b"\n## A {#a/b}\nx", 2),
        (b"## A {#a\nx", 1),
        (b"## A\nx\n\n## A\ny\n", 4),
    ];
    check("brain/values.md", &ways, canon_of_fine_is(false));
}

#[test]
fn the_fleet() {
    let ways: [(&[u8], usize); 12] = [
        (b"- a\n", 1),
        (b"version: 1\nproviders: [\n", 2),
        (b"version: 9\n", 1),
        (b"caf\xe9: 1\n", 1),
        (b"version: 1\nproviders:\n  a: {base_url: \"https://a.example\"}\n", 3),
        (b"version: 1\nproviders:\n  a: {api: gopher, base_url: \"https://a.example\"}\n", 3),
        (b"version: 1\nproviders:\n  a: {api: openai, base_url: here}\n", 3),
        (b"version: 1\nproviders:\n  a: {api: openai, base_url: \"http://a.example\"}\n", 3),
        (b"version: 1\nmodels:\n  - {match: x, provider: nobody}\n", 3),
        (b"version: 1\nproviders:\n  a: {api: openai, base_url: \"https://a.example\", key: secret}\n", 3),
        (b"version: 1\ndefaults: {retries: many}\n", 2),
        (b"version: 1\nrules:\n  - {when: {isolation: soft}, require: {residency: x}}\n", 3),
    ];
    // Without a good version before it, only the demo serves.
    check("routing/fleet.yml", &ways, |snapshot| {
        assert!(snapshot.fleet.provider("demo").is_some() && snapshot.fleet.provider("local").is_none());
    });
}

#[test]
fn a_pack_of_detectors() {
    let ways: [(&[u8], usize); 12] = [
        (b"", 1),
        (b"- a\n", 1),
        (b"detectors: [\n", 1),
        (b"caf\xe9: 1\n", 1),
        (b"title: X\ndetectors: []\n", 1),
        (b"detectors:\n  - {id: a, pattern: '(', find: [x]}\n", 2),
        (b"detectors:\n  - {id: a, pattern: 'x+', find: [x]}\n", 2),
        (b"detectors:\n  - {pattern: xx}\n", 2),
        (b"detectors:\n  - {id: a, pattern: xx, check: [lun]}\n", 2),
        (b"detectors:\n  - {id: a, pattern: xx}\n  - {id: a, pattern: yy}\n", 3),
        (b"detectors:\n  - id: a\n    pattern: xx\n    find: [yy]\n", 4),
        (b"name: other\ndetectors:\n  - {id: a, pattern: xx}\n", 1),
    ];
    check("rules/badges.yml", &ways, |_| {});
}

#[test]
fn the_gateways_configuration() {
    let ways: [(&[u8], usize); 12] = [
        (b"- a\n", 1),
        (b"listen: here\n", 1),
        (b"listen: [\n", 1),
        (b"caf\xe9: 1\n", 1),
        (b"\nauth: {keyles: false}\n", 2),
        (b"auth: {keyless: maybe}\n", 1),
        (b"limits:\n  body_bytes: 12\n", 2),
        (b"audit: {durability: never}\n", 1),
        (b"audit: sync\n", 1),
        (b"auth: {}\ntls: {cert: a.pem}\n", 2),
        (b"ledger: {url: \"mysql://y\"}\n", 1),
        (b"log: {level: loud}\n", 1),
    ];
    check("gateway/config.yml", &ways, |_| {});
}

#[test]
fn a_memory() {
    let long = [b"---\nkind: fact\n---\n".as_slice(), &b"word ".repeat(4000)].concat();
    let ways: [(&[u8], usize); 13] = [
        (b"", 1),
        (b"---\nkind: fact\n", 1),
        (b"---\nkind: rumour\n---\nText\n", 2),
        (b"---\nid: other\n---\nText\n", 2),
        (b"---\ncontext: other\n---\nText\n", 2),
        (b"---\nkind: fact\nstatus: maybe\n---\nText\n", 3),
        (b"---\nsource: {type: ghost}\n---\nText\n", 2),
        (b"---\nexpires: soon\n---\nText\n", 2),
        (b"---\nsupersedes: [\"../x\"]\n---\nText\n", 2),
        (b"---\nkind: [\n---\nText\n", 2),
        (b"\0\0", 1),
        (b"caf\xe9\n", 1),
        (&long, 4),
    ];
    check("memory/fine/2026/broken.md", &ways, |_| {});
}

#[test]
fn the_state() {
    let ways: [(&[u8], usize); 11] = [
        (b"", 1),
        (b"{", 1),
        (b"{\n  \"active\": \"fine\",\n}", 3),
        (b"[]", 1),
        (b"7", 1),
        (b"{\n  \"window\": {\"active\": 1},\n  \"active\": 7\n}", 3),
        (b"{\n\t\"active\": \"../x\"\n}", 2),
        (b"{\"active\": [\"fine\"]}", 1),
        (b"{\"active\":\n\"A B\"}", 2),
        (b"{\"active\": \"caf\xe9\"}", 1),
        (b"{'active': 'fine'}", 1),
    ];
    check("state.json", &ways, |snapshot| assert!(snapshot.effective_active().is_err(), "nobody guesses"));
}

#[test]
fn the_prices() {
    let entry = |prices: &str| {
        format!(
            "[{{\"id\": \"openai\", \"models\": [\n{{\"id\": \"x\", \"match\": {{\"equals\": \"x\"}}, \"prices\": {prices}}}\n]}}]"
        )
    };
    let (text, negative) =
        (entry("{\"input_mtok\": \"cheap\"}"), entry("{\"input_mtok\": -1, \"output_mtok\": 1}"));
    let many = entry("7");
    let ways: [(&[u8], usize); 11] = [
        (b"", 1),
        (b"[", 1),
        (b"[]", 1),
        (b"{}", 1),
        (b"\n7", 2),
        (b"[\n{\"id\": 7}]", 2),
        (b"[{\"id\": \"openai\",\n\"models\": 7}]", 2),
        (b"[\n{\"models\": []}]", 2),
        (text.as_bytes(), 2),
        (negative.as_bytes(), 2),
        (many.as_bytes(), 2),
    ];
    check("routing/prices.json", &ways, |_| {});
    let sound = entry("{\"input_mtok\": 1, \"output_mtok\": 2}");
    assert_eq!(prices::problem(&Broken::with("routing/prices.json", sound.as_bytes()).home), None);
}
