//! Buckets that another S3 server has.

use std::sync::OnceLock;

use anyhow::Context as _;
use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::http::uri::Uri;
use hyper::{Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use s3s::Body;

/// Hands requests on to another S3 server, once its address is known.
pub(crate) struct Elsewhere {
    client: Client<HttpConnector, Incoming>,
    address: OnceLock<Uri>,
}

impl Elsewhere {
    pub(crate) fn new() -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { client, address: OnceLock::new() }
    }

    /// Learns the address, like `http://127.0.0.1:4566`. The first one stays.
    pub(crate) fn learn(&self, address: &str) -> anyhow::Result<()> {
        self.address.set(address.trim().parse()?).ok();
        Ok(())
    }

    /// Tells whether there is such a server.
    pub(crate) fn is_known(&self) -> bool {
        self.address.get().is_some()
    }

    /// Asks the other server, and returns what it says, or why it says nothing. It does not
    /// look at signatures, as they are for this server's address.
    pub(crate) async fn ask(&self, request: Request<Incoming>) -> Response<Body> {
        self.answer(request).await.unwrap_or_else(|error| {
            eprintln!("{error:#}");
            let mut refused = Response::new(Body::from(format!("{error:#}")));
            *refused.status_mut() = StatusCode::BAD_GATEWAY;
            refused
        })
    }

    async fn answer(&self, mut request: Request<Incoming>) -> anyhow::Result<Response<Body>> {
        let address = self.address.get().context("no other server is known")?;
        let mut parts = address.clone().into_parts();
        parts.path_and_query = request.uri().path_and_query().cloned();
        *request.uri_mut() = Uri::from_parts(parts)?;
        request.headers_mut().remove(HOST);
        let answer = self.client.request(request).await;
        Ok(answer.with_context(|| format!("the server at {address} does not answer"))?.map(Body::from))
    }
}
