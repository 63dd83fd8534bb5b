//! Reads a header and maps it to the columns of a table.

use super::encoding;
use super::fields::fields;
use super::naming::{Found, find_columns};
use crate::definition::dialect::copy::CopyDialect;
use crate::definition::drift::UnknownColumns;
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
    /// Other names that headers have for it.
    pub aliases: &'a [String],
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
/// How a cell finds its column is said at [`find_columns`].
///
/// # Errors
/// `HeaderMismatch` for cells without a column, two cells for one column, and
/// required columns without a cell. It shows names of the header only where
/// some of it matches: else it may be no header, and its cells values.
pub fn map_header(cells: &[String], columns: &[HeaderColumn<'_>]) -> Result<Vec<Identifier>> {
    let found = fit(cells, columns, UnknownColumns::Fail)?;
    Ok(found
        .iter()
        .filter_map(|found| match found {
            Found::Column(at) => columns.get(*at).map(|column| column.name.clone()),
            Found::Nothing | Found::Taken | Found::Ambiguous => None,
        })
        .collect())
}

/// Finds the column of each cell, and makes sure that what is left on both sides may
/// be left.
///
/// # Errors
/// `HeaderMismatch`, as [`map_header`] says.
pub(super) fn fit(
    cells: &[String],
    columns: &[HeaderColumn<'_>],
    unknown: UnknownColumns,
) -> Result<Vec<Found>> {
    let found = find_columns(cells, columns);
    if !columns.is_empty() && !found.iter().any(|found| matches!(found, Found::Column(_))) {
        return Err(mismatch(&format!(
            "no header matches a column; is the first line a header, and the delimiter right? \
             expected: {}",
            list(columns.iter().map(expected_header))
        )));
    }
    let with = |wanted: &[Found]| {
        let names: Vec<&str> = cells
            .iter()
            .zip(&found)
            .filter(|(_, found)| wanted.contains(found))
            .map(|(cell, _)| cell.as_str())
            .collect();
        (!names.is_empty()).then(|| list(names))
    };
    let mut problems = Vec::new();
    match unknown {
        UnknownColumns::Fail => {
            problems.extend(with(&[Found::Nothing]).map(|names| format!("without a column: {names}")));
            problems.extend(
                with(&[Found::Taken, Found::Ambiguous])
                    .map(|names| format!("a second time for the same column: {names}")),
            );
        }
        UnknownColumns::Add => problems.extend(with(&[Found::Nothing, Found::Taken]).map(|names| {
            format!(
                "without a column, as no object that was looked into before the load has them: {names} \
                 (name them in the definition, or set unknown_columns to ignore)"
            )
        })),
        UnknownColumns::Ignore => {}
    }
    if unknown != UnknownColumns::Fail {
        problems.extend(
            with(&[Found::Ambiguous]).map(|names| format!("like another one for the same column: {names}")),
        );
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
    Ok(found)
}

fn expected_header<'a>(column: &HeaderColumn<'a>) -> &'a str {
    let header = column.header.filter(|header| !header.trim().is_empty());
    header.or(column.aliases.first().map(String::as_str)).unwrap_or(column.name.as_str())
}

pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
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

pub(super) fn mismatch(message: &str) -> Error {
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
            .map(|(name, header, required)| HeaderColumn {
                name,
                header: *header,
                aliases: &[],
                required: *required,
            })
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
