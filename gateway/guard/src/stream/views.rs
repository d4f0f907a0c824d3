//! What a client reads together although it arrives apart: the texts of a choice, the arguments of its calls,
//! what else it says, and all of that in order, over whatever blocks, parts, lists, events and fields it comes
//! in. For APIs with several choices also over those, since many clients read the first one they are given.
//!
//! Nothing of a view leaves by itself: it only looks on. As long as one text speaks, its own scanner knows all
//! that the view does. When another one goes on, and the end of the first might begin a match, the view reads
//! on over the seam with a scanner of its own, until nothing that began before the seam can become a match.
//!
//! What is shown as the answer is also read to the letter in the order in which it arrives, since clients append it so.
//! There a text that goes on behind others is not the text that its own scanner knows: a word of it may begin or end
//! where the others speak. So the view reads such a stretch by itself, and counts what touches a seam in it.

use super::text::Text;
use crate::seams;
use crate::targets::{Court, TargetFindings};
use smallvec::{SmallVec, smallvec};
use std::collections::HashMap;
use std::ops::Range;
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

    /// Whether clients append its pieces as they arrive, whatever block or choice they are of. The other lanes hold
    /// texts of several kinds, or calls: nobody makes one text of those, and what lies over a seam is enough.
    fn is_appended(self) -> bool {
        self == Lane::Text
    }
}

/// One view.
pub(super) struct View {
    pub(super) lane: Lane,
    /// The text that spoke last.
    last: Option<usize>,
    /// How long that text was when it began to speak.
    floor: u64,
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
    /// What the texts said one after another, as far as a match may still lie in it; never empty.
    stretches: SmallVec<[Stretch; 4]>,
}

/// What one text says until another one speaks.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    /// Where it begins in the view.
    start: u64,
    /// The text; none where it is one of the request.
    text: Option<usize>,
    /// Where it begins in that text.
    own: u64,
    /// The character before it in the view.
    before: Option<char>,
}

/// Where a match of a view lies.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lies {
    /// Over a seam: no text holds all of it.
    OverSeam,
    /// In this text, with its place there, and beside a seam: its own scanner may see another word there.
    BesideSeam(usize, Range<u64>),
    /// Where the scanner of a text finds it, or where it is chance.
    Elsewhere,
}

impl Live {
    /// Where a match lies.
    pub(super) fn place(&self, violation: &StreamViolation) -> Lies {
        let span = &violation.span;
        let after = self.stretches.partition_point(|stretch| stretch.start <= span.start);
        let (said, others) = self.stretches.split_at(after);
        let Some(stretch) = said.last() else { return Lies::Elsewhere };
        let end = others.first().map_or(self.text.pushed(), |next| next.start);
        if end < span.end {
            let mut over = others.iter().take_while(|next| next.start < span.end);
            let is_chance = over.any(|next| seams::is_chance(violation.evasion, next.before));
            return if is_chance { Lies::Elsewhere } else { Lies::OverSeam };
        }
        match stretch.text.filter(|_| span.start == stretch.start || span.end == end) {
            Some(text) => {
                let own = |at: u64| at - stretch.start + stretch.own;
                Lies::BesideSeam(text, own(span.start)..own(span.end))
            }
            None => Lies::Elsewhere,
        }
    }

    /// A text begins to speak.
    fn turn_to(&mut self, text: usize, own: u64) {
        let (open, start) = (self.text.open_from(), self.text.pushed());
        // Stretches in which nothing is open are forgotten, and so is one in which nothing was said.
        let ends = self.stretches.iter().skip(1).map(|next| next.start);
        let gone = ends.take_while(|end| *end <= open.min(start.saturating_sub(1))).count();
        self.stretches.drain(..gone);
        if self.stretches.len() > 1 && self.stretches.last().is_some_and(|last| last.start == start) {
            self.stretches.pop();
        }
        self.stretches.push(Stretch { start, text: Some(text), own, before: self.text.last_char() });
    }

    /// Whether nothing can become a match that the scanner of the text that speaks does not know of.
    fn is_settled(&self, texts: &[Text], is_appended: bool) -> bool {
        let Some(stretch) = self.stretches.last() else { return true };
        if self.text.open_from() <= stretch.start || !self.text.asked.is_empty() {
            return false;
        }
        // A text that goes on remembers what it said before: until that is too far away, it may read other words.
        let is_far = self.text.pushed() - stretch.start >= seams::SEAM_BYTES as u64;
        let knows_it = |text: usize| is_far && texts[text].open_from() > stretch.own;
        !is_appended || stretch.own == 0 || stretch.text.is_none_or(knows_it)
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
            let view = |lane| View { lane, last: None, floor: 0, live: None, time: 0, is_cut: false };
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
        let own = texts[text].pushed();
        match opening.filter(|_| self.last.is_none() && self.lane.waits_over_blocks()) {
            Some(opening) if opening.open_from() < opening.pushed() => {
                self.begin(opening.onlooker(), Stretch { start: 0, text: None, own: 0, before: None });
            }
            Some(_) => {}
            None if self.live.is_none() => self.go_live(number, texts, self.lane.is_appended() && own > 0),
            None => {}
        }
        if let Some(live) = &mut self.live {
            live.turn_to(text, own);
        }
        (self.last, self.floor) = (Some(text), own);
        self.is_cut = false;
    }

    /// A block is said to be over: what its last text may begin waits for the next one.
    pub(super) fn end_block(&mut self, number: usize, texts: &mut [Text], block: Place) {
        let is_its = self.last.is_some_and(|last| texts[last].block == block);
        if is_its && self.live.is_none() && self.lane.waits_over_blocks() {
            self.go_live(number, texts, false);
        }
    }

    /// Reads on from the text that spoke last, where its end is open; where it is to be `anyway`, also where it is not.
    fn go_live(&mut self, number: usize, texts: &mut [Text], anyway: bool) {
        let Some(number_of_last) = self.last else { return };
        let last = &mut texts[number_of_last];
        if !anyway && last.open_from() >= last.pushed() {
            return;
        }
        let mut text = last.onlooker();
        if self.lane != Lane::Text || self.is_cut {
            text.links = None;
        }
        last.watch(number, self.time.wrapping_add(1));
        let start = self.floor;
        self.begin(text, Stretch { start, text: Some(number_of_last), own: start, before: None });
    }

    /// Reads on from a text.
    fn begin(&mut self, text: Text, stretch: Stretch) {
        self.time = self.time.wrapping_add(1);
        self.live = Some(Box::new(Live { text, stretches: smallvec![stretch] }));
    }

    /// Where a match lies, as far as it counts in this view.
    pub(super) fn place(&self, violation: &StreamViolation) -> Lies {
        match self.live.as_deref().map(|live| live.place(violation)) {
            Some(Lies::BesideSeam(..)) if !self.lane.is_appended() => Lies::Elsewhere,
            lies => lies.unwrap_or(Lies::Elsewhere),
        }
    }

    /// After it read on: lets go of what the texts know by themselves.
    pub(super) fn settle(&mut self, texts: &[Text]) {
        let is_appended = self.lane.is_appended();
        self.live.take_if(|live| live.is_settled(texts, is_appended));
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
