//! What a Lambda's program talks to: the Lambda service, and as much of SSM and SNS as it
//! needs.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

/// As long as a Lambda may run at most.
const TIME: Duration = Duration::from_mins(15);
/// What the function is called.
const FUNCTION: &str = "arn:aws:lambda:us-east-1:0:function:measured";

type Answer = Response<Full<Bytes>>;

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
                stream.set_nodelay(true).unwrap_or_default();
                let shared = Arc::clone(&shared);
                let answers = service_fn(move |request| {
                    let shared = Arc::clone(&shared);
                    async move { shared.answer(request).await }
                });
                let connection = Builder::new().serve_connection(TokioIo::new(stream), answers);
                // A program that ends breaks its connections off.
                each.spawn(async move { connection.await.unwrap_or_default() });
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
    async fn answer(&self, request: Request<Incoming>) -> anyhow::Result<Answer> {
        let path = request.uri().path().to_owned();
        let is_parameter =
            request.headers().get("x-amz-target").is_some_and(|target| target == "AmazonSSM.GetParameter");
        let body = request.into_body().collect().await?.to_bytes();
        let answer = Response::builder().header(CONTENT_TYPE, "application/json");
        if path.ends_with("/invocation/next") {
            self.said.send((Instant::now(), Said::Asks))?;
            let event = self.events.lock().await.recv().await.context("there are no more events")?;
            let until = (SystemTime::now() + TIME).duration_since(UNIX_EPOCH)?.as_millis();
            let answer = answer
                .header("Lambda-Runtime-Aws-Request-Id", "1")
                .header("Lambda-Runtime-Deadline-Ms", until.to_string())
                .header("Lambda-Runtime-Invoked-Function-Arn", FUNCTION);
            return Ok(answer.body(event.into())?);
        }
        if path.starts_with("/2018-06-01/runtime/") {
            self.said.send((Instant::now(), Said::Answers(String::from_utf8(body.into())?)))?;
            return Ok(answer.status(StatusCode::ACCEPTED).body("{}".into())?);
        }
        if is_parameter {
            let parameter = json!({"Parameter": {"Name": "/loader/measured", "Value": self.database}});
            return Ok(answer.body(parameter.to_string().into())?);
        }
        Ok(answer.status(StatusCode::NOT_IMPLEMENTED).body("{}".into())?)
    }
}
