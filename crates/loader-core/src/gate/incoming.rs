//! The gate on foreign keys of other tables: their rows must find theirs in the
//! loaded table.

use tokio_postgres::Client;

use super::foreign_key::{self, ForeignKey, Path};
use super::{GateFigure, Subject, count, first_key, names, refused, see_all_rows};
use crate::database::failure::failure;
use crate::error::Result;
use crate::wording::counted;

/// Checks that every row of another table that refers to a row of the live table
/// finds one in the staging table.
///
/// Foreign keys that are not validated yet promise nothing about the rows that are
/// there, so they are left out. Those of the table to itself are the staging
/// table's own.
///
/// # Errors
/// Those of the database. A gate that fails is no error: see
/// [`verdict`](super::verdict).
pub async fn check_incoming_keys(client: &mut Client, subject: &Subject<'_>) -> Result<Vec<GateFigure>> {
    check(client, subject, &[Path::Direct, Path::ThroughParent]).await
}

/// Checks the foreign keys that refer to a partition itself, when those to the
/// tables above it are checked there.
///
/// # Errors
/// Those of [`check_incoming_keys`].
pub(crate) async fn check_keys_to_partition(
    client: &mut Client,
    subject: &Subject<'_>,
) -> Result<Vec<GateFigure>> {
    check(client, subject, &[Path::Direct]).await
}

async fn check(client: &mut Client, subject: &Subject<'_>, paths: &[Path]) -> Result<Vec<GateFigure>> {
    let doing = "checking the foreign keys that refer to the table";
    let Some(live) = subject.live else { return Ok(Vec::new()) };
    let transaction =
        client.build_transaction().read_only(true).start().await.map_err(|error| failure(doing, &error))?;
    see_all_rows(&transaction).await?;
    let mut figures = Vec::new();
    for key in foreign_key::incoming(&transaction, live).await? {
        if !paths.contains(&key.path) || !key.validated {
            continue;
        }
        let gate = format!("foreign key {} of {}", key.name, key.child);
        let row = transaction
            .query_one(&query(&key, subject), &[])
            .await
            .map_err(|error| refused(&gate, &error))?;
        let (orphans, first): (u64, Option<String>) = (count(&row, 0), first_key(&row, 1));
        let found = match first {
            None => "every row finds its row".to_owned(),
            Some(first) => format!(
                "{} to rows that were not loaded, the first: {}={first}",
                counted(orphans, "row refers", "rows refer"),
                names(&key.columns)
            ),
        };
        let expected = format!("its rows to find theirs by {}", names(&key.referenced));
        figures.push(GateFigure::new(gate, expected, found, orphans == 0));
    }
    transaction.commit().await.map_err(|error| failure(doing, &error))?;
    Ok(figures)
}

fn query(key: &ForeignKey, subject: &Subject<'_>) -> String {
    // Only rows that found theirs in this partition can lose them with it.
    let here = match subject.live {
        Some(live) if key.path == Path::ThroughParent => {
            format!(" and exists (select from {live} parent where {})", key.matches("parent", "child"))
        }
        _ => String::new(),
    };
    format!(
        "select count(*), min({}) from {} child where {}{here}
            and not exists (select from {} parent where {})",
        key.key("child"),
        subject.successor(&key.child),
        key.refers("child"),
        subject.staging,
        key.matches("parent", "child"),
    )
}
