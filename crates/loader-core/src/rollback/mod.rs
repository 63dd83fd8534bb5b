//! The rollback: puts an earlier version back, with the same care as a publish.

mod request;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;
use tokio_postgres::{Client, Transaction};

use self::request::Request;
use crate::build::construction::{construct, construct_copies};
use crate::build::{check_referring_keys, successions};
use crate::catalog;
use crate::database::connect::Session;
use crate::database::control_schema::{self, Schema};
use crate::database::failure::failure;
use crate::database::run::{self, NewRun, Run, RunKind};
use crate::database::{lease, staging};
use crate::error::{Class, Error, ErrorName, Result};
use crate::gate::{self, Subject};
use crate::identifier::{Identifier, QualifiedName};
use crate::input::Execution;
use crate::publish::promote::{Promotion, promote};
use crate::publish::{PublishSettings, Strategy, in_place, locks};
use crate::succession::moving::rename_whole;
use crate::succession::versions::{self, Becoming, Version};
use crate::succession::{Candidate, kept_partitions, materialized};

/// What the deployment sets for a rollback.
#[derive(Debug, Clone, Copy)]
pub struct RollBackSettings {
    /// How long the lease lasts from here.
    pub lease: Duration,
    /// The longest that one try waits for its locks.
    pub lock_timeout_ms: u64,
    /// How many tries there are.
    pub attempts: u32,
    /// How many earlier versions are kept.
    pub versions_kept: u32,
    /// How many indexes are built at once.
    pub sessions: u32,
}

/// What the rollback is called with.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RollBackEvent {
    /// The execution's input: `{"table": "year_2021", "to": "previous"}`, or the
    /// number of a version for `to`.
    #[serde(default)]
    pub input: Value,
    /// The execution.
    pub execution: Execution,
}

/// A version that is live again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolledBack {
    /// The rollback's own run.
    pub run_id: String,
    /// The live table.
    pub table: String,
    /// The version that is live now.
    pub version: i64,
    /// Its rows.
    pub rows: u64,
    /// The version that was live before; `to` takes it for the way back.
    pub replaced_version: i64,
    /// Where it is now.
    pub backup: Option<String>,
}

/// Puts an earlier version back. A call for a rollback that is done already
/// returns its figures again.
///
/// What hangs on the table now stays: views, grants, keys, indexes. Only the rows
/// are those of the earlier version.
///
/// # Errors
/// `InvalidInput`, `NoSuchVersion`, `TableBusy`, `GateFailed`,
/// `LiveNotReplaceable`, `DatabaseBusy`.
pub async fn roll_back(
    session: &mut Session,
    event: &RollBackEvent,
    settings: &RollBackSettings,
    deadline: Instant,
) -> Result<RolledBack> {
    let request = Request::parse(&event.input)?;
    let client = session.client().await?;
    control_schema::ensure(client).await?;
    if let Some(done) = summary(client, &event.execution).await? {
        return Ok(done);
    }
    let new = NewRun { table: &request.table, kind: RunKind::Rollback, group_id: None, max_attempts: 1 };
    let current = run::register(client, &event.execution, &new).await?;
    run::take_table(client, &current, settings.lease).await?;
    let table = &current.table;
    let target = request.find(client).await?;
    let live = versions::live(client, table).await?;
    // How the live version came to be: a copy of its rows is kept, or itself.
    let strategy = live.map_or(Strategy::Rename, |version| version.strategy);
    let candidate = Candidate { name: target.place()?, suffix: staging::suffix(&current.run_id) };
    if strategy != Strategy::Merge {
        // A publish that was cut off after its commit has left some.
        kept_partitions::attach(session.client().await?, table).await?;
        build(session, table, &candidate, settings, deadline).await?;
    }
    let client = session.client().await?;
    lease::renew(client, table, &current.run_id, settings.lease).await?;
    let publish = PublishSettings {
        lease: settings.lease,
        lock_timeout_ms: settings.lock_timeout_ms,
        attempts: settings.attempts,
        versions_kept: settings.versions_kept,
    };
    let outcome =
        locks::with_patience(client, &publish, std::slice::from_ref(table), async |client, wait| {
            lease::renew(client, table, &current.run_id, settings.lease).await?;
            attempt(client, &current, &target, &candidate, strategy, settings, wait).await
        })
        .await;
    let done = summary(client, &event.execution).await?;
    if let (None, Err(error)) = (&done, outcome) {
        if error.class() == Class::Permanent {
            drop_copies(client, &candidate.name).await;
        }
        return Err(error);
    }
    versions::tidy(client, table, settings.versions_kept).await;
    done.ok_or_else(|| {
        Error::new(
            ErrorName::Internal,
            format!("the rollback {} was committed and is not recorded", current.run_id),
        )
    })
}

