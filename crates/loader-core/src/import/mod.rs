//! Loads the objects of a batch into the staging table, each exactly once.

mod ahead;
mod aws_s3;
pub(crate) mod check;
mod copy;
mod group;
mod last_mapping;
mod open;
mod part;
pub(crate) mod rows;
mod turn;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tokio_postgres::Client;

use self::ahead::Ahead;
pub use self::aws_s3::is_installed;
use self::group::{Assignment, Failed, GroupError, GroupOutcome, Spoiled, Trust, lost};
use self::last_mapping::LastMapping;
use self::open::Opener;
pub use self::open::extension_missing;
use self::turn::Turns;
use crate::database::failure::failure;
use crate::database::{lease, ledger, rejects, run, staging};
use crate::definition::ResolvedDefinition;
use crate::definition::rejects::{OnReject, Rejects};
use crate::error::{Error, ErrorName, Result};
use crate::plan::batching::{Batch, BatchBounds, cut};
use crate::publish::reconcile;
use crate::record::LineCount;
use crate::source::{ObjectSource, ObjectVersion};

/// What the last group is given up for: time to roll back and to answer.
const MARGIN: Duration = Duration::from_secs(5);

/// What the deployment sets for the import.
#[derive(Debug, Clone, Copy)]
pub struct ImportSettings {
    /// How long the lease lasts from here.
    pub lease: Duration,
    /// How many objects are opened ahead.
    pub fetch_ahead: usize,
    /// The most bytes, as stored, that one transaction loads, unless one object
    /// alone is larger.
    pub group_max_bytes: u64,
    /// By how much a replica may be behind before fewer sessions load.
    pub max_replica_lag: Duration,
}

/// What an import is called with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportEvent {
    /// The run.
    pub run_id: String,
    /// The number of the plan that the batch is of.
    pub attempt: i32,
    /// The batch.
    pub batch: Batch,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchOutcome {
    /// The batch's number.
    pub batch: u32,
    /// Objects that were loaded now.
    pub loaded: u64,
    /// Objects that had been loaded before.
    pub already_loaded: u64,
    /// Objects that can't be loaded; the ledger says why.
    pub failed: u64,
    /// Rows that were loaded now.
    pub rows: u64,
    /// Rows of those objects that were rejected, and kept apart.
    #[serde(default)]
    pub rejects: u64,
}

/// How often a batch prolongs a lease while that lasts. Groups are faster than that.
const PROLONGED: u32 = 10;

/// Loads a batch, group by group. What a group commits stays, whatever becomes of
/// the next one; called again, it goes on where it stopped.
///
/// An object that can't be loaded is recorded and does not stop the others: the
/// gate decides what it means to the run.
///
/// # Errors
/// `LeaseLost` (nothing was written), `DeadlineReached`,
/// `DatabaseUnavailable`, `DatabaseBusy`, `SourceUnavailable`.
pub async fn import(
    client: &mut Client,
    source: Arc<dyn ObjectSource>,
    event: &ImportEvent,
    settings: &ImportSettings,
    deadline: Instant,
) -> Result<BatchOutcome> {
    let current = run::get(client, &event.run_id).await?;
    let Ok((definition, staging)) = current.loading() else {
        // A late Lambda of a run that has ended.
        return Err(lease::lost(&event.run_id));
    };
    lease::check(client, &event.run_id, event.attempt).await?;
    let prolong = async |client: &Client| {
        lease::renew_while_loading(client, &current.table, &event.run_id, settings.lease).await
    };
    prolong(client).await?;
    let mut prolonged = Instant::now();
    let work = Assignment {
        run_id: event.run_id.clone(),
        attempt: event.attempt,
        batch: i32::try_from(event.batch.batch).unwrap_or(i32::MAX),
        staging: staging.clone(),
        opener: Arc::new(Opener {
            source,
            definition: Arc::new(definition.clone()),
            plain: definition.copy_dialect(),
            engine: definition.engine,
            extension: is_installed(client).await?,
            marked: staging::is_marked(client, staging).await?,
            last_mapping: LastMapping::default(),
        }),
        part: event.batch.part,
        until: deadline.checked_sub(MARGIN).unwrap_or(deadline),
        turns: Turns::default(),
        most_lag: settings.max_replica_lag,
        trust: Trust::default(),
    };
    let time = work.time_left();
    let mut ahead = Ahead::new(Arc::clone(&work.opener), settings.fetch_ahead);
    let mut outcome = BatchOutcome { batch: event.batch.batch, ..BatchOutcome::default() };
    let all: Vec<&ObjectVersion> = event.batch.objects.iter().collect();
    let mut begun_before = 0;
    for (number, objects) in groups(&all, settings.group_max_bytes).into_iter().enumerate() {
        begun_before += objects.len();
        let then = all.get(begun_before..).unwrap_or_default();
        if prolonged.elapsed() > settings.lease / PROLONGED {
            prolong(client).await?;
            prolonged = Instant::now();
        }
        check_run_limit(client, &event.run_id, definition).await?;
        // The database ends a statement by itself when the time is up; a source that
        // stalls is given up a little later.
        let (begun, waited_before) = (Instant::now(), work.turns.waited());
        match tokio::time::timeout_at(
            work.until + MARGIN / 2,
            load(client, &work, &mut ahead, &objects, then),
        )
        .await
        {
            Ok(Ok(group)) => {
                outcome.count(&group);
                if group.loaded + group.rows > 0 {
                    let waited = work.turns.waited().saturating_sub(waited_before);
                    turn::end(client, &work, bytes(&work, &objects), begun.elapsed(), waited).await;
                }
            }
            Ok(Err(error)) if !work.is_out_of_time() => return Err(error),
            // Time that went by in waiting says nothing of the objects.
            _ => {
                let had_all_the_time = number == 0 && work.turns.waited() < time / 10;
                return Err(out_of_time(client, &work, &objects, had_all_the_time).await?);
            }
        }
    }
    Ok(outcome)
}

