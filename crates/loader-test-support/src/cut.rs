//! A connection that breaks at a chosen statement.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// A proxy before the database that cuts connections.
///
/// It counts what the client asks for: simple queries, executions, and the ends
/// of COPY ("Frontend/Backend Protocol", `PostgreSQL` documentation). The one after
/// `budget` is not passed on; the connection ends there on both sides, as it does
/// when a Lambda is killed or the network goes. Executions that only read are not
/// counted: a cut before one leaves what a cut after the statement before leaves.
pub struct CutProxy {
    address: String,
    left: Arc<AtomicI64>,
}

impl CutProxy {
    /// Starts a proxy to `server` that passes `budget` statements on.
    pub async fn start(server: String, budget: i64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let left = Arc::new(AtomicI64::new(budget));
        let counter = Arc::clone(&left);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&server).await else { return };
                // Small messages that wait for each other take 40 ms each otherwise.
                for stream in [&client, &server] {
                    let _ = stream.set_nodelay(true);
                }
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let back = tokio::spawn(copy(from_server, to_client));
                let counter = Arc::clone(&counter);
                tokio::spawn(async move {
                    // Whatever ends it, both sides are closed.
                    let _ = forward(from_client, to_server, &counter).await;
                    back.abort();
                });
            }
        });
        Self { address, left }
    }

    /// Returns host and port of the proxy.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether a connection has been cut.
    #[must_use]
    pub fn has_cut(&self) -> bool {
        self.left.load(Ordering::SeqCst) < 0
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let _ = tokio::io::copy(&mut from, &mut to).await;
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, left: &AtomicI64) -> std::io::Result<()> {
    // The first message has no type byte.
    let length = from.read_u32().await?;
    pass(&mut from, &mut to, None, length).await?;
    let mut reads = false;
    loop {
        let kind = from.read_u8().await?;
        let length = from.read_u32().await?;
        let counts = matches!(kind, b'Q' | b'c') || kind == b'E' && !reads;
        if counts && left.fetch_sub(1, Ordering::SeqCst) <= 0 {
            left.store(-1, Ordering::SeqCst);
            return Ok(());
        }
        let message = pass(&mut from, &mut to, Some(kind), length).await?;
        if kind == b'P' {
            reads = only_reads(&message);
        }
    }
}

/// Whether a statement that is parsed only reads. The message has the statement's
/// name before its text; those of the catalog begin with a comment.
fn only_reads(parse: &[u8]) -> bool {
    let text = parse.get(5..).and_then(|body| body.split(|byte| *byte == 0).nth(1)).unwrap_or_default();
    let text = String::from_utf8_lossy(text).trim_start().to_lowercase();
    ["select", "with recursive", "--"].iter().any(|word| text.starts_with(word))
        && !text.contains("for update")
}

async fn pass(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    kind: Option<u8>,
    length: u32,
) -> std::io::Result<Vec<u8>> {
    let mut message = Vec::new();
    message.extend(kind);
    message.extend(length.to_be_bytes());
    let start = message.len();
    message.resize(start + length as usize - 4, 0);
    if let Some(body) = message.get_mut(start..) {
        from.read_exact(body).await?;
    }
    to.write_all(&message).await?;
    Ok(message)
}
