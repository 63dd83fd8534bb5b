//! Lists the objects of a run and plans them into batches.

pub mod batching;
pub mod concurrency;
pub mod parts;
pub(crate) mod settled;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio_postgres::Client;

use self::batching::{Batch, BatchBounds, cut};
use self::parts::Part;
use self::settled::Arrival;
use crate::database::control_schema::Schema;
use crate::database::failure::failure;
use crate::database::run::Planned;
use crate::database::{lease, ledger, pace, parts as ledger_of_parts, run, staging};
use crate::definition::ResolvedDefinition;
use crate::definition::selection::Selection;
use crate::error::{Error, ErrorName, Result};
use crate::identifier::Identifier;
use crate::listing::Pages;
use crate::record::is_gzip;
use crate::source::{ObjectSource, ObjectVersion, WorkStore, WorkWriter};
use crate::succession::materialized;

/// Objects that are held in memory at once. A larger listing is planned in
/// windows of this many, so that memory does not grow with it.
const WINDOW: usize = 100_000;

/// A Map item and what surrounds it may be 256 KiB; half of that leaves room.
const MAX_LINE_BYTES: usize = 128 * 1024;

/// Batches for each connection to aim for: the last ones to end are then short.
const BATCHES_FOR_EACH_CONNECTION: usize = 4;

/// How much of a big object is read to know gzip, and of how many objects at once.
const PEEKED_BYTES: u64 = 4;
const PEEKED_AHEAD: usize = 16;

/// How long a new plan waits for Lambdas of the plan before.
const DRAIN_TIMEOUT_MS: u64 = 60_000;

/// What the deployment sets for planning.
#[derive(Debug, Clone, Copy)]
pub struct PlanSettings {
    /// How long the lease lasts from here.
    pub lease: Duration,
    /// Batches that load at once where neither input nor definition says.
    pub max_concurrency: u32,
    /// The processors of the database's server; 0 if nobody has said.
    pub database_cpus: u32,
    /// The most bytes of a batch.
    pub batch_max_bytes: u64,
    /// The most objects of a batch.
    pub batch_max_objects: usize,
    /// The most bytes of a part; objects of twice as many or more are loaded in parts.
    pub part_bytes: u64,
}

/// Where something is in the work bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanPlace {
    /// The bucket.
    pub bucket: String,
    /// The key of the plan.
    pub key: String,
}

/// Where the map writes its results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultsPlace {
    /// The bucket.
    pub bucket: String,
    /// The prefix, without a slash at the end.
    pub prefix: String,
}

/// What a plan tells the state machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The run.
    pub run_id: String,
    /// The plan's number.
    pub attempt: i32,
    /// The plan itself, one batch a line.
    pub plan: PlanPlace,
    /// Where results go.
    pub results: ResultsPlace,
    /// How many batches there are.
    pub batches: u64,
    /// How many objects are below the prefix.
    pub objects_listed: u64,
    /// How many of them are in the batches.
    pub objects_to_load: u64,
    /// Their bytes.
    pub bytes_to_load: u64,
    /// How many batches load at once.
    pub max_concurrency: u32,
}

