//! What foreign keys of other rows allow a merge to do.
//!
//! A foreign key with an action (`on delete cascade`, `set null`, …) would take
//! rows of other tables along. A merge never does that: it finds another way, or
//! it is refused.

use tokio_postgres::Transaction;

use super::shape::differs;
use super::{CANDIDATE_ROW, DOING, LIVE_ROW, Merge, execute};
use crate::database::failure::failure;
use crate::error::{Error, ErrorName, Result};
use crate::gate::foreign_key::{Action, ForeignKey, Path};
use crate::gate::{count, first_key, names};
use crate::wording::counted;

/// Settles for every row that others refer to how it is changed, and returns how
/// many must be updated in place although that may not work.
///
/// # Errors
/// `GateFailed`, naming the foreign key and the first key.
pub(super) async fn settle(
    transaction: &Transaction<'_>,
    merge: &Merge<'_>,
    foreign_keys: &[ForeignKey],
) -> Result<u64> {
    if foreign_keys.is_empty() {
        return Ok(0);
    }
    // Who has just referred to one of the rows commits first, and is found below;
    // who would do it from now on waits, and is refused after the merge.
    execute(
        transaction,
        &format!(
            "select count(*)
               from (select from {} l join {} p on {LIVE_ROW}
                      where p.action in ('delete', 'replace') for update of l) locked",
            merge.shape.live, merge.plan
        ),
    )
    .await?;
    let mut pinned = 0;
    for foreign_key in foreign_keys {
        let referring = Referring { merge, foreign_key };
        referring.check_rows_that_go(transaction).await?;
        if foreign_key.on_delete != Action::None {
            pinned += referring.pin(transaction).await?;
        }
    }
    for foreign_key in foreign_keys.iter().filter(|foreign_key| foreign_key.on_update != Action::None) {
        Referring { merge, foreign_key }.check_rows_that_change(transaction).await?;
    }
    Ok(pinned)
}

/// The rows that refer to rows of the live table by one foreign key.
struct Referring<'a> {
    merge: &'a Merge<'a>,
    foreign_key: &'a ForeignKey,
}

impl Referring<'_> {
    /// Writes the referring rows as they will be after the merge: that is when the
    /// foreign key acts.
    fn children(&self) -> String {
        if self.foreign_key.path == Path::Own {
            self.merge.shape.candidate.clone()
        } else {
            self.foreign_key.child.to_string()
        }
    }

    /// Refuses to delete a row that others still refer to.
    async fn check_rows_that_go(&self, transaction: &Transaction<'_>) -> Result<()> {
        let Self { merge, foreign_key } = self;
        let lost = match foreign_key.on_delete {
            // Another partition may hold the row, or another statement of the
            // transaction see to the rest: the database checks that itself.
            Action::None if foreign_key.path == Path::ThroughParent || foreign_key.deferrable => {
                return Ok(());
            }
            // Another row may have taken over the values that they refer to.
            Action::None => format!(
                "not exists (select from {} c where {})",
                merge.shape.candidate,
                foreign_key.matches("c", "child")
            ),
            Action::Restrict | Action::Change => "p.action = 'delete'".to_owned(),
        };
        let query = format!(
            "select count(*), min({key}) from {children} child
               join ({live} l join {plan} p on {LIVE_ROW}) on {matches}
              where {lost}",
            key = foreign_key.key("child"),
            children = self.children(),
            live = merge.shape.live,
            plan = merge.plan,
            matches = foreign_key.matches("l", "child"),
        );
        self.refuse(transaction, &query, "to rows that go").await
    }

    /// Plans to update rows that were to be deleted and inserted anew, as deleting
    /// them would set off the foreign key.
    async fn pin(&self, transaction: &Transaction<'_>) -> Result<u64> {
        let Self { merge, foreign_key } = self;
        let pinned = transaction
            .execute(
                &format!(
                    "update {plan} p set action = 'update' from {live} l
                      where p.action = 'replace' and {LIVE_ROW}
                        and exists (select from {children} child where {matches})",
                    plan = merge.plan,
                    live = merge.shape.live,
                    children = self.children(),
                    matches = foreign_key.matches("l", "child"),
                ),
                &[],
            )
            .await
            .map_err(|error| failure(DOING, &error))?;
        if pinned > 0 {
            let changed = differs(&merge.shape.identity);
            self.check_updates(transaction, &changed, "to rows whose identity column changes").await?;
        }
        Ok(pinned)
    }

    /// Refuses to change what a foreign key refers to that would follow.
    async fn check_rows_that_change(&self, transaction: &Transaction<'_>) -> Result<()> {
        let changed = differs(&self.foreign_key.referenced);
        self.check_updates(transaction, &changed, "to values that change").await
    }

    async fn check_updates(&self, transaction: &Transaction<'_>, changed: &str, what: &str) -> Result<()> {
        let Self { merge, foreign_key } = self;
        let query = format!(
            "select count(*), min({key}) from {children} child
               join ({live} l join {plan} p on {LIVE_ROW} join {candidate} c on {CANDIDATE_ROW}) on {matches}
              where p.action = 'update' and {changed}",
            key = foreign_key.key("child"),
            children = self.children(),
            live = merge.shape.live,
            plan = merge.plan,
            candidate = merge.shape.candidate,
            matches = foreign_key.matches("l", "child"),
        );
        self.refuse(transaction, &query, what).await
    }

    async fn refuse(&self, transaction: &Transaction<'_>, query: &str, what: &str) -> Result<()> {
        let Self { merge, foreign_key } = self;
        let row = transaction.query_one(query, &[]).await.map_err(|error| failure(DOING, &error))?;
        let Some(first) = first_key(&row, 1) else { return Ok(()) };
        Err(Error::new(
            ErrorName::GateFailed,
            format!(
                "{} can't be merged into: by the foreign key {} of {} {} {what}, the first: {}={first}; load the rows, or delete or change those that refer to them",
                merge.live,
                foreign_key.name,
                foreign_key.child,
                counted(count(&row, 0), "row refers", "rows refer"),
                names(&foreign_key.columns),
            ),
        ))
    }
}
