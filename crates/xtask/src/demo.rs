//! `cargo demo`: real weather data, from S3 into Postgres, through the real thing.

mod answer_sheet;
mod comparison;
mod message;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::json;

use self::answer_sheet::AnswerSheet;
use self::message::Inbox;
use crate::aws;
use crate::console::{heading, say};
use crate::execution::{self, Outcome};
use crate::interrupt::or_interrupted;
use crate::postgres;
use crate::progress::grouped;
use crate::stack::Stack;
use crate::upload;
use crate::workspace::Workspace;

/// The demo's own stack. Its data stays for the next run, its processes do not.
const STACK: &str = "demo";
/// The table that is loaded.
const TABLE: &str = "year_2022";
/// The sample, from the repository's folder.
const SAMPLE: &str = "tests/data/gsod/2022";

/// Loads the sample, shows it, and leaves nothing running.
pub(crate) async fn run(workspace: &Workspace, fresh: bool, data: Option<PathBuf>) -> anyhow::Result<()> {
    let folder = data.unwrap_or_else(|| workspace.root().join(SAMPLE));
    let mut stack = Stack::open(workspace, STACK).await?;
    if fresh {
        stack.down().await?;
    }
    heading("Setting up Postgres, the AWS emulator and the application");
    let shown = Box::pin(or_interrupted(show(&mut stack, &folder))).await;
    // The stack ends whatever came before; the first error is the one to tell.
    let stopped = stack.stop().await;
    shown.and(stopped)?;
    heading("Where to go from here");
    say("cargo demo                  again: this load becomes the backup");
    say("cargo demo --fresh          from an empty database");
    say("cargo x stack up            keep a stack running, for psql and any AWS SDK");
    say("README.md                   your own tables, and deploying to AWS");
    Ok(())
}

async fn show(stack: &mut Stack, folder: &Path) -> anyhow::Result<()> {
    let connection = stack.up(1.0).await?;
    let config = aws::local_config(&connection.endpoint_url).await;

    let files = upload::source_files(folder, &format!("{TABLE}/"))?;
    let sheet = AnswerSheet::of(&files)?;
    heading(format!("Putting {} files under s3://{}/{TABLE}/", files.len(), connection.source_bucket));
    upload::put(&aws::s3(&config), &connection.source_bucket, &files).await?;
    let inbox = Inbox::subscribe(&config, &connection.topic_arn).await?;

    let input = json!({ "table": TABLE });
    heading(format!("Starting the state machine with {input}"));
    let outcome = execution::run(&connection, &config, STACK, &input, None).await?;
    let text = inbox.receive().await?;
    if outcome.ensure_succeeded().is_err() {
        print_message(text.as_deref());
    }
    outcome.ensure_succeeded()?;

    heading("Loaded");
    let client = postgres::connect(&connection.database_url).await?;
    print_run(&client, &outcome).await?;
    print_rows(&client).await?;
    print_backup(&client, &outcome).await?;
    print_message(text.as_deref());
    compare(&client, &outcome, &sheet).await?;
    Ok(())
}

async fn print_run(client: &tokio_postgres::Client, outcome: &Outcome) -> anyhow::Result<()> {
    let run = client
        .query_one(
            "select coalesce(rows, 0), coalesce(objects_loaded, 0), coalesce(objects_skipped, 0),
                    coalesce(objects_failed, 0), coalesce(batches, 0), coalesce(bytes_to_load, 0)
             from loader.run where run_id = $1",
            &[&outcome.run_id],
        )
        .await
        .context("cannot read the run")?;
    say(format!(
        "{} rows of {} objects ({} bytes) in {} batches, in {:.1} s",
        grouped(run.try_get(0)?),
        grouped(run.try_get(1)?),
        grouped(run.try_get(5)?),
        run.try_get::<_, i32>(4)?,
        outcome.elapsed.as_secs_f64(),
    ));
    say(format!("objects skipped: {}, failed: {}", run.try_get::<_, i64>(2)?, run.try_get::<_, i64>(3)?));
    Ok(())
}

async fn print_rows(client: &tokio_postgres::Client) -> anyhow::Result<()> {
    let rows = client
        .query(
            "select station, date::text, coalesce(name, ''), temp::text, prcp::text
             from public.year_2022 order by station, date limit 5",
            &[],
        )
        .await
        .context("cannot read the loaded table")?;
    say("select station, date, name, temp, prcp from public.year_2022 limit 5;");
    for row in rows {
        let mut cells = Vec::new();
        for column in 0..row.len() {
            cells.push(row.try_get::<_, Option<String>>(column)?.unwrap_or_default());
        }
        say(format!("    {}", cells.join(" | ")));
    }
    Ok(())
}

async fn print_backup(client: &tokio_postgres::Client, outcome: &Outcome) -> anyhow::Result<()> {
    heading("The version before");
    let backup: Option<String> = client
        .query_one("select backup_table from loader.run where run_id = $1", &[&outcome.run_id])
        .await?
        .try_get(0)?;
    let exists: bool = client
        .query_one("select to_regclass('databackup.' || quote_ident($1)) is not null", &[&TABLE])
        .await?
        .try_get(0)?;
    if backup.is_none() || !exists {
        say("this was the first load: run cargo demo again to see it become the backup");
        return Ok(());
    }
    let table = format!("databackup.{TABLE}");
    let rows: i64 = client.query_one(&format!("select count(*) from {table}"), &[]).await?.try_get(0)?;
    say(format!("{table} keeps {} rows", grouped(rows)));
    Ok(())
}

fn print_message(text: Option<&str>) {
    heading("The message that the topic's subscribers got");
    for line in text.unwrap_or("(none came)").lines() {
        say(line);
    }
}

async fn compare(
    client: &tokio_postgres::Client,
    outcome: &Outcome,
    sheet: &AnswerSheet,
) -> anyhow::Result<()> {
    heading("Compared with the files");
    let differences = comparison::compare(client, TABLE, &outcome.run_id, sheet).await?;
    for line in &differences.agreed {
        say(format!("checked: {line}"));
    }
    for line in &differences.differing {
        say(format!("DIFFERENT: {line}"));
    }
    anyhow::ensure!(
        differences.differing.is_empty(),
        "the table differs from the files in {} places",
        differences.differing.len()
    );
    Ok(())
}
