//! What a client reads together although it arrives apart: the texts of a choice, the arguments of its calls,
//! what else it says, and all of that in order, over whatever blocks, parts, lists, events and fields it comes
//! in. For APIs with several choices also over those, since many clients read the first one they are given.
//!
//! Nothing of a view leaves by itself: it only looks on. As long as one text speaks, its own scanner knows all
//! that the view does. When another one goes on, and the end of the first might begin a match, the view reads
//! on over the seam with a scanner of its own, until nothing that began before the seam can become a match.

use super::text::Text;
use crate::seams;
use crate::targets::{Court, TargetFindings};
use smallvec::SmallVec;
use std::collections::HashMap;
use zos_rules::StreamViolation;
use zos_wire::places::Kind;
use zos_wire::places::Place;

/// Which texts a view reads on from one to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    Text,
    Arguments,
    Other,
    All,
}

const LANES: [Lane; 4] = [Lane::Text, Lane::Arguments, Lane::Other, Lane::All];

impl Lane {
    fn of(kind: Kind) -> Lane {
        match kind {
            Kind::Text => Lane::Text,
            Kind::Arguments => Lane::Arguments,
            Kind::Other => Lane::Other,
        }
    }

    /// Whether the end of a block that may begin a match waits for the next text. Thinking and calls do not
    /// wait for another block of their kind, which most answers do not have.
    fn waits_over_blocks(self) -> bool {
        matches!(self, Lane::Text | Lane::All)
    }
}

/// One view.
pub(super) struct View {
    pub(super) lane: Lane,
    /// The text that spoke last.
    last: Option<usize>,
    /// While the end of one text and what another says may be a match together.
    pub(super) live: Option<Box<Live>>,
    /// Counts how often it went live, so that what waited for one time does not wait for the next.
    pub(super) time: u32,
    /// Whether a tool call came since: no client joins a link over one.
    is_cut: bool,
}

/// A view that reads over a seam.
pub(super) struct Live {
    pub(super) text: Text,
    /// Where one text ends and the next begins, and with what character the one ends.
    seams: SmallVec<[(u64, Option<char>); 4]>,
    /// From here on its text is the own text of the one that speaks.
    since: u64,
}

impl Live {
    /// Whether a match lies over a seam. Others are found in the texts themselves.
    pub(super) fn is_over_seam(&self, violation: &StreamViolation) -> bool {
        let span = &violation.span;
        let mut over =
            self.seams.iter().filter(|(seam, _)| span.start < *seam && *seam < span.end).peekable();
        over.peek().is_some() && !over.any(|(_, before)| seams::is_chance(violation.evasion, *before))
    }

    /// Whether nothing can become a match that does not lie in the text that speaks.
    fn is_settled(&self) -> bool {
        self.text.open_from() > self.since && self.text.asked.is_empty()
    }
}

/// All views of an answer.
#[derive(Default)]
pub(super) struct Views {
    /// Text of the request that the answer goes on from. Nothing of it is held, and what lies in it is told of there.
    pub(super) opening: Option<Box<Text>>,
    list: Vec<View>,
    /// The first of the lanes of each choice.
    by_scope: HashMap<Place, usize>,
}

impl Views {
    /// The views that hear a text of this kind.
    pub(super) fn hearing(&mut self, scope: Place, kind: Kind) -> [usize; 2] {
        let list = &mut self.list;
        let first = *self.by_scope.entry(scope).or_insert_with(|| {
            let view = |lane| View { lane, last: None, live: None, time: 0, is_cut: false };
            list.extend(LANES.map(view));
            list.len() - LANES.len()
        });
        [first + Lane::of(kind) as usize, first + Lane::All as usize]
    }

    pub(super) fn all(&mut self) -> impl Iterator<Item = &mut View> {
        self.list.iter_mut()
    }

    pub(super) fn live(&self) -> impl Iterator<Item = &Live> {
        self.list.iter().filter_map(|view| view.live.as_deref())
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn get(&self, view: usize) -> &View {
        &self.list[view]
    }

    pub(super) fn get_mut(&mut self, view: usize) -> &mut View {
        &mut self.list[view]
    }

    /// A text goes on, or begins, in a view. Gives whether the view reads over a seam.
    pub(super) fn turn_to(&mut self, number: usize, text: usize, texts: &mut [Text]) -> bool {
        let view = &mut self.list[number];
        view.turn_to(number, text, texts, self.opening.as_deref());
        view.live.is_some()
    }

    /// How far what a view read at some time is harmless; all of it once that time is over.
    pub(super) fn safe(&self, view: usize, time: u32) -> u64 {
        let view = &self.list[view];
        match &view.live {
            Some(live) if view.time == time => live.text.safe(),
            _ => u64::MAX,
        }
    }
}

impl View {
    /// A text goes on, or begins. What it says next is read over the seam where the end of the last one is open.
    fn turn_to(&mut self, number: usize, text: usize, texts: &mut [Text], opening: Option<&Text>) {
        if self.last == Some(text) {
            return;
        }
        match opening.filter(|_| self.last.is_none() && self.lane.waits_over_blocks()) {
            Some(opening) if opening.open_from() < opening.pushed() => self.begin(opening.onlooker()),
            Some(_) => {}
            None if self.live.is_none() => self.go_live(number, texts),
            None => {}
        }
        if let Some(live) = &mut self.live {
            live.since = live.text.pushed();
            let (open, since) = (live.text.open_from(), live.since);
            live.seams.retain(|(seam, _)| *seam > open);
            live.seams.push((since, live.text.last_char()));
        }
        self.last = Some(text);
        self.is_cut = false;
    }

    /// A block is said to be over: what its last text may begin waits for the next one.
    pub(super) fn end_block(&mut self, number: usize, texts: &mut [Text], block: Place) {
        let is_its = self.last.is_some_and(|last| texts[last].block == block);
        if is_its && self.live.is_none() && self.lane.waits_over_blocks() {
            self.go_live(number, texts);
        }
    }

    fn go_live(&mut self, number: usize, texts: &mut [Text]) {
        let Some(last) = self.last.map(|last| &mut texts[last]) else { return };
        if last.open_from() >= last.pushed() {
            return;
        }
        let mut text = last.onlooker();
        if self.lane != Lane::Text || self.is_cut {
            text.links = None;
        }
        last.watch(number, self.time.wrapping_add(1));
        self.begin(text);
    }

    /// Reads on from a text.
    fn begin(&mut self, text: Text) {
        self.time = self.time.wrapping_add(1);
        let since = text.pushed();
        self.live = Some(Box::new(Live { text, seams: SmallVec::new(), since }));
    }

    /// After it read on: lets go of what the texts know by themselves.
    pub(super) fn settle(&mut self) {
        self.live.take_if(|live| live.is_settled());
    }

    /// A tool call begins: no client joins a link over it.
    pub(super) fn cut_links(&mut self, court: Court<'_>, findings: &mut TargetFindings) {
        self.is_cut = true;
        if let Some(links) = self.live.as_mut().and_then(|live| live.text.links.as_mut()) {
            links.seam(court, findings);
        }
    }

    /// The text that spoke last.
    pub(super) fn last(&self) -> Option<usize> {
        self.last
    }
}
