//! Partitions of kept versions: they leave the live table as tables of their own, and
//! are attached to the kept one when nobody waits for it.

use tokio_postgres::{Client, GenericClient, Transaction};

use crate::catalog;
use crate::database::control_schema::Schema;
use crate::database::failure::failure;
use crate::error::Result;
use crate::identifier::{Identifier, QualifiedName};

const DOING: &str = "attaching the partitions of a kept version";

/// How long one waits for those who read it; it is tried again after the next
/// publish, and by a rollback.
const ATTACH_TIMEOUT_MS: u64 = 2_000;

/// Attaches what earlier publishes have left, each in a transaction of its own.
///
/// # Errors
/// Those of the database; what was attached before stays so.
pub(crate) async fn attach(client: &mut Client, table: &Identifier) -> Result<()> {
    let doing = |error: tokio_postgres::Error| failure(DOING, &error);
    let rows = client
        .query(
            "select partition, parent, bound from loader.kept_partition
              where table_name = $1 order by bound = 'DEFAULT', partition",
            &[&table.as_str()],
        )
        .await
        .map_err(doing)?;
    for row in rows {
        let (partition, parent) = (place(row.get(0))?, place(row.get(1))?);
        let bound: String = row.get(2);
        let transaction = client.transaction().await.map_err(doing)?;
        forget(&transaction, &partition).await?;
        // Somebody may have dropped either.
        if catalog::find(&transaction, &partition).await?.is_some()
            && catalog::find(&transaction, &parent).await?.is_some()
        {
            transaction
                .batch_execute(&format!(
                    "set local lock_timeout = {ATTACH_TIMEOUT_MS}; alter table {parent} attach partition {partition} {bound}"
                ))
                .await
                .map_err(doing)?;
        }
        transaction.commit().await.map_err(doing)?;
    }
    Ok(())
}

/// Notes that a kept table has another name.
pub(crate) async fn rename_parent(
    transaction: &Transaction<'_>,
    from: &Identifier,
    to: &Identifier,
) -> Result<()> {
    transaction
        .execute(
            "update loader.kept_partition set parent = $2 where parent = $1",
            &[&from.as_str(), &to.as_str()],
        )
        .await
        .map(|_| ())
        .map_err(|error| failure(DOING, &error))
}

/// Drops the partitions of a kept table that are not attached to it.
pub(crate) async fn drop_loose(
    transaction: &Transaction<'_>,
    table: &Identifier,
    kept: &QualifiedName,
) -> Result<()> {
    let doing = |error: tokio_postgres::Error| failure("dropping the partitions of an old version", &error);
    let Some(root) = catalog::find(transaction, kept).await? else { return Ok(()) };
    let rows = transaction
        .query(
            "select partition from loader.kept_partition
              where table_name = $1
                and to_regclass(format('databackup.%I', parent)) = any ($2::oid[]::regclass[])",
            &[&table.as_str(), &catalog::family(transaction, root).await?],
        )
        .await
        .map_err(doing)?;
    for row in rows {
        let partition = place(row.get(0))?;
        forget(transaction, &partition).await?;
        transaction.batch_execute(&format!("drop table if exists {partition}")).await.map_err(doing)?;
    }
    Ok(())
}

async fn forget(client: &impl GenericClient, partition: &QualifiedName) -> Result<()> {
    client
        .execute("delete from loader.kept_partition where partition = $1", &[&partition.name.as_str()])
        .await
        .map(|_| ())
        .map_err(|error| failure(DOING, &error))
}

fn place(name: String) -> Result<QualifiedName> {
    Ok(Schema::Backup.table(&catalog::identifier(name)?))
}
