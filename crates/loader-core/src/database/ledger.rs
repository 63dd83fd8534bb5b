//! The ledger: one row for every listed object, written in the transaction that
//! loads its rows.

use std::collections::HashMap;

use tokio_postgres::GenericClient;
use tokio_postgres::types::{Json, Type};

use super::failure::failure;
use super::rejects::{self, Reject};
use crate::definition::dialect::Dialect;
use crate::error::{Error, ErrorName, Result};
use crate::source::ObjectVersion;

/// What a claim came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claimed {
    /// The places of the objects that are to be loaded now.
    pub mine: Vec<usize>,
    /// How many of the others are loaded already.
    pub already_loaded: u64,
    /// How many of the others have failed in this attempt; they are not tried
    /// again before the next.
    pub already_failed: u64,
}

/// Claims objects inside the load's transaction.
///
/// A claim that another Lambda holds makes this wait until that Lambda has
/// committed or gone: the same batch delivered twice at once loads once. The
/// claims are made in the order of the keys, so that two of them can't deadlock.
///
/// # Errors
/// `ObjectChanged` when another version of a key is in staging: only a
/// new plan can put that right.
pub async fn claim(
    client: &impl GenericClient,
    run_id: &str,
    attempt: i32,
    batch: i32,
    objects: &[&ObjectVersion],
) -> Result<Claimed> {
    let doing = "claiming objects";
    let keys: Vec<&str> = objects.iter().map(|object| object.key.as_str()).collect();
    let etags: Vec<&str> = objects.iter().map(|object| object.etag.as_str()).collect();
    let versions: Vec<Option<&str>> = objects.iter().map(|object| object.version_id.as_deref()).collect();
    let sizes: Vec<i64> = objects.iter().map(|object| size(object)).collect();
    let claimed = client
        .query_typed(
            "insert into loader.object as held
                    (run_id, key, etag, version_id, size_bytes, batch, attempt, state)
             select $1, planned.key, planned.etag, planned.version_id, planned.size, $2, $3, 'loaded'
               from unnest($4::text[], $5::text[], $6::text[], $7::bigint[]) as planned (key, etag, version_id, size)
              order by planned.key
             on conflict (run_id, key) do update
                set etag = excluded.etag, version_id = excluded.version_id, size_bytes = excluded.size_bytes,
                    batch = excluded.batch, attempt = excluded.attempt, state = excluded.state, rejects = 0,
                    reason = null, error_name = null, error_message = null, error_line = null,
                    error_column = null, sqlstate = null, started_at = clock_timestamp(), finished_at = null
              where held.state = 'failed' and held.attempt < excluded.attempt
             returning key",
            &[
                (&run_id, Type::TEXT),
                (&batch, Type::INT4),
                (&attempt, Type::INT4),
                (&keys, Type::TEXT_ARRAY),
                (&etags, Type::TEXT_ARRAY),
                (&versions, Type::TEXT_ARRAY),
                (&sizes, Type::INT8_ARRAY),
            ],
        )
        .await
        .map_err(|error| failure(doing, &error))?;
    let mut positions: HashMap<&str, usize> = keys.iter().enumerate().map(|(at, key)| (*key, at)).collect();
    let mut mine: Vec<usize> =
        claimed.iter().filter_map(|row| positions.remove(row.get::<_, &str>(0))).collect();
    mine.sort_unstable();
    let mut outcome = Claimed { mine, ..Claimed::default() };
    if positions.is_empty() {
        return Ok(outcome);
    }
    let others: Vec<&str> = positions.into_keys().collect();
    let held = client
        .query(
            "select held.key, held.state, held.etag = planned.etag
               from loader.object as held
               join unnest($2::text[], $3::text[]) as planned (key, etag) on planned.key = held.key
              where held.run_id = $1 and held.key = any($4)",
            &[&run_id, &keys, &etags, &others],
        )
        .await
        .map_err(|error| failure(doing, &error))?;
    for row in held {
        let (key, state, is_same): (&str, &str, bool) = (row.get(0), row.get(1), row.get(2));
        match state {
            "loaded" if !is_same => {
                return Err(Error::new(
                    ErrorName::ObjectChanged,
                    format!("another version of the object {key} has been loaded by this run"),
                ));
            }
            "loaded" => outcome.already_loaded += 1,
            _ => outcome.already_failed += 1,
        }
    }
    Ok(outcome)
}

