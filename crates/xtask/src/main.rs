//! The tasks of the project: `cargo x <task>`.
//!
//! `cargo x stack up` runs the whole application on this machine, `cargo demo` shows
//! it at work, `cargo x test` checks it.

mod arm64;
mod aws;
mod aws_s3_stand_in;
mod bench;
mod checks;
mod conformance;
mod console;
mod demo;
mod deployment;
mod emulator;
mod execution;
mod full_year;
mod interrupt;
mod lambda_memory;
mod lambda_package;
mod lambda_process;
mod measure;
mod npm;
mod postgres;
mod process;
mod progress;
mod python;
mod rust_lint;
mod stack;
mod system_package;
mod template;
mod template_lint;
mod upload;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::bench::Bench;
use crate::checks::Part;
use crate::conformance::Conformance;
use crate::interrupt::or_interrupted;
use crate::lambda_package::SamBuild;
use crate::measure::Measure;
use crate::postgres::Major;
use crate::stack::{Connection, Stack};
use crate::workspace::Workspace;

/// The tasks of the project.
#[derive(Parser)]
#[command(name = "cargo x", bin_name = "cargo x")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Loads real weather data, shows it, and leaves nothing running.
    Demo {
        /// Forget the data of earlier runs.
        #[arg(long)]
        fresh: bool,
        /// A folder of files to load instead of the sample.
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// Runs the whole application on this machine.
    #[command(subcommand)]
    Stack(StackTask),
    /// Sets up what the checks need, and runs them all.
    Test {
        /// Run this part only; can be given more than once.
        #[arg(long)]
        only: Vec<Part>,
    },
    /// Runs the core's tests as on arm64, in an emulator of that processor.
    Arm64,
    /// Starts a Postgres of a version, and prints how tests reach it.
    Postgres {
        /// 15, 16, 17 or 18.
        #[arg(value_parser = Major::parse)]
        major: Major,
    },
    /// Runs the lint checks.
    Lint {
        /// Lint this only.
        what: Option<LintTask>,
    },
    /// Formats the code.
    Fmt,
    /// Loads a year of files and tells time, rows and memory.
    LoadYear {
        /// A .tar.zst archive, or a folder, of CSV files.
        #[arg(long)]
        archive: PathBuf,
        /// `aws_s3`, `stream` or `auto`.
        #[arg(long)]
        engine: Option<String>,
        /// How many batches at once.
        #[arg(long)]
        max_concurrency: Option<u32>,
    },
    /// Loads the test suites of others, and scores the values.
    Conformance(Conformance),
    /// Measures ours beside the server's own COPY, and beside others.
    Bench(Bench),
    /// Measures what depends on the machine, for minutes.
    #[command(subcommand)]
    Measure(Measure),
}

/// What can be linted by itself.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum LintTask {
    /// Format, clippy and dependencies.
    Rust,
    /// The template and the state machine.
    Template,
}

#[derive(Subcommand)]
enum StackTask {
    /// Starts a stack, unless it is up, and prints how to reach it.
    Up {
        #[command(flatten)]
        name: StackName,
        /// Print one JSON object instead of lines.
        #[arg(long)]
        json: bool,
        /// Multiply the waits of Step Functions: 0 skips them.
        #[arg(long, default_value_t = 1.0)]
        wait_scale: f64,
        /// Run what `sam build` has built in this folder, and build nothing.
        #[arg(long)]
        built: Option<PathBuf>,
    },
    /// Stops a stack and removes its data.
    Down {
        #[command(flatten)]
        name: StackName,
    },
    /// Tells whether a stack is up, and how to reach it.
    Status {
        #[command(flatten)]
        name: StackName,
        /// Print one JSON object instead of lines.
        #[arg(long)]
        json: bool,
    },
    /// Crashes the stack's Postgres and starts it again, for tests.
    RestartDatabase {
        #[command(flatten)]
        name: StackName,
    },
}

#[derive(Args)]
struct StackName {
    /// The stack's name: several can run side by side.
    #[arg(long, default_value = "default")]
    name: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    match Box::pin(run(Cli::parse().task)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(task: Task) -> anyhow::Result<()> {
    let workspace = Workspace::locate()?;
    match task {
        Task::Demo { fresh, data } => Box::pin(demo::run(&workspace, fresh, data)).await,
        Task::Stack(task) => Box::pin(manage_stack(&workspace, task)).await,
        Task::Test { only } => Box::pin(checks::run_parts(&workspace, &only)).await,
        Task::Arm64 => Box::pin(arm64::test(&workspace)).await,
        Task::Postgres { major } => start_postgres(&workspace, major).await,
        Task::Lint { what } => {
            let parts: &[Part] = match what {
                None => &[Part::Lint, Part::Template],
                Some(LintTask::Rust) => &[Part::Lint],
                Some(LintTask::Template) => &[Part::Template],
            };
            Box::pin(checks::run_parts(&workspace, parts)).await
        }
        Task::Fmt => rust_lint::format(&workspace).await,
        Task::LoadYear { archive, engine, max_concurrency } => {
            let settings = full_year::Settings { engine, max_concurrency };
            Box::pin(full_year::run_year(&workspace, &archive, &settings)).await
        }
        Task::Conformance(asked) => Box::pin(conformance::run(&workspace, &asked)).await,
        Task::Bench(asked) => Box::pin(bench::run(&workspace, &asked)).await,
        Task::Measure(what) => Box::pin(measure::measure(&workspace, what)).await,
    }
}

/// Starts a server that stays up, for tests that are run by hand.
async fn start_postgres(workspace: &Workspace, major: Major) -> anyhow::Result<()> {
    let name = format!("postgres-{major}");
    let mut stack = Stack::open(workspace, &name).await?;
    let started = or_interrupted(async {
        let cluster = stack.up_database_of(Some(major)).await?;
        let dump = postgres::dump_program(workspace).await?;
        println!("export TEST_DATABASE_URL='{}' PG_DUMP='{}'", cluster.url("postgres"), dump.display());
        Ok(())
    })
    .await;
    match started {
        Ok(()) => console::say(format!("it stays up until: cargo x stack down --name {name}")),
        Err(error) => {
            stack.down().await?;
            return Err(error);
        }
    }
    Ok(())
}

async fn manage_stack(workspace: &Workspace, task: StackTask) -> anyhow::Result<()> {
    match task {
        StackTask::Up { name, json, wait_scale, built } => {
            let mut stack = Stack::open(workspace, &name.name).await?;
            if let Some(folder) = built {
                stack.run_what_is_built(SamBuild(folder));
            }
            match Box::pin(or_interrupted(stack.up(wait_scale))).await {
                Ok(connection) => print(&connection, json),
                Err(error) => {
                    stack.down().await?;
                    Err(error)
                }
            }
        }
        StackTask::Down { name } => Stack::open(workspace, &name.name).await?.down().await,
        StackTask::Status { name, json } => {
            let stack = Stack::open(workspace, &name.name).await?;
            match stack.running().await {
                Some(connection) => print(connection, json),
                None => bail!("the stack {} is not up", name.name),
            }
        }
        StackTask::RestartDatabase { name } => {
            let mut stack = Stack::open(workspace, &name.name).await?;
            stack.restart_database().await
        }
    }
}

fn print(connection: &Connection, json: bool) -> anyhow::Result<()> {
    let value = serde_json::to_value(connection)?;
    if json {
        println!("{value}");
        return Ok(());
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        println!("{key}: {}", value.as_str().unwrap_or_default());
    }
    Ok(())
}
