//! Versions: kept, listed, brought back, and how each came to be live.

use loader_core::build::{BuildEvent, BuildSettings, build};
use loader_core::database::connect::Session;
use loader_core::database::connection_string::ConnectionString;
use loader_core::error::{ErrorName, Result};
use loader_core::plan::Plan;
use loader_core::publish::{PublishSettings, publish};
use loader_core::rollback::{RollBackEvent, RollBackSettings, RolledBack, roll_back};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::world::{LEASE, World, execution};

/// Loads one object of so many rows into `public.t`.
async fn load(world: &World, run_id: &str, rows: usize) -> Plan {
    let lines: Vec<String> = (1..=rows).map(|id| format!("{id},name {id}\n")).collect();
    let lines = lines.concat();
    world.source.put("t/a.csv", format!("id,name\n{lines}"));
    world
        .prepare_with(run_id, &json!({"table": "t", "definition": {"gates": {"max_drop_percent": 100}}}))
        .await
        .unwrap();
    let plan = world.plan(run_id).await.unwrap();
    world.import_all(&plan).await;
    plan
}

async fn replace(world: &World, run_id: &str, rows: usize, versions_kept: u32) {
    let plan = load(world, run_id, rows).await;
    world.build(&plan).await.unwrap();
    let settings = PublishSettings { lease: LEASE, lock_timeout_ms: 200, attempts: 2, versions_kept };
    publish(&mut world.database.connect().await, run_id, plan.attempt, &settings).await.unwrap();
}

async fn roll_back_to(world: &World, run_id: &str, to: Value, versions_kept: u32) -> Result<RolledBack> {
    let event = RollBackEvent { input: json!({"table": "t", "to": to}), execution: execution(run_id) };
    let settings =
        RollBackSettings { lease: LEASE, lock_timeout_ms: 200, attempts: 2, versions_kept, sessions: 1 };
    roll_back(&mut world.session().await, &event, &settings, Instant::now() + world.time).await
}

async fn live_rows(world: &World) -> String {
    world.one("select count(*) from public.t").await
}

#[tokio::test]
async fn as_many_versions_are_kept_as_are_asked_for_and_each_can_be_brought_back() {
    let world = World::new().await;
    for rows in 1..=4 {
        replace(&world, &format!("r{rows}"), rows, 2).await;
    }
    let listed = "select version, state, rows, kept_table from loader.version order by version";
    assert_eq!(
        world.rows(listed).await,
        ["(1,dropped,1,)", "(2,kept,2,t__v2)", "(3,kept,3,t)", "(4,live,4,)"]
    );
    let back = roll_back_to(&world, "back", json!(2), 2).await.unwrap();
    assert_eq!((back.version, back.rows, back.replaced_version), (2, 2, 4));
    assert_eq!(live_rows(&world).await, "2");
    assert_eq!(
        world.rows(listed).await,
        ["(1,dropped,1,)", "(2,live,2,)", "(3,kept,3,t__v3)", "(4,kept,4,t)"]
    );
    roll_back_to(&world, "forth", json!("previous"), 2).await.unwrap();
    assert_eq!(live_rows(&world).await, "4");
    assert_eq!(
        world
            .rows("select kind, from_version, to_version from loader.version_change order by changed_at")
            .await,
        [
            "(publish,,1)",
            "(publish,1,2)",
            "(publish,2,3)",
            "(publish,3,4)",
            "(rollback,4,2)",
            "(rollback,2,4)"
        ]
    );
    let error = roll_back_to(&world, "gone", json!(1), 2).await.unwrap_err();
    assert_eq!(error.name, ErrorName::NoSuchVersion);
    assert!(error.message.contains("kept versions: 2 (2 rows, published "), "{error}");
    world.end().await;
}

#[tokio::test]
async fn a_table_that_was_there_before_the_loader_can_be_brought_back() {
    let world = World::new().await;
    world
        .execute("create table public.t (id bigint, name text); insert into public.t values (0, 'before')")
        .await;
    replace(&world, "r1", 3, 1).await;
    assert_eq!(roll_back_to(&world, "back", json!("previous"), 1).await.unwrap().version, 1);
    assert_eq!(world.rows("table public.t").await, ["(0,before)"]);
    world.end().await;
}

#[tokio::test]
async fn without_a_version_to_go_back_to_nothing_is_done() {
    let world = World::new().await;
    replace(&world, "r1", 3, 1).await;
    let error = roll_back_to(&world, "back", json!("previous"), 1).await.unwrap_err();
    assert_eq!(error.name, ErrorName::NoSuchVersion);
    assert_eq!(error.message, "there is no previous version of \"t\" to go back to; kept versions: none");
    world.end().await;
}