/// What a load made of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The key.
    pub key: String,
    /// The rows.
    pub rows: u64,
    /// The rows that were rejected.
    pub rejects: u64,
    /// `aws_s3` or `stream`.
    pub engine: &'static str,
    /// Why that engine, and what was found out about the object.
    pub reason: String,
    /// How its records were read, where some were rejected: what their texts mean.
    pub dialect: Option<Dialect>,
    /// Its header, if it has one and some were rejected.
    pub header: Option<Vec<String>>,
}

/// Completes claims, still inside the load's transaction.
///
/// # Errors
/// Those of the database.
pub async fn complete(client: &impl GenericClient, run_id: &str, loaded: &[Loaded]) -> Result<()> {
    let keys: Vec<&str> = loaded.iter().map(|object| object.key.as_str()).collect();
    let rows: Vec<i64> = loaded.iter().map(|object| i64::try_from(object.rows).unwrap_or(i64::MAX)).collect();
    let engines: Vec<&str> = loaded.iter().map(|object| object.engine).collect();
    let reasons: Vec<&str> = loaded.iter().map(|object| object.reason.as_str()).collect();
    let rejects: Vec<i64> =
        loaded.iter().map(|object| i64::try_from(object.rejects).unwrap_or(i64::MAX)).collect();
    let dialects: Vec<Option<Json<&Dialect>>> =
        loaded.iter().map(|object| object.dialect.as_ref().map(Json)).collect();
    let headers: Vec<Option<Json<&Vec<String>>>> =
        loaded.iter().map(|object| object.header.as_ref().map(Json)).collect();
    // Each row is looked up by itself, which `offset` demands: of a ledger that nobody has
    // analyzed the planner thinks that a run has next to no rows, and reads all of them.
    let completed = client
        .execute_typed(
            "update loader.object as held
                set rows = done.rows, rejects = done.rejects, engine = done.engine,
                    reason = concat_ws('; ', done.reason,
                        (select 'loaded as a whole: ' || unsplit.reason from loader.unsplit
                          where (unsplit.run_id, unsplit.key, unsplit.etag) = (held.run_id, held.key, held.etag))),
                    dialect = done.dialect, header = done.header, finished_at = clock_timestamp()
               from unnest($2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::jsonb[], $8::jsonb[])
                 as done (key, rows, rejects, engine, reason, dialect, header)
              cross join lateral (
                    select ctid from loader.object where run_id = $1 and key = done.key offset 0) as its
              where held.ctid = its.ctid",
            &[
                (&run_id, Type::TEXT),
                (&keys, Type::TEXT_ARRAY),
                (&rows, Type::INT8_ARRAY),
                (&rejects, Type::INT8_ARRAY),
                (&engines, Type::TEXT_ARRAY),
                (&reasons, Type::TEXT_ARRAY),
                (&dialects, Type::JSONB_ARRAY),
                (&headers, Type::JSONB_ARRAY),
            ],
        )
        .await
        .map_err(|error| failure("completing the ledger", &error))?;
    if completed == loaded.len() as u64 {
        Ok(())
    } else {
        Err(Error::new(ErrorName::Internal, "the ledger lost a claim inside its own transaction"))
    }
}

