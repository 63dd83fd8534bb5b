//! The AWS emulator (MiniStack): started, watched and stopped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::aws::REGION;
use crate::console::say;
use crate::postgres::free_port;
use crate::process::ProcessIdentity;
use crate::python::PythonEnvironment;
use crate::workspace::Workspace;

/// Takes the emulator out of the caller's session, as it outlives the terminal, and
/// fills its gaps.
const LAUNCHER: &str = "crates/xtask/assets/start_ministack.py";

/// How long the emulator may take to answer.
const START_LIMIT: Duration = Duration::from_mins(1);
/// How long the emulator and its Lambdas may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// A running emulator.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Emulator {
    port: u16,
    server: ProcessIdentity,
}

impl Emulator {
    /// Starts the emulator; Step Functions' waits are multiplied by the wait scale.
    ///
    /// It does not answer yet. The caller can note it down before anything else happens,
    /// so that nothing is left running if the wait for an answer is broken off.
    ///
    /// The Lambdas can be given another address for S3.
    pub(crate) fn spawn(
        workspace: &Workspace,
        environment: &Path,
        stack: &Path,
        wait_scale: f64,
        s3_endpoint: Option<&str>,
    ) -> anyhow::Result<Self> {
        // Unpacked Lambdas go to the temporary folder: ours goes when the stack goes.
        let temporary = stack.join("tmp");
        fs::create_dir_all(&temporary)?;
        let log = fs::File::create(log_file(stack))?;
        let port = free_port()?;
        let endpoint = endpoint_url(port);

        let child = Command::new(PythonEnvironment::program(environment, "python"))
            .arg(workspace.root().join(LAUNCHER))
            .current_dir(stack)
            .env("GATEWAY_PORT", port.to_string())
            .env("BIND_HOST", "127.0.0.1")
            .env("IOT_MTLS_ENABLED", "0")
            .env("LOG_LEVEL", "INFO")
            .env("MINISTACK_REGION", REGION)
            .env("SFN_WAIT_SCALE", wait_scale.to_string())
            .env("TMPDIR", &temporary)
            .env("S3_DATA_DIR", temporary.join("s3"))
            .env("STATE_DIR", temporary.join("state"))
            // The Lambdas inherit these.
            .env("AWS_ENDPOINT_URL", &endpoint)
            .envs(s3_endpoint.map(|s3_endpoint| ("AWS_ENDPOINT_URL_S3", s3_endpoint)))
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", REGION)
            .env("AWS_DEFAULT_REGION", REGION)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("NO_PROXY", "127.0.0.1,localhost")
            .env_remove("AWS_SESSION_TOKEN")
            .env_remove("AWS_PROFILE")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start the emulator")?;
        let pid = child.id().context("the emulator ended right after its start")?;
        Ok(Self {
            port,
            server: ProcessIdentity::of(i32::try_from(pid)?)
                .context("the emulator ended right after its start")?,
        })
    }

    /// Waits until the emulator answers.
    pub(crate) async fn wait_until_ready(&self, stack: &Path) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        while !self.answers().await {
            if !self.server.is_alive() || Instant::now() >= deadline {
                let log = fs::read_to_string(log_file(stack)).unwrap_or_default();
                bail!("the emulator does not start\n{log}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        say(format!("the AWS emulator listens on port {}", self.port));
        Ok(())
    }

    /// Returns the address that AWS SDKs must be given.
    pub(crate) fn endpoint_url(&self) -> String {
        endpoint_url(self.port)
    }

    /// Returns the emulator's process number.
    pub(crate) fn pid(&self) -> i32 {
        self.server.pid()
    }

    /// Tells whether the emulator runs and answers.
    pub(crate) async fn is_alive(&self) -> bool {
        self.server.is_alive() && self.answers().await
    }

    /// Stops the emulator and its Lambdas.
    pub(crate) async fn stop(&self) -> anyhow::Result<()> {
        self.server.stop(STOP_LIMIT).await
    }

    async fn answers(&self) -> bool {
        let answer = tokio::time::timeout(Duration::from_secs(2), health(self.port)).await;
        matches!(answer, Ok(Ok(true)))
    }
}

fn log_file(stack: &Path) -> PathBuf {
    stack.join("emulator.log")
}

fn endpoint_url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

async fn health(port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream
        .write_all(b"GET /_ministack/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer.starts_with(b"HTTP/1.1 200"))
}
