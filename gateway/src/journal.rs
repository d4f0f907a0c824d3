//! Journal: what is written down and told of, and how it is signed and counted.
//!
//! Records of calls and of the owner's deeds go to the log of `zos-audit`; here is what stands around it: notes of deeds
//! in progress, what verification found, keyed hashes in place of found words, signed statements of what governs, counters,
//! spans and live events. No text of a call is in any of them.

pub mod attest;
pub(crate) mod counters;
pub(crate) mod deed_notes;
pub(crate) mod log_damage;
pub mod system;
pub(crate) mod telemetry;
pub mod terms;

use crate::config::Config;
use crate::views::Event;
use attest::{Attester, Keys, LogSigner, PrivateKeys};
use counters::Counters;
use deed_notes::DeedNotes;
use log_damage::LogDamage;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use telemetry::Telemetry;
use tokio::sync::{Notify, broadcast};
use zos_audit::{Durability, Kind, Log, OnDamage, Record};
use zos_core::Home;
use zos_meter::Clock;
use zos_seal::TermKeys;

/// Live events that a slow reader may lag behind before some are lost to it.
const EVENTS_KEPT: usize = 1024;

/// Pause after each megabyte of a log that is verified in the background, so that the calls beside it have the machine: it
/// goes at some 40 MB/s then.
const VERIFY_PAUSE: Duration = Duration::from_millis(20);

/// Place outside of the log's folder where size and root of the newest checkpoint are told.
#[must_use]
pub fn audit_head(home: &Home) -> PathBuf {
    home.root().join("gateway").join("audit-head.json")
}

/// Choices of the owner about the log and its keys, made when the gateway is opened.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct JournalOptions {
    /// Where private keys are kept.
    pub(crate) keys: Keys,
    /// What becomes of a log that is damaged.
    pub(crate) on_damage: OnDamage,
    /// Whether records that no signature covers are taken over.
    pub(crate) adopts: bool,
}

/// The log, and everything that is told beside it.
pub(crate) struct Journal {
    pub(crate) log: Log,
    /// What verification found wrong in the log.
    damage: LogDamage,
    /// Why checkpoints are not signed, where they are not.
    unsigned: Option<String>,
    was_log_healthy: AtomicBool,
    /// Whether an answer waits until its record is on the disk.
    waits_for_disk: bool,
    /// What the owner is just doing.
    pub(crate) deed_notes: DeedNotes,
    pub(crate) attester: Attester,
    pub(crate) term_keys: TermKeys,
    pub(crate) counters: Counters,
    pub(crate) telemetry: Telemetry,
    events: broadcast::Sender<Arc<Event>>,
    /// Sign that some part may have become better or worse since health was told of.
    health_moved: Arc<Notify>,
    clock: Clock,
    pub(crate) started: Instant,
}

impl Journal {
    /// Opens the log of a home.
    ///
    /// # Errors
    /// When the log cannot be opened. A key that cannot be had is none: checkpoints are not signed then, and health says so.
    pub(crate) fn open(
        home: &Home,
        config: &Config,
        options: JournalOptions,
        clock: Clock,
    ) -> Result<Self, zos_audit::OpenError> {
        let private_keys = PrivateKeys::new(home, options.keys);
        // A keychain that is locked, or a key that is gone, must not keep open rooms from working: the log
        // goes on without checkpoints, says so, and the next start with the key covers what was written.
        let (signer, unsigned) = match private_keys.log() {
            Ok(key) => (Some(Arc::new(LogSigner(key)) as Arc<dyn zos_audit::Signer>), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let log_options = zos_audit::Options {
            durability: config.audit.durability,
            signer,
            on_damage: options.on_damage,
            witness: Some(audit_head(home)),
            adopts: options.adopts,
            waits: true,
            ..zos_audit::Options::default()
        };
        let log = Log::open(&home.audit_dir(), log_options)?;
        Ok(Journal {
            damage: LogDamage::new(&log, options.on_damage),
            log,
            unsigned,
            was_log_healthy: AtomicBool::new(true),
            waits_for_disk: config.audit.durability == Durability::Sync,
            deed_notes: DeedNotes::new(home),
            attester: Attester::new(home, private_keys),
            term_keys: TermKeys::new(home.private_keys().join("terms")),
            counters: Counters::default(),
            telemetry: Telemetry::new(config.telemetry.clone()),
            events: broadcast::Sender::new(EVENTS_KEPT),
            health_moved: Arc::default(),
            clock,
            started: Instant::now(),
        })
    }

    /// Milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// Whether records are kept, in a log that hard rooms may rest on.
    pub(crate) fn is_healthy(&self) -> bool {
        matches!(self.log.health(), zos_audit::Health::Healthy) && !self.damage.stops_hard_rooms()
    }

    /// What does not work, a sentence each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if let zos_audit::Health::Failing { since, error } = self.log.health() {
            problems.push(format!("The log cannot be written since {since}: {error}."));
        }
        problems.extend(self.damage.problem());
        problems
    }

