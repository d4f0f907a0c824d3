//! Client of one connection that costs next to nothing: on the core of the provider it leaves the gateway to be the
//! bottleneck. It sends bytes that are ready and reads an answer to its end by its length or its chunks.

use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection that is kept for many calls.
pub(crate) struct Client {
    stream: TcpStream,
    /// Bytes that have arrived and belong to nothing that was read yet.
    read: Vec<u8>,
}

/// Ready-made bytes of a call to `url` with this body.
pub(crate) fn request(url: &str, body: &str) -> Vec<u8> {
    let host = url.trim_start_matches("http://");
    let length = body.len();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\nauthorization: Bearer sk-bench\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// How an answer is framed.
enum Length {
    Known(usize),
    Chunks,
}

impl Client {
    /// A connection to the server at `url`.
    pub(crate) async fn open(url: &str) -> Result<Self> {
        let stream = TcpStream::connect(url.trim_start_matches("http://")).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::with_capacity(1 << 16) })
    }

    /// Sends a call and reads its answer to the end. The time until the first byte of its body was there, and the
    /// bytes of the body with its framing.
    pub(crate) async fn call(&mut self, request: &[u8]) -> Result<(Duration, usize)> {
        let began = Instant::now();
        let length = self.head(request).await?;
        self.fill(1).await?;
        let first = began.elapsed();
        let bytes = match length {
            Length::Known(bytes) => {
                self.fill(bytes).await?;
                self.read.drain(..bytes);
                bytes
            }
            Length::Chunks => self.chunks().await?,
        };
        Ok((first, bytes))
    }

    /// Sends a call and waits for the first byte of its answer's body.
    pub(crate) async fn first(&mut self, request: &[u8]) -> Result<()> {
        self.head(request).await?;
        self.fill(1).await
    }

    async fn head(&mut self, request: &[u8]) -> Result<Length> {
        self.stream.write_all(request).await?;
        let mut seen = 0;
        let end = loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n", seen) {
                break end;
            }
            seen = self.read.len().saturating_sub(3);
            self.more().await?;
        };
        let head = String::from_utf8_lossy(&self.read[..end]).to_ascii_lowercase();
        ensure!(head.starts_with("http/1.1 200 "), "the answer was: {head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length = match length {
            Some(length) => Length::Known(length.trim().parse()?),
            None => Length::Chunks,
        };
        self.read.drain(..end + 4);
        Ok(length)
    }

    /// Reads all chunks, the last and empty one included.
    async fn chunks(&mut self) -> Result<usize> {
        let (mut at, mut bytes) = (0, 0);
        loop {
            let end = loop {
                match find(&self.read, b"\r\n", at) {
                    Some(end) => break end,
                    None => self.more().await?,
                }
            };
            let size = std::str::from_utf8(&self.read[at..end])?;
            let size = usize::from_str_radix(size.trim(), 16).context("the size of a chunk")?;
            at = end + 2 + size + 2;
            self.fill(at).await?;
            bytes += size;
            if size == 0 {
                self.read.drain(..at);
                return Ok(bytes);
            }
            if at > 1 << 16 {
                self.read.drain(..at);
                at = 0;
            }
        }
    }

    /// Waits until so many bytes are there.
    async fn fill(&mut self, bytes: usize) -> Result<()> {
        while self.read.len() < bytes {
            self.more().await?;
        }
        Ok(())
    }

    async fn more(&mut self) -> Result<()> {
        ensure!(self.stream.read_buf(&mut self.read).await? > 0, "the server hung up");
        Ok(())
    }
}

fn find(bytes: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    bytes.get(from..)?.windows(wanted.len()).position(|window| window == wanted).map(|at| from + at)
}
