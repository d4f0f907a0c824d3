//! Changes to a memory. Each is on the disk when its function returns.

use zos_rules::RoomRules;

use super::{Added, Forgotten, MemoryError, New, Result, Room, Waiting, status};
use crate::context::Isolation;
use crate::memory::conflict::{Relation, Said};
use crate::memory::folder::Opened;
use crate::memory::gate::{self, Flag};
use crate::memory::index::{Index, Stored};
use crate::memory::item::{Id, Item, LABEL_MAX_BYTES, Origin, Source, Status, TEXT_MAX_BYTES};
use crate::memory::recall;
use crate::memory::time::Moment;

/// Memories that a new one is compared with, besides those on its subject.
const COMPARED_MAX: usize = 40;

/// Proposals that may wait in one context: a model in a loop must not fill the disk.
const PROPOSALS_MAX: usize = 1000;

impl Room {
    /// Adds a memory. The owner's is in force at once, and supersedes what is in force on its
    /// subject; anybody else's waits for review, unless its kind is in `auto_accept` and nothing was
    /// noticed about it. What is remembered already is not kept twice: that memory is returned.
    ///
    /// # Errors
    /// If it cannot be kept as it is, or the disk fails.
    pub fn add(
        &self,
        new: New,
        rules: Option<&RoomRules>,
        auto_accept: &[String],
        now: Moment,
    ) -> Result<Added> {
        let mut item = self.draft(new, now)?;
        let opened = self.folder.make()?;
        let _lock = opened.lock()?;
        let mut state = self.state();
        let index = Self::fresh(&opened, &mut state)?;
        let others = compare(index, &item, now)?;
        if let Some(known) = others.same {
            return Ok(Added { item: known.item, flags: vec![Flag::Duplicate], contradicts: Vec::new() });
        }
        let mut flags = gate::look(&searchable(&item), rules);
        if !others.on_subject.is_empty() || !others.by_words.is_empty() {
            flags.push(Flag::Contradiction);
        }
        if item.status == Status::Proposed {
            if flags.is_empty() && auto_accept.iter().any(|kind| kind == item.kind.name()) {
                item.status = Status::Active;
                item.reviewed = Some(now);
            } else if index.by_status(Status::Proposed.name())?.len() >= PROPOSALS_MAX {
                return Err(invalid(format!(
                    "{PROPOSALS_MAX} proposals wait for review already; review them first"
                )));
            }
        }
        let mut contradicts = others.by_words;
        if item.status == Status::Active {
            let replaced = replaced(index, &item, others.on_subject, now)?;
            item.supersedes = ids(&replaced);
            let path = opened.add(&item)?;
            index.refresh_one(&opened, &path, &item.id)?;
            supersede(&opened, index, &replaced, now)?;
        } else {
            contradicts.extend(others.on_subject);
            let path = opened.add(&item)?;
            index.refresh_one(&opened, &path, &item.id)?;
        }
        Ok(Added { item, flags, contradicts: ids(&contradicts) })
    }

    /// Proposals that wait for the owner, oldest first.
    ///
    /// # Errors
    /// If the folder cannot be read and the index not be made.
    pub fn review(&self, rules: Option<&RoomRules>, now: Moment) -> Result<Vec<Waiting>> {
        self.read(Vec::new(), |index| {
            let mut waiting = Vec::new();
            for stored in index.by_status(Status::Proposed.name())? {
                if stored.item.status_at(now) != Status::Proposed {
                    continue;
                }
                let others = compare(index, &stored.item, now)?;
                let mut flags = gate::look(&searchable(&stored.item), rules);
                if others.same.is_some() {
                    flags.push(Flag::Duplicate);
                }
                if !others.on_subject.is_empty() || !others.by_words.is_empty() {
                    flags.push(Flag::Contradiction);
                }
                let contradicts = ids(&others.by_words);
                let would_supersede = ids(&replaced(index, &stored.item, others.on_subject, now)?);
                let item = stored.item;
                waiting.push(Waiting { item, proposal: "keep", flags, would_supersede, contradicts });
            }
            for stored in index.by_status(Status::Active.name())? {
                if stored.item.delete_proposed.is_some()
                    && status(index, &stored.item, now)? == Status::Active
                {
                    waiting.push(Waiting {
                        item: stored.item,
                        proposal: "delete",
                        flags: Vec::new(),
                        would_supersede: Vec::new(),
                        contradicts: Vec::new(),
                    });
                }
            }
            Ok(waiting)
        })
    }

