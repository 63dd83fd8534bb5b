//! The lease on a table: one run at a time, and none for ever.
//!
//! A row with an expiry, not a session lock: session locks are lost in a failover
//! and get in the way of poolers.

use std::time::Duration;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, GenericClient};

use super::connect::WITHOUT_WAITING;
use super::failure::failure;
use crate::error::{Error, ErrorName, Result};
use crate::identifier::Identifier;

/// Takes the table for the run, or prolongs what the run holds already. An
/// expired lease is taken over; the id of the run that held it is returned.
///
/// # Errors
/// `TableBusy`, naming the run that holds the table and until when.
pub async fn acquire(
    client: &impl GenericClient,
    table: &Identifier,
    run_id: &str,
    lasts: Duration,
) -> Result<Option<String>> {
    let doing = "taking the lease";
    let before = client
        .query_opt("select run_id from loader.lease where table_name = $1 for update", &[&table.as_str()])
        .await
        .map_err(|error| failure(doing, &error))?
        .map(|row| row.get::<_, String>(0));
    let taken = client
        .query_opt(
            "insert into loader.lease as held (table_name, run_id, expires_at)
             values ($1, $2, clock_timestamp() + make_interval(secs => $3))
             on conflict (table_name) do update
                set run_id = excluded.run_id,
                    expires_at = excluded.expires_at,
                    acquired_at = case when held.run_id = excluded.run_id then held.acquired_at else clock_timestamp() end
                where held.run_id = excluded.run_id or held.expires_at <= clock_timestamp()
             returning run_id",
            &[&table.as_str(), &run_id, &lasts.as_secs_f64()],
        )
        .await
        .map_err(|error| failure(doing, &error))?;
    if taken.is_some() {
        return Ok(before.filter(|holder| holder != run_id));
    }
    let (holder, until) = client
        .query_opt(
            "select run_id, to_char(expires_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS \"UTC\"')
               from loader.lease where table_name = $1",
            &[&table.as_str()],
        )
        .await
        .map_err(|error| failure(doing, &error))?
        .map_or_else(|| (String::new(), String::new()), |row| (row.get(0), row.get(1)));
    Err(Error::new(
        ErrorName::TableBusy,
        format!(
            "the table {table} is being loaded by run {holder}; wait for it to end, or, if it died, until its lease expires at {until}"
        ),
    ))
}

/// What prolongs the lease of table `$1` that run `$2` holds, by `$3` seconds.
const PROLONG: &str = "update loader.lease
      set expires_at = greatest(expires_at, clock_timestamp() + make_interval(secs => $3))
    where table_name = $1 and run_id = $2 and expires_at > clock_timestamp()";

/// Prolongs the lease that the run holds.
///
/// # Errors
/// `LeaseLost` when it has expired or is another run's.
pub async fn renew(
    client: &impl GenericClient,
    table: &Identifier,
    run_id: &str,
    lasts: Duration,
) -> Result<()> {
    let renewed = client
        .execute(PROLONG, &[&table.as_str(), &run_id, &lasts.as_secs_f64()])
        .await
        .map_err(|error| failure("prolonging the lease", &error))?;
    if renewed == 0 { Err(lost(run_id)) } else { Ok(()) }
}

/// Does the same as a transaction of its own, and does not wait for the disk: the log has the
/// rows that are being loaded, and all of it would be waited for. If a crash takes it back,
/// the lease ends when it would have without it.
///
/// # Errors
/// As [`renew`].
pub async fn renew_while_loading(
    client: &Client,
    table: &Identifier,
    run_id: &str,
    lasts: Duration,
) -> Result<()> {
    let renewed = client
        .query_typed_opt(
            &format!("{PROLONG} returning {WITHOUT_WAITING}"),
            &[(&table.as_str(), Type::TEXT), (&run_id, Type::TEXT), (&lasts.as_secs_f64(), Type::FLOAT8)],
        )
        .await
        .map_err(|error| failure("prolonging the lease", &error))?;
    if renewed.is_some() { Ok(()) } else { Err(lost(run_id)) }
}

/// Gives the table back, if the run still holds it.
///
/// # Errors
/// Those of the database.
pub async fn release(client: &impl GenericClient, run_id: &str) -> Result<()> {
    client
        .execute("delete from loader.lease where run_id = $1", &[&run_id])
        .await
        .map(|_| ())
        .map_err(|error| failure("releasing the lease", &error))
}

/// Checks that the run still holds its table and that `attempt` is its newest
/// plan: what a late Lambda of a dead or older run fails on.
///
/// # Errors
/// `LeaseLost`.
pub async fn check(client: &impl GenericClient, run_id: &str, attempt: i32) -> Result<()> {
    let held = client
        .query_typed_opt(
            "select 1
               from loader.run
               join loader.lease using (table_name, run_id)
              where run_id = $1 and state = 'loading' and attempt = $2 and expires_at > clock_timestamp()",
            &[(&run_id, Type::TEXT), (&attempt, Type::INT4)],
        )
        .await
        .map_err(|error| failure("checking the lease", &error))?;
    if held.is_some() { Ok(()) } else { Err(lost(run_id)) }
}

/// The error of a run that no longer holds its table.
#[must_use]
pub fn lost(run_id: &str) -> Error {
    Error::new(
        ErrorName::LeaseLost,
        format!("run {run_id} no longer holds the table, or has a newer plan; nothing was written"),
    )
}
