//! A database and the steps on it: one case after another, as the state machine would
//! run them.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::SinkExt as _;
use loader_core::build::{BuildEvent, BuildSettings, build};
use loader_core::database::connect::Session;
use loader_core::database::connection_string::ConnectionString;
use loader_core::definition::EngineChoice;
use loader_core::error::{Error, ErrorName};
use loader_core::import::{ImportEvent, ImportSettings, import};
use loader_core::input::{Execution, ExecutionInput};
use loader_core::plan::batching::Batch;
use loader_core::plan::{PlanSettings, plan};
use loader_core::prepare::{PrepareSettings, prepare};
use loader_core::publish::{PublishSettings, publish};
use loader_test_support::{MemorySource, MemoryWork, TestDatabase};
use serde_json::json;
use tokio::time::Instant;
use tokio_postgres::Client;

use crate::outcome::{Outcome, Published, Refusal};
use crate::suite::{Case, Expected};

const LEASE: Duration = Duration::from_mins(10);
const RUN: &str = "conformance";

/// What is left of the case before. A case may have made anything in `public`.
const CLEAR: &str =
    "drop schema if exists public, dataimport, databackup, loader cascade; create schema public";

/// How every session of the database reads and writes: one case's answer must not
/// depend on how a server is set up.
const SETTINGS: [&str; 4] = [
    "timezone = 'UTC'",
    "datestyle = 'ISO, MDY'",
    "intervalstyle = 'postgres'",
    "client_min_messages = 'warning'",
];

/// A database that cases are loaded into, one after another.
pub struct Workbench {
    database: TestDatabase,
}

impl Workbench {
    /// Makes a database.
    ///
    /// # Errors
    /// The server refuses it.
    pub async fn open() -> anyhow::Result<Self> {
        let database = TestDatabase::create().await;
        let client = database.connect().await;
        for setting in SETTINGS {
            client
                .batch_execute(&format!(
                    "do $$ begin execute format('alter database %I set {}', current_database()); end $$",
                    setting.replace('\'', "''")
                ))
                .await?;
        }
        Ok(Self { database })
    }

    /// Drops the database.
    pub async fn close(self) {
        self.database.drop().await;
    }

    /// Loads a case, and reads what is published.
    ///
    /// # Errors
    /// What is wrong with the case itself: its setup, its query.
    pub async fn load(&self, case: &Case) -> anyhow::Result<Outcome> {
        let mut client = self.database.connect().await;
        client.batch_execute(CLEAR).await?;
        for statement in &case.setup {
            client
                .batch_execute(statement)
                .await
                .map_err(|error| anyhow::anyhow!("the setup of the case fails: {}", in_words(&error)))?;
        }
        for (statement, data) in &case.copies {
            copy(&client, statement, data)
                .await
                .map_err(|error| anyhow::anyhow!("Postgres can't copy the case: {}", in_words(&error)))?;
        }
        match self.take_all_steps(&mut client, case).await {
            Ok(()) => Ok(Outcome::Published(read(&client, case).await?)),
            Err((step, error)) => Ok(Outcome::Refused(refusal(&client, step, &error).await?)),
        }
    }

    async fn take_all_steps(&self, client: &mut Client, case: &Case) -> Result<(), (&'static str, Error)> {
        let (source, work) = (Arc::new(MemorySource::default()), MemoryWork::default());
        for (key, bytes) in &case.objects {
            source.put(key, bytes.clone());
        }
        let definition = match &case.definition {
            serde_json::Value::Null => json!({}),
            written => written.clone(),
        };
        let input = json!({"table": case.table, "definition": definition});
        let input = ExecutionInput::parse(&input).map_err(|error| ("input", error))?;
        let settings = PrepareSettings { lease: LEASE, max_attempts: 1, engine: EngineChoice::Auto };
        prepare(client, source.as_ref(), &work, &input, &execution(), &settings)
            .await
            .map_err(|error| ("prepare", error))?;
        let settings = PlanSettings {
            lease: LEASE,
            max_concurrency: 1,
            database_cpus: 0,
            batch_max_bytes: 64 << 20,
            batch_max_objects: 1000,
            part_bytes: u64::MAX,
        };
        let plan =
            plan(client, source.as_ref(), &work, RUN, &settings).await.map_err(|error| ("plan", error))?;
        let until = Instant::now() + Duration::from_mins(10);
        for line in work.lines(&plan.plan.key) {
            let batch: Batch = serde_json::from_str(&line).map_err(|error| {
                ("plan", Error::new(ErrorName::Internal, format!("a plan's line: {error}")))
            })?;
            let event = ImportEvent { run_id: RUN.to_owned(), attempt: plan.attempt, batch };
            let settings = ImportSettings {
                lease: LEASE,
                fetch_ahead: 4,
                group_max_bytes: 32 << 20,
                max_replica_lag: Duration::from_secs(30),
            };
            import(client, Arc::clone(&source) as _, &event, &settings, until)
                .await
                .map_err(|error| ("import", error))?;
        }
        let string = ConnectionString::parse(self.database.url()).map_err(|error| ("build", error))?;
        let mut session = Session::open(string).await.map_err(|error| ("build", error))?;
        let event = BuildEvent { run_id: RUN.to_owned(), attempt: plan.attempt };
        build(&mut session, &event, &BuildSettings { lease: LEASE, sessions: 1 }, until)
            .await
            .map_err(|error| ("build", error))?;
        let settings = PublishSettings { lease: LEASE, lock_timeout_ms: 1000, attempts: 2, versions_kept: 0 };
        publish(client, RUN, plan.attempt, &settings).await.map_err(|error| ("publish", error))?;
        Ok(())
    }
}

