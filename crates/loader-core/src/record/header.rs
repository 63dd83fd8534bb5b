//! Reads a header and maps it to the columns of a table.

use std::collections::HashMap;

use super::encoding;
use super::fields::fields;
use crate::definition::dialect::copy::CopyDialect;
use crate::error::{Error, ErrorName, Result};
use crate::identifier::Identifier;

/// The most names that a message shows, and the most characters of each.
const SHOWN_NAMES: usize = 10;
const SHOWN_CHARACTERS: usize = 60;

/// A column that a header may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderColumn<'a> {
    /// The column's name.
    pub name: &'a Identifier,
    /// What the header calls it, where the definition says so.
    pub header: Option<&'a str>,
    /// Whether every object must have it.
    pub required: bool,
}

/// Reads the cells of a header record; blanks around them are no part of them.
///
/// # Errors
/// `HeaderMismatch` if the bytes are no text in the dialect's encoding.
pub fn cells(record: &[u8], dialect: &CopyDialect) -> Result<Vec<String>> {
    (1..)
        .zip(fields(record, dialect))
        .map(|(position, field)| match encoding::decode(&field.value, &dialect.encoding) {
            Some(text) => Ok(text.trim().to_owned()),
            None => Err(mismatch(&format!(
                "name {position} of the header can't be read as {}: give the encoding of the \
                 objects in the definition, or write them in UTF-8",
                dialect.encoding
            ))),
        })
        .collect()
}

/// Maps a header to columns, and returns them in the order of the header.
///
/// A cell is the column whose definition gives it as header, else the one of
/// that name, else the one that [`Identifier::from_header`] makes of it; the
/// surest matches go first. Where a cell repeats, the number that inference
/// gives it (`_2`) finds its column.
///
/// # Errors
/// `HeaderMismatch` for cells without a column, two cells for one column, and
/// required columns without a cell. It shows names of the header only where
/// some of it matches: else it may be no header, and its cells values.
pub fn map_header(cells: &[String], columns: &[HeaderColumn<'_>]) -> Result<Vec<Identifier>> {
    let found = find_columns(cells, columns);
    if !found.iter().any(|found| matches!(found, Found::Column(_))) {
        return Err(mismatch(&format!(
            "no header matches a column; is the first line a header, and the delimiter right? \
             expected: {}",
            list(columns.iter().map(expected_header))
        )));
    }
    let mut problems = Vec::new();
    let with = |wanted: &Found| {
        cells
            .iter()
            .zip(&found)
            .filter(|(_, found)| *found == wanted)
            .map(|(cell, _)| cell.as_str())
            .collect::<Vec<_>>()
    };
    let unknown = with(&Found::Nothing);
    if !unknown.is_empty() {
        problems.push(format!("without a column: {}", list(unknown)));
    }
    let repeated = with(&Found::Taken);
    if !repeated.is_empty() {
        problems.push(format!("a second time for the same column: {}", list(repeated)));
    }
    let missing: Vec<&str> = (0..)
        .zip(columns)
        .filter(|(at, column)| column.required && !found.contains(&Found::Column(*at)))
        .map(|(_, column)| expected_header(column))
        .collect();
    if !missing.is_empty() {
        problems.push(format!("missing: {}", list(missing)));
    }
    if !problems.is_empty() {
        return Err(mismatch(&format!(
            "the header does not fit the table: {}; correct the objects or the definition",
            problems.join("; ")
        )));
    }
    Ok(found
        .iter()
        .filter_map(|found| match found {
            Found::Column(at) => columns.get(*at).map(|column| column.name.clone()),
            Found::Nothing | Found::Taken => None,
        })
        .collect())
}

/// What was found for a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    /// Only columns that other cells have.
    Taken,
    /// The column at this place.
    Column(usize),
}

fn find_columns(cells: &[String], columns: &[HeaderColumn<'_>]) -> Vec<Found> {
    let mut by_header: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut by_name: HashMap<&str, usize> = HashMap::new();
    for (at, column) in columns.iter().enumerate() {
        by_name.insert(column.name.as_str(), at);
        if let Some(header) = column.header {
            by_header.entry(header.trim()).or_default().push(at);
        }
    }
    let plain: Vec<Identifier> =
        (1..).zip(cells).map(|(position, cell)| Identifier::from_header(cell, position)).collect();
    let unique = Identifier::all_from_header(cells);
    let names = [
        cells.iter().map(String::as_str).collect::<Vec<_>>(),
        plain.iter().map(Identifier::as_str).collect(),
        unique.iter().map(Identifier::as_str).collect(),
    ];

    let mut found = vec![Found::Nothing; cells.len()];
    let mut taken = vec![false; columns.len()];
    let mut offer = |found: &mut Found, candidates: &[usize]| {
        if matches!(found, Found::Column(_)) || candidates.is_empty() {
            return;
        }
        *found = Found::Taken;
        for candidate in candidates {
            if let Some(taken) = taken.get_mut(*candidate)
                && !*taken
            {
                *taken = true;
                *found = Found::Column(*candidate);
                return;
            }
        }
    };
    for (found, cell) in found.iter_mut().zip(cells) {
        offer(found, by_header.get(cell.as_str()).map_or(&[], Vec::as_slice));
    }
    for names in names {
        for (found, name) in found.iter_mut().zip(names) {
            offer(found, by_name.get(name).map_or(&[], std::slice::from_ref));
        }
    }
    found
}

fn expected_header<'a>(column: &HeaderColumn<'a>) -> &'a str {
    column.header.unwrap_or(column.name.as_str())
}

fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let mut shown: Vec<String> = names.iter().take(SHOWN_NAMES).map(|name| show(name)).collect();
    if names.len() > SHOWN_NAMES {
        shown.push(format!("and {} more", names.len() - SHOWN_NAMES));
    }
    shown.join(", ")
}

fn show(name: &str) -> String {
    let mut shown: String = name
        .chars()
        .take(SHOWN_CHARACTERS)
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    if name.chars().nth(SHOWN_CHARACTERS).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

fn mismatch(message: &str) -> Error {
    Error::new(ErrorName::HeaderMismatch, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> Identifier {
        Identifier::new(name).unwrap()
    }

    /// Maps to columns written `name`, `name=header`, or `name?` if optional.
    fn map(header: &str, columns: &[&str]) -> Result<Vec<String>, String> {
        let columns: Vec<(Identifier, Option<&str>, bool)> = columns
            .iter()
            .map(|column| {
                let (name, header) = match column.split_once('=') {
                    Some((name, header)) => (name, Some(header)),
                    None => (*column, None),
                };
                (id(name.trim_end_matches('?')), header, !name.ends_with('?'))
            })
            .collect();
        let columns: Vec<HeaderColumn<'_>> = columns
            .iter()
            .map(|(name, header, required)| HeaderColumn { name, header: *header, required: *required })
            .collect();
        let cells = cells(header.as_bytes(), &CopyDialect::default()).unwrap();
        match map_header(&cells, &columns) {
            Ok(names) => Ok(names.into_iter().map(Into::into).collect()),
            Err(error) => {
                assert_eq!(error.name, ErrorName::HeaderMismatch);
                Err(error.message)
            }
        }
    }

    /// Asserts to which columns a header maps, in its order.
    #[track_caller]
    fn assert_maps(header: &str, columns: &[&str], expected: &[&str]) {
        assert_eq!(map(header, columns).unwrap(), expected);
    }

    #[test]
    fn cells_are_unquoted_trimmed_and_decoded() {
        let dialect = CopyDialect { delimiter: b';', ..CopyDialect::default() };
        assert_eq!(cells(b" a ;\"b;\"\"c\"\"\";", &dialect).unwrap(), ["a", "b;\"c\"", ""]);
        let latin = CopyDialect { encoding: "LATIN1".to_owned(), ..CopyDialect::default() };
        assert_eq!(cells(b"\xe9t\xe9", &latin).unwrap(), ["été"]);
        let error = cells(b"a,\xe9t\xe9", &CopyDialect::default()).unwrap_err();
        assert_eq!(error.name, ErrorName::HeaderMismatch);
        assert!(error.message.starts_with("name 2 of the header can't be read as UTF8"), "{error}");
    }

    #[test]
    fn columns_come_in_the_order_of_the_header() {
        assert_maps("b,a", &["a", "b"], &["b", "a"]);
    }

    #[test]
    fn a_cell_finds_its_column_by_header_then_name_then_plain_name() {
        assert_maps("STATION,Max Temp", &["station", "max_temp"], &["station", "max_temp"]);
        assert_maps("Temp", &["t=Temp"], &["t"]);
        assert_maps("A,a", &["a", "A"], &["A", "a"]);
        // The header of one column is the name of another.
        assert_maps("x,y", &["x=y", "y=x"], &["y", "x"]);
        // The surer match has the column, whichever comes first.
        assert_maps("ID,id", &["id", "other=ID"], &["other", "id"]);
    }

    #[test]
    fn repeated_cells_find_the_columns_that_inference_made_of_them() {
        assert_maps("a,a,b", &["a", "a_2", "b"], &["a", "a_2", "b"]);
        assert_maps("a,a", &["a=a", "a_2=a"], &["a", "a_2"]);
    }

    #[test]
    fn columns_with_a_default_may_be_missing() {
        assert_maps("a", &["a", "b?"], &["a"]);
    }

    #[test]
    fn misfits_are_all_named() {
        insta::assert_snapshot!(
            map("a,x,,b,B", &["a", "b", "c=Col C", "d", "e?"]).unwrap_err(),
            @"the header does not fit the table: without a column: `x`, ``; a second time for the same column: `B`; missing: `Col C`, `d`; correct the objects or the definition"
        );
    }

    #[test]
    fn a_first_line_that_is_no_header_is_not_shown() {
        insta::assert_snapshot!(
            map("4711,secret", &["id", "name=Full name"]).unwrap_err(),
            @"no header matches a column; is the first line a header, and the delimiter right? expected: `id`, `Full name`"
        );
    }

    #[test]
    fn messages_stay_short() {
        let header =
            format!("a,{}", (0..12).map(|n| format!("{n}{}", "x".repeat(80))).collect::<Vec<_>>().join(","));
        let message = map(&header, &["a"]).unwrap_err();
        assert!(message.contains("and 2 more"), "{message}");
        assert!(message.contains(&format!("`0{}…`", "x".repeat(59))), "{message}");
        assert!(message.len() < 900, "{message}");
    }
}
