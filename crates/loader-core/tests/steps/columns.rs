//! Columns and rules that a definition brings, as the preparation settles them.

use loader_core::error::ErrorName;
use serde_json::{Value, json};

use crate::world::World;

/// Prepares with a definition, and returns the columns of the staging table.
async fn staged(world: &World, run_id: &str, definition: Value) -> String {
    let input = json!({"table": "t", "definition": definition});
    let prepared = world.prepare_with(run_id, &input).await.unwrap();
    world
        .one(&format!(
            "select string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' order by attnum)
               from pg_attribute where attrelid = 'dataimport.{}'::regclass and attnum > 0",
            prepared.staging
        ))
        .await
}

/// Returns what the run's definition says of its columns.
async fn resolved(world: &World, run_id: &str) -> Vec<String> {
    world
        .rows(&format!(
            "select c ->> 'name', c -> 'header', c -> 'aliases', c -> 'filled', c -> 'values', c -> 'required'
               from loader.run, jsonb_array_elements(definition::jsonb -> 'columns') as c where run_id = '{run_id}'"
        ))
        .await
}

async fn refusal(world: &World, definition: Value) -> (ErrorName, String) {
    let error =
        world.prepare_with("refused", &json!({"table": "t", "definition": definition})).await.unwrap_err();
    world.clean_up("refused", error.name.as_str()).await.unwrap();
    world.execute("delete from loader.run where run_id = 'refused'").await;
    (error.name, error.message)
}

#[tokio::test]
async fn metadata_and_parts_of_keys_become_columns() {
    let world = World::new().await;
    world.source.put("t/year=2021/a.csv", "id,name\n1,one\n");
    let definition =
        json!({"metadata": ["_object", "_line", "_etag", "_run_id", "_loaded_at"], "key_parts": ["year"]});
    let brought = "year text, _object text, _line bigint, _etag text, _run_id text, _loaded_at timestamp with time zone";
    assert_eq!(staged(&world, "r1", definition.clone()).await, format!("id bigint, name text, {brought}"));
    world.clean_up("r1", "Loader.Internal").await.unwrap();

    // What the live table has of them keeps its type; so does what the definition names.
    world.execute("create table public.t (id int, year smallint, _line text, own text default 'x')").await;
    assert_eq!(
        staged(&world, "r2", json!({"metadata": ["_line", "_object"], "key_parts": ["year"]})).await,
        "id integer, year smallint, _line text, own text, _object text"
    );
    insta::assert_snapshot!(resolved(&world, "r2").await.join("\n"));
    world.clean_up("r2", "Loader.Internal").await.unwrap();
    let columns = json!([{"name": "id", "type": "int"}, {"name": "month", "type": "int"}]);
    assert_eq!(
        staged(
            &world,
            "r3",
            json!({"columns": columns, "metadata": ["_line"], "key_parts": ["year", "month"]})
        )
        .await,
        "id integer, year smallint, _line text, own text, month integer"
    );
    insta::assert_snapshot!(resolved(&world, "r3").await.join("\n"));
    world.end().await;
}

#[tokio::test]
async fn columns_that_only_objects_have_are_added_as_text() {
    let world = World::new().await;
    world.execute("create table public.t (id int, name text)").await;
    world.source.put("t/a.csv", "ID,Name,Extra Col,x\n");
    world.source.put("t/b.csv", "id,X,y,name,y\n");
    let add = json!({"unknown_columns": "add"});
    assert_eq!(
        staged(&world, "r1", add.clone()).await,
        "id integer, name text, extra_col text, x text, y text, y_2 text"
    );
    insta::assert_snapshot!(resolved(&world, "r1").await.join("\n"));
    world.clean_up("r1", "Loader.Internal").await.unwrap();

    // A table that stays can't get them.
    world.execute("alter table public.t add primary key (id)").await;
    let (name, message) = refusal(&world, json!({"unknown_columns": "add", "strategy": "merge"})).await;
    assert_eq!(name, ErrorName::LiveNotReplaceable);
    assert!(message.contains("\"extra_col\""), "{message}");
    world.end().await;
}

#[tokio::test]
async fn rules_for_all_columns_go_to_those_of_their_type() {
    let world = World::new().await;
    world.execute("create domain public.amount as numeric(9, 2); create table public.t (id int, price public.amount, day date, note text, flag bool)").await;
    world.work.put(
        "tables/t.toml",
        "[values.\"*\"]\nnull = [\"NA\", \"-\"]\ndecimal = \",\"\nformat = \"DD.MM.YYYY\"\ntrue = \"ja\"\nfalse = \"nein\"\n\
         [values.price]\nheader = [\"Preis\", \"Betrag\"]\nthousands = \".\"\n[values.note]\nnull = \"\"\ntrim = true\n",
    );
    world.prepare("r1").await.unwrap();
    insta::assert_snapshot!(resolved(&world, "r1").await.join("\n"));
    world.end().await;
}

