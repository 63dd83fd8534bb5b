//! The dry run: what a load would do, found out without doing it.
//!
//! It lists and reads as a load does, and Postgres judges the rows: in transactions
//! that are rolled back, so that nothing of it stays. It takes no lease and is in no
//! control table.

mod report;

use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;
use tokio_postgres::Client;

pub use self::report::*;
use crate::definition::EngineChoice;
use crate::error::{Error, ErrorName, Result};
use crate::input::ExecutionInput;
use crate::source::{ObjectSource, WorkStore};

/// What the deployment sets for a dry run.
#[derive(Debug, Clone, Copy)]
pub struct DryRunSettings {
    /// The engine where the definition does not say.
    pub engine: EngineChoice,
    /// Batches that load at once where neither input nor definition says.
    pub max_concurrency: u32,
}

/// What a dry run is called with.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct DryRunEvent {
    /// The execution's input: that of a load, and `"dry_run": true`.
    #[serde(default)]
    pub input: Value,
}

/// Says what a load with this input would do.
///
/// # Errors
/// Those of the definition, the source and the database that would end a load before it
/// has begun.
pub async fn dry_run(
    client: &mut Client,
    source: &dyn ObjectSource,
    work: &dyn WorkStore,
    input: &ExecutionInput,
    settings: &DryRunSettings,
    deadline: Instant,
) -> Result<Report> {
    let _ = (client, source, work, input, settings, deadline);
    Err(Error::new(ErrorName::Internal, "not there yet"))
}
