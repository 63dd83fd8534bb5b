//! Foreign keys of partitions, which Postgres names itself.

use tokio_postgres::GenericClient;

use super::{READING, identifier, qualified};
use crate::database::failure::failure;
use crate::error::Result;
use crate::identifier::{Identifier, QualifiedName};

const KEY_NAMES: &str = include_str!("../../sql/catalog/key_names.sql");

/// A foreign key that is to be called as another one.
#[derive(Debug, Clone)]
pub(crate) struct KeyName {
    /// The table that refers, by its object and its name of now.
    pub(crate) table: (u32, QualifiedName),
    /// The key's name of now.
    pub(crate) from: Identifier,
    /// Its name to be.
    pub(crate) to: Identifier,
}

/// Compares the keys that Postgres has made beside the key `old` with those beside
/// the key `new`, which refers from or to another table.
pub(crate) async fn key_names(
    client: &impl GenericClient,
    (old, new): (u32, u32),
    (old_table, new_table): (u32, u32),
) -> Result<Vec<KeyName>> {
    client
        .query(KEY_NAMES, &[&old, &new, &old_table, &new_table])
        .await
        .map_err(|error| failure(READING, &error))?
        .iter()
        .map(|row| {
            Ok(KeyName {
                table: (row.get(2), qualified(row.get(0), row.get(1))?),
                from: identifier(row.get(3))?,
                to: identifier(row.get(4))?,
            })
        })
        .collect()
}

/// Reads the foreign keys of a table, each with its object.
pub(crate) async fn keys_of(client: &impl GenericClient, table: u32) -> Result<Vec<(Identifier, u32)>> {
    client
        .query(
            "select conname::text, oid::oid from pg_catalog.pg_constraint
              where conrelid = $1 and contype = 'f' and conparentid = 0",
            &[&table],
        )
        .await
        .map_err(|error| failure(READING, &error))?
        .iter()
        .map(|row| Ok((identifier(row.get(0))?, row.get(1))))
        .collect()
}
