//! How well a dialect fits a sample.
//!
//! The measure is that of G. J. J. van den Burg, A. Nazábal and C. Sutton, "Wrangling
//! messy CSV files by detecting row and type patterns" (2019): a dialect fits if it
//! makes records of one width, and fields that look like values. What is ours: lines
//! before the first record and comments do not count against it, and a record counts
//! for as many as it has lines, so that a quote in the wrong place is dear.

use std::collections::HashMap;

use super::reading::{Cell, Reading, Row};
use super::shape::Shape;
use crate::definition::dialect::Dialect;

/// What a reading with one field to a record is worth against one with many.
const ONE_COLUMN: f64 = 0.3;
/// What a line that is set aside before the first record costs.
const BEFORE: f64 = 0.25;
/// What quotes cost that the dialect has no meaning for.
const STRAY: f64 = 0.96;
/// Records below lines of keys and values have more fields than this.
const WIDTH_OF_KEYS: usize = 4;
/// The most lines of keys and values.
const MOST_KEYS: usize = 20;
/// What it costs that most records have a quote that opens in one field and closes in another.
const SPLIT: f64 = 0.7;
/// Records whose fields are looked at.
const LOOKED_AT: usize = 400;
/// What may begin a comment.
pub(super) const COMMENT_MARKS: &[&str] = &["#", "//", "--", "%"];

/// What a dialect made of a sample.
#[derive(Debug, Clone, Default)]
pub(super) struct Fit {
    /// How well it fits, up to 1.
    pub(super) score: f64,
    /// The width of most records.
    pub(super) width: usize,
    /// How many of the records have this width, of those that count.
    pub(super) regular: f64,
    /// The place of the first record of this width.
    pub(super) first: usize,
    /// How much the fields look like values, up to 1.
    pub(super) quality: f64,
    /// Whether any record has no meaning in the dialect.
    pub(super) faulty: bool,
    /// What the comments begin with that stand between the records.
    pub(super) comment: Option<&'static str>,
}

impl Fit {
    /// Measures a reading.
    pub(super) fn of(reading: &Reading, dialect: &Dialect) -> Self {
        let quote = dialect.quote;
        let mut rows: Vec<&Row> = reading.rows.iter().filter(|row| !row.is_blank()).collect();
        let Some(width) = width_of_records(&rows) else { return Self::default() };
        let comment = COMMENT_MARKS.iter().copied().find(|mark| is_comment(mark, &rows, width));
        rows.retain(|row| comment.is_none_or(|mark| !row.start.starts_with(mark)));
        let first = first_record(&rows, width);
        let faulty = rows.iter().any(|row| row.faulty);
        let counted = rows.get(first..).unwrap_or_default();
        let (mut weight, mut all) = (0.0, 0.0);
        for row in counted {
            let regular =
                row.width() == width && !row.faulty && !holds_records(row, width, &dialect.delimiter);
            all += if regular { 1.0 } else { number(row.lines) };
            weight += if regular { 1.0 } else { 0.0 };
        }
        let regular = if all > 0.0 { weight / all } else { 0.0 };
        let quality = quality(counted, width, quote);
        let columns =
            if width == 1 { ONE_COLUMN } else { (number(width as u64) - 1.0) / number(width as u64) };
        let records = number(counted.len() as u64);
        let before = records / (records + BEFORE * number(first as u64));
        let first_line = counted.first().map_or(0, |row| row.line);
        let first = reading.rows.iter().position(|row| row.line == first_line).unwrap_or_default();
        let stray = if counted.iter().any(|row| has_stray_quote(row, quote)) { STRAY } else { 1.0 };
        let split = counted.iter().take(LOOKED_AT).filter(|row| splits_quotes(row)).count();
        let split = if split * 2 > counted.len().min(LOOKED_AT) { SPLIT } else { 1.0 };
        Self {
            score: split * stray * regular * regular * quality * columns * before,
            width,
            regular,
            first,
            quality,
            faulty,
            comment,
        }
    }
}

#[allow(clippy::cast_precision_loss)]
fn number(count: u64) -> f64 {
    count as f64
}

/// The width that most records have; most of those that are no comments, if there
/// are comments.
fn width_of_records(rows: &[&Row]) -> Option<usize> {
    if let Some(width) = width_below_keys(rows) {
        return Some(width);
    }
    let all = most_frequent_width(rows)?;
    for mark in COMMENT_MARKS {
        let others: Vec<&Row> = rows.iter().filter(|row| !row.start.starts_with(mark)).copied().collect();
        if others.is_empty() || others.len() == rows.len() {
            continue;
        }
        if let Some(width) = most_frequent_width(&others)
            && is_comment(mark, rows, width)
        {
            return Some(width);
        }
    }
    Some(all)
}

/// The width of the records below lines of a key and a value, as reports begin: there may
/// be more of those lines than of records.
fn width_below_keys(rows: &[&Row]) -> Option<usize> {
    let (keys, records) = rows.split_at(rows.iter().position(|row| row.width() > 2)?);
    let widest = records.iter().map(|row| row.width()).max()?;
    let alike =
        records.iter().all(|row| !row.faulty && row.width() > WIDTH_OF_KEYS && row.width() + 1 >= widest);
    let fits = !keys.is_empty() && keys.len() <= MOST_KEYS && records.len() >= 2;
    (fits && alike).then(|| most_frequent_width(records)).flatten()
}

