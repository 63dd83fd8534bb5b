//! Makes the run's staging table, or takes over what a failed run has loaded.

use tokio_postgres::{Client, GenericClient, Transaction};

use super::columns::{Asked, Origin};
use super::headers::Header;
use super::{Prepared, added_columns, column_rules, expressions};
use crate::build::marks;
use crate::catalog;
use crate::cleanup::drop_staging;
use crate::database::control_schema::Schema;
use crate::database::failure::failure;
use crate::database::parts;
use crate::database::run::{self, Run};
use crate::database::staging::{self, Image};
use crate::database::staging_tree;
use crate::definition::rejects::Rejects;
use crate::definition::{ColumnDefinition, ColumnsFrom, ResolvedColumn, ResolvedDefinition, TableDefinition};
use crate::error::{Error, ErrorName, Result};
use crate::identifier::Identifier;
use crate::publish::{Strategy, foresee};
use crate::succession::{Candidate, materialized};

/// How long taking over waits for Lambdas of the run before.
const TAKE_OVER_TIMEOUT_MS: u64 = 60_000;

/// How long the staging table of a failed run is kept for another run to go on with.
pub(crate) const KEPT_DAYS: i32 = 7;

pub(super) async fn stage(
    client: &mut Client,
    current: &Run,
    asked: &Asked,
    origin: &Origin,
    headers: &[Header],
) -> Result<Prepared> {
    let doing = "creating the staging table";
    let name = staging::name_for(&current.table, &current.run_id);
    let transaction = client.transaction().await.map_err(|error| failure(doing, &error))?;
    // Two calls of this step for one execution: the second waits here, then finds
    // the work of the first.
    transaction
        .execute("select 1 from loader.run where run_id = $1 for update", &[&current.run_id])
        .await
        .map_err(|error| failure(doing, &error))?;
    let found = run::get(&transaction, &current.run_id).await?;
    if let (Some(staging), Some(definition)) = (&found.staging, &found.definition) {
        return Ok(prepared(current, staging, definition.columns_from, None));
    }
    let (definition, foreseen) = make(&transaction, current, &name, asked, origin, headers).await?;
    tracing::info!(
        run.id = current.run_id,
        strategy = foreseen.0.as_str(),
        why = foreseen.1,
        "how it will be published"
    );
    let live = catalog::find(&transaction, &Schema::Live.table(&current.table)).await?;
    marks::add(&transaction, &Schema::Staging.table(&name), live, &definition).await?;
    let resumed_from = take_over(&transaction, current, &name, &definition).await?;
    run::prepared(
        &transaction,
        &current.run_id,
        &definition,
        &name,
        resumed_from.as_deref(),
        (foreseen.0, &foreseen.1),
    )
    .await?;
    transaction.commit().await.map_err(|error| failure(doing, &error))?;
    drop_leftovers(client, current).await?;
    Ok(prepared(current, &name, definition.columns_from, resumed_from))
}

/// Makes the staging table and says what is loaded into it, and how it is published.
pub(super) async fn make(
    transaction: &Transaction<'_>,
    current: &Run,
    name: &Identifier,
    asked: &Asked,
    origin: &Origin,
    headers: &[Header],
) -> Result<(ResolvedDefinition, (Strategy, String))> {
    // Before anything is loaded: what can't be published is refused now.
    let foreseen =
        foresee(transaction, &current.table, asked.written.strategy, asked.written.key.as_deref()).await?;
    create(transaction, current, name, origin, foreseen.0).await?;
    let columns = all_columns(transaction, current, name, asked, origin, headers, foreseen.0).await?;
    let digest = match origin {
        Origin::Live { digest } => Some(digest.clone()),
        Origin::Definition { digest, .. } => digest.clone(),
        Origin::Inferred(_) => None,
    };
    let definition = resolved(asked, columns, origin.name(), digest);
    expressions::check(transaction, name, &definition, headers).await?;
    Ok((definition, foreseen))
}

