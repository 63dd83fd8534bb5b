//! Rows that were refused, as the rejects that they become and the errors of their
//! objects.

use super::account::Account;
use super::chunk::{Chunk, RowAt};
use super::judge::Refused;
use crate::database::failure::Refusal;
use crate::database::rejects;
use crate::definition::rejects::RejectLimits;
use crate::error::{Error, ErrorName, Place};
use crate::import::group::{GroupError, Spoiled};

/// What a COPY was refused for.
pub(super) struct Stopped {
    /// Where the database says that it is at a row.
    pub(super) at: Option<RowAt>,
    pub(super) refusal: Refusal,
}

impl Stopped {
    pub(super) fn known(self) -> Option<Refused> {
        self.at.map(|at| Refused { at, refusal: self.refusal })
    }
}

/// Makes a reject of a row of a chunk, with the number of its account.
pub(super) fn reject_of(
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

pub(super) fn bad_row(reject: &rejects::Reject, ends: u64, key: &str) -> Error {
    let mut error = Error::new(ErrorName::BadRow, reject.reason.clone()).at(Place {
        key: key.to_owned(),
        line: Some(ends),
        column: reject.column.clone(),
    });
    error.sqlstate.clone_from(&reject.sqlstate);
    error
}

pub(super) fn spoiled(error: Error, rejected: u64, rejects: Vec<rejects::Reject>) -> GroupError {
    GroupError::Object(Box::new(Spoiled { error, rejected, rejects }))
}

/// Fails an object of which too many rows were rejected; `what` says it where it is
/// not the object's own limit.
pub(super) fn fail(account: &mut Account, what: Option<&str>, limits: &RejectLimits) -> GroupError {
    let error = match what {
        Some(what) => account.error(what),
        None => account.exceeded(limits).unwrap_or_else(|| account.error("too many rows were rejected")),
    };
    spoiled(error, account.rejected, account.first())
}
