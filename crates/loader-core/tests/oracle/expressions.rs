//! What the statement with SQL expressions does to the rows.

use loader_core::database::staging::loadable_columns;
use loader_core::definition::ResolvedDefinition;
use loader_core::definition::dialect::Dialect;
use loader_core::identifier::{Identifier, QualifiedName};
use loader_core::record::mapping::Mapping;
use loader_core::values::expression;
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use crate::judge::Judge;

async fn mapping(client: &Client, sql: &str, header: &[&str]) -> (QualifiedName, Mapping) {
    let name = |name: &str| Identifier::new(name).unwrap();
    let table = QualifiedName::new(name("public"), name("t"));
    let mut definition: ResolvedDefinition = serde_json::from_str(
        r#"{"bucket":"b","prefix":"t/","include":[],"exclude":[],"engine":"auto","dialect":{},"columns":[],
            "columns_from":"live","allow_empty":false,"tolerated_failed_objects":0,"max_concurrency":null,
            "unknown_columns":"ignore","missing_columns":"null"}"#,
    )
    .unwrap();
    definition.columns = loadable_columns(client, &table).await.unwrap();
    definition.columns[1].values.sql = Some(sql.to_owned());
    let header: Vec<String> = header.iter().map(ToString::to_string).collect();
    (table, Mapping::of(Some(&header), &Dialect::default(), &definition, "a.csv").unwrap())
}

/// Inserts rows of fields through an expression for the column `v`, and returns them.
fn insert(sql: &str, header: &[&str], rows: &[&[Option<&str>]]) -> Result<Vec<String>, String> {
    let judge = Judge::new("create table t (id int, v varchar(4), price numeric(5, 2), code char(2))");
    let outcome = judge.ask(async |client| {
        let (table, mapping) = mapping(client, sql, header).await;
        let arrays: Vec<Vec<Option<String>>> = mapping
            .carried()
            .map(|column| match &column.from {
                loader_core::record::mapping::From::Field(at) => {
                    rows.iter().map(|row| row[*at].map(ToOwned::to_owned)).collect()
                }
                _ => vec![None; rows.len()],
            })
            .collect();
        let parameters: Vec<&(dyn ToSql + Sync)> =
            arrays.iter().map(|array| array as &(dyn ToSql + Sync)).collect();
        let said = |error: tokio_postgres::Error| {
            let error = error.as_db_error().expect("an answer");
            format!("{}: {}", error.code().code(), error.message())
        };
        client.execute(&expression::insert(&table, &mapping), &parameters).await.map_err(said)?;
        let rows = client.query("select t::text from t order by id", &[]).await.map_err(said)?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    });
    judge.end();
    outcome
}

#[test]
fn an_expression_sees_its_own_field_and_all_others() {
    let rows = insert(
        "upper(left(value, 2)) || x -- and no more",
        &["id", "V", "x", "value"],
        &[&[Some("1"), Some("abc"), Some("!"), Some("-")], &[Some("2"), None, Some("?"), None]],
    );
    assert_eq!(rows.unwrap(), ["(1,AB!,,)", "(2,,,)"]);
    assert_eq!(insert("id || value", &["id", "value"], &[&[Some("1"), Some("z")]]).unwrap(), ["(1,,,)"]);
    assert_eq!(
        insert("id || record.value", &["id", "value"], &[&[Some("1"), Some("z")]]).unwrap(),
        ["(1,1z,,)"]
    );
}

#[test]
fn no_row_is_dropped_or_made_twice() {
    let header = ["id", "v"];
    let rows: [&[Option<&str>]; 2] = [&[Some("1"), Some("a1")], &[Some("2"), Some("b")]];
    let matches = insert("(regexp_matches(value, '[0-9]+'))[1]", &header, &rows);
    assert_eq!(matches.unwrap(), ["(1,1,,)", "(2,,,)"]);
    let twice = insert("unnest(array[value, 'x'])", &header, &rows);
    assert!(twice.unwrap_err().starts_with("21000"));
    let sum = insert("max(record.id)", &header, &rows);
    assert!(sum.unwrap_err().starts_with("42803"));
}

#[test]
fn what_is_too_long_for_its_column_is_refused_and_not_cut() {
    let header = ["id", "v", "code", "price"];
    let row = |v, code, price| [Some("1"), Some(v), Some(code), Some(price)];
    assert_eq!(insert("value", &header, &[&row("abcd", "xy", "1.255")]).unwrap(), ["(1,abcd,1.26,xy)"]);
    assert!(insert("value", &header, &[&row("abcde", "xy", "1")]).unwrap_err().starts_with("22001"));
    assert!(insert("value", &header, &[&row("a", "xyz", "1")]).unwrap_err().starts_with("22001"));
    assert!(insert("value", &header, &[&row("a", "xy", "1000")]).unwrap_err().starts_with("22003"));
}
