//! The file of rejected rows that a person corrects: CSV as RFC 4180 has it, in UTF-8.
//!
//! A value that is NULL is empty, an empty text is empty in quotes, as COPY writes them.

use std::collections::HashSet;

use crate::definition::ResolvedDefinition;
use crate::definition::dialect::Dialect;
use crate::definition::drift::{Filled, UnknownColumns};
use crate::error::{Error, ErrorName, Result};
use crate::record::parsed::{Parsed, Text, Written};
use crate::record::parser::parse;

/// What says which row it is.
const PLACE: [&str; 2] = ["_key", "_line"];
/// What says more about it, for whoever reads the file.
const ABOUT: [&str; 4] = ["_record", "_sqlstate", "_column", "_reason"];
/// The record as it stands in its object, behind the columns of the table.
const RECORD: &str = "_row";

/// Writes a header or a row.
pub(super) fn line<'a>(cells: impl IntoIterator<Item = Option<&'a str>>) -> String {
    let mut line = String::new();
    for (at, cell) in cells.into_iter().enumerate() {
        if at > 0 {
            line.push(',');
        }
        match cell {
            None => {}
            Some(cell) if cell.is_empty() || cell.contains([',', '"', '\r', '\n']) => {
                line.push('"');
                line.push_str(&cell.replace('"', "\"\""));
                line.push('"');
            }
            // One column of `\.` alone would end a COPY of the file before PostgreSQL 18.
            Some(cell) => line.push_str(cell),
        }
    }
    line.push('\n');
    line
}

/// Returns the names of the file's cells, around those of the table's columns.
pub(super) fn header(columns: &[String]) -> impl Iterator<Item = &str> {
    PLACE.into_iter().chain(ABOUT).chain(columns.iter().map(String::as_str)).chain([RECORD])
}

/// A file that somebody has put back.
pub(super) struct Corrected {
    /// The names of its columns that are the table's.
    pub(super) header: Vec<String>,
    /// Where they are among the cells of a row.
    places: Vec<usize>,
    /// Its rows, in the order of their keys and lines.
    pub(super) rows: Vec<CorrectedRow>,
}

/// A row of a file.
pub(super) struct CorrectedRow {
    pub(super) key: String,
    pub(super) line: i64,
    /// The line of the file on which it is.
    pub(super) at: u64,
    record: Parsed,
}

impl Corrected {
    /// Reads a file.
    ///
    /// # Errors
    /// `InvalidInput`, naming the file and the line.
    pub(super) fn read(bytes: &[u8], place: &str, definition: &ResolvedDefinition) -> Result<Self> {
        let wrong = |why: String| Error::new(ErrorName::InvalidInput, format!("{place}{why}"));
        let (names, records) = parse(bytes, &dialect());
        let names = names.unwrap_or_default();
        let find = |wanted: &str| names.iter().position(|name| name == wanted);
        let (Some(key_at), Some(line_at)) = (find(PLACE[0]), find(PLACE[1])) else {
            return Err(wrong(
                " does not begin with the names of its columns, _key and _line among them: is it the exported file, as CSV with commas in UTF-8?"
                    .to_owned(),
            ));
        };
        let ours: HashSet<usize> =
            PLACE.iter().chain(&ABOUT).chain([&RECORD]).filter_map(|name| find(name)).collect();
        let places: Vec<usize> = (0..names.len()).filter(|at| !ours.contains(at)).collect();
        let header: Vec<String> = places.iter().filter_map(|at| names.get(*at).cloned()).collect();
        check_names(&header, definition)
            .map_err(|name| wrong(format!(" has the column {name:?}, which is none of the table")))?;
        let mut rows = Vec::with_capacity(records.len());
        for record in records {
            let at = record.line();
            if let Some(fault) = record.fault() {
                return Err(wrong(format!(", line {at}: {}", fault.reason())));
            }
            let cell = |at: usize| record.field(at).map_or("", |text| text.value);
            let Ok(line) = cell(line_at).trim().parse() else {
                return Err(wrong(format!(", line {at}: _line is no number")));
            };
            rows.push(CorrectedRow { key: cell(key_at).to_owned(), line, at, record });
        }
        rows.sort_by(|one, other| (&one.key, one.line).cmp(&(&other.key, other.line)));
        if let Some([_, again]) = rows.array_windows().find(|[one, other]| one.is_same(other)) {
            return Err(wrong(format!(
                ", line {}: the row of line {} of {} is there twice; each is loaded once",
                again.at, again.line, again.key
            )));
        }
        Ok(Self { header, places, rows })
    }

    /// Returns a cell of one of the table's columns.
    pub(super) fn field<'a>(&self, row: &'a CorrectedRow, at: usize) -> Option<Text<'a>> {
        row.record.field(*self.places.get(at)?)
    }

    /// Returns the texts of a row.
    pub(super) fn values<'a>(&self, row: &'a CorrectedRow) -> impl Iterator<Item = &'a str> {
        self.places.iter().filter_map(|at| Some(row.record.field(*at)?.value))
    }

    /// Whether a row has no value at all: what could not be told apart is exported so,
    /// and is no row of NULLs.
    pub(super) fn is_empty(&self, row: &CorrectedRow) -> bool {
        (0..self.places.len()).all(|at| {
            self.field(row, at).is_none_or(|text| text.value.is_empty() && text.written != Written::Quoted)
        })
    }
}

