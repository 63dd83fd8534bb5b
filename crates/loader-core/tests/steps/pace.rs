//! How many sessions of a run load at once: what the plan says of it, and what the
//! sessions make of it.

use std::time::Duration;

use loader_core::error::ErrorName;
use loader_core::plan::Plan;
use serde_json::json;
use tokio_postgres::Client;

use crate::world::World;

/// Takes a slot as a session that loads does.
const TAKE: &str = "select pg_advisory_xact_lock(hashtext('loader.pace:r1'), ";

/// A planned run of three objects, of which so many sessions may load.
async fn planned(allowed: u32) -> (World, Plan) {
    let world = World::new().await;
    world.put_three();
    let plan = world.planned("r1", &json!({})).await;
    world.execute(&format!("update loader.pace set most = {allowed}, allowed = {allowed}")).await;
    (world, plan)
}

/// A session that has so many slots.
async fn loading(world: &World, slots: u32) -> Client {
    let client = world.database.connect().await;
    client.batch_execute("begin").await.unwrap();
    for slot in 0..slots {
        client.batch_execute(&format!("{TAKE}{slot})")).await.unwrap();
    }
    client
}

/// Waits until a query says yes.
async fn until(world: &World, query: &str) {
    while world.one(query).await != "true" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How many sessions wait for a slot.
const WAITING: &str = "select count(*) from pg_locks where locktype = 'advisory' and not granted
    and database = (select oid from pg_database where datname = current_database())";

#[tokio::test]
async fn the_plan_says_how_many_sessions_may_load_and_why() {
    let world = World::new().await;
    world.put_three();
    world.prepare_with("r1", &json!({"table": "t", "max_concurrency": 1000})).await.unwrap();
    let plan = world.plan("r1").await.unwrap();
    let connections: u32 = world.one("current_setting('max_connections')").await.parse().unwrap();
    assert!(plan.max_concurrency >= 1 && plan.max_concurrency <= connections / 2, "{}", plan.max_concurrency);
    let said = world.one("select reason from loader.pace_change where run_id = 'r1' and decision = 0").await;
    assert!(said.starts_with("lowered for the connections: wanted 1000; half of "), "{said}");
    assert!(said.ends_with("the CPUs are unknown"), "{said}");
    assert_eq!(
        world
            .rows("select most, allowed, reason = (select reason from loader.pace_change) from loader.pace")
            .await,
        [format!("({0},{0},t)", plan.max_concurrency)]
    );
    world.end().await;
}

#[tokio::test]
async fn a_session_waits_until_a_slot_is_free() {
    let (world, plan) = planned(1).await;
    let batches = world.batches(&plan);
    let holder = loading(&world, 1).await;
    let (outcome, ()) = tokio::join!(world.import(&plan, &batches[0]), async {
        until(&world, &format!("1 <= ({WAITING})")).await;
        assert_eq!(world.one("select count(*) from loader.object").await, "0");
        holder.batch_execute("commit").await.unwrap();
    });
    assert!(outcome.unwrap().loaded > 0);
    assert_eq!(
        world.one("select waited_seconds > 0 and groups = 1 and seen_sessions = 1 from loader.pace").await,
        "true"
    );
    for batch in &batches {
        world.import(&plan, batch).await.unwrap();
    }
    assert_eq!(world.publish(&plan).await.unwrap().rows, 5);
    world.end().await;
}

#[tokio::test]
async fn a_session_that_dies_leaves_its_slot() {
    let (world, plan) = planned(1).await;
    let holder = loading(&world, 1).await;
    let batches = world.batches(&plan);
    let (outcome, ()) = tokio::join!(world.import(&plan, &batches[0]), async {
        until(&world, &format!("1 <= ({WAITING})")).await;
        drop(holder);
    });
    assert!(outcome.unwrap().loaded > 0);
    world.end().await;
}

#[tokio::test]
async fn a_session_that_waits_finds_a_slot_that_is_allowed_meanwhile() {
    let (world, plan) = planned(1).await;
    let holder = loading(&world, 1).await;
    let batches = world.batches(&plan);
    let (outcome, ()) = tokio::join!(world.import(&plan, &batches[0]), async {
        until(&world, &format!("1 <= ({WAITING})")).await;
        world.execute("update loader.pace set most = 2, allowed = 2").await;
    });
    assert!(outcome.unwrap().loaded > 0);
    drop(holder);
    world.end().await;
}

#[tokio::test]
async fn a_session_whose_slot_is_taken_away_waits_on() {
    let (world, plan) = planned(2).await;
    let holder = loading(&world, 2).await;
    let batches = world.batches(&plan);
    let (outcome, ()) = tokio::join!(world.import(&plan, &batches[0]), async {
        until(&world, &format!("1 <= ({WAITING})")).await;
        let another = world.database.connect().await;
        another.batch_execute("begin").await.unwrap();
        world.execute("update loader.pace set allowed = 1").await;
        // Slot 1 is free, and is none any more; slot 0 is another's.
        let taking = format!("{TAKE}0)");
        let (taken, ()) = tokio::join!(another.batch_execute(&taking), async {
            until(&world, &format!("2 <= ({WAITING})")).await;
            holder.batch_execute("commit").await.unwrap();
        });
        taken.unwrap();
        another.batch_execute("commit").await.unwrap();
    });
    assert!(outcome.unwrap().loaded > 0);
    world.end().await;
}

#[tokio::test]
async fn time_that_goes_by_in_waiting_is_not_held_against_an_object() {
    let (mut world, plan) = planned(1).await;
    let holder = loading(&world, 1).await;
    // A second is left, with what an import keeps for its answer.
    world.time = Duration::from_secs(6);
    for batch in world.batches(&plan) {
        let error = world.import(&plan, &batch).await.unwrap_err();
        assert_eq!(error.name, ErrorName::DeadlineReached, "{error}");
    }
    assert_eq!(world.one("select count(*) from loader.object").await, "0");
    drop(holder);
    world.time = Duration::from_mins(2);
    world.import_all(&plan).await;
    assert_eq!(world.publish(&plan).await.unwrap().rows, 5);
    world.end().await;
}

#[tokio::test]
async fn fewer_sessions_load_when_somebody_waits_for_one_of_them() {
    let (world, plan) = planned(8).await;
    let holder = loading(&world, 1).await;
    holder.batch_execute("create table public.wanted ()").await.unwrap();
    let waiter = world.database.connect().await;
    let waiting = tokio::spawn(async move {
        // It waits for the name, which the other one has taken and not committed.
        waiter.batch_execute("create table public.wanted ()").await
    });
    until(
        &world,
        "exists (select from pg_locks where not granted and locktype <> 'advisory'
           and waitstart < clock_timestamp() - interval '1 second')",
    )
    .await;
    let batches = world.batches(&plan);
    world.import(&plan, &batches[0]).await.unwrap();
    holder.batch_execute("rollback").await.unwrap();
    waiting.await.unwrap().unwrap();
    assert_eq!(
        world.rows("select sessions_before, sessions, lock_waits, reason from loader.pace_change where decision = 1").await,
        ["(8,4,1,\"halved: sessions waiting for locks: 1\")"]
    );
    assert_eq!(world.one("select allowed from loader.pace").await, "4");
    // The next one sees no trouble, and too little for a decision.
    world.import(&plan, &batches[1]).await.unwrap();
    assert_eq!(world.rows("select allowed, decisions from loader.pace").await, ["(4,1)"]);
    world.end().await;
}

