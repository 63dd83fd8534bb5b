//! What hangs on a relation, read from the database's catalog as the statements
//! that make it again on another relation.
//!
//! Everything here is read with an empty `search_path`, so that every name in an
//! answer is qualified and means the same for whoever executes it; that is how
//! `pg_dump` does it. Callers read and execute inside one transaction that
//! [`qualify_all`] has been called in.

pub(crate) mod dependents;
mod fact;
mod index;
mod key;
mod sequence;
mod statistics;

use tokio_postgres::GenericClient;

pub(crate) use self::fact::{Fact, FactKind, Phase, facts};
pub(crate) use self::index::{Index, indexes};
pub(crate) use self::key::{DerivedKey, derived_keys, keys_of, names_again};
pub(crate) use self::sequence::{Sequence, sequences};
pub(crate) use self::statistics::{Statistics, statistics};
use crate::database::failure::failure;
use crate::error::{Error, ErrorName, Result};
use crate::identifier::{Identifier, QualifiedName};

/// What is done when one of these statements fails.
const READING: &str = "reading what hangs on the table";

/// Has every name qualified for the rest of the transaction, and the queries of the
/// catalog executed as they are: to compile them takes longer than to run them.
pub(crate) async fn qualify_all(client: &impl GenericClient) -> Result<()> {
    client
        .batch_execute("set local search_path = ''; set local jit = off")
        .await
        .map_err(|error| failure(READING, &error))
}

/// Finds a relation; none if there is nothing of that name.
pub(crate) async fn find(client: &impl GenericClient, name: &QualifiedName) -> Result<Option<u32>> {
    client
        .query_one("select to_regclass($1)::oid", &[&name.to_string()])
        .await
        .map(|row| row.get(0))
        .map_err(|error| failure(READING, &error))
}

/// Finds a relation that must be there.
pub(crate) async fn get(client: &impl GenericClient, name: &QualifiedName) -> Result<u32> {
    find(client, name)
        .await?
        .ok_or_else(|| Error::new(ErrorName::Internal, format!("the table {name} is not there")))
}

/// Says whether a table is partitioned.
pub(crate) async fn is_partitioned(client: &impl GenericClient, table: u32) -> Result<bool> {
    client
        .query_one(
            "select exists (select 1 from pg_catalog.pg_class where oid = $1 and relkind = 'p')",
            &[&table],
        )
        .await
        .map(|row| row.get(0))
        .map_err(|error| failure(READING, &error))
}

/// Lists a table and all its partitions, on every level.
pub(crate) async fn family(client: &impl GenericClient, table: u32) -> Result<Vec<u32>> {
    client
        .query("select $1::oid union select relid::oid from pg_partition_tree($1::oid) order by 1", &[&table])
        .await
        .map(|rows| rows.iter().map(|row| row.get(0)).collect())
        .map_err(|error| failure(READING, &error))
}

/// Reads the names of a relation's columns.
pub(crate) async fn columns(client: &impl GenericClient, oid: u32) -> Result<Vec<String>> {
    client
        .query(
            "select attname::text from pg_catalog.pg_attribute
              where attrelid = $1 and attnum > 0 and not attisdropped",
            &[&oid],
        )
        .await
        .map(|rows| rows.iter().map(|row| row.get(0)).collect())
        .map_err(|error| failure(READING, &error))
}

/// Reads the name of a relation.
pub(crate) async fn name_of(client: &impl GenericClient, oid: u32) -> Result<QualifiedName> {
    let row = client
        .query_one(
            "select nspname::text, relname::text
               from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = relnamespace
              where c.oid = $1",
            &[&oid],
        )
        .await
        .map_err(|error| failure(READING, &error))?;
    qualified(row.get(0), row.get(1))
}

/// Makes an identifier of a name of the catalog.
pub(crate) fn identifier(name: String) -> Result<Identifier> {
    Identifier::try_from(name).map_err(|error| {
        Error::new(ErrorName::Internal, format!("a name of the catalog can't be used: {error}"))
    })
}

/// Makes a qualified name of two of the catalog's names.
fn qualified(schema: String, name: String) -> Result<QualifiedName> {
    Ok(QualifiedName::new(identifier(schema)?, identifier(name)?))
}

/// The catalog wrote a definition in a way that this code does not know.
fn not_understood(what: &str, name: &str) -> Error {
    Error::new(
        ErrorName::Internal,
        format!("the definition of the {what} {name} is written in an unknown way"),
    )
}
