//! Each step, cut off at each of its statements, and run again.

use loader_core::plan::Plan;
use loader_test_support::{Cut, CutProxy};
use serde_json::json;
use tokio_postgres::Client;

use crate::world::World;

/// Steps have fewer statements than this; it keeps a loop that cuts nothing from
/// going on for ever.
const MOST_STATEMENTS: i64 = 200;
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

/// What hangs on the live table where it matters: indexes, a view, a materialized
/// view, a table that refers to it.
const HUNG_ON: &str = "alter table public.t add primary key (id); create index t_name on public.t (name);
    create view public.names as select name from public.t;
    create materialized view public.counted as select count(*) as rows from public.t;
    create unique index counted_rows on public.counted (rows);
    create table public.child (t_id bigint references public.t);
    grant select on public.t to public";

/// What must be there after every cut, whatever happened.
async fn assert_hung_on(world: &World, cut: &str) {
    let seen = world.one("select string_agg(id::text, ',' order by id) from public.t").await;
    assert!(
        seen == "0" || seen == "1,2,3,4,5",
        "{cut}: a reader sees the old version or the new one: {seen}"
    );
    let names = if seen == "0" { 1 } else { 5 };
    assert_eq!(world.one("select count(*) from public.names").await, names.to_string(), "{cut}: the view");
    let child = "insert into public.child select id from public.t; delete from public.child";
    world.execute(child).await;
    assert!(
        world.client.batch_execute("insert into public.child values (-1)").await.is_err(),
        "{cut}: the key"
    );
    let indexes =
        "select string_agg(indexrelid::regclass::text, ',' order by indexrelid::regclass::text) from pg_index
                    where indrelid in ('public.t'::regclass, 'public.counted'::regclass)";
    assert_eq!(world.one(&format!("({indexes})")).await, "counted_rows,t_name,t_pkey", "{cut}: the indexes");
    assert_eq!(
        world.one("has_table_privilege('public', 'public.t', 'select')").await,
        "true",
        "{cut}: the grant"
    );
}

