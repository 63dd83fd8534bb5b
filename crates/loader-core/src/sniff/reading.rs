//! A sample read in one dialect.

use crate::definition::dialect::{Dialect, Quoting, Trim};

/// The sample as one dialect reads it.
#[derive(Debug, Clone, Default)]
pub(super) struct Reading {
    /// Its records, those before the header among them.
    pub(super) rows: Vec<Row>,
}

/// A record of a sample.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    /// Its fields.
    pub(super) cells: Vec<Cell>,
    /// The line on which it begins, from 1.
    pub(super) line: u64,
    /// How many lines it takes.
    pub(super) lines: u64,
    /// Whether the dialect has no meaning for it.
    pub(super) faulty: bool,
    /// The first characters as they stand there.
    pub(super) start: String,
}

/// A field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cell {
    /// Its value.
    pub(super) value: String,
    /// Whether it was in quotes.
    pub(super) quoted: bool,
}

/// The characters of a record's beginning that are kept.
const START: usize = 8;

impl Row {
    /// Returns how many fields there are.
    pub(super) fn width(&self) -> usize {
        self.cells.len()
    }

    /// Returns how many fields are not empty.
    pub(super) fn filled(&self) -> usize {
        self.cells.iter().filter(|cell| !cell.value.trim().is_empty()).count()
    }

    /// Whether its line has no character.
    pub(super) fn is_blank(&self) -> bool {
        self.start.is_empty()
    }

    /// Returns a field's value, empty if there is no such field.
    pub(super) fn value(&self, at: usize) -> &str {
        self.cells.get(at).map_or("", |cell| cell.value.as_str())
    }
}

impl Reading {
    /// Reads a sample, without a header, comments or lines before.
    pub(super) fn of(text: &str, dialect: &Dialect) -> Self {
        let characters: Vec<char> = text.chars().collect();
        let mut tokenizer = Tokenizer { text: &characters, at: 0, line: 1, dialect };
        let mut rows = Vec::new();
        while tokenizer.at < characters.len() {
            rows.push(tokenizer.row());
        }
        Self { rows }
    }
}

struct Tokenizer<'a> {
    text: &'a [char],
    at: usize,
    line: u64,
    dialect: &'a Dialect,
}

impl Tokenizer<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.text.get(self.at + ahead).copied()
    }

    fn is_at(&self, mark: &str, ahead: usize) -> bool {
        let rest = self.text.get(self.at + ahead..).unwrap_or_default();
        let mut rest = rest.iter();
        mark.chars().all(|c| rest.next() == Some(&c))
    }

    /// The length of the line end here, if there is one.
    fn line_end(&self, ahead: usize) -> Option<usize> {
        if let Some(end) = &self.dialect.line_end {
            return self.is_at(end, ahead).then(|| end.chars().count());
        }
        match (self.peek(ahead)?, self.peek(ahead + 1)) {
            ('\r', Some('\n')) => Some(2),
            ('\r' | '\n', _) => Some(1),
            _ => None,
        }
    }

    /// Whether a field can end here.
    fn is_border(&self, ahead: usize) -> bool {
        let mut ahead = ahead;
        if self.dialect.trim != Trim::None {
            while self.peek(ahead) == Some(' ') && !self.is_at(&self.dialect.delimiter, ahead) {
                ahead += 1;
            }
        }
        self.peek(ahead).is_none()
            || self.is_at(&self.dialect.delimiter, ahead)
            || self.line_end(ahead).is_some()
    }

    fn row(&mut self) -> Row {
        let mut row = Row { line: self.line, lines: 1, ..Row::default() };
        let rest = self.text.get(self.at..).unwrap_or_default();
        row.start = rest.iter().take(START).take_while(|c| !matches!(c, '\r' | '\n')).collect();
        loop {
            let cell = self.cell(&mut row);
            row.cells.push(cell);
            if let Some(length) = self.line_end(0) {
                self.at += length;
                self.line += 1;
                break;
            }
            if self.peek(0).is_none() {
                break;
            }
            self.at += self.dialect.delimiter.chars().count();
        }
        row.lines = (self.line - row.line).max(1);
        row
    }

    fn cell(&mut self, row: &mut Row) -> Cell {
        let mut cell = Cell::default();
        let trims = self.dialect.trim != Trim::None;
        let mut blanks = 0;
        while trims && self.peek(blanks) == Some(' ') && !self.is_at(&self.dialect.delimiter, blanks) {
            blanks += 1;
        }
        if self.dialect.quote.is_some() && self.peek(blanks) == self.dialect.quote {
            self.at += blanks + 1;
            self.quoted(row, &mut cell);
            cell.quoted = true;
        }
        while let Some(c) = self.peek(0) {
            if self.is_at(&self.dialect.delimiter, 0) || self.line_end(0).is_some() {
                break;
            }
            row.faulty |= cell.quoted && !(trims && c == ' ');
            if self.dialect.escape == Some(c) && self.dialect.quote != Some(c) && self.dialect.quote.is_none()
            {
                self.at += 1;
            }
            if let Some(c) = self.peek(0) {
                cell.value.push(c);
                self.at += 1;
            }
        }
        if trims && !cell.quoted {
            cell.value = cell.value.trim_matches(' ').to_owned();
        }
        cell
    }

    fn quoted(&mut self, row: &mut Row, cell: &mut Cell) {
        while let Some(c) = self.peek(0) {
            let next = self.peek(1);
            if Some(c) == self.dialect.escape
                && next.is_some()
                && (next == self.dialect.quote || next == self.dialect.escape)
            {
                cell.value.extend(next);
                self.at += 2;
                continue;
            }
            if Some(c) == self.dialect.quote && (self.dialect.quoting != Quoting::Loose || self.is_border(1))
            {
                self.at += 1;
                return;
            }
            if c == '\n' || c == '\r' && next != Some('\n') {
                self.line += 1;
            }
            cell.value.push(c);
            self.at += 1;
        }
        row.faulty = true;
    }
}
