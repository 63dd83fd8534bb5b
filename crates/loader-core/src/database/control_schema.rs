//! The schemas and control tables that the loader keeps in the database.

use tokio_postgres::{Client, Transaction};

use super::failure::failure;
use crate::error::Result;
use crate::identifier::{Identifier, QualifiedName};

const CONTROL_SCHEMA: &str = include_str!("../../sql/control_schema.sql");
const JUDGE_ROWS: &str = include_str!("../../sql/judge_rows.sql");

/// The schemas that a table moves through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// `dataimport`: tables that are being loaded.
    Staging,
    /// `public`: what readers read.
    Live,
    /// `databackup`: the versions before.
    Backup,
}

impl Schema {
    /// Returns the schema's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Staging => "dataimport",
            Self::Live => "public",
            Self::Backup => "databackup",
        }
    }

    /// Names a table in the schema.
    #[must_use]
    pub fn table(self, name: &Identifier) -> QualifiedName {
        QualifiedName::new(Identifier::of_static(self.as_str()), name.clone())
    }
}

/// Serialises two first runs: `create … if not exists` alone can still collide
/// in the catalog. The lock ends with the transaction, so poolers and failovers
/// don't matter. The number is arbitrary and only has to stay the same.
const CREATION_LOCK: &str = "select pg_advisory_xact_lock(7305808869235)";

/// Creates the schemas and control tables that are not there yet.
///
/// # Errors
/// `DatabaseRejected` when the role may not create schemas.
pub async fn ensure(client: &mut Client) -> Result<()> {
    let doing = "creating the loader's schemas";
    let transaction = client.transaction().await.map_err(|error| failure(doing, &error))?;
    ensure_within(&transaction).await?;
    transaction.commit().await.map_err(|error| failure(doing, &error))
}

/// Creates what is not there yet, as a part of a transaction: it is there until that is
/// rolled back.
///
/// # Errors
/// `DatabaseRejected` when the role may not create schemas.
pub(crate) async fn ensure_within(transaction: &Transaction<'_>) -> Result<()> {
    let doing = "creating the loader's schemas";
    // Read first: a role that may not create anything can still run once somebody
    // else has created the schemas.
    let complete: bool = transaction
        .query_one(
            "select to_regclass('loader.pace_change') is not null
                and to_regproc('loader.judge_columns') is not null
                and to_regnamespace('dataimport') is not null
                and to_regnamespace('databackup') is not null
                and exists (select 1 from pg_attribute
                             where attrelid = to_regclass('loader.rejected_row') and attname = 'replayed_by')",
            &[],
        )
        .await
        .map_err(|error| failure(doing, &error))?
        .get(0);
    if !complete {
        // Whoever has waited here finds that nothing is left to do.
        for statements in [CREATION_LOCK, CONTROL_SCHEMA, JUDGE_ROWS] {
            transaction.batch_execute(statements).await.map_err(|error| failure(doing, &error))?;
        }
    }
    Ok(())
}
