//! A provider that plays a script over a raw socket, so that it can misbehave in every way.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One step of an answer.
#[derive(Debug, Clone)]
pub enum Step {
    /// Send these bytes.
    Send(Vec<u8>),
    /// Do nothing for a while.
    Wait(Duration),
    /// Wait until the caller closes the connection, and note it.
    UntilClosed,
}

/// What one call brought.
#[derive(Debug, Clone)]
pub struct Received {
    /// The request line.
    pub line: String,
    /// Header names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Received {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

#[derive(Default)]
struct Memory {
    received: Vec<Received>,
    script: Vec<Step>,
    closed: usize,
}

/// The provider. It stops when dropped.
pub struct Provider {
    /// Its port.
    pub port: u16,
    memory: Arc<Mutex<Memory>>,
    task: tokio::task::JoinHandle<()>,
}

impl Provider {
    /// A provider that answers each call with this script.
    pub async fn start(script: Vec<Step>) -> Provider {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let memory = Arc::new(Mutex::new(Memory { script, ..Memory::default() }));
        let task = tokio::spawn({
            let memory = memory.clone();
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, memory.clone()));
                }
            }
        });
        Provider { port, memory, task }
    }

    /// A provider that answers with this JSON body.
    pub async fn json(body: &str) -> Provider {
        Provider::start(json(200, body)).await
    }

    /// A provider that streams these bytes as server-sent events, whole.
    pub async fn events(bytes: &str) -> Provider {
        Provider::start(events(&[bytes.as_bytes()])).await
    }

    /// Answers from now on with another script.
    pub fn play(&self, script: Vec<Step>) {
        self.memory.lock().expect("no test panics while holding it").script = script;
    }

    /// Everything received so far.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.memory.lock().expect("no test panics while holding it").received.clone()
    }

    /// The one call that was received.
    #[must_use]
    pub fn only(&self) -> Received {
        let received = self.received();
        assert_eq!(received.len(), 1, "calls that reached the provider");
        received.into_iter().next().expect("there is one")
    }

    /// How many callers hung up while a script waited for it.
    #[must_use]
    pub fn closed(&self) -> usize {
        self.memory.lock().expect("no test panics while holding it").closed
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A plain answer with a JSON body.
#[must_use]
pub fn json(status: u16, body: &str) -> Vec<Step> {
    let head = format!(
        "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\ncontent-length: {}\r\nset-cookie: spy=1\r\naccess-control-allow-origin: *\r\nx-request-id: upstream-1\r\nconnection: close\r\n\r\n",
        body.len()
    );
    vec![Step::Send([head.as_bytes(), body.as_bytes()].concat())]
}

/// The head of a stream that ends when the connection does.
#[must_use]
pub fn event_head() -> Step {
    Step::Send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n".to_vec())
}

/// A stream of these pieces, each its own write.
#[must_use]
pub fn events(pieces: &[&[u8]]) -> Vec<Step> {
    let mut script = vec![event_head()];
    for piece in pieces {
        script.push(Step::Send(piece.to_vec()));
        if pieces.len() > 1 {
            script.push(Step::Wait(Duration::from_millis(1)));
        }
    }
    script
}

async fn serve(mut stream: TcpStream, memory: Arc<Mutex<Memory>>) {
    let _ = stream.set_nodelay(true);
    let Some(received) = receive(&mut stream).await else { return };
    let script = {
        let mut memory = memory.lock().expect("no test panics while holding it");
        memory.received.push(received);
        memory.script.clone()
    };
    for step in script {
        match step {
            Step::Send(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    break;
                }
            }
            Step::Wait(time) => tokio::time::sleep(time).await,
            Step::UntilClosed => {
                let mut rest = [0; 64];
                while matches!(stream.read(&mut rest).await, Ok(count) if count > 0) {}
                memory.lock().expect("no test panics while holding it").closed += 1;
            }
        }
    }
    let _ = stream.shutdown().await;
}

async fn receive(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        let mut piece = [0; 65536];
        match stream.read(&mut piece).await {
            Ok(count) if count > 0 => bytes.extend_from_slice(&piece[..count]),
            _ => return None,
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default().to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(0);
    let mut body = bytes.split_off(end + 4);
    while body.len() < length {
        let mut piece = vec![0; 65536];
        match stream.read(&mut piece).await {
            Ok(count) if count > 0 => body.extend_from_slice(&piece[..count]),
            _ => return None,
        }
    }
    Some(Received { line, headers, body })
}
