//! Rejected rows as rows of the table: what their texts say, by the rules of their run.

use std::collections::HashMap;
use std::sync::Arc;

use super::rejected::{Reading, Refusal, Rejected};
use crate::definition::dialect::Dialect;
use crate::definition::drift::Metadata;
use crate::definition::{ResolvedColumn, ResolvedDefinition};
use crate::error::Result;
use crate::identifier::QualifiedName;
use crate::record::mapping::{From, Mapping};
use crate::record::parsed::{Fault, Parsed, Text, Written};
use crate::record::parser::parse;
use crate::values::{Converted, expression};

/// What Postgres takes for the beginning of the transaction (documentation, "Date/Time
/// Input", "Special Values").
const NOW: &str = "now";

/// How rows get into the table: a statement with one array for each value of a row.
pub(super) struct Way {
    pub(super) statement: String,
    /// Whose values they are, each with the type that it has to be.
    pub(super) columns: Vec<(String, String)>,
    /// How the fields of a record become the values, where they come from one.
    mapping: Option<Mapping>,
}

impl Way {
    fn of(table: &QualifiedName, mapping: Mapping) -> Self {
        let columns = mapping
            .carried()
            .map(|column| (column.name.as_str().to_owned(), column.base_type.clone()))
            .collect();
        Self { statement: expression::insert(table, &mapping), columns, mapping: Some(mapping) }
    }

    /// Says why a record is none of these rows.
    pub(super) fn check(&self, record: &Parsed) -> Option<Fault> {
        self.mapping.as_ref()?.check(record)
    }
}

/// A row for the table: the statement that takes it, and its values for that.
pub(super) struct TableRow {
    pub(super) way: Arc<Way>,
    pub(super) values: Vec<Option<String>>,
}

/// The ways of all objects, each made once.
pub(super) struct Ways<'a> {
    pub(super) table: &'a QualifiedName,
    pub(super) definition: &'a ResolvedDefinition,
    /// The replay, for the column that names the run.
    pub(super) replay: &'a str,
    made: HashMap<String, Arc<Way>>,
}

impl<'a> Ways<'a> {
    pub(super) fn new(table: &'a QualifiedName, definition: &'a ResolvedDefinition, replay: &'a str) -> Self {
        Self { table, definition, replay, made: HashMap::new() }
    }

    /// Returns how the rows of an object get into the table.
    ///
    /// # Errors
    /// As those of [`Mapping::of`]: the run could read the object, so there are none
    /// unless a file has another header.
    pub(super) fn of(&mut self, key: &str, header: Option<&[String]>, dialect: &Dialect) -> Result<Arc<Way>> {
        if let Some(way) = self.made.get(key) {
            return Ok(Arc::clone(way));
        }
        let way = Arc::new(Way::of(self.table, Mapping::of(header, dialect, self.definition, key)?));
        self.made.insert(key.to_owned(), Arc::clone(&way));
        Ok(way)
    }

    /// Makes a row of values that are those of the table already.
    pub(super) fn by_column(&mut self, values: &[(String, Option<String>)]) -> TableRow {
        let names: Vec<&str> = values.iter().map(|(name, _)| name.as_str()).collect();
        let columns: Vec<&ResolvedColumn> =
            self.definition.columns.iter().filter(|column| names.contains(&column.name.as_str())).collect();
        let way = self.made.entry(format!("\0{}", names.join("\0"))).or_insert_with(|| {
            let listed = |part: &dyn Fn(&ResolvedColumn) -> String| -> String {
                columns.iter().map(|column| part(column)).collect::<Vec<_>>().join(", ")
            };
            let mut number = 0;
            let statement = format!(
                "insert into {} ({}) overriding system value\nselect {}\n  from unnest({}) as record({})",
                self.table,
                listed(&|column| column.name.to_string()),
                listed(&|column| format!("record.{}::{}", column.name, column.base.name)),
                columns
                    .iter()
                    .map(|_| {
                        number += 1;
                        format!("${number}::text[]")
                    })
                    .collect::<Vec<_>>()
                    .join(", "),
                listed(&|column| column.name.to_string()),
            );
            let columns = columns
                .iter()
                .map(|column| (column.name.as_str().to_owned(), column.base.name.clone()))
                .collect();
            Arc::new(Way { statement, columns, mapping: None })
        });
        let value = |wanted: &str| values.iter().find(|(name, _)| name == wanted)?.1.clone();
        TableRow {
            way: Arc::clone(way),
            values: columns.iter().map(|column| value(column.name.as_str())).collect(),
        }
    }

