//! The ledger of the parts of big objects.
//!
//! A part is loaded once, as an object is: its row is inserted in the transaction that
//! loads its rows. Whichever part commits last finds all of them there, and judges
//! whether they are the object: each must end where the next one begins.

mod judge;
mod settle;

use std::collections::HashMap;

use tokio_postgres::types::Json;
use tokio_postgres::{GenericClient, Transaction};

pub use self::judge::{Fate, Outcome, judge};
pub use self::settle::settle;
use super::failure::failure;
use super::rejects::Reject;
use crate::definition::dialect::Dialect;
use crate::error::{Error, ErrorName, Result};
use crate::plan::parts::Part;
use crate::source::ObjectVersion;

/// Who works on a part of which object.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    /// The run.
    pub run_id: &'a str,
    /// The number of the plan.
    pub attempt: i32,
    /// The batch.
    pub batch: i32,
    /// The object.
    pub object: &'a ObjectVersion,
    /// The part.
    pub part: &'a Part,
}

/// What the claim of a part came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// It is to be loaded now.
    Mine,
    /// It is loaded already.
    AlreadyLoaded,
    /// It, or another part of the object, has failed in this attempt.
    AlreadyFailed,
}

/// Where a part begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun {
    /// Where its first record is taken to begin.
    pub first_at: u64,
    /// How many lines the object's header has, and what stands before it.
    pub head_lines: u64,
}

/// Where a part ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Where the first record behind it begins; none if that can't be told without what
    /// is in the part.
    pub end_at: Option<u64>,
    /// How many lines it has.
    pub lines: u64,
}

/// What a load made of a part.
#[derive(Debug, Clone)]
pub struct Loaded<'a> {
    /// Where it begins.
    pub begun: Begun,
    /// Where it ends.
    pub ended: Ended,
    /// Its rows.
    pub rows: u64,
    /// Its records that were rejected.
    pub rejects: u64,
    /// Why its object goes through here.
    pub reason: &'a str,
    /// How its records were read, where some were rejected.
    pub dialect: Option<&'a Dialect>,
    /// The object's header, if it has one and some were rejected.
    pub header: Option<&'a Vec<String>>,
}

/// Claims a part inside the load's transaction. It waits for another one that loads the
/// same part.
///
/// # Errors
/// `ObjectChanged` when another version of the object, or another part of that number,
/// is in staging: only a new plan can put that right.
pub async fn claim(client: &impl GenericClient, work: &Work<'_>) -> Result<Claimed> {
    let doing = "claiming a part";
    let Work { run_id, attempt, batch, object, part } = work;
    let whole = client
        .query_opt(
            "select state, etag = $3 from loader.object
              where run_id = $1 and key = $2 and (state = 'loaded' or state = 'failed' and attempt = $4)",
            &[run_id, &object.key, &object.etag, attempt],
        )
        .await
        .map_err(|error| failure(doing, &error))?;
    if let Some(row) = whole {
        return match (row.get::<_, &str>(0), row.get::<_, bool>(1)) {
            ("loaded", true) => Ok(Claimed::AlreadyLoaded),
            ("loaded", false) => Err(changed(object)),
            _ => Ok(Claimed::AlreadyFailed),
        };
    }
    let (number, of, from, to) = numbers(part);
    let claimed = client
        .query_opt(
            "insert into loader.object_part as held
                    (run_id, key, part, parts, etag, size_bytes, from_byte, to_byte, batch, attempt, state)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'loaded')
             on conflict (run_id, key, part) do update
                set parts = excluded.parts, etag = excluded.etag, size_bytes = excluded.size_bytes,
                    from_byte = excluded.from_byte, to_byte = excluded.to_byte, batch = excluded.batch,
                    attempt = excluded.attempt, state = excluded.state, rejects = 0, first_at = null,
                    end_at = null, is_certain = null, error_name = null, error_message = null,
                    error_line = null, error_column = null, sqlstate = null,
                    started_at = clock_timestamp(), finished_at = null
              where held.state = 'failed' and held.attempt < excluded.attempt
             returning part",
            &[run_id, &object.key, &number, &of, &object.etag, &big(object.size), &from, &to, batch, attempt],
        )
        .await
        .map_err(|error| failure(doing, &error))?;
    if claimed.is_some() {
        return Ok(Claimed::Mine);
    }
    let held = client
        .query_opt(
            "select state, (parts, etag, from_byte, to_byte) = ($4::int, $5::text, $6::bigint, $7::bigint)
               from loader.object_part where run_id = $1 and key = $2 and part = $3",
            &[run_id, &object.key, &number, &of, &object.etag, &from, &to],
        )
        .await
        .map_err(|error| failure(doing, &error))?;
    match held.as_ref().map(|row| (row.get::<_, &str>(0), row.get::<_, bool>(1))) {
        Some(("loaded", true)) => Ok(Claimed::AlreadyLoaded),
        Some(("loaded", false)) => Err(changed(object)),
        _ => Ok(Claimed::AlreadyFailed),
    }
}