#[tokio::test]
async fn rules_that_do_not_fit_are_refused() {
    let world = World::new().await;
    world.execute("create table public.t (id int, day date, at timestamp)").await;
    let mut refusals = Vec::new();
    for values in [
        json!({"at": {"format": "%F %T%z"}}),
        json!({"id": {"format": "DD.MM.YYYY"}}),
        json!({"day": {"decimal": ","}}),
        json!({"days": {"trim": true}}),
        json!({"*": {"decimal": ","}, "id": {"thousands": ","}}),
    ] {
        let (name, message) = refusal(&world, json!({"values": values})).await;
        assert_eq!(name, ErrorName::InvalidDefinition);
        refusals.push(message);
    }
    insta::assert_snapshot!(refusals.join("\n"));
    world.end().await;
}

#[tokio::test]
async fn an_expression_is_tried_before_anything_is_loaded() {
    let world = World::new().await;
    world.execute("create table public.t (id int, day date)").await;
    world.source.put("t/a.csv", "id,Year No,month\n1,2021,5\n");
    let mut refusals = Vec::new();
    for sql in [
        "make_date(year_no)",
        "year || month",
        "'{}'::int[]",
        "1 / 0",
        "to_date(value",
        "sum(record.id::int)",
        "'x'",
    ] {
        let (name, message) =
            refusal(&world, json!({"unknown_columns": "ignore", "values": {"day": {"sql": sql}}})).await;
        assert_eq!(name, ErrorName::InvalidDefinition, "{sql}");
        refusals.push(format!("{sql}: {message}"));
    }
    insta::assert_snapshot!(refusals.join("\n"));
    let sound = "make_date(year_no::int, month::int, 1)";
    staged(&world, "r1", json!({"unknown_columns": "ignore", "values": {"day": {"sql": sound}}})).await;
    world.end().await;
}

#[tokio::test]
async fn inferred_columns_have_the_type_that_their_rules_imply() {
    let world = World::new().await;
    world.source.put("t/a.csv", "day,price,on,note\n31.01.2021,\"1.234,5\",ja,x\n");
    let values = json!({
        "day": {"format": "DD.MM.YYYY"}, "price": {"decimal": ",", "thousands": "."},
        "on": {"true": "ja", "false": "nein"}
    });
    assert_eq!(
        staged(&world, "r1", json!({"values": values})).await,
        "day date, price numeric, \"on\" boolean, note text".replace('"', "")
    );
    world.end().await;
}

#[tokio::test]
async fn texts_become_values_as_the_definition_says() {
    let world = World::new().await;
    world
        .execute(
            "create table public.t (
                 id int, price numeric(10, 2), share numeric, day date, at timestamptz, flag bool, note varchar(6))",
        )
        .await;
    world.work.put(
        "tables/t.toml",
        "[dialect]\ndelimiter = \";\"\n[values.\"*\"]\nnull = [\"k.A.\", \"-\"]\ndecimal = \",\"\nthousands = \".\"\n\
         true = \"ja\"\nfalse = \"nein\"\nformat = [\"DD.MM.YYYY\", \"YYYY-MM-DD\"]\n[values.price]\ncurrency = true\n\
         [values.share]\npercent = true\n[values.at]\nformat = \"%d/%m/%y %I:%M %p %z\"\n[values.note]\ntrim = true\n",
    );
    world.source.put(
        "t/a.csv",
        "id;price;share;day;at;flag;note\n\
         1;1.234,50 €;12,5%;31.01.2021;01/02/21 01:30 pm +0200;Ja;\"  x \"\n\
         2;(5,00);-;2021-01-31;k.A.;nein;-\n",
    );
    world.execute("set timezone = 'UTC'").await;
    world.run("r1", &json!({"table": "t"})).await.unwrap();
    assert_eq!(
        world
            .rows("select id, price, share, day, at at time zone 'UTC', flag, note from public.t order by id")
            .await,
        ["(1,1234.50,0.125,2021-01-31,\"2021-02-01 11:30:00\",t,x)", "(2,-5.00,,2021-01-31,,f,)"]
    );

    // What is written otherwise is rejected, with the column and no value in the words.
    world.source.put("t/a.csv", "id;price;share;day;at;flag;note\n1;1,234.50;;31.02.2021;;;\n2;;;31.02.2021;;;\n3;;;;;yes;\n4;;;;;;abcdefg\n5;7;;;;;ok\n");
    let keep = json!({"table": "t", "definition": {"on_reject": "keep", "reject_limits": {"object_percent": 100, "run_percent": 100}, "gates": {"max_drop_percent": 100}}});
    world.run("r2", &keep).await.unwrap();
    assert_eq!(
        world
            .rows("select line, column_name, sqlstate, error_message from loader.rejected_row order by line")
            .await,
        [
            "(2,price,22P02,\"the text is not a number as the definition says that numbers are written\")",
            "(3,day,22008,\"the text has the format that the definition gives, and there is no such date or time\")",
            "(4,flag,22P02,\"the text is none of the words for true and false that the definition has\")",
            "(5,note,22001,\"value too long for type character varying(6)\")",
        ]
    );
    assert_eq!(world.rows("select id, price, note from public.t").await, ["(5,7.00,ok)"]);
    world.end().await;
}

