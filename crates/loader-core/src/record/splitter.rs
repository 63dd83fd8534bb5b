//! Splits an object into records, and makes of it the bytes of a COPY.

use bytes::{Bytes, BytesMut};

use super::scanner::{Scanner, Step};
use crate::definition::dialect::copy::CopyDialect;
use crate::error::Result;

/// What went through a splitter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records that have ended.
    pub records: u64,
    /// Lines as COPY counts them: one for each record, and one for each newline
    /// within quotes.
    pub lines: u64,
    /// Bytes handed on.
    pub bytes: u64,
}

/// Makes of the chunks of an object the chunks of a COPY in CSV.
///
/// Every record ends in one newline then, the last one too; bytes within quotes
/// stay as they are. A record `\.` is quoted: before `PostgreSQL` 18, COPY takes
/// it for the end of the data even in CSV, and the rest of the object would be
/// lost in silence (`CopyReadLineText`, "we only recognize \. alone on a line").
/// Where nothing has to change, no byte is copied.
#[derive(Debug)]
pub struct RecordSplitter {
    scanner: Scanner,
    first_line: u64,
    records_before: u64,
    bytes: u64,
    /// The next byte is the first of a record.
    at_start: bool,
    /// What the last chunk held of a record that may be `\.`.
    held: HeldMark,
    quoted_mark: [u8; 4],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeldMark {
    Nothing,
    Backslash,
    Mark,
}

const MARK: &[u8] = b"\\.";

impl RecordSplitter {
    /// Makes a splitter for an object from its first byte on.
    #[must_use]
    pub fn new(dialect: &CopyDialect) -> Self {
        Self::after(Scanner::new(dialect), dialect.quote)
    }

    /// Goes on where a reader stopped, at the start of a record.
    pub(super) fn after(scanner: Scanner, quote: u8) -> Self {
        Self {
            first_line: scanner.line(),
            records_before: scanner.records(),
            scanner,
            bytes: 0,
            at_start: true,
            held: HeldMark::Nothing,
            quoted_mark: [quote, b'\\', b'.', quote],
        }
    }

    /// Sets the longest record that is taken, its line end counted.
    #[must_use]
    pub fn with_max_record_bytes(mut self, bytes: u64) -> Self {
        self.scanner.set_limit(bytes);
        self
    }

    /// Returns the object's line, from 1, on which the first record begins that
    /// went through here.
    #[must_use]
    pub const fn first_line(&self) -> u64 {
        self.first_line
    }

