//! A sample read in one dialect.

use crate::definition::dialect::{Dialect, Ragged};
use crate::record::parsed::{Fault, Parsed, Text, Written};
use crate::record::parser::parse;

/// The sample as one dialect reads it.
#[derive(Debug, Clone, Default)]
pub(super) struct Reading {
    /// Its records, those before the header among them.
    pub(super) rows: Vec<Row>,
}

/// A record of a sample.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    /// Its fields.
    pub(super) cells: Vec<Cell>,
    /// The line on which it begins, from 1.
    pub(super) line: u64,
    /// How many lines it takes.
    pub(super) lines: u64,
    /// Whether the dialect has no meaning for it.
    pub(super) faulty: bool,
    /// The first characters as they stand there.
    pub(super) start: String,
}

/// A field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cell {
    /// Its value.
    pub(super) value: String,
    /// Whether it was in quotes.
    pub(super) quoted: bool,
}

/// The characters of a record's beginning that are kept.
const START: usize = 8;

impl Row {
    fn of(record: &Parsed) -> Self {
        let cell = |field: Text<'_>| Cell {
            value: field.value.to_owned(),
            quoted: field.written == Written::Quoted,
        };
        Self {
            cells: record.fields().map(cell).collect(),
            line: record.line(),
            lines: record.last_line().saturating_sub(record.line()) + 1,
            faulty: record.fault().is_some(),
            start: record.raw().0.chars().take(START).collect(),
        }
    }

    /// Returns how many fields there are.
    pub(super) fn width(&self) -> usize {
        self.cells.len()
    }

    /// Returns how many fields are not empty.
    pub(super) fn filled(&self) -> usize {
        self.cells.iter().filter(|cell| !cell.value.trim().is_empty()).count()
    }

    /// Whether its line has no character.
    pub(super) fn is_blank(&self) -> bool {
        self.start.is_empty()
    }

    /// Returns a field's value, empty if there is no such field.
    pub(super) fn value(&self, at: usize) -> &str {
        self.cells.get(at).map_or("", |cell| cell.value.as_str())
    }
}

impl Reading {
    /// Reads a sample, without a header, comments or lines before. `cut`: it may end
    /// amid a record, which is then left out.
    pub(super) fn of(text: &str, dialect: &Dialect, cut: bool) -> Self {
        let dialect = Dialect {
            encoding: "UTF8".to_owned(),
            header_rows: 0,
            skip_lines: 0,
            comment: None,
            names: None,
            skip_blank_lines: false,
            trailing_delimiter: false,
            ragged: Ragged::Refuse,
            ..dialect.clone()
        };
        let (_, records) = parse(text.as_bytes(), &dialect);
        let mut rows: Vec<Row> = records.iter().map(Row::of).collect();
        if cut {
            // A quote that is open there would be closed in what follows.
            let open = records.iter().position(|record| record.fault() == Some(Fault::UnterminatedQuote));
            let late = open.filter(|open| open * 10 >= records.len() * 8);
            let complete = late.unwrap_or_else(|| records.len().saturating_sub(1)).max(1);
            rows.truncate(complete);
        }
        Self { rows }
    }
}
