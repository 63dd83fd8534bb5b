//! The build: indexes and constraints on the loaded staging table, then the gates.

pub(crate) mod construction;
pub(crate) mod marks;
mod memory;
mod orphans;
mod repeated;
mod unfit;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tokio_postgres::Client;

use crate::catalog;
use crate::database::connect::Session;
use crate::database::control_schema::Schema;
use crate::database::failure::failure;
use crate::database::run::{Run, RunState};
use crate::database::{lease, ledger, run, staging};
use crate::error::{Error, ErrorName, Result};
use crate::gate::{self, GateFigure, Subject};
use crate::publish::{Strategy, reconcile};
use crate::succession::{Candidate, materialized, partitions};

use self::unfit::Unfit;

/// How long a run of a group holds its table while the others are loaded.
const HELD_FOR_GROUP: Duration = Duration::from_hours(24);

/// What the deployment sets for the build.
#[derive(Debug, Clone, Copy)]
pub struct BuildSettings {
    /// How long the lease lasts from here.
    pub lease: Duration,
    /// How many indexes are built at once, each on a connection of its own.
    pub sessions: u32,
}

/// What the build is called with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BuildEvent {
    /// The run.
    pub run_id: String,
    /// The number of the plan that was loaded.
    pub attempt: i32,
}

/// A staging table that can be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Built {
    /// The run.
    pub run_id: String,
    /// The live table.
    pub table: String,
    /// The number of the plan that was loaded.
    pub attempt: i32,
    /// How it will be published.
    pub strategy: Strategy,
    /// Rows in the staging table.
    pub rows: u64,
    /// Indexes and constraints that the staging table has in the image of the
    /// live one.
    pub indexes: u64,
}

/// Checks the ledger, builds what the live table has, and checks the gates.
///
/// It goes on where an earlier call was cut off: what is built is found built.
///
/// # Errors
/// `Unreconciled`, `ObjectsFailed`, `GateFailed`, `LiveNotReplaceable`,
/// `RunFinished` when it is published already, `DeadlineReached` when there is more to build.
pub async fn build(
    session: &mut Session,
    event: &BuildEvent,
    settings: &BuildSettings,
    deadline: Instant,
) -> Result<Built> {
    let outcome = construct_and_check(session, event, settings, deadline).await;
    let Err(error) = outcome else { return outcome };
    // Another call of this step may have got further, and its run be published
    // meanwhile; that is what this one failed on.
    match run::find(session.client().await?, &event.run_id).await {
        Ok(Some(current)) if current.state == RunState::Published => Err(run::finished(&current.run_id)),
        _ => Err(error),
    }
}

async fn construct_and_check(
    session: &mut Session,
    event: &BuildEvent,
    settings: &BuildSettings,
    deadline: Instant,
) -> Result<Built> {
    let client = session.client().await?;
    let current = run::get(client, &event.run_id).await?;
    let (definition, staging) = current.loading()?;
    lease::check(client, &current.run_id, event.attempt).await?;
    lease::renew(client, &current.table, &current.run_id, lease_of(&current, settings)).await?;
    reconcile::reconcile(client, &current, definition).await?;
    reconcile::count_rows(client, &current.run_id, staging).await?;
    let rows = ledger::totals(client, &current.run_id).await?.rows;
    let is_marked = staging::is_marked(client, staging).await?;
    let candidate = Candidate::staging(staging, &current.run_id);
    let live_name = Schema::Live.table(&current.table);
    let live = catalog::find(client, &live_name).await?;
    let subject = Subject { staging: &candidate.name, live: live.map(|_| &live_name), rows, together: &[] };
    // First, as it costs little: a half delivery needs no indexes.
    let mut figures = gate::check_counts(client, &subject, definition).await?;
    pass(client, &current, &figures).await?;
    let strategy = current.strategy.unwrap_or_default();
    let mut indexes = 0;
    if let Some(live) = live {
        let mut curable = if is_marked { Unfit::ALL.to_vec() } else { Vec::new() };
        if strategy == Strategy::Merge {
            // A merge has no indexes of its own that would show such rows.
            for unfit in curable.drain(..) {
                reject_unfit(client, &current, event.attempt, live, &candidate, unfit).await?;
            }
        }
        indexes = loop {
            let error = match construct_indexes(session, &current, live, &candidate, settings, deadline).await
            {
                Ok(indexes) => break indexes,
                Err(error) => error,
            };
            let Some(at) = curable.iter().position(|unfit| unfit.is_behind(&error)) else {
                return Err(error);
            };
            let unfit = curable.swap_remove(at);
            reject_unfit(session.client().await?, &current, event.attempt, live, &candidate, unfit).await?;
        };
    }
    let client = session.client().await?;
    if is_marked {
        marks::drop(client, &candidate.name).await?;
    }
    let rows = ledger::totals(client, &current.run_id).await?.rows;
    let subject = Subject { rows, ..subject };
    // The planner knows nothing of a table that was never analysed; readers would
    // get bad plans from the first moment on.
    client
        .batch_execute(&format!("analyze {}", candidate.name))
        .await
        .map_err(|error| failure("analysing the staging table", &error))?;
    // Tables that are published together refer to each other's new rows, and the
    // others may still be loading: their gates are checked when all are there.
    if current.group_id.is_none() {
        figures.extend(gate::check_rows(client, &subject, definition, left(deadline)).await?);
        if let Some(live) = live {
            figures.extend(check_referring_keys(client, &subject, live, &candidate).await?);
        }
        pass(client, &current, &figures).await?;
    }
    if let (Some(live), true) = (live, strategy != Strategy::Merge) {
        for (live, candidate) in successions(client, live, &candidate).await? {
            materialized::build_copies(session.client().await?, live, &candidate).await?;
            indexes += construction::construct_copies(session, live, &candidate, settings.sessions, deadline)
                .await?;
        }
    }
    let client = session.client().await?;
    lease::check(client, &current.run_id, event.attempt).await?;
    lease::renew(client, &current.table, &current.run_id, lease_of(&current, settings)).await?;
    run::built(client, &current.run_id, event.attempt).await?;
    Ok(Built {
        run_id: current.run_id.clone(),
        table: current.table.as_str().to_owned(),
        attempt: event.attempt,
        strategy,
        rows,
        indexes,
    })
}

