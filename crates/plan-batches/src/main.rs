//! The `plan-batches` Lambda.

use loader_core::error::Result;
use loader_core::plan::PlanSettings;
use loader_lambda::{Environment, RuntimeError};
use plan_batches::State;

/// Smaller parts cost more to begin than they save.
const LEAST_PART_BYTES: u64 = 8 << 20;

async fn connect(environment: &Environment) -> Result<State> {
    let deployment = loader_lambda::Deployment::connect(environment).await?;
    let batch_max_bytes = environment.number("BATCH_MAX_BYTES", 128 << 20, 1..=1 << 50)?;
    Ok(State {
        source: deployment.source(),
        work: deployment.work_store(),
        settings: PlanSettings {
            lease: deployment.settings.lease,
            max_concurrency: environment.number("MAX_CONCURRENCY", 4, 1..=1_000)?,
            database_cpus: environment.number("DATABASE_CPUS", 0, 0..=1_000)?,
            batch_max_bytes,
            batch_max_objects: environment.number("BATCH_MAX_OBJECTS", 500, 1..=1_000)?,
            part_bytes: (batch_max_bytes / 2).max(LEAST_PART_BYTES),
        },
        database: deployment.database().await?,
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    loader_lambda::serve("plan-batches", connect, plan_batches::handle).await
}
