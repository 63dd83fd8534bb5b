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
mod server;
mod service;

use std::io::BufRead as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;

use self::folder::Folder;
use self::made_up::MadeUp;
use self::server::Server;

// One thread: it takes no more from what is measured than it has to.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let root = std::env::args_os().nth(1).context("the folder of the buckets is missing")?;
    let root = Path::new(&root).canonicalize().context("there is no such folder")?;
    let made_up = MadeUp::parse(std::env::args_os().skip(2))?;
    let server = Arc::new(Server::new(Folder { root }, made_up));

    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?.port());
    let listening = Arc::clone(&server);
    std::thread::spawn(move || {
        // Until whoever started this has ended.
        let heard = std::io::stdin().lock().lines().try_for_each(|line| listening.ask_at(&line?));
        if let Err(error) = &heard {
            eprintln!("{error:#}");
        }
        std::process::exit(i32::from(heard.is_err()));
    });
    server.serve(listener).await;
    Ok(())
}
