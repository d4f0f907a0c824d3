//! Strings that an API declares to be no text: images, sound, files, opaque signatures. Base64 among them
//! that turns out to be text is inspected as text.

use crate::json::{Str, Value};
use base64::Engine;
use std::borrow::Cow;

/// A base64 text shorter than this is inspected as the string it is.
const BASE64_MIN: usize = 64;

/// How many base64 characters are decoded to see whether they hold text. A multiple of four.
const PROBE_BYTES: usize = 1024;

/// A string that the API declares to be no text.
pub struct Declared {
    /// `image`, `audio`, `pdf`, `file` or `opaque`.
    pub kind: &'static str,
    /// What base64 gave, where it is base64.
    pub decoded: Option<Vec<u8>>,
    /// How long it is as it stands.
    pub encoded_bytes: usize,
    /// Where the base64 begins in the string; it goes on to its end.
    pub data_start: usize,
}

impl Declared {
    /// What the string `key` of `object` is declared to be; `None` means plain text.
    pub fn of(object: &Value<'_>, key: &str, text: Str<'_>) -> Option<Declared> {
        let kind = match key {
            "data" => {
                let of = |name| object.get(name).and_then(Value::as_str).map(|text| text.text());
                match (of("type").as_deref(), of("media_type"), of("format")) {
                    (Some("base64"), Some(media), _) => media_kind(&media),
                    (Some("redacted_thinking"), _, _) => "opaque",
                    (_, _, Some(_)) | (Some("audio"), _, _) => "audio",
                    (None, None, None)
                        if object.get("transcript").is_some() || object.get("expires_at").is_some() =>
                    {
                        "audio"
                    }
                    _ => return None,
                }
            }
            "file_data" => "file",
            "b64_json" | "partial_image_b64" => "image",
            "signature" | "encrypted_content" | "thought_signature" | "encrypted_index" => "opaque",
            "file_id" => {
                return Some(Declared { kind: "file", decoded: None, encoded_bytes: 0, data_start: 0 });
            }
            _ => return None,
        };
        let raw = text.text();
        if let Some(attachment) = data_url(&raw) {
            return Some(attachment);
        }
        Declared::from_base64(kind, &raw)
    }

    /// `None` when the text is too short to be worth it or no base64: then it is inspected as text.
    pub(crate) fn from_base64(kind: &'static str, text: &str) -> Option<Declared> {
        (text.len() >= BASE64_MIN || kind == "image").then_some(())?;
        let decoded = Some(decode_base64(text)?);
        Some(Declared { kind, decoded, encoded_bytes: text.len(), data_start: 0 })
    }
}

fn media_kind(media: &str) -> &'static str {
    match media.split(['/', ';']).next() {
        Some("image") => "image",
        Some("audio") => "audio",
        _ if media.starts_with("application/pdf") => "pdf",
        _ => "file",
    }
}

/// `data:<media type>;base64,<data>`.
pub fn data_url(text: &str) -> Option<Declared> {
    let rest = text.strip_prefix("data:")?;
    let (head, data) = rest.split_at_checked(rest.find(',')?)?;
    let media = head.strip_suffix(";base64")?;
    let data = &data[1..];
    let decoded = Some(decode_base64(data)?);
    Some(Declared {
        kind: media_kind(media),
        decoded,
        encoded_bytes: text.len(),
        data_start: text.len() - data.len(),
    })
}

/// Base64 in either alphabet, padded or not, with line breaks or not.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    use base64::alphabet;
    use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
    let packed: Cow<'_, str> = if text.contains(['\n', '\r', ' ']) {
        Cow::Owned(text.replace(['\n', '\r', ' '], ""))
    } else {
        Cow::Borrowed(text)
    };
    let decode = |text: &[u8]| STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok();
    // What starts with bytes that are no text is no text: an image of 20 MB is not decoded to learn that.
    if let Some(head) = packed.as_bytes().get(..PROBE_BYTES) {
        let head = decode(head)?;
        if std::str::from_utf8(&head).is_err_and(|error| error.error_len().is_some()) {
            return Some(head);
        }
    }
    decode(packed.as_bytes())
}

/// Whether a member of an object says something, or is declared to be an image, a sound, a file or a signature. A
/// document that is text counts as it stands, encoded, which is more than it says.
pub fn is_text(object: &Value<'_>, key: &str, value: &Value<'_>) -> bool {
    let Some(text) = value.as_str() else { return true };
    let url = || text.raw().starts_with("data:").then(|| data_url(&text.text())).flatten();
    let declared = Declared::of(object, key, text).or_else(url);
    declared.is_none_or(|declared| declared.decoded.is_some_and(|bytes| std::str::from_utf8(&bytes).is_ok()))
}
