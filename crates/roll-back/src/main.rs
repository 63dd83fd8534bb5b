//! The `roll-back` Lambda.

use loader_core::error::Result;
use loader_core::rollback::RollBackSettings;
use loader_lambda::{Environment, RuntimeError};
use roll_back::State;

async fn connect(environment: &Environment) -> Result<State> {
    let deployment = loader_lambda::Deployment::connect(environment).await?;
    Ok(State {
        settings: RollBackSettings {
            lease: deployment.settings.lease,
            lock_timeout_ms: environment.number("LOCK_TIMEOUT_MS", 1_000, 1..=600_000)?,
            attempts: environment.number("PUBLISH_ATTEMPTS", 60, 1..=1_000)?,
            versions_kept: environment.number("VERSIONS_KEPT", 1, 1..=100)?,
            sessions: environment.number("BUILD_SESSIONS", 2, 1..=64)?,
        },
        database: deployment.database().await?,
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    loader_lambda::serve("roll-back", connect, roll_back::handle).await
}
