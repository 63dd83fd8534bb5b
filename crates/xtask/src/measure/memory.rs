//! `cargo x measure memory`: the most memory that the program of `ImportBatch` takes.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::bench::dataset::{BUCKET, SAMPLE, megabytes};
use crate::bench::generated::Made;
use crate::bench::server::{Buckets, Database};
use crate::console::say;
use crate::lambda_process::LambdaProcess;
use crate::measure::Built;
use crate::process::run;
use crate::upload;
use crate::workspace::Workspace;

/// The programs that are needed.
const PROGRAMS: [&str; 3] = ["import-batch", "loader-bench", "loader-bench-s3"];
/// How often the sample's files are there.
const SAMPLE_COPIES: usize = 20;

/// What is loaded, and how.
struct Case {
    name: &'static str,
    data: Data,
    /// Fields of the definition, beside the prefix.
    definition: Value,
}

/// Objects to load.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Data {
    /// Many files of weather.
    Sample,
    /// One file of all sorts of columns, of the size that was asked for.
    One,
    /// One file of numbers, of that size.
    Numbers,
    /// The file of all sorts, packed.
    Gzip,
    /// Records of so many bytes.
    Records(usize),
    /// The file of all sorts, in which every tenth row has a bad number.
    Bad,
}

impl Data {
    fn name(self) -> String {
        match self {
            Self::Sample => "sample".to_owned(),
            Self::One => "one".to_owned(),
            Self::Numbers => "numbers".to_owned(),
            Self::Gzip => "gzip".to_owned(),
            Self::Records(bytes) => format!("records-{bytes}"),
            Self::Bad => "bad".to_owned(),
        }
    }

    fn write(self, workspace: &Workspace, folder: &Path, bytes: u64) -> anyhow::Result<()> {
        fs::create_dir_all(folder)?;
        match self {
            Self::Sample => {
                for file in upload::source_files(&workspace.root().join(SAMPLE), "")? {
                    for copy in 0..SAMPLE_COPIES {
                        fs::copy(&file.path, folder.join(format!("{copy:02}-{}", file.key)))?;
                    }
                }
            }
            Self::One => Made::Mixed.write(folder, bytes, 1)?,
            Self::Numbers => Made::Narrow.write(folder, bytes, 1)?,
            Self::Gzip => {
                Made::Mixed.write(folder, bytes, 1)?;
                let packed = std::process::Command::new("gzip")
                    .args(["-1", "--recursive"])
                    .arg(folder)
                    .stdin(Stdio::null())
                    .status()
                    .context("cannot start gzip")?;
                ensure!(packed.success(), "gzip failed");
            }
            Self::Records(length) => {
                let mut out = BufWriter::new(File::create(folder.join("long.csv"))?);
                writeln!(out, "id,note")?;
                let note = "a long text ".repeat(length / 12);
                for id in 0..(64 << 20) / length {
                    writeln!(out, "{id},{note}")?;
                }
                out.flush()?;
            }
            Self::Bad => {
                let mut out = BufWriter::new(File::create(folder.join("bad.csv"))?);
                writeln!(out, "id,at,note,other,value")?;
                for id in 0..1_000_000 {
                    let value = if id % 10 == 9 { "many" } else { "17.25" };
                    writeln!(out, "{id},2024-02-29 12:00:00,a note,\"another, longer note\",{value}")?;
                }
                out.flush()?;
            }
        }
        Ok(())
    }
}

/// What `loader-bench prepare` leaves.
#[derive(Deserialize)]
struct Planned {
    plan: Plan,
    batches: Vec<Value>,
}

#[derive(Deserialize)]
struct Plan {
    attempt: i32,
}

/// What the Lambda answers.
#[derive(Deserialize)]
struct Outcome {
    failed: u64,
}

fn cases() -> Vec<Case> {
    let columns = |names: &str| -> Vec<Value> {
        names.split(',').map(|name| json!({"name": name, "type": "text"})).collect()
    };
    let mixed = "id,customer,created_at,day,amount,rate,active,token,city,note";
    let keep = json!({"on_reject": "keep"});
    // Objects of which some may fail are not cut into parts.
    let whole = json!({"tolerated_failed_objects": 1});
    let case = |name, data, definition| Case { name, data, definition };
    let with = |first: &Value, second: Value| {
        let mut all = first.clone();
        if let (Some(all), Value::Object(second)) = (all.as_object_mut(), second) {
            all.extend(second);
        }
        all
    };
    let bad = json!({"on_reject": "keep", "reject_limits": {"object_percent": 100}, "columns": [
        {"name": "id", "type": "bigint"}, {"name": "at", "type": "timestamp"}, {"name": "note", "type": "text"},
        {"name": "other", "type": "text"}, {"name": "value", "type": "double precision"}]});
    vec![
        case("small objects, binary", Data::Sample, json!({})),
        case("small objects, binary, rejects kept", Data::Sample, keep.clone()),
        case("one object in parts, binary", Data::One, json!({})),
        case("one object in parts, binary, rejects kept", Data::One, keep.clone()),
        case("one object, binary", Data::One, whole.clone()),
        case("one object, binary, rejects kept", Data::One, with(&whole, keep.clone())),
        case("one object, texts", Data::One, with(&whole, json!({"columns": columns(mixed)}))),
        case(
            "one object, as it is",
            Data::Numbers,
            with(&whole, json!({"columns": columns("id,a,b,c,d"), "dialect": {"encoding": "EUC_JP"}})),
        ),
        case("one object, gzip", Data::Gzip, json!({})),
        case("every tenth row rejected", Data::Bad, bad),
        case("records of 1 MiB", Data::Records(1 << 20), json!({})),
        case("records of 1 MiB, rejects kept", Data::Records(1 << 20), keep.clone()),
        case("records of 8 MiB", Data::Records(8 << 20), json!({})),
        case("records of 8 MiB, rejects kept", Data::Records(8 << 20), keep),
    ]
}

