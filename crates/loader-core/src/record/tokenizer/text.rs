//! Records of COPY's text format: `CopyReadLineText` and `CopyReadAttributesText` in
//! `src/backend/commands/copyfromparse.c` of Postgres.

use super::marks::{LineEnds, Mark};
use super::{Reading, View};
use crate::definition::dialect::{Dialect, Trim};
use crate::record::parsed::{Fault, Parsed, Written};

/// The rules of a dialect.
#[derive(Debug, Clone)]
pub(super) struct Text {
    delimiter: Option<Mark>,
    escape: Option<Mark>,
    null: Vec<String>,
    trim: Trim,
    ends: LineEnds,
    special: Box<[bool; 256]>,
    lookahead: usize,
}

/// A field of which the end is known.
struct Field {
    from: usize,
    /// Whether it holds an escape.
    escaped: bool,
}

impl Text {
    pub(super) fn new(dialect: &Dialect, ends: LineEnds) -> Self {
        let delimiter = Mark::new(&dialect.delimiter);
        let escape = Mark::sign(dialect.escape);
        let mut special = Box::new([false; 256]);
        let marks = [delimiter.as_ref(), escape.as_ref()];
        for first in marks.into_iter().flatten().map(Mark::first).chain(ends.firsts()) {
            if let Some(entry) = special.get_mut(usize::from(first)) {
                *entry = true;
            }
        }
        let longest = marks.into_iter().flatten().map(Mark::len).chain([ends.longest()]).max().unwrap_or(1);
        Self {
            delimiter,
            escape,
            null: dialect.null.clone(),
            trim: dialect.trim,
            ends,
            special,
            // An escape, a point and a line end, at the most.
            lookahead: 2 * longest + 5,
        }
    }

    /// How many bytes are looked at at once, at most.
    pub(super) const fn lookahead(&self) -> usize {
        self.lookahead
    }

    /// Reads the record at the beginning of the text.
    pub(super) fn read(&self, view: &View<'_>, out: &mut Parsed) -> Reading {
        let bytes = view.rest.as_bytes();
        let safe = view.safe(self.lookahead);
        let (mut fault, mut lines, mut at) = (None, false, 0);
        let mut field = Field { from: 0, escaped: false };
        loop {
            let decided = at;
            let rest = bytes.get(at..).unwrap_or_default();
            let is_special = |byte: &u8| self.special.get(usize::from(*byte)).copied().unwrap_or_default();
            at = rest.iter().position(is_special).map_or(bytes.len(), |found| at + found);
            if at >= safe {
                if !view.ended {
                    return Reading::Partial { resume: view.floor(at.min(safe).max(decided)), amid: true };
                }
                fault = fault.or(self.end_field(view.rest, &field, at, out));
                return Reading::Record { content: at, next: at, fault, lines };
            }
            if let Some(length) = self.ends.length_at(bytes, at) {
                fault = fault.or(self.end_field(view.rest, &field, at, out));
                return Reading::Record { content: at, next: at + length, fault, lines };
            }
            if let Some(length) = self.delimiter.as_ref().and_then(|mark| mark.length_at(bytes, at)) {
                fault = fault.or(self.end_field(view.rest, &field, at, out));
                at += length;
                field = Field { from: at, escaped: false };
                continue;
            }
            let Some(length) = self.escape.as_ref().and_then(|mark| mark.length_at(bytes, at)) else {
                at += 1;
                continue;
            };
            let next = at + length;
            if bytes.get(next) == Some(&b'.') {
                let after = next + 1;
                if after >= bytes.len() || self.ends.length_at(bytes, after).is_some() {
                    let next = after + self.ends.length_at(bytes, after).unwrap_or_default();
                    let empty = at == 0 && !view.amid;
                    fault = fault.or(self.end_field(view.rest, &field, at, out));
                    return Reading::Last { content: at, next, fault, lines, empty };
                }
                fault = fault.or(Some(Fault::MisplacedEnd));
            }
            field.escaped = true;
            lines |= matches!(bytes.get(next), Some(b'\n' | b'\r'));
            // Whatever follows, it means itself or is part of the sequence.
            at = next + view.character_at(next);
        }
    }

    fn end_field(&self, rest: &str, field: &Field, to: usize, out: &mut Parsed) -> Option<Fault> {
        let raw = rest.get(field.from..to).unwrap_or_default();
        let raw = if self.trim == Trim::None { raw } else { raw.trim_matches([' ', '\t']) };
        if self.null.iter().any(|null| null == raw) {
            out.end_field(Written::Absent);
            return None;
        }
        if !field.escaped {
            out.text.push_str(raw);
            out.end_field(Written::Plain);
            return None;
        }
        let value = self.unescaped(raw);
        let fault = match String::from_utf8(value) {
            Ok(value) => {
                out.text.push_str(&value);
                value.contains('\0').then_some(Fault::Nul)
            }
            Err(_) => Some(Fault::Encoding),
        };
        // A value that is written with escapes is no sign for NULL.
        out.end_field(Written::Quoted);
        fault
    }

    /// Takes the escapes out. What they stand for are bytes, as for COPY.
    fn unescaped(&self, raw: &str) -> Vec<u8> {
        let bytes = raw.as_bytes();
        let mut value = Vec::with_capacity(bytes.len());
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            let Some(length) = self.escape.as_ref().and_then(|mark| mark.length_at(bytes, at)) else {
                value.push(*byte);
                at += 1;
                continue;
            };
            at += length;
            // Alone at the end it is nothing.
            let Some(sign) = bytes.get(at) else { break };
            at += 1;
            let byte = match sign {
                b'0'..=b'7' => number(bytes, &mut at, 8, 3, u32::from(sign - b'0')),
                b'x' if bytes.get(at).is_some_and(u8::is_ascii_hexdigit) => number(bytes, &mut at, 16, 2, 0),
                b'b' => 0x08,
                b'f' => 0x0c,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 0x0b,
                other => *other,
            };
            value.push(byte);
        }
        value
    }
}

/// Reads the digits of a byte. Of more than eight bits the upper ones are lost.
fn number(bytes: &[u8], at: &mut usize, radix: u32, digits: usize, first: u32) -> u8 {
    let mut value = first;
    let left = if radix == 8 { digits - 1 } else { digits };
    for _ in 0..left {
        let Some(digit) = bytes.get(*at).and_then(|byte| char::from(*byte).to_digit(radix)) else { break };
        value = value * radix + digit;
        *at += 1;
    }
    u8::try_from(value & 0xff).unwrap_or_default()
}
