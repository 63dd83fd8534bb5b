//! Prepares a group: the tables are prepared by executions of their own.

use serde::{Deserialize, Serialize};
use tokio_postgres::Client;

use crate::database::failure::failure;
use crate::database::{control_schema, run};
use crate::error::{Error, ErrorName, Result};
use crate::identifier::Identifier;
use crate::input::{Execution, GroupInput, GroupRun, is_named_by};

/// A group whose tables can be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreparedGroup {
    /// The group: the execution's name.
    pub group: String,
    /// The executions to start, in the order of the input.
    pub tables: Vec<GroupRun>,
}

/// Prepares a group. The control tables are made here, so that the tables' own
/// executions do not wait for each other with it.
///
/// # Errors
/// `InvalidInput`, `RunFinished` when the name has been a group's before, those
/// of the database.
pub async fn prepare_group(
    client: &mut Client,
    input: &GroupInput,
    execution: &Execution,
) -> Result<PreparedGroup> {
    let tables = input.runs(execution)?;
    control_schema::ensure(client).await?;
    // None of them has been started before this step has succeeded.
    if let Some(before) = run::of_group(client, &execution.name).await?.first() {
        return Err(Error::new(
            ErrorName::RunFinished,
            format!(
                "the name {} is taken by an earlier group (run {}); start again under another name",
                execution.name, before.run_id
            ),
        ));
    }
    // The tables are loaded one after the other: the first must know of the last.
    let names: Vec<&str> = input.tables().map(Identifier::as_str).collect();
    client
        .execute(
            "insert into loader.table_group (group_id, table_name)
             select $1, name from unnest($2::text[]) as name on conflict do nothing",
            &[&execution.name, &names],
        )
        .await
        .map_err(|error| failure("recording the tables of the group", &error))?;
    Ok(PreparedGroup { group: execution.name.clone(), tables })
}

/// Checks that a table may be loaded for a group: that it is the group's own
/// execution that asks for it, and that no other table of the group has failed.
///
/// # Errors
/// `InvalidInput`, `RunFinished`.
pub(super) async fn check_open(client: &Client, group: &str, execution: &Execution) -> Result<()> {
    if !is_named_by(group, execution) {
        return Err(Error::new(
            ErrorName::InvalidInput,
            "the execution input can't be used: the state machine sets the field `group` for the tables of a group; leave it out",
        ));
    }
    let ended = client
        .query_opt(
            "select table_name, run_id from loader.run
              where group_id = $1 and run_id <> $2 and state = 'failed' order by finished_at limit 1",
            &[&group, &execution.name],
        )
        .await
        .map_err(|error| failure("looking for the other tables of the group", &error))?;
    match ended {
        None => Ok(()),
        Some(row) => Err(Error::new(
            ErrorName::RunFinished,
            format!(
                "the group {group} has ended with run {} of {}; nothing of it is published",
                row.get::<_, String>(1),
                row.get::<_, String>(0)
            ),
        )),
    }
}
