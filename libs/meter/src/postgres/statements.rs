//! The statements, one for each thing that the ledger does.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use sqlx::{PgPool, Row};

use crate::ledger::kept;
use crate::limit::{self, Sums};
use crate::{
    Ask, Balance, Day, HistoryQuery, LedgerError, Limit, Micros, Period, ReserveError, Scope, Spend, Trouble,
    Unit, Usage, UsageRow,
};

/// The format of the tables; a newer one is refused, not guessed at.
const FORMAT: i32 = 1;

/// Serialises the making of the tables between processes: "zOSm".
const SETUP_LOCK: i64 = 0x7a4f_536d;

/// Makes the tables and functions, one process at a time.
pub(super) async fn set_up(pool: &PgPool) -> Result<(), LedgerError> {
    let mut making = pool.begin().await.map_err(storage)?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(SETUP_LOCK)
        .execute(&mut *making)
        .await
        .map_err(storage)?;
    let is_there: bool = sqlx::query_scalar("SELECT to_regclass('zos_format') IS NOT NULL")
        .fetch_one(&mut *making)
        .await
        .map_err(storage)?;
    if is_there {
        let format: Option<i32> = sqlx::query_scalar("SELECT format FROM zos_format")
            .fetch_optional(&mut *making)
            .await
            .map_err(storage)?;
        match format {
            Some(found) if found > FORMAT => {
                return Err(LedgerError::NewerTables { found: found.into(), known: FORMAT.into() });
            }
            Some(FORMAT) => return making.commit().await.map_err(storage),
            _ => {}
        }
    }
    sqlx::raw_sql(include_str!("books.sql")).execute(&mut *making).await.map_err(storage)?;
    sqlx::query("INSERT INTO zos_format VALUES ($1)")
        .bind(FORMAT)
        .execute(&mut *making)
        .await
        .map_err(storage)?;
    making.commit().await.map_err(storage)
}

/// A new holder with a lease.
pub(super) async fn new_holder(pool: &PgPool, lease: Duration) -> Result<String, LedgerError> {
    let id: String =
        sqlx::query_scalar("SELECT gen_random_uuid()::text").fetch_one(pool).await.map_err(storage)?;
    renew(pool, &id, lease).await?;
    Ok(id)
}

pub(super) async fn renew(pool: &PgPool, holder: &str, lease: Duration) -> Result<(), LedgerError> {
    let seconds = lease.as_secs_f64();
    sqlx::query(
        "INSERT INTO zos_holder VALUES ($1, now() + make_interval(secs => $2))
         ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until",
    )
    .bind(holder)
    .bind(seconds)
    .execute(pool)
    .await
    .map_err(storage)?;
    Ok(())
}

pub(super) async fn end_holder(pool: &PgPool, holder: &str) -> Result<(), LedgerError> {
    sqlx::query("DELETE FROM zos_holder WHERE id = $1").bind(holder).execute(pool).await.map_err(storage)?;
    Ok(())
}

/// Books what dead holders held as spent, one reservation a transaction.
pub(super) async fn expire(pool: &PgPool) -> Result<(), LedgerError> {
    while sqlx::query_scalar::<_, bool>("SELECT zos_expire_one()").fetch_one(pool).await.map_err(storage)? {}
    Ok(())
}

/// Forgets ids that were closed over an hour ago, and holders that are gone; some at a time.
pub(super) async fn forget(pool: &PgPool) -> Result<(), LedgerError> {
    for statement in [
        "DELETE FROM zos_reservation WHERE id IN (SELECT id FROM zos_reservation
             WHERE closed_at < now() - interval '1 hour' LIMIT 10000)",
        "DELETE FROM zos_holder h WHERE lease_until < now() - interval '1 hour'
             AND NOT EXISTS (SELECT 1 FROM zos_reservation r WHERE r.holder = h.id AND r.closed_at IS NULL)",
    ] {
        sqlx::query(statement).execute(pool).await.map_err(storage)?;
    }
    Ok(())
}

