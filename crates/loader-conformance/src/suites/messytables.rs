//! The "horror" folder of messytables: real files that people could not load.
//!
//! Nobody wrote down what each of them means, so it stands here: the dialect that a
//! person sees in the file, and the second reader with that dialect as the truth.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use super::second_reader::{Reading, Table, bytes, decode, files, is_a, name};
use super::text_table::{TextColumns, as_read, case, cells, either_width, guessed, lenient};
use crate::suite::{Cases, Compare, Expected, Suite};

/// The suite.
#[derive(Debug, Clone, Copy, Default)]
pub struct Messytables;

impl Suite for Messytables {
    fn name(&self) -> &'static str {
        "messytables-horror"
    }

    fn bar(&self) -> f64 {
        0.95
    }

    fn cases(&self, data: &Path) -> Result<Cases> {
        let mut cases = Cases::default();
        for file in files(&data.join(self.name()))? {
            let name = name(&file);
            if !is_a(&name, "md") {
                of_file(&name, &bytes(&file)?, &mut cases)?;
            }
        }
        Ok(cases)
    }
}

/// What a person sees in a file.
struct Seen {
    reading: Reading,
    encoding: &'static str,
    /// The same as a definition says it.
    dialect: Value,
    /// What comes of it if everything is found out.
    alone: Alone,
}

/// What comes of a file if everything is found out.
#[derive(Clone, Copy)]
enum Alone {
    /// The same: there is one way to read it.
    Same,
    /// The same, or the same with the first record for a header, or without one.
    HeaderOrNot,
    /// It is a report more than a table: it must not break.
    Anything,
}

fn seen(name: &str) -> Option<Seen> {
    let plain = || Reading::default();
    let (reading, encoding, dialect, alone) = match name {
        "simple.csv" => (plain(), "utf-8", json!({}), Alone::Same),
        "simple.ssv" => {
            (Reading { delimiter: b';', ..plain() }, "utf-8", json!({ "delimiter": ";" }), Alone::Same)
        }
        "simple.psv" => {
            (Reading { delimiter: b'|', ..plain() }, "utf-8", json!({ "delimiter": "|" }), Alone::Same)
        }
        "example.tsv" => {
            (Reading { delimiter: b'\t', ..plain() }, "utf-8", json!({ "delimiter": "\t" }), Alone::Same)
        }
        "long.csv" | "small.csv" => {
            (Reading { header: false, ..plain() }, "utf-8", json!({ "header": false }), Alone::HeaderOrNot)
        }
        "null.csv" => {
            (Reading { header: false, ..plain() }, "utf-8", json!({ "header": false }), Alone::Same)
        }
        "utf8bom.csv" => (plain(), "utf-8", json!({}), Alone::HeaderOrNot),
        "utf-16le_encoded.csv" => (plain(), "utf-16le", json!({ "encoding": "UTF-16LE" }), Alone::Same),
        "spanish_chars.csv" | "sparse_with_column_errors.csv" => {
            (plain(), "windows-1252", json!({ "encoding": "WIN1252" }), Alone::Same)
        }
        "characters.csv" => (plain(), "big5", json!({ "encoding": "BIG5" }), Alone::Same),
        "mixedGLB.csv" | "excel_pasting.csv" => {
            (Reading { skip_lines: 3, ..plain() }, "utf-8", json!({ "skip_lines": 3 }), Alone::Same)
        }
        "begrotingsanalyse-2011.csv" => {
            (Reading { header: false, ..plain() }, "utf-8", json!({ "header": false }), Alone::Anything)
        }
        // Eleven lines of a title and of what the table is about, and footnotes behind it.
        "weird_head_padding.csv" => (
            Reading { delimiter: b';', skip_lines: 11, ..plain() },
            "utf-8",
            json!({ "delimiter": ";", "skip_lines": 11, "skip_blank_lines": true, "ragged": "pad" }),
            Alone::Anything,
        ),
        _ => return None,
    };
    Some(Seen { reading, encoding, dialect, alone })
}

