//! `cargo x bench`: ours beside the server's own COPY, and beside others, on the same rows
//! and the same server.

mod apart;
mod bars;
mod chart;
mod child;
pub(crate) mod dataset;
pub(crate) mod generated;
mod peers;
mod processor;
mod report;
mod rows;
mod runner;
pub(crate) mod server;
mod state_machine;
mod variant;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use serde_json::{Value, json};

use self::apart::Halves;
use self::dataset::{ALL_FILES, Dataset, Shelf};
use self::generated::Made;
use self::report::{Found, Section};
use self::runner::Runner;
use self::server::{Buckets, Database};
use self::state_machine::StateMachine;
use self::variant::{Choice, Lane, Way, ways};
use crate::console::{heading, say};
use crate::interrupt::or_interrupted;
use crate::lambda_package::release_settings;
use crate::postgres::Major;
use crate::process::run_visibly;
use crate::rust_lint::cargo;
use crate::stack::Stack;
use crate::workspace::Workspace;

const STACK: &str = "bench";
/// What is written: tables, figures and plots.
const RESULTS: &str = "target/bench";
/// Where the documentation's plots are.
const DOCS: &str = "docs/bench";
/// A way that takes longer than this is measured once.
const ONCE: Duration = Duration::from_mins(2);

/// What is measured.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct Bench {
    /// The sample, without others' loaders: within five minutes once all is built.
    #[arg(long)]
    quick: bool,
    /// Fail where a bar is missed.
    #[arg(long)]
    check: bool,
    /// A .tar.zst archive, or a folder, of CSV files with the same header.
    #[arg(long)]
    data: Option<PathBuf>,
    /// The data sets only whose names begin with this; can be given more than once.
    ///
    /// They are `sample`, `some_files`, `all_files`, `one_file`, `narrow` and `wide`.
    #[arg(long)]
    dataset: Vec<String>,
    /// Besides the limit the ways only whose names contain this; can be given more than once.
    #[arg(long)]
    only: Vec<String>,
    /// The tables only that have such columns; can be given more than once.
    #[arg(long)]
    lane: Vec<Lane>,
    /// Let the server and everything else share all processors; otherwise each has one half.
    #[arg(long)]
    together: bool,
    /// The size of the one made-up file; the narrow and the wide table have a quarter of it.
    #[arg(long, default_value_t = 1_000)]
    megabytes: u64,
    /// How often each way is measured.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// How many sessions ours imports with.
    #[arg(long, default_value_t = 1)]
    sessions: u32,
    /// Without others' loaders.
    #[arg(long)]
    no_peers: bool,
    /// With the state machine on the emulator, too.
    #[arg(long)]
    full: bool,
    /// Build our program as it is deployed, which takes ten minutes; the Lambdas of the
    /// emulator stay without LTO.
    #[arg(long)]
    as_deployed: bool,
    /// When a program is given up, in minutes.
    #[arg(long, default_value_t = 30)]
    limit: u64,
    /// Write the plots for the documentation, too.
    #[arg(long)]
    write_docs: bool,
    /// 15, 16, 17 or 18; or else the Postgres that this machine has.
    #[arg(long, value_parser = Major::parse, conflicts_with = "full")]
    postgres: Option<Major>,
}

/// Measures on servers of its own, prints the tables, and writes all down.
pub(crate) async fn run(workspace: &Workspace, asked: &Bench) -> anyhow::Result<()> {
    let (loader, s3) = build(workspace, asked.as_deployed).await?;
    let mut stack = Stack::open(workspace, STACK).await?;
    stack.down().await?;
    let shelf = Shelf::new()?;
    let measured =
        Box::pin(or_interrupted(measure(workspace, &mut stack, &shelf, asked, &loader, &s3))).await;
    let stopped = stack.down().await;
    let removed = shelf.remove();
    measured.and(stopped).and(removed)
}

/// Builds our program and the S3 server in release mode.
async fn build(workspace: &Workspace, as_deployed: bool) -> anyhow::Result<(PathBuf, PathBuf)> {
    say("building the loader in release mode");
    let mut build = cargo(workspace);
    build.args(["build", "--release", "--quiet", "--package", "loader-bench"]);
    build.envs([release_settings(as_deployed)]);
    run_visibly(&mut build).await?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.root().join("target"), PathBuf::from);
    let [loader, s3] = ["loader-bench", "loader-bench-s3"].map(|name| target.join("release").join(name));
    ensure!(loader.exists() && s3.exists(), "the programs are not in {}", target.display());
    Ok((loader, s3))
}