/// Row that the functions of the database return.
#[derive(Deserialize)]
struct Answer {
    refused: Option<usize>,
    #[serde(default)]
    duplicate: bool,
    #[serde(default)]
    unknown: bool,
    context: Option<String>,
    day: Option<Day>,
    limits: Option<String>,
    #[serde(default)]
    purses: Vec<PurseRow>,
}

#[derive(Deserialize)]
struct PurseRow {
    scope: String,
    period: String,
    #[serde(flatten)]
    sums: Sums,
}

pub(super) async fn reserve(pool: &PgPool, holder: &str, ask: &Ask) -> Result<Balance, ReserveError> {
    let checked: Vec<(&Limit, u64)> =
        ask.limits.iter().filter_map(|limit| Some((limit, ask.amount(limit.unit)?))).collect();
    let checks: Vec<_> = checked
        .iter()
        .map(|(limit, asked)| {
            let (scope, period) = limit::purse(limit, ask.day);
            let unit = if limit.unit == Unit::Tokens { "tokens" } else { "micros" };
            json!({"scope": scope, "period": period, "unit": unit, "asked": asked, "amount": limit.amount.min(i64::MAX.unsigned_abs())})
        })
        .collect();
    let limits = json!(ask.limits).to_string();
    let answer: String =
        sqlx::query_scalar("SELECT zos_reserve($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9::jsonb)::text")
            .bind(&ask.id)
            .bind(holder)
            .bind(&ask.context)
            .bind(ask.day.to_string())
            .bind(signed(ask.tokens))
            .bind(ask.micros.map(|micros| signed(micros.0)))
            .bind(limits)
            .bind(json!(limit::purses(&ask.limits, ask.day)).to_string())
            .bind(json!(checks).to_string())
            .fetch_one(pool)
            .await
            .map_err(storage)?;
    let answer = read(&answer)?;
    if answer.duplicate {
        return Err(LedgerError::DuplicateId.into());
    }
    let balance = balance_of(&ask.context, ask.day, &ask.limits, &answer.purses);
    match answer.refused.and_then(|place| checked.get(place)) {
        None => Ok(balance),
        Some((limit, asked)) => {
            let standing = balance.limits.into_iter().find(|standing| standing.limit == **limit);
            let standing = standing.expect("the balance has every limit of the ask");
            Err(ReserveError::Exhausted { standing: Box::new(standing), asked: *asked })
        }
    }
}

/// Settles, or releases without a spend.
pub(super) async fn close(pool: &PgPool, id: &str, spend: Option<&Spend>) -> Result<Balance, LedgerError> {
    let usage = spend.map(|spend| spend.usage).unwrap_or_default();
    let counts =
        [usage.total(), usage.input, usage.output, usage.cache_read, usage.cache_write, usage.reasoning];
    let mut counts: Vec<i64> = counts.map(signed).into();
    counts.push(i64::from(usage.estimated));
    let [model, provider, client] = match spend {
        Some(spend) => [&spend.model, &spend.provider, &spend.client].map(|name| kept(name)),
        None => [const { String::new() }; 3],
    };
    let answer: String = sqlx::query_scalar("SELECT zos_close($1, $2, $3, $4, $5, $6, $7)::text")
        .bind(id)
        .bind(if spend.is_some() { "settle" } else { "release" })
        .bind(counts)
        .bind(spend.and_then(|spend| spend.micros).map(|micros| signed(micros.0)))
        .bind(model)
        .bind(provider)
        .bind(client)
        .fetch_one(pool)
        .await
        .map_err(storage)?;
    let answer = read(&answer)?;
    if answer.unknown {
        return Err(LedgerError::UnknownId);
    }
    let (Some(context), Some(day)) = (answer.context, answer.day) else { return Err(unreadable()) };
    let limits: Vec<Limit> =
        serde_json::from_str(&answer.limits.unwrap_or_default()).map_err(|_| unreadable())?;
    Ok(balance_of(&context, day, &limits, &answer.purses))
}

