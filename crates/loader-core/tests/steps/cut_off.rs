//! Each step, cut off at each of its statements, and run again.

use loader_core::plan::Plan;
use loader_test_support::CutProxy;
use serde_json::json;
use tokio_postgres::Client;

use crate::world::World;

/// Steps have fewer statements than this; it keeps a loop that cuts nothing from
/// going on for ever.
const MOST_STATEMENTS: i64 = 80;
/// A step that gets through with fewer was not cut at all.
const FEWEST_STATEMENTS: i64 = 4;

/// A world in which a version is live and a run is to replace it.
async fn world_with_live() -> World {
    let world = World::new().await;
    world.source.put("t/a.csv", "id,name\n0,old\n");
    world.run("r0", &json!({"table": "t"})).await.unwrap();
    world.put_three();
    world
}

/// Makes a trial with a connection that breaks before its first statement, then
/// with one that breaks before its second, and so on until the step gets through.
async fn at_every_statement(trial: impl AsyncFn(&mut World, &Through)) {
    for budget in 0..MOST_STATEMENTS {
        let mut world = world_with_live().await;
        let proxy = CutProxy::start(world.database.address(), budget).await;
        trial(&mut world, &Through { address: proxy.address().to_owned() }).await;
        world.end().await;
        if !proxy.has_cut() {
            assert!(budget >= FEWEST_STATEMENTS, "the step has statements");
            return;
        }
    }
    panic!("the step never got through");
}

/// The way to the database that breaks.
struct Through {
    address: String,
}

impl Through {
    /// Connects; none if it broke already.
    async fn client(&self, world: &World) -> Option<Client> {
        world.connect_through(&self.address).await.ok()
    }
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
    let left = "select count(*) from pg_class where relnamespace = 'dataimport'::regnamespace";
    assert_eq!(world.one(left).await, "0");
}

#[tokio::test]
async fn prepare_goes_on_after_a_cut_at_any_statement() {
    at_every_statement(async |world, through| {
        if let Some(mut client) = through.client(world).await {
            let _ = world.prepare_on(&mut client, "r1", &json!({"table": "t"})).await;
        }
        let plan = loaded(world).await;
        world.publish(&plan).await.unwrap();
        assert_whole(world).await;
    })
    .await;
}

#[tokio::test]
async fn plan_goes_on_after_a_cut_at_any_statement() {
    at_every_statement(async |world, through| {
        world.prepare("r1").await.unwrap();
        if let Some(mut client) = through.client(world).await {
            let _ = world.plan_on(&mut client, "r1").await;
        }
        let plan = world.plan("r1").await.unwrap();
        world.import_all(&plan).await;
        world.publish(&plan).await.unwrap();
        assert_whole(world).await;
    })
    .await;
}

#[tokio::test]
async fn import_goes_on_after_a_cut_at_any_statement() {
    at_every_statement(async |world, through| {
        // One object a transaction, so that a cut leaves some loaded and some not.
        world.group_max_bytes = 1;
        world.batch_max_objects = 3;
        world.prepare("r1").await.unwrap();
        let plan = world.plan("r1").await.unwrap();
        if let Some(mut client) = through.client(world).await {
            for batch in world.batches(&plan) {
                let _ = world.import_on(&mut client, &plan, &batch).await;
            }
        }
        let staging = world.one("select staging_table from loader.run where run_id = 'r1'").await;
        assert_eq!(
            world.one(&format!("select count(*) from dataimport.\"{staging}\"")).await,
            world.one("select coalesce(sum(rows), 0) from loader.object where run_id = 'r1' and state = 'loaded'").await,
            "rows and ledger agree after every cut"
        );
        world.import_all(&plan).await;
        world.publish(&plan).await.unwrap();
        assert_whole(world).await;
    })
    .await;
}

#[tokio::test]
async fn publish_goes_on_after_a_cut_at_any_statement() {
    at_every_statement(async |world, through| {
        let plan = loaded(world).await;
        world.build(&plan).await.unwrap();
        if let Some(mut client) = through.client(world).await {
            let _ = world.publish_on(&mut client, &plan).await;
        }
        let seen = world.one("select string_agg(id::text, ',' order by id) from public.t").await;
        assert!(seen == "0" || seen == "1,2,3,4,5", "a reader sees the old version or the new one: {seen}");
        world.publish(&plan).await.unwrap();
        assert_whole(world).await;
    })
    .await;
}

#[tokio::test]
async fn cleanup_goes_on_after_a_cut_at_any_statement() {
    at_every_statement(async |world, through| {
        loaded(world).await;
        if let Some(mut client) = through.client(world).await {
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
        assert_whole(world).await;
    })
    .await;
}