/// Makes the kept version like the live table: what was hung on that one since,
/// and what the kept version gave up.
async fn build(
    session: &mut Session,
    table: &Identifier,
    candidate: &Candidate,
    settings: &RollBackSettings,
    deadline: Instant,
) -> Result<()> {
    let live_name = Schema::Live.table(table);
    let client = session.client().await?;
    let Some(live) = catalog::find(client, &live_name).await? else { return Ok(()) };
    let subject = Subject { staging: &candidate.name, live: Some(&live_name), rows: 0, together: &[] };
    gate::verdict(&check_referring_keys(client, &subject, live, candidate).await?)?;
    for (live, candidate) in successions(session.client().await?, live, candidate).await? {
        construct(session, live, &candidate, &[], settings.sessions, deadline).await?;
        materialized::build_copies(session.client().await?, live, &candidate).await?;
        construct_copies(session, live, &candidate, settings.sessions, deadline).await?;
    }
    Ok(())
}

async fn attempt(
    client: &mut Client,
    current: &Run,
    target: &Version,
    candidate: &Candidate,
    strategy: Strategy,
    settings: &RollBackSettings,
    lock_timeout: Duration,
) -> Result<()> {
    let doing = "rolling back";
    let transaction = client.transaction().await.map_err(|error| failure(doing, &error))?;
    let kept_as = target.place()?;
    locks::outwait_autovacuum(&transaction, settings.lock_timeout_ms).await?;
    transaction
        .batch_execute(&format!("lock table {kept_as} in access exclusive mode"))
        .await
        .map_err(|error| failure(doing, &error))?;
    record(&transaction, current, target).await?;
    let becoming = Becoming::Again { run_id: &current.run_id, number: target.number };
    let away = Candidate {
        name: candidate.in_schema(&staging::name_for(&current.table, &current.run_id)),
        suffix: candidate.suffix.clone(),
    };
    if strategy == Strategy::Merge && in_place::has_live(&transaction, &current.table).await? {
        rename_whole(&transaction, &kept_as, &away.name.name, &away.suffix).await?;
        let key = key_of_versions(&transaction, &current.table, target).await?;
        in_place::change_rows(&transaction, &current.table, &away.name, key.as_deref(), becoming).await?;
    } else {
        let promotion =
            Promotion { table: &current.table, candidate: away, kept_as: Some(kept_as), becoming };
        promote(&transaction, &[promotion], &[], lock_timeout).await?;
    }
    transaction.commit().await.map_err(|error| failure("committing the rollback", &error))
}

/// Drops what a rollback that is given up has made of materialized views; what
/// stays is dropped with the version.
async fn drop_copies(client: &mut Client, kept: &QualifiedName) {
    let dropped = async {
        let doing = |error: tokio_postgres::Error| failure("dropping copies of materialized views", &error);
        let transaction = client.transaction().await.map_err(doing)?;
        materialized::drop_copies(&transaction, kept).await?;
        transaction.commit().await.map_err(doing)
    };
    if let Err(error) = dropped.await {
        tracing::warn!(%error, table = %kept, "copies of materialized views stay behind");
    }
}

/// Finds the columns that tell the rows apart where a definition has named them.
async fn key_of_versions(
    transaction: &Transaction<'_>,
    table: &Identifier,
    target: &Version,
) -> Result<Option<Vec<Identifier>>> {
    let live = versions::live(transaction, table).await?;
    for version in live.iter().chain([target]) {
        let run = run::find(transaction, &version.run_id).await?;
        if let Some(key) = run.and_then(|run| run.definition).and_then(|definition| definition.key) {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

/// Records the rollback as done and gives the table back; both hold only if the
/// transaction does.
async fn record(transaction: &Transaction<'_>, current: &Run, target: &Version) -> Result<()> {
    let backup = versions::backup_text(&current.table);
    let recorded = transaction
        .execute(
            "update loader.run
                set state = 'published', finished_at = clock_timestamp(), rows = $2, backup_table = $3,
                    error_name = null, error_message = null, failed_state = null
              where run_id = $1 and state = 'preparing'
                and exists (select 1 from loader.lease
                             where lease.run_id = $1 and expires_at > clock_timestamp())",
            &[&current.run_id, &target.rows, &backup],
        )
        .await
        .map_err(|error| failure("recording the rollback", &error))?;
    if recorded == 0 {
        return Err(lease::lost(&current.run_id));
    }
    lease::release(transaction, &current.run_id).await
}

/// Reads what a rollback has done; none if it is not done.
async fn summary(client: &Client, execution: &Execution) -> Result<Option<RolledBack>> {
    let row = client
        .query_opt(
            "select run.table_name, change.to_version, version.rows, change.from_version, run.backup_table
               from loader.run
               join loader.version_change change using (table_name, run_id)
               join loader.version version on version.table_name = change.table_name
                and version.version = change.to_version
              where run.run_id = $1 and run.execution_arn = $2 and run.kind = 'rollback' and run.state = 'published'",
            &[&execution.name, &execution.id],
        )
        .await
        .map_err(|error| failure("reading what the rollback has done", &error))?;
    Ok(row.map(|row| RolledBack {
        run_id: execution.name.clone(),
        table: row.get(0),
        version: row.get(1),
        rows: u64::try_from(row.get::<_, i64>(2)).unwrap_or_default(),
        replaced_version: row.get::<_, Option<i64>>(3).unwrap_or_default(),
        backup: row.get(4),
    }))
}
