//! A throwaway Postgres server on a free port of this machine.

mod account;
mod binaries;
mod versions;

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio_postgres::NoTls;

pub(crate) use self::account::Account;
pub(crate) use self::versions::{Major, dump_program};
use crate::console::say;
use crate::process::{ProcessIdentity, is_executable, run};
use crate::workspace::Workspace;

/// What a test server needs: nothing of it survives a power cut, on purpose.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 100
shared_buffers = 256MB
max_wal_size = 4GB
fsync = off
full_page_writes = off
synchronous_commit = off
timezone = 'UTC'
log_timezone = 'UTC'
";

/// How long a server may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A Postgres server and what is needed to start and stop it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Cluster {
    #[serde(default)]
    version: String,
    binaries: PathBuf,
    /// The server account's own folder: it holds the data and all that is its own.
    home: PathBuf,
    account: Option<Account>,
    port: u16,
    /// Nothing while it has not been seen running.
    server: Option<ProcessIdentity>,
}

impl Cluster {
    /// Makes a server ready for its start, on the data of an earlier run if there is any.
    ///
    /// It is of the given version, or else the one that this machine has.
    pub(crate) async fn prepare(
        workspace: &Workspace,
        stack: &Path,
        major: Option<Major>,
    ) -> anyhow::Result<Self> {
        // Postgres refuses to run as root.
        let account = Account::unprivileged()?;
        let home = home_folder(stack, account.as_ref()).await?;
        let binaries = match major {
            Some(major) => versions::find(major, workspace, account.as_ref(), &home).await?,
            None => binaries::find(workspace, account.as_ref(), &home).await?,
        };
        let version = major_version(&binaries.join("postgres")).await?;
        let cluster = Self { version, binaries, home, account, port: 0, server: None };
        match fs::read_to_string(cluster.data().join("PG_VERSION")) {
            // A crashed run may have left the server running.
            Ok(found) if found.trim() == cluster.version => cluster.stop().await?,
            _ => cluster.create().await?,
        }
        Ok(cluster)
    }

    /// Starts the server on a free port.
    pub(crate) async fn start(&mut self) -> anyhow::Result<()> {
        let mut failure = None;
        // Somebody else may take the free port before the server does.
        for _ in 0..3 {
            let port = free_port()?;
            let mut start = self.pg_ctl("start");
            start.arg("-l").arg(self.log()).args(["-o", &format!("-p {port}")]);
            match run(&mut start).await {
                Ok(_) => {
                    self.port = port;
                    self.server = Some(server_process(&self.data())?);
                    say(format!("Postgres {} listens on port {port}", self.version));
                    return Ok(());
                }
                Err(error) => failure = Some(error),
            }
        }
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        Err(failure.unwrap_or_else(|| anyhow::anyhow!("no attempt was made")))
            .with_context(|| format!("Postgres does not start\n{log}"))
    }

    /// Tells whether the server still runs.
    pub(crate) fn is_alive(&self) -> bool {
        self.server.as_ref().is_some_and(ProcessIdentity::is_alive)
    }

    /// Stops the server and keeps its data.
    pub(crate) async fn stop(&self) -> anyhow::Result<()> {
        if let Some(server) = &self.server {
            if !server.is_alive() {
                return Ok(());
            }
            if run(self.pg_ctl("stop").args(["-m", "fast"])).await.is_err() {
                server.stop(STOP_LIMIT).await?;
            }
        } else if run(self.pg_ctl("status").args(["-s"])).await.is_ok() {
            // Its start was broken off, so that only the data know its process.
            run(self.pg_ctl("stop").args(["-m", "immediate"])).await?;
        }
        Ok(())
    }

    /// Stops the server at once, as a crash would, and starts it again on its port.
    pub(crate) async fn restart(&mut self) -> anyhow::Result<()> {
        let mut restart = self.pg_ctl("restart");
        restart.args(["-m", "immediate", "-l"]).arg(self.log());
        run(&mut restart).await?;
        self.server = Some(server_process(&self.data())?);
        Ok(())
    }

    fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    fn log(&self) -> PathBuf {
        self.data().join("server.log")
    }

    fn pg_ctl(&self, action: &str) -> Command {
        let mut command = command(&self.binaries, "pg_ctl", self.account.as_ref());
        command.args([action, "-w", "-t", "60", "-D"]).arg(self.data());
        command
    }

