//! Finds where the records begin and whether names stand above them.

use std::collections::{HashMap, HashSet};

use super::reading::Row;
use super::score::Fit;
use super::shape::{Shape, pattern};
use crate::identifier::Identifier;

/// Records at the beginning that may be the header.
const HEADER_WITHIN: usize = 60;
/// Records that columns are judged by.
const LOOKED_AT: usize = 300;
/// Records that a header has at most.
const MOST_HEADER_ROWS: usize = 4;

/// So many records before the header that are like those after it are doubted.
const FULL_BEFORE: usize = 2;

/// Why there may be a header all the same.
const AS_VALUES: &str = "the first record may hold names as well as values; it is taken for values";

/// Where the records begin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Beginning {
    /// The place of the first record that is the header, or a value if there is none.
    pub(super) at: usize,
    /// How many records the header has.
    pub(super) rows: usize,
    /// Why it may be otherwise.
    pub(super) doubt: Option<String>,
}

impl Beginning {
    fn new(at: usize, rows: usize) -> Self {
        Self { at, rows, doubt: None }
    }

    fn doubted(at: usize, rows: usize, doubt: &str) -> Self {
        Self { at, rows, doubt: Some(doubt.to_owned()) }
    }
}

/// Finds the header among `rows`, which have neither blank lines nor comments;
/// `first` is the first of the usual width. `columns` are the names that the table has;
/// `is_named` says that the fields have names without a header.
pub(super) fn find(rows: &[&Row], first: usize, fit: &Fit, columns: &[&str], is_named: bool) -> Beginning {
    if let Some(at) = named(rows, columns) {
        let found = with_more_rows(rows, at, fit.width);
        let is_full = |row: &&&Row| row.width() == fit.width && row.filled() * 2 > fit.width;
        return match &found.doubt {
            None if fit.width > 1 && rows.iter().take(at).filter(is_full).count() >= FULL_BEFORE => {
                Beginning::doubted(at, found.rows, "what stands before the header may be records")
            }
            _ => found,
        };
    }
    if let Some(before) = first.checked_sub(1)
        && rows.get(before).is_some_and(|row| is_other_width_header(row, fit.width))
        && evidence(rows, before, fit.width) >= 2
    {
        return Beginning::new(before, 1);
    }
    let titles = titles(rows, first, fit.width);
    if titles > first && evidence(rows, titles, fit.width) > 0 {
        return with_more_rows(rows, titles, fit.width);
    }
    let evidence = evidence(rows, first, fit.width);
    if evidence >= 2 {
        return with_more_rows(rows, first, fit.width);
    }
    let at = titles_before(rows, first);
    if evidence < 0 {
        return match evidence {
            _ if at > 0 => Beginning::doubted(at, 0, "what stands before the first record may be records"),
            -1 => Beginning::doubted(0, 0, AS_VALUES),
            _ if rows.get(first).is_some_and(|row| may_be_names(row)) => Beginning::doubted(0, 0, AS_VALUES),
            _ => Beginning::new(0, 0),
        };
    }
    if is_named {
        // Its names are not needed, its values may be.
        return Beginning::doubted(
            at,
            0,
            "the first record may be a header as well as values; it is taken for values, as the fields' names \
             are written",
        );
    }
    Beginning::doubted(at, 1, "the first record may hold values as well as names; it is taken for the header")
}

/// The place of the first record if only lines with one text each stand before it;
/// else nothing is left out, as nothing says that it is no record.
fn titles_before(rows: &[&Row], first: usize) -> usize {
    let title = |row: &&Row| {
        row.width() == 1 && matches!(Shape::of(row.value(0)), Shape::Text | Shape::Word | Shape::Missing)
    };
    let wide = rows.get(first).is_some_and(|row| row.width() > 1);
    if wide && rows.iter().take(first).all(title) { first } else { 0 }
}

/// The record that has the most names of the table's columns, if it has half of them.
fn named(rows: &[&Row], columns: &[&str]) -> Option<usize> {
    if columns.is_empty() {
        return None;
    }
    let names: HashSet<String> = columns.iter().map(|column| folded(column)).collect();
    let matches = |row: &Row| -> usize {
        let cells: HashSet<String> = row.cells.iter().map(|cell| folded(&cell.value)).collect();
        cells.intersection(&names).count()
    };
    let candidates = rows.iter().take(HEADER_WITHIN).enumerate();
    let best =
        candidates.map(|(at, row)| (matches(row), at)).max_by_key(|(count, at)| (*count, usize::MAX - at));
    let (count, at) = best?;
    let width = rows.get(at)?.width();
    (count > 0 && count * 2 >= names.len().min(width)).then_some(at)
}

