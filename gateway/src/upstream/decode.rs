//! Decodes compressed answers while they arrive. We ask for plain ones, but a provider or a proxy before
//! it may compress all the same, and what cannot be read cannot be inspected.

use super::UpstreamError;
use bytes::Bytes;
use http::{HeaderMap, header};
use std::io::Write;

/// What one piece may grow to. Text of models shrinks by ten; a thousand is an attack.
const OUTPUT_LIMIT: usize = 64 << 20;

/// The decoder of one answer.
pub(super) enum Decoder {
    Gzip(flate2::write::MultiGzDecoder<Sink>),
    Deflate(flate2::write::ZlibDecoder<Sink>),
    Brotli(Box<brotli_decompressor::DecompressorWriter<Sink>>),
}

/// Collects decoded bytes up to the limit.
#[derive(Default)]
pub(super) struct Sink(Vec<u8>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > OUTPUT_LIMIT {
            return Err(std::io::Error::other("the decoded answer is too large"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Decoder {
    /// The decoder that the headers call for; `None` for a plain answer.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Decoder>, UpstreamError> {
        let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
        let Some(encoding) = encodings.next() else { return Ok(None) };
        if encodings.next().is_some() {
            return Err(UpstreamError::Encoding);
        }
        Ok(Some(match encoding.to_str().map(|name| name.trim().to_ascii_lowercase()).as_deref() {
            Ok("identity" | "") => return Ok(None),
            Ok("gzip" | "x-gzip") => Decoder::Gzip(flate2::write::MultiGzDecoder::new(Sink::default())),
            Ok("deflate") => Decoder::Deflate(flate2::write::ZlibDecoder::new(Sink::default())),
            Ok("br") => {
                Decoder::Brotli(Box::new(brotli_decompressor::DecompressorWriter::new(Sink::default(), 4096)))
            }
            _ => return Err(UpstreamError::Encoding),
        }))
    }

    /// Decodes the next piece.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Bytes, UpstreamError> {
        let written = match self {
            Decoder::Gzip(writer) => writer.write_all(bytes).and_then(|()| writer.flush()),
            Decoder::Deflate(writer) => writer.write_all(bytes).and_then(|()| writer.flush()),
            Decoder::Brotli(writer) => writer.write_all(bytes).and_then(|()| writer.flush()),
        };
        written.map_err(|_| UpstreamError::Encoding)?;
        Ok(self.take())
    }

    /// The end of the answer: a decoder that still expects bytes makes it a broken one.
    pub(super) fn finish(&mut self) -> Result<Bytes, UpstreamError> {
        let finished = match self {
            Decoder::Gzip(writer) => writer.try_finish(),
            Decoder::Deflate(writer) => writer.try_finish(),
            Decoder::Brotli(writer) => writer.close(),
        };
        finished.map_err(|_| UpstreamError::Encoding)?;
        Ok(self.take())
    }

    fn take(&mut self) -> Bytes {
        let sink = match self {
            Decoder::Gzip(writer) => writer.get_mut(),
            Decoder::Deflate(writer) => writer.get_mut(),
            Decoder::Brotli(writer) => writer.get_mut(),
        };
        std::mem::take(&mut sink.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(encoding: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_ENCODING, encoding.parse().unwrap())])
    }

    #[test]
    fn gzip_comes_back_byte_by_byte_and_a_cut_is_an_error() {
        let text = b"data: hello\n\n".repeat(50);
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&text).unwrap();
        let packed = encoder.finish().unwrap();
        let mut decoder = Decoder::of(&headers("gzip")).unwrap().unwrap();
        let mut plain = Vec::new();
        for byte in packed.chunks(1) {
            plain.extend_from_slice(&decoder.push(byte).unwrap());
        }
        plain.extend_from_slice(&decoder.finish().unwrap());
        assert_eq!(plain, text);
        let mut cut = Decoder::of(&headers("gzip")).unwrap().unwrap();
        cut.push(&packed[..packed.len() / 2]).unwrap();
        assert!(cut.finish().is_err());
    }

    #[test]
    fn an_unknown_encoding_is_refused() {
        assert!(Decoder::of(&headers("zstd")).is_err());
        assert!(Decoder::of(&headers("gzip, br")).is_err());
        assert!(Decoder::of(&headers("identity")).unwrap().is_none());
    }
}
