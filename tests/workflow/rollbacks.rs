//! A publish is taken back, and the taking back too.

use serde_json::{Value, json};
use workflow_tests::{Messages, Stack};

async fn load(stack: &Stack, table: &str, id: i64) {
    stack.put(&format!("{table}/a.csv"), format!("id\n{id}\n")).await;
    stack.succeed(&json!({"table": table})).await;
}

async fn live(stack: &Stack, table: &str) -> String {
    stack.one(&format!("select string_agg(id::text, ',') from public.{table}")).await
}

#[tokio::test]
async fn a_publish_is_taken_back_and_so_is_the_rollback() {
    let stack = Stack::shared().await;
    let messages = Messages::of(&stack, "rollback").await;
    load(&stack, "taken_back", 1).await;
    load(&stack, "taken_back", 2).await;

    let previous = json!({"table": "taken_back", "to": "previous"});
    let ended = stack.roll_back(&previous).await;
    assert_eq!(live(&stack, "taken_back").await, "1");
    assert_eq!((&ended.output["version"], &ended.output["notified"]), (&json!(1), &json!(true)));
    let message = messages.about(&ended.run_id).await;
    assert_eq!(
        (message["kind"].as_str(), message["outcome"].as_str()),
        (Some("rollback"), Some("succeeded"))
    );
    assert_eq!(message["version"], 1);
    let text = message["text"].as_str().unwrap();
    assert!(text.starts_with("taken_back: rolled back to version 1\n"), "{text}");
    assert!(text.contains(r#"{"table":"taken_back","to":2}"#), "{text}");

    // As the message says it, and then once more by the other name.
    stack.roll_back(&json!({"table": "taken_back", "to": 2})).await;
    assert_eq!(live(&stack, "taken_back").await, "2");
    stack.roll_back(&previous).await;
    assert_eq!(live(&stack, "taken_back").await, "1");

    // It is all recorded, and the next load goes on from there.
    load(&stack, "taken_back", 3).await;
    assert_eq!(live(&stack, "taken_back").await, "3");
    assert_eq!(
        stack
            .rows("select kind, from_version, to_version from loader.version_change where table_name = 'taken_back' order by changed_at")
            .await,
        [
            "(publish,,1)", "(publish,1,2)", "(rollback,2,1)", "(rollback,1,2)", "(rollback,2,1)", "(publish,1,3)",
        ]
    );
    assert_eq!(stack.one("select count(*) from loader.lease where table_name = 'taken_back'").await, "0");
}

#[tokio::test]
async fn a_rollback_that_can_not_be_is_refused_and_told() {
    let stack = Stack::shared().await;
    let messages = Messages::of(&stack, "no-rollback").await;
    load(&stack, "only_version", 1).await;
    for (input, error) in [
        (json!({"table": "only_version", "to": "previous"}), "Loader.NoSuchVersion"),
        (json!({"table": "only_version", "to": 7}), "Loader.NoSuchVersion"),
        (json!({"table": "only_version", "to": "yesterday"}), "Loader.InvalidInput"),
        (json!({"to": "previous"}), "Loader.InvalidInput"),
        (Value::from("only_version"), "Loader.InvalidInput"),
    ] {
        let ended = stack.end_of(&stack.start_rollback(&input).await).await;
        assert_eq!((ended.status.as_str(), ended.error.as_str()), ("FAILED", error), "{input}: {ended:?}");
        let message = messages.about(&ended.run_id).await;
        assert_eq!(message["failure"]["error"], error, "{message}");
    }
    assert_eq!(live(&stack, "only_version").await, "1");
    assert_eq!(stack.one("select count(*) from loader.lease where table_name = 'only_version'").await, "0");
}
