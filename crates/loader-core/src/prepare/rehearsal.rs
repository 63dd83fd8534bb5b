//! A preparation that leaves nothing behind: the staging table is made in a transaction
//! that somebody rolls back.

use tokio_postgres::{Client, Transaction};

use super::columns::{self, Asked, Origin};
use super::headers::{self, Header};
use super::{ask, stage};
use crate::database::run::{Run, RunKind, RunState};
use crate::database::staging;
use crate::definition::delivery::Delivery;
use crate::definition::{EngineChoice, ResolvedDefinition};
use crate::error::Result;
use crate::identifier::Identifier;
use crate::input::ExecutionInput;
use crate::publish::Strategy;
use crate::source::{ObjectSource, WorkStore};

/// A run that never is: what it would load, and into what.
pub(crate) struct Rehearsal {
    run: Run,
    asked: Asked,
    delivery: Delivery,
    origin: Origin,
    headers: Vec<Header>,
}

/// A staging table that is there until its transaction ends.
pub(crate) struct Staged {
    pub(crate) name: Identifier,
    pub(crate) definition: ResolvedDefinition,
    pub(crate) strategy: Strategy,
    pub(crate) reason: String,
}

/// Finds out what a run would load into which columns. Nothing is written.
///
/// # Errors
/// Those of [`prepare`](super::prepare), but for those of leases and deliveries.
pub(crate) async fn rehearse(
    client: &Client,
    source: &dyn ObjectSource,
    work: &dyn WorkStore,
    input: &ExecutionInput,
    run_id: &str,
    engine: EngineChoice,
) -> Result<Rehearsal> {
    let run = Run {
        run_id: run_id.to_owned(),
        table: input.table.clone(),
        kind: RunKind::Load,
        group_id: None,
        execution_arn: String::new(),
        state: RunState::Preparing,
        attempt: 0,
        failed_attempts: 0,
        max_attempts: 1,
        definition: None,
        staging: None,
        backup: None,
        objects_listed: None,
        rows: None,
        built_attempt: None,
        strategy: None,
    };
    let mut asked = ask(client, source, work, input, engine).await?;
    // Half a delivery can be looked at; whether it is one is said beside it.
    let delivery = asked.written.delivery.take().unwrap_or_default();
    let origin = columns::find(client, source, &input.table, &asked).await?;
    let headers = headers::read(client, source, &asked).await?;
    Ok(Rehearsal { run, asked, delivery, origin, headers })
}

impl Rehearsal {
    /// Makes the staging table.
    ///
    /// # Errors
    /// `LiveNotReplaceable`, `InvalidDefinition`; those of the database.
    pub(crate) async fn stage(&self, transaction: &Transaction<'_>) -> Result<Staged> {
        let name = staging::name_for(&self.run.table, &self.run.run_id);
        let (mut definition, (strategy, reason)) =
            stage::make(transaction, &self.run, &name, &self.asked, &self.origin, &self.headers).await?;
        definition.delivery = self.delivery.clone();
        Ok(Staged { name, definition, strategy, reason })
    }
}
