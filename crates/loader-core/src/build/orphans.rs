//! Rows that refer to nothing by a foreign key of the live table become rejects.
//!
//! A key of a table to itself is left to the gate: a row that goes may take with it
//! what others refer to. So are keys between tables that are published together, whose
//! new rows are not all there yet.

use tokio_postgres::GenericClient;

use super::unfit::{FOREIGN_KEY_VIOLATION, Found};
use crate::database::failure::failure;
use crate::error::Result;
use crate::identifier::QualifiedName;

/// Finds the rows that refer to nothing, by each foreign key. Keys to tables of `group`,
/// which are published together, are left out.
///
/// # Errors
/// Those of the database.
pub(super) async fn find(
    client: &impl GenericClient,
    staging: &QualifiedName,
    live: u32,
    group: &[u32],
) -> Result<Vec<Found>> {
    let references = references(client, live, group).await?;
    Ok(references.iter().map(|key| key.orphans(staging)).collect())
}

/// Whether a table has foreign keys whose orphans can be rejected.
///
/// # Errors
/// Those of the database.
pub(super) async fn can_be(client: &impl GenericClient, live: u32) -> Result<bool> {
    Ok(!references(client, live, &[]).await?.is_empty())
}

/// A foreign key of the live table, as conditions on row `loaded` and row `referred`.
struct Reference {
    name: String,
    referred: String,
    refers: String,
    matches: String,
}

impl Reference {
    fn orphans(&self, staging: &QualifiedName) -> Found {
        Found {
            constraint: self.name.clone(),
            sqlstate: FOREIGN_KEY_VIOLATION,
            reason: format!("there is no row that it refers to ({})", self.name),
            places: format!(
                "select loaded.ctid as place, loaded.tableoid as part
                   from {staging} as loaded
                  where loaded._loader_object is not null and {}
                    and not exists (select from {} as referred where {})",
                self.refers, self.referred, self.matches
            ),
        }
    }
}

async fn references(client: &impl GenericClient, live: u32, group: &[u32]) -> Result<Vec<Reference>> {
    let rows = client
        .query(REFERENCES, &[&live, &group])
        .await
        .map_err(|error| failure("reading the foreign keys", &error))?;
    Ok(rows
        .iter()
        .map(|row| Reference {
            name: row.get(0),
            referred: row.get(1),
            refers: row.get(2),
            matches: row.get(3),
        })
        .collect())
}

/// A row with a NULL in its key refers to nothing that has to be there, but for `match
/// full`, where all or none must be NULL (documentation of CREATE TABLE).
const REFERENCES: &str = "
    select con.conname::text,
           con.confrelid::regclass::text,
           '(' || string_agg(format('loaded.%I is not null', own.attname),
                             case con.confmatchtype when 'f' then ' or ' else ' and ' end order by pair.at) || ')',
           string_agg(format('referred.%I operator(%I.%s) loaded.%I', other.attname, n.nspname, op.oprname, own.attname),
                      ' and ' order by pair.at)
      from pg_catalog.pg_constraint con
     cross join lateral unnest(con.conkey, con.confkey, con.conpfeqop) with ordinality
                     as pair (own, other, operator, at)
      join pg_catalog.pg_attribute own on own.attrelid = con.conrelid and own.attnum = pair.own
      join pg_catalog.pg_attribute other on other.attrelid = con.confrelid and other.attnum = pair.other
      join pg_catalog.pg_operator op on op.oid = pair.operator
      join pg_catalog.pg_namespace n on n.oid = op.oprnamespace
     where con.conrelid = $1 and con.contype = 'f' and con.conparentid = 0 and con.confrelid <> con.conrelid
       and con.confrelid <> all ($2)
       and coalesce((to_jsonb(con) ->> 'conenforced')::boolean, true)
     group by con.oid, con.conname, con.confrelid, con.confmatchtype
     order by con.conname";
