//! Deliveries that have not arrived yet.

use loader_core::cleanup::{Caught, Outcome, clean_up};
use loader_core::error::{Error, ErrorName, Result};
use loader_core::plan::Plan;
use serde_json::{Value, json};

use crate::world::{World, execution};

const COLUMNS: &str = "create table public.t (id int, name text)";

impl World {
    async fn planned_with(&self, run_id: &str, delivery: Value) -> Result<Plan> {
        self.prepare_with(run_id, &json!({"table": "t", "definition": {"delivery": delivery}})).await?;
        self.plan(run_id).await
    }

    async fn after(&self, run_id: &str, state: &str, error: &Error) -> Outcome {
        let caught = Caught {
            run_id: run_id.to_owned(),
            execution: execution(run_id),
            failed_state: state.to_owned(),
            error: Some(error.name.as_str().to_owned()),
            cause: Some(json!({"errorMessage": error.message}).to_string()),
        };
        clean_up(&mut self.database.connect().await, &caught).await.unwrap()
    }
}

fn incomplete<T: std::fmt::Debug>(outcome: Result<T>, parts: &[&str]) -> Error {
    let error = outcome.unwrap_err();
    assert_eq!(error.name, ErrorName::DeliveryIncomplete, "{error}");
    for part in parts {
        assert!(error.message.contains(part), "{part} in {error}");
    }
    error
}

#[tokio::test]
async fn a_delivery_that_is_still_written_to_is_waited_for_as_long_as_it_has_to_settle() {
    let world = World::new().await;
    world.execute(COLUMNS).await;
    world.put_three();
    for key in ["t/a.csv", "t/b.csv"] {
        world.source.age(key, 1000);
    }
    // What is not loaded holds nothing up.
    world.source.put("t/_log", "now");
    let outcome = world.planned_with("r", json!({"settle_seconds": 120})).await;
    let error = incomplete(outcome, &["c.csv, was written at 20", "settle_seconds is 120", "so far: 3"]);
    assert!(!error.message.contains("_log"), "{error}");

    let outcome = world.after("r", "PlanBatches", &error).await;
    assert_eq!((outcome.retry, outcome.wait_seconds), (true, 120));
    world.source.age("t/c.csv", 121);
    assert_eq!(world.plan("r").await.unwrap().objects_to_load, 3);
    world.end().await;
}

#[tokio::test]
async fn a_delivery_without_its_marker_or_one_of_its_keys_is_waited_for_and_then_given_up() {
    let world = World::new().await;
    world.execute(COLUMNS).await;
    world.source.put("t/a.csv", "id,name\n1,one\n");
    world.source.put("t/other.csv", "no,table\n");
    let delivery = json!({"marker": "done/OK.csv", "keys": ["a.csv", "b.csv", "c.csv"]});
    let outcome = world.planned_with("r", delivery).await;
    let error = incomplete(
        outcome,
        &[
            "below s3://memory/t/ is not complete",
            "the marker done/OK.csv is not there",
            "2 of 3 objects are not there, the first is b.csv",
            "so far: 1, the youngest of 20",
        ],
    );
    for (failed, wait) in [(1, 300), (2, 600)] {
        let outcome = world.after("r", "PlanBatches", &error).await;
        assert_eq!((outcome.attempt, outcome.retry, outcome.wait_seconds), (failed, true, wait));
        incomplete(world.plan("r").await, &[]);
    }
    let outcome = world.after("r", "PlanBatches", &error).await;
    assert!(!outcome.retry, "three attempts are what the input gives");
    assert_eq!(world.one("select count(*) from loader.lease").await, "0");
    world.end().await;
}

#[tokio::test]
async fn the_marker_and_what_is_no_key_of_the_delivery_are_skipped_with_a_reason() {
    let world = World::new().await;
    world.execute(COLUMNS).await;
    world.put_three();
    world.source.put("t/OK.csv", "the end");
    world.source.put("t/_d.csv", "id,name\n9,nine\n");
    let delivery = json!({"marker": "OK.csv", "keys": ["a.csv", "_d.csv"]});
    let plan = world.planned_with("r", delivery).await.unwrap();
    assert_eq!((plan.objects_listed, plan.objects_to_load), (5, 2));
    assert_eq!(
        world.rows("select key, reason from loader.object where state = 'skipped' order by key").await,
        [
            "(t/OK.csv,\"it is the delivery's marker\")",
            "(t/b.csv,\"it is not among the keys of the delivery\")",
            "(t/c.csv,\"it is not among the keys of the delivery\")",
        ]
    );
    world.import_all(&plan).await;
    world.publish(&plan).await.unwrap();
    assert_eq!(world.rows("select * from public.t order by id").await, ["(1,one)", "(2,two)", "(9,nine)"]);
    world.end().await;
}

#[tokio::test]
async fn the_columns_of_a_table_are_not_inferred_from_half_of_a_delivery() {
    let world = World::new().await;
    let input = json!({"table": "t", "definition": {"delivery": {"marker": "_SUCCESS"}}});
    let error = incomplete(world.prepare_with("r", &input).await, &["no object to load is there"]);
    let outcome = world.after("r", "PrepareSchemas", &error).await;
    assert_eq!((outcome.retry, outcome.wait_seconds), (true, 300));
    world.put_three();
    incomplete(world.prepare_with("r", &input).await, &["the marker _SUCCESS"]);
    world.source.put("t/_SUCCESS", "");
    world.prepare_with("r", &input).await.unwrap();
    assert_eq!(world.plan("r").await.unwrap().objects_to_load, 3);
    world.end().await;
}

#[tokio::test]
async fn what_an_earlier_attempt_has_loaded_is_not_thrown_away_because_a_key_is_gone_for_now() {
    let world = World::new().await;
    world.execute(COLUMNS).await;
    world.put_three();
    let plan = world.planned_with("r", json!({"keys": ["a.csv", "b.csv", "c.csv"]})).await.unwrap();
    world.import_all(&plan).await;
    world.source.remove("t/b.csv");
    incomplete(world.plan("r").await, &["the object b.csv, one of 3, is not there"]);
    assert_eq!(world.one("select count(*) from loader.object where state = 'loaded'").await, "3");
    world.end().await;
}
