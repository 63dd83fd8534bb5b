//! Plans a run: lists the prefix and writes the batches to the work bucket.

use std::sync::Arc;

use loader_core::database::connect::Session;
use loader_core::error::Result;
use loader_core::plan::{Plan, PlanSettings, plan};
use loader_core::source::{ObjectSource, WorkStore};
use loader_lambda::Deadline;
use serde::Deserialize;

/// What the Lambda works with.
pub struct State {
    /// The database.
    pub database: Session,
    /// The bucket to load from.
    pub source: Arc<dyn ObjectSource>,
    /// The bucket that the plan is written to.
    pub work: Arc<dyn WorkStore>,
    /// The settings.
    pub settings: PlanSettings,
}

/// What the Lambda is called with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Event {
    /// The run.
    pub run_id: String,
}

/// Handles one event.
///
/// # Errors
/// Those of [`plan`].
pub async fn handle(state: &mut State, event: Event, _deadline: Deadline) -> Result<Plan> {
    let client = state.database.client().await?;
    plan(client, state.source.as_ref(), state.work.as_ref(), &event.run_id, &state.settings).await
}
