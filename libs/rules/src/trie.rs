//! The folded terms of all rooms as one prefix tree.
//!
//! Nodes are numbered breadth first, so the children of a node stand side by side and a node
//! costs about 24 bytes: 100,000 terms of 15 characters take some 30 MB at most. Each node knows for
//! which rooms and actions a term lies below it, so that a walk ends as soon as nothing that the
//! scanning room cares about can follow.

use std::collections::BTreeMap;

use crate::evasion::Evasions;
use crate::rule::Action;

/// A node's number. The root is 0.
pub(crate) type Node = u32;

const NO_ACCEPT: u32 = u32::MAX;

/// Where a term is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Use {
    /// Index of the room.
    pub(crate) room: u32,
    /// Index of the rule in the room.
    pub(crate) rule: u32,
    /// Evasions that this spelling of the term already is (its Latin look-alike).
    pub(crate) spelling: Evasions,
}

/// A term's end in the tree.
#[derive(Debug, Default)]
pub(crate) struct Accept {
    /// Letters and digits of the term.
    pub(crate) letters: usize,
    /// The rules that it stands for.
    pub(crate) uses: Vec<Use>,
}

/// Rooms and actions as bits. Exact up to 16 rooms; beyond that two rooms may share a bit, which
/// costs a little held-back text and never a miss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach(u64);

impl Reach {
    pub(crate) fn of(room: u32, action: Action) -> Self {
        let action = match action {
            Action::Deny => 0,
            Action::Redact => 1,
            Action::Ask => 2,
            Action::Warn => 3,
        };
        Self(1 << ((room * 4 + action) % 64))
    }

