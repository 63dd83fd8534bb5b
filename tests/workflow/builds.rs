//! What happens between the load and the publish: indexes, constraints, gates.

use serde_json::json;
use workflow_tests::{Messages, Stack};

#[tokio::test]
async fn the_next_version_has_the_indexes_and_constraints_of_the_one_before() {
    let stack = Stack::shared().await;
    stack
        .execute(
            "create table public.indexed (id bigint primary key, name text not null, unique (name));
             create index indexed_lower on public.indexed (lower(name)) where id > 0;
             insert into public.indexed values (0, 'before')",
        )
        .await;
    stack.put("indexed/a.csv", "id,name\n1,one\n2,two\n").await;
    let indexes = "select indexname, indexdef from pg_indexes where schemaname = 'public' and tablename = 'indexed' order by 1";
    let before = stack.rows(indexes).await;
    assert_eq!(before.len(), 3);
    for _ in 0..2 {
        let ended = stack.succeed(&json!({"table": "indexed"})).await;
        assert_eq!(stack.rows(indexes).await, before);
        assert_eq!(
            stack
                .one(&format!(
                    "select built_attempt = attempt from loader.run where run_id = '{}'",
                    ended.run_id
                ))
                .await,
            "true"
        );
    }
    assert_eq!(stack.one("select string_agg(name, ',' order by id) from public.indexed").await, "one,two");
}

#[tokio::test]
async fn half_a_delivery_fails_its_gate_and_says_by_how_much() {
    let stack = Stack::shared().await;
    let messages = Messages::of(&stack, "gate").await;
    stack.put("halved/a.csv", "id\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n").await;
    stack.succeed(&json!({"table": "halved"})).await;
    stack.put("halved/a.csv", "id\n1\n2\n3\n4\n5\n").await;

    let ended = stack.fail(&json!({"table": "halved"}), "Loader.GateFailed").await;
    assert_eq!(stack.one("select count(*) from public.halved").await, "10", "live is untouched");
    let message = messages.about(&ended.run_id).await;
    let staging =
        stack.one(&format!("select staging_table from loader.run where run_id = '{}'", ended.run_id)).await;
    assert_eq!(message["staging"], staging);
    assert_eq!(stack.one(&format!("select count(*) from dataimport.\"{staging}\"")).await, "5");
    let text = message["text"].as_str().unwrap();
    let until = message["staging_kept_until"].as_str().expect("a time");
    for part in ["Loader.GateFailed in BuildIndexes", "10", "5", &format!("dataimport.\"{staging}\""), until]
    {
        assert!(text.contains(part), "{part}: {text}");
    }

    // Who means it says so.
    stack.succeed(&json!({"table": "halved", "definition": {"gates": {"max_drop_percent": 60}}})).await;
    assert_eq!(stack.one("select count(*) from public.halved").await, "5");
}
