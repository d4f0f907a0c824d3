//! The vectors of a sentence model in the index: one for each part of each memory, in the context's own
//! index file. They belong to one model, and are computed again for another one.
//!
//! All of them are looked at for a question: at ten thousand memories that takes a millisecond, and
//! misses none as a graph of neighbours would.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Index, parts};
use crate::memory::item::Item;
use crate::memory::sense::{DIMENSIONS_MAX, Model};

/// The most vectors of one context. Memories beyond are found by their words alone.
const VECTORS_MAX: usize = 200_000;

/// Memories whose vectors are made in one go, so that a crash does not lose them all.
const BATCH: usize = 2_000;

/// The vectors as they are compared: rows of bytes, one behind the other.
#[derive(Default)]
pub(super) struct Vectors {
    /// The version of the index that they were read from.
    seen: Option<(i64, u64)>,
    digest: String,
    dimensions: usize,
    bytes: Vec<i8>,
    /// The memory and the length of each vector.
    of: Vec<(i64, f32)>,
}

impl Index {
    /// Makes the vectors that are missing, and has all of them at hand.
    pub(in crate::memory) fn follow_model(&mut self, model: &Model) -> rusqlite::Result<()> {
        let version = self.version()?;
        if self.vectors.seen == Some(version) && self.vectors.digest == model.digest() {
            return Ok(());
        }
        while make_some(&mut self.connection, model)? {}
        self.vectors = Vectors {
            seen: Some(self.version()?),
            digest: model.digest().to_owned(),
            ..self.read_vectors()?
        };
        Ok(())
    }

    /// Nearness of each memory's meaning to that of a question, from -1 to 1; the nearest ones, and
    /// of each its nearest part.
    pub(in crate::memory) fn nearest(&self, question: &[i8], limit: usize) -> Vec<(i64, f64)> {
        let vectors = &self.vectors;
        let length = length(question);
        if vectors.dimensions != question.len() || length == 0.0 {
            return Vec::new();
        }
        let mut near: Vec<(i64, f32)> = Vec::new();
        for (vector, (row, own)) in vectors.bytes.chunks_exact(vectors.dimensions).zip(&vectors.of) {
            let near_by = product(question, vector) as f32 / (length * own);
            // The parts of a memory stand together.
            match near.last_mut() {
                Some((last, best)) if last == row => *best = best.max(near_by),
                _ => near.push((*row, near_by)),
            }
        }
        if near.len() > limit {
            near.select_nth_unstable_by(limit, |(_, one), (_, other)| other.total_cmp(one));
            near.truncate(limit);
        }
        near.into_iter().map(|(row, near)| (row, f64::from(near))).collect()
    }

    /// Version that differs whenever this or another program changed the index.
    fn version(&self) -> rusqlite::Result<(i64, u64)> {
        let by_others = self.connection.pragma_query_value(None, "data_version", |row| row.get(0))?;
        Ok((by_others, self.connection.total_changes()))
    }

    fn read_vectors(&self) -> rusqlite::Result<Vectors> {
        let mut vectors = Vectors::default();
        let mut statement =
            self.connection.prepare_cached("SELECT row, parts, bytes FROM vectors ORDER BY row")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (item, parts) = (row.get(0)?, row.get::<_, i64>(1)?);
            let bytes = row.get_ref(2)?.as_blob().unwrap_or_default();
            let Ok(parts) = usize::try_from(parts) else { continue };
            // Not ours where it is not so: the file may be damaged.
            if parts == 0 || bytes.is_empty() || !bytes.len().is_multiple_of(parts) {
                continue;
            }
            let dimensions = bytes.len() / parts;
            if vectors.of.is_empty() {
                vectors.dimensions = dimensions;
            }
            if dimensions > DIMENSIONS_MAX
                || dimensions != vectors.dimensions
                || vectors.of.len() + parts > VECTORS_MAX
            {
                continue;
            }
            for vector in bytes.chunks_exact(dimensions) {
                let start = vectors.bytes.len();
                vectors.bytes.extend(vector.iter().map(|byte| byte.cast_signed()));
                vectors.of.push((item, length(&vectors.bytes[start..]).max(1.0)));
            }
        }
        Ok(vectors)
    }
}

/// Makes the vectors of some memories that have none; whether there may be more.
fn make_some(connection: &mut Connection, model: &Model) -> rusqlite::Result<bool> {
    let transaction = connection.transaction()?;
    let known: Option<String> =
        transaction.query_row("SELECT digest FROM model", [], |row| row.get(0)).optional()?;
    if known.as_deref() != Some(model.digest()) {
        transaction.execute_batch("DELETE FROM vectors; DELETE FROM model")?;
        transaction.execute("INSERT INTO model (digest) VALUES (?1)", [model.digest()])?;
    }
    let made: i64 =
        transaction.query_row("SELECT coalesce(sum(parts), 0) FROM vectors", [], |row| row.get(0))?;
    let mut left = usize::try_from(made).map_or(0, |made| VECTORS_MAX.saturating_sub(made));
    let mut lacking: Vec<(i64, String)> = Vec::new();
    if left > 0 {
        let mut statement = transaction.prepare_cached(
            "SELECT items.row, json FROM items LEFT JOIN vectors ON vectors.row = items.row
             WHERE vectors.row IS NULL AND id IS NOT NULL ORDER BY items.row LIMIT ?1",
        )?;
        let rows = statement.query_map([BATCH as i64], |row| Ok((row.get(0)?, row.get(1)?)))?;
        lacking = rows.collect::<rusqlite::Result<_>>()?;
    }
    let more = lacking.len() == BATCH;
    for (row, json) in lacking {
        let item: Option<Item> = serde_json::from_str(&json).ok();
        let texts = item.as_ref().map(spoken).unwrap_or_default();
        let vectors: Vec<Vec<i8>> = texts.iter().take(left).filter_map(|text| model.vector(text)).collect();
        left -= vectors.len();
        let bytes: Vec<u8> = vectors.iter().flatten().map(|byte| byte.cast_unsigned()).collect();
        // One without any is kept as such, or it would be looked at for ever.
        transaction
            .prepare_cached("INSERT INTO vectors (row, parts, bytes) VALUES (?1, ?2, ?3)")?
            .execute(params![row, vectors.len() as i64, bytes])?;
    }
    transaction.commit()?;
    Ok(more)
}

/// The parts of a memory as a model reads them: each with what the memory is about.
fn spoken(item: &Item) -> Vec<String> {
    let subject = item.subject.as_deref().unwrap_or_default();
    parts(&item.text).into_iter().map(|part| format!("{subject} {part}").trim().to_owned()).collect()
}

fn product(one: &[i8], other: &[i8]) -> i32 {
    one.iter().zip(other).map(|(one, other)| i32::from(*one) * i32::from(*other)).sum()
}

fn length(vector: &[i8]) -> f32 {
    (product(vector, vector) as f32).sqrt()
}