/// Ends the batch where the run has rejected too many rows already, with whatever
/// else: the gate says so, too.
async fn check_run_limit(client: &Client, run_id: &str, definition: &ResolvedDefinition) -> Result<()> {
    let Rejects { on_reject: OnReject::Keep, limits, .. } = definition.rejects else { return Ok(()) };
    let Some(limit) = limits.run_rows else { return Ok(()) };
    let rejected = rejects::count(client, run_id).await?;
    if rejected > limit { Err(reconcile::too_many_rejects(rejected, limit)) } else { Ok(()) }
}

impl BatchOutcome {
    fn count(&mut self, group: &GroupOutcome) {
        self.loaded += group.loaded;
        self.already_loaded += group.already_loaded;
        self.failed += group.failed.len() as u64 + group.already_failed;
        self.rows += group.rows;
        self.rejects += group.rejects;
    }
}

/// Adds up the bytes of what is loaded.
fn bytes(work: &Assignment, objects: &[&ObjectVersion]) -> u64 {
    work.part.map_or_else(|| objects.iter().map(|object| object.size).sum(), |part| part.to - part.from)
}

/// Cuts objects into groups that are even in bytes, each of which fits one transaction: a
/// small one costs as much beside its rows as a big one.
fn groups<'a>(objects: &[&'a ObjectVersion], max_bytes: u64) -> Vec<Vec<&'a ObjectVersion>> {
    let bounds =
        BatchBounds { max_bytes, max_objects: usize::MAX, max_line_bytes: usize::MAX, min_batches: 1 };
    cut(objects.to_vec(), &bounds)
}

/// Loads a group, or a part.
async fn load(
    client: &mut Client,
    work: &Assignment,
    ahead: &mut Ahead,
    objects: &[&ObjectVersion],
    then: &[&ObjectVersion],
) -> Result<GroupOutcome> {
    match (work.part, objects) {
        (None, _) => load_group(client, work, ahead, objects, then).await,
        (Some(part), [object]) => Box::pin(part::load(client, work, object, &part)).await,
        (Some(_), _) => {
            Err(Error::new(ErrorName::InvalidEvent, "a part is of one object, which is all of its batch"))
        }
    }
}

/// How many objects that spoil a group are left out of it, one after the other, before its
/// objects are loaded one by one. Each costs the group anew.
const LEFT_OUT: usize = 3;

