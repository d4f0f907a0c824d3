//! What becomes of a complete thread.

use std::ops::Range;

use crate::evasion::{Evasion, Evasions};
use crate::matcher::thread::{Phase, Thread};
use crate::room::RoomRules;

/// A confirmed violation: rule, bytes, disguise.
pub(crate) type Found = (usize, Range<u64>, Option<Evasion>);

/// Reports a complete term for every rule of the room that it stands for.
pub(super) fn confirm(rules: &RoomRules, thread: &Thread, first: usize, found: &mut Vec<Found>) {
    let Some(accept) = rules.trie().accept(thread.node) else { return };
    // Digits read as letters need real letters beside them, in one word.
    let leet_alone = usize::from(thread.leet) * 2 > accept.letters;
    let apart = [Evasion::Separated, Evasion::Hyphenation, Evasion::Joined];
    if thread.leet > 0 && (leet_alone || apart.iter().any(|evasion| thread.evasions.contains(*evasion))) {
        return;
    }
    for used in accept.uses.iter().filter(|used| used.room as usize == rules.index()) {
        let rule = used.rule as usize;
        let spec = rules.rule(rule);
        let evasions: Evasions = thread.evasions.iter().chain(used.spelling.iter()).collect();
        let long_enough = evasions.iter().all(|evasion| accept.letters >= evasion.min_term_letters());
        // `Leeann` is a name of its own.
        let joined_name = [Evasion::NameOrder, Evasion::Joined].iter().all(|one| evasions.contains(*one));
        if joined_name
            || (spec.exact && thread.phase == Phase::Tail)
            || !long_enough
            || !spec.evasions.contains_all(evasions)
        {
            continue;
        }
        report(rule, thread.start..thread.end, evasions.iter().next(), first, found);
    }
}

/// Reports the nearest term that the padding was hiding.
pub(super) fn report_padding(
    rules: &RoomRules,
    thread: &Thread,
    position: u64,
    first: usize,
    found: &mut Vec<Found>,
) {
    let hidden = rules
        .trie()
        .below(thread.node)
        .flat_map(|accept| &accept.uses)
        .filter(|used| used.room as usize == rules.index())
        .map(|used| used.rule as usize)
        .find(|rule| rules.rule(*rule).evasions.contains(Evasion::Padding));
    if let Some(rule) = hidden {
        report(rule, thread.start..position, Some(Evasion::Padding), first, found);
    }
}

/// Adds a violation, once per rule and place; the plainest disguise is the one named.
fn report(rule: usize, span: Range<u64>, evasion: Option<Evasion>, first: usize, found: &mut Vec<Found>) {
    let known = found[first..].iter_mut().find(|known| known.0 == rule && known.1 == span);
    match known {
        Some(known) => known.2 = known.2.min(evasion),
        None => found.push((rule, span, evasion)),
    }
}
