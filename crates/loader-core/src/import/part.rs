//! One part of a big object, loaded in a transaction of its own.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio_postgres::Client;

use super::group::{Assignment, Failed, GroupError, GroupOutcome, is_objects_fault, lost};
use super::open::{Opener, WEIGHED_BYTES, named};
use super::rows::{Lane, RowsObject};
use super::turn;
use crate::database::control_schema::Schema;
use crate::database::failure::failure;
use crate::database::lease;
use crate::database::parts::{self, Begun, Claimed, Loaded, Work};
use crate::definition::dialect::Dialect;
use crate::error::{Error, ErrorName, Result};
use crate::plan::parts::Part;
use crate::record::boundary;
use crate::record::mapping::Mapping;
use crate::record::parsed::Parsed;
use crate::record::parser::Parser;
use crate::record::unpack::unpack_written;
use crate::source::{ByteStream, ObjectVersion};

/// How much of an object is fetched to read what its records have in common.
const HEAD_BYTES: u64 = 4 * 1024 * 1024;

/// How much is looked at to find where records begin: less first, and more if that does
/// not tell.
const WINDOWS: [usize; 2] = [256 * 1024, 4 * 1024 * 1024];

/// How long the byte order mark of UTF-8 is.
const MARK_BYTES: u64 = 3;

const DOING: &str = "loading a part";

/// Loads a part. It is recorded where it can't be, and its object with it.
///
/// # Errors
/// As for the import of a batch.
pub(super) async fn load(
    client: &mut Client,
    work: &Assignment,
    object: &ObjectVersion,
    part: &Part,
) -> Result<GroupOutcome> {
    let mut begun = None;
    let mut attempted = attempt(client, work, object, part, &mut begun).await;
    if let Err(GroupError::Misplaced(refusal)) = attempted {
        work.distrust(&refusal);
        attempted = attempt(client, work, object, part, &mut begun).await;
    }
    let failed = match attempted {
        Ok(outcome) => return Ok(outcome),
        Err(GroupError::Misplaced(refusal)) => return Err(lost(&refusal)),
        Err(GroupError::Step(error)) => return Err(error),
        Err(GroupError::Object(spoiled)) => Failed {
            rejected: spoiled.rejected,
            rejects: spoiled.rejects,
            ..Failed::new(object, named(spoiled.error, &object.key))
        },
    };
    let Failed { object, error, .. } = &failed;
    tracing::warn!(run.id = work.run_id, object.key = object.key, part = part.number, error.name = error.name.as_str(), %error, "a part can't be loaded");
    record_failed(client, work, part, begun.filter(|_| depends_on_place(error)), &failed).await?;
    Ok(GroupOutcome { failed: vec![failed], ..GroupOutcome::default() })
}

/// Whether an error may come from nothing but the place that was taken for the beginning
/// of a record.
const fn depends_on_place(error: &Error) -> bool {
    matches!(
        error.name,
        ErrorName::BadRow
            | ErrorName::TooManyRejects
            | ErrorName::HeaderMismatch
            | ErrorName::UnsupportedFormat
            | ErrorName::DatabaseRejected
    )
}

/// Records that a part can't be loaded, and what that makes of its object.
///
/// # Errors
/// Those of the database; `LeaseLost`.
pub(super) async fn record_failed(
    client: &mut Client,
    work: &Assignment,
    part: &Part,
    begun: Option<Begun>,
    failed: &Failed,
) -> Result<()> {
    let doing = "recording a failed part";
    let transaction = client.transaction().await.map_err(|error| failure(doing, &error))?;
    let its = its_work(work, &failed.object, part);
    lease::check(&transaction, &work.run_id, work.attempt).await?;
    parts::fail(&transaction, &its, begun, &failed.error, failed.rejected, &failed.rejects).await?;
    parts::settle(&transaction, &its, &work.opener.definition.rejects).await?;
    lease::check(&transaction, &work.run_id, work.attempt).await?;
    transaction.commit().await.map_err(|error| failure(doing, &error))
}

