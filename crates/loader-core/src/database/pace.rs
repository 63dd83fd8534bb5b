//! The pace of a run in the database: the turns of its sessions, what they saw, and what
//! was decided.

use std::time::Duration;

use tokio_postgres::types::{Json, Type};
use tokio_postgres::{Client, GenericClient, Transaction};

use super::connect::WITHOUT_WAITING;
use super::failure::failure;
use crate::error::Result;
use crate::pace::decide::{Decision, Learned, Pace, Seen};
use crate::plan::concurrency::Concurrency;

/// What the advisory locks of a run's slots are keyed by, together with the slot: `$1` is
/// the run. Only this server has to find the same number again.
const CLASS: &str = "hashtext('loader.pace:' || $1)";

/// Says which of `pg_locks` are those of a run's slots that are held.
fn is_held_slot() -> String {
    format!(
        "locktype = 'advisory' and objsubid = 2 and granted
         and database = (select oid from pg_database where datname = current_database())
         and classid = ({CLASS}::bigint & 4294967295)::oid"
    )
}

/// 1 for a group that was begun after the last change, else 0: `$4` is how long it took.
const FRESH: &str = "(clock_timestamp() - make_interval(secs => $4) >= pace.changed_at)::int";

/// Begins the pace of a plan, with the number that it found affordable.
///
/// # Errors
/// Those of the database.
pub async fn begin(
    client: &impl GenericClient,
    run_id: &str,
    attempt: i32,
    planned: &Concurrency,
) -> Result<()> {
    let most = i32::try_from(planned.sessions).unwrap_or(i32::MAX);
    client
        .execute(
            "with begun as (
                 insert into loader.pace as pace (run_id, attempt, most, allowed, reason)
                 values ($1, $2, $3, $3, $4)
                 on conflict (run_id) do update
                    set attempt = excluded.attempt, most = excluded.most, allowed = excluded.allowed,
                        reason = excluded.reason, changed_at = excluded.changed_at, decisions = 0, learned = null,
                        seen_groups = 0, seen_bytes = 0, seen_seconds = 0, seen_sessions = 0,
                        seen_lock_waits = 0, seen_replica_lag = null
                 returning run_id, attempt, allowed, reason)
             insert into loader.pace_change (run_id, attempt, decision, sessions, reason)
             select run_id, attempt, 0, allowed, reason from begun
             on conflict (run_id, attempt, decision) do nothing",
            &[&run_id, &attempt, &most, &planned.reason],
        )
        .await
        .map(|_| ())
        .map_err(|error| failure("recording the plan's concurrency", &error))
}

/// What a session was told that asked whether it may load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// How many may; none if the run, or this plan of it, has no pace.
    pub allowed: Option<u32>,
    /// Whether this one may: it has a slot until its transaction ends.
    pub may: bool,
    /// How many had one already.
    pub others: u32,
    /// Whether this is Aurora, which tells of its replicas in its own way.
    pub is_aurora: bool,
}

/// Asks whether this session may load, as the first statement of its transaction, and
/// takes a slot until that ends. It sets the transaction's time limit on the way, and lets
/// its commit not wait for the disk: a crash may take back the last ones, rows and ledger
/// together, and the gate finds out (`docs/adr/0029-commits-do-not-wait.md`).
///
/// # Errors
/// Those of the database.
pub async fn ask(
    transaction: &Transaction<'_>,
    run_id: &str,
    attempt: i32,
    time_limit: Duration,
) -> Result<Asked> {
    // 0 would be no limit at all.
    let limit = time_limit.as_millis().max(1).to_string();
    let held = is_held_slot();
    // The slots are tried one after another, and none behind the first that is free: the
    // function is volatile, and a function's rows are filtered as they come.
    let statement = format!(
        "select set_config('statement_timeout', $3, true),
                {WITHOUT_WAITING},
                pace.allowed,
                (select count(*)::int from pg_locks where {held}),
                (select slot from generate_series(0, pace.allowed - 1) as slot
                  where pg_try_advisory_xact_lock({CLASS}, slot) limit 1),
                to_regprocedure('aurora_replica_status()') is not null
           from (select 1) as once
           left join loader.pace on pace.run_id = $1 and pace.attempt = $2"
    );
    let row = transaction
        .query_typed_one(&statement, &[(&run_id, Type::TEXT), (&attempt, Type::INT4), (&limit, Type::TEXT)])
        .await
        .map_err(|error| failure("asking whether to load", &error))?;
    let number = |number: i32| u32::try_from(number).unwrap_or_default();
    let allowed = row.get::<_, Option<i32>>(2).map(number);
    Ok(Asked {
        allowed,
        may: allowed.is_none() || row.get::<_, Option<i32>>(4).is_some(),
        others: number(row.get(3)),
        is_aurora: row.get(5),
    })
}