    /// The owner accepts a proposal: it is in force, and supersedes what is in force on its subject, and
    /// what `also` names besides. Accepting a wish to delete keeps the memory's file, as superseded.
    ///
    /// # Errors
    /// [`MemoryError::UnknownId`], [`MemoryError::NotWaiting`], or the disk.
    pub fn accept(&self, id: &Id, also: &[Id], now: Moment) -> Result<Item> {
        self.deciding(now, |review| review.accept(id, also))?
    }

    /// The owner turns a proposal down. Its file stays, as rejected; a memory that was to be deleted
    /// stays in force.
    ///
    /// # Errors
    /// As for [`Room::accept`].
    pub fn reject(&self, id: &Id, now: Moment) -> Result<Item> {
        self.deciding(now, |review| review.reject(id))?
    }

    /// The owner accepts several proposals, or turns them down; what became of each, in their order. One that
    /// cannot be decided does not keep the others from being so.
    ///
    /// # Errors
    /// [`MemoryError::UnknownId`] where nothing is remembered, or the disk.
    pub fn decide(&self, ids: &[Id], accept: bool, now: Moment) -> Result<Vec<Result<Item>>> {
        self.deciding(now, |review| {
            let mut decide = |id| if accept { review.accept(id, &[]) } else { review.reject(id) };
            ids.iter().map(&mut decide).collect()
        })
    }

    fn deciding<T>(&self, now: Moment, decide: impl FnOnce(&mut Deciding<'_>) -> T) -> Result<T> {
        let opened = self.folder.open()?.ok_or(MemoryError::UnknownId)?;
        let _lock = opened.lock()?;
        let mut state = self.state();
        let index = Self::fresh(&opened, &mut state)?;
        Ok(decide(&mut Deciding { opened: &opened, index, now }))
    }

    /// Removes a memory and its file. What it superseded stays superseded.
    ///
    /// # Errors
    /// [`MemoryError::UnknownId`], or the disk.
    pub fn forget(&self, id: &Id) -> Result<Forgotten> {
        let opened = self.folder.open()?.ok_or(MemoryError::UnknownId)?;
        let _lock = opened.lock()?;
        let mut state = self.state();
        let index = Self::fresh(&opened, &mut state)?;
        let stored = index.by_id(id)?.ok_or(MemoryError::UnknownId)?;
        opened.remove(&stored.path)?;
        index.refresh_one(&opened, &stored.path, id)?;
        Ok(Forgotten { id: id.clone(), forgotten: true })
    }

    /// Changes one memory by `change`, for the memory tool; `None` leaves it as it is.
    pub(in crate::memory) fn amend(
        &self,
        id: &Id,
        change: impl FnOnce(&Item) -> Option<Item>,
    ) -> Result<Item> {
        let opened = self.folder.open()?.ok_or(MemoryError::UnknownId)?;
        let _lock = opened.lock()?;
        let mut state = self.state();
        let index = Self::fresh(&opened, &mut state)?;
        let stored = index.by_id(id)?.ok_or(MemoryError::UnknownId)?;
        match change(&stored.item) {
            Some(after) => {
                check(&after.text, after.subject.as_deref(), after.path.as_deref())?;
                self::change(&opened, index, &stored, after)
            }
            None => Ok(stored.item),
        }
    }

    fn draft(&self, new: New, now: Moment) -> Result<Item> {
        let text = new.text.trim().to_owned();
        let subject = new.subject.map(|subject| subject.trim().to_owned()).filter(|text| !text.is_empty());
        check(&text, subject.as_deref(), new.source.reference.as_deref())?;
        check(&text, None, new.path.as_deref())?;
        let seed = getrandom::u32().map_err(|error| std::io::Error::other(error.to_string()))?;
        let is_owners = new.source.origin == Origin::User;
        Ok(Item {
            id: Id::new(now, seed),
            context: self.context().clone(),
            kind: new.kind,
            status: if is_owners { Status::Active } else { Status::Proposed },
            source: new.source,
            created: now,
            valid_from: None,
            valid_to: None,
            expires: new.expires,
            supersedes: new.supersedes,
            subject,
            sensitivity: None,
            reviewed: None,
            pinned: false,
            path: new.path,
            delete_proposed: None,
            text,
        })
    }
}

/// The owner's decisions while nobody else changes this memory.
struct Deciding<'d> {
    opened: &'d Opened<'d>,
    index: &'d mut Index,
    now: Moment,
}

