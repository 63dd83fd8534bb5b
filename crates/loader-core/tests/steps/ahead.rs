//! Objects are opened before their turn, also those of the next transaction.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use crate::world::World;

/// Three objects, each of which gets a transaction of its own.
async fn world() -> World {
    let mut world = World::new().await;
    world.put_three();
    world.group_max_bytes = 1;
    world
}

fn keys(keys: impl IntoIterator<Item = &'static str>) -> BTreeSet<String> {
    keys.into_iter().map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn the_objects_of_the_next_transactions_are_opened_while_the_first_waits() {
    let world = world().await;
    let plan = world.planned("r1", &json!({"engine": "stream"})).await;
    world.source.take_opened();
    let staging = world.one("select staging_table from loader.run").await;
    let mut holder = world.database.connect().await;
    let held = holder.transaction().await.unwrap();
    held.batch_execute(&format!("lock table dataimport.\"{staging}\" in exclusive mode")).await.unwrap();

    let batch = world.batch_of_all(&plan);
    let mut opened = BTreeSet::new();
    let all_are_opened = async {
        while opened != keys(["t/a.csv", "t/b.csv", "t/c.csv"]) {
            opened.extend(world.source.take_opened());
            tokio::task::yield_now().await;
        }
        held.rollback().await.unwrap();
    };
    let both = async { tokio::join!(world.import(&plan, &batch), all_are_opened) };
    let (outcome, ()) = timeout(Duration::from_mins(1), both).await.expect("all are opened");

    assert_eq!(outcome.unwrap().rows, 5);
    // None of them was opened twice.
    assert_eq!(world.source.take_opened(), Vec::<String>::new());
    assert_eq!(world.publish(&plan).await.unwrap().rows, 5);
    world.end().await;
}

#[tokio::test]
async fn what_was_opened_for_an_object_that_is_loaded_already_is_let_go_of() {
    let world = world().await;
    let plan = world.planned("r1", &json!({"engine": "stream"})).await;
    let batch = world.batch_of_all(&plan);
    world.import(&plan, &batch).await.unwrap();
    // The first and the last are in the ledger; the one between them is to be loaded again.
    world.execute("delete from loader.object where key = 't/b.csv'").await;
    world.source.take_opened();
    let outcome = world.import(&plan, &batch).await.unwrap();
    assert_eq!((outcome.loaded, outcome.already_loaded, outcome.rows), (1, 2, 2));
    let staging = world.one("select staging_table from loader.run").await;
    assert_eq!(
        world
            .one(&format!("select string_agg(id::text, ' ' order by id) from dataimport.\"{staging}\""))
            .await,
        "1 2 3 3 4 4 5"
    );
    world.end().await;
}

#[tokio::test]
async fn objects_behind_one_that_spoils_its_transaction_are_loaded() {
    let mut world = world().await;
    world.group_max_bytes = 1 << 20;
    world.execute("create table public.t (id int check (id <> 3), name text)").await;
    for key in ["t/d.csv", "t/e.csv", "t/f.csv", "t/g.csv", "t/h.csv"] {
        world.source.put(key, "id,name\n7,seven\n");
    }
    let plan = world.planned("r1", &json!({"engine": "stream"})).await;
    let outcome = world.import(&plan, &world.batch_of_all(&plan)).await.unwrap();
    assert_eq!((outcome.loaded, outcome.failed, outcome.rows), (7, 1, 8));
    assert_eq!(world.rows("select key from loader.object where state = 'failed'").await, ["(t/b.csv)"]);
    world.end().await;
}

#[tokio::test]
async fn a_transaction_that_is_begun_anew_opens_its_own_objects_only() {
    let mut world = World::new().await;
    world.execute("create table public.t (id int check (id > 0), name text)").await;
    // As many bytes each, so that five of them make a transaction.
    for (number, id) in [1, 0, 0, 0, 0, 2, 3, 4, 5, 6].into_iter().enumerate() {
        world.source.put(&format!("t/{number}.csv"), format!("id,name\n{id},one\n"));
    }
    world.group_max_bytes = 5 * "id,name\n1,one\n".len() as u64;
    let plan = world.planned("r1", &json!({"engine": "stream"})).await;
    world.source.take_opened();
    let outcome = world.import(&plan, &world.batch_of_all(&plan)).await.unwrap();
    assert_eq!((outcome.loaded, outcome.failed, outcome.rows), (6, 4, 6));
    let opened = world.source.take_opened();
    for key in ["t/5.csv", "t/6.csv", "t/7.csv", "t/8.csv", "t/9.csv"] {
        let times = opened.iter().filter(|opened| *opened == key).count();
        assert!((1..=2).contains(&times), "{key} was opened {times} times");
    }
    world.end().await;
}
