//! Guesses where records begin in the midst of an object.
//!
//! A newline may stand within quotes, and the bytes around it do not always tell. So the
//! text is read both ways, as if it began outside of quotes and as if it began within,
//! and the way that makes better records is taken. It is a nomination: whether records
//! begin there is known when what stands before has been read.

use super::decode::unit;
use super::parsed::Parsed;
use super::parser::Records;
use super::tokenizer::Step;
use crate::definition::dialect::{Dialect, Format, Quoting};
use crate::error::Result;

/// The most records that a way of reading is judged by.
const JUDGED: u64 = 4_096;

/// A place where a record may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Boundary {
    /// The place in the window.
    pub(crate) at: u64,
    /// Whether the other way of reading is a poorer one.
    pub(crate) is_sure: bool,
}

/// What a way of reading makes of the text.
#[derive(Debug, Clone, Copy)]
struct Way {
    at: u64,
    good: u64,
    bad: u64,
}

/// Finds the first place behind the first byte of the window where a record may begin;
/// none if the window is too short to tell. `ended` says that the object ends with it.
///
/// # Errors
/// `InvalidDefinition` if the encoding is not known.
pub(crate) fn find(
    window: &[u8],
    ended: bool,
    dialect: &Dialect,
    width: Option<usize>,
    is_good: &dyn Fn(&Parsed) -> bool,
) -> Result<Option<Boundary>> {
    let read = |before: &[u8]| way(before, window, ended, dialect, width, is_good);
    let outside = read(b"")?;
    let mut quote = [0; 4];
    let within = match dialect.quote.filter(|quote| dialect.format == Format::Csv && *quote != '\0') {
        Some(sign) => read(sign.encode_utf8(&mut quote).as_bytes())?,
        None => None,
    };
    Ok(match (outside, within) {
        (None, None) => None,
        (Some(one), None) | (None, Some(one)) => {
            Some(Boundary { at: one.at, is_sure: one.good > 0 && one.bad == 0 })
        }
        (Some(outside), Some(within)) => {
            // The share of bad ones decides; the simpler way has ties.
            let share = |way: Way, other: Way| {
                u128::from(way.bad) * u128::from((other.good + other.bad).max(1))
            };
            let (better, poorer) = if share(within, outside) < share(outside, within) {
                (within, outside)
            } else {
                (outside, within)
            };
            Some(Boundary { at: better.at, is_sure: share(better, poorer) < share(poorer, better) })
        }
    })
}

/// Reads the window with something put before it.
fn way(
    before: &[u8],
    window: &[u8],
    ended: bool,
    dialect: &Dialect,
    width: Option<usize>,
    is_good: &dyn Fn(&Parsed) -> bool,
) -> Result<Option<Way>> {
    let Some(unit) = unit(&dialect.encoding) else { return Ok(None) };
    let begin = |dialect: &Dialect, parts: &[&[u8]]| -> Result<Records> {
        let mut records = Records::amid(dialect, width)?;
        records.tokenizer().follow(0, unit);
        for part in parts {
            records.push(part)?;
        }
        if ended {
            records.end()?;
        }
        Ok(records)
    };
    let mut records = begin(dialect, &[before, window])?;
    records.tokenizer().stop_at(Some(before.len() as u64 + 1));
    let mut record = Parsed::default();
    let mut bad = 0;
    loop {
        match records.next(&mut record) {
            // The end of one whose beginning is not here: it may be too short, not too long.
            Step::Record => bad += u64::from(width.is_some_and(|width| record.width() > width)),
            Step::More => return Ok(None),
            Step::End => break,
        }
    }
    let Some(at) = records.tokenizer().place() else { return Ok(None) };
    let at = at.saturating_sub(before.len() as u64);
    // By quotes as RFC 4180 has them, as most writers do: read the wrong way, closing
    // quotes open fields.
    let strict = match dialect.format {
        Format::Csv => Dialect { quoting: Quoting::Whole, ..dialect.clone() },
        Format::Text | Format::Fixed => dialect.clone(),
    };
    let from = usize::try_from(at).unwrap_or(usize::MAX);
    let mut records = begin(&strict, &[window.get(from..).unwrap_or_default()])?;
    let mut good = 0;
    while good + bad < JUDGED && records.next(&mut record) == Step::Record {
        if record.fault().is_none() && is_good(&record) {
            good += 1;
        } else {
            bad += 1;
        }
    }
    Ok(Some(Way { at, good, bad }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(window: &str, ended: bool) -> Option<u64> {
        let is_good = |record: &Parsed| record.width() == 3;
        let found = find(window.as_bytes(), ended, &Dialect::default(), Some(3), &is_good).unwrap();
        found.map(|found| found.at)
    }

    #[test]
    fn the_first_byte_may_be_the_end_of_a_line() {
        assert_eq!(found("\n1,2,3\n", false), Some(1));
        assert_eq!(found("\r\n1,2,3\n", false), Some(2));
        assert_eq!(found("3\n1,2,3\n", false), Some(2));
    }

    #[test]
    fn a_line_end_within_quotes_is_not_taken() {
        assert_eq!(found("a\nb\",3\n1,2,3\n4,\"5\n\",6\n", false), Some(7));
        assert_eq!(found("a\n\"\"b\",3\n1,2,3\n4,\"5\n\",6\n", false), Some(9));
        assert_eq!(found("2,\"a\nb\"\n1,2,3\n", false), Some(9));
    }

    #[test]
    fn a_window_without_a_line_end_says_nothing_unless_the_object_ends() {
        assert_eq!(found("2,3", false), None);
        assert_eq!(found("2,3", true), Some(3));
        assert_eq!(found("2,3\n", true), Some(4));
    }
}
