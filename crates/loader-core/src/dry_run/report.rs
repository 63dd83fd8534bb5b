//! What a dry run says.

use serde::{Deserialize, Serialize};

use crate::definition::dialect::Dialect;
use crate::definition::{ColumnsFrom, ResolvedDefinition};

/// The most objects, causes or dialects that a report names: it is the output of an
/// execution, which has at most 256 KiB.
pub(super) const MOST_NAMED: usize = 20;

/// The most places that are named for a cause.
pub(super) const MOST_PLACES: usize = 5;

/// What a load would do. It holds no values of the objects.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The table.
    pub table: String,
    /// Always true: nothing was changed.
    pub dry_run: bool,
    /// What it comes to, in words for a person.
    pub summary: String,
    /// Whether a load would wait for the delivery, and for what.
    pub delivery: DeliveryReport,
    /// What is below the prefix.
    pub objects: ObjectsReport,
    /// What was read of it.
    pub read: ReadReport,
    /// The rows that would be refused.
    pub rejects: RejectsReport,
    /// The objects that would fail, the first of them.
    pub failed_objects: Vec<FailedObjectReport>,
    /// How the objects are read, one entry for each way, the most frequent first.
    pub dialects: Vec<DialectReport>,
    /// How the table would be published, and why so.
    pub publish: PublishReport,
    /// How long a load may take.
    pub prediction: Option<Prediction>,
    /// What is not known without a load.
    pub not_checked: Vec<String>,
    /// Where the columns come from.
    pub columns_from: Option<ColumnsFrom>,
    /// The definition with every question answered, columns and all.
    pub definition: Option<ResolvedDefinition>,
}

/// Whether a delivery is complete.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryReport {
    /// Whether it is.
    pub complete: bool,
    /// What is missing.
    pub missing: Option<String>,
}

/// What is below the prefix.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ObjectsReport {
    /// Objects below the prefix.
    pub listed: u64,
    /// Those that would be loaded.
    pub to_load: u64,
    /// Their bytes, as they are stored.
    pub bytes: u64,
    /// Their rows: counted if all was read, estimated by the bytes if not.
    pub rows: u64,
    /// Whether the rows are an estimate.
    pub rows_are_estimated: bool,
    /// Those that would be skipped.
    pub skipped: u64,
    /// Why, with the first key of each reason.
    pub skip_reasons: Vec<SkipReport>,
}

/// Why objects are skipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkipReport {
    /// The reason.
    pub reason: String,
    /// How many objects have it.
    pub objects: u64,
    /// The key of the first of them.
    pub first: String,
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadReport {
    /// Objects of which something was read.
    pub objects: u64,
    /// Their bytes, as they are stored.
    pub bytes: u64,
    /// Their rows, each of which was checked.
    pub rows: u64,
    /// Whether that is everything.
    pub everything: bool,
    /// What it is, in words.
    pub said: String,
}

/// The rows that would be refused, of those that were read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RejectsReport {
    /// How many.
    pub rows: u64,
    /// How many of a hundred.
    pub percent: f64,
    /// What would become of them, and of the run.
    pub said: String,
    /// The causes, the most frequent first.
    pub causes: Vec<CauseReport>,
}

/// A cause of rejects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CauseReport {
    /// The table's column.
    pub column: Option<String>,
    /// The SQLSTATE.
    pub sqlstate: Option<String>,
    /// In words.
    pub reason: String,
    /// How many rows.
    pub rows: u64,
    /// Where the first are, as `<key>:<line>`.
    pub places: Vec<String>,
}

/// An object that would fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedObjectReport {
    /// Its key.
    pub key: String,
    /// The error's name.
    pub error: String,
    /// In words.
    pub message: String,
}

/// A way to read objects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DialectReport {
    /// How many of the objects that were read are read so.
    pub objects: u64,
    /// The first of them.
    pub first: String,
    /// What was found out, in words.
    pub found: Vec<String>,
    /// Where two readings are plausible.
    pub doubts: Vec<String>,
    /// The dialect.
    pub dialect: Dialect,
}

/// How a table would be published.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishReport {
    /// The strategy; none if it can't be published.
    pub strategy: Option<String>,
    /// Why that one, or why not.
    pub reason: String,
    /// What is known of the gates.
    pub gates: Vec<GateReport>,
}

/// What is known of a gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateReport {
    /// The gate.
    pub gate: String,
    /// What it demands.
    pub expected: String,
    /// What is known.
    pub found: String,
    /// Whether it would pass; none if only a load can tell.
    pub passes: Option<bool>,
}

/// How long a load may take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Seconds of the load itself, without indexes and publish.
    pub load_seconds: f64,
    /// Rows that one connection has checked in a second.
    pub rows_per_second: f64,
    /// Connections at once.
    pub concurrency: u32,
    /// What kind of number it is.
    pub said: String,
}
