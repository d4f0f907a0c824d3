//! What a client reads together although it arrives apart: the texts of a choice, the arguments of its calls,
//! what else it says, and all of that in order, over whatever blocks, parts, lists, events and fields it comes
//! in. For APIs with several choices also over those, since many clients read the first one they are given.
//!
//! Nothing of a view leaves by itself: it only looks on. As long as one text speaks, its own scanner knows all
//! that the view does. When another one goes on, and the end of the first might begin a match, the view reads
//! on over the seam with a scanner of its own, until nothing that began before the seam can become a match.
//!
//! A text that goes on behind another one has a seam in its middle. To whoever appends what arrives its word ends there,
//! and another begins where it goes on, although the text itself says one word. So a match that ends or begins at such
//! a seam counts as well, unless the text itself has it: then that is dealt with there.

use super::arguments::Part;
use super::text::Text;
use crate::seams;
use crate::targets::{Court, TargetFindings};
use smallvec::SmallVec;
use std::collections::HashMap;
use zos_rules::{Evasion, StreamViolation};
use zos_wire::places::{Kind, Place, ROOT};

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
    /// calls, and texts of several kinds that may say the same twice in one event: nobody makes one text of those.
    fn is_appended(self) -> bool {
        self == Lane::Text
    }
}

/// One view.
pub(super) struct View {
    pub(super) lane: Lane,
    /// The text that spoke last.
    last: Option<usize>,
    /// How long it was when it began to speak.
    last_from: u64,
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
    seams: SmallVec<[Seam; 2]>,
    /// Where the first of its texts began to speak. What that had said before is not what others go on from.
    from: u64,
    /// Whether clients make one text of what it reads.
    is_appended: bool,
    /// From here on its text is the own text of the one that speaks.
    since: u64,
    /// Whether that one has said a letter or digit: before, what begins a match may still come.
    has_spoken: bool,
}

/// Where one text ends, for now, and another begins or goes on.
struct Seam {
    /// Its place in what the view reads.
    at: u64,
    /// The character before it.
    before: Option<char>,
    /// The text before it, and how long that was; `None` for a turn of the request.
    left: Option<(usize, u64)>,
    /// The text behind it, and how long that was.
    right: (usize, u64),
}

/// Where a match lies that a view found.
pub(super) enum Lies {
    /// Over a seam, so that no text has it.
    Over,
    /// In front of a seam: in this text, where its end was then.
    AtEnd { text: usize, end: u64 },
    /// Behind a seam: in a text that goes on there, from this byte of it.
    AtStart { text: usize, start: u64 },
    /// In a text, or over a seam by chance.
    Elsewhere,
}

impl Live {
    pub(super) fn place(&self, violation: &StreamViolation) -> Lies {
        let span = &violation.span;
        if span.start < self.from {
            return Lies::Elsewhere;
        }
        let mut over = self.seams.iter().filter(|seam| span.start < seam.at && seam.at < span.end).peekable();
        if over.peek().is_some() {
            let is_chance = over.any(|seam| seams::is_chance(violation.evasion, seam.before));
            return if is_chance { Lies::Elsewhere } else { Lies::Over };
        }
        if !self.is_appended {
            return Lies::Elsewhere;
        }
        // Two words of which the second begins with a capital are apart in no text that a person reads.
        if violation.evasion == Some(Evasion::Joined) {
            return Lies::Elsewhere;
        }
        if let Some((text, end)) =
            self.seams.iter().find(|seam| seam.at == span.end).and_then(|seam| seam.left)
        {
            return Lies::AtEnd { text, end };
        }
        match self.seams.iter().find(|seam| seam.at == span.start) {
            Some(Seam { right: (text, start), .. }) if *start > 0 => {
                Lies::AtStart { text: *text, start: *start }
            }
            _ => Lies::Elsewhere,
        }
    }

    /// Reads what the text says that speaks.
    pub(super) fn hear(&mut self, part: &Part<'_>, found: &mut Vec<StreamViolation>) {
        self.has_spoken |= matches!(part, Part::Text(words) if words.contains(char::is_alphanumeric));
        self.text.hear(part, found);
    }

    /// Whether nothing can become a match that does not lie in the text that speaks.
    fn is_settled(&self) -> bool {
        self.has_spoken && self.text.open_from() > self.since && self.text.asked.is_empty()
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
            let view = |lane| View { lane, last: None, last_from: 0, live: None, time: 0, is_cut: false };
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
    ///
    /// `is_within_word` says that the text goes on with no white space on either side of where it was left.
    pub(super) fn turn_to(
        &mut self,
        number: usize,
        text: usize,
        is_within_word: bool,
        texts: &mut [Text],
    ) -> bool {
        let view = &mut self.list[number];
        view.turn_to(number, text, is_within_word, texts, self.opening.as_deref());
        view.live.is_some()
    }

    /// Whether another text than this spoke last, in the whole answer.
    pub(super) fn is_interrupted(&mut self, text: usize) -> bool {
        let [_, all] = self.hearing(ROOT, Kind::Other);
        self.list[all].last.is_some_and(|last| last != text)
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
    fn turn_to(
        &mut self,
        number: usize,
        text: usize,
        is_within_word: bool,
        texts: &mut [Text],
        opening: Option<&Text>,
    ) {
        if self.last == Some(text) {
            return;
        }
        match opening.filter(|_| self.last.is_none() && self.lane.waits_over_blocks()) {
            Some(opening) if opening.open_from() < opening.pushed() => self.begin(opening.onlooker(), 0),
            Some(_) => {}
            None if self.live.is_none() => self.go_live(number, is_within_word, texts),
            None => {}
        }
        if let Some(live) = &mut self.live {
            live.since = live.text.pushed();
            live.has_spoken = false;
            let open = live.text.open_from();
            live.seams.retain(|seam| seam.at >= open);
            live.seams.push(Seam {
                at: live.since,
                before: live.text.last_char(),
                left: self.last.map(|last| (last, texts[last].pushed())),
                right: (text, texts[text].pushed()),
            });
        }
        (self.last, self.last_from) = (Some(text), texts[text].pushed());
        self.is_cut = false;
    }

    /// A block is said to be over: what its last text may begin waits for the next one.
    pub(super) fn end_block(&mut self, number: usize, texts: &mut [Text], block: Place) {
        let is_its = self.last.is_some_and(|last| texts[last].block == block);
        if is_its && self.live.is_none() && self.lane.waits_over_blocks() {
            self.go_live(number, false, texts);
        }
    }

    /// Reads on from the text that spoke last: where its end is open, and where another goes on within a word.
    fn go_live(&mut self, number: usize, is_within_word: bool, texts: &mut [Text]) {
        let Some(last) = self.last.map(|last| &mut texts[last]) else { return };
        let is_open = last.open_from() < last.pushed();
        if !is_open && !is_within_word {
            return;
        }
        let mut text = last.onlooker();
        if self.lane != Lane::Text || self.is_cut || !is_open {
            text.links = None;
        }
        if is_open {
            last.watch(number, self.time.wrapping_add(1));
        }
        self.begin(text, self.last_from);
    }

    /// Reads on from a text, and from what it said from some place on.
    fn begin(&mut self, text: Text, from: u64) {
        self.time = self.time.wrapping_add(1);
        let since = text.pushed();
        self.live = Some(Box::new(Live {
            text,
            seams: SmallVec::new(),
            from,
            is_appended: self.lane.is_appended(),
            since,
            has_spoken: false,
        }));
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
