//! Pollock's own score: ten measures of each file between 0 and 1, added up
//! (`evaluate.py` and `pollock/metrics.py` of
//! <https://github.com/HPI-Information-Systems/Pollock>).
//!
//! What it calls precision is the share of the expected cells that are found; recall is
//! the share of the found ones that are expected. Cells are compared as they are
//! written: Pollock first makes dates, numbers and prices one look, which can only find
//! more of them equal.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::super::second_reader::bytes;
use crate::outcome::Published;
use crate::suite::{Case, Expected};

/// What the authors measured: <https://github.com/HPI-Information-Systems/Pollock>.
const OTHERS: &str = "PostgreSQL's COPY has 0.136 and 6.961 there, DuckDB 9.961 and 9.599";

/// What follows a file's name in the name of its case where everything is found out.
const AUTO: &str = " (auto)";

/// Measures what was published; a load that was refused has nothing.
pub(super) fn measure(case: &Case, published: Option<&Published>) -> f64 {
    let Some(expected) = clean(&case.expected) else { return 0.0 };
    match published {
        None => 0.0,
        Some(published) => {
            let header = expected.header.map(|_| published.columns.as_slice());
            10.0_f64.min(1.0 + expected.compared_with(&Texts { header, rows: &published.rows }))
        }
    }
}

fn clean(expected: &Expected) -> Option<Texts<'_>> {
    match expected {
        Expected::Accounted { columns, rows, .. } => Some(Texts { header: columns.as_deref(), rows }),
        Expected::AnyOf(several) => several.iter().find_map(clean),
        _ => None,
    }
}

/// A table as the benchmark reads it back: lines of texts, NULL an empty one.
struct Texts<'a> {
    header: Option<&'a [String]>,
    rows: &'a [Vec<Option<String>>],
}

impl<'a> Texts<'a> {
    /// Returns the sum of the nine measures beside the success.
    fn compared_with(&self, found: &Self) -> f64 {
        if self.lines().next().is_none() {
            return 9.0;
        }
        let header = of_bags(&bag(self.first()), &bag(found.first()));
        let records = of_bags(&bag(self.records()), &bag(found.records()));
        let cells = of_bags(&bag(self.lines().flatten()), &bag(found.lines().flatten()));
        header + records + cells
    }

    fn lines(&self) -> impl Iterator<Item = Vec<&'a str>> {
        let header = self.header.map(|header| header.iter().map(String::as_str).collect());
        let rows = self.rows.iter().map(|row| row.iter().map(|cell| cell.as_deref().unwrap_or("")).collect());
        header.into_iter().chain(rows)
    }

    fn first(&self) -> Vec<&'a str> {
        self.lines().next().unwrap_or_default()
    }

    /// All lines but the first one, each the texts of its cells in one: where one ends
    /// and the next begins does not count.
    fn records(&self) -> impl Iterator<Item = String> {
        self.lines().skip(1).map(|line| line.concat())
    }
}

fn bag<T: std::hash::Hash + Eq>(items: impl IntoIterator<Item = T>) -> HashMap<T, usize> {
    let mut bag = HashMap::new();
    for item in items {
        *bag.entry(item).or_insert(0) += 1;
    }
    bag
}

/// Returns the share of the expected that is found, the share of the found that is
/// expected, and their harmonic mean, added up.
#[expect(clippy::cast_precision_loss, reason = "a file has some thousands of cells")]
fn of_bags<T: std::hash::Hash + Eq>(expected: &HashMap<T, usize>, found: &HashMap<T, usize>) -> f64 {
    let count = |bag: &HashMap<T, usize>| bag.values().sum::<usize>() as f64;
    if expected.is_empty() {
        return 3.0;
    }
    let common: usize = expected.iter().map(|(item, count)| *count.min(found.get(item).unwrap_or(&0))).sum();
    if common == 0 {
        return 0.0;
    }
    let (precision, recall) = (common as f64 / count(expected), common as f64 / count(found));
    precision + recall + 2.0 * precision * recall / (precision + recall)
}