/// Records that an object can't be loaded, and why, with the first of its `rejected`
/// rows; one that is loaded stays so.
///
/// # Errors
/// Those of the database.
pub async fn fail(
    client: &impl GenericClient,
    (run_id, attempt, batch): (&str, i32, i32),
    object: &ObjectVersion,
    error: &Error,
    rejected: u64,
    first: &[Reject],
) -> Result<()> {
    let place = error.place.as_deref();
    let line = place.and_then(|place| place.line).and_then(|line| i64::try_from(line).ok());
    let column = place.and_then(|place| place.column.as_deref());
    let recorded = client
        .execute(
            "insert into loader.object as held
                    (run_id, key, etag, version_id, size_bytes, batch, attempt, state,
                     error_name, error_message, error_line, error_column, sqlstate, rejects, finished_at)
             values ($1, $2, $3, $4, $5, $6, $7, 'failed', $8, $9, $10, $11, $12, $13, clock_timestamp())
             on conflict (run_id, key) do update
                set etag = excluded.etag, version_id = excluded.version_id, size_bytes = excluded.size_bytes,
                    batch = excluded.batch, attempt = excluded.attempt, state = excluded.state,
                    error_name = excluded.error_name, error_message = excluded.error_message,
                    error_line = excluded.error_line, error_column = excluded.error_column,
                    sqlstate = excluded.sqlstate, rejects = excluded.rejects, finished_at = excluded.finished_at
              where held.state = 'failed'",
            &[
                &run_id,
                &object.key,
                &object.etag,
                &object.version_id,
                &size(object),
                &batch,
                &attempt,
                &error.name.as_str(),
                &error.message,
                &line,
                &column,
                &error.sqlstate,
                &i64::try_from(rejected).unwrap_or(i64::MAX),
            ],
        )
        .await
        .map_err(|error| failure("recording a failed object", &error))?;
    if recorded == 0 {
        return Ok(());
    }
    rejects::forget(client, run_id, &[&object.key]).await?;
    rejects::keep(client, run_id, object, first).await
}

/// Takes back claims of objects that turned out not to be loadable, inside the
/// load's transaction.
///
/// # Errors
/// Those of the database.
pub async fn unclaim(client: &impl GenericClient, run_id: &str, keys: &[&str]) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    client
        .execute("delete from loader.object where run_id = $1 and key = any($2)", &[&run_id, &keys])
        .await
        .map(|_| ())
        .map_err(|error| failure("taking back claims", &error))
}

/// Records skipped objects with their reasons.
///
/// # Errors
/// Those of the database.
pub async fn skip(
    client: &impl GenericClient,
    run_id: &str,
    attempt: i32,
    skipped: &[(ObjectVersion, String)],
) -> Result<()> {
    if skipped.is_empty() {
        return Ok(());
    }
    let keys: Vec<&str> = skipped.iter().map(|(object, _)| object.key.as_str()).collect();
    let etags: Vec<&str> = skipped.iter().map(|(object, _)| object.etag.as_str()).collect();
    let sizes: Vec<i64> = skipped.iter().map(|(object, _)| size(object)).collect();
    let reasons: Vec<&str> = skipped.iter().map(|(_, reason)| reason.as_str()).collect();
    client
        .execute(
            "insert into loader.object (run_id, key, etag, size_bytes, attempt, state, reason, finished_at)
             select $1, planned.key, planned.etag, planned.size, $2, 'skipped', planned.reason, clock_timestamp()
               from unnest($3::text[], $4::text[], $5::bigint[], $6::text[]) as planned (key, etag, size, reason)
             on conflict (run_id, key) do nothing",
            &[&run_id, &attempt, &keys, &etags, &sizes, &reasons],
        )
        .await
        .map(|_| ())
        .map_err(|error| failure("recording skipped objects", &error))
}

/// Forgets what a new plan decides anew: skipped and failed objects, with their
/// rejects.
///
/// # Errors
/// Those of the database.
pub async fn forget_unloaded(client: &impl GenericClient, run_id: &str) -> Result<()> {
    client
        .execute(
            "with forgotten as (
                 delete from loader.object where run_id = $1 and state <> 'loaded' returning key)
             delete from loader.rejected_row as rejected using forgotten
              where rejected.run_id = $1 and rejected.key = forgotten.key",
            &[&run_id],
        )
        .await
        .map(|_| ())
        .map_err(|error| failure("clearing the ledger", &error))
}

