//! The text format of COPY, which rows are sent in, and the text of an array, which
//! they are judged in.
//!
//! Source: `PostgreSQL` documentation, COPY, "Text Format", and "Array Input and Output
//! Syntax".

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr2};

/// How COPY's text format writes NULL.
const NULL: &str = "\\N";

/// Bytes that are copied at once. Most values are no longer than that, and to copy always as
/// many is faster than to look how many there are.
const STRIDE: usize = 16;

/// Whether anything in a text has a meaning of its own in the format.
pub(super) fn has_meaning(text: &str) -> bool {
    // Without an early end, so that many bytes are looked at at once.
    text.bytes().fold(false, |found, byte| found | is_meant(byte))
}

const fn is_meant(byte: u8) -> bool {
    matches!(byte, b'\\' | b'\t' | b'\n' | b'\r')
}

/// Appends NULL.
pub(super) fn push_null(out: &mut Vec<u8>) {
    out.extend_from_slice(NULL.as_bytes());
}

/// Appends the values of a row, without its newline; none is NULL. They are parts of the first
/// `most` bytes of a text, nothing of which [has a meaning](has_meaning). Returns false, and appends
/// nothing, if they are not in the text, or together longer than that.
#[inline]
pub(super) fn push_parts(
    text: &str,
    most: usize,
    parts: impl ExactSizeIterator<Item = Option<Range<usize>>>,
    out: &mut Vec<u8>,
) -> bool {
    let (start, bytes) = (out.len(), text.as_bytes());
    // Each is followed by one byte, and has no more than two of its own if it is NULL.
    out.resize(start + most + parts.len() * (NULL.len() + 1) + STRIDE, 0);
    let end = write_parts(bytes, parts, out.get_mut(start..).unwrap_or_default());
    out.truncate(end.map_or(start, |end| start + end));
    end.is_some()
}

/// Writes values where there is room for them, and returns how long it is.
#[inline]
fn write_parts(
    text: &[u8],
    parts: impl Iterator<Item = Option<Range<usize>>>,
    room: &mut [u8],
) -> Option<usize> {
    let mut at = 0;
    for part in parts {
        let Some(part) = part else {
            let (null, rest) = room.get_mut(at..)?.split_at_mut_checked(NULL.len())?;
            null.copy_from_slice(NULL.as_bytes());
            *rest.first_mut()? = b'\t';
            at += NULL.len() + 1;
            continue;
        };
        // More than there is of any text, if it ends before it begins.
        let length = part.end.wrapping_sub(part.start);
        let from = text.get(part.start..)?;
        let to = room.get_mut(at..)?;
        match (from.first_chunk::<STRIDE>(), to.first_chunk_mut::<{ STRIDE + 1 }>()) {
            // The delimiter is written here, where there is sure to be room: apart it takes a quarter more.
            (Some(value), Some(to)) if length <= STRIDE => {
                *to.first_chunk_mut()? = *value;
                *to.get_mut(length)? = b'\t';
            }
            _ => {
                let (place, rest) = to.split_at_mut_checked(length)?;
                place.copy_from_slice(from.get(..length)?);
                *rest.first_mut()? = b'\t';
            }
        }
        at += length + 1;
    }
    // Nothing is behind the last.
    at.checked_sub(1)
}

/// Appends a value.
pub(super) fn push_value(value: &str, out: &mut Vec<u8>) {
    if !has_meaning(value) {
        out.extend_from_slice(value.as_bytes());
        return;
    }
    for byte in value.bytes() {
        match byte {
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            other => out.push(other),
        }
    }
}

/// Returns the values of a row, without its newline, that [`push_value`] has written.
pub(super) fn values(row: &str) -> impl Iterator<Item = Option<Cow<'_, str>>> {
    row.split('\t').map(|written| (written != NULL).then(|| unescaped(written)))
}

fn unescaped(written: &str) -> Cow<'_, str> {
    if memchr(b'\\', written.as_bytes()).is_none() {
        return Cow::Borrowed(written);
    }
    let mut value = String::with_capacity(written.len());
    let mut characters = written.chars();
    while let Some(c) = characters.next() {
        if c != '\\' {
            value.push(c);
            continue;
        }
        value.push(match characters.next() {
            Some('t') => '\t',
            Some('n') => '\n',
            Some('r') => '\r',
            _ => '\\',
        });
    }
    Cow::Owned(value)
}

/// Writes a row as the text of a `text[]`.
pub(super) fn array(row: &str) -> String {
    let mut array = String::with_capacity(row.len() + row.len() / 4 + 2);
    array.push('{');
    for (at, value) in values(row).enumerate() {
        if at > 0 {
            array.push(',');
        }
        match value {
            None => array.push_str("NULL"),
            Some(value) => {
                array.push('"');
                push_escaped(&value, &mut array);
                array.push('"');
            }
        }
    }
    array.push('}');
    array
}

fn push_escaped(mut rest: &str, out: &mut String) {
    while let Some(at) = memchr2(b'"', b'\\', rest.as_bytes()) {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        out.push('\\');
        let (sign, left) = after.split_at(1);
        out.push_str(sign);
        rest = left;
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row_of(values: &[Option<&str>]) -> String {
        let mut out = Vec::new();
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                out.push(b'\t');
            }
            match value {
                Some(value) => push_value(value, &mut out),
                None => push_null(&mut out),
            }
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_has_a_meaning_in_the_format_is_escaped() {
        assert_eq!(row_of(&[Some("a\tb\\N\r\nc"), None, Some(r"\N")]), "a\\tb\\\\N\\r\\nc\t\\N\t\\\\N");
        assert_eq!(array("a\\tb\t\\N\t\t\"\\\\"), "{\"a\tb\",NULL,\"\",\"\\\"\\\\\"}");
    }

    proptest! {
        #[test]
        fn a_row_is_read_as_it_was_written(row in prop::collection::vec(prop::option::of("[a\\\\\t\n\r\"N,{}é]{0,6}"), 1..6)) {
            let written = row_of(&row.iter().map(Option::as_deref).collect::<Vec<_>>());
            prop_assert!(!written.contains(['\n', '\r']));
            let read: Vec<Option<String>> = values(&written).map(|value| value.map(Cow::into_owned)).collect();
            prop_assert_eq!(read, row);
        }

        #[test]
        fn parts_of_a_text_are_a_row(
            cells in prop::collection::vec(prop::option::of("[aé,]{0,40}"), 1..6), behind in "[aé]{0,20}",
        ) {
            let mut text = String::new();
            let parts: Vec<_> = cells
                .iter()
                .map(|cell| {
                    let cell = cell.as_ref()?;
                    let start = text.len();
                    text.push_str(cell);
                    Some(start..text.len())
                })
                .collect();
            text.push_str(&behind);
            let mut out = b"written".to_vec();
            prop_assert!(push_parts(&text, text.len(), parts.into_iter(), &mut out));
            let expected = row_of(&cells.iter().map(Option::as_deref).collect::<Vec<_>>());
            prop_assert_eq!(String::from_utf8(out).unwrap(), format!("written{expected}"));
        }
    }

    #[test]
    fn parts_that_are_not_in_the_text_are_no_row() {
        for parts in [vec![Some(0..1), Some(3..5)], vec![Some(0..4); 40], Vec::new()] {
            let mut out = b"written".to_vec();
            assert!(!push_parts("abcd", 4, parts.into_iter(), &mut out));
            assert_eq!(out, b"written");
        }
    }
}
