//! Patience with those who read the live table: short waits, many tries, and the
//! names of those in the way when all is in vain.

use std::time::Duration;

use tokio_postgres::{Client, Transaction};

use super::PublishSettings;
use crate::database::control_schema::Schema;
use crate::database::failure::failure;
use crate::error::{Error, ErrorName, Result};
use crate::identifier::Identifier;

/// How long the first tries wait for their locks, in milliseconds. While a try
/// waits, whoever comes to read waits behind it.
const SHORTEST_WAIT_MS: u64 = 25;
/// After so many tries the wait doubles, for tables whose readers all take long.
const TRIES_OF_ONE_WAIT: u32 = 10;
/// How long an autovacuum gets to give way, in milliseconds.
const AFTER_DEADLOCK_TIMEOUT_MS: u64 = 1_000;
/// The longest pause between two tries, in milliseconds.
const LONGEST_PAUSE_MS: u64 = 5_000;

/// Tries until the locks are had, at most as often as the settings say.
///
/// # Errors
/// Those of the attempt; `DatabaseBusy` with those who hold the tables, after the
/// last one.
pub(crate) async fn with_patience<T>(
    client: &mut Client,
    settings: &PublishSettings,
    tables: &[Identifier],
    attempt: impl AsyncFn(&mut Client, Duration) -> Result<T>,
) -> Result<T> {
    let mut tries = 0;
    loop {
        let lock_timeout = wait(tries, settings.lock_timeout_ms);
        tries += 1;
        tracing::debug!(tries, lock_timeout_ms = lock_timeout.as_millis(), "a try begins");
        match attempt(client, lock_timeout).await {
            Err(error) if error.name == ErrorName::DatabaseBusy && tries < settings.attempts => {
                tracing::debug!(tries, %error, "the live table is in use: trying again");
                tokio::time::sleep(pause(tries)).await;
            }
            Err(error) if error.name == ErrorName::DatabaseBusy => {
                return Err(with_holders(client, tables, error, tries).await);
            }
            outcome => {
                if tries > 1 {
                    tracing::info!(tries, "the live table was in use");
                }
                return outcome;
            }
        }
    }
}

/// Sets how long the transaction waits for locks that hold up no reader.
///
/// At least so long that an autovacuum gives way: the server asks it to when
/// somebody has waited for `deadlock_timeout`, and a shorter wait would fail as
/// long as it runs, for hours on a large table.
pub(crate) async fn outwait_autovacuum(transaction: &Transaction<'_>, at_least_ms: u64) -> Result<()> {
    transaction
        .batch_execute(&format!(
            "select pg_catalog.set_config(
                        'lock_timeout', greatest({at_least_ms}, setting::bigint + {AFTER_DEADLOCK_TIMEOUT_MS})::text, true)
               from pg_catalog.pg_settings where name = 'deadlock_timeout'"
        ))
        .await
        .map_err(|error| failure("setting the lock timeout", &error))
}

/// Returns how long a try waits for its locks: 25 ms ten times, then twice that,
/// and so on up to the limit.
fn wait(tries: u32, limit_ms: u64) -> Duration {
    let doubled = SHORTEST_WAIT_MS << (tries / TRIES_OF_ONE_WAIT).min(16);
    Duration::from_millis(doubled.min(limit_ms.max(1)))
}

/// Pauses longer after each try: 0.2, 0.4, … at most 5 seconds.
fn pause(tries: u32) -> Duration {
    Duration::from_millis((100 << tries.min(6)).min(LONGEST_PAUSE_MS))
}

/// Adds who holds the tables, or what depends on them.
async fn with_holders(client: &Client, tables: &[Identifier], mut error: Error, tries: u32) -> Error {
    let names: Vec<String> = tables.iter().map(|table| Schema::Live.table(table).to_string()).collect();
    let holders = client
        .query_opt(
            "select string_agg(distinct format('pid %s (%s, %s, since %s)', pid, coalesce(nullif(application_name, ''), usename),
                                               state, to_char(xact_start at time zone 'UTC', 'HH24:MI:SS \"UTC\"')), '; ')
               from pg_stat_activity
              where pid <> pg_backend_pid()
                and pid in (select pid from pg_locks
                             where granted and database = (select oid from pg_database where datname = current_database())
                               and relation in (
                                   select to_regclass(name) from unnest($1::text[]) as name
                                   union
                                   select relid from unnest($1::text[]) as name cross join pg_partition_tree(to_regclass(name))
                                   union
                                   select relid from unnest($1::text[]) as name cross join pg_partition_ancestors(to_regclass(name)) as relid
                                   union
                                   select conrelid from pg_constraint
                                    where contype = 'f' and confrelid in (select to_regclass(name) from unnest($1::text[]) as name)
                                   union
                                   select w.ev_class from pg_depend d join pg_rewrite w on w.oid = d.objid
                                    where d.classid = 'pg_rewrite'::regclass
                                      and d.refobjid in (select to_regclass(name) from unnest($1::text[]) as name)))",
            &[&names],
        )
        .await
        .ok()
        .flatten()
        .and_then(|row| row.get::<_, Option<String>>(0))
        .unwrap_or_else(|| "nobody by now".to_owned());
    error.message = format!("{}; tried {tries} times; the table is held by {holders}", error.message);
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_wait_shortly_at_first_and_never_longer_than_the_limit() {
        assert_eq!([0, 9, 10, 25, 500].map(|tries| wait(tries, 1_000).as_millis()), [25, 25, 50, 100, 1_000]);
        assert_eq!(wait(0, 5).as_millis(), 5);
        assert_eq!([1, 2, 6, 60].map(|tries| pause(tries).as_millis()), [200, 400, 5_000, 5_000]);
    }
}
