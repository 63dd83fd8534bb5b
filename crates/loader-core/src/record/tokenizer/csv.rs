//! Records of CSV, in all its dialects.
//!
//! `Quoting::Anywhere` with the defaults is `CopyReadAttributesCSV` in
//! `src/backend/commands/copyfromparse.c` of Postgres.

use memchr::{memchr, memchr2};

use super::marks::{LineEnds, Mark};
use super::reading::{Reading, View};
use crate::definition::dialect::{Dialect, Quoting, Trim};
use crate::record::parsed::{Fault, Parsed, Written};

/// The rules of a dialect.
#[derive(Debug, Clone)]
pub(super) struct Csv {
    delimiter: Option<Mark>,
    quote: Option<Mark>,
    escape: Option<Mark>,
    quoting: Quoting,
    trim: Trim,
    ends: LineEnds,
    /// The bytes outside of quotes that may mean something.
    special: Box<[bool; 256]>,
    lookahead: usize,
}

impl Csv {
    pub(super) fn new(dialect: &Dialect, ends: LineEnds) -> Self {
        let delimiter = Mark::new(&dialect.delimiter);
        let quote = Mark::sign(dialect.quote);
        let escape = Mark::sign(dialect.escape);
        let outside = if quote.is_some() { quote.as_ref() } else { escape.as_ref() };
        let mut special = Box::new([false; 256]);
        let marks = [delimiter.as_ref(), outside];
        for first in marks.into_iter().flatten().map(Mark::first).chain(ends.firsts()) {
            if let Some(entry) = special.get_mut(usize::from(first)) {
                *entry = true;
            }
        }
        let longest = [delimiter.as_ref(), quote.as_ref(), escape.as_ref()]
            .into_iter()
            .flatten()
            .map(Mark::len)
            .chain([ends.longest()])
            .max()
            .unwrap_or(1);
        Self {
            delimiter,
            quote,
            escape,
            quoting: dialect.quoting,
            trim: dialect.trim,
            ends,
            special,
            lookahead: 2 * longest,
        }
    }

    /// How many bytes are looked at at once, at most.
    pub(super) const fn lookahead(&self) -> usize {
        self.lookahead
    }

    /// Reads the record at the beginning of the text.
    pub(super) fn read(&self, view: &View<'_>, out: &mut Parsed) -> Reading {
        let reader = Reader {
            csv: self,
            view,
            bytes: view.rest.as_bytes(),
            safe: view.safe(self.lookahead),
            out,
            at: 0,
            fault: None,
            lines: false,
        };
        reader.record()
    }

    fn delimiter_at(&self, bytes: &[u8], at: usize) -> Option<usize> {
        self.delimiter.as_ref()?.length_at(bytes, at)
    }

    fn quote_at(&self, bytes: &[u8], at: usize) -> Option<usize> {
        self.quote.as_ref()?.length_at(bytes, at)
    }

    fn escape_at(&self, bytes: &[u8], at: usize) -> Option<usize> {
        self.escape.as_ref()?.length_at(bytes, at)
    }

    fn is_blank_at(&self, bytes: &[u8], at: usize) -> bool {
        matches!(bytes.get(at), Some(b' ' | b'\t'))
            && self.delimiter_at(bytes, at).is_none()
            && self.ends.length_at(bytes, at).is_none()
    }

    /// Finds the next byte within quotes that may mean something.
    fn seek_within(&self, rest: &[u8]) -> Option<usize> {
        match (&self.quote, &self.escape) {
            (Some(quote), Some(escape)) if quote.first() != escape.first() => {
                memchr2(quote.first(), escape.first(), rest)
            }
            (Some(quote), _) => memchr(quote.first(), rest),
            (None, _) => None,
        }
    }
}

struct Reader<'a> {
    csv: &'a Csv,
    view: &'a View<'a>,
    bytes: &'a [u8],
    /// What begins before it can be decided on.
    safe: usize,
    out: &'a mut Parsed,
    at: usize,
    fault: Option<Fault>,
    /// Whether there may be line ends in the record.
    lines: bool,
}

