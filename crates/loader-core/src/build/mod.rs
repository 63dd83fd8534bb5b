//! The build: indexes and constraints on the loaded staging table, then the gates.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::database::connect::Session;
use crate::error::{Error, ErrorName, Result};
use crate::publish::Strategy;

/// What the deployment sets for the build.
#[derive(Debug, Clone, Copy)]
pub struct BuildSettings {
    /// How long the lease lasts from here.
    pub lease: Duration,
    /// How many indexes are built at once, each on a connection of its own.
    pub sessions: u32,
}

/// What the build is called with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BuildEvent {
    /// The run.
    pub run_id: String,
    /// The number of the plan that was loaded.
    pub attempt: i32,
}

/// A staging table that can be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Built {
    /// The run.
    pub run_id: String,
    /// The live table.
    pub table: String,
    /// The number of the plan that was loaded.
    pub attempt: i32,
    /// How it will be published.
    pub strategy: Strategy,
    /// Rows in the staging table.
    pub rows: u64,
    /// Indexes and constraints that the staging table has in the image of the
    /// live one.
    pub indexes: u64,
}

/// Checks the ledger, builds what the live table has, and checks the gates.
///
/// It goes on where an earlier call was cut off.
///
/// # Errors
/// `Unreconciled`, `ObjectsFailed`, `GateFailed`, `LiveNotReplaceable`,
/// `DeadlineReached` when there is more to build.
pub async fn build(
    _session: &mut Session,
    _event: &BuildEvent,
    _settings: &BuildSettings,
    _deadline: Instant,
) -> Result<Built> {
    Err(Error::new(ErrorName::Internal, "not built yet"))
}
