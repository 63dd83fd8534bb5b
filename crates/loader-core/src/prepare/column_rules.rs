//! What a definition says of the columns, beside their types.

use crate::definition::drift::{Filled, Metadata};
use crate::definition::validation::ALL_COLUMNS;
use crate::definition::values::ColumnValues;
use crate::definition::{ColumnDefinition, ResolvedColumn, TableDefinition};
use crate::error::{Error, ErrorName, Result};
use crate::values::{Kind, check_rules, has_offset};

/// Adds to the columns what the definition says of them: what fills them, by which names
/// objects have them, how their texts become values.
///
/// # Errors
/// `InvalidDefinition` for rules that are not for the column's type.
pub(super) fn apply(columns: &mut [ResolvedColumn], written: &TableDefinition) -> Result<()> {
    for column in columns {
        column.filled = filled(column, written);
        if column.filled != Filled::Field {
            column.required = false;
        }
        if let Filled::Metadata(metadata) = column.filled {
            check_type(column, metadata)?;
        }
        column.values = values_of(column, written)?;
        let mut names = column.values.header.take().map(|names| names.to_vec()).unwrap_or_default();
        if column.header.is_none() && !names.is_empty() {
            column.header = Some(names.remove(0));
        }
        column.aliases = names;
    }
    Ok(())
}

/// Checks that `values` names only columns that there are.
///
/// # Errors
/// `InvalidDefinition`.
pub(super) fn check_names(columns: &[ResolvedColumn], written: &TableDefinition) -> Result<()> {
    for name in written.values.iter().flat_map(|values| values.keys()) {
        if name != ALL_COLUMNS && !columns.iter().any(|column| column.name.as_str() == name) {
            return Err(invalid(format!(
                "the field `values` has `{name}`, and the table has no such column"
            )));
        }
    }
    Ok(())
}

fn filled(column: &ResolvedColumn, written: &TableDefinition) -> Filled {
    let name = column.name.as_str();
    let metadata = written.metadata.iter().flatten().find(|metadata: &&Metadata| metadata.name() == name);
    if let Some(metadata) = metadata {
        return Filled::Metadata(*metadata);
    }
    match written.key_parts.iter().flatten().find(|part| *part == name) {
        Some(part) => Filled::KeyPart(part.clone()),
        None => Filled::Field,
    }
}

/// Checks that a column of the table can hold what it is to be filled with.
fn check_type(column: &ResolvedColumn, metadata: Metadata) -> Result<()> {
    let kind = Kind::of(column);
    let fits = match metadata {
        Metadata::LoadedAt => kind == Kind::Moment,
        Metadata::Line => matches!(kind, Kind::Number | Kind::Text),
        Metadata::Object | Metadata::Etag | Metadata::RunId => kind == Kind::Text,
    };
    if fits {
        return Ok(());
    }
    Err(invalid(format!(
        "the metadata column {} is {} in the table, and must be {}",
        column.name,
        column.sql_type,
        metadata.sql_type()
    )))
}

/// Puts together what is said of a column: where it is defined, by its name, and for all
/// columns as far as that is for its type.
fn values_of(column: &ResolvedColumn, written: &TableDefinition) -> Result<ColumnValues> {
    let defined = written.columns.iter().flatten().find(|defined| defined.name == column.name);
    let defined = defined.and_then(|ColumnDefinition { values, .. }| values.clone()).unwrap_or_default();
    let values = written.values.as_ref();
    let named = |name: &str| values.and_then(|values| values.get(name)).cloned().unwrap_or_default();
    let own = defined.over(named(column.name.as_str()));
    let kind = Kind::of(column);
    let fitting = suited(&own, kind);
    if (ColumnValues { header: own.header.clone(), ..fitting }) != own {
        return Err(invalid(format!(
            "the field `values` gives column {} a rule that is not for its type {}",
            column.name, column.sql_type
        )));
    }
    let mut all = suited(&named(ALL_COLUMNS), kind);
    if kind == Kind::Text || kind == Kind::Other {
        all = all.for_texts();
    }
    if column.filled != Filled::Field {
        all.sql = None;
    }
    let values = own.over(all);
    check_rules(column.name.as_str(), &values)?;
    // Postgres reads over the offset and takes the local time (documentation, "Date/Time
    // Types": in a literal of type timestamp without time zone it is ignored).
    if column.base.name.ends_with("without time zone") && has_offset(&values) {
        return Err(invalid(format!(
            "the format of column {} has an offset from UTC, which its type {} would lose; make it timestamptz, or give a SQL expression",
            column.name, column.sql_type
        )));
    }
    Ok(values)
}

/// Returns the rules that can be for a type. Texts, and types that are not known here,
/// can have any by their name.
fn suited(values: &ColumnValues, kind: Kind) -> ColumnValues {
    match kind {
        Kind::Moment => values.for_moments(),
        Kind::Number => values.for_numbers(),
        Kind::Boolean => values.for_booleans(),
        Kind::Text | Kind::Other => ColumnValues { header: None, ..values.clone() },
    }
}

fn invalid(why: String) -> Error {
    Error::new(ErrorName::InvalidDefinition, why)
}
