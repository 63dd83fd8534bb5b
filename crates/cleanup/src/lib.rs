//! Decides after a failure: another plan, or the end of the run.

use loader_core::cleanup::{Caught, Outcome, clean_up};
use loader_core::database::connect::Session;
use loader_core::error::Result;
use loader_lambda::Deadline;

/// What the Lambda works with.
pub struct State {
    /// The database.
    pub database: Session,
}

/// Handles one event.
///
/// # Errors
/// Those of [`clean_up`].
pub async fn handle(state: &mut State, event: Caught, _deadline: Deadline) -> Result<Outcome> {
    clean_up(state.database.client().await?, &event).await
}
