//! Finds the columns that the cells of a header name.

use std::collections::HashMap;

use super::header::HeaderColumn;
use crate::identifier::Identifier;

/// The byte order mark of UTF-8, read as if it were WIN1252.
const MISREAD_MARK: &str = "ï»¿";

/// What was found for a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// Only columns that other cells have.
    Taken,
    /// Only a column that another cell has, which is written otherwise and fits it no
    /// better.
    Ambiguous,
    /// The column at this place.
    Column(usize),
}

/// Finds the column of each cell.
///
/// A cell is the column whose definition gives it as header or alias, else the one of
/// that name, first as it is written and then without the blanks around it; else the one
/// that [`Identifier::from_header`] makes of it. Where a cell repeats, the number that
/// inference gives it (`_2`) finds its column. At last, cells and names are compared
/// [`folded`], where that tells the columns apart. The surest matches go first.
pub(super) fn find_columns(cells: &[String], columns: &[HeaderColumn<'_>]) -> Vec<Found> {
    let mut by_header: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut by_folded: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, column) in columns.iter().enumerate() {
        by_name.entry(column.name.as_str()).or_default().push(at);
        let headers = column.header.into_iter().chain(column.aliases.iter().map(String::as_str));
        for header in headers.clone() {
            by_header.entry(header.trim()).or_default().push(at);
        }
        for name in headers.chain([column.name.as_str()]) {
            let found = by_folded.entry(folded(name)).or_default();
            if !found.contains(&at) {
                found.push(at);
            }
        }
    }
    by_folded.retain(|name, columns| columns.len() == 1 && !name.is_empty());

    let mut search =
        Search { cells, found: vec![Found::Nothing; cells.len()], owners: vec![None; columns.len()] };
    let exact: Vec<&str> = cells.iter().map(String::as_str).collect();
    let trimmed: Vec<&str> = exact.iter().map(|cell| cell.trim()).collect();
    for columns in [&by_header, &by_name] {
        search.stage(&exact, columns);
        search.stage(&trimmed, columns);
    }
    let plain: Vec<Identifier> =
        (1..).zip(cells).map(|(position, cell)| Identifier::from_header(cell, position)).collect();
    search.stage(&plain.iter().map(Identifier::as_str).collect::<Vec<_>>(), &by_name);
    let unique = Identifier::all_from_header(cells);
    search.stage(&unique.iter().map(Identifier::as_str).collect::<Vec<_>>(), &by_name);
    let folds: Vec<String> = cells.iter().map(|cell| folded(cell)).collect();
    let by_folded: HashMap<&str, Vec<usize>> =
        by_folded.iter().map(|(name, columns)| (name.as_str(), columns.clone())).collect();
    search.stage(&folds.iter().map(String::as_str).collect::<Vec<_>>(), &by_folded);
    search.found
}

/// Returns the letters and digits of a name, in lower case: `"Max. Temp "`, `max_temp`
/// and `MaxTemp` are the same.
fn folded(name: &str) -> String {
    name.strip_prefix(MISREAD_MARK)
        .unwrap_or(name)
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

struct Search<'a> {
    cells: &'a [String],
    found: Vec<Found>,
    /// The cell that has each column.
    owners: Vec<Option<usize>>,
}

impl Search<'_> {
    /// Offers each cell that has no column yet those of its name.
    fn stage(&mut self, names: &[&str], columns: &HashMap<&str, Vec<usize>>) {
        let before = self.owners.clone();
        for (at, name) in names.iter().enumerate() {
            let candidates = columns.get(name).map_or(&[][..], Vec::as_slice);
            if candidates.is_empty() || matches!(self.found.get(at), Some(Found::Column(_)) | None) {
                continue;
            }
            let found = self.offer(at, candidates, &before);
            // What an earlier stage has said of a rival stays.
            if let Some(slot) = self.found.get_mut(at)
                && (matches!(found, Found::Column(_)) || *slot == Found::Nothing)
            {
                *slot = found;
            }
        }
    }

    fn offer(&mut self, cell: usize, candidates: &[usize], before: &[Option<usize>]) -> Found {
        for candidate in candidates {
            if let Some(owner) = self.owners.get_mut(*candidate)
                && owner.is_none()
            {
                *owner = Some(cell);
                return Found::Column(*candidate);
            }
        }
        let text = |at: usize| self.cells.get(at).map(|cell| cell.trim());
        let rival = candidates
            .iter()
            .filter(|candidate| matches!(before.get(**candidate), Some(None)))
            .filter_map(|candidate| *self.owners.get(*candidate)?)
            .any(|owner| text(owner) != text(cell));
        if rival { Found::Ambiguous } else { Found::Taken }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(cells: &[&str], names: &[&str]) -> Vec<Found> {
        let cells: Vec<String> = cells.iter().map(ToString::to_string).collect();
        let names: Vec<Identifier> = names.iter().map(|name| Identifier::new(*name).unwrap()).collect();
        let columns: Vec<HeaderColumn<'_>> = names
            .iter()
            .map(|name| HeaderColumn { name, header: None, aliases: &[], required: true })
            .collect();
        find_columns(&cells, &columns)
    }

    #[test]
    fn case_blanks_marks_and_quotes_are_folded() {
        for cell in ["MaxTemp", "max_temp", " MAX  TEMP", "\u{feff}Max-Temp", "ï»¿max temp", "'Max.Temp'"]
        {
            assert_eq!(find(&[cell], &["max_temp"]), [Found::Column(0)], "{cell:?}");
        }
    }

    #[test]
    fn a_cell_without_blanks_goes_before_one_with() {
        assert_eq!(find(&[" a", "b", "a"], &["a", "b"]), [Found::Taken, Found::Column(1), Found::Column(0)]);
    }

    #[test]
    fn folding_never_chooses_between_two_columns() {
        assert_eq!(find(&["A-B"], &["a__b", "ab"]), [Found::Nothing]);
        assert_eq!(find(&["a_b", "A B"], &["ab", "x"]), [Found::Column(0), Found::Ambiguous]);
    }

    #[test]
    fn a_repeated_cell_is_told_from_one_that_is_only_alike() {
        assert_eq!(find(&["a", "a"], &["a"]), [Found::Column(0), Found::Taken]);
        assert_eq!(find(&["A+", "A-"], &["a"]), [Found::Column(0), Found::Ambiguous]);
        assert_eq!(find(&["ID", "id"], &["id"]), [Found::Taken, Found::Column(0)]);
    }
}