impl CorrectedRow {
    fn is_same(&self, other: &Self) -> bool {
        (&self.key, self.line) == (&other.key, other.line)
    }
}

/// Returns the dialect of the file.
pub(super) fn dialect() -> Dialect {
    Dialect { skip_blank_lines: true, ..Dialect::default() }
}

/// Returns the definition by which a file is read: its columns have the table's names.
pub(super) fn definition_of_file(definition: &ResolvedDefinition) -> ResolvedDefinition {
    let mut definition = definition.clone();
    for column in &mut definition.columns {
        column.header = None;
        column.aliases = Vec::new();
    }
    definition.unknown_columns =
        if has_expressions(&definition) { UnknownColumns::Ignore } else { UnknownColumns::Fail };
    definition
}

/// Whether fields without a column may be read by an expression.
pub(super) fn has_expressions(definition: &ResolvedDefinition) -> bool {
    definition.columns.iter().any(|column| column.values.sql.is_some())
}

/// Checks that there is nothing beside the table's columns that would be left out in
/// silence; returns the first name that there should not be.
fn check_names(names: &[String], definition: &ResolvedDefinition) -> Result<(), String> {
    let is_known = |name: &&String| {
        definition
            .columns
            .iter()
            .any(|column| column.filled == Filled::Field && column.name.as_str() == *name)
    };
    match names.iter().find(|name| !is_known(name)) {
        Some(unknown) if !has_expressions(definition) => Err(unknown.clone()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn definition() -> ResolvedDefinition {
        serde_json::from_value(serde_json::json!({
            "bucket": "b", "prefix": "t/", "include": [], "exclude": [], "engine": "stream", "dialect": {},
            "columns": [
                {"name": "id", "type": "integer", "required": true, "is_text": false},
                {"name": "name", "type": "text", "required": true, "is_text": true},
            ],
            "columns_from": "live", "allow_empty": false, "tolerated_failed_objects": 0, "max_concurrency": null,
        }))
        .unwrap()
    }

    fn read(text: &str) -> Result<Corrected> {
        Corrected::read(text.as_bytes(), "s3://w/replays/r.csv", &definition())
    }

    fn refused(text: &str) -> String {
        let error = read(text).err().expect("it is refused");
        assert_eq!(error.name, ErrorName::InvalidInput);
        assert!(error.message.starts_with("s3://w/replays/r.csv"), "{error}");
        error.message
    }

    #[test]
    fn a_file_that_is_not_the_exported_one_is_refused_with_its_line() {
        assert!(refused("id,name\n1,one\n").contains("_key and _line"));
        assert!(refused("").contains("_key and _line"));
        assert!(refused("_key;_line;id;name\nt/a;2;1;one\n").contains("with commas"));
        assert!(refused("_key,_line,id,nmae\n").contains("\"nmae\""));
        assert!(refused("_key,_line,id,name\nt/a,x,1,one\n").contains("line 2: _line is no number"));
        assert!(refused("_key,_line,id,name\nt/a,2,1\n").contains("line 2: the record has too few fields"));
        assert!(
            refused("_key,_line,id,name\nb,2,1,x\na,2,1,x\nb,2,1,y\n")
                .contains("line 4: the row of line 2 of b")
        );
    }

    #[test]
    fn what_a_spreadsheet_writes_is_read_or_refused_with_its_line() {
        let file = read("\u{feff}_key,_line,id,name\r\nt/a.csv,2,1,\"one\"\r\n").unwrap();
        assert_eq!((file.header.len(), file.rows.len()), (2, 1));
        let latin1 = b"_key,_line,id,name\nt/a.csv,2,1,M\xfcller\n";
        let error = Corrected::read(latin1, "s3://w/replays/r.csv", &definition()).err().unwrap();
        assert!(error.message.contains("line 2: the record holds bytes that are no characters"), "{error}");
    }

    #[test]
    fn the_columns_may_be_in_any_order_and_what_is_about_the_row_may_be_gone() {
        let file = read("name,_line,_key,id\none,2,t/a.csv,1\n\n,3,t/a.csv,\n").unwrap();
        assert_eq!(file.header, ["name", "id"]);
        let [first, second] = file.rows.as_slice() else { panic!("two rows") };
        assert_eq!((first.key.as_str(), first.line, first.at), ("t/a.csv", 2, 2));
        assert_eq!(file.field(first, 1).unwrap().value, "1");
        assert!(!file.is_empty(first) && file.is_empty(second));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(cells in prop::collection::vec(prop::option::of("[a,\"\r\n \\\\.é]{0,5}"), 2)) {
            let place = [Some("t/a \"b\",c.csv"), Some("7")];
            let mut text = line([Some("_key"), Some("_line"), Some("id"), Some("name")]);
            text.push_str(&line(place.into_iter().chain(cells.iter().map(Option::as_deref))));
            let file = read(&text).unwrap();
            let [row] = file.rows.as_slice() else { panic!("one row") };
            prop_assert_eq!(row.key.as_str(), "t/a \"b\",c.csv");
            for (at, cell) in cells.iter().enumerate() {
                let text = file.field(row, at).unwrap();
                prop_assert_eq!(text.value, cell.as_deref().unwrap_or_default());
                prop_assert_eq!(text.written == Written::Quoted && text.value.is_empty(), cell.as_deref() == Some(""));
            }
        }
    }
}
