//! Tables that are loaded for a group: they end together, and are told as one.

use loader_core::cleanup::{Caught, Failure, Outcome, abandon, clean_up};
use loader_core::database::run::{self, NewRun, RunKind};
use loader_core::error::ErrorName;
use loader_core::identifier::Identifier;
use loader_core::input::Input;
use loader_core::prepare::prepare_group;
use loader_core::publish::{PublishSettings, publish_group};
use loader_core::report::{Occasion, Outcome as Told, tell};
use loader_test_support::MemoryNotifier;
use serde_json::json;

use crate::world::{LEASE, World, execution};

/// Loads the two tables of the group `night`, as far as the build.
async fn loaded(world: &World) {
    for (number, table) in ["dim_store", "fact_sales"].into_iter().enumerate() {
        world.source.put(&format!("{table}/a.csv"), "id\n1\n2\n");
        let run_id = format!("night-{number}");
        world.prepare_with(&run_id, &json!({"table": table, "group": "night"})).await.unwrap();
        let plan = world.plan(&run_id).await.unwrap();
        world.import_all(&plan).await;
    }
}

async fn clean_up_group(world: &World, state: &str, error: &str, cause: &str) -> Outcome {
    let caught = Caught {
        run_id: "night".to_owned(),
        execution: execution("night"),
        failed_state: state.to_owned(),
        error: Some(error.to_owned()),
        cause: Some(cause.to_owned()),
    };
    clean_up(&mut world.database.connect().await, &caught).await.unwrap()
}

async fn states(world: &World) -> Vec<String> {
    world
        .rows("select run_id, state, staging_table is not null, error_name, failed_state from loader.run order by run_id")
        .await
}

#[tokio::test]
async fn a_group_is_prepared_as_the_executions_of_its_tables() {
    let world = World::new().await;
    let Input::Group(input) = Input::parse(&json!({"tables": ["dim_store", "fact_sales"]})).unwrap() else {
        panic!("it is a group");
    };
    let mut client = world.database.connect().await;
    for _ in 0..2 {
        let group = prepare_group(&mut client, &input, &execution("night")).await.unwrap();
        let names: Vec<&str> = group.tables.iter().map(|run| run.name.as_str()).collect();
        assert_eq!((group.group.as_str(), names), ("night", vec!["night-0", "night-1"]));
    }
    loaded(&world).await;
    let error = prepare_group(&mut client, &input, &execution("night")).await.unwrap_err();
    assert_eq!(error.name, ErrorName::RunFinished, "the name is taken");
    drop(client);
    world.end().await;
}

#[tokio::test]
async fn only_a_groups_own_execution_loads_for_it() {
    let world = World::new().await;
    let by_hand = world.prepare_with("r1", &json!({"table": "t", "group": "night"})).await.unwrap_err();
    assert_eq!(by_hand.name, ErrorName::InvalidInput);
    assert_eq!(world.one("select count(*) from loader.run").await, "0");
    world.end().await;
}

#[tokio::test]
async fn the_failure_of_one_table_ends_all_and_keeps_what_they_have_loaded() {
    let world = World::new().await;
    loaded(&world).await;
    assert!(!world.clean_up("night-1", "Loader.ObjectsFailed").await.unwrap().retry);
    let outcome = clean_up_group(&world, "LoadTables", "States.TaskFailed", "whatever").await;
    assert_eq!(
        outcome.failure,
        Failure {
            error: "Loader.ObjectsFailed".to_owned(),
            message: "fact_sales: it broke".to_owned(),
            state: "LoadObjects".to_owned(),
        }
    );
    assert!(!outcome.retry && !outcome.published);
    let ended = [
        "(night-0,failed,t,Loader.ObjectsFailed,LoadTables)",
        "(night-1,failed,t,Loader.ObjectsFailed,LoadObjects)",
    ];
    assert_eq!(states(&world).await, ended);
    assert_eq!(world.one("select count(*) from loader.lease").await, "0");

    // Called again, as its answer may get lost, it says the same.
    let again = clean_up_group(&world, "LoadTables", "States.TaskFailed", "whatever").await;
    assert_eq!(again.failure, outcome.failure);
    assert_eq!(states(&world).await, ended);

    // What comes late for the group is refused.
    world.source.put("late/a.csv", "id\n1\n");
    let late = world.prepare_with("night-2", &json!({"table": "late", "group": "night"})).await.unwrap_err();
    assert_eq!(late.name, ErrorName::RunFinished);
    assert!(late.message.contains("night-1 of fact_sales"), "{late}");
    world.end().await;
}

