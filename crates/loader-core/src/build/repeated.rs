//! Rows that repeat a key of the live table: the first in load order stays, the others
//! become rejects.
//!
//! An index shows that there are such rows only when it is built on all of them. So
//! each row is marked with where it comes from while it is loaded, and the marks are
//! dropped when the indexes are there. What the columns held stays in the rows until
//! the table is rewritten, as it does for every column that is dropped (`PostgreSQL`
//! documentation, ALTER TABLE, "Notes").

use tokio_postgres::{Client, GenericClient, Transaction};

use crate::database::failure::failure;
use crate::database::lease;
use crate::definition::rejects::OnReject;
use crate::definition::{ResolvedColumn, ResolvedDefinition};
use crate::error::{Error, ErrorName, Result};
use crate::identifier::{Identifier, QualifiedName};
use crate::import::rows::MARKS;

const DOING: &str = "rejecting rows that repeat a key";

/// Adds the marks to a staging table of whose live table a key can be repeated.
///
/// # Errors
/// `InvalidDefinition` when a column has the name of a mark; those of the database.
pub(crate) async fn add_marks(
    transaction: &Transaction<'_>,
    staging: &QualifiedName,
    live: Option<u32>,
    definition: &ResolvedDefinition,
) -> Result<()> {
    let Some(live) = live.filter(|_| definition.rejects.on_reject == OnReject::Keep) else { return Ok(()) };
    if keys(transaction, live).await?.is_empty() {
        return Ok(());
    }
    let is_taken = |column: &ResolvedColumn| MARKS.iter().any(|(name, _)| *name == column.name.as_str());
    if let Some(column) = definition.columns.iter().find(|column| is_taken(column)) {
        return Err(Error::new(
            ErrorName::InvalidDefinition,
            format!("the column {} has a name that the loader needs while it loads; rename it", column.name),
        ));
    }
    let added: Vec<String> = MARKS
        .iter()
        .map(|(name, sql_type)| format!("add column {} {sql_type}", Identifier::of_static(name)))
        .collect();
    transaction
        .batch_execute(&format!("alter table {staging} {}", added.join(", ")))
        .await
        .map_err(|error| failure(DOING, &error))
}

/// Drops the marks.
///
/// # Errors
/// Those of the database.
pub(super) async fn drop_marks(client: &impl GenericClient, staging: &QualifiedName) -> Result<()> {
    let dropped: Vec<String> = MARKS
        .iter()
        .map(|(name, _)| format!("drop column if exists {}", Identifier::of_static(name)))
        .collect();
    client
        .batch_execute(&format!("alter table {staging} {}", dropped.join(", ")))
        .await
        .map_err(|error| failure(DOING, &error))
}

/// Whether an error says that rows repeat a key.
pub(super) fn is_repeated_key(error: &Error) -> bool {
    error.name == ErrorName::GateFailed && error.sqlstate.as_deref() == Some("23505")
}

/// A unique index, as what tells its rows apart.
struct Key {
    name: String,
    /// Its columns and expressions, with their collations.
    parts: Vec<String>,
    predicate: Option<String>,
    /// Whether rows with NULLs repeat each other, too.
    takes_nulls_for_equal: bool,
}

/// Makes rejects of the rows that repeat a key. Returns how many there are.
///
/// # Errors
/// `LeaseLost`; those of the database.
pub(super) async fn reject(
    client: &mut Client,
    (run_id, attempt): (&str, i32),
    staging: &QualifiedName,
    live: u32,
    definition: &ResolvedDefinition,
) -> Result<u64> {
    let doing = |error: tokio_postgres::Error| failure(DOING, &error);
    let transaction = client.transaction().await.map_err(doing)?;
    lease::check(&transaction, run_id, attempt).await?;
    let mut rejected = 0;
    for key in keys(&transaction, live).await? {
        let reason = format!("an earlier row has the same key ({})", key.name);
        let gone: i64 = transaction
            .query_one(
                &statement(staging, &key),
                &[&run_id, &key.name, &reason, &definition.rejects.keep_text],
            )
            .await
            .map_err(doing)?
            .get(0);
        rejected += u64::try_from(gone).unwrap_or_default();
    }
    transaction.commit().await.map_err(doing)?;
    Ok(rejected)
}