fn execution() -> Execution {
    Execution {
        id: format!("arn:aws:states:eu-west-1:1:execution:load:{RUN}"),
        name: RUN.to_owned(),
        start_time: None,
    }
}

/// Lets Postgres read data by itself.
async fn copy(client: &Client, statement: &str, data: &[u8]) -> Result<(), tokio_postgres::Error> {
    let mut sink = pin!(client.copy_in::<_, Bytes>(statement).await?);
    sink.send(Bytes::copy_from_slice(data)).await?;
    sink.finish().await?;
    Ok(())
}

/// Reads what is live.
async fn read(client: &Client, case: &Case) -> anyhow::Result<Published> {
    let live = format!("public.{}", quoted(&case.table));
    let query = case.query.clone().unwrap_or_else(|| format!("select * from {live}"));
    let (columns, rows) = texts_of(client, &query).await?;
    let same_as = match asked(&case.expected) {
        Some(query) => texts_of(client, query).await?.1,
        None => Vec::new(),
    };
    let count: i64 = client.query_one(&format!("select count(*) from {live}"), &[]).await?.get(0);
    Ok(Published {
        columns,
        rows,
        count: count.unsigned_abs(),
        rejects: rejects(client).await?,
        same_as,
        said: said(client).await?,
    })
}

/// Returns the query that says what is right.
fn asked(expected: &Expected) -> Option<&str> {
    match expected {
        Expected::SameAs { query, .. } => Some(query),
        Expected::AnyOf(several) => several.iter().find_map(asked),
        _ => None,
    }
}

/// The names of columns, and their values as text.
type Texts = (Vec<String>, Vec<Vec<Option<String>>>);

async fn texts_of(client: &Client, query: &str) -> anyhow::Result<Texts> {
    let statement = client
        .prepare(&format!("select * from ({query}) as live"))
        .await
        .map_err(|error| anyhow::anyhow!("the query of the case fails: {}", in_words(&error)))?;
    let columns: Vec<String> = statement.columns().iter().map(|column| column.name().to_owned()).collect();
    if columns.is_empty() {
        return Ok((columns, Vec::new()));
    }
    // Names of their own: a query may have two columns of one name.
    let names: Vec<String> = (1..=columns.len()).map(|number| format!("c{number}")).collect();
    let texts: Vec<String> = names.iter().map(|name| format!("live.{name}::text")).collect();
    let statement = format!("select {} from ({query}) as live({})", texts.join(", "), names.join(", "));
    let rows = client
        .query(&statement, &[])
        .await
        .map_err(|error| anyhow::anyhow!("the query of the case fails: {}", in_words(&error)))?;
    let rows = rows
        .iter()
        .map(|row| (0..columns.len()).map(|index| row.try_get(index)).collect::<Result<_, _>>())
        .collect::<Result<_, _>>()?;
    Ok((columns, rows))
}

/// Puts together what the loader says of a refused load: the step's error, and what
/// the ledger has of the objects that failed.
async fn refusal(client: &Client, step: &'static str, error: &Error) -> anyhow::Result<Refusal> {
    let mut refusal = Refusal {
        step,
        name: error.name,
        message: error.message.clone(),
        has_place: error.place.is_some(),
        rejects: 0,
    };
    if !has_ledger(client).await? {
        return Ok(refusal);
    }
    refusal.rejects = rejects(client).await?;
    let failed = client
        .query(
            "select key, error_name, error_message, error_line is not null or error_column is not null \
               from loader.object where state = 'failed' order by key",
            &[],
        )
        .await?;
    for row in failed {
        let (key, name, message): (String, Option<String>, Option<String>) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let name = name.unwrap_or_default();
        if let Some(name) = ErrorName::parse(&name) {
            refusal.name = name;
        }
        refusal.message = format!("{}; {key}: {name}: {}", refusal.message, message.unwrap_or_default());
        refusal.has_place |= row.try_get::<_, bool>(3)?;
    }
    Ok(refusal)
}

async fn has_ledger(client: &Client) -> anyhow::Result<bool> {
    Ok(client.query_one("select to_regclass('loader.object') is not null", &[]).await?.try_get(0)?)
}

async fn rejects(client: &Client) -> anyhow::Result<u64> {
    let count: i64 = client
        .query_one(
            "select greatest((select count(*) from loader.rejected_row), \
                             (select coalesce(sum(rejects), 0)::bigint from loader.object))",
            &[],
        )
        .await?
        .try_get(0)?;
    Ok(count.unsigned_abs())
}

/// What the ledger says of objects that were loaded, or skipped.
async fn said(client: &Client) -> anyhow::Result<Vec<String>> {
    let rows =
        client.query("select reason from loader.object where reason is not null order by key", &[]).await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}

fn in_words(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
