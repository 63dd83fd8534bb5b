//! The loader as `cargo x bench` measures it: each step a process of its own, with the
//! settings of the template.
//!
//! The bucket is a real S3 endpoint: `AWS_ENDPOINT_URL` names it.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::{Args, Parser, Subcommand};
use loader_core::build::{BuildEvent, BuildSettings, build};
use loader_core::database::connect::{Session, connect};
use loader_core::database::connection_string::ConnectionString;
use loader_core::definition::EngineChoice;
use loader_core::import::{BatchOutcome, ImportEvent, ImportSettings, import};
use loader_core::input::{Execution, ExecutionInput};
use loader_core::plan::batching::Batch;
use loader_core::plan::{Plan, PlanSettings, plan};
use loader_core::prepare::{PrepareSettings, prepare};
use loader_core::publish::{PublishSettings, publish};
use loader_core::source::ObjectSource;
use loader_test_support::MemoryWork;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_postgres::NoTls;

/// As the template has it.
const LEASE: Duration = Duration::from_mins(30);
/// No step of a benchmark takes longer.
const STEP_LIMIT: Duration = Duration::from_hours(2);

/// The steps of a load.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    step: Step,
}

#[derive(Subcommand)]
enum Step {
    /// Prepares and plans a load, and writes down its batches.
    Prepare(Load),
    /// Imports the batches of a load.
    Import(Load),
    /// Builds and publishes a load.
    Publish(Load),
    /// All of it in one process.
    Run(Load),
    /// Runs a file of SQL, as a client that has nothing else to do.
    Sql {
        /// The connection string.
        #[arg(long)]
        database: String,
        /// The file, one statement a line.
        #[arg(long)]
        file: PathBuf,
    },
}

#[derive(Args)]
struct Load {
    /// The connection string.
    #[arg(long)]
    database: String,
    /// The bucket.
    #[arg(long)]
    bucket: String,
    /// The input of the state machine.
    #[arg(long)]
    input: String,
    /// The run's name.
    #[arg(long)]
    run: String,
    /// Where the plan is kept between the steps.
    #[arg(long)]
    plan: PathBuf,
    /// How many sessions import at once.
    #[arg(long, default_value_t = 1)]
    sessions: u32,
}

/// What one step leaves for the next.
#[derive(Serialize, Deserialize)]
struct Planned {
    plan: Plan,
    staging: String,
    batches: Vec<Batch>,
}

// One thread, as in the Lambdas.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    match Cli::parse().step {
        Step::Prepare(load) => {
            let planned = Box::pin(load.prepare()).await?;
            fs::write(&load.plan, serde_json::to_vec(&planned)?)?;
            say(&json!({"staging": planned.staging, "batches": planned.batches.len()}));
        }
        Step::Import(load) => {
            let planned = load.planned()?;
            Box::pin(load.import(&planned)).await?;
        }
        Step::Publish(load) => {
            let planned = load.planned()?;
            Box::pin(load.publish(&planned)).await?;
        }
        Step::Run(load) => {
            let mut moments = vec![Instant::now()];
            let planned = Box::pin(load.prepare()).await?;
            moments.push(Instant::now());
            Box::pin(load.import(&planned)).await?;
            moments.push(Instant::now());
            Box::pin(load.publish(&planned)).await?;
            moments.push(Instant::now());
            let seconds: Vec<f64> = moments
                .iter()
                .zip(moments.iter().skip(1))
                .map(|(begun, ended)| ended.duration_since(*begun).as_secs_f64())
                .collect();
            say(
                &json!({"seconds": {"prepare_plan": seconds.first(), "import": seconds.get(1), "build_publish": seconds.get(2)}}),
            );
        }
        Step::Sql { database, file } => {
            let (client, connection) = tokio_postgres::connect(&database, NoTls).await?;
            tokio::spawn(connection);
            for statement in fs::read_to_string(&file)?.lines() {
                client.batch_execute(statement).await.context("a statement of the file failed")?;
            }
        }
    }
    Ok(())
}

impl Load {
    fn database(&self) -> anyhow::Result<ConnectionString> {
        Ok(ConnectionString::parse(&self.database)?)
    }

