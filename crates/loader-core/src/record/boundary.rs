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
            let share =
                |way: Way, other: Way| u128::from(way.bad) * u128::from((other.good + other.bad).max(1));
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
    use proptest::prelude::*;

    use super::*;
    use crate::database::parts::{Fate, Outcome, judge};
    use crate::definition::dialect::{FixedField, Trim};
    use crate::plan::parts::parts;
    use crate::record::parsed::{Fault, Written};

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
        assert_eq!(found("2,\"a\nb\"\n1,2,3\n", false), Some(8));
    }

    #[test]
    fn a_window_without_a_line_end_says_nothing_unless_the_object_ends() {
        assert_eq!(found("2,3", false), None);
        assert_eq!(found("2,3", true), Some(3));
        assert_eq!(found("2,3\n", true), Some(4));
    }

    /// The records of a stretch of an object, each as its fields, line and fault.
    type Read = Vec<(Vec<(String, Written)>, u64, Option<Fault>)>;

    /// Reads a stretch as a part is read; returns where it ends and how many lines it has.
    fn read(bytes: &[u8], from: usize, to: usize, dialect: &Dialect) -> (Read, Option<u64>, u64) {
        let mut records = Records::amid(dialect, Some(3)).unwrap();
        records.tokenizer().follow(from as u64, unit(&dialect.encoding).unwrap());
        records.tokenizer().stop_at((to < bytes.len()).then_some(to as u64));
        records.push(&bytes[from..]).unwrap();
        records.end().unwrap();
        let mut record = Parsed::default();
        let mut read = Vec::new();
        while records.next(&mut record) == Step::Record {
            let fields = record.fields().map(|field| (field.value.to_owned(), field.written)).collect();
            read.push((fields, record.line(), record.fault()));
        }
        let lines = records.tokenizer().line() - 1;
        (read, records.tokenizer().place(), lines)
    }

    /// Reads an object in parts; none if they are not the object.
    fn in_parts(bytes: &[u8], part_bytes: u64, dialect: &Dialect) -> Option<Read> {
        let (mut all, mut outcomes, mut before) = (Read::new(), Vec::new(), 0);
        let parts = parts(bytes.len() as u64, part_bytes);
        for part in &parts {
            let at = |n: u64| usize::try_from(n).unwrap();
            let first = if part.from == 0 {
                0
            } else {
                let window = &bytes[at(part.from) - 1..];
                let is_good = |record: &Parsed| record.width() == 3;
                part.from - 1 + find(window, true, dialect, Some(3), &is_good).unwrap()?.at
            };
            let (read, end_at, lines) = read(bytes, at(first), at(part.to), dialect);
            all.extend(read.into_iter().map(|(fields, line, fault)| (fields, line + before, fault)));
            before += lines;
            outcomes.push(Outcome {
                number: part.number,
                first_at: Some(first),
                end_at,
                failed: None,
                is_certain: false,
            });
        }
        (judge(&outcomes, outcomes.len().try_into().unwrap(), bytes.len() as u64) == Fate::Whole)
            .then_some(all)
    }

    fn dialects() -> impl Strategy<Value = Dialect> {
        (
            prop::sample::select(&[Quoting::Anywhere, Quoting::Whole, Quoting::Loose][..]),
            prop::sample::select(&[Some('"'), Some('\\'), None][..]),
            prop::sample::select(&[Some('"'), Some('"'), Some('\''), None][..]),
            prop::sample::select(&["UTF8", "LATIN1", "WIN1252"][..]),
            prop::option::weighted(0.3, prop::sample::select(&["\n", "\r\n"][..])),
            (
                any::<bool>(),
                prop::bool::weighted(0.2),
                prop::sample::select(&[Trim::None, Trim::Unquoted, Trim::All][..]),
            ),
            prop::sample::select(&[Format::Csv, Format::Csv, Format::Csv, Format::Fixed][..]),
        )
            .prop_map(
                |(quoting, escape, quote, encoding, line_end, (blank, comment, trim), format)| Dialect {
                    quoting,
                    escape: escape.map(|escape| if escape == '"' { quote.unwrap_or('"') } else { escape }),
                    quote,
                    encoding: encoding.to_owned(),
                    line_end: line_end.map(ToOwned::to_owned),
                    skip_blank_lines: blank,
                    comment: comment.then(|| "#".to_owned()),
                    trim,
                    format,
                    fields: vec![FixedField { name: "a".to_owned(), from: 0, length: None }],
                    ..Dialect::default()
                },
            )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn parts_that_are_the_object_have_its_records(
            dialect in dialects(),
            bytes in prop_oneof![
                "([a-c]{0,3},\"([a,\n\r]|\"\"){0,6}\",[a-c]{0,2}\r?\n|#[\",a]{0,4}\n|\r?\n){0,12}".prop_map(String::into_bytes),
                "[a,\"\n\r\\\\#' é]{0,60}".prop_map(String::into_bytes),
                prop::collection::vec(prop::sample::select(&b"a,\"\n\r\\#\xc3\xa9\xe2\x80\xf0\x00\xef\xbb\xbf "[..]), 0..60),
            ],
            part_bytes in 1_u64..30,
        ) {
            let whole = read(&bytes, 0, bytes.len(), &dialect).0;
            if let Some(parts) = in_parts(&bytes, part_bytes, &dialect) {
                prop_assert_eq!(parts, whole);
            }
        }

        #[test]
        fn what_writers_write_is_read_in_parts(
            rows in prop::collection::vec(("[a-z]{0,5}", "[a-z,\n\" ]{0,8}", "[0-9]{1,4}"), 20..60),
            part_bytes in 200_u64..400,
        ) {
            let bytes: Vec<u8> = rows
                .iter()
                .flat_map(|(one, two, three)| format!("{one},\"{}\",{three}\n", two.replace('"', "\"\"")).into_bytes())
                .collect();
            let whole = read(&bytes, 0, bytes.len(), &Dialect::default()).0;
            if !parts(bytes.len() as u64, part_bytes).is_empty() {
                prop_assert_eq!(in_parts(&bytes, part_bytes, &Dialect::default()), Some(whole));
            }
        }
    }
}
