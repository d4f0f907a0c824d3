//! Sums and history rows as one transaction changes them, written once before its commit.
//!
//! A transaction carries the jobs of many callers, most of them in the same few purses. Each purse is read when it is
//! first needed and written when the jobs are done, so that a job costs its own row and little else. Purses that were
//! read are kept for the next transaction: SQLite's `data_version` tells whether another connection has
//! written to the file meanwhile, and then they are read anew. A transaction that fails has to
//! [forget](Sheet::forget) the sheet.
//!
//! Sums stop at the largest signed 64-bit integer: SQLite would turn an overflow into a floating point number, and
//! money is never one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::num::TryFromIntError;

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::ledger::kept;
use crate::limit::{self, Sums};
use crate::{Balance, Day, Limit, Micros, Period, Standing, Usage};

/// The most purses kept between transactions: some hundred bytes each. Beyond it all are read anew.
const PURSES_KEPT: usize = 1_024;

/// Purses and history rows of the transaction that is under way.
#[derive(Default)]
pub(super) struct Sheet {
    /// The version of the file that the purses were read from; `None` before the first transaction.
    version: Option<i64>,
    purses: HashMap<PurseName, Purse>,
    /// Purses that differ from the file.
    changed: Vec<PurseName>,
    /// Sums that the transaction adds to the history.
    rows: HashMap<RowName, Added>,
}

/// The key of a purse.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct PurseName {
    context: String,
    scope: String,
    period: String,
}

struct Purse {
    sums: Sums,
    is_changed: bool,
}

/// The key of a row of the history.
#[derive(PartialEq, Eq, Hash)]
struct RowName {
    day: Day,
    context: String,
    model: String,
    provider: String,
    client: String,
}

/// Sums that are added to a row of the history.
#[derive(Default)]
struct Added {
    calls: i64,
    estimated_calls: i64,
    input: i64,
    output: i64,
    cache_read: i64,
    cache_write: i64,
    reasoning: i64,
    expired: i64,
    cost_micros: i64,
    unpriced_calls: i64,
}

/// Amounts that are added to a purse; what is given back is negative.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Booking {
    pub(super) used: i64,
    pub(super) held: i64,
    pub(super) used_micros: i64,
    pub(super) held_micros: i64,
    pub(super) unpriced: i64,
}

/// The cost of one call, for the history.
pub(super) struct Spent {
    pub(super) usage: Usage,
    pub(super) expired: i64,
    pub(super) micros: Option<Micros>,
}

impl Sheet {
    /// Begins with the transaction that has just begun: purses of a file that others have changed are forgotten.
    pub(super) fn begin(&mut self, books: &Connection) -> rusqlite::Result<()> {
        let version = books.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        if self.version != Some(version) || self.purses.len() > PURSES_KEPT {
            self.forget();
        }
        self.version = Some(version);
        Ok(())
    }

    /// Forgets everything, as after a transaction that was rolled back.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Writes what was booked to the file.
    pub(super) fn write(&mut self, books: &Connection) -> rusqlite::Result<()> {
        if !self.changed.is_empty() {
            let mut statement = books.prepare_cached(
                "INSERT INTO purse VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (context, scope, period) DO UPDATE SET
                     used = excluded.used, reserved = excluded.reserved, used_micros = excluded.used_micros,
                     reserved_micros = excluded.reserved_micros, unpriced = excluded.unpriced",
            )?;
            for name in self.changed.drain(..) {
                let Some(purse) = self.purses.get_mut(&name) else { continue };
                let sums = purse.sums;
                statement.execute(params![
                    name.context,
                    name.scope,
                    name.period,
                    signed(sums.used),
                    signed(sums.reserved),
                    signed(sums.used_micros),
                    signed(sums.reserved_micros),
                    signed(sums.unpriced),
                ])?;
                purse.is_changed = false;
            }
        }
        self.rows.drain().try_for_each(|(name, added)| added.write(books, &name))
    }

    /// Standing of a limit of a context.
    pub(super) fn standing(
        &mut self,
        books: &Connection,
        context: &str,
        day: Day,
        limit: &Limit,
    ) -> rusqlite::Result<Standing> {
        let sums = self.purse(books, context, limit::purse(limit, day))?.1.sums;
        Ok(limit.standing(day, &sums))
    }

    /// Balance of a context on a day.
    pub(super) fn balance(
        &mut self,
        books: &Connection,
        context: &str,
        day: Day,
        limits: &[Limit],
    ) -> rusqlite::Result<Balance> {
        let mut own = |period: Period| {
            self.purse(books, context, (String::new(), period.code(day))).map(|(_, purse)| purse.sums)
        };
        let (today, month) = (own(Period::Day)?, own(Period::Month)?);
        let limits = limits.iter().map(|limit| self.standing(books, context, day, limit));
        let limits = limits.collect::<rusqlite::Result<_>>()?;
        Ok(Balance { context: context.to_owned(), day, today, month, limits })
    }

