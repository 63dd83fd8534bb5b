//! The `import-batch` Lambda.

use std::time::Duration;

use import_batch::State;
use loader_core::error::Result;
use loader_core::import::ImportSettings;
use loader_lambda::{Environment, RuntimeError};

async fn connect(environment: &Environment) -> Result<State> {
    let deployment = loader_lambda::Deployment::connect(environment).await?;
    Ok(State {
        source: deployment.source(),
        settings: ImportSettings {
            lease: deployment.settings.lease,
            fetch_ahead: environment.number("FETCH_AHEAD_OBJECTS", 16, 1..=256)?,
            group_max_bytes: environment.number("GROUP_MAX_BYTES", 32 << 20, 1..=1 << 30)?,
            max_replica_lag: Duration::from_secs(environment.number(
                "MAX_REPLICA_LAG_SECONDS",
                30,
                1..=86_400,
            )?),
        },
        database: deployment.database().await?,
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    loader_lambda::serve("import-batch", connect, import_batch::handle).await
}
