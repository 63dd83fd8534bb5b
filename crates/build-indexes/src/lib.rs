//! Makes the staging table ready: indexes and constraints, then the gates.

use loader_core::build::{BuildEvent, BuildSettings, Built, build};
use loader_core::database::connect::Session;
use loader_core::error::Result;
use loader_lambda::Deadline;

/// What the Lambda works with.
pub struct State {
    /// The database.
    pub database: Session,
    /// The settings.
    pub settings: BuildSettings,
}

/// Handles one event.
///
/// # Errors
/// Those of [`build`].
pub async fn handle(state: &mut State, event: BuildEvent, deadline: Deadline) -> Result<Built> {
    build(&mut state.database, &event, &state.settings, deadline.instant()).await
}