impl Deciding<'_> {
    /// A memory that waits for a decision.
    fn waiting(&self, id: &Id) -> Result<Stored> {
        let stored = self.index.by_id(id)?.ok_or(MemoryError::UnknownId)?;
        let status = status(self.index, &stored.item, self.now)?;
        let waits =
            status == Status::Proposed || (status == Status::Active && stored.item.delete_proposed.is_some());
        if waits { Ok(stored) } else { Err(MemoryError::NotWaiting { status }) }
    }

    fn accept(&mut self, id: &Id, also: &[Id]) -> Result<Item> {
        let (stored, now) = (self.waiting(id)?, self.now);
        let before = &stored.item;
        if before.delete_proposed.is_some() {
            let after = Item { status: Status::Superseded, valid_to: Some(now), ..before.clone() };
            return change(self.opened, self.index, &stored, after);
        }
        let others = compare(self.index, before, now)?;
        for named in also {
            self.index.by_id(named)?.ok_or(MemoryError::UnknownId)?;
        }
        let wished = Item { supersedes: [&before.supersedes, also].concat(), ..before.clone() };
        // One that says the same is in force no longer beside it.
        let known = others.on_subject.into_iter().chain(others.same).collect();
        let replaced = replaced(self.index, &wished, known, now)?;
        let after = Item {
            status: Status::Active,
            reviewed: Some(now),
            supersedes: ids(&replaced),
            ..before.clone()
        };
        let accepted = change(self.opened, self.index, &stored, after)?;
        supersede(self.opened, self.index, &replaced, now)?;
        Ok(accepted)
    }

    fn reject(&mut self, id: &Id) -> Result<Item> {
        let stored = self.waiting(id)?;
        let after = match stored.item.delete_proposed {
            Some(_) => Item { delete_proposed: None, ..stored.item.clone() },
            None => Item { status: Status::Rejected, reviewed: Some(self.now), ..stored.item.clone() },
        };
        change(self.opened, self.index, &stored, after)
    }
}

/// Changes a memory's file and its place in the index.
fn change(opened: &Opened<'_>, index: &mut Index, stored: &Stored, after: Item) -> Result<Item> {
    opened.change(&stored.path, &stored.item, &after)?;
    index.refresh_one(opened, &stored.path, &stored.item.id)?;
    Ok(after)
}

/// Marks what a memory in force replaced. Should a crash come between, that memory says so itself.
fn supersede(opened: &Opened<'_>, index: &mut Index, replaced: &[Stored], now: Moment) -> Result<()> {
    for old in replaced {
        let after = Item { status: Status::Superseded, valid_to: Some(now), ..old.item.clone() };
        change(opened, index, old, after)?;
    }
    Ok(())
}

/// Copies a memory in force from one context into another, with its provenance, through the firewalls
/// of both. The owner's own act, so the copy is in force.
///
/// # Errors
/// If the source is hard, a firewall denies the text, or the disk fails.
pub fn promote(
    from: (&Room, Isolation, Option<&RoomRules>),
    to: (&Room, Option<&RoomRules>),
    id: &Id,
    now: Moment,
) -> Result<Added> {
    let ((source, isolation, source_rules), (target, target_rules)) = (from, to);
    if source.context() == target.context() {
        return Err(MemoryError::SameContext);
    }
    let (item, _) = source.show(id, now)?;
    if isolation == Isolation::Hard {
        return Err(MemoryError::HardContext);
    }
    if item.status != Status::Active {
        return Err(MemoryError::NotInForce { status: item.status });
    }
    let text = searchable(&item);
    for (room, rules) in [(source, source_rules), (target, target_rules)] {
        if rules.is_some_and(|rules| gate::holds(rules, &text)) {
            return Err(MemoryError::Denied { context: room.context().clone() });
        }
    }
    // The reference names the memory, not the context: what the target tells its models must not tell
    // them which other rooms there are.
    let new = New {
        text: item.text,
        subject: item.subject,
        kind: item.kind,
        source: Source { origin: Origin::User, reference: Some(format!("promoted {}", item.id)) },
        expires: item.expires,
        path: None,
        supersedes: Vec::new(),
    };
    target.add(new, target_rules, &[], now)
}

