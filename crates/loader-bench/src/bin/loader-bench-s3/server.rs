//! The server: who is let in, and which buckets are here.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpError, S3Result};
use tokio::net::TcpListener;

use crate::elsewhere::Elsewhere;
use crate::folder::Folder;
use crate::made_up::MadeUp;
use crate::service::Buckets;

/// The secret of all access keys. The Lambdas on the emulator sign with its account as the
/// key.
const SECRET: &str = "test";

/// Lets everybody in: the objects are no secret, and `curl` signs nothing.
struct Everybody;

#[async_trait::async_trait]
impl S3Auth for Everybody {
    async fn get_secret_key(&self, _: &str) -> S3Result<SecretKey> {
        Ok(SecretKey::from(SECRET))
    }
}

#[async_trait::async_trait]
impl S3Access for Everybody {
    async fn check(&self, _: &mut S3AccessContext<'_>) -> S3Result<()> {
        Ok(())
    }
}

/// Answers for the buckets that are here, and asks elsewhere for all others.
pub(crate) struct Server {
    folder: Folder,
    has_made_up: bool,
    here: S3Service,
    elsewhere: Elsewhere,
}

impl Server {
    pub(crate) fn new(folder: Folder, made_up: Option<MadeUp>) -> Self {
        let has_made_up = made_up.is_some();
        let buckets = Buckets { folder: folder.clone(), made_up, uploads: AtomicU64::new(0) };
        let mut builder = S3ServiceBuilder::new(buckets);
        // A signature is looked at only where there are credentials to compare it with.
        builder.set_auth(Everybody);
        builder.set_access(Everybody);
        Self { folder, has_made_up, here: builder.build(), elsewhere: Elsewhere::new() }
    }

    /// Learns the address of the server that has all other buckets. The first one stays.
    pub(crate) fn ask_at(&self, address: &str) -> anyhow::Result<()> {
        self.elsewhere.learn(address)
    }

    /// Answers for ever.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) {
        let connections = Builder::new(TokioExecutor::new());
        loop {
            let Ok((socket, _)) = listener.accept().await else { continue };
            socket.set_nodelay(true).ok();
            let server = Arc::clone(&self);
            let answer = service_fn(move |request| {
                let server = Arc::clone(&server);
                async move { server.answer(request).await }
            });
            tokio::spawn(connections.serve_connection(TokioIo::new(socket), answer).into_owned());
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, HttpError> {
        let bucket = request.uri().path().split('/').nth(1).unwrap_or_default();
        if self.is_here(bucket) || !self.elsewhere.is_known() {
            return self.here.call(request.map(Body::from)).await;
        }
        Ok(self.elsewhere.ask(request).await)
    }

    fn is_here(&self, bucket: &str) -> bool {
        (self.has_made_up && bucket == MadeUp::BUCKET) || self.folder.bucket(bucket).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use hyper::StatusCode;
    use hyper_util::client::legacy::Client;
    use s3s::Body;

    use super::*;

    /// A folder with a bucket that has one object, named like it and saying so.
    fn folder(test: &str, bucket: &str) -> PathBuf {
        let root = std::env::temp_dir().join(format!("loader-bench-s3-{test}-{}", std::process::id()));
        fs::create_dir_all(root.join(bucket)).unwrap();
        fs::write(root.join(bucket).join(bucket), bucket).unwrap();
        root
    }

    async fn started(root: PathBuf) -> (Arc<Server>, String) {
        let server = Arc::new(Server::new(Folder { root }, None));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(Arc::clone(&server).serve(listener));
        (server, address)
    }

    async fn get(address: &str, path: &str) -> (StatusCode, String) {
        let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
        let answer = client.get(format!("{address}{path}").parse().unwrap()).await.unwrap();
        let status = answer.status();
        let mut body = Body::from(answer.into_body());
        let bytes = body.store_all_limited(1 << 20).await.unwrap();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_bucket_that_is_not_here_is_asked_for_elsewhere() {
        let (here, there) = (folder("here", "here"), folder("there", "there"));
        let (_, other) = started(there.clone()).await;
        let (server, address) = started(here.clone()).await;
        assert_eq!(get(&address, "/there/there").await.0, StatusCode::NOT_FOUND);
        server.ask_at(&other).unwrap();
        assert_eq!(get(&address, "/here/here").await, (StatusCode::OK, "here".to_owned()));
        assert_eq!(get(&address, "/there/there").await, (StatusCode::OK, "there".to_owned()));
        // Nothing is made up unless it is asked for.
        assert_eq!(get(&address, "/made-up/t/part-00000000.csv").await.0, StatusCode::NOT_FOUND);
        for root in [here, there] {
            fs::remove_dir_all(root).unwrap();
        }
    }

    #[tokio::test]
    async fn a_server_that_does_not_answer_is_named() {
        let root = folder("alone", "here");
        let (server, address) = started(root.clone()).await;
        // A port that was free a moment ago.
        let nobody = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
        server.ask_at(&format!("http://{nobody}")).unwrap();
        let (status, why) = get(&address, "/there/there").await;
        assert_eq!(status, StatusCode::BAD_GATEWAY);
        assert!(why.contains(&nobody.to_string()), "{why}");
        fs::remove_dir_all(root).unwrap();
    }
}
