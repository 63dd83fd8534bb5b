//! Foreign keys, and those that Postgres makes beside one for the partitions on
//! either side of it, under names of its own.

use tokio_postgres::GenericClient;

use super::{READING, identifier, qualified};
use crate::database::failure::failure;
use crate::error::Result;
use crate::identifier::{Identifier, QualifiedName};

const DERIVED: &str = include_str!("../../sql/catalog/derived_keys.sql");

/// A foreign key that Postgres has made for a partition.
#[derive(Debug, Clone)]
pub(crate) struct DerivedKey {
    /// The table that refers, and the one that it refers to. Their objects change
    /// when they are replaced, their names don't.
    tables: (QualifiedName, QualifiedName),
    name: Identifier,
}

impl DerivedKey {
    /// Returns the key as it will be when one table has the name of another.
    pub(crate) fn renamed(mut self, from: &QualifiedName, to: &QualifiedName) -> Self {
        for table in [&mut self.tables.0, &mut self.tables.1] {
            if table == from {
                *table = to.clone();
            }
        }
        self
    }
}

/// Reads the keys that Postgres has made beside one.
pub(crate) async fn derived_keys(client: &impl GenericClient, key: u32) -> Result<Vec<DerivedKey>> {
    client
        .query(DERIVED, &[&key])
        .await
        .map_err(|error| failure(READING, &error))?
        .iter()
        .map(|row| {
            let tables = (qualified(row.get(0), row.get(1))?, qualified(row.get(2), row.get(3))?);
            Ok(DerivedKey { tables, name: identifier(row.get(4))? })
        })
        .collect()
}

/// Writes the statements that give derived keys the names that they had. One may
/// have another's name, so all that differ step aside first.
pub(crate) fn names_again(before: &[DerivedKey], now: &[DerivedKey]) -> Vec<String> {
    let mut aside = Vec::new();
    let mut back = Vec::new();
    for (at, one) in now.iter().enumerate() {
        let Some(was) = before.iter().find(|was| was.tables == one.tables && was.name != one.name) else {
            continue;
        };
        let (table, _) = &one.tables;
        let away = one.name.with_suffix(&format!("__{at}"));
        aside.push(format!("alter table {table} rename constraint {} to {away}", one.name));
        back.push(format!("alter table {table} rename constraint {away} to {}", was.name));
    }
    aside.extend(back);
    aside
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
