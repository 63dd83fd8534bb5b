//! Decoded text that has come and is not read yet, with its place in the object.

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::Arc;

use memchr::{memchr, memchr3, memrchr};

use super::MAX_RAW_BYTES;
use super::marks::Lines;
use crate::record::decode::Unit;
use crate::record::parsed::{Fault, Parsed};
use crate::record::raw::Raw;

/// The longest run of bytes that is one wrong character in some encoding.
const MAX_WRONG_BYTES: usize = 8;

/// How many wrong characters of a line are shown as the bytes that they are.
const WRONG_SHOWN: usize = 256;

/// Text that has come.
pub(super) struct Buffer {
    text: Arc<String>,
    /// Where the text begins that is not read yet.
    at: usize,
    /// How much text there was before.
    before: u64,
    wrong: VecDeque<Wrong>,
    /// How many of them are on the last line.
    wrong_on_line: usize,
    last_nul: Option<u64>,
    line: u64,
    last_line: u64,
    lines: Lines,
    /// What a record may end in begins with these.
    firsts: [u8; 2],
    /// Where the text begins that is not read yet, among the stored bytes, if that is
    /// wanted.
    stored: Option<Stored>,
}

/// A place among the stored bytes of an object.
#[derive(Debug)]
struct Stored {
    at: u64,
    unit: Unit,
    /// Where the text has more bytes than what is stored, and how many.
    surplus: VecDeque<(u64, u8)>,
}

/// Bytes that are no character; the text has a replacement character for them.
#[derive(Debug, Clone, Copy)]
struct Wrong {
    at: u64,
    bytes: [u8; MAX_WRONG_BYTES],
    length: usize,
}

/// Takes what is decoded.
pub(in crate::record) struct Sink<'a> {
    buffer: &'a mut Buffer,
    /// The buffer's text, which goes back when all is taken.
    text: String,
}

impl Sink<'_> {
    /// Takes text.
    pub(in crate::record) fn text(&mut self, text: &str) {
        self.decode(|taken| taken.push_str(text));
    }

    /// Takes what is appended to the text.
    pub(in crate::record) fn decode<T>(&mut self, append: impl FnOnce(&mut String) -> T) -> T {
        let from = self.text.len();
        let value = append(&mut self.text);
        if let Some(nul) = self.text.as_bytes().get(from..).and_then(|new| memrchr(0, new)) {
            self.buffer.last_nul = Some(self.buffer.before + (from + nul) as u64);
        }
        value
    }

    /// Takes bytes that are no character.
    pub(in crate::record) fn wrong(&mut self, bytes: &[u8]) {
        self.buffer.push_wrong(bytes, &mut self.text);
    }
}

impl Drop for Sink<'_> {
    fn drop(&mut self) {
        self.buffer.text = Arc::new(std::mem::take(&mut self.text));
    }
}

impl Buffer {
    /// Makes a buffer; line ends may begin with `firsts`.
    pub(super) fn new(firsts: [u8; 2]) -> Self {
        Self {
            text: Arc::default(),
            at: 0,
            before: 0,
            wrong: VecDeque::new(),
            wrong_on_line: 0,
            last_nul: None,
            line: 1,
            last_line: 1,
            lines: Lines::default(),
            firsts,
            stored: None,
        }
    }

    /// Follows the place among the stored bytes from here on.
    pub(super) fn follow(&mut self, at: u64, unit: Unit) {
        self.stored = Some(Stored { at, unit, surplus: VecDeque::new() });
    }

    /// Passes over stored bytes that are no text.
    pub(super) const fn pass_stored(&mut self, bytes: u64) {
        if let Some(stored) = &mut self.stored {
            stored.at += bytes;
        }
    }

    /// The place among the stored bytes of what is not read yet, if it is followed.
    pub(super) fn stored(&self) -> Option<u64> {
        self.stored.as_ref().map(|stored| stored.at)
    }

