//! The gates: what the loaded table must hold before it takes the place of the
//! live one.
//!
//! Each check returns a figure for every gate, passed or not, and
//! [`verdict`] makes one error of those that failed. [`check_counts`] costs
//! nothing but a count of the live table and can go before the indexes are built;
//! [`check_rows`] and [`check_incoming_keys`] read the loaded rows and are quicker
//! after that.

mod counts;
pub(crate) mod equality;
pub(crate) mod foreign_key;
mod incoming;
mod query;
mod rows;

use serde::{Deserialize, Serialize};
use tokio_postgres::Transaction;

pub use self::counts::check_counts;
pub use self::incoming::check_incoming_keys;
pub(crate) use self::incoming::check_keys_to_partition;
pub use self::rows::check_rows;
use crate::database::failure::failure;
use crate::error::{Error, ErrorName, Result};
use crate::identifier::{Identifier, QualifiedName};

/// The most characters of a key that a message shows.
pub(crate) const MAX_KEY_CHARS: usize = 200;

/// A loaded table, and what it is checked against.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The staging table.
    pub staging: &'a QualifiedName,
    /// The live table that it is to replace, if there is one.
    pub live: Option<&'a QualifiedName>,
    /// The rows of the staging table.
    pub rows: u64,
    /// Live tables that are replaced in the same publish, each with what replaces
    /// it: rows of other tables are looked for there.
    pub together: &'a [(QualifiedName, QualifiedName)],
}

impl Subject<'_> {
    /// Returns what will be live under the name of this table.
    fn successor<'b>(&'b self, table: &'b QualifiedName) -> &'b QualifiedName {
        if self.live == Some(table) {
            return self.staging;
        }
        self.together.iter().find(|(live, _)| live == table).map_or(table, |(_, successor)| successor)
    }
}

/// What a gate found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateFigure {
    /// The gate, such as `min_rows` or `unique(id)`.
    pub gate: String,
    /// What it demands, in words.
    pub expected: String,
    /// What is there, in words and numbers, with the key of the first row that is
    /// at fault.
    pub found: String,
    /// Whether the table may be published.
    pub passed: bool,
}

impl GateFigure {
    fn new(
        gate: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
        passed: bool,
    ) -> Self {
        Self { gate: gate.into(), expected: expected.into(), found: found.into(), passed }
    }
}

/// Passes when all gates have passed.
///
/// # Errors
/// `GateFailed`, with the figures of every gate that has not.
pub fn verdict(figures: &[GateFigure]) -> Result<()> {
    let failed: Vec<String> = figures
        .iter()
        .filter(|figure| !figure.passed)
        .map(|GateFigure { gate, expected, found, .. }| format!("{gate}: {found}, expected {expected}"))
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    let gates = if figures.len() == 1 { "gate" } else { "gates" };
    Err(Error::new(
        ErrorName::GateFailed,
        format!("{} of {} {gates} failed: {}", failed.len(), figures.len(), failed.join("; ")),
    ))
}

/// Sees to it that a policy can't hide rows from the checks: the database refuses
/// then, instead of counting only what the loader's role may see.
pub(crate) async fn see_all_rows(transaction: &Transaction<'_>) -> Result<()> {
    transaction
        .batch_execute("set local row_security = off")
        .await
        .map_err(|error| failure("turning row security off for the checks", &error))
}

/// Turns an error of a check into ours: what the database refuses for another
/// reason than a missing grant is a fault of the gate.
fn refused(gate: &str, error: &tokio_postgres::Error) -> Error {
    let doing = format!("checking the gate {gate}");
    let mut refusal = failure(&doing, error);
    if refusal.sqlstate.as_deref() == Some("25006") {
        // It is our transaction that is read-only, not the server.
        refusal.name = ErrorName::InvalidDefinition;
        refusal.message = format!("{doing}: a gate can only read, and this one tries to write");
    }
    if refusal.name == ErrorName::DatabaseRejected && refusal.sqlstate.as_deref() != Some("42501") {
        refusal.name = ErrorName::InvalidDefinition;
        refusal.message.push_str("; correct the gate in the table's definition");
    }
    refusal
}

/// Writes the list of columns of a relation that goes by an alias.
pub(crate) fn columns_of(alias: &str, columns: &[Identifier]) -> String {
    let columns: Vec<String> = columns.iter().map(|column| format!("{alias}.{column}")).collect();
    columns.join(", ")
}

/// Writes an expression that is the text of a row's key, cut to what a message
/// shows.
pub(crate) fn key_text(alias: &str, columns: &[Identifier]) -> String {
    // A byte order, so that the first key is the same whatever the locale.
    format!("left(row({})::text, {MAX_KEY_CHARS}) collate pg_catalog.\"C\"", columns_of(alias, columns))
}

/// Writes columns as a person reads them: `(a, b)`.
pub(crate) fn names(columns: &[Identifier]) -> String {
    let columns: Vec<&str> = columns.iter().map(Identifier::as_str).collect();
    format!("({})", columns.join(", "))
}

/// Reads the text of a key. A message is one line, whatever the key holds.
pub(crate) fn first_key(row: &tokio_postgres::Row, at: usize) -> Option<String> {
    row.get::<_, Option<String>>(at).map(|key| one_line(&key))
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Reads a count, which the database has as a signed number.
pub(crate) fn count(row: &tokio_postgres::Row, at: usize) -> u64 {
    u64::try_from(row.get::<_, i64>(at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_lists_every_gate_that_failed() {
        let figures = [
            GateFigure::new("min_rows", "at least 1", "512 rows", true),
            GateFigure::new(
                "max_drop_percent",
                "at most -40 %",
                "512 rows against 1,024 live (-50.0 %)",
                false,
            ),
            GateFigure::new("not_null(a)", "no NULL", "3 rows are null, the first: (id)=(7)", false),
        ];
        let error = verdict(&figures).unwrap_err();
        assert_eq!(error.name, ErrorName::GateFailed);
        insta::assert_snapshot!(error.message, @"2 of 3 gates failed: max_drop_percent: 512 rows against 1,024 live (-50.0 %), expected at most -40 %; not_null(a): 3 rows are null, the first: (id)=(7), expected no NULL");
        assert!(verdict(figures.get(..1).unwrap()).is_ok());
        assert!(verdict(&[]).is_ok());
    }

    #[test]
    fn a_figure_is_stored_and_read_again() {
        let figure = GateFigure::new("min_rows", "at least 1", "0 rows", false);
        let stored = serde_json::to_value(&figure).unwrap();
        assert_eq!(
            stored,
            serde_json::json!({"gate": "min_rows", "expected": "at least 1", "found": "0 rows", "passed": false})
        );
        assert_eq!(serde_json::from_value::<GateFigure>(stored).unwrap(), figure);
    }
}
