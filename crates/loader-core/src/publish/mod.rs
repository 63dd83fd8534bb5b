//! The publish: every listed object is accounted for, the successor is built, and
//! takes the live table's place in one move, with all that hangs on it.

mod exchange;
pub(crate) mod in_place;
pub(crate) mod locks;
pub mod merge;
pub(crate) mod promote;
pub(crate) mod reconcile;
pub(crate) mod refusal;
mod strategy;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_postgres::{Client, Transaction};

use self::promote::Promotion;
pub use self::reconcile::{Reconciliation, describe};
pub use self::strategy::Strategy;
pub(crate) use self::strategy::foresee;
use crate::build::{check_referring_keys, pass};
use crate::catalog;
use crate::database::control_schema::Schema;
use crate::database::failure::failure;
use crate::database::run::{Run, RunState};
use crate::database::{lease, ledger, live, run};
use crate::error::{Error, ErrorName, Result};
use crate::gate::{self, Subject};
use crate::succession::Candidate;
use crate::succession::versions::{self, Becoming};

/// How long a query of a gate may take when a group is checked.
const GATE_TIMEOUT: Duration = Duration::from_mins(5);

/// What the deployment sets for the publish.
#[derive(Debug, Clone, Copy)]
pub struct PublishSettings {
    /// How long the lease lasts from here.
    pub lease: Duration,
    /// The longest that one try waits for its locks. Readers that come meanwhile
    /// wait as long. The first tries wait much shorter.
    pub lock_timeout_ms: u64,
    /// How many tries there are.
    pub attempts: u32,
    /// How many earlier versions are kept.
    pub versions_kept: u32,
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
    /// Rows of the loaded objects that were rejected.
    pub rows_rejected: u64,
    /// Whether objects or rows were left out.
    pub partial: bool,
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

/// Publishes a run that has been built.
///
/// A run that is published already is left as it is, and its figures are returned
/// again: the step may be called twice, or fail after its commit.
///
/// # Errors
/// `Unreconciled`, `LiveChanged` (nothing is touched), `DatabaseBusy`
/// when the locks were not to be had, `LeaseLost`, `GateFailed` when rows of other
/// tables refer to rows that are no longer there.
pub async fn publish(
    client: &mut Client,
    run_id: &str,
    attempt: i32,
    settings: &PublishSettings,
) -> Result<Published> {
    let current = run::get(client, run_id).await?;
    if current.state != RunState::Published && current.attempt != attempt {
        return Err(lease::lost(run_id));
    }
    let mut published = publish_all(client, vec![current], settings).await?;
    published.pop().ok_or_else(|| Error::new(ErrorName::Internal, format!("run {run_id} was not published")))
}

/// Publishes all runs of a group in one transaction, or none.
///
/// # Errors
/// Those of [`publish`].
pub async fn publish_group(
    client: &mut Client,
    group: &str,
    settings: &PublishSettings,
) -> Result<PublishedGroup> {
    let runs = run::of_group(client, group).await?;
    if runs.is_empty() {
        return Err(Error::new(ErrorName::InvalidEvent, format!("there are no runs of a group {group}")));
    }
    let tables = publish_all(client, runs, settings).await?;
    Ok(PublishedGroup { group: group.to_owned(), tables })
}

/// Checks the gates of tables that refer to each other's new rows.
async fn check_together(client: &mut Client, runs: &[Run]) -> Result<()> {
    let mut successors = Vec::new();
    for run in runs {
        let (_, staging) = run.loading()?;
        // A table that is changed in place will hold the same rows.
        successors.push((Schema::Live.table(&run.table), Schema::Staging.table(staging)));
    }
    for (run, (live_name, staging)) in runs.iter().zip(&successors) {
        let (definition, staging_table) = run.loading()?;
        let others: Vec<_> = successors.iter().filter(|(other, _)| other != live_name).cloned().collect();
        let rows = ledger::totals(client, &run.run_id).await?.rows;
        let live = catalog::find(client, live_name).await?;
        let subject = Subject { staging, live: live.map(|_| live_name), rows, together: &others };
        let mut figures = gate::check_counts(client, &subject, definition).await?;
        figures.extend(gate::check_rows(client, &subject, definition, GATE_TIMEOUT).await?);
        if let Some(live) = live {
            let candidate = Candidate::staging(staging_table, &run.run_id);
            figures.extend(check_referring_keys(client, &subject, live, &candidate).await?);
        }
        pass(client, run, &figures).await?;
    }
    Ok(())
}

async fn publish_all(
    client: &mut Client,
    runs: Vec<Run>,
    settings: &PublishSettings,
) -> Result<Vec<Published>> {
    let ids: Vec<String> = runs.iter().map(|run| run.run_id.clone()).collect();
    let are_published = |runs: &[Run]| runs.iter().all(|run| run.state == RunState::Published);
    if !are_published(&runs) {
        let outcome = attempts(client, &runs, settings).await;
        // Another call of this step, or an earlier try whose answer was lost, may
        // have published the runs meanwhile; that is what this one failed on.
        let mut now = Vec::new();
        for id in &ids {
            now.push(run::get(client, id).await?);
        }
        if !are_published(&now) {
            outcome?;
            return Err(Error::new(
                ErrorName::Internal,
                format!("run {} was committed and is not published", ids.join(", ")),
            ));
        }
    }
    let mut published = Vec::new();
    for id in &ids {
        let current = run::get(client, id).await?;
        versions::tidy(client, &current.table, settings.versions_kept).await;
        published.push(summary(client, &current).await?);
    }
    Ok(published)
}

async fn attempts(client: &mut Client, runs: &[Run], settings: &PublishSettings) -> Result<()> {
    for run in runs {
        run.loading()?;
        run.built()?;
        lease::check(client, &run.run_id, run.attempt).await?;
        lease::renew(client, &run.table, &run.run_id, settings.lease).await?;
    }
    if runs.iter().any(|run| run.group_id.is_some()) {
        check_together(client, runs).await?;
    }
    let tables: Vec<_> = runs.iter().map(|run| run.table.clone()).collect();
    locks::with_patience(client, settings, &tables, async |client, lock_timeout| {
        let outcome = attempt(client, runs, settings, lock_timeout).await;
        if outcome.is_err() {
            for run in runs {
                lease::renew(client, &run.table, &run.run_id, settings.lease).await?;
            }
        }
        outcome
    })
    .await
}

async fn attempt(
    client: &mut Client,
    runs: &[Run],
    settings: &PublishSettings,
    lock_timeout: Duration,
) -> Result<()> {
    let doing = "publishing";
    let transaction = client.transaction().await.map_err(|error| failure(doing, &error))?;
    locks::outwait_autovacuum(&transaction, settings.lock_timeout_ms).await?;
    let mut promotions = Vec::new();
    let mut merged = Vec::new();
    for run in runs {
        let (definition, staging) = run.loading()?;
        // From here on no late Lambda can commit into the table; what the checks
        // find is what is published.
        transaction
            .batch_execute(&format!("lock table {} in access exclusive mode", Schema::Staging.table(staging)))
            .await
            .map_err(|error| failure(doing, &error))?;
        lease::check(&transaction, &run.run_id, run.attempt).await?;
        let totals = reconcile::reconcile(&transaction, run, definition).await?;
        let candidate = Candidate::staging(staging, &run.run_id);
        let becoming = Becoming::New { run_id: &run.run_id, rows: totals.rows, objects: totals.loaded };
        record(&transaction, run, &totals).await?;
        lease::release(&transaction, &run.run_id).await?;
        if run.strategy == Some(Strategy::Merge) && in_place::has_live(&transaction, &run.table).await? {
            let key = definition.key.as_deref();
            in_place::change_rows(&transaction, &run.table, &candidate.name, key, becoming).await?;
            merged.push(Schema::Live.table(&run.table));
        } else {
            promotions.push(Promotion { table: &run.table, candidate, kept_as: None, becoming });
        }
    }
    promote::promote(&transaction, &promotions, &merged, lock_timeout).await?;
    transaction.commit().await.map_err(|error| failure("committing the publish", &error))?;
    tracing::debug!("the publish is committed");
    Ok(())
}

async fn record(transaction: &Transaction<'_>, run: &Run, totals: &ledger::Totals) -> Result<()> {
    let backup = live::exists(transaction, &run.table).await?.then(|| versions::backup_text(&run.table));
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    transaction
        .execute(
            "update loader.run
                set state = 'published', finished_at = clock_timestamp(), staging_table = null, backup_table = $2,
                    rows = $3, objects_loaded = $4, objects_skipped = $5, objects_failed = $6,
                    error_name = null, error_message = null, failed_state = null
              where run_id = $1 and state = 'loading'",
            &[
                &run.run_id,
                &backup,
                &number(totals.rows),
                &number(totals.loaded),
                &number(totals.skipped),
                &number(totals.failed),
            ],
        )
        .await
        .map(|_| ())
        .map_err(|error| failure("recording the publish", &error))
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
        rows_rejected: totals.rejects,
        partial: totals.failed > 0 || totals.rejects > 0,
        backup: current.backup.clone(),
    })
}
