//! A person's own detector packs: `rules/<name>.yml`, used as `{pack: name}` in a context.
//!
//! The format is described in `docs/firewall.md`. An error anywhere makes the whole file broken: half
//! a pack is none. The examples of a pack are run whenever it is read, so a detector that does not
//! find what it should never governs.

use std::collections::BTreeMap;
use std::sync::Arc;

use zos_rules::{
    DeclaredCheck, DetectorSpec, Pack, PackName, Pattern, PatternError, Room, RoomRules, RuleKind, RuleSpec,
    Ruleset,
};

use crate::problem::Problem;
use crate::yaml::{self, Fields, Findings, Node, Place, Unknown, Value, closest};

/// The most detectors of one pack.
const DETECTORS_MAX: usize = 256;

/// Memory that the patterns of one file may take, in bytes. Ordinary ones take some kilobytes each.
const FILE_PATTERNS_MAX_BYTES: usize = 64 << 20;

/// Memory that the patterns of all files of a home may take, in bytes.
pub(crate) const HOME_PATTERNS_MAX_BYTES: usize = 256 << 20;

/// Why a pattern of a file cannot be used.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum PatternRefusal {
    /// The pattern is none, or too complex.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// The pattern and those before it in the file take too much memory together.
    #[error("the patterns of this file up to here need more than {} MiB of memory", FILE_PATTERNS_MAX_BYTES >> 20)]
    NoRoom,
}

/// A pattern that a file declares. Once there is no room for more, none is compiled any more.
pub(crate) fn pattern(
    text: &str,
    max_len: Option<usize>,
    findings: &mut Findings,
) -> Result<Pattern, PatternRefusal> {
    if !findings.takes(0, FILE_PATTERNS_MAX_BYTES) {
        return Err(PatternRefusal::NoRoom);
    }
    let pattern = Pattern::new(text, max_len)?;
    match findings.takes(pattern.memory_bytes(), FILE_PATTERNS_MAX_BYTES) {
        true => Ok(pattern),
        false => Err(PatternRefusal::NoRoom),
    }
}

/// Problem of a file whose patterns no longer fit beside those of the others.
pub(crate) fn no_room(file: String) -> Problem {
    Problem::error(
        file,
        format!(
            "the patterns of all files together need more than {} MiB of memory, and those of this file no longer fit",
            HOME_PATTERNS_MAX_BYTES >> 20
        ),
        "use smaller repetitions, or ASCII classes such as [0-9] instead of \\d",
    )
}

/// The packs that `{pack: name}` can name.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Packs {
    own: BTreeMap<String, Pack>,
}

impl Packs {
    /// The packs that come with zOS, and these.
    pub fn with(own: BTreeMap<String, Pack>) -> Self {
        Self { own }
    }

    /// The pack of a name.
    pub fn find(&self, name: &str) -> Option<Pack> {
        let builtin = PackName::ALL.into_iter().find(|pack| pack.name() == name);
        builtin.map(Pack::from).or_else(|| self.own.get(name).cloned())
    }

    /// The names of all of them.
    pub fn names(&self) -> Vec<&str> {
        PackName::ALL.iter().map(|pack| pack.name()).chain(self.own.keys().map(String::as_str)).collect()
    }
}

/// Outcome of reading a pack's file.
#[derive(Clone, Debug)]
pub struct ParsedPack {
    /// The pack; absent where any problem is an error.
    pub pack: Option<Pack>,
    /// Problems of the file.
    pub problems: Vec<Problem>,
    /// Memory that its patterns take.
    pub(crate) patterns_bytes: usize,
}

/// One detector with its examples.
struct Declared {
    spec: DetectorSpec,
    find: Vec<(String, Place)>,
    ignore: Vec<(String, Place)>,
}

/// Parses the file of the pack called `name`, and runs its examples. Takes any bytes.
pub fn parse_pack(name: &str, bytes: &[u8]) -> ParsedPack {
    let file = format!("rules/{name}.yml");
    let document = match yaml::parse(&file, bytes) {
        Ok(document) => document,
        Err(problem) => return ParsedPack { pack: None, problems: vec![*problem], patterns_bytes: 0 },
    };
    let mut findings = Findings::new(file);
    check_name(name, document.root.place, &mut findings);
    let declared = Fields::of(&document.root, "", &mut findings)
        .map(|fields| read(name, fields, &mut findings))
        .unwrap_or_default();
    let specs = declared.iter().map(|declared| declared.spec.clone()).collect();
    let pack = Pack::own(name, specs);
    if !findings.has_errors() {
        run_examples(&pack, &declared, &mut findings);
    }
    let pack = (!findings.has_errors()).then_some(pack);
    let patterns_bytes = findings.taken_bytes();
    ParsedPack { pack, problems: findings.into_problems(), patterns_bytes }
}

