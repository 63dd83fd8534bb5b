//! The sequences that number a relation's rows.

use tokio_postgres::GenericClient;

use super::{READING, identifier, qualified};
use crate::database::failure::failure;
use crate::error::Result;
use crate::identifier::{Identifier, QualifiedName};

const SEQUENCES: &str = include_str!("../../sql/catalog/sequences.sql");

/// How a sequence belongs to a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bond {
    /// It is the column's identity and can't be moved to another one.
    Identity,
    /// It goes with the column (`owned by`).
    Owned,
    /// The column's default draws from it.
    Default,
}

/// A sequence that fills a column.
#[derive(Debug, Clone)]
pub(crate) struct Sequence {
    /// Its object.
    pub(crate) oid: u32,
    /// Its name.
    pub(crate) name: QualifiedName,
    /// The column.
    pub(crate) column: Identifier,
    bond: Bond,
    /// Whether it counts down.
    pub(crate) descends: bool,
    /// Whether the column holds numbers.
    pub(crate) is_number: bool,
}

impl Sequence {
    /// Says whether it is the column's identity.
    pub(crate) fn is_identity(&self) -> bool {
        self.bond == Bond::Identity
    }

    /// Says whether it goes with the column and can be moved to another one.
    pub(crate) fn is_owned(&self) -> bool {
        self.bond == Bond::Owned
    }
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
                bond: match (row.get(4), row.get(5)) {
                    (true, _) => Bond::Identity,
                    (_, true) => Bond::Owned,
                    _ => Bond::Default,
                },
                descends: row.get(6),
                is_number: row.get(7),
            })
        })
        .collect()
}
