//! Listed = loaded + skipped + failed, or nothing is published.

use tokio_postgres::GenericClient;

use crate::database::control_schema::Schema;
use crate::database::failure::failure;
use crate::database::ledger::{self, FailedObject, Totals};
use crate::database::run::Run;
use crate::definition::ResolvedDefinition;
use crate::definition::rejects::{DEFAULT_PERCENT, OnReject, Rejects};
use crate::error::{Error, ErrorName, Result};
use crate::identifier::Identifier;
use crate::import::rows::share;
use crate::wording::{counted, grouped};

/// What the comparison of listing and ledger says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reconciliation {
    /// Every listed object is accounted for, and few enough failed.
    Complete,
    /// This many listed objects have no outcome; negative when the ledger has
    /// more objects than were listed.
    Missing(i64),
    /// More objects failed than are tolerated.
    TooManyFailed,
}

impl Reconciliation {
    /// Compares what was listed with what the ledger adds up to.
    #[must_use]
    pub fn of(listed: u64, totals: &Totals, tolerated: u64) -> Self {
        let accounted = totals.loaded + totals.skipped + totals.failed;
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        if totals.failed > tolerated {
            // First, as the failures say more than the gap beside them.
            Self::TooManyFailed
        } else if accounted == listed {
            Self::Complete
        } else {
            Self::Missing(number(listed) - number(accounted))
        }
    }
}

/// Checks how many rows the run has rejected.
///
/// The number counts those of failed objects too, as it ends a run early; the
/// percentage is of the records of the loaded ones, and only looked at here: before
/// the end it depends on which objects came first.
///
/// # Errors
/// `TooManyRejects`.
fn check_rejects(totals: &Totals, rejects: &Rejects) -> Result<()> {
    if rejects.on_reject == OnReject::Fail {
        return Ok(());
    }
    if let Some(limit) = rejects.limits.run_rows.filter(|limit| totals.rejects_of_all > *limit) {
        return Err(too_many_rejects(totals.rejects_of_all, limit));
    }
    let percent = rejects.limits.run_percent.unwrap_or(DEFAULT_PERCENT);
    let records = totals.rows + totals.rejects;
    if totals.rejects <= share(records, percent) {
        return Ok(());
    }
    Err(Error::new(
        ErrorName::TooManyRejects,
        format!(
            "{} of {} records were rejected, and {percent} % are tolerated in a run (reject_limits.run_percent)",
            grouped(totals.rejects),
            grouped(records),
        ),
    ))
}

/// The error of a run that has rejected more rows than it may.
pub(crate) fn too_many_rejects(rejected: u64, limit: u64) -> Error {
    Error::new(
        ErrorName::TooManyRejects,
        format!(
            "the run has rejected {}, and {} are tolerated in a run (reject_limits.run_rows)",
            counted(rejected, "row", "rows"),
            grouped(limit)
        ),
    )
}

/// Checks the ledger of a run, and returns what it adds up to.
///
/// # Errors
/// `Unreconciled`, `ObjectsFailed`, `NoObjects`, `TooManyRejects`.
pub(crate) async fn reconcile(
    client: &impl GenericClient,
    run: &Run,
    definition: &ResolvedDefinition,
) -> Result<Totals> {
    let listed = run
        .objects_listed
        .and_then(|listed| u64::try_from(listed).ok())
        .ok_or_else(|| Error::new(ErrorName::Internal, format!("run {} has not been planned", run.run_id)))?;
    let totals = ledger::totals(client, &run.run_id).await?;
    // First: batches end without an outcome when the run has rejected too many rows.
    check_rejects(&totals, &definition.rejects)?;
    // What a new plan may cure is not tolerated as long as one can be made.
    let is_last = run.failed_attempts + 1 >= run.max_attempts;
    let tolerated = if totals.replannable > 0 && !is_last { 0 } else { definition.tolerated_failed_objects };
    match Reconciliation::of(listed, &totals, tolerated) {
        Reconciliation::Complete if totals.loaded == 0 && !definition.allow_empty => Err(Error::new(
            ErrorName::NoObjects,
            format!(
                "none of the {listed} listed objects has been loaded; set allow_empty if an empty table is what you want"
            ),
        )),
        Reconciliation::Complete => Ok(totals),
        Reconciliation::Missing(missing) => Err(Error::new(
            ErrorName::Unreconciled,
            format!(
                "of {listed} listed objects {} are loaded, {} skipped, {} failed: {missing} have no outcome, as their batches broke off",
                totals.loaded, totals.skipped, totals.failed
            ),
        )),
        Reconciliation::TooManyFailed => {
            let first = ledger::first_failed(client, &run.run_id, 1).await?;
            let first =
                first.first().map_or_else(String::new, |object| format!("; the first: {}", describe(object)));
            Err(Error::new(
                ErrorName::ObjectsFailed,
                format!(
                    "{} of {listed} objects failed, {} are tolerated{first}",
                    totals.failed, definition.tolerated_failed_objects
                ),
            ))
        }
    }
}