#[tokio::test]
async fn a_kept_version_that_somebody_reads_from_is_dropped_later() {
    let world = World::new().await;
    replace(&world, "r1", 1, 1).await;
    replace(&world, "r2", 2, 1).await;
    world.execute("create view public.old as select * from databackup.t").await;
    replace(&world, "r3", 3, 1).await;
    assert_eq!(world.one("select count(*) from public.old").await, "1", "the view holds the version");
    world.execute("drop view public.old").await;
    replace(&world, "r4", 4, 1).await;
    assert_eq!(
        world.one("select string_agg(relname, ',') from pg_class where relnamespace = 'databackup'::regnamespace").await,
        "t"
    );
    world.end().await;
}

#[tokio::test]
async fn what_holds_on_to_the_table_itself_makes_it_a_merge_and_says_why() {
    let world = World::new().await;
    world
        .execute(
            "create table public.t (id bigint primary key, name text);
             insert into public.t values (1, 'name 1'), (2, 'other'), (9, 'nine');
             create function public.all_of_t() returns setof public.t language sql as 'select * from public.t'",
        )
        .await;
    let oid = world.one("'public.t'::regclass::oid").await;
    replace(&world, "r1", 3, 1).await;
    assert_eq!(world.one("'public.t'::regclass::oid").await, oid);
    assert_eq!(
        world.rows("select strategy, strategy_reason from loader.run").await,
        ["(merge,\"these hold on to the live table itself: function public.all_of_t()\")"]
    );
    let all = "select * from public.all_of_t() order by id";
    assert_eq!(world.rows(all).await, ["(1,\"name 1\")", "(2,\"name 2\")", "(3,\"name 3\")"]);
    for (run_id, rows) in [
        ("back", vec!["(1,\"name 1\")", "(2,other)", "(9,nine)"]),
        ("forth", vec!["(1,\"name 1\")", "(2,\"name 2\")", "(3,\"name 3\")"]),
    ] {
        roll_back_to(&world, run_id, json!("previous"), 1).await.unwrap();
        assert_eq!(world.rows(all).await, rows, "{run_id}");
        assert_eq!(world.one("'public.t'::regclass::oid").await, oid);
    }
    world.end().await;
}

#[tokio::test]
async fn an_index_that_comes_after_the_build_is_built_before_the_publish() {
    let world = World::new().await;
    replace(&world, "r1", 1, 1).await;
    let plan = load(&world, "r2", 2).await;
    world.build(&plan).await.unwrap();
    world
        .execute(
            "create index t_name on public.t (name); create view public.names as select name from public.t",
        )
        .await;
    let settings = PublishSettings { lease: LEASE, lock_timeout_ms: 200, attempts: 2, versions_kept: 1 };
    let error =
        publish(&mut world.database.connect().await, "r2", plan.attempt, &settings).await.unwrap_err();
    assert_eq!(error.name, ErrorName::LiveChanged);
    assert!(error.message.contains("the index \"t_name\""), "{error}");
    assert_eq!(live_rows(&world).await, "1");
    world.publish(&plan).await.unwrap();
    assert_eq!(world.one("select count(*) from public.names").await, "2");
    assert!(world.exists("public.t_name").await);
    world.end().await;
}

#[tokio::test]
async fn a_key_that_the_rows_do_not_allow_fails_the_gate_with_the_rows_key() {
    let world = World::new().await;
    world
        .execute(
            "create table public.t (id bigint primary key, name text); insert into public.t values (1, 'a'), (7, 'b');
             create table public.child (t_id bigint references public.t); insert into public.child values (7)",
        )
        .await;
    world.source.put("t/a.csv", "id,name\n7,x\n7,y\n");
    world.prepare("r1").await.unwrap();
    let plan = world.plan("r1").await.unwrap();
    world.import_all(&plan).await;
    let error = world.publish(&plan).await.unwrap_err();
    assert_eq!(error.name, ErrorName::GateFailed);
    assert_eq!(error.message, "the rows do not allow the index \"t_pkey\": Key (id)=(7) is duplicated");
    world.clean_up("r1", "Loader.GateFailed").await.unwrap();
    let plan = load(&world, "r2", 3).await;
    let error = world.publish(&plan).await.unwrap_err();
    assert_eq!(error.name, ErrorName::GateFailed);
    assert!(error.message.contains("child_t_id_fkey") && error.message.contains("(7)"), "{error}");
    assert_eq!(live_rows(&world).await, "2");
    world.end().await;
}

