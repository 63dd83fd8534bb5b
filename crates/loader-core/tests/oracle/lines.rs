//! The line that a failure names is the one of the record that failed.

use bytes::Bytes;
use futures_util::StreamExt;
use loader_core::database::failure::copy_failure;
use loader_core::definition::dialect::copy::CopyDialect;
use loader_core::error::ErrorName;
use loader_core::record::locate::{Located, locate};
use loader_core::record::{LineCount, RecordReader};
use proptest::prelude::*;
use proptest::sample::Index;
use tokio_postgres::Client;

use crate::judge::{Judge, body, copy};

/// A name that looks like what the server says behind it.
const TABLE: &str = "t, line 9, column \"x\"";
const COLUMN: &str = "v, line 7: \"";

/// An object of whole numbers with one record that is none.
#[derive(Debug, Clone)]
struct Spoilt {
    object: String,
    bad: String,
    header: bool,
}

fn spoilt() -> impl Strategy<Value = Spoilt> {
    let record =
        prop_oneof![Just("1"), Just("\"1\n\""), Just("\"1\r\n\r\n\""), Just("\"1\r\""), Just("\"\n\n1\"")];
    let line_end = prop_oneof![Just("\n"), Just("\r\n"), Just("\r")];
    (proptest::collection::vec(record, 1..6), line_end, any::<Index>(), any::<bool>()).prop_map(
        |(records, line_end, at, header)| {
            let mut records: Vec<String> = records.into_iter().map(str::to_owned).collect();
            let bad = at.index(records.len());
            records[bad] = records[bad].replace('1', "x");
            let bad = records[bad].clone();
            records.splice(..0, header.then(|| "\"v\n\"\"\r\"".to_owned()));
            let object = records.into_iter().map(|record| record + line_end).collect();
            Spoilt { object, bad, header }
        },
    )
}

/// Returns the line that the server blames.
async fn blamed(client: &Client, options: &str, data: Bytes) -> u64 {
    let into = format!("\"{}\"", TABLE.replace('"', "\"\""));
    let error = copy(client, &into, options, data).await.expect_err("one record is no number");
    let failure = copy_failure(TABLE, "k", &error);
    assert_eq!(failure.name, ErrorName::BadRow);
    let place = failure.place.expect("a place");
    assert_eq!(place.column.as_deref().map(|column| COLUMN.starts_with(column)), Some(true), "{place:?}");
    place.line.expect("a line")
}

fn found(located: Option<&Located>, spoilt: &Spoilt, line: u64) {
    let located = located.expect("the line is one of the object");
    assert_eq!((located.text.as_str(), located.last_line), (spoilt.bad.as_str(), line));
}

fn judge() -> Judge {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    Judge::new(&format!("create temp table {} ({} int)", quoted(TABLE), quoted(COLUMN)))
}

#[test]
fn the_line_of_an_object_that_the_database_reads_itself_is_found() {
    let judge = judge();
    let dialect = CopyDialect::default();
    judge.each(800, &spoilt(), async |client, spoilt| {
        let options = dialect.copy_options(spoilt.header, &[]);
        let line = blamed(client, &options, spoilt.object.clone().into()).await;
        let located =
            locate(body(spoilt.object.as_bytes()), &dialect, line, LineCount::Stored).await.unwrap();
        found(located.as_ref(), spoilt, line);
    });
    judge.end();
}

#[test]
fn the_line_of_an_object_that_goes_through_here_is_found() {
    let judge = judge();
    let dialect = CopyDialect::default();
    judge.each(800, &spoilt(), async |client, spoilt| {
        let mut reader = RecordReader::new(body(spoilt.object.as_bytes()), &dialect);
        if spoilt.header {
            reader.header().await.unwrap();
        }
        let (mut splitter, mut rest) = reader.into_rest();
        let mut out = vec![Bytes::from_static(b"\n")];
        while let Some(chunk) = rest.next().await {
            splitter.push(chunk.unwrap(), &mut out).unwrap();
        }
        splitter.finish(&mut out).unwrap();
        let line = blamed(client, &dialect.copy_options(true, &[]), out.concat().into()).await;
        // The server counts our header, and from 1, as the splitter does.
        let line = line + splitter.first_line() - 2;
        let located =
            locate(body(spoilt.object.as_bytes()), &dialect, line, LineCount::Newlines).await.unwrap();
        found(located.as_ref(), spoilt, line);
    });
    judge.end();
}
