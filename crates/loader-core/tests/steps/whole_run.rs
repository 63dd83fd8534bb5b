//! A run that goes well, and what it leaves behind.

use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn a_table_is_loaded_whole_and_its_columns_are_inferred() {
    let world = World::new().await;
    world.put_three();
    let published = world.run("r1", &json!({"table": "t"})).await.unwrap();
    assert_eq!((published.rows, published.objects_loaded, published.backup), (5, 3, None));
    assert_eq!(
        world.rows("select * from public.t order by id").await,
        ["(1,one)", "(2,two)", "(3,three)", "(4,four)", "(5,\"fi\nve\")"]
    );
    assert_eq!(world.one("select pg_typeof(id) from public.t limit 1").await, "bigint");
    assert_eq!(
        world.rows("select key, state, rows, engine, reason from loader.object order by key").await,
        [
            "(t/a.csv,loaded,2,stream,\"the extension aws_s3 is not installed\")",
            "(t/b.csv,loaded,2,stream,\"the extension aws_s3 is not installed\")",
            "(t/c.csv,loaded,1,stream,\"the extension aws_s3 is not installed\")",
        ]
    );
    assert_eq!(
        world.rows("select run_id, state, rows, objects_loaded from loader.run").await,
        ["(r1,published,5,3)"]
    );
    assert_eq!(world.one("select count(*) from loader.lease").await, "0");
    assert_eq!(
        world.one("select count(*) from pg_class where relnamespace = 'dataimport'::regnamespace").await,
        "0"
    );
    assert_ne!(
        world.one("select reltuples::bigint from pg_class where oid = 'public.t'::regclass").await,
        "-1",
        "it is analysed"
    );
    world.end().await;
}

#[tokio::test]
async fn the_version_before_is_kept_and_the_one_before_that_is_not() {
    let world = World::new().await;
    for (run, id) in [("r1", 1), ("r2", 2), ("r3", 3)] {
        world.source.put("t/a.csv", format!("id\n{id}\n"));
        let published = world.run(run, &json!({"table": "t"})).await.unwrap();
        assert_eq!(published.backup.is_some(), id > 1);
        assert_eq!(world.one("select id from public.t").await, id.to_string());
        if id > 1 {
            assert_eq!(world.one("select id from databackup.t").await, (id - 1).to_string());
        }
    }
    assert_eq!(
        world.rows("select run_id, rows, backup_table from loader.version order by published_at").await,
        ["(r1,1,)", "(r2,1,databackup.t)", "(r3,1,databackup.t)"]
    );
    world.end().await;
}

#[tokio::test]
async fn a_prefix_never_matches_its_longer_neighbour() {
    let world = World::new().await;
    world.source.put("t/a.csv", "id\n1\n");
    world.source.put("t0/a.csv", "id\n2\n");
    world.source.put("t_old/a.csv", "id\n3\n");
    assert_eq!(world.run("r1", &json!({"table": "t"})).await.unwrap().rows, 1);
    assert_eq!(world.run("r2", &json!({"table": "u", "prefix": "t_old"})).await.unwrap().rows, 1);
    world.end().await;
}

#[tokio::test]
async fn what_is_not_loaded_is_skipped_with_a_reason() {
    let world = World::new().await;
    world.source.put("t/", "");
    world.source.put("t/_SUCCESS", "x");
    world.source.put("t/a.csv", "id\n1\n");
    world.source.put("t/empty.csv", "");
    world.source.put("t/header only.csv", "id\n");
    let published = world.run("r1", &json!({"table": "t"})).await.unwrap();
    assert_eq!((published.objects_loaded, published.objects_skipped), (2, 3));
    assert_eq!(
        world.rows("select key, reason from loader.object where state = 'skipped' order by key").await,
        [
            "(t/,\"a folder marker: it has no bytes\")",
            "(t/_SUCCESS,\"its name starts with `_` or `.`\")",
            "(t/empty.csv,\"an empty object: it has no bytes\")",
        ]
    );
    world.end().await;
}

#[tokio::test]
async fn tables_and_keys_may_have_any_name() {
    let world = World::new().await;
    let longest = "x".repeat(63);
    for (number, table) in
        ["select", "Year 2022", "a\"b", "ünïcode ☂", "a.b", &longest].into_iter().enumerate()
    {
        for key in ["a'b.csv", "a b.csv", "a%20b.csv", "a\"b.csv", "ü☂.csv", "a\\b.csv", "x/y/z", "+&=?#.csv"]
        {
            world.source.put(&format!("{table}/{key}"), "id,Größe (cm)\n1,2.5\n");
        }
        for again in 0..2 {
            let published = world.run(&format!("r{number}-{again}"), &json!({"table": table})).await.unwrap();
            assert_eq!((published.rows, published.objects_loaded), (8, 8), "{table}");
        }
        let quoted = table.replace('"', "\"\"");
        assert_eq!(world.one(&format!("select sum(\"größe_cm\") from public.\"{quoted}\"")).await, "20.0");
        assert_eq!(world.one(&format!("select count(*) from databackup.\"{quoted}\"")).await, "8");
    }
    world.end().await;
}

#[tokio::test]
async fn many_objects_are_planned_over_pages_and_batches() {
    let mut world = World::new().await;
    for number in 0..1205 {
        world.source.put(&format!("t/{number:04}.csv"), format!("id\n{number}\n"));
    }
    world.batch_max_objects = 100;
    world.prepare("r1").await.unwrap();
    let plan = world.plan("r1").await.unwrap();
    let batches = world.batches(&plan);
    assert_eq!((plan.objects_listed, plan.objects_to_load, plan.batches), (1205, 1205, batches.len() as u64));
    assert_eq!(batches.iter().map(|batch| batch.objects.len()).sum::<usize>(), 1205);
    assert!(batches.iter().all(|batch| batch.objects.len() <= 100));
    world.import_all(&plan).await;
    assert_eq!(world.publish(&plan).await.unwrap().rows, 1205);
    assert_eq!(world.one("select sum(id) from public.t").await, (0..1205).sum::<i32>().to_string());
    world.end().await;
}

#[tokio::test]
async fn an_object_that_comes_later_is_not_part_of_the_run() {
    let world = World::new().await;
    world.put_three();
    world.prepare("r1").await.unwrap();
    let plan = world.plan("r1").await.unwrap();
    world.source.put("t/d.csv", "id,name\n6,six\n");
    world.import_all(&plan).await;
    assert_eq!(world.publish(&plan).await.unwrap().rows, 5);
    world.end().await;
}

#[tokio::test]
async fn fifty_thousand_objects_are_planned_into_batches_that_hold_each_of_them_once() {
    let mut world = World::new().await;
    for number in 0..50_000 {
        world.source.put(&format!("t/{number:05}.csv"), format!("id\n{number}\n"));
    }
    world.batch_max_objects = 500;
    let columns = json!([{"name": "id", "type": "int"}]);
    world.prepare_with("r1", &json!({"table": "t", "definition": {"columns": columns}})).await.unwrap();
    let plan = world.plan("r1").await.unwrap();
    assert_eq!((plan.objects_listed, plan.objects_to_load), (50_000, 50_000));
    let batches = world.batches(&plan);
    let mut keys: Vec<_> =
        batches.iter().flat_map(|batch| batch.objects.iter().map(|object| object.key.clone())).collect();
    keys.dedup();
    assert_eq!((keys.len(), keys.is_sorted()), (50_000, true));
    assert!(batches.iter().all(|batch| batch.objects.len() <= 500));
    world.end().await;
}