    async fn create(&self) -> anyhow::Result<()> {
        let data = self.data();
        // What another version of Postgres or a broken start has left is of no use.
        if data.exists() {
            fs::remove_dir_all(&data)?;
        }
        let mut initdb = command(&self.binaries, "initdb", self.account.as_ref());
        initdb
            .args(["--encoding=UTF8", "--locale=C", "--auth=trust"])
            .args(["--username=postgres", "--no-sync", "-D"])
            .arg(&data);
        run(&mut initdb).await.context("cannot create a Postgres cluster")?;
        let file = data.join("postgresql.conf");
        let settings = fs::read_to_string(&file)? + SETTINGS;
        fs::write(&file, settings)?;
        Ok(())
    }

    /// Removes the data of a stopped server.
    pub(crate) fn remove_data(&self) -> anyhow::Result<()> {
        if self.home.exists() {
            fs::remove_dir_all(&self.home)
                .with_context(|| format!("cannot remove {}", self.home.display()))?;
        }
        Ok(())
    }

    /// Returns the connection string of one of the server's databases.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// Returns the port that the server listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns one of the programs that came with the server, if it is there.
    pub(crate) fn program(&self, name: &str) -> Option<PathBuf> {
        Some(self.binaries.join(name)).filter(|program| is_executable(program))
    }

    /// Creates a database unless it exists.
    pub(crate) async fn ensure_database(&self, name: &str) -> anyhow::Result<()> {
        let client = connect(&self.url("postgres")).await?;
        let exists =
            client.query_opt("select from pg_database where datname = $1", &[&name]).await?.is_some();
        if !exists {
            client.batch_execute(&format!("create database {}", quote_identifier(name))).await?;
        }
        Ok(())
    }
}

/// Connects to a local server.
pub(crate) async fn connect(url: &str) -> anyhow::Result<tokio_postgres::Client> {
    let (client, connection) =
        tokio_postgres::connect(url, NoTls).await.context("cannot connect to the local Postgres")?;
    // Ends by itself when the client is dropped; its errors reach the client's calls.
    tokio::spawn(connection);
    Ok(client)
}

/// Quotes a name for SQL.
pub(crate) fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a text for SQL.
pub(crate) fn quote_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Asks the system for a port that nobody listens on.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}

/// Builds a command that runs one of Postgres' programs as the server's account.
fn command(binaries: &Path, program: &str, account: Option<&Account>) -> Command {
    let mut command = Command::new(binaries.join(program));
    // The caller's folder may be closed to the account.
    command.current_dir("/").env("LC_ALL", "C");
    if let Some(account) = account {
        account.run(&mut command);
    }
    command
}

/// Picks a folder that the server's account can reach, and makes it.
async fn home_folder(stack: &Path, account: Option<&Account>) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(stack).with_context(|| format!("cannot create {}", stack.display()))?;
    let inside = stack.join("postgres");
    let Some(account) = account else {
        fs::create_dir_all(&inside)?;
        return Ok(inside);
    };
    let folder = if account.can_enter(stack).await {
        inside
    } else {
        // Home folders are closed to other accounts; the system's temporary folder is not.
        let place = stack.display().to_string().replace('/', "-");
        std::env::temp_dir().join(format!("loader{place}-postgres"))
    };
    account.own_folder(&folder)?;
    Ok(folder)
}

/// Asks one of Postgres' programs for its version.
async fn major_version(program: &Path) -> anyhow::Result<String> {
    let output = run(Command::new(program).arg("--version")).await?;
    let text = String::from_utf8(output.stdout)?;
    // "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)"
    let number = text.split_whitespace().nth(2).unwrap_or_default();
    match number.split('.').next() {
        Some(major) if !major.is_empty() => Ok(major.to_owned()),
        _ => bail!("cannot tell the version of Postgres from {text:?}"),
    }
}

fn server_process(data: &Path) -> anyhow::Result<ProcessIdentity> {
    let file = fs::read_to_string(data.join("postmaster.pid"))?;
    let pid = file.lines().next().unwrap_or_default().trim().parse()?;
    ProcessIdentity::of(pid).context("Postgres ended right after its start")
}