/// Loads a group. An object that spoils it is recorded, and the others are loaded
/// without it.
async fn load_group(
    client: &mut Client,
    work: &Assignment,
    ahead: &mut Ahead,
    objects: &[&ObjectVersion],
    mut then: &[&ObjectVersion],
) -> Result<GroupOutcome> {
    let mut all = GroupOutcome::default();
    let mut groups = vec![objects.to_vec()];
    while let Some(mut group) = groups.pop() {
        // Only once: there may be many groups, and what is opened for the next one is let go of.
        let then = std::mem::take(&mut then);
        let spoiled = match group::load(client, work, ahead, &group, then).await {
            Ok(outcome) => {
                outcome.failed.iter().for_each(|failed| warn(work, failed));
                all.add(outcome);
                continue;
            }
            Err(GroupError::Step(error)) => return Err(error),
            Err(GroupError::Misplaced(refusal)) if work.trusts() => {
                work.distrust(&refusal);
                groups.push(group);
                continue;
            }
            Err(GroupError::Misplaced(refusal)) => return Err(lost(&refusal)),
            Err(GroupError::Object(spoiled)) => *spoiled,
        };
        let Some(object) = take_spoiler(&mut group, &spoiled.error) else {
            // Which one it was is not known.
            groups.extend(group.into_iter().map(|object| vec![object]));
            continue;
        };
        let Spoiled { error, rejected, rejects } = spoiled;
        let mut failed = Failed { rejected, rejects, ..Failed::new(object, error) };
        if failed.rejects.is_empty() && work.opener.is_verbatim() {
            failed = failed.with_row(&work.opener, LineCount::Newlines).await;
        }
        record_failed(client, work, &failed).await?;
        warn(work, &failed);
        all.failed.push(failed);
        if all.failed.len() > LEFT_OUT {
            groups.extend(group.into_iter().map(|object| vec![object]));
        } else if !group.is_empty() {
            groups.push(group);
        }
    }
    Ok(all)
}

/// Takes the object that an error is of out of its group.
fn take_spoiler<'a>(group: &mut Vec<&'a ObjectVersion>, error: &Error) -> Option<&'a ObjectVersion> {
    let key = error.place.as_ref().map(|place| place.key.as_str());
    let at = match group.as_slice() {
        [_] => 0,
        objects => objects.iter().position(|object| Some(object.key.as_str()) == key)?,
    };
    Some(group.remove(at))
}

fn warn(work: &Assignment, failed: &Failed) {
    let Failed { object, error, .. } = failed;
    tracing::warn!(run.id = work.run_id, object.key = object.key, error.name = error.name.as_str(), %error, "an object can't be loaded");
}

async fn record_failed(client: &mut Client, work: &Assignment, failed: &Failed) -> Result<()> {
    let doing = "recording a failed object";
    let transaction = client.transaction().await.map_err(|error| failure(doing, &error))?;
    lease::check(&transaction, &work.run_id, work.attempt).await?;
    let Failed { object, error, rejected, rejects } = failed;
    ledger::fail(&transaction, work.place(), object, error, *rejected, rejects).await?;
    transaction.commit().await.map_err(|error| failure(doing, &error))
}

/// Makes the error of a batch whose time is up: called again, it goes on with what
/// is left. An object that had all the time there is and did not get through is
/// recorded first, so that the next call does not wait for it in vain.
async fn out_of_time(
    client: &mut Client,
    work: &Assignment,
    objects: &[&ObjectVersion],
    had_all_the_time: bool,
) -> Result<Error> {
    if let (Some(part), [object], true) = (&work.part, objects, had_all_the_time) {
        let error = Error::new(
            ErrorName::DeadlineReached,
            format!(
                "part {} of {} of the object, {} bytes, does not load within the Lambda's time: lower BatchMaxBytes, or set ChildType to STANDARD",
                part.number + 1,
                part.of,
                part.to - part.from
            ),
        );
        part::record_failed(client, work, part, None, &Failed::new(object, open::named(error, &object.key)))
            .await?;
    } else if let (None, [object], true) = (&work.part, objects, had_all_the_time) {
        let error = Error::new(
            ErrorName::DeadlineReached,
            format!(
                "the {} bytes of the object do not load within the Lambda's time: set ChildType to STANDARD, or deliver it in parts",
                object.size
            ),
        );
        record_failed(client, work, &Failed::new(object, open::named(error, &object.key))).await?;
    }
    Ok(Error::new(
        ErrorName::DeadlineReached,
        "the Lambda's time is nearly up; what was committed stays, the rest is loaded by the next try",
    ))
}