#[tokio::test]
async fn a_group_that_can_not_be_published_ends_with_that() {
    let world = World::new().await;
    loaded(&world).await;
    let cause = r#"{"errorMessage":"the lock was not given"}"#;
    for _ in 0..2 {
        let outcome = clean_up_group(&world, "PublishTables", "Loader.DatabaseBusy", cause).await;
        assert_eq!(outcome.failure.message, "the lock was not given");
        assert_eq!(outcome.failure.state, "PublishTables");
    }
    assert_eq!(
        states(&world).await,
        [
            "(night-0,failed,t,Loader.DatabaseBusy,PublishTables)",
            "(night-1,failed,t,Loader.DatabaseBusy,PublishTables)"
        ]
    );
    world.end().await;
}

#[tokio::test]
async fn a_group_whose_publish_only_lost_its_answer_has_succeeded() {
    let world = World::new().await;
    loaded(&world).await;
    world.execute("update loader.run set state = 'published', staging_table = null").await;
    assert!(clean_up_group(&world, "PublishTables", "Lambda.Unknown", "").await.published);
    world.end().await;
}

#[tokio::test]
async fn a_group_that_failed_before_its_tables_began_has_nothing_to_end() {
    let world = World::new().await;
    let cause = r#"{"errorMessage":"the field `tables` has 0 tables"}"#;
    let outcome = clean_up_group(&world, "PrepareSchemas", "Loader.InvalidInput", cause).await;
    assert_eq!((outcome.failure.error.as_str(), outcome.retry), ("Loader.InvalidInput", false));
    world.end().await;
}

#[tokio::test]
async fn a_group_that_is_stopped_frees_all_its_tables() {
    let world = World::new().await;
    loaded(&world).await;
    let mut client = world.database.connect().await;
    let mut other = execution("night");
    other.id = other.id.replace(":load:", ":another:");
    abandon(&mut client, &other, "ABORTED").await.unwrap();
    assert_eq!(world.one("select count(*) from loader.lease").await, "2", "it is another machine's");
    abandon(&mut client, &execution("night"), "ABORTED").await.unwrap();
    assert_eq!(
        states(&world).await,
        ["(night-0,failed,t,Loader.LeaseLost,ABORTED)", "(night-1,failed,t,Loader.LeaseLost,ABORTED)"]
    );
    assert_eq!(world.one("select count(*) from loader.lease").await, "0");
    drop(client);
    world.end().await;
}

#[tokio::test]
async fn a_group_is_told_once_and_its_tables_not_by_themselves() {
    let world = World::new().await;
    loaded(&world).await;
    let notifier = MemoryNotifier::default();
    let client = world.database.connect().await;
    // As `EventBridge` tells it where the input is too large for the event.
    let occasion = |run_id: &str| Occasion {
        outcome: Told::Succeeded,
        execution: execution(run_id),
        table: None,
        tables: Vec::new(),
        kind: RunKind::Load,
        failure: None,
    };
    assert_eq!(tell(Some(&client), &notifier, &occasion("night-0")).await.unwrap(), None);
    assert!(tell(Some(&client), &notifier, &occasion("night")).await.unwrap().is_some());
    let sent = notifier.messages();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].table, "dim_store,fact_sales");
    assert_eq!(world.one("select count(*) from loader.run where notified_at is not null").await, "2");
    drop(client);
    world.end().await;
}

#[tokio::test]
async fn a_rollback_that_fails_is_not_tried_again() {
    let world = World::new().await;
    world.put_three();
    world.run("r1", &json!({"table": "t"})).await.unwrap();
    let table = Identifier::try_from("t".to_owned()).unwrap();
    let new = NewRun { table: &table, kind: RunKind::Rollback, group_id: None, max_attempts: 3 };
    let run = run::register(&world.client, &execution("b1"), &new).await.unwrap();
    assert_eq!((run.kind, run.group_id), (RunKind::Rollback, None));
    world.execute("update loader.run set state = 'loading' where run_id = 'b1'").await;
    assert!(!world.clean_up("b1", "Loader.LiveChanged").await.unwrap().retry);
    assert_eq!(world.one("select state from loader.run where run_id = 'b1'").await, "failed");
    world.end().await;
}

