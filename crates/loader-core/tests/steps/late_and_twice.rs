//! Steps that run twice, at once, late, or for a run that is no more.

use loader_core::cleanup::abandon;
use loader_core::error::ErrorName;
use serde_json::json;

use crate::world::{World, execution};

#[tokio::test]
async fn every_step_may_run_twice() {
    let world = World::new().await;
    world.put_three();
    let first = world.prepare("r1").await.unwrap();
    assert_eq!(world.prepare("r1").await.unwrap(), first);
    world.plan("r1").await.unwrap();
    let plan = world.plan("r1").await.unwrap();
    for batch in world.batches(&plan) {
        let loaded = world.import(&plan, &batch).await.unwrap();
        let again = world.import(&plan, &batch).await.unwrap();
        assert_eq!((again.loaded, again.rows, again.already_loaded), (0, 0, loaded.loaded));
    }
    let published = world.publish(&plan).await.unwrap();
    assert_eq!(world.publish(&plan).await.unwrap(), published);
    assert!(world.clean_up("r1", "Lambda.Unknown").await.unwrap().published);
    assert_eq!(world.one("select count(*) from public.t").await, "5");
    world.end().await;
}

#[tokio::test]
async fn the_publish_may_run_twice_at_once() {
    let world = World::new().await;
    world.put_three();
    world.run("r0", &json!({"table": "t"})).await.unwrap();
    world.prepare("r1").await.unwrap();
    let plan = world.plan("r1").await.unwrap();
    world.import_all(&plan).await;
    let (one, other) = tokio::join!(world.publish(&plan), world.publish(&plan));
    assert_eq!(one.unwrap(), other.unwrap());
    assert_eq!(world.one("select count(*) from public.t").await, "5");
    assert_eq!(world.one("select count(*) from databackup.t").await, "5");
    world.end().await;
}

#[tokio::test]
async fn a_batch_that_is_delivered_twice_at_once_is_loaded_once() {
    let world = World::new().await;
    for number in 0..50 {
        world.source.put(&format!("t/{number:02}.csv"), format!("id\n{number}\n"));
    }
    world.prepare("r1").await.unwrap();
    let plan = world.plan("r1").await.unwrap();
    world.execute("update loader.pace set most = 4, allowed = 4").await;
    for batch in world.batches(&plan) {
        let deliveries = futures_util::future::join_all((0..4).map(|_| world.import(&plan, &batch))).await;
        let loaded: u64 = deliveries.iter().map(|delivery| delivery.as_ref().unwrap().loaded).sum();
        assert_eq!(loaded, batch.objects.len() as u64);
    }
    assert_eq!(world.publish(&plan).await.unwrap().rows, 50);
    world.end().await;
}

#[tokio::test]
async fn a_lambda_of_an_older_plan_writes_nothing() {
    let world = World::new().await;
    world.put_three();
    world.prepare("r1").await.unwrap();
    let old = world.plan("r1").await.unwrap();
    let new = world.plan("r1").await.unwrap();
    let error = world.import(&old, &world.batches(&old)[0]).await.unwrap_err();
    assert_eq!(error.name, ErrorName::LeaseLost);
    assert_eq!(world.publish(&old).await.unwrap_err().name, ErrorName::LeaseLost);
    assert_eq!(world.one("select count(*) from loader.object").await, "0");
    world.import_all(&new).await;
    assert_eq!(world.publish(&new).await.unwrap().rows, 5);
    // And after the end of the run.
    let late = world.import(&new, &world.batches(&new)[0]).await.unwrap_err();
    assert_eq!(late.name, ErrorName::LeaseLost);
    assert_eq!(world.one("select count(*) from public.t").await, "5");
    world.end().await;
}

