//! Compares the values that were expected with those that were published.

pub mod value;

use std::collections::HashMap;

use self::value::{same, sort_key};
use crate::suite::Compare;

/// The most characters of a value in a difference.
const SHOWN: usize = 60;

/// Says how the columns differ.
#[must_use]
pub fn differing_columns(expected: &[String], found: &[String]) -> Option<String> {
    (expected != found).then(|| {
        let list = |names: &[String]| shown(&names.join(", "));
        format!("the columns are {}, not {}", list(found), list(expected))
    })
}

/// Says where the rows first differ.
#[must_use]
pub fn first_difference(
    expected: &[Vec<Option<String>>],
    found: &[Vec<Option<String>>],
    ordered: bool,
    compare: Compare,
) -> Option<String> {
    if expected.len() != found.len() {
        return Some(format!("{} rows, not {}", found.len(), expected.len()));
    }
    let place = |rows: &[Vec<Option<String>>]| {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        if !ordered {
            order.sort_by_cached_key(|&index| {
                let row = rows.get(index).map_or(&[][..], Vec::as_slice);
                row.iter().map(|cell| sort_key(cell.as_deref(), compare)).collect::<Vec<_>>()
            });
        }
        order
    };
    for (number, (left, right)) in place(expected).into_iter().zip(place(found)).enumerate() {
        let (Some(left), Some(right)) = (expected.get(left), found.get(right)) else { continue };
        let row = number + 1;
        if left.len() != right.len() {
            return Some(format!("row {row} has {} columns, not {}", right.len(), left.len()));
        }
        for (column, (left, right)) in left.iter().zip(right).enumerate() {
            if !same(left.as_deref(), right.as_deref(), compare) {
                return Some(format!(
                    "row {row}, column {}: {}, not {}",
                    column + 1,
                    quoted(right.as_deref()),
                    quoted(left.as_deref())
                ));
            }
        }
    }
    None
}

/// Says which row is none of those that were expected, or that one lacks though none is
/// rejected.
#[must_use]
pub fn unaccounted(
    expected: &[Vec<Option<String>>],
    found: &[Vec<Option<String>>],
    compare: Compare,
    rejects: u64,
) -> Option<String> {
    // NULL and the empty text have one key for sorting.
    let key = |row: &[Option<String>]| -> Vec<(bool, String)> {
        row.iter()
            .map(|cell| {
                let is_null = cell.is_none() && compare != Compare::ValuesOrEmpty;
                (is_null, sort_key(cell.as_deref(), compare))
            })
            .collect()
    };
    let mut rest: HashMap<Vec<(bool, String)>, usize> = HashMap::new();
    for row in expected {
        *rest.entry(key(row)).or_default() += 1;
    }
    for (number, row) in (1..).zip(found) {
        match rest.get_mut(&key(row)) {
            Some(count) if *count > 0 => *count -= 1,
            _ => {
                let beginning: Vec<String> = row.iter().take(3).map(|cell| quoted(cell.as_deref())).collect();
                return Some(format!("row {number} is none of those expected: {}", beginning.join(", ")));
            }
        }
    }
    let lacking = expected.len().saturating_sub(found.len());
    (lacking > 0 && rejects == 0).then(|| format!("{lacking} rows lack, and none is rejected"))
}

fn quoted(value: Option<&str>) -> String {
    value.map_or_else(|| "NULL".to_owned(), |value| format!("`{}`", shown(value)))
}

/// Returns a text on one line, cut where it is long.
fn shown(text: &str) -> String {
    let mut shown: String =
        text.chars().take(SHOWN).flat_map(char::escape_debug).collect::<String>().replace("\\\"", "\"");
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[&str]]) -> Vec<Vec<Option<String>>> {
        rows.iter()
            .map(|row| row.iter().map(|cell| (*cell != "NULL").then(|| (*cell).to_owned())).collect())
            .collect()
    }

    #[test]
    fn rows_without_an_order_are_compared_as_a_bag() {
        let (left, right) = (rows(&[&["1", "b"], &["2", "a"]]), rows(&[&["2", "a"], &["1", "b"]]));
        assert_eq!(first_difference(&left, &right, false, Compare::Exact), None);
        assert!(first_difference(&left, &right, true, Compare::Exact).is_some());
        let twice = rows(&[&["2", "a"], &["2", "a"]]);
        assert!(first_difference(&left, &twice, false, Compare::Exact).is_some());
    }

    #[test]
    fn a_difference_names_the_row_and_the_column() {
        let difference =
            first_difference(&rows(&[&["1", "NULL"]]), &rows(&[&["1", ""]]), true, Compare::Values).unwrap();
        assert_eq!(difference, "row 1, column 2: ``, not NULL");
        assert_eq!(
            first_difference(&rows(&[&["1", "NULL"]]), &rows(&[&["1", ""]]), true, Compare::ValuesOrEmpty),
            None
        );
        assert_eq!(
            first_difference(&rows(&[]), &rows(&[&["1"]]), true, Compare::Values).unwrap(),
            "1 rows, not 0"
        );
    }

    #[test]
    fn numbers_of_other_looks_find_each_other_without_an_order() {
        let (left, right) = (rows(&[&["10.0"], &["9"]]), rows(&[&["9.00"], &["10"]]));
        assert_eq!(first_difference(&left, &right, false, Compare::Values), None);
    }
}
