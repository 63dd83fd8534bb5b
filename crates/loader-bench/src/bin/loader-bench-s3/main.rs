//! A folder as S3 buckets: `loader-bench-s3 <folder>`.
//!
//! With `<objects> <milliseconds> <file>` behind it, there is a bucket `made-up`, too: so many
//! keys that count up below `t/`, each of them this file. A page of its listing takes so long.
//!
//! It prints its port, and ends when its standard input does. The protocol is the crate
//! s3s'. Its own server of a folder (s3s-fs 0.14) lists objects without their `ETag`, and
//! reads an object as a whole for every range of it, so that it can't be used here.

mod folder;
mod made_up;
mod service;

use std::path::Path;
use std::sync::atomic::AtomicU64;

use anyhow::Context as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::S3Result;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;

use self::folder::Folder;
use self::made_up::MadeUp;
use self::service::Buckets;

/// Lets everybody in: the objects are no secret, and `curl` signs nothing.
struct Everybody;

#[async_trait::async_trait]
impl S3Access for Everybody {
    async fn check(&self, _: &mut S3AccessContext<'_>) -> S3Result<()> {
        Ok(())
    }
}

// One thread: it takes no more from what is measured than it has to.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let root = std::env::args_os().nth(1).context("the folder of the buckets is missing")?;
    let root = Path::new(&root).canonicalize().context("there is no such folder")?;
    let made_up = MadeUp::parse(std::env::args_os().skip(2))?;
    let buckets = Buckets { folder: Folder { root }, made_up, uploads: AtomicU64::new(0) };
    let mut builder = S3ServiceBuilder::new(buckets);
    // A signature is looked at only where there are credentials to compare it with.
    builder.set_auth(SimpleAuth::from_single("test", "test"));
    builder.set_access(Everybody);
    let service = builder.build();

    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?.port());
    let server = Builder::new(TokioExecutor::new());
    std::thread::spawn(|| {
        // Whoever started this has ended.
        std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).ok();
        std::process::exit(0);
    });
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        socket.set_nodelay(true).ok();
        let connection = server.serve_connection(TokioIo::new(socket), service.clone()).into_owned();
        tokio::spawn(connection);
    }
}
