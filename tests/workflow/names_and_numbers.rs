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

#[tokio::test]
async fn more_objects_than_a_page_of_the_listing_are_loaded() {
    let stack = Stack::shared().await;
    stream::iter(0..1205)
        .for_each_concurrent(16, |number| {
            let stack = &stack;
            async move { stack.put(&format!("many/{number:04}.csv"), format!("id\n{number}\n")).await }
        })
        .await;
    let ended = stack.succeed(&json!({"table": "many"})).await;
    assert_eq!(stack.one("select sum(id) from public.many").await, (0..1205).sum::<i32>().to_string());
    assert_eq!(
        stack
            .rows(&format!(
                "select objects_listed, objects_loaded, rows from loader.run where run_id = '{}'",
                ended.run_id
            ))
            .await,
        ["(1205,1205,1205)"]
    );
}