#[tokio::test]
async fn a_second_run_is_kept_off_the_table_until_the_first_ends() {
    let world = World::new().await;
    world.put_three();
    world.prepare("r1").await.unwrap();
    let error = world.prepare("r2").await.unwrap_err();
    assert_eq!(error.name, ErrorName::TableBusy);
    assert!(error.message.contains("run r1"), "{error}");
    assert!(!world.clean_up("r2", "Loader.TableBusy").await.unwrap().retry);
    // The first one is not harmed by the end of the second.
    let plan = world.plan("r1").await.unwrap();
    world.import_all(&plan).await;
    assert_eq!(world.publish(&plan).await.unwrap().rows, 5);
    assert_eq!(world.run("r3", &json!({"table": "t"})).await.unwrap().rows, 5);
    world.end().await;
}

#[tokio::test]
async fn a_dead_run_is_taken_over_and_what_it_loaded_is_not_loaded_again() {
    let world = World::new().await;
    world.put_three();
    world.prepare("r1").await.unwrap();
    let dead = world.plan("r1").await.unwrap();
    world.import(&dead, &world.batches(&dead)[0]).await.unwrap();
    world.expire_leases().await;

    let prepared = world.prepare("r2").await.unwrap();
    assert_eq!(prepared.resumed_from.as_deref(), Some("r1"));
    let late = world.import(&dead, &world.batches(&dead)[1]).await.unwrap_err();
    assert_eq!(late.name, ErrorName::LeaseLost);
    assert_eq!(world.publish(&dead).await.unwrap_err().name, ErrorName::RunFinished);

    world.source.take_opened();
    let plan = world.plan("r2").await.unwrap();
    assert_eq!((plan.objects_listed, plan.objects_to_load), (3, 2));
    world.import_all(&plan).await;
    assert_eq!(world.source.take_opened(), ["t/b.csv", "t/c.csv"]);
    assert_eq!(world.publish(&plan).await.unwrap().rows, 5);
    assert_eq!(
        world.rows("select run_id, state, error_name from loader.run order by run_id").await,
        ["(r1,failed,Loader.LeaseLost)", "(r2,published,)"]
    );
    world.end().await;
}

#[tokio::test]
async fn a_failed_run_is_resumed_by_the_next_one() {
    let world = World::new().await;
    world.put_three();
    world.source.put("t/bad.csv", "id,name\nno number,x\n");
    world.prepare_with("r1", &json!({"table": "t", "definition": {"columns": [{"name": "id", "type": "bigint"}, {"name": "name", "type": "text"}]}})).await.unwrap();
    let plan = world.plan("r1").await.unwrap();
    world.import_all(&plan).await;
    assert_eq!(world.publish(&plan).await.unwrap_err().name, ErrorName::ObjectsFailed);
    assert!(!world.clean_up("r1", "Loader.ObjectsFailed").await.unwrap().retry);
    assert!(!world.exists("public.t").await);

    world.source.put("t/bad.csv", "id,name\n6,x\n");
    world.source.take_opened();
    let prepared = world.prepare("r2").await.unwrap();
    assert_eq!(
        prepared.resumed_from.as_deref(),
        Some("r1"),
        "inferred columns are the same as those that were written"
    );
    let plan = world.plan("r2").await.unwrap();
    assert_eq!(plan.objects_to_load, 1);
    world.import_all(&plan).await;
    assert_eq!(world.publish(&plan).await.unwrap().rows, 6);
    assert_eq!(world.source.take_opened(), ["t/bad.csv"]);
    world.end().await;
}

#[tokio::test]
async fn a_run_that_loads_otherwise_begins_anew() {
    let world = World::new().await;
    world.put_three();
    world.prepare("r1").await.unwrap();
    let plan = world.plan("r1").await.unwrap();
    world.import_all(&plan).await;
    world.clean_up("r1", "Loader.Internal").await.unwrap();
    let other = json!({"table": "t", "definition": {"columns": [{"name": "id", "type": "text"}, {"name": "name", "type": "text"}]}});
    assert_eq!(world.prepare_with("r2", &other).await.unwrap().resumed_from, None);
    assert_eq!(world.one("select count(*) from pg_class where relnamespace = 'dataimport'::regnamespace and relkind = 'r'").await, "1", "the old one is dropped");
    world.end().await;
}

