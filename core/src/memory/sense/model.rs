//! A static sentence model, in the files of Model2Vec and of sentence-transformers' static embedding:
//! `model.safetensors` with a vector for each word piece, and `tokenizer.json`.
//!
//! The files are foreign: each is bounded before it is read, every number is checked before it is used,
//! and a panic of the tokenizer's library is taken for a broken file. Vectors are kept as bytes, so a
//! model takes a quarter of the memory of its file.

#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use sha2::{Digest, Sha256};
use tokenizers::Tokenizer;

use super::setting::size;
use super::{DIMENSIONS_MAX, TOKENIZER, Unusable, Vector, WEIGHTS};

/// The largest files that are read: the static models that people publish for one language have 2 to 130 MB.
const WEIGHTS_MAX_BYTES: u64 = 192 << 20;
const TOKENIZER_MAX_BYTES: u64 = 32 << 20;

/// The most word pieces.
const PIECES_MAX: usize = 1 << 20;

/// Bytes of a text that are looked at: what follows would hardly change the mean. Parts of memories are
/// shorter, questions may be longer.
const TEXT_MAX_BYTES: usize = 4096;

/// Names that the table of vectors goes by: of Model2Vec, and of static embedding.
const TABLES: [&str; 3] = ["embeddings", "embedding.weight", "0"];

/// A model that was read.
pub(in crate::memory) struct Model {
    digest: String,
    tokenizer: Tokenizer,
    dimensions: usize,
    /// A row of `dimensions` bytes for each vector, and what makes numbers of them again.
    rows: Vec<i8>,
    scales: Vec<f32>,
    /// The row of each piece, where pieces share rows.
    mapping: Option<Vec<usize>>,
    /// What each piece's vector is multiplied by.
    factors: Option<Vec<f32>>,
    /// A piece that stands for what the vocabulary lacks tells nothing.
    unknown: Option<u32>,
}

impl Model {
    /// Reads a model's folder.
    pub(super) fn load(folder: &Path) -> Result<Self, Unusable> {
        let weights = read(folder, WEIGHTS, WEIGHTS_MAX_BYTES)?;
        let tokenizer = read(folder, TOKENIZER, TOKENIZER_MAX_BYTES)?;
        Self::parse(&weights, &tokenizer)
    }

    fn parse(weights: &[u8], tokenizer: &[u8]) -> Result<Self, Unusable> {
        let digest = hex::encode(
            Sha256::new().chain_update(Sha256::digest(weights)).chain_update(tokenizer).finalize(),
        );
        let tensors = SafeTensors::deserialize(weights)
            .map_err(|_| broken(WEIGHTS, "is not in the format of safetensors"))?;
        let table = TABLES
            .iter()
            .find_map(|name| tensors.tensor(name).ok())
            .ok_or_else(|| broken(WEIGHTS, "holds no table `embeddings`, so it is not a static model"))?;
        let &[pieces, dimensions] = table.shape() else {
            return Err(broken(WEIGHTS, "has a table that is not of rows and columns"));
        };
        if pieces == 0 || pieces > PIECES_MAX || dimensions == 0 || dimensions > DIMENSIONS_MAX {
            return Err(broken(
                WEIGHTS,
                format!(
                    "has {pieces} vectors of {dimensions} numbers; at most {PIECES_MAX} of {DIMENSIONS_MAX} are taken"
                ),
            ));
        }
        let mapping = optional(&tensors, "mapping", whole)?;
        let factors = optional(&tensors, "weights", numbers)?;
        let values =
            numbers(&table).ok_or_else(|| broken(WEIGHTS, "has a table of a type that is not known"))?;
        let (mut rows, mut scales) = (Vec::with_capacity(values.len()), Vec::with_capacity(pieces));
        for row in values.chunks_exact(dimensions) {
            scales.push(quantise(row, &mut rows));
        }
        if mapping.as_ref().is_some_and(|mapping| mapping.iter().any(|row| *row >= pieces)) {
            return Err(broken(WEIGHTS, "names a vector that it does not hold"));
        }
        let is_finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
        if !is_finite(&scales) || factors.as_deref().is_some_and(|factors| !is_finite(factors)) {
            return Err(broken(WEIGHTS, "holds values that are no numbers"));
        }
        let (tokenizer, unknown) = read_tokenizer(tokenizer)?;
        let model = Self { digest, tokenizer, dimensions, rows, scales, mapping, factors, unknown };
        // Two files that do not belong together leave pieces without a vector.
        let known = model
            .mapping
            .as_ref()
            .map_or(pieces, Vec::len)
            .min(model.factors.as_ref().map_or(usize::MAX, Vec::len));
        if model.tokenizer.get_vocab_size(false) > known {
            return Err(broken(TOKENIZER, format!("knows more pieces than {WEIGHTS} has vectors")));
        }
        Ok(model)
    }

    /// What tells this model from any other.
    pub(in crate::memory) fn digest(&self) -> &str {
        &self.digest
    }

    /// The direction of a text; `None` where it knows none of its words.
    pub(in crate::memory) fn vector(&self, text: &str) -> Option<Vector> {
        let text = &text[..text.floor_char_boundary(TEXT_MAX_BYTES)];
        let encode = || self.tokenizer.encode_fast(text, false);
        let encoding = catch_unwind(AssertUnwindSafe(encode)).ok()?.ok()?;
        let mut sum = vec![0.0f32; self.dimensions];
        for piece in encoding.get_ids().iter().filter(|piece| Some(**piece) != self.unknown) {
            self.add(*piece as usize, &mut sum);
        }
        let mut vector = Vector::with_capacity(self.dimensions);
        let scale = quantise(&sum, &mut vector);
        (scale.is_finite() && scale > 0.0).then_some(vector)
    }

