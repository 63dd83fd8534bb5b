//! Reads the records of an unpacked object, in any dialect and encoding.

use futures_util::StreamExt;

use super::decode::{Decoder, unit};
use super::parsed::{Fault, Parsed};
use super::tokenizer::{Step, Tokenizer};
use crate::definition::dialect::{Dialect, Format};
use crate::error::{Error, ErrorName, Place, Result};
use crate::source::ByteStream;

/// The longest header, in bytes.
const MAX_HEADER_BYTES: usize = 1024 * 1024;

/// The records of an object, one after the other, in bounded memory.
///
/// What is wrong with a record is told with the record ([`Fault`]), and the next one is
/// read. Lines are physical lines, from 1: a newline, a carriage return or both end
/// one, within quotes too, and the lines before the first record count.
pub struct Parser {
    body: ByteStream,
    ended: bool,
    records: Records,
}

impl Parser {
    /// Makes a parser of an unpacked object.
    ///
    /// # Errors
    /// `InvalidDefinition` if the encoding is not known.
    pub fn new(body: ByteStream, dialect: &Dialect) -> Result<Self> {
        Ok(Self { body, ended: false, records: Records::new(dialect)? })
    }

    /// Sets how many fields a record has to have, where another number is known than
    /// that of the names in the header or the dialect. None takes all as they are.
    pub const fn set_width(&mut self, width: Option<usize>) {
        self.records.tokenizer.set_width(width);
    }

    /// Makes a parser that reads the same object from another place on: `at` is the
    /// place of the body's first byte, between two records. Its lines and records are
    /// counted from there. This one has read the header.
    ///
    /// # Errors
    /// `InvalidDefinition` if the encoding is not known.
    pub(crate) fn elsewhere(&self, body: ByteStream, dialect: &Dialect, at: u64) -> Result<Self> {
        let records = Records::amid(dialect, self.records.tokenizer.width())?;
        let mut parser = Self { body, ended: false, records };
        parser.follow(dialect, at);
        Ok(parser)
    }

    /// Takes what comes for the beginning of an object, which may have a byte order mark.
    pub(crate) const fn begins_object(&mut self) {
        self.records.decoder.begin_anew();
    }

    /// Follows the place among the stored bytes, which begin at `at`. It is called before
    /// anything is read.
    pub(crate) fn follow(&mut self, dialect: &Dialect, at: u64) {
        if let Some(unit) = unit(&dialect.encoding) {
            self.records.tokenizer.follow(at, unit);
        }
    }

    /// Stops at the first place between two records that is `stop` or behind it.
    pub(crate) const fn stop_at(&mut self, stop: Option<u64>) {
        self.records.tokenizer.stop_at(stop);
    }

    /// Returns the place among the stored bytes that is read up to, if reading can begin
    /// anew there.
    pub(crate) fn place(&self) -> Option<u64> {
        self.records.place()
    }

    /// Returns how much of what is stored is read.
    pub(crate) fn reached(&self) -> u64 {
        self.records.tokenizer.reached()
    }

    /// Returns how many lines have ended before the place that is read up to.
    pub(crate) const fn lines(&self) -> u64 {
        self.records.tokenizer.line().saturating_sub(1)
    }

    /// Returns how many fields a record has to have.
    pub(crate) const fn width(&self) -> Option<usize> {
        self.records.tokenizer.width()
    }

    /// Sets the longest record, in bytes of UTF-8.
    pub const fn set_max_record_bytes(&mut self, bytes: usize) {
        self.records.tokenizer.set_limit(bytes);
        self.records.limit = bytes;
    }

    /// Reads the names of the fields: those of the header, or those that the dialect
    /// gives instead. None if the dialect has none, or the object ends before them. It
    /// is called once, before [`next`](Self::next).
    ///
    /// # Errors
    /// Those of the stream; `HeaderMismatch` if the header can't be read;
    /// `UnsupportedFormat` if only the database knows the encoding.
    pub async fn header(&mut self) -> Result<Option<Vec<String>>> {
        self.records.begin_header();
        let mut record = Parsed::default();
        while self.records.expects_header() {
            match self.records.next(&mut record) {
                Step::Record => self.records.take_header(&record)?,
                Step::End => break,
                Step::More => self.read().await?,
            }
        }
        Ok(self.records.end_header())
    }

    /// Reads the next record; false if there is none.
    ///
    /// # Errors
    /// Those of the stream; `UnsupportedFormat` if only the database knows the encoding.
    pub async fn next(&mut self, record: &mut Parsed) -> Result<bool> {
        loop {
            match self.records.next(record) {
                Step::Record => return Ok(true),
                Step::End => return Ok(false),
                Step::More => self.read().await?,
            }
        }
    }

    async fn read(&mut self) -> Result<()> {
        match self.body.next().await {
            Some(chunk) => self.records.push(&chunk?),
            None if self.ended => Ok(()),
            None => {
                self.ended = true;
                self.records.end()
            }
        }
    }
}

