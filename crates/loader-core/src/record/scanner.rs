//! Finds where records end, in chunks of any size.

use memchr::{memchr2, memchr3};

use crate::definition::dialect::copy::CopyDialect;
use crate::error::{Error, ErrorName, Place};

/// The longest record that is taken, unless something else is said.
pub const MAX_RECORD_BYTES: u64 = 64 * 1024 * 1024;

/// How lines are counted: line ends within quotes count, but not always the
/// same ones (`cur_lineno` in `CopyReadLineText`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LineCount {
    /// As COPY counts what [`RecordSplitter`](super::RecordSplitter) hands it:
    /// records end in a newline, so newlines within quotes count.
    #[default]
    Newlines,
    /// As COPY counts the object as it is stored (`aws_s3`): if records end in a
    /// carriage return, with or without a newline, carriage returns within
    /// quotes count, and so they do in the first record whatever it ends in.
    Stored,
}

/// What ends the records of an object; the first one decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineEnd {
    Unknown,
    Newline,
    ReturnNewline,
    Return,
}

/// What the next byte is within.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Nothing,
    Quotes,
    /// Quotes, and the byte before was an escape.
    Escape,
}

/// Why the scanner can't go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScanError {
    /// The record is longer than the limit.
    TooLong { line: u64, limit: u64 },
    /// The object ends within quotes.
    Unterminated { opened: u64, line: u64 },
    /// A newline in an object whose records end in a carriage return.
    MixedLineEnds { line: u64 },
}

impl From<ScanError> for Error {
    fn from(error: ScanError) -> Self {
        let (line, message) = match error {
            ScanError::TooLong { line, limit } => (
                line,
                format!(
                    "the record that begins on line {line} is longer than {limit} bytes: \
                     a quote is probably missing or stray there"
                ),
            ),
            ScanError::Unterminated { opened, line } => (
                opened,
                format!(
                    "the object ends inside a quoted field; it opened on line {opened}, in the \
                     record that begins on line {line}: the closing quote is missing, a quote is \
                     stray, or the object was cut short"
                ),
            ),
            ScanError::MixedLineEnds { line } => (
                line,
                format!(
                    "line {line} ends in a newline, but the first line of the object in a \
                     carriage return alone: write the object with one kind of line end"
                ),
            ),
        };
        Self::new(ErrorName::BadRow, message).at(Place { line: Some(line), ..Place::default() })
    }
}

/// Where the scanner stopped. Positions count from the bytes it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A record ends: its bytes are before `content`, the next begins at `next`.
    End { content: usize, next: usize },
    /// The record ended before these bytes, at the carriage return that was
    /// held; the next begins at `next`.
    HeldEnd { next: usize },
    /// The carriage return that was held is part of the record. Nothing of
    /// these bytes is used yet.
    HeldByte,
    /// All bytes are used, and belong to the record.
    Used,
    /// All bytes are used; the last is a carriage return that the next byte
    /// decides on. The others, `content` of them, belong to the record.
    Held { content: usize },
}

/// The state between two chunks. Rules: `CopyReadLineText`.
#[derive(Debug, Clone)]
pub(super) struct Scanner {
    quote: u8,
    /// None if it is the quote: toggling does for both then.
    escape: Option<u8>,
    count: LineCount,
    /// Takes what is wrong as it comes, to look at it.
    lenient: bool,
    limit: u64,
    within: Within,
    held: bool,
    line_end: LineEnd,
    /// Bytes scanned so far.
    offset: u64,
    record_start: u64,
    record_line: u64,
    line: u64,
    records: u64,
    quote_opened: u64,
    /// The offset just behind the last closing quote: a quote there goes on with
    /// the same field.
    quote_closed: u64,
}