impl Reader<'_> {
    fn record(mut self) -> Reading {
        let mut amid = self.view.amid;
        loop {
            match self.field(amid) {
                Ok(None) => amid = false,
                Ok(Some(next)) => {
                    let (content, fault, lines) = (self.at, self.fault, self.lines);
                    return Reading::Record { content, next, fault, lines };
                }
                Err(reading) => return reading,
            }
        }
    }

    /// Reads a field, and returns where the next record begins if it is the last.
    fn field(&mut self, amid: bool) -> Result<Option<usize>, Reading> {
        let begin = self.out.text.len();
        let mut written = Written::Plain;
        // What trimming leaves alone.
        let mut kept = begin;
        if self.csv.trim != Trim::None {
            self.at = self.behind_blanks(self.at, amid)?;
        }
        let mut closed = None;
        if !amid
            && self.csv.quoting != Quoting::Anywhere
            && self.at < self.safe
            && self.csv.quote_at(self.bytes, self.at).is_some()
        {
            self.quoted()?;
            written = Written::Quoted;
            kept = self.out.text.len();
            closed = Some(self.at);
        }
        let start = self.at;
        let mut from = self.at;
        loop {
            let at = self.seek();
            if at >= self.safe {
                if !self.view.ended {
                    let resume = self.view.floor(at.min(self.safe).max(self.at));
                    let amid = amid || resume > start || closed.is_some();
                    return Err(Reading::Partial { resume, amid });
                }
                self.at = at;
                self.end_field(from, begin, kept, written, closed);
                return Ok(Some(at));
            }
            self.at = at;
            if let Some(length) = self.csv.ends.length_at(self.bytes, at) {
                self.end_field(from, begin, kept, written, closed);
                return Ok(Some(at + length));
            }
            if let Some(length) = self.csv.delimiter_at(self.bytes, at) {
                self.end_field(from, begin, kept, written, closed);
                self.at = at + length;
                return Ok(None);
            }
            if self.csv.quoting == Quoting::Anywhere && self.csv.quote_at(self.bytes, at).is_some() {
                self.take(from, at);
                self.quoted()?;
                written = Written::Quoted;
                kept = self.out.text.len();
                from = self.at;
            } else if self.csv.quoting == Quoting::Whole && self.csv.quote_at(self.bytes, at).is_some() {
                // RFC 4180, section 2, rule 5. Behind a closing quote it is text like other.
                let fault = if closed.is_some() { Fault::TextAfterQuote } else { Fault::QuoteWithinField };
                self.fault = self.fault.or(Some(fault));
                self.at = at + 1;
            } else if let Some(taken) = self.escaped(at) {
                self.take(from, at);
                self.take(taken.0, taken.1);
                kept = self.out.text.len();
                from = taken.1;
                self.at = from;
            } else {
                self.at = at + 1;
            }
        }
    }

    /// Where quotes mean nothing, an escape takes the meaning off a delimiter, a line
    /// end or itself. Returns from where to where that stands.
    fn escaped(&mut self, at: usize) -> Option<(usize, usize)> {
        if self.csv.quote.is_some() {
            return None;
        }
        let from = at + self.csv.escape_at(self.bytes, at)?;
        let line_end = self.csv.ends.length_at(self.bytes, from);
        self.lines |= line_end.is_some();
        let delimiter = || self.csv.delimiter_at(self.bytes, from);
        let length = line_end.or_else(delimiter).or_else(|| self.csv.escape_at(self.bytes, from))?;
        Some((from, from + length))
    }

    /// Reads from an opening quote to behind the closing one.
    fn quoted(&mut self) -> Result<(), Reading> {
        let opened = self.at;
        let until = self.view.quote_until(opened);
        let mut from = opened + self.csv.quote.as_ref().map_or(1, Mark::len);
        let mut at = from;
        self.lines = true;
        loop {
            let rest = self.bytes.get(at..).unwrap_or_default();
            at = self.csv.seek_within(rest).map_or(self.bytes.len(), |found| at + found);
            if at >= self.safe || at > until {
                let ends = self.view.ended || self.safe > until;
                return Err(if ends {
                    Reading::Unterminated { opened }
                } else {
                    Reading::Partial { resume: opened, amid: false }
                });
            }
            if let Some(length) = self.csv.escape_at(self.bytes, at) {
                let next = at + length;
                let sign =
                    self.csv.escape_at(self.bytes, next).or_else(|| self.csv.quote_at(self.bytes, next));
                if let Some(length) = sign {
                    self.take(from, at);
                    from = next;
                    at = next + length;
                    continue;
                }
            }
            if let Some(length) = self.csv.quote_at(self.bytes, at) {
                if self.csv.quoting != Quoting::Loose || self.closes(opened, at + length, until)? {
                    self.take(from, at);
                    self.at = at + length;
                    return Ok(());
                }
                at += length;
            } else {
                at += 1;
            }
        }
    }

    /// Tells whether a quote that ends here ends its field.
    fn closes(&self, opened: usize, after: usize, until: usize) -> Result<bool, Reading> {
        let mut at = after;
        while self.csv.trim != Trim::None && at <= until && self.csv.is_blank_at(self.bytes, at) {
            at += 1;
        }
        if at > until && after <= until {
            return Ok(false);
        }
        if at >= self.bytes.len() && self.view.ended {
            return Ok(true);
        }
        if at + self.csv.lookahead / 2 > self.bytes.len() && !self.view.ended {
            return Err(Reading::Partial { resume: opened, amid: false });
        }
        let separator =
            self.csv.delimiter_at(self.bytes, at).or_else(|| self.csv.ends.length_at(self.bytes, at));
        Ok(separator.is_some())
    }

    /// Returns the place behind blanks.
    fn behind_blanks(&self, mut at: usize, amid: bool) -> Result<usize, Reading> {
        while at < self.safe && self.csv.is_blank_at(self.bytes, at) {
            at += 1;
        }
        if at >= self.safe && !self.view.ended {
            return Err(Reading::Partial { resume: at, amid });
        }
        Ok(at)
    }

    /// Finds the next byte outside of quotes that may mean something, or the end.
    fn seek(&self) -> usize {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let is_special = |byte: &u8| self.csv.special.get(usize::from(*byte)).copied().unwrap_or_default();
        rest.iter().position(is_special).map_or(self.bytes.len(), |found| self.at + found)
    }

    fn take(&mut self, from: usize, to: usize) {
        self.out.text.push_str(self.view.rest.get(from..to).unwrap_or_default());
    }

    /// Ends the field before `self.at`.
    fn end_field(&mut self, from: usize, begin: usize, kept: usize, written: Written, closed: Option<usize>) {
        self.take(from, self.at);
        let text = &mut self.out.text;
        if self.csv.trim != Trim::None {
            let value = text.get(kept..).unwrap_or_default();
            let length = value.trim_end_matches([' ', '\t']).len();
            text.truncate(kept + length);
        }
        if closed.is_some() && text.len() > kept {
            self.fault = self.fault.or(Some(Fault::TextAfterQuote));
        }
        if self.csv.trim == Trim::All {
            let value = text.get(begin..).unwrap_or_default();
            let trimmed = value.trim_matches([' ', '\t']);
            if trimmed.len() < value.len() {
                let trimmed = trimmed.to_owned();
                text.truncate(begin);
                text.push_str(&trimmed);
            }
        }
        self.out.end_field(written);
    }
}
