//! Decodes compressed answers while they arrive. We ask for plain ones, but a provider or a proxy before
//! it may compress all the same, and what cannot be read cannot be inspected.

use super::UpstreamError;
use bytes::Bytes;
use http::{HeaderMap, header};
use std::io::Write;
use zstd::stream::raw::{InBuffer, Operation, OutBuffer};

/// What one piece may grow to. Text of models shrinks by ten; a thousand is an attack.
const OUTPUT_LIMIT: usize = 64 << 20;

/// The decoder of one answer.
pub(super) enum Decoder {
    Gzip(flate2::write::MultiGzDecoder<Sink>),
    Deflate(flate2::write::ZlibDecoder<Sink>),
    Brotli(Box<brotli_decompressor::DecompressorWriter<Sink>>),
    Zstd(Zstd),
}

/// Frames of Zstandard, one after another.
pub(super) struct Zstd {
    frames: zstd::stream::raw::Decoder<'static>,
    sink: Sink,
    /// Whether a frame has begun and not ended.
    is_inside: bool,
}

/// The largest window a sender may ask for: that of RFC 9659, which made it the rule for HTTP.
const ZSTD_WINDOW_LOG: u32 = 23;

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
            Ok("identity" | "none" | "") => return Ok(None),
            Ok("gzip" | "x-gzip") => Decoder::Gzip(flate2::write::MultiGzDecoder::new(Sink::default())),
            Ok("deflate") => Decoder::Deflate(flate2::write::ZlibDecoder::new(Sink::default())),
            Ok("br") => {
                Decoder::Brotli(Box::new(brotli_decompressor::DecompressorWriter::new(Sink::default(), 4096)))
            }
            Ok("zstd") => Decoder::Zstd(Zstd::new().map_err(|_| UpstreamError::Encoding)?),
            _ => return Err(UpstreamError::Encoding),
        }))
    }

    /// Decodes the next piece.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Bytes, UpstreamError> {
        let written = match self {
            Decoder::Gzip(writer) => writer.write_all(bytes).and_then(|()| writer.flush()),
            Decoder::Deflate(writer) => writer.write_all(bytes).and_then(|()| writer.flush()),
            Decoder::Brotli(writer) => writer.write_all(bytes).and_then(|()| writer.flush()),
            Decoder::Zstd(frames) => frames.push(bytes),
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
            Decoder::Zstd(Zstd { is_inside: false, .. }) => Ok(()),
            Decoder::Zstd(_) => Err(std::io::ErrorKind::UnexpectedEof.into()),
        };
        finished.map_err(|_| UpstreamError::Encoding)?;
        Ok(self.take())
    }

    fn take(&mut self) -> Bytes {
        let sink = match self {
            Decoder::Gzip(writer) => writer.get_mut(),
            Decoder::Deflate(writer) => writer.get_mut(),
            Decoder::Brotli(writer) => writer.get_mut(),
            Decoder::Zstd(frames) => &mut frames.sink,
        };
        std::mem::take(&mut sink.0).into()
    }
}

impl Zstd {
    fn new() -> std::io::Result<Zstd> {
        let mut frames = zstd::stream::raw::Decoder::new()?;
        frames.set_parameter(zstd::stream::raw::DParameter::WindowLogMax(ZSTD_WINDOW_LOG))?;
        Ok(Zstd { frames, sink: Sink::default(), is_inside: false })
    }

    fn push(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let mut input = InBuffer::around(bytes);
        let mut piece = [0; 16 << 10];
        loop {
            let mut output = OutBuffer::around(&mut piece[..]);
            let before = input.pos();
            let more = self.frames.run(&mut input, &mut output)?;
            let decoded = output.pos();
            // A call that took and gave nothing says nothing about the frame.
            if input.pos() > before || decoded > 0 {
                self.is_inside = more != 0;
            }
            self.sink.write_all(&piece[..decoded])?;
            // A full piece may have more behind it, although all input is taken.
            if input.pos() == bytes.len() && decoded < piece.len() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(encoding: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_ENCODING, encoding.parse().unwrap())])
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        zstd::stream::encode_all(text, 3).unwrap()
    }

    fn decoded(encoding: &str, pieces: std::slice::Chunks<'_, u8>) -> Result<Vec<u8>, UpstreamError> {
        let mut decoder = Decoder::of(&headers(encoding))?.unwrap();
        let mut plain = Vec::new();
        for piece in pieces {
            plain.extend_from_slice(&decoder.push(piece)?);
        }
        plain.extend_from_slice(&decoder.finish()?);
        Ok(plain)
    }

    #[test]
    fn an_answer_comes_back_however_it_is_cut_and_a_broken_one_is_an_error() {
        let text = b"data: hello\n\n".repeat(5000);
        for (encoding, packed) in [("gzip", gzip(&text)), ("zstd", zstd(&text))] {
            for size in [1, 7, packed.len()] {
                assert_eq!(decoded(encoding, packed.chunks(size)).unwrap(), text, "{encoding} by {size}");
            }
            let two = [packed.clone(), packed.clone()].concat();
            assert_eq!(decoded(encoding, two.chunks(9)).unwrap().len(), 2 * text.len(), "{encoding} twice");
            assert!(decoded(encoding, packed[..packed.len() / 2].chunks(9)).is_err(), "{encoding} cut");
            assert!(decoded(encoding, b"plain text".chunks(3)).is_err(), "{encoding} that is none");
        }
    }

    #[test]
    fn a_zstd_stream_is_read_as_far_as_it_was_flushed() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
        let mut decoder = Decoder::of(&headers("zstd")).unwrap().unwrap();
        for text in ["data: one\n\n", "data: two\n\n"] {
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.flush().unwrap();
            let flushed = std::mem::take(encoder.get_mut());
            assert_eq!(decoder.push(&flushed).unwrap(), text);
        }
    }

    #[test]
    fn an_answer_that_grows_without_bound_is_an_error() {
        let zeros = vec![0; 1 << 20];
        for (encoding, packed) in [("gzip", gzip(&zeros)), ("zstd", zstd(&zeros))] {
            let packed = packed.repeat((OUTPUT_LIMIT >> 20) + 1);
            assert!(decoded(encoding, packed.chunks(packed.len())).is_err(), "{encoding}");
        }
    }

    #[test]
    fn an_unknown_encoding_is_refused() {
        assert!(Decoder::of(&headers("compress")).is_err());
        assert!(Decoder::of(&headers("gzip, br")).is_err());
        assert!(Decoder::of(&headers("identity")).unwrap().is_none());
    }
}
