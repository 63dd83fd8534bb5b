//! Materialized views that read the table: a view of theirs can't be bound to
//! another table, so a copy is made that reads the candidate, and takes the
//! view's place when the candidate takes the table's.

use std::collections::HashMap;

use tokio_postgres::{Client, GenericClient, Transaction};

use super::Candidate;
use crate::catalog;
use crate::catalog::dependents::{MaterializedView, dependents};
use crate::database::control_schema::Schema;
use crate::database::failure::failure;
use crate::error::{Error, ErrorName, Result};
use crate::identifier::{Identifier, QualifiedName};

const DEFINITIONS: &str = include_str!("../../sql/catalog/materialized.sql");
const DOING: &str = "building the materialized views of the table";

/// A materialized view and the copy that takes its place.
#[derive(Debug, Clone)]
pub(crate) struct Copied {
    /// The view.
    pub(crate) live: MaterializedView,
    /// The copy.
    pub(crate) candidate: Candidate,
    /// Whether it can be filled only when the candidate is live: it also reads
    /// the table through a view.
    pub(crate) is_filled_late: bool,
}

struct Definition {
    query: String,
    options: String,
    is_populated: bool,
    reads: Vec<u32>,
    reads_through_view: bool,
}

/// Names the copies of the materialized views.
pub(crate) fn copies(
    candidate: &Candidate,
    views: &[MaterializedView],
) -> Vec<(MaterializedView, Candidate)> {
    views
        .iter()
        .map(|view| {
            let name = Schema::Staging.table(&candidate.provisional(&view.name.name, view.oid));
            (view.clone(), Candidate { name, suffix: candidate.suffix.clone() })
        })
        .collect()
}

/// Finds the copies that have been built.
///
/// # Errors
/// `LiveChanged` when a view has none.
pub(crate) async fn find_copies(
    transaction: &Transaction<'_>,
    live: u32,
    candidate: &Candidate,
    views: &[MaterializedView],
) -> Result<Vec<Copied>> {
    if views.is_empty() {
        return Ok(Vec::new());
    }
    let definitions = definitions(transaction, live, views).await?;
    catalog::qualify_all(transaction).await?;
    let mut found = Vec::new();
    for (live, copy) in copies(candidate, views) {
        if catalog::find(transaction, &copy.name).await?.is_none() {
            return Err(Error::new(
                ErrorName::LiveChanged,
                format!("the materialized view {} came after the build", live.name),
            ));
        }
        let is_filled_late = is_filled_late(&definitions, live.oid)
            && definitions.get(&live.oid).is_some_and(|definition| definition.is_populated);
        found.push(Copied { live, candidate: copy, is_filled_late });
    }
    Ok(found)
}

/// Makes the copies, all in one transaction, or finds those of an earlier call.
/// The table's readers notice nothing.
pub(crate) async fn build_copies(client: &mut Client, live: u32, candidate: &Candidate) -> Result<()> {
    let transaction = client.transaction().await.map_err(|error| failure(DOING, &error))?;
    catalog::qualify_all(&transaction).await?;
    let views = dependents(&transaction, live).await?.materialized;
    let mut complete = true;
    for (_, copy) in copies(candidate, &views) {
        complete &= catalog::find(&transaction, &copy.name).await?.is_some();
    }
    if complete {
        return Ok(());
    }
    drop_copies(&transaction, &candidate.name).await?;
    let live_name = catalog::name_of(&transaction, live).await?;
    let definitions = definitions(&transaction, live, &views).await?;
    let schemas = search_path(&live_name, &views);
    // In the staging schema, which comes first now, the candidate bears the table's
    // name and each copy its view's: so the copies read each other.
    let (home, away) = (Schema::Staging.table(&live_name.name), candidate.name.schema.clone());
    let is_kept = away.as_str() != Schema::Staging.as_str();
    if is_kept {
        execute(&transaction, &format!("alter table {} set schema {}", candidate.name, home.schema)).await?;
    }
    let lodger = Schema::Staging.table(&candidate.name.name);
    rename(&transaction, &lodger, &home.name).await?;
    execute(&transaction, &format!("set local search_path = {}, {schemas}", home.schema)).await?;
    for view in &views {
        let Some(definition) = definitions.get(&view.oid) else { continue };
        let data = if definition.is_populated && !is_filled_late(&definitions, view.oid) {
            "with data"
        } else {
            "with no data"
        };
        let copy = Schema::Staging.table(&view.name.name);
        execute(
            &transaction,
            &format!("create materialized view {copy}{} as {} {data}", definition.options, definition.query),
        )
        .await?;
        check_binding(&transaction, live, &views, &copy).await?;
    }
    catalog::qualify_all(&transaction).await?;
    rename(&transaction, &home, &candidate.name.name).await?;
    if is_kept {
        execute(&transaction, &format!("alter table {lodger} set schema {away}")).await?;
    }
    for (view, copy) in copies(candidate, &views) {
        rename(&transaction, &Schema::Staging.table(&view.name.name), &copy.name.name).await?;
    }
    transaction.commit().await.map_err(|error| failure(DOING, &error))
}