fn check_name(name: &str, place: Place, findings: &mut Findings) {
    if PackName::ALL.iter().any(|pack| pack.name() == name) {
        let message = format!("\"{name}\" is a pack that comes with zOS");
        findings.error(place, message, format!("rename the file, for example to our-{name}.yml"));
    } else if !is_id(name) {
        findings.error(
            place,
            "the name of a pack must be 1 to 64 of a-z, 0-9, `.`, `_` and `-`",
            "rename the file to for example acme-ids.yml",
        );
    }
}

fn read(name: &str, mut fields: Fields<'_>, findings: &mut Findings) -> Vec<Declared> {
    if let Some(stated) = fields.text("name", findings)
        && stated != name
    {
        let place = fields.entry("name").map_or(fields.place(), |entry| entry.value.place);
        let message = format!("the name \"{stated}\" differs from the file name \"{name}.yml\"");
        findings.error(place, message, format!("write `name: {name}`, or remove the line"));
    }
    let _ = fields.text("title", findings);
    let items = fields.list("detectors", "detectors", findings).unwrap_or_default();
    if items.is_empty() {
        findings.error(fields.place(), "the pack has no detectors", "write `detectors:` and a list of them");
    }
    if items.len() > DETECTORS_MAX {
        let message = format!("the pack has {} detectors; at most {DETECTORS_MAX} are possible", items.len());
        findings.error(fields.place(), message, "make two packs of it");
    }
    let mut declared: Vec<Declared> = Vec::new();
    for (index, node) in items.iter().take(DETECTORS_MAX).enumerate() {
        let Some(one) = read_detector(node, &format!("detectors[{}]", index + 1), findings) else { continue };
        if declared.iter().any(|known| known.spec.id == one.spec.id) {
            let message = format!("the id \"{}\" stands twice", one.spec.id);
            findings.error(node.place, message, "give one of the two another id");
        }
        declared.push(one);
    }
    fields.finish(Unknown::Refuse, findings);
    declared
}

fn read_detector(node: &Node, path: &str, findings: &mut Findings) -> Option<Declared> {
    let mut fields = Fields::of(node, path, findings)?.confidential();
    let id = read_id(&mut fields, path, findings);
    let check = read_check(&mut fields, findings);
    let examples = |key, fields: &mut Fields<'_>, findings: &mut Findings| -> Vec<(String, Place)> {
        let texts = fields.entry(key).is_some().then(|| fields.texts(key, findings)).flatten();
        texts.unwrap_or_default().into_iter().map(|(text, place)| (text.to_owned(), place)).collect()
    };
    let find = examples("find", &mut fields, findings);
    let ignore = examples("ignore", &mut fields, findings);
    if find.is_empty() {
        let message = format!("`{path}` has no example under `find`, so nothing shows that it works");
        findings.warn(node.place, message, "write find: [a text that it must find]");
    }
    let max_len = fields.entry("max_len").is_some().then(|| fields.whole("max_len", findings)).flatten();
    let has_pattern = fields.entry("pattern").is_some();
    let literals = fields.entry("literals").is_some();
    let id = id?;
    let spec = match (has_pattern, literals) {
        (true, false) => {
            let text = fields.text("pattern", findings)?;
            let max_len = max_len.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
            pattern(text, max_len, findings).map(|pattern| DetectorSpec { id, pattern, check })
        }
        (false, true) => {
            let words: Vec<&str> =
                fields.texts("literals", findings)?.into_iter().map(|(word, _)| word).collect();
            DetectorSpec::literals(&id, &words, check).map_err(PatternRefusal::from).and_then(|spec| {
                match findings.takes(spec.pattern.memory_bytes(), FILE_PATTERNS_MAX_BYTES) {
                    true => Ok(spec),
                    false => Err(PatternRefusal::NoRoom),
                }
            })
        }
        _ => {
            let message = format!("`{path}` must have either `pattern` or `literals`");
            findings.error(node.place, message, "write pattern: '…', or literals: [word, another word]");
            return None;
        }
    };
    fields.finish(Unknown::Refuse, findings);
    match spec {
        Ok(spec) => Some(Declared { spec, find, ignore }),
        Err(error) => {
            let fix = match error {
                PatternRefusal::Pattern(PatternError::Unbounded) => {
                    "write for example [0-9]{1,64} instead of [0-9]+, or add max_len: 64"
                }
                PatternRefusal::Pattern(PatternError::TooComplex) if literals => {
                    "make several detectors of the list"
                }
                PatternRefusal::NoRoom => {
                    "use smaller repetitions, or ASCII classes such as [0-9] instead of \\d"
                }
                _ => "fix it; look-around and back-references are not possible",
            };
            let message = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
            findings.error(node.place, message, fix);
            None
        }
    }
}

