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
    world.execute("create table public.t (id int, day date)").await;
    let mut refusals = Vec::new();
    for values in [
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
