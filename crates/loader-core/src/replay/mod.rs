//! The replay: the rejected rows of a run that is live are loaded into the live table,
//! each once.
//!
//! They are read again with the dialect and the header that the run has recorded, or
//! from a file that somebody has corrected. What is refused again stays a reject.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::Client;

use crate::error::{Error, ErrorName, Result};
use crate::input::{Execution, RejectsInput};
use crate::source::WorkStore;

/// The longest file that is read: it is held in memory, with its rows.
const MAX_FILE_BYTES: usize = 64 * 1024 * 1024;

/// What the deployment sets for a replay.
#[derive(Debug, Clone, Copy)]
pub struct ReplaySettings {
    /// How long the lease lasts from here.
    pub lease: Duration,
}

/// What a replay, or an export, is called with.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ReplayEvent {
    /// The execution's input: `{"table": "year_2021", "replay": "<run>"}`, or
    /// `export_rejects` for `replay`.
    #[serde(default)]
    pub input: Value,
    /// The execution.
    pub execution: Execution,
}

/// A replay that is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// The replay's own run.
    pub run_id: String,
    /// The live table.
    pub table: String,
    /// The run whose rows were loaded.
    pub replay_of: String,
    /// The rows that are in the table now.
    pub rows: u64,
    /// The rows that were refused again.
    pub refused: u64,
    /// The rows that are left: those that were refused again, and those that were not
    /// tried.
    pub left: u64,
}

/// Rejected rows that are in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exported {
    /// The run whose rows they are.
    pub run_id: String,
    /// The table.
    pub table: String,
    /// The work bucket.
    pub bucket: String,
    /// The file.
    pub key: String,
    /// The rows in it.
    pub rows: u64,
    /// What to do with it.
    pub next: String,
}

/// Loads the rejected rows of a run into the live table. A call for a replay that is
/// done already returns its figures again.
///
/// # Errors
/// `InvalidInput`, `TableBusy`, `DatabaseBusy`, those of the work bucket.
pub async fn replay(
    client: &mut Client,
    work: &dyn WorkStore,
    input: &RejectsInput,
    execution: &Execution,
    settings: &ReplaySettings,
) -> Result<Replayed> {
    let key = format!("replays/{}.csv", input.of_run);
    let _ = (client, work.read(&key, MAX_FILE_BYTES).await?, execution, settings);
    Err(Error::new(ErrorName::Internal, "not there yet"))
}

/// Writes the rejected rows of a run into a file of the work bucket.
///
/// # Errors
/// `InvalidInput`, those of the work bucket and of the database.
pub async fn export(client: &mut Client, work: &dyn WorkStore, input: &RejectsInput) -> Result<Exported> {
    let key = format!("rejects/{}.csv", input.of_run);
    let _ = (client, work.write(&key).await?);
    Err(Error::new(ErrorName::Internal, "not there yet"))
}
