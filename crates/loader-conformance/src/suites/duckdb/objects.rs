//! What the objects of a case say of it: what is no test of values, and what their
//! options leave to `DuckDB`'s leniency.

use serde_json::json;

use crate::suite::{Case, Expected};

/// How compressed files begin (RFC 8878, RFC 1952).
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Looks at the objects for what their names do not say.
///
/// # Errors
/// The reason to leave the case out.
pub(super) fn fit(case: &mut Case) -> Result<(), &'static str> {
    let is_for_sure = case.expected != Expected::Loads;
    let has = |test: &dyn Fn(&[u8]) -> bool| is_for_sure && case.objects.iter().any(|(_, bytes)| test(bytes));
    let is_refused = matches!(case.expected, Expected::Refused { .. });
    if !is_refused && has(&|bytes| bytes.starts_with(&ZSTD)) {
        return Err("zstd, which is refused by name");
    }
    if has(&|bytes| !bytes.starts_with(&GZIP) && !is_utf16(bytes) && bytes.contains(&0)) {
        return Err("a NUL character in a value, which no text in Postgres holds");
    }
    if has(&|bytes| bytes.trim_ascii().is_empty()) {
        return Err("an empty file, which says nothing of the columns");
    }
    let is_short = |bytes: &[u8]| !bytes.trim_ascii().contains(&b'\n');
    if case.objects.len() > 1 && has(&|bytes| is_short(bytes)) && !has(&|bytes| bytes.starts_with(&GZIP)) {
        return Err("a file of one line among others, which DuckDB takes for a header");
    }
    let line_end = case.definition.pointer("/dialect/line_end").and_then(serde_json::Value::as_str);
    if let Some(line_end) = line_end
        && has(&|bytes| has_other_line_ends(bytes, line_end))
    {
        return Err("line ends that the options exclude, and DuckDB reads all the same");
    }
    // `DuckDB` takes a delimiter at the end of a record for none.
    let Some(dialect) = case.definition.get_mut("dialect").and_then(serde_json::Value::as_object_mut) else {
        return Ok(());
    };
    if !dialect.contains_key("sniff")
        && let Some(delimiter) = dialect.get("delimiter").and_then(serde_json::Value::as_str)
        && let Some(names) = dialect.get("names").and_then(serde_json::Value::as_array)
        && case.objects.iter().all(|(_, bytes)| ends_in(bytes, delimiter, names.len()))
    {
        dialect.insert("trailing_delimiter".to_owned(), json!(true));
    }
    Ok(())
}

/// Whether a text has line ends other than this one.
fn has_other_line_ends(bytes: &[u8], line_end: &str) -> bool {
    let text = String::from_utf8_lossy(bytes).replace(line_end, "");
    text.contains(['\n', '\r'])
}

/// Whether a line can be so many fields.
pub(super) fn can_be_fields(line: &str, count: usize, delimiter: Option<&str>) -> bool {
    let delimiters: Vec<&str> = delimiter.map_or_else(|| vec![",", ";", "|", "\t"], |one| vec![one]);
    delimiters.iter().any(|delimiter| line.split(delimiter).count() == count)
}

/// Whether every line ends in a delimiter that is one more than the fields need.
fn ends_in(bytes: &[u8], delimiter: &str, fields: usize) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split(['\n', '\r']).filter(|line| !line.is_empty()).peekable();
    lines.peek().is_some()
        && lines.all(|line| line.ends_with(delimiter) && line.matches(delimiter).count() == fields)
}

fn is_utf16(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delimiter_at_the_end_is_one_too_many() {
        assert!(ends_in(b"1|2|\n3|4|\r\n", "|", 2));
        assert!(!ends_in(b"1|2|\n3|4\n", "|", 2));
        assert!(!ends_in(b"1|2|\n", "|", 3));
        assert!(!ends_in(b"", "|", 0));
    }

    #[test]
    fn what_says_nothing_of_values_is_left_out() {
        let fits = |bytes: &[u8], expected: Expected| {
            let objects = vec![("t/a".to_owned(), bytes.to_vec())];
            fit(&mut Case { objects, expected, ..Case::default() })
        };
        assert!(fits(b"a\0b", Expected::Published).is_err());
        assert!(fits(b" \n", Expected::Published).is_err());
        assert!(fits(&ZSTD, Expected::Published).is_err());
        assert_eq!(fits(b"a\0b", Expected::Loads), Ok(()));
        assert_eq!(fits(b"\xff\xfea\0", Expected::Published), Ok(()));
    }

    #[test]
    fn other_line_ends_are_seen() {
        assert!(has_other_line_ends(b"a\r\nb\n", "\r\n") && !has_other_line_ends(b"a\r\nb\r\n", "\r\n"));
        assert!(can_be_fields("a;b", 2, None) && !can_be_fields("a;b", 2, Some(",")));
    }
}