/// Counts the rows that are really there: as many as the ledger says, or
/// somebody else has written into the staging table.
///
/// # Errors
/// `Internal`.
pub(crate) async fn count_rows(
    client: &impl GenericClient,
    run_id: &str,
    staging: &Identifier,
) -> Result<()> {
    let there: i64 = client
        .query_one(&format!("select count(*) from {}", Schema::Staging.table(staging)), &[])
        .await
        .map_err(|error| failure("counting the rows of the staging table", &error))?
        .get(0);
    let expected = ledger::totals(client, run_id).await?.rows;
    if u64::try_from(there) == Ok(expected) {
        return Ok(());
    }
    Err(Error::new(
        ErrorName::Internal,
        format!(
            "the staging table has {there} rows and the ledger {expected}: something else has written into it"
        ),
    ))
}

/// Describes a failed object in one line.
#[must_use]
pub fn describe(object: &FailedObject) -> String {
    let line = object.line.map(|line| format!(", line {line}")).unwrap_or_default();
    let column = object.column.as_ref().map(|column| format!(", column {column}")).unwrap_or_default();
    format!("{}{line}{column}: {}", object.key, object.error_message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::rejects::RejectLimits;

    fn totals(loaded: u64, skipped: u64, failed: u64) -> Totals {
        Totals { loaded, skipped, failed, ..Totals::default() }
    }

    #[test]
    fn only_a_full_account_is_complete() {
        assert_eq!(Reconciliation::of(3, &totals(2, 1, 0), 0), Reconciliation::Complete);
        assert_eq!(Reconciliation::of(3, &totals(2, 0, 0), 0), Reconciliation::Missing(1));
        assert_eq!(Reconciliation::of(3, &totals(4, 0, 0), 0), Reconciliation::Missing(-1));
        assert_eq!(Reconciliation::of(3, &totals(2, 0, 1), 0), Reconciliation::TooManyFailed);
        assert_eq!(Reconciliation::of(3, &totals(2, 0, 1), 1), Reconciliation::Complete);
        assert_eq!(Reconciliation::of(3, &totals(1, 0, 1), 1), Reconciliation::Missing(1));
    }

    #[test]
    fn a_run_may_reject_as_many_rows_as_its_limits_say() {
        let kept = |limits| Rejects { on_reject: OnReject::Keep, limits, keep_text: true };
        let totals = Totals { rows: 95, rejects: 5, rejects_of_all: 7, ..Totals::default() };
        let said = |limits| check_rejects(&totals, &kept(limits)).err().map(|error| error.message);
        assert_eq!(said(RejectLimits::default()), None);
        assert_eq!(
            said(RejectLimits { run_percent: Some(5.0), run_rows: Some(7), ..RejectLimits::default() }),
            None
        );
        assert_eq!(
            said(RejectLimits { run_percent: Some(4.9), ..RejectLimits::default() }).unwrap(),
            "5 of 100 records were rejected, and 4.9 % are tolerated in a run (reject_limits.run_percent)"
        );
        assert_eq!(
            said(RejectLimits { run_rows: Some(6), ..RejectLimits::default() }).unwrap(),
            "the run has rejected 7 rows, and 6 are tolerated in a run (reject_limits.run_rows)"
        );
        assert!(
            check_rejects(
                &totals,
                &Rejects {
                    on_reject: OnReject::Fail,
                    ..kept(RejectLimits { run_rows: Some(0), ..RejectLimits::default() })
                }
            )
            .is_ok()
        );
    }
}