pub(super) async fn balance(
    pool: &PgPool,
    context: &str,
    day: Day,
    limits: &[Limit],
) -> Result<Balance, LedgerError> {
    let purses: String = sqlx::query_scalar("SELECT zos_state($1, $2::jsonb)::text")
        .bind(context)
        .bind(json!(limit::purses(limits, day)).to_string())
        .fetch_one(pool)
        .await
        .map_err(storage)?;
    let purses: Vec<PurseRow> = serde_json::from_str(&purses).map_err(|_| unreadable())?;
    Ok(balance_of(context, day, limits, &purses))
}

pub(super) async fn history(pool: &PgPool, query: &HistoryQuery) -> Result<Vec<UsageRow>, LedgerError> {
    let rows = sqlx::query(
        "SELECT day, context, model, provider, client, calls, estimated_calls, input, output, cache_read,
                cache_write, reasoning, expired, cost_micros, unpriced_calls
         FROM zos_usage WHERE day BETWEEN $1 AND $2 AND ($3::text IS NULL OR context = $3)
         ORDER BY day, context COLLATE \"C\", model COLLATE \"C\", provider COLLATE \"C\", client COLLATE \"C\"",
    )
    .bind(query.since.to_string())
    .bind(query.until.to_string())
    .bind(&query.context)
    .fetch_all(pool)
    .await
    .map_err(storage)?;
    let row = |row: sqlx::postgres::PgRow| {
        let count = |column: usize| row.try_get::<i64, _>(column).map(i64::unsigned_abs).map_err(storage);
        let text = |column: usize| row.try_get::<String, _>(column).map_err(storage);
        let estimated_calls = count(6)?;
        Ok(UsageRow {
            day: text(0)?.parse().map_err(|_| unreadable())?,
            context: text(1)?,
            model: text(2)?,
            provider: text(3)?,
            client: text(4)?,
            calls: count(5)?,
            estimated_calls,
            usage: Usage {
                input: count(7)?,
                output: count(8)?,
                cache_read: count(9)?,
                cache_write: count(10)?,
                reasoning: count(11)?,
                estimated: estimated_calls > 0,
                ..Usage::default()
            },
            expired: count(12)?,
            cost: Micros(count(13)?),
            unpriced_calls: count(14)?,
        })
    };
    rows.into_iter().map(row).collect()
}

fn balance_of(context: &str, day: Day, limits: &[Limit], purses: &[PurseRow]) -> Balance {
    let sums: HashMap<(&str, &str), Sums> =
        purses.iter().map(|purse| ((purse.scope.as_str(), purse.period.as_str()), purse.sums)).collect();
    let of = |scope: &str, period: &str| sums.get(&(scope, period)).copied().unwrap_or_default();
    let own = |period: Period| of(&Scope::Context.code(), &period.code(day));
    let standing = |limit: &Limit| {
        let (scope, period) = limit::purse(limit, day);
        limit.standing(day, &of(&scope, &period))
    };
    Balance {
        context: context.to_owned(),
        day,
        today: own(Period::Day),
        month: own(Period::Month),
        limits: limits.iter().map(standing).collect(),
    }
}

fn read(answer: &str) -> Result<Answer, LedgerError> {
    serde_json::from_str(answer).map_err(|_| unreadable())
}

/// The database answered with something that is not ours.
fn unreadable() -> LedgerError {
    let source = std::io::Error::new(std::io::ErrorKind::InvalidData, "an answer that is not of this ledger");
    LedgerError::Storage { trouble: Trouble::Other, source: Arc::new(source) }
}

/// Sorts a failure by what a person can do about it.
fn storage(error: sqlx::Error) -> LedgerError {
    let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default();
    let trouble = match (&*code, &error) {
        ("53100", _) => Trouble::Full,
        ("25006" | "42501", _) => Trouble::ReadOnly,
        ("40P01" | "55P03" | "57014" | "53300", _) | (_, sqlx::Error::PoolTimedOut) => Trouble::Busy,
        ("XX001" | "XX002", _) => Trouble::Damaged,
        (_, sqlx::Error::Io(_)) => Trouble::Io,
        _ => Trouble::Other,
    };
    LedgerError::Storage { trouble, source: Arc::new(error) }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
