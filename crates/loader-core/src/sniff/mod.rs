//! Finds out the dialect of an object from its beginning.
//!
//! What the definition says is taken as it is; the rest is found: the encoding
//! ([`encoding`]), the delimiter and the quoting by reading the sample in every dialect
//! that it may be in ([`candidate`], [`reading`]) and taking the one that fits best
//! ([`choice`], [`score`]), then the header ([`records`], [`header`]). Where two are as good, RFC 4180 has it.
//! What was found is said in words, and where another reading is plausible, that too.

use std::collections::HashSet;

mod candidate;
mod choice;
mod encoding;
mod fields;
mod foreign;
mod header;
mod reading;
mod records;
mod refusal;
mod score;
mod shape;
mod stray;
mod trailing;
mod wording;

use self::encoding::Decoded;
use self::reading::Reading;
use self::score::Fit;
use crate::definition::dialect::{Dialect, Format, Trim, Written};
use crate::error::{Error, ErrorName, Result};
use crate::record::parser::parse;

/// Bytes of a sample that are looked at, so that whoever looks at an object finds the
/// same, however much of it is at hand.
pub const SAMPLE_BYTES: usize = 192 * 1024;
/// Characters of the sample that every candidate reads.
const SCORED: usize = 48 * 1024;
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
    let (sample, whole) = match sample.get(..SAMPLE_BYTES) {
        Some(beginning) => (beginning, whole && beginning.len() == sample.len()),
        None => (sample, whole),
    };
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
        if let (Some([_]), true) = (written.names.as_deref(), refusal::is_json_lines(&decoded.text)) {
            found.push("one column, each line is JSON".to_owned());
            return Ok(Sniffed { dialect: of_lines(base, written), found, doubts });
        }
        refusal::refuse_other_formats(&decoded.text)?;
    }
    // What is written for the fields may be their header as well as the columns' names.
    let names: Vec<&str> = written.names.iter().flatten().map(String::as_str).collect();
    let table_width = columns.len();
    let mut columns: Vec<&str> = names.iter().copied().chain(columns.iter().copied()).collect();
    let mut seen = HashSet::new();
    columns.retain(|column| seen.insert(*column));
    let is_named = !names.is_empty();
    let mut sniffer = Sniffer { written, columns, table_width, is_named, base, found, doubts };
    let dialect = sniffer.dialect(&decoded, whole)?;
    dialect.validate()?;
    Ok(Sniffed { dialect, found: sniffer.found, doubts: sniffer.doubts })
}

/// A dialect in which each line is one field, whatever it holds.
fn of_lines(base: Dialect, written: &Written) -> Dialect {
    Dialect {
        // A control character, which no JSON holds as it is.
        delimiter: "\u{1f}".to_owned(),
        quote: base.quote.filter(|_| written.quote.is_some()),
        escape: base.escape.filter(|_| written.escape.is_some()),
        header_rows: if written.header.is_some() { base.header_rows } else { 0 },
        names: written.names.clone(),
        ..base
    }
}

/// Finds out the dialect of an object of a table whose columns were inferred: when they
/// were, none were known yet. Unless the object's header has the names of columns and no
/// others, it must be read now as it was then.
///
/// # Errors
/// As [`sniff`]; `UnsupportedFormat` if the columns change how the object is read.
pub fn sniff_inferred(sample: &[u8], whole: bool, written: &Written, columns: &[&str]) -> Result<Sniffed> {
    let known = sniff(sample, whole, written, columns)?;
    let before = sniff(sample, whole, written, &[]);
    if before.as_ref().is_ok_and(|before| before.dialect == known.dialect) {
        return Ok(known);
    }
    let (header, _) = parse(sample.get(..SCORED).unwrap_or(sample), &known.dialect);
    if header.is_some_and(|cells| header::are_columns(&cells, columns)) {
        return Ok(known);
    }
    let before = before?;
    Err(Error::new(
        ErrorName::UnsupportedFormat,
        format!(
            "it is not certain how the object is written: before the table's columns were inferred, this was found: {}; \
             now that they are known: {}; write what is right into the definition's dialect",
            before.found.join(", "),
            known.found.join(", ")
        ),
    ))
}

struct Sniffer<'a> {
    written: &'a Written,
    /// The names that the fields may have.
    columns: Vec<&'a str>,
    /// How many columns the table has, those that share a name or have none among them.
    table_width: usize,
    /// Whether they have names without a header.
    is_named: bool,
    base: Dialect,
    found: Vec<String>,
    doubts: Vec<String>,
}

impl Sniffer<'_> {
    fn dialect(&mut self, decoded: &Decoded, whole: bool) -> Result<Dialect> {
        let text = without_lines(&decoded.text, self.base.skip_lines);
        let (scored, cut) = beginning(text, whole);
        if scored.trim().is_empty() {
            return Ok(self.base.clone());
        }
        let best = self.best(scored, cut)?;
        let best = self.without_quotes(text, !whole, best);
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
        self.rows(&mut dialect, scored, &reading, &fit)?;
        if self.written.skip_lines.is_some() {
            dialect.skip_lines = self.base.skip_lines;
        }
        Ok(dialect)
    }
}

/// Whether all fields but the first of each record begin with a blank.
fn begins_with_blanks(reading: &Reading) -> bool {
    let mut later = reading.rows.iter().flat_map(|row| row.cells.iter().skip(1)).peekable();
    later.peek().is_some() && later.all(|cell| cell.value.starts_with(' '))
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

#[cfg(test)]
mod tests;
