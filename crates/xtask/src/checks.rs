//! `cargo x test`: sets up what the checks need, runs them all, and sums up.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use clap::ValueEnum;
use tokio::process::Command;

use crate::console::{heading, say};
use crate::interrupt::{self, or_interrupted};
use crate::lambda_package::SamBuild;
use crate::postgres::{self, Major};
use crate::process::{find_program, run, run_visibly};
use crate::rust_lint::{self, cargo};
use crate::stack::Stack;
use crate::template_lint;
use crate::workspace::Workspace;

/// The stack of the unit tests: a Postgres alone.
const UNIT_STACK: &str = "unit";
/// The stack of the workflow tests.
const WORKFLOW_STACK: &str = "test";
/// The package that needs the whole stack.
const WORKFLOW_TESTS: &str = "workflow-tests";
/// The tests that run on every version of Postgres.
const CATALOG_TESTS: &str = "catalog";
/// Retries wait a tenth of their time: long enough for a server to come back.
const WAIT_SCALE: f64 = 0.1;

/// A part of the checks, in their order: what SAM builds is what the workflow tests run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Format, clippy and dependencies.
    Lint,
    /// The template and the state machine.
    Template,
    /// Unit and integration tests, on a Postgres of their own.
    Unit,
    /// What hangs on a table stays: on every version of Postgres.
    Catalog,
    /// The build for AWS.
    SamBuild,
    /// The whole application on the local stack.
    Workflow,
}

/// One check of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    Format,
    Clippy,
    Dependencies,
    Advisories,
    Template,
    Unit,
    Catalog(Major),
    Documentation,
    SamBuild,
    Workflow,
}

/// One for each version.
const CATALOG_CHECKS: [Check; 4] = [
    Check::Catalog(Major::ALL[0]),
    Check::Catalog(Major::ALL[1]),
    Check::Catalog(Major::ALL[2]),
    Check::Catalog(Major::ALL[3]),
];

impl Part {
    fn checks(self) -> &'static [Check] {
        match self {
            Self::Lint => &[Check::Format, Check::Clippy, Check::Dependencies, Check::Advisories],
            Self::Template => &[Check::Template],
            Self::Unit => &[Check::Unit, Check::Documentation],
            Self::Catalog => &CATALOG_CHECKS,
            Self::SamBuild => &[Check::SamBuild],
            Self::Workflow => &[Check::Workflow],
        }
    }
}

impl Check {
    fn title(self) -> Cow<'static, str> {
        let title = match self {
            Self::Format => "format",
            Self::Clippy => "clippy",
            Self::Dependencies => "licences and sources of the dependencies",
            Self::Advisories => "known weaknesses of the dependencies",
            Self::Template => "template and state machine",
            Self::Unit => "unit and integration tests",
            Self::Catalog(major) => return format!("what hangs on a table, Postgres {major}").into(),
            Self::Documentation => "documentation tests",
            Self::SamBuild => "sam build",
            Self::Workflow => "workflow tests on the local stack",
        };
        title.into()
    }

    /// Runs it; `built` is what SAM has built in this call, if it has.
    async fn run(self, workspace: &Workspace, built: &mut Option<SamBuild>) -> anyhow::Result<Outcome> {
        match self {
            Self::Format => rust_lint::check_format(workspace).await,
            Self::Clippy => rust_lint::clippy(workspace).await,
            Self::Dependencies => rust_lint::dependencies(workspace).await,
            Self::Advisories => return advisories(workspace).await,
            Self::Template => template_lint::lint(workspace).await,
            Self::Unit => {
                on_a_stack(workspace, UNIT_STACK, async |stack| unit_tests(workspace, stack).await).await
            }
            Self::Catalog(major) => {
                on_a_stack(workspace, &format!("catalog-{major}"), async |stack| {
                    catalog_tests(workspace, stack, major).await
                })
                .await
            }
            // Quiet when it is fine: most packages have no such test, and would say so.
            Self::Documentation => {
                run(cargo(workspace).args(["test", "--quiet", "--workspace", "--doc"])).await.map(drop)
            }
            Self::SamBuild => template_lint::sam_build(workspace).await.map(|done| *built = Some(done)),
            Self::Workflow => {
                Box::pin(on_a_stack(workspace, WORKFLOW_STACK, async |stack| {
                    workflow_tests(workspace, stack, built.take()).await
                }))
                .await
            }
        }?;
        Ok(Outcome::Passed)
    }
}

/// How a check ended that has not failed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Passed,
    /// It needs something that this machine cannot reach.
    NotRun(String),
}

/// How a check ended.
struct Verdict {
    check: Check,
    took: Duration,
    outcome: anyhow::Result<Outcome>,
}

/// Runs the given parts, or all of them, and fails if a check does.
pub(crate) async fn run_parts(workspace: &Workspace, only: &[Part]) -> anyhow::Result<()> {
    let parts = if only.is_empty() { Part::value_variants() } else { only };
    let mut verdicts = Vec::new();
    let mut built = None;
    for check in parts.iter().flat_map(|part| part.checks()) {
        heading(check.title());
        let started = Instant::now();
        let outcome = Box::pin(check.run(workspace, &mut built)).await;
        if outcome.as_ref().is_err_and(interrupt::is_interruption) {
            return outcome.map(drop);
        }
        if let Err(error) = &outcome {
            say(format!("error: {error:#}"));
        }
        verdicts.push(Verdict { check: *check, took: started.elapsed(), outcome });
    }
    sum_up(&verdicts)
}