fn changed(object: &ObjectVersion) -> Error {
    Error::new(
        ErrorName::ObjectChanged,
        format!(
            "another version of the object {}, or other parts of it, have been loaded by this run",
            object.key
        ),
    )
}

/// Completes a claim, still inside the load's transaction.
///
/// # Errors
/// Those of the database.
pub async fn complete(client: &impl GenericClient, work: &Work<'_>, loaded: &Loaded<'_>) -> Result<()> {
    let completed = client
        .execute(
            "update loader.object_part
                set first_at = $4, end_at = $5, head_lines = $6, lines = $7, rows = $8, rejects = $9,
                    reason = $10, dialect = $11, header = $12, finished_at = clock_timestamp()
              where run_id = $1 and key = $2 and part = $3",
            &[
                &work.run_id,
                &work.object.key,
                &numbers(work.part).0,
                &big(loaded.begun.first_at),
                &loaded.ended.end_at.map(big),
                &big(loaded.begun.head_lines),
                &big(loaded.ended.lines),
                &big(loaded.rows),
                &big(loaded.rejects),
                &loaded.reason,
                &loaded.dialect.map(Json),
                &loaded.header.map(Json),
            ],
        )
        .await
        .map_err(|error| failure("completing the ledger of a part", &error))?;
    if completed == 1 {
        Ok(())
    } else {
        Err(Error::new(ErrorName::Internal, "the ledger lost the claim of a part inside its own transaction"))
    }
}

/// Records that a part can't be loaded, with the first of its `rejects`; one that is
/// loaded stays so. `begun` says where it begins, where the failure depends on that.
///
/// # Errors
/// Those of the database.
pub async fn fail(
    client: &impl GenericClient,
    work: &Work<'_>,
    begun: Option<Begun>,
    error: &Error,
    rejected: u64,
    rejects: &[Reject],
) -> Result<()> {
    let Work { run_id, attempt, batch, object, part } = work;
    let (number, of, from, to) = numbers(part);
    let place = error.place.as_deref();
    let line = place.and_then(|place| place.line).map(big);
    let column = place.and_then(|place| place.column.as_deref());
    let recorded = client
        .execute(
            "insert into loader.object_part as held
                    (run_id, key, part, parts, etag, size_bytes, from_byte, to_byte, batch, attempt, state,
                     first_at, head_lines, rejects, is_certain, error_name, error_message, error_line,
                     error_column, sqlstate, finished_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'failed',
                     $11, $12, $13, $14, $15, $16, $17, $18, $19, clock_timestamp())
             on conflict (run_id, key, part) do update
                set parts = excluded.parts, etag = excluded.etag, size_bytes = excluded.size_bytes,
                    from_byte = excluded.from_byte, to_byte = excluded.to_byte, batch = excluded.batch,
                    attempt = excluded.attempt, first_at = excluded.first_at, head_lines = excluded.head_lines,
                    rejects = excluded.rejects, is_certain = excluded.is_certain,
                    error_name = excluded.error_name, error_message = excluded.error_message,
                    error_line = excluded.error_line, error_column = excluded.error_column,
                    sqlstate = excluded.sqlstate, finished_at = excluded.finished_at
              where held.state = 'failed'",
            &[
                run_id,
                &object.key,
                &number,
                &of,
                &object.etag,
                &big(object.size),
                &from,
                &to,
                batch,
                attempt,
                &begun.map(|begun| big(begun.first_at)),
                &begun.map(|begun| big(begun.head_lines)),
                &big(rejected),
                &begun.is_none(),
                &error.name.as_str(),
                &error.message,
                &line,
                &column,
                &error.sqlstate,
            ],
        )
        .await
        .map_err(|error| failure("recording a failed part", &error))?;
    if recorded == 0 {
        return Ok(());
    }
    client
        .execute(
            "delete from loader.part_reject where run_id = $1 and key = $2 and part = $3",
            &[run_id, &object.key, &number],
        )
        .await
        .map_err(|error| failure("forgetting rejected rows", &error))?;
    super::rejects::keep_of(client, run_id, object, Some(part), rejects).await
}

/// Returns the parts that are loaded of objects that are not, by key.
///
/// # Errors
/// Those of the database.
pub async fn loaded_among(
    client: &impl GenericClient,
    run_id: &str,
    keys: &[&str],
) -> Result<HashMap<String, Vec<(String, Part)>>> {
    let rows = client
        .query(
            "select key, etag, part, parts, from_byte, to_byte from loader.object_part as held
              where run_id = $1 and key = any($2) and state = 'loaded'
                and not exists (select from loader.object as whole
                                 where (whole.run_id, whole.key) = (held.run_id, held.key)
                                   and whole.state = 'loaded')",
            &[&run_id, &keys],
        )
        .await
        .map_err(|error| failure("reading the ledger of parts", &error))?;
    let mut found: HashMap<String, Vec<(String, Part)>> = HashMap::new();
    for row in &rows {
        let part = Part {
            number: u32::try_from(row.get::<_, i32>(2)).unwrap_or_default(),
            of: u32::try_from(row.get::<_, i32>(3)).unwrap_or_default(),
            from: u64::try_from(row.get::<_, i64>(4)).unwrap_or_default(),
            to: u64::try_from(row.get::<_, i64>(5)).unwrap_or_default(),
        };
        found.entry(row.get(0)).or_default().push((row.get(1), part));
    }
    Ok(found)
}