    /// Why checkpoints are not signed, as a sentence; `None` where they are.
    pub(crate) fn unsigned(&self) -> Option<String> {
        self.unsigned.as_ref().map(|why| format!("The log is not signed: {why}."))
    }

    /// Records the start or the stop of the gateway. A failure is counted and told by the log's health.
    pub(crate) fn record_kind(&self, kind: Kind) {
        let _ = self.record(Record { kind, ..Record::default() });
    }

    /// Appends a record and tells whoever listens. An error is logged here; callers decide what follows.
    pub(crate) fn record(&self, record: Record) -> Result<u64, ()> {
        if record.kind == Kind::Call && self.telemetry.is_on() {
            self.telemetry.ended(&record, self.now_ms());
        }
        let kept = (self.events.receiver_count() > 0).then(|| record.clone());
        let written = self.log.append(record);
        self.log_answered(written.is_ok());
        match written {
            Ok(seq) => {
                if let Some(mut record) = kept {
                    record.seq = seq;
                    record.time = zos_audit::format_time(self.now_ms());
                    self.announce(Event::Call { record: Box::new(record.into()) });
                }
                Ok(seq)
            }
            Err(error) => {
                self.counters.unrecorded();
                tracing::error!(%error, "a record could not be written");
                Err(())
            }
        }
    }

    /// Waits until a record is on the disk, where answers wait for that; `false` where the disk did not confirm it.
    pub(crate) async fn is_kept(&self, seq: u64) -> bool {
        if !self.waits_for_disk {
            return true;
        }
        let log = self.log.clone();
        matches!(tokio::task::spawn_blocking(move || log.wait_durable(seq)).await, Ok(Ok(())))
    }

    /// Tells of the deeds that an earlier life of this gateway began, and whose end is not known.
    pub(crate) fn record_unfinished_deeds(&self) {
        for (note, mut record) in self.deed_notes.left() {
            let intent = record.detail.unwrap_or_default();
            record.detail = Some(format!("not known whether done, zOS ended meanwhile: {intent}"));
            let written = self.record(record).map(|seq| self.log.wait_durable(seq));
            if matches!(written, Ok(Ok(()))) {
                note.close();
            }
        }
    }

    /// Notes whether the log took a record; where that changed, health did.
    pub(crate) fn log_answered(&self, is_healthy: bool) {
        if self.was_log_healthy.swap(is_healthy, Ordering::Relaxed) != is_healthy {
            self.health_changed();
        }
    }

    /// Live events from now on.
    pub(crate) fn events(&self) -> broadcast::Receiver<Arc<Event>> {
        self.events.subscribe()
    }

    /// Tells whoever listens.
    pub(crate) fn announce(&self, event: Event) {
        // An error only means that nobody listens.
        let _ = self.events.send(Arc::new(event));
    }

    /// Says that a part became better or worse. The gateway's task composes the whole and announces it.
    pub(crate) fn health_changed(&self) {
        self.health_moved.notify_one();
    }

    /// The sign by which parts say that they became better or worse. It keeps nothing else of the journal alive.
    pub(crate) fn health_moves(&self) -> Arc<Notify> {
        Arc::clone(&self.health_moved)
    }

    /// Takes in what a verification of the whole log came to.
    pub(crate) fn verified(&self, report: &zos_audit::Report) {
        if self.damage.found(report) {
            self.health_changed();
        }
    }
}

/// Verifies the whole log of a home at a pace that leaves the machine to the calls. Opening looked at its newest segment
/// only. Blocks; `None` where the log cannot be read.
pub(crate) fn verify_slowly(home: &Home) -> Option<zos_audit::Report> {
    let mut pause = |_, _| std::thread::sleep(VERIFY_PAUSE);
    zos_audit::verify_witnessed(&home.audit_dir(), None, Some(&audit_head(home)), &mut pause).ok()
}

/// Milliseconds since an instant.
pub(crate) fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
