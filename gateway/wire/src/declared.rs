//! What an API declares a string to be besides the text that it is: an image, a sound, a file, something opaque.
//!
//! A declaration never takes a string away from inspection: the string is read as it stands before anybody asks
//! what it is declared to be. Looking at a [`Declared`] string can only add: the texts that its bytes may be, and a
//! [`Mark`] that names it as not inspected. What bytes are is told by the bytes ([`crate::blob`]).

use crate::blob;
use crate::charset;
use crate::json::{Str, Value};
use smallvec::SmallVec;
use std::borrow::Cow;

/// What a string is declared to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// `image`, `audio`, `video`, `pdf`, `file` or `opaque`.
    kind: &'static str,
    says: Says,
    coding: Coding,
    /// The charset that a media type names.
    charset: Option<String>,
    /// Where what is encoded begins in the string; it goes on to its end.
    start: usize,
}

/// What kind of thing a declaration speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    /// A text, encoded.
    Text,
    /// Something that is no text, whatever its bytes are.
    Attachment,
    /// Something that only its maker reads, such as a signature.
    Opaque,
    /// A list of numbers.
    Vector,
}

/// How a declared string holds its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Base64,
    Percent,
    /// The bytes are the string's own.
    Plain,
    /// The bytes are elsewhere; the string only names them.
    Elsewhere,
}

/// How a declared string stands in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// All of it was read.
    Read,
    /// It has the shape of what only its maker reads. It is named, and no attachment.
    Opaque,
    /// It is an attachment: `attachments: deny` refuses it.
    Attachment,
}

/// What a look at a declared string adds to the string.
#[derive(Debug)]
pub struct Look<'a> {
    /// What it is called where it is named.
    pub kind: &'static str,
    /// How it stands in a record.
    pub mark: Mark,
    /// The texts that its bytes may be.
    pub readings: SmallVec<[Cow<'a, str>; 1]>,
    /// Where what is encoded begins in the string.
    pub start: usize,
    /// Whether it is one run of encoded bytes that are no text. Words in it are chance, unless they are long.
    pub is_blob: bool,
    /// Whether it is base64 throughout: another word in the place of a part would break it.
    pub is_encoded: bool,
}

/// Keys whose values are what only their maker reads.
const OPAQUE: &[&str] = &[
    "encrypted_content",
    "encrypted_index",
    "encrypted_stdout",
    "signature",
    "thoughtSignature",
    "thought_signature",
];

/// Keys of an address that a provider fetches by itself, and what lies there.
const ADDRESSES: &[(&str, &str)] = &[
    ("image_url", "image"),
    ("file_url", "file"),
    ("document_url", "file"),
    ("audio_url", "audio"),
    ("video_url", "video"),
];

impl Declared {
    /// What the string `said` at `key` of `object` is declared to be, by its neighbours or by itself; `None` where it
    /// is only the text that it is. `parent` is the key that the object stands at.
    #[must_use]
    pub fn of(object: &Value<'_>, parent: Option<&str>, key: &str, said: &str) -> Option<Declared> {
        Declared::url(said).or_else(|| Declared::by_key(object, parent, key))
    }

