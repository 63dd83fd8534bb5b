//! `cargo x load-year`: the full-scale run, from an archive of a year's files.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::aws;
use crate::console::{heading, say};
use crate::execution;
use crate::interrupt::or_interrupted;
use crate::lambda_memory::LambdaMemory;
use crate::postgres;
use crate::process::run;
use crate::progress::grouped;
use crate::stack::Stack;
use crate::system_package;
use crate::upload::{self, SourceFile};
use crate::workspace::Workspace;

const STACK: &str = "year";
const TABLE: &str = "year";

/// How a year is loaded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    /// The engine, or the application's own choice.
    pub(crate) engine: Option<String>,
    /// How many batches at once, or the application's own choice.
    pub(crate) max_concurrency: Option<u32>,
}

impl Settings {
    fn input(&self) -> Value {
        let mut input = json!({ "table": TABLE });
        if let Some(fields) = input.as_object_mut() {
            if let Some(engine) = &self.engine {
                fields.insert("definition".to_owned(), json!({ "engine": engine }));
            }
            if let Some(count) = self.max_concurrency {
                fields.insert("max_concurrency".to_owned(), json!(count));
            }
        }
        input
    }
}

/// Loads the archive's files through a stack of its own and tells what it took.
pub(crate) async fn run_year(
    workspace: &Workspace,
    archive: &Path,
    settings: &Settings,
) -> anyhow::Result<()> {
    let mut stack = Stack::open(workspace, STACK).await?;
    stack.down().await?;
    let unpacked = workspace.stack(STACK).join("files");
    let loaded = Box::pin(or_interrupted(load(&mut stack, archive, &unpacked, settings))).await;
    let stopped = stack.down().await;
    loaded.and(stopped)
}

async fn load(stack: &mut Stack, archive: &Path, unpacked: &Path, settings: &Settings) -> anyhow::Result<()> {
    heading("Setting up");
    let connection = stack.up(1.0).await?;
    let config = aws::local_config(&connection.endpoint_url).await;

    let files = unpack(archive, unpacked).await?;
    let bytes = total_bytes(&files)?;
    heading(format!("Putting {} files, {} bytes", files.len(), grouped(bytes)));
    let started = Instant::now();
    upload::put(&aws::s3(&config), &connection.source_bucket, &files).await?;
    say(format!("in {:.1} s", started.elapsed().as_secs_f64()));

    let input = settings.input();
    heading(format!("Starting the state machine with {input}"));
    let pid = stack.emulator_pid().context("the stack has no emulator")?;
    let mut memory = LambdaMemory::of_emulator(pid);
    let outcome = execution::run(&connection, &config, STACK, &input, Some(&mut memory)).await?;

    heading("Result");
    let seconds = outcome.elapsed.as_secs_f64();
    say(format!("{} after {seconds:.1} s", outcome.status.as_str()));
    let client = postgres::connect(&connection.database_url).await?;
    print_ledger(&client, &outcome.run_id).await?;
    for (function, peak) in memory.peaks_kib() {
        say(format!("peak memory of {function}: {} KiB", grouped(i64::try_from(*peak)?)));
    }
    outcome.ensure_succeeded()?;
    let rows: i64 =
        client.query_one(&format!("select count(*) from public.{TABLE}"), &[]).await?.try_get(0)?;
    say(format!("{} rows in public.{TABLE}", grouped(rows)));
    Ok(())
}

async fn print_ledger(client: &tokio_postgres::Client, run_id: &str) -> anyhow::Result<()> {
    let groups = client
        .query(
            "select state, coalesce(engine, '-'), coalesce(left(reason, 80), ''), count(*),
                    coalesce(sum(rows), 0)::bigint, coalesce(sum(rejects), 0)::bigint
             from loader.object where run_id = $1 group by 1, 2, 3 order by 4 desc limit 20",
            &[&run_id],
        )
        .await
        .context("cannot read the ledger")?;
    for group in groups {
        say(format!(
            "{} by {}: {} objects, {} rows, {} rejects {}",
            group.try_get::<_, String>(0)?,
            group.try_get::<_, String>(1)?,
            grouped(group.try_get(3)?),
            grouped(group.try_get(4)?),
            grouped(group.try_get(5)?),
            group.try_get::<_, String>(2)?,
        ));
    }
    Ok(())
}

/// Unpacks an archive, or takes a folder as it is.
pub(crate) async fn unpack(archive: &Path, unpacked: &Path) -> anyhow::Result<Vec<SourceFile>> {
    let prefix = format!("{TABLE}/");
    if archive.is_dir() {
        return upload::source_files(archive, &prefix);
    }
    system_package::ensure_program("tar", "tar").await?;
    system_package::ensure_program("zstd", "zstd").await?;
    heading(format!("Unpacking {}", archive.display()));
    fs::create_dir_all(unpacked)?;
    let mut tar = Command::new("tar");
    tar.args(["--use-compress-program", "zstd", "-xf"]).arg(archive).arg("-C").arg(unpacked);
    run(&mut tar).await?;
    // The files are in the archive's own folder or in one below it.
    for folder in std::iter::once(unpacked.to_path_buf()).chain(folders_in(unpacked)?) {
        if let Ok(files) = upload::source_files(&folder, &prefix) {
            return Ok(files);
        }
    }
    bail!("{} holds no CSV file", archive.display())
}

fn folders_in(folder: &Path) -> anyhow::Result<Vec<std::path::PathBuf>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    Ok(folders)
}

fn total_bytes(files: &[SourceFile]) -> anyhow::Result<i64> {
    let mut bytes = 0;
    for file in files {
        bytes += file.path.metadata()?.len();
    }
    Ok(i64::try_from(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_set_is_in_the_input() {
        assert_eq!(Settings::default().input(), json!({"table": "year"}));
        let settings = Settings { engine: Some("stream".to_owned()), max_concurrency: Some(8) };
        assert_eq!(
            settings.input(),
            json!({"table": "year", "definition": {"engine": "stream"}, "max_concurrency": 8})
        );
    }
}
