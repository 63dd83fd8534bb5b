//! Files that readers get wrong, with their answers.

use std::path::{Path, PathBuf};

use loader_core::definition::dialect::copy::CopyDialect;
use loader_core::identifier::Identifier;
use loader_core::record::RecordReader;
use loader_core::record::header::cells;
use serde_json::Value;
use tokio_postgres::Client;

use crate::judge::{Judge, body, copy, split};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/csv-spectrum")
}

/// Loads an object into a table of text and returns it as JSON, row by row.
async fn loaded(client: &Client, object: &[u8]) -> Vec<Value> {
    let dialect = CopyDialect::default();
    let header = RecordReader::new(body(object), &dialect).header().await.unwrap().expect("a header");
    let names = Identifier::all_from_header(&cells(&header.bytes, &dialect).unwrap());
    let columns: Vec<String> = names.iter().map(|name| format!("{name} text")).collect();
    let table = format!("drop table if exists t; create temp table t ({})", columns.join(", "));
    client.batch_execute(&table).await.unwrap();
    let (records, counts) = split(&dialect, object).expect("every quote ends");
    let rows = copy(client, "t", &dialect.copy_options(true, &[]), records).await.unwrap();
    assert_eq!(rows + 1, counts.records);
    let rows = client.query("select to_json(t) from t order by ctid", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn the_files_of_csv_spectrum_are_read_as_their_answers_say_whatever_ends_their_lines() {
    let judge = Judge::new("");
    let mut files = 0;
    for entry in std::fs::read_dir(folder().join("csvs")).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let object = std::fs::read_to_string(&file).unwrap();
        let answer = std::fs::read_to_string(folder().join(format!("json/{name}.json"))).unwrap();
        for line_end in ["\n", "\r\n", "\r"] {
            // Within quotes they are part of the value.
            let object = object.replace('\n', line_end);
            let escaped = line_end.replace('\r', "\\r").replace('\n', "\\n");
            let answer: Vec<Value> = serde_json::from_str(&answer.replace("\\n", &escaped)).unwrap();
            let rows = judge.ask(async |client| loaded(client, object.as_bytes()).await);
            assert_eq!(rows, answer, "{name}, lines ending in {line_end:?}");
        }
        files += 1;
    }
    assert_eq!(files, 7);
    judge.end();
}
