//! The run: one execution for one table, and how far it is.
//!
//! A rollback is a run too, so that whatever ends, tells and finds runs does so
//! for both.

use std::time::Duration;

use tokio_postgres::types::Json;
use tokio_postgres::{Client, GenericClient, Row};

use super::failure::failure;
use super::lease;
use crate::definition::ResolvedDefinition;
use crate::error::{Error, ErrorName, Result};
use crate::identifier::Identifier;
use crate::input::Execution;
use crate::publish::Strategy;

/// What a run does with its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunKind {
    /// It loads the table anew.
    Load,
    /// It puts an earlier version back.
    Rollback,
    /// It adds the rejected rows of a load.
    Replay,
}

impl RunKind {
    /// Returns the word for it, as the control table has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Rollback => "rollback",
            Self::Replay => "replay",
        }
    }

    /// Reads the word that the control table has.
    ///
    /// # Errors
    /// `Internal` for any other word.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "load" => Ok(Self::Load),
            "rollback" => Ok(Self::Rollback),
            "replay" => Ok(Self::Replay),
            other => Err(Error::new(ErrorName::Internal, format!("loader.run has the unknown kind {other}"))),
        }
    }
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// It has been registered.
    Preparing,
    /// It has a staging table.
    Loading,
    /// Its table is live.
    Published,
    /// It has ended without a publish.
    Failed,
}

impl RunState {
    fn parse(text: &str) -> Result<Self> {
        match text {
            "preparing" => Ok(Self::Preparing),
            "loading" => Ok(Self::Loading),
            "published" => Ok(Self::Published),
            "failed" => Ok(Self::Failed),
            other => {
                Err(Error::new(ErrorName::Internal, format!("loader.run has the unknown state {other}")))
            }
        }
    }
}

/// What [`Run::from_row`] reads.
const COLUMNS: &str = "run_id, table_name, kind, group_id, execution_arn, state, attempt, failed_attempts,
    max_attempts, definition, staging_table, backup_table, objects_listed, rows,
    built_attempt, strategy";

/// A run as the control table has it.
#[derive(Debug, Clone)]
pub struct Run {
    /// The execution's name.
    pub run_id: String,
    /// The live table's name.
    pub table: Identifier,
    /// What it does with the table.
    pub kind: RunKind,
    /// The execution that publishes it together with others, if one does.
    pub group_id: Option<String>,
    /// The execution's ARN.
    pub execution_arn: String,
    /// How far it is.
    pub state: RunState,
    /// The number of its newest plan; 0 before the first.
    pub attempt: i32,
    /// How often it has failed.
    pub failed_attempts: i32,
    /// How often it may fail.
    pub max_attempts: i32,
    /// What it works with, once that is known.
    pub definition: Option<ResolvedDefinition>,
    /// The table that it loads into.
    pub staging: Option<Identifier>,
    /// Where it put the version before.
    pub backup: Option<String>,
    /// How many objects the newest plan found.
    pub objects_listed: Option<i64>,
    /// How many rows it published.
    pub rows: Option<i64>,
    /// The plan whose rows have been built and have passed the gates.
    pub built_attempt: Option<i32>,
    /// How it is published, once that is known.
    pub strategy: Option<Strategy>,
}

impl Run {
    fn from_row(row: &Row) -> Result<Self> {
        let internal =
            |error: String| Error::new(ErrorName::Internal, format!("loader.run can't be read: {error}"));
        let identifier =
            |name: String| Identifier::try_from(name).map_err(|error| internal(error.to_string()));
        Ok(Self {
            run_id: row.get("run_id"),
            table: identifier(row.get("table_name"))?,
            kind: RunKind::parse(row.get("kind"))?,
            group_id: row.get("group_id"),
            execution_arn: row.get("execution_arn"),
            state: RunState::parse(row.get("state"))?,
            attempt: row.get("attempt"),
            failed_attempts: row.get("failed_attempts"),
            max_attempts: row.get("max_attempts"),
            definition: row
                .get::<_, Option<Json<serde_json::Value>>>("definition")
                .map(|Json(value)| serde_json::from_value(value).map_err(|error| internal(error.to_string())))
                .transpose()?,
            staging: row.get::<_, Option<String>>("staging_table").map(identifier).transpose()?,
            backup: row.get("backup_table"),
            objects_listed: row.get("objects_listed"),
            rows: row.get("rows"),
            built_attempt: row.get("built_attempt"),
            strategy: row.get::<_, Option<&str>>("strategy").map(Strategy::parse).transpose()?,
        })
    }

    /// Returns the definition and the staging table of a run that is loading.
    ///
    /// # Errors
    /// `RunFinished` when it has ended, `Internal` when it was never prepared.
    pub fn loading(&self) -> Result<(&ResolvedDefinition, &Identifier)> {
        match (self.state, &self.definition, &self.staging) {
            (RunState::Loading, Some(definition), Some(staging)) => Ok((definition, staging)),
            (RunState::Published | RunState::Failed, ..) => Err(finished(&self.run_id)),
            _ => Err(Error::new(ErrorName::Internal, format!("run {} has not been prepared", self.run_id))),
        }
    }

