//! A folder as S3 buckets: `loader-bench-s3 <folder>`.
//!
//! With `<objects> <milliseconds> <file>` behind it, there is a bucket `made-up`, too: so many
//! keys that count up below `t/`, each of them this file. A page of its listing takes so long.
//!
//! It prints its port, and ends when its standard input does. A line there is the address of
//! the S3 server that has all other buckets. The protocol is the crate
//! s3s'. Its own server of a folder (s3s-fs 0.14) lists objects without their `ETag`, and
//! reads an object as a whole for every range of it, so that it can't be used here.

mod elsewhere;
mod folder;
mod made_up;
mod service;

use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::Context as _;
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

use self::elsewhere::Elsewhere;
use self::folder::Folder;
use self::made_up::MadeUp;
use self::service::Buckets;

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
struct Server {
    root: PathBuf,
    here: S3Service,
    elsewhere: Elsewhere,
}

impl Server {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, HttpError> {
        let bucket = request.uri().path().split('/').nth(1).unwrap_or_default();
        let is_here = bucket == MadeUp::BUCKET || self.root.join(bucket).is_dir();
        if is_here || !self.elsewhere.is_known() {
            return self.here.call(request.map(Body::from)).await;
        }
        Ok(self.elsewhere.ask(request).await)
    }

    /// Reads lines until whoever started this has ended.
    fn listen(&self) -> anyhow::Result<()> {
        std::io::stdin().lock().lines().try_for_each(|line| self.elsewhere.learn(&line?))
    }
}

// One thread: it takes no more from what is measured than it has to.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let root = std::env::args_os().nth(1).context("the folder of the buckets is missing")?;
    let root = Path::new(&root).canonicalize().context("there is no such folder")?;
    let made_up = MadeUp::parse(std::env::args_os().skip(2))?;
    let buckets = Buckets { folder: Folder { root: root.clone() }, made_up, uploads: AtomicU64::new(0) };
    let mut builder = S3ServiceBuilder::new(buckets);
    // A signature is looked at only where there are credentials to compare it with.
    builder.set_auth(Everybody);
    builder.set_access(Everybody);
    let server = Arc::new(Server { root, here: builder.build(), elsewhere: Elsewhere::new() });

    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?.port());
    let listening = Arc::clone(&server);
    std::thread::spawn(move || {
        let heard = listening.listen();
        if let Err(error) = &heard {
            eprintln!("{error:#}");
        }
        std::process::exit(i32::from(heard.is_err()));
    });
    let connections = Builder::new(TokioExecutor::new());
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        socket.set_nodelay(true).ok();
        let server = Arc::clone(&server);
        let answer = service_fn(move |request| {
            let server = Arc::clone(&server);
            async move { server.answer(request).await }
        });
        tokio::spawn(connections.serve_connection(TokioIo::new(socket), answer).into_owned());
    }
}
