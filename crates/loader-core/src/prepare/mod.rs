//! Prepares a run: the control tables, the lease, the definition, the staging
//! table.

mod added_columns;
mod column_rules;
mod columns;
mod expressions;
mod group;
mod headers;
mod infer_columns;
mod rehearsal;
mod stage;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::Client;

pub use self::group::{PreparedGroup, prepare_group};
pub(crate) use self::rehearsal::{Rehearsal, Staged, rehearse};
pub(crate) use self::stage::KEPT_DAYS;
use crate::database::run::{NewRun, Run, RunKind};
use crate::database::{control_schema, live, run};
use crate::definition::{ColumnDefinition, ColumnsFrom, EngineChoice, TableDefinition, folder};
use crate::error::{Error, ErrorName, Result};
use crate::import::{extension_missing, is_installed};
use crate::input::{Execution, ExecutionInput};
use crate::source::{ObjectSource, WorkStore};

/// The longest definition that is read.
const MAX_DEFINITION_BYTES: usize = 1024 * 1024;

/// What the deployment sets for the preparation.
#[derive(Debug, Clone, Copy)]
pub struct PrepareSettings {
    /// How long the lease lasts from here.
    pub lease: Duration,
    /// How many plans a run may make where the input does not say.
    pub max_attempts: u32,
    /// The engine where the definition does not say.
    pub engine: EngineChoice,
}

/// What the preparation is called with.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PrepareEvent {
    /// The execution's input, whatever it is.
    #[serde(default)]
    pub input: Value,
    /// The execution.
    pub execution: Execution,
}

/// A run that can be planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// The run.
    pub run_id: String,
    /// The live table.
    pub table: String,
    /// The staging table.
    pub staging: String,
    /// Where its columns come from.
    pub columns_from: ColumnsFrom,
    /// The run whose loaded objects this one goes on with.
    pub resumed_from: Option<String>,
}

/// Prepares a run. A retry of the same execution finds its own work and carries
/// on.
///
/// # Errors
/// `InvalidInput`, `InvalidDefinition`, `TableBusy`, `LiveNotReplaceable`,
/// `ExtensionMissing`, `NoObjects` (nothing to infer columns from), those of the
/// source and of the database.
pub async fn prepare(
    client: &mut Client,
    source: &dyn ObjectSource,
    work: &dyn WorkStore,
    input: &ExecutionInput,
    execution: &Execution,
    settings: &PrepareSettings,
) -> Result<Prepared> {
    control_schema::ensure(client).await?;
    let current = register(client, execution, input, settings).await?;
    run::take_table(client, &current, settings.lease).await?;
    if let (Some(staging), Some(definition)) = (&current.staging, &current.definition) {
        return Ok(Prepared {
            run_id: current.run_id.clone(),
            table: current.table.as_str().to_owned(),
            staging: staging.as_str().to_owned(),
            columns_from: definition.columns_from,
            resumed_from: None,
        });
    }
    let asked = ask(client, source, work, input, settings.engine).await?;
    let origin = columns::find(client, source, &current.table, &asked).await?;
    let headers = headers::read(client, source, &asked).await?;
    stage::stage(client, &current, &asked, &origin, &headers).await
}

/// Puts together what the input and the table's definition ask for.
async fn ask(
    client: &Client,
    source: &dyn ObjectSource,
    work: &dyn WorkStore,
    input: &ExecutionInput,
    engine: EngineChoice,
) -> Result<columns::Asked> {
    let written = written_definition(work, input).await?;
    let engine = written.engine.unwrap_or(engine);
    if engine == EngineChoice::AwsS3 && !is_installed(client).await? {
        return Err(extension_missing());
    }
    Ok(columns::Asked {
        bucket: source.bucket().to_owned(),
        prefix: folder(written.prefix.as_deref().unwrap_or(input.table.as_str())),
        dialect: written.dialect.clone().unwrap_or_default(),
        engine,
        written,
    })
}

async fn register(
    client: &Client,
    execution: &Execution,
    input: &ExecutionInput,
    settings: &PrepareSettings,
) -> Result<Run> {
    if let Some(group) = &input.group {
        group::check_open(client, group, execution).await?;
    }
    let new = NewRun {
        table: &input.table,
        kind: RunKind::Load,
        group_id: input.group.as_deref(),
        max_attempts: input.max_attempts.unwrap_or(settings.max_attempts),
    };
    run::register(client, execution, &new).await
}

async fn written_definition(work: &dyn WorkStore, input: &ExecutionInput) -> Result<TableDefinition> {
    let key = format!("tables/{}.toml", input.table.as_str());
    let Some(bytes) = work.read(&key, MAX_DEFINITION_BYTES).await? else {
        return Ok(input.definition.clone());
    };
    let place = format!("s3://{}/{key}", work.bucket());
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Error::new(ErrorName::InvalidDefinition, format!("{place} is not UTF-8")))?;
    Ok(input.definition.clone().over(TableDefinition::from_toml(text, &place)?))
}