fn read_id(fields: &mut Fields<'_>, path: &str, findings: &mut Findings) -> Option<String> {
    let fix = "write for example id: badge; it is shown to clients, so it must not hold what is looked for";
    if fields.entry("id").is_none() {
        findings.error(fields.place(), format!("`{path}` has no `id`"), fix);
        return None;
    }
    let id = fields.text("id", findings)?;
    if is_id(id) {
        return Some(id.to_owned());
    }
    let place = fields.entry("id").map_or(fields.place(), |entry| entry.value.place);
    findings.error(place, "`id` must be 1 to 64 of a-z, 0-9, `.`, `_` and `-`", fix);
    None
}

/// Whether a name may stand in records and reports.
fn is_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=64).contains(&id.len())
        && id.bytes().next().is_some_and(plain)
        && id.bytes().all(|byte| plain(byte) || b"._-".contains(&byte))
}

fn read_check(fields: &mut Fields<'_>, findings: &mut Findings) -> DeclaredCheck {
    let mut check = DeclaredCheck::default();
    if fields.entry("check").is_some() {
        for (word, place) in fields.texts("check", findings).unwrap_or_default() {
            match word {
                "luhn" => check.luhn = true,
                "mod97" => check.mod97 = true,
                "no-placeholders" => check.no_placeholders = true,
                _ => {
                    let known = ["luhn", "mod97", "no-placeholders"];
                    let fix = match closest(word, known) {
                        Some(near) => format!("write {near}"),
                        None => format!("write some of {}", known.join(", ")),
                    };
                    findings.error(place, "there is no check of this name", fix);
                }
            }
        }
    }
    if let Some(entry) = fields.entry("min_entropy") {
        let number = match &entry.value.value {
            Value::Number(number) => number.parse::<f64>().ok().filter(|bits| (0.0..=8.0).contains(bits)),
            _ => None,
        };
        match number {
            Some(bits) => check.min_entropy = Some(bits),
            None => findings.error(
                entry.value.place,
                "`min_entropy` must be bits per character, 0 to 8",
                "write for example min_entropy: 3.5",
            ),
        }
    }
    if fields.entry("min_digits").is_some() {
        let digits = fields.whole("min_digits", findings).unwrap_or_default();
        check.min_digits = usize::try_from(digits).unwrap_or(usize::MAX);
    }
    if fields.entry("context").is_some() {
        let words = fields.texts("context", findings).unwrap_or_default();
        check.context = words.into_iter().map(|(word, _)| word.to_lowercase()).collect();
    }
    check
}

/// Runs the examples. Messages name the place of an example and never repeat it.
fn run_examples(pack: &Pack, declared: &[Declared], findings: &mut Findings) {
    let Some(rules) = compiled(pack) else {
        let place = Place { line: 1, column: 1 };
        findings.error(place, "the pack cannot be compiled", "make two packs of it");
        return;
    };
    for detector in declared {
        let id = format!("{}/{}", pack.name(), detector.spec.id);
        let finds = |text: &str| {
            let mut found = Vec::new();
            rules.scan(text, &mut found);
            found.iter().any(|violation| violation.detector.as_deref() == Some(id.as_str()))
        };
        for (_, place) in detector.find.iter().filter(|(text, _)| !finds(text)) {
            let message = format!("\"{}\" does not find this example", detector.spec.id);
            findings.error(*place, message, "fix the detector or the example");
        }
        for (_, place) in detector.ignore.iter().filter(|(text, _)| finds(text)) {
            let message = format!("\"{}\" finds this example, which it must leave alone", detector.spec.id);
            findings.error(*place, message, "make the detector stricter, or remove the example");
        }
    }
}

