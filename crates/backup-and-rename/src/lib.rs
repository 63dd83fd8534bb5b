//! The gate and the publish: checks the ledger, then moves the live table to the
//! backup and the staging table to live.

use loader_core::database::connect::Session;
use loader_core::error::Result;
use loader_core::publish::{PublishSettings, Published, publish};
use loader_lambda::Deadline;
use serde::Deserialize;

/// What the Lambda works with.
pub struct State {
    /// The database.
    pub database: Session,
    /// The settings.
    pub settings: PublishSettings,
}

/// What the Lambda is called with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Event {
    /// The run.
    pub run_id: String,
    /// The number of the plan that was loaded.
    pub attempt: i32,
}

/// Handles one event.
///
/// # Errors
/// Those of [`publish`].
pub async fn handle(state: &mut State, event: Event, _deadline: Deadline) -> Result<Published> {
    let client = state.database.client().await?;
    publish(client, &event.run_id, event.attempt, &state.settings).await
}