/// Loads each case with the program of `ImportBatch`, and prints what it took.
pub(super) async fn run_cases(
    workspace: &Workspace,
    database: &Database,
    built: &Built,
    only: Option<&str>,
    bytes: u64,
) -> anyhow::Result<()> {
    let programs = built.programs(workspace, &PROGRAMS.map(ToOwned::to_owned)).await?;
    let [program, loader, s3] = programs.as_slice() else { bail!("not all programs are there") };
    let root = std::env::temp_dir().join(format!("loader-memory-{}", std::process::id()));
    fs::create_dir_all(root.join(BUCKET))?;
    let measured = async {
        let buckets = Buckets::serve(&s3.1, &root).await?;
        println!("| | MB | Peak | Time | Processor | for a GB |\n|---|---|---|---|---|---|");
        let mut written = None;
        for case in cases().iter().filter(|case| only.is_none_or(|only| case.name.contains(only))) {
            if written != Some(case.data) {
                // One at a time: they are large.
                fs::remove_dir_all(root.join(BUCKET))?;
                case.data.write(workspace, &root.join(BUCKET).join(case.data.name()), bytes)?;
                written = Some(case.data);
            }
            let line = measure(case, &program.1, &loader.1, &root, database, &buckets).await;
            println!("| {} | {} |", case.name, line.with_context(|| case.name.to_owned())?);
        }
        anyhow::Ok(())
    }
    .await;
    fs::remove_dir_all(&root)?;
    measured
}

async fn measure(
    case: &Case,
    program: &Path,
    loader: &Path,
    root: &Path,
    database: &Database,
    buckets: &Buckets,
) -> anyhow::Result<String> {
    say(case.name);
    drop(database.renew().await?);
    let mut definition = case.definition.clone();
    if let Some(definition) = definition.as_object_mut() {
        definition.insert("prefix".to_owned(), format!("{}/", case.data.name()).into());
        definition.insert("engine".to_owned(), "stream".into());
    }
    let input = json!({"table": "t", "definition": definition}).to_string();
    let (url, plan) = (database.url(), root.join("plan.json"));
    let mut prepare = Command::new(loader);
    prepare
        .args(["prepare", "--database", &url, "--bucket", BUCKET, "--input", &input, "--run", "measured"])
        .arg("--plan")
        .arg(&plan)
        .envs(buckets.environment());
    run(&mut prepare).await?;
    let planned: Planned = serde_json::from_slice(&fs::read(&plan)?)?;
    let mut process =
        LambdaProcess::start(program, &url, &[("AWS_ENDPOINT_URL_S3", &buckets.endpoint)]).await?;
    let start = process.asks().await?.processor;
    let (mut peak, mut wall, mut processor) = (0.0, Duration::ZERO, Duration::ZERO);
    for batch in planned.batches {
        let event = json!({"run_id": "measured", "attempt": planned.plan.attempt, "batch": batch});
        let (answer, taken) = process.answers(&event).await?;
        let outcome: Result<Outcome, _> = serde_json::from_str(&answer);
        ensure!(outcome.is_ok_and(|outcome| outcome.failed == 0), "a batch failed: {answer}");
        (peak, wall) = (taken.peak_mib, wall + taken.wall);
        processor = taken.processor.saturating_sub(start);
    }
    let size = folder_size(&root.join(BUCKET).join(case.data.name()))?;
    let gigabytes = megabytes(size) / 1e3;
    Ok(format!(
        "{:.1} | {peak:.1} MiB | {:.2} s | {:.2} s | {:.2} s",
        megabytes(size),
        wall.as_secs_f64(),
        processor.as_secs_f64(),
        processor.as_secs_f64() / gigabytes,
    ))
}

fn folder_size(folder: &Path) -> anyhow::Result<u64> {
    let mut size = 0;
    for entry in fs::read_dir(folder)? {
        size += entry?.metadata()?.len();
    }
    Ok(size)
}
