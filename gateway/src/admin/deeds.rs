//! Deeds of the owner: the one way from a request that changes something to the record of it.
//!
//! The record is written after the deed and says what happened, so a request that was refused leaves none. A deed begins
//! only while the log takes records and once a note of it is on the disk ([`crate::journal::deed_notes`]): what is done when the
//! log fails in between, or the machine stops, is told as soon as the log works again. No handler writes records itself;
//! a test reads their source for it. The log's own deeds (a new key of its own, pruning) are recorded by the log.

use super::problem::AdminRefusal;
use crate::gateway::Gateway;
use crate::journal::deed_notes::Note;
use std::sync::Arc;
use zos_audit::{Kind, Record};

/// What the owner wants done.
pub(crate) struct Deed {
    kind: Kind,
    context: Option<String>,
    /// In words, as an order ("write context file acme"): it stands in the log only where the deed failed.
    intent: String,
}

/// What came of a deed that was neither refused nor failed.
pub(crate) enum Done<T> {
    /// It happened; the words are those of its record.
    Happened(T, String),
    /// There was nothing to do, and nothing is recorded.
    Nothing(T),
}

impl Deed {
    /// A decision about a context, or about the whole gateway.
    pub(crate) fn decision(context: Option<&str>, intent: impl Into<String>) -> Self {
        Deed { kind: Kind::Decision, context: context.map(str::to_owned), intent: intent.into() }
    }

    /// A change of keys.
    pub(crate) fn key(context: Option<&str>, intent: impl Into<String>) -> Self {
        Deed { kind: Kind::Key, context: context.map(str::to_owned), intent: intent.into() }
    }

    fn record(&self, detail: String) -> Record {
        Record { context: self.context.clone(), ..Record::event(self.kind, detail) }.bounded()
    }
}

/// Does a deed on a thread that may block. It is done and recorded to its end also when the caller hangs up.
///
/// # Errors
/// Those of [`act_here`].
pub(crate) async fn act<T: Send + 'static>(
    gateway: Arc<Gateway>,
    deed: Deed,
    perform: impl FnOnce(&Gateway) -> Result<Done<T>, AdminRefusal> + Send + 'static,
) -> Result<T, AdminRefusal> {
    let done = tokio::task::spawn_blocking(move || act_here(&gateway, &deed, perform));
    done.await.unwrap_or_else(|error| Err(AdminRefusal::failed("The change could not be made", &error)))
}

/// Does a deed and records what happened. Blocks.
///
/// # Errors
/// When the log takes no records (nothing is done then), when `perform` refuses (nothing is recorded) or fails (that it
/// failed is recorded), or when the log failed meanwhile: it is done then, and recorded later.
pub(crate) fn act_here<T>(
    gateway: &Gateway,
    deed: &Deed,
    perform: impl FnOnce(&Gateway) -> Result<Done<T>, AdminRefusal>,
) -> Result<T, AdminRefusal> {
    let note = begin(gateway, deed).ok_or_else(AdminRefusal::unrecorded)?;
    match perform(gateway) {
        Ok(Done::Happened(value, detail)) => {
            tracing::info!(context = deed.context.as_deref(), "{detail}");
            record(gateway, note, deed.record(detail)).ok_or_else(AdminRefusal::recorded_later)?;
            Ok(value)
        }
        Ok(Done::Nothing(value)) => {
            note.close();
            Ok(value)
        }
        Err(refusal) if refusal.is_failure() => {
            // What the caller is told is the failure itself; a record that is owed is written later.
            let _ = record(gateway, note, deed.record(format!("failed: {}", deed.intent)));
            Err(refusal)
        }
        Err(refusal) => {
            note.close();
            Err(refusal)
        }
    }
}

/// Lets a deed begin: the log takes records, all that were owed are written, and the deed is noted.
fn begin(gateway: &Gateway, deed: &Deed) -> Option<Note> {
    let ready = gateway.journal.log.ready();
    if let Err(error) = &ready {
        gateway.journal.log_answered(false);
        tracing::error!(%error, "nothing is changed while no record can be written");
        return None;
    }
    let mut owed = gateway.journal.deed_notes.take_owed().into_iter();
    while let Some((note, late)) = owed.next() {
        if record(gateway, note, late).is_none() {
            owed.for_each(|(note, late)| gateway.journal.deed_notes.owe(note, late));
            return None;
        }
    }
    let noted = gateway.journal.deed_notes.begin(&deed.record(deed.intent.clone()));
    noted.inspect_err(|error| tracing::error!(%error, "what is to be done could not be noted")).ok()
}

/// Writes the record of a deed and closes its note once the disk has it; `None` where the log does not take it now.
fn record(gateway: &Gateway, note: Note, record: Record) -> Option<()> {
    let Ok(seq) = gateway.journal.record(record.clone()) else {
        gateway.journal.deed_notes.owe(note, record);
        return None;
    };
    match gateway.journal.log.wait_durable(seq) {
        Ok(()) => note.close(),
        // The line is written, and may be lost with the power: the note stays for the next start.
        Err(error) => tracing::error!(%error, "the disk did not confirm the record of a change"),
    }
    Some(())
}

#[cfg(test)]
mod tests;