/// Whether all cells of a record could be names by their looks: words that have no
/// number but at the end, such as `line1` or `Größe_2`.
fn may_be_names(row: &Row) -> bool {
    let is_name = |cell: &str| {
        let cell = cell.trim().trim_end_matches(|c: char| c.is_ascii_digit() || c == '_');
        cell.starts_with(char::is_alphabetic)
            && cell.chars().all(|c| c.is_alphabetic() || matches!(c, '_' | ' ') || c.is_ascii_digit())
    };
    row.filled() > 0
        && row.cells.iter().all(|cell| match Shape::of(&cell.value) {
            Shape::Missing => true,
            shape => !shape.is_typed() && is_name(&cell.value),
        })
}

/// How many of a row's cells are names of columns.
pub(super) fn names_in(row: &Row, columns: &[&str]) -> usize {
    let names: HashSet<String> = columns.iter().map(|column| folded(column)).collect();
    row.cells.iter().filter(|cell| names.contains(&folded(&cell.value))).count()
}

/// Whether all cells of a header are names of columns.
pub(super) fn are_columns(cells: &[String], columns: &[&str]) -> bool {
    let names: HashSet<String> = columns.iter().map(|column| folded(column)).collect();
    !cells.is_empty() && cells.iter().all(|cell| names.contains(&folded(cell)))
}

fn folded(name: &str) -> String {
    Identifier::from_header(name, 0).into()
}

/// Whether a record of another width than the others may name them.
fn is_other_width_header(row: &Row, width: usize) -> bool {
    let near = row.width().abs_diff(width) <= (width / 4).max(1);
    near && row.width() > 1
        && (row.filled() * 5 >= row.width() * 4 || row.filled() > 1 && row.filled() + 1 >= row.width())
        && !row.cells.iter().any(|cell| Shape::of(&cell.value).is_typed())
}

/// The place after lines that have a title and else only delimiters.
fn titles(rows: &[&Row], first: usize, width: usize) -> usize {
    let mut filled: Vec<usize> = rows
        .iter()
        .skip(first)
        .take(LOOKED_AT)
        .filter(|row| row.width() == width)
        .map(|row| row.filled())
        .collect();
    filled.sort_unstable();
    let median = filled.get(filled.len() / 2).copied().unwrap_or_default();
    let title = |row: &Row| match row.filled() {
        0 => median > 0,
        1 => median >= 3,
        n => n * 4 <= median,
    };
    let end = rows.iter().skip(first).position(|row| !title(row)).unwrap_or_default();
    first + end
}

/// What speaks for the record at `at` being a header: more than nothing is for it,
/// less against it.
fn evidence(rows: &[&Row], at: usize, width: usize) -> i64 {
    let Some(header) = rows.get(at) else { return 0 };
    // A header may be written twice.
    let same = |row: &&&Row| {
        header.cells.iter().map(|cell| &cell.value).eq(row.cells.iter().map(|cell| &cell.value))
    };
    let below = rows.iter().skip(at + 1).skip_while(same);
    let body: Vec<&Row> = below.filter(|row| row.width() == width).take(LOOKED_AT).copied().collect();
    if body.is_empty() {
        let typed = header.cells.iter().filter(|cell| Shape::of(&cell.value).is_typed()).count();
        return if typed > 0 { -2 } else { 0 };
    }
    let first = body.first();
    let years = is_series(header) && !first.is_some_and(|row| is_series(row))
        || are_years(header) && !first.is_some_and(|row| are_years(row));
    (0..header.width().min(width))
        .map(|column| column_evidence(header.value(column), &body, column, years))
        .sum()
}

