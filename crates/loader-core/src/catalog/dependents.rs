//! What binds a table by its object: views, functions, policies, foreign keys.

use tokio_postgres::GenericClient;

use super::{READING, identifier, qualified};
use crate::database::failure::failure;
use crate::error::{Error, ErrorName, Result};
use crate::identifier::{Identifier, QualifiedName};

const DEPENDENTS: &str = include_str!("../../sql/catalog/dependents.sql");
const FINGERPRINT: &str = include_str!("../../sql/catalog/fingerprint.sql");

/// Everything that has to be bound to the table that takes this one's place.
#[derive(Debug, Default)]
pub(crate) struct Dependents {
    /// Statements that take the locks of the views, the ones on top first: that
    /// is the order in which readers take them.
    pub(crate) locks: Vec<String>,
    /// Statements that bind views, functions, rules and policies anew, without
    /// touching what hangs on them.
    pub(crate) rebinds: Vec<String>,
    /// Materialized views, those that others read first.
    pub(crate) materialized: Vec<MaterializedView>,
    /// Foreign keys of other tables.
    pub(crate) incoming: Vec<IncomingKey>,
    /// What can be bound to no other table, in words.
    pub(crate) refused: Vec<String>,
    /// What belongs to a role that the loader is no member of, in words.
    pub(crate) foreign: Vec<String>,
}

/// A materialized view that reads the table, or one that reads such a one.
#[derive(Debug, Clone)]
pub(crate) struct MaterializedView {
    /// Its object.
    pub(crate) oid: u32,
    /// Its name.
    pub(crate) name: QualifiedName,
}

/// A foreign key of another table.
#[derive(Debug, Clone)]
pub(crate) struct IncomingKey {
    /// The constraint.
    pub(crate) oid: u32,
    /// The table that refers.
    pub(crate) child: QualifiedName,
    /// The constraint's name.
    pub(crate) name: Identifier,
    /// Its definition, with `%T` for the table.
    pub(crate) definition: String,
    /// Its comment, as a literal.
    pub(crate) comment: Option<String>,
}

/// Reads what depends on a table.
pub(crate) async fn dependents(client: &impl GenericClient, table: u32) -> Result<Dependents> {
    let rows = client.query(DEPENDENTS, &[&table]).await.map_err(|error| failure(READING, &error))?;
    let mut found = Dependents::default();
    for row in &rows {
        let kind: &str = row.get(0);
        let makes: String = row.get(4);
        if kind == "refused" {
            found.refused.push(makes);
            continue;
        }
        let name = qualified(row.get(2), row.get(3))?;
        if let Some(owner) = row.get::<_, Option<String>>(7) {
            let on = if matches!(kind, "rule" | "policy" | "foreign key") { " on" } else { "" };
            found.foreign.push(format!("{kind}{on} {name} of the role {owner}"));
        }
        match kind {
            "view" => {
                found.locks.extend(row.get::<_, Option<String>>(5));
                found.rebinds.push(makes);
            }
            "function" | "rule" | "policy" => found.rebinds.push(makes),
            // They come with the highest level first, and are made the other way round.
            "materialized view" => found.materialized.insert(0, MaterializedView { oid: row.get(1), name }),
            "foreign key" => found.incoming.push(IncomingKey {
                oid: row.get(1),
                child: name,
                name: identifier(row.get::<_, Option<String>>(5).unwrap_or_default())?,
                definition: makes,
                comment: row.get(8),
            }),
            other => {
                return Err(Error::new(
                    ErrorName::Internal,
                    format!("the catalog tells of a dependent {other}"),
                ));
            }
        }
    }
    Ok(found)
}

/// Reads a digest of what hangs on a table and depends on it: two that are the
/// same mean that nobody has changed anything in between.
pub(crate) async fn fingerprint(client: &impl GenericClient, table: u32) -> Result<String> {
    client
        .query_one(FINGERPRINT, &[&table])
        .await
        .map(|row| row.get(0))
        .map_err(|error| failure(READING, &error))
}
