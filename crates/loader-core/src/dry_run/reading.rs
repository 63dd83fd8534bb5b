//! The objects that are read, as many as there is time for, and what becomes of their
//! rows.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::{Client, GenericClient, Transaction};

use super::inventory::Inventory;
use super::report::{CauseReport, DialectReport, FailedObjectReport, MOST_NAMED, MOST_PLACES, ReadReport};
use crate::database::control_schema;
use crate::database::failure::failure;
use crate::definition::ResolvedDefinition;
use crate::definition::rejects::{DEFAULT_PERCENT, OnReject, RejectLimits, Rejects};
use crate::error::{Error, Result};
use crate::import::check::{Check, Checked, Unchecked};
use crate::import::rows::share;
use crate::prepare::Rehearsal;
use crate::source::{ObjectSource, ObjectVersion};

/// What is left of the Lambda's time when nothing more is begun.
const MARGIN: Duration = Duration::from_secs(30);

/// How long one transaction goes on with further objects. It has read the catalog of
/// the live table, and a publish has to wait for its end.
const TURN: Duration = Duration::from_secs(10);

/// Bytes in a second that are taken for granted before any have been read.
const SLOW: f64 = 2.0 * 1024.0 * 1024.0;

/// What was found by reading.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) read: ReadReport,
    pub(super) rejected: u64,
    pub(super) causes: Vec<CauseReport>,
    pub(super) dialects: Vec<DialectReport>,
    pub(super) failed: u64,
    pub(super) failures: Vec<FailedObjectReport>,
    pub(super) seconds: f64,
    /// Objects that are not read, though there was time, and why.
    pub(super) left_out: Vec<String>,
    cause_places: HashMap<(Option<String>, Option<String>, String), usize>,
}

/// A reading under way.
pub(super) struct Reading<'a> {
    pub(super) source: &'a Arc<dyn ObjectSource>,
    pub(super) rehearsal: &'a Rehearsal,
    /// The definition as it is, with its limits.
    pub(super) definition: &'a ResolvedDefinition,
    pub(super) run_id: &'a str,
    pub(super) deadline: Instant,
}

impl Reading<'_> {
    /// Reads objects until there are no more, or no more time.
    ///
    /// # Errors
    /// Those of the source and of the database.
    pub(super) async fn all(&self, client: &mut Client, inventory: &Inventory) -> Result<Findings> {
        let mut findings = Findings::default();
        let end = self.deadline.checked_sub(MARGIN).unwrap_or(self.deadline);
        let began = Instant::now();
        let mut objects = inventory.spread().peekable();
        while objects.peek().is_some() && Instant::now() < end {
            let transaction = begin(client).await?;
            let staged = self.rehearsal.stage(&transaction).await?;
            let definition = Arc::new(without_limits(&staged.definition));
            let check = Check {
                transaction: &transaction,
                source: self.source,
                definition: &definition,
                staging: &staged.name,
                run_id: self.run_id,
                until: end,
            };
            let turn = Instant::now();
            while turn.elapsed() < TURN && Instant::now() < end {
                let Some(object) = objects.next() else { break };
                let left = end.saturating_duration_since(Instant::now());
                let read = self.object(&check, object, left, began, &mut findings);
                let last = self.deadline.checked_sub(MARGIN / 2).unwrap_or(end);
                let Ok(done) = tokio::time::timeout_at(last, read).await else {
                    findings.left_out.push(format!("{}: there was not time enough for it", object.key));
                    // The causes of what its transaction has refused are gone with it.
                    findings.seconds = began.elapsed().as_secs_f64();
                    return Ok(findings.finished(inventory));
                };
                done?;
            }
            collect(&transaction, self.run_id, &mut findings).await?;
            transaction.rollback().await.map_err(|error| failure("leaving everything as it was", &error))?;
        }
        findings.seconds = began.elapsed().as_secs_f64();
        Ok(findings.finished(inventory))
    }

    async fn object(
        &self,
        check: &Check<'_>,
        object: &ObjectVersion,
        left: Duration,
        began: Instant,
        findings: &mut Findings,
    ) -> Result<()> {
        let first_bytes = fitting(object, left, began.elapsed(), findings.read.bytes);
        match check.object(object, first_bytes).await {
            Ok(mut checked) => {
                if first_bytes.is_some() {
                    forget_the_last(check.transaction, self.run_id, object, &mut checked).await?;
                }
                findings.read.objects += 1;
                findings.read.bytes += first_bytes.unwrap_or(object.size);
                findings.read.rows += checked.rows + checked.rejected;
                findings.rejected += checked.rejected;
                self.judge(object, &checked, first_bytes.is_none(), findings);
                findings.note_dialect(object, checked);
                Ok(())
            }
            Err(Unchecked::Fails(_)) if first_bytes.is_some() => {
                findings.left_out.push(format!("{}: it can't be read in part", object.key));
                Ok(())
            }
            Err(Unchecked::Fails(error)) => {
                findings.read.objects += 1;
                findings.read.bytes += object.size;
                findings.fail(object, &error);
                Ok(())
            }
            Err(Unchecked::Step(error)) => Err(error),
        }
    }

    /// Says whether the object would fail for what was refused of it.
    fn judge(&self, object: &ObjectVersion, checked: &Checked, whole: bool, findings: &mut Findings) {
        let Rejects { on_reject, limits, .. } = self.definition.rejects;
        let records = checked.rows + checked.rejected;
        let message = match on_reject {
            OnReject::Fail if checked.rejected > 0 => {
                "rows of it would be refused, and on_reject is fail: the first of them fails it".to_owned()
            }
            OnReject::Fail => return,
            OnReject::Keep => {
                let percent = limits.object_percent.unwrap_or(DEFAULT_PERCENT);
                let allowed = limits.object_rows.unwrap_or(u64::MAX).min(share(records, percent));
                if checked.rejected <= allowed || !whole && limits.object_rows.is_none() {
                    return;
                }
                format!(
                    "{} of its {records} records would be rejected, and {allowed} are tolerated",
                    checked.rejected
                )
            }
        };
        let name = match on_reject {
            OnReject::Fail => crate::error::ErrorName::BadRow,
            OnReject::Keep => crate::error::ErrorName::TooManyRejects,
        };
        findings.fail(object, &Error::new(name, message));
    }
}

