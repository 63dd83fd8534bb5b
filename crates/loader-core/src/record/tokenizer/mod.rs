//! Splits decoded text into records, and records into fields.
//!
//! Text is pushed in chunks of any size; what comes out does not depend on where it
//! was cut. Nothing that is wrong with a record ends the reading: the record comes out
//! with its [`Fault`], and the next begins behind it.
//!
//! A quote that does not end within the longest record, or before the end of the
//! object, spoils its own record only: that ends at the end of the line on which the
//! quote opened, and reading goes on with the next line. The look ahead for a closing
//! quote gets shorter with each one that was missed in the same stretch of text, so
//! that text full of stray quotes takes no longer than other text.
//!
//! A record that is longer than the longest is dropped as it is read: all that is kept
//! of it is the beginning of its text.

mod buffer;
mod csv;
mod fixed;
mod marks;
mod overlong;
mod plain;
mod reading;
mod scan;
mod text;

use self::buffer::Buffer;
pub(super) use self::buffer::Sink;
use self::csv::Csv;
use self::fixed::Fixed;
use self::marks::{LineEnd, LineEnds};
use self::plain::Plain;
use self::reading::{Reading, View};
use self::text::Text;
use super::MAX_RECORD_BYTES;
use super::decode::Unit;
use super::parsed::{Fault, Parsed, Written};
use crate::definition::dialect::{Dialect, Format, Ragged};

/// The most of a record's text that is kept as it stands in the object.
pub(super) const MAX_RAW_BYTES: usize = 64 * 1024;

/// The least that is looked ahead for a closing quote.
const LEAST_WINDOW: usize = 1024;

/// What came of asking for the next record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A record.
    Record,
    /// More text is needed.
    More,
    /// There are no more.
    End,
}

#[derive(Debug, Clone)]
enum Rules {
    Csv(Csv),
    Text(Text),
    Fixed(Fixed),
}

impl Rules {
    fn read(&self, view: &View<'_>, out: &mut Parsed) -> Reading {
        match self {
            Self::Csv(csv) => csv.read(view, out),
            Self::Text(text) => text.read(view, out),
            Self::Fixed(fixed) => fixed.read(view, out),
        }
    }

    const fn lookahead(&self) -> usize {
        match self {
            Self::Csv(csv) => csv.lookahead(),
            Self::Text(text) => text.lookahead(),
            Self::Fixed(fixed) => fixed.lookahead(),
        }
    }
}

/// What the text at hand is.
#[derive(Debug)]
enum Mode {
    /// Lines before the first record.
    Lines { left: u64 },
    /// Records.
    Records,
    /// The rest of a line that is no record.
    Comment,
    /// The rest of a record that is too long.
    Overlong(Overlong),
    /// What stands behind the mark of the end.
    Tail,
}

/// A record that is dropped as it is read.
#[derive(Debug)]
struct Overlong {
    /// What is left of it.
    kept: Parsed,
    /// Whether it ends with the line, whatever quotes say.
    by_line: bool,
    amid: bool,
}

/// Splits text into records.
pub(super) struct Tokenizer {
    /// What reads the most common records, if the dialect is one of theirs.
    plain: Option<Plain>,
    rules: Rules,
    ends: LineEnds,
    comment: Option<Box<str>>,
    skip_blank_lines: bool,
    trailing_delimiter: bool,
    ragged: Ragged,
    width: Option<usize>,
    limit: usize,
    buffer: Buffer,
    /// How much text there must be before another try.
    wanted: usize,
    ended: bool,
    mode: Mode,
    number: u64,
    /// Up to where a quote was looked for in vain, and how often.
    vain_until: u64,
    vain: u32,
    /// Where to stop, among the stored bytes.
    stop: Option<u64>,
}