/// Reads a text that is there as a whole: the names of its fields, and its records.
///
/// What only the database can decode has no records, and a header that can't be read
/// is none.
#[must_use]
pub fn parse(text: &[u8], dialect: &Dialect) -> (Option<Vec<String>>, Vec<Parsed>) {
    let mut parsed = Vec::new();
    let Ok(mut records) = Records::new(dialect) else { return (None, parsed) };
    if records.push(text).and_then(|()| records.end()).is_err() {
        return (None, parsed);
    }
    records.begin_header();
    let mut record = Parsed::default();
    while records.expects_header() {
        match records.next(&mut record) {
            Step::Record => {
                if records.take_header(&record).is_err() {
                    return (None, parsed);
                }
            }
            Step::End | Step::More => break,
        }
    }
    let header = records.end_header();
    while records.next(&mut record) == Step::Record {
        parsed.push(record.clone());
    }
    (header, parsed)
}

/// What comes out of the bytes, without where they come from.
pub(super) struct Records {
    decoder: Decoder,
    tokenizer: Tokenizer,
    /// The longest record.
    limit: usize,
    names: Option<Vec<String>>,
    header_rows: u32,
    header: Option<Header>,
}

/// A header that is being read.
#[derive(Debug, Default)]
struct Header {
    rows: u32,
    cells: Vec<String>,
}

impl Records {
    fn new(dialect: &Dialect) -> Result<Self> {
        let fixed = dialect.format == Format::Fixed;
        let names = match &dialect.names {
            Some(names) => Some(names.clone()),
            None if fixed => Some(dialect.fields.iter().map(|field| field.name.clone()).collect()),
            None => None,
        };
        let mut tokenizer = Tokenizer::new(dialect);
        // A fixed line is as wide as its fields.
        tokenizer.set_width(names.as_ref().map(Vec::len).filter(|_| !fixed));
        let limit = tokenizer.limit();
        let decoder = Decoder::new(&dialect.encoding)?;
        Ok(Self { decoder, tokenizer, limit, names, header_rows: dialect.header_rows, header: None })
    }

    /// Reads from the midst of an object: there is no header, and nothing is skipped.
    pub(super) fn amid(dialect: &Dialect, width: Option<usize>) -> Result<Self> {
        let dialect = Dialect { header_rows: 0, skip_lines: 0, ..dialect.clone() };
        let mut records = Self::new(&dialect)?;
        records.decoder.begin_amid();
        records.tokenizer.set_width(width);
        Ok(records)
    }

    pub(super) const fn tokenizer(&mut self) -> &mut Tokenizer {
        &mut self.tokenizer
    }

    fn place(&self) -> Option<u64> {
        self.tokenizer.place()
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.decoder.push(bytes, &mut self.tokenizer.sink())?;
        self.tokenizer.pass_stored(self.decoder.take_mark());
        Ok(())
    }

    pub(super) fn end(&mut self) -> Result<()> {
        self.decoder.finish(&mut self.tokenizer.sink())?;
        self.tokenizer.pass_stored(self.decoder.take_mark());
        self.tokenizer.end();
        Ok(())
    }

    pub(super) fn next(&mut self, record: &mut Parsed) -> Step {
        self.tokenizer.next(record)
    }

    fn begin_header(&mut self) {
        if self.header_rows > 0 {
            self.tokenizer.set_limit(self.limit.min(MAX_HEADER_BYTES));
            self.tokenizer.set_width(None);
        }
        self.header = Some(Header::default());
    }

    fn expects_header(&self) -> bool {
        self.header.as_ref().is_some_and(|header| header.rows < self.header_rows)
    }

    /// Joins the cells of a record of the header to those above them.
    fn take_header(&mut self, record: &Parsed) -> Result<()> {
        if let Some(fault) = record.fault() {
            return Err(bad_header(record, fault));
        }
        let header = self.header.get_or_insert_default();
        header.rows += 1;
        for (at, cell) in record.fields().enumerate() {
            let cell = cell.value.trim();
            match header.cells.get_mut(at) {
                None => header.cells.push(cell.to_owned()),
                Some(above) if above.is_empty() => cell.clone_into(above),
                Some(_) if cell.is_empty() => {}
                Some(above) => {
                    above.push(' ');
                    above.push_str(cell);
                }
            }
        }
        Ok(())
    }

    fn end_header(&mut self) -> Option<Vec<String>> {
        let header = self.header.take().filter(|header| header.rows > 0);
        if self.header_rows > 0 {
            self.tokenizer.set_limit(self.limit);
            self.tokenizer.count_from_here();
        }
        let names = self.names.clone().or_else(|| header.map(|header| header.cells))?;
        if self.header_rows > 0 {
            self.tokenizer.set_width(Some(names.len()));
        }
        Some(names)
    }
}

fn bad_header(record: &Parsed, fault: Fault) -> Error {
    let line = record.line();
    let message = if fault == Fault::TooLong {
        format!(
            "the header, on line {line}, is longer than 1 MiB: is the first line a header, and is every quote closed?"
        )
    } else {
        format!(
            "the header, on line {line}, can't be read: {}; are dialect and encoding right?",
            fault.reason()
        )
    };
    Error::new(ErrorName::HeaderMismatch, message).at(Place { line: Some(line), ..Place::default() })
}

#[cfg(test)]
mod tests;
