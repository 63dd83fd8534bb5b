//! The turns that the sessions of a run take: one loads a group while it has one of the
//! slots that the pace allows, and says afterwards what it saw.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::{Client, Transaction};

use super::group::Assignment;
use crate::database::failure::failure;
use crate::database::pace::{self, Observed};
use crate::error::{Error, ErrorName, Result};
use crate::pace::decide::decide;

/// How long a session waits for one slot before it looks whether there is another one.
const WAIT: Duration = Duration::from_secs(2);

/// What becomes of a session's turns. Its groups load one after another.
#[derive(Debug, Default)]
pub(super) struct Turns {
    waited_ms: AtomicU64,
    others: AtomicU32,
    is_aurora: AtomicBool,
}

impl Turns {
    /// Returns how long the session has waited so far.
    pub(super) fn waited(&self) -> Duration {
        Duration::from_millis(self.waited_ms.load(Ordering::Relaxed))
    }
}

/// Takes a turn, at the beginning of the transaction that loads; it ends with that,
/// whatever becomes of it. The database is to end by itself what runs too long.
///
/// Slot 0 is always there, so that one session goes on.
///
/// # Errors
/// `DeadlineReached` when the time is up before there is a turn; those of the database.
pub(super) async fn take(transaction: &Transaction<'_>, work: &Assignment) -> Result<()> {
    let begun = Instant::now();
    let taken = wait(transaction, work).await;
    let waited = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    work.turns.waited_ms.fetch_add(waited, Ordering::Relaxed);
    taken
}

async fn wait(transaction: &Transaction<'_>, work: &Assignment) -> Result<()> {
    let mut slot = u32::try_from(work.batch).unwrap_or_default();
    loop {
        let asked = pace::ask(transaction, &work.run_id, work.attempt, work.time_left()).await?;
        work.turns.others.store(asked.others, Ordering::Relaxed);
        work.turns.is_aurora.store(asked.is_aurora, Ordering::Relaxed);
        let Some(allowed) = asked.allowed.filter(|_| !asked.may) else { return Ok(()) };
        if work.is_out_of_time() {
            return Err(Error::new(
                ErrorName::DeadlineReached,
                format!(
                    "the Lambda's time is nearly up, and {allowed} sessions load already: the next try waits on"
                ),
            ));
        }
        // Not all at the same one, and not always at the same.
        slot = slot.wrapping_add(1);
        if pace::wait(transaction, &work.run_id, slot % allowed.max(1), WAIT.min(work.time_left())).await? {
            // There is less time than there was.
            return transaction
                .batch_execute(&work.time_limit())
                .await
                .map_err(|error| failure("waiting for a turn to load", &error));
        }
    }
}

/// Says what the session saw while it loaded a group, and decides anew whether more or
/// fewer are to load. The group is loaded: that it can't be said ends nothing.
pub(super) async fn end(client: &Client, work: &Assignment, bytes: u64, took: Duration, waited: Duration) {
    let observed = Observed {
        bytes,
        busy: took.saturating_sub(waited),
        waited,
        others: work.turns.others.load(Ordering::Relaxed),
        is_aurora: work.turns.is_aurora.load(Ordering::Relaxed),
    };
    if let Err(error) = tell(client, work, &observed).await {
        tracing::warn!(run.id = work.run_id, batch = work.batch, %error, "the pace can't be recorded");
    }
}

async fn tell(client: &Client, work: &Assignment, observed: &Observed) -> Result<()> {
    let Some((decisions, before, seen)) = pace::observe(client, &work.run_id, work.attempt, observed).await?
    else {
        return Ok(());
    };
    let Some(decision) = decide(&before, &seen, work.most_lag.as_secs_f64()) else { return Ok(()) };
    if decision.pace.allowed != before.allowed {
        let (from, to, reason) = (before.allowed, decision.pace.allowed, &decision.reason);
        tracing::info!(
            run.id = work.run_id,
            from,
            to,
            reason,
            "another number of sessions loads from now on"
        );
    }
    pace::decided(client, (&work.run_id, work.attempt), (decisions, &before, &seen), &decision).await
}
