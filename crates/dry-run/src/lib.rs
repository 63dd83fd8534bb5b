//! Says what a load would do: what is there, how it reads, which of its rows the
//! database would refuse. Nothing is changed.

use std::sync::Arc;

use loader_core::database::connect::Session;
use loader_core::dry_run::{DryRunEvent, DryRunSettings, Report, dry_run};
use loader_core::error::Result;
use loader_core::input::Input;
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
    pub settings: DryRunSettings,
}

/// Handles one event.
///
/// # Errors
/// Those of [`Input::parse`] and [`dry_run`].
pub async fn handle(state: &mut State, event: DryRunEvent, deadline: Deadline) -> Result<Report> {
    let input = match Input::parse(&event.input)? {
        Input::DryRun(input) => input,
        other => return Err(other.misplaced()),
    };
    let client = state.database.client().await?;
    let source = Arc::clone(&state.source);
    dry_run(client, source, state.work.as_ref(), &input, &state.settings, deadline.instant()).await
}
