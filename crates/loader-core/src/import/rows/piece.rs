//! Rows of an object as they are sent, with the places that they come from.

use std::sync::Arc;

use bytes::Bytes;

use super::layout::{Layout, RefusedValue};
use super::spare::{Buffers, Spares, Used};
use super::text_format::push_value;
use super::{MARKS, PART_SHIFT};
use crate::database::rejects::{MAX_TEXT_BYTES, Reject, kept_text};
use crate::record::mapping::Mapping;
use crate::record::parsed::Parsed;
use crate::values::binary::{begin_row, write_bytes};

/// Bytes of rows, or of their texts, at which a piece is full.
const FULL_BYTES: usize = 256 * 1024;
/// Records at which a piece is full.
const FULL_RECORDS: usize = 4_096;

/// What the rows of an object have in common.
pub(super) struct Origin {
    pub(super) key: String,
    pub(super) mapping: Arc<Mapping>,
    pub(super) layout: Layout,
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
    /// Writes a record as a row in the text format. Returns why not if it is refused.
    fn write_text(
        &self,
        record: &Parsed,
        scratch: &mut String,
        out: &mut Vec<u8>,
    ) -> Result<(), RefusedValue> {
        self.layout.write_text(record, scratch, out)?;
        if self.marked {
            out.push(b'\t');
            push_value(&self.key, out);
            out.push(b'\t');
            out.extend_from_slice(self.mark(record).to_string().as_bytes());
        }
        out.push(b'\n');
        Ok(())
    }

    /// Writes a record as a row in the binary format. Returns false where a value is not certain.
    fn write_binary(&self, record: &Parsed, scratch: &mut String, out: &mut Vec<u8>) -> bool {
        let width = self.mapping.columns.len() + if self.marked { MARKS.len() } else { 0 };
        let Ok(width) = i16::try_from(width) else { return false };
        begin_row(width, out);
        self.layout.write_binary(record, scratch, out)
            && (!self.marked
                || i64::try_from(self.mark(record)).is_ok_and(|mark| {
                    write_bytes(self.key.as_bytes(), out) && write_bytes(&mark.to_be_bytes(), out)
                }))
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
        let start = self.text.len();
        let Err(refused) = self.origin.write_text(record, &mut self.scratch, &mut self.text) else {
            return true;
        };
        self.text.truncate(start);
        self.refuse(record, Some(refused.column), refused.sqlstate, refused.reason);
        false
    }

    /// Writes a record as a row in the binary format, if that is certain for each of its
    /// values.
    fn write_binary(&mut self, record: &Parsed) -> bool {
        let start = self.binary.len();
        let is_written = self.origin.write_binary(record, &mut self.scratch, &mut self.binary);
        if !is_written {
            self.binary.truncate(start);
        }
        is_written
    }

    fn refuse(&mut self, record: &Parsed, column: Option<String>, sqlstate: &str, reason: &str) {
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
            column,
            constraint: None,
            sqlstate: Some(sqlstate.to_owned()),
            reason: reason.to_owned(),
            text: keep.then_some(text),
            cut: keep && (cut || is_cut),
        });
    }
}