impl Scanner {
    pub(super) fn new(dialect: &CopyDialect) -> Self {
        Self {
            quote: dialect.quote,
            escape: (dialect.escape != dialect.quote).then_some(dialect.escape),
            count: LineCount::Newlines,
            lenient: false,
            limit: MAX_RECORD_BYTES,
            within: Within::Nothing,
            held: false,
            line_end: LineEnd::Unknown,
            offset: 0,
            record_start: 0,
            record_line: 1,
            line: 1,
            records: 0,
            quote_opened: 1,
            quote_closed: u64::MAX,
        }
    }

    /// Makes a scanner that goes on whatever it finds.
    pub(super) fn lenient(dialect: &CopyDialect, count: LineCount) -> Self {
        Self { lenient: true, limit: u64::MAX, count, ..Self::new(dialect) }
    }

    pub(super) const fn set_limit(&mut self, bytes: u64) {
        self.limit = bytes;
    }

    pub(super) const fn limit(&self) -> u64 {
        self.limit
    }

    /// The line on which the current record begins.
    pub(super) const fn record_line(&self) -> u64 {
        self.record_line
    }

    /// The current line.
    pub(super) const fn line(&self) -> u64 {
        self.line
    }

    /// The records that have ended.
    pub(super) const fn records(&self) -> u64 {
        self.records
    }

    /// Whether something of a record was seen that has not ended.
    pub(super) const fn is_open(&self) -> bool {
        self.offset > self.record_start
    }

