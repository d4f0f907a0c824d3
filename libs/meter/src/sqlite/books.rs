//! The statements: what reserving, settling, releasing and expiring do to the tables.
//!
//! Every function runs inside the caller's transaction. Sums stop at the largest 64-bit integer: SQLite
//! would turn an overflow into a floating point number, and money is never one.

use std::num::TryFromIntError;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use crate::ledger::kept;
use crate::limit::{self, Sums};
use crate::{
    Ask, Balance, Day, HistoryQuery, LedgerError, Limit, Micros, Period, ReserveError, Scope, Spend, Usage,
    UsageRow,
};

/// `purse` is the truth about what is left. `reservation` says whose each held token is, and keeps closed
/// ids for a while, so that settling twice charges once. `usage` is the history.
pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS purse (
    context TEXT NOT NULL, scope TEXT NOT NULL, period TEXT NOT NULL,
    used INTEGER NOT NULL, reserved INTEGER NOT NULL,
    used_micros INTEGER NOT NULL, reserved_micros INTEGER NOT NULL, unpriced INTEGER NOT NULL,
    PRIMARY KEY (context, scope, period)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reservation (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, context TEXT NOT NULL, day TEXT NOT NULL,
    tokens INTEGER NOT NULL, micros INTEGER, limits TEXT NOT NULL, closed_ms INTEGER
) STRICT;
CREATE TABLE IF NOT EXISTS usage (
    day TEXT NOT NULL, context TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL, client TEXT NOT NULL,
    calls INTEGER NOT NULL DEFAULT 0, estimated_calls INTEGER NOT NULL DEFAULT 0,
    input INTEGER NOT NULL DEFAULT 0, output INTEGER NOT NULL DEFAULT 0,
    cache_read INTEGER NOT NULL DEFAULT 0, cache_write INTEGER NOT NULL DEFAULT 0,
    reasoning INTEGER NOT NULL DEFAULT 0, expired INTEGER NOT NULL DEFAULT 0,
    cost_micros INTEGER NOT NULL DEFAULT 0, unpriced_calls INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (day, context, model, provider, client)
) STRICT, WITHOUT ROWID;";

/// From format 1, which knew tokens a day and no money, to format 2. What was spent before has no price.
pub(super) const FROM_1_TO_2: &str = "
ALTER TABLE usage ADD COLUMN cost_micros INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN unpriced_calls INTEGER NOT NULL DEFAULT 0;
UPDATE usage SET unpriced_calls = calls;
INSERT INTO purse
    SELECT context, '', day, used, reserved, 0, 0,
        (SELECT coalesce(sum(calls), 0) FROM usage WHERE usage.context = budget.context AND usage.day = budget.day)
    FROM budget;
INSERT INTO purse
    SELECT context, '', substr(period, 1, 7), min(sum(used), 0x7fffffffffffffff), sum(reserved), 0, 0, sum(unpriced)
    FROM purse WHERE true GROUP BY context, substr(period, 1, 7);
DROP TABLE budget;
INSERT INTO reservation (seq, id, context, day, tokens, micros, limits, closed_ms)
    SELECT seq, id, context, day, tokens, NULL,
        CASE WHEN day_limit IS NULL THEN '[]' ELSE json_array(json_object(
            'scope', 'context', 'period', 'day', 'unit', 'tokens', 'amount', day_limit)) END,
        closed_ms
    FROM reservation_1;
DROP TABLE reservation_1;";

/// Time for which a closed id is remembered. After it, settling again is answered with
/// [`LedgerError::UnknownId`] and still charges nothing.
const REMEMBERED_MS: i64 = 3_600_000;

/// The most ids looked at in one round of forgetting, so that it never holds up a commit.
const FORGET_AT_ONCE: i64 = 1_024;

/// Holds the amounts of a request if every limit allows it.
pub(super) fn reserve(books: &Connection, ask: &Ask) -> rusqlite::Result<Result<Balance, ReserveError>> {
    // The transaction holds the only right to write, so nothing changes between looking and booking.
    for limit in &ask.limits {
        let standing =
            limit.standing(ask.day, &read_purse(books, &ask.context, &limit::purse(limit, ask.day))?);
        let Some(asked) = ask.amount(limit.unit) else { continue };
        if !standing.can_carry(asked) {
            return Ok(Err(ReserveError::Exhausted { standing: Box::new(standing), asked }));
        }
    }
    let limits = serde_json::to_string(&ask.limits)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let is_new = books
        .prepare_cached(
            "INSERT INTO reservation (id, context, day, tokens, micros, limits) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![
            ask.id,
            ask.context,
            ask.day.to_string(),
            signed(ask.tokens),
            ask.micros.map(|micros| signed(micros.0)),
            limits,
        ])?;
    if is_new == 0 {
        return Ok(Err(LedgerError::DuplicateId.into()));
    }
    let held = Booking {
        held: signed(ask.tokens),
        held_micros: signed(ask.micros.unwrap_or_default().0),
        ..Booking::default()
    };
    book(books, &ask.context, ask.day, &ask.limits, held)?;
    balance(books, &ask.context, ask.day, &ask.limits).map(Ok)
}

