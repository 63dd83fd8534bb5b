//! The publish of a table that stays: a copy of its rows is kept, then the rows
//! are changed in place.

use tokio_postgres::Transaction;

use super::Strategy;
use super::merge::{copy_as_backup, key_of, merge};
use crate::catalog;
use crate::database::control_schema::Schema;
use crate::database::failure::failure;
use crate::error::{Error, ErrorName, Result};
use crate::identifier::{Identifier, QualifiedName};
use crate::succession::moving;
use crate::succession::versions::{self, Becoming};

/// Changes the rows of the live table into those of the candidate, which is gone
/// afterwards. Readers see the old rows until the transaction ends, and wait for
/// nothing.
///
/// # Errors
/// `LiveNotReplaceable` when nothing tells the rows apart; those of [`merge`].
pub(crate) async fn change_rows(
    transaction: &Transaction<'_>,
    table: &Identifier,
    candidate: &QualifiedName,
    key: Option<&[Identifier]>,
    becoming: Becoming<'_>,
) -> Result<()> {
    let live = Schema::Live.table(table);
    let key = match key {
        Some(key) => key.to_vec(),
        None => key_of(transaction, &live).await?.ok_or_else(|| no_key(&live))?,
    };
    versions::shift_backup(transaction, table).await?;
    copy_as_backup(transaction, &live, &versions::backup(table)).await?;
    versions::record(transaction, table, becoming, Strategy::Merge, Some(table)).await?;
    let merged = merge(transaction, &live, candidate, &key).await?;
    tracing::info!(
        table.name = table.as_str(),
        deleted = merged.deleted,
        updated = merged.updated,
        inserted = merged.inserted,
        "changed the rows of the live table in place"
    );
    let mut statements = moving::advances_of(transaction, &live).await?;
    statements.push(format!("drop table {candidate}"));
    transaction
        .batch_execute(&statements.join(";\n"))
        .await
        .map_err(|error| failure("dropping the merged rows", &error))
}

/// The error of a table whose rows nothing tells apart.
pub(crate) fn no_key(live: &QualifiedName) -> Error {
    Error::new(
        ErrorName::LiveNotReplaceable,
        format!(
            "the rows of {live} can't be changed in place, as nothing tells them apart: give it a primary key, or name the columns that do as `key` in the definition"
        ),
    )
}

/// Says whether the live table is there.
pub(crate) async fn has_live(transaction: &Transaction<'_>, table: &Identifier) -> Result<bool> {
    Ok(catalog::find(transaction, &Schema::Live.table(table)).await?.is_some())
}