/// Drops the copies that read a table or its partitions, as a table that they read
/// can't be dropped.
pub(crate) async fn drop_copies(transaction: &Transaction<'_>, table: &QualifiedName) -> Result<()> {
    let Some(table) = catalog::find(transaction, table).await? else { return Ok(()) };
    catalog::qualify_all(transaction).await?;
    let mut copies = Vec::new();
    for table in catalog::family(transaction, table).await? {
        let views = dependents(transaction, table).await?.materialized.into_iter().map(|view| view.name);
        // Others are not ours: somebody looks into what was loaded.
        copies.extend(views.filter(|name| name.schema.as_str() == Schema::Staging.as_str()));
    }
    if copies.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = copies.iter().map(ToString::to_string).collect();
    execute(transaction, &format!("drop materialized view {}", names.join(", "))).await
}

async fn definitions(
    transaction: &Transaction<'_>,
    live: u32,
    views: &[MaterializedView],
) -> Result<HashMap<u32, Definition>> {
    if views.is_empty() {
        return Ok(HashMap::new());
    }
    let live_name = catalog::name_of(transaction, live).await?;
    execute(transaction, &format!("set local search_path = {}", search_path(&live_name, views))).await?;
    let oids: Vec<u32> = views.iter().map(|view| view.oid).collect();
    let rows =
        transaction.query(DEFINITIONS, &[&oids, &live]).await.map_err(|error| failure(DOING, &error))?;
    let mut definitions = HashMap::new();
    for row in &rows {
        let oid: u32 = row.get(0);
        if !row.get::<_, bool>(4) {
            let name = views.iter().find(|view| view.oid == oid).map(|view| view.name.to_string());
            return Err(Error::new(
                ErrorName::LiveNotReplaceable,
                format!(
                    "the materialized view {} can't be bound to the new table: another relation in the schemas of the table and its views has the same name; rename one of them",
                    name.unwrap_or_default()
                ),
            ));
        }
        definitions.insert(
            oid,
            Definition {
                query: row.get(1),
                options: row.get(2),
                is_populated: row.get(3),
                reads: row.get(5),
                reads_through_view: row.get(6),
            },
        );
    }
    Ok(definitions)
}

/// Whether a view, or one that it reads, reads the table through a plain view.
fn is_filled_late(definitions: &HashMap<u32, Definition>, oid: u32) -> bool {
    definitions.get(&oid).is_some_and(|definition| {
        definition.reads_through_view
            || definition.reads.iter().any(|read| *read != oid && is_filled_late(definitions, *read))
    })
}

/// Names the schemas of the table and its views, each once.
fn search_path(live: &QualifiedName, views: &[MaterializedView]) -> String {
    let mut schemas = vec![live.schema.to_string()];
    for view in views {
        let schema = view.name.schema.to_string();
        if !schemas.contains(&schema) {
            schemas.push(schema);
        }
    }
    schemas.join(", ")
}

/// Checks that a copy reads neither the live table nor a view that is replaced.
async fn check_binding(
    transaction: &Transaction<'_>,
    live: u32,
    views: &[MaterializedView],
    copy: &QualifiedName,
) -> Result<()> {
    let mut replaced: Vec<u32> = views.iter().map(|view| view.oid).collect();
    replaced.push(live);
    let row = transaction
        .query_one(
            "select exists (
                 select 1
                   from pg_catalog.pg_rewrite w
                   join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = w.oid
                                   and d.refclassid = 'pg_catalog.pg_class'::regclass
                  where w.ev_class = to_regclass($1) and d.refobjid = any ($2))",
            &[&copy.to_string(), &replaced],
        )
        .await
        .map_err(|error| failure(DOING, &error))?;
    if row.get(0) {
        return Err(Error::new(
            ErrorName::Internal,
            format!("the copy of the materialized view {} reads the live table", copy.name),
        ));
    }
    Ok(())
}

async fn rename(client: &impl GenericClient, from: &QualifiedName, to: &Identifier) -> Result<()> {
    if from.name == *to {
        return Ok(());
    }
    execute(client, &format!("alter table {from} rename to {to}")).await
}

async fn execute(client: &impl GenericClient, statement: &str) -> Result<()> {
    client.batch_execute(statement).await.map_err(|error| failure(DOING, &error))
}