    /// Checks that the rows of the newest plan have been built.
    ///
    /// # Errors
    /// `LiveChanged` when they have not: the build is to be done (again).
    pub fn built(&self) -> Result<()> {
        if self.built_attempt == Some(self.attempt) {
            return Ok(());
        }
        Err(Error::new(
            ErrorName::LiveChanged,
            format!("plan {} of run {} has not been built", self.attempt, self.run_id),
        ))
    }
}

/// Records that a plan's rows have been built and have passed the gates.
///
/// # Errors
/// Those of the database.
pub async fn built(client: &impl GenericClient, run_id: &str, attempt: i32) -> Result<()> {
    client
        .execute(
            "update loader.run set built_attempt = $2 where run_id = $1 and state = 'loading'",
            &[&run_id, &attempt],
        )
        .await
        .map(|_| ())
        .map_err(|error| failure("recording the build", &error))
}

/// Records what the gates found.
///
/// # Errors
/// Those of the database.
pub async fn gates(client: &impl GenericClient, run_id: &str, found: &serde_json::Value) -> Result<()> {
    client
        .execute("update loader.run set gates = $2 where run_id = $1", &[&run_id, &Json(found)])
        .await
        .map(|_| ())
        .map_err(|error| failure("recording the gates", &error))
}

/// Reads a run; none if it was never registered.
///
/// # Errors
/// Those of the database.
pub async fn find(client: &impl GenericClient, run_id: &str) -> Result<Option<Run>> {
    client
        .query_opt(&format!("select {COLUMNS} from loader.run where run_id = $1"), &[&run_id])
        .await
        .map_err(|error| failure("reading the run", &error))?
        .map(|row| Run::from_row(&row))
        .transpose()
}

/// Reads a run that must be there.
///
/// # Errors
/// `InvalidEvent` when it is not.
pub async fn get(client: &impl GenericClient, run_id: &str) -> Result<Run> {
    find(client, run_id)
        .await?
        .ok_or_else(|| Error::new(ErrorName::InvalidEvent, format!("there is no run {run_id} in loader.run")))
}

/// Reads the runs of a group, in the order of its input.
///
/// # Errors
/// Those of the database.
pub async fn of_group(client: &impl GenericClient, group_id: &str) -> Result<Vec<Run>> {
    client
        // Their names end in their number.
        .query(
            &format!("select {COLUMNS} from loader.run where group_id = $1 order by length(run_id), run_id"),
            &[&group_id],
        )
        .await
        .map_err(|error| failure("reading the runs of the group", &error))?
        .iter()
        .map(Run::from_row)
        .collect()
}

/// A run that is to be registered.
#[derive(Debug, Clone, Copy)]
pub struct NewRun<'a> {
    /// The live table.
    pub table: &'a Identifier,
    /// What it is to do with the table.
    pub kind: RunKind,
    /// The execution that publishes it together with others.
    pub group_id: Option<&'a str>,
    /// How often it may fail.
    pub max_attempts: u32,
}

/// Registers the run, or finds what an earlier try of the same execution left.
///
/// # Errors
/// `RunFinished` when a run of this id has ended, or belongs to another
/// execution.
pub async fn register(client: &impl GenericClient, execution: &Execution, new: &NewRun<'_>) -> Result<Run> {
    client
        .execute(
            "insert into loader.run (run_id, table_name, execution_arn, max_attempts, kind, group_id)
             values ($1, $2, $3, $4, $5, $6)
             on conflict (run_id) do nothing",
            &[
                &execution.name,
                &new.table.as_str(),
                &execution.id,
                &i32::try_from(new.max_attempts).unwrap_or(i32::MAX),
                &new.kind.as_str(),
                &new.group_id,
            ],
        )
        .await
        .map_err(|error| failure("registering the run", &error))?;
    let run = get(client, &execution.name).await?;
    if run.execution_arn != execution.id {
        return Err(Error::new(
            ErrorName::RunFinished,
            format!(
                "the run id {} is taken by the execution {}; start again under another name",
                run.run_id, run.execution_arn
            ),
        ));
    }
    if matches!(run.state, RunState::Published | RunState::Failed) {
        return Err(finished(&run.run_id));
    }
    Ok(run)
}

/// Gives the prepared run its definition and its staging table.
///
/// # Errors
/// Those of the database.
pub async fn prepared(
    client: &impl GenericClient,
    run_id: &str,
    definition: &ResolvedDefinition,
    staging: &Identifier,
    resumed_from: Option<&str>,
    (strategy, reason): (Strategy, &str),
) -> Result<()> {
    let definition = serde_json::to_value(definition).map_err(|error| {
        Error::new(ErrorName::Internal, format!("the definition can't be written: {error}"))
    })?;
    client
        .execute(
            "update loader.run
                set state = 'loading', definition = $2, staging_table = $3, resumed_from = $4,
                    strategy = $5, strategy_reason = $6
              where run_id = $1",
            &[&run_id, &Json(definition), &staging.as_str(), &resumed_from, &strategy.as_str(), &reason],
        )
        .await
        .map(|_| ())
        .map_err(|error| failure("recording the definition", &error))
}

