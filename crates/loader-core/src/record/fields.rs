//! Splits a record into fields.

use std::borrow::Cow;

use memchr::memchr2;

use crate::definition::dialect::copy::CopyDialect;

/// One field of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its bytes, without quotes and escapes.
    pub value: Cow<'a, [u8]>,
    /// Whether any of it was in quotes.
    pub quoted: bool,
}

/// Splits a record, without its line end, as `CopyReadAttributesCSV` does: a
/// quote anywhere in a field begins or ends quoting. Quotes that don't end go
/// on to the end of the record.
#[must_use]
pub fn fields<'a>(record: &'a [u8], dialect: &CopyDialect) -> Vec<Field<'a>> {
    let mut fields = Vec::new();
    let mut rest = Some(record);
    while let Some(record) = rest {
        let (field, after) = next_field(record, dialect);
        fields.push(field);
        rest = after;
    }
    fields
}

fn next_field<'a>(record: &'a [u8], dialect: &CopyDialect) -> (Field<'a>, Option<&'a [u8]>) {
    let mut value = match split(record, memchr2(dialect.delimiter, dialect.quote, record)) {
        (plain, None, _) => return (unquoted(plain), None),
        (plain, Some(byte), after) if byte == dialect.delimiter => {
            return (unquoted(plain), Some(after));
        }
        (plain, _, _) => plain.to_vec(),
    };
    let mut rest = record.get(value.len()..).unwrap_or_default();
    let mut in_quote = false;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if !in_quote {
            if *byte == dialect.delimiter {
                return (quoted(value), Some(after));
            }
            if *byte == dialect.quote {
                in_quote = true;
            } else {
                value.push(*byte);
            }
            continue;
        }
        match after.split_first() {
            Some((next, after_next))
                if *byte == dialect.escape && (*next == dialect.escape || *next == dialect.quote) =>
            {
                value.push(*next);
                rest = after_next;
            }
            _ if *byte == dialect.quote => in_quote = false,
            _ => value.push(*byte),
        }
    }
    (quoted(value), None)
}

/// Splits around the byte at `at`.
fn split(record: &[u8], at: Option<usize>) -> (&[u8], Option<u8>, &[u8]) {
    let Some((before, from)) = at.and_then(|at| record.split_at_checked(at)) else {
        return (record, None, &[]);
    };
    match from.split_first() {
        Some((byte, after)) => (before, Some(*byte), after),
        None => (before, None, &[]),
    }
}

const fn unquoted(value: &[u8]) -> Field<'_> {
    Field { value: Cow::Borrowed(value), quoted: false }
}

const fn quoted<'a>(value: Vec<u8>) -> Field<'a> {
    Field { value: Cow::Owned(value), quoted: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(record: &str, dialect: &CopyDialect) -> Vec<(String, bool)> {
        fields(record.as_bytes(), dialect)
            .into_iter()
            .map(|field| (String::from_utf8(field.value.into_owned()).unwrap(), field.quoted))
            .collect()
    }

    fn plain(record: &str) -> Vec<(String, bool)> {
        read(record, &CopyDialect::default())
    }

    fn field(value: &str, quoted: bool) -> (String, bool) {
        (value.to_owned(), quoted)
    }

    #[test]
    fn fields_are_split_at_unquoted_delimiters() {
        assert_eq!(plain("a,,\"b,c\""), [field("a", false), field("", false), field("b,c", true)]);
        assert_eq!(plain(""), [field("", false)]);
        assert_eq!(plain(","), [field("", false), field("", false)]);
        assert_eq!(plain("\"\""), [field("", true)]);
    }

    #[test]
    fn quotes_toggle_anywhere_as_in_copy() {
        assert_eq!(plain(r#"a"b,c"d,e"#), [field("ab,cd", true), field("e", false)]);
        assert_eq!(plain(r#""He said ""hi""""#), [field(r#"He said "hi""#, true)]);
        assert_eq!(plain(r#""C:\",x"#), [field(r"C:\", true), field("x", false)]);
        assert_eq!(plain("\"open,"), [field("open,", true)]);
    }

    #[test]
    fn an_escape_protects_quotes_and_itself_only() {
        let dialect = CopyDialect { escape: b'\\', ..CopyDialect::default() };
        assert_eq!(read(r#""a\"b\\",\n"#, &dialect), [field(r#"a"b\"#, true), field(r"\n", false)]);
        assert_eq!(read(r#""a\n""#, &dialect), [field(r"a\n", true)]);
        assert_eq!(read(r#""a""b""#, &dialect), [field("ab", true)]);
    }
}
