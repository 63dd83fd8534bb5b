//! The versions of a table: what was live when, and where the kept ones are.

use tokio_postgres::{Client, GenericClient, Transaction};

use super::materialized;
use super::moving::rename_whole;
use crate::catalog;
use crate::database::control_schema::Schema;
use crate::database::failure::failure;
use crate::error::{Error, ErrorName, Result};
use crate::identifier::{Identifier, QualifiedName};
use crate::publish::Strategy;

const RECORDING: &str = "recording the version";

/// How long the end of a version waits for those who still read it; it is tried
/// again after the next publish.
const DROP_TIMEOUT_MS: u64 = 2_000;

/// A version of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    /// Its number, from 1.
    pub(crate) number: i64,
    /// Its rows when it was published.
    pub(crate) rows: i64,
    /// How it became live last: whether the one before is a table or a copy.
    pub(crate) strategy: Strategy,
    /// The table in the backup schema; none of the live one.
    pub(crate) kept: Option<Identifier>,
}

impl Version {
    /// Returns where a kept version is.
    pub(crate) fn place(&self) -> Result<QualifiedName> {
        self.kept.as_ref().map(|kept| Schema::Backup.table(kept)).ok_or_else(|| {
            Error::new(ErrorName::Internal, format!("version {} is not kept anywhere", self.number))
        })
    }
}

/// What becomes live.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Becoming<'a> {
    /// A new version.
    New { run_id: &'a str, rows: u64, objects: u64 },
    /// A version that was live before.
    Again { run_id: &'a str, number: i64 },
}

/// Reads the live version; none if nothing has been published.
pub(crate) async fn live(client: &impl GenericClient, table: &Identifier) -> Result<Option<Version>> {
    find(client, table, "state = 'live'").await
}

/// Reads the version that was live last.
pub(crate) async fn previous(client: &impl GenericClient, table: &Identifier) -> Result<Option<Version>> {
    find(client, table, "state = 'kept'").await
}

/// Reads a kept version.
pub(crate) async fn kept(
    client: &impl GenericClient,
    table: &Identifier,
    number: i64,
) -> Result<Option<Version>> {
    find(client, table, &format!("state = 'kept' and version = {number}")).await
}

async fn find(client: &impl GenericClient, table: &Identifier, which: &str) -> Result<Option<Version>> {
    let row = client
        .query_opt(
            &format!(
                "select version, rows, strategy, kept_table from loader.version
                  where table_name = $1 and {which}
                  order by live_since desc limit 1"
            ),
            &[&table.as_str()],
        )
        .await
        .map_err(|error| failure("looking for the versions of the table", &error))?;
    row.map(|row| {
        Ok(Version {
            number: row.get(0),
            rows: row.get(1),
            strategy: Strategy::parse(row.get(2))?,
            kept: row.get::<_, Option<String>>(3).map(catalog::identifier).transpose()?,
        })
    })
    .transpose()
}

/// Lists the kept versions in words, for a person who asked for another one.
pub(crate) async fn describe_kept(client: &impl GenericClient, table: &Identifier) -> Result<String> {
    client
        .query_one(
            "select coalesce(string_agg(format('%s (%s rows, published %s)', version, rows,
                                               to_char(published_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI \"UTC\"')),
                                        ', ' order by live_since desc), 'none')
               from loader.version where table_name = $1 and state = 'kept'",
            &[&table.as_str()],
        )
        .await
        .map(|row| row.get(0))
        .map_err(|error| failure("looking for the versions of the table", &error))
}

/// Names the place that the live version goes to.
pub(crate) fn backup(table: &Identifier) -> QualifiedName {
    Schema::Backup.table(table)
}

