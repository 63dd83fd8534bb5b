//! What the ledger costs, and when it is on the disk.

use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn a_load_looks_at_the_ledger_of_its_own_objects_only() {
    let world = World::new().await;
    for object in 0..100 {
        world.source.put(&format!("t/{object}.csv"), "id\n1\n");
    }
    let plan = world.planned("r1", &json!({"engine": "stream"})).await;
    // What was loaded before, of which the planner of the database knows nothing.
    world
        .execute(
            "alter table loader.object set (autovacuum_enabled = off);
             insert into loader.object (run_id, key, etag, size_bytes, attempt, state)
             select 'r1', 'u/' || n, 'e', 1, 1, 'loaded' from generate_series(1, 5000) as n",
        )
        .await;
    let mut client = world.database.connect().await;
    let read = "select idx_tup_fetch + seq_tup_read from pg_stat_user_tables where relname = 'object'";
    world.execute("select pg_stat_force_next_flush()").await;
    let before: u64 = world.one(read).await.parse().unwrap();
    world.import_on(&mut client, &plan, &world.batch_of_all(&plan)).await.unwrap();
    client.batch_execute("select pg_stat_force_next_flush()").await.unwrap();
    let after: u64 = world.one(read).await.parse().unwrap();
    assert!(after - before < 1_000, "{} rows were read", after - before);
    world.end().await;
}

#[tokio::test]
async fn loads_do_not_wait_for_the_disk_and_the_publish_does() {
    let world = World::new().await;
    world.put_three();
    // The publish waits even where the database's other commits do not.
    world.set_for_new_sessions("synchronous_commit", "off").await;
    let plan = world.planned("r1", &json!({"engine": "stream"})).await;
    world
        .execute(
            "create table public.seen (at serial, what text, waits text);
             create function public.see() returns trigger language plpgsql as $$ begin
                 insert into public.seen (what, waits) values (tg_relname, current_setting('synchronous_commit'));
                 return null;
             end $$;
             create trigger see after insert on loader.object for each row execute function public.see();
             create trigger see after insert on loader.version for each row execute function public.see()",
        )
        .await;
    world.import_all(&plan).await;
    world.publish(&plan).await.unwrap();
    assert_eq!(
        world.rows("select what, waits from public.seen order by at").await,
        ["(object,off)", "(object,off)", "(object,off)", "(version,on)"]
    );
    world.end().await;
}

#[tokio::test]
async fn a_session_waits_for_the_disk_and_for_standbys_where_it_is_told_to() {
    let world = World::new().await;
    for (set, expected) in [("off", "on"), ("on", "on"), ("local", "local"), ("remote_apply", "remote_apply")]
    {
        world.set_for_new_sessions("synchronous_commit", set).await;
        let client = world.database.connect().await;
        let row = client.query_one("select current_setting('synchronous_commit')", &[]).await.unwrap();
        assert_eq!(row.get::<_, String>(0), expected);
    }
    world.end().await;
}
