//! What the rows of an object are put together from.
//!
//! Most columns hold fields as they stand, and those that are side by side are written in one
//! step. What stands between them is the same in all rows, or worked out of each record.

use std::ops::Range;

use super::text_format::{has_meaning, push_null, push_parts, push_value};
use crate::definition::drift::Metadata;
use crate::record::mapping::{From, MappedColumn};
use crate::record::parsed::{Parsed, Text, Written};
use crate::values::binary::{BinaryForm, Part, write_null};
use crate::values::{Converted, PlainNulls};

/// What is written for the time of the load: Postgres takes it for the beginning of
/// the transaction (documentation, "Date/Time Input", "Special Values").
const NOW: &str = "now";

/// What is known of all rows of an object without reading it.
pub(super) struct Provenance<'a> {
    pub(super) key: &'a str,
    pub(super) etag: &'a str,
    pub(super) run_id: &'a str,
}

/// A value that is not written as the definition says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RefusedValue {
    pub(super) column: String,
    pub(super) sqlstate: &'static str,
    pub(super) reason: &'static str,
}

/// The parts of each row of an object, in the order of its columns.
pub(super) struct Layout(Vec<Segment>);

enum Segment {
    /// Fields that are values as they stand, side by side.
    Fields(Vec<PlainField>),
    /// A value that all rows have, as it is written in both formats; none in binary where
    /// that is not certain.
    Same { text: Vec<u8>, binary: Option<Vec<u8>> },
    /// The line of the record.
    Line(Option<BinaryForm>),
    /// A field that is converted.
    Converted(usize, Box<MappedColumn>),
}

impl Layout {
    /// Lays out the rows of an object that has these columns.
    pub(super) fn of<'a>(
        columns: impl Iterator<Item = &'a MappedColumn>,
        provenance: &Provenance<'_>,
    ) -> Self {
        let mut segments = Vec::new();
        for column in columns {
            let segment = Segment::of(column, provenance);
            match (segments.last_mut(), segment) {
                (Some(Segment::Fields(fields)), Segment::Fields(more)) => fields.extend(more),
                (_, segment) => segments.push(segment),
            }
        }
        Self(segments)
    }

    /// Appends the values of a record in binary. Returns false where that is not certain; then
    /// what is appended is no row.
    #[inline]
    pub(super) fn write_binary(&self, record: &Parsed, scratch: &mut String, out: &mut Vec<u8>) -> bool {
        self.0.iter().all(|segment| match segment {
            Segment::Fields(fields) => {
                let text = record.text();
                fields.iter().all(|field| field.write_binary(record, text, out))
            }
            Segment::Same { binary, .. } => binary.as_ref().is_some_and(|value| {
                out.extend_from_slice(value);
                true
            }),
            Segment::Line(form) => form.is_some_and(|form| form.write(line(record, scratch), out)),
            Segment::Converted(at, column) => match converted(record, *at, column, scratch) {
                Converted::Null => write_null(out),
                Converted::Value(value) => column.binary.is_some_and(|form| form.write(value, out)),
                Converted::Refused { .. } => false,
            },
        })
    }

    /// Appends the values of a record in the text format.
    ///
    /// # Errors
    /// The first value that is refused; then what is appended is no row.
    #[inline]
    pub(super) fn write_text(
        &self,
        record: &Parsed,
        scratch: &mut String,
        out: &mut Vec<u8>,
    ) -> Result<(), RefusedValue> {
        let verbatim = record.verbatim().filter(|text| !has_meaning(text)).map(str::len);
        for (at, segment) in self.0.iter().enumerate() {
            if at > 0 {
                out.push(b'\t');
            }
            match segment {
                Segment::Fields(fields) => write_fields(fields, record, verbatim, out),
                Segment::Same { text, .. } => out.extend_from_slice(text),
                Segment::Line(_) => out.extend_from_slice(line(record, scratch).as_bytes()),
                Segment::Converted(at, column) => match converted(record, *at, column, scratch) {
                    Converted::Null => push_null(out),
                    Converted::Value(value) => push_value(value, out),
                    Converted::Refused { sqlstate, reason } => {
                        let column = column.name.as_str().to_owned();
                        return Err(RefusedValue { column, sqlstate, reason });
                    }
                },
            }
        }
        Ok(())
    }
}

