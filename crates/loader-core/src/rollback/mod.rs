//! The rollback: puts an earlier version back, with the same care as a publish.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use crate::database::connect::Session;
use crate::error::{Error, ErrorName, Result};
use crate::input::Execution;

/// What the deployment sets for a rollback.
#[derive(Debug, Clone, Copy)]
pub struct RollBackSettings {
    /// How long the lease lasts from here.
    pub lease: Duration,
    /// The longest that one try waits for its locks.
    pub lock_timeout_ms: u64,
    /// How many tries there are.
    pub attempts: u32,
    /// How many earlier versions are kept.
    pub versions_kept: u32,
    /// How many indexes are built at once.
    pub sessions: u32,
}

/// What the rollback is called with.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RollBackEvent {
    /// The execution's input: `{"table": "year_2021", "to": "previous"}`, or the
    /// number of a version for `to`.
    #[serde(default)]
    pub input: Value,
    /// The execution.
    pub execution: Execution,
}

/// A version that is live again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolledBack {
    /// The rollback's own run.
    pub run_id: String,
    /// The live table.
    pub table: String,
    /// The version that is live now.
    pub version: i64,
    /// Its rows.
    pub rows: u64,
    /// The version that was live before; `to` takes it for the way back.
    pub replaced_version: i64,
    /// Where it is now.
    pub backup: Option<String>,
}

/// Puts an earlier version back. A call for a rollback that is done already
/// returns its figures again.
///
/// # Errors
/// `InvalidInput`, `NoSuchVersion`, `TableBusy`, `GateFailed`,
/// `LiveNotReplaceable`, `DatabaseBusy`.
pub async fn roll_back(
    _session: &mut Session,
    _event: &RollBackEvent,
    _settings: &RollBackSettings,
    _deadline: Instant,
) -> Result<RolledBack> {
    Err(Error::new(ErrorName::Internal, "not rolled back yet"))
}
