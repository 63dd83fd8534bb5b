//! `cargo x measure start`: how large the Lambdas are, and how fast they start.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::bench::dataset::megabytes;
use crate::bench::server::Database;
use crate::console::say;
use crate::lambda_process::{LambdaProcess, Taken};
use crate::measure::Built;
use crate::template::Template;
use crate::workspace::Workspace;

/// The Lambda whose events need nothing but a database.
const WITH_EVENTS: &str = "cleanup";

/// Measures the Lambdas, or some of them.
pub(super) async fn run(
    workspace: &Workspace,
    database: &Database,
    built: &Built,
    only: &[String],
    rounds: u32,
) -> anyhow::Result<()> {
    let functions = Template::read(&workspace.root().join("template.yaml"))?.functions()?;
    let mut binaries: Vec<String> = functions.into_iter().map(|function| function.binary).collect();
    binaries.sort();
    binaries.retain(|binary| only.is_empty() || only.contains(binary));
    let programs = built.programs(workspace, &binaries).await?;
    ensure!(!programs.is_empty(), "there is no such Lambda");
    drop(database.renew().await?);
    let database = &database.url();
    println!("| | MB | as .gz | Start | Processor | Peak |\n|---|---|---|---|---|---|");
    for (binary, program) in &programs {
        let mut taken = Vec::new();
        // The first one reads the file from the disk.
        for _ in 0..=rounds {
            let mut process = LambdaProcess::start(program, database, &[]).await?;
            taken.push(process.asks().await?);
        }
        taken.remove(0);
        println!(
            "| {binary} | {:.2} | {:.2} | {} |",
            megabytes(fs::metadata(program)?.len()),
            megabytes(gzipped(program)?),
            medians(&taken)
        );
    }
    if let Some((_, program)) = programs.iter().find(|(binary, _)| binary == WITH_EVENTS) {
        events(program, database, rounds).await?;
    }
    Ok(())
}

/// What the first event takes, for which the program connects, and the second.
async fn events(program: &Path, database: &str, rounds: u32) -> anyhow::Result<()> {
    say("giving cleanup two events each time");
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let mut process = LambdaProcess::start(program, database, &[]).await?;
        let mut before = process.asks().await?.processor;
        for found in [&mut first, &mut second] {
            let (answer, mut taken) = process.answers(&event()).await?;
            ensure!(answer.contains("\"retry\""), "cleanup failed: {answer}");
            (taken.processor, before) = (taken.processor.saturating_sub(before), taken.processor);
            found.push(taken);
        }
    }
    println!("\n| | Time | Processor | Peak |\n|---|---|---|---|");
    println!("| first event | {} |\n| second event | {} |", medians(&first), medians(&second));
    Ok(())
}

/// The failure of a run that nobody knows.
fn event() -> Value {
    json!({
        "run_id": "measured",
        "execution": {"id": "arn:aws:states:us-east-1:0:execution:load:measured", "name": "measured"},
        "failed_state": "PlanBatches",
        "error": "States.Timeout",
        "cause": "",
    })
}

fn medians(taken: &[Taken]) -> String {
    let median = |of: fn(&Taken) -> Duration| {
        let mut times: Vec<Duration> = taken.iter().map(of).collect();
        times.sort();
        times.get(times.len() / 2).copied().unwrap_or_default().as_secs_f64() * 1e3
    };
    let peak = taken.iter().map(|taken| taken.peak_mib).fold(0.0, f64::max);
    format!(
        "{:.1} ms | {:.1} ms | {peak:.1} MiB",
        median(|taken| taken.wall),
        median(|taken| taken.processor)
    )
}

/// Returns the bytes of a program when it is packed: a zip file is as large.
fn gzipped(program: &PathBuf) -> anyhow::Result<u64> {
    let packed = std::process::Command::new("gzip")
        .args(["-9", "-c"])
        .arg(program)
        .stdin(Stdio::null())
        .output()
        .context("cannot start gzip")?;
    Ok(packed.stdout.len() as u64)
}
