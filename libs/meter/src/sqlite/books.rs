//! The statements: what reserving, settling, releasing and expiring do to the tables.
//!
//! Every function runs inside the caller's transaction. Sums stop at the largest 64-bit integer: SQLite
//! would turn an overflow into a floating point number, and money is never one.

use std::num::TryFromIntError;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, named_params, params};

use crate::{Ask, Balance, Day, HistoryQuery, LedgerError, ReserveError, Spend, Usage, UsageRow};

/// `budget` is the truth about what is left. `reservation` says whose each held token is, and keeps closed
/// ids for a while, so that settling twice charges once. `usage` is the history.
pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS budget (
    context TEXT NOT NULL, day TEXT NOT NULL, used INTEGER NOT NULL, reserved INTEGER NOT NULL,
    PRIMARY KEY (context, day)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reservation (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, context TEXT NOT NULL, day TEXT NOT NULL,
    tokens INTEGER NOT NULL, day_limit INTEGER, closed_ms INTEGER
) STRICT;
CREATE TABLE IF NOT EXISTS usage (
    day TEXT NOT NULL, context TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL, client TEXT NOT NULL,
    calls INTEGER NOT NULL DEFAULT 0, estimated_calls INTEGER NOT NULL DEFAULT 0,
    input INTEGER NOT NULL DEFAULT 0, output INTEGER NOT NULL DEFAULT 0,
    cache_read INTEGER NOT NULL DEFAULT 0, cache_write INTEGER NOT NULL DEFAULT 0,
    reasoning INTEGER NOT NULL DEFAULT 0, expired INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (day, context, model, provider, client)
) STRICT, WITHOUT ROWID;";

/// How long a closed id is remembered. After it, settling again is answered with
/// [`LedgerError::UnknownId`] and still charges nothing.
const REMEMBERED_MS: i64 = 3_600_000;

/// The most ids looked at in one round of forgetting, so that it never holds up a commit.
const FORGET_AT_ONCE: i64 = 1_024;

/// Bytes kept of the name of a model, provider or client: they come from outside.
const MAX_NAME_BYTES: usize = 256;

/// Holds tokens if the limit allows it.
pub(super) fn reserve(books: &Connection, ask: &Ask) -> rusqlite::Result<Result<Balance, ReserveError>> {
    // Without this, the first call of a day would skip the condition below.
    let fits_at_all = ask.limit.is_none_or(|limit| ask.tokens <= limit);
    let held = if fits_at_all {
        books
            .prepare_cached(
                "INSERT INTO budget (context, day, used, reserved) VALUES (:context, :day, 0, :tokens)
                 ON CONFLICT (context, day) DO UPDATE SET reserved = min(reserved + :tokens, 0x7fffffffffffffff)
                 WHERE :limit IS NULL OR :tokens <= :limit - used - reserved
                 RETURNING used, reserved",
            )?
            .query_row(
                named_params! {
                    ":context": ask.context, ":day": ask.day.to_string(),
                    ":tokens": signed(ask.tokens), ":limit": ask.limit.map(signed),
                },
                standing,
            )
            .optional()?
    } else {
        None
    };
    let Some((used, reserved)) = held else {
        let (used, reserved) = read_standing(books, &ask.context, ask.day)?;
        return Ok(Err(ReserveError::Exhausted {
            limit: ask.limit.unwrap_or(u64::MAX),
            used,
            reserved,
            asked: ask.tokens,
            resets_at: ask.day.resets_at(),
        }));
    };
    let is_new = books
        .prepare_cached(
            "INSERT INTO reservation (id, context, day, tokens, day_limit) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![
            ask.id,
            ask.context,
            ask.day.to_string(),
            signed(ask.tokens),
            ask.limit.map(signed)
        ])?;
    if is_new == 0 {
        book(books, &ask.context, ask.day, 0, signed(ask.tokens))?;
        return Ok(Err(LedgerError::DuplicateId.into()));
    }
    Ok(Ok(Balance { context: ask.context.clone(), day: ask.day, limit: ask.limit, used, reserved }))
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
    let (used, reserved) = book(books, &held.context, held.day, signed(spend.usage.total()), held.tokens)?;
    let spent = Spent { usage: spend.usage, expired: 0 };
    record(books, held.day, &held.context, [&spend.model, &spend.provider, &spend.client], spent)?;
    Ok(Ok(Balance { context: held.context, day: held.day, limit: held.limit, used, reserved }))
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
    let (used, reserved) = book(books, &held.context, held.day, 0, held.tokens)?;
    Ok(Ok(Some(Balance { context: held.context, day: held.day, limit: held.limit, used, reserved })))
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
            book(&books, &held.context, held.day, held.tokens, held.tokens)?;
            let usage = Usage { estimated: true, ..Usage::default() };
            record(&books, held.day, &held.context, ["", "", ""], Spent { usage, expired: held.tokens })?;
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

/// What a context has spent and holds on a day.
pub(super) fn read_standing(books: &Connection, context: &str, day: Day) -> rusqlite::Result<(u64, u64)> {
    let row = books
        .prepare_cached("SELECT used, reserved FROM budget WHERE context = ?1 AND day = ?2")?
        .query_row(params![context, day.to_string()], standing)
        .optional()?;
    Ok(row.unwrap_or_default())
}

/// The history, oldest day first.
pub(super) fn read_history(books: &Connection, query: &HistoryQuery) -> rusqlite::Result<Vec<UsageRow>> {
    books
        .prepare_cached(
            "SELECT day, context, model, provider, client, calls, estimated_calls,
                    input, output, cache_read, cache_write, reasoning, expired
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
                },
                expired: unsigned(row, 12)?,
            })
        })?
        .collect()
}

