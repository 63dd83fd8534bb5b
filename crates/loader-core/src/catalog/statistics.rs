//! Extended statistics.

use tokio_postgres::GenericClient;

use super::index::comment;
use super::{READING, not_understood, qualified};
use crate::database::failure::failure;
use crate::error::Result;
use crate::identifier::QualifiedName;

const STATISTICS: &str = include_str!("../../sql/catalog/statistics.sql");

/// An object of extended statistics.
#[derive(Debug, Clone)]
pub(crate) struct Statistics {
    /// Its object.
    pub(crate) oid: u32,
    /// Its name.
    pub(crate) name: QualifiedName,
    /// The statement that makes it on the target, `%N` for its name.
    definition: String,
    target: i32,
    owner: String,
    comment: Option<String>,
}

impl Statistics {
    /// Says whether another one is the same but for its name and comment.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.definition == other.definition
    }

    /// Writes the statement that makes it under another name.
    pub(crate) fn create(&self, name: &QualifiedName) -> String {
        self.definition.replacen("%N", &name.to_string(), 1)
    }

    /// Writes the statements that give `own`, which bears this one's name by now,
    /// what else this one has.
    pub(crate) fn finish(&self, own: &Self) -> Vec<String> {
        let name = &self.name;
        let mut statements = Vec::new();
        if self.target != own.target {
            statements.push(format!("alter statistics {name} set statistics {}", self.target));
        }
        if self.comment != own.comment {
            statements.push(format!("comment on statistics {name} is {}", comment(self.comment.as_deref())));
        }
        if self.owner != own.owner {
            statements.push(format!("alter statistics {name} owner to {}", self.owner));
        }
        statements
    }
}

/// Reads the extended statistics of a relation, written for `target`.
pub(crate) async fn statistics(
    client: &impl GenericClient,
    relation: u32,
    target: &QualifiedName,
) -> Result<Vec<Statistics>> {
    let rows = client
        .query(STATISTICS, &[&relation, &target.to_string()])
        .await
        .map_err(|error| failure(READING, &error))?;
    rows.iter()
        .map(|row| {
            let name = qualified(row.get(1), row.get(2))?;
            if !row.get::<_, bool>(4) {
                return Err(not_understood("statistics", name.name.as_str()));
            }
            Ok(Statistics {
                oid: row.get(0),
                name,
                definition: row.get(3),
                target: row.get(5),
                comment: row.get(6),
                owner: row.get(7),
            })
        })
        .collect()
}