async fn begin(client: &mut Client) -> Result<Transaction<'_>> {
    let doing = "beginning a dry run";
    let transaction = client.transaction().await.map_err(|error| failure(doing, &error))?;
    control_schema::ensure_within(&transaction).await?;
    Ok(transaction)
}

/// Returns the definition under which every reject is kept, and none of their texts.
fn without_limits(definition: &ResolvedDefinition) -> ResolvedDefinition {
    let limits =
        RejectLimits { object_percent: Some(100.0), run_percent: Some(100.0), ..RejectLimits::default() };
    ResolvedDefinition {
        rejects: Rejects { on_reject: OnReject::Keep, limits, keep_text: false },
        ..definition.clone()
    }
}

/// Returns how much of an object can be read in the time that is left; none if that is
/// all of it.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "an estimate of bytes, far below 2^52"
)]
fn fitting(object: &ObjectVersion, left: Duration, spent: Duration, read: u64) -> Option<u64> {
    let so_far = read as f64 / spent.as_secs_f64().max(0.001);
    // The first objects say little: most of their time is spent on beginnings.
    let rate = if read < 1 << 20 { SLOW } else { so_far.max(SLOW / 4.0) };
    let fits = (left.as_secs_f64() * 0.7 * rate) as u64;
    (object.size > fits.max(1 << 20)).then(|| fits.max(1 << 20))
}

/// The last record of a beginning is cut: what is wrong with it says nothing.
async fn forget_the_last(
    transaction: &Transaction<'_>,
    run_id: &str,
    object: &ObjectVersion,
    checked: &mut Checked,
) -> Result<()> {
    let last = i64::try_from(checked.rows + checked.rejected).unwrap_or(i64::MAX);
    let forgotten = transaction
        .execute(
            "delete from loader.rejected_row where run_id = $1 and key = $2 and record_number >= $3",
            &[&run_id, &object.key, &last],
        )
        .await
        .map_err(|error| failure("leaving out the last record of a beginning", &error))?;
    checked.rejected = checked.rejected.saturating_sub(forgotten);
    Ok(())
}

/// Reads the causes of what has been refused in the transaction.
async fn collect(client: &impl GenericClient, run_id: &str, findings: &mut Findings) -> Result<()> {
    let rows = client
        .query(
            "select column_name, sqlstate, error_message, count(*),
                    (array_agg(key || ':' || line order by key, line))[1:$2]
               from loader.rejected_row where run_id = $1 group by 1, 2, 3",
            &[&run_id, &i32::try_from(MOST_PLACES).unwrap_or(i32::MAX)],
        )
        .await
        .map_err(|error| failure("reading the causes", &error))?;
    for row in rows {
        let cause: (Option<String>, Option<String>, String) = (row.get(0), row.get(1), row.get(2));
        let count = u64::try_from(row.get::<_, i64>(3)).unwrap_or_default();
        let at = *findings.cause_places.entry(cause.clone()).or_insert(findings.causes.len());
        if at == findings.causes.len() {
            let (column, sqlstate, reason) = cause;
            findings.causes.push(CauseReport { column, sqlstate, reason, rows: 0, places: Vec::new() });
        }
        if let Some(known) = findings.causes.get_mut(at) {
            known.rows += count;
            known.places.extend(row.get::<_, Vec<String>>(4));
            known.places.truncate(MOST_PLACES);
        }
    }
    Ok(())
}

impl Findings {
    fn note_dialect(&mut self, object: &ObjectVersion, checked: Checked) {
        let Checked { dialect, found, doubts, .. } = checked;
        let known = self.dialects.len();
        let same = |known: &&mut DialectReport| known.dialect == dialect && known.doubts == doubts;
        match self.dialects.iter_mut().find(same) {
            Some(known) => known.objects += 1,
            // Each has many: a delivery of objects that all differ is no reason to keep them.
            None if known < MOST_NAMED * 10 => self.dialects.push(DialectReport {
                objects: 1,
                first: object.key.clone(),
                found,
                doubts,
                dialect,
            }),
            None => {}
        }
    }

    fn fail(&mut self, object: &ObjectVersion, error: &Error) {
        self.failed += 1;
        if self.failures.len() < MOST_NAMED {
            self.failures.push(FailedObjectReport {
                key: object.key.clone(),
                error: error.name.as_str().to_owned(),
                message: error.message.clone(),
            });
        }
    }

    fn finished(mut self, inventory: &Inventory) -> Self {
        self.causes.sort_by_key(|cause| std::cmp::Reverse(cause.rows));
        self.causes.truncate(MOST_NAMED);
        self.dialects.sort_by_key(|dialect| std::cmp::Reverse(dialect.objects));
        self.dialects.truncate(MOST_NAMED);
        self.left_out.truncate(MOST_NAMED);
        self.read.everything =
            self.read.objects == inventory.to_load() && self.read.bytes == inventory.bytes();
        self
    }
}