/// Creates the staging table: in the image of the live table if there is one.
async fn create(
    transaction: &Transaction<'_>,
    current: &Run,
    name: &Identifier,
    origin: &Origin,
    strategy: Strategy,
) -> Result<()> {
    let live = catalog::find(transaction, &Schema::Live.table(&current.table)).await?;
    let candidate = Candidate::staging(name, &current.run_id);
    let like_live = async |live| match strategy {
        Strategy::Partition => staging_tree::create(transaction, &candidate, live).await,
        Strategy::Rename | Strategy::Merge => {
            staging::create_like_live(transaction, &candidate.name, live, Image::Plain).await
        }
    };
    match (origin, live) {
        (Origin::Live { .. }, Some(live)) => like_live(live).await,
        (Origin::Definition { columns, .. }, Some(live)) => {
            like_live(live).await?;
            staging::adapt(transaction, name, live, columns).await?;
            match strategy {
                Strategy::Partition => staging_tree::check_columns(transaction, &candidate, live).await,
                Strategy::Rename | Strategy::Merge => Ok(()),
            }
        }
        (Origin::Definition { columns, .. } | Origin::Inferred(columns), _) => transaction
            .batch_execute(&staging::create_with_columns(name, columns))
            .await
            .map_err(|error| failure("creating the staging table", &error)),
        (Origin::Live { .. }, None) => Err(Error::new(
            ErrorName::LiveChanged,
            format!("the live table {} was dropped while the run was prepared", current.table),
        )),
    }
}

fn prepared(
    current: &Run,
    staging: &Identifier,
    columns_from: ColumnsFrom,
    resumed_from: Option<String>,
) -> Prepared {
    Prepared {
        run_id: current.run_id.clone(),
        table: current.table.as_str().to_owned(),
        staging: staging.as_str().to_owned(),
        columns_from,
        resumed_from,
    }
}

/// Puts all the answers together.
pub(super) fn resolved(
    asked: &Asked,
    columns: Vec<ResolvedColumn>,
    columns_from: ColumnsFrom,
    image_of_live: Option<String>,
) -> ResolvedDefinition {
    let written = &asked.written;
    ResolvedDefinition {
        bucket: asked.bucket.clone(),
        prefix: asked.prefix.clone(),
        include: written.include.clone().unwrap_or_default(),
        exclude: written.exclude.clone().unwrap_or_default(),
        engine: asked.engine,
        dialect: asked.dialect.clone(),
        columns,
        columns_from,
        image_of_live,
        allow_empty: written.allow_empty.unwrap_or(false),
        tolerated_failed_objects: written.tolerated_failed_objects.unwrap_or(0),
        max_concurrency: written.max_concurrency,
        gates: written.gates.clone().unwrap_or_default(),
        strategy: written.strategy,
        key: written.key.clone(),
        rejects: Rejects {
            on_reject: written.on_reject.unwrap_or_default(),
            limits: written.reject_limits.unwrap_or_default(),
            keep_text: written.reject_text.unwrap_or(true),
        },
        unknown_columns: written.unknown_columns.unwrap_or_default(),
        missing_columns: written.missing_columns.unwrap_or_default(),
        delivery: written.delivery.clone().unwrap_or_default(),
    }
}

/// Adds the columns that the run itself brings to the staging table, and puts together
/// what is known of all.
async fn all_columns(
    transaction: &Transaction<'_>,
    current: &Run,
    name: &Identifier,
    asked: &Asked,
    origin: &Origin,
    headers: &[Header],
    strategy: Strategy,
) -> Result<Vec<ResolvedColumn>> {
    let defined = match origin {
        Origin::Definition { columns, .. } | Origin::Inferred(columns) => Some(columns.as_slice()),
        Origin::Live { .. } => None,
    };
    let there = added_columns::names(transaction, name).await?;
    let mut added = added_columns::of_rows(&there, &asked.written)?;
    added_columns::add(transaction, &current.table, name, strategy, &added).await?;
    let mut columns = columns_of(transaction, name, defined, &added, &asked.written).await?;
    let there = added_columns::names(transaction, name).await?;
    let of_objects = added_columns::of_objects(headers, &columns, &there, &asked.written);
    if !of_objects.is_empty() {
        added_columns::add(transaction, &current.table, name, strategy, &of_objects).await?;
        added.extend(of_objects);
        columns = columns_of(transaction, name, defined, &added, &asked.written).await?;
    }
    column_rules::check_names(&columns, &asked.written)?;
    Ok(columns)
}

/// Reads the columns back as the database made them, and adds what only the
/// definition knows. `defined` are all columns, if there is such a list; `added` are
/// those beside.
async fn columns_of(
    transaction: &Transaction<'_>,
    name: &Identifier,
    defined: Option<&[ColumnDefinition]>,
    added: &[ColumnDefinition],
    written: &TableDefinition,
) -> Result<Vec<ResolvedColumn>> {
    let mut columns = staging::loadable_columns(transaction, &Schema::Staging.table(name)).await?;
    let of = |name: &Identifier| {
        added.iter().chain(defined.unwrap_or_default()).find(|column| column.name == *name)
    };
    // Columns that only the live table has are filled by their defaults.
    columns.retain(|column| {
        defined.is_none() || of(&column.name).is_some() || written.is_filled_otherwise(column.name.as_str())
    });
    for column in &mut columns {
        if let Some(ColumnDefinition { header, optional, .. }) = of(&column.name) {
            column.header.clone_from(header);
            column.required = !optional;
        }
    }
    column_rules::apply(&mut columns, written)?;
    Ok(columns)
}