    /// Scans to the end of the record or of the bytes, which must go on where
    /// the last call stopped.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<Step, ScanError> {
        if self.held {
            let Some(first) = bytes.first() else { return Ok(Step::Used) };
            self.held = false;
            return self.decide_held(*first);
        }
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                return self.use_up(bytes.len(), Step::Used);
            }
            let outside = self.within == Within::Nothing;
            let found = if outside { self.outside_quotes(rest) } else { self.within_quotes(rest) };
            let Some(found) = found else {
                return self.use_up(bytes.len(), Step::Used);
            };
            at += found;
            match bytes.get(at) {
                Some(b'\n') if outside => {
                    self.see(LineEnd::Newline)?;
                    return self.end(Step::End { content: at, next: at + 1 }, at + 1);
                }
                Some(b'\r') if outside => {
                    let after = bytes.get(at + 1).copied();
                    match self.at_return(after) {
                        Some(LineEnd::ReturnNewline) => {
                            self.see(LineEnd::ReturnNewline)?;
                            return self.end(Step::End { content: at, next: at + 2 }, at + 2);
                        }
                        Some(LineEnd::Return) => {
                            self.see(LineEnd::Return)?;
                            return self.end(Step::End { content: at, next: at + 1 }, at + 1);
                        }
                        Some(_) => {
                            self.held = true;
                            return self.use_up(bytes.len(), Step::Held { content: at });
                        }
                        None => {}
                    }
                }
                // A quote, outside or within.
                Some(byte) if *byte == self.quote => self.toggle(at),
                // Within quotes: the escape, or a line end that counts.
                Some(byte) if Some(*byte) == self.escape => self.within = Within::Escape,
                _ => self.line += 1,
            }
            at += 1;
        }
    }

    /// Ends the last record, which needs no line end, and returns whether there
    /// was one.
    pub(super) fn finish(&mut self) -> Result<bool, ScanError> {
        if self.within != Within::Nothing && !self.lenient {
            return Err(ScanError::Unterminated { opened: self.quote_opened, line: self.record_line });
        }
        let open = self.is_open();
        if open {
            self.held = false;
            self.end_record();
        }
        Ok(open)
    }

    /// Finds the next byte that means something within quotes.
    fn within_quotes(&mut self, rest: &[u8]) -> Option<usize> {
        let counted = match (self.count, self.line_end) {
            (LineCount::Newlines, _) | (LineCount::Stored, LineEnd::Newline) => b'\n',
            (LineCount::Stored, _) => b'\r',
        };
        let Some(escape) = self.escape else {
            let quote = self.quote;
            return near(rest, |byte| byte == quote || byte == counted)
                .or_else(|| memchr2(quote, counted, rest));
        };
        // An escape makes part of the value only what it stands right before.
        let mut skip = 0;
        if self.within == Within::Escape {
            self.within = Within::Quotes;
            skip = usize::from(rest.first().is_some_and(|b| *b == self.quote || *b == escape));
        }
        let after = rest.get(skip..).unwrap_or_default();
        memchr3(self.quote, escape, counted, after).map(|found| found + skip)
    }

    /// Finds the next byte that means something outside quotes.
    fn outside_quotes(&self, rest: &[u8]) -> Option<usize> {
        let quote = self.quote;
        near(rest, |byte| byte == quote || byte == b'\n' || byte == b'\r')
            .or_else(|| memchr3(quote, b'\n', b'\r', rest))
    }

    fn toggle(&mut self, at: usize) {
        let offset = self.offset + at as u64;
        if self.within == Within::Nothing {
            if offset != self.quote_closed {
                self.quote_opened = self.line;
            }
            self.within = Within::Quotes;
        } else {
            self.quote_closed = offset + 1;
            self.within = Within::Nothing;
        }
    }

    /// Says what an unquoted carriage return is, by the byte after it: a line
    /// end, nothing (none), or not known yet.
    const fn at_return(&self, after: Option<u8>) -> Option<LineEnd> {
        match (self.line_end, after) {
            (LineEnd::Return, _) => Some(LineEnd::Return),
            (_, Some(b'\n')) => Some(LineEnd::ReturnNewline),
            (_, None) => Some(LineEnd::Unknown),
            (LineEnd::Unknown, Some(_)) => Some(LineEnd::Return),
            (LineEnd::Newline | LineEnd::ReturnNewline, Some(_)) => None,
        }
    }

    fn decide_held(&mut self, first: u8) -> Result<Step, ScanError> {
        match self.at_return(Some(first)) {
            Some(LineEnd::ReturnNewline) => {
                self.see(LineEnd::ReturnNewline)?;
                self.end(Step::HeldEnd { next: 1 }, 1)
            }
            Some(line_end) => {
                self.see(line_end)?;
                self.end(Step::HeldEnd { next: 0 }, 0)
            }
            None => Ok(Step::HeldByte),
        }
    }

    /// Notes a line end. Postgres refuses any mixture; newlines with and without
    /// a carriage return before them do no harm, so only the rest is refused.
    const fn see(&mut self, line_end: LineEnd) -> Result<(), ScanError> {
        match self.line_end {
            LineEnd::Unknown => {
                self.line_end = line_end;
                Ok(())
            }
            LineEnd::Return if !matches!(line_end, LineEnd::Return) && !self.lenient => {
                Err(ScanError::MixedLineEnds { line: self.line })
            }
            _ => Ok(()),
        }
    }

    fn end(&mut self, step: Step, used: usize) -> Result<Step, ScanError> {
        self.offset += used as u64;
        self.check_length()?;
        self.end_record();
        Ok(step)
    }

    fn end_record(&mut self) {
        self.records += 1;
        self.line += 1;
        self.record_line = self.line;
        self.record_start = self.offset;
    }

    fn use_up(&mut self, used: usize, step: Step) -> Result<Step, ScanError> {
        self.offset += used as u64;
        self.check_length()?;
        Ok(step)
    }

    const fn check_length(&self) -> Result<(), ScanError> {
        if self.offset - self.record_start > self.limit {
            return Err(ScanError::TooLong { line: self.record_line, limit: self.limit });
        }
        Ok(())
    }
}

/// Looks at the first bytes one by one: where every field is in quotes, what is
/// looked for is nearer than a search over whole words takes to begin.
fn near(bytes: &[u8], is_it: impl Fn(u8) -> bool) -> Option<usize> {
    bytes.iter().take(8).position(|byte| is_it(*byte))
}
