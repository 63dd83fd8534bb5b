//! What the test files expect: rows in `DuckDB`'s look, counts, errors.

use crate::suite::{Compare, Expected};

/// What a statement's answer is, before it is known what the statement does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// These rows, and how many columns they have.
    Rows { rows: Vec<Vec<Option<String>>>, width: usize },
    /// It succeeds.
    Succeeds,
    /// It fails.
    Fails(String),
    /// It ends.
    Ends,
}

/// Parts of errors that are about the data (`DuckDB`'s `csv_error.cpp`, and what casts
/// and compressed files say).
const ABOUT_DATA: [&str; 21] = [
    "could not convert string",
    "error when converting column",
    "conversion error",
    "csv error on line",
    "expected number of columns",
    "columns found",
    "unterminated quote",
    "invalid unicode",
    "invalid state",
    "not possible to automatically detect",
    "error when sniffing",
    "is missing",
    "line: ",
    "this type was either manually set",
    "not utf-8 encoded",
    "constraint",
    "is not a gzip stream",
    "quote",
    "too many",
    "mismatch",
    "invalid input error: csv",
];

/// Parts of errors about the way `DuckDB` reads, that no other reader has.
const ITS_OWN: [(&str, &str); 13] = [
    ("maximum line size", "a limit of DuckDB's own on the length of lines"),
    ("max_line_size", "a limit of DuckDB's own on the length of lines"),
    ("auto-detected from the csv file", "a type that DuckDB guesses wrong from a small sample"),
    ("is being converted as type", "a type that DuckDB guesses wrong from a small sample"),
    ("files_to_sniff", "which files DuckDB looks into"),
    ("parallel csv reader", "DuckDB's parallel reading"),
    ("permission error", "DuckDB's own rights to files"),
    ("no files found", "a file that is not there"),
    ("no function matches", "a function of DuckDB's own"),
    ("must not appear in", "an error about DuckDB's options"),
    ("cannot exceed a size", "an error about DuckDB's options"),
    ("type mismatch", "an error about DuckDB's options"),
    ("binder error", "an error about DuckDB's options"),
];

const NESTED: &str = "nested types";
const NUL: &str = "a NUL character in a value, which no text in Postgres holds";
const HASHED: &str = "rows of which the test has the hash only";
const SHAPE: &str = "rows in a shape that is not read here";

impl Answer {
    /// Reads the kind of a statement and the lines below it.
    ///
    /// # Errors
    /// The reason to leave the case out.
    pub(super) fn read(kind: &str, expected: &[String]) -> Result<Self, &'static str> {
        let mut words = kind.split_whitespace();
        match (words.next(), words.next()) {
            (Some("statement"), Some("ok")) => Ok(Self::Succeeds),
            (Some("statement"), Some("error")) => Ok(Self::Fails(expected.join("\n"))),
            (Some("statement"), Some("maybe")) => Ok(Self::Ends),
            (Some("query"), Some(columns)) => {
                if words.next() == Some("valuesort") {
                    return Err(SHAPE);
                }
                let width = columns.len();
                rows(width, expected).map(|rows| Self::Rows { rows, width })
            }
            _ => Err(SHAPE),
        }
    }

    /// Checks that it is about the data where it is an error.
    ///
    /// # Errors
    /// The reason to leave the case out.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        match self {
            Self::Fails(error) => about_data(error),
            _ => Ok(()),
        }
    }

    /// Whether values have their quotes on.
    pub(super) fn has_quotes_on(&self) -> bool {
        let is_quoted = |text: &str| text.len() > 2 && text.starts_with('"') && text.ends_with('"');
        matches!(self, Self::Rows { rows, .. } if rows.iter().flatten().flatten().any(|text| is_quoted(text)))
    }

    /// Returns what must come of a load.
    ///
    /// # Errors
    /// The reason to leave the case out.
    pub(super) fn of_load(
        self,
        compare: Compare,
        counts: bool,
        keeps: bool,
    ) -> Result<Expected, &'static str> {
        Ok(match self {
            Self::Rows { rows, .. } if counts => {
                let count =
                    rows.first().and_then(|row| row.first()).and_then(|cell| cell.as_ref()?.parse().ok());
                Expected::RowCount(count.ok_or(SHAPE)?)
            }
            // A table has no order.
            Self::Rows { rows, .. } => Expected::Rows { columns: None, rows, ordered: false, compare },
            // What a reader that keeps rejects takes is not said.
            Self::Succeeds if keeps => Expected::Loads,
            Self::Succeeds => Expected::Published,
            Self::Fails(_) => Expected::Refused { contains: Vec::new() },
            Self::Ends => Expected::Loads,
        })
    }
}