/// Memories in force that a new one is compared with.
#[derive(Default)]
struct Others {
    /// Memory in force with the same text.
    same: Option<Stored>,
    /// Memories on its subject.
    on_subject: Vec<Stored>,
    /// Memories that it contradicts by its words.
    by_words: Vec<Stored>,
}

fn compare(index: &Index, item: &Item, now: Moment) -> rusqlite::Result<Others> {
    let mut candidates = match item.subject_key() {
        Some(key) => index.by_subject(&key)?,
        None => Vec::new(),
    };
    if let Some(query) = recall::query(&item.text) {
        for hit in index.search(&query, COMPARED_MAX)? {
            if candidates.iter().all(|known| known.row != hit.item) {
                candidates.extend(index.by_row(hit.item)?);
            }
        }
    }
    let (said, mut others) = (Said::by(item), Others::default());
    for candidate in candidates.into_iter().filter(|candidate| candidate.item.id != item.id) {
        let status = status(index, &candidate.item, now)?;
        let relation = said.relation(&Said::by(&candidate.item));
        match (relation, status) {
            (Relation::Same, Status::Active) => others.same = Some(candidate),
            // Two proposals that say the same are one; the owner's own words are not a proposal.
            (Relation::Same, Status::Proposed) if item.status == Status::Proposed => {
                others.same.get_or_insert(candidate);
            }
            (Relation::Subject, Status::Active) => others.on_subject.push(candidate),
            (Relation::Words, Status::Active) => others.by_words.push(candidate),
            _ => {}
        }
    }
    Ok(others)
}

/// Memories that one replaces when it is in force: those on its subject, and those it names itself.
fn replaced(
    index: &Index,
    item: &Item,
    on_subject: Vec<Stored>,
    now: Moment,
) -> rusqlite::Result<Vec<Stored>> {
    let mut replaced = on_subject;
    for id in &item.supersedes {
        if let Some(named) = index.by_id(id)?
            && replaced.iter().all(|known| known.row != named.row)
            && status(index, &named.item, now)? == Status::Active
        {
            replaced.push(named);
        }
    }
    Ok(replaced)
}

fn ids(stored: &[Stored]) -> Vec<Id> {
    stored.iter().map(|stored| stored.item.id.clone()).collect()
}

/// Text of a memory that a person would read, subject included.
fn searchable(item: &Item) -> String {
    match &item.subject {
        Some(subject) => format!("{subject}\n\n{}", item.text),
        None => item.text.clone(),
    }
}

fn check(text: &str, subject: Option<&str>, reference: Option<&str>) -> Result<()> {
    if text.trim().is_empty() {
        return Err(invalid("There is no text to remember."));
    }
    if text.len() > TEXT_MAX_BYTES {
        return Err(invalid(format!(
            "The text has {} bytes; a memory has at most {TEXT_MAX_BYTES}. Split it.",
            text.len()
        )));
    }
    if text.contains('\0') {
        return Err(invalid("The text holds a NUL character."));
    }
    for (name, label) in [("subject", subject), ("reference", reference)] {
        let Some(label) = label else { continue };
        if label.len() > LABEL_MAX_BYTES || label.contains(['\n', '\r', '\0']) {
            return Err(invalid(format!("The {name} must be one line of at most {LABEL_MAX_BYTES} bytes.")));
        }
    }
    Ok(())
}

fn invalid(what: impl Into<String>) -> MemoryError {
    MemoryError::Invalid { what: what.into() }
}