/// Waits for a slot, at most for some time; returns whether it has it and may load.
///
/// Whoever waits queues at the lock, and the queue is kept: one that has just loaded a
/// group stands behind those that wait.
///
/// # Errors
/// Those of the database.
pub async fn wait(transaction: &Transaction<'_>, run_id: &str, slot: u32, most: Duration) -> Result<bool> {
    let doing = "waiting for a turn to load";
    let slot = i32::try_from(slot).unwrap_or(i32::MAX);
    let execute = async |statement: &str| {
        transaction.batch_execute(statement).await.map_err(|error| failure(doing, &error))
    };
    execute(&format!("savepoint turn; set local lock_timeout = {}", most.as_millis().max(1))).await?;
    let locked =
        transaction.execute(&format!("select pg_advisory_xact_lock({CLASS}, $2)"), &[&run_id, &slot]).await;
    match locked {
        Ok(_) => {}
        // lock_not_available: nobody has finished meanwhile.
        Err(error) if error.code().is_some_and(|code| code.code() == "55P03") => {
            execute("rollback to savepoint turn").await?;
            return Ok(false);
        }
        Err(error) => return Err(failure(doing, &error)),
    }
    // There may be fewer slots by now.
    let may: bool = transaction
        .query_one(
            "select coalesce((select allowed > $2 from loader.pace where run_id = $1), true)",
            &[&run_id, &slot],
        )
        .await
        .map_err(|error| failure(doing, &error))?
        .get(0);
    execute(if may {
        "release savepoint turn; set local lock_timeout to default"
    } else {
        "rollback to savepoint turn"
    })
    .await?;
    Ok(may)
}

/// What one session saw while it loaded a group.
#[derive(Debug, Clone, Copy)]
pub struct Observed {
    /// The group's bytes.
    pub bytes: u64,
    /// How long it took, the wait left out.
    pub busy: Duration,
    /// How long the session had waited for its turn.
    pub waited: Duration,
    /// How many other sessions were at work when it began.
    pub others: u32,
    /// Whether this is Aurora.
    pub is_aurora: bool,
}