const fn its_work<'a>(work: &'a Assignment, object: &'a ObjectVersion, part: &'a Part) -> Work<'a> {
    Work { run_id: work.run_id.as_str(), attempt: work.attempt, batch: work.batch, object, part }
}

async fn attempt(
    client: &mut Client,
    work: &Assignment,
    object: &ObjectVersion,
    part: &Part,
    begun: &mut Option<Begun>,
) -> Result<GroupOutcome, GroupError> {
    let transaction = client.transaction().await.map_err(|error| failure(DOING, &error))?;
    let execute = async |statement: &str| {
        transaction.batch_execute(statement).await.map_err(|error| failure(DOING, &error))
    };
    turn::take(&transaction, work).await?;
    lease::check(&transaction, &work.run_id, work.attempt).await?;
    let its = its_work(work, object, part);
    match parts::claim(&transaction, &its).await? {
        Claimed::Mine => {}
        Claimed::AlreadyLoaded => return Ok(GroupOutcome { already_loaded: 1, ..GroupOutcome::default() }),
        Claimed::AlreadyFailed => return Ok(GroupOutcome { already_failed: 1, ..GroupOutcome::default() }),
    }
    let opened = work.opener.part(object, part).await.map_err(|error| {
        let error = named(error, &object.key);
        if is_objects_fault(&error) {
            GroupError::Object(Box::new(super::Spoiled { error, rejected: 0, rejects: Vec::new() }))
        } else {
            GroupError::Step(error)
        }
    })?;
    *begun = opened.begun;
    let mut lane = Lane::new(&transaction, work);
    Box::pin(lane.load(object, opened)).await?;
    lane.finish().await?;
    let (Some(begun), Some(ended)) = (*begun, lane.end()) else {
        return Err(GroupError::Step(Error::new(ErrorName::Internal, "a part has no place in its object")));
    };
    let Some(loaded) = lane.loaded().next() else {
        return Err(GroupError::Step(Error::new(ErrorName::Internal, "a part was loaded and is lost")));
    };
    // Whoever begins a new plan waits for it; a part without rows has not taken it.
    execute(&format!("lock table {} in row exclusive mode", Schema::Staging.table(&work.staging))).await?;
    let (rows, rejects) = (loaded.rows, loaded.rejects);
    let made = Loaded {
        begun,
        ended,
        rows,
        rejects,
        reason: &loaded.reason,
        dialect: loaded.dialect.as_ref(),
        header: loaded.header.as_ref(),
    };
    parts::complete(&transaction, &its, &made).await?;
    let is_whole = parts::settle(&transaction, &its, &work.opener.definition.rejects).await?;
    // Last of all, as for a group.
    lease::check(&transaction, &work.run_id, work.attempt).await?;
    transaction.commit().await.map_err(|error| failure("committing a load", &error))?;
    Ok(GroupOutcome { loaded: u64::from(is_whole), rows, rejects, ..GroupOutcome::default() })
}

fn unsplittable(why: String) -> Error {
    Error::new(ErrorName::Unreconciled, why)
}

/// Sees in the first records of an object how long its texts are, if that matters. All of its
/// parts see the same.
async fn weighed(mut mapping: Arc<Mapping>, head: &mut Parser) -> Arc<Mapping> {
    if mapping.is_to_be_weighed() {
        let (end, mut records) = (head.reached() + WEIGHED_BYTES as u64, Vec::new());
        let mut record = Parsed::default();
        // What can't be read is not looked at.
        while head.reached() < end && matches!(head.next(&mut record).await, Ok(true)) {
            records.push(record.clone());
        }
        Arc::make_mut(&mut mapping).weigh(&records);
    }
    mapping
}

