//! Prepares a run: refuses bad input, creates what the loader needs in the
//! database, takes the table's lease, finds the columns, makes the staging table.
//! For a group it says which executions are to be started.

use std::sync::Arc;

use loader_core::database::connect::Session;
use loader_core::error::Result;
use loader_core::input::{GroupRun, Input};
use loader_core::prepare::{PrepareEvent, PrepareSettings, Prepared, prepare, prepare_group};
use loader_core::source::{ObjectSource, WorkStore};
use loader_lambda::Deadline;
use serde::Serialize;

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

/// What is prepared. The state machine reads `tables`, so it is there whatever it
/// is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The run; none for a group, whose tables have runs of their own.
    #[serde(flatten)]
    pub prepared: Option<Prepared>,
    /// The executions of a group; empty for one table.
    pub tables: Vec<GroupRun>,
}

/// Handles one event.
///
/// # Errors
/// Those of [`Input::parse`], [`prepare`] and [`prepare_group`].
pub async fn handle(state: &mut State, event: PrepareEvent, _deadline: Deadline) -> Result<Answer> {
    let input = Input::parse(&event.input)?;
    match input {
        Input::Table(input) => {
            let client = state.database.client().await?;
            let (source, work) = (state.source.as_ref(), state.work.as_ref());
            let prepared = prepare(client, source, work, &input, &event.execution, &state.settings).await?;
            Ok(Answer { prepared: Some(prepared), tables: Vec::new() })
        }
        Input::Group(input) => {
            let client = state.database.client().await?;
            let group = prepare_group(client, &input, &event.execution).await?;
            Ok(Answer { prepared: None, tables: group.tables })
        }
        // The state machine has sent it elsewhere.
        other => Err(other.misplaced()),
    }
}
