//! The `prepare-schemas` Lambda.

use loader_core::definition::EngineChoice;
use loader_core::error::Result;
use loader_core::prepare::PrepareSettings;
use loader_lambda::{Environment, RuntimeError};
use prepare_schemas::State;

async fn connect(environment: &Environment) -> Result<State> {
    let deployment = loader_lambda::Deployment::connect(environment).await?;
    let engines =
        [("auto", EngineChoice::Auto), ("aws_s3", EngineChoice::AwsS3), ("stream", EngineChoice::Stream)];
    Ok(State {
        source: deployment.source(),
        work: deployment.work_store(),
        settings: PrepareSettings {
            lease: deployment.settings.lease,
            max_attempts: environment.number("MAX_ATTEMPTS", 3, 1..=20)?,
            engine: environment.choice("ENGINE", EngineChoice::Auto, &engines)?,
        },
        database: deployment.database().await?,
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    loader_lambda::serve("prepare-schemas", connect, prepare_schemas::handle).await
}