/// Books the true cost in place of the reservation, the first time it is asked for.
pub(super) fn settle(
    books: &Connection,
    id: &str,
    spend: &Spend,
    now_ms: u64,
) -> rusqlite::Result<Result<Balance, LedgerError>> {
    let Some(held) = close(books, id, now_ms)? else {
        return closed_balance(books, id);
    };
    let booking = Booking {
        used: signed(spend.usage.total()),
        used_micros: signed(spend.micros.unwrap_or_default().0),
        unpriced: i64::from(spend.micros.is_none()),
        ..held.given_back()
    };
    book(books, &held.context, held.day, &held.limits, booking)?;
    let spent = Spent { usage: spend.usage, expired: 0, micros: spend.micros };
    record(books, held.day, &held.context, [&spend.model, &spend.provider, &spend.client], spent)?;
    balance(books, &held.context, held.day, &held.limits).map(Ok)
}

/// Gives the reservation back whole. The balance is `None` when it was closed before.
pub(super) fn release(
    books: &Connection,
    id: &str,
    now_ms: u64,
) -> rusqlite::Result<Result<Option<Balance>, LedgerError>> {
    let Some(held) = close(books, id, now_ms)? else {
        return Ok(closed_balance(books, id)?.map(|_| None));
    };
    book(books, &held.context, held.day, &held.limits, held.given_back())?;
    balance(books, &held.context, held.day, &held.limits).map(|balance| Ok(Some(balance)))
}

/// Books everything that is still held as spent: for an open that finds no other process alive.
pub(super) fn expire_all(connection: &mut Connection, now_ms: u64) -> rusqlite::Result<()> {
    let books = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let open: Vec<String> = books
        .prepare("SELECT id FROM reservation WHERE closed_ms IS NULL")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for id in &open {
        if let Some(held) = close(&books, id, now_ms)? {
            let micros = held.micros.map(|micros| Micros(u64::try_from(micros).unwrap_or_default()));
            let booking = Booking {
                used: held.tokens,
                used_micros: held.micros.unwrap_or_default(),
                unpriced: i64::from(micros.is_none()),
                ..held.given_back()
            };
            book(&books, &held.context, held.day, &held.limits, booking)?;
            let usage = Usage { estimated: true, ..Usage::default() };
            let spent = Spent { usage, expired: held.tokens, micros };
            record(&books, held.day, &held.context, ["", "", ""], spent)?;
        }
    }
    books.execute("DELETE FROM reservation WHERE closed_ms < ?1", [forget_before(now_ms)])?;
    books.commit()
}

/// Forgets some ids that were closed long ago, the oldest first.
pub(super) fn forget_some(books: &Connection, now_ms: u64) -> rusqlite::Result<()> {
    books
        .prepare_cached(
            "DELETE FROM reservation WHERE seq IN (
                 SELECT seq FROM (SELECT seq, closed_ms FROM reservation ORDER BY seq LIMIT ?2)
                 WHERE closed_ms < ?1)",
        )?
        .execute([forget_before(now_ms), FORGET_AT_ONCE])?;
    Ok(())
}

