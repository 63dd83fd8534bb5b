//! Takes a publish back: puts an earlier version of a table live again.

use loader_core::database::connect::Session;
use loader_core::error::Result;
use loader_core::rollback::{RollBackEvent, RollBackSettings, RolledBack, roll_back};
use loader_lambda::Deadline;

/// What the Lambda works with.
pub struct State {
    /// The database.
    pub database: Session,
    /// The settings.
    pub settings: RollBackSettings,
}

/// Handles one event.
///
/// # Errors
/// Those of [`roll_back`].
pub async fn handle(state: &mut State, event: RollBackEvent, deadline: Deadline) -> Result<RolledBack> {
    roll_back(&mut state.database, &event, &state.settings, deadline.instant()).await
}
