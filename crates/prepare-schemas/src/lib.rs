//! Prepares a run: refuses bad input, creates what the loader needs in the
//! database, takes the table's lease, finds the columns, makes the staging table.

use std::sync::Arc;

use loader_core::database::connect::Session;
use loader_core::error::Result;
use loader_core::input::ExecutionInput;
use loader_core::prepare::{PrepareEvent, PrepareSettings, Prepared, prepare};
use loader_core::source::{ObjectSource, WorkStore};
use loader_lambda::Deadline;

/// What the Lambda works with.
pub struct State {
    /// The database.
    pub database: Session,
    /// The bucket to load from.
    pub source: Arc<dyn ObjectSource>,
    /// The bucket with the definitions.
    pub work: Arc<dyn WorkStore>,
    /// The settings.
    pub settings: PrepareSettings,
}

/// Handles one event.
///
/// # Errors
/// Those of [`ExecutionInput::parse`] and [`prepare`].
pub async fn handle(state: &mut State, event: PrepareEvent, _deadline: Deadline) -> Result<Prepared> {
    let input = ExecutionInput::parse(&event.input)?;
    let client = state.database.client().await?;
    prepare(client, state.source.as_ref(), state.work.as_ref(), &input, &event.execution, &state.settings)
        .await
}
