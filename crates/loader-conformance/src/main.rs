//! Runs the suites. `cargo x conformance` starts it with a Postgres.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Parser;
use loader_conformance::outcome::Grade;
use loader_conformance::report;
use loader_conformance::runner::{Score, Settings, run};
use loader_conformance::suites;

/// Loads the cases of other projects' test suites, and scores the values.
#[derive(Parser)]
struct Cli {
    /// The folder of the suites' data, one folder for each suite.
    #[arg(long)]
    data: PathBuf,
    /// Run the suites only whose names begin with this; can be given more than once.
    #[arg(long)]
    suite: Vec<String>,
    /// Run the cases only whose names contain this, and print all about them.
    #[arg(long)]
    case: Option<String>,
    /// Print the cases that are left out, with their reasons.
    #[arg(long)]
    left_out: bool,
    /// Write the scores and the misses to this file, in Markdown.
    #[arg(long)]
    report: Option<PathBuf>,
    /// How many cases are loaded at once.
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// How many seconds a case may take.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match run_all(&cli).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run_all(cli: &Cli) -> anyhow::Result<bool> {
    ensure!(
        std::env::var_os("TEST_DATABASE_URL").is_some(),
        "TEST_DATABASE_URL is not set: run `cargo x conformance`, or set it to a Postgres where databases may be created"
    );
    ensure!(
        cli.data.is_dir(),
        "there is no folder {}: give the folder of the suites' data with --data or CONFORMANCE_DATA",
        cli.data.display()
    );
    let settings = Settings {
        workers: cli.workers,
        limit: Duration::from_secs(cli.seconds),
        only: cli.case.clone(),
        show: cli.case.is_some(),
    };
    let mut scores = Vec::new();
    let mut without_data = Vec::new();
    for suite in suites::all() {
        let name = suite.name();
        if !cli.suite.is_empty() && !cli.suite.iter().any(|asked| name.starts_with(asked.as_str())) {
            continue;
        }
        if !cli.data.join(name).is_dir() {
            without_data.push(name);
            continue;
        }
        eprintln!("{name} …");
        scores.push(run(suite.as_ref(), &cli.data, &settings).await?);
    }
    ensure!(!scores.is_empty(), "there is no suite to run: {} holds no data of any", cli.data.display());
    print(&scores, cli.left_out);
    for name in without_data {
        println!("NOT RUN: {name} has no folder in the data");
    }
    if let Some(file) = &cli.report {
        write(file, &scores)?;
    }
    Ok(scores.iter().all(Score::passes))
}

fn print(scores: &[Score], all_left_out: bool) {
    for score in scores {
        for miss in report::misses(score) {
            println!("{} / {}: {}: {}", score.suite, miss.name, miss.verdict.grade, miss.verdict.why);
        }
        for (why, count) in report::left_out(score) {
            println!("{}: {count} left out: {why}", score.suite);
            for case in score.left_out.iter().filter(|case| all_left_out && case.why == why) {
                println!("    {}", case.name);
            }
        }
    }
    for score in scores {
        for remark in &score.remarks {
            println!("{}: {remark}", score.suite);
        }
    }
    println!("\n{}", report::table(scores));
    for score in scores.iter().filter(|score| !score.passes()) {
        let (silent, crashed) = (score.count(Grade::SilentlyWrong), score.count(Grade::Crashed));
        println!(
            "{} does not pass: {:.1} % are right of {:.1} %, {silent} silently wrong, {crashed} crashed",
            score.suite,
            score.share() * 100.0,
            score.bar * 100.0
        );
    }
}

fn write(file: &Path, scores: &[Score]) -> anyhow::Result<()> {
    std::fs::write(file, report::markdown(scores)).with_context(|| format!("cannot write {}", file.display()))
}