    /// Books in every purse that a call with these limits belongs to; the balance after it.
    pub(super) fn book(
        &mut self,
        books: &Connection,
        context: &str,
        day: Day,
        limits: &[Limit],
        booking: Booking,
    ) -> rusqlite::Result<Balance> {
        for purse in limit::purses(limits, day) {
            let (name, purse) = self.purse(books, context, purse)?;
            purse.sums = booking.added_to(purse.sums);
            if !std::mem::replace(&mut purse.is_changed, true) {
                self.changed.push(name);
            }
        }
        self.balance(books, context, day, limits)
    }

    /// Adds one call to the history; `names` are model, provider and client.
    pub(super) fn record(&mut self, day: Day, context: &str, names: [&str; 3], spent: &Spent) {
        let [model, provider, client] = names.map(kept);
        let name = RowName { day, context: context.to_owned(), model, provider, client };
        self.rows.entry(name).or_default().add(spent);
    }

    fn purse(
        &mut self,
        books: &Connection,
        context: &str,
        (scope, period): (String, String),
    ) -> rusqlite::Result<(PurseName, &mut Purse)> {
        let name = PurseName { context: context.to_owned(), scope, period };
        let purse = match self.purses.entry(name.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let sums = read_purse(books, &name)?;
                place.insert(Purse { sums, is_changed: false })
            }
        };
        Ok((name, purse))
    }
}

impl Booking {
    fn added_to(self, sums: Sums) -> Sums {
        let add = |sum: u64, more: i64| {
            let sum = i128::from(sum) + i128::from(more);
            u64::try_from(sum.clamp(0, i128::from(i64::MAX))).unwrap_or_default()
        };
        Sums {
            used: add(sums.used, self.used),
            reserved: add(sums.reserved, self.held),
            used_micros: add(sums.used_micros, self.used_micros),
            reserved_micros: add(sums.reserved_micros, self.held_micros),
            unpriced: add(sums.unpriced, self.unpriced),
        }
    }
}

impl Added {
    fn add(&mut self, spent: &Spent) {
        let Spent { usage, expired, micros } = spent;
        for (sum, more) in [
            (&mut self.calls, 1),
            (&mut self.estimated_calls, i64::from(usage.estimated)),
            (&mut self.input, signed(usage.input)),
            (&mut self.output, signed(usage.output)),
            (&mut self.cache_read, signed(usage.cache_read)),
            (&mut self.cache_write, signed(usage.cache_write)),
            (&mut self.reasoning, signed(usage.reasoning)),
            (&mut self.expired, *expired),
            (&mut self.cost_micros, signed(micros.unwrap_or_default().0)),
            (&mut self.unpriced_calls, i64::from(micros.is_none())),
        ] {
            *sum = sum.saturating_add(more);
        }
    }

    fn write(&self, books: &Connection, name: &RowName) -> rusqlite::Result<()> {
        let mut statement = books.prepare_cached(
            "INSERT INTO usage VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
             ON CONFLICT (day, context, model, provider, client) DO UPDATE SET
                 calls = calls + excluded.calls,
                 estimated_calls = estimated_calls + excluded.estimated_calls,
                 input = min(input + excluded.input, 0x7fffffffffffffff),
                 output = min(output + excluded.output, 0x7fffffffffffffff),
                 cache_read = min(cache_read + excluded.cache_read, 0x7fffffffffffffff),
                 cache_write = min(cache_write + excluded.cache_write, 0x7fffffffffffffff),
                 reasoning = min(reasoning + excluded.reasoning, 0x7fffffffffffffff),
                 expired = min(expired + excluded.expired, 0x7fffffffffffffff),
                 cost_micros = min(cost_micros + excluded.cost_micros, 0x7fffffffffffffff),
                 unpriced_calls = unpriced_calls + excluded.unpriced_calls",
        )?;
        statement.execute(params![
            name.day.to_string(),
            name.context,
            name.model,
            name.provider,
            name.client,
            self.calls,
            self.estimated_calls,
            self.input,
            self.output,
            self.cache_read,
            self.cache_write,
            self.reasoning,
            self.expired,
            self.cost_micros,
            self.unpriced_calls,
        ])?;
        Ok(())
    }
}

fn read_purse(books: &Connection, name: &PurseName) -> rusqlite::Result<Sums> {
    let sums = |row: &Row<'_>| {
        Ok(Sums {
            used: unsigned(row, 0)?,
            reserved: unsigned(row, 1)?,
            used_micros: unsigned(row, 2)?,
            reserved_micros: unsigned(row, 3)?,
            unpriced: unsigned(row, 4)?,
        })
    };
    let row = books
        .prepare_cached(
            "SELECT used, reserved, used_micros, reserved_micros, unpriced FROM purse
             WHERE context = ?1 AND scope = ?2 AND period = ?3",
        )?
        .query_row(params![name.context, name.scope, name.period], sums)
        .optional()?;
    Ok(row.unwrap_or_default())
}

/// A number as SQLite keeps it, which has no unsigned integers: more than it can hold becomes the most it can hold.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A column as a number that is never negative.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number)
        .map_err(|_: TryFromIntError| rusqlite::Error::IntegralValueOutOfRange(column, number))
}
