//! Tells quotes that are values from those that wrap them, where one is not closed.

use super::candidate::doubled_only;
use super::reading::Reading;
use crate::definition::dialect::{Dialect, Quoting};

/// Whether reading with quotes fails in the sample, while without them every record has
/// as many fields as most have, and most fields with quotes are not wrapped in them.
pub(super) fn quotes_are_values(text: &str, cut: bool, dialect: &Dialect, width: usize) -> bool {
    let Some(quote) = dialect.quote.filter(|quote| text.contains(*quote)) else { return false };
    if width < 2 || !Reading::of(text, dialect, cut).rows.iter().any(|row| row.faulty) {
        return false;
    }
    let reading = Reading::of(text, &without_quotes(dialect), cut);
    let fields = || reading.rows.iter().flat_map(|row| &row.cells).map(|cell| cell.value.as_str());
    let with_quotes = fields().filter(|value| value.contains(quote)).count();
    let wrapped = fields().filter(|value| is_wrapped(value, quote)).count();
    reading.rows.len() > 2
        && reading.rows.iter().all(|row| !row.faulty && row.width() == width)
        && wrapped * 2 <= with_quotes
}

/// Whether a quote stands at both ends of a value, and else only in pairs.
fn is_wrapped(value: &str, quote: char) -> bool {
    let within = value.trim().strip_prefix(quote).and_then(|value| value.strip_suffix(quote));
    within.is_some_and(|within| doubled_only(within, quote))
}

/// The dialect with quotes as a part of values.
pub(super) fn without_quotes(dialect: &Dialect) -> Dialect {
    Dialect { quote: None, escape: None, quoting: Quoting::Whole, ..dialect.clone() }
}
