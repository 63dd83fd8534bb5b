//! Rows whose values are certain, and tables that refuse them all the same.

use serde_json::{Value, json};

use crate::rejects::rejected;
use crate::world::World;

/// A table that wants more of its rows than that they can be read.
async fn demanding() -> World {
    let world = World::new().await;
    world.execute("create table public.t (id int not null check (id <> 30000), value float8)").await;
    world
}

fn loading(on_reject: &str) -> Value {
    json!({"engine": "stream", "on_reject": on_reject})
}

/// An object of so many rows; what is no number to the loader is one to Postgres.
fn object(rows: u32) -> String {
    let rows = (1..=rows).map(|id| match id % 10_000 {
        77 => format!("{id}, infinity \n"),
        _ => format!("{id},1.5\n"),
    });
    std::iter::once("id,value\n".to_owned()).chain(rows).collect()
}

/// Counts the transactions and the savepoints that rows of the staging table are of.
async fn savepoints(world: &World) -> String {
    let staging = world.one("select staging_table from loader.run").await;
    world.one(&format!("select count(distinct xmin::text) from dataimport.\"{staging}\"")).await
}

#[tokio::test]
async fn rows_that_are_certain_go_together() {
    for on_reject in ["keep", "fail"] {
        let world = demanding().await;
        world.source.put("t/a.csv", object(29_999));
        let plan = world.planned("r1", &loading(on_reject)).await;
        world.import_all(&plan).await;
        // Those that were sent at once, and those that were not certain.
        assert_eq!(savepoints(&world).await, "2", "{on_reject}");
        assert_eq!(world.publish(&plan).await.unwrap().rows, 29_999);
        assert_eq!(world.one("select count(*) from public.t where value = 'infinity'").await, "3");
        world.end().await;
    }
}

#[tokio::test]
async fn a_row_that_the_table_refuses_costs_itself_and_no_other() {
    let world = demanding().await;
    world.source.put("t/a.csv", object(40_000));
    world.source.put("t/b.csv", object(20_000).replace("\n123,", "\n,"));
    let plan = world.planned("r1", &loading("keep")).await;
    world.import_all(&plan).await;
    assert_eq!(
        rejected(&world).await,
        ["(t/a.csv,30001,30000,,23514,\"30000,1.5\")", "(t/b.csv,124,123,id,23502,\",1.5\")"]
    );
    assert_eq!(world.publish(&plan).await.unwrap().rows, 59_998);
    assert_eq!(
        world.rows("select key, rows, rejects from loader.object order by key").await,
        ["(t/a.csv,39999,1)", "(t/b.csv,19999,1)"]
    );
    world.end().await;
}

#[tokio::test]
async fn where_no_row_may_be_refused_the_one_that_is_gets_named() {
    let world = demanding().await;
    world.source.put("t/a.csv", object(40_000));
    world.source.put("t/b.csv", object(20_000));
    let plan = world.planned("r1", &loading("fail")).await;
    world.import_all(&plan).await;
    assert_eq!(
        world.rows("select key, error_name, error_line from loader.object where state = 'failed'").await,
        ["(t/a.csv,Loader.BadRow,30001)"]
    );
    assert_eq!(
        world.rows("select key, rows from loader.object where state = 'loaded'").await,
        ["(t/b.csv,20000)"]
    );
    world.end().await;
}
