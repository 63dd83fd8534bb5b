//! Columns that a run adds to its staging table: where rows come from, parts of keys,
//! and what only objects have.

use std::collections::HashSet;

use tokio_postgres::Transaction;

use super::headers::Header;
use crate::catalog;
use crate::database::control_schema::Schema;
use crate::database::failure::failure;
use crate::database::staging;
use crate::definition::drift::UnknownColumns;
use crate::definition::{ColumnDefinition, ResolvedColumn, TableDefinition};
use crate::error::{Error, ErrorName, Result};
use crate::identifier::Identifier;
use crate::publish::Strategy;
use crate::record::mapping::unknown;

/// The type of a column that nobody has given one.
const UNTYPED: &str = "text";

/// Returns the columns that say where a row comes from, and that the table lacks.
///
/// # Errors
/// `InvalidDefinition` for names that no column can have.
pub(super) fn of_rows(there: &[Identifier], written: &TableDefinition) -> Result<Vec<ColumnDefinition>> {
    let key_parts = written.key_parts.iter().flatten().map(|part| (part.as_str(), UNTYPED));
    let metadata = written.metadata.iter().flatten().map(|metadata| (metadata.name(), metadata.sql_type()));
    key_parts
        .chain(metadata)
        .filter(|(name, _)| !there.iter().any(|there| there.as_str() == *name))
        .map(|(name, sql_type)| {
            let name = Identifier::new(name).map_err(|error| {
                Error::new(ErrorName::InvalidDefinition, format!("the field `key_parts`: {error}"))
            })?;
            Ok(column(name, sql_type, None))
        })
        .collect()
}

/// Returns the columns that the headers have and the table lacks, if they are to be added.
/// `columns` are those that fields fill; no name in `taken` is given again.
pub(super) fn of_objects(
    headers: &[Header],
    columns: &[ResolvedColumn],
    taken: &[Identifier],
    written: &TableDefinition,
) -> Vec<ColumnDefinition> {
    if written.unknown_columns != Some(UnknownColumns::Add) {
        return Vec::new();
    }
    let mut known = columns.to_vec();
    let mut used: HashSet<Identifier> = taken.iter().cloned().collect();
    let mut added = Vec::new();
    for header in headers {
        for (folded, header) in unknown(&header.cells, &known) {
            let mut name = folded.clone();
            let mut count = 2_u32;
            while !used.insert(name.clone()) {
                name = folded.with_suffix(&format!("_{count}"));
                count = count.saturating_add(1);
            }
            known.push(ResolvedColumn {
                name: name.clone(),
                sql_type: UNTYPED.to_owned(),
                header: header.clone(),
                aliases: Vec::new(),
                filled: crate::definition::drift::Filled::Field,
                values: crate::definition::values::ColumnValues::default(),
                required: false,
                is_text: true,
                base: crate::definition::BaseType::default(),
            });
            added.push(column(name, UNTYPED, header));
        }
    }
    added
}

fn column(name: Identifier, sql_type: &str, header: Option<String>) -> ColumnDefinition {
    ColumnDefinition {
        name,
        sql_type: sql_type.to_owned(),
        header,
        not_null: false,
        optional: true,
        values: None,
    }
}

/// Adds the columns to the staging table.
///
/// # Errors
/// `LiveNotReplaceable` when the live table stays, and lacks them; those of the database.
pub(super) async fn add(
    transaction: &Transaction<'_>,
    table: &Identifier,
    staging: &Identifier,
    strategy: Strategy,
    added: &[ColumnDefinition],
) -> Result<()> {
    if added.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = added.iter().map(|column| column.name.to_string()).collect();
    if strategy != Strategy::Rename && catalog::find(transaction, &Schema::Live.table(table)).await?.is_some()
    {
        return Err(Error::new(
            ErrorName::LiveNotReplaceable,
            format!(
                "the table {table} lacks columns that are to be filled, and stays with the strategy {}: {}; \
                 add them to it first, or use another strategy",
                strategy.as_str(),
                names.join(", ")
            ),
        ));
    }
    let columns: Vec<String> =
        added.iter().map(|column| format!("add column {} {}", column.name, column.sql_type)).collect();
    transaction
        .batch_execute(&format!("alter table {} {}", Schema::Staging.table(staging), columns.join(", ")))
        .await
        .map_err(|error| failure(&format!("adding the columns {}", names.join(", ")), &error))
}

/// Returns the names of all columns of the staging table.
///
/// # Errors
/// Those of the database.
pub(super) async fn names(transaction: &Transaction<'_>, staging: &Identifier) -> Result<Vec<Identifier>> {
    let columns = staging::loadable_columns(transaction, &Schema::Staging.table(staging)).await?;
    Ok(columns.into_iter().map(|column| column.name).collect())
}
