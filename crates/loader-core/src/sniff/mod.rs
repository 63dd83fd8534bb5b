//! Finds out the dialect of an object from its beginning.
//!
//! What the definition says is taken as it is; the rest is found: the encoding
//! ([`encoding`]), the delimiter and the quoting by reading the sample in every dialect
//! that it may be in ([`candidate`], [`reading`]) and taking the one that fits best
//! ([`score`]), then the header ([`header`]). Where two are as good, RFC 4180 has it.
//! What was found is said in words, and where another reading is plausible, that too.

use std::collections::HashSet;

mod candidate;
mod encoding;
mod header;
mod reading;
mod refusal;
mod score;
mod shape;
mod wording;

use self::candidate::Candidate;
use self::encoding::Decoded;
use self::reading::{Reading, Row};
use self::score::Fit;
use crate::definition::dialect::{Dialect, Format, Quoting, Ragged, Trim, Written};
use crate::error::{Error, ErrorName, Result};

/// Characters of the sample that every candidate reads.
const SCORED: usize = 48 * 1024;
/// A dialect that fits this much as well as the best is plausible too.
const AS_GOOD: f64 = 0.93;
/// With fewer records of one width than this there is no dialect.
const LEAST_REGULAR: f64 = 0.35;
/// With fields that look less like values than this, either.
const LEAST_QUALITY: f64 = 0.4;
/// What a delimiter that is likely a part of values must make of the fields.
const GOOD_QUALITY: f64 = 0.7;
/// How likely any delimiter is between quotes.
const BETWEEN_QUOTES: f64 = 0.9;
/// With fewer, it is doubted.
const REGULAR: f64 = 0.75;

/// What was found out from an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sniffed {
    /// The dialect, with every question answered.
    pub dialect: Dialect,
    /// What was found, in words: `delimiter ;`, `2 lines before the header`.
    pub found: Vec<String>,
    /// Where another reading is plausible, in words.
    pub doubts: Vec<String>,
}

/// Finds out the dialect of an object from its unpacked beginning; `whole` says
/// whether that is all of it. What `written` says is kept. `columns` are the names of
/// the table's columns, if they are known.
///
/// # Errors
/// `InvalidDefinition` if what is written contradicts itself; `UnsupportedFormat` if
/// the object is no table, or none can be made out, with what to write instead.
pub fn sniff(sample: &[u8], whole: bool, written: &Written, columns: &[&str]) -> Result<Sniffed> {
    let base = written.complete()?;
    let wants_encoding = written
        .encoding
        .as_deref()
        .map_or(written.sniff, |name| name.eq_ignore_ascii_case(crate::definition::dialect::AUTO));
    let decoded =
        if wants_encoding { encoding::find(sample, whole)? } else { encoding::given(sample, &base.encoding) };
    let mut found = Vec::new();
    let mut doubts = Vec::new();
    found.extend(decoded.found.clone());
    doubts.extend(decoded.doubt.clone());
    let base = Dialect { encoding: decoded.encoding.clone(), ..base };
    if !written.sniff || base.format != Format::Csv || decoded.text.trim().is_empty() {
        return Ok(Sniffed { dialect: base, found, doubts });
    }
    if written.delimiter.is_none() {
        refusal::refuse_other_formats(&decoded.text)?;
    }
    // What is written for the fields may be their header as well as the columns' names.
    let names: Vec<&str> = written.names.iter().flatten().map(String::as_str).collect();
    let mut columns: Vec<&str> = names.iter().copied().chain(columns.iter().copied()).collect();
    let mut seen = HashSet::new();
    columns.retain(|column| seen.insert(*column));
    let named = !names.is_empty();
    let mut sniffer = Sniffer { written, columns, named, base, found, doubts };
    let dialect = sniffer.dialect(&decoded, whole)?;
    dialect.validate()?;
    Ok(Sniffed { dialect, found: sniffer.found, doubts: sniffer.doubts })
}

struct Sniffer<'a> {
    written: &'a Written,
    /// The names that the fields may have.
    columns: Vec<&'a str>,
    /// Whether they have names without a header.
    named: bool,
    base: Dialect,
    found: Vec<String>,
    doubts: Vec<String>,
}

/// A candidate that was tried.
struct Tried {
    candidate: Candidate,
    reading: Reading,
    fit: Fit,
    score: f64,
}

