//! Random rows, written in any dialect and encoding, are in the table as they were.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::world::World;

/// How objects are written.
#[derive(Debug, Clone)]
struct Dialect {
    delimiter: &'static str,
    quote: char,
    escape: char,
    line_end: &'static str,
    header: bool,
    null: &'static str,
    encoding: &'static str,
    keep: bool,
    rows: Vec<Vec<Option<String>>>,
}

fn dialect() -> impl Strategy<Value = Dialect> {
    // Every encoding here has these characters. Rows of long texts go another way than others.
    let rows_of = |text: &'static str| {
        let cell = prop_oneof![4 => text.prop_map(Some), 1 => Just(None)];
        prop::collection::vec(prop::collection::vec(cell, 3), 0..12)
    };
    let rows = prop_oneof![
        rows_of("[ab,;|^'\"~\\\\ \t\r\né§NUL]{0,6}"),
        rows_of("[ab,;|^'\"~\\\\ \t\r\né§NUL]{0,60}")
    ];
    let delimiter = prop::sample::select(vec![",", ";", "\t", "|", "||", "^", "\u{1}", "~,~"]);
    let quoting = prop::sample::select(vec![('"', '"'), ('"', '\\'), ('\'', '\''), ('\'', '\\'), ('§', '§')]);
    let line_end = prop::sample::select(vec!["\n", "\r\n", "\r"]);
    let null = prop::sample::select(vec!["", "NULL", "\\N", "-"]);
    let encoding = prop::sample::select(vec![
        "UTF8",
        "LATIN1",
        "windows-1252",
        "macintosh",
        "ISO-8859-15",
        "UTF-16LE",
        "UTF-16BE",
        "gb18030",
    ]);
    (delimiter, quoting, line_end, any::<bool>(), null, encoding, any::<bool>(), rows).prop_map(
        |(delimiter, (quote, escape), line_end, header, null, encoding, keep, rows)| Dialect {
            delimiter,
            quote,
            escape,
            line_end,
            header,
            null,
            encoding,
            keep,
            rows,
        },
    )
}

impl Dialect {
    fn write(&self) -> Vec<u8> {
        let mut text = String::new();
        let names = ["n", "a", "b", "c"];
        if self.header {
            write!(text, "{}{}", names.join(self.delimiter), self.line_end).unwrap();
        }
        for (number, row) in self.rows.iter().enumerate() {
            write!(text, "{number}").unwrap();
            for cell in row {
                text.push_str(self.delimiter);
                match cell {
                    None => text.push_str(self.null),
                    Some(value) => {
                        text.push(self.quote);
                        for c in value.chars() {
                            if c == self.quote || c == self.escape {
                                text.push(self.escape);
                            }
                            text.push(c);
                        }
                        text.push(self.quote);
                    }
                }
            }
            text.push_str(self.line_end);
        }
        match self.encoding {
            "UTF-16LE" => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            "UTF-16BE" => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            "LATIN1" => text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect(),
            name => {
                let encoding = encoding_rs::Encoding::for_label(name.to_lowercase().as_bytes());
                encoding.unwrap_or(encoding_rs::UTF_8).encode(&text).0.into_owned()
            }
        }
    }

    fn definition(&self) -> Value {
        let mut dialect = json!({
            "delimiter": self.delimiter, "quote": self.quote.to_string(), "escape": self.escape.to_string(),
            "header": self.header, "null": self.null, "encoding": self.encoding, "line_end": self.line_end,
        });
        if !self.header {
            dialect["names"] = json!(["n", "a", "b", "c"]);
        }
        json!({
            "dialect": dialect, "allow_empty": true, "on_reject": if self.keep { "keep" } else { "fail" },
            "columns": [
                {"name": "n", "type": "int"}, {"name": "a", "type": "text"},
                {"name": "b", "type": "text"}, {"name": "c", "type": "varchar(90)"}
            ],
        })
    }
}

#[test]
fn rows_in_any_dialect_and_encoding_are_loaded_as_they_were() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(World::new());
    let number = AtomicU32::new(0);
    let config = Config { cases: 60, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&dialect(), |dialect| {
        let table = format!("t{}", number.fetch_add(1, Ordering::Relaxed));
        world.source.put(&format!("{table}/a.csv"), dialect.write());
        runtime.block_on(async {
            let input = json!({"table": table, "definition": dialect.definition()});
            let published = world.run(&table, &input).await;
            assert_eq!(published.unwrap().rows, dialect.rows.len() as u64);
            let query = format!("select a, b, c from public.{table} order by n");
            let rows = world.client.query(&query, &[]).await.unwrap();
            let found: Vec<Vec<Option<String>>> =
                rows.iter().map(|row| (0..3).map(|at| row.get(at)).collect()).collect();
            assert_eq!(found, dialect.rows);
            assert_eq!(world.one("select count(*) from loader.rejected_row").await, "0");
        });
        Ok(())
    });
    runtime.block_on(world.end());
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}