/// Balance of a context on a day.
pub(super) fn balance(
    books: &Connection,
    context: &str,
    day: Day,
    limits: &[Limit],
) -> rusqlite::Result<Balance> {
    let own = |period: Period| read_purse(books, context, &(String::new(), period.code(day)));
    let (today, month) = (own(Period::Day)?, own(Period::Month)?);
    let standing = |limit: &Limit| {
        let sums = match (&limit.scope, limit.period) {
            (Scope::Context, Period::Day) => today,
            (Scope::Context, Period::Month) => month,
            _ => read_purse(books, context, &limit::purse(limit, day))?,
        };
        Ok(limit.standing(day, &sums))
    };
    let limits = limits.iter().map(standing).collect::<rusqlite::Result<_>>()?;
    Ok(Balance { context: context.to_owned(), day, today, month, limits })
}

fn read_purse(
    books: &Connection,
    context: &str,
    (scope, period): &(String, String),
) -> rusqlite::Result<Sums> {
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
        .query_row(params![context, scope, period], sums)
        .optional()?;
    Ok(row.unwrap_or_default())
}

/// The history, oldest day first.
pub(super) fn read_history(books: &Connection, query: &HistoryQuery) -> rusqlite::Result<Vec<UsageRow>> {
    books
        .prepare_cached(
            "SELECT day, context, model, provider, client, calls, estimated_calls,
                    input, output, cache_read, cache_write, reasoning, expired, cost_micros, unpriced_calls
             FROM usage WHERE day BETWEEN ?1 AND ?2 AND (?3 IS NULL OR context = ?3)
             ORDER BY day, context, model, provider, client",
        )?
        .query_map(params![query.since.to_string(), query.until.to_string(), query.context], |row| {
            let estimated_calls = unsigned(row, 6)?;
            Ok(UsageRow {
                day: row.get(0)?,
                context: row.get(1)?,
                model: row.get(2)?,
                provider: row.get(3)?,
                client: row.get(4)?,
                calls: unsigned(row, 5)?,
                estimated_calls,
                usage: Usage {
                    input: unsigned(row, 7)?,
                    output: unsigned(row, 8)?,
                    cache_read: unsigned(row, 9)?,
                    cache_write: unsigned(row, 10)?,
                    reasoning: unsigned(row, 11)?,
                    estimated: estimated_calls > 0,
                    ..Usage::default()
                },
                expired: unsigned(row, 12)?,
                cost: Micros(unsigned(row, 13)?),
                unpriced_calls: unsigned(row, 14)?,
            })
        })?
        .collect()
}

/// A reservation as it was made.
struct Held {
    context: String,
    day: Day,
    tokens: i64,
    micros: Option<i64>,
    limits: Vec<Limit>,
}

impl Held {
    fn given_back(&self) -> Booking {
        Booking { held: -self.tokens, held_micros: -self.micros.unwrap_or_default(), ..Booking::default() }
    }
}

/// Closes an open reservation. `None`: there is no open one of that id.
fn close(books: &Connection, id: &str, now_ms: u64) -> rusqlite::Result<Option<Held>> {
    books
        .prepare_cached(
            "UPDATE reservation SET closed_ms = ?2 WHERE id = ?1 AND closed_ms IS NULL
             RETURNING context, day, tokens, micros, limits",
        )?
        .query_row(params![id, signed(now_ms)], |row| {
            Ok(Held {
                context: row.get(0)?,
                day: row.get(1)?,
                tokens: row.get(2)?,
                micros: row.get(3)?,
                limits: limits(row, 4)?,
            })
        })
        .optional()
}

