//! What the ledger costs, and when it is on the disk.

use std::time::Duration;

use serde_json::json;

use crate::world::{LEASE, World};

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
    // As the commit finds it.
    world
        .execute(
            "create table public.seen (at serial, what text, waits text);
             create function public.see() returns trigger language plpgsql as $$ begin
                 insert into public.seen (what, waits) values (tg_relname, current_setting('synchronous_commit'));
                 return null;
             end $$;
             create constraint trigger see after insert on loader.object
                 deferrable initially deferred for each row execute function public.see();
             create constraint trigger see after update on loader.lease
                 deferrable initially deferred for each row execute function public.see();
             create constraint trigger see after update on loader.pace
                 deferrable initially deferred for each row execute function public.see();
             create constraint trigger see after insert on loader.version
                 deferrable initially deferred for each row execute function public.see()",
        )
        .await;
    world.import_all(&plan).await;
    let seen = "select what, waits, count(*) from public.seen group by what, waits order by what, waits";
    // What a load writes beside its rows, and what it says after it, would wait for the rows.
    let batches = world.batches(&plan).len();
    assert_eq!(
        world.rows(seen).await,
        [format!("(lease,off,{batches})"), "(object,off,3)".to_owned(), format!("(pace,off,{batches})")]
    );
    world.execute("truncate public.seen").await;
    world.publish(&plan).await.unwrap();
    let waited = world.rows(seen).await;
    assert!(waited.contains(&"(version,on,1)".to_owned()), "{waited:?}");
    assert!(waited.iter().all(|row| row.contains(",on,")), "{waited:?}");
    world.end().await;
}

#[tokio::test]
async fn a_batch_prolongs_its_lease_before_a_group_only_where_a_tenth_of_it_is_over() {
    for (lease, expected) in [(LEASE, "1"), (Duration::ZERO, "4")] {
        let mut world = World::new().await;
        world.put_three();
        // Each object is a group.
        (world.group_max_bytes, world.import_lease) = (1, lease);
        let plan = world.planned("r1", &json!({"engine": "stream"})).await;
        world
            .execute(
                "create table public.prolonged (at serial);
                 create function public.note() returns trigger language plpgsql as
                 $$begin insert into public.prolonged default values; return null; end$$;
                 create trigger note after update on loader.lease for each row execute function public.note()",
            )
            .await;
        world.import(&plan, &world.batch_of_all(&plan)).await.unwrap();
        assert_eq!(world.one("select count(*) from public.prolonged").await, expected, "{lease:?}");
        world.end().await;
    }
}

#[tokio::test]
async fn a_batch_is_cut_into_transactions_that_are_even_in_bytes() {
    let mut world = World::new().await;
    let object = "id,name\n1,one\n";
    for number in 0..8 {
        world.source.put(&format!("t/{number}.csv"), object);
    }
    // Seven of them would fit one.
    world.group_max_bytes = 7 * object.len() as u64;
    let plan = world.planned("r1", &json!({"engine": "stream"})).await;
    world.import(&plan, &world.batch_of_all(&plan)).await.unwrap();
    assert_eq!(
        world.rows("select count(*) from loader.object group by xmin order by min(key)").await,
        ["(4)", "(4)"]
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