    fn add(&self, piece: usize, sum: &mut [f32]) {
        let row = match &self.mapping {
            Some(mapping) => mapping.get(piece).copied(),
            None => Some(piece),
        };
        let Some(row) = row else { return };
        let start = row * self.dimensions;
        let (Some(values), Some(scale)) =
            (self.rows.get(start..start + self.dimensions), self.scales.get(row))
        else {
            return;
        };
        let factor =
            self.factors.as_ref().map_or(Some(1.0), |factors| factors.get(piece).copied()).unwrap_or(0.0);
        for (sum, value) in sum.iter_mut().zip(values) {
            *sum += f32::from(*value) * scale * factor;
        }
    }
}

/// Puts a row's values behind `into` as bytes; the answer makes values of them again.
fn quantise(values: &[f32], into: &mut Vec<i8>) -> f32 {
    let longest = values.iter().fold(0.0f32, |longest, value| longest.max(value.abs()));
    let is_sound = values.iter().all(|value| value.is_finite());
    let step = if is_sound && longest > 0.0 { 127.0 / longest } else { 0.0 };
    into.extend(values.iter().map(|value| (value * step).round() as i8));
    if is_sound { longest / 127.0 } else { f32::NAN }
}

fn read(folder: &Path, file: &str, most: u64) -> Result<Vec<u8>, Unusable> {
    let path = folder.join(file);
    let bytes = size(&path).ok_or_else(|| {
        Unusable::new(
            format!("its folder holds no file {file}"),
            "put all files of the model there, not links",
        )
    })?;
    if bytes > most {
        let what = format!("its {file} has {bytes} bytes; at most {most} are read");
        return Err(Unusable::new(what, "use a smaller model"));
    }
    // A file that grows meanwhile is cut, and then it is broken.
    let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
    let opened = std::fs::File::open(&path);
    match opened
        .and_then(|opened| std::io::Read::read_to_end(&mut std::io::Read::take(opened, most), &mut content))
    {
        Ok(_) => Ok(content),
        Err(_) => Err(Unusable::new(
            format!("its {file} cannot be read"),
            "check the disk and the file's permissions",
        )),
    }
}

/// The tokenizer, and the piece that stands for what it does not know.
fn read_tokenizer(bytes: &[u8]) -> Result<(Tokenizer, Option<u32>), Unusable> {
    #[derive(serde::Deserialize)]
    struct Stated {
        model: Pieces,
    }
    #[derive(serde::Deserialize)]
    struct Pieces {
        unk_token: Option<String>,
        unk_id: Option<u32>,
    }
    let parse = || {
        let stated: Stated = serde_json::from_slice(bytes).ok()?;
        let mut tokenizer = Tokenizer::from_bytes(bytes).ok()?;
        // What cuts and pads would change which pieces a text has.
        tokenizer.with_padding(None).with_truncation(None).ok()?;
        let by_name = stated.model.unk_token.and_then(|token| tokenizer.token_to_id(&token));
        Some((tokenizer, by_name.or(stated.model.unk_id)))
    };
    let parsed = catch_unwind(AssertUnwindSafe(parse)).ok().flatten();
    parsed.ok_or_else(|| broken(TOKENIZER, "is not a tokenizer of the format that it should have"))
}

fn optional<T>(
    tensors: &SafeTensors<'_>,
    name: &str,
    read: impl FnOnce(&TensorView<'_>) -> Option<T>,
) -> Result<Option<T>, Unusable> {
    let Ok(tensor) = tensors.tensor(name) else { return Ok(None) };
    let read =
        (tensor.shape().len() == 1 && tensor.shape()[0] <= PIECES_MAX).then(|| read(&tensor)).flatten();
    match read {
        Some(values) => Ok(Some(values)),
        None => Err(broken(WEIGHTS, format!("has a list `{name}` of a type or length that is not known"))),
    }
}

/// The values of a tensor as numbers.
fn numbers(tensor: &TensorView<'_>) -> Option<Vec<f32>> {
    let data = tensor.data();
    Some(match tensor.dtype() {
        Dtype::F32 => data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
        Dtype::F64 => data.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes) as f32).collect(),
        Dtype::F16 => data.as_chunks().0.iter().map(|bytes| half(u16::from_le_bytes(*bytes))).collect(),
        Dtype::I8 => data.iter().map(|byte| f32::from(byte.cast_signed())).collect(),
        _ => return None,
    })
}

/// The values of a tensor as places in a table.
fn whole(tensor: &TensorView<'_>) -> Option<Vec<usize>> {
    let data = tensor.data();
    match tensor.dtype() {
        Dtype::I64 => {
            data.as_chunks().0.iter().map(|bytes| usize::try_from(i64::from_le_bytes(*bytes)).ok()).collect()
        }
        Dtype::I32 => {
            data.as_chunks().0.iter().map(|bytes| usize::try_from(i32::from_le_bytes(*bytes)).ok()).collect()
        }
        _ => None,
    }
}

/// A number of half precision (IEEE 754 binary16).
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    match exponent {
        0 => sign * fraction * 2f32.powi(-24),
        31 => f32::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    }
}

fn broken(file: &str, what: impl std::fmt::Display) -> Unusable {
    Unusable::new(
        format!("its {file} {what}"),
        "download the model again; docs/memory.md names some that fit",
    )
}
