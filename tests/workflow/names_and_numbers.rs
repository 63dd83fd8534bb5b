//! Tables and keys of every name, and many objects.

use futures_util::{StreamExt, stream};
use serde_json::json;
use workflow_tests::Stack;

#[tokio::test]
async fn tables_and_keys_may_have_any_name() {
    let stack = Stack::shared().await;
    let longest = "n".repeat(63);
    for table in ["select", "Year 2022", "o'clock \"%\" ü", &longest] {
        for key in ["a'b.csv", "a b.csv", "a%20b.csv", "a\"b.csv", "ü☂.csv", "+&=.csv"] {
            stack.put(&format!("{table}/{key}"), "id\n1\n").await;
        }
        for engine in ["aws_s3", "stream"] {
            stack.succeed(&json!({"table": table, "definition": {"engine": engine}})).await;
            let quoted = table.replace('"', "\"\"");
            assert_eq!(
                stack.one(&format!("select count(*) from public.\"{quoted}\"")).await,
                "6",
                "{table} {engine}"
            );
        }
    }
}

/// Puts so many objects of one row each, and loads them.
async fn load_many(stack: &Stack, table: &str, objects: u64) {
    stream::iter(0..objects)
        .for_each_concurrent(32, |number| async move {
            stack.put(&format!("{table}/{number:05}.csv"), format!("id\n{number}\n")).await;
        })
        .await;
    let ended = stack.succeed(&json!({"table": table, "definition": {"engine": "stream"}})).await;
    assert_eq!(
        stack.one(&format!("select concat_ws(' ', count(*), sum(id)) from public.{table}")).await,
        format!("{objects} {}", objects * (objects - 1) / 2)
    );
    assert_eq!(
        stack
            .rows(&format!(
                "select objects_listed, objects_loaded, rows from loader.run where run_id = '{}'",
                ended.run_id
            ))
            .await,
        [format!("({objects},{objects},{objects})")]
    );
}

#[tokio::test]
async fn more_objects_than_a_page_of_the_listing_are_loaded() {
    load_many(&Stack::shared().await, "many", 1_205).await;
}

#[tokio::test]
async fn fifty_thousand_objects_are_planned_and_loaded() {
    load_many(&Stack::shared().await, "fifty_thousand", 50_000).await;
}
