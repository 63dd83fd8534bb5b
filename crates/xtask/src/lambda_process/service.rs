//! What a Lambda's program talks to: the Lambda service, and as much of SSM and SNS as it
//! needs.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

/// As long as a Lambda may run at most.
const TIME: Duration = Duration::from_mins(15);

/// What a program says to the Lambda service.
#[derive(Debug)]
pub(super) enum Said {
    /// It wants the next event.
    Asks,
    /// It has done an event, or failed.
    Answers(String),
}

/// The services, on loopback without TLS; they end with this.
pub(super) struct Service {
    address: String,
    events: mpsc::UnboundedSender<String>,
    said: mpsc::UnboundedReceiver<(Instant, Said)>,
    _connections: JoinSet<()>,
}

/// What all connections share.
struct Shared {
    events: Mutex<mpsc::UnboundedReceiver<String>>,
    said: mpsc::UnboundedSender<(Instant, Said)>,
    database: String,
}

impl Service {
    pub(super) async fn start(database: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let (events, given) = mpsc::unbounded_channel();
        let (says, said) = mpsc::unbounded_channel();
        let shared =
            Arc::new(Shared { events: Mutex::new(given), said: says, database: database.to_owned() });
        let mut connections = JoinSet::new();
        connections.spawn(async move {
            let mut each = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                // A program that ends breaks its connections off.
                each.spawn(async move { shared.serve(stream).await.unwrap_or_default() });
            }
        });
        Ok(Self { address, events, said, _connections: connections })
    }

    pub(super) fn address(&self) -> String {
        self.address.clone()
    }

    pub(super) fn give(&self, event: String) -> anyhow::Result<()> {
        self.events.send(event).context("the service has ended")
    }

    pub(super) async fn hear(&mut self) -> anyhow::Result<(Instant, Said)> {
        self.said.recv().await.context("the service has ended")
    }
}

impl Shared {
    async fn serve(&self, stream: TcpStream) -> anyhow::Result<()> {
        stream.set_nodelay(true)?;
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        while stream.read_line(&mut line).await? > 0 {
            let request = std::mem::take(&mut line);
            let (mut length, mut target) = (0, String::new());
            while stream.read_line(&mut line).await? > 2 {
                let header = std::mem::take(&mut line);
                match header.trim().split_once(": ") {
                    Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                        length = value.parse()?;
                    }
                    Some((name, value)) if name.eq_ignore_ascii_case("x-amz-target") => {
                        value.clone_into(&mut target);
                    }
                    _ => {}
                }
            }
            line.clear();
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await?;
            let answer = self.answer(&request, &target, body).await?;
            stream.get_mut().write_all(answer.as_bytes()).await?;
        }
        Ok(())
    }

    async fn answer(&self, request: &str, target: &str, body: Vec<u8>) -> anyhow::Result<String> {
        let path = request.split(' ').nth(1).unwrap_or_default();
        if path.ends_with("/invocation/next") {
            self.said.send((Instant::now(), Said::Asks))?;
            let event = self.events.lock().await.recv().await.context("there are no more events")?;
            let until = (SystemTime::now() + TIME).duration_since(UNIX_EPOCH)?.as_millis();
            let headers = format!(
                "Lambda-Runtime-Aws-Request-Id: 1\r\nLambda-Runtime-Deadline-Ms: {until}\r\n\
                 Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:0:function:measured\r\n"
            );
            return Ok(http("200 OK", &headers, &event));
        }
        if path.starts_with("/2018-06-01/runtime/") {
            self.said.send((Instant::now(), Said::Answers(String::from_utf8(body)?)))?;
            return Ok(http("202 Accepted", "", "{}"));
        }
        if target == "AmazonSSM.GetParameter" {
            let parameter = json!({"Parameter": {"Name": "/loader/measured", "Value": self.database}});
            return Ok(http("200 OK", "", &parameter.to_string()));
        }
        Ok(http("501 Not Implemented", "", "{}"))
    }
}

fn http(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}