/// Records what a session saw of the plan's pace, and looks at locks and replicas. Returns
/// the pace and all that has been seen since the last decision; none if the plan is not the
/// run's newest. A transaction of its own, which does not wait for the disk, as it would wait
/// for the group's rows, too.
///
/// # Errors
/// Those of the database.
pub async fn observe(
    client: &Client,
    run_id: &str,
    attempt: i32,
    observed: &Observed,
) -> Result<Option<(i64, Pace, Seen)>> {
    // Who may not see the statistics of others sees nulls there: no lag. The locks are
    // everybody's to see.
    let lag = if observed.is_aurora {
        // Amazon Aurora User Guide, "aurora_replica_status".
        "select max(replica_lag_in_msec)::float8 / 1000 from aurora_replica_status()
          where session_id <> 'MASTER_SESSION_ID'"
    } else {
        "select max(extract(epoch from replay_lag))::float8 from pg_stat_replication where state = 'streaming'"
    };
    let held = is_held_slot();
    // Where others wait, one of them has this session's slot by now: `others` may be all.
    // pg_blocking_pids is asked only of those that have waited for long: it holds up
    // whoever locks meanwhile. Those that wait for a slot do what they are to do.
    let statement = format!(
        "with loading as materialized (
             select array_agg(pid) as pids from pg_locks where {held}
         ), seen as materialized (
             select coalesce(array_length(loading.pids, 1), 0) as others,
                    (select count(*)::int from pg_locks as waiting
                      where not waiting.granted and waiting.locktype <> 'advisory'
                        and waiting.waitstart < clock_timestamp() - interval '1 second'
                        and (waiting.pid = any(loading.pids)
                             or pg_blocking_pids(waiting.pid) && loading.pids)) as lock_waits,
                    ({lag}) as lag
               from loading
         )
         update loader.pace as pace
            set groups = groups + 1, bytes = bytes + $3, busy_seconds = busy_seconds + $4,
                waited_seconds = waited_seconds + $5,
                seen_groups = seen_groups + {FRESH},
                seen_bytes = seen_bytes + {FRESH} * $3,
                seen_seconds = seen_seconds + {FRESH} * $4,
                seen_sessions = seen_sessions
                    + {FRESH} * least(pace.allowed, 1 + (seen.others + $6::float8) / 2),
                seen_lock_waits = greatest(seen_lock_waits, {FRESH} * seen.lock_waits),
                seen_replica_lag = greatest(seen_replica_lag, case {FRESH} when 1 then seen.lag end)
           from seen
          where pace.run_id = $1 and pace.attempt = $2
        returning pace.decisions, pace.most, pace.allowed, pace.learned, pace.seen_groups,
                  pace.seen_bytes, pace.seen_seconds, pace.seen_sessions, pace.seen_lock_waits, pace.seen_replica_lag,
                  {WITHOUT_WAITING}"
    );
    let row = client
        .query_typed_opt(
            &statement,
            &[
                (&run_id, Type::TEXT),
                (&attempt, Type::INT4),
                (&i64::try_from(observed.bytes).unwrap_or(i64::MAX), Type::INT8),
                (&observed.busy.as_secs_f64(), Type::FLOAT8),
                (&observed.waited.as_secs_f64(), Type::FLOAT8),
                (&f64::from(observed.others), Type::FLOAT8),
            ],
        )
        .await
        .map_err(|error| failure("recording the pace", &error))?;
    let Some(row) = row else { return Ok(None) };
    let number = |at: usize| u32::try_from(row.get::<_, i32>(at)).unwrap_or_default();
    // What an older version has learned is learned again.
    let learned: Option<Json<serde_json::Value>> = row.get(3);
    let learned = learned.and_then(|Json(learned)| serde_json::from_value::<Learned>(learned).ok());
    let pace = Pace { most: number(1), allowed: number(2), learned: learned.unwrap_or_default() };
    let groups = number(4);
    #[allow(clippy::cast_precision_loss, reason = "a rate needs no more")]
    let bytes = row.get::<_, i64>(5) as f64;
    let seen = Seen {
        groups,
        bytes,
        seconds: row.get(6),
        sessions: row.get::<_, f64>(7) / f64::from(groups.max(1)),
        lock_waits: number(8),
        replica_lag: row.get(9),
    };
    Ok(Some((row.get(0), pace, seen)))
}

/// Records a decision, unless another session has decided since.
///
/// # Errors
/// Those of the database.
pub async fn decided(
    client: &impl GenericClient,
    (run_id, attempt): (&str, i32),
    (decisions, before, seen): (i64, &Pace, &Seen),
    decision: &Decision,
) -> Result<()> {
    let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    client
        .execute(
            "with decided as (
                 update loader.pace
                    set allowed = least($4, most), reason = $5, learned = $6, decisions = decisions + 1,
                        changed_at = case when allowed = $4 then changed_at else clock_timestamp() end,
                        seen_groups = 0, seen_bytes = 0, seen_seconds = 0, seen_sessions = 0,
                        seen_lock_waits = 0, seen_replica_lag = null
                  where run_id = $1 and attempt = $2 and decisions = $3
                 returning run_id, attempt, decisions, allowed, reason)
             insert into loader.pace_change
                    (run_id, attempt, decision, sessions_before, sessions, reason, groups, mb_per_second,
                     sessions_at_work, lock_waits, replica_lag_seconds)
             select run_id, attempt, decisions, $7, allowed, reason, $8, $9, $10, $11, $12
               from decided where allowed <> $7",
            &[
                &run_id,
                &attempt,
                &decisions,
                &number(decision.pace.allowed),
                &decision.reason,
                &Json(&decision.pace.learned),
                &number(before.allowed),
                &number(seen.groups),
                &(seen.rate() / 1e6),
                &seen.sessions,
                &number(seen.lock_waits),
                &seen.replica_lag,
            ],
        )
        .await
        .map(|_| ())
        .map_err(|error| failure("recording the pace", &error))
}