    pub(crate) fn join(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Collects terms before the tree is built.
#[derive(Default)]
pub(crate) struct TrieBuilder {
    terms: BTreeMap<Vec<char>, (Accept, Reach)>,
}

impl TrieBuilder {
    /// Adds one folded spelling of a term.
    pub(crate) fn add(&mut self, folded: &str, letters: usize, used: Use, action: Action) {
        let (accept, reach) = self.terms.entry(folded.chars().collect()).or_default();
        accept.letters = letters;
        *reach = reach.join(Reach::of(used.room, action));
        if !accept.uses.iter().any(|known| known.room == used.room && known.rule == used.rule) {
            accept.uses.push(used);
        }
    }

    pub(crate) fn build(self) -> Trie {
        let terms: Vec<(Vec<char>, (Accept, Reach))> = self.terms.into_iter().collect();
        let mut trie = Trie::default();
        let mut parents: Vec<Node> = vec![0];
        trie.labels.push('\0');
        // A node is the range of sorted terms that share its prefix.
        let mut ranges: Vec<(usize, usize, usize)> = vec![(0, terms.len(), 0)];
        let mut node = 0;
        while node < ranges.len() {
            let (mut from, to, depth) = ranges[node];
            let ends_here = from < to && terms[from].0.len() == depth;
            let accept = if ends_here { from as u32 } else { NO_ACCEPT };
            trie.forks.push(Fork { letters: Letters::default(), first_child: ranges.len() as Node, accept });
            from += usize::from(ends_here);
            while from < to {
                let label = terms[from].0[depth];
                let end = from + terms[from..to].partition_point(|(term, _)| term[depth] == label);
                trie.labels.push(label);
                parents.push(node as Node);
                ranges.push((from, end, depth + 1));
                from = end;
            }
            node += 1;
        }
        let first_child = ranges.len() as Node;
        trie.forks.push(Fork { letters: Letters::default(), first_child, accept: NO_ACCEPT });
        trie.longest_bytes =
            terms.iter().map(|(term, _)| term.iter().map(|c| c.len_utf8()).sum()).max().unwrap_or(0);
        trie.reach = vec![Reach::default(); ranges.len()];
        trie.most_letters = vec![0; ranges.len()];
        for node in (0..ranges.len()).rev() {
            if trie.forks[node].is_end() {
                let (accept, reach) = &terms[trie.forks[node].accept as usize].1;
                trie.reach[node] = trie.reach[node].join(*reach);
                trie.most_letters[node] = trie.most_letters[node].max(accept.letters.min(255) as u8);
            }
            let parent = parents[node] as usize;
            trie.reach[parent] = trie.reach[parent].join(trie.reach[node]);
            trie.most_letters[parent] = trie.most_letters[parent].max(trie.most_letters[node]);
        }
        trie.accepts = terms.into_iter().map(|(_, (accept, _))| accept).collect();
        trie.index_letters();
        trie
    }
}

/// Which Latin letters lead on from a node, so that most steps need no search: 26 bits for the
/// letters, 5 for the number of children before them, 1 for a space or hyphen among these.
#[derive(Clone, Copy, Default)]
struct Letters(u32);

impl Letters {
    /// So many children before the letters are not counted any more.
    const MANY: u32 = 31;
    const SEPARATOR: u32 = 1 << 31;

    fn of(labels: &[char]) -> Self {
        let letters = labels.iter().filter(|label| label.is_ascii_lowercase());
        let present = letters.fold(0, |bits, label| bits | 1 << (*label as u32 - 'a' as u32));
        let before = labels.partition_point(|label| *label < 'a').min(Self::MANY as usize) as u32;
        let separator = labels.iter().any(|label| matches!(label, ' ' | '-'));
        Self(present | before << 26 | if separator { Self::SEPARATOR } else { 0 })
    }

    /// The number of the child for a letter: `None` if there is none, `Some(None)` if it has to
    /// be searched for.
    #[inline]
    fn child(self, letter: char) -> Option<Option<u32>> {
        let bit = 1 << (letter as u32 - 'a' as u32);
        let before = self.0 >> 26 & Self::MANY;
        (self.0 & bit != 0).then(|| (before < Self::MANY).then(|| before + (self.0 & (bit - 1)).count_ones()))
    }
}

/// What a step from a node needs to know, side by side.
#[derive(Clone, Copy)]
pub(crate) struct Fork {
    letters: Letters,
    first_child: Node,
    accept: u32,
}

impl Fork {
    /// Whether a term ends here.
    #[inline]
    pub(crate) fn is_end(self) -> bool {
        self.accept != NO_ACCEPT
    }

    /// Whether a term continues with a space or a hyphen, which a text may leave out.
    #[inline]
    pub(crate) fn has_separator(self) -> bool {
        self.letters.0 & Letters::SEPARATOR != 0
    }
}

/// The tree.
#[derive(Default)]
pub(crate) struct Trie {
    labels: Vec<char>,
    /// One for each node, and one behind them for the end of the last children.
    forks: Vec<Fork>,
    reach: Vec<Reach>,
    most_letters: Vec<u8>,
    accepts: Vec<Accept>,
    longest_bytes: usize,
}

impl Trie {
    pub(crate) const ROOT: Node = 0;

    fn index_letters(&mut self) {
        for node in 0..self.labels.len() {
            let (from, to) = self.children(node as Node);
            self.forks[node].letters = Letters::of(&self.labels[from..to]);
        }
    }

    /// What a step from a node needs to know.
    #[inline]
    pub(crate) fn fork(&self, node: Node) -> Fork {
        self.forks[node as usize]
    }

    /// The node that `c` leads to.
    #[inline]
    pub(crate) fn child(&self, node: Node, c: char) -> Option<Node> {
        self.child_of(self.fork(node), node, c)
    }

    /// The node that `c` leads to from a node with this fork.
    #[inline]
    pub(crate) fn child_of(&self, fork: Fork, node: Node, c: char) -> Option<Node> {
        if c.is_ascii_lowercase()
            && let Some(number) = fork.letters.child(c)?
        {
            return Some(fork.first_child + number);
        }
        self.search(node, c)
    }

    fn search(&self, node: Node, c: char) -> Option<Node> {
        let (from, to) = self.children(node);
        let labels = &self.labels[from..to];
        let at = match labels {
            [] => return None,
            [one] => (*one == c).then_some(0)?,
            many => many.binary_search(&c).ok()?,
        };
        Some((from + at) as Node)
    }

    fn children(&self, node: Node) -> (usize, usize) {
        (self.forks[node as usize].first_child as usize, self.forks[node as usize + 1].first_child as usize)
    }

    /// The children of a node with the characters that lead to them.
    pub(crate) fn labelled_children(&self, node: Node) -> impl Iterator<Item = (char, Node)> {
        let (from, to) = self.children(node);
        (from..to).map(|child| (self.labels[child], child as Node))
    }

    /// Whether a term begins with a character that is not ASCII.
    pub(crate) fn begins_foreign(&self) -> bool {
        let (from, to) = self.children(Self::ROOT);
        self.labels[from..to].last().is_some_and(|label| !label.is_ascii())
    }

    /// Whether a term continues with a space or a hyphen, which a text may leave out.
    pub(crate) fn has_separator(&self, node: Node) -> bool {
        self.fork(node).has_separator()
    }

    pub(crate) fn is_leaf(&self, node: Node) -> bool {
        let (from, to) = self.children(node);
        from == to
    }

    /// The term that ends at a node.
    pub(crate) fn accept(&self, node: Node) -> Option<&Accept> {
        self.accepts.get(self.forks[node as usize].accept as usize)
    }

    /// The rooms and actions of all terms at and below a node.
    pub(crate) fn reach(&self, node: Node) -> Reach {
        self.reach[node as usize]
    }

    /// Letters and digits of the longest term at or below a node, at most 255.
    pub(crate) fn most_letters(&self, node: Node) -> usize {
        usize::from(self.most_letters[node as usize])
    }

    /// Bytes of the longest folded term.
    pub(crate) fn longest_bytes(&self) -> usize {
        self.longest_bytes
    }

    /// All terms at and below a node, nearest first.
    pub(crate) fn below(&self, node: Node) -> impl Iterator<Item = &Accept> {
        let mut queue = std::collections::VecDeque::from([node]);
        std::iter::from_fn(move || {
            let node = queue.pop_front()?;
            let (from, to) = self.children(node);
            queue.extend(from as Node..to as Node);
            Some(self.accept(node))
        })
        .flatten()
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.labels.len() * (size_of::<char>() + size_of::<Fork>() + size_of::<Reach>() + 1)
            + self
                .accepts
                .iter()
                .map(|accept| size_of::<Accept>() + accept.uses.capacity() * size_of::<Use>())
                .sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trie(terms: &[&str]) -> Trie {
        let mut builder = TrieBuilder::default();
        for (rule, term) in terms.iter().enumerate() {
            let used = Use { room: 0, rule: rule as u32, spelling: Evasions::NONE };
            builder.add(term, term.chars().count(), used, Action::Deny);
        }
        builder.build()
    }

    fn walk(trie: &Trie, text: &str) -> Option<Node> {
        text.chars().try_fold(Trie::ROOT, |node, c| trie.child(node, c))
    }

    #[test]
    fn every_term_is_reached_and_nothing_else() {
        let trie = trie(&["ann", "anna", "bob", "ärger", "an lee"]);
        for (rule, term) in ["ann", "anna", "bob", "ärger", "an lee"].iter().enumerate() {
            let node = walk(&trie, term).unwrap();
            assert_eq!(trie.accept(node).unwrap().uses[0].rule as usize, rule);
        }
        assert!(trie.accept(walk(&trie, "an").unwrap()).is_none());
        assert_eq!(walk(&trie, "anx"), None);
        assert_eq!(walk(&trie, "nn"), None);
        assert_eq!(trie.longest_bytes(), 6);
        assert_eq!(trie.most_letters(walk(&trie, "ann").unwrap()), 4);
        assert_eq!(trie.below(walk(&trie, "an").unwrap()).count(), 3);
        assert!(trie.is_leaf(walk(&trie, "bob").unwrap()) && !trie.is_leaf(walk(&trie, "ann").unwrap()));
    }

    #[test]
    fn no_terms_make_a_tree_that_leads_nowhere() {
        let trie = trie(&[]);
        assert_eq!(trie.child(Trie::ROOT, 'a'), None);
        assert_eq!(trie.child(Trie::ROOT, 'é'), None);
    }
}