/// Writes the statement that deletes what repeats a key, keeps it as rejects, and takes
/// it off the rows in the ledger. Rows without marks come first, and stay.
fn statement(staging: &QualifiedName, key: &Key) -> String {
    let parts = key.parts.join(", ");
    let mut conditions: Vec<String> =
        key.predicate.iter().map(|predicate| format!("({predicate})")).collect();
    if !key.takes_nulls_for_equal {
        conditions.extend(key.parts.iter().map(|part| format!("({part}) is not null")));
    }
    let condition = if conditions.is_empty() { "true".to_owned() } else { conditions.join(" and ") };
    format!(
        "with repeated as (
             select place, part
               from (select ctid as place, tableoid as part, _loader_object as key,
                            row_number() over (partition by {parts} order by _loader_object nulls first, _loader_line) as number
                       from {staging} where {condition}) as numbered
              where number > 1 and key is not null),
         gone as (
             delete from {staging} as loaded using repeated
              where loaded.ctid = repeated.place and loaded.tableoid = repeated.part
             returning loaded._loader_object as key, loaded._loader_line as line,
                       to_jsonb(loaded) - '_loader_object' - '_loader_line' as row_values),
         kept as (
             insert into loader.rejected_row as kept
                    (run_id, key, etag, line, constraint_name, sqlstate, error_message, row_values)
             select $1, gone.key, held.etag, gone.line, $2, '23505', $3, case when $4 then gone.row_values end
               from gone join loader.object as held on held.run_id = $1 and held.key = gone.key
             on conflict (run_id, key, line) do update
                set constraint_name = excluded.constraint_name, sqlstate = excluded.sqlstate,
                    error_message = excluded.error_message, row_values = excluded.row_values
             returning kept.key),
         counted as (select key, count(*) as number from kept group by key),
         told as (
             update loader.object as held
                set rows = held.rows - counted.number, rejects = held.rejects + counted.number
               from counted where held.run_id = $1 and held.key = counted.key)
         select count(*) from kept"
    )
}

/// Reads the unique indexes of a table.
async fn keys(client: &impl GenericClient, live: u32) -> Result<Vec<Key>> {
    let rows = client.query(KEYS, &[&live]).await.map_err(|error| failure(DOING, &error))?;
    Ok(rows
        .iter()
        .map(|row| Key {
            name: row.get(0),
            parts: row.get(1),
            predicate: row.get(2),
            takes_nulls_for_equal: row.get(3),
        })
        .collect())
}

/// `nulls not distinct` came with Postgres 15: read so that older ones can be asked.
const KEYS: &str = "
    select c.relname::text,
           array(select '(' || pg_get_indexdef(i.indexrelid, at, false) || ')' ||
                        coalesce((select format(' collate %I.%I', n.nspname, l.collname)
                                    from pg_catalog.pg_collation l
                                    join pg_catalog.pg_namespace n on n.oid = l.collnamespace
                                   where l.oid = i.indcollation[at - 1] and l.collname <> 'default'), '')
                   from generate_series(1, i.indnkeyatts) as at order by at),
           pg_get_expr(i.indpred, i.indrelid),
           coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false)
      from pg_catalog.pg_index i
      join pg_catalog.pg_class c on c.oid = i.indexrelid
     where i.indrelid = $1 and i.indisunique and i.indisvalid
     order by i.indisprimary desc, c.relname";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_repeated_keys_are_cured_by_rejecting_rows() {
        let error = |name, sqlstate: &str| {
            let mut error = Error::new(name, "x");
            error.sqlstate = Some(sqlstate.to_owned());
            error
        };
        assert!(is_repeated_key(&error(ErrorName::GateFailed, "23505")));
        assert!(!is_repeated_key(&error(ErrorName::GateFailed, "23503")));
        assert!(!is_repeated_key(&error(ErrorName::DatabaseRejected, "23505")));
    }
}
