//! Ids of memories whose files a person named.
//!
//! A file whose name is an id keeps it. Every other one is called after its name, in letters that an id
//! may have, and a digest of its path: the same at each reading and on each machine, and no other file's.
//! Of several files with one name in different folders the one at zOS's own place keeps it, else the one
//! that lies least deep.

use std::collections::HashSet;

use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::super::item::Id;

/// The longest part of an id that is made of a file's name, in characters: with the digest it stays within
/// the 64 of an id.
const SLUG_MAX: usize = 44;

/// Bytes of the digest in an id: among a million files, two digests are alike once in 500 folders, and then
/// another one is tried.
const DIGEST_BYTES: usize = 6;

/// Endings of files that are memories, in small letters.
const ENDINGS: [&str; 2] = ["md", "markdown"];

/// The name of a file without its ending; `None` where the ending is not that of a memory.
pub(super) fn stem(path: &str) -> Option<&str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let (stem, ending) = name.rsplit_once('.')?;
    (!stem.is_empty() && ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known))).then_some(stem)
}

/// The ids of the memories at these paths, in their order. Each is another one.
pub(super) fn assign<'p>(paths: impl Iterator<Item = &'p str>) -> Vec<Id> {
    let paths: Vec<&str> = paths.collect();
    let mut order: Vec<usize> = (0..paths.len()).collect();
    let depth = |path: &str| path.matches('/').count();
    order.sort_by_key(|at| (!is_own_place(paths[*at]), depth(paths[*at]), paths[*at]));
    let mut taken = HashSet::with_capacity(paths.len());
    let mut ids: Vec<Option<Id>> = vec![None; paths.len()];
    for at in &order {
        ids[*at] = named(paths[*at]).filter(|id| taken.insert(id.clone()));
    }
    // Names that are ids come first: what is made must not take one of them away.
    for at in order {
        let mut attempt = 0;
        while ids[at].is_none() {
            ids[at] = Some(made(paths[at], attempt)).filter(|id| taken.insert(id.clone()));
            attempt += 1;
        }
    }
    ids.into_iter().flatten().collect()
}

/// The id that a file's name is.
fn named(path: &str) -> Option<Id> {
    stem(path)?.parse().ok()
}

/// Whether a file lies where zOS puts its own: the year of an id is that of its folder.
fn is_own_place(path: &str) -> bool {
    let Some((year, name)) = path.split_once('/') else { return false };
    year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit()) && name.starts_with(year)
}

/// An id made of a file's name and the digest of its path. Systems that keep letters and their accents
/// apart, or together, get one digest. A further attempt gives another one.
fn made(path: &str, attempt: usize) -> Id {
    let mut digested: String = path.nfc().collect();
    if attempt > 0 {
        digested.push_str(&format!("\0{attempt}"));
    }
    let digest = Sha256::digest(digested.as_bytes());
    let digits = hex::encode(&digest[..DIGEST_BYTES]);
    let id = format!("{}-{digits}", slug(stem(path).unwrap_or(path)));
    id.parse().expect("a slug, a hyphen and digits are an id")
}

/// A name in the letters that an id may have: small, without accents, a hyphen for all else.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase) {
        match c {
            'a'..='z' | '0'..='9' => slug.push(c),
            'ß' => slug.push_str("ss"),
            'æ' => slug.push_str("ae"),
            'ø' => slug.push('o'),
            'ł' => slug.push('l'),
            _ if slug.is_empty() || slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
        if slug.len() >= SLUG_MAX {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "note".to_owned() } else { slug.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ids(paths: &[&str]) -> Vec<String> {
        assign(paths.iter().copied()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_name_that_is_an_id_is_kept_and_every_other_gets_one_that_tells_of_it() {
        let long = format!("{} end.md", "word ".repeat(17));
        let paths = [
            "note-1.md",
            "note-2.MD",
            "2026/20261125-120000000-0000002a.md",
            "Weekly sync 2026.md",
            "Größe.markdown",
            "a.b.c.md",
            "会議.md",
            "deep/er/Ann's plan.md",
            &long,
        ];
        let found = ids(&paths);
        assert_eq!(found[..3], ["note-1", "note-2", "20261125-120000000-0000002a"]);
        for (id, begins) in found[3..].iter().zip([
            "weekly-sync-2026-",
            "grosse-",
            "a-b-c-",
            "note-",
            "ann-s-plan-",
            "word-word-",
        ]) {
            assert!(id.starts_with(begins) && id.len() <= 64, "{id}");
        }
        // The same letters, written apart, are one name, and beside each other two files.
        assert_eq!(ids(&["Größe.md", "Gro\u{308}ße.md"]).iter().collect::<HashSet<_>>().len(), 2);
        assert_eq!(ids(&["Gro\u{308}ße.markdown"])[0], found[4]);
        assert_ne!(ids(&["other/Größe.markdown"])[0], found[4]);
    }

    #[test]
    fn of_files_with_one_name_the_one_at_our_own_place_keeps_it() {
        let own = "2026/20261125-120000000-0000002a.md";
        let copy = "20261125-120000000-0000002a.md";
        let found = ids(&[copy, own, "b/x.md", "a/x.md", "x.markdown", "c/d/x.md"]);
        assert_eq!(found[1], "20261125-120000000-0000002a");
        assert_eq!(found[4], "x");
        assert_eq!(found.iter().collect::<HashSet<_>>().len(), 6, "{found:?}");
        assert!(found[0].starts_with("20261125-120000000-0000002a-"));
    }

    proptest! {
        #[test]
        fn ids_are_unique_and_do_not_depend_on_the_order(paths in prop::collection::hash_set("([aA]/|2026/)?[aAbäß .]{1,4}\\.(md|MD|markdown)", 0..20), turn in 0usize..20) {
            let mut paths: Vec<String> = paths.into_iter().collect();
            let before: std::collections::HashMap<String, Id> =
                paths.iter().cloned().zip(assign(paths.iter().map(String::as_str))).collect();
            prop_assert_eq!(before.values().collect::<HashSet<_>>().len(), paths.len());
            let at = turn % paths.len().max(1);
            paths.rotate_left(at);
            for (path, id) in paths.iter().zip(assign(paths.iter().map(String::as_str))) {
                prop_assert_eq!(&before[path], &id);
            }
        }

        #[test]
        fn any_name_gets_an_id(path in "\\PC{1,60}") {
            prop_assert!(made(&path, 0).as_str().parse::<Id>().is_ok());
        }
    }
}
