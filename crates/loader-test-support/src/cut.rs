//! A connection that breaks at a chosen statement.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Where a connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Before a statement: the server never gets it.
    Before,
    /// After a statement: the server has executed it, and its answer is lost.
    After,
}

/// A proxy before the database that cuts connections.
///
/// It counts what the client asks for: simple queries, executions, and the ends
/// of COPY ("Frontend/Backend Protocol", `PostgreSQL` documentation). The one after
/// `budget` is not passed on; the connection ends there on both sides, as it does
/// when a Lambda is killed or the network goes. Executions that only read are not
/// counted: a cut before one leaves what a cut after the statement before leaves.
/// With [`Cut::After`] that one is passed on and executed, and only its answer is lost.
pub struct CutProxy {
    address: String,
    left: Arc<AtomicI64>,
}

impl CutProxy {
    /// Starts a proxy to `server` that passes `budget` statements on.
    pub async fn start(server: String, budget: i64, cut: Cut) -> Self {
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
                let (lose, is_lost) = watch::channel(false);
                let mut back = tokio::spawn(answers(from_server, to_client, is_lost));
                let counter = Arc::clone(&counter);
                tokio::spawn(async move {
                    let way = Way { left: &counter, cut, lose };
                    // Whatever ends it, both sides are closed; the server first ends
                    // what it has been asked.
                    if let Ok(Some(_open)) = way.forward(from_client, to_server).await {
                        let _ = (&mut back).await;
                    }
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

/// How `ReadyForQuery` begins: the last message of each answer, with one more byte.
const READY: [u8; 5] = [b'Z', 0, 0, 0, 5];

/// Passes answers on until they are lost; then ends with the next whole answer.
async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, is_lost: watch::Receiver<bool>) {
    let mut chunk = vec![0; 64 * 1024];
    let mut tail = Vec::new();
    while let Ok(read) = from.read(&mut chunk).await {
        let Some(answer) = chunk.get(..read).filter(|answer| !answer.is_empty()) else { return };
        if *is_lost.borrow() {
            tail.extend_from_slice(answer);
            // Its last byte says how the transaction is.
            if tail.split_last().is_some_and(|(_, before)| before.ends_with(&READY)) {
                return;
            }
        } else if to.write_all(answer).await.is_err() {
            return;
        }
    }
}

/// A connection that is open in both directions.
type Open = (OwnedReadHalf, OwnedWriteHalf);

/// The way of what a client says.
struct Way<'a> {
    left: &'a AtomicI64,
    cut: Cut,
    lose: watch::Sender<bool>,
}

impl Way<'_> {
    /// Passes messages on up to the cut. Returns the connection where an answer is
    /// to be lost: the server executes what it has been asked while it is open.
    async fn forward(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
    ) -> std::io::Result<Option<Open>> {
        // The first message has no type byte.
        let length = from.read_u32().await?;
        pass(&mut from, &mut to, None, length).await?;
        let mut harmless = false;
        loop {
            let kind = from.read_u8().await?;
            let length = from.read_u32().await?;
            let counts = matches!(kind, b'Q' | b'c') || kind == b'E' && !harmless;
            if counts && self.left.fetch_sub(1, Ordering::SeqCst) <= 0 {
                self.left.store(-1, Ordering::SeqCst);
                return self.end(from, to, kind, length).await;
            }
            let message = pass(&mut from, &mut to, Some(kind), length).await?;
            if kind == b'P' {
                harmless = changes_nothing(&message);
            }
        }
    }

    async fn end(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        kind: u8,
        length: u32,
    ) -> std::io::Result<Option<Open>> {
        if self.cut == Cut::Before {
            return Ok(None);
        }
        let _ = self.lose.send(true);
        pass(&mut from, &mut to, Some(kind), length).await?;
        // An execution takes effect with the message that ends it.
        let mut last = kind;
        while !matches!(last, b'Q' | b'S') {
            last = from.read_u8().await?;
            let length = from.read_u32().await?;
            pass(&mut from, &mut to, Some(last), length).await?;
        }
        Ok(Some((from, to)))
    }
}

/// Whether a statement that is parsed changes nothing by itself: it only reads, or
/// begins a COPY, which takes effect with its end. The message has the statement's
/// name before its text; those of the catalog begin with a comment.
fn changes_nothing(parse: &[u8]) -> bool {
    let text = parse.get(5..).and_then(|body| body.split(|byte| *byte == 0).nth(1)).unwrap_or_default();
    let text = String::from_utf8_lossy(text).trim_start().to_lowercase();
    ["select", "with recursive", "--", "copy"].iter().any(|word| text.starts_with(word))
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