/// Says the scores of all files, as they are defined and with everything found out.
///
/// # Errors
/// If the weights are there and can't be read.
pub(super) fn remarks(folder: &Path, measured: &[(&str, f64)]) -> Result<Vec<String>> {
    let (alone, told): (Vec<_>, Vec<_>) =
        measured.iter().copied().partition(|(name, _)| name.ends_with(AUTO));
    if told.is_empty() {
        return Ok(Vec::new());
    }
    let weights = folder.join("pollock_weights.json");
    let weights: Option<HashMap<String, f64>> = if weights.is_file() {
        Some(serde_json::from_slice(&bytes(&weights)?).context("pollock_weights.json is no JSON")?)
    } else {
        None
    };
    let mut remarks = Vec::new();
    for (measured, how) in [(told, "as defined"), (alone, "with everything found out")] {
        let simple = weighted(&measured, |_| 1.0);
        let by_weight = match &weights {
            Some(weights) => {
                let file = |name: &str| *weights.get(name.trim_end_matches(AUTO)).unwrap_or(&0.0);
                format!("{:.3} weighted", weighted(&measured, file))
            }
            None => "the weights are not in the data".to_owned(),
        };
        remarks.push(format!(
            "Pollock's score of {} files {how}: {simple:.3} simple, {by_weight}, of 10. {OTHERS} (all 2,290 files).",
            measured.len()
        ));
    }
    Ok(remarks)
}

fn weighted(measured: &[(&str, f64)], weight: impl Fn(&str) -> f64) -> f64 {
    let all: f64 = measured.iter().map(|(name, _)| weight(name)).sum();
    if all == 0.0 {
        return 0.0;
    }
    measured.iter().map(|(name, measure)| measure * weight(name)).sum::<f64>() / all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Compare;

    fn rows(rows: &[&[&str]]) -> Vec<Vec<Option<String>>> {
        rows.iter().map(|row| row.iter().map(|cell| Some((*cell).to_owned())).collect()).collect()
    }

    fn case(cells: &[&[&str]]) -> Case {
        Case {
            expected: Expected::Accounted {
                columns: Some(vec!["a".to_owned(), "b".to_owned()]),
                rows: rows(cells),
                compare: Compare::Exact,
                at_least: 0,
            },
            ..Case::default()
        }
    }

    fn published(cells: &[&[&str]]) -> Published {
        let columns = vec!["a".to_owned(), "b".to_owned()];
        Published { columns, rows: rows(cells), ..Published::default() }
    }

    #[test]
    fn a_clean_load_has_ten_and_a_refusal_nothing() {
        let case = case(&[&["1", "2"], &["3", "4"]]);
        let all = measure(&case, Some(&published(&[&["3", "4"], &["1", "2"]])));
        assert!((all - 10.0).abs() < 1e-9, "{all}");
        assert!(measure(&case, None).abs() < 1e-9);
    }

    #[test]
    fn a_row_that_lacks_costs_the_share_that_is_expected() {
        let case = case(&[&["1", "2"], &["3", "4"]]);
        let half = measure(&case, Some(&published(&[&["1", "2"]])));
        // Records: 1/2, 1, 2/3; cells with the header: 4/6, 1, 4/5.
        let expected = 1.0 + 3.0 + (0.5 + 1.0 + 2.0 / 3.0) + (4.0 / 6.0 + 1.0 + 0.8);
        assert!((half - expected).abs() < 1e-9, "{half}");
    }

    #[test]
    fn the_weights_count_where_they_are() {
        assert!((weighted(&[("a", 10.0), ("b", 0.0)], |_| 1.0) - 5.0).abs() < 1e-9);
        let weight = |name: &str| if name == "a" { 3.0 } else { 1.0 };
        assert!((weighted(&[("a", 10.0), ("b", 0.0)], weight) - 7.5).abs() < 1e-9);
    }
}