fn sum_up(verdicts: &[Verdict]) -> anyhow::Result<()> {
    heading("Summary");
    for verdict in verdicts {
        let (state, detail) = match &verdict.outcome {
            Ok(Outcome::Passed) => ("ok", String::new()),
            Ok(Outcome::NotRun(reason)) => ("NOT RUN", reason.clone()),
            Err(error) => ("FAILED", format!("{error:#}")),
        };
        say(format!("{state:<7} {:>6.1} s  {}", verdict.took.as_secs_f64(), verdict.check.title()));
        if let Some(line) = detail.lines().next() {
            say(format!("                   {line}"));
        }
    }
    let failed = verdicts.iter().filter(|verdict| verdict.outcome.is_err()).count();
    ensure!(failed == 0, "{failed} of {} checks failed", verdicts.len());
    Ok(())
}

/// The list of known weaknesses lives outside the package registries: a machine that
/// cannot reach it can still run everything else.
async fn advisories(workspace: &Workspace) -> anyhow::Result<Outcome> {
    if let Err(error) = rust_lint::fetch_advisories(workspace).await {
        let reason = format!("the list of known weaknesses cannot be fetched: {error:#}");
        say(&reason);
        return Ok(Outcome::NotRun(reason));
    }
    rust_lint::advisories(workspace).await?;
    Ok(Outcome::Passed)
}

/// Does some work with the stack of the checks, and takes it down whatever comes.
async fn on_a_stack(
    workspace: &Workspace,
    name: &str,
    work: impl AsyncFnOnce(&mut Stack) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut stack = Stack::open(workspace, name).await?;
    let outcome = Box::pin(or_interrupted(work(&mut stack))).await;
    let stopped = stack.down().await;
    outcome.and(stopped)
}

async fn unit_tests(workspace: &Workspace, stack: &mut Stack) -> anyhow::Result<()> {
    let cluster = stack.up_database().await?;
    let mut tests = tests(workspace, false);
    tests.env("TEST_DATABASE_URL", cluster.url("postgres"));
    run_visibly(&mut tests).await
}

async fn catalog_tests(workspace: &Workspace, stack: &mut Stack, major: Major) -> anyhow::Result<()> {
    let cluster = stack.up_database_of(Some(major)).await?;
    let dump = postgres::dump_program(workspace).await?;
    let mut tests = cargo(workspace);
    tests
        .args(["test", "--quiet", "--workspace", "--test", CATALOG_TESTS])
        .env("TEST_DATABASE_URL", cluster.url("postgres"))
        .env("PG_DUMP", dump);
    run_visibly(&mut tests).await
}

async fn workflow_tests(
    workspace: &Workspace,
    stack: &mut Stack,
    built: Option<SamBuild>,
) -> anyhow::Result<()> {
    if let Some(built) = &built {
        stack.run_what_is_built(built.clone());
    }
    let cluster = stack.up_database().await?;
    let connection = stack.up(WAIT_SCALE).await?;
    let Some(emulator) = stack.emulator_pid() else {
        bail!("the stack {WORKFLOW_STACK} has no emulator");
    };
    let program = std::env::current_exe().context("this program does not know where it is")?;
    let mut tests = tests(workspace, true);
    tests
        .env("TEST_DATABASE_URL", cluster.url("postgres"))
        .env("STACK_JSON", serde_json::to_string(&connection)?)
        .env("STACK_NAME", WORKFLOW_STACK)
        .env("STACK_EMULATOR_PID", emulator.to_string())
        .env("X", program)
        // For a stack that a test has for itself.
        .envs(built.map(|SamBuild(folder)| ("STACK_BUILT", folder)));
    run_visibly(&mut tests).await
}

/// Builds a call of the test runner, nextest where it is installed, for the workflow tests
/// or for all others. Both build the whole workspace: what a crate is built with depends
/// on who is built beside it, and a part of the workspace builds most crates anew.
fn tests(workspace: &Workspace, workflow: bool) -> Command {
    let mut command = cargo(workspace);
    if find_program("cargo-nextest").is_some() {
        command.args(["nextest", "run", "--no-fail-fast", "--no-tests", "pass", "--workspace"]);
        command.args(["--status-level", "fail", "--final-status-level", "slow"]);
        let not = if workflow { "" } else { "not " };
        command.args(["--filterset", &format!("{not}package({WORKFLOW_TESTS})")]);
    } else {
        command.args(["test", "--quiet", "--no-fail-fast", "--lib", "--bins", "--tests"]);
        if workflow {
            command.args(["--package", WORKFLOW_TESTS]);
        } else {
            command.args(["--workspace", "--exclude", WORKFLOW_TESTS]);
        }
    }
    command
}
