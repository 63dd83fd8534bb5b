//! The text format of COPY, which rows are sent in, and the text of an array, which
//! they are judged in.
//!
//! Source: `PostgreSQL` documentation, COPY, "Text Format", and "Array Input and Output
//! Syntax".

use std::borrow::Cow;

use memchr::{memchr, memchr2};

/// How COPY's text format writes NULL.
const NULL: &str = "\\N";

/// Appends a value; none is NULL.
pub(super) fn push_value(value: Option<&str>, out: &mut String) {
    let Some(mut rest) = value else {
        out.push_str(NULL);
        return;
    };
    let has_meaning = |byte: u8| matches!(byte, b'\\' | b'\t' | b'\n' | b'\r');
    // Without an early end, so that many bytes are looked at at once.
    if !rest.bytes().fold(false, |found, byte| found | has_meaning(byte)) {
        out.push_str(rest);
        return;
    }
    while let Some(at) = rest.bytes().position(has_meaning) {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        out.push('\\');
        let (special, left) = after.split_at(1);
        out.push(match special {
            "\t" => 't',
            "\n" => 'n',
            "\r" => 'r',
            _ => '\\',
        });
        rest = left;
    }
    out.push_str(rest);
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

    #[test]
    fn what_has_a_meaning_in_the_format_is_escaped() {
        let mut out = String::new();
        push_value(Some("a\tb\\N\r\nc"), &mut out);
        assert_eq!(out, r"a\tb\\N\r\nc");
        out.clear();
        push_value(None, &mut out);
        assert_eq!(out, r"\N");
        out.clear();
        push_value(Some(r"\N"), &mut out);
        assert_eq!(out, r"\\N");
        assert_eq!(array("a\\tb\t\\N\t\t\"\\\\"), "{\"a\tb\",NULL,\"\",\"\\\"\\\\\"}");
    }

    proptest! {
        #[test]
        fn a_row_is_read_as_it_was_written(row in prop::collection::vec(prop::option::of("[a\\\\\t\n\r\"N,{}é]{0,6}"), 1..6)) {
            let mut written = String::new();
            for (at, value) in row.iter().enumerate() {
                if at > 0 {
                    written.push('\t');
                }
                push_value(value.as_deref(), &mut written);
            }
            prop_assert!(!written.contains(['\n', '\r']));
            let read: Vec<Option<String>> = values(&written).map(|value| value.map(Cow::into_owned)).collect();
            prop_assert_eq!(read, row);
        }
    }
}
