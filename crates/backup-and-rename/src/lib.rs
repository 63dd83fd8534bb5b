//! The gate and the publish: checks the ledger, then moves the live table to the
//! backup and the staging table to live; or does so for a group of tables at once.

use loader_core::database::connect::Session;
use loader_core::error::Result;
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

/// What the Lambda is called with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Fields")]
pub enum Event {
    /// One run.
    Run {
        /// The run.
        run_id: String,
        /// The number of the plan that was loaded.
        attempt: i32,
    },
    /// The runs of a group.
    Group {
        /// The group: the name of the execution that started its runs.
        group: String,
    },
}

/// The fields of all events. An enum that tries one form after the other would
/// not say which field is wrong.
#[derive(Deserialize)]
struct Fields {
    run_id: Option<String>,
    attempt: Option<i32>,
    group: Option<String>,
}

impl TryFrom<Fields> for Event {
    type Error = &'static str;

    fn try_from(fields: Fields) -> std::result::Result<Self, &'static str> {
        match (fields.run_id, fields.attempt, fields.group) {
            (Some(run_id), Some(attempt), None) => Ok(Self::Run { run_id, attempt }),
            (None, None, Some(group)) => Ok(Self::Group { group }),
            _ => Err("it must have `run_id` and `attempt`, or `group` alone"),
        }
    }
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
/// Those of [`publish`] and [`publish_group`].
pub async fn handle(state: &mut State, event: Event, _deadline: Deadline) -> Result<Answer> {
    let client = state.database.client().await?;
    match event {
        Event::Run { run_id, attempt } => {
            publish(client, &run_id, attempt, &state.settings).await.map(Answer::Table)
        }
        Event::Group { group } => publish_group(client, &group, &state.settings).await.map(Answer::Group),
    }
}
