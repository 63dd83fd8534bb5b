//! The servers that everybody works with: Postgres and S3.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio_postgres::Client;

use super::processor::ServerTime;
use crate::aws;
use crate::measure::AS_IN_PRODUCTION;
use crate::postgres::{self, Cluster, quote_literal};

/// The database of a measurement; each has its own.
pub(crate) const DATABASE: &str = "bench";
/// How long sessions may take to end after their clients have.
const SESSIONS_END: Duration = Duration::from_secs(10);

/// A Postgres set up as in production.
pub(crate) struct Database {
    cluster: Cluster,
    admin: Client,
    session: u32,
}

impl Database {
    /// Sets a running server up.
    pub(crate) async fn open(cluster: Cluster) -> anyhow::Result<Self> {
        let admin = postgres::connect(&cluster.url("postgres")).await?;
        for setting in AS_IN_PRODUCTION {
            admin.batch_execute(setting).await.with_context(|| format!("cannot {setting}"))?;
        }
        let session: i32 = admin.query_one("select pg_backend_pid()", &[]).await?.try_get(0)?;
        Ok(Self { cluster, admin, session: session.unsigned_abs() })
    }

    /// Returns the connection string of the measurement's database.
    pub(crate) fn url(&self) -> String {
        self.cluster.url(DATABASE)
    }

    /// Returns the connection string of the database that is always there.
    pub(crate) fn admin_url(&self) -> String {
        self.cluster.url("postgres")
    }

    /// Returns the process of a session that lasts as long as this.
    pub(crate) fn session(&self) -> u32 {
        self.session
    }

    /// Returns the server's port.
    pub(crate) fn port(&self) -> u16 {
        self.cluster.port()
    }

    /// Finds one of Postgres' programs, beside the server's own or on the search path.
    pub(crate) fn program(&self, name: &str) -> Option<std::path::PathBuf> {
        self.cluster.program(name).or_else(|| crate::process::find_program(name))
    }

    /// Returns a file that the server may write.
    pub(crate) async fn own_file(&self) -> anyhow::Result<String> {
        Ok(self
            .admin
            .query_one("select current_setting('data_directory') || '/bench_rows'", &[])
            .await?
            .try_get(0)?)
    }

    /// Returns the server's version.
    pub(crate) async fn version(&self) -> anyhow::Result<String> {
        Ok(self.admin.query_one("select current_setting('server_version')", &[]).await?.try_get(0)?)
    }

    /// Makes an empty database, and connects to it.
    pub(crate) async fn renew(&self) -> anyhow::Result<Client> {
        self.drop().await?;
        self.admin.batch_execute(&format!("create database {DATABASE}")).await?;
        postgres::connect(&self.url()).await
    }

    /// Drops the measurement's database.
    pub(crate) async fn drop(&self) -> anyhow::Result<()> {
        let drop = format!("drop database if exists {DATABASE} with (force)");
        self.admin.batch_execute(&drop).await.context("cannot drop the database")?;
        let empty = format!("copy (select where false) to {}", quote_literal(&self.own_file().await?));
        self.admin.batch_execute(&empty).await.context("cannot empty the server's own file")
    }

    /// Writes all to the disk, so that nobody pays for what was before.
    pub(crate) async fn settle(&self) -> anyhow::Result<()> {
        Ok(self.admin.batch_execute("checkpoint").await?)
    }

    /// Returns the server's processor time so far, when all other sessions have ended.
    pub(crate) async fn processor(&self) -> anyhow::Result<Option<ServerTime>> {
        let deadline = Instant::now() + SESSIONS_END;
        let others = format!(
            "select count(*) from pg_stat_activity
             where datname = '{DATABASE}' and backend_type = 'client backend'"
        );
        while self.admin.query_one(&others, &[]).await?.try_get::<_, i64>(0)? > 0 {
            if Instant::now() >= deadline {
                bail!("a session does not end");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(ServerTime::now(self.session))
    }
}

/// A folder as S3.
pub(crate) struct Buckets {
    /// Ends when its standard input does.
    server: Child,
    /// The address for AWS SDKs.
    pub(crate) endpoint: String,
}

impl Buckets {
    /// Serves the folders of a folder as buckets.
    pub(crate) async fn serve(program: &Path, folder: &Path) -> anyhow::Result<Self> {
        Self::serve_with(program, folder, &[]).await
    }

    /// Serves the folders of a folder as buckets, and one more: so many objects, a page of
    /// whose listing takes so many milliseconds, all of them this file.
    pub(crate) async fn serve_made_up(
        program: &Path,
        folder: &Path,
        objects: u64,
        page_ms: u64,
        file: &Path,
    ) -> anyhow::Result<Self> {
        let (objects, page_ms) = (objects.to_string(), page_ms.to_string());
        Self::serve_with(program, folder, &[objects.as_ref(), page_ms.as_ref(), file.as_os_str()]).await
    }

    async fn serve_with(program: &Path, folder: &Path, more: &[&OsStr]) -> anyhow::Result<Self> {
        let mut server = Command::new(program)
            .arg(folder)
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the S3 server")?;
        let output = server.stdout.take().context("the S3 server has no output")?;
        let port =
            BufReader::new(output).lines().next_line().await?.context("the S3 server does not start")?;
        Ok(Self { server, endpoint: format!("http://127.0.0.1:{port}") })
    }

    /// Tells the server who has the buckets that it does not have.
    pub(crate) async fn others_are_at(&mut self, endpoint: &str) -> anyhow::Result<()> {
        let input = self.server.stdin.as_mut().context("the S3 server has no input")?;
        Ok(input.write_all(format!("{endpoint}\n").as_bytes()).await?)
    }

    /// Returns the server's process, while it runs.
    pub(crate) fn process(&self) -> Option<u32> {
        self.server.id()
    }

    /// Returns what AWS SDKs read from their environment.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", self.endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", aws::REGION),
            ("AWS_DEFAULT_REGION", aws::REGION),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("NO_PROXY", "127.0.0.1,localhost"),
            ("no_proxy", "127.0.0.1,localhost"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }
}
