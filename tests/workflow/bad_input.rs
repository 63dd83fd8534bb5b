//! What is refused, and how it is told.

use serde_json::json;
use workflow_tests::{Messages, Stack};

#[tokio::test]
async fn a_bad_execution_input_is_refused_with_the_field_that_is_wrong() {
    let stack = Stack::shared().await;
    let messages = Messages::of(&stack, "bad-input").await;
    for (input, part) in [
        (json!({}), "`table` is missing"),
        (json!({"table": "t", "tabel": 1}), "unknown field `tabel`"),
        (json!({"table": "t", "max_concurrency": 0}), "`max_concurrency` is 0"),
        (json!({"table": "x".repeat(64)}), "63"),
        (json!("year_2022"), "must be an object"),
        (json!([1]), "must be an object"),
    ] {
        let ended = stack.fail(&input, "Loader.InvalidInput").await;
        assert!(ended.cause.contains(part), "{input}: {}", ended.cause);
        let message = messages.about(&ended.run_id).await;
        assert_eq!(message["failure"]["error"], "Loader.InvalidInput");
        assert!(message["text"].as_str().unwrap().contains(part), "{message}");
    }
}

#[tokio::test]
async fn a_bad_object_is_told_and_the_fixed_one_alone_is_loaded() {
    let stack = Stack::shared().await;
    let messages = Messages::of(&stack, "bad-object").await;
    stack.execute("create table public.bad_object (id bigint, name text); insert into public.bad_object values (0, 'before')").await;
    for number in 1..=5 {
        stack.put(&format!("bad_object/{number}.csv"), format!("id,name\n{number},x\n")).await;
    }
    stack.put("bad_object/bad.csv", "id,name\n6,x\nsecret,x\n").await;
    let ended = stack.fail(&json!({"table": "bad_object"}), "Loader.ObjectsFailed").await;
    assert_eq!(stack.rows("select * from public.bad_object").await, ["(0,before)"], "live is untouched");

    let message = messages.about(&ended.run_id).await;
    let failed = &message["first_failed_objects"][0];
    assert_eq!(
        (failed["key"].as_str(), failed["line"].as_i64(), failed["column"].as_str()),
        (Some("bad_object/bad.csv"), Some(3), Some("id"))
    );
    let text = message["text"].as_str().unwrap();
    assert!(text.contains("bad_object/bad.csv, line 3, column id"), "{text}");
    assert!(
        !message.to_string().contains("secret") && !ended.cause.contains("secret"),
        "no values in messages"
    );
    assert_eq!(
        stack
            .rows(&format!(
                "select line, row_text from loader.rejected_row where run_id = '{}'",
                ended.run_id
            ))
            .await,
        ["(3,\"secret,x\")"]
    );

    stack.put("bad_object/bad.csv", "id,name\n6,x\n7,x\n").await;
    let ended = stack.succeed(&json!({"table": "bad_object"})).await;
    assert_eq!(
        stack
            .rows(&format!(
                "select objects_to_load, objects_loaded, rows from loader.run where run_id = '{}'",
                ended.run_id
            ))
            .await,
        ["(1,6,7)"]
    );
    assert_eq!(stack.one("select sum(id) from public.bad_object").await, "28");
    assert_eq!(stack.rows("select * from databackup.bad_object").await, ["(0,before)"]);
}

#[tokio::test]
async fn no_objects_leave_the_live_table_alone_unless_that_is_allowed() {
    let stack = Stack::shared().await;
    stack
        .execute("create table public.no_objects (id bigint); insert into public.no_objects values (1)")
        .await;
    let ended = stack.fail(&json!({"table": "no_objects"}), "Loader.NoObjects").await;
    assert!(ended.cause.contains("no_objects/"), "{}", ended.cause);
    assert_eq!(stack.one("select count(*) from public.no_objects").await, "1");
    stack.succeed(&json!({"table": "no_objects", "allow_empty": true})).await;
    assert_eq!(stack.one("select count(*) from public.no_objects").await, "0");
}

#[tokio::test]
async fn a_header_that_fits_no_column_is_refused_with_what_was_expected() {
    let stack = Stack::shared().await;
    stack.define("headers", "[[columns]]\nname = \"id\"\ntype = \"int\"\n").await;
    stack.put("headers/a.csv", "number\n1\n").await;
    let ended = stack.fail(&json!({"table": "headers"}), "Loader.ObjectsFailed").await;
    assert_eq!(
        stack.one(&format!("select error_name from loader.object where run_id = '{}'", ended.run_id)).await,
        "Loader.HeaderMismatch"
    );
    assert!(ended.cause.contains("header") && ended.cause.contains("id"), "{}", ended.cause);
}

#[tokio::test]
async fn a_definition_that_can_not_be_read_is_refused_with_its_place() {
    let stack = Stack::shared().await;
    stack.define("unreadable", "engine = \"quick\"\n").await;
    let ended = stack.fail(&json!({"table": "unreadable"}), "Loader.InvalidDefinition").await;
    assert!(ended.cause.contains("tables/unreadable.toml, line 1"), "{}", ended.cause);
}
