//! Statements of reserving, settling, releasing and expiring.
//!
//! Every function runs inside the caller's transaction and books on its [`Sheet`], which is written before the
//! transaction is committed.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use super::sheet::{Booking, Sheet, Spent, signed, unsigned};
use crate::{
    Ask, Balance, Day, HistoryQuery, LedgerError, Limit, Micros, ReserveError, Spend, Usage, UsageRow,
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
pub(super) fn reserve(
    books: &Connection,
    sheet: &mut Sheet,
    ask: &Ask,
) -> rusqlite::Result<Result<Balance, ReserveError>> {
    // The transaction holds the only right to write, so nothing changes between looking and booking.
    for limit in &ask.limits {
        let standing = sheet.standing(books, &ask.context, ask.day, limit)?;
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
    sheet.book(books, &ask.context, ask.day, &ask.limits, held).map(Ok)
}

/// Books the true cost in place of the reservation, the first time it is asked for.
pub(super) fn settle(
    books: &Connection,
    sheet: &mut Sheet,
    id: &str,
    spend: &Spend,
    now_ms: u64,
) -> rusqlite::Result<Result<Balance, LedgerError>> {
    let Some(held) = close(books, id, now_ms)? else {
        return closed_balance(books, sheet, id);
    };
    let booking = Booking {
        used: signed(spend.usage.total()),
        used_micros: signed(spend.micros.unwrap_or_default().0),
        unpriced: i64::from(spend.micros.is_none()),
        ..held.given_back()
    };
    let spent = Spent { usage: spend.usage, expired: 0, micros: spend.micros };
    sheet.record(held.day, &held.context, [&spend.model, &spend.provider, &spend.client], &spent);
    sheet.book(books, &held.context, held.day, &held.limits, booking).map(Ok)
}

/// Gives the reservation back whole. The balance is `None` when it was closed before.
pub(super) fn release(
    books: &Connection,
    sheet: &mut Sheet,
    id: &str,
    now_ms: u64,
) -> rusqlite::Result<Result<Option<Balance>, LedgerError>> {
    let Some(held) = close(books, id, now_ms)? else {
        return Ok(closed_balance(books, sheet, id)?.map(|_| None));
    };
    let balance = sheet.book(books, &held.context, held.day, &held.limits, held.given_back())?;
    Ok(Ok(Some(balance)))
}

/// Books everything that is still held as spent: for an open that finds no other process alive.
pub(super) fn expire_all(connection: &mut Connection, now_ms: u64) -> rusqlite::Result<()> {
    let books = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let open: Vec<String> = books
        .prepare("SELECT id FROM reservation WHERE closed_ms IS NULL")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut sheet = Sheet::default();
    for id in &open {
        if let Some(held) = close(&books, id, now_ms)? {
            let micros = held.micros.map(|micros| Micros(u64::try_from(micros).unwrap_or_default()));
            let booking = Booking {
                used: held.tokens,
                used_micros: held.micros.unwrap_or_default(),
                unpriced: i64::from(micros.is_none()),
                ..held.given_back()
            };
            sheet.book(&books, &held.context, held.day, &held.limits, booking)?;
            let usage = Usage { estimated: true, ..Usage::default() };
            let spent = Spent { usage, expired: held.tokens, micros };
            sheet.record(held.day, &held.context, ["", "", ""], &spent);
        }
    }
    sheet.write(&books)?;
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
fn closed_balance(
    books: &Connection,
    sheet: &mut Sheet,
    id: &str,
) -> rusqlite::Result<Result<Balance, LedgerError>> {
    let closed = books
        .prepare_cached("SELECT context, day, limits FROM reservation WHERE id = ?1")?
        .query_row([id], |row| Ok((row.get::<_, String>(0)?, row.get(1)?, limits(row, 2)?)))
        .optional()?;
    match closed {
        None => Ok(Err(LedgerError::UnknownId)),
        Some((context, day, limits)) => sheet.balance(books, &context, day, &limits).map(Ok),
    }
}

fn forget_before(now_ms: u64) -> i64 {
    signed(now_ms).saturating_sub(REMEMBERED_MS)
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
