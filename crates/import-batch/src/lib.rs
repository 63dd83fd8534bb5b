//! Loads one batch of objects into the staging table, each exactly once.

use std::sync::Arc;

use loader_core::database::connect::Session;
use loader_core::error::Result;
use loader_core::import::{BatchOutcome, ImportEvent, ImportSettings, import};
use loader_core::source::ObjectSource;
use loader_lambda::Deadline;

/// What the Lambda works with.
pub struct State {
    /// The database.
    pub database: Session,
    /// The bucket to load from.
    pub source: Arc<dyn ObjectSource>,
    /// The settings.
    pub settings: ImportSettings,
}

/// Handles one event.
///
/// # Errors
/// Those of [`import`].
pub async fn handle(state: &mut State, event: ImportEvent, deadline: Deadline) -> Result<BatchOutcome> {
    let client = state.database.client().await?;
    import(client, Arc::clone(&state.source), &event, &state.settings, deadline.instant()).await
}