/// Goes on with what the last failed run of the table has loaded, if it loaded
/// the same into the same columns: its staging table takes the place of the new
/// one, and its ledger rows become ours.
async fn take_over(
    transaction: &Transaction<'_>,
    current: &Run,
    name: &Identifier,
    definition: &ResolvedDefinition,
) -> Result<Option<String>> {
    let doing = "taking over a failed run";
    let found = transaction
        .query_opt(
            "select run_id from loader.run
              where table_name = $1 and state = 'failed' and staging_table is not null and run_id <> $2
                and to_regclass(format('dataimport.%I', staging_table)) is not null
              order by started_at desc limit 1
                for update",
            &[&current.table.as_str(), &current.run_id],
        )
        .await
        .map_err(|error| failure(doing, &error))?;
    let Some(row) = found else { return Ok(None) };
    let before = run::get(transaction, row.get(0)).await?;
    let (Some(old), Some(its)) = (before.staging, before.definition) else { return Ok(None) };
    if !its.loads_the_same_as(definition) {
        return Ok(None);
    }
    // Whoever still writes for the run before commits first; its ledger rows move
    // along. Whoever comes later finds its run failed and its table renamed.
    staging::lock(transaction, &old, "access exclusive", TAKE_OVER_TIMEOUT_MS).await?;
    let (old_name, new_name) = (Schema::Staging.table(&old), Schema::Staging.table(name));
    let (old_oid, new_oid) =
        (catalog::get(transaction, &old_name).await?, catalog::get(transaction, &new_name).await?);
    // The strategy may be another one now.
    if catalog::is_partitioned(transaction, old_oid).await?
        != catalog::is_partitioned(transaction, new_oid).await?
    {
        return Ok(None);
    }
    // They were filled with what was loaded then.
    materialized::drop_copies(transaction, &Schema::Staging.table(&old)).await?;
    for statement in [
        format!("drop table {}", Schema::Staging.table(name)),
        format!("alter table {} rename to {name}", Schema::Staging.table(&old)),
    ] {
        transaction.batch_execute(&statement).await.map_err(|error| failure(doing, &error))?;
    }
    parts::hand_over(transaction, &before.run_id, &current.run_id).await?;
    for statement in [
        "update loader.object set run_id = $1 where run_id = $2 and state = 'loaded'",
        "update loader.rejected_row as rejected set run_id = $1
           from loader.object as held
          where rejected.run_id = $2 and held.run_id = $1 and held.key = rejected.key",
        "update loader.run set staging_table = null where run_id = $2 and run_id <> $1",
    ] {
        transaction
            .execute(statement, &[&current.run_id, &before.run_id])
            .await
            .map_err(|error| failure(doing, &error))?;
    }
    tracing::info!(
        run.id = current.run_id,
        from = before.run_id,
        "going on with what a failed run has loaded"
    );
    Ok(Some(before.run_id))
}

/// Drops what failed runs left behind: of this table now, as a later run has
/// begun, of other tables after a week. What is in use is left for next time.
async fn drop_leftovers(client: &mut Client, current: &Run) -> Result<()> {
    let doing = "dropping what failed runs left";
    let rows = client
        .query(
            "select run_id, staging_table from loader.run
              where state = 'failed' and staging_table is not null
                and (table_name = $1 or finished_at < clock_timestamp() - make_interval(days => $2))",
            &[&current.table.as_str(), &KEPT_DAYS],
        )
        .await
        .map_err(|error| failure(doing, &error))?;
    for row in rows {
        let (run_id, name): (String, String) = (row.get(0), row.get(1));
        let Ok(name) = Identifier::try_from(name) else { continue };
        if let Err(error) = drop_staging(client, &name).await {
            tracing::warn!(run.id = run_id, %error, "the staging table of a failed run stays for now");
            continue;
        }
        forget(client, &run_id).await?;
    }
    Ok(())
}

async fn forget(client: &impl GenericClient, run_id: &str) -> Result<()> {
    client
        .execute("update loader.run set staging_table = null where run_id = $1", &[&run_id])
        .await
        .map(|_| ())
        .map_err(|error| failure("dropping what failed runs left", &error))
}