/// Plans a run: lists the prefix, leaves out what is skipped or loaded already,
/// and writes the batches to the work bucket.
///
/// It can be run again at any time: a new plan takes the place of the one before,
/// and Lambdas that still work on that one write nothing.
///
/// # Errors
/// `NoObjects`; `DeliveryIncomplete`; `LeaseLost`/`TableBusy` when another run has the table;
/// those of the source and of the database.
pub async fn plan(
    client: &mut Client,
    source: &dyn ObjectSource,
    work: &dyn WorkStore,
    run_id: &str,
    settings: &PlanSettings,
) -> Result<Plan> {
    let current = run::get(client, run_id).await?;
    let (definition, staging_table) = current.loading()?;
    let attempt = begin(client, &current, staging_table, settings.lease).await?;
    ledger::forget_unloaded(client, run_id).await?;
    ledger_of_parts::forget_unloaded(client, run_id).await?;

    let server = concurrency::ask(client, settings.database_cpus).await?;
    let wanted = definition.max_concurrency.unwrap_or(settings.max_concurrency);
    let affordable = concurrency::concurrency(wanted, &server);
    tracing::info!(run.id = run_id, wanted, sessions = affordable.sessions, reason = affordable.reason);
    pace::begin(client, run_id, attempt, &affordable).await?;
    let max_concurrency = affordable.sessions;
    let place =
        PlanPlace { bucket: work.bucket().to_owned(), key: format!("plans/{run_id}/{attempt}.jsonl") };
    let selection = Selection::new(definition)?;
    let bounds = BatchBounds {
        max_bytes: settings.batch_max_bytes,
        max_objects: settings.batch_max_objects,
        max_line_bytes: MAX_LINE_BYTES,
        min_batches: max_concurrency as usize * BATCHES_FOR_EACH_CONNECTION,
    };
    let splitting = Splitting { part_bytes: settings.part_bytes, obstacle: parts::obstacle(definition) };
    let mut listing =
        Listing { client, source, definition, selection: &selection, run_id, attempt, bounds, splitting };
    let mut found = listing.write(work.write(&place.key).await?).await?;
    if found.already_loaded != ledger::totals(listing.client, run_id).await?.loaded
        || found.parts_loaded != ledger_of_parts::count_loaded(listing.client, run_id).await?
    {
        // Some of what is in staging is gone from the source, or has another
        // version there now. Rows don't remember their object: begin anew.
        tracing::warn!(
            run.id = run_id,
            "objects changed after they had been loaded: loading everything anew"
        );
        start_over(listing.client, run_id, staging_table).await?;
        found = listing.write(work.write(&place.key).await?).await?;
    }
    run::planned(client, run_id, &found.planned).await?;
    if found.planned.objects_to_load + found.already_loaded == 0 && !definition.allow_empty {
        return Err(nothing_to_load(definition, &found));
    }
    Ok(Plan {
        run_id: run_id.to_owned(),
        attempt,
        plan: place,
        results: ResultsPlace {
            bucket: work.bucket().to_owned(),
            prefix: format!("results/{run_id}/{attempt}"),
        },
        batches: found.planned.batches,
        objects_listed: found.planned.objects_listed,
        objects_to_load: found.planned.objects_to_load,
        bytes_to_load: found.planned.bytes_to_load,
        max_concurrency,
    })
}

/// Begins the plan: prolongs the lease, waits until no Lambda of the plan before is
/// between its last check and its commit, and counts the attempt.
///
/// The lock on the staging table is what makes that airtight: whoever has copied
/// rows holds it until the commit, and whoever copies later checks the attempt
/// afterwards. The rows of lease and run are locked only after it, so that nobody
/// waits for them as long.
async fn begin(
    client: &mut Client,
    current: &run::Run,
    staging_table: &Identifier,
    lasts: Duration,
) -> Result<i32> {
    let doing = "beginning a plan";
    lease::acquire(client, &current.table, &current.run_id, lasts).await?;
    let transaction = client.transaction().await.map_err(|error| failure(doing, &error))?;
    staging::lock(&transaction, staging_table, "share", DRAIN_TIMEOUT_MS).await?;
    // They hold what the plan before has loaded.
    materialized::drop_copies(&transaction, &Schema::Staging.table(staging_table)).await?;
    let attempt = run::begin_attempt(&transaction, &current.run_id).await?;
    transaction.commit().await.map_err(|error| failure(doing, &error))?;
    Ok(attempt)
}

async fn start_over(client: &mut Client, run_id: &str, staging_table: &Identifier) -> Result<()> {
    let doing = "emptying the staging table";
    let transaction = client.transaction().await.map_err(|error| failure(doing, &error))?;
    staging::lock(&transaction, staging_table, "access exclusive", DRAIN_TIMEOUT_MS).await?;
    transaction
        .batch_execute(&format!("truncate table {}", Schema::Staging.table(staging_table)))
        .await
        .map_err(|error| failure(doing, &error))?;
    transaction
        .execute("delete from loader.object where run_id = $1", &[&run_id])
        .await
        .map_err(|error| failure(doing, &error))?;
    ledger_of_parts::forget_all(&transaction, run_id).await?;
    transaction.commit().await.map_err(|error| failure(doing, &error))
}

