//! The gate and the publish: every listed object is accounted for, then the live
//! table moves to the backup and the staging table becomes live, in one move.

pub mod merge;
mod promote;
mod reconcile;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_postgres::Client;

pub use self::reconcile::{Reconciliation, describe};
use crate::database::control_schema::Schema;
use crate::database::failure::failure;
use crate::database::run::{Run, RunState};
use crate::database::{lease, ledger, run};
use crate::error::{Error, ErrorName, Result};

/// What the deployment sets for the publish.
#[derive(Debug, Clone, Copy)]
pub struct PublishSettings {
    /// How long the lease lasts from here.
    pub lease: Duration,
    /// How long one try waits for its locks. Readers that come meanwhile wait as
    /// long, so it is short.
    pub lock_timeout_ms: u64,
    /// How many tries there are.
    pub attempts: u32,
    /// How many earlier versions are kept.
    pub versions_kept: u32,
}

/// How a version takes the place of the one before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The staging table becomes the live one, and takes over all that hangs on it.
    #[default]
    Rename,
    /// The live table is partitioned and stays; its partitions are exchanged.
    Partition,
    /// The live table stays; its rows are compared and changed in place.
    Merge,
}

/// What was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The run.
    pub run_id: String,
    /// The live table.
    pub table: String,
    /// Its rows.
    pub rows: u64,
    /// Objects in it.
    pub objects_loaded: u64,
    /// Objects that were skipped.
    pub objects_skipped: u64,
    /// Objects that failed and were tolerated.
    pub objects_failed: u64,
    /// Where the version before is; none on the first publish.
    pub backup: Option<String>,
}

/// The tables of a group, all published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedGroup {
    /// The group: the name of the execution that publishes it.
    pub group: String,
    /// Its tables, in the order of the input.
    pub tables: Vec<Published>,
}

/// Publishes all runs of a group in one transaction, or none.
///
/// # Errors
/// Those of [`publish`].
pub async fn publish_group(
    _client: &mut Client,
    _group: &str,
    _settings: &PublishSettings,
) -> Result<PublishedGroup> {
    Err(Error::new(ErrorName::Internal, "not published yet"))
}

/// Checks the run against its ledger and publishes it.
///
/// A run that is published already is left as it is, and its figures are returned
/// again: the step may be called twice, or fail after its commit.
///
/// # Errors
/// `Unreconciled`, `ObjectsFailed` (nothing is touched), `DatabaseBusy`
/// when the locks were not to be had, `LeaseLost`.
pub async fn publish(
    client: &mut Client,
    run_id: &str,
    attempt: i32,
    settings: &PublishSettings,
) -> Result<Published> {
    let current = run::get(client, run_id).await?;
    if current.state == RunState::Published {
        return summary(client, &current).await;
    }
    let outcome = check_and_promote(client, &current, attempt, settings).await;
    // Another call of this step, or an earlier try whose answer was lost, may
    // have published the run meanwhile; that is what this one failed on.
    match (outcome, run::get(client, run_id).await) {
        (_, Ok(run)) if run.state == RunState::Published => summary(client, &run).await,
        (Err(error), _) | (Ok(()), Err(error)) => Err(error),
        (Ok(()), Ok(run)) => Err(Error::new(
            ErrorName::Internal,
            format!("run {} was committed and is not published", run.run_id),
        )),
    }
}

async fn check_and_promote(
    client: &mut Client,
    current: &Run,
    attempt: i32,
    settings: &PublishSettings,
) -> Result<()> {
    let (definition, staging) = current.loading()?;
    lease::check(client, &current.run_id, attempt).await?;
    lease::renew(client, &current.table, &current.run_id, settings.lease).await?;
    reconcile::reconcile(client, current, definition).await?;
    reconcile::count_rows(client, &current.run_id, staging).await?;
    // The planner knows nothing of a table that was never analysed; readers would
    // get bad plans from the first moment on.
    client
        .batch_execute(&format!("analyze {}", Schema::Staging.table(staging)))
        .await
        .map_err(|error| failure("analysing the staging table", &error))?;
    let mut tries = 0;
    loop {
        tries += 1;
        match promote::promote(client, current, definition, staging, attempt, settings.lock_timeout_ms).await
        {
            Err(error) if error.name == ErrorName::DatabaseBusy && tries < settings.attempts => {
                tracing::warn!(run.id = current.run_id, tries, %error, "the live table is in use: trying again");
                tokio::time::sleep(pause(tries)).await;
                lease::renew(client, &current.table, &current.run_id, settings.lease).await?;
            }
            Err(error) if error.name == ErrorName::DatabaseBusy => {
                return Err(with_holders(client, current, error, tries).await);
            }
            outcome => return outcome,
        }
    }
}

/// Waits longer after each try: 0.2, 0.4, … at most 5 seconds.
fn pause(tries: u32) -> Duration {
    Duration::from_millis((100 << tries.min(6)).min(5000))
}

async fn with_holders(client: &Client, current: &Run, mut error: Error, tries: u32) -> Error {
    let holders = client
        .query_opt(
            "select string_agg(format('pid %s (%s, %s, since %s)', pid, usename, state, to_char(xact_start at time zone 'UTC', 'HH24:MI:SS \"UTC\"')), '; ')
               from pg_stat_activity
              where pid in (select pid from pg_locks where relation = to_regclass($1) and granted)
                and pid <> pg_backend_pid()",
            &[&Schema::Live.table(&current.table).to_string()],
        )
        .await
        .ok()
        .flatten()
        .and_then(|row| row.get::<_, Option<String>>(0))
        .unwrap_or_else(|| "nobody by now".to_owned());
    error.message = format!("{}; tried {tries} times; the table is held by {holders}", error.message);
    error
}

async fn summary(client: &Client, current: &Run) -> Result<Published> {
    let totals = ledger::totals(client, &current.run_id).await?;
    Ok(Published {
        run_id: current.run_id.clone(),
        table: current.table.as_str().to_owned(),
        rows: totals.rows,
        objects_loaded: totals.loaded,
        objects_skipped: totals.skipped,
        objects_failed: totals.failed,
        backup: current.backup.clone(),
    })
}