    /// Returns what went through so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        Counts {
            records: self.scanner.records() - self.records_before,
            lines: self.scanner.line() - self.first_line,
            bytes: self.bytes,
        }
    }

    /// Takes the next chunk of the object and appends to `out` what COPY gets of
    /// it. Up to three bytes may wait for the next chunk.
    ///
    /// # Errors
    /// `BadRow` if a record is longer than the limit, or a newline stands in an
    /// object whose lines end in carriage returns.
    // By value, as slices of it go on.
    #[allow(clippy::needless_pass_by_value)]
    pub fn push(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Result<()> {
        if chunk.is_empty() {
            return Ok(());
        }
        let before = out.len();
        let result = self.split(&chunk, out);
        self.bytes += out.iter().skip(before).map(|bytes| bytes.len() as u64).sum::<u64>();
        result
    }

    /// Ends the object: appends what waited, and a newline if the last record
    /// has none.
    ///
    /// # Errors
    /// `BadRow` if the object ends inside a quoted field.
    pub fn finish(&mut self, out: &mut Vec<Bytes>) -> Result<Counts> {
        let open = self.scanner.finish()?;
        let before = out.len();
        match std::mem::replace(&mut self.held, HeldMark::Nothing) {
            HeldMark::Nothing => {}
            HeldMark::Backslash => out.push(Bytes::from_static(b"\\")),
            HeldMark::Mark => out.push(Bytes::copy_from_slice(&self.quoted_mark)),
        }
        if open {
            out.push(Bytes::from_static(b"\n"));
        }
        self.bytes += out.iter().skip(before).map(|bytes| bytes.len() as u64).sum::<u64>();
        Ok(self.counts())
    }

    fn split(&mut self, chunk: &Bytes, out: &mut Vec<Bytes>) -> Result<()> {
        let mut piece = Piece::new(chunk);
        if self.held != HeldMark::Nothing && !self.release_mark(&mut piece, out)? {
            return Ok(());
        }
        let mut at = 0;
        let mut end = chunk.len();
        while at < chunk.len() {
            let rest = chunk.get(at..).unwrap_or_default();
            if self.at_start {
                self.at_start = false;
                match rest {
                    [b'\\', b'.', b'\n' | b'\r', ..] => {
                        piece.replace(at, &self.quoted_mark, at + MARK.len());
                    }
                    [b'\\'] | [b'\\', b'.'] => {
                        self.held = if rest == MARK { HeldMark::Mark } else { HeldMark::Backslash };
                        end = at;
                    }
                    _ => {}
                }
            }
            match self.scanner.scan(rest)? {
                Step::End { content, next } => {
                    let (content, next) = (at + content, at + next);
                    if chunk.get(next - 1) == Some(&b'\n') {
                        // Drops the carriage return before it, if there is one.
                        piece.replace(content, b"", next - 1);
                    } else {
                        piece.replace(content, b"\n", next);
                    }
                    at = next;
                    self.at_start = true;
                }
                // The next two come only before anything else of the chunk.
                Step::HeldEnd { next } => {
                    if next == 0 {
                        out.push(Bytes::from_static(b"\n"));
                    }
                    at = next;
                    self.at_start = true;
                }
                Step::HeldByte => out.push(Bytes::from_static(b"\r")),
                Step::Used => break,
                Step::Held { content } => {
                    end = at + content;
                    break;
                }
            }
        }
        piece.finish(end, out);
        Ok(())
    }

    /// Decides by the new chunk what the held bytes are; returns whether the
    /// chunk has more than what decides.
    fn release_mark(&mut self, piece: &mut Piece<'_>, out: &mut Vec<Bytes>) -> Result<bool> {
        match (self.held, piece.chunk.as_ref()) {
            (HeldMark::Backslash, b".") => {
                self.held = HeldMark::Mark;
                self.scanner.scan(b".")?;
                return Ok(false);
            }
            (HeldMark::Backslash, [b'.', b'\n' | b'\r', ..]) => {
                out.push(Bytes::copy_from_slice(&self.quoted_mark));
                piece.start = 1;
            }
            (HeldMark::Mark, [b'\n' | b'\r', ..]) => {
                out.push(Bytes::copy_from_slice(&self.quoted_mark));
            }
            (HeldMark::Backslash, _) => out.push(Bytes::from_static(b"\\")),
            (HeldMark::Mark, _) => out.push(Bytes::from_static(MARK)),
            (HeldMark::Nothing, _) => {}
        }
        self.held = HeldMark::Nothing;
        Ok(true)
    }
}

/// What goes out of one chunk: a slice of it, or a copy once something had to
/// change in its midst.
struct Piece<'a> {
    chunk: &'a Bytes,
    start: usize,
    copy: BytesMut,
}

impl<'a> Piece<'a> {
    fn new(chunk: &'a Bytes) -> Self {
        Self { chunk, start: 0, copy: BytesMut::new() }
    }

    fn between(&self, start: usize, end: usize) -> &'a [u8] {
        self.chunk.get(start..end).unwrap_or_default()
    }

    /// Puts `with` for the bytes from `from` to `to`.
    fn replace(&mut self, from: usize, with: &[u8], to: usize) {
        if from == to && with.is_empty() {
            return;
        }
        if self.copy.capacity() == 0 && (from > self.start || !with.is_empty()) {
            self.copy.reserve(self.chunk.len() + 64);
        }
        self.copy.extend_from_slice(self.between(self.start, from));
        self.copy.extend_from_slice(with);
        self.start = to;
    }

    fn finish(mut self, end: usize, out: &mut Vec<Bytes>) {
        if self.copy.is_empty() {
            if self.start < end {
                out.push(self.chunk.slice(self.start..end));
            }
        } else {
            self.copy.extend_from_slice(self.between(self.start, end));
            out.push(self.copy.freeze());
        }
    }
}

#[cfg(test)]
mod tests;
