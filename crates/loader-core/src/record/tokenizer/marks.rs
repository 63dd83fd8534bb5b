//! The marks between records and fields.

use memchr::{memchr2, memmem};

/// A mark of one or more bytes.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    first: u8,
    more: Box<[u8]>,
}

impl Mark {
    /// Makes a mark; none of an empty text.
    pub(super) fn new(text: &str) -> Option<Self> {
        let (first, more) = text.as_bytes().split_first()?;
        Some(Self { first: *first, more: more.into() })
    }

    /// Makes a mark of one character. NUL is none: Postgres has no text with it, and
    /// who writes it as a quote or an escape means that there is none.
    pub(super) fn sign(sign: Option<char>) -> Option<Self> {
        let sign = sign.filter(|sign| *sign != '\0')?;
        Self::new(sign.encode_utf8(&mut [0; 4]))
    }

    /// Its first byte.
    pub(super) const fn first(&self) -> u8 {
        self.first
    }

    /// How many bytes it has.
    pub(super) const fn len(&self) -> usize {
        self.more.len() + 1
    }

    /// Tells whether it stands there.
    pub(super) fn is_at(&self, bytes: &[u8], at: usize) -> bool {
        bytes.get(at) == Some(&self.first)
            && (self.more.is_empty() || bytes.get(at + 1..).is_some_and(|rest| rest.starts_with(&self.more)))
    }

    /// Returns its length if it stands there.
    pub(super) fn length_at(&self, bytes: &[u8], at: usize) -> Option<usize> {
        self.is_at(bytes, at).then(|| self.len())
    }
}

/// What ends a record, or a line.
#[derive(Debug, Clone)]
pub(super) enum LineEnds {
    /// A newline, a carriage return or both, each where it stands.
    Any,
    /// This and nothing else.
    Exact(Mark, Box<[u8]>),
}

/// Where a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LineEnd {
    /// Where its bytes end.
    pub(super) content: usize,
    /// Where the next line begins.
    pub(super) next: usize,
}

impl LineEnds {
    pub(super) fn new(line_end: Option<&str>) -> Self {
        match line_end.and_then(|text| Some((Mark::new(text)?, text))) {
            Some((mark, text)) => Self::Exact(mark, text.as_bytes().into()),
            None => Self::Any,
        }
    }

    /// The bytes that a line end may begin with.
    pub(super) fn firsts(&self) -> [u8; 2] {
        match self {
            Self::Any => [b'\n', b'\r'],
            Self::Exact(mark, _) => [mark.first(); 2],
        }
    }

    /// How many bytes the longest has.
    pub(super) const fn longest(&self) -> usize {
        match self {
            Self::Any => 2,
            Self::Exact(mark, _) => mark.len(),
        }
    }

    /// Returns the length of the line end that stands there. A carriage return at the
    /// end of the bytes is taken to be alone.
    pub(super) fn length_at(&self, bytes: &[u8], at: usize) -> Option<usize> {
        match self {
            Self::Any => match bytes.get(at) {
                Some(b'\n') => Some(1),
                Some(b'\r') => Some(if bytes.get(at + 1) == Some(&b'\n') { 2 } else { 1 }),
                _ => None,
            },
            Self::Exact(mark, _) => mark.length_at(bytes, at),
        }
    }

    /// Finds the first line end from a place on; none if there is none yet. `ended`
    /// says that nothing follows the bytes.
    pub(super) fn find(&self, bytes: &[u8], from: usize, ended: bool) -> Option<LineEnd> {
        let rest = bytes.get(from..)?;
        let content = from
            + match self {
                Self::Any => memchr2(b'\n', b'\r', rest)?,
                Self::Exact(_, text) => memmem::find(rest, text)?,
            };
        let length = self.length_at(bytes, content)?;
        let undecided = length == 1
            && !ended
            && matches!(self, Self::Any)
            && content + 1 == bytes.len()
            && bytes.get(content) == Some(&b'\r');
        (!undecided).then_some(LineEnd { content, next: content + length })
    }
}

/// Counts physical lines: a newline, a carriage return or both end one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lines {
    after_return: bool,
}

impl Lines {
    /// Counts the line ends in what follows what was counted before.
    pub(super) fn count(&mut self, bytes: &[u8]) -> u64 {
        let mut lines = 0;
        if self.after_return && bytes.first() == Some(&b'\n') {
            // The second half of the line end that was counted.
            lines = 0_u64.wrapping_sub(1);
        }
        for at in memchr::memchr2_iter(b'\n', b'\r', bytes) {
            let second = bytes.get(at) == Some(&b'\n')
                && at.checked_sub(1).is_some_and(|before| bytes.get(before) == Some(&b'\r'));
            lines = lines.wrapping_add(u64::from(!second));
        }
        if let Some(last) = bytes.last() {
            self.after_return = *last == b'\r';
        }
        lines
    }
}
