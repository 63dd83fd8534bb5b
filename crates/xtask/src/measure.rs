//! `cargo x measure`: measurements that take minutes and are no tests.

mod listing;
mod memory;
mod start;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::bench::dataset::SAMPLE;
use crate::bench::server::Database;
use crate::interrupt::or_interrupted;
use crate::lambda_package;
use crate::postgres::Major;
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

/// How the programs come about that are measured.
#[derive(Args)]
pub(crate) struct Built {
    /// Build them as they are deployed, which takes minutes for each.
    #[arg(long)]
    as_deployed: bool,
    /// A folder with programs that are built already.
    #[arg(long, conflicts_with = "as_deployed")]
    folder: Option<PathBuf>,
}

impl Built {
    /// Returns where programs are, those that are there.
    async fn programs(
        &self,
        workspace: &Workspace,
        names: &[String],
    ) -> anyhow::Result<Vec<(String, PathBuf)>> {
        let Some(folder) = &self.folder else {
            return lambda_package::build(workspace, self.as_deployed, names).await;
        };
        let folder = std::path::absolute(folder)?;
        let programs = names.iter().map(|name| (name.clone(), folder.join(name)));
        Ok(programs.filter(|(_, program)| program.is_file()).collect())
    }
}

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
        #[arg(long, default_value_t = 5_000_000)]
        rows: u64,
        /// How often each case is measured.
        #[arg(long, default_value_t = 3)]
        rounds: u32,
        /// Measure this only: `filling`, `building` or `groups`.
        #[arg(long)]
        only: Option<String>,
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
    /// How large the Lambdas are, and how fast they start.
    Start {
        #[command(flatten)]
        built: Built,
        /// This Lambda only; can be given more than once.
        #[arg(long)]
        only: Vec<String>,
        /// How often each is started.
        #[arg(long, default_value_t = 20)]
        rounds: u32,
    },
    /// How much memory an import takes.
    Memory {
        #[command(flatten)]
        built: Built,
        /// The cases only whose names contain this.
        #[arg(long)]
        only: Option<String>,
        /// The size of the one large object.
        #[arg(long, default_value_t = 1_000)]
        megabytes: u64,
    },
    /// What it takes the Lambdas to list and plan very many objects, through their S3 client.
    Listing {
        #[command(flatten)]
        built: Built,
        /// The objects.
        #[arg(long, default_value_t = 1_000_000)]
        objects: u64,
        /// How long a page of the listing takes.
        #[arg(long, default_value_t = 80)]
        page_ms: u64,
    },
}

impl Measure {
    /// Returns the version that is asked for.
    const fn postgres(&self) -> Option<Major> {
        match self {
            Self::Readers { postgres, .. }
            | Self::Rejects { postgres, .. }
            | Self::Database { postgres, .. }
            | Self::Plan { postgres, .. }
            | Self::Lanes { postgres, .. } => *postgres,
            Self::Start { .. } | Self::Memory { .. } | Self::Listing { .. } => None,
        }
    }

    /// Measures on a server that is set up for it.
    async fn run(self, workspace: &Workspace, database: &Database) -> anyhow::Result<()> {
        let (name, arguments) = match self {
            Self::Readers { rows, rounds, report_seconds, .. } => {
                let arguments = [
                    "--rows",
                    &rows,
                    "--rounds",
                    &rounds.to_string(),
                    "--report-seconds",
                    &report_seconds.to_string(),
                ];
                ("readers", arguments.map(ToOwned::to_owned).to_vec())
            }
            Self::Rejects { rows, rounds, .. } => ("rejects", of_rows(rows, rounds)),
            Self::Database { rows, rounds, only, .. } => {
                let mut arguments = of_rows(rows, rounds);
                arguments.extend(only.into_iter().flat_map(|only| ["--only".to_owned(), only]));
                ("database", arguments)
            }
            Self::Plan { objects, page_ms, every, .. } => {
                let mut arguments = vec!["--objects".to_owned(), objects.to_string()];
                arguments.extend(["--page-ms".to_owned(), page_ms.to_string()]);
                arguments.extend(every.then(|| "--every".to_owned()));
                ("plan", arguments)
            }
            Self::Lanes { files, copies, rounds, only, types, .. } => {
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
                ("lanes", arguments)
            }
            Self::Start { built, only, rounds } => {
                return start::run(workspace, database, &built, &only, rounds).await;
            }
            Self::Memory { built, only, megabytes } => {
                let bytes = megabytes * 1_000_000;
                return memory::run_cases(workspace, database, &built, only.as_deref(), bytes).await;
            }
            Self::Listing { built, objects, page_ms } => {
                return listing::run(workspace, database, &built, objects, page_ms).await;
            }
        };
        let mut bench = cargo(workspace);
        bench
            .args(["bench", "--quiet", "--package", "loader-core", "--bench", name, "--"])
            .args(arguments)
            .env("TEST_DATABASE_URL", database.admin_url());
        run_visibly(&mut bench).await
    }
}

fn of_rows(rows: u64, rounds: u32) -> Vec<String> {
    ["--rows", &rows.to_string(), "--rounds", &rounds.to_string()].map(ToOwned::to_owned).to_vec()
}

/// Measures on a server of its own, and prints what was found as Markdown.
pub(crate) async fn measure(workspace: &Workspace, what: Measure) -> anyhow::Result<()> {
    let mut stack = Stack::open(workspace, "measure").await?;
    let measured = Box::pin(or_interrupted(async {
        let database = Database::open(stack.up_database_of(what.postgres()).await?).await?;
        what.run(workspace, &database).await
    }))
    .await;
    let stopped = stack.down().await;
    measured.and(stopped)
}