/// Frees the name of the newest backup: the table that has it gets the number of
/// its version behind its name.
pub(crate) async fn shift_backup(transaction: &Transaction<'_>, table: &Identifier) -> Result<()> {
    let newest = backup(table);
    if catalog::find(transaction, &newest).await?.is_none() {
        return Ok(());
    }
    let number: Option<i64> = transaction
        .query_opt(
            "select version from loader.version where table_name = $1 and state = 'kept' and kept_table = $1",
            &[&table.as_str()],
        )
        .await
        .map_err(|error| failure(RECORDING, &error))?
        .map(|row| row.get(0));
    // A table that is none of our versions stays too; nobody but its owner drops it.
    let suffix = number.map_or_else(|| "__other".to_owned(), |number| format!("__v{number}"));
    let name = free_name(transaction, &table.with_suffix(&suffix)).await?;
    rename_whole(transaction, &newest, &name, &suffix).await?;
    transaction
        .execute(
            "update loader.version set kept_table = $2
              where table_name = $1 and state = 'kept' and kept_table = $1",
            &[&table.as_str(), &name.as_str()],
        )
        .await
        .map(|_| ())
        .map_err(|error| failure(RECORDING, &error))
}

async fn free_name(client: &impl GenericClient, wanted: &Identifier) -> Result<Identifier> {
    let mut name = wanted.clone();
    let mut count = 2_u32;
    while catalog::find(client, &Schema::Backup.table(&name)).await?.is_some() {
        name = wanted.with_suffix(&format!("_{count}"));
        count = count.saturating_add(1);
    }
    Ok(name)
}

/// Records that another version is live, and that the one before is kept.
pub(crate) async fn record(
    transaction: &Transaction<'_>,
    table: &Identifier,
    becoming: Becoming<'_>,
    strategy: Strategy,
    replaced: Option<&Identifier>,
) -> Result<()> {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let name = table.as_str();
    let mut before = live(transaction, table).await?.map(|version| version.number);
    let (run_id, kind) = match becoming {
        Becoming::New { run_id, .. } => (run_id, "publish"),
        Becoming::Again { run_id, .. } => (run_id, "rollback"),
    };
    let doing = |error: tokio_postgres::Error| failure(RECORDING, &error);
    match (replaced, before) {
        (None, _) => {
            // Somebody has dropped the live table.
            let gone = "update loader.version set state = 'dropped' where table_name = $1 and state = 'live'";
            transaction.execute(gone, &[&name]).await.map_err(doing)?;
        }
        (Some(kept), Some(_)) => {
            let keep = "update loader.version set state = 'kept', kept_table = $2 where table_name = $1 and state = 'live'";
            transaction.execute(keep, &[&name, &kept.as_str()]).await.map_err(doing)?;
        }
        (Some(kept), None) => {
            // The table is older than the loader: it becomes a version to go back to.
            let first = transaction
                .query_one(
                    "insert into loader.version
                            (table_name, run_id, rows, objects, backup_table, version, strategy, state, kept_table, live_since)
                     select $1, 'before ' || $3, greatest(reltuples, 0)::bigint, 0, null,
                            (select coalesce(max(version), 0) + 1 from loader.version where table_name = $1),
                            $4, 'kept', $2, clock_timestamp()
                       from pg_catalog.pg_class where oid = to_regclass($5)
                     returning version",
                    &[
                        &name,
                        &kept.as_str(),
                        &run_id,
                        &strategy.as_str(),
                        &Schema::Live.table(table).to_string(),
                    ],
                )
                .await
                .map_err(doing)?;
            before = Some(first.get(0));
        }
    }
    let now: i64 = match becoming {
        Becoming::New { rows, objects, .. } => transaction
            .query_one(
                "insert into loader.version
                        (table_name, run_id, rows, objects, backup_table, version, strategy, state, live_since)
                 select $1, $2, $3, $4, $5, coalesce(max(version), 0) + 1, $6, 'live', clock_timestamp()
                   from loader.version where table_name = $1
                 returning version",
                &[
                    &name,
                    &run_id,
                    &number(rows),
                    &number(objects),
                    &replaced.map(backup_text),
                    &strategy.as_str(),
                ],
            )
            .await
            .map_err(doing)?
            .get(0),
        Becoming::Again { number, .. } => {
            transaction
                .execute(
                    "update loader.version
                        set state = 'live', kept_table = null, live_since = clock_timestamp(), strategy = $3
                      where table_name = $1 and version = $2",
                    &[&name, &number, &strategy.as_str()],
                )
                .await
                .map_err(doing)?;
            number
        }
    };
    transaction
        .execute(
            "insert into loader.version_change (table_name, run_id, kind, from_version, to_version, changed_at)
             values ($1, $2, $3, $4, $5, now())",
            &[&name, &run_id, &kind, &before, &now],
        )
        .await
        .map(|_| ())
        .map_err(doing)
}

