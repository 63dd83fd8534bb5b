//! What becomes of rows that can't be loaded.

use serde::{Deserialize, Serialize};

/// What a row that can't be loaded does to its object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnReject {
    /// The object fails.
    #[default]
    Fail,
    /// The row is kept in `loader.rejected_row`, and the other rows are loaded.
    Keep,
}

/// How many rows may be rejected before an object, or the run, fails. What is left
/// out is no limit, but for the percentages: those are 10.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RejectLimits {
    /// Of one object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_rows: Option<u64>,
    /// Of one object, in percent of its records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_percent: Option<f64>,
    /// Of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_rows: Option<u64>,
    /// Of the run, in percent of all records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_percent: Option<f64>,
}

/// The percentage where none is set.
pub const DEFAULT_PERCENT: f64 = 10.0;

/// What becomes of rows that can't be loaded, with every question answered.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rejects {
    /// What a row does to its object.
    pub on_reject: OnReject,
    /// How many may be kept.
    pub limits: RejectLimits,
    /// Whether the text of a rejected row is kept with it.
    pub keep_text: bool,
}

impl Default for Rejects {
    fn default() -> Self {
        Self { on_reject: OnReject::Fail, limits: RejectLimits::default(), keep_text: true }
    }
}
