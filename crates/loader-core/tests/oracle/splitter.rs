//! What a record is, and what its fields are.

use loader_core::definition::dialect::copy::CopyDialect;
use loader_core::record::RecordReader;
use loader_core::record::fields::fields;
use proptest::prelude::*;

use crate::judge::{Judge, body, copy, split, texts};

/// Objects of what matters to a splitter.
fn object() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => Just("\n"), 3 => Just("\r\n"), 1 => Just("\r"),
        3 => Just("\""), 2 => Just("\"\""), 2 => Just("\\"), 2 => Just("\\."),
        2 => Just("\n\\.\n"), 1 => Just("\n\\.\r"), 1 => Just("\r\n\\.\r\n"),
        1 => Just("."), 3 => Just("ab"), 1 => Just("é"),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Dialects of one column whose quote and escape differ in every way that matters.
fn dialect() -> impl Strategy<Value = CopyDialect> {
    prop_oneof![Just(b'"'), Just(b'\\'), Just(b'a')].prop_map(|escape| CopyDialect {
        delimiter: b'|',
        escape,
        ..CopyDialect::default()
    })
}

/// Reads the values as this crate does.
async fn read(object: &str, dialect: &CopyDialect) -> Vec<Option<String>> {
    let mut reader = RecordReader::new(body(object.as_bytes()), dialect);
    let mut values = Vec::new();
    while let Some(record) = reader.next().await.unwrap() {
        let fields = fields(&record.bytes, dialect);
        assert_eq!(fields.len(), 1);
        let value = String::from_utf8(fields[0].value.to_vec()).unwrap();
        values.push((fields[0].quoted || !value.is_empty()).then_some(value));
    }
    values
}

#[test]
fn copy_takes_the_records_that_were_split_with_the_values_that_were_read() {
    let judge = Judge::new("create temp table t (n serial, v text)");
    judge.each(1_500, &(object(), dialect()), async |client, (object, dialect)| {
        let Some((records, counts)) = split(dialect, object.as_bytes()) else { return };
        client.batch_execute("truncate t restart identity").await.unwrap();
        let data = [b"\n", records.as_slice()].concat();
        match copy(client, "t (v)", &dialect.copy_options(true, &[]), data).await {
            Ok(rows) => {
                assert_eq!(rows, counts.records);
                assert_eq!(texts(client, "select v from t order by n").await, read(object, dialect).await);
            }
            // A carriage return amid a record is for the server to refuse.
            Err(error) => {
                let said = error.as_db_error().expect("the server refuses").message();
                assert!(said.contains("unquoted carriage return"), "{said}");
            }
        }
    });
    judge.end();
}

#[test]
fn copy_of_the_bare_object_has_as_many_rows_but_for_what_a_mark_of_the_end_swallows() {
    let judge = Judge::new("create temp table t (v text)");
    judge.each(700, &(object(), dialect()), async |client, (object, dialect)| {
        let Some((_, counts)) = split(dialect, object.as_bytes()) else { return };
        let bare = copy(client, "t", &dialect.copy_options(false, &[]), object.clone()).await;
        if let Ok(rows) = bare {
            let swallowed = rows < counts.records && object.contains("\\.");
            assert!(rows == counts.records || swallowed, "{rows} rows, {} records", counts.records);
        }
    });
    judge.end();
}
