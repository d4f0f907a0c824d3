use std::collections::HashMap;

use proptest::prelude::*;
use safetensors::serialize;

use super::*;

/// Five pieces, of which two mean nearly the same.
const VALUES: [[f32; 3]; 5] =
    [[0.0, 0.0, 9.0], [1.0, 0.0, 0.0], [0.9, 0.1, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

fn tokenizer() -> Vec<u8> {
    br###"{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null,
        "decoder": null, "model": {"type": "WordLevel", "unk_token": "[UNK]",
        "vocab": {"[UNK]": 0, "doctor": 1, "physician": 2, "invoice": 3, "tree": 4}}}"###
        .to_vec()
}

fn bytes(values: &[[f32; 3]]) -> Vec<u8> {
    values.iter().flatten().flat_map(|value| value.to_le_bytes()).collect()
}

fn file(tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)]) -> Vec<u8> {
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, data)| (*name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    serialize(views.collect::<HashMap<_, _>>(), None).unwrap()
}

fn table(name: &str) -> Vec<u8> {
    file(&[(name, Dtype::F32, vec![5, 3], bytes(&VALUES))])
}

fn near(model: &Model, one: &str, other: &str) -> f32 {
    let (one, other) = (model.vector(one).unwrap(), model.vector(other).unwrap());
    let product =
        |a: &[i8], b: &[i8]| a.iter().zip(b).map(|(a, b)| f32::from(*a) * f32::from(*b)).sum::<f32>();
    product(&one, &other) / (product(&one, &one) * product(&other, &other)).sqrt()
}

#[test]
fn what_means_the_same_is_near_and_unknown_words_count_nothing() {
    for name in TABLES {
        let model = Model::parse(&table(name), &tokenizer()).unwrap();
        assert!(near(&model, "doctor", "physician") > 0.95);
        assert!(near(&model, "doctor", "invoice") < 0.05);
        assert!(near(&model, "Doctor zebra", "doctor") > 0.999);
        assert_eq!(model.vector("zebra giraffe"), None);
        assert_eq!(model.vector(""), None);
        assert_eq!(model.vector(&"doctor ".repeat(10_000)).unwrap().len(), 3);
    }
}

#[test]
fn shared_rows_half_numbers_and_factors_are_read_as_they_are_meant() {
    let halves: Vec<u8> = [0x3c00u16, 0x0000, 0x0000, 0x0000, 0xc000, 0x0001]
        .iter()
        .flat_map(|half| half.to_le_bytes())
        .collect();
    let mapping: Vec<u8> = [0i64, 0, 0, 1, 1].iter().flat_map(|row| row.to_le_bytes()).collect();
    let factors: Vec<u8> =
        [1.0f32, 1.0, 0.5, 0.01, 1.0].iter().flat_map(|factor| factor.to_le_bytes()).collect();
    let weights = file(&[
        ("embeddings", Dtype::F16, vec![2, 3], halves),
        ("mapping", Dtype::I64, vec![5], mapping),
        ("weights", Dtype::F32, vec![5], factors),
    ]);
    let model = Model::parse(&weights, &tokenizer()).unwrap();
    assert_eq!(model.vector("physician").unwrap(), [127, 0, 0]);
    assert_eq!(model.vector("tree").unwrap(), [0, -127, 0]);
    // The factor makes an invoice's direction count little beside a doctor's.
    assert_eq!(model.vector("doctor invoice").unwrap(), [127, -3, 0]);
    assert_eq!(
        [0x3c00, 0xc000, 0x3555, 0x0001, 0x7bff].map(half),
        [1.0, -2.0, 0.333_251_95, 5.960_464_5e-8, 65504.0]
    );
    assert!(half(0x7c00).is_nan());
}

#[test]
fn files_that_cannot_be_a_model_are_told_and_not_used() {
    let floats = |count: usize| vec![0u8; count * 4];
    let cases: Vec<(Vec<u8>, Vec<u8>, &str)> = vec![
        (Vec::new(), tokenizer(), "format of safetensors"),
        (vec![0xff; 64], tokenizer(), "format of safetensors"),
        (file(&[("lm_head", Dtype::F32, vec![1], floats(1))]), tokenizer(), "no table"),
        (file(&[("embeddings", Dtype::F32, vec![15], floats(15))]), tokenizer(), "rows and columns"),
        (file(&[("embeddings", Dtype::F32, vec![5, 0], floats(0))]), tokenizer(), "at most"),
        (file(&[("embeddings", Dtype::F32, vec![1, 2048], floats(2048))]), tokenizer(), "at most"),
        (file(&[("embeddings", Dtype::I32, vec![5, 3], floats(15))]), tokenizer(), "type that is not known"),
        (file(&[("embeddings", Dtype::F32, vec![4, 3], floats(12))]), tokenizer(), "more pieces"),
        (
            file(&[("embeddings", Dtype::F32, vec![5, 3], f32::NAN.to_le_bytes().repeat(15))]),
            tokenizer(),
            "no numbers",
        ),
        (
            file(&[
                ("embeddings", Dtype::F32, vec![5, 3], floats(15)),
                ("mapping", Dtype::I32, vec![5], 5i32.to_le_bytes().repeat(5)),
            ]),
            tokenizer(),
            "does not hold",
        ),
        (
            file(&[
                ("embeddings", Dtype::F32, vec![5, 3], floats(15)),
                ("mapping", Dtype::I64, vec![5], (-1i64).to_le_bytes().repeat(5)),
            ]),
            tokenizer(),
            "list `mapping`",
        ),
        (table("embeddings"), b"{}".to_vec(), "not a tokenizer"),
        (table("embeddings"), vec![b'['; 100_000], "not a tokenizer"),
    ];
    for (weights, tokenizer, word) in cases {
        let unusable = Model::parse(&weights, &tokenizer).err().expect(word);
        assert!(unusable.what.contains(word), "{word}: {}", unusable.what);
    }
}

#[test]
fn the_digest_tells_models_apart() {
    let digest = |weights: &[u8], tokenizer: &[u8]| Model::parse(weights, tokenizer).unwrap().digest;
    let ours = digest(&table("embeddings"), &tokenizer());
    assert_eq!(ours, digest(&table("embeddings"), &tokenizer()));
    assert_ne!(ours, digest(&table("0"), &tokenizer()));
    assert_ne!(ours, digest(&table("embeddings"), &[tokenizer(), b" ".to_vec()].concat()));
}

proptest! {
    /// Whatever is changed in the files, and whatever text is asked: an answer or a sentence, no panic.
    #[test]
    fn no_change_of_the_files_makes_a_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        in_tokenizer in any::<bool>(),
        cut in prop::option::of(any::<prop::sample::Index>()),
        text in "\\PC{0,40}",
    ) {
        let (mut weights, mut tokenizer) = (table("embeddings"), tokenizer());
        let changed = if in_tokenizer { &mut tokenizer } else { &mut weights };
        for (at, byte) in changes {
            let at = at.index(changed.len());
            changed[at] = byte;
        }
        if let Some(cut) = cut {
            changed.truncate(cut.index(changed.len()));
        }
        match Model::parse(&weights, &tokenizer) {
            Ok(model) => {
                for text in [text.as_str(), "doctor invoice"] {
                    prop_assert!(model.vector(text).is_none_or(|vector| vector.len() == model.dimensions));
                }
            }
            Err(unusable) => prop_assert!(!unusable.what.is_empty() && !unusable.fix.is_empty()),
        }
    }
}
