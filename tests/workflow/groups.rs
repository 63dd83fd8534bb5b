//! Tables that are published together, or not at all.

use serde_json::{Value, json};
use workflow_tests::{Messages, Stack, eventually};

/// Creates a dimension and the facts that refer to it, with one row each.
async fn star(stack: &Stack, name: &str) -> (String, String) {
    let (dim, fact) = (format!("{name}_dim"), format!("{name}_fact"));
    stack
        .execute(&format!(
            "create table public.{dim} (id bigint primary key);
             create table public.{fact} (id bigint primary key, dim_id bigint not null references public.{dim});
             insert into public.{dim} values (0);
             insert into public.{fact} values (0, 0)"
        ))
        .await;
    (dim, fact)
}

/// Waits for the group's message and makes sure that its tables had none.
async fn only_message(messages: &Messages, run_id: &str) -> Value {
    let seen = messages.until_about(run_id).await;
    let of_tables = |message: &&Value| {
        message["run_id"].as_str().is_some_and(|run| run.starts_with(&format!("{run_id}-")))
    };
    assert_eq!(seen.iter().filter(of_tables).count(), 0, "{seen:#?}");
    let mut own: Vec<Value> = seen.into_iter().filter(|message| message["run_id"] == run_id).collect();
    assert_eq!(own.len(), 1, "{own:#?}");
    own.remove(0)
}

#[tokio::test]
async fn a_group_becomes_live_together_and_is_told_once() {
    let stack = Stack::shared().await;
    let messages = Messages::of(&stack, "group-succeeds").await;
    let (dim, fact) = star(&stack, "group_ok").await;
    stack.put(&format!("{dim}/a.csv"), "id\n1\n2\n").await;
    stack.put("group_ok_facts/a.csv", "id,dim_id\n10,1\n11,2\n12,2\n").await;
    // The facts first: the order of the input is not the order of the publish.
    let input = json!({"tables": [{"table": fact, "prefix": "group_ok_facts/"}, dim]});
    let ended = stack.succeed(&input).await;
    assert_eq!(ended.output["notified"], true);

    assert_eq!(
        stack.one(&format!("select string_agg(id::text, ',' order by id) from public.{dim}")).await,
        "1,2"
    );
    assert_eq!(stack.one(&format!("select count(*) from public.{fact}")).await, "3");
    assert_eq!(
        stack
            .one(&format!(
                "select count(*) from pg_constraint where contype = 'f' and convalidated
                    and conrelid = 'public.{fact}'::regclass and confrelid = 'public.{dim}'::regclass"
            ))
            .await,
        "1",
        "the facts refer to the new dimension"
    );
    assert_eq!(
        stack
            .rows(&format!(
                "select run_id, table_name, state, notified_at is not null from loader.run where group_id = '{}' order by run_id",
                ended.run_id
            ))
            .await,
        [format!("({0}-0,{fact},published,t)", ended.run_id), format!("({0}-1,{dim},published,t)", ended.run_id)]
    );
    assert_eq!(
        stack
            .one(&format!(
                "select count(distinct changed_at) from loader.version_change where run_id like '{}-%'",
                ended.run_id
            ))
            .await,
        "1",
        "in one moment"
    );

    let message = only_message(&messages, &ended.run_id).await;
    assert_eq!((message["outcome"].as_str(), message["kind"].as_str()), (Some("succeeded"), Some("group")));
    assert_eq!(message["tables"][0]["table"], fact);
    assert_eq!((&message["tables"][0]["rows"], &message["tables"][1]["rows"]), (&json!(3), &json!(2)));
    let text = message["text"].as_str().unwrap();
    assert!(text.starts_with(&format!("{fact}, {dim}: loaded and live together\n")), "{text}");
    assert!(text.contains(&format!("- {dim}: 2 rows of 1 object in ")), "{text}");
}