impl Tokenizer {
    pub(super) fn new(dialect: &Dialect) -> Self {
        let ends = LineEnds::new(dialect.line_end.as_deref());
        let rules = match dialect.format {
            Format::Csv => Rules::Csv(Csv::new(dialect, ends.clone())),
            Format::Text => Rules::Text(Text::new(dialect, ends.clone())),
            Format::Fixed => Rules::Fixed(Fixed::new(dialect, ends.clone())),
        };
        Self {
            plain: Plain::of(dialect, &ends),
            rules,
            buffer: Buffer::new(ends.firsts()),
            ends,
            comment: dialect.comment.as_deref().filter(|mark| !mark.is_empty()).map(Into::into),
            skip_blank_lines: dialect.skip_blank_lines,
            trailing_delimiter: dialect.trailing_delimiter && dialect.format == Format::Csv,
            ragged: dialect.ragged,
            width: None,
            limit: usize::try_from(MAX_RECORD_BYTES).unwrap_or(usize::MAX),
            wanted: 0,
            ended: false,
            mode: if dialect.skip_lines > 0 {
                Mode::Lines { left: dialect.skip_lines }
            } else {
                Mode::Records
            },
            number: 0,
            vain_until: 0,
            vain: 0,
            stop: None,
        }
    }

    /// Follows the place among the stored bytes, which begin at `at`.
    pub(super) fn follow(&mut self, at: u64, unit: Unit) {
        self.buffer.follow(at, unit);
    }

    /// Passes over stored bytes that are no text.
    pub(super) const fn pass_stored(&mut self, bytes: u64) {
        self.buffer.pass_stored(bytes);
    }

    /// Stops at the first place between two records that is `stop` or behind it; never
    /// if there is none.
    pub(super) const fn stop_at(&mut self, stop: Option<u64>) {
        self.stop = stop;
    }

    /// Returns the place among the stored bytes that is read up to, if it is between two
    /// records and reading can begin anew there: nothing of what came before says how what
    /// follows is read.
    pub(super) fn place(&self) -> Option<u64> {
        let is_over = self.ended && self.buffer.rest().is_empty();
        let is_fresh = matches!(self.mode, Mode::Records) && self.buffer.offset() >= self.vain_until;
        self.buffer.stored().filter(|_| is_over || is_fresh)
    }

    /// Returns the place among the stored bytes that is read up to, wherever that is.
    pub(super) fn reached(&self) -> u64 {
        self.buffer.stored().unwrap_or_default()
    }

    /// Returns the line of the place that is read up to, from 1.
    pub(super) const fn line(&self) -> u64 {
        self.buffer.line()
    }

    /// Returns how many fields a record has to have.
    pub(super) const fn width(&self) -> Option<usize> {
        self.width
    }

    fn is_at_stop(&self) -> bool {
        let Some(stop) = self.stop else { return false };
        matches!(self.mode, Mode::Records) && self.buffer.stored().is_some_and(|at| at >= stop)
    }

    /// Sets how many fields a record has to have.
    pub(super) const fn set_width(&mut self, width: Option<usize>) {
        self.width = width;
    }

    /// Sets the longest record, in bytes of UTF-8.
    pub(super) const fn set_limit(&mut self, bytes: usize) {
        self.limit = bytes;
    }

    /// The longest record, in bytes of UTF-8.
    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// Counts records from here on.
    pub(super) const fn count_from_here(&mut self) {
        self.number = 0;
    }

