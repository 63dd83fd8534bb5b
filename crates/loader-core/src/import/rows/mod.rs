//! The rows lane: an object's records are parsed, mapped to columns, and sent row by
//! row in chunks. What a chunk is refused for costs the rows that are at fault, and no
//! others.
//!
//! A chunk goes by COPY within a savepoint. If it is refused, its rows are judged
//! ([`judge`]); the next chunks of the object are judged before they are sent whole.

mod account;
mod chunk;
mod judge;
mod piece;
mod reading;
mod refused;
mod sending;
mod spare;
mod text_format;

use std::sync::Arc;

use tokio_postgres::Transaction;

use self::account::Account;
pub(crate) use self::account::share;
use self::chunk::{Chunk, RowAt};
use self::judge::{Judge, Refused};
use self::piece::{Origin, Piece, Wire};
use self::reading::Reading;
pub(super) use self::reading::RowsObject;
use self::refused::{Stopped, bad_row, fail, reject_of, spoiled};
use self::sending::{Sending, binary_statement, statement};
use self::spare::Spares;
use super::group::{Assignment, GroupError, sending};
use super::open::named;
use crate::database::control_schema::Schema;
use crate::database::failure::{Refusal, copy_failure, failure, refusal};
use crate::database::ledger::Loaded;
use crate::database::parts::Ended;
use crate::database::rejects;
use crate::definition::rejects::{OnReject, RejectLimits};
use crate::error::{Error, ErrorName, Place, Result};
use crate::identifier::{Identifier, QualifiedName};
use crate::record::mapping::Mapping;
use crate::source::ObjectVersion;
use crate::wording::grouped;

/// The columns that say where a row comes from, while it may still be rejected: for
/// repeating a key, which only the build finds out.
pub(crate) const MARKS: [(&str, &str); 2] = [("_loader_object", "text"), ("_loader_line", "bigint")];

/// Where the number of the part begins in the mark of a line.
pub(crate) const PART_SHIFT: u32 = 40;

/// What goes row by row in one transaction.
pub(super) struct Lane<'a> {
    transaction: &'a Transaction<'a>,
    work: &'a Assignment,
    staging: QualifiedName,
    accounts: Vec<Account>,
    /// The first account that may still be found to be over its limits.
    unsettled: usize,
    chunk: Chunk,
    /// The memory of chunks that are done with.
    spares: Spares,
    /// The COPY of the chunk, if it is sent while it is read.
    copy: Option<Sending>,
    /// Whether rows of the object have been refused in the text format: the next ones
    /// are judged before they are sent.
    is_dirty: bool,
    /// Whether rows have been refused in the binary format.
    binary_is_dirty: bool,
    /// How many rows the run had rejected before this transaction.
    rejected_before: Option<u64>,
}

impl<'a> Lane<'a> {
    pub(super) fn new(transaction: &'a Transaction<'a>, work: &'a Assignment) -> Self {
        Self {
            transaction,
            work,
            staging: Schema::Staging.table(&work.staging),
            accounts: Vec::new(),
            unsettled: 0,
            chunk: Chunk::default(),
            spares: Spares::default(),
            copy: None,
            is_dirty: false,
            binary_is_dirty: false,
            rejected_before: None,
        }
    }