#[tokio::test]
async fn what_changes_after_it_was_loaded_is_loaded_anew_by_the_next_plan() {
    let world = World::new().await;
    world.put_three();
    world.prepare("r1").await.unwrap();
    let plan = world.plan("r1").await.unwrap();
    world.import_all(&plan).await;
    world.source.put("t/a.csv", "id,name\n10,ten\n");
    world.source.remove("t/b.csv");
    let outcome = world.clean_up("r1", "Loader.Unreconciled").await.unwrap();
    assert!(outcome.retry);
    let plan = world.plan("r1").await.unwrap();
    assert_eq!((plan.objects_listed, plan.objects_to_load), (2, 2));
    world.import_all(&plan).await;
    assert_eq!(world.publish(&plan).await.unwrap().rows, 2);
    assert_eq!(world.rows("select id from public.t order by id").await, ["(5)", "(10)"]);
    world.end().await;
}

#[tokio::test]
async fn an_object_that_is_overwritten_between_plan_and_load_fails_and_the_next_plan_takes_the_new_one() {
    let world = World::new().await;
    world.put_three();
    world.prepare("r1").await.unwrap();
    let plan = world.plan("r1").await.unwrap();
    world.source.put("t/a.csv", "id,name\n10,ten\n");
    world.import_all(&plan).await;
    assert_eq!(
        world.rows("select key, error_name from loader.object where state = 'failed'").await,
        ["(t/a.csv,Loader.ObjectChanged)"]
    );
    assert_eq!(world.publish(&plan).await.unwrap_err().name, ErrorName::ObjectsFailed);
    assert!(world.clean_up("r1", "Loader.ObjectsFailed").await.unwrap().retry);
    let plan = world.plan("r1").await.unwrap();
    assert_eq!(plan.objects_to_load, 1);
    world.import_all(&plan).await;
    assert_eq!(world.publish(&plan).await.unwrap().rows, 4);
    world.end().await;
}

#[tokio::test]
async fn attempts_come_to_an_end() {
    let world = World::new().await;
    world.put_three();
    world.prepare_with("r1", &json!({"table": "t", "max_attempts": 2})).await.unwrap();
    let outcome = world.clean_up("r1", "Sandbox.Timedout").await.unwrap();
    assert!(outcome.retry && outcome.wait_seconds > 0);
    let outcome = world.clean_up("r1", "Sandbox.Timedout").await.unwrap();
    assert!(!outcome.retry);
    assert_eq!(outcome.failure.error, "Sandbox.Timedout");
    assert_eq!(world.one("select count(*) from loader.lease").await, "0");
    assert_eq!(
        world.one("select count(*) from pg_class where relnamespace = 'dataimport'::regnamespace").await,
        "0",
        "nothing was loaded, nothing stays"
    );
    world.end().await;
}

#[tokio::test]
async fn an_execution_that_is_over_gives_its_table_back_at_once() {
    let world = World::new().await;
    world.put_three();
    world.prepare("r1").await.unwrap();
    let plan = world.plan("r1").await.unwrap();
    world.import(&plan, &world.batches(&plan)[0]).await.unwrap();
    let mut client = world.database.connect().await;
    for _ in 0..2 {
        abandon(&mut client, &execution("r1"), "ABORTED").await.unwrap();
    }
    let late = world.import(&plan, &world.batches(&plan)[1]).await.unwrap_err();
    assert_eq!(late.name, ErrorName::LeaseLost);
    assert_eq!(world.prepare("r2").await.unwrap().resumed_from.as_deref(), Some("r1"));
    abandon(&mut client, &execution("no such run"), "ABORTED").await.unwrap();
    world.end().await;
}
