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
mod sending;
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
use self::sending::{Sending, binary_statement, statement};
use super::group::{Assignment, GroupError, Spoiled, sending};
use super::open::named;
use crate::database::control_schema::Schema;
use crate::database::failure::{Refusal, copy_failure, failure, refusal};
use crate::database::ledger::Loaded;
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

/// What goes row by row in one transaction.
pub(super) struct Lane<'a> {
    transaction: &'a Transaction<'a>,
    work: &'a Assignment,
    staging: QualifiedName,
    accounts: Vec<Account>,
    /// The first account that may still be found to be over its limits.
    unsettled: usize,
    chunk: Chunk,
    /// The COPY of the chunk, if it is sent while it is read.
    copy: Option<Sending>,
    /// How many rows of the chunk have been refused by COPY before: the next ones of
    /// the object are judged before they are sent.
    is_dirty: bool,
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
            copy: None,
            is_dirty: false,
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
            keep_text: self.work.opener.definition.rejects.keep_text,
            wire: match self.on_reject() {
                _ if !mapping.goes_in_binary() => Wire::Text,
                OnReject::Fail => Wire::Binary,
                OnReject::Keep => Wire::Both,
            },
        };
        self.accounts.push(Account::new(object, mapping, dialect, header, reason));
        self.is_dirty = false;
        let mut reading = Reading::start(parser, first.as_ref(), origin);
        loop {
            match reading.next().await {
                Ok(Some(piece)) => self.take(piece).await?,
                Ok(None) => break,
                Err(error) => return Err(self.unreadable(named(error, &object.key))),
            }
        }
        if let Some(account) = self.accounts.last_mut() {
            account.ended = true;
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
        let waits = self.is_dirty || self.chunk.rows() > 0 || self.has_expressions();
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
                if let Some(first) = self.end_copies(copy, &chunk).await? {
                    self.execute("rollback to savepoint chunk").await?;
                    self.judge(&chunk, first.known()).await?;
                }
            } else {
                // Its object had bad rows before; or COPY can't take what it holds.
                self.begin().await?;
                self.judge(&chunk, None).await?;
            }
            self.execute("release savepoint chunk").await?;
        }
        self.keep_rejects().await?;
        self.settle()
    }

    /// Ends the COPY of a chunk, and sends after it what can't go in binary. Returns the
    /// row that the database refuses, if it does.
    async fn end_copies(&mut self, copy: Sending, chunk: &Chunk) -> Result<Option<Stopped>, GroupError> {
        if !copy.is_binary() {
            let rows: Vec<RowAt> = chunk.all().collect();
            return self.end_copy(copy, chunk, &rows).await;
        }
        let rows: Vec<RowAt> = chunk.of_format(true).collect();
        if let Some(stopped) = self.end_copy(copy, chunk, &rows).await? {
            return Ok(Some(stopped));
        }
        let rows: Vec<RowAt> = chunk.of_format(false).collect();
        if rows.is_empty() {
            return Ok(None);
        }
        let copying = |error: tokio_postgres::Error| failure("copying rows", &error);
        let mut copy = Sending::begin(self.transaction, &statement(&self.staging, &self.columns()))
            .await
            .map_err(copying)?;
        for run in chunk.runs(&rows) {
            copy.feed(run).await.map_err(copying)?;
        }
        self.end_copy(copy, chunk, &rows).await
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
        self.is_dirty = true;
        Ok(Some(Stopped { at, refusal }))
    }

    /// Judges the rows of a chunk one by one where that is needed.
    async fn judge(&mut self, chunk: &Chunk, first: Option<Refused>) -> Result<(), GroupError> {
        self.is_dirty = true;
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
        let verdict = judge.judge(chunk, first, most).await.map_err(sending)?;
        if let (false, Some(first)) = (is_kept, verdict.refused.first()) {
            return Err(self.refused(chunk, first.at, first.refusal.clone()));
        }
        let keep_text = self.work.opener.definition.rejects.keep_text;
        let is_clean = verdict.refused.is_empty();
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
        // One bad row in a million: what follows goes as fast as before.
        self.is_dirty = !is_clean;
        Ok(())
    }

    /// Writes the rejects that are not written yet.
    async fn keep_rejects(&mut self) -> Result<(), GroupError> {
        for account in self.accounts.iter_mut().skip(self.unsettled) {
            let pending = std::mem::take(&mut account.pending);
            rejects::keep(self.transaction, &self.work.run_id, &account.object, &pending).await?;
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
        self.work.opener.definition.rejects.limits
    }

    async fn execute(&self, statement: &str) -> Result<(), GroupError> {
        self.transaction
            .batch_execute(statement)
            .await
            .map_err(|error| GroupError::Step(failure("loading objects", &error)))
    }
}

/// What a COPY was refused for.
struct Stopped {
    /// Where the database says that it is at a row.
    at: Option<RowAt>,
    refusal: Refusal,
}

impl Stopped {
    fn known(self) -> Option<Refused> {
        self.at.map(|at| Refused { at, refusal: self.refusal })
    }
}

/// Whether the rows of two objects can go together.
fn has_same_columns(one: &Mapping, other: &Mapping) -> bool {
    let names =
        |mapping: &Mapping| -> Vec<_> { mapping.carried().map(|column| column.name.clone()).collect() };
    one.columns.iter().map(|column| &column.name).eq(other.columns.iter().map(|column| &column.name))
        && names(one) == names(other)
        && one.goes_in_binary() == other.goes_in_binary()
}

/// Makes a reject of a row of a chunk, with the number of its account.
fn reject_of(
    chunk: &Chunk,
    at: RowAt,
    refused: Refusal,
    keep_text: bool,
) -> Option<(usize, rejects::Reject)> {
    let (account, piece, row) = chunk.piece(at)?;
    let reject = rejects::Reject {
        column: refused.column,
        constraint: refused.constraint,
        sqlstate: Some(refused.sqlstate),
        reason: refused.reason,
        ..piece.reject(row, keep_text)
    };
    Some((account, reject))
}

fn bad_row(reject: &rejects::Reject, ends: u64, key: &str) -> Error {
    let mut error = Error::new(ErrorName::BadRow, reject.reason.clone()).at(Place {
        key: key.to_owned(),
        line: Some(ends),
        column: reject.column.clone(),
    });
    error.sqlstate.clone_from(&reject.sqlstate);
    error
}

fn spoiled(error: Error, rejected: u64, rejects: Vec<rejects::Reject>) -> GroupError {
    GroupError::Object(Box::new(Spoiled { error, rejected, rejects }))
}

/// Fails an object of which too many rows were rejected; `what` says it where it is
/// not the object's own limit.
fn fail(account: &mut Account, what: Option<&str>, limits: &RejectLimits) -> GroupError {
    let error = match what {
        Some(what) => account.error(what),
        None => account.exceeded(limits).unwrap_or_else(|| account.error("too many rows were rejected")),
    };
    spoiled(error, account.rejected, account.first())
}
