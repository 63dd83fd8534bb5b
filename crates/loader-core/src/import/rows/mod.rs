//! The rows lane: an object's records are parsed, mapped to columns, and sent row by
//! row in chunks. What a chunk is refused for costs the rows that are at fault, and no
//! others.
//!
//! Rows whose values are certain are trusted at first: one COPY takes all of them, and they
//! are not kept. What else the table may refuse, by a constraint, shows only then; the
//! transaction is begun anew, and rows are kept.
//!
//! Then a chunk goes by COPY within a savepoint. If it is refused, its rows are judged
//! ([`judge`]); the next chunks of the object are judged before they are sent whole.

mod account;
mod chunk;
mod ending;
mod judge;
mod layout;
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
use self::layout::{Layout, Provenance};
use self::piece::{Origin, Piece, Wire};
use self::reading::Reading;
pub(super) use self::reading::RowsObject;
use self::refused::{bad_row, fail, reject_of, spoiled};
use self::sending::{Sending, binary_statement, statement};
use self::spare::Spares;
use super::group::{Assignment, GroupError, sending};
use super::open::named;
use crate::database::control_schema::Schema;
use crate::database::failure::{Refusal, failure};
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

/// Records that are not judged for the limits' sake alone: each time costs a COPY.
const FEW_RECORDS: u64 = 1_024;
/// Records that wait at most where the others are trusted. All of them may be refused, and
/// rejects take more memory than rows.
const MANY_RECORDS: u64 = 4_096;

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
    /// Whether the chunk has begun with a savepoint.
    has_savepoint: bool,
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
            has_savepoint: false,
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
        let trusts = self.trusts(&mapping);
        let provenance = Provenance { key: &object.key, etag: &object.etag, run_id: &self.work.run_id };
        let origin = Origin {
            key: object.key.clone(),
            mapping: Arc::clone(&mapping),
            layout: Layout::of(mapping.carried(), &provenance),
            marked: self.work.opener.marked,
            part: self.work.part.map_or(0, |part| part.number),
            keep_text: self.work.opener.definition.rejects.keep_text,
            wire: match self.on_reject() {
                _ if !mapping.goes_in_binary() => Wire::Text,
                OnReject::Keep if !trusts => Wire::Both,
                OnReject::Keep | OnReject::Fail => Wire::Binary,
            },
            trusts,
        };
        self.accounts.push(Account::new(object, mapping, dialect, header, reason));
        (self.is_dirty, self.binary_is_dirty) = (false, false);
        let mut reading = Reading::start(parser, first.as_ref(), origin, self.spares.clone());
        loop {
            match reading.next().await {
                Ok(Some(piece)) => self.take(piece).await?,
                Ok(None) => break,
                Err(error) => return Err(self.broken_off(named(error, &object.key)).await),
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
        let refused_records = refused.len();
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
        if piece.rows() + piece.trusted() > 0 && (self.copy.is_some() || !waits) {
            self.send(&piece).await?;
        }
        if piece.trusted() > 0 {
            self.spares.keep(piece.let_go());
        }
        self.chunk.push(number, piece, refused_records);
        if self.chunk.is_full() || self.has_waited() { self.flush().await } else { Ok(()) }
    }

    /// Whether enough rows wait that were not certain: the object may be over its limit.
    fn has_waited(&self) -> bool {
        self.accounts.last().is_some_and(|account| {
            let left = account.left(&self.limits());
            self.trusts(&account.mapping) && self.chunk.records() > left.clamp(FEW_RECORDS, MANY_RECORDS)
        })
    }

    /// Sends rows while the next ones are read.
    async fn send(&mut self, piece: &Piece) -> Result<(), GroupError> {
        let copying = |error: tokio_postgres::Error| failure("copying rows", &error);
        let mut copy = if let Some(copy) = self.copy.take() {
            copy
        } else {
            let (beginning, binary) = (self.beginning(), self.goes_in_binary());
            let write = if binary { binary_statement } else { statement };
            let statement = write(&self.staging, &self.columns());
            // Both are sent at once: the COPY itself begins when the lock is held.
            let prepare = async {
                self.transaction.prepare(&statement).await.map_err(|error| GroupError::from(copying(error)))
            };
            let ((), prepared) = tokio::try_join!(self.execute(&beginning), prepare)?;
            let begun = if binary {
                Sending::begin_binary(self.transaction, &prepared).await
            } else {
                Sending::begin(self.transaction, &prepared).await
            };
            begun.map_err(copying)?
        };
        let rows = if copy.is_binary() { &piece.binary } else { &piece.text };
        copy.send(rows.clone()).await.map_err(copying)?;
        self.copy = Some(copy);
        Ok(())
    }

    /// Writes what begins a chunk. A COPY that fails before it takes data breaks the connection
    /// (see the verbatim lane), so whatever has to be waited for is waited for in this.
    fn beginning(&mut self) -> String {
        self.has_savepoint = !self.accounts.last().is_some_and(|account| self.trusts(&account.mapping));
        let savepoint = if self.has_savepoint { "savepoint chunk; " } else { "" };
        format!("{savepoint}{}; lock table {} in row exclusive mode", self.work.time_limit(), self.staging)
    }

    /// Ends the chunk: its good rows are in the table, its bad ones are rejects.
    async fn flush(&mut self) -> Result<(), GroupError> {
        let chunk = std::mem::take(&mut self.chunk);
        let copy = self.copy.take();
        if chunk.is_empty() {
            return self.settle();
        }
        if chunk.rows() + chunk.trusted() > 0 {
            if let Some(copy) = copy {
                self.end_copies(copy, &chunk).await?;
            } else {
                // Its object had bad rows before; or COPY can't take what it holds.
                let beginning = self.beginning();
                self.execute(&beginning).await?;
                self.judge(&chunk, &chunk.all().collect::<Vec<_>>(), None).await?;
            }
            if std::mem::take(&mut self.has_savepoint) {
                self.execute("release savepoint chunk").await?;
            }
        }
        chunk.spare(&self.spares);
        self.keep_rejects().await?;
        self.settle()
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

    /// The error of an object that can't be read to its end, with what was refused of it
    /// so far.
    async fn broken_off(&mut self, error: Error) -> GroupError {
        let mut spoiled = match sending(error) {
            GroupError::Object(spoiled) => spoiled,
            other => return other,
        };
        if let Err(step @ GroupError::Step(_)) = self.flush().await {
            return step;
        }
        if let Some(account) = self.accounts.last_mut() {
            spoiled.rejected = account.rejected;
            spoiled.rejects = account.first();
        }
        GroupError::Object(spoiled)
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

    /// Whether rows that are certain are let go of when they are sent.
    fn trusts(&self, mapping: &Mapping) -> bool {
        self.work.trusts() && mapping.is_certain()
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
            && (one.goes_in_binary(), one.is_certain()) == (other.goes_in_binary(), other.is_certain())
}
