//! Rows that can't be loaded, and the others that can.

use loader_core::error::ErrorName;
use loader_core::plan::Plan;
use serde_json::{Value, json};

use crate::world::World;

/// A definition that keeps rejects, as many as there are.
fn keeping(columns: &Value) -> Value {
    json!({
        "columns": columns, "on_reject": "keep",
        "reject_limits": {"object_percent": 100, "run_percent": 100}
    })
}

fn id_and_name() -> Value {
    json!([{"name": "id", "type": "int"}, {"name": "name", "type": "text"}])
}

async fn planned(world: &World, run_id: &str, definition: &Value) -> Plan {
    world.prepare_with(run_id, &json!({"table": "t", "definition": definition})).await.unwrap();
    world.plan(run_id).await.unwrap()
}

async fn rejected(world: &World) -> Vec<String> {
    world
        .rows(
            "select key, line, record_number, column_name, sqlstate, row_text
               from loader.rejected_row order by key, line",
        )
        .await
}

#[tokio::test]
async fn bad_rows_are_kept_and_the_others_are_loaded() {
    let world = World::new().await;
    world.put_three();
    world.source.put("t/bad.csv", "id,name\n6,six\nseven,\"a\nb\"\n8,eight\nnine,x\n");
    let plan = planned(&world, "r1", &keeping(&id_and_name())).await;
    world.import_all(&plan).await;
    assert_eq!(
        rejected(&world).await,
        ["(t/bad.csv,3,2,id,22P02,\"seven,\"\"a\nb\"\"\")", "(t/bad.csv,6,4,id,22P02,\"nine,x\")"]
    );
    assert_eq!(
        world.rows("select distinct error_message from loader.rejected_row").await,
        ["(\"invalid input syntax for type integer\")"]
    );
    assert_eq!(
        world.rows("select rows, rejects, state from loader.object where key = 't/bad.csv'").await,
        ["(2,2,loaded)"]
    );
    assert_eq!(world.publish(&plan).await.unwrap().rows, 7);
    assert_eq!(
        world.one("select string_agg(id::text, ',' order by id) from public.t").await,
        "1,2,3,4,5,6,8"
    );
    world.end().await;
}

#[tokio::test]
async fn each_cause_costs_its_row_and_no_other() {
    let world = World::new().await;
    world
        .execute(
            "create domain public.short as varchar(3) check (value <> 'no');
             create type public.mood as enum ('good', 'bad')",
        )
        .await;
    let cases: &[(&str, &str, &str, &[u8], &str, &str)] = &[
        ("cast", "int", "1", b"x", "v", "22P02"),
        ("range", "smallint", "1", b"70000", "v", "22003"),
        ("date", "date", "2021-02-28", b"2021-02-30", "v", "22008"),
        ("length", "varchar(3)", "abc", b"abcd", "v", "22001"),
        ("characters", "char(3)", "abc", b"abcd", "v", "22001"),
        ("bits", "bit(3)", "101", b"1010", "v", "22026"),
        ("digits", "numeric(4,2)", "12.34", b"123.4", "v", "22003"),
        ("enum", "public.mood", "good", b"ugly", "v", "22P02"),
        ("json", "jsonb", "{}", b"{", "v", "22P02"),
        ("domain", "public.short", "yes", b"no", "v", "23514"),
        ("domain length", "public.short", "yes", b"none", "v", "22001"),
        ("encoding", "text", "x", b"\xff", "", "22021"),
        ("nul", "text", "x", b"a\0b", "", "22021"),
        ("too many", "text", "x", b"x,y", "", "22P04"),
        ("regclass", "regclass", "pg_class", b"nothing", "v", "42P01"),
    ];
    for (name, sql_type, good, bad, column, state) in cases {
        let mut bytes = b"id,v\n".to_vec();
        for id in 0..40 {
            bytes.extend(format!("{id},").into_bytes());
            bytes.extend(if id % 13 == 5 { *bad } else { good.as_bytes() });
            bytes.push(b'\n');
        }
        world.source.put("t/a.csv", bytes);
        let columns = json!([{"name": "id", "type": "int"}, {"name": "v", "type": sql_type}]);
        let plan = planned(&world, name, &keeping(&columns)).await;
        world.import_all(&plan).await;
        let expected: Vec<String> =
            [5, 18, 31].iter().map(|id| format!("({},{},{column},{state})", id + 2, id + 1)).collect();
        let found = format!(
            "select line, record_number, column_name, sqlstate from loader.rejected_row where run_id = '{name}' order by line"
        );
        let found: Vec<String> = world.rows(&found).await;
        assert_eq!(found, expected, "{name}");
        assert_eq!(world.publish(&plan).await.unwrap().rows, 37, "{name}");
        world
            .execute("drop table public.t cascade; drop schema databackup cascade; create schema databackup")
            .await;
    }
    world.end().await;
}
