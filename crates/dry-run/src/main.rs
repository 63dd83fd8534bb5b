//! The `dry-run` Lambda.

use dry_run::State;
use loader_core::definition::EngineChoice;
use loader_core::dry_run::DryRunSettings;
use loader_core::error::Result;
use loader_lambda::{Environment, RuntimeError};

async fn connect(environment: &Environment) -> Result<State> {
    let deployment = loader_lambda::Deployment::connect(environment).await?;
    let engines =
        [("auto", EngineChoice::Auto), ("aws_s3", EngineChoice::AwsS3), ("stream", EngineChoice::Stream)];
    Ok(State {
        source: deployment.source(),
        work: deployment.work_store(),
        settings: DryRunSettings {
            engine: environment.choice("ENGINE", EngineChoice::Auto, &engines)?,
            max_concurrency: environment.number("MAX_CONCURRENCY", 4, 1..=1_000)?,
        },
        database: deployment.database().await?,
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    loader_lambda::serve("dry-run", connect, dry_run::handle).await
}