impl Opener {
    /// Opens a part: reads what the records of its object have in common, finds where
    /// those of the part begin, and reads from there.
    ///
    /// # Errors
    /// Those of the source; `HeaderMismatch`, `UnsupportedFormat`; `Unreconciled` if the
    /// object can't be loaded in parts.
    async fn part(&self, object: &ObjectVersion, part: &Part) -> Result<RowsObject> {
        let dialect = self.definition.dialect.complete()?;
        let limit = HEAD_BYTES.min(object.size);
        let open = self.source.open(object, Some(limit)).await?;
        let unpacked = unpack_written(open.body, &self.definition.dialect).await?;
        if unpacked.gzip {
            return Err(unsplittable("gzip can't be split".to_owned()));
        }
        let mut head = Parser::new(unpacked.body, &dialect)?;
        head.follow(&dialect, if unpacked.bom { MARK_BYTES } else { 0 });
        // What breaks off where the rest of the object was not asked for says nothing.
        let is_cut = |head: &Parser| limit < object.size && head.reached() > limit / 2;
        let too_long = || unsplittable("its header is too long to be read for each part".to_owned());
        let read = async {
            let header = head.header().await?;
            // Behind the lines that are skipped.
            head.stop_at(Some(0));
            head.next(&mut Parsed::default()).await?;
            let (begins, head_lines) = (head.place(), head.lines());
            head.stop_at(None);
            let (mapping, _) = self.mapping(object, &dialect, header.as_deref(), &mut head, Vec::new).await?;
            Ok::<_, Error>((header, begins, head_lines, mapping))
        };
        let read = read.await;
        if is_cut(&head) {
            return Err(too_long());
        }
        let (header, begins, head_lines, mapping) = read?;
        let mapping = weighed(mapping, &mut head).await;
        let begins = begins.ok_or_else(too_long)?;
        if mapping.is_numbered() {
            return Err(unsplittable("a column is numbered in the order of the rows".to_owned()));
        }
        let (first_at, body) = if part.from <= begins {
            (begins, self.source.open_from(object, begins).await?.body)
        } else {
            self.behind(object, part, &dialect, &head, &mapping).await?
        };
        let mut parser = head.elsewhere(body, &dialect, first_at)?;
        if head_lines == 0 && part.from <= begins {
            parser.begins_object();
        }
        parser.stop_at((!part.is_last()).then_some(part.to));
        Ok(RowsObject {
            mapping,
            header,
            dialect,
            found: Vec::new(),
            doubts: Vec::new(),
            reason: "parts are streamed".to_owned(),
            parser,
            first: None,
            begun: Some(Begun { first_at, head_lines }),
        })
    }

    /// Finds the first record that begins in a part or behind it, and returns its place
    /// with the bytes from there on.
    async fn behind(
        &self,
        object: &ObjectVersion,
        part: &Part,
        dialect: &Dialect,
        head: &Parser,
        mapping: &Mapping,
    ) -> Result<(u64, ByteStream)> {
        // The byte before may be the end of a line.
        let from = part.from - 1;
        let mut rest = self.source.open_from(object, from).await?.body;
        let mut window = BytesMut::new();
        let is_good = |record: &Parsed| mapping.check(record).is_none();
        let mut ended = false;
        for size in WINDOWS {
            while window.len() < size && !ended {
                match rest.try_next().await? {
                    Some(chunk) => window.extend_from_slice(&chunk),
                    None => ended = true,
                }
            }
            let found = boundary::find(&window, ended, dialect, head.width(), &is_good)?;
            if let Some(found) = found.filter(|found| found.is_sure || ended || size == WINDOWS[1]) {
                let window: Bytes = window.freeze();
                let at = usize::try_from(found.at).unwrap_or(usize::MAX).min(window.len());
                let begin = window.slice(at..);
                let body = stream::once(async move { Ok(begin) }).chain(rest);
                return Ok((from + at as u64, Box::pin(body)));
            }
            if ended {
                break;
            }
        }
        Err(unsplittable(format!("no record begins within {} bytes behind byte {from}", window.len())))
    }
}