/// A role that is no superuser has a database of its own to load into.
#[tokio::test]
async fn a_loader_that_is_no_superuser_replaces_and_rolls_back_what_another_role_owns() {
    let world = World::new().await;
    let name = world.one("current_database()").await;
    let (loader, owner) = (format!("loader_{name}"), format!("owner_{name}"));
    world
        .execute(&format!(
            "create role {loader} login; create role {owner}; create role reader_{name};
             grant create on database {name} to {loader}; grant usage, create on schema public to {loader}, {owner};
             create table public.t (id bigint generated by default as identity primary key, name text);
             create index t_name on public.t (name);
             insert into public.t values (1, 'before');
             create view public.names as select name from public.t;
             create materialized view public.counted as select count(*) as rows from public.t;
             create table public.child (t_id bigint references public.t);
             alter table public.t owner to {owner}; alter view public.names owner to {owner};
             alter materialized view public.counted owner to {owner}; alter table public.child owner to {owner};
             alter table public.t enable row level security; create policy seen on public.t using (true);
             grant select on public.t, public.names, public.counted to reader_{name}"
        ))
        .await;
    let (scheme, rest) = world.database.url().split_once("://").unwrap();
    let url = format!("{scheme}://{loader}@{}", rest.split_once('@').map_or(rest, |(_, host)| host));
    let mut session = Session::open(ConnectionString::parse(&url).unwrap()).await.unwrap();
    world.source.put("t/a.csv", "id,name\n1,one\n2,two\n");
    let refused =
        world.prepare_on(session.client().await.unwrap(), "r0", &json!({"table": "t"})).await.unwrap_err();
    assert_eq!(refused.name, ErrorName::LiveNotReplaceable);
    assert!(refused.message.contains(&owner) && refused.message.contains("view"), "{refused}");
    world.execute(&format!("grant {owner} to {loader}; delete from loader.lease")).await;

    world.prepare_on(session.client().await.unwrap(), "r1", &json!({"table": "t"})).await.unwrap();
    let plan = world.plan_on(session.client().await.unwrap(), "r1").await.unwrap();
    for batch in world.batches(&plan) {
        world.import_on(session.client().await.unwrap(), &plan, &batch).await.unwrap();
    }
    let event = BuildEvent { run_id: "r1".to_owned(), attempt: plan.attempt };
    let settings = BuildSettings { lease: LEASE, sessions: 2 };
    build(&mut session, &event, &settings, Instant::now() + world.time).await.unwrap();
    world.publish_on(session.client().await.unwrap(), &plan).await.unwrap();
    assert_eq!(world.rows("select * from public.counted").await, ["(2)"]);
    let of_the_owner = format!(
        "select string_agg(relname, ',' order by relname) from pg_class
          where relnamespace = 'public'::regnamespace and relowner = '{owner}'::regrole"
    );
    let things = "child,counted,names,t,t_id_seq,t_name,t_pkey";
    assert_eq!(world.one(&format!("({of_the_owner})")).await, things);
    world.roll_back_on(&mut session, "back").await.unwrap();
    assert_eq!(world.rows("table public.t").await, ["(1,before)"]);
    assert_eq!(world.one(&format!("({of_the_owner})")).await, things);
    for table in ["t", "names", "counted"] {
        let reads = format!("has_table_privilege('reader_{name}', 'public.{table}', 'select')");
        assert_eq!(world.one(&reads).await, "true", "{table}");
    }
    drop(session);
    world.execute(&format!("drop owned by {loader}, {owner}, reader_{name} cascade; drop role {loader}, {owner}, reader_{name}")).await;
    world.end().await;
}

#[tokio::test]
async fn what_was_built_of_the_rows_before_is_not_published_with_those_of_a_new_plan() {
    let world = World::new().await;
    world
        .execute(
            "create table public.t (id bigint primary key, name text); insert into public.t values (1, 'a');
             create materialized view public.counted as select count(*) as rows from public.t",
        )
        .await;
    let plan = load(&world, "r1", 2).await;
    world.build(&plan).await.unwrap();
    world.source.put("t/a.csv", "id,name\n1,x\n2,x\n3,x\n4,x\n");
    let plan = world.plan("r1").await.unwrap();
    world.import_all(&plan).await;
    world.publish(&plan).await.unwrap();
    assert_eq!(live_rows(&world).await, "4");
    assert_eq!(world.rows("select * from public.counted").await, ["(4)"]);
    world.end().await;
}

#[tokio::test]
async fn a_version_comes_back_with_its_names_when_the_live_table_was_dropped() {
    let world = World::new().await;
    replace(&world, "r1", 1, 1).await;
    world.execute("alter table public.t add primary key (id); create index t_name on public.t (name)").await;
    replace(&world, "r2", 2, 1).await;
    world.execute("drop table public.t").await;
    roll_back_to(&world, "back", json!("previous"), 1).await.unwrap();
    assert_eq!(live_rows(&world).await, "1");
    assert!(world.exists("public.t_pkey").await && world.exists("public.t_name").await);
    world.end().await;
}
