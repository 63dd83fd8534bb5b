//! Where each row of a staging table comes from, while that is needed to take rows out.
//!
//! A unique index or a foreign key shows that rows do not fit only when it is made on
//! all of them. So each row is marked while it is loaded, and the marks are dropped when
//! the constraints are there. What the columns held stays in the rows until the table is
//! rewritten, as it does for every column that is dropped (`PostgreSQL` documentation,
//! ALTER TABLE, "Notes").

use tokio_postgres::{GenericClient, Transaction};

use super::{orphans, repeated};
use crate::database::failure::failure;
use crate::definition::rejects::OnReject;
use crate::definition::{ResolvedColumn, ResolvedDefinition};
use crate::error::{Error, ErrorName, Result};
use crate::identifier::{Identifier, QualifiedName};
use crate::import::rows::MARKS;

/// Adds the marks to a staging table of whose live table a key can be repeated, or whose
/// rows refer to others.
///
/// # Errors
/// `InvalidDefinition` when a column has the name of a mark; those of the database.
pub(crate) async fn add(
    transaction: &Transaction<'_>,
    staging: &QualifiedName,
    live: Option<u32>,
    definition: &ResolvedDefinition,
) -> Result<()> {
    let Some(live) = live.filter(|_| definition.rejects.on_reject == OnReject::Keep) else { return Ok(()) };
    if !repeated::can_be(transaction, live).await? && !orphans::can_be(transaction, live).await? {
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
        .map_err(|error| failure("marking the rows", &error))
}

/// Drops the marks.
///
/// # Errors
/// Those of the database.
pub(super) async fn drop(client: &impl GenericClient, staging: &QualifiedName) -> Result<()> {
    let dropped: Vec<String> = MARKS
        .iter()
        .map(|(name, _)| format!("drop column if exists {}", Identifier::of_static(name)))
        .collect();
    client
        .batch_execute(&format!("alter table {staging} {}", dropped.join(", ")))
        .await
        .map_err(|error| failure("marking the rows", &error))
}