/// Two live tables, one of which refers to the other, and a delivery of both in
/// which every key is new.
async fn stores_and_sales(stores: &str, facts: &str, more: &str) -> World {
    let world = World::new().await;
    world
        .execute(
            "create table public.dim_store (id bigint primary key);
             create table public.fact_sales (id bigint primary key, store bigint not null references public.dim_store);
             create view public.sold as select store, count(*) as sales from public.fact_sales join public.dim_store on dim_store.id = store group by store;
             insert into public.dim_store values (1), (2); insert into public.fact_sales values (10, 1), (20, 2)",
        )
        .await;
    world.execute(more).await;
    world.source.put("dim_store/a.csv", stores.to_owned());
    world.source.put("fact_sales/a.csv", facts.to_owned());
    let Input::Group(input) = Input::parse(&json!({"tables": ["fact_sales", "dim_store"]})).unwrap() else {
        panic!("it is a group");
    };
    prepare_group(&mut world.database.connect().await, &input, &execution("night")).await.unwrap();
    for (number, table) in ["fact_sales", "dim_store"].into_iter().enumerate() {
        let run_id = format!("night-{number}");
        world.prepare_with(&run_id, &json!({"table": table, "group": "night"})).await.unwrap();
        let plan = world.plan(&run_id).await.unwrap();
        world.import_all(&plan).await;
        world.build(&plan).await.unwrap();
    }
    world
}

const SETTINGS: PublishSettings =
    PublishSettings { lease: LEASE, lock_timeout_ms: 200, attempts: 2, versions_kept: 1 };

#[tokio::test]
async fn tables_that_refer_to_each_other_are_published_in_one_move() {
    let world = stores_and_sales("id\n3\n4\n", "id,store\n30,3\n40,4\n50,4\n", "").await;
    for _ in 0..2 {
        let published = publish_group(&mut world.database.connect().await, "night", &SETTINGS).await.unwrap();
        let tables: Vec<(&str, u64)> =
            published.tables.iter().map(|table| (table.table.as_str(), table.rows)).collect();
        assert_eq!(tables, [("fact_sales", 3), ("dim_store", 2)]);
    }
    assert_eq!(world.rows("select * from public.sold order by store").await, ["(3,1)", "(4,2)"]);
    assert!(world.client.batch_execute("insert into public.fact_sales values (60, 1)").await.is_err());
    assert_eq!(
        world.one("select count(*) from pg_constraint where contype = 'f' and conrelid = 'public.fact_sales'::regclass and confrelid = 'public.dim_store'::regclass and convalidated and conname = 'fact_sales_store_fkey'").await,
        "1"
    );
    assert_eq!(world.one("select count(distinct changed_at) from loader.version_change").await, "1");
    world.end().await;
}

#[tokio::test]
async fn a_row_that_refers_to_none_of_the_new_rows_keeps_the_whole_group_from_being_published() {
    let world = stores_and_sales("id\n3\n4\n", "id,store\n30,3\n40,1\n", "").await;
    let error = publish_group(&mut world.database.connect().await, "night", &SETTINGS).await.unwrap_err();
    assert_eq!(error.name, ErrorName::GateFailed);
    assert!(error.message.contains("(store)=(1)"), "{error}");
    assert_eq!(world.rows("select * from public.sold order by store").await, ["(1,1)", "(2,1)"]);
    assert_eq!(world.one("select count(*) from loader.version").await, "0");
    world.end().await;
}

#[tokio::test]
async fn a_table_that_is_merged_is_published_together_with_one_that_refers_to_it() {
    let world = stores_and_sales(
        "id\n1\n2\n3\n",
        "id,store\n30,3\n40,1\n",
        "create function public.stores() returns setof public.dim_store language sql as 'select * from public.dim_store'",
    )
    .await;
    assert_eq!(
        world.rows("select table_name, strategy from loader.run order by 1").await,
        ["(dim_store,merge)", "(fact_sales,rename)"]
    );
    publish_group(&mut world.database.connect().await, "night", &SETTINGS).await.unwrap();
    assert_eq!(world.rows("select * from public.sold order by store").await, ["(1,1)", "(3,1)"]);
    assert_eq!(world.one("select count(*) from public.stores()").await, "3");
    assert!(world.client.batch_execute("insert into public.fact_sales values (60, 9)").await.is_err());
    world.end().await;
}
