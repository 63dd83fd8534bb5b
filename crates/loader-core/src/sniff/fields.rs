//! Settles what quotes, delimiters and line ends mean in the dialect that was chosen.

use super::choice::Tried;
use super::reading::{Reading, Row};
use super::score::Fit;
use super::{Sniffer, wording};
use crate::definition::dialect::{Dialect, Quoting};

impl Sniffer<'_> {
    /// Chooses the meaning of quotes. What COPY reads by itself is taken where it reads
    /// the same.
    pub(super) fn finish_quoting(&mut self, dialect: &mut Dialect, rows: &[Row], text: &str) {
        if self.written.quoting.is_some() {
            return;
        }
        let Some(quote) = dialect.quote else {
            dialect.quoting = Quoting::Anywhere;
            return;
        };
        if self.written.escape.is_none() {
            if dialect.escape != Some('\\') && has_pairs_of_backslashes(rows) {
                let doubt = "two backslashes within quotes may stand for one; they are taken as they are";
                self.doubts.push(doubt.to_owned());
            }
            let cells = || rows.iter().flat_map(|row| &row.cells);
            if dialect.escape.is_some_and(|escape| escape == '"' && escape != quote) {
                self.doubts.push("two \" within fields are taken for one; they may be two".to_owned());
            } else if quote != '"' && cells().any(|cell| cell.quoted && cell.value.contains("\"\"")) {
                self.doubts
                    .push("two \" within quotes are taken as they are; they may stand for one".to_owned());
            }
            if dialect.escape == Some('\\') && quote != '\\' && escapes_others(text, quote) {
                self.doubts.push(
                    "backslashes stand before others than quotes; there they are taken as a part of the value"
                        .to_owned(),
                );
            }
        }
        let stray = rows
            .iter()
            .any(|row| row.faulty || row.cells.iter().any(|cell| !cell.quoted && cell.value.contains(quote)));
        if dialect.quoting == Quoting::Whole && !stray {
            dialect.quoting = Quoting::Anywhere;
        }
    }

    /// One field to a record: any delimiter reads it, as long as it stands nowhere.
    pub(super) fn one_column(&mut self, dialect: &mut Dialect, best: &Tried) {
        if self.written.delimiter.is_some() {
            return;
        }
        let comma = Dialect { delimiter: ",".to_owned(), ..dialect.clone() };
        let alone = |mark: &str| {
            !best
                .reading
                .rows
                .iter()
                .any(|row| row.cells.iter().any(|cell| !cell.quoted && cell.value.contains(mark)))
        };
        if alone(",") {
            *dialect = comma;
            self.found.push("one column".to_owned());
            return;
        }
        let free = ["\t", "|", ";", "\u{1f}"].into_iter().find(|mark| alone(mark)).unwrap_or("\u{1f}");
        free.clone_into(&mut dialect.delimiter);
        self.found.push("one column".to_owned());
        self.doubts.push("no delimiter fits the lines; each is taken for one field".to_owned());
    }

    /// Looks whether only one kind of line end ends records, and another stands within
    /// fields.
    pub(super) fn line_end(&mut self, dialect: &mut Dialect, text: &str, cut: bool, score: f64) {
        if self.written.line_end.is_some() {
            return;
        }
        let both = text.matches("\r\n").count();
        let newlines = text.matches('\n').count() - both;
        let returns = text.matches('\r').count() - both;
        if newlines == 0 && returns > 0 && both == 0 {
            self.found.push("line ends are carriage returns".to_owned());
        }
        let end = match (both, newlines, returns) {
            (both, newlines, _) if both > 0 && both >= newlines && newlines + returns > 0 => "\r\n",
            (_, newlines, returns) if newlines > returns && returns > 0 => "\n",
            _ => return,
        };
        let exact = Dialect { line_end: Some(end.to_owned()), ..dialect.clone() };
        if Fit::of(&Reading::of(text, &exact, cut), &exact).score > score * 1.01 {
            *dialect = exact;
            self.found.push(format!("records end in {}", wording::mark(end)));
        }
    }
}

/// Whether backslashes stand within quotes, and always two of them: what a program
/// writes that escapes with them.
fn has_pairs_of_backslashes(rows: &[Row]) -> bool {
    let quoted =
        rows.iter().flat_map(|row| &row.cells).filter(|cell| cell.quoted && cell.value.contains('\\'));
    let mut runs =
        quoted.flat_map(|cell| cell.value.split(|c| c != '\\')).filter(|run| !run.is_empty()).peekable();
    runs.peek().is_some() && runs.all(|run| run.len() % 2 == 0)
}

/// Whether a backslash stands before something else than a quote or a backslash.
fn escapes_others(text: &str, quote: char) -> bool {
    let mut signs = text.chars();
    while let Some(sign) = signs.next() {
        if sign == '\\' && signs.next().is_some_and(|next| next != quote && next != '\\') {
            return true;
        }
    }
    false
}