/// The width that most records have, the larger of two; but that of the first table
/// where there are several below each other.
fn most_frequent_width(rows: &[&Row]) -> Option<usize> {
    let mut widths: HashMap<usize, usize> = HashMap::new();
    for row in rows.iter().filter(|row| !row.faulty) {
        *widths.entry(row.width()).or_default() += 1;
    }
    if widths.is_empty() {
        return rows.first().map(|row| row.width());
    }
    let most = widths.iter().max_by_key(|(width, count)| (**count, **width)).map(|(width, _)| *width)?;
    let often = |width: usize| {
        let count = widths.get(&width).copied().unwrap_or_default();
        width > 1 && count >= 5 && count * 4 >= rows.len()
    };
    let mut starts = rows.iter().zip(0..).filter(|(row, _)| often(row.width()));
    let first = starts.find(|(row, at)| run(rows, *at) >= 5 && row.width() > 1);
    Some(first.map_or(most, |(row, _)| row.width()).max(usize::from(most > 0)))
}

/// How many records from one on have the same width.
fn run(rows: &[&Row], at: usize) -> usize {
    let width = rows.get(at).map(|row| row.width());
    rows.iter().skip(at).take_while(|row| Some(row.width()) == width).count()
}

/// The place of the first record: it has the usual width, or many records of another
/// begin with it.
fn first_record(rows: &[&Row], width: usize) -> usize {
    let begins = |(at, row): &(usize, &&Row)| {
        let near = row.width() > 2 && row.width().abs_diff(width) <= (width / 4).max(1);
        let many = run(rows, *at);
        !row.faulty
            && (row.width() == width
                || near && many >= 3
                || row.width() > 1 && many >= 5 && many * 5 >= rows.len())
    };
    rows.iter().enumerate().find(begins).map_or(0, |(at, _)| at)
}

/// Whether lines that begin so are no records: there are some, and none of them has
/// the width of a record.
fn is_comment(mark: &str, rows: &[&Row], width: usize) -> bool {
    let mut marked = rows.iter().filter(|row| row.start.starts_with(mark)).peekable();
    marked.peek().is_some() && width > 1 && marked.all(|row| row.width() != width)
}

/// How much the fields look like values, up to 1.
fn quality(rows: &[&Row], width: usize, quote: Option<char>) -> f64 {
    let (mut sum, mut cells) = (0.0, 0_u64);
    for row in rows.iter().filter(|row| row.width() == width).take(LOOKED_AT) {
        for cell in &row.cells {
            sum += cell_quality(cell, quote);
            cells += 1;
        }
    }
    if cells == 0 { 0.0 } else { sum / number(cells) }
}

fn cell_quality(cell: &Cell, quote: Option<char>) -> f64 {
    let text = cell.value.as_str();
    if cell.quoted {
        return if Shape::of(text).is_typed() { 1.0 } else { 0.9 };
    }
    let trimmed = text.trim_matches(' ');
    // A quote left over in a field was not understood.
    if trimmed.starts_with('"') || trimmed.ends_with('"') || quote.is_some_and(|q| trimmed.starts_with(q)) {
        return 0.2;
    }
    // One in one field and the other in another: a delimiter stands within quotes.
    if trimmed.len() > 1 && trimmed.starts_with('\'') != trimmed.ends_with('\'') {
        return 0.4;
    }
    let shape = Shape::of(text);
    let padded = if trimmed.len() == text.len() { 1.0 } else { 0.95 };
    padded
        * match shape {
            _ if quote.is_some_and(|quote| text.contains([quote, '"'])) => 0.3,
            _ if is_wrapped(trimmed) => 0.5,
            Shape::Missing => 0.7,
            shape if shape.is_typed() => 1.0,
            Shape::Word => 0.95,
            _ if text.contains(['\t', '|', ';']) || text.contains(char::is_control) => 0.4,
            _ if text.contains(',') => 0.7,
            _ => 0.85,
        }
}

/// Whether a field is in quotes of another kind.
fn is_wrapped(text: &str) -> bool {
    ['\'', '`'].iter().any(|quote| text.len() > 1 && text.starts_with(*quote) && text.ends_with(*quote))
}

/// Whether a field has quotes that are left over: its own within, or others around.
fn has_stray_quote(row: &Row, quote: Option<char>) -> bool {
    row.cells.iter().filter(|cell| !cell.quoted).any(|cell| {
        quote.is_some_and(|quote| cell.value.contains(quote)) || is_wrapped(cell.value.trim_matches(' '))
    })
}

/// Whether a quote opens in one field and closes in a later one: a delimiter stands within.
fn splits_quotes(row: &Row) -> bool {
    let half = |cell: &&Cell, opens: bool| {
        let text = cell.value.trim_matches(' ');
        let (starts, ends) = (text.starts_with('\''), text.ends_with('\''));
        !cell.quoted && text.len() > 1 && starts == opens && ends != opens
    };
    let opens = row.cells.iter().position(|cell| half(&cell, true));
    let closes = row.cells.iter().rposition(|cell| half(&cell, false));
    opens.zip(closes).is_some_and(|(opens, closes)| opens < closes)
}

/// Whether a field in quotes looks like records: a quote that opens in one and is
/// closed in another swallows those between.
fn holds_records(row: &Row, width: usize, delimiter: &str) -> bool {
    let full = |line: &str| line.matches(delimiter).count() + 1 == width;
    let holds = |cell: &Cell| cell.value.split(['\n', '\r']).skip(1).any(full);
    width > 2 && row.lines > 2 && row.cells.iter().any(|cell| cell.quoted && holds(cell))
}