#[tokio::test]
async fn one_bad_object_keeps_the_whole_group_from_being_published() {
    let stack = Stack::shared().await;
    let messages = Messages::of(&stack, "group-fails").await;
    let (dim, fact) = star(&stack, "group_bad").await;
    stack.put(&format!("{dim}/a.csv"), "id\n1\n2\n").await;
    stack.put(&format!("{fact}/a.csv"), "id,dim_id\n10,1\n").await;
    stack.put(&format!("{fact}/bad.csv"), "id,dim_id\n11,secret\n").await;
    let input = json!({"tables": [dim, fact]});
    let ended = stack.fail(&input, "Loader.ObjectsFailed").await;
    assert!(ended.cause.starts_with(&format!("{fact}: 1 of 2 objects failed")), "{}", ended.cause);

    assert_eq!(stack.rows(&format!("select * from public.{dim}")).await, ["(0)"], "live is untouched");
    assert_eq!(stack.rows(&format!("select * from public.{fact}")).await, ["(0,0)"], "live is untouched");
    assert_eq!(
        stack
            .rows(&format!(
                "select table_name, state, staging_table is not null from loader.run where group_id = '{}' order by run_id",
                ended.run_id
            ))
            .await,
        [format!("({dim},failed,t)"), format!("({fact},failed,t)")]
    );
    let leased = format!("select count(*) from loader.lease where table_name in ('{dim}', '{fact}')");
    assert_eq!(stack.one(&leased).await, "0", "the tables are free at once");

    let message = only_message(&messages, &ended.run_id).await;
    assert_eq!((message["outcome"].as_str(), &message["published"]), (Some("failed"), &json!(false)));
    let text = message["text"].as_str().unwrap();
    for part in [
        &format!("{dim}, {fact}: load failed, live tables untouched"),
        "Error: Loader.ObjectsFailed in ",
        &format!("- {dim}: 2 rows of 1 object in "),
        &format!("- {fact}: failed with Loader.ObjectsFailed in "),
        &format!("{fact}/bad.csv, line 2, column dim_id"),
        "start the execution again with the same input",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(
        !message.to_string().contains("secret") && !ended.cause.contains("secret"),
        "no values in messages"
    );

    // The fixed one alone is loaded.
    stack.put(&format!("{fact}/bad.csv"), "id,dim_id\n11,2\n").await;
    let ended = stack.succeed(&input).await;
    assert_eq!(
        stack
            .rows(&format!(
                "select table_name, objects_to_load, rows from loader.run where group_id = '{}' order by run_id",
                ended.run_id
            ))
            .await,
        [format!("({dim},0,2)"), format!("({fact},1,2)")]
    );
}

#[tokio::test]
async fn a_bad_group_is_refused_before_any_of_its_tables_begins() {
    let stack = Stack::shared().await;
    let messages = Messages::of(&stack, "group-refused").await;
    for (input, part) in [
        (json!({"tables": []}), "has 0 tables but must have 1 to 50"),
        (json!({"tables": ["group_refused", "group_refused"]}), "twice"),
        (json!({"tables": ["group_refused", "x".repeat(64)]}), "number 2 of `tables`"),
        (json!({"tables": ["group_refused"], "table": "group_refused"}), "both `table` and `tables`"),
        (json!({"table": "group_refused", "group": "by hand"}), "leave it out"),
    ] {
        let ended = stack.fail(&input, "Loader.InvalidInput").await;
        assert!(ended.cause.contains(part), "{input}: {}", ended.cause);
        let message = messages.about(&ended.run_id).await;
        assert!(message["text"].as_str().unwrap().contains(part), "{message}");
    }
    assert_eq!(stack.one("select count(*) from loader.run where table_name = 'group_refused'").await, "0");
}

#[tokio::test]
async fn a_group_that_is_stopped_by_hand_is_told_once_and_frees_its_tables() {
    let stack = Stack::shared().await;
    let messages = Messages::of(&stack, "group-stopped").await;
    stack.put("group_stopped/a.csv", "id\n1\n").await;
    let mut holder = stack.another_connection().await;
    let input = json!({"tables": ["group_stopped"]});
    let execution = stack.start(&input).await;
    let staging = eventually("the table has its staging table", async || {
        let name = stack
            .one("select staging_table from loader.run where table_name = 'group_stopped' and state = 'loading'")
            .await;
        (!name.is_empty()).then_some(name)
    })
    .await;
    let hold = holder.transaction().await.unwrap();
    hold.batch_execute(&format!("lock table dataimport.\"{staging}\" in access exclusive mode"))
        .await
        .unwrap();
    stack.stop(&execution).await;
    let ended = stack.end_of(&execution).await;
    assert_eq!(ended.status, "ABORTED");
    let message = only_message(&messages, &ended.run_id).await;
    assert_eq!(message["failure"]["error"], "ABORTED");
    assert_eq!(message["tables"][0]["table"], "group_stopped");
    hold.commit().await.unwrap();
    stack.succeed(&input).await;
    assert_eq!(stack.one("select count(*) from public.group_stopped").await, "1");
}
