//! The end of a group: all of its tables, as none of them is published.

use tokio_postgres::Client;

use super::{Caught, Failure, Outcome};
use crate::database::failure::failure;
use crate::database::run::{self, Run, RunState};
use crate::error::{Error, ErrorName, Result};
use crate::input::Execution;

/// The states of the state machine that work on a whole group. A run that failed
/// in one of them did so with its group, not by itself.
pub const GROUP_STATES: &[&str] = &["LoadTables", "PublishTables"];

/// Ends the runs of the group that the execution publishes. What they have loaded
/// is kept, so the next group goes on with it. An execution without runs, as one
/// whose input was refused, has nothing to end.
pub(super) async fn end(client: &mut Client, caught: &Caught, mut outcome: Outcome) -> Result<Outcome> {
    let runs = members(client, &caught.execution).await?;
    // They were published in one transaction; only the answer was lost.
    if !runs.is_empty() && runs.iter().all(|run| run.state == RunState::Published) {
        outcome.published = true;
        return Ok(outcome);
    }
    if let Some(first) = first_failure(client, caught).await? {
        outcome.failure = first;
    }
    let Failure { error, message, .. } = &outcome.failure;
    let error = Error::new(
        ErrorName::parse(error).unwrap_or(ErrorName::Unreconciled),
        format!("it was not published, as its group failed: {message}"),
    );
    for run in &runs {
        super::end_open(client, run, &error, &caught.failed_state).await?;
    }
    Ok(outcome)
}

/// Ends the runs of a group whose execution is over.
pub(super) async fn end_open(
    client: &mut Client,
    execution: &Execution,
    error: &Error,
    failed_state: &str,
) -> Result<()> {
    for run in members(client, execution).await? {
        super::end_open(client, &run, error, failed_state).await?;
    }
    Ok(())
}

/// Returns the runs of an execution's group: those that are named after it, of
/// the same state machine.
async fn members(client: &Client, execution: &Execution) -> Result<Vec<Run>> {
    let mut runs = run::of_group(client, &execution.name).await?;
    runs.retain(|run| {
        run.execution_arn.strip_prefix(&execution.id).is_some_and(|number| number.starts_with('-'))
    });
    Ok(runs)
}

/// Returns the failure of the table that failed first: the cause of all others.
/// What an earlier call of this step has ended is no cause.
async fn first_failure(client: &Client, caught: &Caught) -> Result<Option<Failure>> {
    let first = client
        .query_opt(
            "select table_name, error_name, error_message, failed_state from loader.run
              where group_id = $1 and state = 'failed' and error_name is not null and failed_state <> $2
              order by finished_at limit 1",
            &[&caught.run_id, &caught.failed_state],
        )
        .await
        .map_err(|error| failure("looking for the table that failed", &error))?;
    Ok(first.map(|row| {
        let text = |column| row.get::<_, Option<String>>(column).unwrap_or_default();
        Failure {
            error: text(1),
            message: format!("{}: {}", row.get::<_, String>(0), text(2)),
            state: text(3),
        }
    }))
}
