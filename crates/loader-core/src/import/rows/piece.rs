//! Rows of an object as they are sent, with the places that they come from.

use std::sync::Arc;

use bytes::Bytes;

use super::plain::PlainField;
use super::spare::{Buffers, Spares, Used};
use super::text_format::{has_meaning, push_null, push_parts, push_value};
use super::{MARKS, PART_SHIFT};
use crate::database::rejects::{MAX_TEXT_BYTES, Reject, kept_text};
use crate::definition::drift::Metadata;
use crate::record::mapping::{From, MappedColumn, Mapping};
use crate::record::parsed::{Parsed, Text, Written};
use crate::values::Converted;
use crate::values::binary::{begin_row, write_bytes, write_null};

/// Bytes of rows, or of their texts, at which a piece is full.
const FULL_BYTES: usize = 256 * 1024;
/// Records at which a piece is full.
const FULL_RECORDS: usize = 4_096;

/// What is written for the time of the load: Postgres takes it for the beginning of
/// the transaction (documentation, "Date/Time Input", "Special Values").
const NOW: &str = "now";

/// What the rows of an object have in common.
pub(super) struct Origin {
    pub(super) key: String,
    pub(super) etag: String,
    pub(super) run_id: String,
    pub(super) mapping: Arc<Mapping>,
    /// The fields that make a row, if that is all there is to it.
    pub(super) plain: Option<Vec<PlainField>>,
    /// Whether each row is marked with where it comes from, so that it is found again
    /// when it repeats a key.
    pub(super) marked: bool,
    /// The part of the object that is read, from 0.
    pub(super) part: u32,
    /// Whether the texts of rejected rows are kept.
    pub(super) keep_text: bool,
    pub(super) wire: Wire,
    /// Whether rows that are sent at once are let go of: the database is trusted to take
    /// what is certain.
    pub(super) trusts: bool,
}

impl Origin {
    /// Whether a row is asked for again after it was sent, or has not been sent by then.
    fn is_kept(&self, binary: bool) -> bool {
        !self.trusts || (self.wire != Wire::Text && !binary)
    }

    /// Returns what a row is marked with: its line, which is counted from the beginning of
    /// its part, and above that the part's number.
    fn mark(&self, record: &Parsed) -> u64 {
        (u64::from(self.part) << PART_SHIFT) + record.line()
    }
}

/// How rows are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    /// In the text format of COPY.
    Text,
    /// In the binary format, but for those with a value that only Postgres can read.
    Binary,
    /// The same, and all rows in the text format beside it, in which they are judged.
    Both,
}

/// Where a row is, in its object and in its piece.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// Where its text ends, the newline counted. It may have none.
    end: usize,
    /// Whether it is among the rows in the binary format.
    binary: bool,
    /// Where its record ends among the records as they stand in the object.
    raw_end: usize,
    cut: bool,
    line: u64,
    last_line: u64,
    number: u64,
}

/// Rows, ready to be sent, and records that can't be.
#[derive(Default)]
pub(super) struct Piece {
    /// Rows in the text format of COPY: those that are not in binary, or all.
    pub(super) text: Bytes,
    /// Rows in the binary format.
    pub(super) binary: Bytes,
    rows: Vec<Row>,
    /// How many rows there are beside those, which are let go of when they are sent.
    trusted: usize,
    /// The records of the rows as they stand in the object, each cut to what is kept.
    raw: String,
    /// Records that are refused before Postgres sees them.
    pub(super) refused: Vec<Reject>,
    /// The line on which the first of those ends.
    pub(super) first_refused_ends: u64,
    /// Bytes of the texts of those.
    refused_bytes: usize,
}

impl Piece {
    /// Returns how many rows are kept.
    pub(super) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Returns how many rows there are beside those, which are let go of.
    pub(super) fn trusted(&self) -> usize {
        self.trusted
    }

    /// Returns how many records there were.
    pub(super) fn records(&self) -> usize {
        self.trusted + self.rows.len() + self.refused.len()
    }

    /// Lets go of rows that have been sent and are not asked for again. The others keep no more
    /// memory than they need: they may wait for long.
    pub(super) fn let_go(&mut self) -> Used {
        let text = if self.rows.is_empty() { Bytes::new() } else { Bytes::copy_from_slice(&self.text) };
        let (raw, rows) = (self.raw.clone(), self.rows.clone());
        Used {
            text: std::mem::replace(&mut self.text, text),
            binary: std::mem::take(&mut self.binary),
            raw: std::mem::replace(&mut self.raw, raw),
            rows: std::mem::replace(&mut self.rows, rows),
        }
    }

    /// Returns how much memory it takes, about.
    pub(super) fn bytes(&self) -> usize {
        self.text.len() + self.binary.len() + self.raw.len() + self.refused_bytes
    }