/// Builds the indexes and constraints. A merge has none of its own, so what repeats a
/// key is looked for before.
async fn construct_indexes(
    session: &mut Session,
    current: &Run,
    live: u32,
    candidate: &Candidate,
    settings: &BuildSettings,
    deadline: Instant,
) -> Result<u64> {
    if current.strategy.unwrap_or_default() == Strategy::Merge {
        return Ok(0);
    }
    let client = session.client().await?;
    let group = group_tables(client, current).await?;
    let mut indexes = 0;
    for (live, candidate) in successions(client, live, candidate).await? {
        indexes +=
            construction::construct(session, live, &candidate, &group, settings.sessions, deadline).await?;
    }
    Ok(indexes)
}

/// Makes rejects of rows that a constraint refuses, and checks what that makes of the
/// run.
async fn reject_unfit(
    client: &mut Client,
    current: &Run,
    attempt: i32,
    live: u32,
    candidate: &Candidate,
    unfit: Unfit,
) -> Result<()> {
    let (definition, staging) = current.loading()?;
    let group = group_tables(client, current).await?;
    let transaction = client.transaction().await.map_err(|error| failure(unfit::DOING, &error))?;
    lease::check(&transaction, &current.run_id, attempt).await?;
    let found = match unfit {
        Unfit::Repeated => repeated::find(&transaction, &candidate.name, live).await?,
        Unfit::Orphan => orphans::find(&transaction, &candidate.name, live, &group).await?,
    };
    let mut rejected = 0;
    for found in &found {
        rejected += unfit::reject(&transaction, &current.run_id, &candidate.name, found, definition).await?;
    }
    transaction.commit().await.map_err(|error| failure(unfit::DOING, &error))?;
    tracing::warn!(run.id = current.run_id, rejected, "{}", unfit.told());
    reconcile::reconcile(client, current, definition).await?;
    reconcile::count_rows(client, &current.run_id, staging).await
}

/// Lists what is replaced, each with its candidate, which is made where it is
/// lacking.
///
/// # Errors
/// Those of [`partitions::successions`].
pub(crate) async fn successions(
    client: &mut Client,
    live: u32,
    candidate: &Candidate,
) -> Result<Vec<(u32, Candidate)>> {
    let doing = |error: tokio_postgres::Error| failure("pairing the tables with their successors", &error);
    let transaction = client.transaction().await.map_err(doing)?;
    let found = partitions::successions(&transaction, live, candidate).await?;
    transaction.commit().await.map_err(doing)?;
    Ok(found)
}

/// Checks the foreign keys of other tables: those to the live table, and those to
/// single partitions of it.
pub(crate) async fn check_referring_keys(
    client: &mut Client,
    subject: &Subject<'_>,
    live: u32,
    candidate: &Candidate,
) -> Result<Vec<GateFigure>> {
    let mut figures = gate::check_incoming_keys(client, subject).await?;
    // A merge has one staging table for all partitions; the live ones stay as they are.
    let staging = catalog::get(client, &candidate.name).await?;
    if !catalog::is_partitioned(client, live).await? || !catalog::is_partitioned(client, staging).await? {
        return Ok(figures);
    }
    for (live, candidate) in successions(client, live, candidate).await? {
        let live = catalog::name_of(client, live).await?;
        let partition = Subject { staging: &candidate.name, live: Some(&live), ..*subject };
        figures.extend(gate::check_keys_to_partition(client, &partition).await?);
    }
    Ok(figures)
}

/// Keeps what the gates found, and stops where one has failed.
pub(crate) async fn pass(client: &Client, current: &Run, figures: &[GateFigure]) -> Result<()> {
    let found = serde_json::to_value(figures).map_err(|error| {
        Error::new(ErrorName::Internal, format!("the figures of the gates can't be written: {error}"))
    })?;
    run::gates(client, &current.run_id, &found).await?;
    gate::verdict(figures)
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(Duration::from_secs(1))
}

/// How long the table is held from here: a run of a group waits for the others.
fn lease_of(run: &Run, settings: &BuildSettings) -> Duration {
    if run.group_id.is_some() { HELD_FOR_GROUP } else { settings.lease }
}

/// Finds the live tables that are published together with the run's.
async fn group_tables(client: &Client, current: &Run) -> Result<Vec<u32>> {
    let rows = client
        .query(
            "select to_regclass(format('%I.%I', $2::text, table_name))::oid from loader.table_group
              where group_id = $1 and table_name <> $3
                and to_regclass(format('%I.%I', $2::text, table_name)) is not null",
            &[&current.group_id, &Schema::Live.as_str(), &current.table.as_str()],
        )
        .await
        .map_err(|error| failure("looking for the tables of the group", &error))?;
    let mut tables = Vec::new();
    for row in &rows {
        tables.extend(catalog::family(client, row.get(0)).await?);
    }
    Ok(tables)
}