    /// Makes a row of fields.
    pub(super) fn row<'f>(
        &self,
        way: &Arc<Way>,
        rejected: &Rejected,
        field: impl Fn(usize) -> Option<Text<'f>>,
    ) -> Result<TableRow, Refusal> {
        let mut scratch = String::new();
        let mut values = Vec::new();
        for column in way.mapping.iter().flat_map(Mapping::carried) {
            values.push(match &column.from {
                From::Field(at) => {
                    let text = field(*at).unwrap_or(Text { value: "", written: Written::Absent });
                    match column.conversion.apply(text, &mut scratch) {
                        Converted::Null => None,
                        Converted::Value(value) => Some(value.to_owned()),
                        Converted::Refused { sqlstate, reason } => {
                            return Err(Refusal::Again {
                                column: Some(column.name.as_str().to_owned()),
                                constraint: None,
                                sqlstate: Some(sqlstate.to_owned()),
                                reason: reason.to_owned(),
                            });
                        }
                    }
                }
                From::Metadata(metadata) => Some(match metadata {
                    Metadata::Object => rejected.key.clone(),
                    Metadata::Line => rejected.line.to_string(),
                    Metadata::Etag => rejected.etag.clone(),
                    Metadata::RunId => self.replay.to_owned(),
                    Metadata::LoadedAt => NOW.to_owned(),
                }),
                From::Constant(constant) => constant.clone(),
                From::Sql => None,
            });
        }
        Ok(TableRow { way: Arc::clone(way), values })
    }
}

/// Reads the text of a rejected row again.
///
/// # Errors
/// Why it is not one sound record.
pub(super) fn read_again(
    rejected: &Rejected,
    reading: &Reading,
    check: impl Fn(&Parsed) -> Option<Fault>,
) -> Result<Parsed, Refusal> {
    let Some(text) = &rejected.text else {
        return Err(Refusal::Untried(
            "its text was not kept (reject_text), so give its values in a file to load it again".to_owned(),
        ));
    };
    if rejected.cut {
        return Err(Refusal::Untried(
            "only the beginning of its text was kept, so give its values in a file to load it again"
                .to_owned(),
        ));
    }
    check_marks(rejected, std::iter::once(text.as_str()))?;
    let (_, records) = parse(text.as_bytes(), &alone(reading));
    let mut records = records.into_iter();
    let (Some(record), None) = (records.next(), records.next()) else {
        return Err(Refusal::Again {
            column: None,
            constraint: None,
            sqlstate: Some("22P04".to_owned()),
            reason: "its text is not one record".to_owned(),
        });
    };
    match record.fault().or_else(|| check(&record)) {
        Some(fault) => Err(Refusal::of_record(fault)),
        None => Ok(record),
    }
}

/// Checks that nothing is left of the marks for what no text can hold: a row that was
/// refused for it has `\xNN` in its kept text, for each byte, and a replacement
/// character where there are too many. They must not become values in silence.
///
/// # Errors
/// That they are still there.
pub(super) fn check_marks<'t>(
    rejected: &Rejected,
    mut texts: impl Iterator<Item = &'t str>,
) -> Result<(), Refusal> {
    let has_marks =
        [Fault::Encoding, Fault::Nul].iter().any(|fault| rejected.reason.starts_with(fault.reason()));
    if has_marks && texts.any(is_marked) {
        return Err(Refusal::Untried(
            "such bytes still stand as \\xNN in it, so write the characters that they are to be".to_owned(),
        ));
    }
    Ok(())
}

fn is_marked(text: &str) -> bool {
    let is_byte =
        |rest: &str| rest.as_bytes().get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
    text.contains(char::REPLACEMENT_CHARACTER) || text.split("\\x").skip(1).any(is_byte)
}

/// Returns the dialect of a record that stands alone: decoded, and nothing before it.
fn alone(reading: &Reading) -> Dialect {
    let width = reading.header.as_ref().or(reading.dialect.names.as_ref());
    Dialect {
        header_rows: 0,
        skip_lines: 0,
        comment: None,
        skip_blank_lines: false,
        encoding: "UTF8".to_owned(),
        // They say how wide a record is.
        names: width.cloned(),
        ..reading.dialect.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_characters_are_seen_in_a_text() {
        for marked in ["\\xff", "a\\x00b", "C:\\x\\x1Fé", "\u{fffd}"] {
            assert!(is_marked(marked), "{marked}");
        }
        for sound in ["", "xff", "\\x", "\\xé", "\\xf", "\\x0g", "C:\\xyz"] {
            assert!(!is_marked(sound), "{sound}");
        }
    }
}