/// Whether an error is about the data.
fn about_data(error: &str) -> Result<(), &'static str> {
    let error = error.to_lowercase();
    if error.trim().is_empty() {
        return Err("an error that the test does not name");
    }
    if let Some((_, why)) = ITS_OWN.iter().find(|(part, _)| error.contains(part)) {
        return Err(why);
    }
    if error.contains("strict mode") {
        return Err("what DuckDB's strict mode refuses, and others read");
    }
    // Could not convert string "1/1/2020" to 'DATE'
    if let Some((text, sql_type)) =
        error.split_once("could not convert string \"").and_then(|(_, rest)| rest.split_once("\" to '"))
        && (sql_type.starts_with("date") || sql_type.starts_with("timestamp"))
        && text.contains('/')
    {
        return Err("a date in a form that Postgres reads and DuckDB does not");
    }
    if ABOUT_DATA.iter().any(|part| error.contains(part)) {
        Ok(())
    } else {
        Err("an error about DuckDB's options")
    }
}

fn rows(width: usize, lines: &[String]) -> Result<Vec<Vec<Option<String>>>, &'static str> {
    if lines.iter().any(|line| line.contains("values hashing to")) {
        return Err(HASHED);
    }
    if lines.iter().any(|line| line.contains("\\0")) {
        return Err(NUL);
    }
    if lines.iter().any(|line| line.starts_with("<REGEX>") || line.starts_with("<!REGEX>")) {
        return Err("rows that the test describes by a pattern");
    }
    let cells: Vec<Vec<&str>> = lines.iter().map(|line| line.split('\t').collect()).collect();
    let whole = if cells.iter().all(|row| row.len() == width) {
        cells
    } else {
        // One value on each line.
        let values: Vec<&str> = lines.iter().map(String::as_str).collect();
        if !values.len().is_multiple_of(width) || cells.iter().any(|row| row.len() > 1) {
            return Err(SHAPE);
        }
        values.chunks(width).map(<[&str]>::to_vec).collect()
    };
    let rows: Vec<Vec<Option<String>>> = whole
        .into_iter()
        .map(|row| {
            row.into_iter()
                .map(|cell| match cell {
                    "NULL" => None,
                    "(empty)" => Some(String::new()),
                    text => Some(text.to_owned()),
                })
                .collect()
        })
        .collect();
    let is_nested = |text: &str| text.starts_with("{'") || text.starts_with("[{'");
    if rows.iter().flatten().flatten().any(|text| is_nested(text)) {
        return Err(NESTED);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn rows_are_on_one_line_or_each_value_is() {
        let text = |text: &str| Some(text.to_owned());
        let expected = vec![vec![text("a"), None], vec![text(""), text("b")]];
        assert_eq!(rows(2, &lines(&["a\tNULL", "(empty)\tb"])).unwrap(), expected);
        assert_eq!(rows(2, &lines(&["a", "NULL", "(empty)", "b"])).unwrap(), expected);
        assert_eq!(rows(2, &lines(&["a", "b", "c"])), Err(SHAPE));
        assert_eq!(rows(1, &lines(&["30 values hashing to 0a"])), Err(HASHED));
    }

    #[test]
    fn errors_about_options_are_left_out() {
        let fails = |error: &str| Answer::Fails(error.to_owned()).check();
        assert_eq!(fails("Could not convert string \"x\""), Ok(()));
        assert_eq!(fails("Maximum line size of 30 bytes exceeded"), Err(ITS_OWN[0].1));
        assert_eq!(fails("requires a list of types"), Err("an error about DuckDB's options"));
    }

    #[test]
    fn a_copy_tells_its_count() {
        let answer = Answer::read("query I", &lines(&["201"])).unwrap();
        assert_eq!(answer.of_load(Compare::Values, true, false), Ok(Expected::RowCount(201)));
    }
}