/// Brings a world to where a step begins, then makes a trial of that step with a
/// connection that breaks before its first statement, another one with one that
/// breaks before its second, and so on until the step gets through; and all of it
/// again with connections that break after a statement, so that its answer is lost.
async fn at_every_statement<T>(
    begin: impl AsyncFn(&mut World) -> T,
    trial: impl AsyncFn(&mut World, &Through, &T),
) {
    let mut world = world_with_live().await;
    let state = begin(&mut world).await;
    let frozen = world.freeze();
    for cut in [Cut::Before, Cut::After] {
        let mut budget = 0;
        loop {
            let mut world = frozen.thaw().await;
            let proxy = CutProxy::start(world.database.address(), budget, cut).await;
            trial(&mut world, &Through { address: proxy.address().to_owned() }, &state).await;
            world.end().await;
            if !proxy.has_cut() {
                break;
            }
            budget += 1;
            assert!(budget < MOST_STATEMENTS, "the step never got through");
        }
        assert!(budget >= FEWEST_STATEMENTS, "the step has statements");
    }
    frozen.end().await;
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

async fn loaded_with_things_on(world: &mut World) -> Plan {
    world.execute(HUNG_ON).await;
    loaded(world).await
}

#[tokio::test]
async fn prepare_goes_on_after_a_cut_at_any_statement() {
    at_every_statement(
        async |_| (),
        async |world, through, ()| {
            if let Some(mut client) = through.client(world).await {
                let _ = world.prepare_on(&mut client, "r1", &json!({"table": "t"})).await;
            }
            let plan = loaded(world).await;
            world.publish(&plan).await.unwrap();
            assert_whole(world).await;
        },
    )
    .await;
}

#[tokio::test]
async fn plan_goes_on_after_a_cut_at_any_statement() {
    at_every_statement(
        async |world| {
            world.prepare("r1").await.unwrap();
        },
        async |world, through, ()| {
            if let Some(mut client) = through.client(world).await {
                let _ = world.plan_on(&mut client, "r1").await;
            }
            let plan = world.plan("r1").await.unwrap();
            world.import_all(&plan).await;
            world.publish(&plan).await.unwrap();
            assert_whole(world).await;
        },
    )
    .await;
}

#[tokio::test]
async fn import_goes_on_after_a_cut_at_any_statement() {
    at_every_statement(
        async |world| {
            world.batch_max_objects = 3;
            world.prepare("r1").await.unwrap();
            world.plan("r1").await.unwrap()
        },
        async |world, through, plan| {
            // One object a transaction, so that a cut leaves some loaded and some not.
            world.group_max_bytes = 1;
            if let Some(mut client) = through.client(world).await {
                for batch in world.batches(plan) {
                    let _ = world.import_on(&mut client, plan, &batch).await;
                }
            }
            let staging = world.one("select staging_table from loader.run where run_id = 'r1'").await;
            assert_eq!(
                world.one(&format!("select count(*) from dataimport.\"{staging}\"")).await,
                world.one("select coalesce(sum(rows), 0) from loader.object where run_id = 'r1' and state = 'loaded'").await,
                "rows and ledger agree after every cut"
            );
            world.import_all(plan).await;
            world.publish(plan).await.unwrap();
            assert_whole(world).await;
        },
    )
    .await;
}

#[tokio::test]
async fn an_import_that_rejects_rows_goes_on_after_a_cut_at_any_statement() {
    at_every_statement(
        async |world| {
            world.batch_max_objects = 2;
            world.source.remove("t/b.csv");
            world.source.remove("t/c.csv");
            world.source.put("t/a.csv", "name,id\none,1\nthree,3\nbad,x\ntwo,2\nfour,4\nbad,y\nfive,5\n");
            world.source.put("t/d.csv", "id,name\nbad,6\n");
            let definition = json!({
                "columns": [{"name": "id", "type": "int"}, {"name": "name", "type": "text"}],
                "on_reject": "keep", "reject_limits": {"object_percent": 50, "run_percent": 100, "run_rows": 3},
                "tolerated_failed_objects": 1,
            });
            world.prepare_with("r1", &json!({"table": "t", "definition": definition})).await.unwrap();
            world.plan("r1").await.unwrap()
        },
        async |world, through, plan| {
            // One object a transaction, so that a cut leaves some loaded and some not.
            world.group_max_bytes = 1;
            if let Some(mut client) = through.client(world).await {
                for batch in world.batches(plan) {
                    let _ = world.import_on(&mut client, plan, &batch).await;
                }
            }
            let unequal = "select count(*) from loader.object as o where rejects <>
                (select count(*) from loader.rejected_row as r where (r.run_id, r.key) = (o.run_id, o.key))";
            assert_eq!(world.one(unequal).await, "0", "the rejects and the ledger agree after every cut");
            world.import_all(plan).await;
            assert_eq!(world.one(unequal).await, "0");
            assert_eq!(
                world.rows("select key, line from loader.rejected_row order by 1, 2").await,
                ["(t/a.csv,4)", "(t/a.csv,7)", "(t/d.csv,2)"]
            );
            world.publish(plan).await.unwrap();
            assert_whole(world).await;
        },
    )
    .await;
}

#[tokio::test]
async fn an_import_in_parts_goes_on_after_a_cut_at_any_statement() {
    at_every_statement(
        async |world| {
            for key in ["t/a.csv", "t/b.csv", "t/c.csv"] {
                world.source.remove(key);
            }
            world
                .source
                .put("t/a.csv", "id,name\n1,\"o\nne\"\nbad,x\n2,two\n3,three\n4,four\nbad,y\n5,five\n");
            let definition = json!({
                "columns": [{"name": "id", "type": "int"}, {"name": "name", "type": "text"}],
                "on_reject": "keep", "reject_limits": {"object_percent": 50, "run_percent": 100},
            });
            world.prepare_with("r1", &json!({"table": "t", "definition": definition})).await.unwrap();
            let plan = world.plan_in_parts("r1", 20).await.unwrap();
            assert!(plan.batches > 2);
            plan
        },
        async |world, through, plan| {
            if let Some(mut client) = through.client(world).await {
                for batch in world.batches(plan) {
                    let _ = world.import_on(&mut client, plan, &batch).await;
                }
            }
            let staging = world.one("select staging_table from loader.run where run_id = 'r1'").await;
            assert_eq!(
                world.one(&format!("select count(*) from dataimport.\"{staging}\"")).await,
                world
                    .one("select coalesce(sum(rows), 0) from loader.object_part where state = 'loaded'")
                    .await,
                "rows and ledger agree after every cut"
            );
            world.import_all(plan).await;
            assert_eq!(
                world.rows("select key, line, record_number from loader.rejected_row order by 1, 2").await,
                ["(t/a.csv,4,2)", "(t/a.csv,8,6)"]
            );
            assert_eq!(
                world.rows("select state, rows, rejects from loader.object where run_id = 'r1'").await,
                ["(loaded,5,2)"]
            );
            world.publish(plan).await.unwrap();
            assert_whole(world).await;
        },
    )
    .await;
}

#[tokio::test]
async fn a_build_that_rejects_repeated_keys_goes_on_after_a_cut_at_any_statement() {
    at_every_statement(
        async |world| {
            world.execute("alter table public.t add primary key (id)").await;
            world.source.put("t/d.csv", "id,name\n5,again\n1,again\n");
            let definition =
                json!({"on_reject": "keep", "reject_limits": {"object_percent": 100, "run_percent": 100}});
            let input = json!({"table": "t", "definition": definition});
            world.prepare_with("r1", &input).await.unwrap();
            let plan = world.plan("r1").await.unwrap();
            world.import_all(&plan).await;
            plan
        },
        async |world, through, plan| {
            if let Ok(mut session) = world.session_through(&through.address).await {
                let _ = world.build_on(&mut session, plan).await;
            }
            world.publish(plan).await.unwrap();
            assert_eq!(
                world.rows("select key, line from loader.rejected_row order by 1, 2").await,
                ["(t/d.csv,2)", "(t/d.csv,3)"]
            );
            assert_eq!(
                world.rows("select rows, rejects from loader.object where key = 't/d.csv'").await,
                ["(0,2)"]
            );
            assert_whole(world).await;
        },
    )
    .await;
}

#[tokio::test]
async fn build_goes_on_after_a_cut_at_any_statement() {
    at_every_statement(loaded_with_things_on, async |world, through, plan| {
        if let Ok(mut session) = world.session_through(&through.address).await {
            let _ = world.build_on(&mut session, plan).await;
        }
        assert_eq!(world.one("select id from public.t").await, "0", "the build touches nothing that is live");
        world.publish(plan).await.unwrap();
        assert_hung_on(world, "after the publish").await;
        assert_whole(world).await;
    })
    .await;
}

#[tokio::test]
async fn publish_goes_on_after_a_cut_at_any_statement() {
    at_every_statement(
        async |world| {
            let plan = loaded_with_things_on(world).await;
            world.build(&plan).await.unwrap();
            plan
        },
        async |world, through, plan| {
            if let Some(mut client) = through.client(world).await {
                let _ = world.publish_on(&mut client, plan).await;
            }
            assert_hung_on(world, "after the cut").await;
            world.publish(plan).await.unwrap();
            assert_hung_on(world, "after the publish").await;
            assert_whole(world).await;
        },
    )
    .await;
}

#[tokio::test]
async fn rollback_goes_on_after_a_cut_at_any_statement() {
    at_every_statement(
        async |world| {
            let plan = loaded_with_things_on(world).await;
            world.publish(&plan).await.unwrap();
        },
        async |world, through, ()| {
            if let Ok(mut session) = world.session_through(&through.address).await {
                let _ = world.roll_back_on(&mut session, "back").await;
            }
            assert_hung_on(world, "after the cut").await;
            let back = world.roll_back("back").await.unwrap();
            assert_eq!((back.version, back.replaced_version), (1, 2));
            assert_eq!(world.one("select string_agg(id::text, ',') from public.t").await, "0");
            assert_hung_on(world, "after the rollback").await;
            assert_eq!(world.one("select count(*) from loader.lease").await, "0");
            assert_eq!(
                world.one("select string_agg(id::text, ',' order by id) from databackup.t").await,
                "1,2,3,4,5"
            );
        },
    )
    .await;
}

#[tokio::test]
async fn a_replay_goes_on_after_a_cut_at_any_statement_and_loads_each_row_once() {
    at_every_statement(
        async |world| {
            world.execute("drop table public.t cascade").await;
            // No key that would keep a row out that comes twice.
            world.execute("create table public.t (id int, name text)").await;
            world.source.put("t/d.csv", "id,name\nx,late\ny,later\n");
            let definition =
                json!({"on_reject": "keep", "reject_limits": {"object_percent": 100, "run_percent": 100}});
            world.run("r1", &json!({"table": "t", "definition": definition})).await.unwrap();
            world
                .execute(
                    "update loader.rejected_row set row_text = replace(row_text, 'x', '6') where line = 2",
                )
                .await;
        },
        async |world, through, ()| {
            if let Some(mut client) = through.client(world).await {
                let _ = world.replay_on(&mut client, "p1", "r1").await;
            }
            let done = world.replay("p1", "r1").await.unwrap();
            assert_eq!((done.rows, done.refused, done.left), (1, 1, 1));
            let another = world.replay("p2", "r1").await.unwrap();
            assert_eq!((another.rows, another.left), (0, 1));
            assert_eq!(world.one("select count(*) from public.t").await, "6");
            assert_eq!(world.one("select count(*) from public.t where id = 6").await, "1");
            assert_eq!(world.one("select rows from loader.version where state = 'live'").await, "6");
            assert_eq!(world.one("select count(*) from loader.lease").await, "0");
        },
    )
    .await;
}

#[tokio::test]
async fn cleanup_goes_on_after_a_cut_at_any_statement() {
    at_every_statement(
        async |world| {
            loaded(world).await;
        },
        async |world, through, ()| {
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
        },
    )
    .await;
}

/// Loads into a live table that is made by `statements`, and publishes it with a
/// connection that breaks at each statement.
async fn publish_of(statements: &str, strategy: &str) {
    at_every_statement(
        async |world| {
            world.execute("drop table public.t").await;
            world.execute(statements).await;
            let plan = loaded(world).await;
            world.build(&plan).await.unwrap();
            assert_eq!(world.one("select strategy from loader.run where run_id = 'r1'").await, strategy);
            plan
        },
        async |world, through, plan| {
            if let Some(mut client) = through.client(world).await {
                let _ = world.publish_on(&mut client, plan).await;
            }
            let rows = "select string_agg(id::text, ',' order by id) from public.t";
            let seen = world.one(rows).await;
            assert!(seen == "0" || seen == "1,2,3,4,5", "a reader sees the old or the new version: {seen}");
            world.publish(plan).await.unwrap();
            assert_eq!(world.one(rows).await, "1,2,3,4,5");
            world.roll_back("back").await.unwrap();
            assert_eq!(world.one(rows).await, "0");
        },
    )
    .await;
}

#[tokio::test]
async fn an_exchange_of_partitions_goes_on_after_a_cut_at_any_statement() {
    publish_of(
        "create table public.t (id bigint primary key, name text) partition by range (id);
         create table public.t_low partition of public.t for values from (minvalue) to (3);
         create table public.t_rest partition of public.t default;
         insert into public.t values (0, 'old')",
        "partition",
    )
    .await;
}

#[tokio::test]
async fn a_merge_goes_on_after_a_cut_at_any_statement() {
    publish_of(
        "create table public.t (id bigint primary key, name text);
         create function public.all_of_t() returns setof public.t language sql as 'select * from public.t';
         insert into public.t values (0, 'old')",
        "merge",
    )
    .await;
}
