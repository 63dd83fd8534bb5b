//! Reads an object record by record: its header, a sample, one record.

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{StreamExt, stream};

use super::scanner::{LineCount, ScanError, Scanner, Step};
use super::splitter::RecordSplitter;
use crate::definition::dialect::copy::CopyDialect;
use crate::error::{Error, ErrorName, Result};
use crate::source::ByteStream;

/// The longest header that is taken.
pub const MAX_HEADER_BYTES: u64 = 1024 * 1024;

/// One record, as it is in the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The object's line, from 1, on which it begins.
    pub line: u64,
    /// The line on which it ends, which is the one that COPY names.
    pub last_line: u64,
    /// Its bytes, without the line end.
    pub bytes: Bytes,
    /// Whether only the beginning of it was kept.
    pub cut: bool,
}

/// Reads an unpacked object record by record.
pub struct RecordReader {
    body: ByteStream,
    chunk: Bytes,
    scanner: Scanner,
    quote: u8,
    keep: usize,
}

impl RecordReader {
    /// Makes a reader of an object from its first byte on.
    #[must_use]
    pub fn new(body: ByteStream, dialect: &CopyDialect) -> Self {
        Self::with(body, Scanner::new(dialect), dialect.quote, usize::MAX)
    }

    /// Makes a reader that takes records however wrong and long they are, and
    /// keeps the first `keep` bytes of each.
    pub(super) fn lenient(body: ByteStream, dialect: &CopyDialect, count: LineCount, keep: usize) -> Self {
        Self::with(body, Scanner::lenient(dialect, count), dialect.quote, keep)
    }

    const fn with(body: ByteStream, scanner: Scanner, quote: u8, keep: usize) -> Self {
        Self { body, chunk: Bytes::new(), scanner, quote, keep }
    }

    /// Sets the longest record that is taken, its line end counted.
    #[must_use]
    pub fn with_max_record_bytes(mut self, bytes: u64) -> Self {
        self.scanner.set_limit(bytes);
        self
    }

    /// Reads the next record; none at the end of the object.
    ///
    /// # Errors
    /// Those of the stream, and `BadRow` if the record is too long or does not
    /// end.
    pub async fn next(&mut self) -> Result<Option<Record>> {
        Ok(self.advance().await?)
    }

    /// Reads the header, which is the first record; none if the object is empty.
    ///
    /// # Errors
    /// Those of [`next`](Self::next), and `HeaderMismatch` if it is longer than
    /// 1 MiB.
    pub async fn header(&mut self) -> Result<Option<Record>> {
        let limit = self.scanner.limit();
        self.scanner.set_limit(limit.min(MAX_HEADER_BYTES));
        let record = self.advance().await;
        self.scanner.set_limit(limit);
        record.map_err(|failure| match failure {
            Failure::Scan(ScanError::TooLong { .. }) => Error::new(
                ErrorName::HeaderMismatch,
                "the header is longer than 1 MiB: is the object a CSV file whose first line names \
                 the columns, and does every quote in it end?",
            ),
            other => other.into(),
        })
    }

    /// Splits what is left into what makes a COPY of it and its bytes.
    #[must_use]
    pub fn into_rest(self) -> (RecordSplitter, ByteStream) {
        let splitter = RecordSplitter::after(self.scanner, self.quote);
        if self.chunk.is_empty() {
            return (splitter, self.body);
        }
        let chunk = self.chunk;
        (splitter, Box::pin(stream::once(async move { Ok(chunk) }).chain(self.body)))
    }

    async fn advance(&mut self) -> Result<Option<Record>, Failure> {
        let line = self.scanner.record_line();
        let mut kept = Kept { limit: self.keep, ..Kept::default() };
        loop {
            if self.chunk.is_empty() {
                match self.body.next().await {
                    Some(chunk) => self.chunk = chunk.map_err(Failure::Stream)?,
                    None if self.scanner.finish()? => break,
                    None => return Ok(None),
                }
                continue;
            }
            match self.scanner.scan(&self.chunk)? {
                Step::End { content, next } => {
                    kept.take(self.chunk.slice(..content));
                    self.chunk.advance(next);
                    break;
                }
                Step::HeldEnd { next } => {
                    self.chunk.advance(next);
                    break;
                }
                Step::HeldByte => kept.take(Bytes::from_static(b"\r")),
                Step::Used => kept.take(std::mem::take(&mut self.chunk)),
                Step::Held { content } => {
                    kept.take(self.chunk.slice(..content));
                    self.chunk.clear();
                }
            }
        }
        let last_line = self.scanner.line() - 1;
        let (bytes, cut) = kept.finish();
        Ok(Some(Record { line, last_line, bytes, cut }))
    }
}

/// Why the next record can't be read.
enum Failure {
    Stream(Error),
    Scan(ScanError),
}

impl From<ScanError> for Failure {
    fn from(error: ScanError) -> Self {
        Self::Scan(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Stream(error) => error,
            Failure::Scan(error) => error.into(),
        }
    }
}

/// The bytes of a record that are kept: a slice where one chunk has it all.
#[derive(Default)]
struct Kept {
    limit: usize,
    first: Bytes,
    more: BytesMut,
    cut: bool,
}

impl Kept {
    fn take(&mut self, mut piece: Bytes) {
        let room = self.limit - self.first.len() - self.more.len();
        self.cut |= piece.len() > room;
        piece.truncate(room);
        if self.first.is_empty() {
            self.first = piece;
        } else {
            self.more.extend_from_slice(&piece);
        }
    }

    fn finish(self) -> (Bytes, bool) {
        if self.more.is_empty() {
            return (self.first, self.cut);
        }
        let mut whole = BytesMut::with_capacity(self.first.len() + self.more.len());
        whole.extend_from_slice(&self.first);
        whole.extend_from_slice(&self.more);
        (whole.freeze(), self.cut)
    }
}

#[cfg(test)]
mod tests;
