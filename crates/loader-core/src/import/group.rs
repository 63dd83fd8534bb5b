//! A group of objects, loaded in one transaction: the claims, the rows and the
//! ledger commit together or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::{Client, Transaction};

use super::ahead::Ahead;
use super::aws_s3;
use super::copy::Copy;
use super::open::{InDatabase, Opened, Opener, Streamed, named};
use super::rows::{Lane, RowsObject};
use super::turn::{self, Turns};
use crate::database::control_schema::Schema;
use crate::database::failure::{Refusal, failure};
use crate::database::lease;
use crate::database::ledger::{self, Loaded};
use crate::database::rejects::Reject;
use crate::definition::EngineChoice;
use crate::error::{Class, Error, ErrorName, Result};
use crate::identifier::Identifier;
use crate::plan::parts::Part;
use crate::record::LineCount;
use crate::source::ObjectVersion;

/// What a group is loaded for.
pub(super) struct Assignment {
    pub(super) run_id: String,
    pub(super) attempt: i32,
    pub(super) batch: i32,
    pub(super) staging: Identifier,
    /// The part of the only object that is loaded.
    pub(super) part: Option<Part>,
    pub(super) opener: Arc<Opener>,
    /// When the database is to give up a statement that still runs.
    pub(super) until: Instant,
    pub(super) turns: Turns,
    /// By how much a replica may be behind.
    pub(super) most_lag: Duration,
    pub(super) trust: Trust,
}

/// Whether rows are let go of before the database has taken them. It ends with the first
/// that is refused: the table has a constraint, and the next ones may be refused, too.
#[derive(Debug, Default)]
pub(super) struct Trust(AtomicBool);

impl Trust {
    /// A trust that has ended.
    pub(super) const fn none() -> Self {
        Self(AtomicBool::new(true))
    }

