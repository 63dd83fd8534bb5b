//! What others do while a run is under way.

use serde_json::{Value, json};
use workflow_tests::{Messages, Stack, eventually};

async fn staging_of(stack: &Stack, table: &str) -> String {
    eventually("the run has its staging table", async || {
        let name = stack
            .one(&format!(
                "select staging_table from loader.run where table_name = '{table}' and state = 'loading'"
            ))
            .await;
        (!name.is_empty()).then(|| format!("dataimport.\"{name}\""))
    })
    .await
}

#[tokio::test]
async fn a_second_execution_for_the_same_table_is_refused_and_harms_nothing() {
    let stack = Stack::shared().await;
    stack.put("second/a.csv", "id\n1\n").await;
    let mut holder = stack.another_connection().await;
    let first = stack.start(&json!({"table": "second"})).await;
    let staging = staging_of(&stack, "second").await;
    let hold = holder.transaction().await.unwrap();
    hold.batch_execute(&format!("lock table {staging} in access exclusive mode")).await.unwrap();

    let second = stack.fail(&json!({"table": "second"}), "Loader.TableBusy").await;
    let run_id = first.rsplit(':').next().unwrap();
    assert!(second.cause.contains(run_id), "{}", second.cause);

    hold.commit().await.unwrap();
    let first = stack.end_of(&first).await;
    assert_eq!(first.status, "SUCCEEDED", "{first:?}");
    assert_eq!(stack.one("select count(*) from public.second").await, "1");
}

#[tokio::test]
async fn an_object_that_is_overwritten_between_plan_and_load_is_planned_again() {
    let stack = Stack::shared().await;
    for number in 0..12 {
        stack.put(&format!("overwritten/{number:02}.csv"), format!("id\n{number}\n")).await;
    }
    let mut holder = stack.another_connection().await;
    let execution = stack.start(&json!({"table": "overwritten", "max_concurrency": 1})).await;
    let staging = staging_of(&stack, "overwritten").await;
    let hold = holder.transaction().await.unwrap();
    // Keeps the plan from beginning: its own lock on the table waits.
    hold.batch_execute(&format!("lock table {staging} in row exclusive mode")).await.unwrap();
    hold.commit().await.unwrap();
    stack.until("(select batches is not null from loader.run where table_name = 'overwritten' and state = 'loading')").await;
    let hold = holder.transaction().await.unwrap();
    hold.batch_execute(&format!("lock table {staging} in access exclusive mode")).await.unwrap();
    stack.put("overwritten/11.csv", "id\n1100\n").await;
    hold.commit().await.unwrap();

    let ended = stack.end_of(&execution).await;
    assert_eq!(ended.status, "SUCCEEDED", "{ended:?}");
    assert_eq!(
        stack.one("select string_agg(id::text, ',' order by id) from public.overwritten").await,
        "0,1,2,3,4,5,6,7,8,9,10,1100"
    );
    assert_eq!(
        stack
            .rows(&format!(
                "select failed_attempts, attempt from loader.run where run_id = '{}'",
                ended.run_id
            ))
            .await,
        ["(1,2)"]
    );
}

#[tokio::test]
async fn the_same_batch_delivered_many_times_at_once_is_loaded_once() {
    let stack = Stack::shared().await;
    for number in 0..40 {
        stack.put(&format!("delivered/{number:02}.csv"), format!("id\n{number}\n")).await;
    }
    let mut holder = stack.another_connection().await;
    let execution = stack.start(&json!({"table": "delivered", "max_concurrency": 1})).await;
    stack.until("(select batches is not null from loader.run where table_name = 'delivered' and state = 'loading')").await;
    let staging = staging_of(&stack, "delivered").await;
    let hold = holder.transaction().await.unwrap();
    hold.batch_execute(&format!("lock table {staging} in access exclusive mode")).await.unwrap();
    let run_id = execution.rsplit(':').next().unwrap();
    let plan = stack.read_work(&format!("plans/{run_id}/1.jsonl")).await;
    let batch: Value = serde_json::from_str(plan.lines().last().unwrap()).unwrap();
    let event = json!({"run_id": run_id, "attempt": 1, "batch": batch});
    let (answers, ()) = tokio::join!(stack.invoke_at_once("ImportBatch", &event, 4), async {
        stack.until("(select count(*) >= 2 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database())").await;
        hold.commit().await.unwrap();
    });
    let loaded: u64 = answers
        .iter()
        .filter_map(|answer| answer.as_ref().ok())
        .map(|answer| answer["loaded"].as_u64().unwrap())
        .sum();
    assert!(loaded <= batch["objects"].as_array().unwrap().len() as u64, "{answers:?}");
    assert_eq!(stack.end_of(&execution).await.status, "SUCCEEDED");
    assert_eq!(stack.one("select count(*) || ' ' || sum(id) from public.delivered").await, "40 780");

    // And late, when the run is long over.
    let late = stack.invoke_at_once("ImportBatch", &event, 1).await;
    assert_eq!(late, [Err("Loader.LeaseLost".to_owned())]);
    assert_eq!(stack.one("select count(*) from public.delivered").await, "40");
}

#[tokio::test]
async fn an_execution_that_is_stopped_by_hand_is_told() {
    let stack = Stack::shared().await;
    let messages = Messages::of(&stack, "stopped").await;
    stack.execute("create table public.stopped (id bigint); insert into public.stopped values (0)").await;
    stack.put("stopped/a.csv", "id\n1\n").await;
    let mut holder = stack.another_connection().await;
    let execution = stack.start(&json!({"table": "stopped"})).await;
    let staging = staging_of(&stack, "stopped").await;
    let hold = holder.transaction().await.unwrap();
    hold.batch_execute(&format!("lock table {staging} in access exclusive mode")).await.unwrap();
    stack.stop(&execution).await;
    let ended = stack.end_of(&execution).await;
    assert_eq!(ended.status, "ABORTED");
    let message = messages.about(&ended.run_id).await;
    assert_eq!(
        (message["outcome"].as_str(), message["failure"]["error"].as_str()),
        (Some("failed"), Some("ABORTED"))
    );
    hold.commit().await.unwrap();
    assert_eq!(stack.one("select id from public.stopped").await, "0");
    // And its table is free at once.
    stack.succeed(&json!({"table": "stopped"})).await;
}