/// Begins a new plan and returns its number. From here on, Lambdas that work on
/// an older plan write nothing.
///
/// # Errors
/// Those of the database.
pub async fn begin_attempt(client: &impl GenericClient, run_id: &str) -> Result<i32> {
    let row = client
        .query_one(
            "update loader.run set attempt = attempt + 1 where run_id = $1 returning attempt",
            &[&run_id],
        )
        .await
        .map_err(|error| failure("beginning a plan", &error))?;
    Ok(row.get(0))
}

/// What a plan found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Planned {
    /// Objects below the prefix.
    pub objects_listed: u64,
    /// Objects in the batches.
    pub objects_to_load: u64,
    /// Their bytes.
    pub bytes_to_load: u64,
    /// The batches.
    pub batches: u64,
}

/// Records what the plan found.
///
/// # Errors
/// Those of the database.
pub async fn planned(client: &impl GenericClient, run_id: &str, planned: &Planned) -> Result<()> {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    client
        .execute(
            "update loader.run
                set objects_listed = $2, objects_to_load = $3, bytes_to_load = $4, batches = $5
              where run_id = $1",
            &[
                &run_id,
                &number(planned.objects_listed),
                &number(planned.objects_to_load),
                &number(planned.bytes_to_load),
                &i32::try_from(planned.batches).unwrap_or(i32::MAX),
            ],
        )
        .await
        .map(|_| ())
        .map_err(|error| failure("recording the plan", &error))
}

/// Records a failure and returns how many there have been.
///
/// # Errors
/// Those of the database.
pub async fn record_failure(
    client: &impl GenericClient,
    run_id: &str,
    error: &Error,
    failed_state: &str,
) -> Result<i32> {
    let row = client
        .query_one(
            "update loader.run
                set failed_attempts = failed_attempts + 1, error_name = $2, error_message = $3, failed_state = $4
              where run_id = $1 returning failed_attempts",
            &[&run_id, &error.name.as_str(), &error.message, &failed_state],
        )
        .await
        .map_err(|error| failure("recording the failure", &error))?;
    Ok(row.get(0))
}

/// Ends a run that has not been published. `keep` says whether its staging
/// table stays for a later run. Its counts are those of the ledger.
///
/// # Errors
/// Those of the database.
pub async fn fail(client: &impl GenericClient, run_id: &str, keep: bool) -> Result<()> {
    client
        .execute(
            "update loader.run as run
                set state = 'failed', finished_at = clock_timestamp(),
                    staging_table = case when $2 then staging_table end,
                    objects_loaded = counted.loaded, objects_skipped = counted.skipped,
                    objects_failed = counted.failed, rows = counted.rows
               from (select count(*) filter (where state = 'loaded') as loaded,
                            count(*) filter (where state = 'skipped') as skipped,
                            count(*) filter (where state = 'failed') as failed,
                            coalesce(sum(rows) filter (where state = 'loaded'), 0)::bigint as rows
                       from loader.object where run_id = $1) as counted
              where run.run_id = $1 and run.state <> 'published'",
            &[&run_id, &keep],
        )
        .await
        .map(|_| ())
        .map_err(|error| failure("ending the run", &error))
}

/// Marks a run as one whose end has been told; returns whether it had not been.
///
/// # Errors
/// Those of the database.
pub async fn notified(client: &impl GenericClient, run_id: &str) -> Result<bool> {
    client
        .execute(
            "update loader.run set notified_at = clock_timestamp() where run_id = $1 and notified_at is null",
            &[&run_id],
        )
        .await
        .map(|updated| updated > 0)
        .map_err(|error| failure("recording the message", &error))
}

/// Takes the lease. A run that let it expire has died: it is ended here, and what
/// it loaded may be gone on with.
///
/// # Errors
/// `TableBusy`; those of the database.
pub async fn take_table(client: &mut Client, current: &Run, lasts: Duration) -> Result<()> {
    let doing = "taking the lease";
    let transaction = client.transaction().await.map_err(|error| failure(doing, &error))?;
    let expired = lease::acquire(&transaction, &current.table, &current.run_id, lasts).await?;
    if let Some(dead) = expired {
        let error = Error::new(
            ErrorName::LeaseLost,
            format!("its lease expired, and run {} took the table", current.run_id),
        );
        record_failure(&transaction, &dead, &error, "").await?;
        fail(&transaction, &dead, true).await?;
        tracing::warn!(
            run.id = current.run_id,
            dead,
            "took the table over from a run whose lease had expired"
        );
    }
    transaction.commit().await.map_err(|error| failure(doing, &error))
}

/// The error of a run that has ended.
pub(crate) fn finished(run_id: &str) -> Error {
    Error::new(ErrorName::RunFinished, format!("run {run_id} has already ended; start a new execution"))
}
