//! Each step, cut off at each of its statements, and run again.

use loader_core::plan::Plan;
use loader_test_support::CutProxy;
use serde_json::json;

use crate::world::World;

/// Steps have fewer statements than this; it keeps a loop that cuts nothing from
/// going on for ever.
const MOST_STATEMENTS: i64 = 80;

/// A world in which a version is live and a run is to replace it.
async fn world_with_live() -> World {
    let world = World::new().await;
    world.source.put("t/a.csv", "id,name\n0,old\n");
    world.run("r0", &json!({"table": "t"})).await.unwrap();
    world.put_three();
    world
}

async fn loaded(world: &World) -> Plan {
    world.prepare("r1").await.unwrap();
    let plan = world.plan("r1").await.unwrap();
    world.import_all(&plan).await;
    plan
}

async fn assert_whole(world: &World) {
    assert_eq!(world.one("select string_agg(id::text, ',' order by id) from public.t").await, "1,2,3,4,5");
    assert_eq!(world.one("select string_agg(id::text, ',') from databackup.t").await, "0");
    assert_eq!(world.one("select count(*) from loader.version").await, "2");
    assert_eq!(
        world.one("select count(*) from pg_class where relnamespace = 'dataimport'::regnamespace").await,
        "0"
    );
}

/// A reader sees the old version or the new one.
async fn assert_old_or_new(world: &World) {
    let seen = world.one("select string_agg(id::text, ',' order by id) from public.t").await;
    assert!(seen == "0" || seen == "1,2,3,4,5", "{seen}");
}

#[tokio::test]
async fn prepare_goes_on_after_a_cut_at_any_statement() {
    for budget in 0..MOST_STATEMENTS {
        let world = world_with_live().await;
        let proxy = CutProxy::start(world.database.address(), budget).await;
        if let Ok(mut client) = world.connect_through(proxy.address()).await {
            let _ = world.prepare_on(&mut client, "r1", &json!({"table": "t"})).await;
        }
        let plan = loaded(&world).await;
        world.publish(&plan).await.unwrap();
        assert_whole(&world).await;
        world.end().await;
        if !proxy.has_cut() {
            assert!(budget > 5, "the step has statements");
            return;
        }
    }
    panic!("the step never got through");
}

#[tokio::test]
async fn plan_goes_on_after_a_cut_at_any_statement() {
    for budget in 0..MOST_STATEMENTS {
        let world = world_with_live().await;
        world.prepare("r1").await.unwrap();
        let proxy = CutProxy::start(world.database.address(), budget).await;
        if let Ok(mut client) = world.connect_through(proxy.address()).await {
            let _ = world.plan_on(&mut client, "r1").await;
        }
        let plan = world.plan("r1").await.unwrap();
        world.import_all(&plan).await;
        world.publish(&plan).await.unwrap();
        assert_whole(&world).await;
        world.end().await;
        if !proxy.has_cut() {
            assert!(budget > 5, "the step has statements");
            return;
        }
    }
    panic!("the step never got through");
}

#[tokio::test]
async fn import_goes_on_after_a_cut_at_any_statement() {
    for budget in 0..MOST_STATEMENTS {
        let mut world = world_with_live().await;
        // One object a transaction, so that a cut leaves some loaded and some not.
        world.group_max_bytes = 1;
        world.batch_max_objects = 3;
        world.prepare("r1").await.unwrap();
        let plan = world.plan("r1").await.unwrap();
        let proxy = CutProxy::start(world.database.address(), budget).await;
        if let Ok(mut client) = world.connect_through(proxy.address()).await {
            for batch in world.batches(&plan) {
                let _ = world.import_on(&mut client, &plan, &batch).await;
            }
        }
        let staged = world
            .one(&format!(
                "select count(*) from dataimport.\"{}\"",
                world.one("select staging_table from loader.run where run_id = 'r1'").await
            ))
            .await;
        assert_eq!(staged, world.one("select coalesce(sum(rows), 0) from loader.object where run_id = 'r1' and state = 'loaded'").await, "rows and ledger agree after every cut");
        world.import_all(&plan).await;
        world.publish(&plan).await.unwrap();
        assert_whole(&world).await;
        world.end().await;
        if !proxy.has_cut() {
            assert!(budget > 5, "the step has statements");
            return;
        }
    }
    panic!("the step never got through");
}

#[tokio::test]
async fn publish_goes_on_after_a_cut_at_any_statement() {
    for budget in 0..MOST_STATEMENTS {
        let world = world_with_live().await;
        let plan = loaded(&world).await;
        let proxy = CutProxy::start(world.database.address(), budget).await;
        if let Ok(mut client) = world.connect_through(proxy.address()).await {
            let _ = world.publish_on(&mut client, &plan).await;
        }
        assert_old_or_new(&world).await;
        world.publish(&plan).await.unwrap();
        assert_whole(&world).await;
        world.end().await;
        if !proxy.has_cut() {
            assert!(budget > 5, "the step has statements");
            return;
        }
    }
    panic!("the step never got through");
}

#[tokio::test]
async fn cleanup_goes_on_after_a_cut_at_any_statement() {
    for budget in 0..MOST_STATEMENTS {
        let world = world_with_live().await;
        loaded(&world).await;
        let proxy = CutProxy::start(world.database.address(), budget).await;
        if let Ok(mut client) = world.connect_through(proxy.address()).await {
            let _ = world.clean_up_on(&mut client, "r1", "Loader.Internal").await;
        }
        world.clean_up("r1", "Loader.Internal").await.unwrap();
        assert_eq!(world.one("select id from public.t").await, "0");
        assert_eq!(world.one("select state from loader.run where run_id = 'r1'").await, "failed");
        assert_eq!(world.one("select count(*) from loader.lease").await, "0");
        // What was loaded is there for the next run.
        world.prepare("r2").await.unwrap();
        let plan = world.plan("r2").await.unwrap();
        assert_eq!(plan.objects_to_load, 0);
        world.publish(&plan).await.unwrap();
        assert_whole(&world).await;
        world.end().await;
        if !proxy.has_cut() {
            assert!(budget > 3, "the step has statements");
            return;
        }
    }
    panic!("the step never got through");
}