async fn measure(
    workspace: &Workspace,
    stack: &mut Stack,
    shelf: &Shelf,
    asked: &Bench,
    loader: &Path,
    s3: &Path,
) -> anyhow::Result<()> {
    heading("Setting up");
    let mut buckets = Buckets::serve(s3, shelf.buckets()).await?;
    // First, as it starts the server anew.
    let state_machine = if asked.full {
        // Its Lambdas read the objects where everybody else does.
        stack.find_s3_at(&buckets.endpoint);
        let connection = stack.up(1.0).await?;
        buckets.others_are_at(&connection.endpoint_url).await?;
        shelf.share(&connection.source_bucket)?;
        let emulator = stack.emulator_pid().context("the stack has no emulator")?;
        Some(StateMachine::on(connection, emulator).await)
    } else {
        None
    };
    let database = Database::open(stack.up_database_of(asked.postgres).await?).await?;
    // Before anything is held, as it is counted in what this process may use.
    let processors = std::thread::available_parallelism().map(usize::from).unwrap_or_default();
    // Last, as what is built in setting up may use all.
    let halves = if asked.together { None } else { Halves::of_this_machine()? };
    match &halves {
        Some(halves) => {
            let emulator = stack.emulator_pid().map(i32::unsigned_abs);
            let started: Vec<u32> = buckets.process().into_iter().chain(emulator).collect();
            halves.hold_others(&started)?;
            halves.hold_server(database.session())?;
        }
        None => say("the server shares its processors with everything else"),
    }
    let machine = json!({
        "postgres": database.version().await?,
        "processors": processors,
        "server_apart": halves.is_some(),
    });
    let folder = workspace.root().join(RESULTS);
    let work = folder.join("work");
    fs::create_dir_all(&work).with_context(|| format!("cannot create {}", work.display()))?;
    let runner = Runner {
        workspace,
        database,
        buckets,
        loader: loader.to_path_buf(),
        folder: work,
        sessions: asked.sessions,
        limit: Duration::from_secs(asked.limit * 60),
        state_machine,
    };
    let mut sections = Vec::new();
    for dataset in datasets(workspace, shelf, asked).await? {
        heading(format!("Measuring {}", dataset.name));
        sections.extend(Box::pin(measure_dataset(&runner, &dataset, asked)).await?);
        // What a later data set breaks off is not lost.
        write(workspace, &folder, &machine, asked, &sections)?;
    }
    runner.database.drop().await?;
    fs::remove_dir_all(&runner.folder)?;
    end(workspace, &folder, asked, &sections)
}

async fn datasets(workspace: &Workspace, shelf: &Shelf, asked: &Bench) -> anyhow::Result<Vec<Dataset>> {
    let wanted = |name: &str| {
        let quick = asked.quick && asked.dataset.is_empty();
        if quick {
            name == "sample"
        } else {
            asked.dataset.is_empty() || asked.dataset.iter().any(|start| name.starts_with(start.as_str()))
        }
    };
    let mut datasets = Vec::new();
    if wanted("sample") {
        datasets.push(shelf.sample(workspace.root())?);
    }
    if let Some(data) = &asked.data
        && (wanted("some_files") || wanted(ALL_FILES))
    {
        let given = shelf.given(&std::path::absolute(data)?).await?;
        datasets.extend(given.into_iter().filter(|dataset| wanted(&dataset.name)));
    }
    for (made, part) in [(Made::Mixed, 1), (Made::Narrow, 4), (Made::Wide, 4)] {
        if wanted(made.name()) {
            datasets.push(shelf.made(made, asked.megabytes * 1_000_000 / part)?);
        }
    }
    if datasets.is_empty() {
        bail!("no data set has such a name, or its files were not given with --data");
    }
    Ok(datasets)
}