/// Counts the parts that are loaded of objects that are not.
///
/// # Errors
/// Those of the database.
pub async fn count_loaded(client: &impl GenericClient, run_id: &str) -> Result<u64> {
    client
        .query_one(
            "select count(*) from loader.object_part as held
              where run_id = $1 and state = 'loaded'
                and not exists (select from loader.object as whole
                                 where (whole.run_id, whole.key) = (held.run_id, held.key)
                                   and whole.state = 'loaded')",
            &[&run_id],
        )
        .await
        .map(|row| u64::try_from(row.get::<_, i64>(0)).unwrap_or_default())
        .map_err(|error| failure("reading the ledger of parts", &error))
}

/// Forgets the parts that are not loaded, with their rejects.
///
/// # Errors
/// Those of the database.
pub async fn forget_unloaded(client: &impl GenericClient, run_id: &str) -> Result<()> {
    client
        .execute(
            "with forgotten as (
                 delete from loader.object_part where run_id = $1 and state <> 'loaded' returning key, part)
             delete from loader.part_reject as rejected using forgotten
              where rejected.run_id = $1 and (rejected.key, rejected.part) = (forgotten.key, forgotten.part)",
            &[&run_id],
        )
        .await
        .map(|_| ())
        .map_err(|error| failure("clearing the ledger of parts", &error))
}

/// Forgets all parts of a run, with their rejects.
///
/// # Errors
/// Those of the database.
pub async fn forget_all(transaction: &Transaction<'_>, run_id: &str) -> Result<()> {
    for statement in [
        "delete from loader.object_part where run_id = $1",
        "delete from loader.part_reject where run_id = $1",
    ] {
        transaction
            .execute(statement, &[&run_id])
            .await
            .map_err(|error| failure("clearing the ledger of parts", &error))?;
    }
    Ok(())
}

/// Makes the loaded parts of a run, and what is known of its objects, another run's.
///
/// # Errors
/// Those of the database.
pub async fn hand_over(transaction: &Transaction<'_>, from: &str, to: &str) -> Result<()> {
    let doing = |error: tokio_postgres::Error| failure("taking over the parts of a failed run", &error);
    forget_unloaded(transaction, from).await?;
    for statement in [
        "update loader.object_part set run_id = $1 where run_id = $2 and state = 'loaded'",
        "update loader.part_reject set run_id = $1 where run_id = $2",
        "update loader.unsplit set run_id = $1 where run_id = $2",
    ] {
        transaction.execute(statement, &[&to, &from]).await.map_err(doing)?;
    }
    Ok(())
}

/// Records that a big object is loaded as a whole, and why.
///
/// # Errors
/// Those of the database.
pub async fn leave_whole(
    client: &impl GenericClient,
    run_id: &str,
    objects: &[(&ObjectVersion, String)],
) -> Result<()> {
    if objects.is_empty() {
        return Ok(());
    }
    let keys: Vec<&str> = objects.iter().map(|(object, _)| object.key.as_str()).collect();
    let etags: Vec<&str> = objects.iter().map(|(object, _)| object.etag.as_str()).collect();
    let reasons: Vec<&str> = objects.iter().map(|(_, reason)| reason.as_str()).collect();
    client
        .execute(
            "insert into loader.unsplit (run_id, key, etag, reason)
             select $1, key, etag, reason from unnest($2::text[], $3::text[], $4::text[]) as told (key, etag, reason)
             on conflict (run_id, key) do update set etag = excluded.etag, reason = excluded.reason",
            &[&run_id, &keys, &etags, &reasons],
        )
        .await
        .map(|_| ())
        .map_err(|error| failure("recording that objects are loaded as a whole", &error))
}

/// Returns why objects are loaded as a whole, by key, where that was found out at this
/// version of them.
///
/// # Errors
/// Those of the database.
pub async fn left_whole(
    client: &impl GenericClient,
    run_id: &str,
    keys: &[&str],
) -> Result<HashMap<String, String>> {
    let rows = client
        .query("select key, etag from loader.unsplit where run_id = $1 and key = any($2)", &[&run_id, &keys])
        .await
        .map_err(|error| failure("reading which objects are loaded as a whole", &error))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

fn numbers(part: &Part) -> (i32, i32, i64, i64) {
    let small = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    (small(part.number), small(part.of), big(part.from), big(part.to))
}

fn big(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
