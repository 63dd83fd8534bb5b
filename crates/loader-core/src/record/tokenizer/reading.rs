//! What a format is given to read, and what it makes of it.

use crate::record::parsed::Fault;

/// What a format makes of the text at the beginning of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// A record, and where the next begins. `lines`: there may be line ends in it.
    Record { content: usize, next: usize, fault: Option<Fault>, lines: bool },
    /// The same, and the mark of the end was met. `empty`: there is no record.
    Last { content: usize, next: usize, fault: Option<Fault>, lines: bool, empty: bool },
    /// More text is needed. A record that is dropped may be dropped up to `resume`;
    /// `amid` says that this is amid a field.
    Partial { resume: usize, amid: bool },
    /// The quote there does not end.
    Unterminated { opened: usize },
}

/// The text from the beginning of a record.
pub(super) struct View<'a> {
    pub(super) rest: &'a str,
    /// Whether nothing follows.
    pub(super) ended: bool,
    /// Whether it begins amid a field.
    pub(super) amid: bool,
    /// The longest record.
    pub(super) limit: usize,
    /// How far after its opening a quote has to close.
    pub(super) window: usize,
}

impl View<'_> {
    /// What begins before it can be decided on.
    pub(super) const fn safe(&self, lookahead: usize) -> usize {
        if self.ended { self.rest.len() } else { self.rest.len().saturating_sub(lookahead) }
    }

    /// Where a quote has to be closed.
    pub(super) fn quote_until(&self, opened: usize) -> usize {
        let until = opened.saturating_add(self.window);
        if opened <= self.limit { until.min(self.limit) } else { until }
    }

    /// The beginning of the character there.
    pub(super) fn floor(&self, mut at: usize) -> usize {
        while !self.rest.is_char_boundary(at) {
            at -= 1;
        }
        at
    }

    /// The length of the character that begins there.
    pub(super) fn character_at(&self, at: usize) -> usize {
        self.rest.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8)
    }
}