    /// Returns a row as it is sent, its newline counted.
    pub(super) fn row(&self, at: usize) -> Option<Bytes> {
        self.run(at, at)
    }

    /// Returns the rows from `first` to `last` as they are sent.
    pub(super) fn run(&self, first: usize, last: usize) -> Option<Bytes> {
        let start = match first.checked_sub(1) {
            Some(before) => self.rows.get(before)?.end,
            None => 0,
        };
        Some(self.text.slice(start..self.rows.get(last)?.end))
    }

    /// Whether a row is among those in the binary format.
    pub(super) fn is_binary(&self, at: usize) -> bool {
        self.rows.get(at).is_some_and(|row| row.binary)
    }

    /// Returns the memory of it.
    pub(super) fn into_used(self) -> Used {
        Used { text: self.text, binary: self.binary, raw: self.raw, rows: self.rows }
    }

    /// Returns the line on which a row's record ends.
    pub(super) fn last_line(&self, at: usize) -> u64 {
        self.rows.get(at).map_or(0, |row| row.last_line)
    }

    /// Makes a reject of a row.
    pub(super) fn reject(&self, at: usize, keep_text: bool) -> Reject {
        let Some(row) = self.rows.get(at) else { return Reject::default() };
        let start = at.checked_sub(1).and_then(|before| self.rows.get(before)).map_or(0, |row| row.raw_end);
        let (text, cut) = kept_text(self.raw.get(start..row.raw_end).unwrap_or_default());
        Reject {
            line: row.line,
            record_number: Some(row.number),
            text: keep_text.then_some(text),
            cut: keep_text && (cut || row.cut),
            ..Reject::default()
        }
    }
}

impl Origin {
    /// Returns the text of a column's value in the row of a record.
    #[inline]
    fn value<'a>(
        &'a self,
        column: &'a MappedColumn,
        record: &'a Parsed,
        scratch: &'a mut String,
    ) -> Converted<'a> {
        scratch.clear();
        match &column.from {
            From::Field(field) => {
                let text = record.field(*field).unwrap_or(Text { value: "", written: Written::Absent });
                column.conversion.apply(text, scratch)
            }
            From::Metadata(Metadata::Object) => Converted::Value(&self.key),
            From::Metadata(Metadata::Etag) => Converted::Value(&self.etag),
            From::Metadata(Metadata::RunId) => Converted::Value(&self.run_id),
            From::Metadata(Metadata::Line) => {
                scratch.push_str(&record.line().to_string());
                Converted::Value(scratch)
            }
            From::Metadata(Metadata::LoadedAt) => Converted::Value(NOW),
            From::Constant(value) => value.as_deref().map_or(Converted::Null, Converted::Value),
            // It is not carried.
            From::Sql => Converted::Null,
        }
    }

    /// Writes the values of a row in binary, as far as they are certain.
    fn write_binary(&self, record: &Parsed, scratch: &mut String, out: &mut Vec<u8>) -> Option<()> {
        let width = self.mapping.columns.len() + if self.marked { MARKS.len() } else { 0 };
        begin_row(i16::try_from(width).ok()?, out);
        if let Some(fields) = &self.plain {
            fields.iter().try_for_each(|field| field.write_binary(record, out).then_some(()))?;
        } else {
            for column in &self.mapping.columns {
                let form = column.binary?;
                let is_written = match self.value(column, record, scratch) {
                    Converted::Null => write_null(out),
                    Converted::Value(value) => form.write(value, out),
                    Converted::Refused { .. } => false,
                };
                is_written.then_some(())?;
            }
        }
        if self.marked {
            let mark = i64::try_from(self.mark(record)).ok()?;
            let is_written = write_bytes(self.key.as_bytes(), out) && write_bytes(&mark.to_be_bytes(), out);
            is_written.then_some(())?;
        }
        Some(())
    }
}

/// Puts pieces together.
pub(super) struct PieceMaker {
    origin: Origin,
    piece: Piece,
    text: Vec<u8>,
    binary: Vec<u8>,
    scratch: String,
    spares: Spares,
}

impl PieceMaker {
    pub(super) fn new(origin: Origin, spares: Spares) -> Self {
        let Buffers { text, binary, raw, rows } = spares.take();
        let piece = Piece { rows, raw, ..Piece::default() };
        Self { origin, piece, text, binary, scratch: String::new(), spares }
    }

    /// Whether the piece is to be taken now.
    pub(super) fn is_full(&self) -> bool {
        self.text.len().max(self.binary.len()) >= FULL_BYTES
            || self.piece.raw.len() + self.piece.refused_bytes >= FULL_BYTES
            || self.piece.records() >= FULL_RECORDS
    }

