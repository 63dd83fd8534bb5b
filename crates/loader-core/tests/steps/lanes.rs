//! Rows go in binary where that is certain, and the others of the same object beside
//! them.

use std::fmt::Write as _;

use loader_core::error::ErrorName;
use serde_json::{Value, json};

use crate::world::World;

/// A table whose values the database has less work with in binary.
fn typed(on_reject: &str) -> Value {
    json!({
        "columns": [
            {"name": "id", "type": "int"}, {"name": "at", "type": "timestamp"},
            {"name": "n", "type": "numeric(8, 2)"}, {"name": "name", "type": "varchar(4)"}
        ],
        "on_reject": on_reject, "reject_limits": {"object_percent": 100, "run_percent": 100}
    })
}

/// Rows enough for several chunks. Of some, the database alone can read a value.
fn objects(world: &World, bad: &[(u32, &str)]) {
    for object in 0..3_u32 {
        let mut text = "at,id,n,name\n".to_owned();
        for row in 0..20_000 {
            let id = object * 20_000 + row;
            let bad = bad.iter().find(|(number, _)| *number == id);
            let line = match bad {
                Some((_, line)) => (*line).to_owned(),
                None if row % 7 == 3 => format!("infinity,{id},1e3,\"a\"\"b\""),
                None if row % 7 == 5 => format!("2021-02-28 24:00:00,{id},,é"),
                None => format!("2021-02-28 12:30:00.5,{id},{row}.125,x"),
            };
            writeln!(text, "{line}").unwrap();
        }
        world.source.put(&format!("t/{object}.csv"), text);
    }
}

#[tokio::test]
async fn values_that_only_the_database_reads_are_loaded_beside_those_in_binary() {
    for on_reject in ["fail", "keep"] {
        let world = World::new().await;
        objects(&world, &[]);
        let input = json!({"table": "t", "definition": typed(on_reject)});
        assert_eq!(world.run("r1", &input).await.unwrap().rows, 60_000, "{on_reject}");
        assert_eq!(
            world
                .rows("select at, name, count(*), min(n), sum(id) from public.t group by 1, 2 order by count(*), sum(id)")
                .await,
            [
                "(infinity,\"a\"\"b\",8571,1000.00,257121429)",
                "(\"2021-03-01 00:00:00\",é,8571,,257138571)",
                "(\"2021-02-28 12:30:00.5\",x,42858,0.13,1285710000)"
            ],
            "{on_reject}"
        );
        world.end().await;
    }
}

#[tokio::test]
async fn a_bad_row_is_named_whichever_way_it_went() {
    for (number, line, column, sqlstate) in [
        // Too long for its column, which only the database checks.
        (33_000, "2021-02-28,33000,1.5,toolong", "name", "22001"),
        (33_000, "infinity,33000,1.5,toolong", "name", "22001"),
        (33_000, "2021-02-28,33000,1e99,x", "n", "22003"),
        (33_000, "2021-02-28,33000,1234567.5,x", "n", "22003"),
        (33_000, "never,33000,1.5,x", "at", "22007"),
    ] {
        let world = World::new().await;
        objects(&world, &[(number, line)]);
        let input = json!({"table": "t", "definition": typed("fail")});
        let error = world.run("r1", &input).await.unwrap_err();
        assert_eq!(error.name, ErrorName::ObjectsFailed, "{line}: {error}");
        let failed =
            "select key, error_line, error_column, sqlstate from loader.object where state = 'failed'";
        assert_eq!(world.rows(failed).await, [format!("(t/1.csv,13002,{column},{sqlstate})")], "{line}");
        let kept = "select key, line, column_name, row_text from loader.rejected_row";
        assert_eq!(world.rows(kept).await, [format!("(t/1.csv,13002,{column},\"{line}\")")], "{line}");
        world.end().await;
    }
}

#[tokio::test]
async fn bad_rows_are_kept_whichever_way_they_went() {
    let world = World::new().await;
    let bad = [
        (7, "2021-02-28,7,1.5,toolong"),
        (10, "infinity,10,1.5,toolong"),
        (25_000, "2021-02-30,25000,1.5,x"),
        (59_999, "2021-02-28,59999,1234567,x"),
    ];
    objects(&world, &bad);
    let input = json!({"table": "t", "definition": typed("keep")});
    assert_eq!(world.run("r1", &input).await.unwrap().rows, 59_996);
    assert_eq!(
        world
            .rows("select key, line, column_name, sqlstate from loader.rejected_row order by key, line")
            .await,
        [
            "(t/0.csv,9,name,22001)",
            "(t/0.csv,12,name,22001)",
            "(t/1.csv,5002,at,22008)",
            "(t/2.csv,20001,n,22003)"
        ]
    );
    assert_eq!(world.one("select count(*) from public.t where id in (7, 10, 25000, 59999)").await, "0");
    world.end().await;
}

#[tokio::test]
async fn rows_that_the_database_numbers_keep_their_order() {
    for numbered in ["serial", "int generated always as identity", "int default nextval('numbers')"] {
        let world = World::new().await;
        world
            .execute(&format!(
                "create sequence numbers; create table public.t (number {numbered}, id int, at timestamp)"
            ))
            .await;
        let mut text = "id,at\n".to_owned();
        for id in 1..=300 {
            writeln!(text, "{id},{}", if id % 3 == 0 { "infinity" } else { "2021-02-28" }).unwrap();
        }
        world.source.put("t/a.csv", text);
        assert_eq!(world.run("r1", &json!({"table": "t"})).await.unwrap().rows, 300, "{numbered}");
        assert_eq!(world.one("select count(*) from public.t where number <> id").await, "0", "{numbered}");
        world.end().await;
    }
}