impl Sniffer<'_> {
    fn dialect(&mut self, decoded: &Decoded, whole: bool) -> Result<Dialect> {
        let text = without_lines(&decoded.text, self.base.skip_lines);
        let (scored, cut) = beginning(text, whole);
        if scored.trim().is_empty() {
            return Ok(self.base.clone());
        }
        let best = self.best(scored, cut)?;
        let mut dialect = best.candidate.dialect.clone();
        self.finish_quoting(&mut dialect, &best.reading.rows, scored);
        if best.fit.width == 1 {
            self.one_column(&mut dialect, &best);
        }
        self.line_end(&mut dialect, scored, cut, best.fit.score);
        self.found.extend(wording::of_fields(&dialect));
        if self.written.trim.is_none() && dialect.trim == Trim::None && begins_with_blanks(&best.reading) {
            self.doubts.push("a blank follows every delimiter; it is taken as part of the values".to_owned());
        }
        // With the line end the reading may be another.
        let reading = Reading::of(scored, &dialect, cut);
        let fit = Fit::of(&reading, &dialect);
        if fit.regular < REGULAR {
            self.doubts.push("many records have another number of fields than the others".to_owned());
        }
        self.rows(&mut dialect, &reading, &fit)?;
        if self.written.skip_lines.is_some() {
            dialect.skip_lines = self.base.skip_lines;
        }
        Ok(dialect)
    }

    /// Tries all dialects and takes the one that fits best.
    fn best(&mut self, text: &str, cut: bool) -> Result<Tried> {
        let mut best: Option<Tried> = None;
        let mut rivals: Vec<Tried> = Vec::new();
        for (delimiter, prior) in candidate::delimiters(text, self.written) {
            let mut clean: Vec<Option<char>> = Vec::new();
            for candidate in candidate::quotings(text, &delimiter, prior, &self.base, self.written) {
                let loose = candidate.dialect.quoting == Quoting::Loose && self.written.quoting.is_none();
                // Where every quote has its place, there is nothing to be lenient about.
                if loose && clean.contains(&candidate.dialect.quote) {
                    continue;
                }
                let tried = self.try_out(text, cut, candidate);
                if !loose && !tried.fit.faulty && tried.fit.regular > REGULAR {
                    clean.push(tried.candidate.dialect.quote);
                }
                // The first that is as good stays: RFC 4180 is tried first.
                if best.as_ref().is_none_or(|best| tried.score > best.score + 1e-9) {
                    rivals.extend(best.replace(tried));
                } else {
                    rivals.push(tried);
                }
            }
        }
        let nothing = || {
            Error::new(
                ErrorName::UnsupportedFormat,
                "no delimiter makes records of the object's lines; write `delimiter`, `quote` and `header` into the \
                 definition's dialect, or exclude the object by a pattern",
            )
        };
        let best = best.ok_or_else(nothing)?;
        let fit = &best.fit;
        if self.written.delimiter.is_none() && fit.quality < LEAST_QUALITY && best.reading.rows.len() > 2 {
            return Err(nothing());
        }
        if fit.width > 1
            && fit.regular < LEAST_REGULAR
            && best.reading.rows.len() > 4
            && self.written.delimiter.is_none()
        {
            return Err(nothing());
        }
        rivals.retain(|rival| rival.score >= best.score * AS_GOOD);
        rivals.sort_by(|one, other| other.score.total_cmp(&one.score));
        let other_delimiter = rivals.iter().find(|rival| {
            rival.candidate.dialect.delimiter != best.candidate.dialect.delimiter
                && !same_fields(&rival.reading, &best.reading)
        });
        if let Some(rival) = other_delimiter {
            self.doubts.push(format!(
                "the delimiter may be {} as well as {}",
                wording::mark(&rival.candidate.dialect.delimiter),
                wording::mark(&best.candidate.dialect.delimiter)
            ));
        }
        if best.candidate.dialect.delimiter == " " && self.written.delimiter.is_none() {
            self.doubts.push("a blank delimits, but may be a part of values too".to_owned());
        }
        let other_quoting = rivals.iter().find(|rival| {
            rival.candidate.dialect.delimiter == best.candidate.dialect.delimiter
                && rival.score >= best.score * 0.97
                && rival.fit.regular + 0.001 >= best.fit.regular
                && (rival.candidate.dialect.quoting != Quoting::Loose || best.fit.faulty)
                && !same_fields(&rival.reading, &best.reading)
        });
        if let Some(rival) = other_quoting {
            self.doubts.push(format!(
                "the fields may be read with {} as well",
                wording::of_quoting(&rival.candidate.dialect).join(", ")
            ));
        }
        Ok(best)
    }

    fn try_out(&self, text: &str, cut: bool, candidate: Candidate) -> Tried {
        let reading = Reading::of(text, &candidate.dialect, cut);
        let fit = Fit::of(&reading, &candidate.dialect);
        let named = reading
            .rows
            .iter()
            .take(20)
            .map(|row| header::names_in(row, &self.columns))
            .max()
            .unwrap_or_default();
        let known = if named >= 2 || named == 1 && self.columns.len() == 1 { 1.5 } else { 1.0 };
        // Between quotes, a blank or a colon is a delimiter and nothing else.
        let quoted = !fit.faulty && mostly_quoted(&reading);
        let unlikely = candidate.prior <= candidate::UNLIKELY && !quoted;
        let prior = if quoted { candidate.prior.max(BETWEEN_QUOTES) } else { candidate.prior };
        let odd = unlikely && fit.quality < GOOD_QUALITY;
        let halved = candidate::is_half(&reading.rows, fit.width, text, &candidate.dialect.delimiter);
        let score = if odd || halved { 0.0 } else { fit.score * prior * known };
        Tried { candidate, reading, fit, score }
    }

    /// Chooses the meaning of quotes. What COPY reads by itself is taken where it reads
    /// the same.
    fn finish_quoting(&mut self, dialect: &mut Dialect, rows: &[Row], text: &str) {
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
    fn one_column(&mut self, dialect: &mut Dialect, best: &Tried) {
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
    fn line_end(&mut self, dialect: &mut Dialect, text: &str, cut: bool, score: f64) {
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

    /// Finds the header, and what else the records as a whole say.
    fn rows(&mut self, dialect: &mut Dialect, reading: &Reading, fit: &Fit) -> Result<()> {
        let mark = self.written.comment.clone().or_else(|| fit.comment.map(str::to_owned));
        let is_comment = |row: &Row| mark.as_deref().is_some_and(|mark| row.start.starts_with(mark));
        let rows: Vec<&Row> = reading.rows.iter().filter(|row| !row.is_blank() && !is_comment(row)).collect();
        let first_line = reading.rows.get(fit.first).map_or(1, |row| row.line);
        let first = rows.iter().position(|row| row.line >= first_line).unwrap_or_default();
        let at = self.header(dialect, &rows, first, fit);
        let begins = rows.get(at).map_or(1, |row| row.line);
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

    /// Decides on the header and returns the place where it or the records begin.
    fn header(&mut self, dialect: &mut Dialect, rows: &[&Row], first: usize, fit: &Fit) -> usize {
        dialect.names.clone_from(&self.written.names);
        let rows_from = if self.written.skip_lines.is_some() { 0 } else { first };
        if self.written.header.is_some() {
            dialect.header_rows = self.base.header_rows;
            let found = header::find(rows, first, fit, &self.columns, self.named);
            let at = if dialect.header_rows > 0 && found.rows > 0 { found.at } else { 0 };
            return if self.written.skip_lines.is_some() { 0 } else { at };
        }
        let found = header::find(rows, rows_from, fit, &self.columns, self.named);
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
    fn widths(&mut self, dialect: &mut Dialect, rows: &[&Row], at: usize, fit: &Fit) -> Result<()> {
        let header_rows = usize::try_from(dialect.header_rows).unwrap_or(1);
        let named = match (&dialect.names, header_rows) {
            (Some(names), _) => names.len(),
            (None, 0) => self.columns.len(),
            (None, _) => rows.get(at).map_or(0, |row| row.width()),
        };
        let body: Vec<&&Row> = rows.iter().skip(at + header_rows).collect();
        let ends_empty =
            |row: &&&Row| row.cells.last().is_some_and(|cell| cell.value.is_empty() && !cell.quoted);
        let all_end_empty = !body.is_empty() && body.iter().all(ends_empty);
        let last_unnamed = header_rows > 0
            && rows.get(at).is_some_and(|row| ends_empty(&row))
            && named == self.columns.len() + 1;
        if self.written.trailing_delimiter.is_none()
            && fit.width > 1
            && all_end_empty
            && named > 0
            && (named + 1 == fit.width || last_unnamed)
        {
            let is_of_header = header_rows > 0 && dialect.names.is_none();
            if is_of_header && !rows.get(at).is_some_and(|row| ends_empty(&row)) {
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

/// Whether all fields but the first of each record begin with a blank.
fn begins_with_blanks(reading: &Reading) -> bool {
    let mut later = reading.rows.iter().flat_map(|row| row.cells.iter().skip(1)).peekable();
    later.peek().is_some() && later.all(|cell| cell.value.starts_with(' '))
}

fn mostly_quoted(reading: &Reading) -> bool {
    let cells = || reading.rows.iter().take(200).flat_map(|row| &row.cells);
    cells().filter(|cell| cell.quoted).count() * 4 >= cells().count() * 3
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

/// The text after so many lines.
fn without_lines(text: &str, lines: u64) -> &str {
    let mut rest = text;
    for _ in 0..lines {
        let Some(at) = rest.find(['\n', '\r']) else { return "" };
        let end = if rest.get(at..).is_some_and(|end| end.starts_with("\r\n")) { at + 2 } else { at + 1 };
        rest = rest.get(end..).unwrap_or_default();
    }
    rest
}

/// As much of the text as candidates read, and whether its last record may be cut.
fn beginning(text: &str, whole: bool) -> (&str, bool) {
    if text.len() <= SCORED {
        return (text, !whole);
    }
    let mut end = SCORED;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    (text.get(..end).unwrap_or(text), true)
}

fn same_fields(one: &Reading, other: &Reading) -> bool {
    one.rows.len() == other.rows.len()
        && one.rows.iter().zip(&other.rows).all(|(one, other)| {
            one.width() == other.width()
                && one.cells.iter().zip(&other.cells).all(|(one, other)| one.value == other.value)
        })
}

#[cfg(test)]
mod tests;
