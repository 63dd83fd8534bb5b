//! What becomes of a run after a failure: another plan, or its end.

mod caught;
mod group;

use serde::{Deserialize, Serialize};
use tokio_postgres::Client;

pub use self::caught::Caught;
pub use self::group::GROUP_STATES;
use crate::database::control_schema::Schema;
use crate::database::failure::failure;
use crate::database::run::{Run, RunKind, RunState};
use crate::database::{lease, ledger, parts, run, staging};
use crate::error::{Class, Error, ErrorName, Result};
use crate::input::Execution;
use crate::succession::materialized;

/// How long cleaning up waits for Lambdas that still write into the table. A
/// table that stays behind is dropped by the next run.
const DROP_TIMEOUT_MS: u64 = 5_000;

/// The longest wait before a new plan.
const MAX_WAIT_SECONDS: u32 = 60;

/// How long a delivery is given where its definition names no time; the second wait is
/// twice as long, and so on.
const DELIVERY_WAIT_SECONDS: u32 = 300;

/// The longest wait for a delivery: the table's lease does not outlast a longer one.
const MAX_DELIVERY_WAIT_SECONDS: u32 = 900;

/// A failure as people and machines are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The error's name.
    pub error: String,
    /// The sentence.
    pub message: String,
    /// The state that failed.
    pub state: String,
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The run.
    pub run_id: String,
    /// Whether a new plan is worth making.
    pub retry: bool,
    /// Whether the run turned out to be published: only the answer was lost.
    pub published: bool,
    /// How many attempts have failed.
    pub attempt: i32,
    /// How long to wait before the new plan.
    pub wait_seconds: u32,
    /// The failure.
    pub failure: Failure,
}

/// Records the failure and decides. A run that ends gives its table back; what it
/// has loaded stays for the next run, and nothing stays if it has loaded nothing.
///
/// A group has no run of its own: the failure of its execution ends the runs of
/// all its tables. Nor does a rollback get another plan.
///
/// It may be called twice for the same failure; that counts as two.
///
/// # Errors
/// Those of the database.
pub async fn clean_up(client: &mut Client, caught: &Caught) -> Result<Outcome> {
    let caught = &caught.of_child();
    let error = caught.error();
    let mut outcome = Outcome {
        run_id: caught.run_id.clone(),
        retry: false,
        published: false,
        attempt: 1,
        wait_seconds: 0,
        failure: Failure {
            error: caught.name(),
            message: error.message.clone(),
            state: caught.failed_state.clone(),
        },
    };
    if !control_tables_exist(client).await? {
        return Ok(outcome);
    }
    let Some(current) = run::find(client, &caught.run_id).await? else {
        return group::end(client, caught, outcome).await;
    };
    if current.execution_arn != caught.execution.id || current.state == RunState::Failed {
        return Ok(outcome);
    }
    if current.state == RunState::Published {
        outcome.published = true;
        return Ok(outcome);
    }
    let failed = run::record_failure(client, &current.run_id, &error, &caught.failed_state).await?;
    outcome.attempt = failed;
    let totals = ledger::totals(client, &current.run_id).await?;
    // A delivery may be waited for before there are columns, too: those of an inferred
    // table come out of it.
    let waits = error.name == ErrorName::DeliveryIncomplete && current.state == RunState::Preparing;
    if (current.state == RunState::Loading || waits)
        && current.kind == RunKind::Load
        && failed < current.max_attempts
        && is_worth_a_new_plan(&error, &totals)
    {
        outcome.retry = true;
        outcome.wait_seconds = wait_seconds(&error, &current, failed);
        return Ok(outcome);
    }
    let keep = totals.loaded > 0 || parts::count_loaded(client, &current.run_id).await? > 0;
    end(client, &current, keep).await?;
    Ok(outcome)
}

/// Ends the run of an execution that is over and could not end it itself: it was
/// stopped, ran out of time, or found no database. Its table is free at once, not
/// only when the lease expires; its Lambdas that still work write nothing more.
/// With the execution of a group the runs of all its tables end.
///
/// # Errors
/// Those of the database.
pub async fn abandon(client: &mut Client, execution: &Execution, why: &str) -> Result<()> {
    if !control_tables_exist(client).await? {
        return Ok(());
    }
    let error = Error::new(ErrorName::LeaseLost, format!("the execution is over: {why}"));
    let Some(current) = run::find(client, &execution.name).await? else {
        return group::end_open(client, execution, &error, why).await;
    };
    if current.execution_arn != execution.id {
        return Ok(());
    }
    end_open(client, &current, &error, why).await
}