fn nothing_to_load(definition: &ResolvedDefinition, found: &Found) -> Error {
    let place = format!("s3://{}/{}", definition.bucket, definition.prefix);
    let message = match &found.first_skip {
        None => format!("there are no objects below {place}; check the prefix, or set allow_empty"),
        Some((key, reason)) => format!(
            "all {} objects below {place} are skipped, the first, {key}, as {reason}; check include and exclude, or set allow_empty",
            found.planned.objects_listed
        ),
    };
    Error::new(ErrorName::NoObjects, message)
}

/// What a listing came to.
#[derive(Default)]
struct Found {
    planned: Planned,
    /// Whether there was anything loaded before.
    any_loaded: bool,
    already_loaded: u64,
    /// Parts that are loaded, of objects that are not.
    parts_loaded: u64,
    first_skip: Option<(String, String)>,
}

/// One pass over the prefix.
struct Listing<'a> {
    client: &'a mut Client,
    source: &'a dyn ObjectSource,
    definition: &'a ResolvedDefinition,
    selection: &'a Selection,
    run_id: &'a str,
    attempt: i32,
    bounds: BatchBounds,
    splitting: Splitting,
}

/// Which objects are loaded in parts.
#[derive(Clone, Copy)]
struct Splitting {
    part_bytes: u64,
    /// What keeps all of them from that.
    obstacle: Option<&'static str>,
}

/// What is to be cut into batches.
#[derive(Default)]
struct Window {
    objects: Vec<ObjectVersion>,
    /// Big objects, with those parts that are not loaded yet.
    split: Vec<(ObjectVersion, Vec<Part>)>,
}

