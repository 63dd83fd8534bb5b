//! The sequences that number a relation's rows.

use tokio_postgres::GenericClient;

use super::{READING, identifier, qualified};
use crate::database::failure::failure;
use crate::error::Result;
use crate::identifier::{Identifier, QualifiedName};

const SEQUENCES: &str = include_str!("../../sql/catalog/sequences.sql");

/// A sequence that fills a column.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "independent answers of the catalog")]
pub(crate) struct Sequence {
    /// Its object.
    pub(crate) oid: u32,
    /// Its name.
    pub(crate) name: QualifiedName,
    /// The column.
    pub(crate) column: Identifier,
    /// Whether it is the column's identity and can't be moved to another one.
    pub(crate) is_identity: bool,
    /// Whether it goes with the column (`owned by`).
    pub(crate) is_owned: bool,
    /// Whether it counts down.
    pub(crate) descends: bool,
    /// Whether the column holds numbers.
    pub(crate) is_number: bool,
}

/// Reads the sequences of a relation.
pub(crate) async fn sequences(client: &impl GenericClient, relation: u32) -> Result<Vec<Sequence>> {
    let rows = client.query(SEQUENCES, &[&relation]).await.map_err(|error| failure(READING, &error))?;
    rows.iter()
        .map(|row| {
            Ok(Sequence {
                oid: row.get(0),
                name: qualified(row.get(1), row.get(2))?,
                column: identifier(row.get(3))?,
                is_identity: row.get(4),
                is_owned: row.get(5),
                descends: row.get(6),
                is_number: row.get(7),
            })
        })
        .collect()
}