/// Ends a run that has not ended yet.
async fn end_open(client: &mut Client, current: &Run, error: &Error, failed_state: &str) -> Result<()> {
    if !matches!(current.state, RunState::Preparing | RunState::Loading) {
        return Ok(());
    }
    run::record_failure(client, &current.run_id, error, failed_state).await?;
    let loaded = ledger::totals(client, &current.run_id).await?.loaded;
    let keep = loaded > 0 || parts::count_loaded(client, &current.run_id).await? > 0;
    end(client, current, keep).await
}

/// Returns how long to wait before the new plan.
fn wait_seconds(error: &Error, current: &Run, failed: i32) -> u32 {
    let failed = u32::try_from(failed.clamp(1, 8)).unwrap_or(1);
    if error.name != ErrorName::DeliveryIncomplete {
        return (5_u32 << (failed - 1)).min(MAX_WAIT_SECONDS);
    }
    let delivery = current.definition.as_ref().map(|definition| &definition.delivery);
    let settle = delivery
        // Nothing else is to be waited for then.
        .filter(|delivery| delivery.marker.is_none() && delivery.keys.is_none())
        .and_then(|delivery| delivery.settle_seconds)
        .map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX));
    settle.unwrap_or(DELIVERY_WAIT_SECONDS * failed).clamp(1, MAX_DELIVERY_WAIT_SECONDS)
}

/// Transient errors have had their retries in place; a new plan is one more
/// chance. Failed objects are worth one if a new listing may cure any of them.
fn is_worth_a_new_plan(error: &Error, totals: &ledger::Totals) -> bool {
    match error.name {
        ErrorName::ObjectsFailed => totals.replannable > 0,
        name => name.class() != Class::Permanent,
    }
}

async fn end(client: &mut Client, current: &Run, keep: bool) -> Result<()> {
    if let (false, Some(name)) = (keep, &current.staging) {
        let dropped = drop_staging(client, name).await;
        if let Err(error) = dropped {
            tracing::warn!(run.id = current.run_id, %error, "the staging table stays until the next run");
            return finish(client, current, true).await;
        }
    }
    finish(client, current, keep).await
}

async fn finish(client: &mut Client, current: &Run, keep: bool) -> Result<()> {
    let doing = "ending the run";
    let transaction = client.transaction().await.map_err(|error| failure(doing, &error))?;
    run::fail(&transaction, &current.run_id, keep).await?;
    lease::release(&transaction, &current.run_id).await?;
    transaction.commit().await.map_err(|error| failure(doing, &error))
}

/// Drops a staging table, unless somebody holds it for long.
///
/// # Errors
/// `DatabaseBusy`.
pub async fn drop_staging(client: &mut Client, name: &crate::identifier::Identifier) -> Result<()> {
    let doing = "dropping the staging table";
    if !staging::exists(client, name).await? {
        return Ok(());
    }
    let transaction = client.transaction().await.map_err(|error| failure(doing, &error))?;
    staging::lock(&transaction, name, "access exclusive", DROP_TIMEOUT_MS).await?;
    materialized::drop_copies(&transaction, &Schema::Staging.table(name)).await?;
    transaction
        .batch_execute(&format!("drop table {}", Schema::Staging.table(name)))
        .await
        .map_err(|error| failure(doing, &error))?;
    transaction.commit().await.map_err(|error| failure(doing, &error))
}

async fn control_tables_exist(client: &Client) -> Result<bool> {
    client
        .query_one("select to_regclass('loader.run') is not null", &[])
        .await
        .map(|row| row.get(0))
        .map_err(|error| failure("looking for the control tables", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_objects_are_worth_another_plan_only_if_a_listing_can_cure_one() {
        let failed = Error::new(ErrorName::ObjectsFailed, "");
        let totals = |replannable| ledger::Totals { failed: 2, replannable, ..ledger::Totals::default() };
        assert!(!is_worth_a_new_plan(&failed, &totals(0)));
        assert!(is_worth_a_new_plan(&failed, &totals(1)));
        assert!(is_worth_a_new_plan(&Error::new(ErrorName::Unreconciled, ""), &totals(0)));
        assert!(!is_worth_a_new_plan(&Error::new(ErrorName::NoObjects, ""), &totals(1)));
    }
}