/// A reservation as it was made.
struct Held {
    context: String,
    day: Day,
    tokens: i64,
    limit: Option<u64>,
}

/// Closes an open reservation. `None`: there is no open one of that id.
fn close(books: &Connection, id: &str, now_ms: u64) -> rusqlite::Result<Option<Held>> {
    books
        .prepare_cached(
            "UPDATE reservation SET closed_ms = ?2 WHERE id = ?1 AND closed_ms IS NULL
             RETURNING context, day, tokens, day_limit",
        )?
        .query_row(params![id, signed(now_ms)], |row| {
            Ok(Held { context: row.get(0)?, day: row.get(1)?, tokens: row.get(2)?, limit: limit(row, 3)? })
        })
        .optional()
}

/// Where the budget of a reservation that was closed before stands now.
fn closed_balance(books: &Connection, id: &str) -> rusqlite::Result<Result<Balance, LedgerError>> {
    let closed = books
        .prepare_cached("SELECT context, day, day_limit FROM reservation WHERE id = ?1")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, limit(row, 2)?)))
        .optional()?;
    let Some((context, day, limit)) = closed else {
        return Ok(Err(LedgerError::UnknownId));
    };
    let context: String = context;
    let (used, reserved) = read_standing(books, &context, day)?;
    Ok(Ok(Balance { context, day, limit, used, reserved }))
}

/// Adds to what is used and takes from what is held.
fn book(books: &Connection, context: &str, day: Day, used: i64, held: i64) -> rusqlite::Result<(u64, u64)> {
    books
        .prepare_cached(
            "INSERT INTO budget (context, day, used, reserved) VALUES (?1, ?2, ?3, 0)
             ON CONFLICT (context, day) DO UPDATE SET
                 used = min(used + ?3, 0x7fffffffffffffff), reserved = max(reserved - ?4, 0)
             RETURNING used, reserved",
        )?
        .query_row(params![context, day.to_string(), used, held], standing)
}

struct Spent {
    usage: Usage,
    expired: i64,
}

/// Adds one call to the history; `names` are model, provider and client.
fn record(
    books: &Connection,
    day: Day,
    context: &str,
    names: [&str; 3],
    spent: Spent,
) -> rusqlite::Result<()> {
    let [model, provider, client] = names.map(|name| &name[..name.floor_char_boundary(MAX_NAME_BYTES)]);
    let Spent { usage, expired } = spent;
    books
        .prepare_cached(
            "INSERT INTO usage VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT (day, context, model, provider, client) DO UPDATE SET
                 calls = calls + 1,
                 estimated_calls = estimated_calls + excluded.estimated_calls,
                 input = min(input + excluded.input, 0x7fffffffffffffff),
                 output = min(output + excluded.output, 0x7fffffffffffffff),
                 cache_read = min(cache_read + excluded.cache_read, 0x7fffffffffffffff),
                 cache_write = min(cache_write + excluded.cache_write, 0x7fffffffffffffff),
                 reasoning = min(reasoning + excluded.reasoning, 0x7fffffffffffffff),
                 expired = min(expired + excluded.expired, 0x7fffffffffffffff)",
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

fn limit(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    let limit: Option<i64> = row.get(column)?;
    limit.map(|_| unsigned(row, column)).transpose()
}

fn standing(row: &Row<'_>) -> rusqlite::Result<(u64, u64)> {
    Ok((unsigned(row, 0)?, unsigned(row, 1)?))
}

impl FromSql for Day {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map_err(FromSqlError::other)
    }
}
