//! The build: indexes and constraints on the loaded staging table, then the gates.

mod construction;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tokio_postgres::Client;

use crate::catalog;
use crate::database::connect::Session;
use crate::database::control_schema::Schema;
use crate::database::failure::failure;
use crate::database::run::Run;
use crate::database::{lease, ledger, run};
use crate::error::Result;
use crate::publish::{Strategy, reconcile};
use crate::succession::{Candidate, materialized};

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
/// `DeadlineReached` when there is more to build.
pub async fn build(
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
    let candidate = Candidate::staging(staging, &current.run_id);
    let group = group_tables(client, &current).await?;
    let live = catalog::find(client, &Schema::Live.table(&current.table)).await?;
    let mut indexes = 0;
    if let Some(live) = live {
        indexes = construction::construct(session, live, &candidate, &group, settings.sessions, deadline).await?;
    }
    let client = session.client().await?;
    // The planner knows nothing of a table that was never analysed; readers would
    // get bad plans from the first moment on.
    client
        .batch_execute(&format!("analyze {}", candidate.name))
        .await
        .map_err(|error| failure("analysing the staging table", &error))?;
    if let Some(live) = live {
        materialized::build_copies(client, live, &candidate).await?;
        indexes += construction::construct_copies(session, live, &candidate, settings.sessions, deadline).await?;
    }
    let client = session.client().await?;
    lease::check(client, &current.run_id, event.attempt).await?;
    lease::renew(client, &current.table, &current.run_id, lease_of(&current, settings)).await?;
    run::built(client, &current.run_id, event.attempt, &serde_json::Value::Array(Vec::new())).await?;
    Ok(Built {
        run_id: current.run_id.clone(),
        table: current.table.as_str().to_owned(),
        attempt: event.attempt,
        strategy: current.strategy.unwrap_or_default(),
        rows,
        indexes,
    })
}

/// How long the table is held from here: a run of a group waits for the others.
fn lease_of(run: &Run, settings: &BuildSettings) -> Duration {
    if run.group_id.is_some() { HELD_FOR_GROUP } else { settings.lease }
}

/// Finds the live tables that are replaced in the same transaction.
async fn group_tables(client: &Client, current: &Run) -> Result<Vec<u32>> {
    let mut tables = Vec::new();
    if let Some(group) = &current.group_id {
        for run in run::of_group(client, group).await? {
            tables.extend(catalog::find(client, &Schema::Live.table(&run.table)).await?);
        }
    }
    Ok(tables)
}
