//! What breaks the machine under a run: killed Lambdas, a database that goes away.
//!
//! These tests do harm to everything on the stack, so they have one of their own,
//! and go one after the other.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "tests")]

mod lambda_processes;
mod own_stack;

use std::fmt::Write as _;

use serde_json::json;
use workflow_tests::{Messages, Stack, eventually};

use crate::own_stack::OwnStack;

/// Objects that are large enough to be in the middle of a COPY for a while.
async fn put_large(stack: &Stack, table: &str, objects: u32, rows: u32) {
    for number in 0..objects {
        let mut text = String::from("id,filler\n");
        for row in 0..rows {
            writeln!(text, "{},{}", number * rows + row, "x".repeat(200)).unwrap();
        }
        stack.put(&format!("{table}/{number:02}.csv"), text).await;
    }
}

/// Waits until rows are being copied into a staging table.
async fn until_copying(stack: &Stack) {
    stack.until("(select count(*) > 0 from pg_stat_progress_copy where tuples_processed > 0)").await;
}

#[tokio::test]
async fn every_row_lands_once_whatever_breaks() {
    let own = OwnStack::up();
    let mut stack = own.connect().await;
    killed_in_the_middle_of_a_copy(&stack).await;
    restarted_database(&mut stack).await;
    missing_extension(&stack).await;
    unreachable_database(&stack).await;
    drop(own);
}

async fn killed_in_the_middle_of_a_copy(stack: &Stack) {
    let (objects, rows) = (8, 30_000);
    put_large(stack, "killed", objects, rows).await;
    let execution = stack.start(&json!({"table": "killed", "definition": {"engine": "stream"}})).await;
    until_copying(stack).await;
    let killed = lambda_processes::kill(stack.endpoint(), "ImportBatch");
    assert!(killed > 0, "there was a Lambda to kill");
    let ended = stack.end_of(&execution).await;
    assert_eq!(ended.status, "SUCCEEDED", "{ended:?}");
    assert_all_once(stack, "killed", objects * rows).await;
}

async fn restarted_database(stack: &mut Stack) {
    let (objects, rows) = (8, 30_000);
    put_large(stack, "restarted", objects, rows).await;
    let execution = stack.start(&json!({"table": "restarted", "definition": {"engine": "stream"}})).await;
    until_copying(stack).await;
    OwnStack::restart_database();
    stack.reconnect().await;
    let ended = stack.end_of(&execution).await;
    assert_eq!(ended.status, "SUCCEEDED", "{ended:?}");
    assert_all_once(stack, "restarted", objects * rows).await;
}

async fn assert_all_once(stack: &Stack, table: &str, rows: u32) {
    let sum = u64::from(rows) * u64::from(rows - 1) / 2;
    assert_eq!(
        stack
            .one(&format!("select concat_ws(' ', count(*), count(distinct id), sum(id)) from public.{table}"))
            .await,
        format!("{rows} {rows} {sum}")
    );
}

async fn missing_extension(stack: &Stack) {
    stack.put("extension/a.csv", "id\n1\n").await;
    stack.execute("alter schema aws_s3 rename to aws_s3_away").await;
    let ended = stack
        .fail(&json!({"table": "extension", "definition": {"engine": "aws_s3"}}), "Loader.ExtensionMissing")
        .await;
    assert!(ended.cause.contains("create extension aws_s3"), "{}", ended.cause);
    stack.succeed(&json!({"table": "extension"})).await;
    assert_eq!(
        stack.one("select distinct reason from loader.object where key = 'extension/a.csv'").await,
        "the extension aws_s3 is not installed"
    );
    stack.execute("alter schema aws_s3_away rename to aws_s3").await;
}

async fn unreachable_database(stack: &Stack) {
    let ssm = stack.ssm();
    let described = ssm.describe_parameters().send().await.unwrap();
    let name = described.parameters()[0].name().unwrap().to_owned();
    let messages = Messages::of(stack, "unreachable").await;
    let put = async |value: &str| {
        ssm.put_parameter()
            .name(&name)
            .value(value)
            .r#type(aws_sdk_ssm::types::ParameterType::SecureString)
            .overwrite(true)
            .send()
            .await
            .unwrap();
    };
    let value = ssm
        .get_parameter()
        .name(&name)
        .with_decryption(true)
        .send()
        .await
        .unwrap()
        .parameter()
        .unwrap()
        .value()
        .unwrap()
        .to_owned();

    // Warm Lambdas keep their connection; only new ones read the parameter.
    for (text, error, part) in [
        (
            "postgres://loader:secret@127.0.0.1:1/loader?sslmode=disable",
            "Loader.DatabaseUnavailable",
            "check host and port",
        ),
        (
            "postgres://loader:secret@127.0.0.1:1/loader?sslmode=prefer",
            "Loader.InvalidConfiguration",
            "plain text",
        ),
    ] {
        put(text).await;
        lambda_processes::kill(stack.endpoint(), "");
        let ended = eventually("new Lambdas read the parameter", async || {
            let ended = stack.run(&json!({"table": "unreachable"})).await;
            (ended.error == error).then_some(ended)
        })
        .await;
        assert!(ended.cause.contains(part), "{}", ended.cause);
        assert!(!ended.cause.contains("secret"));
        let message = messages.about(&ended.run_id).await;
        assert_eq!(message["failure"]["error"], error);
    }
    ssm.delete_parameter().name(&name).send().await.unwrap();
    lambda_processes::kill(stack.endpoint(), "");
    let ended = stack.fail(&json!({"table": "unreachable"}), "Loader.ParameterMissing").await;
    assert!(ended.cause.contains(&name), "{}", ended.cause);
    put(&value).await;
}
