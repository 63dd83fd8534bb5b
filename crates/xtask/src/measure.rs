//! `cargo x measure`: measurements that take minutes and are no tests.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;

use crate::bench::dataset::SAMPLE;
use crate::interrupt::or_interrupted;
use crate::postgres::{self, Major};
use crate::process::run_visibly;
use crate::rust_lint::cargo;
use crate::stack::Stack;
use crate::workspace::Workspace;

/// The servers of tests lose their data in a power cut, on purpose. A publish that
/// doesn't wait for the disk would be measured too short.
pub(crate) const AS_IN_PRODUCTION: [&str; 4] = [
    "alter system set fsync = on",
    "alter system set full_page_writes = on",
    "alter system set synchronous_commit = on",
    "select pg_reload_conf()",
];

/// What can be measured.
#[derive(Subcommand)]
pub(crate) enum Measure {
    /// How long readers are held up by a publish.
    Readers {
        /// The sizes of the table, in rows.
        #[arg(long, default_value = "1000000,10000000")]
        rows: String,
        /// How often each case is measured.
        #[arg(long, default_value_t = 3)]
        rounds: u32,
        /// How long the report stays open after the publish has begun.
        #[arg(long, default_value_t = 10)]
        report_seconds: u32,
        /// 15, 16, 17 or 18; or else the Postgres that this machine has.
        #[arg(long, value_parser = Major::parse)]
        postgres: Option<Major>,
    },
    /// What bad rows cost an import.
    Rejects {
        /// The records of the object.
        #[arg(long, default_value_t = 1_000_000)]
        rows: u64,
        /// How often each case is measured.
        #[arg(long, default_value_t = 3)]
        rounds: u32,
        /// 15, 16, 17 or 18; or else the Postgres that this machine has.
        #[arg(long, value_parser = Major::parse)]
        postgres: Option<Major>,
    },
    /// What the kind of the staging table, the memory of its indexes and the size of a
    /// transaction are worth.
    Database {
        /// The rows of the table.
        #[arg(long, default_value_t = 3_000_000)]
        rows: u64,
        /// How often each case is measured.
        #[arg(long, default_value_t = 3)]
        rounds: u32,
        /// 15, 16, 17 or 18; or else the Postgres that this machine has.
        #[arg(long, value_parser = Major::parse)]
        postgres: Option<Major>,
    },
    /// What a load costs beside the server's own COPY, without S3 and without others.
    Lanes {
        /// A folder of files with the same header; the sample by default.
        #[arg(long)]
        files: Option<PathBuf>,
        /// How often each file is there.
        #[arg(long, default_value_t = 1)]
        copies: u32,
        /// How often each case is measured.
        #[arg(long, default_value_t = 3)]
        rounds: u32,
        /// Measure this case only, beside the limit.
        #[arg(long)]
        only: Option<String>,
        /// Measure these types only: `typed`, `doubles` or `texts`.
        #[arg(long)]
        types: Option<String>,
        /// 15, 16, 17 or 18; or else the Postgres that this machine has.
        #[arg(long, value_parser = Major::parse)]
        postgres: Option<Major>,
    },
}

impl Measure {
    /// Returns the benchmark, its arguments, and the Postgres that it runs on.
    fn into_bench(self, workspace: &Workspace) -> anyhow::Result<(&'static str, Vec<String>, Option<Major>)> {
        Ok(match self {
            Self::Readers { rows, rounds, report_seconds, postgres } => {
                let arguments = [
                    "--rows",
                    &rows,
                    "--rounds",
                    &rounds.to_string(),
                    "--report-seconds",
                    &report_seconds.to_string(),
                ];
                ("readers", arguments.map(ToOwned::to_owned).to_vec(), postgres)
            }
            Self::Rejects { rows, rounds, postgres } => ("rejects", of_rows(rows, rounds), postgres),
            Self::Database { rows, rounds, postgres } => ("database", of_rows(rows, rounds), postgres),
            Self::Lanes { files, copies, rounds, only, types, postgres } => {
                // From where the caller is, not from where cargo runs the program.
                let files = match files {
                    Some(files) => std::path::absolute(files)?,
                    None => workspace.root().join(SAMPLE),
                };
                let mut arguments = vec!["--files".to_owned(), files.display().to_string()];
                for (name, number) in [("--copies", copies), ("--rounds", rounds)] {
                    arguments.extend([name.to_owned(), number.to_string()]);
                }
                for (name, value) in [("--only", only), ("--types", types)] {
                    arguments.extend(value.into_iter().flat_map(|value| [name.to_owned(), value]));
                }
                ("lanes", arguments, postgres)
            }
        })
    }
}

fn of_rows(rows: u64, rounds: u32) -> Vec<String> {
    ["--rows", &rows.to_string(), "--rounds", &rounds.to_string()].map(ToOwned::to_owned).to_vec()
}

/// Measures on a server of its own, and prints what was found as Markdown.
pub(crate) async fn measure(workspace: &Workspace, what: Measure) -> anyhow::Result<()> {
    let (name, arguments, postgres) = what.into_bench(workspace)?;
    let mut stack = Stack::open(workspace, "measure").await?;
    let measured = Box::pin(or_interrupted(async {
        let cluster = stack.up_database_of(postgres).await?;
        let client = postgres::connect(&cluster.url("postgres")).await?;
        for setting in AS_IN_PRODUCTION {
            client.batch_execute(setting).await.with_context(|| format!("cannot {setting}"))?;
        }
        let mut bench = cargo(workspace);
        bench
            .args(["bench", "--quiet", "--package", "loader-core", "--bench", name, "--"])
            .args(arguments)
            .env("TEST_DATABASE_URL", cluster.url("postgres"));
        run_visibly(&mut bench).await
    }))
    .await;
    let stopped = stack.down().await;
    measured.and(stopped)
}