#[tokio::test]
async fn fewer_sessions_load_when_a_replica_of_aurora_is_behind() {
    let (world, plan) = planned(8).await;
    world
        .execute(
            "create function public.aurora_replica_status()
                 returns table (server_id text, session_id text, replica_lag_in_msec double precision)
                 language sql as $$ values ('writer', 'MASTER_SESSION_ID', 90000), ('reader', 'a', 12), ('slow', 'b', 45000) $$",
        )
        .await;
    world.import(&plan, &world.batches(&plan)[0]).await.unwrap();
    assert_eq!(
        world
            .rows("select sessions, replica_lag_seconds, reason from loader.pace_change where decision = 1")
            .await,
        ["(4,45,\"halved: a replica is 45 s behind, 30 s are allowed\")"]
    );
    world.end().await;
}

#[tokio::test]
async fn what_sessions_saw_is_in_the_ledger() {
    let (world, plan) = planned(1).await;
    // Each object is a group.
    let world = World { group_max_bytes: 1, ..world };
    world.import_all(&plan).await;
    assert_eq!(
        world
            .rows(
                "select groups, bytes, busy_seconds > 0, waited_seconds < 60, allowed, decisions = 0
                   from loader.pace"
            )
            .await,
        ["(3,61,t,t,1,t)"]
    );
    // Loaded again, nothing is: there is nothing to see.
    world.import_all(&plan).await;
    assert_eq!(world.one("select groups from loader.pace").await, "3");
    world.end().await;
}

#[tokio::test]
async fn a_late_session_of_an_older_plan_says_nothing() {
    let (world, plan) = planned(1).await;
    let newer = world.plan("r1").await.unwrap();
    let error = world.import(&plan, &world.batches(&plan)[0]).await.unwrap_err();
    assert_eq!(error.name, ErrorName::LeaseLost);
    assert_eq!(world.rows("select attempt, groups from loader.pace").await, ["(2,0)"]);
    assert_eq!(world.one("select count(*) from loader.pace_change").await, "2");
    world.import_all(&newer).await;
    assert_eq!(world.publish(&newer).await.unwrap().rows, 5);
    world.end().await;
}

#[tokio::test]
async fn a_run_without_a_pace_loads_all_the_same() {
    let (world, plan) = planned(1).await;
    // It was planned before there was one.
    world.execute("delete from loader.pace").await;
    world.import_all(&plan).await;
    assert_eq!(world.publish(&plan).await.unwrap().rows, 5);
    world.end().await;
}

#[tokio::test]
async fn a_role_that_may_see_no_statistics_loads_at_its_pace() {
    let (world, plan) = planned(2).await;
    let role = format!("loader_{}", world.one("current_database()").await);
    world
        .execute(&format!(
            "create role {role};
             grant usage on schema loader, dataimport to {role};
             grant select, insert, update, delete on all tables in schema loader, dataimport to {role}"
        ))
        .await;
    let mut client = world.database.connect().await;
    client.batch_execute(&format!("set role {role}")).await.unwrap();
    for batch in world.batches(&plan) {
        world.import_on(&mut client, &plan, &batch).await.unwrap();
    }
    let groups = world.batches(&plan).len();
    assert_eq!(
        world.rows("select groups, seen_replica_lag, seen_lock_waits from loader.pace").await,
        [format!("({groups},,0)")]
    );
    client.batch_execute("reset role").await.unwrap();
    world.execute(&format!("drop owned by {role}; drop role {role}")).await;
    assert_eq!(world.publish(&plan).await.unwrap().rows, 5);
    world.end().await;
}