    /// Takes what is there and begins anew.
    pub(super) fn take(&mut self) -> Piece {
        let Buffers { text, binary, raw, rows } = self.spares.take();
        let next = Piece { rows, raw, ..Piece::default() };
        Piece {
            text: Bytes::from(std::mem::replace(&mut self.text, text)),
            binary: Bytes::from(std::mem::replace(&mut self.binary, binary)),
            ..std::mem::replace(&mut self.piece, next)
        }
    }

    /// Takes what is there at the end.
    pub(super) fn finish(self) -> Piece {
        Piece { text: Bytes::from(self.text), binary: Bytes::from(self.binary), ..self.piece }
    }

    /// Adds a record: as a row, or as a reject.
    pub(super) fn add(&mut self, record: &Parsed) {
        let fault = record.fault().or_else(|| self.origin.mapping.check(record));
        if let Some(fault) = fault {
            self.refuse(record, None, fault.sqlstate(), fault.reason());
            return;
        }
        let is_binary = self.origin.wire != Wire::Text && self.write_binary(record);
        let has_text = !is_binary || self.origin.wire == Wire::Both;
        if has_text && !self.write_text(record) {
            return;
        }
        if !self.origin.is_kept(is_binary) {
            self.piece.trusted += 1;
            return;
        }
        let mut cut = false;
        if self.origin.keep_text {
            let (raw, is_cut) = record.raw();
            let kept = raw.get(..raw.floor_char_boundary(MAX_TEXT_BYTES)).unwrap_or_default();
            cut = is_cut || kept.len() < raw.len();
            self.piece.raw.push_str(kept);
        }
        self.piece.rows.push(Row {
            end: self.text.len(),
            binary: is_binary,
            raw_end: self.piece.raw.len(),
            cut,
            line: record.line(),
            last_line: record.last_line(),
            number: record.number(),
        });
    }

    /// Writes a record as a row in the text format. Returns false if it is refused.
    fn write_text(&mut self, record: &Parsed) -> bool {
        if !self.write_verbatim(record) && !self.write_values(record) {
            return false;
        }
        if self.origin.marked {
            self.text.push(b'\t');
            push_value(&self.origin.key, &mut self.text);
            self.text.push(b'\t');
            self.text.extend_from_slice(self.origin.mark(record).to_string().as_bytes());
        }
        self.text.push(b'\n');
        true
    }

    /// Writes the values of a record, if they are the record's fields as they stand in the
    /// object. Returns false if not.
    fn write_verbatim(&mut self, record: &Parsed) -> bool {
        let (Some(fields), Some(text)) = (&self.origin.plain, record.verbatim()) else { return false };
        let part = |field: &PlainField| {
            let (place, written) = record.place_of(field.at)?;
            (!field.nulls.has(written, place.is_empty())).then_some(place)
        };
        !has_meaning(text) && push_parts(text, fields.iter().map(part), &mut self.text)
    }

    /// Writes the values of a record. Returns false if it is refused.
    fn write_values(&mut self, record: &Parsed) -> bool {
        let start = self.text.len();
        let mapping = Arc::clone(&self.origin.mapping);
        for (at, column) in mapping.carried().enumerate() {
            if at > 0 {
                self.text.push(b'\t');
            }
            match self.origin.value(column, record, &mut self.scratch) {
                Converted::Null => push_null(&mut self.text),
                Converted::Value(value) => push_value(value, &mut self.text),
                Converted::Refused { sqlstate, reason } => {
                    self.text.truncate(start);
                    self.refuse(record, Some(column.name.as_str()), sqlstate, reason);
                    return false;
                }
            }
        }
        true
    }

    /// Writes a record as a row in the binary format, if that is certain for each of its
    /// values.
    fn write_binary(&mut self, record: &Parsed) -> bool {
        let start = self.binary.len();
        let is_written = self.origin.write_binary(record, &mut self.scratch, &mut self.binary).is_some();
        if !is_written {
            self.binary.truncate(start);
        }
        is_written
    }

    fn refuse(&mut self, record: &Parsed, column: Option<&str>, sqlstate: &str, reason: &str) {
        let (raw, is_cut) = record.raw();
        let keep = self.origin.keep_text;
        let (text, cut) = if keep { kept_text(raw) } else { (String::new(), false) };
        if self.piece.refused.is_empty() {
            self.piece.first_refused_ends = record.last_line();
        }
        self.piece.refused_bytes += text.len();
        self.piece.refused.push(Reject {
            line: record.line(),
            record_number: Some(record.number()),
            column: column.map(ToOwned::to_owned),
            constraint: None,
            sqlstate: Some(sqlstate.to_owned()),
            reason: reason.to_owned(),
            text: keep.then_some(text),
            cut: keep && (cut || is_cut),
        });
    }
}
