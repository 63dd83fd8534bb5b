//! The `build-indexes` Lambda.

use build_indexes::State;
use loader_core::build::BuildSettings;
use loader_core::error::Result;
use loader_lambda::{Environment, RuntimeError};

async fn connect(environment: &Environment) -> Result<State> {
    let deployment = loader_lambda::Deployment::connect(environment).await?;
    Ok(State {
        settings: BuildSettings {
            lease: deployment.settings.lease,
            sessions: environment.number("BUILD_SESSIONS", 2, 1..=64)?,
        },
        database: deployment.database().await?,
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    loader_lambda::serve("build-indexes", connect, build_indexes::handle).await
}
