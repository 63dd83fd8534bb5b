//! One record of an object, decoded and split into fields.

use std::ops::Range;

use super::raw::Raw;

/// A record, decoded and split. It is made once and filled again for each record, so
/// that no field costs an allocation.
#[derive(Debug, Clone, Default)]
pub struct Parsed {
    /// The values of all fields, one after the other, without quotes and escapes.
    pub(super) text: String,
    /// Whether the fields stand in `raw` as they are, and not in `text`.
    pub(super) in_raw: bool,
    /// Where each field is, and how it was written.
    pub(super) ends: Vec<End>,
    /// The record as it stands in the object, decoded, without its line end; cut at
    /// the most that is kept.
    pub(super) raw: Raw,
    /// Whether `raw` is only the beginning.
    pub(super) cut: bool,
    /// The record's number, from 1, the header not counted.
    pub(super) number: u64,
    /// The object's line, from 1, on which it begins.
    pub(super) line: u64,
    /// The line on which it ends.
    pub(super) last_line: u64,
    /// Why it can't be loaded, whatever the table is.
    pub(super) fault: Option<Fault>,
}

/// Where a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    /// The first byte of it.
    pub(super) start: usize,
    /// The first byte that is not of it any more.
    pub(super) at: usize,
    /// How it was written.
    pub(super) written: Written,
}

/// How a field was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Written {
    /// Without quotes.
    #[default]
    Plain,
    /// In quotes, or part of it.
    Quoted,
    /// Not at all: the record had too few fields, or the sign for NULL of its format.
    Absent,
}

/// What is wrong with a record, whatever the table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// It holds bytes that are no characters of the encoding.
    Encoding,
    /// It holds a NUL, which Postgres has no text for.
    Nul,
    /// A quote in it does not end.
    UnterminatedQuote,
    /// Something stands between a closing quote and the delimiter.
    TextAfterQuote,
    /// A quote stands within a field that is not in quotes.
    QuoteWithinField,
    /// It is the header once more.
    RepeatedHeader,
    /// It is longer than a row can be.
    TooLong,
    /// It has fewer fields than it should.
    TooFewFields,
    /// It has more fields than it should.
    TooManyFields,
    /// The mark of the end of COPY's text format stands amid it.
    MisplacedEnd,
    /// It stands behind the mark of the end of COPY's text format.
    AfterEnd,
}

impl Fault {
    /// Returns the SQLSTATE that COPY has for it.
    #[must_use]
    pub const fn sqlstate(self) -> &'static str {
        match self {
            Self::Encoding | Self::Nul => "22021",
            Self::TooLong => "54000",
            Self::UnterminatedQuote
            | Self::TextAfterQuote
            | Self::QuoteWithinField
            | Self::RepeatedHeader
            | Self::TooFewFields
            | Self::TooManyFields
            | Self::MisplacedEnd
            | Self::AfterEnd => "22P04",
        }
    }

    /// Says it in words.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Encoding => "the record holds bytes that are no characters of the encoding",
            Self::Nul => "the record holds a NUL character",
            Self::UnterminatedQuote => "a quote in the record does not end",
            Self::QuoteWithinField => "a quote stands within a field that is not in quotes",
            Self::RepeatedHeader => "the header stands here once more",
            Self::TextAfterQuote => "text stands between a closing quote and the next delimiter",
            Self::TooLong => "the record is longer than a row can be",
            Self::TooFewFields => "the record has too few fields",
            Self::TooManyFields => "the record has too many fields",
            Self::MisplacedEnd => "the mark of the end of the data, \\., stands amid the record",
            Self::AfterEnd => "the record stands behind the mark of the end of the data, \\.",
        }
    }
}

/// A field of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<'a> {
    /// Its value.
    pub value: &'a str,
    /// How it was written.
    pub written: Written,
}

impl PartialEq for Parsed {
    fn eq(&self, other: &Self) -> bool {
        let place = |record: &Self| (record.cut, record.number, record.line, record.last_line, record.fault);
        self.raw == other.raw && place(self) == place(other) && self.fields().eq(other.fields())
    }
}

impl Eq for Parsed {}

impl Parsed {
    /// Forgets the record.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.raw.clear();
        self.cut = false;
        self.in_raw = false;
        self.fault = None;
    }

    /// Forgets the fields.
    pub(super) fn clear_fields(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.in_raw = false;
    }

    /// Ends a field at the end of the text.
    pub(super) fn end_field(&mut self, written: Written) {
        let at = self.text.len();
        let start = if self.in_raw { at } else { self.ends.last().map_or(0, |last| last.at) };
        self.ends.push(End { start, at, written });
    }

    /// Returns how many fields there are.
    #[must_use]
    pub fn width(&self) -> usize {
        self.ends.len()
    }

    /// Returns a field by its place, from 0; none beyond the last.
    #[must_use]
    pub fn field(&self, at: usize) -> Option<Text<'_>> {
        let end = self.ends.get(at)?;
        Some(Text { value: self.text().get(end.start..end.at)?, written: end.written })
    }

    /// Returns the text in which the fields stand, without quotes and escapes. Behind them there
    /// may be more.
    #[inline]
    pub(crate) fn text(&self) -> &str {
        if self.in_raw { self.raw.with_rest() } else { &self.text }
    }

    /// Returns the record as it stands in the object, if its fields stand in it as they are.
    pub(crate) fn verbatim(&self) -> Option<&str> {
        self.in_raw.then_some(self.raw.as_str())
    }

    /// Returns where a field is in the [text](Self::text), and how it was written.
    pub(crate) fn place_of(&self, at: usize) -> Option<(Range<usize>, Written)> {
        self.ends.get(at).map(|end| (end.start..end.at, end.written))
    }

    /// Returns all fields.
    pub fn fields(&self) -> impl Iterator<Item = Text<'_>> {
        (0..self.width()).filter_map(|at| self.field(at))
    }

    /// Returns the record as it stands in the object, and whether that is only its
    /// beginning. It is a value: it goes to the reject table and nowhere else.
    #[must_use]
    pub fn raw(&self) -> (&str, bool) {
        (self.raw.as_str(), self.cut)
    }

    /// Returns the record's number, from 1, the header not counted.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Returns the object's line, from 1, on which the record begins.
    #[must_use]
    pub const fn line(&self) -> u64 {
        self.line
    }

    /// Returns the line on which it ends.
    #[must_use]
    pub const fn last_line(&self) -> u64 {
        self.last_line
    }

    /// Returns what is wrong with it, whatever the table is.
    #[must_use]
    pub const fn fault(&self) -> Option<Fault> {
        self.fault
    }
}
