//! Finds the header, comments and blank lines, and records of another width than most.

use super::reading::{Reading, Row};
use super::score::Fit;
use super::{Sniffer, foreign, header, trailing, wording};
use crate::definition::dialect::{Dialect, Ragged};
use crate::error::{Error, ErrorName, Result};

impl Sniffer<'_> {
    /// Finds the header, and what else the records as a whole say.
    pub(super) fn rows(
        &mut self,
        dialect: &mut Dialect,
        text: &str,
        reading: &Reading,
        fit: &Fit,
    ) -> Result<()> {
        let mark = self.written.comment.clone().or_else(|| fit.comment.map(str::to_owned));
        let is_comment = |row: &Row| mark.as_deref().is_some_and(|mark| row.start.starts_with(mark));
        let rows: Vec<&Row> = reading.rows.iter().filter(|row| !row.is_blank() && !is_comment(row)).collect();
        let first_line = reading.rows.get(fit.first).map_or(1, |row| row.line);
        let first = rows.iter().position(|row| row.line >= first_line).unwrap_or_default();
        let at = self.header(dialect, &rows, first, fit);
        let begins = rows.get(at).map_or(1, |row| row.line);
        if at == 1 && dialect.header_rows == 0 && self.written.header.is_none() && dialect.names.is_none() {
            self.foreign_header(dialect, text, begins - 1, fit);
        }
        let blank = |row: &&Row| row.is_blank() && fit.width > 1;
        let blank_after = reading.rows.iter().filter(blank).any(|row| row.line > begins);
        let comment_after = reading.rows.iter().any(|row| is_comment(row) && row.line > begins);
        if self.written.skip_blank_lines.is_none() && blank_after {
            dialect.skip_blank_lines = true;
            self.found.push("blank lines are no records".to_owned());
        }
        if comment_after || self.written.comment.is_some() {
            dialect.comment.clone_from(&mark);
        }
        if let (None, true, Some(mark)) = (&self.written.comment, comment_after, &mark) {
            self.found.push(format!("comments begin with {}", wording::mark(mark)));
        }
        let before = |row: &&Row| row.line < begins;
        let left_out = |row: &Row| {
            dialect.comment.is_some() && is_comment(row) || dialect.skip_blank_lines && row.is_blank()
        };
        if self.written.skip_lines.is_none() && reading.rows.iter().filter(before).any(|row| !left_out(row)) {
            dialect.skip_lines = begins - 1;
            self.found.push(wording::lines_before(begins - 1, dialect.header_rows > 0));
        }
        self.widths(dialect, &rows, at, fit)
    }

    /// Takes the names of the line before the records, if it is a header but for its delimiter.
    pub(super) fn foreign_header(&mut self, dialect: &mut Dialect, text: &str, line: u64, fit: &Fit) {
        let line = usize::try_from(line).ok().and_then(|line| text.lines().nth(line.checked_sub(1)?));
        if let Some(names) = line.and_then(|line| foreign::names(line, dialect, fit.width)) {
            dialect.names = Some(names);
            self.doubts.push(
                "the header has another delimiter than the records; its fields are taken for their names"
                    .to_owned(),
            );
        }
    }

    /// Decides on the header and returns the place where it or the records begin.
    pub(super) fn header(&mut self, dialect: &mut Dialect, rows: &[&Row], first: usize, fit: &Fit) -> usize {
        dialect.names.clone_from(&self.written.names);
        let rows_from = if self.written.skip_lines.is_some() { 0 } else { first };
        if self.written.header.is_some() {
            dialect.header_rows = self.base.header_rows;
            let found = header::find(rows, first, fit, &self.columns, self.is_named);
            let at = if dialect.header_rows > 0 && found.rows > 0 { found.at } else { 0 };
            return if self.written.skip_lines.is_some() { 0 } else { at };
        }
        let found = header::find(rows, rows_from, fit, &self.columns, self.is_named);
        dialect.header_rows = u32::try_from(found.rows).unwrap_or(1);
        self.found.push(match found.rows {
            0 => "no header".to_owned(),
            1 => "a header".to_owned(),
            n => format!("a header of {n} records"),
        });
        self.doubts.extend(found.doubt);
        if self.written.skip_lines.is_some() { 0 } else { found.at }
    }

    /// Looks at records that are longer or shorter than the header.
    pub(super) fn widths(
        &mut self,
        dialect: &mut Dialect,
        rows: &[&Row],
        at: usize,
        fit: &Fit,
    ) -> Result<()> {
        let header_rows = usize::try_from(dialect.header_rows).unwrap_or(1);
        let named = match (&dialect.names, header_rows) {
            (Some(names), _) => names.len(),
            (None, 0) => self.table_width,
            (None, _) => rows.get(at).map_or(0, |row| row.width()),
        };
        let body: Vec<&Row> = rows.iter().skip(at + header_rows).copied().collect();
        let ends_empty =
            |row: &&Row| row.cells.last().is_some_and(|cell| cell.value.is_empty() && !cell.quoted);
        let all_end_empty = !body.is_empty() && body.iter().all(ends_empty);
        let last_unnamed =
            header_rows > 0 && rows.get(at).is_some_and(&ends_empty) && named == self.table_width + 1;
        if self.written.trailing_delimiter.is_none()
            && fit.width > 1
            && all_end_empty
            && named > 0
            && (named + 1 == fit.width || last_unnamed)
        {
            let is_of_header = header_rows > 0 && dialect.names.is_none();
            let header = rows.get(at).copied();
            if is_of_header && let Some(header) = header.filter(|row| !ends_empty(row)) {
                if trailing::stands_above(header, &body) {
                    dialect.trailing_delimiter = true;
                    self.found.push("a delimiter ends every record, and not the header".to_owned());
                    self.doubts.push(
                        "the header may lack a delimiter elsewhere than at its end; by what they say, its names stand \
                         above their values"
                            .to_owned(),
                    );
                    return Ok(());
                }
                return Err(Error::new(
                    ErrorName::UnsupportedFormat,
                    "every record ends in a delimiter, and the header does not: either it lacks one elsewhere, or \
                     the last means nothing; correct the header, or write `trailing_delimiter = true` into the \
                     definition's dialect",
                ));
            }
            dialect.trailing_delimiter = true;
            self.found.push("a delimiter ends every record".to_owned());
            return Ok(());
        }
        if header_rows > 0 && named > fit.width && dialect.names.is_none() && self.written.ragged.is_none() {
            let cells: Vec<&str> =
                rows.get(at).iter().flat_map(|row| &row.cells).map(|cell| cell.value.trim()).collect();
            let unnamed = cells.iter().position(|name| name.is_empty());
            let last = cells.iter().rposition(|name| !name.is_empty());
            if unnamed.is_some_and(|unnamed| Some(unnamed) < last)
                && body.iter().all(|row| row.width() < named)
            {
                return Err(Error::new(
                    ErrorName::UnsupportedFormat,
                    format!(
                        "the header has {named} fields, one of them without a name, and the records have {}: it may \
                         have a delimiter too many; correct the header, or write the fields' `names` into the \
                         definition's dialect",
                        fit.width
                    ),
                ));
            }
        }
        if header_rows > 0 && named > fit.width && self.written.ragged.is_none() && body.len() > 1 {
            dialect.ragged = Ragged::Pad;
            self.found.push(format!("records end after {} of {named} fields", fit.width));
            self.doubts.push(
                "most records have fewer fields than the header; the last ones are taken as missing"
                    .to_owned(),
            );
        } else if header_rows > 0 && named < fit.width && !body.is_empty() {
            self.doubts.push(format!("most records have {} fields, the header has {named}", fit.width));
        }
        Ok(())
    }
}