    fn by_key(object: &Value<'_>, parent: Option<&str>, key: &str) -> Option<Declared> {
        let has = |name: &str| object.get(name).is_some();
        let is = |kind: &str| types(object).any(|said| said.is(kind));
        let attachment = |kind, coding| Some(Declared::new(kind, Says::Attachment, coding));
        let opaque = || Some(Declared::new("opaque", Says::Opaque, Coding::Base64));
        match key {
            _ if OPAQUE.contains(&key) => opaque(),
            "data" if is("redacted_thinking") => opaque(),
            // Texts that say so are texts; what they are declared to hold may be none.
            "data" | "blob" if is("text") => {
                media(object, Coding::Plain).filter(|declared| declared.says == Says::Attachment)
            }
            "data" | "blob" => media(object, Coding::Base64).or_else(|| match () {
                () if is("image") => attachment("image", Coding::Base64),
                () if is("base64") || key == "blob" => attachment("file", Coding::Base64),
                () if is("audio") || is("input_audio") || parent == Some("input_audio") => {
                    attachment("audio", Coding::Base64)
                }
                () if has("format") || has("transcript") || has("expires_at") => {
                    attachment("audio", Coding::Base64)
                }
                () => None,
            }),
            "file_data" => attachment("file", Coding::Base64),
            "b64_json" | "partial_image_b64" => attachment("image", Coding::Base64),
            "result" if is("image_generation_call") => attachment("image", Coding::Base64),
            "embedding" => Some(Declared::new("file", Says::Vector, Coding::Base64)),
            "file_id" => attachment("file", Coding::Elsewhere),
            "url" if parent == Some("source") && is("url") => attachment("file", Coding::Elsewhere),
            "url" => attachment(address(parent?)?, Coding::Elsewhere),
            "input_audio" if is("input_audio") => attachment("audio", Coding::Elsewhere),
            _ => {
                let what = address(key)?;
                let is_part = types(object).any(|kind| kind.is(key) || kind.raw().starts_with("input_"));
                is_part.then(|| Declared::new(what, Says::Attachment, Coding::Elsewhere))
            }
        }
    }

    /// What a `data:` URL holds; `None` for any other text. White space before it and capitals in it are allowed, as
    /// those who open addresses allow them.
    #[must_use]
    pub fn url(text: &str) -> Option<Declared> {
        let trimmed = text.trim_start();
        let scheme = trimmed.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("data:"))?;
        let rest = &trimmed[scheme.len()..];
        let comma = memchr::memchr(b',', rest.as_bytes())?;
        let start = text.len() - rest.len() + comma + 1;
        let head: String = rest[..comma].chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let head = head.to_ascii_lowercase();
        match head.strip_suffix(";base64").or((head == "base64").then_some("")) {
            Some(media) => Some(Declared::of_media(media, Coding::Base64, start)),
            // Without an encoding, only what is written like a media type: others begin sentences with `data:` too.
            None if is_media(rest[..comma].trim()) => Some(Declared::of_media(&head, Coding::Percent, start)),
            None => None,
        }
    }

    fn new(kind: &'static str, says: Says, coding: Coding) -> Declared {
        Declared { kind, says, coding, charset: None, start: 0 }
    }

    fn of_media(media: &str, coding: Coding, start: usize) -> Declared {
        let mut parts = media.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
        let charset = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"').to_owned())
        });
        let kind = match essence.split('/').next() {
            Some("image") => "image",
            Some("audio") => "audio",
            Some("video") => "video",
            _ if essence == "application/pdf" => "pdf",
            _ => "file",
        };
        let says = if is_text_type(&essence) { Says::Text } else { Says::Attachment };
        Declared { kind, says, coding, charset, start }
    }

    /// Looks at what the declared string holds.
    #[must_use]
    pub fn look<'a>(&self, text: &'a str) -> Look<'a> {
        let data = text.get(self.start..).unwrap_or_default();
        let mut look = Look {
            kind: self.kind,
            mark: if self.says == Says::Attachment { Mark::Attachment } else { Mark::Read },
            readings: SmallVec::new(),
            start: self.start,
            is_blob: false,
            is_encoded: false,
        };
        match self.coding {
            Coding::Elsewhere if data.is_empty() => look.mark = Mark::Read,
            Coding::Elsewhere | Coding::Plain => {}
            Coding::Percent => {
                self.read(&percent_decoded(data), true, &mut look);
                look.is_blob = false;
                look.readings.retain(|reading| reading != data);
            }
            Coding::Base64 if data.is_empty() => {}
            // Signs of an address may be written as their numbers.
            Coding::Base64 if self.start > 0 && data.contains('%') => {
                let data = String::from_utf8_lossy(&percent_decoded(data)).into_owned();
                self.base64(&data, &mut look);
                (look.is_blob, look.is_encoded) = (false, false);
            }
            Coding::Base64 => self.base64(data, &mut look),
        }
        look
    }

    fn base64(&self, data: &str, look: &mut Look<'_>) {
        let is_run = blob::is_run(data);
        // What is declared to be no text and begins as a format without text is one: megabytes of a picture are not
        // decoded to learn that. A PDF may be text, so its mark says nothing here.
        if is_run && self.says == Says::Attachment {
            let head = blob::head(data, HEAD_BYTES);
            if blob::magic(&head).is_some_and(|kind| kind != "pdf")
                && !charset::readings(&head, None).are_text
            {
                (look.is_blob, look.is_encoded) = (true, true);
                return;
            }
        }
        let decoded = blob::decode(data);
        look.is_encoded = decoded.is_clean;
        match self.says {
            Says::Vector if decoded.is_clean && blob::is_vector(&decoded.bytes) => look.is_blob = is_run,
            // An id, a word, a sentence: the text that it is.
            Says::Opaque | Says::Vector if data.len() < blob::BLOB_MIN_BYTES || !decoded.is_clean => {
                add_text(&decoded.bytes, look);
            }
            Says::Opaque
                if is_run && blob::magic(&decoded.bytes).is_none() && blob::is_noise(&decoded.bytes) =>
            {
                (look.mark, look.is_blob) = (Mark::Opaque, true);
                add_words(&decoded.bytes, look);
            }
            _ => {
                self.read(&decoded.bytes, decoded.is_clean, look);
                look.is_blob &= is_run;
            }
        }
    }

    /// Reads bytes as the texts that they may be, and marks what is none.
    fn read(&self, bytes: &[u8], is_clean: bool, look: &mut Look<'_>) {
        let read = charset::readings(bytes, self.charset.as_deref());
        let magic = blob::magic(bytes);
        look.is_blob = !read.are_text;
        if self.says != Says::Attachment && (!read.are_text || !is_clean || magic.is_some()) {
            look.mark = Mark::Attachment;
            look.kind = magic.unwrap_or("file");
        }
        if read.are_text || self.says == Says::Text {
            look.readings.extend(read.texts.into_iter().map(|text| Cow::Owned(text.into_owned())));
        } else {
            add_words(bytes, look);
        }
    }
}

