//! Rows that can't be loaded, deliveries that are not whole, and what is known before.

use serde_json::json;
use workflow_tests::{Messages, Stack};

/// Writes lines that begin with the numbers from 1 to 40.
fn forty_lines(rest: &str) -> String {
    let lines: Vec<String> = (1..=40).map(|n| format!("{n}{rest}\n")).collect();
    lines.concat()
}

#[tokio::test]
async fn rejected_rows_leave_the_run_partial_and_are_corrected_and_loaded_by_a_replay() {
    let stack = Stack::shared().await;
    let messages = Messages::of(&stack, "rejects-partial").await;
    stack.define("rejects_partial", "on_reject = \"keep\"\nreject_limits = { run_rows = 5 }\n").await;
    stack.execute("create table public.rejects_partial (id bigint primary key, name text)").await;
    stack.put("rejects_partial/a.csv", format!("id,name\n{}secret,y\n", forty_lines(",x"))).await;
    stack.put("rejects_partial/b.csv", format!("id,name\n{}a,b,c\n", forty_lines("00,x"))).await;

    let ended = stack.succeed(&json!({"table": "rejects_partial"})).await;
    assert_eq!(stack.one("select count(*) from public.rejects_partial").await, "80");
    let message = messages.about(&ended.run_id).await;
    assert_eq!(message["outcome"], "partial");
    let text = message["text"].as_str().unwrap();
    assert_eq!((&ended.output["partial"], &ended.output["rows_rejected"]), (&json!(true), &json!(2)));
    for part in ["live, with 2 rows left out", "loader.rejected_row", "replay"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!message.to_string().contains("secret"), "no values in messages");

    // As they are they are refused again, and the message says why.
    let unchanged = stack.succeed(&json!({"table": "rejects_partial", "replay": ended.run_id})).await;
    assert_eq!((&unchanged.output["rows"], &unchanged.output["left"]), (&json!(0), &json!(2)));
    let message = messages.about(&unchanged.run_id).await;
    let text = message["text"].as_str().unwrap();
    assert!(text.contains("- 1 row: the record has too many fields (22P04)"), "{text}");

    let exported = stack.succeed(&json!({"table": "rejects_partial", "export_rejects": ended.run_id})).await;
    assert_eq!(exported.output["rows"], 2);
    let file = stack.read_work(exported.output["key"].as_str().unwrap()).await;
    assert!(file.contains("secret,y"), "{file}");
    let kept: Vec<&str> = file.split_inclusive('\n').filter(|line| !line.contains("a,b,c")).collect();
    let corrected = kept.concat().replacen("secret,y,", "41,y,", 1);
    stack.put_work(&format!("replays/{}.csv", ended.run_id), corrected).await;

    let replayed = stack.succeed(&json!({"table": "rejects_partial", "replay": ended.run_id})).await;
    assert_eq!((&replayed.output["rows"], &replayed.output["left"]), (&json!(1), &json!(1)));
    assert_eq!(stack.one("select name from public.rejects_partial where id = 41").await, "y");
    let message = messages.about(&replayed.run_id).await;
    assert_eq!((message["outcome"].as_str(), message["kind"].as_str()), (Some("partial"), Some("replay")));
    let text = message["text"].as_str().unwrap();
    assert!(text.starts_with("rejects_partial: 1 rejected row loaded, 1 left"), "{text}");
    // Once each: the same again finds nothing to do.
    let again = stack.succeed(&json!({"table": "rejects_partial", "replay": ended.run_id})).await;
    assert_eq!(again.output["rows"], 0);
    assert_eq!(stack.one("select count(*) from public.rejects_partial").await, "81");
    // A replay of nothing is refused, told, and leaves the table free.
    let refused =
        stack.fail(&json!({"table": "rejects_partial", "replay": "no-run"}), "Loader.InvalidInput").await;
    let message = messages.about(&refused.run_id).await;
    assert!(message["text"].as_str().unwrap().contains("there is no load no-run"), "{message}");
    assert_eq!(
        stack.one("select count(*) from loader.lease where table_name = 'rejects_partial'").await,
        "0"
    );
}

