//! The replay: the rejected rows of a run that is live are loaded into the live table,
//! each once.
//!
//! They are read again with the dialect and the header that the run has recorded, or
//! from a file that somebody has corrected. What is refused again stays a reject, with
//! its new cause. All of it is one transaction.

mod export;
mod file;
mod loading;
mod rejected;
mod rows;
mod work;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::{Client, GenericClient, Transaction};

pub use self::export::{Exported, export};
use self::file::Corrected;
use self::work::Work;
use crate::database::control_schema::{self, Schema};
use crate::database::failure::failure;
use crate::database::run::{self, NewRun, Run, RunKind, RunState};
use crate::database::{lease, live};
use crate::definition::ResolvedDefinition;
use crate::error::{Error, ErrorName, Result};
use crate::input::{Execution, RejectsInput};
use crate::source::WorkStore;
use crate::succession::versions;

/// The longest file that is read: it is held in memory, with its rows.
const MAX_FILE_BYTES: usize = 64 * 1024 * 1024;

/// What the deployment sets for a replay.
#[derive(Debug, Clone, Copy)]
pub struct ReplaySettings {
    /// How long the lease lasts from here.
    pub lease: Duration,
}

/// What a replay, or an export, is called with.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ReplayEvent {
    /// The execution's input: `{"table": "year_2021", "replay": "<run>"}`, or
    /// `export_rejects` for `replay`.
    #[serde(default)]
    pub input: Value,
    /// The execution.
    pub execution: Execution,
}

/// A replay that is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// The replay's own run.
    pub run_id: String,
    /// The live table.
    pub table: String,
    /// The run whose rows were loaded.
    pub replay_of: String,
    /// The rows that are in the table now.
    pub rows: u64,
    /// The rows that were refused again.
    pub refused: u64,
    /// The rows that are left: those that were refused again, and those that were not
    /// tried.
    pub left: u64,
}

/// Loads the rejected rows of a run into the live table. A call for a replay that is
/// done already returns its figures again.
///
/// # Errors
/// `InvalidInput` when the run is none, or not live, or the file is wrong; `TableBusy`,
/// `DatabaseBusy`, those of the work bucket.
pub async fn replay(
    client: &mut Client,
    work: &dyn WorkStore,
    input: &RejectsInput,
    execution: &Execution,
    settings: &ReplaySettings,
) -> Result<Replayed> {
    control_schema::ensure(client).await?;
    if let Some(done) = summary(client, execution).await? {
        return Ok(done);
    }
    let new = NewRun { table: &input.table, kind: RunKind::Replay, group_id: None, max_attempts: 1 };
    let current = run::register(client, execution, &new).await?;
    // What is wrong with the input is told of it, and no run waits for it.
    let of_run = find(client, input).await?;
    run::take_table(client, &current, settings.lease).await?;
    let definition = of_run.definition.as_ref().ok_or_else(|| nothing_of(input))?;
    check_live(client, input, &of_run).await?;

    let key = format!("replays/{}.csv", input.of_run);
    let place = format!("s3://{}/{key}", work.bucket());
    let corrected = match work.read(&key, MAX_FILE_BYTES).await.map_err(as_input)? {
        Some(bytes) => Some(Corrected::read(&bytes, &place, definition)?),
        None => None,
    };
    lease::renew(client, &current.table, &current.run_id, settings.lease).await?;
    load(client, &current, &of_run, definition, corrected.as_ref(), &place).await?;
    summary(client, execution).await?.ok_or_else(|| {
        Error::new(
            ErrorName::Internal,
            format!("the replay {} was committed and is not recorded", current.run_id),
        )
    })
}

/// Loads the rows and records that they are loaded: all of it, or nothing.
async fn load(
    client: &mut Client,
    current: &Run,
    of_run: &Run,
    definition: &ResolvedDefinition,
    corrected: Option<&Corrected>,
    place: &str,
) -> Result<()> {
    let doing = "loading rejected rows";
    let transaction = client.transaction().await.map_err(|error| failure(doing, &error))?;
    // What is checked at the end otherwise would spoil the rows that are good.
    transaction
        .batch_execute("set constraints all immediate")
        .await
        .map_err(|error| failure(doing, &error))?;
    let table = Schema::Live.table(&current.table);
    let mut work = Work::new(&transaction, &table, &of_run.run_id, &current.run_id).await?;
    match corrected {
        Some(corrected) => work.load_corrected(definition, corrected, place).await?,
        None => work.load_as_they_are(definition).await?,
    }
    let loaded = work.loaded();
    // The lease kept loads and rollbacks out; a version that went all the same took the
    // rows' place.
    if versions::live(&transaction, &current.table).await?.is_none_or(|live| live.run_id != of_run.run_id) {
        return Err(lease::lost(&current.run_id));
    }
    record(&transaction, current, &of_run.run_id, loaded).await?;
    transaction.commit().await.map_err(|error| failure("committing the replay", &error))
}

