//! Records that are longer than the longest: dropped as they are read, but for the
//! beginning of their text.

use super::reading::{Reading, View};
use super::{Mode, Overlong, Step, Tokenizer};
use crate::record::parsed::{Fault, Parsed};
use crate::record::raw::Raw;

impl Tokenizer {
    /// Begins to drop a record.
    pub(super) fn keep_overlong(&mut self, record: &mut Parsed, fault: Fault, by_line: bool) {
        record.clear();
        record.fault = Some(fault);
        record.line = self.buffer.line();
        self.buffer.give_raw(record, self.buffer.floor(self.limit));
        record.cut = true;
        // It is kept for longer than the text of which it is a part.
        record.raw = Raw::own(record.raw.as_str().to_owned());
        self.mode = Mode::Overlong(Overlong { kept: std::mem::take(record), by_line, amid: false });
    }

    /// Drops what there is of a record that is too long.
    pub(super) fn drop_overlong(&mut self, record: &mut Parsed) -> Option<Step> {
        let Mode::Overlong(overlong) = &self.mode else { return None };
        let rest = self.buffer.rest();
        let (amid, mut by_line) = (overlong.amid, overlong.by_line);
        let mut now_amid = amid;
        let (drop, ended) = if by_line {
            match self.ends.find(rest.as_bytes(), 0, self.ended) {
                Some(end) => (end.next, true),
                None => (self.dropped_line(), self.ended),
            }
        } else {
            let view = View { rest, ended: self.ended, amid, limit: usize::MAX, window: self.limit };
            record.clear();
            match self.rules.read(&view, record) {
                Reading::Record { next, .. } | Reading::Last { next, .. } => (next, true),
                Reading::Partial { resume, amid } => {
                    // No quote is waited for longer than a record may be long.
                    by_line =
                        resume == 0 && rest.len() > self.limit.saturating_add(2 * self.rules.lookahead());
                    now_amid = amid;
                    (resume, false)
                }
                Reading::Unterminated { opened } => {
                    by_line = true;
                    (opened, false)
                }
            }
        };
        if let Mode::Overlong(overlong) = &mut self.mode {
            overlong.amid = now_amid;
            overlong.by_line = by_line;
        }
        let looked_at_anew = by_line && !ended && drop < rest.len();
        self.buffer.advance(drop);
        if !ended {
            let length = self.buffer.rest().len();
            self.wanted =
                if looked_at_anew && drop > 0 { 0 } else { length.saturating_mul(2).max(length + 1) };
            return None;
        }
        if let Mode::Overlong(overlong) = std::mem::replace(&mut self.mode, Mode::Records) {
            *record = overlong.kept;
        }
        if record.fault == Some(Fault::AfterEnd) {
            self.mode = Mode::Tail;
        }
        self.number += 1;
        record.number = self.number;
        // The second half of a line end may be all that there was.
        record.last_line = self.buffer.last_line().max(record.line);
        Some(Step::Record)
    }
}