    fn has_ended(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn end(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How much earlier than its time a statement may be ended.
const EARLY: Duration = Duration::from_millis(50);

impl Assignment {
    /// Whether what failed may have failed because the time was up.
    pub(super) fn is_out_of_time(&self) -> bool {
        // The database counts whole milliseconds, and may be a little early.
        Instant::now() + EARLY >= self.until
    }

    pub(super) fn trusts(&self) -> bool {
        !self.trust.has_ended()
    }

    /// Keeps rows from now on, as one has been refused.
    pub(super) fn distrust(&self, refusal: &Refusal) {
        tracing::info!(
            run.id = self.run_id,
            batch = self.batch,
            reason = refusal.reason,
            "a row was refused: keeping rows until the database has taken them"
        );
        self.trust.end();
    }

    /// Returns what the ledger knows a batch by.
    pub(super) fn place(&self) -> (&str, i32, i32) {
        (&self.run_id, self.attempt, self.batch)
    }

    /// Returns how long a statement may run.
    pub(super) fn time_left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Writes the statement that lets the database itself end what runs too long:
    /// a call that is only given up here goes on there, and holds its locks.
    pub(super) fn time_limit(&self) -> String {
        // 0 would be no limit at all.
        format!("set local statement_timeout = {}", self.time_left().as_millis().max(1))
    }
}

/// What became of a group.
#[derive(Debug, Default)]
pub(super) struct GroupOutcome {
    pub(super) loaded: u64,
    pub(super) already_loaded: u64,
    pub(super) already_failed: u64,
    pub(super) rows: u64,
    pub(super) rejects: u64,
    /// Objects that can't be loaded. They are in the ledger.
    pub(super) failed: Vec<Failed>,
}

impl GroupOutcome {
    /// Adds what became of other objects.
    pub(super) fn add(&mut self, other: Self) {
        self.loaded += other.loaded;
        self.already_loaded += other.already_loaded;
        self.already_failed += other.already_failed;
        self.rows += other.rows;
        self.rejects += other.rejects;
        self.failed.extend(other.failed);
    }
}

/// An object that can't be loaded.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) object: ObjectVersion,
    pub(super) error: Error,
    /// How many of its rows were refused.
    pub(super) rejected: u64,
    /// The first of those.
    pub(super) rejects: Vec<Reject>,
}

impl Failed {
    pub(super) fn new(object: &ObjectVersion, error: Error) -> Self {
        Self { object: object.clone(), error, rejected: 0, rejects: Vec::new() }
    }

    /// Adds the row that the error names, read anew from the object.
    pub(super) async fn with_row(mut self, opener: &Opener, lines: LineCount) -> Self {
        if let Some(reject) = opener.rejected_row(&self.object, &self.error, lines).await {
            (self.rejected, self.rejects) = (1, vec![reject]);
        }
        self
    }
}

/// Why a group was rolled back.
pub(super) enum GroupError {
    /// One of its objects can't be loaded, which was found out only when some of
    /// it had been sent.
    Object(Box<Spoiled>),
    /// A row was refused that is not at hand any more: it has to be loaded anew.
    Misplaced(Refusal),
    /// The step can't go on.
    Step(Error),
}

/// Why an object can't be loaded, and which of its rows were refused.
pub(super) struct Spoiled {
    pub(super) error: Error,
    pub(super) rejected: u64,
    /// The first of those; none if they were not at hand.
    pub(super) rejects: Vec<Reject>,
}

/// Whether the object is at fault, and the others can go on without it.
pub(super) fn is_objects_fault(error: &Error) -> bool {
    error.class() != Class::Transient
        && !matches!(
            error.name,
            ErrorName::LeaseLost
                | ErrorName::RunFinished
                | ErrorName::Internal
                | ErrorName::ExtensionMissing
                | ErrorName::BucketMissing
                | ErrorName::WrongRegion
        )
}

impl From<Error> for GroupError {
    fn from(error: Error) -> Self {
        Self::Step(error)
    }
}

/// Sorts an error of an object that is being sent.
pub(super) fn sending(error: Error) -> GroupError {
    if is_objects_fault(&error) {
        GroupError::Object(Box::new(Spoiled { error, rejected: 0, rejects: Vec::new() }))
    } else {
        GroupError::Step(error)
    }
}

/// Makes the error of a row that was refused where all rows are kept, and can't be found.
pub(super) fn lost(refusal: &Refusal) -> Error {
    Error::new(ErrorName::Internal, format!("a row that was refused is lost: {}", refusal.reason))
}

/// How long a session may wait for its turn with objects that are open.
const OPEN_WAIT: Duration = Duration::from_secs(5);

/// Loads a group. The objects that come `then` are opened as soon as there is room.
pub(super) async fn load(
    client: &mut Client,
    work: &Assignment,
    ahead: &mut Ahead,
    objects: &[&ObjectVersion],
    then: &[&ObjectVersion],
) -> Result<GroupOutcome, GroupError> {
    let doing = "loading objects";
    ahead.expect(objects, then);
    let transaction = client.transaction().await.map_err(|error| failure(doing, &error))?;
    let asked = Instant::now();
    turn::take(&transaction, work).await?;
    if asked.elapsed() > OPEN_WAIT {
        ahead.forget();
    }
    // Both are asked at once: what is claimed without a lease is rolled back.
    let ((), claimed) = tokio::try_join!(
        lease::check(&transaction, &work.run_id, work.attempt),
        ledger::claim(&transaction, &work.run_id, work.attempt, work.batch, objects),
    )?;
    let mine: Vec<&ObjectVersion> = claimed.mine.iter().filter_map(|at| objects.get(*at).copied()).collect();

    let mut load = Load {
        transaction: &transaction,
        work,
        copy: None,
        lane: Lane::new(&transaction, work),
        loaded: Vec::new(),
        failed: Vec::new(),
    };
    // On the heap: futures within futures get too deep for the compiler otherwise.
    ahead.expect(&mine, then);
    Box::pin(load.all(ahead)).await?;
    let (loaded, failed) = (load.loaded, load.failed);

    let failed_keys: Vec<&str> = failed.iter().map(|failed: &Failed| failed.object.key.as_str()).collect();
    ledger::unclaim(&transaction, &work.run_id, &failed_keys).await?;
    for Failed { object, error, rejected, rejects } in &failed {
        ledger::fail(&transaction, work.place(), object, error, *rejected, rejects).await?;
    }
    // The lease last of all: whoever has taken the table over meanwhile waits for our lock
    // on the staging table, or finds us here. Both are sent at once, in this order.
    tokio::try_join!(
        ledger::complete(&transaction, &work.run_id, &loaded),
        lease::check(&transaction, &work.run_id, work.attempt),
    )?;
    transaction.commit().await.map_err(|error| failure("committing a load", &error))?;
    Ok(GroupOutcome {
        loaded: loaded.len() as u64,
        already_loaded: claimed.already_loaded,
        already_failed: claimed.already_failed,
        rows: loaded.iter().map(|object| object.rows).sum(),
        rejects: loaded.iter().map(|object| object.rejects).sum(),
        failed,
    })
}

struct Load<'a> {
    transaction: &'a Transaction<'a>,
    work: &'a Assignment,
    /// The COPY that is open. Other statements have to wait for its end.
    copy: Option<Copy>,
    /// What goes row by row. It may have a COPY open, too.
    lane: Lane<'a>,
    loaded: Vec<Loaded>,
    failed: Vec<Failed>,
}

impl Load<'_> {
    async fn all(&mut self, ahead: &mut Ahead) -> Result<(), GroupError> {
        while let Some((object, opened)) = ahead.next().await? {
            match opened {
                Ok(Opened::Stream(streamed)) => self.stream(&object, *streamed).await?,
                Ok(Opened::Rows(rows)) => self.rows(&object, *rows).await?,
                Ok(Opened::AwsS3(in_database)) => self.in_database(&object, &in_database).await?,
                // Nothing of it has been sent: the rest of the group goes on.
                Err(error) if is_objects_fault(&error) => self.failed.push(Failed::new(&object, error)),
                Err(error) => return Err(GroupError::Step(error)),
            }
        }
        self.finish_copy().await?;
        self.lane.finish().await?;
        self.loaded.extend(self.lane.loaded());
        Ok(())
    }

