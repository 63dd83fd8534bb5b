//! `cargo x measure listing`: what the Lambdas take that list and plan very many objects.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::bench::dataset::{SAMPLE, megabytes};
use crate::bench::server::{Buckets, Database};
use crate::console::say;
use crate::lambda_process::LambdaProcess;
use crate::measure::Built;
use crate::upload;
use crate::workspace::Workspace;

/// The programs that are needed.
const PROGRAMS: [&str; 3] = ["prepare-schemas", "plan-batches", "loader-bench-s3"];
/// The bucket of so many objects that the S3 server makes up, and where they are in it.
const MADE_UP: &str = "made-up";
const PREFIX: &str = "t/";
/// The bucket that the plan is written to.
const WORK: &str = "work";
const RUN: &str = "measured";

/// What `PlanBatches` answers.
#[derive(Deserialize)]
struct Plan {
    #[serde(rename = "plan")]
    place: Place,
    batches: u64,
    objects_to_load: u64,
}

#[derive(Deserialize)]
struct Place {
    key: String,
}

/// Prepares and plans a run with the programs of the Lambdas, and prints what each took.
pub(super) async fn run(
    workspace: &Workspace,
    database: &Database,
    built: &Built,
    objects: u64,
    page_ms: u64,
) -> anyhow::Result<()> {
    let programs = built.programs(workspace, &PROGRAMS.map(ToOwned::to_owned)).await?;
    let [prepare, plan, s3] = programs.as_slice() else { bail!("not all programs are there") };
    let root = std::env::temp_dir().join(format!("loader-listing-{}", std::process::id()));
    fs::create_dir_all(root.join(WORK))?;
    let measured = async {
        let sample = upload::source_files(&workspace.root().join(SAMPLE), "")?;
        let file = &sample.first().context("the sample is empty")?.path;
        let buckets = Buckets::serve_made_up(&s3.1, &root, objects, page_ms, file).await?;
        drop(database.renew().await?);
        say(format!("planning {objects} objects, 1,000 of which take {page_ms} ms"));
        println!("| | Time | Processor | Peak |\n|---|---|---|---|");
        let input = json!({"table": "t", "definition": {"prefix": PREFIX, "engine": "stream"}});
        let execution = format!("arn:aws:states:us-east-1:0:execution:load:{RUN}");
        let start = "2026-03-01T03:00:00Z";
        let event = json!({"input": input, "execution": {"id": execution, "name": RUN, "start_time": start}});
        let (_, line) = call(&prepare.1, database, &buckets, &event).await?;
        println!("| {} | {line} |", prepare.0);
        let (answer, line) = call(&plan.1, database, &buckets, &json!({"run_id": RUN})).await?;
        println!("| {} | {line} |", plan.0);
        let planned: Plan =
            serde_json::from_str(&answer).with_context(|| format!("the plan failed: {answer}"))?;
        ensure!(planned.objects_to_load == objects, "{} objects are planned", planned.objects_to_load);
        let size = fs::metadata(root.join(WORK).join(planned.place.key))?.len();
        println!("\n{} batches, a plan of {:.1} MB", planned.batches, megabytes(size));
        anyhow::Ok(())
    }
    .await;
    fs::remove_dir_all(&root)?;
    measured
}

/// Calls a Lambda once, and says what that took, its start apart.
async fn call(
    program: &Path,
    database: &Database,
    buckets: &Buckets,
    event: &Value,
) -> anyhow::Result<(String, String)> {
    let settings = [
        ("AWS_ENDPOINT_URL_S3", buckets.endpoint.as_str()),
        ("SOURCE_BUCKET", MADE_UP),
        ("WORK_BUCKET", WORK),
    ];
    let mut process = LambdaProcess::start(program, &database.url(), &settings).await?;
    let start = process.asks().await?.processor;
    let (answer, taken) = process.answers(event).await?;
    ensure!(!answer.contains("\"errorType\""), "the Lambda failed: {answer}");
    let seconds = |time: Duration| time.as_secs_f64();
    let processor = taken.processor.saturating_sub(start);
    let line =
        format!("{:.1} s | {:.1} s | {:.1} MiB", seconds(taken.wall), seconds(processor), taken.peak_mib);
    Ok((answer, line))
}