    /// Loads an object, as far as it goes without its last chunk.
    pub(super) async fn load(
        &mut self,
        object: &ObjectVersion,
        opened: RowsObject,
    ) -> Result<(), GroupError> {
        let is_like_the_last =
            self.accounts.last().is_some_and(|last| has_same_columns(&last.mapping, &opened.mapping));
        if !is_like_the_last {
            self.flush().await?;
        }
        let RowsObject { mapping, header, dialect, reason, parser, first, .. } = opened;
        let origin = Origin {
            key: object.key.clone(),
            etag: object.etag.clone(),
            run_id: self.work.run_id.clone(),
            mapping: Arc::clone(&mapping),
            marked: self.work.opener.marked,
            part: self.work.part.map_or(0, |part| part.number),
            keep_text: self.work.opener.definition.rejects.keep_text,
            wire: match self.on_reject() {
                _ if !mapping.goes_in_binary() => Wire::Text,
                OnReject::Fail => Wire::Binary,
                OnReject::Keep => Wire::Both,
            },
        };
        self.accounts.push(Account::new(object, mapping, dialect, header, reason));
        (self.is_dirty, self.binary_is_dirty) = (false, false);
        let mut reading = Reading::start(parser, first.as_ref(), origin, self.spares.clone());
        loop {
            match reading.next().await {
                Ok(Some(piece)) => self.take(piece).await?,
                Ok(None) => break,
                Err(error) => return Err(self.unreadable(named(error, &object.key))),
            }
        }
        if let Some(account) = self.accounts.last_mut() {
            account.ended = true;
            account.end = reading.ended;
        }
        if self.chunk.is_full() {
            self.flush().await?;
        }
        Ok(())
    }

    /// Sends what is left, and checks the limits.
    pub(super) async fn finish(&mut self) -> Result<(), GroupError> {
        self.flush().await
    }

    /// Returns where the last object ended that was loaded.
    pub(super) fn end(&self) -> Option<Ended> {
        self.accounts.last().and_then(|account| account.end)
    }