    /// Makes room for more text by forgetting what is read.
    pub(super) fn sink(&mut self) -> Sink<'_> {
        // A record that has not let go of it keeps it.
        let mut text = Arc::unwrap_or_clone(std::mem::take(&mut self.text));
        if self.at > 0 {
            text.drain(..self.at);
            self.before += self.at as u64;
            self.at = 0;
        }
        Sink { buffer: self, text }
    }

    /// Whether records are parts of the text.
    #[cfg(test)]
    pub(super) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.text) > 1
    }

    /// The text that is not read yet.
    pub(super) fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The beginning of the character of it that stands there; its length if it is
    /// shorter.
    pub(super) fn floor(&self, at: usize) -> usize {
        let rest = self.rest();
        let mut at = at.min(rest.len());
        while !rest.is_char_boundary(at) {
            at -= 1;
        }
        at
    }

    /// Whether nothing is wrong with any character of it.
    pub(super) fn is_clean(&self) -> bool {
        self.wrong.is_empty() && self.last_nul.is_none_or(|last| last < self.offset())
    }

    /// Where it begins in the whole text.
    pub(super) const fn offset(&self) -> u64 {
        self.before + self.at as u64
    }

    /// The line on which it begins.
    pub(super) const fn line(&self) -> u64 {
        self.line
    }

    /// The line on which what is read ends.
    pub(super) const fn last_line(&self) -> u64 {
        self.last_line
    }

    /// Passes over text.
    pub(super) fn advance(&mut self, length: usize) {
        let passed = self.text.as_bytes().get(self.at..self.at + length).unwrap_or_default();
        let line = self.line;
        // Half a line end may be counted back.
        self.line = line.wrapping_add(self.lines.count(passed));
        let ended = matches!(passed.last(), Some(b'\n' | b'\r'));
        self.last_line = self.line - u64::from(ended);
        self.pass(length);
    }

    /// Passes over `content` bytes without a line end, and the line end up to `next`.
    pub(super) fn advance_line(&mut self, content: usize, next: usize) {
        self.last_line = self.line;
        self.line += u64::from(next > content);
        self.lines = Lines::default();
        self.pass(next);
    }

    fn pass(&mut self, length: usize) {
        let from = self.at;
        self.at += length;
        let offset = self.offset();
        if let Some(stored) = &mut self.stored {
            stored.at += match stored.unit {
                Unit::Byte => length as u64,
                Unit::Character => {
                    let passed = self.text.as_bytes().get(from..from + length).unwrap_or_default();
                    passed.iter().filter(|byte| (**byte & 0xc0) != 0x80).count() as u64
                }
            };
            while let Some((_, more)) = stored.surplus.pop_front_if(|(at, _)| *at < offset) {
                stored.at -= u64::from(more);
            }
        }
        while self.wrong.front().is_some_and(|wrong| wrong.at < offset) {
            self.wrong.pop_front();
        }
    }

    fn push_wrong(&mut self, bytes: &[u8], text: &mut String) {
        let from = self.wrong.back().map_or(0, |last| last.at.saturating_sub(self.before));
        let since = usize::try_from(from).ok().and_then(|from| text.as_bytes().get(from..));
        let [first, second] = self.firsts;
        if since.is_some_and(|since| memchr3(b'\n', first, second, since).is_some()) {
            self.wrong_on_line = 0;
        }
        let at = self.before + text.len() as u64;
        text.push(char::REPLACEMENT_CHARACTER);
        if let Some(Stored { unit: Unit::Byte, surplus, .. }) = &mut self.stored {
            let more = char::REPLACEMENT_CHARACTER.len_utf8().saturating_sub(bytes.len());
            surplus.push_back((at, u8::try_from(more).unwrap_or_default()));
        }
        self.wrong_on_line += 1;
        if self.wrong_on_line <= WRONG_SHOWN {
            let mut kept = [0; MAX_WRONG_BYTES];
            let length = bytes.len().min(MAX_WRONG_BYTES);
            for (kept, byte) in kept.iter_mut().zip(bytes) {
                *kept = *byte;
            }
            self.wrong.push_back(Wrong { at, bytes: kept, length });
        }
    }

    /// Gives a record the beginning of the text as it stands in the object: up to `content`, or
    /// to the most that is kept. Bytes that are no text come as `\x` and two digits.
    /// Returns what is wrong with the `content`.
    pub(super) fn give_raw(&self, record: &mut Parsed, content: usize) -> Option<Fault> {
        let rest = self.rest();
        let (start, end) = (self.offset(), self.offset() + content as u64);
        let wrong = self.wrong.front().is_some_and(|wrong| wrong.at < end);
        let nul = self.last_nul.is_some_and(|last| last >= start)
            && rest.as_bytes().get(..content).is_some_and(|content| memchr(0, content).is_some());
        let mut kept = content;
        record.cut = content > MAX_RAW_BYTES;
        if record.cut {
            kept = self.floor(MAX_RAW_BYTES);
        }
        if wrong || nul {
            record.raw = Raw::own(self.marked(rest.get(..kept).unwrap_or_default()));
        } else {
            record.raw.share(&self.text, self.at..self.at + kept);
        }
        match (wrong, nul) {
            (true, _) => Some(Fault::Encoding),
            (false, true) => Some(Fault::Nul),
            (false, false) => None,
        }
    }

    fn marked(&self, kept: &str) -> String {
        let mut raw = String::with_capacity(kept.len());
        let mut wrong = self.wrong.iter().peekable();
        for (at, character) in kept.char_indices() {
            let offset = self.offset() + at as u64;
            let mut bytes: &[u8] = if character == '\0' { &[0] } else { &[] };
            if let Some(here) = wrong.next_if(|wrong| wrong.at == offset) {
                bytes = here.bytes.get(..here.length).unwrap_or_default();
            }
            if bytes.is_empty() {
                raw.push(character);
            }
            for byte in bytes {
                // Writing into a text can't fail.
                _ = write!(raw, "\\x{byte:02x}");
            }
        }
        raw
    }
}