    async fn rows(&mut self, object: &ObjectVersion, opened: RowsObject) -> Result<(), GroupError> {
        self.finish_copy().await?;
        Box::pin(self.lane.load(object, opened)).await
    }

    async fn stream(&mut self, object: &ObjectVersion, mut streamed: Streamed) -> Result<(), GroupError> {
        self.lane.finish().await?;
        if self.copy.as_ref().is_some_and(|copy| !copy.takes(&streamed.columns)) {
            self.finish_copy().await?;
        }
        let mut copy = match self.copy.take() {
            Some(copy) => copy,
            None => self.begin_copy(object, &streamed).await?,
        };
        let rows = copy.send(&mut streamed).await.map_err(|error| sending(named(error, &object.key)))?;
        self.copy = Some(copy);
        self.loaded.push(loaded(object, rows, "stream", streamed.reason));
        Ok(())
    }

    async fn begin_copy(&self, object: &ObjectVersion, streamed: &Streamed) -> Result<Copy, GroupError> {
        // A COPY that fails before it takes data breaks the connection: tokio-postgres
        // then ends the request twice. So whatever has to be waited for is waited
        // for here.
        let staging = Schema::Staging.table(&self.work.staging);
        self.execute(&format!("{}; lock table {staging} in row exclusive mode", self.work.time_limit()))
            .await?;
        let definition = &self.work.opener.definition;
        let dialect = self.work.opener.plain()?;
        Copy::begin(self.transaction, &self.work.staging, dialect, definition, streamed, &object.key)
            .await
            .map_err(sending)
    }

    async fn finish_copy(&mut self) -> Result<(), GroupError> {
        match self.copy.take() {
            Some(copy) => copy.finish().await.map_err(sending),
            None => Ok(()),
        }
    }

    /// Lets the database fetch the object. A savepoint keeps its failure from the
    /// other objects of the group.
    async fn in_database(
        &mut self,
        object: &ObjectVersion,
        in_database: &InDatabase,
    ) -> Result<(), GroupError> {
        self.finish_copy().await?;
        self.lane.finish().await?;
        self.execute(&format!("savepoint import; {}", self.work.time_limit())).await?;
        let opener = &self.work.opener;
        let imported = aws_s3::import(
            self.transaction,
            opener.source.as_ref(),
            &self.work.staging,
            &opener.definition,
            object,
            in_database,
        )
        .await;
        let error = match imported {
            Ok(rows) => {
                self.execute("release savepoint import").await?;
                self.loaded.push(loaded(object, rows, "aws_s3", in_database.reason.clone()));
                return Ok(());
            }
            Err(error) => named(error, &object.key),
        };
        if error.name == ErrorName::DatabaseUnavailable {
            return Err(GroupError::Step(error));
        }
        self.execute("rollback to savepoint import").await?;
        // The database's way to S3 is not ours: where it is shut, ours may be open.
        let has_no_way = matches!(
            error.name,
            ErrorName::AccessDenied | ErrorName::SourceUnavailable | ErrorName::WrongRegion
        );
        if opener.engine == EngineChoice::Auto && has_no_way {
            tracing::warn!(object.key = object.key, %error, "aws_s3 has no way to the object: streaming it");
            return self.instead(object, &format!("aws_s3 could not fetch it ({})", error.name)).await;
        }
        if opener.keeps_rejects() && error.name == ErrorName::BadRow {
            tracing::info!(object.key = object.key, "aws_s3 was refused a row: going through the rows");
            return self.instead(object, "aws_s3 was refused a row").await;
        }
        if is_objects_fault(&error) {
            self.failed.push(Failed::new(object, error).with_row(opener, LineCount::Stored).await);
            Ok(())
        } else {
            Err(GroupError::Step(error))
        }
    }

    /// Takes an object through here that the database could not load by itself.
    async fn instead(&mut self, object: &ObjectVersion, reason: &str) -> Result<(), GroupError> {
        match self.work.opener.through_here(object, reason).await {
            Ok(Opened::Rows(rows)) => self.rows(object, *rows).await,
            Ok(Opened::Stream(streamed)) => self.stream(object, *streamed).await,
            Ok(Opened::AwsS3(_)) => Err(GroupError::Step(Error::new(
                ErrorName::Internal,
                "an object that the database could not load was to be loaded by it",
            ))),
            Err(error) if is_objects_fault(&error) => {
                self.failed.push(Failed::new(object, named(error, &object.key)));
                Ok(())
            }
            Err(error) => Err(GroupError::Step(error)),
        }
    }

    async fn execute(&self, statement: &str) -> Result<(), GroupError> {
        self.transaction
            .batch_execute(statement)
            .await
            .map_err(|error| GroupError::Step(failure("loading objects", &error)))
    }
}

fn loaded(object: &ObjectVersion, rows: u64, engine: &'static str, reason: String) -> Loaded {
    Loaded { key: object.key.clone(), rows, rejects: 0, engine, reason, dialect: None, header: None }
}