    /// Returns what was loaded, after [`finish`](Self::finish).
    pub(super) fn loaded(&mut self) -> impl Iterator<Item = Loaded> + '_ {
        self.accounts.drain(..).map(|account| {
            let is_replayable = account.rejected > 0;
            Loaded {
                rows: account.records - account.rejected,
                rejects: account.rejected,
                dialect: is_replayable.then_some(account.dialect),
                header: account.header.filter(|_| is_replayable),
                key: account.object.key,
                engine: "stream",
                reason: account.reason,
            }
        })
    }

    async fn take(&mut self, mut piece: Piece) -> Result<(), GroupError> {
        let (on_reject, limits) = (self.on_reject(), self.limits());
        let number = self.accounts.len() - 1;
        let Some(account) = self.accounts.last_mut() else { return Ok(()) };
        account.records += piece.records() as u64;
        let refused = std::mem::take(&mut piece.refused);
        if let (OnReject::Fail, Some(first)) = (on_reject, refused.first().cloned()) {
            let error = bad_row(&first, piece.first_refused_ends, &account.object.key);
            return Err(spoiled(error, 1, vec![first]));
        }
        for reject in refused {
            account.reject(reject);
        }
        // Whatever the rest is.
        if limits.object_rows.is_some_and(|rows| account.rejected > rows) {
            return Err(fail(account, None, &limits));
        }
        // Rows that wait to be judged wait for what comes after them, too; and COPY can't
        // take rows through expressions.
        let is_dirty = if self.goes_in_binary() { self.binary_is_dirty } else { self.is_dirty };
        let waits = is_dirty || self.chunk.rows() > 0 || self.has_expressions();
        if piece.rows() > 0 && (self.copy.is_some() || !waits) {
            self.send(&piece).await?;
        }
        self.chunk.push(number, piece);
        if self.chunk.is_full() { self.flush().await } else { Ok(()) }
    }

    /// Sends rows while the next ones are read.
    async fn send(&mut self, piece: &Piece) -> Result<(), GroupError> {
        let copying = |error: tokio_postgres::Error| failure("copying rows", &error);
        let mut copy = if let Some(copy) = self.copy.take() {
            copy
        } else {
            self.begin().await?;
            let (staging, columns) = (&self.staging, self.columns());
            let begun = if self.goes_in_binary() {
                Sending::begin_binary(self.transaction, &binary_statement(staging, &columns)).await
            } else {
                Sending::begin(self.transaction, &statement(staging, &columns)).await
            };
            begun.map_err(copying)?
        };
        let rows = if copy.is_binary() { &piece.binary } else { &piece.text };
        copy.send(rows.clone()).await.map_err(copying)?;
        self.copy = Some(copy);
        Ok(())
    }

    /// Begins a chunk. A COPY that fails before it takes data breaks the connection
    /// (see the verbatim lane), so whatever has to be waited for is waited for here.
    async fn begin(&self) -> Result<(), GroupError> {
        self.execute(&format!(
            "savepoint chunk; {}; lock table {} in row exclusive mode",
            self.work.time_limit(),
            self.staging
        ))
        .await
    }

    /// Ends the chunk: its good rows are in the table, its bad ones are rejects.
    async fn flush(&mut self) -> Result<(), GroupError> {
        let chunk = std::mem::take(&mut self.chunk);
        let copy = self.copy.take();
        if chunk.is_empty() {
            return self.settle();
        }
        if chunk.rows() > 0 {
            if let Some(copy) = copy {
                self.end_copies(copy, &chunk).await?;
            } else {
                // Its object had bad rows before; or COPY can't take what it holds.
                self.begin().await?;
                self.judge(&chunk, &chunk.all().collect::<Vec<_>>(), None).await?;
            }
            self.execute("release savepoint chunk").await?;
        }
        chunk.spare(&self.spares);
        self.keep_rejects().await?;
        self.settle()
    }

    /// Ends the COPY of a chunk, and sends after it what can't go in binary. What is
    /// refused is judged.
    async fn end_copies(&mut self, copy: Sending, chunk: &Chunk) -> Result<(), GroupError> {
        let all: Vec<RowAt> = chunk.all().collect();
        if !copy.is_binary() {
            let Some(stopped) = self.end_copy(copy, chunk, &all).await? else { return Ok(()) };
            self.execute("rollback to savepoint chunk").await?;
            return self.judge(chunk, &all, stopped.known()).await;
        }
        let (sent, loose): (Vec<RowAt>, Vec<RowAt>) = all.iter().partition(|at| chunk.is_binary(**at));
        if let Some(stopped) = self.end_copy(copy, chunk, &sent).await? {
            self.execute("rollback to savepoint chunk").await?;
            return self.judge(chunk, &all, stopped.known()).await;
        }
        if loose.is_empty() {
            return Ok(());
        }
        if self.is_dirty {
            return self.judge(chunk, &loose, None).await;
        }
        self.execute("savepoint loose").await?;
        let stopped = self.copy_loose(chunk, &loose).await?;
        if stopped.is_some() {
            self.execute("rollback to savepoint loose").await?;
        }
        self.execute("release savepoint loose").await?;
        match stopped {
            Some(stopped) => self.judge(chunk, &loose, stopped.known()).await,
            None => Ok(()),
        }
    }

    /// Sends rows with a value that only the database can read.
    async fn copy_loose(&mut self, chunk: &Chunk, loose: &[RowAt]) -> Result<Option<Stopped>, GroupError> {
        let copying = |error: tokio_postgres::Error| failure("copying rows", &error);
        let statement = statement(&self.staging, &self.columns());
        let mut copy = Sending::begin(self.transaction, &statement).await.map_err(copying)?;
        for run in chunk.runs(loose) {
            copy.feed(run).await.map_err(copying)?;
        }
        self.end_copy(copy, chunk, loose).await
    }

    /// Ends a COPY of these rows.
    async fn end_copy(
        &mut self,
        copy: Sending,
        chunk: &Chunk,
        rows: &[RowAt],
    ) -> Result<Option<Stopped>, GroupError> {
        let error = match copy.finish().await {
            Ok(taken) if taken == rows.len() as u64 => return Ok(None),
            Ok(taken) => {
                return Err(GroupError::Step(Error::new(
                    ErrorName::Internal,
                    format!("the database took {taken} rows of the {} that were sent", rows.len()),
                )));
            }
            Err(error) => error,
        };
        let Some(refusal) = refusal(self.work.staging.as_str(), &error) else {
            return Err(sending(failure("copying rows", &error)));
        };
        let line = refusal.line.and_then(|line| usize::try_from(line).ok()?.checked_sub(1));
        let at = line.and_then(|at| rows.get(at)).copied();
        if self.on_reject() == OnReject::Fail {
            return Err(match at {
                Some(at) => self.refused(chunk, at, refusal),
                None => sending(copy_failure(self.work.staging.as_str(), "", &error)),
            });
        }
        Ok(Some(Stopped { at, refusal }))
    }

    /// Judges rows of a chunk one by one where that is needed.
    async fn judge(
        &mut self,
        chunk: &Chunk,
        rows: &[RowAt],
        first: Option<Refused>,
    ) -> Result<(), GroupError> {
        let limits = self.limits();
        let is_kept = self.on_reject() == OnReject::Keep;
        let only = chunk.only_account().and_then(|number| self.accounts.get(number));
        let most = match only {
            _ if !is_kept => 0,
            Some(account) => account.left(&limits),
            None => u64::MAX,
        };
        let Some(last) = self.accounts.last() else { return Ok(()) };
        let mapping = Arc::clone(&last.mapping);
        let marks = self.marks();
        let judge = Judge::new(self.transaction, &self.staging, &self.work.staging, &mapping, &marks).await?;
        let verdict = judge.judge(chunk, rows, first, most).await.map_err(sending)?;
        if let (false, Some(first)) = (is_kept, verdict.refused.first()) {
            return Err(self.refused(chunk, first.at, first.refusal.clone()));
        }
        let keep_text = self.work.opener.definition.rejects.keep_text;
        let was_sent = |refused: &Refused| chunk.is_binary(refused.at);
        // One bad row in a million: what follows goes as fast as before.
        self.binary_is_dirty = verdict.refused.iter().any(was_sent);
        self.is_dirty = !verdict.refused.is_empty();
        for refused in verdict.refused {
            let Some((account, reject)) = reject_of(chunk, refused.at, refused.refusal, keep_text) else {
                return Err(GroupError::Step(Error::new(
                    ErrorName::Internal,
                    "a row that was refused is lost",
                )));
            };
            if let Some(account) = self.accounts.get_mut(account) {
                account.reject(reject);
            }
        }
        if verdict.ended_early {
            self.settle()?;
            return Err(GroupError::Step(Error::new(
                ErrorName::Internal,
                "rows were left unjudged, and no limit was reached",
            )));
        }
        Ok(())
    }

    /// Writes the rejects that are not written yet.
    async fn keep_rejects(&mut self) -> Result<(), GroupError> {
        for account in self.accounts.iter_mut().skip(self.unsettled) {
            let pending = std::mem::take(&mut account.pending);
            let part = self.work.part.as_ref();
            rejects::keep_of(self.transaction, &self.work.run_id, &account.object, part, &pending).await?;
        }
        let rejected: u64 = self.accounts.iter().map(|account| account.rejected).sum();
        let Some(run_rows) = self.limits().run_rows.filter(|_| rejected > 0) else { return Ok(()) };
        let before = match self.rejected_before {
            Some(before) => before,
            None => rejects::count(self.transaction, &self.work.run_id).await?,
        };
        self.rejected_before = Some(before);
        if before + rejected <= run_rows {
            return Ok(());
        }
        let what = format!(
            "the run has rejected {} rows so far, and {} are tolerated in a run (reject_limits.run_rows)",
            grouped(before + rejected),
            grouped(run_rows)
        );
        match self.accounts.iter_mut().rev().find(|account| account.rejected > 0) {
            Some(account) => Err(fail(account, Some(&what), &self.work.opener.definition.rejects.limits)),
            None => Ok(()),
        }
    }

    /// Checks the limits of the objects.
    fn settle(&mut self) -> Result<(), GroupError> {
        let limits = self.limits();
        for account in self.accounts.iter_mut().skip(self.unsettled) {
            if account.exceeded(&limits).is_some() {
                return Err(fail(account, None, &limits));
            }
        }
        self.unsettled +=
            self.accounts.iter().skip(self.unsettled).take_while(|account| account.ended).count();
        Ok(())
    }

    /// The error of an object that can't be read to its end.
    fn unreadable(&mut self, error: Error) -> GroupError {
        match sending(error) {
            GroupError::Object(mut spoiled) => {
                if let Some(account) = self.accounts.last_mut() {
                    spoiled.rejected = account.rejected;
                    spoiled.rejects = account.first();
                }
                GroupError::Object(spoiled)
            }
            step @ GroupError::Step(_) => step,
        }
    }

    /// The error of an object none of whose rows may be refused.
    fn refused(&self, chunk: &Chunk, at: RowAt, refused: Refusal) -> GroupError {
        let mut error =
            Error::new(ErrorName::BadRow, format!("the database refused a row: {}", refused.reason));
        error.sqlstate = Some(refused.sqlstate.clone());
        let line = chunk.piece(at).map(|(_, piece, row)| piece.last_line(row));
        let column = refused.column.clone();
        let keep_text = self.work.opener.definition.rejects.keep_text;
        let Some((account, reject)) = reject_of(chunk, at, refused, keep_text) else {
            return GroupError::Step(error);
        };
        let key = self.accounts.get(account).map(|account| account.object.key.clone()).unwrap_or_default();
        spoiled(error.at(Place { key, line, column }), 1, vec![reject])
    }

    /// Returns the columns that the rows of the chunk have.
    fn columns(&self) -> Vec<Identifier> {
        let mapping = self.accounts.last().map(|account| &account.mapping);
        let mapped = mapping.into_iter().flat_map(|mapping| &mapping.columns);
        mapped
            .map(|column| column.name.clone())
            .chain(self.marks().into_iter().map(|(name, _)| name))
            .collect()
    }

    /// Returns the columns that say where a row comes from, with their types.
    fn marks(&self) -> Vec<(Identifier, &'static str)> {
        let marks = MARKS.iter().filter(|_| self.work.opener.marked);
        marks.map(|(name, sql_type)| (Identifier::of_static(name), *sql_type)).collect()
    }

    fn goes_in_binary(&self) -> bool {
        self.accounts.last().is_some_and(|account| account.mapping.goes_in_binary())
    }

    fn has_expressions(&self) -> bool {
        self.accounts.last().is_some_and(|account| account.mapping.has_expressions())
    }

    fn on_reject(&self) -> OnReject {
        self.work.opener.definition.rejects.on_reject
    }

    fn limits(&self) -> RejectLimits {
        let limits = self.work.opener.definition.rejects.limits;
        match self.work.part {
            // The percentage is of all parts, and looked at when all of them are loaded.
            Some(_) => RejectLimits { object_percent: Some(100.0), ..limits },
            None => limits,
        }
    }

    async fn execute(&self, statement: &str) -> Result<(), GroupError> {
        self.transaction
            .batch_execute(statement)
            .await
            .map_err(|error| GroupError::Step(failure("loading objects", &error)))
    }
}

/// Whether the rows of two objects can go together.
fn has_same_columns(one: &Mapping, other: &Mapping) -> bool {
    let names =
        |mapping: &Mapping| -> Vec<_> { mapping.carried().map(|column| column.name.clone()).collect() };
    // Most objects have the very mapping of the one before.
    std::ptr::eq(one, other)
        || one.columns.iter().map(|column| &column.name).eq(other.columns.iter().map(|column| &column.name))
            && names(one) == names(other)
            && one.goes_in_binary() == other.goes_in_binary()
}