/// Adds the words that stand between bytes that are no text, such as what a camera or a writer noted in a file.
fn add_words(bytes: &[u8], look: &mut Look<'_>) {
    let words = blob::words(bytes);
    if !words.is_empty() {
        look.readings.push(Cow::Owned(words));
    }
}

/// How many bytes tell a format without text.
const HEAD_BYTES: usize = 768;

/// Adds what bytes say where they are a text, and nothing else.
fn add_text(bytes: &[u8], look: &mut Look<'_>) {
    let read = charset::readings(bytes, None);
    if read.are_text {
        look.readings.extend(read.texts.into_iter().map(|text| Cow::Owned(text.into_owned())));
    }
}

/// Whether a string is, for whoever counts tokens, not the text that it is: one run of encoded bytes.
#[must_use]
pub fn is_blob(object: &Value<'_>, key: &str, text: Str<'_>) -> bool {
    let said = text.text();
    let declared = Declared::of(object, None, key, &said);
    declared.is_some_and(|declared| declared.look(&said).is_blob)
}

/// What an object says that it is, as often as it says it: readers disagree about keys that stand twice.
fn types<'v, 't>(object: &'v Value<'t>) -> impl Iterator<Item = Str<'t>> + 'v {
    let members = object.members().iter().filter(|(key, _)| key.is("type"));
    members.filter_map(|(_, value)| value.as_str())
}

