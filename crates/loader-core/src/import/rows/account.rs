//! What becomes of the records of one object, and whether too many were refused.

use std::sync::Arc;

use crate::database::parts::Ended;
use crate::database::rejects::{KEPT_OF_FAILED, Reject};
use crate::definition::dialect::Dialect;
use crate::definition::rejects::{DEFAULT_PERCENT, RejectLimits};
use crate::error::{Error, ErrorName, Place};
use crate::record::mapping::Mapping;
use crate::source::ObjectVersion;
use crate::wording::{counted, grouped};

/// Records from which on the percentage of an object is looked at before its end.
/// Fewer say little: the first row may be the only bad one.
pub(super) const ENOUGH_RECORDS: u64 = 10_000;

/// An object's records and rejects so far.
pub(super) struct Account {
    pub(super) object: ObjectVersion,
    pub(super) mapping: Arc<Mapping>,
    pub(super) dialect: Dialect,
    pub(super) header: Option<Vec<String>>,
    pub(super) reason: String,
    /// Its records so far, the refused ones counted.
    pub(super) records: u64,
    /// How many of them were refused.
    pub(super) rejected: u64,
    /// Whether these are all.
    pub(super) ended: bool,
    /// Where they ended.
    pub(super) end: Option<Ended>,
    /// Rejects that are not written yet.
    pub(super) pending: Vec<Reject>,
    /// The first rejects, for when the object fails and its transaction is rolled back.
    first: Vec<Reject>,
}

impl Account {
    pub(super) fn new(
        object: &ObjectVersion,
        mapping: Arc<Mapping>,
        dialect: Dialect,
        header: Option<Vec<String>>,
        reason: String,
    ) -> Self {
        Self {
            object: object.clone(),
            mapping,
            dialect,
            header,
            reason,
            records: 0,
            rejected: 0,
            ended: false,
            end: None,
            pending: Vec::new(),
            first: Vec::new(),
        }
    }

    /// Adds a refused record.
    pub(super) fn reject(&mut self, reject: Reject) {
        self.rejected += 1;
        if self.first.len() < KEPT_OF_FAILED {
            self.first.push(reject.clone());
        }
        self.pending.push(reject);
    }

    /// Returns the first rejects, in the order of their lines.
    pub(super) fn first(&mut self) -> Vec<Reject> {
        let mut first = std::mem::take(&mut self.first);
        first.sort_by_key(|reject| reject.line);
        first
    }

    /// Returns how many more may be refused, as far as it can be said now.
    pub(super) fn left(&self, limits: &RejectLimits) -> u64 {
        self.allowed(limits).saturating_sub(self.rejected)
    }

    /// Returns the error of an object of which too many records were refused.
    pub(super) fn exceeded(&self, limits: &RejectLimits) -> Option<Error> {
        if self.rejected <= self.allowed(limits) {
            return None;
        }
        let of = if self.ended { "" } else { "first " };
        let tolerated = match limits.object_rows {
            Some(rows) if self.rejected > rows => {
                format!("{} are tolerated in an object (reject_limits.object_rows)", grouped(rows))
            }
            _ => format!(
                "{} % are tolerated in an object (reject_limits.object_percent)",
                limits.object_percent.unwrap_or(DEFAULT_PERCENT)
            ),
        };
        Some(self.error(&format!(
            "{} of the object's {of}{} were rejected, and {tolerated}",
            grouped(self.rejected),
            counted(self.records, "record", "records"),
        )))
    }

    /// Makes the error of too many rejects, at the place of the first one.
    pub(super) fn error(&self, what: &str) -> Error {
        let first = self.first.iter().min_by_key(|reject| reject.line);
        let why = first.map_or_else(String::new, |first| format!("; the first: {}", first.reason));
        let mut error = Error::new(ErrorName::TooManyRejects, format!("{what}{why}")).at(Place {
            key: self.object.key.clone(),
            line: first.map(|first| first.line),
            column: first.and_then(|first| first.column.clone()),
        });
        error.sqlstate = first.and_then(|first| first.sqlstate.clone());
        error
    }

    fn allowed(&self, limits: &RejectLimits) -> u64 {
        let rows = limits.object_rows.unwrap_or(u64::MAX);
        if !self.ended && self.records < ENOUGH_RECORDS {
            return rows;
        }
        rows.min(share(self.records, limits.object_percent.unwrap_or(DEFAULT_PERCENT)))
    }
}

/// Returns how many records a percentage of them is, rounded down.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "numbers of records are below 2^52, and the percentage is not negative"
)]
pub(crate) fn share(records: u64, percent: f64) -> u64 {
    // Not a hair below a whole number: 29 % of 100 is 29.
    (records as f64 * percent / 100.0 + 1e-9).floor().max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_down() {
        assert_eq!([share(100, 29.0), share(99, 10.0), share(1_000, 0.1), share(0, 10.0)], [29, 9, 1, 0]);
        assert_eq!(share(5, 100.0), 5);
        assert_eq!(share(5, -1.0), 0);
    }
}