    async fn source(&self) -> anyhow::Result<Arc<dyn ObjectSource>> {
        let world = loader_aws::World::from_environment().await?;
        let region = world.region().to_owned();
        Ok(Arc::new(world.source(&self.bucket, region)))
    }

    fn planned(&self) -> anyhow::Result<Planned> {
        let text = fs::read(&self.plan).context("the step before has left no plan")?;
        Ok(serde_json::from_slice(&text)?)
    }

    async fn prepare(&self) -> anyhow::Result<Planned> {
        let input: Value = serde_json::from_str(&self.input)?;
        let (source, work) = (self.source().await?, MemoryWork::default());
        let mut client = connect(&self.database()?).await?;
        let settings = PrepareSettings { lease: LEASE, max_attempts: 3, engine: EngineChoice::Auto };
        let execution = Execution {
            id: format!("arn:aws:states:us-east-1:1:execution:load:{}", self.run),
            name: self.run.clone(),
            start_time: None,
        };
        let input = ExecutionInput::parse(&input)?;
        let prepared = prepare(&mut client, source.as_ref(), &work, &input, &execution, &settings).await?;
        let settings = PlanSettings {
            lease: LEASE,
            max_concurrency: self.sessions,
            database_cpus: 0,
            batch_max_bytes: 128 << 20,
            batch_max_objects: 500,
            part_bytes: 64 << 20,
        };
        let plan = plan(&mut client, source.as_ref(), &work, &self.run, &settings).await?;
        let batches = work
            .lines(&plan.plan.key)
            .iter()
            .map(|line| serde_json::from_str(line))
            .collect::<Result<_, _>>()?;
        Ok(Planned { plan, staging: prepared.staging, batches })
    }

    async fn import(&self, planned: &Planned) -> anyhow::Result<()> {
        let (source, database) = (self.source().await?, self.database()?);
        let mut waiting = planned.batches.clone();
        waiting.reverse();
        let waiting = Arc::new(std::sync::Mutex::new(waiting));
        let next = move || waiting.lock().ok().and_then(|mut waiting| waiting.pop());
        let sessions = (0..self.sessions.max(1)).map(|_| {
            let (source, database, next) = (Arc::clone(&source), &database, next.clone());
            async move {
                let mut client = connect(database).await?;
                let mut outcome = BatchOutcome::default();
                while let Some(batch) = next() {
                    let event = ImportEvent {
                        run_id: planned.plan.run_id.clone(),
                        attempt: planned.plan.attempt,
                        batch,
                    };
                    let settings = ImportSettings {
                        lease: LEASE,
                        fetch_ahead: 16,
                        group_max_bytes: 32 << 20,
                        max_replica_lag: Duration::from_secs(30),
                    };
                    let deadline = Instant::now() + STEP_LIMIT;
                    let of_batch =
                        import(&mut client, Arc::clone(&source), &event, &settings, deadline).await?;
                    outcome.rows += of_batch.rows;
                    outcome.failed += of_batch.failed;
                }
                anyhow::Ok(outcome)
            }
        });
        let outcomes = futures_util::future::try_join_all(sessions).await?;
        let (rows, failed) =
            outcomes.iter().fold((0, 0), |sum, outcome| (sum.0 + outcome.rows, sum.1 + outcome.failed));
        ensure!(failed == 0, "{failed} objects were not loaded");
        say(&json!({"rows": rows}));
        Ok(())
    }

    async fn publish(&self, planned: &Planned) -> anyhow::Result<()> {
        let mut session = Session::open(self.database()?).await?;
        let settings = BuildSettings { lease: LEASE, sessions: 2 };
        let event = BuildEvent { run_id: self.run.clone(), attempt: planned.plan.attempt };
        build(&mut session, &event, &settings, Instant::now() + STEP_LIMIT).await?;
        let settings =
            PublishSettings { lease: LEASE, lock_timeout_ms: 1_000, attempts: 5, versions_kept: 0 };
        let mut client = connect(&self.database()?).await?;
        let published = publish(&mut client, &self.run, planned.plan.attempt, &settings).await?;
        say(&json!({"published": published.rows}));
        Ok(())
    }
}

fn say(line: &Value) {
    println!("{line}");
}