/// What the media type beside a string declares it to be; of several, one that is no text.
fn media(object: &Value<'_>, coding: Coding) -> Option<Declared> {
    const NAMES: &[&str] = &["media_type", "mime_type", "mimeType"];
    let members = object.members().iter().filter(|(key, _)| NAMES.iter().any(|name| key.is(name)));
    let said = members.filter_map(|(_, value)| Some(Declared::of_media(&value.as_str()?.text(), coding, 0)));
    said.reduce(|one, other| if one.says == Says::Attachment { one } else { other })
}

/// What lies at an address that the provider fetches by itself.
fn address(key: &str) -> Option<&'static str> {
    ADDRESSES.iter().find(|(known, _)| *known == key).map(|(_, what)| *what)
}

/// Whether a media type, in small letters and without its parameters, is one of text. None at all is text.
fn is_text_type(essence: &str) -> bool {
    const TEXT: &[&str] = &["json", "jsonl", "x-ndjson", "xml", "csv", "markdown", "yaml", "x-yaml"];
    match essence.split_once('/') {
        None => essence.is_empty(),
        Some(("text", _)) => true,
        Some(("image" | "audio" | "video", _)) => false,
        Some((_, subtype)) => {
            TEXT.contains(&subtype) || subtype.ends_with("+json") || subtype.ends_with("+xml")
        }
    }
}

/// Whether a text is written like a media type with its parameters, or like parameters alone.
fn is_media(text: &str) -> bool {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$&-^_.+/;=\"' ".contains(c);
    let essence = text.split(';').next().unwrap_or_default();
    text.chars().all(is_token)
        && !essence.trim().contains(' ')
        && (text.starts_with(';')
            || essence.split_once('/').is_some_and(|(kind, sub)| !kind.is_empty() && !sub.is_empty()))
}

