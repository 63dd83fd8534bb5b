//! A Lambda's program, run by itself: started as Lambda does, given events, looked at.

mod service;

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use tokio::process::{Child, Command};

use self::service::{Said, Service};
use crate::aws;

/// What a Lambda's program asks for when it starts must come within this time.
const PATIENCE: Duration = Duration::from_mins(30);

/// A program that runs as a Lambda.
pub(crate) struct LambdaProcess {
    process: Child,
    started: Instant,
    service: Service,
}

/// What a process has taken so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    /// Time since the start of the process, or since the event was given.
    pub(crate) wall: Duration,
    /// Processor time since the start of the process.
    pub(crate) processor: Duration,
    /// The most memory at any time.
    pub(crate) peak_mib: f64,
}

impl LambdaProcess {
    /// Starts a program. Its SSM has this connection string; S3 is elsewhere.
    pub(crate) async fn start(program: &Path, database: &str, more: &[(&str, &str)]) -> anyhow::Result<Self> {
        let service = Service::start(database).await?;
        let address = service.address();
        let endpoint = format!("http://{address}");
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs([
                ("AWS_LAMBDA_RUNTIME_API", address.as_str()),
                ("AWS_LAMBDA_FUNCTION_NAME", "measured"),
                ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769"),
                ("AWS_LAMBDA_LOG_GROUP_NAME", "measured"),
                ("AWS_LAMBDA_LOG_STREAM_NAME", "measured"),
                ("AWS_ENDPOINT_URL", endpoint.as_str()),
                ("AWS_ACCESS_KEY_ID", "test"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
                ("AWS_REGION", aws::REGION),
                ("DB_CONNECTION_STRING_SSM_PATH", "loader/measured"),
                ("SOURCE_BUCKET", "bench"),
                ("WORK_BUCKET", "work"),
                ("TOPIC_ARN", "arn:aws:sns:us-east-1:000000000000:measured"),
                ("LOG_LEVEL", "error"),
            ])
            .envs(more.iter().copied())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let started = Instant::now();
        let process = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { process, started, service })
    }

    /// Waits until the program asks for an event, and tells what it has taken since its start.
    pub(crate) async fn asks(&mut self) -> anyhow::Result<Taken> {
        match self.hear().await? {
            (at, Said::Asks) => self.taken(at - self.started),
            (_, said) => bail!("the program should ask for an event, and says {said:?}"),
        }
    }

    /// Gives the program an event, and returns its answer, what it took, and waits until
    /// it asks for the next one.
    pub(crate) async fn answers(&mut self, event: &Value) -> anyhow::Result<(String, Taken)> {
        let given = Instant::now();
        self.service.give(event.to_string())?;
        let answer = match self.hear().await? {
            (at, Said::Answers(answer)) => (answer, at - given),
            (_, said) => bail!("the program should answer, and says {said:?}"),
        };
        ensure!(matches!(self.hear().await?.1, Said::Asks), "the program asks for no other event");
        Ok((answer.0, self.taken(answer.1)?))
    }

    async fn hear(&mut self) -> anyhow::Result<(Instant, Said)> {
        tokio::select! {
            said = tokio::time::timeout(PATIENCE, self.service.hear()) => said.context("it takes too long")?,
            ended = self.process.wait() => bail!("the program ended with {}", ended?),
        }
    }

    fn taken(&self, wall: Duration) -> anyhow::Result<Taken> {
        let pid = self.process.id().context("the program has ended")?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib: Option<u32> = peak.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
        let mut processor = Duration::ZERO;
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            // Nanoseconds on a processor, waiting for one, and turns (kernel documentation,
            // "Scheduler Statistics"). A thread that has ended is not counted.
            let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
            let first = text.split(' ').next().and_then(|text| text.parse().ok());
            processor += Duration::from_nanos(first.unwrap_or_default());
        }
        let peak_mib = f64::from(kib.context("the kernel tells no peak")?) / 1024.0;
        Ok(Taken { wall, processor, peak_mib })
    }
}
