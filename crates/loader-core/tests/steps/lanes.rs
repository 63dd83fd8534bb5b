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

/// Returns how the database is told to take the rows of objects: the statements that fill the
/// staging table, of columns with these types. Several objects are one batch.
async fn formats(types: [&str; 2], objects: &[String]) -> Vec<String> {
    let world = World::new().await;
    for (number, object) in objects.iter().enumerate() {
        world.source.put(&format!("t/{number}.csv"), object.clone());
    }
    let columns: Vec<Value> =
        ["a", "b"].iter().zip(types).map(|(name, of)| json!({"name": name, "type": of})).collect();
    let plan = world.planned("r1", &json!({"engine": "stream", "columns": columns})).await;
    let staging = world.one("select staging_table from loader.run").await;
    world
        .execute(&format!(
            "create table statement (number serial, text text);
             create function note() returns trigger language plpgsql as
             $$begin insert into statement (text) values (current_query()); return null; end$$;
             create trigger note after insert on dataimport.\"{staging}\" execute function note()"
        ))
        .await;
    if objects.len() > 1 {
        world.import(&plan, &world.batch_of_all(&plan)).await.unwrap();
    } else {
        world.import_all(&plan).await;
    }
    world.execute(&format!("drop trigger note on dataimport.\"{staging}\"")).await;
    let statements = world
        .one("select string_agg(substring(text from 'format (\\w+)'), ' ' order by number) from statement")
        .await;
    let lines: usize = objects.iter().map(|object| object.lines().count() - 1).sum();
    assert_eq!(world.publish(&plan).await.unwrap().rows, lines as u64);
    world.end().await;
    statements.split(' ').map(ToOwned::to_owned).collect()
}

fn of_texts(rows: usize, bytes: usize) -> String {
    std::iter::once("a,b\n".to_owned())
        .chain((0..rows).map(|row| format!("{row:0>bytes$},{row:0>bytes$}\n")))
        .collect()
}

#[tokio::test]
async fn long_texts_go_in_binary_and_short_ones_as_text() {
    let texts = ["text", "varchar"];
    assert_eq!(formats(texts, &[of_texts(1_000, 40)]).await, ["binary"]);
    assert_eq!(formats(texts, &[of_texts(1_000, 5)]).await, ["text"]);
    // Beside a value that is hard to read, short ones go in binary, too.
    assert_eq!(formats(["text", "numeric"], &[of_texts(1_000, 5)]).await, ["binary"]);
    // The first object says it for those of the same columns: their rows go together.
    assert_eq!(formats(texts, &[of_texts(1_000, 40), of_texts(1_000, 5)]).await, ["binary"]);
    // One without rows says nothing.
    assert_eq!(formats(texts, &[of_texts(0, 0), of_texts(1_000, 40)]).await, ["binary"]);
}

#[tokio::test]
async fn long_texts_of_an_object_in_parts_go_in_binary() {
    let parts = formats(["text", "text"], &[of_texts(60_000, 40)]).await;
    assert!(parts.len() > 2 && parts.iter().all(|format| format == "binary"), "{parts:?}");
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