async fn measure_dataset(
    runner: &Runner<'_>,
    dataset: &Dataset,
    asked: &Bench,
) -> anyhow::Result<Vec<Section>> {
    let typed = runner.columns(dataset).await?;
    let mut sections = Vec::new();
    for lane in Lane::ALL.into_iter().filter(|lane| asked.lane.is_empty() || asked.lane.contains(lane)) {
        let columns = match lane.columns(&typed) {
            Some(columns) => columns,
            None if lane == Lane::Typed => typed.clone(),
            // It would be the same once more.
            None => continue,
        };
        let choice = Choice { quick: asked.quick, peers: !asked.quick && !asked.no_peers, full: asked.full };
        let mut section = Section::new(dataset, lane);
        section.found = ways(lane, dataset.files.len(), choice)
            .into_iter()
            .filter(|way| *way == Way::Limit || is_asked(asked, *way))
            // It is told an encoding of which the files are a part if they are ASCII.
            .filter(|way| *way != Way::OursAsCsv || dataset.is_ascii)
            .map(Found::new)
            .collect();
        let mut expected = None;
        // Round by round, so that what else the machine does meets all of them.
        for round in 1..=asked.rounds {
            for found in &mut section.found {
                let Some(way) = found.way.filter(|_| found.not_run.is_none()) else { continue };
                if found.rounds.iter().any(|measured| measured.wall > ONCE.as_secs_f64()) {
                    continue;
                }
                match Box::pin(runner.measure(dataset, &columns, lane, way, &mut expected)).await {
                    Ok(measured) => {
                        say(format!(
                            "{round}. {}, {}: {:.2} s, {}",
                            found.name,
                            lane.title(),
                            measured.wall,
                            measured.verdict
                        ));
                        found.rounds.push(measured);
                    }
                    Err(error) if way == Way::Limit => {
                        return Err(error.context("the limit can't be measured"));
                    }
                    Err(error) => {
                        let why = format!("{error:#}").replace(['\n', '|'], " ");
                        say(format!("{round}. {}, {}: NOT RUN: {why}", found.name, lane.title()));
                        found.not_run = Some(why.chars().take(240).collect());
                    }
                }
            }
        }
        section.rows = expected.map(|expected| expected.rows).unwrap_or_default();
        sections.push(section);
    }
    Ok(sections)
}

fn is_asked(asked: &Bench, way: Way) -> bool {
    asked.only.is_empty() || asked.only.iter().any(|part| way.name().contains(part.as_str()))
}

/// Writes the figures, the tables and the plots.
fn write(
    workspace: &Workspace,
    folder: &Path,
    machine: &Value,
    asked: &Bench,
    sections: &[Section],
) -> anyhow::Result<()> {
    let judged = bars::judge(sections);
    let medians: Vec<Value> = sections
        .iter()
        .flat_map(|section| section.found.iter().map(move |found| (section, found)))
        .map(|(section, found)| {
            json!({"dataset": section.dataset, "lane": section.lane, "name": found.name,
                   "medians": found.medians(), "verdict": found.verdict(), "not_run": found.not_run})
        })
        .collect();
    let figures = json!({
        "machine": machine,
        "load": fs::read_to_string("/proc/loadavg").unwrap_or_default().trim(),
        "sessions": asked.sessions,
        "as_deployed": asked.as_deployed,
        "sections": sections,
        "medians": medians,
        "bars": judged,
    });
    fs::write(folder.join("figures.json"), serde_json::to_vec_pretty(&figures)?)?;
    let tables: Vec<String> = sections.iter().map(Section::markdown).collect();
    fs::write(folder.join("tables.md"), tables.join("\n"))?;
    let mut places = vec![folder.to_path_buf()];
    if asked.write_docs {
        places.push(workspace.root().join(DOCS));
    }
    for place in places {
        fs::create_dir_all(&place)?;
        for section in sections {
            let lane = serde_json::to_value(section.lane)?;
            let name = format!("{}-{}.svg", section.dataset, lane.as_str().unwrap_or_default());
            fs::write(place.join(name), chart::draw(section))?;
        }
    }
    Ok(())
}

/// Prints the tables and the bars.
fn end(workspace: &Workspace, folder: &Path, asked: &Bench, sections: &[Section]) -> anyhow::Result<()> {
    for section in sections {
        println!("{}", section.markdown());
    }
    let judged = bars::judge(sections);
    for judged in &judged {
        println!("{judged}");
    }
    let failures = bars::failures(sections);
    for failure in &failures {
        println!("FAILED: {failure}");
    }
    let shown = folder.strip_prefix(workspace.root()).unwrap_or(folder);
    say(format!("tables, figures and plots are in {}", shown.display()));
    let missed = judged.iter().filter(|judged| !judged.is_met()).count();
    if asked.check && missed + failures.len() > 0 {
        bail!("{missed} of {} bars are missed, and {} ways of ours failed", judged.len(), failures.len());
    }
    Ok(())
}
