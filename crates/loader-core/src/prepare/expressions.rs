//! Tries SQL expressions before anything is loaded.

use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use super::headers::Header;
use crate::database::control_schema::Schema;
use crate::database::failure::failure;
use crate::definition::ResolvedDefinition;
use crate::definition::drift::{Filled, Metadata, MissingColumns, UnknownColumns};
use crate::error::{Error, ErrorName, Result};
use crate::identifier::Identifier;
use crate::record::mapping::Mapping;
use crate::values::expression;

/// Runs each expression over no rows, with the fields of the headers that were read.
///
/// # Errors
/// `InvalidDefinition`, with the column and what the database says.
pub(super) async fn check(
    transaction: &Transaction<'_>,
    staging: &Identifier,
    definition: &ResolvedDefinition,
    headers: &[Header],
) -> Result<()> {
    if definition.columns.iter().all(|column| column.values.sql.is_none()) {
        return Ok(());
    }
    let mappings = mappings(definition, headers)?;
    for column in definition.columns.iter().filter(|column| column.values.sql.is_some()) {
        for mapping in &mappings {
            let statement = expression::only(&Schema::Staging.table(staging), mapping, &column.name);
            let Err(error) = probe(transaction, &statement, mapping.carried().count()).await? else {
                continue;
            };
            // A field that no header has been read of may still be there.
            if headers.is_empty() && error.code() == Some(&SqlState::UNDEFINED_COLUMN) {
                continue;
            }
            return Err(Error::new(
                ErrorName::InvalidDefinition,
                failure(&format!("the SQL expression of column {}", column.name), &error).message,
            ));
        }
    }
    Ok(())
}

/// Returns the mappings of the headers, one of each; and one with nothing but the columns
/// where there are none.
fn mappings(definition: &ResolvedDefinition, headers: &[Header]) -> Result<Vec<Mapping>> {
    let dialect = definition.dialect.complete()?;
    // What is wrong with an object is said when it is loaded.
    let lenient = ResolvedDefinition {
        unknown_columns: UnknownColumns::Ignore,
        missing_columns: MissingColumns::Null,
        ..definition.clone()
    };
    let mut found: Vec<Mapping> = Vec::new();
    for header in headers {
        if let Ok(mapping) = Mapping::of(Some(&header.cells), &dialect, &lenient, &header.key)
            && !found.iter().any(|found| found.names == mapping.names)
        {
            found.push(mapping);
        }
    }
    if found.is_empty() {
        let mut lenient = lenient;
        for column in &mut lenient.columns {
            if matches!(column.filled, Filled::KeyPart(_)) {
                column.filled = Filled::Metadata(Metadata::Object);
            }
        }
        let names: Vec<String> =
            lenient.columns.iter().map(|column| column.name.as_str().to_owned()).collect();
        found.push(Mapping::of(Some(&names), &dialect, &lenient, "")?);
    }
    Ok(found)
}

async fn probe(
    transaction: &Transaction<'_>,
    statement: &str,
    arrays: usize,
) -> Result<std::result::Result<(), tokio_postgres::Error>> {
    let doing = "trying a SQL expression";
    let empty: Vec<String> = Vec::new();
    let parameters: Vec<&(dyn ToSql + Sync)> = (0..arrays).map(|_| &empty as &(dyn ToSql + Sync)).collect();
    transaction.batch_execute("savepoint expression").await.map_err(|error| failure(doing, &error))?;
    let outcome = transaction.execute(statement, &parameters).await.map(|_| ());
    transaction
        .batch_execute("rollback to savepoint expression; release savepoint expression")
        .await
        .map_err(|error| failure(doing, &error))?;
    Ok(outcome)
}
