//! The rejected rows of a run: written into a file, to be corrected, or loaded into
//! the live table.

use std::sync::Arc;

use loader_core::database::connect::Session;
use loader_core::error::Result;
use loader_core::input::Input;
use loader_core::replay::{Exported, ReplayEvent, ReplaySettings, Replayed, export, replay};
use loader_core::source::WorkStore;
use loader_lambda::Deadline;
use serde::Serialize;

/// What the Lambda works with.
pub struct State {
    /// The database.
    pub database: Session,
    /// The bucket with the files.
    pub work: Arc<dyn WorkStore>,
    /// The settings.
    pub settings: ReplaySettings,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// The rows are in the live table.
    Replayed(Replayed),
    /// The rows are in a file.
    Exported(Exported),
}

/// Handles one event.
///
/// # Errors
/// Those of [`Input::parse`], [`replay`] and [`export`].
pub async fn handle(state: &mut State, event: ReplayEvent, _deadline: Deadline) -> Result<Answer> {
    let input = Input::parse(&event.input)?;
    let client = state.database.client().await?;
    let work = state.work.as_ref();
    match input {
        Input::Replay(input) => {
            replay(client, work, &input, &event.execution, &state.settings).await.map(Answer::Replayed)
        }
        Input::ExportRejects(input) => export(client, work, &input).await.map(Answer::Exported),
        other => Err(other.misplaced()),
    }
}