impl Listing<'_> {
    async fn write(&mut self, mut writer: Box<dyn WorkWriter>) -> Result<Found> {
        let any_loaded = ledger::has_loaded(&*self.client, self.run_id).await?;
        let mut found = Found { any_loaded, ..Found::default() };
        let mut arrival = Arrival::new(self.definition);
        let mut window = Window::default();
        let mut pages = Pages::new(self.source, &self.definition.prefix);
        while let Some(objects) = pages.next().await? {
            found.planned.objects_listed += objects.len() as u64;
            self.sort_out(objects, &mut found, &mut arrival, &mut window).await?;
            if window.objects.len() >= WINDOW {
                self.cut(std::mem::take(&mut window), &mut found, writer.as_mut()).await?;
            }
        }
        // Before anything follows from what is there and what is not.
        arrival.check(&*self.client).await?;
        self.cut(window, &mut found, writer.as_mut()).await?;
        writer.finish().await?;
        Ok(found)
    }

    /// Records what is skipped, leaves out what is loaded, keeps the rest.
    async fn sort_out(
        &self,
        objects: Vec<ObjectVersion>,
        found: &mut Found,
        arrival: &mut Arrival<'_>,
        window: &mut Window,
    ) -> Result<()> {
        let (mut skipped, mut wanted) = (Vec::new(), Vec::new());
        for object in objects {
            let reason = self.selection.skip_reason(&object);
            arrival.saw(&object, reason.is_none());
            match reason {
                Some(reason) => skipped.push((object, reason)),
                None => wanted.push(object),
            }
        }
        if found.first_skip.is_none() {
            found.first_skip = skipped.first().map(|(object, reason)| (object.key.clone(), reason.clone()));
        }
        ledger::skip(self.client, self.run_id, self.attempt, &skipped).await?;
        // A first plan need not ask page by page: nobody loads while it is made.
        let loaded = if found.any_loaded {
            let keys: Vec<&str> = wanted.iter().map(|object| object.key.as_str()).collect();
            ledger::loaded_among(self.client, self.run_id, &keys).await?
        } else {
            HashMap::new()
        };
        let mut big = Vec::new();
        for object in wanted {
            if loaded.get(&object.key) == Some(&object.etag) {
                found.already_loaded += 1;
                continue;
            }
            let parts = parts::parts(object.size, self.splitting.part_bytes);
            if parts.is_empty() { window.objects.push(object) } else { big.push((object, parts)) }
        }
        if big.is_empty() { Ok(()) } else { self.split(big, found, window).await }
    }

    /// Sorts out which big objects are loaded in parts, and which of their parts are
    /// loaded already.
    async fn split(
        &self,
        big: Vec<(ObjectVersion, Vec<Part>)>,
        found: &mut Found,
        window: &mut Window,
    ) -> Result<()> {
        let keys: Vec<&str> = big.iter().map(|(object, _)| object.key.as_str()).collect();
        let left_whole = ledger_of_parts::left_whole(self.client, self.run_id, &keys).await?;
        let mut loaded = ledger_of_parts::loaded_among(self.client, self.run_id, &keys).await?;
        let gzip = self.gzip_among(big.iter().map(|(object, _)| object)).await;
        let mut whole = Vec::new();
        for (object, mut parts) in big {
            if left_whole.get(&object.key) == Some(&object.etag) {
                window.objects.push(object);
                continue;
            }
            let is_gzip = gzip.contains(&object.key);
            let obstacle = self.splitting.obstacle.or_else(|| is_gzip.then_some("gzip can't be split"));
            if let Some(reason) = obstacle {
                whole.push((object, reason.to_owned()));
                continue;
            }
            let there = loaded.remove(&object.key).unwrap_or_default();
            let all = parts.len();
            parts.retain(|part| !there.contains(&(object.etag.clone(), *part)));
            if parts.is_empty() {
                // They are not the object, or too many of its rows were rejected.
                window.objects.push(object);
            } else {
                found.parts_loaded += (all - parts.len()) as u64;
                window.split.push((object, parts));
            }
        }
        let told: Vec<_> = whole.iter().map(|(object, reason)| (object, reason.clone())).collect();
        ledger_of_parts::leave_whole(self.client, self.run_id, &told).await?;
        window.objects.extend(whole.into_iter().map(|(object, _)| object));
        Ok(())
    }

    /// Finds the objects that are gzip. What can't be read now is looked at by those who
    /// load it.
    async fn gzip_among(&self, objects: impl Iterator<Item = &ObjectVersion>) -> HashSet<String> {
        let objects: Vec<ObjectVersion> =
            if self.splitting.obstacle.is_some() { Vec::new() } else { objects.cloned().collect() };
        let source = self.source;
        stream::iter(objects)
            .map(|object| async move {
                let start = async {
                    let mut body = source.open(&object, Some(PEEKED_BYTES)).await?.body;
                    let mut start = Vec::new();
                    while let Some(chunk) = body.next().await {
                        start.extend_from_slice(&chunk?);
                    }
                    Ok::<_, Error>(start)
                };
                let is_gzip = start.await.is_ok_and(|start| is_gzip(&start));
                is_gzip.then_some(object.key)
            })
            .buffer_unordered(PEEKED_AHEAD)
            .filter_map(std::future::ready)
            .collect()
            .await
    }

    async fn cut(&self, window: Window, found: &mut Found, writer: &mut dyn WorkWriter) -> Result<()> {
        let Window { objects, split } = window;
        // The longest first.
        let mut batches = Vec::new();
        for (object, parts) in split {
            found.planned.objects_to_load += 1;
            found.planned.bytes_to_load += parts.iter().map(|part| part.to - part.from).sum::<u64>();
            batches.extend(parts.into_iter().map(|part| (vec![object.clone()], Some(part))));
        }
        for objects in cut(objects, &self.bounds) {
            found.planned.objects_to_load += objects.len() as u64;
            found.planned.bytes_to_load += objects.iter().map(|object| object.size).sum::<u64>();
            batches.push((objects, None));
        }
        for (objects, part) in batches {
            let number = u32::try_from(found.planned.batches).map_err(|_| {
                Error::new(
                    ErrorName::InvalidConfiguration,
                    "the plan has too many batches: raise BATCH_MAX_BYTES",
                )
            })?;
            found.planned.batches += 1;
            let mut line = serde_json::to_vec(&Batch { batch: number, objects, part }).map_err(|error| {
                Error::new(ErrorName::Internal, format!("a batch can't be written: {error}"))
            })?;
            line.push(b'\n');
            writer.append(Bytes::from(line)).await?;
        }
        Ok(())
    }
}
