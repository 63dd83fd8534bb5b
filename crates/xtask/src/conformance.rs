//! `cargo x conformance`: the test suites of others, on a Postgres of their own.

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;

use crate::interrupt::or_interrupted;
use crate::process::run_visibly;
use crate::rust_lint::cargo;
use crate::stack::Stack;
use crate::workspace::Workspace;

/// Where the suites' data is if nothing is said, beside the repository.
const DATA: &str = "../shared/data";
/// The sample of it that is in the repository.
const SAMPLE: &str = "tests/data/conformance";
/// What is written when all suites have run.
const REPORT: &str = "docs/CONFORMANCE.md";

/// What is run.
#[derive(Debug, Args)]
pub(crate) struct Conformance {
    /// The folder of the suites' data; `../shared/data` by default.
    #[arg(long, env = "CONFORMANCE_DATA")]
    data: Option<PathBuf>,
    /// Run the sample that is in this repository.
    #[arg(long, conflicts_with = "data")]
    check: bool,
    /// Run the suites only whose names begin with this; can be given more than once.
    #[arg(long)]
    suite: Vec<String>,
    /// Run the cases only whose names contain this, and print all about them.
    #[arg(long)]
    case: Option<String>,
    /// Print the cases that are left out, with their reasons.
    #[arg(long)]
    left_out: bool,
    /// How many cases are loaded at once.
    #[arg(long, default_value_t = 2)]
    workers: usize,
}

/// Runs the suites, and writes the report if all of them have run.
pub(crate) async fn run(workspace: &Workspace, asked: &Conformance) -> anyhow::Result<()> {
    let data = match &asked.data {
        _ if asked.check => workspace.root().join(SAMPLE),
        // From where the caller is, not from where cargo runs the program.
        Some(data) => std::path::absolute(data)?,
        None => workspace.root().join(DATA),
    };
    ensure!(
        data.is_dir(),
        "the suites' data is not at {}: give its folder with --data or CONFORMANCE_DATA, or run the sample with --check",
        data.display()
    );
    let mut stack = Stack::open(workspace, "conformance").await?;
    let ended = Box::pin(or_interrupted(async {
        let cluster = stack.up_database().await?;
        let mut suites = cargo(workspace);
        suites
            .args(["run", "--quiet", "--package", "loader-conformance", "--"])
            .arg("--data")
            .arg(&data)
            .args(["--workers", &asked.workers.to_string()])
            .env("TEST_DATABASE_URL", cluster.url("postgres"));
        for suite in &asked.suite {
            suites.args(["--suite", suite]);
        }
        if let Some(case) = &asked.case {
            suites.args(["--case", case]);
        }
        if asked.left_out {
            suites.arg("--left-out");
        }
        if asked.suite.is_empty() && asked.case.is_none() && !asked.check {
            suites.arg("--report").arg(workspace.root().join(REPORT));
        }
        run_visibly(&mut suites).await
    }))
    .await;
    let stopped = stack.down().await;
    ended.and(stopped)
}
