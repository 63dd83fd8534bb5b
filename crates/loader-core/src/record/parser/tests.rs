use proptest::prelude::*;
use proptest::sample::Index;

use super::super::model::{self, run, stream_of};
use super::super::parsed::Written;
use super::*;
use crate::definition::dialect::{FixedField, Quoting, Ragged, Trim};

mod csv;
mod formats;
mod places;
mod properties;

/// A dialect without a header.
fn bare() -> Dialect {
    Dialect { header_rows: 0, ..Dialect::default() }
}

/// The records as texts: what was absent is `~`, what was in quotes is in brackets.
fn shown(records: &[Parsed]) -> Vec<String> {
    records.iter().map(show).collect()
}

fn show(record: &Parsed) -> String {
    if let Some(fault) = record.fault() {
        return format!("{fault:?}: {}", record.raw().0);
    }
    let fields: Vec<String> = record
        .fields()
        .map(|field| match field.written {
            Written::Plain => field.value.to_owned(),
            Written::Quoted => format!("[{}]", field.value),
            Written::Absent => "~".to_owned(),
        })
        .collect();
    fields.join("|")
}

fn read(text: &str, dialect: &Dialect) -> Vec<String> {
    let (_, records) = parse(text.as_bytes(), dialect);
    shown(&records)
}

/// Reads a text in chunks.
fn read_in_chunks(
    text: &[u8],
    cuts: &[Index],
    dialect: &Dialect,
    limit: usize,
) -> Result<(Option<Vec<String>>, Vec<Parsed>)> {
    run(async {
        let mut parser = Parser::new(stream_of(model::chunks(text, cuts)), dialect)?;
        parser.set_max_record_bytes(limit);
        let header = parser.header().await?;
        let mut records = Vec::new();
        let mut record = Parsed::default();
        while parser.next(&mut record).await? {
            records.push(record.clone());
        }
        Ok((header, records))
    })
}