/// Returns whether any object of the run has been loaded.
///
/// # Errors
/// Those of the database.
pub async fn has_loaded(client: &impl GenericClient, run_id: &str) -> Result<bool> {
    client
        .query_one(
            "select exists (select from loader.object where run_id = $1 and state = 'loaded')",
            &[&run_id],
        )
        .await
        .map(|row| row.get(0))
        .map_err(|error| failure("reading the ledger", &error))
}

/// Returns key and etag of those keys that have been loaded.
///
/// # Errors
/// Those of the database.
pub async fn loaded_among(
    client: &impl GenericClient,
    run_id: &str,
    keys: &[&str],
) -> Result<HashMap<String, String>> {
    let rows = client
        .query(
            "select key, etag from loader.object where run_id = $1 and state = 'loaded' and key = any($2)",
            &[&run_id, &keys],
        )
        .await
        .map_err(|error| failure("reading the ledger", &error))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// What the ledger adds up to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Objects that are loaded.
    pub loaded: u64,
    /// Objects that are skipped.
    pub skipped: u64,
    /// Objects that failed.
    pub failed: u64,
    /// Rows of the loaded objects.
    pub rows: u64,
    /// Rows of the loaded objects that were rejected.
    pub rejects: u64,
    /// Rows that were rejected of all objects, the failed ones counted.
    pub rejects_of_all: u64,
    /// Failed objects for which a new plan may be the cure.
    pub replannable: u64,
}

/// Adds up the ledger of a run.
///
/// # Errors
/// Those of the database.
pub async fn totals(client: &impl GenericClient, run_id: &str) -> Result<Totals> {
    let row = client
        .query_one(
            "select count(*) filter (where state = 'loaded'),
                    count(*) filter (where state = 'skipped'),
                    count(*) filter (where state = 'failed'),
                    coalesce(sum(rows) filter (where state = 'loaded'), 0)::bigint,
                    count(*) filter (where state = 'failed' and error_name = any($2)),
                    coalesce(sum(rejects) filter (where state = 'loaded'), 0)::bigint,
                    coalesce(sum(rejects), 0)::bigint
               from loader.object where run_id = $1",
            &[&run_id, &retryable_names()],
        )
        .await
        .map_err(|error| failure("adding up the ledger", &error))?;
    let number = |at: usize| u64::try_from(row.get::<_, i64>(at)).unwrap_or_default();
    Ok(Totals {
        loaded: number(0),
        skipped: number(1),
        failed: number(2),
        rows: number(3),
        replannable: number(4),
        rejects: number(5),
        rejects_of_all: number(6),
    })
}

/// An object that failed, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedObject {
    /// The key.
    pub key: String,
    /// The name of the error.
    pub error_name: String,
    /// The sentence.
    pub error_message: String,
    /// The physical line.
    pub line: Option<i64>,
    /// The column.
    pub column: Option<String>,
}

/// Returns the first failed objects, in the order of their keys.
///
/// # Errors
/// Those of the database.
pub async fn first_failed(client: &impl GenericClient, run_id: &str, most: i64) -> Result<Vec<FailedObject>> {
    let rows = client
        .query(
            "select key, error_name, error_message, error_line, error_column
               from loader.object where run_id = $1 and state = 'failed' order by key limit $2",
            &[&run_id, &most],
        )
        .await
        .map_err(|error| failure("reading the ledger", &error))?;
    Ok(rows
        .iter()
        .map(|row| FailedObject {
            key: row.get(0),
            error_name: row.get(1),
            error_message: row.get(2),
            line: row.get(3),
            column: row.get(4),
        })
        .collect())
}

fn retryable_names() -> Vec<&'static str> {
    ErrorName::ALL
        .iter()
        .filter(|name| name.class() != crate::error::Class::Permanent)
        .map(|name| name.as_str())
        .collect()
}

fn size(object: &ObjectVersion) -> i64 {
    i64::try_from(object.size).unwrap_or(i64::MAX)
}
