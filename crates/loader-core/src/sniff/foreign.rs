//! Finds names in a header that has another delimiter than the records.

use std::collections::HashSet;

use super::reading::Reading;
use super::shape::Shape;
use crate::definition::dialect::Dialect;

/// What such a header may be delimited with, the surest first.
const DELIMITERS: &[&str] = &["\t", ";", ",", "|", " "];
/// Fewer words than this may be a title.
const LEAST_NAMES: usize = 4;

/// The names in a line before the records, which have `width` fields: each field of
/// another delimiter has one, and there are as many.
pub(super) fn names(line: &str, dialect: &Dialect, width: usize) -> Option<Vec<String>> {
    let others = DELIMITERS.iter().filter(|delimiter| **delimiter != dialect.delimiter);
    others.map(|delimiter| fields(line, delimiter, dialect)).find(|names| {
        let distinct: HashSet<&str> = names.iter().map(String::as_str).collect();
        names.len() == width
            && width >= LEAST_NAMES
            && distinct.len() == width
            && names.iter().all(|name| is_name(name))
    })
}

fn fields(line: &str, delimiter: &str, dialect: &Dialect) -> Vec<String> {
    let dialect = Dialect { delimiter: delimiter.to_owned(), ..dialect.clone() };
    let reading = Reading::of(line, &dialect, false);
    match reading.rows.as_slice() {
        [row] if !row.faulty => row.cells.iter().map(|cell| cell.value.clone()).collect(),
        _ => Vec::new(),
    }
}

fn is_name(name: &str) -> bool {
    let shape = Shape::of(name);
    name.starts_with(char::is_alphabetic) && shape != Shape::Missing && !shape.is_typed()
}
