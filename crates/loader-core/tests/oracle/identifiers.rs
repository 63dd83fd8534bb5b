//! Any name is itself in SQL, and any header makes columns.

use loader_core::identifier::{Identifier, MAX_IDENTIFIER_BYTES};
use proptest::prelude::*;
use tokio_postgres::Client;

use crate::judge::{Judge, texts};

fn name() -> impl Strategy<Value = Identifier> {
    let text = prop_oneof![
        "[^\0]{1,20}",
        "[a-z\"'\\\\ .;$-]{1,63}",
        "[é日🌧]{1,21}",
        Just("select".to_owned()),
        Just("Year 2022".to_owned()),
        Just("x".repeat(MAX_IDENTIFIER_BYTES)),
    ];
    text.prop_filter_map("too long", |text| Identifier::new(text).ok())
}

/// Creates a table with these columns in a transaction, and returns their names.
async fn columns_of(client: &Client, table: &Identifier, columns: &[Identifier]) -> Vec<Option<String>> {
    let list: Vec<String> = columns.iter().map(|column| format!("{column} int")).collect();
    let create = format!("begin; create temp table {table} ({})", list.join(", "));
    let created = client.batch_execute(&create).await;
    let names = match created {
        Ok(()) => texts(client, &format!("select attname::text from pg_attribute where attrelid = 'pg_temp.{}'::regclass and attnum > 0 order by attnum", table.to_string().replace('\'', "''"))).await,
        Err(_) => Vec::new(),
    };
    client.batch_execute("rollback").await.unwrap();
    created.unwrap_or_else(|error| panic!("{create}: {error:?}"));
    names
}

fn as_text(names: &[Identifier]) -> Vec<Option<String>> {
    names.iter().map(|name| Some(name.as_str().to_owned())).collect()
}

#[test]
fn a_quoted_name_is_the_name_of_what_it_names() {
    let judge = Judge::new("");
    judge.each(400, &(name(), name()), async |client, (table, column)| {
        let row = client.query_one(&format!("select 1 as {column}"), &[]).await.unwrap();
        assert_eq!(row.columns()[0].name(), column.as_str());
        if is_of_the_system(column) {
            return;
        }
        let columns = columns_of(client, table, std::slice::from_ref(column)).await;
        assert_eq!(columns, as_text(std::slice::from_ref(column)));
    });
    judge.end();
}

/// Whether every table has a column of this name already.
fn is_of_the_system(name: &Identifier) -> bool {
    ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"].contains(&name.as_str())
}

#[test]
fn the_names_made_from_any_header_are_columns_of_one_table() {
    let judge = Judge::new("");
    let table = Identifier::new("t").unwrap();
    let cell = prop_oneof![3 => "\\PC{0,80}", 2 => "[aA_1 .]{0,3}", 1 => Just("select".to_owned())];
    judge.each(300, &proptest::collection::vec(cell, 1..12), async |client, cells| {
        let names = Identifier::all_from_header(cells);
        assert_eq!(columns_of(client, &table, &names).await, as_text(&names));
    });
    judge.end();
}

#[test]
fn a_header_with_names_that_every_table_has_makes_columns_too() {
    let judge = Judge::new("");
    let table = Identifier::new("t").unwrap();
    // A bounding box is written so.
    let cells =
        ["xmin", "ymin", "XMax", "ymax", "ctid", "cmin", "cmax", "tableoid", "oid"].map(str::to_owned);
    let names = Identifier::all_from_header(&cells);
    assert_eq!(judge.ask(async |client| columns_of(client, &table, &names).await), as_text(&names));
    judge.end();
}
