//! Texts that cost a scanner most, by kind.

use std::fmt::Write as _;

use crate::sample::{self, Numbers};

/// The kinds, each with about `bytes` bytes of text.
pub(crate) fn inputs(bytes: usize) -> Vec<(&'static str, String)> {
    let mut numbers = Numbers(3);
    let mut filled = |part: &mut dyn FnMut(&mut Numbers, &mut String)| {
        let mut text = String::with_capacity(bytes + 256);
        while text.len() < bytes {
            part(&mut numbers, &mut text);
        }
        text
    };
    let english = sample::english(bytes);
    let mut words = english.split_whitespace().cycle();
    vec![
        ("base64", filled(&mut |numbers, text| digits(numbers, text, BASE64, 76, '\n'))),
        ("base64 of text", base64(&english[..bytes * 3 / 4])),
        ("hex", filled(&mut |numbers, text| digits(numbers, text, b"0123456789abcdef", 64, '\n'))),
        ("hex of text", english[..bytes / 2].bytes().map(|byte| format!("{byte:02x}")).collect()),
        ("tag characters", english.chars().take(bytes / 4).map(tag).collect()),
        ("deep JSON", "{\"a\":[".repeat(bytes / 12) + &"]}".repeat(bytes / 12)),
        ("JSON of floats", filled(&mut float)),
        (
            "CSV of floats",
            filled(&mut |numbers, text| {
                row(numbers, text, &mut |n, text| {
                    write!(text, "{}.{:04}", n.below(1000), n.below(10_000)).unwrap();
                })
            }),
        ),
        (
            "CSV of digits",
            filled(&mut |numbers, text| {
                row(numbers, text, &mut |n, text| {
                    let count = 3 + n.below(12);
                    (0..count).for_each(|_| text.push(char::from(b'0' + n.below(10) as u8)));
                })
            }),
        ),
        (
            "5,000 redactions",
            filled(&mut |numbers, text| {
                let (word, host) = (words.next().unwrap(), words.next().unwrap());
                write!(text, "{word}{}@{host}.com ", numbers.below(90)).unwrap();
            }),
        ),
        (
            "minified code",
            filled(&mut |numbers, text| {
                let (one, other) = (words.next().unwrap(), words.next().unwrap());
                let (code, hex) = (numbers.below(1000), numbers.below(1 << 20));
                write!(
                    text,
                    "function {one}(e,t){{var n=e.{other}||[];return n[{code}]?{one}:\"#{hex:06x}\"}};"
                )
                .unwrap();
            }),
        ),
        (
            "log lines",
            filled(&mut |numbers, text| {
                let (id, time) = (numbers.next(), numbers.below(86_400));
                let (word, port) = (words.next().unwrap(), numbers.below(60_000));
                let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
                writeln!(text, "2026-12-01T{hour:02}:{minute:02}:{second:02}.{:03}Z INFO {word} id={id:016x} port={port} took {} ms", id % 1000, id % 97).unwrap();
            }),
        ),
        (
            "Chinese",
            filled(&mut |numbers, text| {
                (0..20).for_each(|_| text.extend(char::from_u32(0x4E00 + numbers.below(0x2000) as u32)));
                text.push('\u{3002}');
            }),
        ),
    ]
}

const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A line of digits of an alphabet.
fn digits(numbers: &mut Numbers, text: &mut String, alphabet: &[u8], count: usize, end: char) {
    (0..count).for_each(|_| text.push(char::from(alphabet[numbers.below(alphabet.len())])));
    text.push(end);
}

fn base64(text: &str) -> String {
    let digit = |value: u32, shift: u32| char::from(BASE64[(value >> shift & 63) as usize]);
    let quad = |part: &[u8]| {
        let value = part.iter().fold(0, |value, byte| value << 8 | u32::from(*byte));
        [18, 12, 6, 0].map(|shift| digit(value, shift))
    };
    text.as_bytes().chunks_exact(3).flat_map(quad).collect()
}

/// The invisible twin of an ASCII character.
fn tag(c: char) -> char {
    char::from_u32(0xE0000 + u32::from(c)).unwrap_or(c)
}

/// A number of an embedding.
fn float(numbers: &mut Numbers, text: &mut String) {
    let sign = if numbers.below(2) == 0 { "-" } else { "" };
    write!(text, "{sign}0.0{},", numbers.below(1_000_000_000)).unwrap();
}

fn row(numbers: &mut Numbers, text: &mut String, cell: &mut dyn FnMut(&mut Numbers, &mut String)) {
    for column in 0..12 {
        text.push_str(if column > 0 { "," } else { "" });
        cell(numbers, text);
    }
    text.push('\n');
}
