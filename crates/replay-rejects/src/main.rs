//! The `replay-rejects` Lambda.

use loader_core::error::Result;
use loader_core::replay::ReplaySettings;
use loader_lambda::{Environment, RuntimeError};
use replay_rejects::State;

async fn connect(environment: &Environment) -> Result<State> {
    let deployment = loader_lambda::Deployment::connect(environment).await?;
    Ok(State {
        work: deployment.work_store(),
        settings: ReplaySettings { lease: deployment.settings.lease },
        database: deployment.database().await?,
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    loader_lambda::serve("replay-rejects", connect, replay_rejects::handle).await
}
