//! Rows that repeat a key of the live table: the first in load order stays, the others
//! become rejects.

use tokio_postgres::GenericClient;

use super::unfit::{Found, UNIQUE_VIOLATION};
use crate::database::failure::failure;
use crate::error::Result;
use crate::identifier::QualifiedName;

/// A unique index, as what tells its rows apart.
struct Key {
    name: String,
    /// Its columns and expressions, with their collations.
    parts: Vec<String>,
    predicate: Option<String>,
    /// Whether rows with NULLs repeat each other, too.
    takes_nulls_for_equal: bool,
}

/// Finds the rows that repeat a key, by each unique index.
///
/// # Errors
/// Those of the database.
pub(super) async fn find(
    client: &impl GenericClient,
    staging: &QualifiedName,
    live: u32,
) -> Result<Vec<Found>> {
    let found = |key: &Key| Found {
        constraint: key.name.clone(),
        sqlstate: UNIQUE_VIOLATION,
        reason: format!("an earlier row has the same key ({})", key.name),
        places: places(staging, key),
    };
    Ok(keys(client, live).await?.iter().map(found).collect())
}

/// Whether a table has unique indexes.
///
/// # Errors
/// Those of the database.
pub(super) async fn can_be(client: &impl GenericClient, live: u32) -> Result<bool> {
    Ok(!keys(client, live).await?.is_empty())
}

/// Writes the query that finds what repeats a key. Rows without marks come first, and
/// stay.
fn places(staging: &QualifiedName, key: &Key) -> String {
    let parts = key.parts.join(", ");
    let mut conditions: Vec<String> =
        key.predicate.iter().map(|predicate| format!("({predicate})")).collect();
    if !key.takes_nulls_for_equal {
        conditions.extend(key.parts.iter().map(|part| format!("({part}) is not null")));
    }
    let condition = if conditions.is_empty() { "true".to_owned() } else { conditions.join(" and ") };
    format!(
        "select place, part
           from (select ctid as place, tableoid as part, _loader_object as key,
                        row_number() over (partition by {parts} order by _loader_object nulls first, _loader_line) as number
                   from {staging} where {condition}) as numbered
          where number > 1 and key is not null"
    )
}

/// Reads the unique indexes of a table.
async fn keys(client: &impl GenericClient, live: u32) -> Result<Vec<Key>> {
    let rows =
        client.query(KEYS, &[&live]).await.map_err(|error| failure("reading the unique indexes", &error))?;
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