/// The bytes of a text whose `%41` stand for bytes.
fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    const WORDS: &str =
        "Kestrel leaves at noon and nobody outside of this house may hear of it before the end of May";

    fn noise(count: u64) -> Vec<u8> {
        (1..=count).map(|number| (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 31) as u8).collect()
    }

    /// How the string at `key` of an object is marked, as what, and what is read of it.
    fn looked(
        parent: Option<&str>,
        key: &str,
        object: &serde_json::Value,
    ) -> Option<(Mark, String, Vec<String>)> {
        let text = object.to_string();
        let value = json::parse(&text).unwrap();
        let said = value.get(key).and_then(Value::as_str).unwrap().text();
        let declared = Declared::of(&value, parent, key, &said)?;
        let look = declared.look(&said);
        let readings = look.readings.iter().map(|reading| reading.to_string()).collect();
        Some((look.mark, look.kind.to_owned(), readings))
    }

    fn url(text: &str) -> Option<(Mark, String, Vec<String>)> {
        looked(None, "x", &serde_json::json!({"x": text}))
    }

    #[test]
    fn what_is_declared_to_be_no_text_is_an_attachment_whatever_its_bytes_are() {
        let pdf = STANDARD.encode("%PDF-1.4\n[(Kes)-1(trel)] TJ");
        let png = STANDARD.encode([b"\x89PNG\r\n\x1a\n\0\0".as_slice(), &noise(900)].concat());
        let words = STANDARD.encode(WORDS);
        let object = |value: serde_json::Value| value;
        for (kind, parent, key, value) in [
            (
                "pdf",
                Some("source"),
                "data",
                object(serde_json::json!({"type": "base64", "media_type": "application/pdf", "data": pdf})),
            ),
            (
                "pdf",
                Some("source"),
                "data",
                object(serde_json::json!({"type": "text", "media_type": "application/pdf", "data": "%PDF"})),
            ),
            (
                "image",
                Some("source"),
                "data",
                object(serde_json::json!({"type": "base64", "media_type": "image/png", "data": png})),
            ),
            (
                "image",
                Some("source"),
                "data",
                object(
                    serde_json::json!({"type": "base64", "media_type": "IMAGE/PNG; x=y", "data": "Kestrel"}),
                ),
            ),
            ("file", Some("source"), "data", object(serde_json::json!({"type": "base64", "data": words}))),
            (
                "audio",
                Some("input_audio"),
                "data",
                object(serde_json::json!({"data": words, "format": "wav"})),
            ),
            ("audio", Some("input_audio"), "data", object(serde_json::json!({"data": "short"}))),
            ("video", None, "data", object(serde_json::json!({"mimeType": "video/mp4", "data": words}))),
            ("file", None, "blob", object(serde_json::json!({"uri": "x", "blob": words}))),
            ("file", Some("file"), "file_data", object(serde_json::json!({"file_data": words}))),
            (
                "pdf",
                Some("file"),
                "file_data",
                object(serde_json::json!({"file_data": format!("data:application/pdf;base64,{pdf}")})),
            ),
            ("file", None, "file_id", object(serde_json::json!({"type": "input_file", "file_id": "file-1"}))),
            ("image", None, "b64_json", object(serde_json::json!({"b64_json": "abc"}))),
            (
                "image",
                None,
                "result",
                object(serde_json::json!({"type": "image_generation_call", "result": png})),
            ),
            ("image", Some("image_url"), "url", object(serde_json::json!({"url": "gs://bucket/a.png"}))),
            (
                "image",
                None,
                "image_url",
                object(serde_json::json!({"type": "input_image", "image_url": "HTTPS://a.example"})),
            ),
            (
                "file",
                None,
                "document_url",
                object(serde_json::json!({"type": "document_url", "document_url": "https://a.example"})),
            ),
            (
                "file",
                Some("source"),
                "url",
                object(serde_json::json!({"type": "url", "url": "https://a.example"})),
            ),
        ] {
            let (mark, named, _) =
                looked(parent, key, &value).unwrap_or_else(|| panic!("{value} is not declared"));
            assert_eq!((mark, named.as_str()), (Mark::Attachment, kind), "{value}");
        }
        for (kind, text) in [
            ("pdf", format!("data:application/pdf;base64,{pdf}")),
            ("pdf", "data:application/pdf,%25PDF-1.4".to_owned()),
            ("pdf", format!(" DATA:Application/PDF;name=a.pdf;BASE64,{pdf}")),
            ("pdf", format!("data:text/plain;base64,{pdf}")),
            ("image", "data:image/svg+xml;utf8,<svg>Kestrel</svg>".to_owned()),
            ("image", format!("data:;base64,{png}")),
            ("file", format!("data:application/octet-stream;base64,{words}")),
            ("file", "data:;base64,Kestrel leaves at noon".to_owned()),
            ("pdf", format!("data:text/plain;base64,{}", pdf.replacen("JV", "%4AV", 1))),
            ("file", format!("data:text/plain;charset=utf-7;base64,{words}")),
        ] {
            let (mark, named, _) = url(&text).unwrap_or_else(|| panic!("{text} is not declared"));
            assert_eq!((mark, named.as_str()), (Mark::Attachment, kind), "{text}");
        }
    }

    #[test]
    fn of_two_declarations_the_one_that_hides_more_holds() {
        for text in [
            r#"{"type":"base64","media_type":"application/pdf","media_type":"text/plain","data":"JVBERi0xLjQK"}"#,
            r#"{"type":"base64","media_type":"text/plain","mimeType":"application/pdf","data":"JVBERi0xLjQK"}"#,
            r#"{"type":"input_image","type":"text","image_url":"https://a.example"}"#,
        ] {
            let value = json::parse(text).unwrap();
            let (key, said) = value.members().last().unwrap();
            let said = said.as_str().unwrap().text();
            let declared = Declared::of(&value, None, &key.text(), &said).unwrap();
            assert_eq!(declared.look(&said).mark, Mark::Attachment, "{text}");
        }
    }

    #[test]
    fn a_document_that_is_text_is_read_and_no_attachment() {
        let latin: Vec<u8> = "Zoë: Kestrel".chars().map(|c| c as u8).collect();
        let wide: Vec<u8> = "\u{feff}Zoë: Kestrel".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in ["Zoë: Kestrel".as_bytes(), &latin, &wide] {
            for media in
                ["text/plain", "text/markdown; charset=utf-8", "", "application/json", "application/ld+json"]
            {
                let (mark, _, readings) =
                    url(&format!("data:{media};base64,{}", STANDARD.encode(bytes))).unwrap();
                assert_eq!(mark, Mark::Read, "{media} {bytes:?}");
                assert!(readings.iter().any(|reading| reading == "Zoë: Kestrel"), "{media} {readings:?}");
            }
        }
        let (mark, _, readings) = url("data:text/plain,Kes%74rel").unwrap();
        assert_eq!((mark, readings), (Mark::Read, vec!["Kestrel".to_owned()]));
        let plain = serde_json::json!({"type": "text", "media_type": "text/plain", "data": WORDS});
        assert_eq!(looked(Some("source"), "data", &plain), None);
        for text in
            ["data: 5,3 of 7", "data: see a/b, then", "data:{\"a\":1,2", "metadata:;base64,x", "data:"]
        {
            assert_eq!(url(text), None, "{text}");
        }
    }

    #[test]
    fn opaque_is_what_has_the_shape_of_it() {
        let packed = STANDARD.encode(noise(700));
        for key in OPAQUE {
            let of = |text: &str| looked(None, key, &serde_json::json!({ *key: text })).unwrap();
            assert_eq!(of(&packed).0, Mark::Opaque, "{key}");
            for words in ["s", "skip_thought_signature_validator", WORDS] {
                let (mark, _, readings) = of(words);
                assert_eq!((mark, readings.len()), (Mark::Read, 0), "{key}: {words}");
            }
            assert_eq!(of(&STANDARD.encode(WORDS)).2, [WORDS], "{key}");
            let png = STANDARD.encode([b"\x89PNG\r\n\x1a\n".as_slice(), &noise(900)].concat());
            let between = STANDARD.encode([noise(600).as_slice(), WORDS.repeat(6).as_bytes()].concat());
            for hidden in [png, WORDS.replace(' ', ""), between, STANDARD.encode([7; 100])] {
                assert_eq!(of(&hidden).0, Mark::Attachment, "{key}: {hidden}");
            }
        }
        let vector: Vec<u8> = (0..64).flat_map(|number| (number as f32 / -640.0).to_le_bytes()).collect();
        let embedding =
            |text: &str| looked(None, "embedding", &serde_json::json!({"embedding": text})).unwrap().0;
        assert_eq!(embedding(&STANDARD.encode(vector)), Mark::Read);
        assert_eq!(embedding(&packed), Mark::Attachment);
    }

    proptest::proptest! {
        /// Whatever a string is declared to be, looking at it adds, and never fails.
        #[test]
        fn any_string_may_be_declared_anything(
            said in "(data:)?[a-z/;,=%+]{0,12}(;base64,)?[\\PC]{0,40}",
            key in "data|blob|signature|file_data|embedding|url|image_url|file_id",
            media in proptest::option::of("[a-z]{1,6}/[a-z+]{1,8}(;charset=[a-z0-9-]{1,8})?"),
        ) {
            let object = serde_json::json!({"type": "base64", "media_type": media, &key: said});
            let text = object.to_string();
            let value = json::parse(&text).unwrap();
            if let Some(declared) = Declared::of(&value, Some("source"), &key, &said) {
                let look = declared.look(&said);
                proptest::prop_assert!(look.start <= said.len());
                proptest::prop_assert!(!look.is_blob || look.mark != Mark::Read || key == "embedding");
            }
        }
    }
}
