//! Starts the state machine and follows a run to its end.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use aws_config::SdkConfig;
use aws_sdk_sfn::types::ExecutionStatus;
use serde_json::Value;

use crate::lambda_memory::LambdaMemory;
use crate::postgres;
use crate::progress::{Progress, ProgressLine};
use crate::stack::Connection;

/// How often the run is looked at.
const POLL: Duration = Duration::from_millis(200);

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The run's name in the control tables.
    pub(crate) run_id: String,
    /// How Step Functions calls the end.
    pub(crate) status: ExecutionStatus,
    /// The error and its cause, if there was one.
    pub(crate) failure: Option<String>,
    /// How long it took from the start.
    pub(crate) elapsed: Duration,
}

impl Outcome {
    /// Turns a run that did not succeed into an error.
    pub(crate) fn ensure_succeeded(&self) -> anyhow::Result<()> {
        if self.status == ExecutionStatus::Succeeded {
            return Ok(());
        }
        bail!(
            "the run {} has {}: {}",
            self.run_id,
            self.status.as_str(),
            self.failure.as_deref().unwrap_or("no cause is given")
        )
    }
}

/// Starts a run and shows its progress until it has ended.
pub(crate) async fn run(
    connection: &Connection,
    config: &SdkConfig,
    name: &str,
    input: &Value,
    mut memory: Option<&mut LambdaMemory>,
) -> anyhow::Result<Outcome> {
    let sfn = aws_sdk_sfn::Client::new(config);
    let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    // The database outlives the emulator, so a name must be new for both.
    let run_id = format!("{name}-{}", started.as_millis());
    let mut line = ProgressLine::start();
    let execution = sfn
        .start_execution()
        .state_machine_arn(&connection.state_machine_arn)
        .name(&run_id)
        .input(input.to_string())
        .send()
        .await
        .context("cannot start the state machine")?;

    let client = postgres::connect(&connection.database_url).await?;
    let ended = loop {
        let execution = sfn
            .describe_execution()
            .execution_arn(execution.execution_arn())
            .send()
            .await
            .context("cannot ask for the execution")?;
        if let Some(progress) = Progress::read(&client, &run_id).await? {
            line.show(progress);
        }
        if let Some(memory) = memory.as_deref_mut() {
            memory.sample();
        }
        if *execution.status() != ExecutionStatus::Running {
            break execution;
        }
        tokio::time::sleep(POLL).await;
    };
    let failure = ended.error().map(|error| format!("{error}: {}", ended.cause().unwrap_or_default()));
    Ok(Outcome { run_id, status: ended.status().clone(), failure, elapsed: line.finish() })
}
