//! What the control tables know of a run.

use tokio_postgres::Client;

use crate::database::failure::failure;
use crate::database::ledger::{self, FailedObject, Totals};
use crate::error::Result;
use crate::input::Execution;

/// How many failed objects a message shows.
const SHOWN_FAILURES: i64 = 5;

/// The figures of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunFacts {
    /// The live table.
    pub table: String,
    /// Whether the live table has been replaced.
    pub published: bool,
    /// Objects below the prefix, as the newest plan found them.
    pub objects_listed: Option<u64>,
    /// What became of them.
    pub totals: Totals,
    /// Seconds from the start to the end, or to now.
    pub seconds: f64,
    /// How many attempts failed.
    pub failed_attempts: i32,
    /// Where the version before is.
    pub backup: Option<String>,
    /// The staging table, if it is kept.
    pub staging: Option<String>,
    /// The first failed objects.
    pub failed: Vec<FailedObject>,
}

/// Reads the figures; none if the run was never registered.
///
/// # Errors
/// Those of the database.
pub async fn read(client: &Client, execution: &Execution) -> Result<Option<RunFacts>> {
    let found = client
        .query_opt(
            "select table_name, state = 'published', objects_listed,
                    extract(epoch from coalesce(finished_at, clock_timestamp()) - started_at)::float8,
                    failed_attempts, backup_table, staging_table
               from loader.run where run_id = $1 and execution_arn = $2",
            &[&execution.name, &execution.id],
        )
        .await
        .map_err(|error| failure("reading the run", &error))?;
    let Some(row) = found else { return Ok(None) };
    Ok(Some(RunFacts {
        table: row.get(0),
        published: row.get(1),
        objects_listed: row.get::<_, Option<i64>>(2).and_then(|n| u64::try_from(n).ok()),
        totals: ledger::totals(client, &execution.name).await?,
        seconds: row.get(3),
        failed_attempts: row.get(4),
        backup: row.get(5),
        staging: row.get(6),
        failed: ledger::first_failed(client, &execution.name, SHOWN_FAILURES).await?,
    }))
}
