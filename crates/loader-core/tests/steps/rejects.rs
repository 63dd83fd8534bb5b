//! Rows that can't be loaded, and the others that can.

use loader_core::error::ErrorName;
use serde_json::{Value, json};

use crate::world::{World, keeping};

/// A definition that keeps rejects of these columns.
pub(crate) fn keeping_of(columns: &Value) -> Value {
    let mut definition = keeping();
    definition["columns"] = columns.clone();
    definition
}

pub(crate) fn id_and_name() -> Value {
    json!([{"name": "id", "type": "int"}, {"name": "name", "type": "text"}])
}

pub(crate) async fn rejected(world: &World) -> Vec<String> {
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
    let plan = world.planned("r1", &keeping_of(&id_and_name())).await;
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

/// Name, type, a good value, a bad one, the column to blame, the SQLSTATE.
type Case = (&'static str, &'static str, &'static str, &'static [u8], &'static str, &'static str);

#[tokio::test]
async fn each_cause_costs_its_row_and_no_other() {
    let world = World::new().await;
    world
        .execute(
            "create domain public.short as varchar(3) check (value <> 'no');
             create type public.mood as enum ('good', 'bad')",
        )
        .await;
    let cases: &[Case] = &[
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
        let plan = world.planned(name, &keeping_of(&columns)).await;
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

/// Limits of one object and of the run, as a definition has them.
fn limited(limits: &Value) -> Value {
    json!({"columns": id_and_name(), "on_reject": "keep", "reject_limits": limits})
}

/// An object of so many records, of which every `bad`th is bad.
pub(crate) fn object(records: usize, bad: usize) -> String {
    let mut text = "id,name\n".to_owned();
    for number in 1..=records {
        if number % bad == 0 {
            text.push_str("x,bad\n");
        } else {
            text.extend([&number.to_string(), ",good\n"]);
        }
    }
    text
}

async fn failures(world: &World) -> Vec<String> {
    world
        .rows("select key, error_name, error_message, rejects from loader.object where state = 'failed' order by key")
        .await
}

#[tokio::test]
async fn an_object_that_is_over_its_limit_fails_whole_and_keeps_its_first_rejects() {
    let world = World::new().await;
    world.source.put("t/a.csv", object(40_000, 10));
    world.source.put("t/b.csv", object(50, 60));
    let plan = world.planned("r1", &limited(&json!({"object_rows": 1_500, "object_percent": 100}))).await;
    world.import_all(&plan).await;
    assert_eq!(
        failures(&world).await,
        [
            "(t/a.csv,Loader.TooManyRejects,\"1,501 of the object's first 16,384 records were rejected, and 1,500 are tolerated in an object (reject_limits.object_rows); the first: invalid input syntax for type integer\",1501)"
        ]
    );
    assert_eq!(
        world
            .rows("select count(*), min(line), max(line) from loader.rejected_row where key = 't/a.csv'")
            .await,
        ["(1000,11,10001)"]
    );
    assert_eq!(
        world.rows("select key, rows from loader.object where state = 'loaded'").await,
        ["(t/b.csv,50)"]
    );
    let staging = world.one("select staging_table from loader.run").await;
    assert_eq!(
        world.one(&format!("select count(*) from dataimport.\"{staging}\"")).await,
        "50",
        "none of it is loaded"
    );
    let error = world.publish(&plan).await.unwrap_err();
    assert_eq!(error.name, ErrorName::ObjectsFailed);
    assert!(error.message.contains("t/a.csv, line 11, column id"), "{error}");
    world.end().await;
}

#[tokio::test]
async fn the_percentage_is_checked_at_the_end_and_of_long_objects_on_the_way() {
    // Beside a short text the first goes as text, where rows wait for a chunk; the other in
    // binary, where only those wait that are not certain.
    for (id, first, rejected) in [
        ("smallint", "1,639 of the object's first 16,384", 1_639),
        ("double precision", "8,200 of the object's first 12,288", 8_200),
    ] {
        let world = World::new().await;
        // 10 % of 1,000 to the record, and one more.
        world.source.put("t/a.csv", object(1_000, 10));
        world.source.put("t/b.csv", format!("{}x,bad\n", object(1_000, 10)));
        // All of them: it ends with the first chunk behind 10,000 records, which say enough.
        world.source.put("t/c.csv", object(100_000, 1));
        let mut definition = limited(&json!({}));
        definition["columns"][0]["type"] = json!(id);
        let plan = world.planned("r1", &definition).await;
        world.import_all(&plan).await;
        let failed = |key: &str, records: &str, rejected: u32| {
            format!(
                "({key},Loader.TooManyRejects,\"{records} records were rejected, and 10 % are tolerated in an object (reject_limits.object_percent); the first: invalid input syntax for type {id}\",{rejected})"
            )
        };
        assert_eq!(
            failures(&world).await,
            [failed("t/b.csv", "101 of the object's 1,001", 101), failed("t/c.csv", first, rejected)]
        );
        assert_eq!(
            world.rows("select rows, rejects from loader.object where state = 'loaded'").await,
            ["(900,100)"]
        );
        world.end().await;
    }
}

#[tokio::test]
async fn a_run_that_is_over_its_limit_stops_and_says_so() {
    let mut world = World::new().await;
    world.batch_max_objects = 1;
    for number in 0..5 {
        world.source.put(&format!("t/{number}.csv"), object(10, 5));
    }
    let limits = json!({"object_percent": 100, "run_percent": 100, "run_rows": 5});
    let plan = world.planned("r1", &limited(&limits)).await;
    let batches = world.batches(&plan);
    for batch in &batches[..2] {
        assert_eq!(world.import(&plan, batch).await.unwrap().rejects, 2);
    }
    let third = world.import(&plan, &batches[2]).await.unwrap();
    assert_eq!((third.loaded, third.failed), (0, 1), "the object with the sixth row fails");
    let error = world.import(&plan, &batches[3]).await.unwrap_err();
    assert_eq!(error.name, ErrorName::TooManyRejects, "the others are not begun");
    let error = world.publish(&plan).await.unwrap_err();
    assert_eq!(error.name, ErrorName::TooManyRejects);
    assert!(error.message.starts_with("the run has rejected"), "{error}");
    assert!(!world.clean_up("r1", "Loader.TooManyRejects").await.unwrap().retry);
    world.end().await;
}

#[tokio::test]
async fn the_percentage_of_the_run_is_checked_before_the_build_and_again_before_the_publish() {
    let world = World::new().await;
    world.source.put("t/a.csv", object(100, 5));
    world.source.put("t/b.csv", object(100, 1_000));
    let plan = world.planned("r1", &limited(&json!({"object_percent": 100, "run_percent": 9.9}))).await;
    world.import_all(&plan).await;
    let error = world.publish(&plan).await.unwrap_err();
    assert_eq!(error.name, ErrorName::TooManyRejects);
    assert_eq!(
        error.message,
        "20 of 200 records were rejected, and 9.9 % are tolerated in a run (reject_limits.run_percent)"
    );
    world.end().await;
}

#[tokio::test]
async fn the_rows_lane_fails_an_object_as_the_verbatim_lane_does() {
    let world = World::new().await;
    let bad: &[(&str, &[u8])] = &[
        ("cast", b"id,name\n1,a\n2,\"b\nc\"\nx,d\n5,e\n"),
        ("length", b"id,name\n1,a\n2,much too long\n"),
        ("null", b"id,name\n,a\n"),
        ("nul", b"id,name\n1,a\0b\n"),
        ("encoding", b"id,name\n1,\xff\n"),
        ("too few", b"id,name\n1,a\n2\n"),
        ("too many", b"id,name\n1,a\n2,b,c\n"),
    ];
    let columns =
        json!([{"name": "id", "type": "int", "not_null": true}, {"name": "name", "type": "varchar(5)"}]);
    for (name, bytes) in bad {
        let mut said = Vec::new();
        for (lane, dialect) in [("verbatim", json!({})), ("rows", json!({"skip_blank_lines": true}))] {
            world.source.put("t/a.csv", *bytes);
            let run_id = format!("{name} {lane}");
            let plan = world.planned(&run_id, &json!({"columns": columns, "dialect": dialect})).await;
            world.import_all(&plan).await;
            let failed = "select error_name, error_line, sqlstate, rejects from loader.object";
            // Bytes that are no text of the database are shown in two ways.
            let text = if name.contains("nul") || *name == "encoding" { "null" } else { "row_text" };
            let kept = format!("select line, {text} from loader.rejected_row where run_id = '{run_id}'");
            said.push((world.rows(failed).await, world.rows(&kept).await));
            world.clean_up(&run_id, "Loader.ObjectsFailed").await.unwrap();
            world.execute("truncate loader.object").await;
        }
        assert_eq!(said[0], said[1], "{name}");
        assert_eq!(said[0].0.len(), 1, "{name}");
    }
    world.end().await;
}

#[tokio::test]
async fn the_text_of_rows_is_left_out_where_it_is_not_wanted() {
    let world = World::new().await;
    let mut definition = keeping_of(&id_and_name());
    definition["reject_text"] = json!(false);
    world.source.put("t/a.csv", "id,name\n1,a\nsecret,secret\n2,sec\0ret\n3,sec,ret\n");
    let plan = world.planned("r1", &definition).await;
    world.import_all(&plan).await;
    assert_eq!(world.one("select count(*) from loader.rejected_row").await, "3");
    assert_eq!(
        world.one("select count(*) from loader.rejected_row as r where r::text ilike '%sec%'").await,
        "0"
    );
    world.end().await;
}

#[tokio::test]
async fn long_texts_are_cut_and_say_so() {
    let world = World::new().await;
    world.source.put("t/a.csv", format!("id,name\nx,{}\n", "é".repeat(10_000)));
    let plan = world.planned("r1", &keeping_of(&id_and_name())).await;
    world.import_all(&plan).await;
    assert_eq!(
        world.rows("select octet_length(row_text), row_cut from loader.rejected_row").await,
        ["(8192,t)"]
    );
    world.end().await;
}

#[tokio::test]
async fn a_retry_after_half_of_the_rejects_keeps_each_once() {
    let world = World::new().await;
    let text = object(60_000, 50);
    world.source.put("t/a.csv", text.clone());
    let plan = world.planned("r1", &keeping_of(&id_and_name())).await;
    world.source.break_next_read("t/a.csv", text.len() / 2);
    let batch = &world.batches(&plan)[0];
    let error = world.import(&plan, batch).await.unwrap_err();
    assert_eq!(error.name, ErrorName::SourceUnavailable);
    assert_eq!(
        world.one("select count(*) from loader.rejected_row").await,
        "0",
        "with the rows or not at all"
    );
    // And the same batch several times at once.
    let deliveries = futures_util::future::join_all((0..3).map(|_| world.import(&plan, batch))).await;
    let loaded: u64 = deliveries.iter().map(|delivery| delivery.as_ref().unwrap().loaded).sum();
    assert_eq!(loaded, 1);
    assert_eq!(world.one("select count(*) from loader.rejected_row").await, "1200");
    assert_eq!(world.rows("select rows, rejects from loader.object").await, ["(58800,1200)"]);
    assert_eq!(world.publish(&plan).await.unwrap().rows, 58_800);
    world.end().await;
}

#[tokio::test]
async fn a_new_plan_forgets_the_rejects_of_what_it_loads_anew() {
    let world = World::new().await;
    world.source.put("t/a.csv", "id,name\nx,1\n2,two\n");
    world.source.put("t/b.csv", "id,name\ny,1\n2,two\n3,three\n4,four\n");
    let plan = world.planned("r1", &limited(&json!({"object_percent": 30, "run_percent": 100}))).await;
    world.import_all(&plan).await;
    assert_eq!(rejected(&world).await.len(), 2);
    world.source.put("t/a.csv", "id,name\n1,one\n2,two\n");
    let plan = world.plan("r1").await.unwrap();
    world.import_all(&plan).await;
    assert_eq!(rejected(&world).await, ["(t/b.csv,2,1,id,22P02,\"y,1\")"]);
    assert_eq!(world.publish(&plan).await.unwrap().rows, 5);
    world.end().await;
}

#[tokio::test]
async fn a_run_that_goes_on_with_another_ones_rows_has_its_rejects() {
    let world = World::new().await;
    world.source.put("t/a.csv", "id,name\n1,one\nx,two\n");
    let definition = keeping_of(&id_and_name());
    let plan = world.planned("r1", &definition).await;
    world.import_all(&plan).await;
    world.clean_up("r1", "Loader.GateFailed").await.unwrap();
    let plan = world.planned("r2", &definition).await;
    world.import_all(&plan).await;
    assert_eq!(world.publish(&plan).await.unwrap().rows, 1);
    assert_eq!(world.rows("select run_id, key from loader.rejected_row").await, ["(r2,t/a.csv)"]);
    world.end().await;
}

#[tokio::test]
async fn rows_go_through_expressions_and_those_that_fail_are_rejected() {
    let world = World::new().await;
    world
        .source
        .put("t/a.csv", "id,celsius,note\n1,20,a\n2,x,b\nthree,30,c\n4,40,much too long\n5,1000,e\n6,-1,\n");
    let mut definition = keeping_of(&json!([
        {"name": "id", "type": "int"},
        {"name": "kelvin", "type": "numeric(5,2)"},
        {"name": "note", "type": "varchar(5)", "not_null": true},
    ]));
    definition["values"] = json!({"kelvin": {"header": "celsius", "sql": "value::numeric + 273.15"}});
    let plan = world.planned("r1", &definition).await;
    world.import_all(&plan).await;
    assert_eq!(
        world.rows("select line, column_name, sqlstate from loader.rejected_row order by line").await,
        ["(3,kelvin,22P02)", "(4,id,22P02)", "(5,note,22001)", "(6,kelvin,22003)", "(7,note,23502)"]
    );
    assert_eq!(world.publish(&plan).await.unwrap().rows, 1);
    assert_eq!(world.rows("select * from public.t").await, ["(1,293.15,a)"]);
    // Where none may be bad, the first one fails the object.
    definition["on_reject"] = json!("fail");
    let plan = world.planned("r2", &definition).await;
    world.import_all(&plan).await;
    assert_eq!(
        world
            .rows(
                "select error_name, error_line, error_column, rejects from loader.object where run_id = 'r2'"
            )
            .await,
        ["(Loader.BadRow,3,kelvin,1)"]
    );
    world.end().await;
}

#[tokio::test]
async fn a_sniffed_object_says_in_the_ledger_how_it_was_read() {
    let world = World::new().await;
    world.source.put("t/a.csv", "id;name\n1;one\n2;\"two;half\"\nx;three\n4;four\n");
    let mut definition = keeping_of(&id_and_name());
    definition["dialect"] = json!({"sniff": true, "encoding": "auto"});
    let plan = world.planned("r1", &definition).await;
    world.import_all(&plan).await;
    assert_eq!(
        world.rows("select rows, rejects, dialect ->> 'delimiter', header from loader.object").await,
        ["(3,1,;,\"[\"\"id\"\", \"\"name\"\"]\")"]
    );
    let reason = world.one("select reason from loader.object").await;
    assert!(reason.contains("; found: "), "{reason}");
    world.end().await;
}

#[tokio::test]
async fn what_the_database_can_not_load_itself_goes_row_by_row() {
    let world = World::new().await;
    world.source.put("t/a.csv", "id,name\n1,one\nx,two\n3,three\n4,four\n");
    world.source.put("t/b.csv", "id,name\n7,seven\n");
    // COPY as the extension does it, of what the objects hold.
    world
        .execute(
            "create schema aws_s3;
             create function aws_s3.table_import_from_s3(text, text, text, text, text, text) returns text language plpgsql as $$
             declare
                 held text := case $5 when 't/a.csv' then 'id,name|1,one|x,two|3,three|4,four' else 'id,name|7,seven' end;
                 taken bigint;
             begin
                 execute format('copy %s (%s) from program %L with %s', $1, $2,
                                format('echo %L', replace(held, '|', chr(10))), $3);
                 get diagnostics taken = row_count;
                 return taken || ' rows imported into relation';
             end
             $$",
        )
        .await;
    let plan = world.planned("r1", &keeping_of(&id_and_name())).await;
    world.import_all(&plan).await;
    assert_eq!(
        world.rows("select key, engine, reason, rows, rejects from loader.object order by key").await,
        [
            "(t/a.csv,stream,\"aws_s3 was refused a row\",3,1)",
            "(t/b.csv,aws_s3,\"the extension is installed and can read the object\",1,0)"
        ]
    );
    assert_eq!(rejected(&world).await, ["(t/a.csv,3,2,id,22P02,\"x,two\")"]);
    assert_eq!(world.publish(&plan).await.unwrap().rows, 4);
    world.end().await;
}