fn compiled(pack: &Pack) -> Option<RoomRules> {
    let rules = vec![RuleSpec::new("example", RuleKind::Pack(pack.clone()))];
    let room = Room { name: "examples".to_owned(), rules };
    Arc::new(Ruleset::compile(&[room]).ok()?).room("examples")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BADGES: &str = "\
title: Badges of Acme
detectors:
  - id: badge
    pattern: 'B-[0-9]{8}'
    check: [luhn]
    context: [badge, Ausweis]
    find: ['badge B-79927398', 'Ausweis: B-79927398']
    ignore: ['B-79927398', 'badge B-79927399']
  - id: codename
    literals: [Blue Heron, C++]
    find: [the blue heron flies, C++ it is]
    ignore: [blue herons, blueheron]
";

    fn broken(yaml: &str, line: usize, message: &str) {
        let parsed = parse_pack("acme", yaml.as_bytes());
        assert!(parsed.pack.is_none(), "{yaml}");
        let found = parsed.problems.iter().find(|problem| problem.message.contains(message));
        let found = found.unwrap_or_else(|| panic!("{yaml}: {:?}", parsed.problems));
        assert_eq!(found.line, Some(line), "{found:?}");
        assert!(!found.fix.is_empty() && found.file == "rules/acme.yml");
    }

    #[test]
    fn a_pack_of_ones_own_finds_its_examples() {
        let parsed = parse_pack("acme", BADGES.as_bytes());
        assert_eq!(parsed.problems, []);
        let pack = parsed.pack.unwrap();
        assert_eq!(pack.detectors().collect::<Vec<_>>(), ["badge", "codename"]);
        let packs = Packs::with(BTreeMap::from([("acme".to_owned(), pack)]));
        assert!(packs.find("acme").is_some() && packs.find("pii").is_some() && packs.find("x").is_none());
    }

    #[test]
    fn errors_have_a_place_and_a_fix() {
        broken("detectors: []\n", 1, "no detectors");
        broken("detectors:\n  - {id: a, pattern: 'x+', find: [x]}\n", 2, "no longest match");
        broken("detectors:\n  - {id: a, pattern: x, literals: [x]}\n", 2, "either `pattern` or `literals`");
        broken("detectors:\n  - {id: A b, pattern: xx}\n", 2, "`id` must be");
        broken("detectors:\n  - {pattern: xx}\n", 2, "no `id`");
        broken("detectors:\n  - {id: a, pattern: xx, chek: [luhn]}\n", 2, "unknown");
        broken("detectors:\n  - {id: a, pattern: xx, check: [lun]}\n", 2, "no check of this name");
        broken("detectors:\n  - {id: a, pattern: xx, min_entropy: high}\n", 2, "bits per character");
        broken("detectors:\n  - {id: a, pattern: xx}\n  - {id: a, pattern: yy}\n", 3, "stands twice");
        broken("name: globex\ndetectors:\n  - {id: a, pattern: xx}\n", 1, "differs from the file name");
        let builtin = parse_pack("pii", BADGES.as_bytes());
        assert!(builtin.pack.is_none() && builtin.problems[0].message.contains("comes with zOS"));
    }

    #[test]
    fn an_example_that_fails_breaks_the_pack_and_is_not_repeated() {
        let yaml = "detectors:\n  - id: a\n    pattern: 'heron[0-9]'\n    find:\n      - the heronx\n    ignore:\n      - heron5\n";
        broken(yaml, 5, "does not find this example");
        broken(yaml, 7, "must leave alone");
        let shown = format!("{:?}", parse_pack("acme", yaml.as_bytes()).problems);
        assert!(!shown.contains("heron"), "{shown}");
    }

    #[test]
    fn any_bytes_are_taken() {
        for bytes in [&b"\xff\xfe"[..], b"", b"- 1", b"detectors: 7", b"detectors: [1, [2], {a: b}]"] {
            assert!(parse_pack("acme", bytes).pack.is_none());
        }
    }
}
