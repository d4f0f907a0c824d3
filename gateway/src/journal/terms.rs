//! The keyed hashes under which records name what was found, and how their owner asks for it.

use zos_seal::{TermKeyError, TermKeys};

/// The hash that a record of this room has for a find. Spellings that fold alike have the same.
///
/// # Errors
/// When the room's key cannot be read or made.
pub(crate) fn hash(keys: &TermKeys, room: &str, found: &str) -> Result<String, TermKeyError> {
    keys.hash(room, &zos_rules::canonical(found))
}

/// The hashes that records of this room may have for a find; none where the room has no key, so that
/// nothing was ever hashed.
///
/// # Errors
/// When the room's key cannot be read.
pub fn hashes_known(keys: &TermKeys, room: &str, found: &str) -> Result<Vec<String>, TermKeyError> {
    let mut hashes: Vec<String> = keys.hash_known(room, &zos_rules::canonical(found))?.into_iter().collect();
    // Earlier versions folded case and white space alone.
    hashes.extend(keys.hash_known(room, found)?.filter(|earlier| !hashes.contains(earlier)));
    Ok(hashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_that_folds_alike_is_one_find_and_earlier_records_are_found_too() {
        let folder = tempfile::tempdir().unwrap();
        let keys = TermKeys::new(folder.path().join("terms"));
        assert_eq!(hashes_known(&keys, "acme", "Zoë").unwrap(), Vec::<String>::new());
        let now = hash(&keys, "acme", "Zoë  Ｌee").unwrap();
        for typed in ["Zoe\u{308} Lee", "zoë\u{200b} lee", "ZOE\nLEE"] {
            assert_eq!(hashes_known(&keys, "acme", typed).unwrap()[0], now, "{typed}");
        }
        let earlier = keys.hash("acme", "Zoë Lee").unwrap();
        assert_ne!(earlier, now);
        assert!(hashes_known(&keys, "acme", "ZOË lee").unwrap().contains(&earlier));
        assert_eq!(hashes_known(&keys, "acme", "Ann").unwrap().len(), 1);
    }
}