/// Writes where a kept table is, as people read it.
pub(crate) fn backup_text(kept: &Identifier) -> String {
    format!("{}.{}", Schema::Backup.as_str(), kept.as_str())
}

/// Drops the versions beyond those to keep, and frees other tables of the keys
/// of those that stay. What is in use is left for the next time.
pub(crate) async fn tidy(client: &mut Client, table: &Identifier, keep: u32) {
    if let Err(error) = free_referenced(client, table).await {
        tracing::warn!(table.name = table.as_str(), %error, "a kept version still holds on to a table that it refers to");
    }
    let surplus = client
        .query(
            "select version, kept_table from loader.version
              where table_name = $1 and state = 'kept' and kept_table is not null
              order by live_since desc offset $2",
            &[&table.as_str(), &i64::from(keep)],
        )
        .await;
    let rows = match surplus {
        Ok(rows) => rows,
        Err(error) => {
            tracing::warn!(table.name = table.as_str(), %error, "the versions could not be counted");
            return;
        }
    };
    for row in rows {
        let (number, kept): (i64, String) = (row.get(0), row.get(1));
        if let Err(error) = drop_version(client, table, number, &kept).await {
            tracing::warn!(table.name = table.as_str(), version = number, %error, "an old version stays for now");
        }
    }
}

async fn drop_version(client: &mut Client, table: &Identifier, number: i64, kept: &str) -> Result<()> {
    let doing = "dropping an old version";
    let name = Schema::Backup.table(&catalog::identifier(kept.to_owned())?);
    let transaction = client.transaction().await.map_err(|error| failure(doing, &error))?;
    // A rollback that was given up may have left some.
    materialized::drop_copies(&transaction, &name).await?;
    transaction
        .batch_execute(&format!("set local lock_timeout = {DROP_TIMEOUT_MS}; drop table if exists {name}"))
        .await
        .map_err(|error| {
            let mut refused = failure(doing, &error);
            // 2BP01: what depends on it is named in the detail only.
            if let Some(detail) = error.as_db_error().and_then(|db| db.detail()) {
                refused.message = format!("{}: {}", refused.message, detail.replace('\n', "; "));
            }
            refused
        })?;
    transaction
        .execute(
            "update loader.version set state = 'dropped', kept_table = null where table_name = $1 and version = $2",
            &[&table.as_str(), &number],
        )
        .await
        .map_err(|error| failure(doing, &error))?;
    transaction.commit().await.map_err(|error| failure(doing, &error))
}

/// A kept version must not keep rows of other tables from being deleted: its
/// foreign keys go. A rollback makes them again.
async fn free_referenced(client: &mut Client, table: &Identifier) -> Result<()> {
    let doing = "dropping the foreign keys of a kept version";
    let rows = client
        .query(
            "select format('alter table %I.%I drop constraint %I', n.nspname, c.relname, con.conname)
               from loader.version v
               join pg_catalog.pg_namespace n on n.nspname = 'databackup'
               join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = v.kept_table
               join pg_catalog.pg_constraint con on con.conrelid = c.oid and con.contype = 'f' and con.conparentid = 0
               join pg_catalog.pg_class referred on referred.oid = con.confrelid
              where v.table_name = $1 and v.state = 'kept' and referred.oid <> c.oid
                and referred.relnamespace <> n.oid",
            &[&table.as_str()],
        )
        .await
        .map_err(|error| failure(doing, &error))?;
    for row in rows {
        let statement: String = row.get(0);
        let transaction = client.transaction().await.map_err(|error| failure(doing, &error))?;
        transaction
            .batch_execute(&format!("set local lock_timeout = {DROP_TIMEOUT_MS}; {statement}"))
            .await
            .map_err(|error| failure(doing, &error))?;
        transaction.commit().await.map_err(|error| failure(doing, &error))?;
    }
    Ok(())
}

/// The error of a rollback to a version that is not there.
pub(crate) async fn missing(client: &impl GenericClient, table: &Identifier, wanted: &str) -> Result<Error> {
    let kept = describe_kept(client, table).await?;
    Ok(Error::new(
        ErrorName::NoSuchVersion,
        format!("there is no {wanted} of {table} to go back to; kept versions: {kept}"),
    ))
}
