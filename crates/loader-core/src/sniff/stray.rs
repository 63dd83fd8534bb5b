//! Tells quotes that are values from those that wrap them, where one is not closed.

use super::reading::{Reading, Row};
use crate::definition::dialect::{Dialect, Quoting};

/// Of so many fields at most one may be in quotes: where they are usual, they wrap values.
const RARE: usize = 10;

/// Whether reading with quotes fails in the sample, while without them every record has
/// as many fields as most have, and quotes are rare.
pub(super) fn quotes_are_values(text: &str, cut: bool, dialect: &Dialect, width: usize) -> bool {
    let Some(quote) = dialect.quote.filter(|quote| text.contains(*quote)) else { return false };
    if width < 2 || !Reading::of(text, dialect, cut).rows.iter().any(|row| row.faulty) {
        return false;
    }
    let reading = Reading::of(text, &without_quotes(dialect), cut);
    let wrapped = |value: &str| {
        let value = value.trim();
        value.len() > 1 && value.starts_with(quote) && value.ends_with(quote)
    };
    let fields = |row: &Row| row.cells.len();
    let all: usize = reading.rows.iter().map(fields).sum();
    let quoted = reading.rows.iter().flat_map(|row| &row.cells).filter(|cell| wrapped(&cell.value)).count();
    // The first line may be a title.
    reading.rows.len() > 2
        && reading.rows.iter().all(|row| !row.faulty && row.width() == width)
        && quoted * RARE <= all
}

/// The dialect with quotes as a part of values.
pub(super) fn without_quotes(dialect: &Dialect) -> Dialect {
    Dialect { quote: None, escape: None, quoting: Quoting::Whole, ..dialect.clone() }
}
