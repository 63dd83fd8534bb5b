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
    /// What it takes to plan very many objects.
    Plan {
        /// The objects.
        #[arg(long, default_value_t = 1_000_000)]
        objects: u64,
        /// How long a page of the listing takes.
        #[arg(long, default_value_t = 80)]
        page_ms: u64,
        /// List page after page, too.
        #[arg(long)]
        every: bool,
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
        /// Measure the cases only whose names contain this, beside the limit.
        #[arg(long)]
        only: Option<String>,
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
            Self::Rejects { rows, rounds, postgres } => {
                let arguments = ["--rows", &rows.to_string(), "--rounds", &rounds.to_string()];
                ("rejects", arguments.map(ToOwned::to_owned).to_vec(), postgres)
            }
            Self::Plan { objects, page_ms, every, postgres } => {
                let mut arguments = vec!["--objects".to_owned(), objects.to_string()];
                arguments.extend(["--page-ms".to_owned(), page_ms.to_string()]);
                arguments.extend(every.then(|| "--every".to_owned()));
                ("plan", arguments, postgres)
            }
            Self::Lanes { files, copies, rounds, only, postgres } => {
                // From where the caller is, not from where cargo runs the program.
                let files = match files {
                    Some(files) => std::path::absolute(files)?,
                    None => workspace.root().join(SAMPLE),
                };
                let mut arguments = vec!["--files".to_owned(), files.display().to_string()];
                for (name, number) in [("--copies", copies), ("--rounds", rounds)] {
                    arguments.extend([name.to_owned(), number.to_string()]);
                }
                arguments.extend(only.into_iter().flat_map(|only| ["--only".to_owned(), only]));
                ("lanes", arguments, postgres)
            }
        })
    }
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
