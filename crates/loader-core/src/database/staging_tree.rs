//! The staging table of a partitioned table: partitioned in the same way, so that the
//! load finds each row's partition, with the same bounds.

use tokio_postgres::Transaction;

use super::failure::failure;
use super::staging::{Image, create_like_live};
use crate::catalog;
use crate::error::{Error, ErrorName, Result};
use crate::identifier::QualifiedName;
use crate::publish::refusal;
use crate::succession::Candidate;

const DOING: &str = "creating the partitions of the staging table";

/// Creates a table in the image of a partitioned one, with all its partitions.
///
/// # Errors
/// Those of the database.
pub(crate) async fn create(transaction: &Transaction<'_>, candidate: &Candidate, live: u32) -> Result<()> {
    create_like_live(transaction, &candidate.name, live, Image::Partitioned).await?;
    grow(transaction, candidate, live, &candidate.name).await
}

/// Creates a partition in the image of a live one, with all below it.
///
/// # Errors
/// `GateFailed` when rows that belong into it are elsewhere.
pub(crate) async fn add(
    transaction: &Transaction<'_>,
    candidate: &Candidate,
    live: u32,
    parent: &QualifiedName,
) -> Result<()> {
    let name = catalog::name_of(transaction, live).await?;
    let own = candidate.in_schema(&candidate.provisional(&name.name, live));
    create_like_live(transaction, &own, live, Image::Partitioned).await?;
    let bound: String = transaction
        .query_one("select pg_get_expr(relpartbound, oid) from pg_catalog.pg_class where oid = $1", &[&live])
        .await
        .map_err(|error| failure(DOING, &error))?
        .get(0);
    transaction
        .batch_execute(&format!("alter table {parent} attach partition {own} {bound}"))
        .await
        .map_err(|error| refusal::of_rows(&format!("the partition {}", name.name), &error))?;
    grow(transaction, candidate, live, &own).await
}

async fn grow(
    transaction: &Transaction<'_>,
    candidate: &Candidate,
    live: u32,
    own: &QualifiedName,
) -> Result<()> {
    let rows = transaction
        .query(
            "select inhrelid::oid from pg_catalog.pg_inherits where inhparent = $1 order by inhrelid",
            &[&live],
        )
        .await
        .map_err(|error| failure(DOING, &error))?;
    for row in rows {
        Box::pin(add(transaction, candidate, row.get(0), own)).await?;
    }
    Ok(())
}

/// Checks that a definition has left the columns as they are, since the partitioned
/// table stays.
///
/// # Errors
/// `LiveNotReplaceable`, naming the columns that differ.
pub(crate) async fn check_columns(
    transaction: &Transaction<'_>,
    candidate: &Candidate,
    live: u32,
) -> Result<()> {
    let changed: Option<String> = transaction
        .query_one(
            "select string_agg(distinct quote_ident(coalesce(own.attname, live.attname)), ', ')
               from (select * from pg_catalog.pg_attribute
                      where attrelid = $1 and attnum > 0 and not attisdropped) as live
               full join (select * from pg_catalog.pg_attribute
                           where attrelid = to_regclass($2) and attnum > 0 and not attisdropped) as own
                 on own.attname = live.attname and own.atttypid = live.atttypid and own.atttypmod = live.atttypmod
              where own.attname is null or live.attname is null",
            &[&live, &candidate.name.to_string()],
        )
        .await
        .map_err(|error| failure(DOING, &error))?
        .get(0);
    let Some(changed) = changed else { return Ok(()) };
    Err(Error::new(
        ErrorName::LiveNotReplaceable,
        format!(
            "the definition changes columns of a partitioned table, which stays when its partitions are exchanged: {changed}; change them on the live table first, or drop them from the definition"
        ),
    ))
}
