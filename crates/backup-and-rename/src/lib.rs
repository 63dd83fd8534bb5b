//! The gate and the publish: checks the ledger, then moves the live table to the
//! backup and the staging table to live; or does so for a group of tables at once.

use loader_core::database::connect::Session;
use loader_core::error::{Error, ErrorName, Result};
use loader_core::publish::{PublishSettings, Published, PublishedGroup, publish, publish_group};
use loader_lambda::Deadline;
use serde::{Deserialize, Serialize};

/// What the Lambda works with.
pub struct State {
    /// The database.
    pub database: Session,
    /// The settings.
    pub settings: PublishSettings,
}

/// What the Lambda is called with: a run and its plan, or a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Event {
    /// The run.
    pub run_id: Option<String>,
    /// The number of the plan that was loaded.
    pub attempt: Option<i32>,
    /// The group: the name of the execution that started its runs.
    pub group: Option<String>,
}

/// What became live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// One table.
    Table(Published),
    /// All tables of a group.
    Group(PublishedGroup),
}

/// Handles one event.
///
/// # Errors
/// `InvalidEvent`; those of [`publish`] and [`publish_group`].
pub async fn handle(state: &mut State, event: Event, _deadline: Deadline) -> Result<Answer> {
    match (&event.run_id, event.attempt, &event.group) {
        (Some(run_id), Some(attempt), None) => {
            let client = state.database.client().await?;
            publish(client, run_id, attempt, &state.settings).await.map(Answer::Table)
        }
        (None, None, Some(group)) => {
            let client = state.database.client().await?;
            publish_group(client, group, &state.settings).await.map(Answer::Group)
        }
        _ => Err(Error::new(
            ErrorName::InvalidEvent,
            "the event must have `run_id` and `attempt`, or `group` alone",
        )),
    }
}