    /// Takes more text.
    pub(super) fn sink(&mut self) -> Sink<'_> {
        self.buffer.sink()
    }

    /// Says that there is no more text.
    pub(super) const fn end(&mut self) {
        self.ended = true;
    }

    /// Reads the next record. The fields of the record are unspecified unless it says
    /// that there is one.
    pub(super) fn next(&mut self, record: &mut Parsed) -> Step {
        loop {
            if self.is_at_stop() {
                return Step::End;
            }
            let length = self.buffer.rest().len();
            if !self.ended && (length == 0 || length < self.wanted) {
                record.raw.let_go();
                return Step::More;
            }
            self.wanted = 0;
            let step = match self.mode {
                Mode::Lines { .. } | Mode::Comment => self.skip_line(),
                Mode::Records if length == 0 => Some(Step::End),
                Mode::Records => self.read(record),
                Mode::Overlong(_) => self.drop_overlong(record),
                Mode::Tail => self.read_tail(record),
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    /// Skips a line, or what there is of it.
    fn skip_line(&mut self) -> Option<Step> {
        let bytes = self.buffer.rest().as_bytes();
        if bytes.is_empty() {
            return Some(Step::End);
        }
        if let Some(end) = self.ends.find(bytes, 0, self.ended) {
            self.buffer.advance(end.next);
            self.mode = match self.mode {
                Mode::Lines { left } if left > 1 => Mode::Lines { left: left - 1 },
                _ => Mode::Records,
            };
            return None;
        }
        self.drop_up_to(self.dropped_line());
        None
    }

    /// How much of a line that has no end yet may be dropped.
    fn dropped_line(&self) -> usize {
        let rest = self.buffer.rest();
        let view = View { rest, ended: self.ended, amid: true, limit: 0, window: 0 };
        view.floor(view.safe(self.ends.longest()))
    }

    /// Drops text of which nothing is wanted, and asks for more.
    fn drop_up_to(&mut self, at: usize) {
        self.buffer.advance(at);
        self.wanted = self.buffer.rest().len() + 1;
    }

    fn read(&mut self, record: &mut Parsed) -> Option<Step> {
        if self.passes_over() {
            return None;
        }
        let window = self.window();
        let rest = self.buffer.rest();
        let view = View { rest, ended: self.ended, amid: false, limit: self.limit, window };
        let length = rest.len();
        record.clear();
        let plainly = self
            .plain
            .as_ref()
            .filter(|_| self.buffer.is_clean())
            .and_then(|plain| plain.read(&view, record));
        let reading = plainly.unwrap_or_else(|| {
            record.clear_fields();
            self.rules.read(&view, record)
        });
        match reading {
            Reading::Record { content, next, fault, lines } if content <= self.limit => {
                self.finish(record, content, next, fault, lines);
                Some(Step::Record)
            }
            Reading::Last { content, next, fault, lines, empty } if content <= self.limit => {
                self.mode = Mode::Tail;
                if empty {
                    self.buffer.advance(next);
                    return None;
                }
                self.finish(record, content, next, fault, lines);
                Some(Step::Record)
            }
            Reading::Unterminated { opened } if opened <= self.limit => self.recover(record, opened, window),
            Reading::Partial { .. } if length <= self.most() => self.want_more(),
            _ => {
                self.keep_overlong(record, Fault::TooLong, false);
                None
            }
        }
    }

    /// The most text that is needed to know whether a record is too long.
    fn most(&self) -> usize {
        self.limit.saturating_add(self.rules.lookahead())
    }

    /// Asks for so much more text that reading it again from the beginning of the
    /// record costs no more than reading it did.
    fn want_more(&mut self) -> Option<Step> {
        let length = self.buffer.rest().len();
        let most = self.most().saturating_add(1);
        self.wanted = length.saturating_mul(2).min(most).max(length + 1);
        None
    }

    /// Passes over a line that is no record, or asks for more to tell whether it is one.
    fn passes_over(&mut self) -> bool {
        let bytes = self.buffer.rest().as_bytes();
        if self.skip_blank_lines
            && let Some(end) = self.ends.length_at(bytes, 0)
        {
            // A newline may follow the carriage return.
            if self.ended || bytes.len() > 1 {
                self.buffer.advance(end);
            } else {
                self.wanted = 2;
            }
            return true;
        }
        let Some(comment) = self.comment.as_deref().map(str::as_bytes) else { return false };
        if bytes.starts_with(comment) {
            self.mode = Mode::Comment;
            return true;
        }
        let undecided = !self.ended && comment.starts_with(bytes);
        if undecided {
            self.wanted = comment.len();
        }
        undecided
    }

    /// How far is looked ahead for a closing quote.
    fn window(&mut self) -> usize {
        if self.buffer.offset() >= self.vain_until {
            self.vain = 0;
        }
        let shift = self.vain.saturating_mul(4).min(usize::BITS - 1);
        (self.limit >> shift).max(LEAST_WINDOW)
    }

    /// Ends a record with a quote that does not end with the line on which it opened.
    fn recover(&mut self, record: &mut Parsed, opened: usize, window: usize) -> Option<Step> {
        let bytes = self.buffer.rest().as_bytes();
        let found = self.ends.find(bytes, opened, self.ended);
        if found.is_none() && !self.ended && bytes.len() <= self.most() {
            return self.want_more();
        }
        let end = found.unwrap_or(LineEnd { content: bytes.len(), next: bytes.len() });
        let until = opened.saturating_add(window).min(self.limit);
        self.vain_until = self.vain_until.max(self.buffer.offset() + until as u64);
        self.vain += 1;
        if end.content > self.limit {
            self.keep_overlong(record, Fault::UnterminatedQuote, true);
            self.buffer.advance(opened);
            return None;
        }
        record.clear_fields();
        self.finish(record, end.content, end.next, Some(Fault::UnterminatedQuote), true);
        Some(Step::Record)
    }

    /// Makes a record of each line that stands behind the mark of the end. Blank ones
    /// are nothing.
    fn read_tail(&mut self, record: &mut Parsed) -> Option<Step> {
        let rest = self.buffer.rest();
        let blank = rest.len() - rest.trim_start_matches(['\n', '\r']).len();
        if blank > 0 {
            self.buffer.advance(blank);
            return None;
        }
        if rest.is_empty() {
            return self.ended.then_some(Step::End);
        }
        let found = self.ends.find(rest.as_bytes(), 0, self.ended);
        if found.is_none() && !self.ended && rest.len() <= self.most() {
            return self.want_more();
        }
        let end = found.unwrap_or(LineEnd { content: rest.len(), next: rest.len() });
        if end.content > self.limit {
            self.keep_overlong(record, Fault::AfterEnd, true);
            return None;
        }
        record.clear();
        self.finish(record, end.content, end.next, Some(Fault::AfterEnd), true);
        Some(Step::Record)
    }

    /// Completes a record of which the end is known, and passes over it.
    fn finish(
        &mut self,
        record: &mut Parsed,
        content: usize,
        next: usize,
        fault: Option<Fault>,
        lines: bool,
    ) {
        record.line = self.buffer.line();
        let found = self.buffer.give_raw(record, content);
        if lines || !matches!(self.ends, LineEnds::Any) {
            self.buffer.advance(next);
        } else {
            self.buffer.advance_line(content, next);
        }
        // The second half of a line end may be all that there was.
        record.last_line = self.buffer.last_line().max(record.line);
        self.number += 1;
        record.number = self.number;
        if self.trailing_delimiter
            && record.ends.len() > 1
            && record
                .field(record.ends.len() - 1)
                .is_some_and(|last| last.value.is_empty() && last.written == Written::Plain)
        {
            record.ends.pop();
        }
        record.fault = found.or(fault).or_else(|| self.fit(record));
    }

    /// Makes the record as wide as it has to be, or says why that can't be.
    fn fit(&self, record: &mut Parsed) -> Option<Fault> {
        let width = self.width?;
        let found = record.ends.len();
        if found > width {
            if self.ragged != Ragged::PadAndCut {
                return Some(Fault::TooManyFields);
            }
            record.ends.truncate(width);
            record.text.truncate(record.ends.last().map_or(0, |end| end.at));
        } else if found < width {
            if self.ragged == Ragged::Refuse {
                return Some(Fault::TooFewFields);
            }
            for _ in found..width {
                record.end_field(Written::Absent);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