fn column_evidence(name: &str, body: &[&Row], column: usize, years: bool) -> i64 {
    let values: Vec<&str> = body.iter().map(|row| row.value(column)).collect();
    let shape = Shape::of(name);
    if shape == Shape::Missing {
        return 0;
    }
    if let Some((usual, share)) = usual_shape(&values) {
        return match shape {
            Shape::Number if years => 1,
            shape if shape == usual => -2,
            shape if shape.is_typed() => -1,
            _ if share >= 0.9 => 2,
            _ => 1,
        };
    }
    if shape.is_typed() {
        return -i64::from(!years);
    }
    let kept: Vec<&str> = values.into_iter().filter(|value| Shape::of(value) != Shape::Missing).collect();
    let same_pattern = |pattern_of: &str| {
        kept.iter().filter(|value| pattern(value).as_deref() == Some(pattern_of)).count() * 10
            >= kept.len() * 8
    };
    // One value all down the column says as little of its looks as one record.
    let constant =
        kept.first().is_some_and(|first| *first != name && kept.iter().all(|value| value == first));
    if !(constant && kept.len() > 1)
        && let Some(first) = kept.first().and_then(|value| pattern(value))
        && same_pattern(&first)
    {
        return if pattern(name).as_deref() == Some(&first) { -2 } else { 2 };
    }
    if kept.contains(&name) {
        return -1;
    }
    // By I. J. Good, "The population frequencies of species and the estimation of population
    // parameters" (1953), a further value is a new one as often as values stand there once.
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for value in &kept {
        *counts.entry(value).or_default() += 1;
    }
    let once = counts.values().filter(|count| **count == 1).count();
    i64::from((once + 1) * 10 <= kept.len())
}

/// The typed shape that most of the values have, and how many.
pub(super) fn usual_shape(values: &[&str]) -> Option<(Shape, f64)> {
    let shapes: Vec<Shape> =
        values.iter().map(|value| Shape::of(value)).filter(|shape| *shape != Shape::Missing).collect();
    let enough = if shapes.len() <= 3 { 0.5 } else { 0.6 };
    [Shape::Number, Shape::Moment, Shape::Flag, Shape::Address]
        .into_iter()
        .map(|wanted| (wanted, shapes.iter().filter(|shape| **shape == wanted).count()))
        .max_by_key(|(_, count)| *count)
        .map(|(shape, count)| (shape, share(count, shapes.len())))
        .filter(|(_, share)| *share >= enough && *share > 0.0)
}

#[allow(clippy::cast_precision_loss)]
fn share(count: usize, of: usize) -> f64 {
    if of == 0 { 0.0 } else { count as f64 / of as f64 }
}

/// Whether a record has three or more numbers, each larger by one than the one before.
fn is_series(row: &Row) -> bool {
    let numbers = numbers(row);
    numbers.len() >= 3 && numbers.windows(2).all(|pair| matches!(pair, [one, next] if one + 1 == *next))
}

/// Whether a record has three or more years that rise, and no other numbers.
fn are_years(row: &Row) -> bool {
    let numbers = numbers(row);
    numbers.len() >= 3 && numbers.is_sorted() && numbers.iter().all(|number| (1800..=2100).contains(number))
}

fn numbers(row: &Row) -> Vec<i64> {
    row.cells.iter().filter_map(|cell| cell.value.trim().parse().ok()).collect()
}

/// Looks whether the header goes on: the records below have no value where all the
/// others have one of a type. One column is not enough to be certain.
fn with_more_rows(rows: &[&Row], at: usize, width: usize) -> Beginning {
    let regular = |row: &&&Row| row.width() == width;
    let below = |skipped: usize| -> Vec<&Row> {
        rows.iter().skip(at + skipped).filter(regular).take(LOOKED_AT).copied().collect()
    };
    let body = match below(MOST_HEADER_ROWS) {
        body if body.len() >= 3 => body,
        _ => below(2),
    };
    let typed: Vec<usize> = (0..width)
        .filter(|column| {
            let values: Vec<&str> = body.iter().map(|row| row.value(*column)).collect();
            usual_shape(&values).is_some_and(|(_, share)| share >= 0.95)
        })
        .collect();
    let is_name = |row: &Row, column: usize| {
        let shape = Shape::of(row.value(column));
        shape != Shape::Missing && !shape.is_typed()
    };
    let names = |row: &Row| !typed.is_empty() && typed.iter().all(|column| is_name(row, *column));
    let Some(header) = rows.get(at).filter(|row| names(row)) else { return Beginning::new(at, 1) };
    let more: Vec<&&Row> = rows
        .iter()
        .skip(at + 1)
        .take(MOST_HEADER_ROWS - 1)
        .take_while(|row| row.width() == width && names(row))
        .collect();
    let same =
        |row: &&&&Row| header.cells.iter().zip(&row.cells).all(|(one, other)| one.value == other.value);
    let repeated = more.iter().take_while(same).count();
    match more.len() {
        0 => Beginning::new(at, 1),
        all if all == repeated && (width > 1 || body.len() >= 3) => Beginning::new(at, 1 + all),
        all if typed.len() >= 2 && body.len() >= 3 => Beginning::doubted(
            at,
            1 + all,
            "the header may have fewer records; all without values are taken for it",
        ),
        _ => Beginning::doubted(at, 1, "the header may have more than one record; one is taken for it"),
    }
}