#[tokio::test]
async fn too_many_rejected_rows_fail_the_run_and_its_message_says_where_they_are() {
    let stack = Stack::shared().await;
    let messages = Messages::of(&stack, "rejects-failed").await;
    stack.define("rejects_failed", "on_reject = \"keep\"\nreject_limits = { run_rows = 2 }\n").await;
    stack
        .execute(
            "create table public.rejects_failed (id bigint); insert into public.rejects_failed values (0)",
        )
        .await;
    stack.put("rejects_failed/a.csv", format!("id\n{}x\ny\nz\n", forty_lines(""))).await;
    let ended = stack.fail(&json!({"table": "rejects_failed"}), "Loader.TooManyRejects").await;
    assert_eq!(stack.rows("select * from public.rejects_failed").await, ["(0)"], "live is untouched");
    let message = messages.about(&ended.run_id).await;
    assert_eq!(message["outcome"], "failed");
    let text = message["text"].as_str().unwrap();
    assert!(text.contains("loader.rejected_row"), "{text}");
}

#[tokio::test]
async fn a_dry_run_says_what_would_happen_and_leaves_nothing_behind() {
    let stack = Stack::shared().await;
    stack.put("dry_run/a.csv", "id,name\n1,one\n2,two\nx,three\n").await;
    let columns = json!([{"name": "id", "type": "int"}, {"name": "name", "type": "text"}]);
    let input = json!({"table": "dry_run", "dry_run": true, "definition": {"columns": columns}});
    let ended = stack.succeed(&input).await;
    let report = &ended.output;
    assert_eq!((&report["objects"]["to_load"], &report["rejects"]["rows"]), (&json!(1), &json!(1)));
    assert_eq!(report["rejects"]["causes"][0]["places"], json!(["dry_run/a.csv:4"]));
    assert!(report["summary"].as_str().unwrap().contains("the run would FAIL"), "{report}");
    assert_eq!(stack.one("select to_regclass('public.dry_run')").await, "");
    assert_eq!(
        stack.one(&format!("select count(*) from loader.run where run_id = '{}'", ended.run_id)).await,
        "0"
    );
    let input = json!({"table": "dry_run_of_nothing", "dry_run": true});
    let failed = stack.fail(&input, "Loader.NoObjects").await;
    assert!(failed.cause.starts_with("there is nothing below"), "{}", failed.cause);
}

#[tokio::test]
async fn a_delivery_that_has_just_arrived_settles_before_it_is_loaded() {
    let stack = Stack::shared().await;
    stack.execute("create table public.settling (id bigint)").await;
    stack.define("settling", "[delivery]\nsettle_seconds = 600\n").await;
    stack.put("settling/a.csv", "id\n1\n").await;
    // The stack of the tests waits a tenth of the time, so it looks again ten times.
    let delivery = json!({"delivery": {"settle_seconds": 20}});
    let input = json!({"table": "settling", "max_attempts": 20, "definition": delivery});
    let ended = stack.succeed(&input).await;
    assert_eq!(stack.rows("select * from public.settling").await, ["(1)"]);
    let waited = format!("select failed_attempts > 0 from loader.run where run_id = '{}'", ended.run_id);
    assert_eq!(stack.one(&waited).await, "true");
}

#[tokio::test]
async fn a_delivery_is_loaded_when_its_marker_has_come_and_told_as_incomplete_if_it_never_comes() {
    let stack = Stack::shared().await;
    let messages = Messages::of(&stack, "marker").await;
    stack.execute("create table public.marked (id bigint)").await;
    stack.define("marked", "[delivery]\nmarker = \"_SUCCESS\"\n").await;
    stack.put("marked/a.csv", "id\n1\n").await;
    let given_up =
        stack.fail(&json!({"table": "marked", "max_attempts": 1}), "Loader.DeliveryIncomplete").await;
    assert!(given_up.cause.contains("the marker _SUCCESS is not there"), "{}", given_up.cause);
    let message = messages.about(&given_up.run_id).await;
    let text = message["text"].as_str().unwrap();
    assert!(text.contains("see that the delivery is completed"), "{text}");

    let arn = stack.start(&json!({"table": "marked"})).await;
    let run_id = arn.rsplit(':').next().unwrap();
    stack.until(&format!("select failed_attempts = 1 from loader.run where run_id = '{run_id}'")).await;
    stack.put("marked/b.csv", "id\n2\n").await;
    stack.put("marked/_SUCCESS", "").await;
    let ended = stack.end_of(&arn).await;
    assert_eq!(ended.status, "SUCCEEDED", "{ended:?}");
    assert_eq!(stack.rows("select * from public.marked order by id").await, ["(1)", "(2)"]);
}