/// Finds the run whose rows are asked for.
async fn find(client: &impl GenericClient, input: &RejectsInput) -> Result<Run> {
    let found = run::find(client, &input.of_run).await?;
    found.filter(|run| run.kind == RunKind::Load && run.table == input.table).ok_or_else(|| nothing_of(input))
}

fn nothing_of(input: &RejectsInput) -> Error {
    invalid(format!(
        "there is no load {} of {}; its runs: select run_id, state, started_at from loader.run where table_name = '{}' order by started_at desc",
        input.of_run,
        input.table,
        input.table.as_str().replace('\'', "''")
    ))
}

/// Checks that the rows which the run has loaded are those that are live: its rejects
/// belong to them and to no others.
async fn check_live(client: &Client, input: &RejectsInput, of_run: &Run) -> Result<()> {
    if of_run.state != RunState::Published {
        return Err(invalid(format!(
            "the run {} has not been published, so its rejected rows have no table to go to; correct the objects and load them again",
            input.of_run
        )));
    }
    if !live::exists(client, &input.table).await? {
        return Err(invalid(format!("the live table {} is gone", input.table)));
    }
    match versions::live(client, &input.table).await? {
        Some(live) if live.run_id == input.of_run => Ok(()),
        Some(live) => Err(invalid(format!(
            "what the run {} has loaded is live no more: version {} of run {} is; its rejected rows do not belong there",
            input.of_run, live.number, live.run_id
        ))),
        None => Err(invalid(format!("no version of {} is live", input.table))),
    }
}

/// Records the replay as done and gives the table back; both hold only if the
/// transaction does.
async fn record(transaction: &Transaction<'_>, current: &Run, of_run: &str, loaded: u64) -> Result<()> {
    let doing = "recording the replay";
    let loaded = i64::try_from(loaded).unwrap_or(i64::MAX);
    let recorded = transaction
        .execute(
            "update loader.run
                set state = 'published', finished_at = clock_timestamp(), rows = $2, replay_of = $3,
                    error_name = null, error_message = null, failed_state = null
              where run_id = $1 and state = 'preparing'
                and exists (select 1 from loader.lease
                             where lease.run_id = $1 and expires_at > clock_timestamp())",
            &[&current.run_id, &loaded, &of_run],
        )
        .await
        .map_err(|error| failure(doing, &error))?;
    if recorded == 0 {
        return Err(lease::lost(&current.run_id));
    }
    transaction
        .execute(
            "update loader.version set rows = rows + $2 where table_name = $1 and state = 'live'",
            &[&current.table.as_str(), &loaded],
        )
        .await
        .map_err(|error| failure(doing, &error))?;
    lease::release(transaction, &current.run_id).await
}

/// Reads what a replay has done; none if it is not done.
async fn summary(client: &Client, execution: &Execution) -> Result<Option<Replayed>> {
    let row = client
        .query_opt(
            "select table_name, replay_of, rows from loader.run
              where run_id = $1 and execution_arn = $2 and kind = 'replay' and state = 'published'",
            &[&execution.name, &execution.id],
        )
        .await
        .map_err(|error| failure("reading what the replay has done", &error))?;
    let Some(row) = row else { return Ok(None) };
    let of_run: String = row.get(1);
    let (left, refused) = rejected::left(client, &of_run, &execution.name).await?;
    Ok(Some(Replayed {
        run_id: execution.name.clone(),
        table: row.get(0),
        rows: u64::try_from(row.get::<_, i64>(2)).unwrap_or_default(),
        replay_of: of_run,
        refused,
        left,
    }))
}

/// A file that is too long is the input's fault, as is every other one.
fn as_input(error: Error) -> Error {
    if error.name == ErrorName::InvalidDefinition {
        return Error { name: ErrorName::InvalidInput, ..error };
    }
    error
}

fn invalid(why: String) -> Error {
    Error::new(ErrorName::InvalidInput, why)
}