impl Segment {
    fn of(column: &MappedColumn, provenance: &Provenance<'_>) -> Self {
        let same = |value| Self::same(value, column.binary);
        match &column.from {
            From::Field(at) => match column.conversion.plain() {
                Some(nulls) => Self::Fields(vec![PlainField { at: *at, nulls, form: column.binary }]),
                None => Self::Converted(*at, Box::new(column.clone())),
            },
            From::Metadata(Metadata::Line) => Self::Line(column.binary),
            From::Metadata(Metadata::Object) => same(Some(provenance.key)),
            From::Metadata(Metadata::Etag) => same(Some(provenance.etag)),
            From::Metadata(Metadata::RunId) => same(Some(provenance.run_id)),
            From::Metadata(Metadata::LoadedAt) => same(Some(NOW)),
            From::Constant(value) => same(value.as_deref()),
            // It is not carried.
            From::Sql => same(None),
        }
    }

    fn same(value: Option<&str>, form: Option<BinaryForm>) -> Self {
        let (mut text, mut binary) = (Vec::new(), Vec::new());
        let is_written = match value {
            None => {
                push_null(&mut text);
                form.is_some() && write_null(&mut binary)
            }
            Some(value) => {
                push_value(value, &mut text);
                form.is_some_and(|form| form.write(value, &mut binary))
            }
        };
        Self::Same { text, binary: is_written.then_some(binary) }
    }
}

/// A field that is a value as it stands, or NULL.
struct PlainField {
    /// Its place in the record.
    at: usize,
    /// When it is NULL.
    nulls: PlainNulls,
    form: Option<BinaryForm>,
}

impl PlainField {
    /// Returns where the value is in the record's text.
    #[inline]
    fn place(&self, record: &Parsed) -> Option<Range<usize>> {
        let (place, written) = record.place_of(self.at)?;
        (!self.nulls.has(written, place.is_empty())).then_some(place)
    }

    #[inline]
    fn write_binary(&self, record: &Parsed, text: &str, out: &mut Vec<u8>) -> bool {
        let Some(place) = self.place(record) else { return write_null(out) };
        match (self.form, Part::of(text, place)) {
            // A record with a NUL is refused before.
            (Some(form), Some(part)) => form.write_part(part, out),
            _ => false,
        }
    }
}

/// Appends fields: at once if they stand in so many bytes of text, in which nothing has a meaning to
/// the format.
#[inline]
fn write_fields(fields: &[PlainField], record: &Parsed, verbatim: Option<usize>, out: &mut Vec<u8>) {
    let places = fields.iter().map(|field| field.place(record));
    if verbatim.is_some_and(|length| push_parts(record.text(), length, places, out)) {
        return;
    }
    for (at, field) in fields.iter().enumerate() {
        if at > 0 {
            out.push(b'\t');
        }
        match field.place(record).and_then(|place| record.text().get(place)) {
            Some(value) => push_value(value, out),
            None => push_null(out),
        }
    }
}

fn line<'a>(record: &Parsed, scratch: &'a mut String) -> &'a str {
    scratch.clear();
    scratch.push_str(&record.line().to_string());
    scratch
}

fn converted<'a>(
    record: &'a Parsed,
    at: usize,
    column: &MappedColumn,
    scratch: &'a mut String,
) -> Converted<'a> {
    let text = record.field(at).unwrap_or(Text { value: "", written: Written::Absent });
    column.conversion.apply(text, scratch)
}

#[cfg(test)]
mod tests;
