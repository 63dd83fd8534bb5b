//! The dry run: what a load would do, found out without doing it.
//!
//! It lists and reads as a load does, and Postgres judges the rows: in transactions
//! that are rolled back, so that nothing of it stays. It takes no lease and is in no
//! control table.

mod inventory;
mod reading;
mod report;
mod verdict;

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;
use tokio_postgres::Client;

use self::inventory::Inventory;
use self::reading::Reading;
pub use self::report::*;
use self::verdict::Known;
use crate::database::control_schema::{self, Schema};
use crate::database::failure::failure;
use crate::definition::selection::Selection;
use crate::definition::{EngineChoice, ResolvedDefinition};
use crate::error::{ErrorName, Result};
use crate::input::ExecutionInput;
use crate::listing::Pages;
use crate::plan::settled::Arrival;
use crate::prepare::{Rehearsal, Staged, rehearse};
use crate::source::{ObjectSource, WorkStore};

/// What the deployment sets for a dry run.
#[derive(Debug, Clone, Copy)]
pub struct DryRunSettings {
    /// The engine where the definition does not say.
    pub engine: EngineChoice,
    /// Batches that load at once where neither input nor definition says.
    pub max_concurrency: u32,
}

/// What a dry run is called with.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct DryRunEvent {
    /// The execution's input: that of a load, and `"dry_run": true`.
    #[serde(default)]
    pub input: Value,
}

/// Says what a load with this input would do.
///
/// # Errors
/// Those of the definition, the source and the database that would end a load before it
/// has begun.
pub async fn dry_run(
    client: &mut Client,
    source: Arc<dyn ObjectSource>,
    work: &dyn WorkStore,
    input: &ExecutionInput,
    settings: &DryRunSettings,
    deadline: Instant,
) -> Result<Report> {
    // It is nobody's: what is recorded under it is never committed.
    let run_id = format!("dry run of {}", input.table.as_str());
    let rehearsal = rehearse(client, source.as_ref(), work, input, &run_id, settings.engine).await?;
    let staged = first_look(client, &rehearsal).await?;
    let definition = staged.definition;
    let (inventory, missing) = list(client, source.as_ref(), &definition).await?;
    let reading = Reading {
        source: &source,
        rehearsal: &rehearsal,
        definition: &definition,
        run_id: &run_id,
        deadline,
    };
    let findings = reading.all(client, &inventory).await?;
    let live = live_rows(client, input).await?;
    Ok(verdict::report(&Known {
        table: input.table.as_str(),
        inventory: &inventory,
        missing,
        findings,
        live,
        concurrency: definition.max_concurrency.unwrap_or(settings.max_concurrency),
        publish: (staged.strategy.as_str(), &staged.reason),
        definition,
    }))
}

/// Makes the staging table once, to know what it is.
async fn first_look(client: &mut Client, rehearsal: &Rehearsal) -> Result<Staged> {
    let doing = "looking at what is to be loaded";
    let transaction = client.transaction().await.map_err(|error| failure(doing, &error))?;
    control_schema::ensure_within(&transaction).await?;
    let staged = rehearsal.stage(&transaction).await?;
    transaction.rollback().await.map_err(|error| failure(doing, &error))?;
    Ok(staged)
}

/// Lists the objects, and says what the delivery lacks.
async fn list(
    client: &Client,
    source: &dyn ObjectSource,
    definition: &ResolvedDefinition,
) -> Result<(Inventory, Option<String>)> {
    let selection = Selection::new(definition)?;
    let mut arrival = Arrival::new(definition);
    let mut inventory = Inventory::default();
    let mut pages = Pages::new(source, &definition.prefix);
    while let Some(objects) = pages.next().await? {
        for object in objects {
            let reason = selection.skip_reason(&object);
            arrival.saw(&object, reason.is_none());
            match reason {
                Some(reason) => inventory.skip(object, reason),
                None => inventory.load(object),
            }
        }
    }
    match arrival.check(client).await {
        Ok(()) => Ok((inventory, None)),
        Err(error) if error.name == ErrorName::DeliveryIncomplete => Ok((inventory, Some(error.message))),
        Err(error) => Err(error),
    }
}

/// Returns about how many rows the live table has; none if there is no such table, or
/// it has never been analyzed. Counting it would take as long as it is large.
async fn live_rows(client: &Client, input: &ExecutionInput) -> Result<Option<u64>> {
    let row = client
        .query_one(
            "select (select sum(greatest(reltuples, 0))::bigint from pg_class
                      where oid in (select relid from pg_partition_tree(to_regclass($1)) where isleaf
                                     union select to_regclass($1))
                      having min(reltuples) >= 0)",
            &[&Schema::Live.table(&input.table).to_string()],
        )
        .await
        .map_err(|error| failure("looking at the live table", &error))?;
    Ok(row.get::<_, Option<i64>>(0).and_then(|rows| u64::try_from(rows).ok()))
}