fn of_file(name: &str, bytes: &[u8], cases: &mut Cases) -> Result<()> {
    let auto = lenient(json!({ "dialect": "auto" }));
    let alone = format!("{name} (auto)");
    if let Some((table, dialect)) = padded(name) {
        return with_blanks(name, bytes, &table, &dialect, cases);
    }
    if let Some(part) = refused(name, bytes) {
        let expected = Expected::Refused { contains: vec![part.to_owned()] };
        cases.cases.push(case(name, name, bytes, json!({}), expected.clone()));
        cases.cases.push(case(&alone, name, bytes, json!({ "dialect": "auto" }), expected));
        return Ok(());
    }
    let Some(seen) = seen(name) else {
        cases.cases.push(case(&alone, name, bytes, auto, guessed(bytes)));
        return Ok(());
    };
    let table = seen.reading.read(&decode(bytes, seen.encoding)?)?;
    let columns = TextColumns::of(&table);
    let told = json!({ "columns": columns.defined, "dialect": seen.dialect });
    let expected = as_read(&table, Some(columns.names), Compare::ValuesOrEmpty);
    cases.cases.push(case(name, name, bytes, lenient(told), expected));
    let expected = match seen.alone {
        Alone::Same => either_width(&table),
        Alone::HeaderOrNot => header_or_not(&table),
        Alone::Anything => Expected::Loads,
    };
    cases.cases.push(case(&alone, name, bytes, auto, expected));
    Ok(())
}

/// Returns what the error says of a file that holds no table.
fn refused(name: &str, bytes: &[u8]) -> Option<&'static str> {
    match name {
        _ if bytes.is_empty() => Some("nothing"),
        _ if bytes.starts_with(b"PK\x03\x04") => Some("zip"),
        _ => None,
    }
}

/// Expects all records as rows, or all but the first one, which is the header.
fn header_or_not(table: &Table) -> Expected {
    let mut all = table.rows.clone();
    all.splice(0..0, table.header.clone());
    let rest = all.iter().skip(1).cloned().collect::<Vec<_>>();
    let rows = |rows: Vec<Vec<String>>| Expected::Rows {
        columns: None,
        rows: cells(rows),
        ordered: false,
        compare: Compare::ValuesOrEmpty,
    };
    Expected::AnyOf(vec![rows(all), rows(rest)])
}

/// Returns the files that have blanks between delimiters and values, which the second
/// reader keeps before a quote: read by Python's `csv` with `skipinitialspace`.
fn padded(name: &str) -> Option<(Table, Value)> {
    let (header, rows): (&[&str], &[&[&str]]) = match name {
        "complex.csv" => (
            &["date", "another date", "temperature", "place"],
            &[
                &["2011-01-01", "24 October 2011", "0", ""],
                &["2011-01-02", "24 October 2012", "-1", "Galway and more"],
                &["2011-01-03", "", "6,000,000", "Galway"],
            ],
        ),
        "skip_initials.csv" => (&["field1", "field2"], &[&["hello", "goodbye"], &["hello2", "goodbye2"]]),
        _ => return None,
    };
    let owned = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
    let table = Table { header: Some(owned(header)), rows: rows.iter().map(|row| owned(row)).collect() };
    Some((table, json!({ "trim": "unquoted" })))
}

fn with_blanks(name: &str, bytes: &[u8], table: &Table, dialect: &Value, cases: &mut Cases) -> Result<()> {
    let columns = TextColumns::of(table);
    let trimmed = as_read(table, Some(columns.names.clone()), Compare::ValuesOrEmpty);
    let told = json!({ "columns": columns.defined, "dialect": dialect });
    cases.cases.push(case(name, name, bytes, told, trimmed.clone()));
    // Blanks may as well be a part of the values: COPY takes them so.
    let anywhere = decode(bytes, "utf-8")?.replace(" \"", "\" ");
    let kept = as_read(&Reading::default().read(&anywhere)?, Some(columns.names), Compare::ValuesOrEmpty);
    let expected = Expected::AnyOf(vec![trimmed, kept]);
    let auto = lenient(json!({ "dialect": "auto" }));
    cases.cases.push(case(&format!("{name} (auto)"), name, bytes, auto, expected));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_record_is_a_row_or_a_header() {
        let table = Reading { header: false, ..Reading::default() }.read("a").unwrap();
        let Expected::AnyOf(either) = header_or_not(&table) else { panic!() };
        let rows: Vec<_> = either
            .iter()
            .map(|expected| match expected {
                Expected::Rows { rows, .. } => rows.len(),
                _ => panic!(),
            })
            .collect();
        assert_eq!(rows, [1, 0]);
    }
}