/// Present balance for a reservation that was closed before.
fn closed_balance(books: &Connection, id: &str) -> rusqlite::Result<Result<Balance, LedgerError>> {
    let closed = books
        .prepare_cached("SELECT context, day, limits FROM reservation WHERE id = ?1")?
        .query_row([id], |row| Ok((row.get::<_, String>(0)?, row.get(1)?, limits(row, 2)?)))
        .optional()?;
    match closed {
        None => Ok(Err(LedgerError::UnknownId)),
        Some((context, day, limits)) => balance(books, &context, day, &limits).map(Ok),
    }
}

/// Amounts that are added to a purse; those given back are negative.
#[derive(Debug, Clone, Copy, Default)]
struct Booking {
    used: i64,
    held: i64,
    used_micros: i64,
    held_micros: i64,
    unpriced: i64,
}

/// Books in every purse that a call with these limits belongs to.
fn book(
    books: &Connection,
    context: &str,
    day: Day,
    limits: &[Limit],
    booking: Booking,
) -> rusqlite::Result<()> {
    let mut statement = books.prepare_cached(
        // The sum of two numbers below 2^63 is computed as a float when it passes it: cut before adding.
        "INSERT INTO purse VALUES (?1, ?2, ?3, ?4, max(?5, 0), ?6, max(?7, 0), ?8)
         ON CONFLICT (context, scope, period) DO UPDATE SET
             used = used + min(?4, 0x7fffffffffffffff - used),
             reserved = max(reserved + min(?5, 0x7fffffffffffffff - reserved), 0),
             used_micros = used_micros + min(?6, 0x7fffffffffffffff - used_micros),
             reserved_micros = max(reserved_micros + min(?7, 0x7fffffffffffffff - reserved_micros), 0),
             unpriced = unpriced + ?8",
    )?;
    for (scope, period) in limit::purses(limits, day) {
        let Booking { used, held, used_micros, held_micros, unpriced } = booking;
        statement.execute(params![context, scope, period, used, held, used_micros, held_micros, unpriced])?;
    }
    Ok(())
}

struct Spent {
    usage: Usage,
    expired: i64,
    micros: Option<Micros>,
}

/// Adds one call to the history; `names` are model, provider and client.
fn record(
    books: &Connection,
    day: Day,
    context: &str,
    names: [&str; 3],
    spent: Spent,
) -> rusqlite::Result<()> {
    let [model, provider, client] = names.map(kept);
    let Spent { usage, expired, micros } = spent;
    books
        .prepare_cached(
            "INSERT INTO usage VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
             ON CONFLICT (day, context, model, provider, client) DO UPDATE SET
                 calls = calls + 1,
                 estimated_calls = estimated_calls + excluded.estimated_calls,
                 input = min(input + excluded.input, 0x7fffffffffffffff),
                 output = min(output + excluded.output, 0x7fffffffffffffff),
                 cache_read = min(cache_read + excluded.cache_read, 0x7fffffffffffffff),
                 cache_write = min(cache_write + excluded.cache_write, 0x7fffffffffffffff),
                 reasoning = min(reasoning + excluded.reasoning, 0x7fffffffffffffff),
                 expired = min(expired + excluded.expired, 0x7fffffffffffffff),
                 cost_micros = min(cost_micros + excluded.cost_micros, 0x7fffffffffffffff),
                 unpriced_calls = unpriced_calls + excluded.unpriced_calls",
        )?
        .execute(params![
            day.to_string(),
            context,
            model,
            provider,
            client,
            i64::from(usage.estimated),
            signed(usage.input),
            signed(usage.output),
            signed(usage.cache_read),
            signed(usage.cache_write),
            signed(usage.reasoning),
            expired,
            signed(micros.unwrap_or_default().0),
            i64::from(micros.is_none()),
        ])?;
    Ok(())
}

fn forget_before(now_ms: u64) -> i64 {
    signed(now_ms).saturating_sub(REMEMBERED_MS)
}

/// SQLite has no unsigned integers; more than it can hold becomes the most it can hold.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number)
        .map_err(|_: TryFromIntError| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

fn limits(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<Limit>> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
    })
}

impl FromSql for Day {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map_err(FromSqlError::other)
    }
}