#[tokio::test]
async fn rows_say_where_they_come_from() {
    let world = World::new().await;
    world.source.put("t/year=2021/month=01/a.csv", "id,note\n1,\"x\ny\"\n2,z\n");
    world.source.put("t/year=__HIVE_DEFAULT_PARTITION__/month=5%2F6/b.csv", "id,note\n3,w\n");
    let input = json!({"table": "t", "definition": {
        "metadata": ["_object", "_line", "_etag", "_run_id", "_loaded_at"], "key_parts": ["year", "month"]
    }});
    world.run("r1", &input).await.unwrap();
    assert_eq!(
        world
            .rows("select id, year, month, _object, _line, _etag <> '', _run_id, _loaded_at > now() - interval '1 hour' from public.t order by id")
            .await,
        [
            "(1,2021,01,t/year=2021/month=01/a.csv,2,t,r1,t)",
            "(2,2021,01,t/year=2021/month=01/a.csv,4,t,r1,t)",
            "(3,,5/6,t/year=__HIVE_DEFAULT_PARTITION__/month=5%2F6/b.csv,2,t,r1,t)"
        ]
    );
    world.end().await;
}

#[tokio::test]
async fn objects_of_one_run_may_have_other_columns() {
    let world = World::new().await;
    world.execute("create table public.t (id int, name text, score int default 7)").await;
    world.source.put("t/a.csv", "ID,Name,score\n1,one,1\n");
    world.source.put("t/b.csv", "extra,id\nx,2\n");
    world.source.put("t/c.csv", "name,id,extra,more\nthree,3,y,z\n");
    let of = |unknown, missing| json!({"table": "t", "definition": {"unknown_columns": unknown, "missing_columns": missing}});
    world.run("r1", &of("ignore", "default")).await.unwrap();
    assert_eq!(
        world.rows("select id, name, score from public.t order by id").await,
        ["(1,one,1)", "(2,,7)", "(3,three,7)"]
    );
    world.run("r2", &of("add", "null")).await.unwrap();
    assert_eq!(
        world.rows("select id, name, score, extra, more from public.t order by id").await,
        ["(1,one,1,,)", "(2,,,x,)", "(3,three,,y,z)"]
    );
    // One that came after the preparation can't be added any more.
    let plan = {
        world.prepare_with("r3", &of("add", "null")).await.unwrap();
        world.source.put("t/d.csv", "id,late\n4,x\n");
        world.plan("r3").await.unwrap()
    };
    world.import_all(&plan).await;
    assert_eq!(
        world.rows("select key, error_name, error_message like '%`late`%' from loader.object where state = 'failed'").await,
        ["(t/d.csv,Loader.HeaderMismatch,t)"]
    );
    world.end().await;
}

#[tokio::test]
async fn an_expression_fills_a_column() {
    let world = World::new().await;
    world
        .execute("create table public.t (id int, day date, full_name varchar(12), kind text default 'k')")
        .await;
    world.source.put(
        "t/a.csv",
        "id,Year No,month,first,last\n1,2021,5,Ann,Lee\n2,2022,x,Bob,Poe\n3,2022,7,Bartholomew,Poe\n",
    );
    let input = json!({"table": "t", "definition": {
        "unknown_columns": "ignore", "missing_columns": "default",
        "on_reject": "keep", "reject_limits": {"object_percent": 100, "run_percent": 100},
        "values": {
            "day": {"sql": "make_date(year_no::int, month::int, 1)"},
            "full_name": {"sql": "first || ' ' || last"}
        }
    }});
    world.run("r1", &input).await.unwrap();
    assert_eq!(world.rows("select * from public.t order by id").await, ["(1,2021-05-01,\"Ann Lee\",k)"]);
    assert_eq!(
        world.rows("select line, sqlstate from loader.rejected_row order by line").await,
        ["(3,22P02)", "(4,22001)"]
    );
    world.end().await;
}

#[tokio::test]
async fn rules_say_what_the_columns_of_a_new_table_are() {
    let world = World::new().await;
    world.source.put("t/a.csv", "day,n,p,s\n31.01.2021,NA,\"1.234,5\",x\n01.02.2021,5,\"7\",NA\n");
    world.work.put(
        "tables/t.toml",
        "[values.\"*\"]\nnull = \"NA\"\nformat = \"DD.MM.YYYY\"\ndecimal = \",\"\nthousands = \".\"\n",
    );
    world.run("r1", &json!({"table": "t"})).await.unwrap();
    assert_eq!(
        world
            .rows(
                "select day, n, p, s, pg_typeof(day), pg_typeof(n), pg_typeof(p) from public.t order by day"
            )
            .await,
        ["(2021-01-31,,1234.5,x,date,bigint,numeric)", "(2021-02-01,5,7,,date,bigint,numeric)"]
    );
    world.end().await;
}
